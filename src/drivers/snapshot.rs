//! Taking a snapshot: everything that a dry-run of the block reads, and the proof that it answers the same without the node.
//!
//! ```text
//! session at the block ─▶ head trigger ─▶ all that was read ─▶ Snapshot ─▶ session without node ─▶ the same? ─▶ file
//! ```
//!
//! A session starts with an empty fork, so what it knows after one run is what the run needed and nothing else.

use super::{
    assemble,
    discovery::{Progress, Quiet},
    dry_run::DrySink,
    report::Line,
    searcher::Sink,
    session::{Executing, Session},
    source::Source,
    start::{Begin, StartError, begin_at, connect, policy},
};
use crate::{
    config::{Config, ConfigError, Environment, Mistake, Problem, contracts},
    engine::{Cancel, EngineError, Outcome},
    fork::{Facet, ReadSet, Snapshot, SnapshotError},
    ledger::Ledger,
    plan::{ProtocolId, Trigger},
    risk::KillSwitch,
};
use alloy::primitives::{Address, B256, Bytes, U256};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Why no snapshot was taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The session.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The run that reads what a dry-run reads.
    #[error("the block can't be run")]
    Run(#[from] EngineError),
    /// The file.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Without the node the answer is another one.
    #[error("without the node the answer is another one, so nothing was written: {with} with it, {without} without")]
    Differs {
        /// What differs, with the node.
        with: String,
        /// The same without.
        without: String,
    },
}

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Markets that are read.
    pub markets: usize,
    /// Targets in debt.
    pub targets: usize,
    /// Accounts.
    pub accounts: usize,
    /// Slots.
    pub slots: usize,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bundles that a dry-run of the block would send.
    pub bundles: usize,
    /// Their profit in wei.
    pub profit_wei: U256,
}

/// Takes a snapshot of a block and writes it to a file.
///
/// # Errors
/// When node, chain, ledger or file don't allow it, or the snapshot would not answer as the node does.
pub async fn take(config: Config, environment: &Environment, begin: Begin, path: &Path, progress: &dyn Progress) -> Result<Taken, TakeError> {
    let node = connect(&config, environment).await?;
    let head = begin_at(&node, begin).await?;
    // Where a dry-run goes on from, so that the logs are read once.
    let ledger = Ledger::open(&super::start::dry_ledger_path(&config)).await.map_err(StartError::from)?;
    let config = Arc::new(config);
    let (session, operators) = session(&config, Source::Node(node), head, ledger.clone(), progress).await?;
    session.warm(&configured(&config)).await.map_err(StartError::from)?;
    let outcome = run(&session, operators).await?;

    let snapshot = Arc::new(session.snapshot().map_err(StartError::from)?);
    check(&config, &snapshot).map_err(StartError::from)?;
    let (alone, operators) = self::session(&config, Source::Snapshot(Arc::clone(&snapshot)), snapshot.head().clone(), ledger, &Quiet).await?;
    same(&outcome, &run(&alone, operators).await?)?;

    let bytes = snapshot.write(path)?;
    let book = session.book().read();
    Ok(Taken {
        number: snapshot.head().number,
        hash: snapshot.head().hash,
        markets: book.markets().count(),
        targets: book.target_count(),
        accounts: snapshot.state().account_count(),
        slots: snapshot.state().slot_count(),
        bytes,
        bundles: outcome.batches.len(),
        profit_wei: outcome.batches.iter().fold(U256::ZERO, |sum, batch| sum.saturating_add(batch.profit_wei)),
    })
}

/// The session that a dry-run has, and its operators.
async fn session(
    config: &Arc<Config>,
    source: Source,
    head: crate::chain::Head,
    ledger: Ledger,
    progress: &dyn Progress,
) -> Result<(Session, Vec<Address>), StartError> {
    let injected = assemble::injected(config, &assemble::protocols(config));
    let operators = injected.operators.clone();
    let policy = policy(config, KillSwitch::default())?;
    let session = Session::start(Arc::clone(config), source, head, Executing::Injected(injected), policy, Arc::new(ledger), progress).await?;
    Ok((session, operators))
}

