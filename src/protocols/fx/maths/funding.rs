//! Funding: time takes collateral from all, by way of the collateral index.

use super::{
    fixed::{PRECISION, fits_128, mul, mul_div_down, sub},
    pool::Pool,
};
use crate::protocols::fx::FxRevert;
use alloy::primitives::{U256, uint};

/// Seconds of 365 days.
const YEAR: U256 = uint!(31_536_000_U256);

impl Pool {
    /// Accrues funding over `seconds` since the last touch at `funding_ratio` (1e18 a year) and returns the raw collateral taken, rounded
    /// down. Nothing happens without time or ratio. `_updateCollAndDebtIndex`.
    ///
    /// # Errors
    /// [`FxRevert::DivisionByZero`] for a pool without collateral.
    pub fn accrue(&mut self, funding_ratio: U256, seconds: u64) -> Result<U256, FxRevert> {
        if funding_ratio.is_zero() || seconds == 0 {
            return Ok(U256::ZERO);
        }
        let raw = self.raw_colls(self.total_coll_shares)?;
        let funding = mul_div_down(mul(raw, funding_ratio)?, U256::from(seconds), mul(PRECISION, YEAR)?)?;
        self.coll_index = fits_128(mul_div_down(self.coll_index, raw, sub(raw, funding)?)?)?;
        Ok(funding)
    }
}
