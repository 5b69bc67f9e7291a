//! Harrier: a liquidation searcher that proves each profit in a local EVM before it is sent.

pub mod chain;
pub mod config;
pub mod executor;
pub mod fork;
pub mod ledger;
pub mod plan;
pub mod protocols;
