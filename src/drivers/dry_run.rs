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
        Self { operators, records, batches: 0, profit_wei: U256::ZERO }
    }
}

impl Sink for DrySink {
    fn head<'a>(&'a mut self, _session: &'a Session) -> BoxFuture<'a, Result<(), SinkError>> {
        async { Ok(()) }.boxed()
    }

    fn ready(&mut self) -> (Vec<Sender>, BTreeSet<Resource>) {
        // Nothing is in flight: each trigger is answered as if it were the only one.
        (self.operators.iter().map(|address| Sender { address: *address, nonce: 0 }).collect(), BTreeSet::new())
    }

    fn take<'a>(&'a mut self, session: &'a Session, _front: &'a [SimTx], outcome: &'a Outcome) -> BoxFuture<'a, Result<usize, SinkError>> {
        async move {
            if let Some(records) = &mut self.records {
                let kept = records.outcome(session.head(), outcome).await;
                kept.map_err(|error| SinkError { what: "writing an outcome", reason: error.to_string() })?;
            }
            self.batches = self.batches.saturating_add(outcome.batches.len());
            self.profit_wei = outcome.batches.iter().fold(self.profit_wei, |sum, batch| sum.saturating_add(batch.profit_wei));
            Ok(0)
        }
        .boxed()
    }
}
