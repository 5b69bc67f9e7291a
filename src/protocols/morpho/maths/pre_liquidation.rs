//! Pre-liquidation on Morpho Blue: a contract that the borrower allowed repays a part of the debt in a band below the market's own boundary.
//!
//! ```text
//! ltv:   pre_lltv ──( band ]── lltv ──▶ the market's own liquidation
//! lif:     lif1  ───────────▶ lif2      linear in between, and so is the close factor
//! ```

use super::{
    fixed::{PRICE_SCALE, WAD, add, mul_div_down, sub, sub128, to_uint128, w_div_down, w_div_up, w_mul_down},
    health::{debt, is_healthy},
    liquidation::{LiquidationSize, seizable, shares_to_repay},
};
use crate::protocols::morpho::{MarketState, MorphoRevert, Position};
use alloy::primitives::U256;

/// What a pre-liquidation contract was created with; all 1e18 fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreLiquidationParams {
    /// Loan-to-value above which the band begins.
    pub pre_lltv: U256,
    /// Close factor where the band begins.
    pub lcf1: U256,
    /// Close factor where it ends; may be above one.
    pub lcf2: U256,
    /// Incentive where the band begins.
    pub lif1: U256,
    /// Incentive where it ends.
    pub lif2: U256,
}

impl PreLiquidationParams {
    /// The constructor's tests, in its order.
    pub fn check(&self, lltv: U256) -> Result<(), MorphoRevert> {
        let require = |holds: bool, otherwise: MorphoRevert| if holds { Ok(()) } else { Err(otherwise) };
        require(self.pre_lltv < lltv, MorphoRevert::PreLltvTooHigh)?;
        require(self.lcf1 <= self.lcf2, MorphoRevert::PreLcfDecreasing)?;
        require(self.lcf1 <= WAD, MorphoRevert::PreLcfTooHigh)?;
        require(WAD <= self.lif1, MorphoRevert::PreLifTooLow)?;
        require(self.lif1 <= self.lif2, MorphoRevert::PreLifDecreasing)?;
        require(self.lif2 <= w_div_down(WAD, lltv)?, MorphoRevert::PreLifTooHigh)
    }
}

/// The terms that a position gets inside its band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Collateral for one unit of debt, 1e18 fixed point.
    pub incentive: U256,
    /// The most shares that may be repaid now.
    pub repayable_shares: U256,
}

/// What a pre-liquidation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreLiquidation {
    /// Collateral that the liquidator gets.
    pub seized_assets: U256,
    /// Loan tokens that the liquidator pays.
    pub repaid_assets: U256,
    /// Debt shares that this repays.
    pub repaid_shares: U256,
    /// The market afterwards.
    pub market: MarketState,
    /// The position afterwards.
    pub position: Position,
}

/// Where a position stands in its band, at the pre-liquidation oracle's price; an error outside of it.
pub fn band(market: &MarketState, position: &Position, lltv: U256, price: U256, params: &PreLiquidationParams) -> Result<Band, MorphoRevert> {
    let quoted = mul_div_down(U256::from(position.collateral), price, PRICE_SCALE)?;
    let borrowed = debt(market, position)?;
    if borrowed > w_mul_down(quoted, lltv)? {
        return Err(MorphoRevert::LiquidatablePosition);
    }
    if borrowed <= w_mul_down(quoted, params.pre_lltv)? {
        return Err(MorphoRevert::NotPreLiquidatablePosition);
    }
    let ltv = w_div_up(borrowed, quoted)?;
    let progress = w_div_down(sub(ltv, params.pre_lltv)?, sub(lltv, params.pre_lltv)?)?;
    let between = |first: U256, second: U256| add(w_mul_down(progress, sub(second, first)?)?, first);
    let close_factor = between(params.lcf1, params.lcf2)?;
    Ok(Band { incentive: between(params.lif1, params.lif2)?, repayable_shares: w_mul_down(U256::from(position.borrow_shares), close_factor)? })
}

