//! The f(x) scenes: their situations on a devnet without a searcher, where the contracts themselves say that each is what its scene is about; and the scenes
//! as `harrier demo` plays them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod gates;
mod notes;
mod scenes;
mod support;
mod ticks;
