//! A part of a liquidation, pro rata. [X]
//!
//! The payment rounds up and everything else down, so the parts of a position never give more than the whole.

use super::{FluxError, Loan};
use crate::protocols::checked::{Panic, WAD, add, mul_div_down, mul_div_up, sub};
use alloy::primitives::U256;

/// What a manager holds besides wrappers, in base assets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The bond.
    pub bond: U256,
    /// Base assets in the base-asset wrapper.
    pub working_capital: U256,
}

/// What a fraction of a liquidation takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Base assets to pay.
    pub payment: U256,
    /// What is seized of bond and working capital.
    pub seized: Holdings,
    /// What of the loan is cleared.
    pub cleared: Loan,
    /// What the lenders lose.
    pub bad_debt: U256,
    /// Debt that stays.
    pub debt_left: U256,
}

impl Partial {
    /// What a fraction seizes of one wrapper's balance, rounded down.
    ///
    /// # Errors
    /// When a product has more than 256 bits.
    pub fn of_wrapper(balance: U256, fraction: U256) -> Result<U256, Panic> {
        mul_div_down(balance, fraction, WAD)
    }
}

/// A fraction (18 digits, one is the full call) of the liquidation whose full payment is `min_payment`.
///
/// # Errors
/// A fraction of zero or above one, or a product of more than 256 bits.
pub fn partial(holdings: &Holdings, loan: &Loan, min_payment: U256, fraction: U256) -> Result<Partial, FluxError> {
    if fraction.is_zero() || fraction > WAD {
        return Err(FluxError::InvalidFraction);
    }
    let part = |amount| mul_div_down(amount, fraction, WAD);
    let payment = mul_div_up(min_payment, fraction, WAD)?;
    let cleared = Loan { principal: part(loan.principal)?, interest: part(loan.interest)? };
    let debt_cleared = add(cleared.principal, cleared.interest)?;
    Ok(Partial {
        payment,
        seized: Holdings { bond: part(holdings.bond)?, working_capital: part(holdings.working_capital)? },
        cleared,
        bad_debt: debt_cleared.saturating_sub(payment),
        debt_left: sub(add(loan.principal, loan.interest)?, debt_cleared)?,
    })
}
