//! Where all of it is kept: SQLite with a write-ahead log, one thread that writes.
//!
//! ```text
//! note(trigger, opportunity, skip) ──try──▶ ┌───────────────┐
//!                     (dropped and counted) │ bounded queue │──▶ writer thread ──one commit for all that wait──▶ harrier.sqlite
//! journal, outcome, proof, checkpoint ─await▶└───────────────┘        └─ answers after the commit
//! ```
//!
//! A bundle is journaled and committed to disk before it is sent; how it ended is recorded when its block is decided. Whatever kills the process in
//! between, [`Ledger::unfinished_bundles`] tells at the next start what may have been sent. A decision counts until its block leaves the chain:
//!
//! ```text
//! journaled ─▶ submitted ─▶ landed | lost | missed | reverted ─the block is gone─▶ undone ─▶ landed | lost | ..
//!                           each row stays; the newest one counts and names the one that it supersedes
//! ```
//!
//! One process has a ledger at a time: whoever opens it holds a lock that ends with the process.

mod error;
mod explain;
mod lock;
mod query;
mod record;
mod rows;
mod schema;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use error::LedgerError;
pub use explain::{Explanation, InputName, explain_difference};
pub use rows::{
    BlockRef, BundleRow, BundleTxRow, CandidateRow, Checkpoint, Discovered, Inputs, JobRow, JournaledBundle, OpportunityRow, Outcome, OutcomeRow, ProofEnd,
    ProofRow, Realised, RecordId, SkipRow, SubmissionRow, Summary, TriggerRow,
};

use crate::plan::{Action, ProtocolId};
use alloy::primitives::U256;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::{mpsc, oneshot};
use writer::Work;

/// Most pieces of work that wait for the writer.
const QUEUE: usize = 4_096;

/// A handle to the ledger; clones share one writer.
#[derive(Clone, Debug)]
pub struct Ledger {
    queue: mpsc::Sender<Work>,
    next_id: Arc<AtomicI64>,
    dropped: Arc<AtomicU64>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What is kept when there is room: losing one loses history, not money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// What made us look.
    Trigger(TriggerRow),
    /// What the protocol would have accepted.
    Opportunity(OpportunityRow),
    /// What was not done.
    Skip(SkipRow),
    /// A priced plan.
    Candidate(CandidateRow),
}

