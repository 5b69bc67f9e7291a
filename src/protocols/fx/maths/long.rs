//! The long pools' manager: raw amounts to tokens, the treasury's part, and payment in credit notes where tokens are lent out.

use super::{
    fixed::{FEE_PRECISION, PRECISION, add, mul_div_down, mul_div_up, sub},
    pool::{Pool, Taken},
};
use crate::protocols::{checked::Panic, fx::FxRevert};
use alloy::primitives::U256;

/// The least budget of an action, in raw debt.
pub const MIN_RAW_DEBTS: U256 = PRECISION;

/// What is done to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// One tick is rebalanced.
    RebalanceTick(i16),
    /// The pool is rebalanced from its top tick down.
    Rebalance,
    /// The pool is liquidated from its top tick down.
    Liquidate,
}

impl Action {
    /// Whether it takes the lock that both managers share until the end of the transaction.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        matches!(self, Self::Rebalance | Self::Liquidate)
    }

    /// Carries it out on the pool, at the price for this action.
    pub(super) fn run(&self, pool: &mut Pool, price: U256, max_raw_debts: U256, reserve: U256) -> Result<Taken, FxRevert> {
        match *self {
            Self::RebalanceTick(tick) => pool.rebalance_tick(tick, price, max_raw_debts),
            Self::Rebalance => pool.rebalance_pool(price, max_raw_debts),
            Self::Liquidate => pool.liquidate(price, max_raw_debts, reserve),
        }
    }

    const fn too_small(&self) -> FxRevert {
        match self {
            Self::Liquidate => FxRevert::LiquidateDebtsTooSmall,
            Self::RebalanceTick(_) | Self::Rebalance => FxRevert::RebalanceDebtsTooSmall,
        }
    }
}

/// What `PoolManager` depends on beside the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongManager {
    /// Raw amount of one token unit, 1e18: decimals and rate.
    pub scaling_factor: U256,
    /// The reserve's balance of the collateral token, token units.
    pub reserve_balance: U256,
    /// The treasury's share of a bonus, 1e9.
    pub expense_ratio: U256,
    /// Collateral tokens that the manager can hand out, with its strategy's principal, token units.
    pub token_balance: U256,
    /// Whether missing tokens are paid in a counterparty's credit notes.
    pub pays_in_notes: bool,
    /// Raw debt of one unit of USDC, 1e18: price and decimals.
    pub stable_price: U256,
    /// Whether USDC may be used.
    pub stable_repay_allowed: bool,
    /// Whether the manager is paused.
    pub paused: bool,
    /// Whether the caller may: it is the base pool, or anybody may.
    pub caller_permitted: bool,
}

/// What the manager pays with at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// fxUSD, 18 decimals.
    pub fx_usd: U256,
    /// USDC, token units.
    pub stable: U256,
}

/// What a call of the manager does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongOutcome {
    /// What happened in the pool.
    pub taken: Taken,
    /// Collateral that the caller gets, token units, notes counted as tokens.
    pub colls: U256,
    /// Part of [`LongOutcome::colls`] in tokens.
    pub tokens: U256,
    /// Part of [`LongOutcome::colls`] in credit notes.
    pub notes: U256,
    /// The treasury's part of the bonus, token units.
    pub fee: U256,
    /// fxUSD burned.
    pub fx_usd_used: U256,
    /// USDC taken.
    pub stable_used: U256,
    /// Collateral tokens that the reserve paid.
    pub reserve_spent: U256,
}

impl LongManager {
    /// The budget in raw debt: USDC valued and rounded down.
    pub fn max_raw_debts(&self, budget: &Budget) -> Result<U256, Panic> {
        add(budget.fx_usd, mul_div_down(budget.stable, self.stable_price, PRECISION)?)
    }

    /// The reserve's balance in raw collateral, rounded down.
    pub fn reserve_raw(&self) -> Result<U256, Panic> {
        mul_div_down(self.reserve_balance, self.scaling_factor, PRECISION)
    }

    /// Carries an action out on a pool that is accrued to the block. `PoolManager.rebalance`, `PoolManager.liquidate`.
    pub fn act(&self, pool: &mut Pool, price: U256, action: Action, budget: &Budget) -> Result<LongOutcome, FxRevert> {
        if self.paused {
            return Err(FxRevert::EnforcedPause);
        }
        if !self.caller_permitted {
            return Err(FxRevert::CallerNotFxUsdSave);
        }
        let max_raw_debts = self.max_raw_debts(budget)?;
        if max_raw_debts < MIN_RAW_DEBTS {
            return Err(action.too_small());
        }
        let taken = action.run(pool, price, max_raw_debts, self.reserve_raw()?)?;
        self.settle(taken, budget)
    }

    fn settle(&self, taken: Taken, budget: &Budget) -> Result<LongOutcome, FxRevert> {
        let tokens_of = |raw: U256| mul_div_down(raw, PRECISION, self.scaling_factor);
        let gross = tokens_of(add(taken.raw_colls, taken.raw_bonus)?)?;
        let fee = mul_div_down(tokens_of(taken.raw_bonus)?, self.expense_ratio, FEE_PRECISION)?;
        let colls = sub(gross, fee)?;

        let fx_usd_used = taken.raw_debts.min(budget.fx_usd);
        let stable_used = mul_div_up(sub(taken.raw_debts, fx_usd_used)?, PRECISION, self.stable_price)?;
        if !stable_used.is_zero() && !self.stable_repay_allowed {
            return Err(FxRevert::StableRepayNotAllowed);
        }

        let reserve_spent = tokens_of(taken.from_reserve)?.min(self.reserve_balance);
        let tokens = colls.min(add(self.token_balance, reserve_spent)?);
        let notes = sub(colls, tokens)?;
        if !notes.is_zero() && !self.pays_in_notes {
            return Err(FxRevert::Empty);
        }
        Ok(LongOutcome { taken, colls, tokens, notes, fee, fx_usd_used, stable_used, reserve_spent })
    }
}
