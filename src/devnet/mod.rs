//! A local chain with real contracts, its own public mempool, and relays that behave like the real ones.
//!
//! ```text
//! searcher ──▶ front: JSON-RPC, mempool, relays ──▶ builder ──▶ anvil
//! tests, demo ──▶ Devnet: build_block, faults, people, prices
//! ```
//!
//! anvil can't be public mempool and builder at once, so the mempool lives in front of it and anvil's own is empty between
//! blocks. What a searcher meets is what it meets on mainnet: pending transactions are announced, bundles are not; a
//! block is bundles first, then transactions by tip; it is 12 seconds after its parent and its base fee follows EIP-1559.

pub mod abi;
mod acts;
mod anvil;
mod artifacts;
mod builder;
mod chain;
mod contracts;
mod deploy;
pub mod flux;
pub mod front;
pub mod fx;
mod hands;
mod market;
mod node;
pub mod people;
pub mod rehearsal;
pub mod relay;
mod report;
mod searcher;
mod seed;
mod stage;
mod story;
mod trial;

pub use anvil::{AnvilError, GENESIS_TIME, HARDFORK, find_anvil, solidity_folder};
pub use artifacts::{Artifact, ArtifactError};
pub use builder::BuildError;
pub use chain::{Chain, ChainConfig, DevnetError};
pub use contracts::{Contracts, FeedFacts, MarketFacts, PoolFacts, TokenFacts};
pub use flux::{FluxContracts, FluxManager, FluxVault, FluxWorld};
pub use front::{FrontConfig, FrontCounters};
pub use fx::{FxContracts, FxPair, FxWorld};
pub use market::Trader;
pub use node::{Node, NodeError, Receipt};
pub use people::Person;
pub use relay::{Fault, Relay, RelayCounters};
pub use report::{BlockReport, IncludedBundle, RejectedBundle, Rejection};
pub use searcher::{SearcherError, SearcherFacts, ether};
pub use seed::{Seed, borrower_name};
pub use stage::{ConfigFacts, Devnet, DevnetConfig};
pub use story::{Borrower, Story};

/// Seconds between a block and its parent.
pub const SLOT_SECONDS: u64 = 12;
