//! The bundles that wait for their block.

use super::Front;
use crate::devnet::{
    relay::{bundle::Bundle, store::Store},
    report::IncludedBundle,
};
use alloy::primitives::U256;
use std::time::SystemTime;

impl Front {
    /// Works on the waiting bundles.
    pub(in crate::devnet) fn with_store<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        self.with_head_and_store(|_, store| work(store))
    }

    /// Works on the waiting bundles, knowing the newest block's number.
    pub(in crate::devnet) fn with_head_and_store<T>(&self, work: impl FnOnce(u64, &mut Store) -> T) -> T {
        let mut state = self.state.lock();
        let number = state.head.head.number;
        let done = work(number, &mut state.store);
        self.bundles.send_replace(state.store.len());
        done
    }

    /// How many bundles wait.
    #[must_use]
    pub fn waiting_bundles(&self) -> usize {
        *self.bundles.borrow()
    }

    /// Waits until exactly so many bundles wait.
    pub async fn bundles_waiting(&self, count: usize) {
        // It can't end otherwise: the sender is the front's own.
        let _reached = self.bundles.subscribe().wait_for(|waiting| *waiting == count).await.map(drop);
    }

    /// The bundles that may stand in this block.
    pub(in crate::devnet) fn bundles_for(&self, number: u64) -> Vec<(u64, Bundle)> {
        self.state.lock().store.for_block(number)
    }

    /// A bundle was executed on the head.
    pub(in crate::devnet) fn note_simulated(&self, bundle: &Bundle, number: u64, gas_used: u64) {
        self.with_store(|store| {
            store.charge(bundle.signer, U256::ZERO, gas_used);
            store.note(bundle.hash, number, |history| history.simulated = Some(SystemTime::now()));
        });
    }

    /// The bundles of a block are decided.
    pub(in crate::devnet) fn settle_bundles(&self, number: u64, included: &[IncludedBundle], gone: &[u64], now: SystemTime) {
        self.with_store(|store| {
            for bundle in included {
                let paid = U256::try_from(bundle.coinbase_diff).unwrap_or_default();
                store.charge(bundle.signer, paid, 0);
                store.note(bundle.hash, number, |history| {
                    history.considered = Some(now);
                    history.sealed = Some(now);
                });
            }
            for seq in gone {
                store.remove(*seq);
            }
            store.expire(number);
        });
    }
}