/// The head trigger, as a dry-run has it.
async fn run(session: &Session, operators: Vec<Address>) -> Result<Outcome, TakeError> {
    let mut sink = DrySink::new(operators, None);
    sink.begin(session);
    let means = sink.ready();
    let trigger = Trigger::Head { hash: session.head().hash, number: session.head().number };
    let outcome = session.run(trigger, Arc::default(), None, means, Cancel::default()).await;
    Ok(outcome.map_err(|error| StartError::from(super::session::SessionError::Worker(error)))??)
}

/// Compares what came of the head with the node and without, figure by figure.
fn same(with: &Outcome, without: &Outcome) -> Result<(), TakeError> {
    let (with, without) = (lines(with), lines(without));
    if with == without {
        return Ok(());
    }
    let differing = with.iter().zip(&without).find(|(one, other)| one != other);
    let told = |line: &Line| format!("{line:?}");
    let count = |lines: &[Line]| format!("{} lines", lines.len());
    let (with, without) = differing.map_or_else(|| (count(&with), count(&without)), |(one, other)| (told(one), told(other)));
    Err(TakeError::Differs { with, without })
}

fn lines(outcome: &Outcome) -> Vec<Line> {
    let candidates = outcome.sent().flat_map(|batch| batch.candidates.iter().map(move |one| Line::candidate(outcome.trigger, batch, one, "candidate")));
    candidates.chain(outcome.refusals.iter().map(|refusal| Line::refusal(outcome.trigger, refusal))).collect()
}

/// The contracts and tokens that the configuration names, with their key paths.
fn addresses(config: &Config) -> Vec<(String, Address)> {
    let tokens = config.tokens.iter().map(|(name, token)| (format!("tokens.{name}.address"), token.address));
    contracts(config).into_iter().chain(tokens).collect()
}

/// The code at every address that the configuration says is a contract: what a start asks the node for.
fn configured(config: &Config) -> ReadSet {
    let mut wanted = ReadSet::default();
    for (_, address) in addresses(config) {
        wanted.insert(Facet::Code(address));
    }
    wanted
}

/// The section that holds a protocol's replayed logs, as its own checkpoint.
pub(super) fn replay_section(protocol: &ProtocolId) -> String {
    format!("replay/{protocol}")
}

/// The section that names a protocol's markets, 32 bytes each.
pub(super) fn markets_section(protocol: &ProtocolId) -> String {
    format!("markets/{protocol}")
}

/// What a session found out from logs, by section.
pub(super) fn sections(found: impl IntoIterator<Item = (ProtocolId, Vec<u8>, Vec<B256>)>) -> BTreeMap<String, Bytes> {
    let mut sections = BTreeMap::new();
    for (protocol, replay, markets) in found {
        sections.insert(replay_section(&protocol), replay.into());
        sections.insert(markets_section(&protocol), markets.iter().flatten().copied().collect::<Vec<u8>>().into());
    }
    sections
}

/// Holds a configuration against a snapshot, as a start with a node holds it against the chain: every mistake at once.
///
/// # Errors
/// Contracts, protocols and markets that the snapshot does not have.
pub fn check(config: &Config, snapshot: &Snapshot) -> Result<(), ConfigError> {
    let mut mistakes = Vec::new();
    let mut mistake = |path: String, problem| mistakes.push(Mistake { path, problem });
    for (path, address) in addresses(config) {
        match snapshot.has_code(&address) {
            Some(true) => {}
            Some(false) => mistake(path, Problem::NoCode(address)),
            None => mistake(path, Problem::NotInSnapshot(address.to_string())),
        }
    }
    for (name, protocol) in &config.protocols {
        let id = ProtocolId::from(name.as_str());
        let Some(known) = snapshot.section(&markets_section(&id)) else {
            mistake(format!("protocols.{name}"), Problem::NotInSnapshot(format!("the protocol {name}")));
            continue;
        };
        for (place, market) in protocol.markets.iter().enumerate() {
            if !known.chunks(B256::len_bytes()).any(|one| one == market.0.as_slice()) {
                mistake(format!("protocols.{name}.markets[{place}]"), Problem::NotInSnapshot(format!("the market {market}")));
            }
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(ConfigError::Mistakes(mistakes)) }
}
