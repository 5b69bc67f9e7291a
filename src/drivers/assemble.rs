//! From configuration to working parts: chain rules, protocols, venues, lenders, the executor's layer.

use crate::{
    book::Book,
    config::{ChainConfig, Config, Hardfork as ConfiguredFork, MorphoConfig, ProtocolConfig, ProtocolKind},
    engine::Marketplace,
    executor::{self, ExecutorConfig},
    flash::{Lender, MorphoFlavour, MorphoLender},
    fork::{ChainRules, Hardfork, Layer, ReadSet, TargetBlock, View},
    plan::Action,
    protocols::{
        Keeper, Protocol,
        checked::WAD,
        flux::{Flux, FluxSetup},
        fx::{Fx, FxSetup},
        morpho::{Flavor, Morpho, MorphoSetup},
    },
    venues::{CurvePool, Graph, Probe, RouterLimits, UniswapV3, Venue, VenueError, WstEth},
};
use alloy::primitives::{Address, U256, keccak256};
use std::{collections::BTreeSet, sync::Arc};

/// Wei on each throw-away account that stands for an operator in a dry-run.
const DRY_RUN_FUNDS: u128 = 1_000_000_000_000_000_000_000;

/// Chain id of Ethereum mainnet.
const ETHEREUM: u64 = 1;

/// The chain's rules as the fork needs them.
#[must_use]
pub fn chain_rules(config: &Config) -> ChainRules {
    rules_of(&config.chain)
}

/// A chain description as the fork needs it.
pub(super) fn rules_of(chain: &ChainConfig) -> ChainRules {
    let schedule = chain.hardforks.iter().map(|activation| (activation.timestamp, hardfork(activation.name))).collect();
    let first = chain.hardforks.first().map_or(Hardfork::Cancun, |activation| hardfork(activation.name));
    let rules = ChainRules::scheduled(chain.id, chain.slot_seconds, first, schedule);
    if chain.id == ETHEREUM { rules.with_past_of_ethereum() } else { rules }
}

const fn hardfork(name: ConfiguredFork) -> Hardfork {
    match name {
        ConfiguredFork::Cancun => Hardfork::Cancun,
        ConfiguredFork::Prague => Hardfork::Prague,
        ConfiguredFork::Osaka => Hardfork::Osaka,
        ConfiguredFork::Bpo1 => Hardfork::Bpo1,
        ConfiguredFork::Bpo2 => Hardfork::Bpo2,
    }
}

/// The configured protocols, by name.
#[must_use]
pub fn protocols(config: &Config) -> Vec<Arc<dyn Protocol>> {
    let executor = config.executor.address.unwrap_or(DRY_EXECUTOR);
    config.protocols.iter().map(|(name, protocol)| build(name, protocol, executor)).collect()
}

fn build(name: &str, config: &ProtocolConfig, executor: Address) -> Arc<dyn Protocol> {
    let markets = || (!config.markets.is_empty()).then(|| config.markets.iter().copied().collect::<BTreeSet<_>>());
    let morpho = |flavor, own: &MorphoConfig| {
        let mut setup = MorphoSetup::new(name, flavor, config.contract, config.from_block);
        setup.markets = markets();
        setup.min_debt_of.clone_from(&own.min_debt);
        Arc::new(Morpho::new(setup))
    };
    match &config.kind {
        ProtocolKind::MorphoBlue(own) => morpho(Flavor::MorphoBlue, own),
        ProtocolKind::Moolah(own) => morpho(Flavor::Moolah, own),
        ProtocolKind::Fx(own) => Arc::new(Fx::new(FxSetup {
            id: name.into(),
            long_manager: config.contract,
            short_manager: own.short_manager,
            base_pool: own.base_pool,
            fx_usd: own.fx_usd,
            stable: own.stable,
            from_block: config.from_block,
            pools: markets(),
        })),
        ProtocolKind::Flux(own) => Arc::new(Flux::new(FluxSetup {
            id: name.into(),
            factory: config.contract,
            vaults: config.markets.iter().map(|market| Address::from_word(market.0)).collect(),
            from_block: config.from_block,
            executor,
            additional_wrappers: own.additional_wrappers.clone(),
            dust_usd: U256::from(own.dust_usd).saturating_mul(WAD),
            min_debt_usd: U256::from(own.min_debt_usd).saturating_mul(WAD),
            position_managers: own.position_managers.iter().copied().collect(),
            standard_strategies: own.standard_strategies.iter().copied().collect(),
            partial: own.partial,
            keeper: own.keeper_gas_budget_wei.map(|budget_wei| Keeper { action: Action::Deleverage, budget_wei, tip: own.keeper_tip_wei.into() }),
            keeper_min_repay_usd: U256::from(own.keeper_min_repay_usd).saturating_mul(WAD),
        })),
    }
}

