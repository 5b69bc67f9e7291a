//! Known markets and targets, ordered by distance to the boundary.
//!
//! ```text
//! Found ─▶ [new, unread] ─refresh(view, block)─▶ shelf of a market: ordered keys │ dust │ no collateral │ unordered
//! state diff ─▶ index (facet ─▶ values) ─▶ what is stale
//! boundary ──▶ beyond(): the range above it, O(log n + k)
//! ```
//!
//! A price move shifts the boundary, not the keys, so it costs the positions that crossed and nothing else.

mod index;
mod shelf;

pub use index::{Stale, ValueRef};
pub use shelf::{Shelf, TargetEntry};

use crate::{
    fork::{Facet, ReadSet, StateDiff, TargetBlock, View},
    plan::{MarketId, TargetKey},
    protocols::{Found, MarketReading, OrderKey, Protocol, Read, Screen, TargetReading},
};
use alloy::primitives::{Address, Log};
use index::Index;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A market of one of the book's protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarketRef {
    /// Place of the protocol in [`Book::protocols`].
    pub protocol: usize,
    /// The market.
    pub market: MarketId,
}

/// What a refresh did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Markets that were read.
    pub markets: usize,
    /// Targets that were read.
    pub targets: usize,
    /// Values that the fork could not give: they stay stale and are tried again at the next refresh.
    pub failed: Vec<String>,
}

/// All known markets and targets.
#[derive(Debug)]
pub struct Book {
    protocols: Vec<Arc<dyn Protocol>>,
    shelves: BTreeMap<MarketRef, Shelf>,
    index: Index,
    /// Values that are known to exist and were not read since they changed.
    unread: Stale,
}

impl Book {
    /// An empty book over these protocols.
    #[must_use]
    pub fn new(protocols: Vec<Arc<dyn Protocol>>) -> Self {
        Self { protocols, shelves: BTreeMap::new(), index: Index::default(), unread: Stale::default() }
    }

    /// The protocols, in the order that [`MarketRef::protocol`] counts.
    #[must_use]
    pub fn protocols(&self) -> &[Arc<dyn Protocol>] {
        &self.protocols
    }

    /// The protocol of a market.
    #[must_use]
    pub fn protocol(&self, market: MarketRef) -> Option<&Arc<dyn Protocol>> {
        self.protocols.get(market.protocol)
    }

    /// Notes that something exists, or may have changed, and has to be read at the next refresh.
    pub fn found(&mut self, protocol: usize, found: Found) {
        match found {
            Found::Market(market) => {
                let market = MarketRef { protocol, market };
                self.shelves.entry(market).or_default();
                self.unread.markets.insert(market);
            }
            Found::Target(market, key) => {
                let market = MarketRef { protocol, market };
                self.shelves.entry(market).or_default();
                self.unread.targets.insert((market, key));
            }
        }
    }

    /// Whether something is in the book already. What it says of it is then kept right by state diffs, whatever the logs did.
    #[must_use]
    pub fn knows(&self, protocol: usize, found: &Found) -> bool {
        match found {
            Found::Market(market) => self.shelves.contains_key(&MarketRef { protocol, market: *market }),
            Found::Target(market, key) => {
                let market = MarketRef { protocol, market: *market };
                self.unread.targets.contains(&(market, *key)) || self.shelves.get(&market).is_some_and(|shelf| shelf.get(key).is_some())
            }
        }
    }

    /// Notes what a state diff made stale, to be read at the next refresh.
    pub fn changed(&mut self, diff: &StateDiff) {
        let stale = self.index.stale(diff);
        self.unread.markets.extend(stale.markets);
        self.unread.targets.extend(stale.targets);
    }

    /// The values that a state diff makes stale.
    #[must_use]
    pub fn stale(&self, diff: &StateDiff) -> Stale {
        self.index.stale(diff)
    }

