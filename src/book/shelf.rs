//! The targets of one market, in order.

use crate::{
    fork::TargetBlock,
    plan::{Skip, TargetKey},
    protocols::{MarketReading, OrderKey, Read, TargetReading},
};
use alloy::primitives::U256;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// A target as it was last read.
#[derive(Clone, Debug)]
pub struct TargetEntry {
    /// Its figures, or why they could not be read.
    pub reading: Result<TargetReading, Skip>,
}

impl TargetEntry {
    fn order_key(&self) -> OrderKey {
        self.reading.as_ref().map_or(OrderKey::Unordered, |reading| reading.key)
    }
}

/// The targets of one market: ordered where there is an order, listed apart where there is none.
#[derive(Debug, Default)]
pub struct Shelf {
    targets: BTreeMap<TargetKey, TargetEntry>,
    ordered: BTreeSet<(U256, TargetKey)>,
    timed: BTreeSet<(u64, TargetKey)>,
    apart: BTreeSet<TargetKey>,
    reading: Option<Read<MarketReading>>,
    /// The target block that the reading is for. Two heads of one height and time have different ones.
    read_for: Option<TargetBlock>,
}

impl Shelf {
    pub(super) fn set_reading(&mut self, block: &TargetBlock, reading: Read<MarketReading>) {
        self.reading = Some(reading);
        self.read_for = Some(block.clone());
    }

    pub(super) fn forget_reading(&mut self) {
        self.reading = None;
        self.read_for = None;
    }

    /// Whether the market must be read for this target block: never read, or its value depends on the block.
    #[must_use]
    pub fn is_due(&self, block: &TargetBlock) -> bool {
        match (&self.reading, &self.read_for) {
            (Some(read), Some(read_for)) => read_for != block && read.reads.reads_environment(),
            _ => true,
        }
    }

    pub(super) fn place(&mut self, key: TargetKey, reading: Result<TargetReading, Skip>) {
        self.remove(&key);
        let entry = TargetEntry { reading };
        match entry.order_key() {
            OrderKey::Ratio(ratio) => {
                self.ordered.insert((ratio, key));
            }
            OrderKey::From(timestamp) => {
                self.timed.insert((timestamp, key));
            }
            OrderKey::Unordered | OrderKey::Dust => {
                self.apart.insert(key);
            }
            // Listed only: there is nothing to seize.
            OrderKey::NoCollateral => {}
            OrderKey::Closed => return,
        }
        self.targets.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: &TargetKey) {
        match self.targets.remove(key).map(|entry| entry.order_key()) {
            Some(OrderKey::Ratio(ratio)) => {
                self.ordered.remove(&(ratio, *key));
            }
            Some(OrderKey::From(timestamp)) => {
                self.timed.remove(&(timestamp, *key));
            }
            _ => {}
        }
        self.apart.remove(key);
    }

    /// The market's newest reading, if it was ever read.
    #[must_use]
    pub const fn reading(&self) -> Option<&Read<MarketReading>> {
        self.reading.as_ref()
    }

    /// A target.
    #[must_use]
    pub fn get(&self, key: &TargetKey) -> Option<&TargetEntry> {
        self.targets.get(key)
    }

    /// Whether a target is on the dust list: it is asked, but never worth a simulation.
    #[must_use]
    pub fn is_dust(&self, key: &TargetKey) -> bool {
        self.targets.get(key).is_some_and(|entry| entry.order_key() == OrderKey::Dust)
    }

    /// All targets with their readings.
    pub fn targets(&self) -> impl Iterator<Item = (&TargetKey, &TargetEntry)> {
        self.targets.iter()
    }

    /// How many targets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Targets whose key is strictly above the boundary, riskiest first, then those outside the order.
    #[must_use]
    pub fn above(&self, boundary: U256) -> Vec<TargetKey> {
        // `TargetKey` has no greatest value, so the range starts at the next ratio.
        let ordered = boundary.checked_add(U256::ONE).into_iter().flat_map(|first| {
            let lowest = TargetKey::Account(alloy::primitives::Address::ZERO);
            self.ordered.range((Bound::Included((first, lowest)), Bound::Unbounded)).rev().map(|(_, key)| *key)
        });
        ordered.chain(self.apart.iter().copied()).collect()
    }

