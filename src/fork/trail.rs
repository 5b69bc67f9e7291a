//! What was used: every facet that runs on a view have touched, so that it can be kept warm.
//!
//! ```text
//! view.with_trail(trail) ─call, execute, storage, account─▶ trail.take() ─▶ what the next roll keeps
//! ```
//!
//! It is wider than a read set: an account is one entry, whatever of it was read, and what a run loaded counts whether or not
//! an opcode asked for it. Values are compared by read sets; a trail only decides what is worth its memory.

use super::{Facet, ReadSet};
use parking_lot::Mutex;
use revm::state::EvmState;
use std::sync::atomic::{AtomicU64, Ordering};

/// The facets that were touched since somebody took them last.
#[derive(Debug, Default)]
pub struct Trail {
    touched: Mutex<ReadSet>,
    runs: AtomicU64,
}

impl Trail {
    /// What was touched; the trail begins anew.
    #[must_use]
    pub fn take(&self) -> ReadSet {
        std::mem::take(&mut *self.touched.lock())
    }

    /// How many EVM runs there were on views with this trail; it only rises.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, facet: Facet) {
        self.touched.lock().insert(facet);
    }

    pub(super) fn note_loaded(&self, state: &EvmState) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut touched = self.touched.lock();
        for (address, account) in state {
            touched.insert(Facet::Balance(*address));
            for slot in account.storage.keys() {
                touched.insert(Facet::Slot(*address, *slot));
            }
        }
    }
}
