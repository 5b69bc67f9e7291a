//! Shares and assets of a pool with a virtual share price, which nobody can inflate from empty.

use super::fixed::{add, mul_div_down, mul_div_up};
use crate::protocols::{checked::Panic, morpho::MorphoRevert};
use alloy::primitives::U256;

/// Shares that exist on top of those that are held.
pub const VIRTUAL_SHARES: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);

/// Assets that exist on top of those that are held.
pub const VIRTUAL_ASSETS: U256 = U256::ONE;

/// The totals of one side of a market: what is supplied, or what is borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Assets with their virtual part, in token units.
    assets: U256,
    /// Shares with their virtual part.
    shares: U256,
}

impl Pool {
    /// The pool of these totals, without their virtual parts.
    pub fn new(assets: U256, shares: U256) -> Result<Self, MorphoRevert> {
        Ok(Self { assets: add(assets, VIRTUAL_ASSETS)?, shares: add(shares, VIRTUAL_SHARES)? })
    }

    /// Assets with their virtual part; never zero.
    #[must_use]
    pub const fn virtual_assets(&self) -> U256 {
        self.assets
    }

    /// Shares with their virtual part; never zero.
    #[must_use]
    pub const fn virtual_shares(&self) -> U256 {
        self.shares
    }

    /// Shares worth `assets`, rounded down.
    pub fn to_shares_down(&self, assets: U256) -> Result<U256, Panic> {
        mul_div_down(assets, self.shares, self.assets)
    }

    /// Shares worth `assets`, rounded up.
    pub fn to_shares_up(&self, assets: U256) -> Result<U256, Panic> {
        mul_div_up(assets, self.shares, self.assets)
    }

    /// Assets that `shares` are worth, rounded down.
    pub fn to_assets_down(&self, shares: U256) -> Result<U256, Panic> {
        mul_div_down(shares, self.assets, self.shares)
    }

    /// Assets that `shares` are worth, rounded up.
    pub fn to_assets_up(&self, shares: U256) -> Result<U256, Panic> {
        mul_div_up(shares, self.assets, self.shares)
    }
}
