//! The interest rate models that both systems ship. Decisions ask the model's own code; this is for people, tests and forecasts.
//!
//! ```text
//! utilization ─▶ err ─▶ speed * elapsed ─▶ e^x ─▶ target rate (end, mid, start) ─▶ average ─▶ curve ─▶ rate
//! ```
//!
//! Integers are signed and divisions truncate toward zero, as in the contracts.

use crate::protocols::morpho::{MarketState, MorphoRevert};
use alloy::primitives::{I256, U256, uint};

const WAD: I256 = signed(1_000_000_000_000_000_000);
const YEAR: i64 = 31_536_000;
const STEEPNESS: I256 = signed(4_000_000_000_000_000_000);
const SPEED: I256 = I256::from_raw(U256::from_limbs([1_585_489_599_188, 0, 0, 0]));
const TARGET_UTILIZATION: I256 = signed(900_000_000_000_000_000);
const INITIAL_TARGET: I256 = signed(40_000_000_000_000_000 / YEAR);
const MIN_TARGET: I256 = signed(1_000_000_000_000_000 / YEAR);
const MAX_TARGET: I256 = signed(2_000_000_000_000_000_000 / YEAR);
const LN_2: I256 = signed(693_147_180_559_945_309);
const DEFAULT_CAP: U256 = uint!(9_512_937_595_U256);
const FIXED_MAX: U256 = uint!(253_678_335_870_U256);

/// Below this exponent the result is less than one unit.
const EXP_LOWEST: I256 = I256::from_raw(U256::from_limbs([0xc0d0_5709_25a4_62d8, u64::MAX - 2, u64::MAX, u64::MAX]));
/// From this exponent on the result is cut off.
const EXP_HIGHEST: I256 = I256::from_raw(U256::from_limbs([0x168f_d094_6fc0_415f, 0x5, 0, 0]));

const fn signed(value: i64) -> I256 {
    I256::from_raw(U256::from_limbs([value.unsigned_abs(), 0, 0, 0]))
}

/// What a model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Interest per second, 1e18 is one, averaged over the time since the last accrual.
    pub average: U256,
    /// The rate at the target utilization that the model would store.
    pub end_at_target: U256,
}

/// Bounds that Moolah's models keep per market; zero for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBounds {
    /// The market's own cap.
    pub cap: U256,
    /// The lowest cap of all markets.
    pub min_cap: U256,
    /// The market's floor.
    pub floor: U256,
}

impl RateBounds {
    fn effective_cap(&self, default: U256) -> U256 {
        (if self.cap.is_zero() { default } else { self.cap }).max(self.min_cap)
    }
}

/// Morpho's adaptive curve. `start_at_target` is what the model stores, zero before its first use; `elapsed` in seconds.
pub fn adaptive_curve(market: &MarketState, start_at_target: U256, elapsed: u64) -> Result<Rate, MorphoRevert> {
    let err = distance_from_target(market)?;
    let start = I256::from_raw(start_at_target);
    let (average, end) = if start.is_zero() { (INITIAL_TARGET, INITIAL_TARGET) } else { adapt(start, err, elapsed)? };
    let coefficient = if err.is_negative() { sub(WAD, div(mul(WAD, WAD)?, STEEPNESS)?)? } else { sub(STEEPNESS, WAD)? };
    let average = w_mul(add(w_mul(coefficient, err)?, WAD)?, average)?;
    Ok(Rate { average: average.into_raw(), end_at_target: end.into_raw() })
}

/// Moolah's adaptive curve: the same, with a cap and a floor on the rate and on what is stored.
pub fn moolah_curve(market: &MarketState, start_at_target: U256, elapsed: u64, bounds: &RateBounds) -> Result<Rate, MorphoRevert> {
    let free = adaptive_curve(market, start_at_target, elapsed)?;
    let cap = bounds.effective_cap(DEFAULT_CAP);
    let average = free.average.min(cap).max(bounds.floor);
    let four = uint!(4_U256);
    let lowest = bounds.floor.checked_mul(four).ok_or(MorphoRevert::Overflow)?;
    let highest = cap.checked_div(four).ok_or(MorphoRevert::DivisionByZero)?;
    Ok(Rate { average, end_at_target: free.end_at_target.max(lowest).min(highest) })
}

/// Moolah's fixed rate: what was set, within bounds.
#[must_use]
pub fn moolah_fixed(stored: U256, bounds: &RateBounds) -> U256 {
    stored.min(FIXED_MAX).min(bounds.effective_cap(FIXED_MAX)).max(bounds.floor)
}

/// Utilization's distance from its target, as a part of the side it is on, 1e18 is all of it.
fn distance_from_target(market: &MarketState) -> Result<I256, MorphoRevert> {
    let utilization = if market.total_supply_assets == 0 {
        I256::ZERO
    } else {
        let borrowed = I256::try_from(market.total_borrow_assets).map_err(|_| MorphoRevert::Overflow)?;
        let supplied = I256::try_from(market.total_supply_assets).map_err(|_| MorphoRevert::Overflow)?;
        div(mul(borrowed, WAD)?, supplied)?
    };
    let side = if utilization > TARGET_UTILIZATION { sub(WAD, TARGET_UTILIZATION)? } else { TARGET_UTILIZATION };
    div(mul(sub(utilization, TARGET_UTILIZATION)?, WAD)?, side)
}

