//! A dry-run's sink: what would have been sent, told instead of sent.

use super::{
    records::Records,
    searcher::{Sink, SinkError},
    session::{Means, Session},
};
use crate::{
    engine::{Batch, BatchShape, Outcome, Sender},
    fork::SimTx,
    plan::{ProtocolId, Resource, Skip, SkipReason},
    protocols::Keeper,
};
use alloy::primitives::{Address, U256};
use futures::{FutureExt, future::BoxFuture};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Reports what the engine found.
#[derive(Debug)]
pub struct DrySink {
    operators: Vec<Address>,
    /// What bundles for the coming block use already, as if they had been sent.
    taken: BTreeSet<Resource>,
    /// What was counted at any head: the same position is earned once.
    counted: BTreeSet<Resource>,
    /// What keepers would have spent in the target block's day, by protocol.
    spent: BTreeMap<ProtocolId, U256>,
    /// That day, in days since 1970.
    day: u64,
    /// What keepers may spend still.
    allowances: BTreeMap<ProtocolId, U256>,
    records: Option<Records>,
    /// Bundles that would have been sent.
    pub batches: usize,
    /// Their profit in wei.
    pub profit_wei: U256,
    /// Keepers' transactions that would have been sent.
    pub chores: usize,
    /// Wei of gas that they would have cost.
    pub chores_wei: U256,
}

impl DrySink {
    /// A sink with these throw-away operators; `records` keeps what came of triggers.
    #[must_use]
    pub const fn new(operators: Vec<Address>, records: Option<Records>) -> Self {
        Self {
            operators,
            taken: BTreeSet::new(),
            counted: BTreeSet::new(),
            spent: BTreeMap::new(),
            day: 0,
            allowances: BTreeMap::new(),
            records,
            batches: 0,
            profit_wei: U256::ZERO,
            chores: 0,
            chores_wei: U256::ZERO,
        }
    }

    /// A new head: nothing is taken yet for the block after it, and keepers have what is left of that block's day.
    pub(super) fn begin(&mut self, session: &Session) {
        self.taken.clear();
        let day = session.target_block().timestamp / DAY;
        if day != std::mem::replace(&mut self.day, day) {
            self.spent.clear();
        }
        let left = |(protocol, keeper): (ProtocolId, Keeper)| {
            let spent = self.spent.get(&protocol).copied().unwrap_or_default();
            (protocol, keeper.budget_wei.saturating_sub(spent))
        };
        self.allowances = session.keepers().map(left).collect();
    }

    /// Counts what would have been sent, unless the same was counted before.
    fn count(&mut self, batch: &Batch) {
        let locks = || batch.candidates.iter().flat_map(|candidate| &candidate.opportunity.locks);
        self.taken.extend(locks().cloned());
        if locks().any(|lock| !self.counted.contains(lock)) {
            if batch.shape == BatchShape::Chore {
                let cost = batch.gas_wei();
                self.chores = self.chores.saturating_add(1);
                self.chores_wei = self.chores_wei.saturating_add(cost);
                for candidate in &batch.candidates {
                    let spent = self.spent.entry(candidate.opportunity.target.protocol.clone()).or_default();
                    *spent = spent.saturating_add(cost);
                }
            } else {
                self.batches = self.batches.saturating_add(1);
                self.profit_wei = self.profit_wei.saturating_add(batch.profit_wei);
            }
        }
        self.counted.extend(locks().cloned());
    }
}

impl Sink for DrySink {
    fn head<'a>(&'a mut self, session: &'a Session) -> BoxFuture<'a, Result<(), SinkError>> {
        self.begin(session);
        async { Ok(()) }.boxed()
    }

    fn ready(&mut self) -> Means {
        let senders = self.operators.iter().map(|address| Sender { address: *address, nonce: 0 }).collect();
        Means { senders, locked: self.taken.clone(), allowances: self.allowances.clone() }
    }

    fn take<'a>(&'a mut self, session: &'a Session, front: &'a [SimTx], outcome: &'a Outcome) -> BoxFuture<'a, Result<usize, SinkError>> {
        async move {
            let failed = |what: &'static str| move |error: crate::ledger::LedgerError| SinkError { what, reason: error.to_string() };
            if let Some(records) = &mut self.records {
                records.outcome(session.head(), outcome).await.map_err(failed("writing an outcome"))?;
            }
            // As in a live run: what such a trigger opens is seen and can't be taken.
            if let Some(blob) = front.iter().find(|tx| tx.is_eip4844()) {
                let skip = Skip::new(SkipReason::TriggerNotBundleable, format!("the trigger {} carries blobs", blob.tx_hash()));
                for batch in &outcome.batches {
                    if let Some(records) = &mut self.records {
                        records.refuse(session.head(), batch, &skip).await.map_err(failed("writing a skip"))?;
                    }
                }
                return Ok(0);
            }
            outcome.sent().for_each(|batch| self.count(batch));
            Ok(0)
        }
        .boxed()
    }
}
