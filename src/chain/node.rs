//! The node as it is asked: every call with a timeout, every answer held against its question.

use super::{
    connect,
    counters::{Counters, one},
    error::ChainError,
    head::Head,
};
use crate::config::{Environment, NodeConfig};
use alloy::{
    consensus::BlockHeader,
    eips::{BlockId, BlockNumberOrTag},
    network::{AnyNetwork, AnyRpcBlock, AnyRpcHeader, AnyTransactionReceipt},
    primitives::{Address, B256, Bytes},
    providers::{Provider, RootProvider},
    rpc::client::BatchRequest,
    rpc::types::{Filter, FilterSet, Log},
    transports::{TransportError, http::reqwest::Url},
};
use parking_lot::RwLock;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, future::IntoFuture, sync::Arc, time::Duration};

/// A node: where it is, how long it may take, and a connection for calls.
pub struct Node {
    http: Option<Url>,
    ws: Option<Url>,
    within: Duration,
    poll: Duration,
    max_batch: usize,
    max_log_range: u64,
    chain_id: u64,
    calls: RwLock<RootProvider<AnyNetwork>>,
    counters: Arc<Counters>,
}

/// Only that it is one: URLs carry access keys.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("chain_id", &self.chain_id).field("http", &self.http.is_some()).field("ws", &self.ws.is_some()).finish_non_exhaustive()
    }
}

/// Which logs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Emitted by one of these.
    pub addresses: Vec<Address>,
    /// Of one of these events (topic 0); empty is all.
    pub events: Vec<B256>,
}

impl LogQuery {
    fn filter(&self) -> Filter {
        let filter = Filter::new().address(self.addresses.clone());
        if self.events.is_empty() { filter } else { filter.event_signature(FilterSet::from(self.events.clone())) }
    }
}

impl Node {
    /// Connects and checks that the node is of chain `chain_id`. Calls go over HTTP where it is configured.
    pub async fn connect(config: &NodeConfig, chain_id: u64, environment: &Environment) -> Result<Self, ChainError> {
        let http = config.http.as_ref().map(|url| url.http(environment)).transpose().map_err(ChainError::Url)?;
        let ws = config.ws.as_ref().map(|url| url.websocket(environment)).transpose().map_err(ChainError::Url)?;
        let within = config.timeout();
        let calls = match (&http, &ws) {
            (Some(url), _) => connect::http(url, within)?,
            (None, Some(url)) => connect::websocket(url, within).await?,
            (None, None) => return Err(ChainError::NoUrl),
        };
        let node = Self {
            http,
            ws,
            within,
            poll: config.poll(),
            max_batch: config.max_batch.max(1),
            max_log_range: config.max_log_range.max(1),
            chain_id,
            calls: RwLock::new(calls),
            counters: Arc::default(),
        };
        node.check_chain_id().await?;
        Ok(node)
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The configured chain id, which the node confirmed.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The longest that one call may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.within
    }

    /// How often the newest head is asked for.
    #[must_use]
    pub(super) const fn poll(&self) -> Duration {
        self.poll
    }

    /// Most blocks in one request for logs.
    #[must_use]
    pub const fn max_log_range(&self) -> u64 {
        self.max_log_range
    }

    /// Whether the node can push heads and pending transactions.
    #[must_use]
    pub const fn has_websocket(&self) -> bool {
        self.ws.is_some()
    }

    /// The provider that calls go over. Over HTTP it stays good; over a WebSocket it ends with its connection, then ask again.
    #[must_use]
    pub fn provider(&self) -> RootProvider<AnyNetwork> {
        self.calls.read().clone()
    }

    /// Opens a WebSocket of its own for one subscription and checks the chain id there.
    pub(super) async fn open_websocket(&self) -> Result<RootProvider<AnyNetwork>, ChainError> {
        let url = self.ws.as_ref().ok_or(ChainError::NoWebSocket)?;
        let provider = connect::websocket(url, self.within).await?;
        let found = self.in_time("eth_chainId", provider.get_chain_id()).await?;
        self.same_chain(found)?;
        Ok(provider)
    }

