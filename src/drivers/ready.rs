//! Chosen pending transactions on their way to the engine: signature, state, effect. All of it beside the loop.
//!
//! ```text
//! chosen ─▶ queue (known ones first) ─▶ task ─▶ run on what is known ─▶ all there? ─yes─▶ does it concern us? ─▶ Ready ─▶ engine
//!             └─ given back at a head           (offline, no request)      └─no─▶ read ahead, run with the node ──▲      with the execution
//! ```
//!
//! The loop goes on with heads meanwhile. A transaction whose state is all there makes no request at all; others are read ahead within a
//! time limit, a bounded number at once, and never on a thread that simulates for the engine. What changes nothing that a value was read from
//! ends here and never holds up the engine. A task that a head overtook answers so and is begun anew.
//!
//! The engine is given the execution with the transaction, so that nothing is run twice: it runs on the same head, the same layers and for the
//! same block as the look here did, or not at all.

use super::{
    dropped::Dropped,
    mempool::{Interest, Reach},
};
use crate::{
    book::Book,
    fork::{Execution, Facet, Fork, ForkError, ReadSet, SimTx, TargetBlock, Trail, TxStatus, View},
};
use alloy::{
    consensus::transaction::SignerRecoverable,
    primitives::{B256, map::HashMap, map::HashSet},
};
use parking_lot::RwLock;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::{Id, JoinError, JoinSet},
};

/// Where transactions are made ready: one head's state and book.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) fork: Arc<Fork>,
    pub(super) book: Arc<RwLock<Book>>,
    pub(super) view: View,
    pub(super) block: TargetBlock,
    /// Most gas of a transaction with those in front of it.
    pub(super) max_gas: u64,
}

impl Ground {
    const fn reach(&self) -> Reach {
        Reach { base_fee: self.block.base_fee, max_gas: self.max_gas }
    }
}

