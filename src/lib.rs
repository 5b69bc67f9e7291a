//! Harrier: a liquidation searcher that proves each profit in a local EVM before it is sent.
//!
//! One room a step; a room imports the vocabulary ([`plan`]) and rooms that stand earlier in this list.
//!
//! ```text
//! node ─heads, pending, logs─▶ chain ─▶ fork ─state diff─▶ book ─opportunities─▶ engine ─candidates─▶ risk ─▶ relay ─▶ ledger
//!                                        ▲                  ▲                      │
//!                                        │            protocols             venues, flash, executor
//!                                        └──────────────── revm ──────────────────┘
//! ```
//!
//! | room | what it does |
//! | --- | --- |
//! | [`plan`] | the vocabulary: targets, opportunities, plans, skip reasons |
//! | [`config`] | typed configuration, checked as a whole and against the chain |
//! | [`chain`] | the node: heads, pending transactions, logs |
//! | [`fork`] | state at a head, overlays, read sets, the EVM runner; the only room that names revm |
//! | [`protocols`] | one folder a lending system, behind one trait |
//! | [`book`] | known markets and targets, ordered by distance to the boundary |
//! | [`venues`], [`flash`] | where tokens are swapped, where capital is borrowed |
//! | [`executor`] | a plan as calldata for `solidity/src/Executor.sol` |
//! | [`engine`] | (view, trigger, book) to priced candidates; no I/O, no clock, no keys |
//! | [`risk`], [`relay`] | gates, and the way of a bundle to a block |
//! | [`ledger`] | what was seen, sent and earned |
//! | [`drivers`] | live and dry runs: where everything meets |
//! | [`devnet`] | a local chain with real contracts, its mempool and a relay |
//! | [`cli`] | the commands |

pub mod book;
pub mod chain;
pub mod cli;
pub mod config;
pub mod devnet;
pub mod drivers;
pub mod engine;
pub mod executor;
pub mod flash;
pub mod fork;
pub mod ledger;
pub mod plan;
pub mod protocols;
pub mod relay;
pub mod risk;
pub mod venues;
