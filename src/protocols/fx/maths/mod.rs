//! The contracts' arithmetic in integers, to the last unit and to the last revert.
//!
//! ```text
//! fixed ─▶ tick, bitmap, tree ─▶ pool ─▶ funding ─▶ rebalance, liquidation, redemption
//!                                           long and short manager ◀─┘ ─▶ sizing (breakpoints)
//!                                                    └▶ base_pool
//! ```
//!
//! It screens and proposes; what decides is the contracts' own code in the local EVM. `raw` amounts have 18 decimals: in a long
//! pool collateral is the scaled token and debt fxUSD, in a short pool collateral is fxUSD and debt the scaled token. Prices and
//! debt ratios are 1e18, bonus, fee and expense ratios 1e9, indices and tick ratios 2^96 fixed point.

pub mod base_pool;
pub mod bitmap;
pub mod fixed;
mod funding;
pub mod liquidation;
pub mod long;
pub mod pool;
#[cfg(test)]
mod properties;
pub mod rebalance;
pub mod redemption;
pub mod short;
pub mod sizing;
pub mod tick;
pub mod tree;
