//! Interest: a continuous compounding by three terms of its series, added to both sides of the market.

use super::fixed::{WAD, add, add128, mul, mul_div_down, sub, to_uint128, w_mul_down};
use crate::protocols::{
    checked::Panic,
    morpho::{MarketState, MorphoRevert},
};
use alloy::primitives::{U256, uint};

/// What an accrual added; the contract's `AccrueInterest` event says the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accrual {
    /// Interest in loan-token units, owed by borrowers and owned by suppliers.
    pub interest: U256,
    /// Supply shares minted for the fee recipient.
    pub fee_shares: U256,
}

/// `e^(rate * elapsed) - 1` by three terms, 1e18 is one; each division rounds down.
pub fn compounded(rate_per_second: U256, elapsed: U256) -> Result<U256, Panic> {
    let first = mul(rate_per_second, elapsed)?;
    let second = mul_div_down(first, first, mul(uint!(2_U256), WAD)?)?;
    let third = mul_div_down(second, first, mul(uint!(3_U256), WAD)?)?;
    add(add(first, second)?, third)
}

/// Brings a market to `now`. `rate_per_second` is what its model answers for the totals as they are, `None` without a model.
/// `Ok(None)` when nothing was due: no event, no write.
pub fn accrue(market: &mut MarketState, now: u64, rate_per_second: Option<U256>) -> Result<Option<Accrual>, MorphoRevert> {
    if market.last_update == 0 {
        return Err(MorphoRevert::MarketNotCreated);
    }
    let elapsed = sub(U256::from(now), U256::from(market.last_update))?;
    if elapsed.is_zero() {
        return Ok(None);
    }
    let mut next = *market;
    let accrual = match rate_per_second {
        Some(rate) => Some(add_interest(&mut next, rate, elapsed)?),
        None => None,
    };
    next.last_update = u128::from(now);
    *market = next;
    Ok(accrual)
}

fn add_interest(market: &mut MarketState, rate_per_second: U256, elapsed: U256) -> Result<Accrual, MorphoRevert> {
    let interest = w_mul_down(U256::from(market.total_borrow_assets), compounded(rate_per_second, elapsed)?)?;
    let interest128 = to_uint128(interest)?;
    market.total_borrow_assets = add128(market.total_borrow_assets, interest128)?;
    market.total_supply_assets = add128(market.total_supply_assets, interest128)?;
    let mut fee_shares = U256::ZERO;
    if market.fee != 0 {
        let fee_amount = w_mul_down(interest, U256::from(market.fee))?;
        fee_shares = market.supply_pool_without(fee_amount)?.to_shares_down(fee_amount)?;
        market.total_supply_shares = add128(market.total_supply_shares, to_uint128(fee_shares)?)?;
    }
    Ok(Accrual { interest, fee_shares })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent_out() -> MarketState {
        MarketState {
            total_supply_assets: 1_000_000,
            total_supply_shares: 1_000_000_000_000,
            total_borrow_assets: 900_000,
            total_borrow_shares: 900_000_000_000,
            last_update: 1_000,
            fee: 0,
        }
    }

    #[test]
    fn a_second_accrual_in_the_same_block_does_nothing() {
        let mut market = lent_out();
        assert_eq!(accrue(&mut market, 1_000, Some(U256::from(5u8))).unwrap(), None);
        assert_eq!(market, lent_out());
    }

    #[test]
    fn without_a_model_only_the_clock_moves() {
        let mut market = lent_out();
        assert_eq!(accrue(&mut market, 2_000, None).unwrap(), None);
        assert_eq!(market, MarketState { last_update: 2_000, ..lent_out() });
    }

    #[test]
    fn an_accrual_that_fails_changes_nothing() {
        let mut market = MarketState { fee: 1, ..lent_out() };
        let before = market;
        assert_eq!(accrue(&mut market, 2_000, Some(U256::MAX)), Err(MorphoRevert::Overflow));
        assert_eq!(market, before);
        assert_eq!(accrue(&mut market, 999, Some(U256::ZERO)), Err(MorphoRevert::Overflow), "time runs backwards");
        assert_eq!(accrue(&mut MarketState::default(), 1, None), Err(MorphoRevert::MarketNotCreated));
    }
}
