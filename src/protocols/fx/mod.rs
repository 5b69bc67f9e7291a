//! f(x): leveraged long and short pools whose positions lie in ticks of equal debt ratio.
//!
//! ```text
//! slots ─▶ storage ─▶ pool, ticks, managers, base pool ─▶ maths: funding ─▶ rebalance, liquidate, redeem ─▶ managers (scaling, fees, notes)
//! oracle (min, max) ──────────────────────────────────────┘                                               └▶ base pool (what is paid)
//! ```
//!
//! So far this folder has where the contracts keep their state and what they do with it; reading and planning come with the adapter.

pub mod maths;
mod revert;
pub mod storage;

pub use revert::FxRevert;