impl Ledger {
    /// Opens a ledger, creates it where there is none, and starts its writer. Takes the time of a few disk accesses, or two seconds while another
    /// process has it; then that is the error, [`LedgerError::InUse`]. All of it is done by the writer's thread, so the caller's is free meanwhile.
    pub async fn open(path: &Path) -> Result<Self, LedgerError> {
        let (queue, work) = mpsc::channel(QUEUE);
        let (opened, answer) = oneshot::channel();
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || writer::run(&path, opened, work)).map_err(LedgerError::Thread)?;
        let next_id = answer.await.map_err(|_| LedgerError::Closed)??.saturating_add(1);
        Ok(Self { queue, next_id: Arc::new(AtomicI64::new(next_id)), dropped: Arc::default(), thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// A new identity.
    fn id(&self) -> RecordId {
        RecordId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// How many notes were dropped because the writer could not keep up.
    #[must_use]
    pub fn dropped_notes(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Runs `work` on the writer's thread and waits until it is committed.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static) -> Result<T, LedgerError> {
        let (work, answer) = writer::piece(work);
        self.queue.send(work).await.map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Keeps a note without waiting, and gives the identity that later rows refer to. With a full queue the note is dropped and counted.
    pub fn note(&self, note: Note) -> RecordId {
        let id = self.id();
        let (work, _) = writer::piece(move |connection| {
            let kept = match &note {
                Note::Trigger(row) => record::trigger(connection, id, row),
                Note::Opportunity(row) => record::opportunity(connection, id, row),
                Note::Skip(row) => record::skip(connection, id, row),
                Note::Candidate(row) => record::candidate(connection, id, row),
            };
            if let Err(error) = &kept {
                tracing::error!(%error, "a note was not kept");
            }
            kept
        });
        if self.queue.try_send(work).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        id
    }

    /// Keeps a trigger.
    pub fn record_trigger(&self, row: TriggerRow) -> RecordId {
        self.note(Note::Trigger(row))
    }

    /// Keeps an opportunity.
    pub fn record_opportunity(&self, row: OpportunityRow) -> RecordId {
        self.note(Note::Opportunity(row))
    }

    /// Keeps a skip.
    pub fn record_skip(&self, row: SkipRow) -> RecordId {
        self.note(Note::Skip(row))
    }

    /// Keeps a candidate.
    pub fn record_candidate(&self, row: CandidateRow) -> RecordId {
        self.note(Note::Candidate(row))
    }

    /// Writes a bundle into the journal. Only when this has answered may the bundle be sent.
    pub async fn journal_bundle(&self, row: BundleRow) -> Result<RecordId, LedgerError> {
        let id = self.id();
        self.run(move |connection| record::bundle(connection, id, &row)).await?;
        Ok(id)
    }

    /// Keeps what a relay answered.
    pub async fn mark_submitted(&self, bundle: RecordId, row: SubmissionRow) -> Result<(), LedgerError> {
        let id = self.id();
        self.run(move |connection| record::submission(connection, id, bundle, &row)).await
    }

    /// Keeps how a bundle ended, with its proofs, in one commit. What was recorded before stays and does not count any more. For a landed one, says
    /// how the result stands to its prediction.
    pub async fn record_outcome(&self, bundle: RecordId, row: OutcomeRow) -> Result<Option<Explanation>, LedgerError> {
        let id = self.id();
        let proofs: Vec<RecordId> = row.proofs.iter().map(|_| self.id()).collect();
        self.run(move |connection| record::outcome(connection, (id, &proofs), bundle, &row)).await
    }

    /// Keeps a proof.
    pub async fn record_proof(&self, row: ProofRow) -> Result<RecordId, LedgerError> {
        let id = self.id();
        self.run(move |connection| record::proof(connection, id, &row)).await?;
        Ok(id)
    }

    /// Keeps what a range of the discovery `name` found, and how far it has read, in one commit.
    pub async fn store_checkpoint(&self, name: &str, checkpoint: Checkpoint, found: Vec<Discovered>) -> Result<(), LedgerError> {
        let name = name.to_owned();
        self.run(move |connection| record::checkpoint(connection, &name, checkpoint, &found)).await
    }

    /// Forgets all that a discovery found, so that it starts again.
    pub async fn forget_discovery(&self, name: &str) -> Result<(), LedgerError> {
        let name = name.to_owned();
        self.run(move |connection| record::forget_discovery(connection, &name)).await
    }

    /// How far a discovery has read.
    pub async fn checkpoint(&self, name: &str) -> Result<Option<Checkpoint>, LedgerError> {
        let name = name.to_owned();
        self.run(move |connection| query::checkpoint(connection, &name)).await
    }

    /// What a discovery has found.
    pub async fn discovered(&self, name: &str) -> Result<Vec<Discovered>, LedgerError> {
        let name = name.to_owned();
        self.run(move |connection| query::discovered(connection, &name)).await
    }

    /// Bundles that may have been sent and whose end is not recorded, or was taken back, in the order they were journaled.
    pub async fn unfinished_bundles(&self) -> Result<Vec<JournaledBundle>, LedgerError> {
        self.run(query::unfinished).await
    }

    /// Bundles that were decided from a block of at least this height, in the order they were journaled: a reorg may still take these back.
    pub async fn decided_since(&self, block: u64) -> Result<Vec<JournaledBundle>, LedgerError> {
        self.run(move |connection| query::decided_since(connection, block)).await
    }

    /// Wei of gas that one kind of action has cost in a protocol, in bundles that were journaled since a time (ms since 1970): what landed and what
    /// reverted at its real cost, what is open at the predicted one, whatever else nothing.
    pub async fn spent(&self, protocol: ProtocolId, action: Action, since_ms: u64) -> Result<U256, LedgerError> {
        self.run(move |connection| query::spent(connection, &protocol, action, since_ms)).await
    }

    /// The totals.
    pub async fn summary(&self) -> Result<Summary, LedgerError> {
        self.run(query::summary).await
    }

    /// Waits until everything that was given before is committed.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        self.run(|_| Ok(())).await
    }

    /// Writes out what waits and ends the writer once the last clone is gone. Without it the writer ends by itself, but nobody waits for it.
    pub async fn close(self) -> Result<(), LedgerError> {
        self.flush().await?;
        let thread = if Arc::strong_count(&self.thread) == 1 { self.thread.lock().take() } else { None };
        drop(self);
        if let Some(thread) = thread {
            tokio::task::spawn_blocking(move || thread.join()).await.map_err(|_| LedgerError::Closed)?.map_err(|_| LedgerError::Closed)?;
        }
        Ok(())
    }
}
