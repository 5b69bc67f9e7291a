//! Products of 256 bits that fail instead of wrapping, and quotients with a rounding by name.

use alloy::primitives::U256;

/// One in the 18-digit fixed point.
pub const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Where the contracts' arithmetic ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FluxError {
    /// A number above 256 bits or below zero: `Panic(0x11)`.
    #[error("arithmetic overflow (panic 0x11)")]
    Overflow,
    /// A division by zero: `Panic(0x12)`.
    #[error("division by zero (panic 0x12)")]
    DivisionByZero,
    /// A fraction of zero or above one: `InvalidFraction()`.
    #[error("a fraction must be above zero and at most one (InvalidFraction)")]
    InvalidFraction,
}

pub(super) fn add(x: U256, y: U256) -> Result<U256, FluxError> {
    x.checked_add(y).ok_or(FluxError::Overflow)
}

pub(super) fn sub(x: U256, y: U256) -> Result<U256, FluxError> {
    x.checked_sub(y).ok_or(FluxError::Overflow)
}

pub(super) fn mul(x: U256, y: U256) -> Result<U256, FluxError> {
    x.checked_mul(y).ok_or(FluxError::Overflow)
}

/// `x / d` rounded up.
pub(super) fn ceil_div(x: U256, d: U256) -> Result<U256, FluxError> {
    let whole = x.checked_div(d).ok_or(FluxError::DivisionByZero)?;
    let rest = x.checked_rem(d).ok_or(FluxError::DivisionByZero)?;
    if rest.is_zero() { Ok(whole) } else { add(whole, U256::ONE) }
}

/// `x * y / d` rounded down.
pub(super) fn mul_div_down(x: U256, y: U256, d: U256) -> Result<U256, FluxError> {
    mul(x, y)?.checked_div(d).ok_or(FluxError::DivisionByZero)
}

/// `x * y / d` rounded up.
pub(super) fn mul_div_up(x: U256, y: U256, d: U256) -> Result<U256, FluxError> {
    ceil_div(mul(x, y)?, d)
}

pub(super) fn ten_to(exponent: u8) -> Result<U256, FluxError> {
    U256::from(10_u8).checked_pow(U256::from(exponent)).ok_or(FluxError::Overflow)
}
