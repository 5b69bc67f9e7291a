//! The sections that say how far to go: `[risk]` and `[engine]`.

use super::{
    mistake::Problem,
    reader::Section,
    sections::{Tokens, token},
    value::{self, words},
};
use alloy::primitives::{Address, B256, U256};
use serde::Serialize;
use std::time::Duration;

words! {
    /// What has to earn the least profit.
    ProfitOf {
        /// Each transaction of a bundle.
        Transaction = "transaction",
        /// The bundle as a whole; each of its transactions only more than it costs.
        Bundle = "bundle",
    }
}

/// Gates between a candidate and a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RiskConfig {
    /// Least profit after all costs, in wei.
    #[serde(serialize_with = "value::decimal")]
    pub min_profit_wei: U256,
    /// What has to earn it.
    pub profit_of: ProfitOf,
    /// Highest gas price that is paid, in wei a gas.
    #[serde(serialize_with = "value::decimal")]
    pub max_gas_price_wei: U256,
    /// How far the gain on chain may stay below the predicted one, in 1/10000.
    pub tolerance_bps: u16,
    /// Share of the profit that the builder gets, in 1/10000.
    pub builder_share_bps: u16,
    /// Tokens that are never touched.
    #[serde(serialize_with = "value::checksummed_list")]
    pub deny_tokens: Vec<Address>,
    /// Markets that are never touched.
    pub deny_markets: Vec<B256>,
    /// Borrowers that are never touched.
    #[serde(serialize_with = "value::checksummed_list")]
    pub deny_borrowers: Vec<Address>,
}

/// The most gas of one transaction since Osaka (EIP-7825).
pub const TX_GAS_CAP: u64 = 16_777_216;

impl Default for RiskConfig {
    fn default() -> Self {
        Self {
            min_profit_wei: U256::from(1_000_000_000_000_000_u64),
            profit_of: ProfitOf::Transaction,
            max_gas_price_wei: U256::from(500_000_000_000_u64),
            tolerance_bps: 50,
            builder_share_bps: 5_000,
            deny_tokens: Vec::new(),
            deny_markets: Vec::new(),
            deny_borrowers: Vec::new(),
        }
    }
}

impl RiskConfig {
    pub(super) fn read(mut section: Section<'_>, tokens: &Tokens) -> Self {
        let default = Self::default();
        let config = Self {
            min_profit_wei: section.or("min_profit_wei", default.min_profit_wei),
            profit_of: section.or("profit_of", default.profit_of),
            max_gas_price_wei: section.or("max_gas_price_wei", default.max_gas_price_wei),
            tolerance_bps: section.number("tolerance_bps", default.tolerance_bps, 0..=9_999),
            builder_share_bps: section.number("builder_share_bps", default.builder_share_bps, 0..=10_000),
            deny_tokens: section.list_with("deny_tokens", |value| token(tokens, value)),
            deny_markets: section.list("deny_markets"),
            deny_borrowers: section.list("deny_borrowers"),
        };
        if config.min_profit_wei.is_zero() {
            section.mistake("min_profit_wei", Problem::Invalid("must be above zero"));
        }
        if config.max_gas_price_wei.is_zero() {
            section.mistake("max_gas_price_wei", Problem::Invalid("must be above zero"));
        }
        section.finish();
        config
    }
}

/// How much work is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineConfig {
    /// Simulation threads; 0 is one a core.
    pub threads: usize,
    /// Most full simulations to choose one candidate's size.
    pub max_simulations: usize,
    /// Most pending transactions that wait to be looked at; newer ones push out older ones.
    pub pending_queue: usize,
    /// Most pending transactions that are simulated for one head.
    pub pending_per_block: usize,
    /// Most of them from one sender.
    pub pending_per_sender: usize,
    /// Of those that are known to touch nothing, how many a head are simulated anyway to learn from.
    pub pending_samples: usize,
    /// Most pending transactions whose state is read at once.
    pub pending_fetches: usize,
    /// Longest time to read what a pending transaction needs, in milliseconds.
    pub pending_fetch_ms: u64,
    /// Most gas of a pending transaction that is simulated, with what must stand in front of it.
    pub pending_max_gas: u64,
    /// Largest pending transaction that is looked at, in bytes.
    pub pending_max_bytes: usize,
    /// Most kinds of call that are remembered as writers of what values were read from.
    pub writers: usize,
    /// Heads without a hit after which such a kind is forgotten.
    pub writer_heads: u64,
    /// Most accounts and slots that the fork keeps from head to head beside what known markets and targets were read from.
    pub max_facets: usize,
    /// Heads for which it keeps what plans and triggers used.
    pub idle_heads: u64,
}

impl EngineConfig {
    /// Longest time to read what a pending transaction needs.
    #[must_use]
    pub const fn pending_fetch(&self) -> Duration {
        Duration::from_millis(self.pending_fetch_ms)
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            max_simulations: 16,
            pending_queue: 4_096,
            pending_per_block: 2_000,
            pending_per_sender: 16,
            pending_samples: 50,
            pending_max_gas: TX_GAS_CAP,
            pending_max_bytes: 128 * 1024,
            pending_fetches: 16,
            pending_fetch_ms: 2_000,
            writers: 4_096,
            writer_heads: 7_200,
            max_facets: 200_000,
            idle_heads: 64,
        }
    }
}

impl EngineConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Self::default();
        let config = Self {
            threads: section.number("threads", default.threads, 0..=1_024),
            max_simulations: section.number("max_simulations", default.max_simulations, 1..=1_024),
            pending_queue: section.number("pending_queue", default.pending_queue, 1..=1_000_000),
            pending_per_block: section.number("pending_per_block", default.pending_per_block, 0..=1_000_000),
            pending_per_sender: section.number("pending_per_sender", default.pending_per_sender, 1..=10_000),
            pending_samples: section.number("pending_samples", default.pending_samples, 0..=1_000_000),
            pending_max_gas: section.number("pending_max_gas", default.pending_max_gas, 21_000..=1_000_000_000),
            pending_max_bytes: section.number("pending_max_bytes", default.pending_max_bytes, 1_024..=16 * 1024 * 1024),
            pending_fetches: section.number("pending_fetches", default.pending_fetches, 1..=1_024),
            pending_fetch_ms: section.number("pending_fetch_ms", default.pending_fetch_ms, 1..=60_000),
            writers: section.number("writers", default.writers, 0..=1_000_000),
            writer_heads: section.number("writer_heads", default.writer_heads, 1..=10_000_000),
            max_facets: section.number("max_facets", default.max_facets, 0..=100_000_000),
            idle_heads: section.number("idle_heads", default.idle_heads, 1..=1_000_000),
        };
        section.finish();
        config
    }
}
