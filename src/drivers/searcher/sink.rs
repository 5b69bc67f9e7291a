//! What takes the engine's batches.

use crate::{
    drivers::session::{Means, Session},
    engine::Outcome,
    fork::SimTx,
};
use futures::future::BoxFuture;

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

    /// What the next run may use.
    fn ready(&mut self) -> Means;

    /// What came of a trigger. Gives how many bundles were sent.
    fn take<'a>(&'a mut self, session: &'a Session, front: &'a [SimTx], outcome: &'a Outcome) -> BoxFuture<'a, Result<usize, SinkError>>;
}
