//! The loop of every run: heads first, then pending transactions, one engine run at a time on its own threads.
//!
//! ```text
//!            ┌──────────── a head during a run cancels it ───────────┐
//! heads ─────┴▶ session.advance ─▶ sink.head ─▶ [head trigger] ─▶ engine ─▶ sink.take ─▶ [chores] ─▶ engine ─▶ sink.take
//! pending ─▶ mempool: remember, choose ─▶ readying (tasks beside the loop) ─▶ [what concerns us] ─▲
//! ```

mod event;
mod heads;
mod keeper;
mod sink;
mod triggers;

pub use event::{EVENT_QUEUE, Event, PendingReport};
pub use sink::{Sink, SinkError};

use self::{
    event::{Settling, Tally},
    heads::{Retry, arrived, due},
    triggers::{Concerning, Triggers},
};
use super::{
    dropped::Dropped,
    mempool::{Here, Hope, Interest, Mempool},
    ready::{Ready, ReadyBounds, Readying, Verdict},
    session::{InFront, Session, SessionError},
};
use crate::{
    book::MarketRef,
    chain::{ChainError, HeadEvent, HeadStream, PendingEvent, PendingLimits, PendingStream, Refusal},
    engine::{Cancel, EngineError, Outcome},
    fork::{AccountState, SimTx, Trail},
    plan::{TargetKey, Trigger},
};
use alloy::primitives::{Address, B256, map::HashMap};
use std::{sync::Arc, time::Instant};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

/// An engine run on its own threads.
type Running = JoinHandle<Result<Outcome, EngineError>>;

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

/// How an engine run ended.
enum Ran {
    /// With an outcome, which the sink has taken.
    Done(Arc<Outcome>),
    /// A newer head came.
    Cancelled,
    /// The fork could not answer; it has been logged.
    Failed,
}