/// The configured lenders.
#[must_use]
pub fn lenders(config: &Config) -> Vec<Arc<dyn Lender>> {
    let flash = &config.flash;
    let morpho = flash.morpho_blue.map(|address| MorphoLender::new("morpho_blue", address, MorphoFlavour::Morpho));
    let moolah = flash.moolah.map(|address| MorphoLender::new("moolah", address, MorphoFlavour::Moolah));
    morpho.into_iter().chain(moolah).map(|lender| Arc::new(lender) as Arc<dyn Lender>).collect()
}

/// Venues and lenders for the tokens that the book's markets use: the pools of every pair of them and of WETH.
///
/// # Errors
/// When the factory or a configured pool can't be read.
pub fn marketplace(config: &Config, book: &Book, view: &View, block: &TargetBlock) -> Result<Marketplace, VenueError> {
    let mut venues: Vec<Arc<dyn Venue>> = Vec::new();
    if let Some(uniswap) = &config.venues.uniswap_v3 {
        let deployment = UniswapV3::new("uniswap_v3", uniswap.factory);
        let mut reads = ReadSet::default();
        let mut pools = deployment.discover(view, block, &pairs(config.venues.weth, book).into_iter().collect::<Vec<_>>(), &uniswap.fee_tiers, &mut reads)?;
        for address in &uniswap.pools {
            if pools.iter().all(|pool| pool.address() != *address) {
                pools.push(deployment.pool(view, block, *address, &mut reads)?);
            }
        }
        venues.extend(pools.into_iter().map(|pool| Arc::new(pool) as Arc<dyn Venue>));
    }
    let mut reads = ReadSet::default();
    for pool in config.venues.curve.iter().flat_map(|curve| &curve.pools) {
        venues.push(Arc::new(CurvePool::read(view, block, *pool, config.venues.weth, &mut reads)?));
    }
    if let Some(wrapper) = config.venues.wsteth {
        venues.push(Arc::new(WstEth::read(view, block, wrapper, &mut reads)?));
    }
    Ok(Marketplace {
        graph: Arc::new(Graph::new(venues)),
        probe: Probe::new(executor::probe_artifact().runtime_code.clone()),
        limits: RouterLimits { max_hops: config.venues.max_hops, ..RouterLimits::default() },
        lenders: lenders(config),
    })
}

/// No venues and no lenders: what there is before the first market is known.
#[must_use]
pub fn no_marketplace() -> Marketplace {
    let probe = Probe::new(executor::probe_artifact().runtime_code.clone());
    Marketplace { graph: Arc::new(Graph::new(Vec::new())), probe, limits: RouterLimits::default(), lenders: Vec::new() }
}

/// Each market's pairs with its debt token, and each of its tokens against WETH.
#[must_use]
pub fn pairs(weth: Address, book: &Book) -> BTreeSet<(Address, Address)> {
    let mut pairs = BTreeSet::new();
    let mut add = |a: Address, b: Address| {
        if a != b {
            pairs.insert((a.min(b), a.max(b)));
        }
    };
    for (_, shelf) in book.markets() {
        if let Some(Ok(reading)) = shelf.reading().map(|read| &read.value) {
            add(reading.debt_token, reading.collateral_token);
            add(reading.debt_token, weth);
            add(reading.collateral_token, weth);
            for token in &reading.further_tokens {
                add(*token, reading.debt_token);
                add(*token, weth);
            }
        }
    }
    pairs
}

