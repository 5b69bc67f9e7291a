//! The scales of the contracts' numbers, and their arithmetic, which panics where theirs does.

pub use crate::protocols::checked::{add, div_down, mul, mul_div_down, mul_div_up, sub};

use crate::protocols::{checked::WAD, fx::FxRevert};
use alloy::primitives::{U256, uint};

/// One in prices, debt ratios and raw amounts.
pub const PRECISION: U256 = WAD;

/// The square of [`PRECISION`].
pub const PRECISION_SQUARED: U256 = uint!(1_000_000_000_000_000_000_000_000_000_000_000_000_U256);

/// One in bonus, fee and expense ratios.
pub const FEE_PRECISION: U256 = uint!(1_000_000_000_U256);

/// One in indices and tick ratios: 2^96.
pub const Q96: U256 = uint!(0x1_0000_0000_0000_0000_0000_0000_U256);

/// An amount that storage keeps in 128 bits.
pub const fn fits_128(x: U256) -> Result<U256, FxRevert> {
    if x.bit_len() <= 128 { Ok(x) } else { Err(FxRevert::Overflow) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_and_widths_are_what_they_say() {
        assert_eq!(fits_128(U256::ONE << 128), Err(FxRevert::Overflow));
        assert_eq!(fits_128((U256::ONE << 128) - U256::ONE), Ok(U256::from(u128::MAX)));
        assert_eq!(PRECISION_SQUARED, PRECISION * PRECISION);
        assert_eq!(Q96, U256::ONE << 96);
    }
}
