//! The contract's storage by slot: one word a position, three a market, instead of view calls.

use super::{Flavor, MarketParams, MarketState, Position, flavor::Layout};
use crate::plan::MarketId;
use alloy::primitives::{Address, B256, U256, keccak256};

/// The slot of `map[key]` for a mapping at slot `map`.
#[must_use]
pub fn map_slot(key: B256, map: U256) -> U256 {
    let mut words = [0u8; 64];
    let (first, second) = words.split_at_mut(32);
    first.copy_from_slice(key.as_slice());
    second.copy_from_slice(&map.to_be_bytes::<32>());
    keccak256(words).into()
}

/// The slots that follow a first one. Mapping slots are hashes: they don't wrap in practice, and wrap as the EVM does where they would.
fn following<const N: usize>(first: U256) -> [U256; N] {
    let mut slot = first;
    [(); N].map(|()| {
        let this = slot;
        slot = slot.wrapping_add(U256::ONE);
        this
    })
}

/// Slots of a deployment of this flavour.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    layout: Layout,
}

impl Slots {
    /// Slots by the flavour's layout.
    #[must_use]
    pub const fn new(flavor: Flavor) -> Self {
        Self { layout: flavor.layout() }
    }

    /// The three words of a market's totals.
    #[must_use]
    pub fn market(&self, market: MarketId) -> [U256; 3] {
        following(map_slot(market.0, U256::from(self.layout.market)))
    }

    /// The five words of a market's parameters.
    #[must_use]
    pub fn params(&self, market: MarketId) -> [U256; 5] {
        following(map_slot(market.0, U256::from(self.layout.params)))
    }

    /// The two words of a position: supply shares, then debt and collateral.
    #[must_use]
    pub fn position(&self, market: MarketId, account: Address) -> [U256; 2] {
        following(map_slot(account.into_word(), map_slot(market.0, U256::from(self.layout.position))))
    }

    /// Moolah: whether the contract is paused.
    #[must_use]
    pub fn paused(&self) -> Option<U256> {
        self.layout.moolah.map(|moolah| moolah.paused.into())
    }

    /// Moolah: a market's broker.
    #[must_use]
    pub fn broker(&self, market: MarketId) -> Option<U256> {
        self.layout.moolah.map(|moolah| map_slot(market.0, U256::from(moolah.brokers)))
    }

    /// Moolah: the least loan's value.
    #[must_use]
    pub fn min_loan_value(&self) -> Option<U256> {
        self.layout.moolah.map(|moolah| U256::from(moolah.min_loan_value))
    }

    /// Moolah: how many liquidators a market's list holds.
    #[must_use]
    pub fn whitelist_length(&self, market: MarketId) -> Option<U256> {
        self.layout.moolah.map(|moolah| map_slot(market.0, U256::from(moolah.liquidation_whitelist)))
    }

    /// Moolah: an account's place in a market's list, zero for none.
    #[must_use]
    pub fn whitelist_place(&self, market: MarketId, account: Address) -> Option<U256> {
        self.whitelist_length(market).map(|set| map_slot(account.into_word(), set.wrapping_add(U256::ONE)))
    }
}

/// The low 128 bits of a word.
#[must_use]
pub const fn low(word: U256) -> u128 {
    let [first, second, _, _] = word.into_limbs();
    join(first, second)
}

/// The high 128 bits of a word.
#[must_use]
pub const fn high(word: U256) -> u128 {
    let [_, _, third, fourth] = word.into_limbs();
    join(third, fourth)
}

const fn join(low: u64, high: u64) -> u128 {
    // Widening, so nothing is lost; `From` is not const.
    (low as u128) | ((high as u128) << 64)
}

/// An address in the low 160 bits of a word.
#[must_use]
pub fn address(word: U256) -> Address {
    Address::from_word(word.into())
}

/// A market's totals from its three words.
#[must_use]
pub const fn decode_market([supply, borrow, rest]: [U256; 3]) -> MarketState {
    MarketState {
        total_supply_assets: low(supply),
        total_supply_shares: high(supply),
        total_borrow_assets: low(borrow),
        total_borrow_shares: high(borrow),
        last_update: low(rest),
        fee: high(rest),
    }
}

/// A position from its two words.
#[must_use]
pub const fn decode_position([supply_shares, rest]: [U256; 2]) -> Position {
    Position { supply_shares, borrow_shares: low(rest), collateral: high(rest) }
}

/// A market's parameters from their five words.
#[must_use]
pub fn decode_params([loan_token, collateral_token, oracle, irm, lltv]: [U256; 5]) -> MarketParams {
    MarketParams { loan_token: address(loan_token), collateral_token: address(collateral_token), oracle: address(oracle), irm: address(irm), lltv }
}
