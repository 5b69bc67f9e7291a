//! The loop of every run: heads first, then pending transactions, one engine run at a time on its own threads.
//!
//! ```text
//!            ┌──────────── a head during a run cancels it ───────────┐
//! heads ─────┴▶ session.advance ─▶ sink.head ─▶ [head trigger] ─▶ engine ─▶ sink.take
//! pending ─▶ mempool: remember, choose ─▶ readying (tasks beside the loop) ─▶ [what concerns us] ─▲
//! ```

use super::{
    dropped::{self, Dropped},
    mempool::{Interest, Mempool},
    ready::{Ready, ReadyBounds, Readying, Verdict},
    session::{HeadReport, Session, SessionError},
};
use crate::{
    book::MarketRef,
    chain::{ChainError, HeadEvent, HeadStream, PendingEvent, PendingLimits, PendingStream, Refusal},
    engine::{Cancel, EngineError, Outcome, Sender},
    fork::{SimTx, Trail},
    plan::{Resource, TargetKey, Trigger},
};
use alloy::primitives::{B256, map::HashSet};
use futures::future::BoxFuture;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};

/// Why a run ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The node's streams.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The head stream ended without a reason.
    #[error("the stream of heads ended")]
    Ended,
    /// The engine, where its answer was the whole task.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What takes the batches.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

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

/// What happened, for whoever watches a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// Everything is read; pending transactions are seen from now on.
    Ready {
        /// The head.
        number: u64,
    },
    /// A head and all triggers that waited for it are done.
    Head {
        /// Its height.
        number: u64,
        /// Its hash.
        hash: B256,
        /// What it changed.
        report: HeadReport,
        /// What became of pending transactions since the head before.
        pending: PendingReport,
    },
    /// A trigger was run.
    Trigger {
        /// What came of it.
        outcome: Arc<Outcome>,
        /// Bundles sent.
        sent: usize,
    },
    /// A pending transaction was not simulated.
    Ignored {
        /// Its hash.
        hash: B256,
        /// Why.
        why: Dropped,
    },
    /// Something announced as pending was no usable transaction.
    Unusable {
        /// Its hash, if it had one.
        hash: Option<B256>,
        /// Why.
        why: String,
    },
}

/// What became of pending transactions between two heads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingReport {
    /// Simulated, whatever it showed.
    pub simulated: u64,
    /// Of those, the ones that something had to be read for.
    pub fetched: u64,
    /// Not simulated or without effect, by reason.
    pub ignored: BTreeMap<Dropped, u64>,
    /// Kinds of call that are known to write to what values are read from.
    pub writers: usize,
}

/// The pause before a head that could not be followed is tried again.
const RETRY_HEAD: Duration = Duration::from_millis(250);

/// How an engine run ended.
enum Ran {
    /// With an outcome, which the sink has taken.
    Done(Arc<Outcome>),
    /// A newer head came.
    Cancelled,
    /// The fork could not answer; it has been logged.
    Failed,
}

/// Events that wait for a slow watcher at most; more are dropped, because nobody may hold up the searcher.
pub const EVENT_QUEUE: usize = 65_536;

/// A pending transaction that concerns us, to be run at the head that it was made ready at.
#[derive(Debug)]
struct Concerning {
    tx: SimTx,
    front: Vec<SimTx>,
    head: B256,
}

/// A head whose waiting triggers are not all done.
#[derive(Debug)]
struct Settling {
    number: u64,
    hash: B256,
    report: HeadReport,
    left: HashSet<B256>,
}

/// The loop of a run.
#[derive(Debug)]
pub struct Searcher<S> {
    session: Session,
    mempool: Mempool,
    sink: S,
    events: Option<mpsc::Sender<Event>>,
    readying: Readying,
    /// Triggers to run, the next one first.
    triggers: VecDeque<Concerning>,
    settling: Option<Settling>,
    /// When the head was followed.
    head_at: Instant,
    /// Counters at the head before, and since.
    ignored_before: BTreeMap<Dropped, u64>,
    simulated: u64,
    fetched: u64,
    /// A head that could not be followed: it is tried again until it or a newer one is.
    retry: Option<HeadEvent>,
    /// A head that came during a run.
    stashed: Option<Result<HeadEvent, SearchError>>,
}

