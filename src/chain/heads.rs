//! The stream of heads: pushed over a WebSocket or polled over HTTP, with every gap filled and every reorg told.
//!
//! ```text
//! newHeads ─▶ child of the tip? ──yes──▶ New
//!                 │ no            ┌── ask for the newest head ◀── poll (a silent stream, a silent rollback)
//!                 └──────────────▶│                           ◀── after every reconnect and every lost notification
//!                                 ▼
//!              walk its parents back into the last 64 heads ─▶ New.. (gap) | Reorg | Reset (deeper than 64)
//! ```
//!
//! Notifications of the head channel are never dropped: when the reader is slow the subscription lags, which is counted and read back as a gap.

use super::{
    counters::{many, one},
    error::{Advice, ChainError},
    node::{Node, head_of},
    window::{HeadEvent, HeadWindow, Standing, WINDOW},
};
use alloy::{
    network::{AnyNetwork, AnyRpcHeader},
    primitives::B256,
    providers::{Provider, RootProvider},
    pubsub::{Subscription, SubscriptionItem},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinHandle,
    time::MissedTickBehavior,
};

/// Notifications that a subscription keeps for us.
const CHANNEL: usize = 256;

/// The longest pause between two attempts to connect.
const MOST_PAUSE: Duration = Duration::from_secs(5);

/// Heads in the order of the chain. Dropping it ends its task.
#[derive(Debug)]
pub struct HeadStream {
    events: mpsc::Receiver<Result<HeadEvent, ChainError>>,
    task: JoinHandle<()>,
}

impl HeadStream {
    /// Starts following the chain. The first event is a [`HeadEvent::Reset`] with the newest head.
    #[must_use]
    pub fn start(node: Arc<Node>) -> Self {
        let (sender, events) = mpsc::channel(WINDOW);
        let follower = Follower { node, window: HeadWindow::default(), suspected: None, events: sender };
        Self { events, task: tokio::spawn(follower.run()) }
    }

    /// The next event; an error is the last one, and its advice is to stop. None after that. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<HeadEvent, ChainError>> {
        self.events.recv().await
    }
}

impl Drop for HeadStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    node: Arc<Node>,
    window: HeadWindow,
    /// A head below ours that the node called the newest one when it was asked last. One answer may come from a node that lags behind.
    suspected: Option<B256>,
    events: mpsc::Sender<Result<HeadEvent, ChainError>>,
}

impl Follower {
    async fn run(mut self) {
        let mut pause = Duration::from_millis(50);
        loop {
            let before = self.window.tip().map(|tip| tip.hash);
            let ended = if self.node.has_websocket() { self.listen().await } else { self.poll().await };
            let Err(error) = ended else { return };
            if matches!(error, ChainError::Unheard) {
                return;
            }
            if error.advice() == Advice::Stop {
                // Nobody may be left to hear it; then it is in the log.
                tracing::error!(%error, "heads end");
                let _ = self.events.send(Err(error)).await;
                return;
            }
            tracing::warn!(%error, "the head stream broke; connecting again");
            one(&self.node.counters().reconnects);
            let moved = self.window.tip().map(|tip| tip.hash) != before;
            pause = if moved { Duration::from_millis(50) } else { pause.saturating_mul(2).min(MOST_PAUSE) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.events.closed() => return,
            }
        }
    }

