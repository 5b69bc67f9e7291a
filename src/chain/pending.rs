//! The stream of pending transactions: full bodies over a WebSocket of its own, each checked before anybody sees it.
//!
//! ```text
//! newPendingTransactions(full) ─▶ size ─▶ decode ─▶ hash recomputed ─▶ queue (bounded, the oldest go first) ─▶ next()
//!                                   └─────────┴──────────────┴─ refused: counted, and told with its reason where there is room
//! ```
//!
//! The sender is the node's word: checking a signature costs more than all the rest, and most transactions are passed over. Whoever simulates one
//! checks it first.
//!
//! What arrived while the connection was down is not read back: a transaction that still waits shows in the block that mines it.

use super::{
    counters::{Counters, many, one},
    error::{Advice, ChainError},
    head::PendingTx,
    heads::gone,
    node::Node,
};
use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{B256, keccak256},
    providers::Provider,
    rpc::types::Transaction,
};
use parking_lot::Mutex;
use serde::Deserialize;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    task::JoinHandle,
};

/// Announcements that a subscription keeps for us.
const CHANNEL: usize = 8_192;

/// The longest pause between two attempts to connect.
const MOST_PAUSE: Duration = Duration::from_secs(5);

/// Why an announced transaction is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is larger than the limit.
    #[error("it is larger than {limit} bytes")]
    Giant {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It is no transaction of a known kind.
    #[error("it can't be decoded")]
    Undecodable,
    /// Its hash or sender is not what the node said.
    #[error("its hash or sender is not what the node says")]
    Forged,
}

/// What the mempool brought.
#[derive(Clone, Debug)]
pub enum PendingEvent {
    /// A transaction that waits. It may carry blobs ([`PendingTx::is_blob`]).
    Waiting(PendingTx),
    /// Something that was announced and is not used.
    Refused {
        /// The hash that the node gave, if it gave one.
        hash: Option<B256>,
        /// Why.
        reason: Refusal,
    },
}

/// How much is taken in.
#[derive(Clone, Copy, Debug)]
pub struct PendingLimits {
    /// Most events that wait to be read.
    pub queue: usize,
    /// Largest transaction, in bytes as it is sent.
    pub bytes: usize,
}

impl Default for PendingLimits {
    fn default() -> Self {
        Self { queue: 4_096, bytes: 128 * 1024 }
    }
}

/// Pending transactions as they are announced. Dropping it ends its task.
#[derive(Debug)]
pub struct PendingStream {
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

impl PendingStream {
    /// Starts listening; the node must have a WebSocket.
    #[must_use]
    pub fn start(node: Arc<Node>, limits: PendingLimits) -> Self {
        let queue = Arc::new(Queue { state: Mutex::default(), arrived: Notify::new(), limit: limits.queue.max(1), counters: node.counters() });
        let listener = Listener { node, limits, queue: Arc::clone(&queue) };
        Self { queue, task: tokio::spawn(listener.run()) }
    }

    /// The next event, in order of arrival; an error is the last one and its advice is to stop. None after that. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<PendingEvent, ChainError>> {
        loop {
            let arrived = self.queue.arrived.notified();
            {
                let mut state = self.queue.state.lock();
                if let Some(event) = state.events.pop_front() {
                    return Some(Ok(event));
                }
                if state.ended {
                    return state.error.take().map(Err);
                }
            }
            arrived.await;
        }
    }

    /// What is waiting now, oldest first, at most `most`.
    pub fn take_waiting(&mut self, most: usize) -> Vec<PendingEvent> {
        let mut state = self.queue.state.lock();
        let count = most.min(state.events.len());
        state.events.drain(..count).collect()
    }

    /// Whether the subscription stands, so that a transaction sent from now on is seen.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.queue.state.lock().listening
    }

    /// Waits until the subscription stands.
    pub async fn listening(&self) {
        loop {
            let arrived = self.queue.arrived.notified();
            {
                let state = self.queue.state.lock();
                if state.listening || state.ended {
                    return;
                }
            }
            arrived.await;
        }
    }
}

impl Drop for PendingStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Default)]
struct QueueState {
    events: VecDeque<PendingEvent>,
    listening: bool,
    ended: bool,
    error: Option<ChainError>,
}

#[derive(Debug)]
struct Queue {
    state: Mutex<QueueState>,
    arrived: Notify,
    limit: usize,
    counters: Arc<Counters>,
}

