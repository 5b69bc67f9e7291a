//! Pending transactions that may change a value: which are simulated, behind what, and for how long they are remembered.
//!
//! ```text
//! pending ─▶ known per sender, by nonce ─▶ may it touch a read set? ─▶ reachable? (nonce, funds, fee, gas) ─▶ front
//!             bounded, replaced by fee       sender, target, access     every "no" has a counter
//!                                            list, writers, samples
//! ```
//!
//! A pure data structure: what is read, who has which nonce and what was mined come in as values.

use super::{
    dropped::Dropped,
    writers::{CallKind, WriterBounds, Writers},
};
use crate::fork::{AccountState, SimTx};
use alloy::{
    consensus::Transaction,
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Selector, U256, map::HashMap},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Bounds of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most transactions that are remembered.
    pub total: usize,
    /// Most of one sender.
    pub per_sender: usize,
    /// Most simulated in one block's time.
    pub per_block: usize,
    /// Of those, most that nothing says anything about.
    pub samples: usize,
    /// The time that samples are spread over, from the head on: a block's. All at once they would compete with the head's own work, and
    /// say nothing about what comes later.
    pub spread: Duration,
    /// Most gas of a trigger.
    pub max_gas: u64,
    /// Most bytes of a trigger, as it is sent.
    pub max_bytes: usize,
    /// Bounds of the learned writers.
    pub writers: WriterBounds,
}

/// Why a transaction is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// It is known to be able to touch a read set.
    Known,
    /// Nothing is known about it; it is one of the block's samples.
    Sample,
}

#[derive(Clone, Debug)]
struct Entry {
    tx: SimTx,
    /// Why it is tried again at the next head; none if it is not.
    waits: Option<Interest>,
}

/// The pending transactions that the searcher knows.
#[derive(Debug)]
pub struct Mempool {
    bounds: Bounds,
    senders: HashMap<Address, BTreeMap<u64, Entry>>,
    /// Arrival order, for ageing. Entries of transactions that were replaced or removed stay until they are met.
    order: VecDeque<(Address, u64, B256)>,
    /// What is tried again at the next head, in the order of arrival; the entries say whether it still is.
    waiting: VecDeque<B256>,
    by_hash: HashMap<B256, (Address, u64)>,
    writers: Writers,
    simulated: usize,
    sampled: usize,
    dropped: BTreeMap<Dropped, u64>,
}

