//! Who is told what: WebSocket subscriptions with bounded queues. A reader that is too slow loses announcements, and each loss is counted.

use super::tx::SignedTx;
use alloy::rpc::types::{Filter, Log};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// What a subscription wants to hear.
#[derive(Debug)]
pub(super) enum Topic {
    /// New block headers.
    Heads,
    /// Waiting transactions.
    Pending {
        /// The whole body, not only the hash.
        full: bool,
    },
    /// Logs of new blocks.
    Logs(Box<Filter>),
}

#[derive(Debug)]
struct Subscription {
    connection: u64,
    topic: Topic,
    out: mpsc::Sender<String>,
}

/// All subscriptions of one front.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    subscriptions: Mutex<BTreeMap<u64, Subscription>>,
    next_id: AtomicU64,
    dropped: AtomicU64,
}

impl Announcer {
    /// A number for a new connection or subscription.
    pub(super) fn fresh_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Announcements lost because a reader's queue was full.
    #[must_use]
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Adds a subscription under an id taken before.
    pub(super) fn subscribe(&self, id: u64, connection: u64, topic: Topic, out: mpsc::Sender<String>) {
        self.subscriptions.lock().insert(id, Subscription { connection, topic, out });
    }

    /// Ends a subscription of this connection.
    pub(super) fn unsubscribe(&self, id: u64, connection: u64) -> bool {
        let mut subscriptions = self.subscriptions.lock();
        if subscriptions.get(&id).is_some_and(|subscription| subscription.connection == connection) {
            subscriptions.remove(&id);
            return true;
        }
        false
    }

    /// Ends all subscriptions of a connection.
    pub(super) fn close(&self, connection: u64) {
        self.subscriptions.lock().retain(|_, subscription| subscription.connection != connection);
    }

    /// A transaction waits.
    pub(super) fn pending(&self, tx: &SignedTx) {
        let hash = json!(tx.hash());
        let mut body: Option<Value> = None;
        self.tell(|topic| match topic {
            Topic::Pending { full: false } => vec![hash.clone()],
            Topic::Pending { full: true } => {
                vec![body.get_or_insert_with(|| serde_json::to_value(tx.waiting_body()).unwrap_or(Value::Null)).clone()]
            }
            _ => Vec::new(),
        });
    }

    /// A block was mined: its header first, then its logs.
    pub(super) fn block(&self, header: &Value, logs: &[Log]) {
        self.tell(|topic| if matches!(topic, Topic::Heads) { vec![header.clone()] } else { Vec::new() });
        self.tell(|topic| match topic {
            Topic::Logs(filter) => logs.iter().filter(|log| filter.rpc_matches(log)).filter_map(|log| serde_json::to_value(log).ok()).collect(),
            _ => Vec::new(),
        });
    }

    fn tell(&self, mut items: impl FnMut(&Topic) -> Vec<Value>) {
        let mut gone = Vec::new();
        let mut subscriptions = self.subscriptions.lock();
        for (id, subscription) in subscriptions.iter() {
            for result in items(&subscription.topic) {
                let message = json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": quantity(*id), "result": result}});
                match subscription.out.try_send(message.to_string()) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        self.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => gone.push(*id),
                }
            }
        }
        for id in gone {
            subscriptions.remove(&id);
        }
    }
}

/// A number as JSON-RPC writes it.
#[must_use]
pub fn quantity(value: u64) -> String {
    format!("0x{value:x}")
}
