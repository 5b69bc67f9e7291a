//! Which pools there are: those that a manager registered. What is in them is read from their storage.

use super::{FxSetup, abi, setup::market_of};
use crate::protocols::{Discoverer, DiscoveryError, Found};
use alloy::{
    primitives::{Address, B256, Log},
    sol_types::SolEvent,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The form of a checkpoint; another form is another number.
const VERSION: u32 = 1;

/// The first topic that matters.
pub(super) const REGISTERED: B256 = abi::Manager::RegisterPool::SIGNATURE_HASH;

/// The pools that were registered so far.
#[derive(Debug)]
pub struct FxDiscoverer {
    setup: FxSetup,
    pools: BTreeSet<Address>,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u32,
    managers: [Address; 2],
    pools: BTreeSet<Address>,
}

impl FxDiscoverer {
    /// Nothing yet.
    #[must_use]
    pub const fn new(setup: FxSetup) -> Self {
        Self { setup, pools: BTreeSet::new() }
    }
}

/// The pool that a log registers.
pub(super) fn registered(setup: &FxSetup, log: &Log) -> Result<Option<Address>, DiscoveryError> {
    if ![setup.long_manager, setup.short_manager].contains(&log.address) || log.topics().first() != Some(&REGISTERED) {
        return Ok(None);
    }
    let event = abi::Manager::RegisterPool::decode_log_validate(log).map_err(|error| DiscoveryError::Log {
        topic: REGISTERED,
        address: log.address,
        reason: error.to_string(),
    })?;
    Ok(Some(event.pool))
}

impl Discoverer for FxDiscoverer {
    fn apply(&mut self, log: &Log, _timestamp: u64) -> Result<Vec<Found>, DiscoveryError> {
        let Some(pool) = registered(&self.setup, log)? else { return Ok(Vec::new()) };
        self.pools.insert(pool);
        Ok(if self.setup.follows(pool) { vec![Found::Market(market_of(pool))] } else { Vec::new() })
    }

    fn found(&self) -> Vec<Found> {
        self.pools.iter().filter(|pool| self.setup.follows(**pool)).map(|pool| Found::Market(market_of(*pool))).collect()
    }

    fn checkpoint(&self) -> Result<Vec<u8>, DiscoveryError> {
        let checkpoint = Checkpoint { version: VERSION, managers: [self.setup.long_manager, self.setup.short_manager], pools: self.pools.clone() };
        serde_json::to_vec(&checkpoint).map_err(|error| DiscoveryError::Checkpoint(error.to_string()))
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), DiscoveryError> {
        let checkpoint: Checkpoint = serde_json::from_slice(checkpoint).map_err(|error| DiscoveryError::Checkpoint(error.to_string()))?;
        if checkpoint.version != VERSION {
            return Err(DiscoveryError::Checkpoint(format!("it has version {}, this program writes {VERSION}", checkpoint.version)));
        }
        if checkpoint.managers != [self.setup.long_manager, self.setup.short_manager] {
            return Err(DiscoveryError::Checkpoint("it belongs to other managers".into()));
        }
        self.pools = checkpoint.pools;
        Ok(())
    }
}
