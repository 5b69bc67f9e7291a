//! Checked arithmetic that panics where the contracts do, with rounding by name.

use crate::protocols::fx::FxRevert;
use alloy::primitives::{U256, uint};

/// One in prices, debt ratios and raw amounts.
pub const PRECISION: U256 = uint!(1_000_000_000_000_000_000_U256);

/// The square of [`PRECISION`].
pub const PRECISION_SQUARED: U256 = uint!(1_000_000_000_000_000_000_000_000_000_000_000_000_U256);

/// One in bonus, fee and expense ratios.
pub const FEE_PRECISION: U256 = uint!(1_000_000_000_U256);

/// One in indices and tick ratios: 2^96.
pub const Q96: U256 = uint!(0x1_0000_0000_0000_0000_0000_0000_U256);

/// `x + y`.
pub fn add(x: U256, y: U256) -> Result<U256, FxRevert> {
    x.checked_add(y).ok_or(FxRevert::Overflow)
}

/// `x - y`.
pub fn sub(x: U256, y: U256) -> Result<U256, FxRevert> {
    x.checked_sub(y).ok_or(FxRevert::Overflow)
}

/// `x * y`.
pub fn mul(x: U256, y: U256) -> Result<U256, FxRevert> {
    x.checked_mul(y).ok_or(FxRevert::Overflow)
}

/// `x / d` rounded down.
pub fn div_down(x: U256, d: U256) -> Result<U256, FxRevert> {
    x.checked_div(d).ok_or(FxRevert::DivisionByZero)
}

/// `x * y / d` rounded down.
pub fn mul_div_down(x: U256, y: U256, d: U256) -> Result<U256, FxRevert> {
    div_down(mul(x, y)?, d)
}

/// `x * y / d` rounded up.
pub fn mul_div_up(x: U256, y: U256, d: U256) -> Result<U256, FxRevert> {
    let product = mul(x, y)?;
    let quotient = div_down(product, d)?;
    if mul(quotient, d)? == product { Ok(quotient) } else { add(quotient, U256::ONE) }
}

/// An amount that storage keeps in 128 bits.
pub const fn fits_128(x: U256) -> Result<U256, FxRevert> {
    if x.bit_len() <= 128 { Ok(x) } else { Err(FxRevert::Overflow) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_where_the_name_says_and_a_zero_divisor_panics() {
        let [three, ten] = [U256::from(3), U256::from(10)];
        assert_eq!(mul_div_down(ten, U256::ONE, three).unwrap(), three);
        assert_eq!(mul_div_up(ten, U256::ONE, three).unwrap(), U256::from(4));
        assert_eq!(mul_div_up(ten, three, three).unwrap(), ten);
        assert_eq!(mul_div_up(ten, ten, U256::ZERO), Err(FxRevert::DivisionByZero));
        assert_eq!(mul_div_down(U256::MAX, ten, ten), Err(FxRevert::Overflow));
        assert_eq!(fits_128(U256::ONE << 128), Err(FxRevert::Overflow));
        assert_eq!(PRECISION_SQUARED, PRECISION * PRECISION);
        assert_eq!(Q96, U256::ONE << 96);
    }
}