impl Mempool {
    /// An empty pool.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            senders: HashMap::default(),
            order: VecDeque::new(),
            waiting: VecDeque::new(),
            by_hash: HashMap::default(),
            writers: Writers::new(bounds.writers),
            simulated: 0,
            sampled: 0,
            dropped: BTreeMap::new(),
        }
    }

    /// How many were dropped for each reason since the start.
    #[must_use]
    pub const fn dropped(&self) -> &BTreeMap<Dropped, u64> {
        &self.dropped
    }

    /// The learned writers.
    #[must_use]
    pub const fn writers(&self) -> &Writers {
        &self.writers
    }

    /// Counts a drop.
    pub fn count(&mut self, reason: Dropped) -> Dropped {
        let counter = self.dropped.entry(reason).or_default();
        *counter = counter.saturating_add(1);
        reason
    }

    /// Remembers a transaction.
    ///
    /// # Errors
    /// Why it is not even remembered, or that it is known already.
    pub fn insert(&mut self, tx: &SimTx) -> Result<(), Dropped> {
        let (sender, nonce, hash) = (tx.signer(), tx.nonce(), *tx.tx_hash());
        if self.by_hash.contains_key(&hash) {
            return Err(self.count(Dropped::Known));
        }
        if tx.gas_limit() > self.bounds.max_gas {
            return Err(self.count(Dropped::GasTooHigh));
        }
        if tx.inner().encode_2718_len() > self.bounds.max_bytes {
            return Err(self.count(Dropped::TooLarge));
        }
        let waiting = self.senders.entry(sender).or_default();
        match waiting.get(&nonce) {
            Some(known) if known.tx.max_fee_per_gas() >= tx.max_fee_per_gas() => return Err(self.count(Dropped::Underpriced)),
            Some(known) => {
                let replaced = *known.tx.tx_hash();
                self.by_hash.remove(&replaced);
            }
            None if waiting.len() >= self.bounds.per_sender => {
                // The lowest nonce is the one most likely used already; nobody tells us when an uninteresting one is.
                let lowest = waiting.iter().next().map(|(nonce, entry)| (*nonce, *entry.tx.tx_hash()));
                self.count(Dropped::SenderBudget);
                if let Some((lowest, hash)) = lowest {
                    self.remove(sender, lowest, hash);
                }
            }
            None => {}
        }
        self.senders.entry(sender).or_default().insert(nonce, Entry { tx: tx.clone(), waits: None });
        self.by_hash.insert(hash, (sender, nonce));
        self.order.push_back((sender, nonce, hash));
        if self.order.len() > self.bounds.total.saturating_mul(2) {
            let by_hash = &self.by_hash;
            self.order.retain(|(_, _, hash)| by_hash.contains_key(hash));
        }
        while self.by_hash.len() > self.bounds.total {
            let Some((sender, nonce, hash)) = self.order.pop_front() else { break };
            if self.remove(sender, nonce, hash) {
                self.count(Dropped::Aged);
            }
        }
        Ok(())
    }

    fn remove(&mut self, sender: Address, nonce: u64, hash: B256) -> bool {
        if self.by_hash.remove(&hash).is_none() {
            return false;
        }
        if let Some(waiting) = self.senders.get_mut(&sender) {
            if waiting.get(&nonce).is_some_and(|known| *known.tx.tx_hash() == hash) {
                waiting.remove(&nonce);
            }
            if waiting.is_empty() {
                self.senders.remove(&sender);
            }
        }
        true
    }

    /// Forgets a transaction.
    pub fn forget(&mut self, tx: &SimTx) {
        self.remove(tx.signer(), tx.nonce(), *tx.tx_hash());
    }

    /// Whether a transaction may touch a read set: by its sender or target, its access list, or what its kind of call did before. One
    /// that nothing is known about may be a sample, if its turn has come so long after the head.
    ///
    /// # Errors
    /// Why it is not simulated at this head.
    pub fn choose(&mut self, tx: &SimTx, since_head: Duration, reads_account: impl Fn(&Address) -> bool) -> Result<Interest, Dropped> {
        let known = tx.to().is_some_and(|to| reads_account(&to))
            || call_of(tx).is_some_and(|call| self.writers.knows(&call))
            || reads_account(&tx.signer())
            || tx.access_list().is_some_and(|list| list.iter().any(|item| reads_account(&item.address)));
        let interest = if known { Interest::Known } else { Interest::Sample };
        if let Err(why) = self.charge(interest, self.samples_by(since_head)) {
            if known {
                self.wait(tx, interest);
            }
            return Err(self.count(why));
        }
        Ok(interest)
    }

    /// How many samples may have been taken so long after the head: the first at once, then evenly until all are.
    fn samples_by(&self, since_head: Duration) -> usize {
        let turn = self.bounds.spread.checked_div(u32::try_from(self.bounds.samples).unwrap_or(u32::MAX)).unwrap_or_default();
        let turns = since_head.as_nanos().checked_div(turn.as_nanos()).unwrap_or(u128::MAX);
        usize::try_from(turns).unwrap_or(usize::MAX).saturating_add(1).min(self.bounds.samples)
    }

    fn charge(&mut self, interest: Interest, samples: usize) -> Result<(), Dropped> {
        if self.simulated >= self.bounds.per_block {
            return Err(Dropped::BlockBudget);
        }
        if interest == Interest::Sample {
            if self.sampled >= samples {
                return Err(Dropped::NotSampled);
            }
            self.sampled = self.sampled.saturating_add(1);
        }
        self.simulated = self.simulated.saturating_add(1);
        Ok(())
    }

    /// Notes that a transaction touches a read set: it is tried again at each head while it waits, and its kind of call is remembered.
    pub fn learn(&mut self, tx: &SimTx) {
        if let Some(call) = call_of(tx) {
            self.writers.learn(call);
        }
        self.wait(tx, Interest::Known);
    }

    /// Remembers kinds of call that mined transactions were seen to write with.
    pub fn teach(&mut self, calls: impl IntoIterator<Item = CallKind>) {
        calls.into_iter().for_each(|call| self.writers.learn(call));
    }

    /// Tries a transaction again at the next head.
    pub fn wait(&mut self, tx: &SimTx, interest: Interest) {
        let hash = *tx.tx_hash();
        let Some((sender, nonce)) = self.by_hash.get(&hash).copied() else { return };
        let Some(entry) = self.senders.get_mut(&sender).and_then(|waiting| waiting.get_mut(&nonce)) else { return };
        if entry.waits.is_none() {
            self.waiting.push_back(hash);
        }
        entry.waits = Some(entry.waits.map_or(interest, |before| before.min(interest)));
    }

    /// What is known of the sender's transactions before this one, by nonce.
    #[must_use]
    pub fn earlier(&self, tx: &SimTx) -> Vec<SimTx> {
        let waiting = self.senders.get(&tx.signer());
        waiting.into_iter().flat_map(|waiting| waiting.range(..tx.nonce())).map(|(_, entry)| entry.tx.clone()).collect()
    }

    /// The senders of what waits. Only these are asked for their nonce at a head: the others' transactions age out.
    #[must_use]
    pub fn waiting_senders(&self) -> Vec<Address> {
        let mut senders: Vec<Address> = self.waiting.iter().filter_map(|hash| self.by_hash.get(hash)).map(|(sender, _)| *sender).collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }

    /// A new head: budgets start again, writers age, and what was included or overtaken is forgotten. Gives what still waits and is
    /// simulated again, within the new budgets; `senders` are the accounts of [`Mempool::waiting_senders`] at the head.
    pub fn head(&mut self, senders: &HashMap<Address, AccountState>) -> Vec<(SimTx, Interest)> {
        self.simulated = 0;
        self.sampled = 0;
        self.writers.age();
        let mut again = Vec::new();
        for hash in std::mem::take(&mut self.waiting) {
            let Some((sender, nonce)) = self.by_hash.get(&hash).copied() else { continue };
            if senders.get(&sender).is_some_and(|account| account.nonce > nonce) {
                self.remove(sender, nonce, hash);
                continue;
            }
            let Some(entry) = self.senders.get_mut(&sender).and_then(|waiting| waiting.get_mut(&nonce)) else { continue };
            // One that was pushed out and came again may stand here twice; the first place counts.
            let Some(interest) = entry.waits.take() else { continue };
            again.push((entry.tx.clone(), interest));
        }
        again.retain(|(tx, interest)| {
            let charged = self.charge(*interest, self.bounds.samples);
            self.wait(tx, *interest);
            charged.map_err(|why| self.count(why)).is_ok()
        });
        again
    }
}

