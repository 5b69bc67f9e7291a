//! The inverse index: from a facet to the values that were read from it.

use super::MarketRef;
use crate::{
    fork::{Facet, ReadSet, StateDiff},
    plan::TargetKey,
};
use alloy::primitives::{Address, map::HashMap};
use std::collections::BTreeSet;

/// A value that the book holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueRef {
    /// A market's reading.
    Market(MarketRef),
    /// A target's reading.
    Target(MarketRef, TargetKey),
}

/// Values that have to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    /// Markets.
    pub markets: BTreeSet<MarketRef>,
    /// Targets.
    pub targets: BTreeSet<(MarketRef, TargetKey)>,
}

impl Stale {
    /// Whether nothing is stale.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.markets.is_empty() && self.targets.is_empty()
    }
}

/// Facet to values, and account to how many facets of it are read.
#[derive(Debug, Default)]
pub(super) struct Index {
    values: HashMap<Facet, BTreeSet<ValueRef>>,
    facets_of: HashMap<ValueRef, Vec<Facet>>,
    accounts: HashMap<Address, usize>,
}

impl Index {
    /// Sets what a value was read from. Environment words are not indexed: no state diff holds them.
    pub(super) fn replace(&mut self, value: ValueRef, reads: &ReadSet) {
        self.forget(value);
        let facets: Vec<Facet> = reads.iter().filter(|facet| facet.address().is_some()).copied().collect();
        for facet in &facets {
            self.values.entry(*facet).or_default().insert(value);
            if let Some(address) = facet.address() {
                *self.accounts.entry(address).or_default() += 1;
            }
        }
        self.facets_of.insert(value, facets);
    }

    /// Removes a value.
    pub(super) fn forget(&mut self, value: ValueRef) {
        for facet in self.facets_of.remove(&value).unwrap_or_default() {
            if let Some(values) = self.values.get_mut(&facet) {
                values.remove(&value);
                if values.is_empty() {
                    self.values.remove(&facet);
                }
            }
            if let Some(address) = facet.address()
                && let Some(count) = self.accounts.get_mut(&address)
            {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.accounts.remove(&address);
                }
            }
        }
    }

    /// The values that a diff makes stale.
    pub(super) fn stale(&self, diff: &StateDiff) -> Stale {
        let mut stale = Stale::default();
        for value in diff.iter().filter_map(|change| self.values.get(&change.facet)).flatten() {
            match value {
                ValueRef::Market(market) => {
                    stale.markets.insert(*market);
                }
                ValueRef::Target(market, key) => {
                    stale.targets.insert((*market, *key));
                }
            }
        }
        stale
    }

    pub(super) fn reads_account(&self, address: &Address) -> bool {
        self.accounts.contains_key(address)
    }

    /// Whether any value was read from this facet.
    pub(super) fn reads(&self, facet: &Facet) -> bool {
        self.values.contains_key(facet)
    }

    /// How many facets are read.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn facets(&self) -> ReadSet {
        let mut all = ReadSet::default();
        for facet in self.values.keys() {
            all.insert(*facet);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fork::Change, plan::MarketId};
    use alloy::primitives::{B256, U256};

    fn market() -> MarketRef {
        MarketRef { protocol: 0, market: MarketId(B256::repeat_byte(7)) }
    }

    fn reads(facets: &[Facet]) -> ReadSet {
        let mut reads = ReadSet::default();
        facets.iter().for_each(|facet| reads.insert(*facet));
        reads
    }

    fn diff(facet: Facet) -> StateDiff {
        let mut diff = StateDiff::default();
        diff.record(Change { facet, old: U256::ZERO, new: U256::ONE });
        diff
    }

    #[test]
    fn a_value_is_stale_exactly_when_one_of_its_facets_changed() {
        let feed = Address::repeat_byte(1);
        let slot = Facet::Slot(feed, U256::from(3));
        let mut index = Index::default();
        index.replace(ValueRef::Market(market()), &reads(&[slot, Facet::Balance(feed)]));
        assert!(index.stale(&diff(slot)).markets.contains(&market()));
        assert!(index.stale(&diff(Facet::Balance(feed))).markets.contains(&market()));
        assert!(index.stale(&diff(Facet::Slot(feed, U256::from(4)))).is_empty());
        assert!(index.stale(&diff(Facet::Nonce(feed))).is_empty());
    }

    #[test]
    fn a_value_read_anew_forgets_what_it_was_read_from_before() {
        let (old, new) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let mut index = Index::default();
        index.replace(ValueRef::Market(market()), &reads(&[Facet::Code(old)]));
        index.replace(ValueRef::Market(market()), &reads(&[Facet::Code(new)]));
        assert!(index.stale(&diff(Facet::Code(old))).is_empty());
        assert!(!index.reads_account(&old) && index.reads_account(&new));
        index.forget(ValueRef::Market(market()));
        assert!(!index.reads_account(&new) && index.facets().is_empty());
    }
}
