//! The formulas of the reference vault and strategy in integers, to the last unit.
//!
//! ```text
//! parts ─▶ value ┐
//! loan ─▶ true debt ─▶ Evaluation: liquidatable? payment, bad debt ─▶ partial
//!                  └─▶ deleverage (a keeper's action, no opportunity)
//! health 1 ─▶ dead zone: when it is left, by price and by interest
//! ```
//!
//! They predict and filter. What decides is the strategy contract itself, asked on the overlay: a strategy may have any rule of its own.

mod dead_zone;
mod deleverage;
mod evaluation;
mod loan;
mod partial;
#[cfg(test)]
mod properties;

pub use dead_zone::{price_at_one, seconds_to_one};
pub use deleverage::{Deleverage, DeleverageRules, Pool, deleverage, utilisation};
pub use evaluation::{Evaluation, Numeraire, Rules, evaluate, health, threshold};
pub use loan::{Loan, SECONDS_PER_YEAR};
pub use partial::{Holdings, Partial, partial};

use crate::protocols::checked::{Panic, WAD, mul_div_down, ten_to};
use alloy::primitives::U256;

/// Why the contracts refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FluxError {
    /// Their arithmetic ends.
    #[error(transparent)]
    Panic(#[from] Panic),
    /// A fraction of zero or above one: `InvalidFraction()`.
    #[error("a fraction must be above zero and at most one (InvalidFraction)")]
    InvalidFraction,
}

/// Value in dollars of 18 digits of an amount with its decimals and price in dollars of 18 digits, rounded down. [D] as to its meaning.
///
/// # Errors
/// When a product has more than 256 bits.
pub fn value(amount: U256, price: U256, decimals: u8) -> Result<U256, Panic> {
    mul_div_down(amount, price, ten_to(decimals.into())?)
}

/// Assets of a share in 18 digits, rounded down; none without shares.
///
/// # Errors
/// When a product has more than 256 bits.
pub fn share_price(total_assets: U256, total_shares: U256) -> Result<Option<U256>, Panic> {
    if total_shares.is_zero() { Ok(None) } else { mul_div_down(total_assets, WAD, total_shares).map(Some) }
}
