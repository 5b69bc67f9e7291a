//! Products and quotients as the contracts compute them: a 256-bit product that panics on overflow, and a rounding by name.

pub use crate::protocols::checked::{WAD, add, div_down, div_up, mul, mul_div_down, sub, ten_to};

use crate::protocols::{checked::Panic, morpho::MorphoRevert};
use alloy::primitives::U256;

/// One in the 36-digit fixed point of prices.
pub const PRICE_SCALE: U256 = U256::from_limbs([0xb34b_9f10_0000_0000, 0x00c0_97ce_7bc9_0715, 0, 0]);

/// `x * y / d` rounded up, by adding `d - 1` before the division as the contracts do.
pub fn mul_div_up(x: U256, y: U256, d: U256) -> Result<U256, Panic> {
    div_down(add(mul(x, y)?, sub(d, U256::ONE)?)?, d)
}

/// `x * y` in 18-digit fixed point, rounded down.
pub fn w_mul_down(x: U256, y: U256) -> Result<U256, Panic> {
    mul_div_down(x, y, WAD)
}

/// `x / y` in 18-digit fixed point, rounded down.
pub fn w_div_down(x: U256, y: U256) -> Result<U256, Panic> {
    mul_div_down(x, WAD, y)
}

/// `x / y` in 18-digit fixed point, rounded up.
pub fn w_div_up(x: U256, y: U256) -> Result<U256, Panic> {
    mul_div_up(x, WAD, y)
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
    }

    #[test]
    fn rounding_up_of_zero_is_zero_and_a_zero_divisor_panics_as_the_contract_does() {
        assert_eq!(mul_div_up(U256::ZERO, U256::from(5), U256::from(3)).unwrap(), U256::ZERO);
        assert_eq!(mul_div_up(U256::from(1), U256::from(1), U256::from(3)).unwrap(), U256::from(1));
        // `d - 1` underflows before the division is reached.
        assert_eq!(mul_div_up(U256::from(1), U256::from(1), U256::ZERO), Err(Panic::Overflow));
        assert_eq!(mul_div_down(U256::from(1), U256::from(1), U256::ZERO), Err(Panic::DivisionByZero));
    }
}
