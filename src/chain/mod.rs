//! The node: heads with parent-hash continuity, pending transactions, logs; every call with a timeout.
//!
//! ```text
//!            ┌─ HeadStream ────▶ New | Reorg | Reset      (own WebSocket, or polling)
//! node ──────┼─ PendingStream ─▶ Waiting | Refused        (own WebSocket)
//!            ├─ Node ──────────▶ heads, receipts, logs    (HTTP where it is configured)
//!            └─ backfill ──────▶ past logs, range by range
//! ```
//!
//! A node may lie, answer late or drop the connection: each gives a [`ChainError`] that says whether to retry, skip or stop. Whatever is
//! dropped on the way is in [`Counters`].

mod backfill;
mod connect;
mod counters;
mod error;
mod head;
mod heads;
mod node;
mod pending;
mod window;

pub use backfill::{BackfillError, BackfillStep, StepResult, backfill};
pub use counters::{Counters, Counts};
pub use error::{Advice, ChainError};
pub use head::{Head, PendingTx};
pub use heads::HeadStream;
pub use node::{LogQuery, Node, head_of};
pub use pending::{PendingEvent, PendingLimits, PendingStream, Refusal};
pub use window::{HeadEvent, WINDOW};
