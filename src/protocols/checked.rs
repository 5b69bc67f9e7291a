//! Arithmetic as Solidity checks it: 256 bits, a panic instead of a wrong number, and a rounding by name.
//!
//! ```text
//! U256 ─▶ add, sub, mul, div.. ─▶ U256, or the Panic that each protocol's own error takes in
//! ```

use alloy::primitives::U256;

/// One in the 18-digit fixed point.
pub const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Where a contract's arithmetic ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Panic {
    /// A number above 256 bits or below zero.
    #[error("arithmetic overflow (panic 0x11)")]
    Overflow,
    /// A division by zero.
    #[error("division by zero (panic 0x12)")]
    DivisionByZero,
}

/// `x + y`.
pub fn add(x: U256, y: U256) -> Result<U256, Panic> {
    x.checked_add(y).ok_or(Panic::Overflow)
}

/// `x - y`.
pub fn sub(x: U256, y: U256) -> Result<U256, Panic> {
    x.checked_sub(y).ok_or(Panic::Overflow)
}

/// `x * y`.
pub fn mul(x: U256, y: U256) -> Result<U256, Panic> {
    x.checked_mul(y).ok_or(Panic::Overflow)
}

/// `x / d` rounded down.
pub fn div_down(x: U256, d: U256) -> Result<U256, Panic> {
    x.checked_div(d).ok_or(Panic::DivisionByZero)
}

/// `x / d` rounded up; nothing is added before the division, so nothing overflows.
pub fn div_up(x: U256, d: U256) -> Result<U256, Panic> {
    let quotient = div_down(x, d)?;
    if mul(quotient, d)? == x { Ok(quotient) } else { add(quotient, U256::ONE) }
}

/// `x * y / d` rounded down.
pub fn mul_div_down(x: U256, y: U256, d: U256) -> Result<U256, Panic> {
    div_down(mul(x, y)?, d)
}

/// `x * y / d` rounded up.
pub fn mul_div_up(x: U256, y: U256, d: U256) -> Result<U256, Panic> {
    div_up(mul(x, y)?, d)
}

/// Ten to the power of `exponent`.
pub fn ten_to(exponent: u64) -> Result<U256, Panic> {
    U256::from(10_u8).checked_pow(U256::from(exponent)).ok_or(Panic::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_where_the_name_says_and_a_zero_divisor_panics() {
        let [three, ten] = [U256::from(3), U256::from(10)];
        assert_eq!(mul_div_down(ten, U256::ONE, three), Ok(three));
        assert_eq!(mul_div_up(ten, U256::ONE, three), Ok(U256::from(4)));
        assert_eq!(mul_div_up(ten, three, three), Ok(ten));
        assert_eq!(div_up(U256::MAX, U256::from(2)), Ok(U256::ONE << 255));
        assert_eq!(div_up(U256::ZERO, three), Ok(U256::ZERO));
        for divided in [mul_div_down(ten, ten, U256::ZERO), mul_div_up(ten, ten, U256::ZERO), div_up(ten, U256::ZERO)] {
            assert_eq!(divided, Err(Panic::DivisionByZero));
        }
    }

    #[test]
    fn what_leaves_256_bits_panics() {
        let two = U256::from(2);
        for overflown in [add(U256::MAX, U256::ONE), sub(U256::ZERO, U256::ONE), mul_div_down(U256::MAX, two, two), mul_div_up(U256::MAX, two, two), ten_to(78)]
        {
            assert_eq!(overflown, Err(Panic::Overflow));
        }
        assert_eq!(ten_to(18), Ok(WAD));
    }
}
