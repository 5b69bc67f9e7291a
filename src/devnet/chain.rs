//! A running devnet: anvil, its front, and the hands that build blocks.

use super::{
    BlockReport, BuildError, NodeError,
    anvil::{self, AnvilError, AnvilOptions},
    front::{Front, FrontConfig, FrontError, Serving},
    node::Node,
    people::{Draft, Person},
    relay::Relay,
};
use crate::chain::Head;
use alloy::{
    node_bindings::AnvilInstance,
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::client::RpcClient,
    signers::local::PrivateKeySigner,
    transports::http::{Http, reqwest},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// Calls of the devnet to its anvil end after this long.
const NODE_LIMIT: Duration = Duration::from_secs(20);
/// What the fee recipient has from the beginning, wei: an account that is empty would make the first payment cost more gas.
const FEE_RECIPIENT_FUNDS: u64 = 1_000_000_000_000_000_000;

/// How a chain is run.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// The chain id.
    pub chain_id: u64,
    /// Base fee of the first block, wei per gas.
    pub base_fee: u64,
    /// Gas of a block.
    pub gas_limit: u64,
    /// The front.
    pub front: FrontConfig,
    /// Seconds of real time between blocks; none builds only when asked.
    pub block_every: Option<Duration>,
    /// The file that the node keeps its state in when it ends, so that it can be restarted.
    pub state: Option<PathBuf>,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self { chain_id: 31_337, base_fee: 10_000_000_000, gas_limit: 60_000_000, front: FrontConfig::default(), block_every: None, state: None }
    }
}

