//! What takes the engine's batches.

use crate::{
    drivers::session::Session,
    engine::{Outcome, Sender},
    fork::SimTx,
    plan::Resource,
};
use futures::future::BoxFuture;
use std::collections::BTreeSet;

/// Why a sink could not do its part.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct SinkError {
    /// What it was doing.
    pub what: &'static str,
    /// Why it failed.
    pub reason: String,
}

/// What takes the engine's batches: a live run sends them, a dry-run reports them.
pub trait Sink: Send {
    /// A new head, before any trigger runs on it: bundles for it and earlier blocks are decided.
    fn head<'a>(&'a mut self, session: &'a Session) -> BoxFuture<'a, Result<(), SinkError>>;

    /// Operators that are free, and what bundles in flight use.
    fn ready(&mut self) -> (Vec<Sender>, BTreeSet<Resource>);

    /// What came of a trigger. Gives how many bundles were sent.
    fn take<'a>(&'a mut self, session: &'a Session, front: &'a [SimTx], outcome: &'a Outcome) -> BoxFuture<'a, Result<usize, SinkError>>;
}