    /// Follows over a WebSocket until it breaks.
    async fn listen(&mut self) -> Result<(), ChainError> {
        let provider = self.node.open_websocket().await?;
        let mut heads = subscribe(&self.node, &provider).await?;
        // What was mined before the subscription stood is missing in it.
        self.reconcile().await?;
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + self.node.poll(), self.node.poll());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.events.closed() => return Err(ChainError::Unheard),
                item = heads.recv_any() => match item {
                    Ok(SubscriptionItem::Item(header)) => self.announced(&header).await?,
                    Ok(SubscriptionItem::Other(_)) => {
                        one(&self.node.counters().heads_undecodable);
                        self.reconcile_if_it_answers().await?;
                    }
                    Err(RecvError::Lagged(lost)) => {
                        many(&self.node.counters().heads_lagged, lost);
                        self.reconcile_if_it_answers().await?;
                    }
                    Err(RecvError::Closed) => return Err(gone()),
                },
                _ = ticks.tick() => self.reconcile_if_it_answers().await?,
            }
        }
    }

    /// Follows by asking.
    async fn poll(&mut self) -> Result<(), ChainError> {
        self.node.check_chain_id().await?;
        let mut ticks = tokio::time::interval(self.node.poll());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.events.closed() => return Err(ChainError::Unheard),
                _ = ticks.tick() => self.reconcile().await?,
            }
        }
    }

    async fn announced(&mut self, header: &AnyRpcHeader) -> Result<(), ChainError> {
        let head = match head_of(header) {
            Ok(head) => head,
            Err(error) => {
                tracing::warn!(%error, "a head that can't be used");
                one(&self.node.counters().heads_undecodable);
                return Ok(());
            }
        };
        match self.window.standing(&head) {
            Standing::Tip => Ok(()),
            Standing::Child => {
                self.suspected = None;
                let event = self.window.grow(head, false);
                self.send(event).await
            }
            Standing::Below(_) | Standing::Unknown => self.reconcile_if_it_answers().await,
        }
    }

    /// A failed question does not break a stream that still brings heads; the next head or tick asks again.
    async fn reconcile_if_it_answers(&mut self) -> Result<(), ChainError> {
        match self.reconcile().await {
            Err(error) if error.advice() != Advice::Stop && !error.is_backend_gone() => {
                tracing::warn!(%error, "the newest head can't be placed yet");
                Ok(())
            }
            other => other,
        }
    }

    /// Asks for the newest head and brings the window to it.
    async fn reconcile(&mut self) -> Result<(), ChainError> {
        let newest = self.node.latest().await?;
        let Some(tip) = self.window.tip().cloned() else {
            let event = self.window.reset(newest);
            return self.send(event).await;
        };
        match self.window.standing(&newest) {
            Standing::Tip => {
                self.suspected = None;
                Ok(())
            }
            Standing::Child => {
                self.suspected = None;
                let event = self.window.grow(newest, self.node.has_websocket());
                self.send(event).await
            }
            Standing::Below(_) => {
                if self.is_answer_late(&tip).await? || self.suspected.replace(newest.hash) != Some(newest.hash) {
                    return Ok(());
                }
                self.suspected = None;
                let events = self.window.attach(newest.hash, Vec::new());
                self.send_all(events, newest).await
            }
            // Below all that is remembered: a young window has nothing to hold it against, so a second answer must say so, too.
            Standing::Unknown if self.window.oldest().is_some_and(|oldest| newest.number <= oldest) => {
                if self.is_answer_late(&tip).await? || self.suspected.replace(newest.hash).is_none() {
                    return Ok(());
                }
                self.suspected = None;
                self.send_all(None, newest).await
            }
            Standing::Unknown => {
                self.suspected = None;
                self.walk_back(newest).await
            }
        }
    }

    /// Whether a head below our tip was only answered by a node that lags behind: who still has our tip at its height has not rolled back.
    async fn is_answer_late(&self, tip: &super::Head) -> Result<bool, ChainError> {
        let known = self.node.head_by_number(tip.number).await?;
        Ok(known.is_some_and(|head| head.hash == tip.hash))
    }

    /// Follows the parents of `newest` until one is remembered.
    async fn walk_back(&mut self, newest: super::Head) -> Result<(), ChainError> {
        let oldest = self.window.oldest().unwrap_or_default();
        let mut branch = vec![newest.clone()];
        let mut parent = newest.parent_hash;
        let mut number = newest.number;
        while !self.window.knows(parent) {
            if branch.len() >= WINDOW || number <= oldest {
                return self.send_all(None, newest).await;
            }
            let head =
                self.node.head_by_hash(parent).await?.ok_or_else(|| ChainError::Absent { what: format!("block {parent}, the parent of block {number}") })?;
            if head.number.checked_add(1) != Some(number) {
                return Err(ChainError::Inconsistent {
                    call: "eth_getBlockByHash",
                    detail: format!("the parent of block {number} says it is block {}", head.number),
                });
            }
            parent = head.parent_hash;
            number = head.number;
            branch.push(head);
        }
        branch.reverse();
        let events = self.window.attach(parent, branch);
        self.send_all(events, newest).await
    }

    /// Sends what happened; without a common ancestor that is a reset to `newest`.
    async fn send_all(&mut self, events: Option<Vec<HeadEvent>>, newest: super::Head) -> Result<(), ChainError> {
        let events = events.unwrap_or_else(|| {
            one(&self.node.counters().resets);
            vec![self.window.reset(newest)]
        });
        for event in events {
            self.send(event).await?;
        }
        Ok(())
    }

    async fn send(&self, event: HeadEvent) -> Result<(), ChainError> {
        let counters = self.node.counters();
        match &event {
            HeadEvent::New { gap_filled, .. } => {
                one(&counters.heads);
                many(&counters.heads_filled, u64::from(*gap_filled));
            }
            HeadEvent::Reorg { added, .. } => {
                one(&counters.reorgs);
                many(&counters.heads, u64::try_from(added.len()).unwrap_or(u64::MAX));
            }
            HeadEvent::Reset { .. } => one(&counters.heads),
        }
        self.events.send(Ok(event)).await.map_err(|_| ChainError::Unheard)
    }
}

async fn subscribe(node: &Node, provider: &RootProvider<AnyNetwork>) -> Result<Subscription<AnyRpcHeader>, ChainError> {
    node.in_time("eth_subscribe newHeads", provider.subscribe_blocks().channel_size(CHANNEL)).await
}

/// The error of a subscription whose connection ended.
pub(super) const fn gone() -> ChainError {
    ChainError::Connection { call: "subscription", source: alloy::transports::TransportErrorKind::backend_gone() }
}
