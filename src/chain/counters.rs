//! What the node's side of the program has counted since it started.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters that are shared with whoever reports them. They only rise.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub(super) $name: AtomicU64),+ }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Counts { $($(#[$doc])* pub $name: u64),+ }

        impl Counters {
            /// The counters now. Each is read on its own, so two may be apart by what happened in between.
            #[must_use]
            pub fn counts(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }
        }
    };
}

counters! {
    /// Calls to the node.
    calls,
    /// Calls that were not answered in time.
    calls_late,
    /// Calls that failed otherwise.
    calls_failed,
    /// New heads that were passed on, those of gaps included.
    heads,
    /// Heads of them that were fetched because the stream did not bring them.
    heads_filled,
    /// Heads that a subscription lost because we read too slowly.
    heads_lagged,
    /// Head notifications that are no headers.
    heads_undecodable,
    /// Reorgs and rollbacks.
    reorgs,
    /// Times that continuity was lost for more heads than are remembered.
    resets,
    /// Connections for heads or pending transactions that had to be built again.
    reconnects,
    /// Pending transactions that the node announced.
    pending,
    /// Pending transactions dropped because the queue was full; the oldest go first.
    pending_dropped,
    /// Pending transactions that a subscription lost because we read too slowly.
    pending_lagged,
    /// Announcements that are no transactions of a known kind.
    pending_undecodable,
    /// Transactions whose hash is not what the node said.
    pending_forged,
    /// Transactions above the size limit.
    pending_giant,
    /// Transactions with blobs. They are passed on, but can't be bundled.
    pending_blob,
}

/// Counts one more.
pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts several more.
pub(super) fn many(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
