//! Harrier: a liquidation searcher that proves each profit in a local EVM before it is sent.

pub mod book;
pub mod chain;
pub mod devnet;
pub mod engine;
pub mod executor;
pub mod flash;
pub mod fork;
pub mod plan;
pub mod protocols;
pub mod venues;
