//! Between health 1 and 1 plus costs a liquidation is legal and pays nothing; one unit below health 1 it pays the whole margin. When that is.

use super::{Loan, Numeraire, SECONDS_PER_YEAR};
use crate::protocols::checked::{Panic, WAD, add, div_down, div_up, mul, mul_div_down, ten_to};
use alloy::primitives::U256;

/// Seconds after the last touch until interest alone brings the debt above the position's value; none where it never does (no principal,
/// no rate), zero where it is there already.
///
/// # Errors
/// When a product has more than 256 bits or the base asset's price is zero.
pub fn seconds_to_one(position_value_usd: U256, loan: &Loan, yearly_rate: U256, base: &Numeraire) -> Result<Option<U256>, Panic> {
    // Underwater means value < ceil(debt * P / S): the smallest such debt is the first above value * S / P rounded down.
    let solvent = mul_div_down(position_value_usd, ten_to(base.decimals.into())?, base.price)?;
    let owed = add(loan.principal, loan.interest)?;
    let Some(missing) = solvent.checked_sub(owed) else { return Ok(Some(U256::ZERO)) };
    let per_second = mul(loan.principal, yearly_rate)?;
    if per_second.is_zero() {
        return Ok(None);
    }
    // Accrued interest rounds up: it exceeds `missing` as soon as the exact figure does.
    let exact = mul(mul(missing, U256::from(SECONDS_PER_YEAR))?, WAD)?;
    let whole = div_down(exact, per_second)?;
    add(whole, U256::ONE).map(Some)
}

/// The highest price at which `amount` of an asset, beside parts worth `other_usd`, still leaves the position underwater; none where the other
/// parts alone cover the debt.
///
/// # Errors
/// When a product has more than 256 bits or the amount is zero.
pub fn price_at_one(amount: U256, decimals: u8, other_usd: U256, debt_usd: U256) -> Result<Option<U256>, Panic> {
    let Some(short) = debt_usd.checked_sub(other_usd).filter(|short| !short.is_zero()) else { return Ok(None) };
    // value(amount, p) = floor(amount * p / 10^d) <= short - 1  <=>  amount * p < short * 10^d
    let bound = mul(short, ten_to(decimals.into())?)?;
    Ok(div_up(bound, amount)?.checked_sub(U256::ONE))
}
