//! The sections that say where things are: node, executor, operators, tokens, protocols, venues, flash, ledger, log.

use super::{
    chain::Roll,
    mistake::Problem,
    reader::Section,
    secret::{KeyRef, UrlRef},
    value::{self, words},
};
use alloy::primitives::Address;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// The node that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeConfig {
    /// HTTP JSON-RPC; used for calls where it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<UrlRef>,
    /// WebSocket JSON-RPC; needed for pending transactions, and heads come sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws: Option<UrlRef>,
    /// The longest that one call may take, in milliseconds.
    pub timeout_ms: u64,
    /// Most calls in one JSON-RPC batch.
    pub max_batch: usize,
    /// Most blocks in one request for logs, to begin with.
    pub max_log_range: u64,
    /// How often the newest head is asked for, in milliseconds: the only source over HTTP, the check that a WebSocket is not silent.
    pub poll_ms: u64,
    /// How the fork follows this node; `auto` leaves it to the chain's description.
    pub roll: Roll,
}

impl NodeConfig {
    /// The longest that one call may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// How often the newest head is asked for.
    #[must_use]
    pub const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    pub(super) fn read(mut section: Section<'_>) -> Self {
        let http = url(&mut section, "http", &["http", "https"], "must be a URL that begins with http:// or https://, or a reference");
        let ws = url(&mut section, "ws", &["ws", "wss"], "must be a URL that begins with ws:// or wss://, or a reference");
        if section.value("http").is_none() && section.value("ws").is_none() {
            section.mistake("http", Problem::Invalid("is missing, and so is ws; one of them must be there"));
        }
        let config = Self {
            http,
            ws,
            timeout_ms: section.number("timeout_ms", 5_000, 10..=600_000),
            max_batch: section.number("max_batch", 100, 1..=10_000),
            max_log_range: section.number("max_log_range", 10_000, 1..=10_000_000),
            poll_ms: section.number("poll_ms", 1_000, 10..=60_000),
            roll: section.or("roll", Roll::Auto),
        };
        section.finish();
        config
    }
}

/// Reads a URL of one of these schemes, or a reference to it.
pub(super) fn url(section: &mut Section<'_>, key: &'static str, schemes: &'static [&'static str], wrong: &'static str) -> Option<UrlRef> {
    let value = section.value(key)?;
    section.kept(key, UrlRef::read(value, schemes, wrong))
}

/// The contract that carries plans out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExecutorConfig {
    /// Where it is; a dry-run needs none.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "value::checksummed_option")]
    pub address: Option<Address>,
    /// The owner's key, needed to deploy and configure only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<KeyRef>,
    /// Who gets the profit.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "value::checksummed_option")]
    pub profit_receiver: Option<Address>,
    /// Contracts that generic call steps may reach, beside those that the protocols name.
    #[serde(serialize_with = "value::checksummed_list")]
    pub call_targets: Vec<Address>,
}

impl ExecutorConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let config = Self {
            address: section.optional("address"),
            owner: section.optional("owner"),
            profit_receiver: section.optional("profit_receiver"),
            call_targets: section.list("call_targets"),
        };
        section.finish();
        config
    }
}

/// The keys that send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OperatorsConfig {
    /// One operator a key; a bundle in flight owns one.
    pub keys: Vec<KeyRef>,
}

impl OperatorsConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let keys: Vec<KeyRef> = section.list("keys");
        for (index, key) in keys.iter().enumerate() {
            if let Some(first) = keys.iter().take(index).position(|other| other == key) {
                let other = section.path_of(&format!("keys[{first}]"));
                section.mistake(&format!("keys[{index}]"), Problem::Duplicate { other });
            }
        }
        section.finish();
        Self { keys }
    }
}

/// A token, by the symbol that the rest of the file calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenConfig {
    /// Where it is.
    #[serde(serialize_with = "value::checksummed")]
    pub address: Address,
    /// Decimals, compared with the contract's at start.
    pub decimals: u8,
    /// What the contract answers to `symbol()`, where it is not the name used here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
}

impl TokenConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let address = section.required("address");
        let decimals = section.required::<u8>("decimals");
        if decimals.is_some_and(|decimals| decimals > 36) {
            section.mistake("decimals", Problem::OutOfRange { min: 0, max: 36 });
        }
        let symbol = section.optional("symbol");
        section.finish();
        Some(Self { address: address?, decimals: decimals?, symbol })
    }
}

