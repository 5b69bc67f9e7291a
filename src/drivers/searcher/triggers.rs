//! Pending transactions that concern us, in the order in which the engine is asked.
//!
//! ```text
//! ready ─▶ writes to what a value was read from ─▶ first ┐
//!      └─▶ known for it, and fails here ─────────▶ then ─┴▶ engine, one at a time
//!                      └─ more than a few a head: not at all
//! ```

use crate::{drivers::session::InFront, fork::SimTx};
use alloy::primitives::B256;
use std::{collections::VecDeque, sync::Arc};

/// Most transactions that fail which the engine is asked about at one head. All that it adds is the reason, and whoever sends what fails can send
/// much of it.
const MOST_FAILING: usize = 32;

/// A pending transaction that concerns us, to be run at the head that it was made ready at.
#[derive(Debug)]
pub(super) struct Concerning {
    pub(super) tx: SimTx,
    pub(super) front: Arc<InFront>,
    pub(super) head: B256,
    /// Whether it changed what a value was read from; false if it fails here.
    pub(super) writes: bool,
}

/// Those that wait for the engine.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    writing: VecDeque<Concerning>,
    failing: VecDeque<Concerning>,
    /// How many that fail were taken in at this head.
    failed: usize,
}

impl Triggers {
    /// A new head: gives back what waits, what writes first.
    pub(super) fn head(&mut self) -> impl Iterator<Item = Concerning> {
        let Self { writing, failing, .. } = std::mem::take(self);
        writing.into_iter().chain(failing)
    }

    /// Takes in one more.
    ///
    /// # Errors
    /// Gives it back if it fails and enough of those were taken in.
    pub(super) fn push(&mut self, trigger: Concerning) -> Result<(), Concerning> {
        if trigger.writes {
            self.writing.push_back(trigger);
        } else if self.failed < MOST_FAILING {
            self.failed = self.failed.saturating_add(1);
            self.failing.push_back(trigger);
        } else {
            return Err(trigger);
        }
        Ok(())
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<Concerning> {
        self.writing.pop_front().or_else(|| self.failing.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{
        consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope, transaction::Recovered},
        primitives::{Address, Signature, U256},
    };

    fn trigger(nonce: u64, writes: bool) -> Concerning {
        let signed = TxEip1559 { nonce, ..TxEip1559::default() }.into_signed(Signature::new(U256::ONE, U256::ONE, false));
        let tx = Arc::new(Recovered::new_unchecked(TxEnvelope::from(signed), Address::ZERO));
        Concerning { tx, front: Arc::default(), head: B256::ZERO, writes }
    }

    fn nonces(triggers: &mut Triggers) -> Vec<u64> {
        std::iter::from_fn(|| triggers.pop()).map(|trigger| trigger.tx.nonce()).collect()
    }

    #[test]
    fn what_writes_comes_before_all_that_fails() {
        let mut triggers = Triggers::default();
        for (nonce, writes) in [(0, false), (1, false), (2, true), (3, false), (4, true)] {
            triggers.push(trigger(nonce, writes)).unwrap();
        }
        assert_eq!(nonces(&mut triggers), [2, 4, 0, 1, 3]);
    }

    #[test]
    fn what_fails_is_bounded_at_each_head_and_what_writes_is_not() {
        let mut triggers = Triggers::default();
        let taken = (0..1_000).filter(|nonce| triggers.push(trigger(*nonce, false)).is_ok()).count();
        assert_eq!(taken, MOST_FAILING);
        // Having been run makes no place for more of the kind.
        nonces(&mut triggers);
        assert!(triggers.push(trigger(0, false)).is_err());
        assert!((0..1_000).all(|nonce| triggers.push(trigger(nonce, true)).is_ok()));
        assert_eq!(triggers.head().count(), 1_000);
        assert!(triggers.push(trigger(0, false)).is_ok(), "a head begins anew");
    }
}
