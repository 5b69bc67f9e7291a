//! Products and quotients as the contracts compute them: a 256-bit product that panics on overflow, and a rounding by name.

use crate::protocols::morpho::MorphoRevert;
use alloy::primitives::U256;

/// One in the 18-digit fixed point.
pub const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// One in the 36-digit fixed point of prices.
pub const PRICE_SCALE: U256 = U256::from_limbs([0xb34b_9f10_0000_0000, 0x00c0_97ce_7bc9_0715, 0, 0]);

/// `x + y`, panics on overflow.
pub fn add(x: U256, y: U256) -> Result<U256, MorphoRevert> {
    x.checked_add(y).ok_or(MorphoRevert::Overflow)
}

/// `x - y`, panics below zero.
pub fn sub(x: U256, y: U256) -> Result<U256, MorphoRevert> {
    x.checked_sub(y).ok_or(MorphoRevert::Overflow)
}

/// `x * y`, panics on overflow.
pub fn mul(x: U256, y: U256) -> Result<U256, MorphoRevert> {
    x.checked_mul(y).ok_or(MorphoRevert::Overflow)
}

/// `x / d` rounded down, panics when `d` is zero.
pub fn div(x: U256, d: U256) -> Result<U256, MorphoRevert> {
    x.checked_div(d).ok_or(MorphoRevert::DivisionByZero)
}

/// `x * y / d` rounded down.
pub fn mul_div_down(x: U256, y: U256, d: U256) -> Result<U256, MorphoRevert> {
    div(mul(x, y)?, d)
}

/// `x * y / d` rounded up, by adding `d - 1` before the division as the contracts do.
pub fn mul_div_up(x: U256, y: U256, d: U256) -> Result<U256, MorphoRevert> {
    div(add(mul(x, y)?, sub(d, U256::ONE)?)?, d)
}

/// `x * y` in 18-digit fixed point, rounded down.
pub fn w_mul_down(x: U256, y: U256) -> Result<U256, MorphoRevert> {
    mul_div_down(x, y, WAD)
}

/// `x / y` in 18-digit fixed point, rounded down.
pub fn w_div_down(x: U256, y: U256) -> Result<U256, MorphoRevert> {
    mul_div_down(x, WAD, y)
}

/// `x / y` in 18-digit fixed point, rounded up.
pub fn w_div_up(x: U256, y: U256) -> Result<U256, MorphoRevert> {
    mul_div_up(x, WAD, y)
}

/// Ten to the power of `exponent`, panics on overflow.
pub fn ten_to(exponent: u64) -> Result<U256, MorphoRevert> {
    U256::from(10u8).checked_pow(U256::from(exponent)).ok_or(MorphoRevert::Overflow)
}

/// An amount that storage keeps in 128 bits.
pub fn to_uint128(x: U256) -> Result<u128, MorphoRevert> {
    u128::try_from(x).map_err(|_| MorphoRevert::MaxUint128Exceeded)
}

/// `x + y` of two 128-bit amounts, panics on overflow.
pub fn add128(x: u128, y: u128) -> Result<u128, MorphoRevert> {
    x.checked_add(y).ok_or(MorphoRevert::Overflow)
}

/// `x - y` of two 128-bit amounts, panics below zero.
pub fn sub128(x: u128, y: u128) -> Result<u128, MorphoRevert> {
    x.checked_sub(y).ok_or(MorphoRevert::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_scale_is_ten_to_the_36() {
        assert_eq!(PRICE_SCALE, ten_to(36).unwrap());
        assert_eq!(WAD, ten_to(18).unwrap());
    }

    #[test]
    fn rounding_up_of_zero_is_zero_and_a_zero_divisor_panics_as_the_contract_does() {
        assert_eq!(mul_div_up(U256::ZERO, U256::from(5), U256::from(3)).unwrap(), U256::ZERO);
        assert_eq!(mul_div_up(U256::from(1), U256::from(1), U256::from(3)).unwrap(), U256::from(1));
        // `d - 1` underflows before the division is reached.
        assert_eq!(mul_div_up(U256::from(1), U256::from(1), U256::ZERO), Err(MorphoRevert::Overflow));
        assert_eq!(mul_div_down(U256::from(1), U256::from(1), U256::ZERO), Err(MorphoRevert::DivisionByZero));
        assert_eq!(mul_div_down(U256::MAX, U256::from(2), U256::from(2)), Err(MorphoRevert::Overflow));
    }
}
