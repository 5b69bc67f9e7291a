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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fork::Change, plan::MarketId};
    use alloy::primitives::{B256, U256};
    use proptest::prelude::*;

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
        assert!(!index.reads_account(&new) && index.len() == 0);
    }

    /// What a scan over all read sets says, in place of the index.
    #[derive(Default)]
    struct Scan(std::collections::BTreeMap<ValueRef, ReadSet>);

    impl Scan {
        fn stale(&self, diff: &StateDiff) -> Stale {
            let mut stale = Stale::default();
            for (value, _) in self.0.iter().filter(|(_, reads)| reads.is_stale_after(diff)) {
                match *value {
                    ValueRef::Market(market) => stale.markets.insert(market),
                    ValueRef::Target(market, key) => stale.targets.insert((market, key)),
                };
            }
            stale
        }

        fn reads_account(&self, address: &Address) -> bool {
            self.0.values().any(|reads| reads.iter().any(|facet| facet.address().as_ref() == Some(address)))
        }

        fn facets(&self) -> BTreeSet<Facet> {
            self.0.values().flat_map(|reads| reads.iter().copied()).filter(|facet| facet.address().is_some()).collect()
        }
    }

    fn any_facet() -> impl Strategy<Value = Facet> {
        (0_u8..6, 0_u8..5, 0_u64..6).prop_map(|(account, kind, slot)| {
            let address = Address::repeat_byte(account);
            match kind {
                0 | 1 => Facet::Slot(address, U256::from(slot)),
                2 => Facet::Balance(address),
                3 => Facet::Code(address),
                _ => Facet::Nonce(address),
            }
        })
    }

    fn any_value() -> impl Strategy<Value = ValueRef> {
        (0_usize..2, 0_u8..3, 0_u8..5).prop_map(|(protocol, market, target)| {
            let market = MarketRef { protocol, market: MarketId(B256::repeat_byte(market)) };
            if target == 0 { ValueRef::Market(market) } else { ValueRef::Target(market, TargetKey::Account(Address::repeat_byte(target))) }
        })
    }

    #[derive(Clone, Debug)]
    enum Update {
        Replace(ValueRef, Vec<Facet>, bool),
        Forget(ValueRef),
        Ask(Vec<Facet>),
    }

    fn any_update() -> impl Strategy<Value = Update> {
        prop_oneof![
            5 => (any_value(), proptest::collection::vec(any_facet(), 0..8), any::<bool>()).prop_map(|(value, facets, env)| Update::Replace(value, facets, env)),
            2 => any_value().prop_map(Update::Forget),
            3 => proptest::collection::vec(any_facet(), 0..5).prop_map(Update::Ask),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn the_index_answers_as_a_scan_over_all_read_sets_does(updates in proptest::collection::vec(any_update(), 1..60)) {
            let (mut index, mut scan) = (Index::default(), Scan::default());
            for update in updates {
                match update {
                    Update::Replace(value, facets, env) => {
                        let mut set = reads(&facets);
                        if env {
                            set.insert(Facet::Env(crate::fork::EnvWord::Timestamp));
                        }
                        index.replace(value, &set);
                        scan.0.insert(value, set);
                    }
                    Update::Forget(value) => {
                        index.forget(value);
                        scan.0.remove(&value);
                    }
                    Update::Ask(facets) => {
                        let mut changes = StateDiff::default();
                        facets.iter().for_each(|facet| changes.record(Change { facet: *facet, old: U256::ZERO, new: U256::ONE }));
                        prop_assert_eq!(index.stale(&changes), scan.stale(&changes));
                    }
                }
                let facets = scan.facets();
                prop_assert_eq!(index.len(), facets.len());
                prop_assert!(facets.iter().all(|facet| index.reads(facet)));
                for account in 0..6 {
                    let address = Address::repeat_byte(account);
                    prop_assert_eq!(index.reads_account(&address), scan.reads_account(&address));
                }
                // No more is held than the read sets that live: nothing of a value that was replaced or forgotten stays behind.
                prop_assert_eq!(index.facets_of.len(), scan.0.len());
                prop_assert_eq!(index.accounts.len(), facets.iter().filter_map(Facet::address).collect::<BTreeSet<_>>().len());
            }
        }
    }

    #[test]
    fn the_cost_follows_what_changed_and_not_what_is_known() {
        // A hundred thousand values: a scan would take them all, the index takes those of the changed facet.
        let mut index = Index::default();
        for n in 0..100_000_u32 {
            let account = Address::from_word(B256::from(U256::from(n)));
            index.replace(ValueRef::Target(market(), TargetKey::Account(account)), &reads(&[Facet::Slot(Address::repeat_byte(9), U256::from(n))]));
        }
        let begin = std::time::Instant::now();
        for n in 0..1_000_u32 {
            assert_eq!(index.stale(&diff(Facet::Slot(Address::repeat_byte(9), U256::from(n)))).targets.len(), 1);
            assert!(index.reads_account(&Address::repeat_byte(9)));
        }
        // A thousand scans would be a hundred million set look-ups: minutes. This takes a millisecond or two.
        assert!(begin.elapsed() < std::time::Duration::from_secs(1), "{:?}", begin.elapsed());
    }
}
