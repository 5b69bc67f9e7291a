//! Whatever a value was read from makes it stale, and nothing else does: on a real anvil, with real contracts from their packages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::missing_panics_doc, reason = "tests")]

mod patched;
mod rolled;
mod world;