impl Queue {
    /// Adds an event. A full queue loses its oldest; a refusal never pushes anything out.
    fn push(&self, event: PendingEvent) {
        {
            let mut state = self.state.lock();
            if state.events.len() >= self.limit {
                if matches!(event, PendingEvent::Refused { .. }) {
                    return;
                }
                if matches!(state.events.pop_front(), Some(PendingEvent::Waiting(_))) {
                    one(&self.counters.pending_dropped);
                }
            }
            state.events.push_back(event);
        }
        self.arrived.notify_waiters();
    }

    fn set_listening(&self, listening: bool) {
        self.state.lock().listening = listening;
        self.arrived.notify_waiters();
    }

    fn end(&self, error: ChainError) {
        {
            let mut state = self.state.lock();
            state.listening = false;
            state.ended = true;
            state.error = Some(error);
        }
        self.arrived.notify_waiters();
    }
}

struct Listener {
    node: Arc<Node>,
    limits: PendingLimits,
    queue: Arc<Queue>,
}

impl Listener {
    async fn run(self) {
        let mut pause = Duration::from_millis(50);
        loop {
            let error = self.listen(&mut pause).await;
            self.queue.set_listening(false);
            if error.advice() == Advice::Stop {
                tracing::error!(%error, "pending transactions end");
                self.queue.end(error);
                return;
            }
            tracing::warn!(%error, "the stream of pending transactions broke; connecting again");
            one(&self.node.counters().reconnects);
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(MOST_PAUSE);
        }
    }

    /// Listens until the connection breaks; says why it did.
    async fn listen(&self, pause: &mut Duration) -> ChainError {
        let provider = match self.node.open_websocket().await {
            Ok(provider) => provider,
            Err(error) => return error,
        };
        let subscription = self.node.in_time("eth_subscribe newPendingTransactions", provider.subscribe_full_pending_transactions().channel_size(CHANNEL));
        // Raw, so that a body that is no transaction is an item to count and not the end of the stream.
        let mut bodies = match subscription.await {
            Ok(subscription) => subscription.into_raw(),
            Err(error) => return error,
        };
        self.queue.set_listening(true);
        *pause = Duration::from_millis(50);
        let counters = self.node.counters();
        loop {
            match bodies.recv().await {
                Ok(body) => {
                    one(&counters.pending);
                    self.queue.push(read(body.get(), self.limits.bytes, &counters));
                }
                Err(RecvError::Lagged(lost)) => many(&counters.pending_lagged, lost),
                Err(RecvError::Closed) => return gone(),
            }
        }
    }
}

/// Reads one announcement.
fn read(body: &str, limit: usize, counters: &Counters) -> PendingEvent {
    // A byte of the transaction is two digits of its JSON at the least (input data), so this much text can't be a transaction within the
    // limit unless its access list is spelled out, for which four times as much is allowed.
    let refused = |hash, reason| {
        one(match reason {
            Refusal::Giant { .. } => &counters.pending_giant,
            Refusal::Undecodable => &counters.pending_undecodable,
            Refusal::Forged => &counters.pending_forged,
        });
        tracing::debug!(?hash, %reason, "a pending transaction is not used");
        PendingEvent::Refused { hash, reason }
    };
    let giant = Refusal::Giant { limit };
    if body.len() > limit.saturating_mul(8).saturating_add(16 * 1024) {
        return refused(None, giant);
    }
    let Ok(transaction) = serde_json::from_str::<Transaction>(body) else {
        return refused(hash_of(body), Refusal::Undecodable);
    };
    let recovered = transaction.inner;
    let hash = *recovered.tx_hash();
    let bytes = recovered.inner().encoded_2718();
    if bytes.len() > limit {
        return refused(Some(hash), giant);
    }
    if keccak256(&bytes) != hash {
        return refused(Some(hash), Refusal::Forged);
    }
    let pending = PendingTx { tx: Arc::new(recovered) };
    if pending.is_blob() {
        one(&counters.pending_blob);
    }
    PendingEvent::Waiting(pending)
}

/// The hash in a body that is otherwise no transaction.
fn hash_of(body: &str) -> Option<B256> {
    #[derive(Deserialize)]
    struct Hashed {
        hash: B256,
    }
    serde_json::from_str::<Hashed>(body).ok().map(|body| body.hash)
}