    /// Targets whose time has come, longest ago first, then those outside the order.
    #[must_use]
    pub fn due_by(&self, timestamp: u64) -> Vec<TargetKey> {
        let due = self.timed.iter().take_while(|(from, _)| *from <= timestamp);
        due.map(|(_, key)| *key).chain(self.apart.iter().copied()).collect()
    }

    /// All targets.
    #[must_use]
    pub fn all(&self) -> Vec<TargetKey> {
        self.targets.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::Head,
        fork::{ChainRules, EnvWord, Facet, Hardfork, ReadSet},
    };
    use alloy::primitives::{Address, B256};

    fn reading(key: OrderKey) -> Result<TargetReading, Skip> {
        Ok(TargetReading { key, debt: U256::ONE, collateral: U256::ONE })
    }

    fn account(n: u8) -> TargetKey {
        TargetKey::Account(Address::repeat_byte(n))
    }

    #[test]
    fn a_boundary_cuts_the_order_and_keeps_what_has_none() {
        let mut shelf = Shelf::default();
        shelf.place(account(1), reading(OrderKey::Ratio(U256::from(10))));
        shelf.place(account(2), reading(OrderKey::Ratio(U256::from(20))));
        shelf.place(account(3), reading(OrderKey::Ratio(U256::from(30))));
        shelf.place(account(4), reading(OrderKey::Unordered));
        shelf.place(account(5), reading(OrderKey::Dust));
        assert_eq!(shelf.above(U256::from(19)), vec![account(3), account(2), account(4), account(5)]);
        assert_eq!(shelf.above(U256::from(20)), vec![account(3), account(4), account(5)]);
        assert_eq!(shelf.above(U256::MAX), vec![account(4), account(5)]);
        assert!(shelf.is_dust(&account(5)) && !shelf.is_dust(&account(4)));
    }

    #[test]
    fn a_target_is_due_from_its_second_on() {
        let mut shelf = Shelf::default();
        shelf.place(account(1), reading(OrderKey::From(200)));
        shelf.place(account(2), reading(OrderKey::From(100)));
        shelf.place(account(3), reading(OrderKey::Unordered));
        assert_eq!(shelf.due_by(99), vec![account(3)]);
        assert_eq!(shelf.due_by(100), vec![account(2), account(3)]);
        assert_eq!(shelf.due_by(200), vec![account(2), account(1), account(3)]);
        shelf.place(account(2), reading(OrderKey::From(300)));
        assert_eq!(shelf.due_by(299), vec![account(1), account(3)], "its old time is forgotten");
        shelf.remove(&account(1));
        assert_eq!(shelf.due_by(u64::MAX), vec![account(2), account(3)]);
    }

    #[test]
    fn sibling_heads_are_not_the_same_block() {
        let head = |hash: u8| Head { timestamp: 1_200, base_fee: 7, gas_limit: 30_000_000, ..Head::placed(100, B256::repeat_byte(hash), B256::repeat_byte(1)) };
        let rules = ChainRules::fixed(1, 12, Hardfork::Osaka);
        let (ours, sibling) = (TargetBlock::after(&head(2), &rules), TargetBlock::after(&head(3), &rules));
        let mut reads = ReadSet::default();
        reads.insert(Facet::Env(EnvWord::Timestamp));
        let reading = |reads: ReadSet| Read { value: Err(Skip::new(crate::plan::SkipReason::Paused, "")), reads };
        let mut shelf = Shelf::default();
        shelf.set_reading(&ours, reading(reads));
        assert!(!shelf.is_due(&ours) && shelf.is_due(&sibling));
        shelf.set_reading(&ours, reading(ReadSet::default()));
        assert!(!shelf.is_due(&sibling), "what reads no environment word is kept right by diffs");
    }

    #[test]
    fn a_target_that_moves_or_closes_leaves_nothing_behind() {
        let mut shelf = Shelf::default();
        shelf.place(account(1), reading(OrderKey::Ratio(U256::from(10))));
        shelf.place(account(1), reading(OrderKey::Ratio(U256::from(50))));
        assert_eq!(shelf.above(U256::ZERO), vec![account(1)]);
        shelf.place(account(1), reading(OrderKey::NoCollateral));
        assert!(shelf.above(U256::ZERO).is_empty() && shelf.len() == 1);
        shelf.place(account(1), reading(OrderKey::Closed));
        assert!(shelf.is_empty() && shelf.above(U256::ZERO).is_empty());
    }
}
