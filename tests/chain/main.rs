//! The chain room against real nodes, cut connections and a server that misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod failures;
mod heads;
mod logs;
mod pending;
mod support;
#[path = "../wire/mod.rs"]
mod wire;