impl<S: Sink> Searcher<S> {
    /// A searcher at the session's head.
    #[must_use]
    pub fn new(session: Session, mempool: Mempool, sink: S, events: Option<mpsc::Sender<Event>>) -> Self {
        let engine = &session.config().engine;
        let readying = Readying::new(ReadyBounds { at_once: engine.pending_fetches, within: engine.pending_fetch() });
        Self {
            session,
            mempool,
            sink,
            events,
            readying,
            triggers: VecDeque::new(),
            settling: None,
            head_at: Instant::now(),
            ignored_before: BTreeMap::new(),
            simulated: 0,
            fetched: 0,
            retry: None,
            stashed: None,
        }
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    fn tell(&self, event: Event) {
        if let Some(events) = &self.events
            && events.try_send(event).is_err()
        {
            tracing::debug!("a watcher is too slow, an event is dropped");
        }
    }

    /// Runs the head trigger once and ends: one block's answer.
    ///
    /// # Errors
    /// When the sink fails.
    pub async fn once(mut self) -> Result<S, SearchError> {
        self.sink.head(&self.session).await?;
        let trigger = self.head_trigger();
        let (senders, locked) = self.sink.ready();
        let outcome = self.session.run(trigger, Vec::new(), None, senders, locked, Cancel::default()).await.map_err(SessionError::Worker)?;
        self.finish(&[], outcome).await?;
        Ok(self.sink)
    }

    /// Asks the engine about one target at the head; nothing is sent and nobody is told.
    ///
    /// # Errors
    /// When the fork can't answer.
    pub async fn target(&mut self, market: MarketRef, key: TargetKey) -> Result<Outcome, SearchError> {
        let (senders, locked) = self.sink.ready();
        let outcome = self.session.run_target(self.head_trigger(), (market, key), senders, locked).await.map_err(SessionError::Worker)?;
        Ok(outcome?)
    }

    /// The session as it stands, and what takes the batches; everything else ends.
    #[must_use]
    pub fn into_parts(self) -> (Session, S) {
        (self.session, self.sink)
    }

    /// Follows the chain until told to stop. Gives the searcher as it stands then.
    ///
    /// # Errors
    /// When the streams end for good, or the sink fails.
    pub async fn follow(mut self, mut stop: watch::Receiver<bool>) -> Result<Self, SearchError> {
        let node = Arc::clone(self.session.node()?);
        let mut heads = HeadStream::start(Arc::clone(&node));
        let engine = &self.session.config().engine;
        let limits = PendingLimits { queue: engine.pending_queue, bytes: engine.pending_max_bytes };
        let mut pending = if node.has_websocket() { Some(PendingStream::start(node, limits)) } else { None };
        if let Some(pending) = &pending {
            pending.listening().await;
        }
        // The first event is where the stream stands now; a head since the session's start is followed like any other.
        match heads.next().await {
            Some(event) => self.head(event?, &mut heads).await?,
            None => return Err(SearchError::Ended),
        }
        self.tell(Event::Ready { number: self.session.head().number });
        loop {
            if let Some(event) = self.stashed.take() {
                self.head(event?, &mut heads).await?;
                continue;
            }
            if let Some(trigger) = self.triggers.pop_front() {
                self.pending_trigger(trigger, &mut heads).await?;
                continue;
            }
            if !self.session.is_behind() {
                self.readying.begin(|| self.session.ground(), |tx| self.mempool.earlier(tx));
            }
            tokio::select! {
                biased;
                () = told(&mut stop) => return Ok(self),
                () = tokio::time::sleep(RETRY_HEAD), if self.retry.is_some() => {
                    if let Some(event) = self.retry.take() {
                        self.head(event, &mut heads).await?;
                    }
                },
                event = heads.next() => match event {
                    Some(event) => self.head(event?, &mut heads).await?,
                    None => return Err(SearchError::Ended),
                },
                ready = self.readying.next() => self.ready(ready),
                event = next_pending(&mut pending) => match event {
                    Some(Ok(event)) => self.pending(event),
                    Some(Err(error)) => return Err(error.into()),
                    None => pending = None,
                },
            }
        }
    }

    const fn head_trigger(&self) -> Trigger {
        let head = self.session.head();
        Trigger::Head { hash: head.hash, number: head.number }
    }

    /// Goes to a head and runs what it opens.
    async fn head(&mut self, event: HeadEvent, heads: &mut HeadStream) -> Result<(), SearchError> {
        self.retry = None;
        let head = Arc::clone(event.head());
        let moved = match &event {
            HeadEvent::New { .. } if head.parent_hash == self.session.head().hash => self.session.advance(&head).await,
            _ if head.hash == self.session.head().hash && !self.session.is_behind() => Ok(HeadReport::default()),
            _ => self.session.jump(&head).await,
        };
        let report = match moved {
            Ok(report) => report,
            Err(error) if error.is_passing() => {
                // The next head is another chance; nothing is believed in the meantime.
                tracing::error!(%error, head = head.number, "a head could not be followed yet");
                self.retry = Some(event);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.head_at = Instant::now();
        self.mempool.teach(report.writers.iter().copied());
        self.sink.head(&self.session).await?;
        let senders = self.session.accounts(self.mempool.waiting_senders()).await;
        let mut waiting = self.mempool.head(&senders);
        // What was made ready at the head before is looked at again at this one.
        waiting.extend(self.triggers.drain(..).map(|trigger| (trigger.tx, Interest::Known)));
        let left = waiting.iter().map(|(tx, _)| *tx.tx_hash()).collect();
        waiting.into_iter().for_each(|(tx, interest)| self.readying.push(tx, interest));
        self.settling = Some(Settling { number: head.number, hash: head.hash, report, left });
        if !matches!(self.run(self.head_trigger(), Vec::new(), None, heads).await?, Ran::Cancelled) {
            self.settle();
        }
        Ok(())
    }

    /// Tells that a head is done once nothing is left that waited for it.
    fn settle(&mut self) {
        let Some(settled) = self.settling.take_if(|settling| settling.left.is_empty()) else { return };
        let counts = self.mempool.dropped();
        let since = |why: &Dropped, count: u64| count.saturating_sub(self.ignored_before.get(why).copied().unwrap_or_default());
        let ignored: BTreeMap<Dropped, u64> = counts.iter().map(|(why, count)| (*why, since(why, *count))).filter(|(_, count)| *count > 0).collect();
        self.ignored_before.clone_from(counts);
        let pending = PendingReport {
            simulated: std::mem::take(&mut self.simulated),
            fetched: std::mem::take(&mut self.fetched),
            ignored,
            writers: self.mempool.writers().len(),
        };
        tracing::debug!(
            head = settled.number,
            simulated = pending.simulated,
            fetched = pending.fetched,
            writers = pending.writers,
            ignored = dropped::summary(&pending.ignored),
            "pending transactions since the head before"
        );
        self.tell(Event::Head { number: settled.number, hash: settled.hash, report: settled.report, pending });
    }

    /// One of the transactions that a head waits for is done.
    fn done_with(&mut self, hash: &B256) {
        if let Some(settling) = &mut self.settling
            && settling.left.remove(hash)
        {
            self.settle();
        }
    }

    /// Takes in a pending transaction; what may touch a read set is made ready.
    fn pending(&mut self, event: PendingEvent) {
        match event {
            PendingEvent::Refused { hash, reason } => self.tell(Event::Unusable { hash, why: reason.to_string() }),
            PendingEvent::Waiting(pending) => {
                let tx = Arc::clone(&pending.tx);
                let chosen = self.mempool.insert(&tx).and_then(|()| {
                    let book = self.session.book().read();
                    self.mempool.choose(&tx, self.head_at.elapsed(), |address| book.reads_account(address))
                });
                match chosen {
                    Ok(interest) => self.readying.push(tx, interest),
                    Err(why) => self.tell(Event::Ignored { hash: *tx.tx_hash(), why }),
                }
            }
        }
    }

    /// Takes what became of a transaction: it is run, tried again later, or forgotten.
    fn ready(&mut self, ready: Ready) {
        let Ready { tx, interest, verdict, head, fetched } = ready;
        let hash = *tx.tx_hash();
        // A head may have come between its answer and now.
        let verdict = if head == self.session.head().hash { verdict } else { Verdict::Moved };
        if !matches!(verdict, Verdict::Moved) {
            self.simulated = self.simulated.saturating_add(1);
            self.fetched = self.fetched.saturating_add(u64::from(fetched));
        }
        match verdict {
            // It is on its way at the new head, or will be when there is one.
            Verdict::Moved => self.readying.push(tx, interest),
            Verdict::Concerns { front, touched, writes } => {
                if writes {
                    // It is tried again at each head while it waits, and its kind of call is remembered.
                    self.session.used(&touched);
                    self.mempool.learn(&tx);
                }
                self.triggers.push_back(Concerning { tx, front, head });
            }
            Verdict::Dropped(why) => {
                self.mempool.count(why);
                if why == Dropped::Forged {
                    self.mempool.forget(&tx);
                    self.tell(Event::Unusable { hash: Some(hash), why: Refusal::Forged.to_string() });
                } else {
                    if why.may_pass() {
                        self.mempool.wait(&tx, interest);
                    }
                    self.tell(Event::Ignored { hash, why });
                }
                self.done_with(&hash);
            }
        }
    }

    /// Runs a pending transaction behind its sender's earlier ones.
    async fn pending_trigger(&mut self, trigger: Concerning, heads: &mut HeadStream) -> Result<(), SearchError> {
        let Concerning { tx, front, head } = trigger;
        if self.session.is_behind() || head != self.session.head().hash {
            // The book is not at the head of this simulation: together they would mix two states.
            self.readying.push(tx, Interest::Known);
            return Ok(());
        }
        let hash = *tx.tx_hash();
        let trail = Arc::new(Trail::default());
        match self.run(Trigger::Pending { hash }, front, Some(&trail), heads).await? {
            Ran::Done(outcome) if outcome.markets > 0 => self.session.used(&trail.take()),
            // It may do in front of the next head what it does not do here.
            Ran::Done(outcome) if outcome.front.is_some() => self.mempool.wait(&tx, Interest::Known),
            Ran::Done(_) => {}
            Ran::Failed => self.mempool.wait(&tx, Interest::Known),
            Ran::Cancelled => {
                self.readying.push(tx, Interest::Known);
                return Ok(());
            }
        }
        self.done_with(&hash);
        Ok(())
    }

    /// Runs the engine; a newer head cancels it and is stashed.
    async fn run(&mut self, trigger: Trigger, front: Vec<SimTx>, trail: Option<&Arc<Trail>>, heads: &mut HeadStream) -> Result<Ran, SearchError> {
        let cancel = Cancel::default();
        let (senders, locked) = self.sink.ready();
        let mut job = self.session.run(trigger, front.clone(), trail, senders, locked, cancel.clone());
        let outcome = tokio::select! {
            biased;
            outcome = &mut job => outcome,
            event = heads.next() => {
                cancel.cancel();
                self.stashed = Some(event.map_or(Err(SearchError::Ended), |event| event.map_err(SearchError::Chain)));
                job.await
            }
        };
        let outcome = outcome.map_err(SessionError::Worker)?;
        if self.stashed.is_some() {
            // The head came while the last simulations ran: its target block is there already, or is another one now.
            return Ok(Ran::Cancelled);
        }
        self.finish(&front, outcome).await
    }

    async fn finish(&mut self, front: &[SimTx], outcome: Result<Outcome, EngineError>) -> Result<Ran, SearchError> {
        let outcome = match outcome {
            Ok(outcome) => Arc::new(outcome),
            Err(EngineError::Cancelled) => return Ok(Ran::Cancelled),
            Err(error @ (EngineError::Fork(_) | EngineError::Unanswered(_))) => {
                tracing::warn!(%error, "a trigger could not be run");
                return Ok(Ran::Failed);
            }
        };
        let sent = self.sink.take(&self.session, front, &outcome).await?;
        self.tell(Event::Trigger { outcome: Arc::clone(&outcome), sent });
        Ok(Ran::Done(outcome))
    }
}

/// Waits until somebody says stop, or nobody can any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone has no other wish than to stop.
    let _said_or_gone = stop.wait_for(|stop| *stop).await.map(drop);
}

async fn next_pending(pending: &mut Option<PendingStream>) -> Option<Result<PendingEvent, ChainError>> {
    match pending {
        Some(pending) => pending.next().await,
        None => std::future::pending().await,
    }
}