/// What became of a chosen transaction.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It concerns values of the book, or is known for it and fails here: the engine is asked.
    Concerns {
        /// Itself, with its sender's earlier ones in front.
        front: Vec<SimTx>,
        /// What they did; none where no block could contain the last of them.
        execution: Option<Execution>,
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

/// Places for threads. Whoever gave up a task gave up waiting only: the place is free when the thread ends.
#[derive(Clone, Debug)]
struct Places {
    /// For runs on what is known; the gas that a transaction may use ends them.
    offline: Arc<Semaphore>,
    /// For those that may wait for the node; its time limit ends them.
    node: Arc<Semaphore>,
}

impl Places {
    fn new(each: usize) -> Self {
        Self { offline: Arc::new(Semaphore::new(each)), node: Arc::new(Semaphore::new(each)) }
    }
}

/// The queue and the tasks. What is queued is bounded by the budget of a block, because a head takes it back.
#[derive(Debug)]
pub(super) struct Readying {
    bounds: ReadyBounds,
    known: VecDeque<SimTx>,
    samples: VecDeque<SimTx>,
    at_work: JoinSet<Ready>,
    /// What each task is about, and the head that it began at.
    tasks: HashMap<Id, (SimTx, Interest, B256)>,
    samples_at_work: usize,
    /// All that is queued or at work.
    hashes: HashSet<B256>,
    places: Places,
}

impl Readying {
    pub(super) fn new(bounds: ReadyBounds) -> Self {
        let at_once = bounds.at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            bounds: ReadyBounds { at_once, ..bounds },
            known: VecDeque::new(),
            samples: VecDeque::new(),
            at_work: JoinSet::new(),
            tasks: HashMap::default(),
            samples_at_work: 0,
            hashes: HashSet::default(),
            places: Places::new(at_once),
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

    /// Gives back what is queued and not begun: a new head has a budget of its own. What is at work answers that its head is gone.
    pub(super) fn take_back(&mut self) -> Vec<(SimTx, Interest)> {
        let known = std::mem::take(&mut self.known).into_iter().map(|tx| (tx, Interest::Known));
        let samples = std::mem::take(&mut self.samples).into_iter().map(|tx| (tx, Interest::Sample));
        let back: Vec<_> = known.chain(samples).collect();
        for (tx, _) in &back {
            self.hashes.remove(tx.tx_hash());
        }
        back
    }

    /// Begins as much as may be at work at once; samples take half of the places at most, so that they never hold up what is known to
    /// matter. `earlier` gives what is known of a sender before a transaction.
    pub(super) fn begin(&mut self, ground: impl Fn() -> Ground, earlier: impl Fn(&SimTx) -> Vec<SimTx>) {
        while let Some((tx, interest)) = self.pop() {
            let (ground, within, places) = (ground(), self.bounds.within, self.places.clone());
            let head = ground.view.head().hash;
            let job = Job { earlier: earlier(&tx), tx: tx.clone(), interest };
            self.start((tx, interest, head), ready(ground, job, within, places));
        }
    }

    /// The next one whose turn it is, if there is a place for it.
    fn pop(&mut self) -> Option<(SimTx, Interest)> {
        if self.at_work.len() >= self.bounds.at_once {
            return None;
        }
        if let Some(tx) = self.known.pop_front() {
            return Some((tx, Interest::Known));
        }
        if self.samples_at_work >= self.bounds.at_once.div_ceil(2) {
            return None;
        }
        self.samples.pop_front().map(|tx| (tx, Interest::Sample))
    }

    fn start(&mut self, about: (SimTx, Interest, B256), work: impl Future<Output = Ready> + Send + 'static) {
        if about.1 == Interest::Sample {
            self.samples_at_work = self.samples_at_work.saturating_add(1);
        }
        let task = self.at_work.spawn(work).id();
        self.tasks.insert(task, about);
    }

    /// The next one that is done; waits for ever while none is at work. Cancel-safe.
    pub(super) async fn next(&mut self) -> Ready {
        loop {
            let Some(ended) = self.at_work.join_next_with_id().await else { std::future::pending().await };
            let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
            let Some((tx, interest, head)) = self.tasks.remove(&task) else { continue };
            self.hashes.remove(tx.tx_hash());
            if interest == Interest::Sample {
                self.samples_at_work = self.samples_at_work.saturating_sub(1);
            }
            return ended.map_or_else(|error| broken((tx, interest, head), &error), |(_, ready)| ready);
        }
    }
}

/// What is said of a transaction whose task ended before its end. It would do so again, so it is not tried again.
fn broken((tx, interest, head): (SimTx, Interest, B256), error: &JoinError) -> Ready {
    tracing::error!(%error, hash = %tx.tx_hash(), "a task that made a pending transaction ready ended early");
    Ready { tx, interest, verdict: Verdict::Dropped(Dropped::Broken), head, fetched: false }
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

async fn ready(ground: Ground, job: Job, within: Duration, places: Places) -> Ready {
    let mut fetched = false;
    let judged = tokio::time::timeout(within, judge(&ground, &job, &places, &mut fetched)).await;
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

async fn judge(ground: &Ground, job: &Job, places: &Places, fetched: &mut bool) -> Result<Verdict, ForkError> {
    let missing = match look_at(ground, job, ground.view.offline(), &places.offline).await? {
        Looked::Done(verdict) => return Ok(verdict),
        Looked::Missing(front) => front,
    };
    *fetched = true;
    let mut sender = ReadSet::default();
    sender.insert(Facet::Balance(job.tx.signer()));
    ground.fork.prefetch(&sender).await?;
    // Without the sender nothing was known of what stands in front; now the node's tracer is asked for all of it.
    let front = if missing.is_empty() {
        match ground.view.offline().account(job.tx.signer()).map(|account| ground.reach().front(&job.tx, &job.earlier, account)) {
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
    match look_at(ground, job, ground.view.clone(), &places.node).await? {
        Looked::Done(verdict) => Ok(verdict),
        Looked::Missing(_) => Ok(Verdict::Dropped(Dropped::Unread)),
    }
}

async fn look_at(ground: &Ground, job: &Job, view: View, places: &Arc<Semaphore>) -> Result<Looked, ForkError> {
    let (job, ground) = (job.clone(), ground.clone());
    let looked = in_place(places, move || look(&view, &ground, &job));
    looked.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a pending transaction could not be looked at");
        Ok(Looked::Done(Verdict::Dropped(Dropped::Broken)))
    })
}

/// Runs something on a thread as soon as there is a place for it. The thread holds the place until it ends, also when nobody waits for it any more.
async fn in_place<T: Send + 'static>(places: &Arc<Semaphore>, work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    // Nobody closes the semaphore; without a place there would be no bound, so a closed one would only wait for ever.
    let Ok(place) = Arc::clone(places).acquire_owned().await else { return std::future::pending().await };
    let thread = tokio::task::spawn_blocking(move || {
        let _held = place;
        work()
    });
    thread.await
}

/// Runs a transaction behind its sender's earlier ones and sees whom it concerns. The node's word for a sender is believed until here: a signature
/// costs more to check than most transactions are worth, so it is checked for those that are simulated.
fn look(view: &View, ground: &Ground, job: &Job) -> Result<Looked, ForkError> {
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
    let front = match ground.reach().front(&job.tx, &job.earlier, account) {
        Ok(front) => front,
        Err(why) => return Ok(Looked::Done(Verdict::Dropped(why))),
    };
    // One in front that nobody signed is not there.
    if !front.iter().rev().skip(1).all(is_genuine) {
        return Ok(Looked::Done(Verdict::Dropped(Dropped::NonceGap)));
    }
    let (execution, writes) = match concerns(&view, &ground.block, &ground.book, &front) {
        Ok((execution, Some(true))) => (execution, true),
        // It may do elsewhere what it does not do here; the engine says why.
        Ok((execution, None)) if job.interest == Interest::Known => (execution, false),
        Ok((_, None)) => return Ok(Looked::Done(Verdict::Dropped(Dropped::Fails))),
        Ok((_, Some(false))) => return Ok(Looked::Done(Verdict::Dropped(Dropped::NoEffect))),
        Err(ForkError::NotStored { .. }) => return Ok(Looked::Missing(front)),
        Err(error) => return Err(error),
    };
    Ok(Looked::Done(Verdict::Concerns { front, execution, touched: trail.take(), writes }))
}

/// What these transactions do, and whether the last of them, with those before it, concerns values of the book; none if it fails.
fn concerns(view: &View, block: &TargetBlock, book: &RwLock<Book>, front: &[SimTx]) -> Result<(Option<Execution>, Option<bool>), ForkError> {
    let execution = match view.execute(block, front) {
        Ok(execution) => execution,
        Err(ForkError::InvalidTransaction { .. }) => return Ok((None, None)),
        Err(error) => return Err(error),
    };
    if execution.txs.last().is_some_and(|tx| tx.status != TxStatus::Success) {
        return Ok((Some(execution), None));
    }
    let diff = view.diff(&execution.layer)?;
    let concerns = !book.read().concerned(&diff, execution.txs.iter().flat_map(|tx| &tx.logs)).is_empty();
    Ok((Some(execution), Some(concerns)))
}

/// Whether a transaction's signature is its sender's.
fn is_genuine(tx: &SimTx) -> bool {
    tx.inner().recover_signer().is_ok_and(|sender| sender == tx.signer())
}

#[cfg(test)]
#[path = "ready_tests.rs"]
mod tests;
