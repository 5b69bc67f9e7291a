//! What nobody should send and no node should do: a clear error or a counted skip, and the searcher goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod configuration;
mod mempool;
mod nodes;
mod support;
#[path = "../wire/mod.rs"]
mod wire;
