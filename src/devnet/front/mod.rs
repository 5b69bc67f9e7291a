//! The devnet's face: JSON-RPC over HTTP and WebSocket, the public mempool, and the doors of the relays.
//!
//! ```text
//! client ──▶ http, ws ──▶ methods ──▶ pool, announcer, relays
//!                            └──────▶ gate ──▶ anvil (reads only; nobody else talks to it)
//! build_block ─────────────────────▶ gate, exclusively
//! ```
//!
//! While a block is built, trial blocks come and go on the node. The gate keeps readers out for that time, so a client never sees one.

mod announce;
mod bundles;
mod head;
mod http;
mod line;
mod mempool;
mod methods;
pub mod pool;
mod reorg;
pub mod rpc;
pub mod tx;
mod ws;

use super::{
    node::{Node, NodeError, Receipt},
    relay::{Relay, store::Store},
};
use crate::chain::{ChainError, Head};
use alloy::primitives::{Address, B256};
use announce::Announcer;
pub use announce::quantity;
pub use head::HeadNow;
use line::{Line, Switch};
pub use mempool::SendError;
use parking_lot::Mutex;
use pool::{Pool, PoolLimits};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{OwnedRwLockWriteGuard, RwLock, watch},
    task::JoinHandle,
};

/// How a front behaves.
#[derive(Clone, Debug)]
pub struct FrontConfig {
    /// Limits of the public mempool.
    pub pool: PoolLimits,
    /// The port to listen on, on loopback; 0 takes a free one.
    pub port: u16,
    /// The longest body of a request, bytes.
    pub max_body: usize,
    /// Announcements and answers that wait for one WebSocket reader.
    pub ws_queue: usize,
    /// Requests of one WebSocket connection that are worked on at once.
    pub ws_at_once: usize,
    /// Development methods that clients may call. `evm_mine` builds a block by the front's rules; the others go to the node as they are.
    pub dev_methods: Vec<String>,
    /// Names of the relays; the first is also served at `/relay`, each at `/relay/<name>`.
    pub relays: Vec<String>,
}

impl Default for FrontConfig {
    fn default() -> Self {
        Self {
            pool: PoolLimits::default(),
            port: 0,
            max_body: 4 * 1024 * 1024,
            ws_queue: 4_096,
            ws_at_once: 64,
            dev_methods: Vec::new(),
            relays: vec!["devnet".to_owned()],
        }
    }
}

/// Why the front does not serve or lost its place.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// No port could be had.
    #[error("the front can't listen on loopback: {0}")]
    Listen(#[from] std::io::Error),
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node's newest block does not parse.
    #[error("the node's newest block does not parse: {0}")]
    Block(#[from] serde_json::Error),
    /// The node's newest block is of no chain that is supported.
    #[error(transparent)]
    Header(#[from] ChainError),
}

#[derive(Debug)]
struct State {
    pool: Pool,
    store: Store,
    head: HeadNow,
}

/// Counters of a front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontCounters {
    /// Transactions that came into the mempool.
    pub accepted: u64,
    /// Transactions that were refused.
    pub refused: u64,
    /// Requests that went through to the node.
    pub proxied: u64,
    /// Methods that clients may not call here.
    pub forbidden: u64,
    /// Announcements lost because a reader was too slow.
    pub announcements_dropped: u64,
}

#[derive(Debug, Default)]
struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    proxied: AtomicU64,
    forbidden: AtomicU64,
}

/// The front of one node.
#[derive(Debug)]
pub struct Front {
    node: Node,
    chain_id: u64,
    fee_recipient: Address,
    config: FrontConfig,
    gate: Arc<RwLock<()>>,
    state: Mutex<State>,
    /// How many bundles wait.
    bundles: watch::Sender<usize>,
    announcer: Announcer,
    relays: BTreeMap<String, Arc<Relay>>,
    switch: Switch,
    tally: Tally,
}

/// A front that listens, until it is dropped.
#[derive(Debug)]
pub struct Serving {
    /// The front.
    pub front: Arc<Front>,
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Nobody listens any more only if the task has ended already.
        let _ = self.stop.send(true);
        self.task.abort();
    }
}

