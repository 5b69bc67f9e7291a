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
mod fixed;
mod loan;
mod partial;
#[cfg(test)]
mod properties;

pub use dead_zone::{price_at_one, seconds_to_one};
pub use deleverage::{Deleverage, DeleverageRules, Pool, deleverage, utilisation};
pub use evaluation::{Evaluation, Numeraire, Rules, evaluate, health, threshold};
pub use fixed::{FluxError, WAD};
pub use loan::{Loan, SECONDS_PER_YEAR};
pub use partial::{Holdings, Partial, partial};

use alloy::primitives::U256;
use fixed::mul_div_down;

/// Value in dollars of 18 digits of an amount with its decimals and price in dollars of 18 digits, rounded down. [D] as to its meaning.
///
/// # Errors
/// When a product has more than 256 bits.
pub fn value(amount: U256, price: U256, decimals: u8) -> Result<U256, FluxError> {
    mul_div_down(amount, price, fixed::ten_to(decimals)?)
}

/// Assets of a share in 18 digits, rounded down; none without shares.
///
/// # Errors
/// When a product has more than 256 bits.
pub fn share_price(total_assets: U256, total_shares: U256) -> Result<Option<U256>, FluxError> {
    if total_shares.is_zero() { Ok(None) } else { mul_div_down(total_assets, WAD, total_shares).map(Some) }
}