/// Why a devnet does not run or a step on it failed.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// No anvil.
    #[error(transparent)]
    Anvil(#[from] AnvilError),
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The front failed.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// No block.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A public transaction was refused.
    #[error(transparent)]
    Send(#[from] super::front::SendError),
    /// A key does not sign.
    #[error("signing: {0}")]
    Sign(#[from] alloy::signers::Error),
    /// A contract's artifact is missing or wrong.
    #[error(transparent)]
    Artifact(#[from] super::artifacts::ArtifactError),
    /// A set-up transaction failed.
    #[error("set-up: {what}: transaction {tx} failed")]
    SetUp {
        /// What it was for.
        what: String,
        /// Its hash.
        tx: B256,
    },
    /// A call's result does not decode.
    #[error("set-up: {what}: {source}")]
    Decode {
        /// What was asked.
        what: String,
        /// Why.
        source: alloy::sol_types::Error,
    },
    /// Something that the devnet does not have was asked for.
    #[error("the devnet has no {0}")]
    Unknown(String),
    /// The anvil has fewer accounts than the devnet needs.
    #[error("anvil has no account {0}")]
    Account(usize),
    /// An amount is out of range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// The client's URL can't be made.
    #[error("the client of the node can't be built: {0}")]
    Client(String),
}

/// A chain with its front.
#[derive(Debug)]
pub struct Chain {
    // Dropped in this order: no more blocks, no more clients, then the node.
    ticker: Option<Ticker>,
    serving: Serving,
    node: Node,
    config: ChainConfig,
    /// None only when a restart failed half-way.
    anvil: Option<AnvilInstance>,
}

#[derive(Debug)]
struct Ticker(JoinHandle<()>);

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn options(config: &ChainConfig, fork_url: Option<String>) -> AnvilOptions {
    AnvilOptions { chain_id: config.chain_id, base_fee: config.base_fee, gas_limit: config.gas_limit, fork_url, port: 0, state: config.state.clone() }
}

/// Spawning waits for the process's first lines.
async fn spawn(options: AnvilOptions) -> Result<AnvilInstance, DevnetError> {
    Ok(tokio::task::spawn_blocking(move || anvil::spawn(&options)).await.map_err(BuildError::Task)??)
}

impl Chain {
    /// Starts an empty chain.
    pub async fn start(config: ChainConfig) -> Result<Self, DevnetError> {
        Self::spawn(config, None).await
    }

    /// Starts a fork of a node at its newest block, with a front and a mempool of its own. The chain id in `config` must be the node's.
    pub async fn fork(config: ChainConfig, url: &str) -> Result<Self, DevnetError> {
        Self::spawn(config, Some(url.to_owned())).await
    }

    async fn spawn(config: ChainConfig, fork_url: Option<String>) -> Result<Self, DevnetError> {
        let fee_recipient = Person::named("builder").address();
        let anvil = spawn(options(&config, fork_url)).await?;
        let node = Node::new(&anvil.endpoint(), NODE_LIMIT)?;
        let _: serde_json::Value = node.call("anvil_setCoinbase", (fee_recipient,)).await?;
        if node.balance(fee_recipient).await? == U256::ZERO {
            let _: serde_json::Value = node.call("anvil_setBalance", (fee_recipient, U256::from(FEE_RECIPIENT_FUNDS))).await?;
        }
        let serving = Front::serve(node.clone(), config.chain_id, fee_recipient, config.front.clone()).await?;
        Ok(Self { ticker: None, serving, node, config, anvil: Some(anvil) })
    }

    /// Ends the node as one ends a node, and starts it again from its state file on the same port: its blocks and its newest state are there, older states and
    /// traces are not. The front stays; meanwhile its clients' calls to the node fail.
    ///
    /// # Errors
    /// [`DevnetError::Unknown`] without a state file in the configuration; else when the node does not come up again.
    pub async fn restart_node(&mut self) -> Result<(), DevnetError> {
        if self.config.state.is_none() {
            return Err(DevnetError::Unknown("state file".to_owned()));
        }
        let anvil = self.anvil.take().ok_or_else(|| DevnetError::Unknown("node".to_owned()))?;
        let options = AnvilOptions { port: anvil.port(), ..options(&self.config, None) };
        // Its end is waited for: the state is written then.
        tokio::task::spawn_blocking(move || drop(anvil)).await.map_err(BuildError::Task)?;
        self.anvil = Some(spawn(options).await?);
        let _: serde_json::Value = self.node.call("anvil_setCoinbase", (self.fee_recipient(),)).await?;
        self.front().sync().await?;
        Ok(())
    }

    /// Takes back the newest `depth` blocks without a word, as [`Front::rollback`] does it.
    ///
    /// # Errors
    /// When the node does not go back.
    pub async fn rollback(&self, depth: u64, falls_back: impl Fn(Address) -> bool + Send + Sync + 'static) -> Result<Head, DevnetError> {
        Ok(self.front().rollback(depth, falls_back).await?)
    }

    /// Builds blocks in real time from now on, if the configuration says so.
    pub fn start_ticking(&mut self) {
        let Some(every) = self.config.block_every else { return };
        let front = self.serving.front.clone();
        self.ticker = Some(Ticker(tokio::spawn(async move {
            let mut clock = tokio::time::interval(every);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            clock.tick().await;
            loop {
                clock.tick().await;
                match front.build_block().await {
                    Ok(block) => tracing::info!(number = block.head.number, txs = block.txs.len(), bundles = block.bundles.len(), "block built"),
                    Err(error) => tracing::error!(%error, "no block was built"),
                }
            }
        })));
    }

    /// The front.
    #[must_use]
    pub const fn front(&self) -> &Arc<Front> {
        &self.serving.front
    }

    /// The node behind the front; for set-up, never for a searcher.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// The node behind the front as an alloy provider; for set-up and for judging results, never for a searcher.
    pub fn provider(&self) -> Result<DynProvider, DevnetError> {
        let http = reqwest::Client::builder().no_proxy().timeout(NODE_LIMIT).build().map_err(|error| DevnetError::Client(error.to_string()))?;
        let url = self.node.url().parse().map_err(|error| DevnetError::Client(format!("{}: {error}", self.node.url())))?;
        let client = RpcClient::new(Http::with_client(http, url), true);
        Ok(ProviderBuilder::new().connect_client(client).erased())
    }

    /// Where the front serves JSON-RPC over HTTP.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// Where the front serves JSON-RPC over WebSocket.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.serving.address)
    }

    /// Where the first relay takes bundles.
    #[must_use]
    pub fn relay_url(&self) -> String {
        format!("{}/relay", self.http_url())
    }

    /// Where a relay takes bundles.
    #[must_use]
    pub fn relay_url_of(&self, name: &str) -> String {
        format!("{}/relay/{name}", self.http_url())
    }

    /// A relay's faults and counters.
    pub fn relay_of(&self, name: &str) -> Result<&Arc<Relay>, DevnetError> {
        self.front().relay(name).ok_or_else(|| DevnetError::Unknown(format!("relay {name}")))
    }

    /// How it is run.
    #[must_use]
    pub const fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// The chain id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.config.chain_id
    }

    /// Who gets tips and payments.
    #[must_use]
    pub fn fee_recipient(&self) -> Address {
        self.front().fee_recipient()
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> Head {
        self.front().head().head
    }

    /// Builds the next block.
    pub async fn build_block(&self) -> Result<BlockReport, DevnetError> {
        Ok(self.front().build_block().await?)
    }

    /// anvil's funded account of this number (0 to 9), as a person.
    pub fn dev_account(&self, number: usize) -> Result<Person, DevnetError> {
        let key = self.anvil.as_ref().and_then(|anvil| anvil.nth_key(number)).ok_or(DevnetError::Account(number))?;
        Ok(Person::with_signer(&format!("account {number}"), PrivateKeySigner::from(key.clone())))
    }

    /// Signs a transaction at the sender's next nonce, waiting ones counted, with enough fee for a few full blocks.
    pub async fn signed(&self, person: &Person, to: Option<Address>, value: U256, data: Bytes, gas: u64, tip: u128) -> Result<Bytes, DevnetError> {
        let nonce = self.front().next_nonce(person.address()).await?;
        let base_fee = u128::from(self.front().head().next_base_fee());
        let max_fee = base_fee.saturating_mul(2).saturating_add(tip);
        Ok(person.sign(&Draft { chain_id: self.chain_id(), nonce, to, value, data, gas, max_fee, tip })?)
    }

    /// Puts a transaction into the public mempool, where it is announced; its hash.
    pub async fn send_public(&self, raw: Bytes) -> Result<B256, DevnetError> {
        Ok(self.front().send_public(raw).await?)
    }
}
