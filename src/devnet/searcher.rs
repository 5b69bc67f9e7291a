//! A searcher's configuration for a devnet: the template `config/devnet.toml` with the facts filled in.

use super::{ConfigFacts, Devnet, DevnetError, FluxContracts, FxContracts};
use crate::config::{Config, ConfigError, Environment};
use alloy::primitives::{Address, B256, U256, keccak256};
use std::path::Path;
use toml::{Table, Value};

const TEMPLATE: &str = include_str!("../../config/devnet.toml");

/// What a searcher on a devnet needs beside the devnet's facts.
#[derive(Clone, Debug)]
pub struct SearcherFacts<'a> {
    /// The executor, where it is deployed.
    pub executor: Option<Address>,
    /// Who gets the profit.
    pub receiver: Address,
    /// The ledger's file.
    pub ledger: &'a Path,
}

/// The variable that names the relay identity's key.
const IDENTITY: &str = "HARRIER_RELAY_IDENTITY";
/// What in a wrapper is not worth naming it, in whole dollars.
const DUST: u64 = 10;
/// The variable that names the executor's owner's key.
const OWNER: &str = "HARRIER_OWNER";

impl Devnet {
    /// The configuration of a searcher, and the environment that its secrets come from. `overrides` are laid over it, as
    /// environment variables would be.
    ///
    /// # Errors
    /// When the devnet can't be asked, or the filled template is no valid configuration.
    pub fn searcher(&self, searcher: &SearcherFacts<'_>, overrides: &[(String, String)]) -> Result<(Config, Environment), SearcherError> {
        let facts = self.config_facts()?;
        let environment: Environment = self.secrets()?.into_iter().chain(overrides.iter().cloned()).collect();
        let config = Config::parse_filled("config/devnet.toml", TEMPLATE, &table(&facts, searcher), &environment)?;
        Ok((config, environment))
    }

    /// The keys that such a configuration refers to, by the names of environment variables. They are worth nothing elsewhere.
    ///
    /// # Errors
    /// When the devnet has too few accounts.
    pub fn secrets(&self) -> Result<Vec<(String, String)>, DevnetError> {
        let mut secrets: Vec<(String, String)> = Vec::new();
        for (place, operator) in self.operators()?.iter().enumerate() {
            secrets.push((format!("HARRIER_OPERATOR_{}", place.saturating_add(1)), operator.key().to_string()));
        }
        secrets.push((IDENTITY.to_owned(), identity().to_string()));
        secrets.push((OWNER.to_owned(), self.owner()?.key().to_string()));
        Ok(secrets)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum SearcherError {
    /// The devnet.
    #[error(transparent)]
    Devnet(#[from] DevnetError),
    /// The template with the facts.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A key that is nobody's elsewhere: the identity that the devnet's relay gets to know.
fn identity() -> B256 {
    keccak256("harrier devnet relay identity")
}

fn text(value: &(impl ToString + ?Sized)) -> Value {
    Value::String(value.to_string())
}

fn section(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn table(facts: &ConfigFacts, searcher: &SearcherFacts<'_>) -> Table {
    let contracts = &facts.contracts;
    let fx_tokens = facts.fx.iter().flat_map(|fx| [("fxUSD", fx.fx_usd, 18), ("stETH", fx.st_eth, 18), ("wstETH", fx.wst_eth, 18)]);
    let tokens: Table = contracts
        .tokens
        .values()
        .map(|token| (token.symbol.as_str(), token.address, token.decimals))
        .chain(fx_tokens)
        .map(|(symbol, address, decimals)| (symbol.to_owned(), section([("address", text(&address)), ("decimals", Value::Integer(decimals.into()))])))
        .collect();
    let weth = contracts.tokens.get("WETH").map_or(Address::ZERO, |token| token.address);
    let mut executor = vec![("owner", text(&format!("env:{OWNER}"))), ("profit_receiver", text(&searcher.receiver))];
    executor.extend(searcher.executor.map(|address| ("address", text(&address))));
    let relay = section([
        ("name", text("devnet")),
        ("url", text(&facts.relay_url)),
        ("identity", text(&format!("env:{IDENTITY}"))),
        ("optional_fields", Value::Array(["timestamps", "reverting_tx_hashes", "dropping_tx_hashes", "replacement_uuid"].map(text).to_vec())),
    ]);
    let hardfork = section([("name", text(&facts.hardfork)), ("timestamp", number(0))]);
    let morpho = section([("kind", text("morpho_blue")), ("contract", text(&contracts.morpho)), ("from_block", number(contracts.morpho_since))]);
    let uniswap = section([("factory", text(&contracts.uniswap_factory))]);
    let mut protocols = vec![("morpho_blue", morpho)];
    let mut venues = vec![("weth", text(&weth)), ("uniswap_v3", uniswap)];
    if let Some(fx) = &facts.fx {
        protocols.push(("fx", fx_protocol(fx, contracts.tokens.get("USDC").map_or(Address::ZERO, |token| token.address), contracts.morpho_since)));
        let pools = Value::Array([fx.usdc_fx_usd, fx.weth_st_eth].iter().map(text).collect());
        // fxUSD to ether leads over USDC, and on to the wrapped kind over a third venue.
        venues.extend([("max_hops", number(3)), ("curve", section([("pools", pools)])), ("wsteth", text(&fx.wst_eth))]);
    }
    if let Some(flux) = &facts.flux {
        protocols.push(("flux", flux_protocol(flux, contracts.position_manager)));
    }
    [
        ("chain", section([("id", number(facts.chain_id)), ("hardforks", Value::Array(vec![hardfork]))])),
        ("node", section([("http", text(&facts.http_url)), ("ws", text(&facts.ws_url))])),
        ("executor", section(executor)),
        ("relays", Value::Array(vec![relay])),
        ("tokens", Value::Table(tokens)),
        ("protocols", section(protocols)),
        ("venues", section(venues)),
        ("flash", section([("morpho_blue", text(&contracts.morpho))])),
        ("ledger", section([("path", text(&searcher.ledger.display()))])),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

fn fx_protocol(fx: &FxContracts, stable: Address, since: u64) -> Value {
    section([
        ("kind", text("fx")),
        ("contract", text(&fx.long_manager)),
        ("short_manager", text(&fx.short_manager)),
        ("base_pool", text(&fx.base_pool)),
        ("fx_usd", text(&fx.fx_usd)),
        ("stable", text(&stable)),
        ("from_block", number(since)),
    ])
}

fn flux_protocol(flux: &FluxContracts, position_manager: Address) -> Value {
    let addresses = |list: &mut dyn Iterator<Item = Address>| Value::Array(list.map(|address| text(&address)).collect());
    section([
        ("kind", text("flux")),
        ("contract", text(&flux.factory)),
        ("from_block", number(flux.since)),
        ("markets", addresses(&mut flux.vaults.iter().map(|vault| vault.address))),
        ("standard_strategies", addresses(&mut flux.vaults.iter().filter(|vault| vault.is_standard).map(|vault| vault.strategy))),
        ("additional_wrappers", addresses(&mut flux.wrappers.iter().map(|wrapper| wrapper.address))),
        ("position_managers", addresses(&mut std::iter::once(position_manager))),
        ("dust_usd", number(DUST)),
        ("partial", Value::Boolean(false)),
    ])
}

/// An amount of ether in wei, for settings of demos and tests.
#[must_use]
pub fn ether(whole: u64) -> U256 {
    U256::from(whole).saturating_mul(U256::from(1_000_000_000_000_000_000_u64))
}
