//! From a candidate to a block and back: keys, transactions, bundles, relays, and what became of them.
//!
//! ```text
//! Operators ─lease─▶ SimTx ──────sign─▶ SealedTx ─▶ Bundle ─▶ Relays ─▶ Relay (FlashbotsRelay, one HTTP body)
//!     ▲                                  │ the same bytes                    │ Accepted, never "landed"
//!     └──────release, sync─── Outcome ◀──┼──── inclusion ◀── BlockSource ◀── head reached
//!                                        └──▶ simulation in fork
//! ```
//!
//! "Sent" is never "landed": an accepted bundle has an [`Outcome`] only after its target block was read from the node.

mod bidding;
mod bundle;
mod client;
mod facts;
mod fanout;
mod flashbots;
mod identity;
mod inclusion;
mod keys;
mod node_blocks;
mod operators;
mod rate;
mod realised;
mod response;
mod transaction;

pub use bidding::Bidding;
pub use bundle::{Bundle, BundleError, MAX_BUNDLE_BYTES, MAX_BUNDLE_TXS, replacement_uuid};
pub use client::{Accepted, Answered, CancelStyle, Capabilities, Relay, RelayError, Retry};
pub use facts::{BlockFacts, Difference};
pub use fanout::{Relays, Sent};
pub use flashbots::{FlashbotsRelay, RelayConfig, RelayConfigError};
pub use identity::{Identity, SIGNATURE_HEADER};
pub use inclusion::{BlockSource, IncludedBlock, IncludedTx, LandedTx, LogPattern, Outcome, SourceError, Watch, decide, watch_inclusion};
pub use keys::{KeyError, OperatorKey, key_from_hex, key_from_keystore};
pub use node_blocks::NodeBlocks;
pub use operators::{FreeOperator, Lease, OperatorState, Operators, Synced, UnknownOperator};
pub use rate::{RateLimit, TokenBucket};
pub use realised::{Realised, token_gain};
pub use response::{MAX_RAW_BYTES, ResultShape};
pub use transaction::{SealedTx, TransactionError};
