//! EVM state at a head, and the EVM that runs on it. The only room that names revm types.
//!
//! ```text
//! node ──misses, pinned by hash──▶ Generation (one per head, immutable base + its misses)
//!                                      │ Arc
//!                         layers ──▶ View ──call / execute──▶ CallOutcome, Execution { TxOutcome.., Layer }
//! ```
//!
//! A generation's base map is persistent: the next head's base shares all but the diff with it, so a roll costs
//! its diff, undo is keeping the parent, and a late answer for an old head lands in the old generation only.

mod block;
mod facet;
mod view;

pub use block::{Hardfork, TargetBlock};
pub use facet::{Change, EnvWord, Facet, ReadSet, StateDiff};
pub use view::{AccountState, Call, CallOutcome, Execution, ForkError, Layer, SimTx, TxOutcome, TxStatus, View};
