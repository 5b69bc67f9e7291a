//! Where one deployment is.

use crate::{
    plan::{MarketId, ProtocolId},
    protocols::Keeper,
};
use alloy::primitives::{Address, U256};
use std::collections::BTreeSet;

/// One deployment. All addresses are configured: nothing on chain lists the vaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FluxSetup {
    /// The configured name.
    pub id: ProtocolId,
    /// The factory, which keeps the executors.
    pub factory: Address,
    /// The vaults to follow.
    pub vaults: BTreeSet<Address>,
    /// The block before which there is nothing.
    pub from_block: u64,
    /// The contract that will liquidate: who is called back, and who must be registered.
    pub executor: Address,
    /// Wrappers that are looked into whether a manager registered them or not.
    pub additional_wrappers: Vec<Address>,
    /// What lies in such a wrapper and is worth less is left there; dollars of 18 digits.
    pub dust_usd: U256,
    /// Who owes less is dust; dollars of 18 digits.
    pub min_debt_usd: U256,
    /// Managers of Uniswap V3 positions: a wrapper of one of these holds NFTs.
    pub position_managers: BTreeSet<Address>,
    /// Strategies that follow the documented rule to the letter.
    pub standard_strategies: BTreeSet<Address>,
    /// Whether parts of positions may be liquidated. [X]
    pub partial: bool,
    /// The role of the vaults' keeper, who deleverages [D], where it is taken on.
    pub keeper: Option<Keeper>,
    /// The least that is worth a keeper's gas; dollars of 18 digits.
    pub keeper_min_repay_usd: U256,
}

/// A vault as a market: its address in the last 20 bytes.
pub(super) fn market_of(vault: Address) -> MarketId {
    MarketId(vault.into_word())
}

/// The vault that a market is.
pub(super) fn vault_of(market: MarketId) -> Address {
    Address::from_word(market.0)
}
