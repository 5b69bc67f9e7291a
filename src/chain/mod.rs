//! The node: heads with parent-hash continuity, pending transactions, logs; every call with a timeout.

mod head;

pub use head::{Head, PendingTx};
