//! Auto-deleveraging: a keeper repays a manager's debt from the manager's own base assets. It earns nothing, so it is never ranked by profit. [R]

use super::{Holdings, Numeraire, evaluation::health};
use crate::protocols::checked::{Panic, WAD, add, div_up, mul, mul_div_down, sub};
use alloy::primitives::U256;

/// A vault's books, in base assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Cash for lenders and debt together.
    pub total_assets: U256,
    /// Debt of all managers.
    pub total_debt: U256,
}

/// A strategy's figures for it, 18 digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleverageRules {
    /// Health below it may be deleveraged.
    pub health_threshold: U256,
    /// Utilisation above it may be deleveraged.
    pub utilisation_threshold: U256,
    /// Health below it is liquidated instead.
    pub liquidation_threshold: U256,
}

/// What deleveraging one manager does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleverage {
    /// Repayment that brings utilisation to its threshold; none unless all conditions hold.
    pub for_utilisation: Option<U256>,
    /// Repayment that brings health to its threshold; none unless all conditions hold.
    pub for_health: Option<U256>,
    /// What is repaid; zero where it is not allowed or the manager has no base assets.
    pub repaid: U256,
    /// Of that, from working capital, which goes first, and from the bond.
    pub from: Holdings,
    /// Health before.
    pub health_before: U256,
    /// Health after; none without a repayment.
    pub health_after: Option<U256>,
}

/// Share of a vault's assets that is lent out, 18 digits, rounded down; zero without assets.
///
/// # Errors
/// When a product has more than 256 bits.
pub fn utilisation(pool: &Pool) -> Result<U256, Panic> {
    if pool.total_assets.is_zero() { Ok(U256::ZERO) } else { mul_div_down(pool.total_debt, WAD, pool.total_assets) }
}

/// What deleveraging a manager of this value, debt and holdings does: the smallest repayment that restores either bound.
///
/// # Errors
/// When a product has more than 256 bits or the base asset's price is zero.
pub fn deleverage(
    position_value_usd: U256,
    true_debt: U256,
    holdings: &Holdings,
    pool: &Pool,
    rules: &DeleverageRules,
    base: &Numeraire,
) -> Result<Deleverage, Panic> {
    let debt_usd = base.debt_usd(true_debt)?;
    let scaled_value = mul(position_value_usd, WAD)?;
    let liquidatable = scaled_value < mul(rules.liquidation_threshold, debt_usd)?;
    let unhealthy = scaled_value < mul(rules.health_threshold, debt_usd)?;
    let overused = mul(pool.total_debt, WAD)? > mul(rules.utilisation_threshold, pool.total_assets)?;
    let mut done = Deleverage {
        for_utilisation: None,
        for_health: None,
        repaid: U256::ZERO,
        from: Holdings::default(),
        health_before: health(position_value_usd, debt_usd)?,
        health_after: None,
    };
    if liquidatable || !unhealthy || !overused {
        return Ok(done);
    }
    let for_utilisation = sub(pool.total_debt, mul_div_down(rules.utilisation_threshold, pool.total_assets, WAD)?)?;
    let for_health = if rules.health_threshold <= WAD {
        true_debt
    } else {
        let short = sub(mul(rules.health_threshold, debt_usd)?, scaled_value)?;
        base.assets_up(div_up(short, sub(rules.health_threshold, WAD)?)?)?
    };
    let at_hand = add(holdings.working_capital, holdings.bond)?;
    let repaid = true_debt.min(for_utilisation).min(for_health).min(at_hand);
    let working_capital = repaid.min(holdings.working_capital);
    done.for_utilisation = Some(for_utilisation);
    done.for_health = Some(for_health);
    done.repaid = repaid;
    done.from = Holdings { working_capital, bond: sub(repaid, working_capital)? };
    if !repaid.is_zero() {
        let value_after = sub(position_value_usd, super::value(repaid, base.price, base.decimals)?)?;
        done.health_after = Some(health(value_after, base.debt_usd(sub(true_debt, repaid)?)?)?);
    }
    Ok(done)
}
