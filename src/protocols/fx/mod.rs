//! f(x) Protocol v2: long and short pools whose debt sits in ticks.
//!
//! ```text
//! oracle (min, max) ─┐
//! ticks, indices ────┴▶ maths: rebalance, liquidate, redeem ─▶ managers (scaling, fees, notes) ─▶ base pool (what is paid)
//! ```

pub mod maths;
mod revert;

pub use revert::FxRevert;
