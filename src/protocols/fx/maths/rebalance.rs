//! Rebalance: part of a tick's debt is repaid for collateral and a bonus, until the tick is at its target ratio.
//!
//! ```text
//! debt ratio   ... T ............ L ...
//!              too low │ rebalance │ liquidate
//! ```

use super::{
    fixed::{FEE_PRECISION, PRECISION, PRECISION_SQUARED, add, div_down, mul, mul_div_down, sub},
    pool::{DUST, Pool, Raw, Taken},
};
use crate::protocols::fx::FxRevert;
use alloy::primitives::U256;

/// Where a tick stands for a walk from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Liquidatable or dust: passed over.
    Skipped,
    /// Below the rebalance ratio: so is all that is lower.
    Healthy,
    /// To be rebalanced.
    Eligible,
}

impl Pool {
    /// The raw debt whose repayment brings a tick to the rebalance ratio, rounded down.
    ///
    /// # Errors
    /// [`FxRevert::Overflow`] below the ratio, or when ratio and bonus are no less than one together.
    pub fn debts_to_rebalance(&self, raw: &Raw, price: U256) -> Result<U256, FxRevert> {
        let (debt, target) = raw.compare(price, self.rebalance.debt_ratio)?;
        let with_bonus = div_down(mul(mul(PRECISION, self.rebalance.debt_ratio)?, add(FEE_PRECISION, self.rebalance.bonus_ratio)?)?, FEE_PRECISION)?;
        Ok(div_down(sub(debt, target)?, sub(PRECISION_SQUARED, with_bonus)?)?)
    }

    /// Where a tick stands for a pool-wide rebalance at `price`, the oracle's minimum.
    pub fn rebalance_standing(&self, raw: &Raw, price: U256) -> Result<Standing, FxRevert> {
        if raw.debts < DUST || raw.is_at_least(price, self.liquidate.debt_ratio)? {
            Ok(Standing::Skipped)
        } else if raw.is_at_least(price, self.rebalance.debt_ratio)? {
            Ok(Standing::Eligible)
        } else {
            Ok(Standing::Healthy)
        }
    }

    /// Rebalances one tick by at most `max_raw_debts` at `price`, the oracle's minimum. `rebalance(int16,uint256)`.
    pub fn rebalance_tick(&mut self, tick: i16, price: U256, max_raw_debts: U256) -> Result<Taken, FxRevert> {
        let raw = self.tick_raw(tick)?;
        if !raw.is_at_least(price, self.rebalance.debt_ratio)? {
            return Err(FxRevert::RebalanceDebtRatioNotReached);
        }
        if raw.is_at_least(price, self.liquidate.debt_ratio)? {
            return Err(FxRevert::RebalanceOnLiquidatableTick);
        }
        let mut taken = Taken::default();
        self.rebalance_into(tick, &raw, price, max_raw_debts, &mut taken)?;
        Ok(taken)
    }

    /// Rebalances from the top tick down by at most `max_raw_debts` at `price`. With nothing to do it takes nothing. `rebalance(uint256)`.
    pub fn rebalance_pool(&mut self, price: U256, max_raw_debts: U256) -> Result<Taken, FxRevert> {
        let mut taken = Taken::default();
        let mut at = self.bitmap.at_or_below(i16::MAX);
        while let Some(tick) = at.filter(|_| taken.raw_debts < max_raw_debts) {
            let raw = self.tick_raw(tick)?;
            match self.rebalance_standing(&raw, price)? {
                Standing::Healthy => break,
                Standing::Skipped => {}
                Standing::Eligible => self.rebalance_into(tick, &raw, price, sub(max_raw_debts, taken.raw_debts)?, &mut taken)?,
            }
            at = self.bitmap.below(tick);
        }
        Ok(taken)
    }

    /// Takes one eligible tick of these raw amounts to its target, or as far as the budget goes, and adds to `taken`.
    pub(super) fn rebalance_into(&mut self, tick: i16, raw: &Raw, price: U256, budget: U256, taken: &mut Taken) -> Result<(), FxRevert> {
        let debts = self.debts_to_rebalance(raw, price)?.min(budget);
        let colls = mul_div_down(debts, PRECISION, price)?;
        let bonus = mul_div_down(colls, self.rebalance.bonus_ratio, FEE_PRECISION)?.min(sub(raw.colls, colls)?);
        let (coll_shares, debt_shares) = (self.coll_shares(add(colls, bonus)?)?, self.debt_shares(debts)?);
        self.reduce_totals(coll_shares, debt_shares)?;
        taken.movements.push(self.empty_tick(tick, coll_shares, debt_shares)?);
        taken.raw_debts = add(taken.raw_debts, debts)?;
        taken.raw_colls = add(taken.raw_colls, colls)?;
        taken.raw_bonus = add(taken.raw_bonus, bonus)?;
        Ok(())
    }
}
