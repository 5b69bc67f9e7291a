//! A pool: indices, totals, ticks, and how the rest of an emptied tick moves.

use super::{
    bitmap::TickBitmap,
    fixed::{PRECISION_SQUARED, Q96, fits_128, mul, mul_div_down, sub},
    tick::{NO_TICK, tick_of_shares},
    tree::TickTree,
};
use crate::protocols::{checked::Panic, fx::FxRevert};
use alloy::primitives::U256;

/// Raw debt or shares below this are not walked over for a rebalance or redemption.
pub const DUST: U256 = U256::from_limbs([1_000_000_000, 0, 0, 0]);

/// From which debt ratio an action is open, and what it earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Debt to collateral's worth, 1e18.
    pub debt_ratio: U256,
    /// Share of the collateral bought that comes on top, 1e9.
    pub bonus_ratio: U256,
}

/// A pool's state as far as rebalance, liquidation and redemption depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Raw debt per debt share, 2^96. Never falls.
    pub debt_index: U256,
    /// Collateral shares per raw collateral, 2^96. Grows by funding.
    pub coll_index: U256,
    /// All debt shares.
    pub total_debt_shares: U256,
    /// All collateral shares, also those of no tick.
    pub total_coll_shares: U256,
    /// When and how ticks are rebalanced.
    pub rebalance: Threshold,
    /// When and how ticks are liquidated.
    pub liquidate: Threshold,
    /// Most of a tick's debt shares that one visit of a redemption takes, 1e9.
    pub max_redeem_ratio_per_tick: U256,
    /// Ticks with debt.
    pub bitmap: TickBitmap,
    /// Their nodes.
    pub tree: TickTree,
}

/// Raw collateral and debt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// Raw collateral, 18 decimals.
    pub colls: U256,
    /// Raw debt, 18 decimals.
    pub debts: U256,
}

/// A tick that was emptied, and where the rest went: the pool's `TickMovement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The tick that was emptied.
    pub old_tick: i16,
    /// Where the rest is now; [`NO_TICK`] when no debt is left.
    pub new_tick: i16,
    /// Collateral shares of the rest.
    pub coll_shares: U256,
    /// Debt shares of the rest.
    pub debt_shares: U256,
}

/// What a rebalance or a liquidation did to a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Raw debt repaid.
    pub raw_debts: U256,
    /// Raw collateral bought with it, without the bonus.
    pub raw_colls: U256,
    /// Raw bonus, also what the reserve pays.
    pub raw_bonus: U256,
    /// Raw collateral that the reserve pays.
    pub from_reserve: U256,
    /// The ticks that were emptied, in order.
    pub movements: Vec<Movement>,
}

impl Pool {
    /// The highest tick with debt, [`NO_TICK`] without any.
    #[must_use]
    pub fn top_tick(&self) -> i16 {
        self.bitmap.at_or_below(i16::MAX).unwrap_or(NO_TICK)
    }

    /// Raw collateral of shares, rounded down.
    pub fn raw_colls(&self, shares: U256) -> Result<U256, Panic> {
        mul_div_down(shares, Q96, self.coll_index)
    }

    /// Raw debt of shares, rounded down.
    pub fn raw_debts(&self, shares: U256) -> Result<U256, Panic> {
        mul_div_down(shares, self.debt_index, Q96)
    }

    /// Collateral shares of a raw amount, rounded down.
    pub fn coll_shares(&self, raw: U256) -> Result<U256, Panic> {
        mul_div_down(raw, self.coll_index, Q96)
    }

    /// Debt shares of a raw amount, rounded down.
    pub fn debt_shares(&self, raw: U256) -> Result<U256, Panic> {
        mul_div_down(raw, Q96, self.debt_index)
    }

    /// A tick's raw amounts; zeros for a tick without a node.
    pub fn tick_raw(&self, tick: i16) -> Result<Raw, FxRevert> {
        let node = self.tree.current(tick);
        Ok(Raw { colls: self.raw_colls(node.coll_shares)?, debts: self.raw_debts(node.debt_shares)? })
    }

    /// The whole pool's raw amounts. `getTotalRawCollaterals`, `getTotalRawDebts`.
    pub fn total_raw(&self) -> Result<Raw, FxRevert> {
        Ok(Raw { colls: self.raw_colls(self.total_coll_shares)?, debts: self.raw_debts(self.total_debt_shares)? })
    }

    /// A position's raw amounts through the node tree. `getPosition`.
    pub fn position_raw(&self, node: u64, coll_shares: U256, debt_shares: U256) -> Result<Raw, FxRevert> {
        let traced = self.tree.trace(node, coll_shares, debt_shares)?;
        Ok(Raw { colls: self.raw_colls(traced.coll_shares)?, debts: self.raw_debts(traced.debt_shares)? })
    }

    /// Puts shares with debt on their tick; returns the tick and its node. Totals are the caller's.
    pub fn add_to_tick(&mut self, coll_shares: U256, debt_shares: U256) -> Result<(i16, u64), FxRevert> {
        let tick = tick_of_shares(coll_shares, debt_shares)?;
        let node = self.tree.add(tick, coll_shares, debt_shares)?;
        self.bitmap.set(tick, true);
        Ok((tick, node))
    }

    /// Takes shares from a tick and moves the rest to the tick that it now belongs to. `_liquidateTick`.
    pub(super) fn empty_tick(&mut self, tick: i16, coll_taken: U256, debt_taken: U256) -> Result<Movement, FxRevert> {
        let (coll_shares, debt_shares) = self.tree.left(tick, coll_taken, debt_taken)?;
        let old = self.tree.current_id(tick);
        self.tree.renew(tick)?;
        self.bitmap.set(tick, false);
        let (new_tick, parent) = if debt_shares.is_zero() { (NO_TICK, 0) } else { self.add_to_tick(coll_shares, debt_shares)? };
        self.tree.retire(old, coll_shares, debt_shares, parent)?;
        Ok(Movement { old_tick: tick, new_tick, coll_shares, debt_shares })
    }

    /// Takes shares off the totals.
    pub(super) fn reduce_totals(&mut self, coll_shares: U256, debt_shares: U256) -> Result<(), FxRevert> {
        self.total_coll_shares = sub(self.total_coll_shares, coll_shares)?;
        self.total_debt_shares = sub(self.total_debt_shares, debt_shares)?;
        Ok(())
    }

    /// Raises the debt index so that the other positions owe `bad` more, rounded down.
    pub(super) fn spread_bad_debt(&mut self, bad: U256) -> Result<(), FxRevert> {
        let rise = mul_div_down(bad, Q96, self.total_debt_shares)?;
        self.debt_index = fits_128(self.debt_index.checked_add(rise).ok_or(FxRevert::Overflow)?)?;
        Ok(())
    }
}

impl Raw {
    /// Both sides of the comparison of debt with `ratio` (1e18) of the collateral's worth: (debt, ratio of the worth).
    pub fn compare(&self, price: U256, ratio: U256) -> Result<(U256, U256), FxRevert> {
        Ok((mul(self.debts, PRECISION_SQUARED)?, mul(mul(self.colls, price)?, ratio)?))
    }

    /// Whether the debt is at least `ratio` (1e18) of the collateral's worth. Also when both are nothing.
    pub fn is_at_least(&self, price: U256, ratio: U256) -> Result<bool, FxRevert> {
        let (debt, worth) = self.compare(price, ratio)?;
        Ok(debt >= worth)
    }
}
