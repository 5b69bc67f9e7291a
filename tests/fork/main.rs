//! The fork against a real node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test says what it expects")]

mod ahead;
mod chain;
mod code;
mod equality;
mod model;
mod rolling;
mod storm;
mod trouble;
mod world;
