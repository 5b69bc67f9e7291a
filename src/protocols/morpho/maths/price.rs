//! Moolah's prices: two answers of eight digits, for the collateral and for the loan token, make one price of 1e36.

use super::fixed::{mul_div_down, ten_to};
use crate::protocols::morpho::MorphoRevert;
use alloy::primitives::U256;

/// One unit of collateral in loan units, 1e36 fixed point, rounded down. `base` prices the collateral token, `quote` the loan token.
pub fn moolah_price(base: U256, quote: U256, collateral_decimals: u8, loan_decimals: u8) -> Result<U256, MorphoRevert> {
    let exponent = (36 + u64::from(loan_decimals)).checked_sub(u64::from(collateral_decimals)).ok_or(MorphoRevert::Overflow)?;
    Ok(mul_div_down(ten_to(exponent)?, base, quote)?)
}

/// The least loan in loan-token units. `min_loan_value` and `quote` have eight digits; without a price there is no minimum.
pub fn moolah_min_loan(min_loan_value: U256, quote: U256, loan_decimals: u8) -> Result<U256, MorphoRevert> {
    if quote.is_zero() {
        return Ok(U256::ZERO);
    }
    Ok(mul_div_down(min_loan_value, ten_to(u64::from(loan_decimals))?, quote)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitcoin_of_eight_digits_in_a_dollar_of_eighteen() {
        let price = moolah_price(U256::from(6_500_000_000_000_u64), U256::from(100_000_000_u64), 8, 18).unwrap();
        assert_eq!(price, U256::from(65_000) * ten_to(46).unwrap());
        assert_eq!(moolah_price(U256::ONE, U256::ZERO, 18, 18), Err(MorphoRevert::DivisionByZero));
        assert_eq!(moolah_price(U256::ONE, U256::ONE, 60, 18), Err(MorphoRevert::Overflow));
    }

    #[test]
    fn fifteen_dollars_at_least() {
        assert_eq!(moolah_min_loan(U256::from(1_500_000_000_u64), U256::from(345_600_000_u64), 18).unwrap(), U256::from(4_340_277_777_777_777_777_u64));
        assert_eq!(moolah_min_loan(U256::from(1_500_000_000_u64), U256::ZERO, 18).unwrap(), U256::ZERO);
    }
}
