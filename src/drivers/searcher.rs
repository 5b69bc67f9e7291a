//! The loop of every run: heads first, then pending transactions, one engine run at a time on its own threads.
//!
//! ```text
//!            ┌──────────── a head during a run cancels it ───────────┐
//! heads ─────┴▶ session.advance ─▶ sink.head ─▶ [head trigger, waiting triggers] ─▶ engine ─▶ sink.take
//! pending ───▶ mempool: remember, choose, reach ─▶ [trigger] ───────────────────────▲
//! ```

use super::{
    mempool::{Dropped, Mempool},
    session::{HeadReport, Session, SessionError},
};
use crate::{
    book::MarketRef,
    chain::{ChainError, HeadEvent, HeadStream, PendingEvent, PendingLimits, PendingStream},
    engine::{Cancel, EngineError, Outcome, Sender},
    fork::SimTx,
    plan::{Resource, TargetKey, Trigger},
};
use alloy::primitives::B256;
use futures::future::BoxFuture;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
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

/// The loop of a run.
#[derive(Debug)]
pub struct Searcher<S> {
    session: Session,
    mempool: Mempool,
    sink: S,
    events: Option<mpsc::Sender<Event>>,
    /// Triggers to run, the next one first.
    triggers: VecDeque<SimTx>,
    /// A head that could not be followed: it is tried again until it or a newer one is.
    retry: Option<HeadEvent>,
    /// A head that came during a run.
    stashed: Option<Result<HeadEvent, SearchError>>,
}

impl<S: Sink> Searcher<S> {
    /// A searcher at the session's head.
    #[must_use]
    pub const fn new(session: Session, mempool: Mempool, sink: S, events: Option<mpsc::Sender<Event>>) -> Self {
        Self { session, mempool, sink, events, triggers: VecDeque::new(), retry: None, stashed: None }
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
        let outcome = self.session.run(trigger, Vec::new(), senders, locked, Cancel::default()).await.map_err(SessionError::Worker)?;
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

    /// Follows the chain until told to stop.
    ///
    /// # Errors
    /// When the streams end for good, or the sink fails.
    pub async fn follow(mut self, mut stop: watch::Receiver<bool>) -> Result<S, SearchError> {
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
            tokio::select! {
                biased;
                () = told(&mut stop) => return Ok(self.sink),
                () = tokio::time::sleep(RETRY_HEAD), if self.retry.is_some() => {
                    if let Some(event) = self.retry.take() {
                        self.head(event, &mut heads).await?;
                    }
                },
                event = heads.next() => match event {
                    Some(event) => self.head(event?, &mut heads).await?,
                    None => return Err(SearchError::Ended),
                },
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
        self.sink.head(&self.session).await?;
        let senders = self.session.accounts(self.mempool.waiting_senders()).await;
        let waiting = self.mempool.head(&senders);
        // One that was cancelled and waits as well is run once.
        self.triggers.retain(|tx| !waiting.iter().any(|other| other.tx_hash() == tx.tx_hash()));
        if matches!(self.run(self.head_trigger(), Vec::new(), heads).await?, Ran::Cancelled) {
            return Ok(());
        }
        for trigger in waiting {
            if self.stashed.is_some() {
                return Ok(());
            }
            self.pending_trigger(trigger, heads).await?;
        }
        self.tell(Event::Head { number: head.number, hash: head.hash, report });
        Ok(())
    }

    /// Takes in a pending transaction; what may touch a read set becomes a trigger.
    fn pending(&mut self, event: PendingEvent) {
        match event {
            PendingEvent::Refused { hash, reason } => self.tell(Event::Unusable { hash, why: reason.to_string() }),
            PendingEvent::Waiting(pending) => {
                let tx = Arc::clone(&pending.tx);
                let chosen = self.mempool.insert(&tx).and_then(|()| {
                    let book = self.session.book().read();
                    self.mempool.choose(&tx, |address| book.reads_account(address))
                });
                match chosen {
                    Ok(()) => self.triggers.push_back(tx),
                    Err(why) => self.tell(Event::Ignored { hash: *tx.tx_hash(), why }),
                }
            }
        }
    }

    /// Runs a pending transaction behind its sender's earlier ones.
    async fn pending_trigger(&mut self, tx: SimTx, heads: &mut HeadStream) -> Result<(), SearchError> {
        if self.session.is_behind() {
            // The book is not at the fork's head: what it says would mix two states. The head that mends it brings the trigger back.
            self.mempool.wait(&tx);
            return Ok(());
        }
        self.session.prefetch(&tx).await;
        let hash = *tx.tx_hash();
        let sender = self.session.accounts(vec![tx.signer()]).await.get(&tx.signer()).copied();
        let front = match self.mempool.front(&tx, sender, self.session.target_block().base_fee) {
            Ok(front) => front,
            Err(why) => {
                if why.may_pass() {
                    self.mempool.wait(&tx);
                }
                self.tell(Event::Ignored { hash, why });
                return Ok(());
            }
        };
        match self.run(Trigger::Pending { hash }, front, heads).await? {
            // Markets were read on its overlay, so it writes to a read set: it is tried again at each head while it waits.
            Ran::Done(outcome) if outcome.markets > 0 => self.mempool.learn(&tx),
            // It may do in front of the next head what it does not do here.
            Ran::Done(outcome) if outcome.front.is_some() => self.mempool.wait(&tx),
            Ran::Done(_) => {}
            Ran::Failed => self.mempool.wait(&tx),
            Ran::Cancelled => self.triggers.push_front(tx),
        }
        Ok(())
    }

    /// Runs the engine; a newer head cancels it and is stashed.
    async fn run(&mut self, trigger: Trigger, front: Vec<SimTx>, heads: &mut HeadStream) -> Result<Ran, SearchError> {
        let cancel = Cancel::default();
        let (senders, locked) = self.sink.ready();
        let mut job = self.session.run(trigger, front.clone(), senders, locked, cancel.clone());
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
