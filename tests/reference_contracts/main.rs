//! The reference contracts of f(x) and Curve against what the deployed contracts did, `tests/vectors/fx.json` and `curve.json`; those of Flux
//! against its specification's cases, `flux.json`, and our own maths.
//!
//! ```text
//! artifacts ──deploy──▶ world ──clone, put the case's `before` in place──▶ call ──▶ returns, balances, storage, events
//! ```
#![allow(
    clippy::missing_const_for_fn,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects"
)]

mod curve;
mod curve_behaviour;
mod curve_world;
mod evm;
mod flux;
mod flux_interface;
mod flux_random;
mod flux_world;
mod fx;
mod fx_interface;
mod fx_locks;
mod fx_random;
mod fx_random_model;
mod fx_storage;
mod fx_world;
mod interface;