    /// What transactions that changed this and logged that concern: the values that are stale after them, and the markets and
    /// targets that begin with them. Those can be asked on the overlay before they are mined.
    #[must_use]
    pub fn concerned<'a>(&self, diff: &StateDiff, logs: impl Iterator<Item = &'a Log>) -> Stale {
        let mut stale = self.index.stale(diff);
        for log in logs {
            for (place, protocol) in self.protocols.iter().enumerate() {
                for found in protocol.found_in(log) {
                    self.begins(place, found, &mut stale);
                }
            }
        }
        stale
    }

    /// Adds what is not known yet; a known value is stale by what it was read from, if it is.
    fn begins(&self, protocol: usize, found: Found, stale: &mut Stale) {
        let (Found::Market(id) | Found::Target(id, _)) = found;
        let market = MarketRef { protocol, market: id };
        let shelf = self.shelves.get(&market);
        match found {
            Found::Market(_) if shelf.is_none() => {
                stale.markets.insert(market);
            }
            Found::Target(_, key) if shelf.is_none_or(|shelf| shelf.get(&key).is_none()) => {
                stale.targets.insert((market, key));
            }
            Found::Market(_) | Found::Target(..) => {}
        }
    }

    /// Whether any value was read from this facet.
    #[must_use]
    pub fn reads(&self, facet: &Facet) -> bool {
        self.index.reads(facet)
    }

    /// How many facets the values were read from, each counted once.
    #[must_use]
    pub fn facet_count(&self) -> usize {
        self.index.len()
    }

    /// Whether any value was read from a facet of this account.
    #[must_use]
    pub fn reads_account(&self, address: &Address) -> bool {
        self.index.reads_account(address)
    }

    /// The facets that the unread targets need, so that they can be fetched in few requests.
    #[must_use]
    pub fn wanted(&self) -> ReadSet {
        let mut wanted = ReadSet::default();
        for (market, key) in &self.unread.targets {
            if let Some(protocol) = self.protocol(*market) {
                wanted.extend(&protocol.target_facets(market.market, *key));
            }
        }
        wanted
    }

    /// Reads what is unread or stale, and every market whose value depends on the target block.
    pub fn refresh(&mut self, view: &View, block: &TargetBlock) -> Refreshed {
        let mut done = Refreshed::default();
        let unread = std::mem::take(&mut self.unread);
        self.read_targets(unread.targets, view, block, &mut done);

        let due: Vec<MarketRef> =
            self.shelves.iter().filter(|(market, shelf)| unread.markets.contains(market) || shelf.is_due(block)).map(|(market, _)| *market).collect();
        let mut unknown = BTreeSet::new();
        for market in due {
            let Some(protocol) = self.protocols.get(market.protocol).cloned() else { continue };
            match protocol.read_market(view, block, market.market) {
                Ok(read) => {
                    done.markets += 1;
                    self.index.replace(ValueRef::Market(market), &read.reads);
                    if let Some(shelf) = self.shelves.get_mut(&market) {
                        let members = read.value.iter().flat_map(|reading| &reading.members).filter(|key| shelf.get(key).is_none());
                        unknown.extend(members.map(|key| (market, *key)));
                        shelf.set_reading(block, read);
                    }
                }
                Err(error) => {
                    done.failed.push(format!("{} {}: {error}", protocol.id(), market.market));
                    self.unread.markets.insert(market);
                    // What it said before belongs to another state.
                    if let Some(shelf) = self.shelves.get_mut(&market) {
                        shelf.forget_reading();
                    }
                }
            }
        }
        self.read_targets(unknown, view, block, &mut done);
        done
    }

    fn read_targets(&mut self, targets: BTreeSet<(MarketRef, TargetKey)>, view: &View, block: &TargetBlock, done: &mut Refreshed) {
        for (market, key) in targets {
            let Some(protocol) = self.protocols.get(market.protocol).cloned() else { continue };
            match protocol.read_target(view, block, market.market, key) {
                Ok(read) => {
                    done.targets += 1;
                    self.place(market, key, read);
                }
                Err(error) => {
                    done.failed.push(format!("{} {} {key}: {error}", protocol.id(), market.market));
                    self.unread.targets.insert((market, key));
                }
            }
        }
    }

    fn place(&mut self, market: MarketRef, key: TargetKey, read: Read<TargetReading>) {
        let shelf = self.shelves.entry(market).or_default();
        let closed = matches!(&read.value, Ok(reading) if reading.key == OrderKey::Closed);
        if closed {
            shelf.remove(&key);
            self.index.forget(ValueRef::Target(market, key));
        } else {
            self.index.replace(ValueRef::Target(market, key), &read.reads);
            shelf.place(key, read.value);
        }
    }

    /// All markets with what is known of them.
    pub fn markets(&self) -> impl Iterator<Item = (MarketRef, &Shelf)> {
        self.shelves.iter().map(|(market, shelf)| (*market, shelf))
    }

    /// One market.
    #[must_use]
    pub fn shelf(&self, market: MarketRef) -> Option<&Shelf> {
        self.shelves.get(&market)
    }

    /// How many targets are known.
    #[must_use]
    pub fn target_count(&self) -> usize {
        self.shelves.values().map(Shelf::len).sum()
    }

    /// The targets of a market that a reading puts beyond the boundary by the target block, or names itself; those without an order included.
    #[must_use]
    pub fn beyond(&self, market: MarketRef, reading: &MarketReading, block: &TargetBlock) -> Vec<TargetKey> {
        let Some(shelf) = self.shelves.get(&market) else { return Vec::new() };
        match &reading.screen {
            Screen::Ordered { boundary } => shelf.above(*boundary),
            Screen::Timed => shelf.due_by(block.timestamp),
            Screen::Listed(targets) => targets.clone(),
            Screen::OnStale => shelf.all(),
        }
    }
}
