//! A dry-run's sink: what would have been sent, told instead of sent.

use super::{
    records::Records,
    searcher::{Sink, SinkError},
    session::Session,
};
use crate::{
    engine::{Outcome, Sender},
    fork::SimTx,
    plan::{Resource, Skip, SkipReason},
};
use alloy::primitives::{Address, U256};
use futures::{FutureExt, future::BoxFuture};
use std::collections::BTreeSet;

/// Reports what the engine found.
#[derive(Debug)]
pub struct DrySink {
    operators: Vec<Address>,
    /// What bundles for the coming block use already, as if they had been sent.
    taken: BTreeSet<Resource>,
    /// What was counted at any head: the same position is earned once.
    counted: BTreeSet<Resource>,
    records: Option<Records>,
    /// Bundles that would have been sent.
    pub batches: usize,
    /// Their profit in wei.
    pub profit_wei: U256,
}

impl DrySink {
    /// A sink with these throw-away operators; `records` keeps what came of triggers.
    #[must_use]
    pub const fn new(operators: Vec<Address>, records: Option<Records>) -> Self {
        Self { operators, taken: BTreeSet::new(), counted: BTreeSet::new(), records, batches: 0, profit_wei: U256::ZERO }
    }
}

impl Sink for DrySink {
    fn head<'a>(&'a mut self, _session: &'a Session) -> BoxFuture<'a, Result<(), SinkError>> {
        self.taken.clear();
        async { Ok(()) }.boxed()
    }

    fn ready(&mut self) -> (Vec<Sender>, BTreeSet<Resource>) {
        (self.operators.iter().map(|address| Sender { address: *address, nonce: 0 }).collect(), self.taken.clone())
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
            for batch in &outcome.batches {
                let locks = || batch.candidates.iter().flat_map(|candidate| &candidate.opportunity.locks);
                self.taken.extend(locks().cloned());
                if locks().any(|lock| !self.counted.contains(lock)) {
                    self.batches = self.batches.saturating_add(1);
                    self.profit_wei = self.profit_wei.saturating_add(batch.profit_wei);
                }
                self.counted.extend(locks().cloned());
            }
            Ok(0)
        }
        .boxed()
    }
}