/// The kind of call of a transaction; none for a creation and for less than a selector of input.
fn call_of(tx: &SimTx) -> Option<CallKind> {
    let selector = tx.input().first_chunk::<4>()?;
    Some((tx.to()?, Selector::from(*selector)))
}

/// A transaction with its sender's `earlier` ones in front, as they could stand in a block with this base fee. `account` is its sender at
/// the head.
///
/// # Errors
/// Why it could not stand there.
pub fn reachable(tx: &SimTx, earlier: &[SimTx], account: AccountState, base_fee: u64) -> Result<Vec<SimTx>, Dropped> {
    if tx.nonce() < account.nonce {
        return Err(Dropped::NonceUsed);
    }
    let mut front: Vec<SimTx> = earlier.iter().filter(|before| before.nonce() >= account.nonce).cloned().collect();
    let complete = (account.nonce..tx.nonce()).eq(front.iter().map(|before| before.nonce()));
    if !complete {
        return Err(Dropped::NonceGap);
    }
    front.push(tx.clone());
    let mut funds = account.balance;
    for tx in &front {
        if tx.max_fee_per_gas() < u128::from(base_fee) {
            return Err(Dropped::FeeTooLow);
        }
        funds = most_cost(tx).and_then(|cost| funds.checked_sub(cost)).ok_or(Dropped::Broke)?;
    }
    Ok(front)
}

/// The most wei that a transaction can cost: gas at its cap, blobs at theirs, value.
fn most_cost(tx: &SimTx) -> Option<U256> {
    let gas = U256::from(tx.max_fee_per_gas()).checked_mul(U256::from(tx.gas_limit()))?;
    let blobs = U256::from(tx.max_fee_per_blob_gas().unwrap_or_default()).checked_mul(U256::from(tx.blob_gas_used().unwrap_or_default()))?;
    gas.checked_add(blobs)?.checked_add(tx.value())
}

#[cfg(test)]
#[path = "mempool_tests.rs"]
mod tests;
