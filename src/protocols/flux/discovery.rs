//! Which managers owe something, by the vaults' logs. The vaults themselves are configured.

use super::{
    interface::{POSITION_UPDATED, position_updated},
    setup::{FluxSetup, market_of},
};
use crate::{
    plan::TargetKey,
    protocols::{Discoverer, DiscoveryError, Found},
};
use alloy::primitives::{Address, Log};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the checkpoint.
const VERSION: u32 = 1;

/// The managers with a debt, by vault.
#[derive(Debug)]
pub struct FluxDiscoverer {
    managers: BTreeMap<Address, BTreeSet<Address>>,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u32,
    managers: BTreeMap<Address, BTreeSet<Address>>,
}

impl FluxDiscoverer {
    /// The configured vaults without managers.
    #[must_use]
    pub fn new(setup: &FluxSetup) -> Self {
        Self { managers: setup.vaults.iter().map(|vault| (*vault, BTreeSet::new())).collect() }
    }
}

/// The vault and the manager that a log is about, and whether the manager owes something after it.
pub(super) fn told_by(vaults: &BTreeSet<Address>, log: &Log) -> Result<Option<(Address, Address, bool)>, DiscoveryError> {
    if !vaults.contains(&log.address) || log.topics().first() != Some(&POSITION_UPDATED) {
        return Ok(None);
    }
    let (manager, owes) = position_updated(log)?;
    Ok(Some((log.address, manager, owes)))
}

impl Discoverer for FluxDiscoverer {
    fn apply(&mut self, log: &Log, _timestamp: u64) -> Result<Vec<Found>, DiscoveryError> {
        let vaults = self.managers.keys().copied().collect();
        let Some((vault, manager, owes)) = told_by(&vaults, log)? else { return Ok(Vec::new()) };
        let managers = self.managers.entry(vault).or_default();
        if owes {
            managers.insert(manager);
        } else {
            managers.remove(&manager);
        }
        Ok(vec![Found::Target(market_of(vault), TargetKey::Account(manager))])
    }

    fn found(&self) -> Vec<Found> {
        let markets = self.managers.keys().map(|vault| Found::Market(market_of(*vault)));
        let target = |(vault, managers): (&Address, &BTreeSet<Address>)| {
            let market = market_of(*vault);
            managers.iter().map(move |manager| Found::Target(market, TargetKey::Account(*manager))).collect::<Vec<_>>()
        };
        markets.chain(self.managers.iter().flat_map(target)).collect()
    }

    fn checkpoint(&self) -> Result<Vec<u8>, DiscoveryError> {
        let checkpoint = Checkpoint { version: VERSION, managers: self.managers.clone() };
        serde_json::to_vec(&checkpoint).map_err(|error| DiscoveryError::Checkpoint(error.to_string()))
    }

    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), DiscoveryError> {
        let checkpoint: Checkpoint = serde_json::from_slice(checkpoint).map_err(|error| DiscoveryError::Checkpoint(error.to_string()))?;
        if checkpoint.version != VERSION {
            return Err(DiscoveryError::Checkpoint(format!("it has version {}, this program writes {VERSION}", checkpoint.version)));
        }
        // A vault that it does not know would be followed from the checkpoint on only.
        if !checkpoint.managers.keys().eq(self.managers.keys()) {
            return Err(DiscoveryError::Checkpoint("it is of other vaults".into()));
        }
        self.managers = checkpoint.managers;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{B256, Bytes, LogData, U256};

    fn setup(vaults: &[u8]) -> FluxSetup {
        FluxSetup {
            id: "flux".into(),
            factory: Address::repeat_byte(1),
            vaults: vaults.iter().map(|byte| Address::repeat_byte(*byte)).collect(),
            from_block: 1,
            executor: Address::repeat_byte(2),
            additional_wrappers: Vec::new(),
            dust_usd: U256::ZERO,
            min_debt_usd: U256::ZERO,
            position_managers: BTreeSet::new(),
            standard_strategies: BTreeSet::new(),
            partial: false,
            keeper: None,
            keeper_min_repay_usd: U256::ZERO,
        }
    }

    fn updated(vault: u8, manager: u8, principal: u64, interest: u64) -> Log {
        let words: Vec<u8> = [principal, interest, 5].into_iter().flat_map(|word| U256::from(word).to_be_bytes::<32>()).collect();
        let topics = vec![POSITION_UPDATED, Address::repeat_byte(manager).into_word()];
        Log { address: Address::repeat_byte(vault), data: LogData::new_unchecked(topics, Bytes::from(words)) }
    }

    fn target(vault: u8, manager: u8) -> Found {
        Found::Target(market_of(Address::repeat_byte(vault)), TargetKey::Account(Address::repeat_byte(manager)))
    }

    #[test]
    fn managers_come_with_a_debt_and_go_without_one() {
        let mut discoverer = FluxDiscoverer::new(&setup(&[7, 8]));
        assert_eq!(discoverer.found().len(), 2, "vaults are there before any log");
        assert_eq!(discoverer.apply(&updated(7, 3, 100, 0), 0).unwrap(), vec![target(7, 3)]);
        discoverer.apply(&updated(8, 3, 0, 1), 0).unwrap();
        assert_eq!(discoverer.apply(&updated(9, 3, 1, 1), 0).unwrap(), Vec::new(), "nobody asked for that vault");
        assert!(discoverer.found().contains(&target(7, 3)) && discoverer.found().contains(&target(8, 3)), "interest alone is a debt");
        let checkpoint = discoverer.checkpoint().unwrap();
        assert_eq!(discoverer.apply(&updated(7, 3, 0, 0), 0).unwrap(), vec![target(7, 3)], "it has to be read once more");
        assert!(!discoverer.found().contains(&target(7, 3)));

        let mut later = FluxDiscoverer::new(&setup(&[7, 8]));
        later.restore(&checkpoint).unwrap();
        assert!(later.found().contains(&target(7, 3)));
        assert!(FluxDiscoverer::new(&setup(&[7])).restore(&checkpoint).unwrap_err().to_string().contains("other vaults"));
        assert!(later.restore(b"{}").is_err());
    }

    #[test]
    fn a_log_that_does_not_decode_changes_nothing() {
        let mut discoverer = FluxDiscoverer::new(&setup(&[7]));
        let cut = Log { address: Address::repeat_byte(7), data: LogData::new_unchecked(vec![POSITION_UPDATED, B256::ZERO], Bytes::from_static(&[1])) };
        assert!(discoverer.apply(&cut, 0).is_err());
        assert_eq!(discoverer.found().len(), 1);
    }
}
