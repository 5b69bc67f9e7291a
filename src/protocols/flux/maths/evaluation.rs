//! Whether a position may be liquidated, for what payment, and what the lenders lose: `evaluateLiquidation` of the reference strategy.

use crate::protocols::checked::{Panic, WAD, add, mul, mul_div_down, mul_div_up, sub, ten_to};
use alloy::primitives::U256;

/// The base asset's price and unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numeraire {
    /// Dollars of 18 digits for one whole unit.
    pub price: U256,
    /// Decimals of the base asset.
    pub decimals: u8,
}

impl Numeraire {
    /// Debt in dollars of 18 digits, rounded up.
    ///
    /// # Errors
    /// When a product has more than 256 bits.
    pub fn debt_usd(&self, debt: U256) -> Result<U256, Panic> {
        mul_div_up(debt, self.price, ten_to(self.decimals.into())?)
    }

    /// Base assets that are worth at least so many dollars, rounded up.
    pub(super) fn assets_up(&self, usd: U256) -> Result<U256, Panic> {
        mul_div_up(usd, ten_to(self.decimals.into())?, self.price)
    }
}

/// A strategy's figures, 18 digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Health below it is liquidatable. [D]
    pub threshold: U256,
    /// What the liquidator of an underwater position keeps of its value. [D]
    pub profit_margin: U256,
}

/// The liquidation threshold: `1 + minBondRatio - liquidationBuffer`. [D]
///
/// # Errors
/// When it would be below zero.
pub fn threshold(min_bond_ratio: U256, liquidation_buffer: U256) -> Result<U256, Panic> {
    sub(add(WAD, min_bond_ratio)?, liquidation_buffer)
}

/// Value over debt in 18 digits, rounded down; the largest number without debt.
///
/// # Errors
/// When a product has more than 256 bits.
pub fn health(position_value_usd: U256, debt_usd: U256) -> Result<U256, Panic> {
    if debt_usd.is_zero() { Ok(U256::MAX) } else { mul_div_down(position_value_usd, WAD, debt_usd) }
}

/// What a liquidation of the whole position would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Debt in dollars of 18 digits.
    pub debt_usd: U256,
    /// Value over debt, 18 digits.
    pub health: U256,
    /// Whether health is below the threshold, strictly.
    pub can_liquidate: bool,
    /// The least that the liquidator must prepare, in base assets; never above the debt.
    pub min_payment: U256,
    /// What the lenders lose at that payment.
    pub bad_debt: U256,
}

/// Evaluates a position of this value and debt. The payment is given also where it may not be liquidated.
///
/// # Errors
/// When a product has more than 256 bits, the base asset's price is zero, or the margin is above one.
pub fn evaluate(position_value_usd: U256, true_debt: U256, rules: &Rules, base: &Numeraire) -> Result<Evaluation, Panic> {
    let debt_usd = base.debt_usd(true_debt)?;
    let can_liquidate = mul(position_value_usd, WAD)? < mul(rules.threshold, debt_usd)?;
    let min_payment = if position_value_usd >= debt_usd {
        true_debt
    } else {
        let kept = mul_div_up(position_value_usd, sub(WAD, rules.profit_margin)?, WAD)?;
        base.assets_up(kept)?.min(true_debt)
    };
    Ok(Evaluation { debt_usd, health: health(position_value_usd, debt_usd)?, can_liquidate, min_payment, bad_debt: sub(true_debt, min_payment)? })
}
