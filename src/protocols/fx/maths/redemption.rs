//! Redemption of a short pool's debt for its collateral, from the top tick down, at most a share of each tick a visit.
//!
//! A tick that moves lower is visited again; one that stays is not. What can't be redeemed is burned without payment by the manager, so
//! [`Redeemed::raw_left`] is the figure to look at.

use super::{
    fixed::{FEE_PRECISION, PRECISION, add, mul, mul_div_down, sub},
    pool::{DUST, Movement, Pool},
};
use crate::protocols::fx::FxRevert;
use alloy::primitives::U256;

/// What one visit of a tick paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Raw debt redeemed.
    pub raw_debts: U256,
    /// Raw collateral paid.
    pub raw_colls: U256,
    /// The tick, and where its rest went.
    pub movement: Movement,
}

/// What a redemption did to a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redeemed {
    /// Raw debt redeemed.
    pub raw_debts: U256,
    /// Raw collateral paid, before the fee.
    pub raw_colls: U256,
    /// Raw debt that was asked for and no tick could give.
    pub raw_left: U256,
    /// The visits, in order. Their ends are where the price of a redemption changes.
    pub visits: Vec<Visit>,
}

impl Pool {
    /// Whether the whole pool's debt is worth no less than its collateral.
    pub fn is_under_water(&self, price: U256) -> Result<bool, FxRevert> {
        self.total_raw()?.is_at_least(price, PRECISION)
    }

    /// Redeems at most `raw_debts` at `price`, the redeem price. `redeem(uint256)`.
    pub fn redeem(&mut self, price: U256, raw_debts: U256) -> Result<Redeemed, FxRevert> {
        let mut redeemed = Redeemed::default();
        let mut left = self.debt_shares(raw_debts)?;
        let mut at = self.bitmap.at_or_below(i16::MAX);
        while let Some(tick) = at.filter(|_| !left.is_zero()) {
            let (raw, node) = (self.tick_raw(tick)?, self.tree.current(tick));
            let is_bad = mul(raw.debts, PRECISION)? > mul(raw.colls, price)?;
            if !is_bad && node.debt_shares >= DUST {
                let debt_shares = left.min(mul_div_down(node.debt_shares, self.max_redeem_ratio_per_tick, FEE_PRECISION)?);
                let debts = self.raw_debts(debt_shares)?;
                let colls = mul_div_down(debts, PRECISION, price)?;
                let coll_shares = self.coll_shares(colls)?;
                self.reduce_totals(coll_shares, debt_shares)?;
                let movement = self.empty_tick(tick, coll_shares, debt_shares)?;
                left = sub(left, debt_shares)?;
                redeemed.raw_debts = add(redeemed.raw_debts, debts)?;
                redeemed.raw_colls = add(redeemed.raw_colls, colls)?;
                redeemed.visits.push(Visit { raw_debts: debts, raw_colls: colls, movement });
            }
            at = self.bitmap.below(tick);
        }
        redeemed.raw_left = self.raw_debts(left)?;
        Ok(redeemed)
    }
}
