//! Harrier: a liquidation searcher that proves each profit in a local EVM before it is sent.

pub mod executor;
pub mod plan;
