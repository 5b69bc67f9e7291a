//! Typed configuration, checked as a whole before anything starts.
//!
//! ```text
//! file.toml ─▶ table ◀─overlay─ HARRIER__section__key=value
//!                │
//!             Section: key by key, every mistake kept with its path
//!                │                                   secrets stay references (env:NAME, file:PATH)
//!                ▼
//!             Config ──check_on_chain──▶ chain id, code, decimals, symbols agree with the node
//! ```
//!
//! ```no_run
//! use harrier::config::{Config, Environment};
//! let config = Config::load("config/mainnet.toml".as_ref(), &Environment::of_process())?;
//! # Ok::<(), harrier::config::ConfigError>(())
//! ```

mod chain;
mod environment;
mod limits;
mod mistake;
mod on_chain;
mod protocols;
mod reader;
mod relays;
mod secret;
mod sections;
mod value;

#[cfg(test)]
mod tests;

pub use chain::{Activation, BaseFeeRule, ChainConfig, GasFeeRule, Hardfork, Roll, Submission};
pub use environment::Environment;
pub use limits::{EngineConfig, ProfitOf, RiskConfig, TX_GAS_CAP};
pub use mistake::{ConfigError, Mistake, Problem};
pub use on_chain::{OnChainError, check_on_chain, contracts};
pub use protocols::{FluxConfig, FxConfig, MorphoConfig, ProtocolConfig, ProtocolKind, ProtocolWord};
pub use relays::{CancelStyle, OptionalField, RelayConfig, UuidStyle};
pub use secret::{KeyRef, Secret, SecretError, SecretRef, UrlRef};
pub use sections::{
    CurveConfig, ExecutorConfig, FlashConfig, LedgerConfig, LogConfig, LogFormat, NodeConfig, OperatorsConfig, TokenConfig, Tokens, UniswapV3Config,
    VenuesConfig,
};

use alloy::primitives::Address;
use reader::{Mistakes, Section};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};
use toml::{Table, Value};

/// Everything that is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The chain and its rules.
    pub chain: ChainConfig,
    /// The node.
    pub node: NodeConfig,
    /// The contract that carries plans out.
    pub executor: ExecutorConfig,
    /// The keys that send.
    pub operators: OperatorsConfig,
    /// Who takes bundles.
    pub relays: Vec<RelayConfig>,
    /// Protocol deployments by name.
    pub protocols: BTreeMap<String, ProtocolConfig>,
    /// Where tokens are swapped.
    pub venues: VenuesConfig,
    /// Where capital is borrowed.
    pub flash: FlashConfig,
    /// Tokens by symbol.
    pub tokens: Tokens,
    /// Gates before sending.
    pub risk: RiskConfig,
    /// How much work is done.
    pub engine: EngineConfig,
    /// Where results are kept.
    pub ledger: LedgerConfig,
    /// What is logged.
    pub log: LogConfig,
}

