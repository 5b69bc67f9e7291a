//! JSON-RPC calls to the anvil that only the devnet talks to; each with a timeout.

use alloy::{
    primitives::{Address, B256, Bytes, U64, U256},
    rpc::client::RpcClient,
    transports::{
        RpcError, TransportErrorKind,
        http::{Http, reqwest},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::time::Duration;

/// Why a call to the node failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The node did not answer in time.
    #[error("{method}: no answer within {limit:?}")]
    Timeout {
        /// What was asked.
        method: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The node answered with an error.
    #[error("{method}: {message} ({code})")]
    Refused {
        /// What was asked.
        method: String,
        /// The JSON-RPC code.
        code: i64,
        /// The node's words.
        message: String,
        /// The node's extra data, raw JSON.
        data: Option<Box<RawValue>>,
    },
    /// The connection failed or the answer does not parse.
    #[error("{method}: {source}")]
    Transport {
        /// What was asked.
        method: String,
        /// Why.
        source: RpcError<TransportErrorKind>,
    },
    /// The HTTP client or the node's URL can't be made.
    #[error("the client of the node can't be built: {0}")]
    Client(String),
    /// The node left out something that every node has.
    #[error("{method}: the answer lacks {what}")]
    Incomplete {
        /// What was asked.
        method: &'static str,
        /// What is missing.
        what: &'static str,
    },
}

/// One execution client on loopback.
#[derive(Clone, Debug)]
pub struct Node {
    client: RpcClient,
    url: String,
    limit: Duration,
}

/// The part of a receipt that block building decides by.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Which transaction.
    pub transaction_hash: B256,
    /// Position in the block.
    pub transaction_index: U64,
    /// 1 is success.
    pub status: U64,
    /// Gas that it used.
    pub gas_used: U64,
    /// Wei per gas that it paid in all.
    pub effective_gas_price: U256,
    /// Who sent it.
    pub from: Address,
    /// To whom; none for a creation.
    pub to: Option<Address>,
    /// The contract that it created, if any.
    pub contract_address: Option<Address>,
    /// Its logs, as the node serves them.
    pub logs: Vec<alloy::rpc::types::Log>,
}

impl Receipt {
    /// Whether the transaction succeeded.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.status == U64::from(1)
    }
}

impl Node {
    /// A client of the node at `url`; every call waits at most `limit`.
    pub fn new(url: &str, limit: Duration) -> Result<Self, NodeError> {
        // The node is on loopback: a proxy named in the environment must not get between.
        let http = reqwest::Client::builder().no_proxy().timeout(limit).build().map_err(|error| NodeError::Client(error.to_string()))?;
        let parsed = url.parse().map_err(|error| NodeError::Client(format!("{url}: {error}")))?;
        Ok(Self { client: RpcClient::new(Http::with_client(http, parsed), true), url: url.to_owned(), limit })
    }

    /// The node's HTTP address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call; the result as the node wrote it.
    pub async fn raw(&self, method: &str, params: Box<RawValue>) -> Result<Box<RawValue>, NodeError> {
        self.request(method, params).await
    }

    /// One call with typed parameters and result.
    pub async fn call<P, R>(&self, method: &'static str, params: P) -> Result<R, NodeError>
    where
        P: Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin,
        R: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        self.request(method, params).await
    }

    async fn request<P, R>(&self, method: &str, params: P) -> Result<R, NodeError>
    where
        P: Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin,
        R: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        let call = self.client.request::<P, R>(method.to_owned(), params);
        match tokio::time::timeout(self.limit, call).await {
            Err(_) => Err(NodeError::Timeout { method: method.to_owned(), limit: self.limit }),
            Ok(Ok(result)) => Ok(result),
            Ok(Err(RpcError::ErrorResp(payload))) => {
                Err(NodeError::Refused { method: method.to_owned(), code: payload.code, message: payload.message.into_owned(), data: payload.data })
            }
            Ok(Err(source)) => Err(NodeError::Transport { method: method.to_owned(), source }),
        }
    }

    /// An account's nonce at the newest block.
    pub async fn nonce(&self, account: Address) -> Result<u64, NodeError> {
        Ok(self.call::<_, U64>("eth_getTransactionCount", (account, "latest")).await?.to())
    }

    /// An account's wei at the newest block.
    pub async fn balance(&self, account: Address) -> Result<U256, NodeError> {
        self.call("eth_getBalance", (account, "latest")).await
    }

    /// Gives the node a signed transaction.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256, NodeError> {
        self.call("eth_sendRawTransaction", (raw.clone(),)).await
    }

    /// Receipts of the newest block, in its order.
    pub async fn newest_receipts(&self) -> Result<Vec<Receipt>, NodeError> {
        self.call::<_, Option<Vec<Receipt>>>("eth_getBlockReceipts", ("latest",))
            .await?
            .ok_or(NodeError::Incomplete { method: "eth_getBlockReceipts", what: "the newest block" })
    }

    /// The newest block with transaction hashes, as JSON.
    pub async fn newest_block(&self) -> Result<serde_json::Value, NodeError> {
        self.call("eth_getBlockByNumber", ("latest", false)).await
    }

    /// Mines the next block at this time and base fee with whatever the node's pool holds.
    pub async fn mine_at(&self, timestamp: u64, base_fee: Option<u64>) -> Result<(), NodeError> {
        self.prepare_block(timestamp, base_fee).await?;
        self.mine().await
    }

    /// Sets the next block's time and base fee.
    pub async fn prepare_block(&self, timestamp: u64, base_fee: Option<u64>) -> Result<(), NodeError> {
        let _: serde_json::Value = self.call("evm_setNextBlockTimestamp", (timestamp,)).await?;
        if let Some(base_fee) = base_fee {
            let _: serde_json::Value = self.call("anvil_setNextBlockBaseFeePerGas", (U64::from(base_fee),)).await?;
        }
        Ok(())
    }

    /// Mines one block.
    pub async fn mine(&self) -> Result<(), NodeError> {
        let _: serde_json::Value = self.call("evm_mine", ()).await?;
        Ok(())
    }

    /// Empties the node's pool.
    pub async fn empty_pool(&self) -> Result<(), NodeError> {
        let _: serde_json::Value = self.call("anvil_dropAllTransactions", ()).await?;
        Ok(())
    }

    /// Remembers the newest state.
    pub async fn snapshot(&self) -> Result<U256, NodeError> {
        self.call("evm_snapshot", ()).await
    }

    /// Goes back to a remembered state.
    pub async fn revert(&self, snapshot: U256) -> Result<(), NodeError> {
        if self.call::<_, bool>("evm_revert", (snapshot,)).await? { Ok(()) } else { Err(NodeError::Incomplete { method: "evm_revert", what: "the snapshot" }) }
    }
}