/// The loop of a run.
#[derive(Debug)]
pub struct Searcher<S> {
    session: Session,
    mempool: Mempool,
    sink: S,
    events: Option<mpsc::Sender<Event>>,
    readying: Readying,
    triggers: Triggers,
    settling: Option<Settling>,
    /// The accounts of those who wait, on their way from the node.
    accounts: JoinSet<HashMap<Address, AccountState>>,
    /// When the head was followed.
    head_at: Instant,
    tally: Tally,
    /// A head that could not be followed: it is tried again until it or a newer one is.
    retry: Option<Retry>,
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
            triggers: Triggers::default(),
            settling: None,
            accounts: JoinSet::new(),
            head_at: Instant::now(),
            tally: Tally::default(),
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
        let means = self.sink.ready();
        let outcome = self.session.run(trigger, Arc::default(), None, means, Cancel::default()).await.map_err(SessionError::Worker)?;
        if let Ran::Done(head) = self.finish(&[], outcome).await?
            && self.has_keeper()
        {
            let chores = self.session.chores(head, self.sink.ready(), Cancel::default()).await.map_err(SessionError::Worker)?;
            self.kept(chores).await?;
        }
        Ok(self.sink)
    }

    /// Asks the engine about one target at the head; nothing is sent and nobody is told.
    ///
    /// # Errors
    /// When the fork can't answer.
    pub async fn target(&mut self, market: MarketRef, key: TargetKey) -> Result<Outcome, SearchError> {
        let means = self.sink.ready();
        let outcome = self.session.run_target(self.head_trigger(), (market, key), means).await.map_err(SessionError::Worker)?;
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
            if let Some(trigger) = self.triggers.pop() {
                self.pending_trigger(trigger, &mut heads).await?;
                continue;
            }
            if !self.session.is_behind() {
                self.readying.begin(|| self.session.ground(), |tx| self.mempool.earlier(tx));
            }
            tokio::select! {
                biased;
                () = told(&mut stop) => return Ok(self),
                event = due(&mut self.retry) => self.head(event, &mut heads).await?,
                event = heads.next() => match event {
                    Some(event) => self.head(event?, &mut heads).await?,
                    None => return Err(SearchError::Ended),
                },
                ready = self.readying.next() => self.ready(ready),
                accounts = arrived(&mut self.accounts) => self.again(&accounts),
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

    /// Counts and tells why a pending transaction led nowhere.
    fn ignore(&mut self, hash: B256, why: Dropped) {
        self.mempool.count(why);
        self.tell(Event::Ignored { hash, why });
    }

    /// Takes in a pending transaction; what may touch a read set is made ready.
    fn pending(&mut self, event: PendingEvent) {
        match event {
            PendingEvent::Refused { hash, reason } => self.tell(Event::Unusable { hash, why: reason.to_string() }),
            PendingEvent::Waiting(pending) => {
                let tx = Arc::clone(&pending.tx);
                let chosen = self.mempool.insert(&tx).and_then(|()| {
                    let book = self.session.book().read();
                    let here = Here {
                        base_fee: self.session.target_block().base_fee,
                        reads_account: |address: &Address| book.reads_account(address),
                        nonce: |address: &Address| self.session.known_nonce(*address),
                    };
                    self.mempool.choose(&tx, self.head_at.elapsed(), &here)
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
            self.tally.simulated(fetched);
        }
        match verdict {
            // It is on its way at the new head, or will be when there is one.
            Verdict::Moved => self.readying.push(tx, interest),
            Verdict::Concerns { front, execution, touched, writes } => {
                if writes {
                    // It is tried again at each head while it waits, and its kind of call is remembered.
                    self.session.used(&touched);
                    self.mempool.learn(&tx);
                } else {
                    // It may do in front of the next head what it does not do here.
                    self.mempool.doubt(&tx);
                    self.mempool.wait(&tx, Hope::MayWrite);
                }
                let front = Arc::new(InFront { txs: front, executed: execution });
                if self.triggers.push(Concerning { tx, front, head, writes }).is_err() {
                    self.ignore(hash, Dropped::Fails);
                    self.done_with(&hash);
                }
            }
            Verdict::Dropped(Dropped::Forged) => {
                self.mempool.count(Dropped::Forged);
                self.mempool.forget(&tx);
                self.tell(Event::Unusable { hash: Some(hash), why: Refusal::Forged.to_string() });
                self.done_with(&hash);
            }
            Verdict::Dropped(why) => {
                match why {
                    Dropped::NoEffect => self.mempool.doubt(&tx),
                    // It would break again at each head.
                    Dropped::Broken => self.mempool.forget(&tx),
                    _ => {}
                }
                // Of strangers there are always others: the next head's samples are for those.
                if why.may_pass() && interest == Interest::Known {
                    self.mempool.wait(&tx, Hope::MayWrite);
                }
                self.ignore(hash, why);
                self.done_with(&hash);
            }
        }
    }

    /// Runs a pending transaction behind its sender's earlier ones.
    async fn pending_trigger(&mut self, trigger: Concerning, heads: &mut HeadStream) -> Result<(), SearchError> {
        let Concerning { tx, front, head, writes } = trigger;
        let hope = if writes { Hope::Writes } else { Hope::MayWrite };
        if self.session.is_behind() || head != self.session.head().hash {
            // The book is not at the head of this simulation: together they would mix two states.
            self.mempool.wait(&tx, hope);
            return Ok(());
        }
        let hash = *tx.tx_hash();
        let trail = Arc::new(Trail::default());
        match self.run(Trigger::Pending { hash }, front, Some(&trail), heads).await? {
            Ran::Done(outcome) if outcome.markets > 0 => self.session.used(&trail.take()),
            Ran::Done(_) => {}
            Ran::Failed => self.mempool.wait(&tx, hope),
            Ran::Cancelled => {
                self.mempool.wait(&tx, hope);
                return Ok(());
            }
        }
        self.done_with(&hash);
        Ok(())
    }

    /// Runs the engine; a newer head cancels it and is stashed.
    async fn run(&mut self, trigger: Trigger, front: Arc<InFront>, trail: Option<&Arc<Trail>>, heads: &mut HeadStream) -> Result<Ran, SearchError> {
        let cancel = Cancel::default();
        let means = self.sink.ready();
        let job = self.session.run(trigger, Arc::clone(&front), trail, means, cancel.clone());
        match self.unless_overtaken(job, &cancel, heads).await? {
            Some(outcome) => self.finish(&front.txs, outcome).await,
            None => Ok(Ran::Cancelled),
        }
    }

    /// Waits for an engine run; a newer head cancels it and is stashed, and there is nothing.
    async fn unless_overtaken(
        &mut self,
        mut job: Running,
        cancel: &Cancel,
        heads: &mut HeadStream,
    ) -> Result<Option<Result<Outcome, EngineError>>, SearchError> {
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
            return Ok(None);
        }
        Ok(Some(outcome))
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
