//! What is told of a run, and the counts in it.
//!
//! ```text
//! head ─▶ Settling { who waits for it } ─all done, or a newer head─▶ Event::Head with what the Tally counted since the one before
//! ```

use crate::{
    drivers::{
        dropped::{self, Dropped},
        mempool::Mempool,
        session::HeadReport,
    },
    engine::Outcome,
};
use alloy::primitives::{B256, map::HashSet};
use std::{collections::BTreeMap, sync::Arc};

/// Events that wait for a slow watcher at most; more are dropped, because nobody may hold up the searcher.
pub const EVENT_QUEUE: usize = 65_536;

/// What happened, for whoever watches a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// Everything is read; pending transactions are seen from now on.
    Ready {
        /// The head.
        number: u64,
    },
    /// A head is done: all triggers that waited for it are, or a newer one came before. Each head that was followed is told once.
    Head {
        /// Its height.
        number: u64,
        /// Its hash.
        hash: B256,
        /// What it changed.
        report: HeadReport,
        /// What became of pending transactions since the head before.
        pending: PendingReport,
        /// Whether a newer head came before all that waited for this one was done.
        overtaken: bool,
    },
    /// A trigger was run; a head has a second outcome where a keeper found something to do or to say.
    Trigger {
        /// What came of it.
        outcome: Arc<Outcome>,
        /// Bundles sent.
        sent: usize,
    },
    /// A pending transaction was not simulated.
    Ignored {
        /// Its hash.
        hash: B256,
        /// Why.
        why: Dropped,
    },
    /// Something announced as pending was no usable transaction.
    Unusable {
        /// Its hash, if it had one.
        hash: Option<B256>,
        /// Why.
        why: String,
    },
}

/// What became of pending transactions between two heads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingReport {
    /// Simulated, whatever it showed.
    pub simulated: u64,
    /// Of those, the ones that something had to be read for.
    pub fetched: u64,
    /// Not simulated or without effect, by reason.
    pub ignored: BTreeMap<Dropped, u64>,
    /// Kinds of call that are known to write to what values are read from.
    pub writers: usize,
}

/// A head whose waiting triggers are not all done.
#[derive(Debug)]
pub(super) struct Settling {
    number: u64,
    hash: B256,
    report: HeadReport,
    left: HashSet<B256>,
    /// Whether it is known what waits for it.
    is_known: bool,
}

impl Settling {
    /// A head of which it is not known yet what waits for it.
    pub(super) fn new(number: u64, hash: B256, report: HeadReport) -> Self {
        Self { number, hash, report, left: HashSet::default(), is_known: false }
    }

    /// These wait for it, and nothing else.
    pub(super) fn waits_for(&mut self, left: impl Iterator<Item = B256>) {
        self.left.extend(left);
        self.is_known = true;
    }

    /// One is done; whether it waited for it.
    pub(super) fn done_with(&mut self, hash: &B256) -> bool {
        self.left.remove(hash)
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.is_known && self.left.is_empty()
    }

    /// As it is told.
    pub(super) fn event(self, pending: PendingReport) -> Event {
        let overtaken = !self.is_done();
        Event::Head { number: self.number, hash: self.hash, report: self.report, pending, overtaken }
    }
}

/// What is counted from head to head.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ignored_before: BTreeMap<Dropped, u64>,
    simulated: u64,
    fetched: u64,
}

impl Tally {
    /// A transaction was simulated; `fetched` if something had to be read for it.
    pub(super) fn simulated(&mut self, fetched: bool) {
        self.simulated = self.simulated.saturating_add(1);
        self.fetched = self.fetched.saturating_add(u64::from(fetched));
    }

    /// What was counted since the last report; the next one begins here.
    pub(super) fn report(&mut self, mempool: &Mempool) -> PendingReport {
        let counts = mempool.dropped();
        let since = |why: &Dropped, count: u64| count.saturating_sub(self.ignored_before.get(why).copied().unwrap_or_default());
        let ignored: BTreeMap<Dropped, u64> = counts.iter().map(|(why, count)| (*why, since(why, *count))).filter(|(_, count)| *count > 0).collect();
        self.ignored_before.clone_from(counts);
        let pending = PendingReport {
            simulated: std::mem::take(&mut self.simulated),
            fetched: std::mem::take(&mut self.fetched),
            ignored,
            writers: mempool.writers().len(),
        };
        tracing::debug!(
            simulated = pending.simulated,
            fetched = pending.fetched,
            writers = pending.writers,
            ignored = dropped::summary(&pending.ignored),
            "pending transactions since the head before"
        );
        pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overtaken(settling: Settling) -> bool {
        let Event::Head { overtaken, .. } = settling.event(PendingReport::default()) else { panic!("a head") };
        overtaken
    }

    #[test]
    fn a_head_is_done_when_it_is_known_what_waits_and_all_of_that_is_done() {
        let settling = || Settling::new(7, B256::ZERO, HeadReport::default());
        assert!(overtaken(settling()), "nobody knows yet what waits for it");
        let mut one = settling();
        one.waits_for([1, 2].map(B256::with_last_byte).into_iter());
        assert!(!one.done_with(&B256::with_last_byte(3)) && one.done_with(&B256::with_last_byte(2)) && !one.is_done());
        assert!(one.done_with(&B256::with_last_byte(1)) && one.is_done() && !overtaken(one));
        let mut none = settling();
        none.waits_for(std::iter::empty());
        assert!(!overtaken(none));
    }
}