/// All tokens of the file, by symbol.
pub type Tokens = BTreeMap<String, TokenConfig>;

/// Reads a token given by address or by a symbol of `[tokens]`.
pub(super) fn token(tokens: &Tokens, value: &toml::Value) -> Result<Address, Problem> {
    let text = value.as_str().ok_or(Problem::WrongType { expected: "a token's address or symbol", found: value.type_str() })?;
    if text.starts_with("0x") {
        return value::address(text);
    }
    tokens.get(text).map(|token| token.address).ok_or(Problem::UnknownToken)
}

/// Uniswap V3 as a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UniswapV3Config {
    /// The factory whose pools are used.
    #[serde(serialize_with = "value::checksummed")]
    pub factory: Address,
    /// The fee tiers that pools are looked for in, in units of 1e-6.
    pub fee_tiers: Vec<u32>,
    /// Pools beside those, for example of tiers that were added later.
    #[serde(serialize_with = "value::checksummed_list")]
    pub pools: Vec<Address>,
}

/// Curve's StableSwap pools as venues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CurveConfig {
    /// The pools; what each one trades and how is read from it.
    #[serde(serialize_with = "value::checksummed_list")]
    pub pools: Vec<Address>,
}

/// Where tokens are swapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VenuesConfig {
    /// The wrapped native token: profit is valued in it and the builder paid from it.
    #[serde(serialize_with = "value::checksummed")]
    pub weth: Address,
    /// Most pools in one route.
    pub max_hops: usize,
    /// Uniswap V3, if it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniswap_v3: Option<UniswapV3Config>,
    /// Curve, if it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve: Option<CurveConfig>,
    /// Wrapped staked ether, if it may be wrapped and unwrapped.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "value::checksummed_option")]
    pub wsteth: Option<Address>,
}

impl VenuesConfig {
    /// Venues that a plan reaches by generic calls: each is called at its own address.
    pub fn called(&self) -> impl Iterator<Item = Address> {
        self.curve.iter().flat_map(|curve| &curve.pools).chain(&self.wsteth).copied()
    }

    pub(super) fn read(mut section: Section<'_>, tokens: &Tokens) -> Option<Self> {
        let weth = match section.value("weth") {
            Some(value) => section.kept("weth", token(tokens, value)),
            None => {
                section.mistake("weth", Problem::Missing);
                None
            }
        };
        let max_hops = section.number("max_hops", 2, 1..=3);
        let uniswap_v3 = section.section("uniswap_v3").and_then(|mut uniswap| {
            let factory = uniswap.required("factory");
            let listed = uniswap.value("fee_tiers").is_some();
            let fee_tiers = if listed { uniswap.list("fee_tiers") } else { vec![100, 500, 3_000, 10_000] };
            if fee_tiers.iter().any(|fee| *fee >= 1_000_000) {
                uniswap.mistake("fee_tiers", Problem::Invalid("a fee must be below 1000000 (units of 1e-6)"));
            }
            let pools = uniswap.list("pools");
            uniswap.finish();
            Some(UniswapV3Config { factory: factory?, fee_tiers, pools })
        });
        let curve = section.section("curve").map(|mut curve| {
            let config = CurveConfig { pools: curve.list("pools") };
            curve.finish();
            config
        });
        let wsteth = section.optional("wsteth");
        section.finish();
        Some(Self { weth: weth?, max_hops, uniswap_v3, curve, wsteth })
    }
}

/// Where capital is borrowed within a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlashConfig {
    /// Morpho Blue's free flash loan.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "value::checksummed_option")]
    pub morpho_blue: Option<Address>,
    /// Moolah's.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "value::checksummed_option")]
    pub moolah: Option<Address>,
}

impl FlashConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let config = Self { morpho_blue: section.optional("morpho_blue"), moolah: section.optional("moolah") };
        section.finish();
        config
    }
}

/// Where results are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerConfig {
    /// The SQLite file. A relative path starts at the working directory.
    pub path: PathBuf,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("harrier.sqlite") }
    }
}

impl LedgerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let config = Self { path: section.or("path", Self::default().path) };
        section.finish();
        config
    }
}

words! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// What is logged. `HARRIER_LOG` wins over the filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogConfig {
    /// A `tracing` filter.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "warn,harrier=info".to_owned(), format: LogFormat::Text }
    }
}

impl LogConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let config = Self { filter: section.or("filter", default.filter), format: section.or("format", default.format) };
        section.finish();
        config
    }
}
