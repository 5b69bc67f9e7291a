//! The devnet against a real anvil: the checklist of an honest relay, the public mempool, block building, and the contracts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test says what it expects")]

mod blocks;
mod contracts;
mod flux;
mod front;
mod relay;
mod support;
