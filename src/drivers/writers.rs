//! Which kinds of call write to what the book was read from: learned, bounded, aged.
//!
//! ```text
//! mined transactions ──(to, selector), facets──▶ teach ─ a facet is read? ─▶ learn ┐
//! simulated pending ones ────────────────────────────────────────────────▶ learn ├─▶ { call: heads since its last hit }
//! new head ─▶ age: what had no hit for long goes                                  ┘
//! ```
//!
//! An oracle's `transmit` is found by its target, which is in a read set. A router that moves a pool, a keeper that calls a vault through
//! three proxies, an account that pokes a rate are not: their targets are in no read set. But what they changed in past blocks was.

use crate::fork::{Facet, TxChanges};
use alloy::primitives::{Address, Selector, map::HashMap};
use std::collections::BTreeSet;

/// A kind of call: whom, and the first four bytes of the input.
pub type CallKind = (Address, Selector);

/// Bounds of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterBounds {
    /// Most kinds of call; the one whose last hit is longest ago makes place.
    pub most: usize,
    /// Heads without a hit after which a kind is forgotten.
    pub idle_heads: u64,
}

/// The learned writers.
#[derive(Debug)]
pub struct Writers {
    bounds: WriterBounds,
    /// The head of the last hit, counted since the start: block numbers turn back in a reorg.
    last_hit: HashMap<CallKind, u64>,
    by_age: BTreeSet<(u64, CallKind)>,
    heads: u64,
}

impl Writers {
    /// An empty table.
    #[must_use]
    pub fn new(bounds: WriterBounds) -> Self {
        Self { bounds, last_hit: HashMap::default(), by_age: BTreeSet::new(), heads: 0 }
    }

    /// Whether this kind of call was seen to write.
    #[must_use]
    pub fn knows(&self, call: &CallKind) -> bool {
        self.last_hit.contains_key(call)
    }

    /// How many kinds of call are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.last_hit.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last_hit.is_empty()
    }

    /// Notes that this kind of call wrote.
    pub fn learn(&mut self, call: CallKind) {
        if let Some(before) = self.last_hit.insert(call, self.heads) {
            self.by_age.remove(&(before, call));
        }
        self.by_age.insert((self.heads, call));
        while self.last_hit.len() > self.bounds.most {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.last_hit.remove(&oldest);
        }
    }

    /// A new head: what had no hit for long is forgotten.
    pub fn age(&mut self) {
        self.heads = self.heads.saturating_add(1);
        let Some(since) = self.heads.checked_sub(self.bounds.idle_heads) else { return };
        while let Some((hit, call)) = self.by_age.first().copied()
            && hit < since
        {
            self.by_age.pop_first();
            self.last_hit.remove(&call);
        }
    }
}

/// The kinds of call among mined transactions that changed something that is read. A creation has no target, and a plain payment no
/// selector: whether such a one matters is seen by its target.
pub fn writers_among(txs: &[TxChanges], reads: impl Fn(&Facet) -> bool) -> Vec<CallKind> {
    let mut found: Vec<CallKind> = txs
        .iter()
        .filter_map(|tx| {
            let call = (tx.to?, tx.selector?);
            // What every transaction changes says nothing about the call, but balances of the called contract do.
            tx.facets.iter().any(&reads).then_some(call)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    const ROUTER: Address = Address::repeat_byte(1);
    const POOL: Address = Address::repeat_byte(2);

    fn call(n: u8) -> CallKind {
        (Address::repeat_byte(n), Selector::repeat_byte(n))
    }

    fn table(most: usize, idle_heads: u64) -> Writers {
        Writers::new(WriterBounds { most, idle_heads })
    }

    fn mined(to: Option<Address>, selector: Option<Selector>, facets: &[Facet]) -> TxChanges {
        TxChanges { to, selector, facets: facets.to_vec() }
    }

    #[test]
    fn the_one_without_a_hit_for_longest_makes_place() {
        let mut writers = table(3, 100);
        for n in [1, 2, 3] {
            writers.learn(call(n));
            writers.age();
        }
        writers.learn(call(1));
        writers.learn(call(4));
        assert!(writers.knows(&call(1)) && !writers.knows(&call(2)) && writers.knows(&call(3)) && writers.knows(&call(4)));
        assert_eq!(writers.len(), 3);
    }

    #[test]
    fn a_kind_lives_as_long_as_it_hits() {
        let mut writers = table(10, 3);
        writers.learn(call(1));
        writers.learn(call(2));
        for _ in 0..3 {
            writers.age();
        }
        assert!(writers.knows(&call(1)), "three heads without a hit are allowed");
        writers.learn(call(1));
        writers.age();
        assert!(writers.knows(&call(1)) && !writers.knows(&call(2)));
        for _ in 0..3 {
            writers.age();
        }
        assert!(writers.is_empty() && writers.by_age.is_empty());
    }

    #[test]
    fn many_hits_leave_one_entry() {
        let mut writers = table(10, 1_000);
        for n in 0..250 {
            writers.learn(call(n % 7));
            writers.age();
        }
        assert_eq!((writers.len(), writers.by_age.len()), (7, 7));
    }

    #[test]
    fn a_call_is_a_writer_by_what_it_changed_wherever_it_went() {
        let slot = Facet::Slot(POOL, U256::from(4));
        let read = |facet: &Facet| *facet == slot || *facet == Facet::Balance(POOL);
        let swap = Selector::repeat_byte(0xaa);
        let txs = [
            mined(Some(ROUTER), Some(swap), &[Facet::Nonce(Address::ZERO), slot]),
            mined(Some(ROUTER), Some(swap), &[slot]),
            mined(Some(ROUTER), Some(Selector::repeat_byte(0xbb)), &[Facet::Slot(POOL, U256::from(5))]),
            // A creation and a payment have no kind.
            mined(None, Some(swap), &[slot]),
            mined(Some(POOL), None, &[Facet::Balance(POOL)]),
            mined(Some(POOL), Some(Selector::repeat_byte(0xcc)), &[Facet::Balance(POOL)]),
        ];
        assert_eq!(writers_among(&txs, read), vec![(ROUTER, swap), (POOL, Selector::repeat_byte(0xcc))]);
    }
}
