//! Chosen pending transactions on their way to the engine: signature, state, effect. All of it beside the loop.
//!
//! ```text
//! chosen ─▶ queue (known ones first) ─▶ task ─▶ run on what is known ─▶ all there? ─yes─▶ does it concern us? ─▶ Ready
//!                                               (offline, no request)      └─no─▶ read ahead, run with the node ──▲
//! ```
//!
//! The loop goes on with heads meanwhile. A transaction whose state is all there makes no request at all; others are read ahead within a
//! time limit, a bounded number at once, and never on a thread that simulates for the engine. What changes nothing that a value was read from
//! ends here and never holds up the engine. A task that a head overtook answers so and is begun anew.

use super::{
    dropped::Dropped,
    mempool::{Interest, reachable},
};
use crate::{
    book::Book,
    fork::{Facet, Fork, ForkError, ReadSet, SimTx, TargetBlock, Trail, TxStatus, View},
};
use alloy::{
    consensus::transaction::SignerRecoverable,
    primitives::{B256, map::HashSet},
};
use parking_lot::RwLock;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

/// Where transactions are made ready: one head's state and book.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) fork: Arc<Fork>,
    pub(super) book: Arc<RwLock<Book>>,
    pub(super) view: View,
    pub(super) block: TargetBlock,
}

/// What became of a chosen transaction.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It concerns values of the book, or is known for it and fails here: the engine is asked.
    Concerns {
        /// Itself, with its sender's earlier ones in front.
        front: Vec<SimTx>,
        /// What its simulation touched.
        touched: ReadSet,
        /// Whether it changed what a value was read from, or begins something; false if it fails here.
        writes: bool,
    },
    /// It leads nowhere.
    Dropped(Dropped),
    /// The head moved meanwhile.
    Moved,
}

/// A transaction that was looked at.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) tx: SimTx,
    pub(super) interest: Interest,
    pub(super) verdict: Verdict,
    /// The head that it was looked at.
    pub(super) head: B256,
    /// Whether something had to be read for it.
    pub(super) fetched: bool,
}

/// Bounds of the work.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadyBounds {
    /// Most transactions that are looked at at once.
    pub(super) at_once: usize,
    /// Longest time for one.
    pub(super) within: Duration,
}

/// The queue and the tasks. Its length is bounded by the block's budget of simulations.
#[derive(Debug)]
pub(super) struct Readying {
    bounds: ReadyBounds,
    known: VecDeque<SimTx>,
    samples: VecDeque<SimTx>,
    at_work: JoinSet<Ready>,
    samples_at_work: usize,
    /// All that is queued or at work.
    hashes: HashSet<B256>,
    /// Threads that may wait for the node; one whose task was given up holds its place until the node's time limit ends it.
    threads: Arc<Semaphore>,
}