    /// Waits for a request to the node, no longer than configured.
    pub async fn in_time<T, F>(&self, call: &'static str, request: F) -> Result<T, ChainError>
    where
        F: IntoFuture<Output = Result<T, TransportError>>,
    {
        one(&self.counters.calls);
        match tokio::time::timeout(self.within, request.into_future()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => {
                one(&self.counters.calls_failed);
                Err(ChainError::of(call, source))
            }
            Err(_) => {
                one(&self.counters.calls_late);
                Err(ChainError::Late { call, within: self.within })
            }
        }
    }

    /// Asks over the connection for calls; a lost WebSocket is built anew for the next call.
    async fn ask<T, F>(&self, call: &'static str, request: impl FnOnce(RootProvider<AnyNetwork>) -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, TransportError>>,
    {
        let answer = self.in_time(call, request(self.provider())).await;
        if let (Err(error), None, Some(url)) = (&answer, &self.http, &self.ws)
            && error.is_backend_gone()
        {
            let fresh = connect::websocket(url, self.within).await?;
            *self.calls.write() = fresh;
            one(&self.counters.reconnects);
        }
        answer
    }

    /// Checks that the node is of the configured chain.
    pub async fn check_chain_id(&self) -> Result<(), ChainError> {
        let found = self.ask("eth_chainId", |provider| async move { provider.get_chain_id().await }).await?;
        self.same_chain(found)
    }

    const fn same_chain(&self, found: u64) -> Result<(), ChainError> {
        if found == self.chain_id { Ok(()) } else { Err(ChainError::ChainId { expected: self.chain_id, found }) }
    }

    /// The newest head.
    pub async fn latest(&self) -> Result<Head, ChainError> {
        let block = self
            .ask("eth_getBlockByNumber", |provider| async move { provider.get_block_by_number(BlockNumberOrTag::Latest).await })
            .await?
            .ok_or_else(|| ChainError::Absent { what: "newest block".to_owned() })?;
        head_of(&block.header)
    }

    /// The head with a hash; none when the node does not know it.
    pub async fn head_by_hash(&self, hash: B256) -> Result<Option<Head>, ChainError> {
        let block = self.ask("eth_getBlockByHash", |provider| async move { provider.get_block_by_hash(hash).await }).await?;
        let head = block.map(|block| head_of(&block.header)).transpose()?;
        match head {
            Some(head) if head.hash != hash => {
                Err(ChainError::Inconsistent { call: "eth_getBlockByHash", detail: format!("asked for {hash}, got {}", head.hash) })
            }
            head => Ok(head),
        }
    }

    /// The head at a height; none when the chain is shorter.
    pub async fn head_by_number(&self, number: u64) -> Result<Option<Head>, ChainError> {
        let block = self.ask("eth_getBlockByNumber", |provider| async move { provider.get_block_by_number(number.into()).await }).await?;
        let head = block.map(|block| head_of(&block.header)).transpose()?;
        match head {
            Some(head) if head.number != number => {
                Err(ChainError::Inconsistent { call: "eth_getBlockByNumber", detail: format!("asked for {number}, got {}", head.number) })
            }
            head => Ok(head),
        }
    }

    /// A block with its full transactions; none when the node does not know it.
    pub async fn block(&self, hash: B256) -> Result<Option<AnyRpcBlock>, ChainError> {
        self.ask("eth_getBlockByHash", |provider| async move { provider.get_block_by_hash(hash).full().await }).await
    }

    /// The receipt of a mined transaction; none while it is not mined.
    pub async fn receipt(&self, transaction: B256) -> Result<Option<AnyTransactionReceipt>, ChainError> {
        self.ask("eth_getTransactionReceipt", |provider| async move { provider.get_transaction_receipt(transaction).await }).await
    }

    /// All receipts of a block, in order; none when the node does not know it.
    pub async fn receipts(&self, block: B256) -> Result<Option<Vec<AnyTransactionReceipt>>, ChainError> {
        self.ask("eth_getBlockReceipts", |provider| async move { provider.get_block_receipts(BlockId::from(block)).await }).await
    }

    /// The logs of one block, by hash, in order.
    pub async fn logs_of_block(&self, block: B256, query: &LogQuery) -> Result<Vec<Log>, ChainError> {
        let filter = query.filter().at_block_hash(block);
        let logs = self.ask("eth_getLogs", |provider| async move { provider.get_logs(&filter).await }).await?;
        match logs.iter().find(|log| log.block_hash.is_some_and(|hash| hash != block)) {
            None => Ok(logs),
            Some(log) => Err(ChainError::Inconsistent { call: "eth_getLogs", detail: format!("asked for block {block}, got a log of {:?}", log.block_hash) }),
        }
    }

    /// The logs of a range of blocks, both ends included, in order.
    pub async fn logs(&self, from: u64, to: u64, query: &LogQuery) -> Result<Vec<Log>, ChainError> {
        let filter = query.filter().from_block(from).to_block(to);
        let logs = self.ask("eth_getLogs", |provider| async move { provider.get_logs(&filter).await }).await?;
        match logs.iter().find(|log| log.block_number.is_some_and(|number| number < from || number > to)) {
            None => Ok(logs),
            Some(log) => {
                Err(ChainError::Inconsistent { call: "eth_getLogs", detail: format!("asked for {from} to {to}, got a log of block {:?}", log.block_number) })
            }
        }
    }

    /// Sends a signed transaction into the public mempool.
    pub async fn send_raw_transaction(&self, transaction: Bytes) -> Result<B256, ChainError> {
        self.ask("eth_sendRawTransaction", |provider| async move { provider.send_raw_transaction(&transaction).await.map(|pending| *pending.tx_hash()) }).await
    }

    /// Sends one call for each of `params`, in JSON-RPC batches of the configured size, and gives the answers in order.
    /// The first call that fails fails the whole.
    pub async fn batch<P, R>(&self, call: &'static str, params: &[P]) -> Result<Vec<R>, ChainError>
    where
        P: Serialize + Clone + fmt::Debug + Send + Sync + Unpin,
        R: DeserializeOwned + fmt::Debug + Send + Sync + Unpin + 'static,
    {
        let mut answers = Vec::with_capacity(params.len());
        for chunk in params.chunks(self.max_batch) {
            let part = self
                .ask(call, |provider| async move {
                    let mut batch = BatchRequest::new(provider.client());
                    let waiters = chunk.iter().map(|params| batch.add_call::<_, R>(call, params)).collect::<Result<Vec<_>, _>>()?;
                    batch.send().await?;
                    futures::future::try_join_all(waiters).await
                })
                .await?;
            answers.extend(part);
        }
        Ok(answers)
    }
}

/// What the searcher needs of a header. [`ChainError::Inconsistent`] for a header without a base fee: chains without EIP-1559 are not supported.
pub fn head_of(header: &AnyRpcHeader) -> Result<Head, ChainError> {
    let base_fee = header.base_fee_per_gas().ok_or_else(|| ChainError::Inconsistent {
        call: "header",
        detail: format!("block {} has no base fee; chains without EIP-1559 are not supported", header.number()),
    })?;
    Ok(Head {
        number: header.number(),
        hash: header.hash,
        parent_hash: header.parent_hash(),
        timestamp: header.timestamp(),
        base_fee,
        gas_limit: header.gas_limit(),
        gas_used: header.gas_used(),
        fee_recipient: header.beneficiary(),
        prev_randao: header.mix_hash().unwrap_or_default(),
        excess_blob_gas: header.excess_blob_gas().unwrap_or_default(),
        blob_gas_used: header.blob_gas_used().unwrap_or_default(),
        receipts_root: header.receipts_root(),
    })
}
