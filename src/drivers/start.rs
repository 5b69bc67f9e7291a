//! From a configuration to a searcher that is ready to run.

use super::{
    Decided, assemble, deploy,
    discovery::{Progress, Quiet},
    dry_run::DrySink,
    live::LiveSink,
    mempool::{Bounds, Mempool},
    policy::ConfiguredPolicy,
    records::Records,
    searcher::{Event, Searcher, SinkError},
    session::{Executing, Session, SessionError},
    snapshot,
    source::Source,
    writers::WriterBounds,
};
use crate::{
    chain::{ChainError, Head, Node},
    config::{
        CancelStyle as ConfiguredCancel, Config, ConfigError, Environment, OnChainError, OptionalField, ProfitOf, RelayConfig as ConfiguredRelay, SecretError,
        UuidStyle, check_on_chain,
    },
    engine::Measure,
    fork::{Snapshot, SnapshotError},
    ledger::{Ledger, LedgerError},
    plan::MarketId,
    relay::{
        Bidding, CancelStyle, Capabilities, FlashbotsRelay, Identity, KeyError, NodeBlocks, OperatorKey, Operators, RateLimit, Relay, RelayConfig,
        RelayConfigError, Relays,
    },
    risk::{Bps, BpsOutOfRange, Gates, KillSwitch, Limits},
};
use alloy::{
    primitives::{Address, U256},
    signers::local::PrivateKeySigner,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration against the chain.
    #[error(transparent)]
    OnChain(#[from] OnChainError),
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// State, logs, venues.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The snapshot's file.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A relay.
    #[error(transparent)]
    Relay(#[from] RelayConfigError),
    /// A share above the whole.
    #[error(transparent)]
    Share(#[from] BpsOutOfRange),
    /// The executor on chain is not as configured.
    #[error("executor.address: {0}")]
    Executor(String),
    /// What an earlier process left behind.
    #[error(transparent)]
    Recover(#[from] SinkError),
    /// A block that the node does not have.
    #[error("the node has no block {0}")]
    NoBlock(u64),
    /// Something that sending needs is not configured.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// Which block a run begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The newest.
    Latest,
    /// One of the past; its state must still be there.
    Block(u64),
}

/// Whoever watches a run.
#[derive(Clone, Debug, Default)]
pub struct Watchers {
    /// What happens.
    pub events: Option<mpsc::Sender<Event>>,
    /// How bundles end.
    pub decided: Option<mpsc::Sender<Decided>>,
}

/// The node of a configuration, its chain id and the contracts checked.
///
/// # Errors
/// When the node can't be reached or is not what is configured, every mistake at once.
pub async fn connect(config: &Config, environment: &Environment) -> Result<Arc<Node>, StartError> {
    // The fork and the receipts keep the connection that they were given; over HTTP there is none to lose.
    if config.node.http.is_none() {
        return Err(StartError::Missing("node.http"));
    }
    let node = Arc::new(Node::connect(&config.node, config.chain.id, environment).await?);
    check_on_chain(config, &node.provider()).await?;
    Ok(node)
}

pub(super) async fn begin_at(node: &Node, begin: Begin) -> Result<Head, StartError> {
    match begin {
        Begin::Latest => Ok(node.latest().await?),
        Begin::Block(number) => node.head_by_number(number).await?.ok_or(StartError::NoBlock(number)),
    }
}

/// The configured gates, bid and promise.
///
/// # Errors
/// When a share is above the whole.
pub fn policy(config: &Config, kill: KillSwitch) -> Result<ConfiguredPolicy, StartError> {
    let risk = &config.risk;
    let limits = Limits {
        min_profit_wei: risk.min_profit_wei,
        max_gas_price: u128::try_from(risk.max_gas_price_wei).ok(),
        dust_wei: U256::ZERO,
        deny_tokens: risk.deny_tokens.iter().copied().collect(),
        deny_markets: risk.deny_markets.iter().copied().map(MarketId).collect(),
        deny_accounts: risk.deny_borrowers.iter().copied().collect(),
    };
    Ok(ConfiguredPolicy {
        gates: Gates::new(limits, kill),
        bidding: Bidding::Share(Bps::new(risk.builder_share_bps)?),
        tolerance: Bps::new(risk.tolerance_bps)?,
        measure: match risk.profit_of {
            ProfitOf::Transaction => Measure::Transaction,
            ProfitOf::Bundle => Measure::Bundle,
        },
    })
}

fn mempool(config: &Config) -> Mempool {
    let engine = &config.engine;
    Mempool::new(Bounds {
        total: engine.pending_queue,
        per_sender: engine.pending_per_sender,
        per_block: engine.pending_per_block,
        samples: engine.pending_samples,
        spread: Duration::from_secs(config.chain.slot_seconds),
        max_gas: engine.pending_max_gas,
        max_bytes: engine.pending_max_bytes,
        writers: WriterBounds { most: engine.writers, idle_heads: engine.writer_heads },
    })
}

/// The ledger of a dry-run stands beside the live one: two processes never share a file.
#[must_use]
pub fn dry_ledger_path(config: &Config) -> PathBuf {
    config.ledger.path.with_extension("dry-run.sqlite")
}

/// A dry-run: no keys, no deployed contract, nothing sent.
///
/// # Errors
/// When node, chain or ledger don't allow it.
pub async fn dry_run(
    config: Config,
    environment: &Environment,
    begin: Begin,
    watchers: Watchers,
    progress: &dyn Progress,
) -> Result<Searcher<DrySink>, StartError> {
    let node = connect(&config, environment).await?;
    let head = begin_at(&node, begin).await?;
    dry_searcher(config, Source::Node(node), head, watchers, progress).await
}

/// A dry-run of a snapshot's block: needs no node, and answers as one at that block with the node.
///
/// # Errors
/// When the file is no snapshot of the configured chain, or the configuration names what it does not hold.
pub async fn dry_run_of(config: Config, snapshot: &Path, watchers: Watchers) -> Result<Searcher<DrySink>, StartError> {
    let snapshot = Snapshot::read(snapshot, config.chain.id)?;
    snapshot::check(&config, &snapshot)?;
    let head = snapshot.head().clone();
    dry_searcher(config, Source::Snapshot(Arc::new(snapshot)), head, watchers, &Quiet).await
}

async fn dry_searcher(config: Config, source: Source, head: Head, watchers: Watchers, progress: &dyn Progress) -> Result<Searcher<DrySink>, StartError> {
    let ledger = Ledger::open(&dry_ledger_path(&config)).await?;
    let injected = assemble::injected(&config, &assemble::protocols(&config));
    let sink = DrySink::new(injected.operators.clone(), Some(Records::new(ledger.clone())));
    let policy = policy(&config, KillSwitch::default())?;
    let mempool = mempool(&config);
    let session = Session::start(Arc::new(config), source, head, Executing::Injected(injected), policy, Arc::new(ledger), progress).await?;
    Ok(Searcher::new(session, mempool, sink, watchers.events))
}

/// A live run: signs and sends.
///
/// # Errors
/// When anything that sending needs is missing or wrong, every mistake of the configuration at once.
pub async fn live(
    config: Config,
    environment: &Environment,
    kill: KillSwitch,
    watchers: Watchers,
    progress: &dyn Progress,
) -> Result<Searcher<LiveSink>, StartError> {
    config.check_ready_to_send(environment)?;
    let executor = config.executor.address.ok_or(StartError::Missing("executor.address"))?;
    let receiver = config.executor.profit_receiver.ok_or(StartError::Missing("executor.profit_receiver"))?;
    let node = connect(&config, environment).await?;
    let keys = config.operators.keys.iter().map(|key| Ok(OperatorKey::from(key.open(environment)?))).collect::<Result<Vec<_>, SecretError>>()?;
    let operators = Operators::new(keys, U256::ZERO)?;
    let wrong = deploy::differences(&node, executor, receiver, &operators.addresses(), &assemble::call_targets(&config, &assemble::protocols(&config))).await?;
    if !wrong.is_empty() {
        return Err(StartError::Executor(wrong.join("; ")));
    }
    let head = begin_at(&node, Begin::Latest).await?;
    let (relays, identity) = relays(&config, environment, &operators)?;
    let ledger = Ledger::open(&config.ledger.path).await?;
    let blocks = NodeBlocks::new(node.provider(), config.node.timeout());
    let mut sink = LiveSink::new(operators, relays, Records::new(ledger.clone()), identity, blocks, watchers.decided);
    let policy = policy(&config, kill)?;
    let mempool = mempool(&config);
    let session =
        Session::start(Arc::new(config), Source::Node(node), head, Executing::Deployed { executor, receiver }, policy, Arc::new(ledger), progress).await?;
    sink.recover(&session).await?;
    Ok(Searcher::new(session, mempool, sink, watchers.events))
}

/// Relays as configured, and the identity of the first one that is signed to.
fn relays(config: &Config, environment: &Environment, operators: &Operators) -> Result<(Relays, Address), StartError> {
    let mut all: Vec<Arc<dyn Relay>> = Vec::with_capacity(config.relays.len());
    let mut first = None;
    let mut deadline = Duration::ZERO;
    for relay in &config.relays {
        let key = match &relay.identity {
            Some(identity) => identity.open(environment)?,
            None if relay.sign => return Err(StartError::Missing("relays.identity")),
            // Nobody sees it: requests to this relay carry no signature.
            None => PrivateKeySigner::random(),
        };
        let identity = Identity::new(key, operators)?;
        first.get_or_insert(identity.address());
        deadline = deadline.max(relay.timeout());
        all.push(Arc::new(FlashbotsRelay::new(relay_config(relay, environment)?, identity)?));
    }
    Ok((Relays::new(all, deadline), first.unwrap_or(Address::ZERO)))
}

fn relay_config(relay: &ConfiguredRelay, environment: &Environment) -> Result<RelayConfig, StartError> {
    let knows = |field| relay.optional_fields.contains(&field);
    let limit = RateLimit { per_minute: relay.requests_per_minute, burst: relay.requests_per_minute };
    Ok(RelayConfig {
        name: relay.name.clone(),
        url: relay.url.http(environment)?,
        sign: relay.sign,
        capabilities: Capabilities {
            dropping_tx_hashes: knows(OptionalField::DroppingTxHashes),
            timestamps: knows(OptionalField::Timestamps),
            replacement: knows(OptionalField::ReplacementUuid) && relay.uuid_style != UuidStyle::None,
            cancel: match relay.cancel_style {
                ConfiguredCancel::Endpoint => CancelStyle::Endpoint,
                ConfiguredCancel::EmptyBundle => CancelStyle::EmptyBundle,
                ConfiguredCancel::None => CancelStyle::None,
            },
        },
        send_limit: limit,
        cancel_limit: limit,
        connect_timeout: relay.timeout(),
        timeout: relay.timeout(),
    })
}
