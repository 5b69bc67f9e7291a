//! Situations in the f(x) world that a searcher has to get right, up to the event that makes them count. `tests/fx_stage` holds each against the contracts.
//!
//! ```text
//! notes   collateral lent out · redemption that burns · notes in third hands
//! ticks   prices apart · merged ticks · a tick that funding alone will make eligible
//! gates   base pool used up · stable repayment allowed · a stale feed · a reserve
//! ```
//!
//! They are built before a searcher starts: it would take what they lead through.

mod gates;
mod notes;
mod ticks;

pub use notes::Burning;
pub use ticks::Merged;