/// Contracts that the executor's generic call steps must reach: what protocols name, venues that are called, and what is configured.
#[must_use]
pub fn call_targets(config: &Config, protocols: &[Arc<dyn Protocol>]) -> Vec<Address> {
    let listed = config.executor.call_targets.iter().copied();
    let mut targets: Vec<Address> = protocols.iter().flat_map(|protocol| protocol.call_targets()).chain(config.venues.called()).chain(listed).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// The executor that exists on no chain: its code and configuration as a layer, with funded throw-away operators.
#[derive(Clone, Debug)]
pub struct Injected {
    /// Where it stands.
    pub executor: Address,
    /// Who gets the profit.
    pub receiver: Address,
    /// The throw-away operators.
    pub operators: Vec<Address>,
    /// Executor and operators as layers.
    pub layers: Vec<Arc<Layer>>,
}

/// Where a dry-run's executor stands unless one is configured. No key leads there.
const DRY_EXECUTOR: Address = alloy::primitives::address!("4841525249455200000000000000000045584543");
/// Who gets a dry-run's profit unless a receiver is configured.
const DRY_RECEIVER: Address = alloy::primitives::address!("4841525249455200000000000000005052464954");

/// An executor for a dry-run, at its configured address or at one where nothing is, with as many operators as a live run would have.
#[must_use]
pub fn injected(config: &Config, protocols: &[Arc<dyn Protocol>]) -> Injected {
    let address = config.executor.address.unwrap_or(DRY_EXECUTOR);
    let receiver = config.executor.profit_receiver.unwrap_or(DRY_RECEIVER);
    let operators: Vec<Address> = (0..config.operators.keys.len().max(DRY_OPERATORS)).map(dry_operator).collect();
    let configuration = ExecutorConfig { owner: receiver, receiver, operators: operators.clone(), targets: call_targets(config, protocols) };
    let code = executor::executor_artifact().runtime_code.clone();
    let mut layers = vec![Arc::new(Layer::patch(address, Some(code), None, &executor::storage(&configuration)))];
    layers.extend(operators.iter().map(|operator| Arc::new(Layer::patch(*operator, None, Some(U256::from(DRY_RUN_FUNDS)), &[]))));
    Injected { executor: address, receiver, operators, layers }
}

/// Operators of a dry-run whose configuration has no keys.
const DRY_OPERATORS: usize = 4;

/// An address that nobody has a key for.
fn dry_operator(place: usize) -> Address {
    Address::from_word(keccak256(format!("harrier dry-run operator {place}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configured_fork_is_the_same_fork_to_the_evm() {
        for id in [1, 11_155_111, 560_048] {
            let chain = ChainConfig::known(id).unwrap();
            let rules = rules_of(&chain);
            let names: Vec<String> = chain.hardforks.iter().map(|activation| activation.name.word().to_owned()).collect();
            assert_eq!(names, ["cancun", "prague", "osaka", "bpo1", "bpo2"]);
            let expected = [Hardfork::Cancun, Hardfork::Prague, Hardfork::Osaka, Hardfork::Bpo1, Hardfork::Bpo2];
            let before_cancun = if id == ETHEREUM { Hardfork::Shanghai } else { Hardfork::Cancun };
            let at = |timestamp| rules.hardfork_at(20_000_000, timestamp);
            for (place, activation) in chain.hardforks.iter().enumerate() {
                assert_eq!(at(activation.timestamp), expected[place]);
                let earlier = place.checked_sub(1).map_or(before_cancun, |earlier| expected[earlier]);
                if activation.timestamp > 0 {
                    assert_eq!(at(activation.timestamp - 1), earlier);
                }
            }
        }
    }
}
