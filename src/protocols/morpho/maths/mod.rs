//! The contracts' arithmetic in integers, to the last unit and to the last revert.
//!
//! ```text
//! fixed ─▶ shares ─▶ accrual ─▶ health ─▶ liquidation
//!                        │         └────▶ order (keys and boundaries of the book)
//!                        └─ rate_model    price (Moolah)    pre_liquidation (Morpho Blue)
//! ```
//!
//! It screens and proposes; what decides is the contracts' own code in the local EVM. Errors are the contract's: the same panic
//! code, the same text, at the same place in the order of its tests.

pub mod accrual;
pub mod fixed;
pub mod health;
pub mod liquidation;
pub mod order;
pub mod pre_liquidation;
pub mod price;
#[cfg(test)]
mod properties;
pub mod rate_model;
pub mod shares;
