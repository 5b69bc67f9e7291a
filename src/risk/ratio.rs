//! Ratios of integers: basis points, and products divided with a named rounding.

use alloy::primitives::{U256, U512};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A share between nothing and all, in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Bps(u16);

/// More than 10,000 basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} basis points are more than the whole (10000)")]
pub struct BpsOutOfRange(pub u16);

impl Bps {
    /// The whole.
    pub const ONE: Self = Self(10_000);
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A share of `bps` ten-thousandths; an error above the whole.
    pub const fn new(bps: u16) -> Result<Self, BpsOutOfRange> {
        if bps > Self::ONE.0 { Err(BpsOutOfRange(bps)) } else { Ok(Self(bps)) }
    }

    /// The number of ten-thousandths, 0 to 10,000.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What is left of the whole.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(Self::ONE.0.saturating_sub(self.0))
    }

    /// This share of `amount`, rounded down.
    #[must_use]
    pub fn of_down(self, amount: U256) -> U256 {
        // A share is at most the whole, so the result always fits.
        mul_div_down(amount, U256::from(self.0), U256::from(Self::ONE.0)).unwrap_or(amount)
    }

    /// This share of `amount`, rounded up.
    #[must_use]
    pub fn of_up(self, amount: U256) -> U256 {
        mul_div_up(amount, U256::from(self.0), U256::from(Self::ONE.0)).unwrap_or(amount)
    }
}

impl TryFrom<u16> for Bps {
    type Error = BpsOutOfRange;

    fn try_from(bps: u16) -> Result<Self, Self::Error> {
        Self::new(bps)
    }
}

impl From<Bps> for u16 {
    fn from(bps: Bps) -> Self {
        bps.0
    }
}

impl fmt::Display for Bps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bps", self.0)
    }
}

/// `a * b / d` without overflow in between, rounded down; `None` when `d` is zero or the result exceeds 256 bits.
#[must_use]
pub fn mul_div_down(a: U256, b: U256, d: U256) -> Option<U256> {
    if d.is_zero() {
        return None;
    }
    narrow(wide(a).checked_mul(wide(b))?.checked_div(wide(d))?)
}

/// `a * b / d` without overflow in between, rounded up; `None` when `d` is zero or the result exceeds 256 bits.
#[must_use]
pub fn mul_div_up(a: U256, b: U256, d: U256) -> Option<U256> {
    if d.is_zero() {
        return None;
    }
    let product = wide(a).checked_mul(wide(b))?;
    let quotient = product.checked_div(wide(d))?;
    let exact = product.checked_rem(wide(d))?.is_zero();
    narrow(if exact { quotient } else { quotient.checked_add(U512::from(1_u8))? })
}

fn wide(value: U256) -> U512 {
    U512::from(value)
}

const fn narrow(value: U512) -> Option<U256> {
    U256::checked_from_limbs_slice(value.as_limbs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bps_are_at_most_the_whole() {
        assert_eq!(Bps::new(10_000), Ok(Bps::ONE));
        assert_eq!(Bps::new(10_001), Err(BpsOutOfRange(10_001)));
        assert_eq!(serde_json::from_str::<Bps>("9999").unwrap().get(), 9_999);
        assert!(serde_json::from_str::<Bps>("10001").is_err());
    }

    #[test]
    fn shares_round_as_named() {
        let third = Bps::new(3_333).unwrap();
        assert_eq!(third.of_down(U256::from(10)), U256::from(3));
        assert_eq!(third.of_up(U256::from(10)), U256::from(4));
        assert_eq!(Bps::ONE.of_down(U256::MAX), U256::MAX);
        assert_eq!(Bps::ONE.of_up(U256::MAX), U256::MAX);
        assert_eq!(Bps::ZERO.of_up(U256::MAX), U256::ZERO);
        assert_eq!(third.complement().get(), 6_667);
    }

    #[test]
    fn division_by_zero_and_overflow_are_none() {
        assert_eq!(mul_div_down(U256::ONE, U256::ONE, U256::ZERO), None);
        assert_eq!(mul_div_up(U256::ONE, U256::ONE, U256::ZERO), None);
        assert_eq!(mul_div_down(U256::MAX, U256::from(2), U256::ONE), None);
        assert_eq!(mul_div_up(U256::MAX, U256::MAX, U256::MAX - U256::ONE), None);
        assert_eq!(mul_div_down(U256::MAX, U256::MAX, U256::MAX), Some(U256::MAX));
    }

    proptest! {
        #[test]
        fn up_is_down_or_one_more(a: u128, b: u128, d in 1_u128..) {
            let (a, b, d) = (U256::from(a), U256::from(b), U256::from(d));
            let down = mul_div_down(a, b, d).unwrap();
            let up = mul_div_up(a, b, d).unwrap();
            let exact = (a * b) % d == U256::ZERO;
            prop_assert_eq!(up - down, if exact { U256::ZERO } else { U256::ONE });
            prop_assert_eq!(down, a * b / d);
        }
    }
}
