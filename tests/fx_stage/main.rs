//! The situations of the f(x) scenes on a devnet without a searcher: the contracts themselves say that each is what its scene is about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod gates;
mod notes;
mod support;
mod ticks;