/// The average and the last rate at the target after `elapsed` seconds of adapting.
fn adapt(start: I256, err: I256, elapsed: u64) -> Result<(I256, I256), MorphoRevert> {
    let elapsed = I256::try_from(elapsed).map_err(|_| MorphoRevert::Overflow)?;
    let linear = mul(w_mul(SPEED, err)?, elapsed)?;
    if linear.is_zero() {
        return Ok((start, start));
    }
    let end = adapted(start, linear)?;
    let mid = adapted(start, div(linear, signed(2))?)?;
    let sum = add(add(start, end)?, mul(signed(2), mid)?)?;
    Ok((div(sum, signed(4))?, end))
}

fn adapted(start: I256, linear: I256) -> Result<I256, MorphoRevert> {
    Ok(w_mul(start, exp(linear)?)?.clamp(MIN_TARGET, MAX_TARGET))
}

/// `e^x` in 18-digit fixed point: a power of two times the second-order series of the rest.
fn exp(x: I256) -> Result<I256, MorphoRevert> {
    if x < EXP_LOWEST {
        return Ok(I256::ZERO);
    }
    if x >= EXP_HIGHEST {
        return Ok(I256::from_raw(uint!(57716089161558943949701069502944508345128422502756744429568_U256)));
    }
    let half = div(LN_2, signed(2))?;
    let towards_nearest = if x.is_negative() { sub(x, half)? } else { add(x, half)? };
    let power = div(towards_nearest, LN_2)?;
    let rest = sub(x, mul(power, LN_2)?)?;
    let series = add(add(WAD, rest)?, div(div(mul(rest, rest)?, WAD)?, signed(2))?)?;
    let shift = usize::try_from(power.unsigned_abs()).map_err(|_| MorphoRevert::Overflow)?;
    // The series is positive, so a shift of its bits is one of its value; the bounds above keep all of them.
    let bits = series.into_raw();
    Ok(I256::from_raw(if power.is_negative() { bits >> shift } else { bits << shift }))
}

fn w_mul(x: I256, y: I256) -> Result<I256, MorphoRevert> {
    div(mul(x, y)?, WAD)
}

fn mul(x: I256, y: I256) -> Result<I256, MorphoRevert> {
    x.checked_mul(y).ok_or(MorphoRevert::Overflow)
}

fn div(x: I256, y: I256) -> Result<I256, MorphoRevert> {
    x.checked_div(y).ok_or(MorphoRevert::DivisionByZero)
}

fn add(x: I256, y: I256) -> Result<I256, MorphoRevert> {
    x.checked_add(y).ok_or(MorphoRevert::Overflow)
}

fn sub(x: I256, y: I256) -> Result<I256, MorphoRevert> {
    x.checked_sub(y).ok_or(MorphoRevert::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_those_of_the_contracts() {
        assert_eq!(SPEED, I256::try_from(50_000_000_000_000_000_000_i128 / 31_536_000).unwrap());
        assert_eq!(EXP_LOWEST, I256::try_from(-41_446_531_673_892_822_312_i128).unwrap());
        assert_eq!(EXP_HIGHEST, I256::try_from(93_859_467_695_000_404_319_i128).unwrap());
        assert_eq!(DEFAULT_CAP, U256::from(300_000_000_000_000_000_u64 / 31_536_000));
        assert_eq!(FIXED_MAX, U256::from(8_000_000_000_000_000_000_u64 / 31_536_000));
        assert_eq!(INITIAL_TARGET, signed(1_268_391_679));
    }

    #[test]
    fn the_exponential_meets_its_bounds() {
        assert_eq!(exp(I256::ZERO).unwrap(), WAD);
        assert_eq!(exp(EXP_LOWEST - I256::ONE).unwrap(), I256::ZERO);
        assert!(exp(EXP_LOWEST).unwrap() >= I256::ZERO);
        assert!(exp(EXP_HIGHEST - I256::ONE).unwrap() <= exp(EXP_HIGHEST).unwrap());
    }

    #[test]
    fn an_idle_market_drifts_down_and_a_full_one_up() {
        let full = MarketState { total_supply_assets: 100, total_borrow_assets: 100, ..MarketState::default() };
        let idle = MarketState { total_borrow_assets: 0, ..full };
        let start = U256::from(1_000_000_000_u64);
        assert!(adaptive_curve(&full, start, 86_400).unwrap().end_at_target > start);
        assert!(adaptive_curve(&idle, start, 86_400).unwrap().end_at_target < start);
        assert_eq!(adaptive_curve(&full, start, 0).unwrap().end_at_target, start);
    }
}
