//! What a market and a position are made of, with the widths that the contract's storage gives them.

use super::{
    MorphoRevert,
    maths::{fixed::sub, shares::Pool},
};
use crate::plan::MarketId;
use alloy::{
    primitives::{Address, U256, keccak256},
    sol_types::SolValue,
};
use serde::{Deserialize, Serialize};

/// What a market is: five words that never change, and whose hash is its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MarketParams {
    /// The token that is lent.
    pub loan_token: Address,
    /// The token that secures loans.
    pub collateral_token: Address,
    /// Who prices the collateral in loan tokens.
    pub oracle: Address,
    /// The interest rate model; the zero address for none.
    pub irm: Address,
    /// Debt over collateral value at which a position is still solvent, 1e18 is one.
    pub lltv: U256,
}

impl MarketParams {
    /// The market's id: the hash of its five words.
    #[must_use]
    pub fn id(&self) -> MarketId {
        MarketId(keccak256((self.loan_token, self.collateral_token, self.oracle, self.irm, self.lltv).abi_encode()))
    }
}

/// A market's totals. Amounts in loan-token units, shares in shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketState {
    /// Assets that belong to suppliers.
    pub total_supply_assets: u128,
    /// Shares of suppliers.
    pub total_supply_shares: u128,
    /// Assets that borrowers owe.
    pub total_borrow_assets: u128,
    /// Shares of borrowers.
    pub total_borrow_shares: u128,
    /// When interest was added last, in seconds; zero for a market that does not exist.
    pub last_update: u128,
    /// The share of interest that the fee recipient gets, 1e18 is all.
    pub fee: u128,
}

impl MarketState {
    /// The borrowers' side.
    pub fn borrow_pool(&self) -> Result<Pool, MorphoRevert> {
        Pool::new(U256::from(self.total_borrow_assets), U256::from(self.total_borrow_shares))
    }

    /// The suppliers' side with `less` assets taken out, as fee shares are counted.
    pub fn supply_pool_without(&self, less: U256) -> Result<Pool, MorphoRevert> {
        Pool::new(sub(U256::from(self.total_supply_assets), less)?, U256::from(self.total_supply_shares))
    }
}

/// An account's position in a market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Shares of the supply.
    pub supply_shares: U256,
    /// Shares of the debt.
    pub borrow_shares: u128,
    /// Collateral in token units.
    pub collateral: u128,
}

impl Position {
    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.supply_shares.is_zero() && self.borrow_shares == 0 && self.collateral == 0
    }
}
