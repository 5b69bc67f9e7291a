//! What is used beside the book's own reads, and for how long it is worth its memory.
//!
//! ```text
//! head runs, triggers that concern us, operators ──Trail──▶ needs { facet: head of the last use } ─▶ what the next roll keeps
//! ```
//!
//! Venues, quotes, lenders, the executor and the operators are read by runs, not by values of the book. What a run that concerned us
//! touched is kept until it was not touched for a while. What an unrelated pending transaction touched never comes here.

use crate::fork::{Facet, ReadSet};
use alloy::primitives::map::HashMap;

/// The facets in use.
#[derive(Debug)]
pub(super) struct Needs {
    /// The head of the last use, counted since the start: block numbers turn back in a reorg.
    last_used: HashMap<Facet, u64>,
    heads: u64,
    idle_heads: u64,
}

impl Needs {
    /// Nothing yet; what is not used for so many heads is given up.
    pub(super) fn new(idle_heads: u64) -> Self {
        Self { last_used: HashMap::default(), heads: 0, idle_heads }
    }

    /// Notes that these are used now.
    pub(super) fn note(&mut self, used: &ReadSet) {
        for facet in used.iter().filter(|facet| facet.address().is_some()) {
            self.last_used.insert(*facet, self.heads);
        }
    }

    /// A new head: gives up what was not used for long and, if there is more than `most`, what was not used for longest.
    pub(super) fn age(&mut self, most: usize) {
        self.heads = self.heads.saturating_add(1);
        let since = self.heads.saturating_sub(self.idle_heads);
        self.last_used.retain(|_, used| *used >= since);
        let Some(excess) = self.last_used.len().checked_sub(most).filter(|excess| *excess > 0) else { return };
        let mut uses: Vec<u64> = self.last_used.values().copied().collect();
        let (_, newest_gone, _) = uses.select_nth_unstable(excess.saturating_sub(1));
        let newest_gone = *newest_gone;
        let mut left = excess;
        self.last_used.retain(|_, used| {
            let goes = *used <= newest_gone && left > 0;
            left = left.saturating_sub(usize::from(goes));
            !goes
        });
    }

    /// Whether a facet is in use.
    pub(super) fn contains(&self, facet: &Facet) -> bool {
        self.last_used.contains_key(facet)
    }

    /// How many are in use.
    pub(super) fn len(&self) -> usize {
        self.last_used.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{Address, U256};

    fn slot(n: u64) -> Facet {
        Facet::Slot(Address::repeat_byte(1), U256::from(n))
    }

    fn reads(slots: std::ops::Range<u64>) -> ReadSet {
        let mut reads = ReadSet::default();
        slots.for_each(|n| reads.insert(slot(n)));
        reads
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut needs = Needs::new(2);
        needs.note(&reads(0..10));
        for _ in 0..2 {
            needs.age(100);
            needs.note(&reads(0..3));
        }
        assert_eq!(needs.len(), 10, "two heads without a use are allowed");
        needs.age(100);
        assert_eq!(needs.len(), 3);
        assert!(needs.contains(&slot(2)) && !needs.contains(&slot(3)));
    }

    #[test]
    fn too_many_make_place_by_age_and_exactly_as_many_as_needed() {
        let mut needs = Needs::new(100);
        needs.note(&reads(0..50));
        needs.age(1_000);
        needs.note(&reads(100..130));
        needs.age(40);
        assert_eq!(needs.len(), 40);
        assert!((100..130).all(|n| needs.contains(&slot(n))), "the newest stay");
        needs.age(0);
        assert_eq!(needs.len(), 0);
    }

    #[test]
    fn the_environment_is_not_state() {
        let mut needs = Needs::new(1);
        let mut used = ReadSet::default();
        used.insert(Facet::Env(crate::fork::EnvWord::Timestamp));
        needs.note(&used);
        assert_eq!(needs.len(), 0);
    }
}