/// Pre-liquidates a position of a market that is accrued to the block's timestamp. `price` is the pre-liquidation oracle's,
/// `market_price` the market's own, which has the last word on what may be withdrawn.
#[expect(clippy::too_many_arguments, reason = "the contract decides on exactly these")]
pub fn pre_liquidate(
    market: &MarketState,
    position: &Position,
    lltv: U256,
    price: U256,
    market_price: U256,
    params: &PreLiquidationParams,
    authorized: bool,
    size: LiquidationSize,
) -> Result<PreLiquidation, MorphoRevert> {
    size.check().map_err(|_| MorphoRevert::PreInconsistentInput)?;
    if market.last_update == 0 {
        return Err(MorphoRevert::MarketNotCreated);
    }
    let band = band(market, position, lltv, price, params)?;
    let pool = market.borrow_pool()?;
    let (seized_assets, repaid_shares) = if size.seized_assets.is_zero() {
        (seizable(&pool, size.repaid_shares, price, band.incentive)?, size.repaid_shares)
    } else {
        (size.seized_assets, shares_to_repay(&pool, size.seized_assets, price, band.incentive)?)
    };
    if repaid_shares > band.repayable_shares {
        return Err(MorphoRevert::PreLiquidationTooLarge { repaid: repaid_shares, repayable: band.repayable_shares });
    }
    // The contract repays first; in the callback it withdraws the collateral for the liquidator.
    let repaid_assets = pool.to_assets_up(repaid_shares)?;
    let (mut market, mut position) = (*market, *position);
    let shares = to_uint128(repaid_shares)?;
    position.borrow_shares = sub128(position.borrow_shares, shares)?;
    market.total_borrow_shares = sub128(market.total_borrow_shares, shares)?;
    market.total_borrow_assets = to_uint128(U256::from(market.total_borrow_assets).saturating_sub(repaid_assets))?;
    if seized_assets.is_zero() {
        return Err(MorphoRevert::ZeroAssets);
    }
    if !authorized {
        return Err(MorphoRevert::Unauthorized);
    }
    position.collateral = sub128(position.collateral, to_uint128(seized_assets)?)?;
    if position.borrow_shares != 0 && !is_healthy(&market, &position, market_price, lltv)? {
        return Err(MorphoRevert::InsufficientCollateral);
    }
    Ok(PreLiquidation { seized_assets, repaid_assets, repaid_shares, market, position })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::uint;

    const LLTV: U256 = uint!(860_000_000_000_000_000_U256);

    fn params() -> PreLiquidationParams {
        PreLiquidationParams {
            pre_lltv: uint!(700_000_000_000_000_000_U256),
            lcf1: uint!(100_000_000_000_000_000_U256),
            lcf2: uint!(500_000_000_000_000_000_U256),
            lif1: uint!(1_010_000_000_000_000_000_U256),
            lif2: uint!(1_060_000_000_000_000_000_U256),
        }
    }

    #[test]
    fn the_band_is_open_below_and_closed_above() {
        let market = MarketState { total_borrow_assets: 1_000_000_000, total_borrow_shares: 1_000_000_000_000_000, last_update: 1, ..MarketState::default() };
        let bob = |borrow_shares| Position { borrow_shares, collateral: 1_000_000, ..Position::default() };
        let at = |borrow_shares| band(&market, &bob(borrow_shares), LLTV, PRICE_SCALE, &params());
        assert_eq!(at(700_000_000_000), Err(MorphoRevert::NotPreLiquidatablePosition));
        assert!(at(700_001_000_000).is_ok());
        assert_eq!(at(860_000_000_000).unwrap().incentive, params().lif2);
        assert_eq!(at(860_000_000_001), Err(MorphoRevert::LiquidatablePosition));
    }

    #[test]
    fn an_incentive_that_pays_more_than_the_collateral_is_refused() {
        assert_eq!(params().check(LLTV), Ok(()));
        assert_eq!(PreLiquidationParams { lif2: uint!(1_162_790_697_674_418_605_U256), ..params() }.check(LLTV), Err(MorphoRevert::PreLifTooHigh));
        assert_eq!(PreLiquidationParams { lif1: WAD - U256::ONE, ..params() }.check(LLTV), Err(MorphoRevert::PreLifTooLow));
        assert_eq!(PreLiquidationParams { lcf2: U256::ZERO, ..params() }.check(LLTV), Err(MorphoRevert::PreLcfDecreasing));
    }
}
