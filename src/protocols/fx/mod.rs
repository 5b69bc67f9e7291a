//! f(x): leveraged long and short pools whose positions lie in ticks of equal debt ratio.
//!
//! ```text
//! slots ─▶ storage ─▶ pool, ticks, managers, base pool
//! ```
//!
//! So far this folder has where the contracts keep their state; maths and planning come with the adapter.

pub mod storage;
