//! EVM state at a head, and the EVM that runs on it. The only room that names revm types.
//!
//! ```text
//! node ──misses, pinned by hash──▶ Generation (one per head, immutable store + its misses)
//!                                      │ Arc
//!                         layers ──▶ View ──call / execute──▶ CallOutcome, Execution { TxOutcome.., Layer }
//! ```
//!
//! A generation's store is made of persistent maps: the next head's store shares all but the diff with it, so a roll costs
//! its diff, undo is keeping the parent, and a late answer for an old head lands in the old generation only.

mod block;
mod error;
mod facet;
mod generation;
mod layer;
mod mined;
mod node;
mod owner;
mod prefetch;
mod prestate;
mod reader;
mod recorder;
mod replay;
mod roll;
mod runner;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod trace;
mod trail;
mod tx;
mod view;
mod watch;

pub use block::{ChainRules, Hardfork, TargetBlock};
pub use error::ForkError;
pub use facet::{Change, EnvWord, Facet, ReadSet, StateDiff};
pub use generation::Generation;
pub use layer::Layer;
pub use mined::{Claims, MinedBlock, Senders};
pub use owner::{Fork, ForkOptions};
pub use prestate::{GivenAccount, GivenState};
pub use reader::RequestLimits;
pub use replay::{BlockExecution, TxExecution};
pub use roll::{Rolled, TxChanges, WayReport};
pub use snapshot::{Snapshot, SnapshotError};
pub use store::Store;
pub use trail::Trail;
pub use view::{AccountState, Call, CallOutcome, Execution, SimTx, TxOutcome, TxStatus, View};