impl Readying {
    pub(super) fn new(bounds: ReadyBounds) -> Self {
        let at_once = bounds.at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            bounds: ReadyBounds { at_once, ..bounds },
            known: VecDeque::new(),
            samples: VecDeque::new(),
            at_work: JoinSet::new(),
            samples_at_work: 0,
            hashes: HashSet::default(),
            threads: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// Queues a transaction; one that is on its way already is not queued again.
    pub(super) fn push(&mut self, tx: SimTx, interest: Interest) {
        if self.hashes.insert(*tx.tx_hash()) {
            match interest {
                Interest::Known => self.known.push_back(tx),
                Interest::Sample => self.samples.push_back(tx),
            }
        }
    }

    /// Begins as much as may be at work at once; samples take half of the places at most, so that they never hold up what is known to
    /// matter. `earlier` gives what is known of a sender before a transaction.
    pub(super) fn begin(&mut self, ground: impl Fn() -> Ground, earlier: impl Fn(&SimTx) -> Vec<SimTx>) {
        while self.at_work.len() < self.bounds.at_once {
            let (tx, interest) = if let Some(tx) = self.known.pop_front() {
                (tx, Interest::Known)
            } else if self.samples_at_work < self.bounds.at_once.div_ceil(2)
                && let Some(tx) = self.samples.pop_front()
            {
                self.samples_at_work = self.samples_at_work.saturating_add(1);
                (tx, Interest::Sample)
            } else {
                return;
            };
            let job = Job { earlier: earlier(&tx), tx, interest };
            self.at_work.spawn(ready(ground(), job, self.bounds.within, Arc::clone(&self.threads)));
        }
    }

    /// The next one that is done; waits for ever while none is at work. Cancel-safe.
    pub(super) async fn next(&mut self) -> Ready {
        loop {
            match self.at_work.join_next().await {
                Some(Ok(ready)) => {
                    self.hashes.remove(ready.tx.tx_hash());
                    if ready.interest == Interest::Sample {
                        self.samples_at_work = self.samples_at_work.saturating_sub(1);
                    }
                    return ready;
                }
                Some(Err(error)) => tracing::error!(%error, "a task that made a pending transaction ready ended early"),
                None => std::future::pending().await,
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Job {
    tx: SimTx,
    interest: Interest,
    /// Known ones of its sender with a lower nonce, in order.
    earlier: Vec<SimTx>,
}

/// What a look at a transaction showed.
enum Looked {
    Done(Verdict),
    /// Something that it needs is not there: what to read for.
    Missing(Vec<SimTx>),
}

async fn ready(ground: Ground, job: Job, within: Duration, threads: Arc<Semaphore>) -> Ready {
    let mut fetched = false;
    let judged = tokio::time::timeout(within, judge(&ground, &job, &threads, &mut fetched)).await;
    let verdict = match judged {
        _ if !ground.view.is_current() => Verdict::Moved,
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => {
            tracing::debug!(%error, hash = %job.tx.tx_hash(), "what a pending transaction needs could not be read");
            Verdict::Dropped(Dropped::Unread)
        }
        Err(_) => Verdict::Dropped(Dropped::Unread),
    };
    Ready { tx: job.tx, interest: job.interest, verdict, head: ground.view.head().hash, fetched }
}

async fn judge(ground: &Ground, job: &Job, threads: &Arc<Semaphore>, fetched: &mut bool) -> Result<Verdict, ForkError> {
    let missing = match on_thread(ground, job, ground.view.offline(), None).await? {
        Looked::Done(verdict) => return Ok(verdict),
        Looked::Missing(front) => front,
    };
    *fetched = true;
    let mut sender = ReadSet::default();
    sender.insert(Facet::Balance(job.tx.signer()));
    ground.fork.prefetch(&sender).await?;
    // Without the sender nothing was known of what stands in front; now the node's tracer is asked for all of it.
    let front = if missing.is_empty() {
        match ground.view.offline().account(job.tx.signer()).map(|account| reachable(&job.tx, &job.earlier, account, ground.block.base_fee)) {
            Ok(Ok(front)) => front,
            Ok(Err(why)) => return Ok(Verdict::Dropped(why)),
            // The head moved between; the caller sees that.
            Err(error) => return Err(error),
        }
    } else {
        missing
    };
    // Most often all is there by now: a payment needs nobody but its sender and its target.
    if let Err(error) = ground.fork.prefetch_txs(&front).await {
        tracing::debug!(%error, "a pending transaction could not be read ahead");
    }
    let Ok(permit) = Arc::clone(threads).acquire_owned().await else { return Ok(Verdict::Dropped(Dropped::Unread)) };
    match on_thread(ground, job, ground.view.clone(), Some(permit)).await? {
        Looked::Done(verdict) => Ok(verdict),
        Looked::Missing(_) => Ok(Verdict::Dropped(Dropped::Unread)),
    }
}

async fn on_thread(ground: &Ground, job: &Job, view: View, permit: Option<OwnedSemaphorePermit>) -> Result<Looked, ForkError> {
    let (job, block, book) = (job.clone(), ground.block.clone(), Arc::clone(&ground.book));
    let looked = tokio::task::spawn_blocking(move || {
        let looked = look(&view, &block, &book, &job);
        drop(permit);
        looked
    });
    looked.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a pending transaction could not be looked at");
        Ok(Looked::Done(Verdict::Dropped(Dropped::Unread)))
    })
}

/// Runs a transaction behind its sender's earlier ones and sees whom it concerns. The node's word for a sender is believed until here: a signature
/// costs more to check than most transactions are worth, so it is checked for those that are simulated.
fn look(view: &View, block: &TargetBlock, book: &RwLock<Book>, job: &Job) -> Result<Looked, ForkError> {
    if !is_genuine(&job.tx) {
        return Ok(Looked::Done(Verdict::Dropped(Dropped::Forged)));
    }
    let trail = Arc::new(Trail::default());
    let view = view.with_trail(Arc::clone(&trail));
    let account = match view.account(job.tx.signer()) {
        Ok(account) => account,
        Err(ForkError::NotStored { .. }) => return Ok(Looked::Missing(Vec::new())),
        Err(error) => return Err(error),
    };
    let front = match reachable(&job.tx, &job.earlier, account, block.base_fee) {
        Ok(front) => front,
        Err(why) => return Ok(Looked::Done(Verdict::Dropped(why))),
    };
    // One in front that nobody signed is not there.
    if !front.iter().rev().skip(1).all(is_genuine) {
        return Ok(Looked::Done(Verdict::Dropped(Dropped::NonceGap)));
    }
    let writes = match concerns(&view, block, book, &front) {
        Ok(Some(true)) => true,
        // It may do elsewhere what it does not do here; the engine says why.
        Ok(None) if job.interest == Interest::Known => false,
        Ok(None) => return Ok(Looked::Done(Verdict::Dropped(Dropped::Fails))),
        Ok(Some(false)) => return Ok(Looked::Done(Verdict::Dropped(Dropped::NoEffect))),
        Err(ForkError::NotStored { .. }) => return Ok(Looked::Missing(front)),
        Err(error) => return Err(error),
    };
    Ok(Looked::Done(Verdict::Concerns { front, touched: trail.take(), writes }))
}

/// Whether the last of these transactions, with those before it, concerns values of the book; none if it fails.
fn concerns(view: &View, block: &TargetBlock, book: &RwLock<Book>, front: &[SimTx]) -> Result<Option<bool>, ForkError> {
    let execution = match view.execute(block, front) {
        Ok(execution) => execution,
        Err(ForkError::InvalidTransaction { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if execution.txs.last().is_some_and(|tx| tx.status != TxStatus::Success) {
        return Ok(None);
    }
    let diff = view.diff(&execution.layer)?;
    Ok(Some(!book.read().concerned(&diff, execution.txs.iter().flat_map(|tx| &tx.logs)).is_empty()))
}

/// Whether a transaction's signature is its sender's.
fn is_genuine(tx: &SimTx) -> bool {
    tx.inner().recover_signer().is_ok_and(|sender| sender == tx.signer())
}