impl Config {
    /// Reads a file, lays the environment over it and checks all of it.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let name = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: name(), source })?;
        Self::parse(&name(), &text, environment)
    }

    /// The same for a text; `name` stands in error messages.
    pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        Self::parse_filled(name, text, &Table::new(), environment)
    }

    /// The same for a template: `facts` are laid over the text, the environment over both. Tables are merged key by key, all else is replaced.
    pub fn parse_filled(name: &str, text: &str, facts: &Table, environment: &Environment) -> Result<Self, ConfigError> {
        let mut table: Table = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ConfigError::Syntax { path: name.to_owned(), message: error.message().to_owned(), line: before.matches('\n').count().saturating_add(1) }
        })?;
        fill(&mut table, facts);
        let mistakes = Mistakes::new(environment.overlay(&mut table));
        let config = Self::read(&table, &mistakes);
        let mistakes = mistakes.into_inner();
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(ConfigError::Mistakes(mistakes)),
        }
    }

    /// How the fork goes from head to head: what is said of the node, else what is said of the chain.
    #[must_use]
    pub const fn roll(&self) -> Roll {
        if matches!(self.node.roll, Roll::Auto) { self.chain.roll } else { self.node.roll }
    }

    /// The same as [`Config::load`] for a run that asks no node: the file need not have one.
    pub fn load_without_node(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        // An address that nobody asks, and that is not kept.
        let node: Table = [("http".to_owned(), NOBODY.into())].into_iter().collect();
        let name = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: name(), source })?;
        let facts: Table = [("node".to_owned(), node.into())].into_iter().collect();
        let mut config = Self::parse_filled(&name(), &text, &facts, environment)?;
        config.node.http = None;
        Ok(config)
    }

    /// Reads every section, also behind mistakes; none when something that must be there is not.
    fn read(table: &Table, mistakes: &Mistakes) -> Option<Self> {
        let mut root = Section::root(table, mistakes);
        let tokens: Tokens = root.named_sections("tokens").into_iter().filter_map(|(name, section)| Some((name, TokenConfig::read(section)?))).collect();
        let chain = needed(&mut root, "chain").map(ChainConfig::read);
        let node = needed(&mut root, "node").map(NodeConfig::read);
        let executor = root.section("executor").map(ExecutorConfig::read).unwrap_or_default();
        let operators = root.section("operators").map(OperatorsConfig::read).unwrap_or_default();
        let relays: Vec<RelayConfig> = root.listed_sections("relays").into_iter().filter_map(RelayConfig::read).collect();
        let protocols: BTreeMap<String, ProtocolConfig> =
            root.named_sections("protocols").into_iter().filter_map(|(name, section)| Some((name, ProtocolConfig::read(section, &tokens)?))).collect();
        let venues = needed(&mut root, "venues").map(|section| VenuesConfig::read(section, &tokens));
        let flash = root.section("flash").map(FlashConfig::read).unwrap_or_default();
        let risk = root.section("risk").map(|section| RiskConfig::read(section, &tokens)).unwrap_or_default();
        let engine = root.section("engine").map(EngineConfig::read).unwrap_or_default();
        let ledger = root.section("ledger").map(LedgerConfig::read).unwrap_or_default();
        let log = root.section("log").map(LogConfig::read).unwrap_or_default();

        if root.value("protocols").is_none() {
            root.mistake("protocols", Problem::Missing);
        }
        check_unique_tokens(&root, &tokens);
        check_unique_relays(&root, &relays);
        check_keys_apart(&root, &operators, &relays);
        root.finish();
        Some(Self { chain: chain??, node: node?, executor, operators, relays, protocols, venues: venues??, flash, tokens, risk, engine, ledger, log })
    }

    /// Checks what only sending needs: operators, relays, the executor's address, a profit receiver, and that every secret can be read.
    /// A dry-run does not call this.
    pub fn check_ready_to_send(&self, environment: &Environment) -> Result<(), ConfigError> {
        let mut mistakes = Vec::new();
        let mut mistake = |path: String, problem| mistakes.push(Mistake { path, problem });
        let missing = [
            ("executor.address", self.executor.address.is_none()),
            ("executor.profit_receiver", self.executor.profit_receiver.is_none()),
            ("operators.keys", self.operators.keys.is_empty()),
            ("relays", self.relays.is_empty()),
        ];
        for (path, _) in missing.iter().filter(|(_, missing)| *missing) {
            mistake((*path).to_owned(), Problem::Missing);
        }
        let unreadable = |error: SecretError| Problem::Secret(error.to_string());
        let mut addresses: Vec<(String, Address)> = Vec::new();
        for (index, key) in self.operators.keys.iter().enumerate() {
            let path = format!("operators.keys[{index}]");
            match key.open(environment) {
                Ok(signer) => addresses.push((path, signer.address())),
                Err(error) => mistake(path, unreadable(error)),
            }
        }
        for (index, relay) in self.relays.iter().enumerate() {
            if let Err(error) = relay.url.http(environment) {
                mistake(format!("relays[{index}].url"), unreadable(error));
            }
            match relay.identity.as_ref().filter(|_| relay.sign).map(|key| key.open(environment)) {
                None => {}
                Some(Err(error)) => mistake(format!("relays[{index}].identity"), unreadable(error)),
                Some(Ok(signer)) => {
                    // The identity is shown to every relay; a key that holds gas money must not be.
                    if let Some((other, _)) = addresses.iter().find(|(path, address)| path.starts_with("operators") && *address == signer.address()) {
                        mistake(format!("relays[{index}].identity"), Problem::Duplicate { other: other.clone() });
                    }
                }
            }
        }
        for (index, (path, address)) in addresses.iter().enumerate() {
            if let Some((other, _)) = addresses.iter().take(index).find(|(_, other)| other == address) {
                mistake(path.clone(), Problem::Duplicate { other: other.clone() });
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(ConfigError::Mistakes(mistakes)) }
    }

    /// The configuration as TOML that [`Config::parse`] reads back to the same value. References stay references.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string_pretty(self).map_err(ConfigError::Render)
    }

    /// The symbol that the file gives a token.
    #[must_use]
    pub fn symbol_of(&self, token: Address) -> Option<&str> {
        self.tokens.iter().find(|(_, entry)| entry.address == token).map(|(symbol, _)| symbol.as_str())
    }
}

/// Stands for the node of a run that asks none.
const NOBODY: &str = "http://localhost";

fn fill(table: &mut Table, facts: &Table) {
    for (key, fact) in facts {
        match (table.get_mut(key), fact) {
            (Some(Value::Table(below)), Value::Table(facts)) => fill(below, facts),
            _ => {
                table.insert(key.clone(), fact.clone());
            }
        }
    }
}

fn needed<'a>(root: &mut Section<'a>, key: &'static str) -> Option<Section<'a>> {
    if root.value(key).is_none() {
        root.mistake(key, Problem::Missing);
    }
    root.section(key)
}

fn check_unique_tokens(root: &Section<'_>, tokens: &Tokens) {
    let mut seen: BTreeMap<Address, &str> = BTreeMap::new();
    for (symbol, token) in tokens {
        if let Some(first) = seen.insert(token.address, symbol) {
            root.mistake(&format!("tokens.{symbol}.address"), Problem::Duplicate { other: format!("tokens.{first}.address") });
        }
    }
}

fn check_unique_relays(root: &Section<'_>, relays: &[RelayConfig]) {
    for (index, relay) in relays.iter().enumerate() {
        if let Some(first) = relays.iter().take(index).position(|other| other.name == relay.name) {
            root.mistake(&format!("relays[{index}].name"), Problem::Duplicate { other: format!("relays[{first}].name") });
        }
    }
}

/// The relay identity is another key than any operator's.
fn check_keys_apart(root: &Section<'_>, operators: &OperatorsConfig, relays: &[RelayConfig]) {
    for (index, relay) in relays.iter().enumerate() {
        if let Some(operator) = relay.identity.as_ref().and_then(|identity| operators.keys.iter().position(|key| key == identity)) {
            root.mistake(&format!("relays[{index}].identity"), Problem::Duplicate { other: format!("operators.keys[{operator}]") });
        }
    }
}
