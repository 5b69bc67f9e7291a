//! How many pending transactions are simulated in one block's time, and for whom.
//!
//! ```text
//! per block ┬─ carried over from earlier heads: half at most, of that half at most for what never wrote
//!           ├─ samples: a few, spread over the time of a block
//!           └─ the rest: what is new and known to matter          each sender: a few of all of them
//! ```

use super::{Bounds, Interest};
use crate::drivers::dropped::Dropped;
use alloy::primitives::{Address, map::HashMap};
use std::time::Duration;

/// What one head's simulations are charged to.
#[derive(Debug)]
pub(super) struct Budget {
    bounds: Bounds,
    simulated: usize,
    sampled: usize,
    by_sender: HashMap<Address, usize>,
    /// What is kept free for work from earlier heads until that is known.
    reserved: usize,
}

impl Budget {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, simulated: 0, sampled: 0, by_sender: HashMap::default(), reserved: 0 }
    }

    /// Most that work from earlier heads may take: half, so that what is new is never crowded out by what fails for ever. Rounded up, so that a budget of one
    /// serves both.
    pub(super) const fn carried(&self) -> usize {
        self.bounds.per_block.div_ceil(2)
    }

    /// A new head; `waiting` transactions of earlier heads are still to come.
    pub(super) fn head(&mut self, waiting: usize) {
        *self = Self { reserved: waiting.min(self.carried()), ..Self::new(self.bounds) };
    }

    /// Takes a place for a new transaction, so long after the head.
    pub(super) fn charge(&mut self, sender: Address, interest: Interest, since_head: Duration) -> Result<(), Dropped> {
        if interest == Interest::Sample && self.sampled >= self.samples_by(since_head) {
            return Err(Dropped::NotSampled);
        }
        self.take(sender, self.reserved)?;
        if interest == Interest::Sample {
            self.sampled = self.sampled.saturating_add(1);
        }
        Ok(())
    }

    /// Takes a place for a transaction of an earlier head.
    pub(super) fn carry(&mut self, sender: Address) -> Result<(), Dropped> {
        self.take(sender, 0)
    }

    /// All work of earlier heads has its place; what it did not need is for what is new.
    pub(super) const fn carried_all(&mut self) {
        self.reserved = 0;
    }

    fn take(&mut self, sender: Address, reserved: usize) -> Result<(), Dropped> {
        if self.simulated >= self.bounds.per_block.saturating_sub(reserved) {
            return Err(Dropped::BlockBudget);
        }
        let of_sender = self.by_sender.entry(sender).or_default();
        if *of_sender >= self.bounds.per_sender {
            return Err(Dropped::SenderBlockBudget);
        }
        *of_sender = of_sender.saturating_add(1);
        self.simulated = self.simulated.saturating_add(1);
        Ok(())
    }

    /// How many samples may have been taken so long after the head: the first at once, then evenly until all are.
    fn samples_by(&self, since_head: Duration) -> usize {
        let turn = self.bounds.spread.checked_div(u32::try_from(self.bounds.samples).unwrap_or(u32::MAX)).unwrap_or_default();
        let turns = since_head.as_nanos().checked_div(turn.as_nanos()).unwrap_or(u128::MAX);
        usize::try_from(turns).unwrap_or(usize::MAX).saturating_add(1).min(self.bounds.samples)
    }
}
