//! The node behind a generation: single reads for misses through foundry-fork-db, each with a timeout.
//!
//! The backend joins equal reads in flight and is asked from simulation threads that block until it answers. It runs on a
//! thread of its own, whose clock goes on whatever the caller blocks: a read that was made in the wrong place, in an async
//! task, ends with an error and not with a hang. The timeout sits in the transport, below everything, because a provider
//! over a WebSocket has none and a blocked thread can't be woken in any other way.

use super::{Call, ForkError, Generation, prefetch, reader::NodeReader};
use alloy::{
    network::AnyNetwork,
    primitives::{Address, B256, U256},
    providers::{Provider, RootProvider},
    rpc::{
        client::{RpcClient, RpcClientInner},
        json_rpc::{RequestPacket, ResponsePacket},
    },
    transports::{BoxTransport, TransportError, TransportErrorKind, TransportFut},
};
use foundry_fork_db::{BlockchainDb, SharedBackend, backend::BlockingMode, cache::BlockchainDbMeta};
use revm::{context::BlockEnv, database_interface::DatabaseRef, state::AccountInfo};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot};

/// A transport that gives up after a while, and counts. A batch is one request.
#[derive(Clone, Debug)]
struct Timed {
    inner: BoxTransport,
    limit: Duration,
    requests: Arc<AtomicU64>,
}

impl tower_service::Service<RequestPacket> for Timed {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = self.inner.call(request);
        let limit = self.limit;
        Box::pin(async move {
            tokio::time::timeout(limit, answer)
                .await
                .unwrap_or_else(|_| Err(TransportErrorKind::custom_str(&format!("no answer within {} ms", limit.as_millis()))))
        })
    }
}

/// Request ids are matched per connection, and a WebSocket is shared by all clients that were made of it: each of ours
/// counts in a range of its own.
static ID_RANGES: AtomicU64 = AtomicU64::new(1);
/// Ids in a range; the ranges stay below 2^53, what every JSON parser keeps exactly.
const ID_RANGE_BITS: u32 = 36;

/// The same node with a time limit on every request, and how many requests were sent through what is returned.
pub(super) fn timed(provider: &impl Provider<AnyNetwork>, limit: Duration) -> (RootProvider<AnyNetwork>, Arc<AtomicU64>) {
    let client = provider.client();
    let requests = Arc::<AtomicU64>::default();
    let transport = Timed { inner: client.transport().clone(), limit, requests: Arc::clone(&requests) };
    let range = ID_RANGES.fetch_add(1, Ordering::Relaxed) & 0xffff;
    let inner = RpcClientInner::new(BoxTransport::new(transport), client.is_local()).with_id(range << ID_RANGE_BITS);
    (RootProvider::new(RpcClient::from_inner(inner)), requests)
}

/// A client whose every request fails: there is nobody to ask.
pub(super) fn no_node() -> RpcClient {
    RpcClient::new(Nobody, true)
}

#[derive(Clone, Copy, Debug)]
struct Nobody;

impl tower_service::Service<RequestPacket> for Nobody {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: RequestPacket) -> Self::Future {
        Box::pin(async { Err(TransportErrorKind::custom_str("there is no node")) })
    }
}

/// The thread that all backends of a fork run on. It ends with the last of them.
#[derive(Debug)]
pub(super) struct MissThread {
    runtime: Handle,
    reader: Arc<NodeReader>,
    _until_dropped: oneshot::Sender<()>,
}

impl MissThread {
    pub(super) fn start(reader: Arc<NodeReader>) -> std::io::Result<Arc<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (until_dropped, dropped) = oneshot::channel::<()>();
        // The runtime lives and ends on its own thread: it may not be dropped inside an async task.
        std::thread::Builder::new().name("fork-misses".to_owned()).spawn(move || {
            let _ = runtime.block_on(dropped);
        })?;
        Ok(Arc::new(Self { runtime: handle, reader, _until_dropped: until_dropped }))
    }
}

/// Where one generation's misses are asked, pinned by its head's hash.
#[derive(Clone, Debug)]
pub(super) struct MissBackend {
    shared: SharedBackend,
    block: B256,
    thread: Arc<MissThread>,
}

impl MissBackend {
    /// Starts the backend of one generation; it ends when the generation is dropped.
    pub(super) fn spawn(thread: &Arc<MissThread>, provider: &RootProvider<AnyNetwork>, block: B256) -> Self {
        let store = BlockchainDb::new(BlockchainDbMeta::new(BlockEnv::default(), String::new()), None);
        let (shared, handler) = SharedBackend::new(provider.clone(), store, Some(block.into()));
        thread.runtime.spawn(handler);
        Self { shared: shared.with_blocking_mode(BlockingMode::Block), block, thread: thread.clone() }
    }

    /// Reads what a call will probably touch into its generation, and waits for it on the caller's thread. The requests have the
    /// transport's time limit; what does not come is missed later.
    pub(super) fn warm(&self, call: &Call, generation: &Generation) {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        let (reader, request, at) = (Arc::clone(&self.thread.reader), prefetch::request(call), self.block);
        // Nodes differ in what they show of who pays and who is paid: those two are missed for themselves.
        let but = [call.from, generation.head().fee_recipient];
        self.thread.runtime.spawn(async move {
            // Nobody waits any more: then nobody needs it.
            let _unheard = answer.send(prefetch::ask(&reader, at, &request, &but).await);
        });
        match answered.recv() {
            Ok(Ok(found)) => prefetch::learn(generation, found),
            Ok(Err(error)) => tracing::debug!(%error, "a call could not be fetched ahead"),
            Err(_) => tracing::debug!("the thread of misses has ended"),
        }
    }

    pub(super) fn account(&self, address: Address) -> Result<AccountInfo, ForkError> {
        let account = self.shared.basic_ref(address).map_err(|error| self.error(format!("account {address}"), &error))?;
        Ok(account.unwrap_or_default())
    }

    pub(super) fn slot(&self, address: Address, slot: U256) -> Result<U256, ForkError> {
        self.shared.storage_ref(address, slot).map_err(|error| self.error(format!("slot {slot:#x} of {address}"), &error))
    }

    pub(super) fn block_hash(&self, number: u64) -> Result<B256, ForkError> {
        self.shared.block_hash_ref(number).map_err(|error| self.error(format!("the hash of block {number}"), &error))
    }

    fn error(&self, what: String, error: &impl std::fmt::Display) -> ForkError {
        ForkError::Node { what, block: self.block, reason: format!("{error:#}") }
    }
}
