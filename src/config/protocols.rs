//! The lending systems: which, where, and what only one of them is told.

use super::{
    mistake::Problem,
    reader::Section,
    sections::{Tokens, token},
    value::{self, FromToml, words},
};
use crate::plan::MarketId;
use alloy::primitives::{Address, U256};
use serde::Serialize;
use std::collections::BTreeMap;

words! {
    /// The words for the lending systems that Harrier speaks.
    ProtocolWord {
        /// Morpho Blue.
        MorphoBlue = "morpho_blue",
        /// Moolah, its descendant with whitelists, brokers and a minimum loan.
        Moolah = "moolah",
        /// f(x): long and short pools of ticks.
        Fx = "fx",
        /// Flux: vaults whose managers borrow against a bond.
        Flux = "flux",
    }
}

/// What only Morpho Blue and Moolah are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MorphoConfig {
    /// Smallest debt that is looked at, by debt token, in the token's smallest unit.
    #[serde(serialize_with = "value::amounts")]
    pub min_debt: BTreeMap<Address, U256>,
}

impl MorphoConfig {
    fn read(section: &mut Section<'_>, tokens: &Tokens) -> Self {
        let mut min_debt = BTreeMap::new();
        if let Some((entries, table)) = section.entries("min_debt") {
            for (name, amount) in table {
                let token = entries.kept(name, token(tokens, &toml::Value::String(name.clone())));
                let amount = entries.kept(name, U256::from_toml(amount));
                if let (Some(token), Some(amount)) = (token, amount) {
                    min_debt.insert(token, amount);
                }
            }
        }
        Self { min_debt }
    }
}

/// The contracts of f(x) beside the manager of long pools. Which others belong to them is read from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FxConfig {
    /// The manager of short pools.
    #[serde(serialize_with = "value::checksummed")]
    pub short_manager: Address,
    /// What pays for rebalances and liquidations of long pools.
    #[serde(serialize_with = "value::checksummed")]
    pub base_pool: Address,
    /// The stablecoin, by address or symbol.
    #[serde(serialize_with = "value::checksummed")]
    pub fx_usd: Address,
    /// The other token that the base pool takes, by address or symbol.
    #[serde(serialize_with = "value::checksummed")]
    pub stable: Address,
}

impl FxConfig {
    fn read(section: &mut Section<'_>, tokens: &Tokens) -> Option<Self> {
        let [short_manager, base_pool] = ["short_manager", "base_pool"].map(|key| section.required(key));
        let [fx_usd, stable] = ["fx_usd", "stable"].map(|key| match section.value(key) {
            Some(value) => section.kept(key, token(tokens, value)),
            None => {
                section.mistake(key, Problem::Missing);
                None
            }
        });
        Some(Self { short_manager: short_manager?, base_pool: base_pool?, fx_usd: fx_usd?, stable: stable? })
    }
}

/// Least value of what lies in an additional wrapper, in whole dollars, unless another one is configured: about what seizing it costs.
const DUST_USD: u64 = 10;

/// Least debt that is worth a simulation, in whole dollars: a tenth of it, which is the most that is left above health 1, pays no gas.
const MIN_DEBT_USD: u64 = 10;

/// What Flux is told beside its factory and its vaults, which are its markets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FluxConfig {
    /// Wrappers that are looked into for every manager, whether it registered them or not.
    #[serde(serialize_with = "value::checksummed_list")]
    pub additional_wrappers: Vec<Address>,
    /// What lies in such a wrapper and is worth less than so many whole dollars is left there.
    pub dust_usd: u64,
    /// Managers that owe less than so many whole dollars are dust: asked, but never worth a simulation.
    pub min_debt_usd: u64,
    /// Managers of Uniswap V3 positions: a wrapper of one of these holds NFTs.
    #[serde(serialize_with = "value::checksummed_list")]
    pub position_managers: Vec<Address>,
    /// Strategies that follow the documented rule to the letter: their managers are not asked before health comes near the threshold.
    #[serde(serialize_with = "value::checksummed_list")]
    pub standard_strategies: Vec<Address>,
    /// Whether a part of a position may be liquidated: an extension that no documentation speaks of.
    pub partial: bool,
    /// Wei of gas a day (UTC) for deleveraging as the vaults' keeper, which earns nothing. Without it nothing is deleveraged.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "value::decimal_option")]
    pub keeper_gas_budget_wei: Option<U256>,
    /// Wei a unit of gas for the block's fee recipient of such a transaction.
    pub keeper_tip_wei: u64,
    /// The least that such a transaction repays, in whole dollars: interest alone asks for a little in each block.
    pub keeper_min_repay_usd: u64,
}

/// A keeper's tip unless another one is configured: a tenth of a gwei.
const KEEPER_TIP: u64 = 100_000_000;
/// The least repayment unless another one is configured.
const KEEPER_MIN_REPAY_USD: u64 = 100;

impl FluxConfig {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            additional_wrappers: section.list("additional_wrappers"),
            dust_usd: section.or("dust_usd", DUST_USD),
            min_debt_usd: section.or("min_debt_usd", MIN_DEBT_USD),
            position_managers: section.list("position_managers"),
            standard_strategies: section.list("standard_strategies"),
            partial: section.or("partial", false),
            keeper_gas_budget_wei: section.optional("keeper_gas_budget_wei"),
            keeper_tip_wei: section.or("keeper_tip_wei", KEEPER_TIP),
            keeper_min_repay_usd: section.or("keeper_min_repay_usd", KEEPER_MIN_REPAY_USD),
        }
    }
}

/// Which protocol a deployment is of, with what only that protocol is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProtocolKind {
    /// Morpho Blue.
    MorphoBlue(MorphoConfig),
    /// Moolah.
    Moolah(MorphoConfig),
    /// f(x).
    Fx(FxConfig),
    /// Flux.
    Flux(FluxConfig),
}

/// One deployment of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProtocolConfig {
    /// Which protocol it is.
    #[serde(flatten)]
    pub kind: ProtocolKind,
    /// Its contract; of f(x) the manager of long pools, of Flux the factory.
    #[serde(serialize_with = "value::checksummed")]
    pub contract: Address,
    /// The block of its deployment; discovery starts there.
    pub from_block: u64,
    /// Only these markets; empty is all, but for Flux, whose vaults can't be searched for. A market that is a contract may be given by its address.
    pub markets: Vec<MarketId>,
}

impl ProtocolConfig {
    pub(super) fn read(mut section: Section<'_>, tokens: &Tokens) -> Option<Self> {
        let word = section.required("kind");
        let contract = section.required("contract");
        let from_block = section.required("from_block");
        let markets = section.list("markets");
        let kind = match word {
            Some(ProtocolWord::MorphoBlue) => Some(ProtocolKind::MorphoBlue(MorphoConfig::read(&mut section, tokens))),
            Some(ProtocolWord::Moolah) => Some(ProtocolKind::Moolah(MorphoConfig::read(&mut section, tokens))),
            Some(ProtocolWord::Fx) => FxConfig::read(&mut section, tokens).map(ProtocolKind::Fx),
            Some(ProtocolWord::Flux) => {
                if markets.is_empty() {
                    section.mistake("markets", Problem::Invalid("must name the vaults: nothing on chain lists them"));
                }
                Some(ProtocolKind::Flux(FluxConfig::read(&mut section)))
            }
            // What belongs to it is not known: amounts are looked at, other keys are not judged.
            None => {
                MorphoConfig::read(&mut section, tokens);
                return None;
            }
        };
        section.finish();
        Some(Self { kind: kind?, contract: contract?, from_block: from_block?, markets })
    }
}
