//! Liquidation: a tick's debt is repaid for its collateral and a bonus; the reserve adds what the collateral lacks, and the other
//! positions bear what even the reserve does not cover.
//!
//! ```text
//! collateral of the tick ├──────────────────────┤
//! reserve                                       ├────┤
//! wanted  (a)  ├─ repaid ─┬ bonus ┤                         some shares stay
//!         (b)  ├───── repaid ─────┬─ bonus ─┤               all shares, part from the reserve
//!         (c)  ├──────── repaid ────────┬─ bon│us cut       all, and all of the reserve
//!         (d)  ├───────────────── repaid ────│cut           no bonus: the reserve does not cover the debt
//! ```

use super::{
    fixed::{FEE_PRECISION, PRECISION, add, mul_div_down, sub},
    pool::{DUST, Pool, Raw, Taken},
};
use crate::protocols::fx::FxRevert;
use alloy::primitives::U256;

/// What one tick gives for a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickShare {
    /// Raw debt repaid.
    pub debts: U256,
    /// Raw collateral without bonus.
    pub colls: U256,
    /// Raw bonus.
    pub bonus: U256,
    /// Raw part that the reserve pays.
    pub from_reserve: U256,
    /// Debt shares repaid.
    pub debt_shares: U256,
    /// Collateral shares taken.
    pub coll_shares: U256,
}

impl Pool {
    /// What liquidating `tick` by at most `budget` raw debt gives, with `reserve` raw collateral at hand.
    pub fn tick_share(&self, tick: i16, price: U256, budget: U256, reserve: U256) -> Result<TickShare, FxRevert> {
        let (raw, node) = (self.tick_raw(tick)?, self.tree.current(tick));
        let debts = raw.debts.min(budget);
        let colls = mul_div_down(debts, PRECISION, price)?;
        let available = add(raw.colls, reserve)?;
        if available <= colls {
            let debts = mul_div_down(available, price, PRECISION)?;
            let debt_shares = self.debt_shares(debts)?;
            return Ok(TickShare { debts, colls: available, bonus: U256::ZERO, from_reserve: reserve, debt_shares, coll_shares: node.coll_shares });
        }
        let debt_shares = if debts == raw.debts { node.debt_shares } else { self.debt_shares(debts)? };
        let wanted = add(colls, mul_div_down(colls, self.liquidate.bonus_ratio, FEE_PRECISION)?)?.min(available);
        let bonus = sub(wanted, colls)?;
        let (from_reserve, coll_shares) =
            if wanted >= raw.colls { (sub(wanted, raw.colls)?, node.coll_shares) } else { (U256::ZERO, self.coll_shares(wanted)?) };
        Ok(TickShare { debts, colls, bonus, from_reserve, debt_shares, coll_shares })
    }

    /// Whether a tick is at or above the liquidation ratio.
    pub fn is_liquidatable(&self, raw: &Raw, price: U256) -> Result<bool, FxRevert> {
        raw.is_at_least(price, self.liquidate.debt_ratio)
    }

    /// The next tick that a liquidation takes, at or below `from`: dust that is not liquidatable is passed over, the first other ends it.
    pub fn next_liquidatable(&self, from: Option<i16>, price: U256) -> Result<Option<i16>, FxRevert> {
        let mut at = from;
        while let Some(tick) = at {
            let raw = self.tick_raw(tick)?;
            if self.is_liquidatable(&raw, price)? {
                return Ok(Some(tick));
            }
            if raw.debts >= DUST {
                return Ok(None);
            }
            at = self.bitmap.below(tick);
        }
        Ok(None)
    }

    /// Liquidates one tick and adds to `taken`; what it takes from the reserve is in `taken.from_reserve`.
    ///
    /// # Errors
    /// [`FxRevert::DivisionByZero`] for bad debt without another position, [`FxRevert::Empty`] when too much debt stays on too little collateral.
    pub fn liquidate_tick(&mut self, tick: i16, price: U256, budget: U256, reserve: U256, taken: &mut Taken) -> Result<(), FxRevert> {
        let node = self.tree.current(tick);
        let mut share = self.tick_share(tick, price, budget, reserve)?;
        if share.coll_shares == node.coll_shares && share.debt_shares < node.debt_shares {
            let bad = self.raw_debts(sub(node.debt_shares, share.debt_shares)?)?;
            share.debt_shares = node.debt_shares;
            self.reduce_totals(share.coll_shares, share.debt_shares)?;
            self.spread_bad_debt(bad)?;
        } else {
            self.reduce_totals(share.coll_shares, share.debt_shares)?;
        }
        taken.movements.push(self.empty_tick(tick, share.coll_shares, share.debt_shares)?);
        taken.raw_debts = add(taken.raw_debts, share.debts)?;
        taken.raw_colls = add(taken.raw_colls, share.colls)?;
        taken.raw_bonus = add(taken.raw_bonus, share.bonus)?;
        taken.from_reserve = add(taken.from_reserve, share.from_reserve)?;
        Ok(())
    }

    /// Liquidates from the top tick down by at most `max_raw_debts` at `price`, with `reserve` raw collateral to pay bonuses from.
    /// A raised debt index already counts for the next tick. With nothing to do it takes nothing. `liquidate(uint256,uint256)`.
    pub fn liquidate(&mut self, price: U256, max_raw_debts: U256, reserve: U256) -> Result<Taken, FxRevert> {
        let mut taken = Taken::default();
        let mut at = self.bitmap.at_or_below(i16::MAX);
        while taken.raw_debts < max_raw_debts {
            let Some(tick) = self.next_liquidatable(at, price)? else { break };
            let budget = sub(max_raw_debts, taken.raw_debts)?;
            self.liquidate_tick(tick, price, budget, sub(reserve, taken.from_reserve)?, &mut taken)?;
            at = self.bitmap.below(tick);
        }
        Ok(taken)
    }
}
