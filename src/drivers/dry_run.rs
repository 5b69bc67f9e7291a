//! A dry-run's sink: what would have been sent, told instead of sent.

use super::{
    records::Records,
    searcher::{Sink, SinkError},
    session::Session,
};
use crate::{
    engine::{Outcome, Sender},
    fork::SimTx,
    plan::Resource,
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

    fn take<'a>(&'a mut self, session: &'a Session, _front: &'a [SimTx], outcome: &'a Outcome) -> BoxFuture<'a, Result<usize, SinkError>> {
        async move {
            if let Some(records) = &mut self.records {
                let kept = records.outcome(session.head(), outcome).await;
                kept.map_err(|error| SinkError { what: "writing an outcome", reason: error.to_string() })?;
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
