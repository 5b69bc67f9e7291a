//! The reference contracts of f(x) and Curve against what the deployed contracts did: `tests/vectors/fx.json` and `curve.json`.
//!
//! ```text
//! artifacts ──deploy──▶ world ──clone, put the case's `before` in place──▶ call ──▶ returns, balances, storage, events
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what it expects; a case that fails says so")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "counts are said")]

mod curve;
mod curve_world;
mod evm;
mod fx;
mod fx_interface;
mod fx_locks;
mod fx_storage;
mod fx_world;
