//! Solvency, the incentive to end it, and the price at which it turns.

use super::fixed::{PRICE_SCALE, WAD, div_up, mul, mul_div_down, sub, w_div_down, w_mul_down};
use crate::protocols::{
    checked::Panic,
    morpho::{MarketState, MorphoRevert, Position},
};
use alloy::primitives::{U256, uint};

/// The part of the distance to a full loan-to-value that a liquidator earns.
const LIQUIDATION_CURSOR: U256 = uint!(300_000_000_000_000_000_U256);

/// The largest incentive.
const MAX_LIQUIDATION_INCENTIVE: U256 = uint!(1_150_000_000_000_000_000_U256);

/// A position's debt in loan-token units, rounded up as the solvency test does.
pub fn debt(market: &MarketState, position: &Position) -> Result<U256, MorphoRevert> {
    Ok(market.borrow_pool()?.to_assets_up(U256::from(position.borrow_shares))?)
}

/// The most debt that the collateral carries at this price (1e36 fixed point), rounded down twice.
pub fn max_borrow(collateral: u128, price: U256, lltv: U256) -> Result<U256, Panic> {
    w_mul_down(mul_div_down(U256::from(collateral), price, PRICE_SCALE)?, lltv)
}

/// Whether the contract would refuse to liquidate; equality is healthy.
pub fn is_healthy(market: &MarketState, position: &Position, price: U256, lltv: U256) -> Result<bool, MorphoRevert> {
    let borrowed = debt(market, position)?;
    Ok(max_borrow(position.collateral, price, lltv)? >= borrowed)
}

/// What a liquidator gets for one unit of debt, 1e18 fixed point.
pub fn incentive_factor(lltv: U256) -> Result<U256, MorphoRevert> {
    let distance = sub(WAD, lltv)?;
    Ok(w_div_down(WAD, sub(WAD, w_mul_down(LIQUIDATION_CURSOR, distance)?)?)?.min(MAX_LIQUIDATION_INCENTIVE))
}

/// Where a position turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// No debt: healthy at any price.
    Never,
    /// Debt that no price covers.
    Always,
    /// The smallest price (1e36 fixed point) at which the position is healthy.
    Below(U256),
}

impl Trigger {
    /// Whether a position with this trigger can be liquidated at `price`.
    #[must_use]
    pub fn is_met(&self, price: U256) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Below(smallest_healthy) => *smallest_healthy > price,
        }
    }
}

/// The smallest price at which a position is healthy: `ceil(ceil(debt / lltv) * 1e36 / collateral)`.
pub fn trigger_price(debt: U256, collateral: u128, lltv: U256) -> Result<Trigger, MorphoRevert> {
    if debt.is_zero() {
        return Ok(Trigger::Never);
    }
    if collateral == 0 || lltv.is_zero() {
        return Ok(Trigger::Always);
    }
    let value = div_up(mul(debt, WAD)?, lltv)?;
    Ok(Trigger::Below(div_up(mul(value, PRICE_SCALE)?, U256::from(collateral))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incentive_is_that_of_the_deployed_contracts() {
        for (lltv, factor) in [
            (uint!(385_000_000_000_000_000_U256), uint!(1_150_000_000_000_000_000_U256)),
            (uint!(625_000_000_000_000_000_U256), uint!(1_126_760_563_380_281_690_U256)),
            (uint!(860_000_000_000_000_000_U256), uint!(1_043_841_336_116_910_229_U256)),
            (uint!(980_000_000_000_000_000_U256), uint!(1_006_036_217_303_822_937_U256)),
            (WAD, WAD),
        ] {
            assert_eq!(incentive_factor(lltv).unwrap(), factor);
        }
        assert_eq!(incentive_factor(WAD + U256::ONE), Err(MorphoRevert::Overflow));
    }

    #[test]
    fn debt_without_collateral_has_no_price_that_saves_it_and_no_debt_has_none_that_harms_it() {
        assert_eq!(trigger_price(U256::from(5), 0, WAD).unwrap(), Trigger::Always);
        assert_eq!(trigger_price(U256::from(5), 9, U256::ZERO).unwrap(), Trigger::Always);
        assert_eq!(trigger_price(U256::ZERO, 0, WAD).unwrap(), Trigger::Never);
        assert!(Trigger::Always.is_met(U256::MAX) && !Trigger::Never.is_met(U256::ZERO));
    }
}
