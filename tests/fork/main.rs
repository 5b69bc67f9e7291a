//! The fork against a real node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]
#![allow(clippy::print_stdout, reason = "a random run says its seed and what it saw")]

mod ahead;
mod chain;
mod code;
mod equality;
#[path = "../http_wire/mod.rs"]
mod http_wire;
mod model;
mod rolling;
mod storm;
mod trouble;
mod world;
