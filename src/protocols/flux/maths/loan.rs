//! What a manager owes.

use crate::protocols::checked::{Panic, WAD, add, div_up, mul};
use alloy::primitives::U256;

/// Seconds of a year of interest.
pub const SECONDS_PER_YEAR: u64 = 31_536_000;

/// A manager's loan as it is stored, in units of the base asset. [R]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loan {
    /// Borrowed and not repaid.
    pub principal: U256,
    /// Interest up to the last touch.
    pub interest: U256,
}

impl Loan {
    /// Simple interest on the principal since the last touch, rounded up. `yearly_rate` has 18 digits.
    ///
    /// # Errors
    /// When a product has more than 256 bits.
    pub fn accrued(&self, yearly_rate: U256, seconds: u64) -> Result<U256, Panic> {
        let year = mul(U256::from(SECONDS_PER_YEAR), WAD)?;
        div_up(mul(mul(self.principal, yearly_rate)?, U256::from(seconds))?, year)
    }

    /// All that is owed so many seconds after the last touch: `trueDebt` of the vault.
    ///
    /// # Errors
    /// When a product has more than 256 bits.
    pub fn true_debt(&self, yearly_rate: U256, seconds: u64) -> Result<U256, Panic> {
        add(add(self.principal, self.interest)?, self.accrued(yearly_rate, seconds)?)
    }
}
