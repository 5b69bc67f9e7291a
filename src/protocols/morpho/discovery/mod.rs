//! Who has debt, from the contract's logs.
//!
//! ```text
//! log ─decode─▶ event ─replay─▶ totals and positions ─▶ Found
//!                                     │
//!                                 checkpoint (versioned JSON)
//! ```

mod checkpoint;
mod event;
mod replay;

pub use event::{Change, Event, LiquidateEvent, decode, topics};
pub use replay::{Keep, Replay, ReplayError, ReplayedMarket};

use super::Flavor;
use crate::{
    plan::{MarketId, TargetKey},
    protocols::{Discoverer, DiscoveryError, Found},
};
use alloy::primitives::{Address, B256, Log};
use checkpoint::Origin;
use std::collections::BTreeSet;

/// Positions with debt or collateral that are followed at most; more than any deployment has, and 100 MB.
pub const MOST_POSITIONS: usize = 1_000_000;

/// The replay of one deployment's logs.
#[derive(Debug)]
pub struct MorphoDiscoverer {
    origin: Origin,
    replay: Replay,
}

impl MorphoDiscoverer {
    /// Nothing yet. With a list of markets, the others' logs are passed over.
    #[must_use]
    pub const fn new(flavor: Flavor, contract: Address, watched: Option<BTreeSet<MarketId>>) -> Self {
        Self { origin: Origin { flavor, contract, watched }, replay: Replay::new(Keep::Borrowers, MOST_POSITIONS) }
    }

    /// What the logs say so far.
    #[must_use]
    pub const fn replay(&self) -> &Replay {
        &self.replay
    }

    fn is_watched(&self, event: &Event) -> bool {
        is_watched(event, self.origin.watched.as_ref())
    }
}

fn is_watched(event: &Event, watched: Option<&BTreeSet<MarketId>>) -> bool {
    let (Event::CreateMarket(id, _) | Event::InMarket(id, _)) = event else { return true };
    watched.is_none_or(|watched| watched.contains(id))
}

/// What a log is about, by itself.
pub(super) fn found_in(log: &Log, contract: Address, watched: Option<&BTreeSet<MarketId>>) -> Vec<Found> {
    if log.address != contract {
        return Vec::new();
    }
    match decode(log) {
        Ok(Some(event)) if is_watched(&event, watched) => match event {
            Event::CreateMarket(id, _) => vec![Found::Market(id)],
            Event::InMarket(id, change) => change.borrower().map(|account| Found::Target(id, TargetKey::Account(account))).into_iter().collect(),
            Event::FeeRecipient(_) | Event::DefaultFee(_) => Vec::new(),
        },
        Ok(_) | Err(_) => Vec::new(),
    }
}

impl Discoverer for MorphoDiscoverer {
    fn apply(&mut self, log: &Log, timestamp: u64) -> Result<Vec<Found>, DiscoveryError> {
        if log.address != self.origin.contract {
            return Ok(Vec::new());
        }
        let Some(event) = decode(log)? else { return Ok(Vec::new()) };
        if !self.is_watched(&event) {
            return Ok(Vec::new());
        }
        let touched = self.replay.apply(&event, timestamp).map_err(|error| DiscoveryError::Contradiction {
            topic: log.topics().first().copied().unwrap_or(B256::ZERO),
            address: log.address,
            reason: error.to_string(),
        })?;
        Ok(match event {
            Event::CreateMarket(id, _) => vec![Found::Market(id)],
            Event::InMarket(id, _) => touched.map(|account| Found::Target(id, TargetKey::Account(account))).into_iter().collect(),
            Event::FeeRecipient(_) | Event::DefaultFee(_) => Vec::new(),
        })
    }

    fn found(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for (id, market) in self.replay.markets() {
            found.push(Found::Market(*id));
            let in_debt = market.positions.iter().filter(|(_, position)| position.borrow_shares > 0);
            found.extend(in_debt.map(|(account, _)| Found::Target(*id, TargetKey::Account(*account))));
        }
        found
    }

    fn checkpoint(&self) -> Result<Vec<u8>, DiscoveryError> {
        checkpoint::write(&self.replay, &self.origin)
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), DiscoveryError> {
        checkpoint::read(checkpoint, &self.origin, &mut self.replay)
    }
}

#[cfg(test)]
mod tests;