impl Front {
    /// Puts a front before a node and listens on loopback.
    pub async fn serve(node: Node, chain_id: u64, fee_recipient: Address, config: FrontConfig) -> Result<Serving, FrontError> {
        let head = HeadNow::read(node.newest_block().await?)?;
        let relays = config.relays.iter().map(|name| (name.clone(), Arc::new(Relay::new(name)))).collect();
        let listener = TcpListener::bind(("127.0.0.1", config.port)).await?;
        let address = listener.local_addr()?;
        let switch = Switch::new();
        let line = Line::new(listener, switch.clone());
        let front = Arc::new(Self {
            node,
            chain_id,
            fee_recipient,
            gate: Arc::new(RwLock::new(())),
            state: Mutex::new(State { pool: Pool::new(config.pool), store: Store::default(), head }),
            bundles: watch::Sender::new(0),
            announcer: Announcer::default(),
            relays,
            switch,
            tally: Tally::default(),
            config,
        });
        let (stop, stopped) = watch::channel(false);
        let router = http::router(front.clone(), stopped);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(line, router).await {
                tracing::error!(%error, "the devnet's front stopped");
            }
        });
        Ok(Serving { front, address, stop, task })
    }

    /// The node behind it.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Who gets tips and payments.
    #[must_use]
    pub const fn fee_recipient(&self) -> Address {
        self.fee_recipient
    }

    /// The chain's id.
    pub(super) const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> HeadNow {
        self.state.lock().head.clone()
    }

    /// The relay of this name.
    #[must_use]
    pub fn relay(&self, name: &str) -> Option<&Arc<Relay>> {
        self.relays.get(name)
    }

    /// The relay that is served at `/relay`.
    fn default_relay(&self) -> Option<&Arc<Relay>> {
        self.config.relays.first().and_then(|name| self.relays.get(name))
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> FrontCounters {
        FrontCounters {
            accepted: self.tally.accepted.load(Ordering::Relaxed),
            refused: self.tally.refused.load(Ordering::Relaxed),
            proxied: self.tally.proxied.load(Ordering::Relaxed),
            forbidden: self.tally.forbidden.load(Ordering::Relaxed),
            announcements_dropped: self.announcer.dropped(),
        }
    }

    /// Breaks the connections of all clients, relays' doors included, and lets nobody in until [`Front::mend`]. Blocks can still be built.
    pub fn cut(&self) {
        self.switch.cut();
    }

    /// Lets clients in again after [`Front::cut`].
    pub fn mend(&self) {
        self.switch.mend();
    }

    /// Keeps everybody else away from the node until the guard is dropped.
    pub async fn close_gate(&self) -> OwnedRwLockWriteGuard<()> {
        self.gate.clone().write_owned().await
    }

    /// Takes over the node's newest block: cleans the mempool, announces header, logs and what became reachable.
    pub(super) async fn block_mined(&self, receipts: &[Receipt], refused: &[(B256, String)]) -> Result<Head, FrontError> {
        let head = HeadNow::read(self.node.newest_block().await?)?;
        let logs: Vec<_> = receipts.iter().flat_map(|receipt| receipt.logs.iter().cloned()).collect();
        {
            let mut state = self.state.lock();
            for hash in receipts.iter().map(|receipt| &receipt.transaction_hash).chain(refused.iter().map(|(hash, _)| hash)) {
                state.pool.remove(hash);
            }
            state.head = head.clone();
        }
        let fresh = self.settle_pool().await?;
        self.announcer.block(&head.header, &logs);
        for tx in &fresh {
            self.announcer.pending(tx);
        }
        Ok(head.head)
    }

    /// The newest block, looked up again.
    pub(super) async fn refreshed_head(&self) -> Result<Head, FrontError> {
        self.sync().await?;
        Ok(self.head().head)
    }

    /// Looks at the node again after something was changed behind the front's back (seeding does).
    pub(super) async fn sync(&self) -> Result<(), FrontError> {
        let head = HeadNow::read(self.node.newest_block().await?)?;
        let number = head.head.number;
        self.state.lock().head = head;
        self.with_store(|store| store.expire(number));
        self.settle_pool().await?;
        Ok(())
    }

    /// A read of the node while no block is being built.
    async fn proxy(&self, request: &rpc::Request) -> rpc::Answer {
        self.tally.proxied.fetch_add(1, Ordering::Relaxed);
        let _open = self.gate.read().await;
        Ok(self.node.raw(&request.method, request.raw_params()).await?)
    }
}

/// How long a client may take to send a body or to take an answer.
pub(super) const CLIENT_LIMIT: Duration = Duration::from_secs(30);
