//! The adapter against the real Morpho Blue on a devnet: what the contract's own code does on the overlay decides.
//!
//! ```text
//! devnet (anvil) ─▶ Fork ─▶ View ─┬─▶ Morpho::read_market, read_target, confirm, terms, Book ─┐
//!                                 └─▶ accrueInterest, liquidate: really executed ─────────────┴─▶ equal?
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]
#![allow(clippy::too_many_arguments, reason = "the contract's own functions")]

#[path = "../alone/mod.rs"]
mod alone;
mod differential;
mod flash;
#[path = "../funded/mod.rs"]
mod funded;
mod models;
mod replay;
mod screen;
mod stale;
mod world;
