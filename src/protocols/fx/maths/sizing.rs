//! Budgets worth trying: where the gain of one more unit of debt changes.
//!
//! ```text
//! gain │          ╱╲ x*: all collateral with the full bonus      each tick adds a rise to x* and, when the debt is worth more
//!      │        ╱    ╲ every unit beyond only cuts the bonus     than the collateral less the bonus, a fall to its end
//!      │      ╱        ╲___ end of the tick
//!      └──────────────────────▶ budget
//! ```
//!
//! Just below x* the rest of the debt sits on a few units of collateral: it becomes the top tick, or the call ends without data. What
//! [`all_collateral`] gives is the first budget that takes all.

use super::{
    fixed::{FEE_PRECISION, PRECISION, add, mul, mul_div_down, mul_div_up, sub},
    pool::{Pool, Taken},
    rebalance::Standing,
};
use crate::protocols::fx::FxRevert;
use alloy::primitives::U256;

/// Why a budget is worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakKind {
    /// The tick's collateral and the reserve are just taken, with the full bonus.
    AllCollateral,
    /// The tick gives no more.
    TickEnd,
}

/// A budget where the gain of one more unit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakpoint {
    /// Raw debt from the start of the call.
    pub budget: U256,
    /// The tick.
    pub tick: i16,
    /// What changes.
    pub kind: BreakKind,
}

/// x* of the closed form, rounded down: min(debt, (collateral + reserve) x price / (1 + bonus)). Raw amounts, price 1e18, bonus 1e9.
pub fn best_budget(raw_debts: U256, raw_colls: U256, reserve: U256, price: U256, bonus_ratio: U256) -> Result<U256, FxRevert> {
    let worth = mul_div_down(add(raw_colls, reserve)?, price, PRECISION)?;
    Ok(raw_debts.min(mul_div_down(worth, FEE_PRECISION, add(FEE_PRECISION, bonus_ratio)?)?))
}

/// The smallest budget that buys `raw_colls` with the bonus as the contract rounds it. Raw amounts, price 1e18, bonus 1e9.
pub fn all_collateral(raw_colls: U256, price: U256, bonus_ratio: U256) -> Result<U256, FxRevert> {
    let with_bonus = |colls: U256| add(colls, mul_div_down(colls, bonus_ratio, FEE_PRECISION)?);
    // y + floor(y b) reaches V first at ceil(V / (1 + b)) or one unit off.
    let mut colls = mul_div_up(raw_colls, FEE_PRECISION, add(FEE_PRECISION, bonus_ratio)?)?;
    while with_bonus(colls)? < raw_colls {
        colls = add(colls, U256::ONE)?;
    }
    while !colls.is_zero() && with_bonus(sub(colls, U256::ONE)?)? >= raw_colls {
        colls = sub(colls, U256::ONE)?;
    }
    Ok(mul_div_up(colls, price, PRECISION)?)
}

/// The breakpoints of a liquidation, at most `most_ticks` ticks of them, in growing order of budget. The list ends before a tick whose end
/// the contract refuses.
pub fn liquidation_breakpoints(pool: &Pool, price: U256, reserve: U256, most_ticks: usize) -> Result<Vec<Breakpoint>, FxRevert> {
    let (mut pool, mut taken, mut found) = (pool.clone(), Taken::default(), Vec::new());
    let mut at = pool.bitmap.at_or_below(i16::MAX);
    for _ in 0..most_ticks {
        let Some(tick) = pool.next_liquidatable(at, price)? else { break };
        let (raw, left) = (pool.tick_raw(tick)?, sub(reserve, taken.from_reserve)?);
        let all = all_collateral(add(raw.colls, left)?, price, pool.liquidate.bonus_ratio)?;
        if all < raw.debts {
            found.push(Breakpoint { budget: add(taken.raw_debts, all)?, tick, kind: BreakKind::AllCollateral });
        }
        if pool.liquidate_tick(tick, price, raw.debts, left, &mut taken).is_err() {
            break;
        }
        found.push(Breakpoint { budget: taken.raw_debts, tick, kind: BreakKind::TickEnd });
        at = pool.bitmap.below(tick);
    }
    Ok(found)
}

/// The breakpoints of a pool-wide rebalance: the end of each of at most `most_ticks` visits, in growing order of budget. What is left of a
/// tick may land on one that is still to come, so each is carried out before the next is looked at.
pub fn rebalance_breakpoints(pool: &Pool, price: U256, most_ticks: usize) -> Result<Vec<Breakpoint>, FxRevert> {
    let (mut pool, mut taken, mut found) = (pool.clone(), Taken::default(), Vec::new());
    let mut at = pool.bitmap.at_or_below(i16::MAX);
    while let Some(tick) = at.filter(|_| found.len() < most_ticks) {
        let raw = pool.tick_raw(tick)?;
        match pool.rebalance_standing(&raw, price)? {
            Standing::Healthy => break,
            Standing::Skipped => {}
            Standing::Eligible => {
                pool.rebalance_into(tick, &raw, price, U256::MAX, &mut taken)?;
                found.push(Breakpoint { budget: taken.raw_debts, tick, kind: BreakKind::TickEnd });
            }
        }
        at = pool.bitmap.below(tick);
    }
    Ok(found)
}

/// Gain at the price that the protocol uses, before swaps: raw collateral received, worth at `price`, over raw debt paid. `None` for a loss.
pub fn gain(raw_received: U256, raw_paid: U256, price: U256) -> Result<Option<U256>, FxRevert> {
    Ok((mul(raw_received, price)? / PRECISION).checked_sub(raw_paid))
}
