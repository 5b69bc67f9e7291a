//! Pending transactions that may change a value: which are simulated, behind what, and for how long they are remembered.
//!
//! ```text
//! pending ─▶ known per sender, by nonce ─▶ may it touch a read set? ─▶ fee, nonce ─▶ budget ─▶ reach: nonce, funds, fee, gas ─▶ front
//!             bounded, replaced by fee       sender, target, access     │                          every "no" has a counter
//!                                            list, writers, samples     └─ known ones wait for the next head
//! ```
//!
//! A pure data structure: what is read, who has which nonce and what was mined come in as values.

mod budget;
mod reach;

pub use reach::Reach;

use self::budget::Budget;
use super::{
    dropped::Dropped,
    writers::{CallKind, WriterBounds, Writers},
};
use crate::fork::{AccountState, SimTx};
use alloy::{
    consensus::Transaction,
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Selector, map::HashMap},
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
    /// Most of one sender, remembered and simulated in one block's time.
    pub per_sender: usize,
    /// Most simulated in one block's time.
    pub per_block: usize,
    /// Of those, most that nothing says anything about.
    pub samples: usize,
    /// The time that samples are spread over, from the head on: a block's. All at once they would compete with the head's own work, and
    /// say nothing about what comes later.
    pub spread: Duration,
    /// Most gas of a trigger, with what stands in front of it.
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

/// What is expected of a transaction that is tried again at the next head; the first kind is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hope {
    /// When it was simulated last, it wrote to what a value was read from.
    Writes,
    /// It is known to be able to, and did not yet: it failed, could not stand there, or its turn did not come.
    MayWrite,
}

/// What is known at the head without asking anybody.
#[derive(Clone, Copy, Debug)]
pub struct Here<R, N> {
    /// The base fee of the block that is aimed at.
    pub base_fee: u64,
    /// Whether a value was read from an account.
    pub reads_account: R,
    /// An account's nonce, where it is known.
    pub nonce: N,
}

/// A place among those who wait: the first is the next.
type Turn = (Hope, u64);

#[derive(Clone, Debug)]
struct Entry {
    tx: SimTx,
    /// Its place among those that are tried again at the next head; none if it is not.
    waits: Option<Turn>,
}

/// The pending transactions that the searcher knows.
#[derive(Debug)]
pub struct Mempool {
    bounds: Bounds,
    senders: HashMap<Address, BTreeMap<u64, Entry>>,
    /// Arrival order, for ageing. Entries of transactions that were replaced or removed stay until they are met.
    order: VecDeque<(Address, u64, B256)>,
    /// What is tried again at the next head. Each stands here as long as its entry says so.
    waiting: BTreeMap<Turn, B256>,
    turns: u64,
    by_hash: HashMap<B256, (Address, u64)>,
    writers: Writers,
    budget: Budget,
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
            waiting: BTreeMap::new(),
            turns: 0,
            by_hash: HashMap::default(),
            writers: Writers::new(bounds.writers),
            budget: Budget::new(bounds),
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
                self.remove(sender, nonce, replaced);
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
            if waiting.get(&nonce).is_some_and(|known| *known.tx.tx_hash() == hash)
                && let Some(Entry { waits: Some(turn), .. }) = waiting.remove(&nonce)
            {
                self.waiting.remove(&turn);
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
    /// that nothing is known about may be a sample, if its turn has come so long after the head. What can't stand in the block by what is known
    /// already costs nothing of the budget.
    ///
    /// # Errors
    /// Why it is not simulated at this head. One that is known to matter waits for the next.
    pub fn choose<R, N>(&mut self, tx: &SimTx, since_head: Duration, here: &Here<R, N>) -> Result<Interest, Dropped>
    where
        R: Fn(&Address) -> bool,
        N: Fn(&Address) -> Option<u64>,
    {
        let reads = &here.reads_account;
        let known = tx.to().is_some_and(|to| reads(&to))
            || call_of(tx).is_some_and(|call| self.writers.knows(&call))
            || reads(&tx.signer())
            || tx.access_list().is_some_and(|list| list.iter().any(|item| reads(&item.address)));
        let interest = if known { Interest::Known } else { Interest::Sample };
        let stands = self.stands(tx, here.base_fee, (here.nonce)(&tx.signer()));
        if let Err(why) = stands.and_then(|()| self.budget.charge(tx.signer(), interest, since_head)) {
            if known {
                self.wait(tx, Hope::MayWrite);
            }
            return Err(self.count(why));
        }
        Ok(interest)
    }

    /// Whether nothing that is known speaks against a transaction in a block with this base fee.
    fn stands(&self, tx: &SimTx, base_fee: u64, nonce: Option<u64>) -> Result<(), Dropped> {
        if tx.max_fee_per_gas() < u128::from(base_fee) {
            return Err(Dropped::FeeTooLow);
        }
        let Some(nonce) = nonce else { return Ok(()) };
        let Some(between) = tx.nonce().checked_sub(nonce) else { return Err(Dropped::NonceUsed) };
        let earlier = self.senders.get(&tx.signer()).map_or(0, |known| known.range(nonce..tx.nonce()).count());
        if u64::try_from(earlier).is_ok_and(|earlier| earlier == between) { Ok(()) } else { Err(Dropped::NonceGap) }
    }

    /// Notes that a transaction touches a read set: it is tried again at each head while it waits, and its kind of call is remembered.
    pub fn learn(&mut self, tx: &SimTx) {
        if let Some(call) = call_of(tx) {
            self.writers.learn(call);
        }
        self.wait(tx, Hope::Writes);
    }

    /// Notes that a transaction changes nothing here. If it is tried again, then behind those that do.
    pub fn doubt(&mut self, tx: &SimTx) {
        let hash = *tx.tx_hash();
        if self.entry(&hash).is_some_and(|entry| entry.waits.is_some_and(|(hope, _)| hope == Hope::Writes)) {
            self.enqueue(hash, Hope::MayWrite);
        }
    }

    /// Remembers kinds of call that mined transactions were seen to write with.
    pub fn teach(&mut self, calls: impl IntoIterator<Item = CallKind>) {
        calls.into_iter().for_each(|call| self.writers.learn(call));
    }

    /// Tries a transaction that is known to matter again at the next head. A better hope than before counts, a lesser one does not.
    pub fn wait(&mut self, tx: &SimTx, hope: Hope) {
        let hash = *tx.tx_hash();
        if self.entry(&hash).is_some_and(|entry| entry.waits.is_none_or(|(before, _)| hope < before)) {
            self.enqueue(hash, hope);
        }
    }

    fn entry(&self, hash: &B256) -> Option<&Entry> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.senders.get(sender)?.get(nonce)
    }

    /// Puts a transaction behind all others of its hope.
    fn enqueue(&mut self, hash: B256, hope: Hope) {
        let Some((sender, nonce)) = self.by_hash.get(&hash) else { return };
        let Some(entry) = self.senders.get_mut(sender).and_then(|waiting| waiting.get_mut(nonce)) else { return };
        let turn = (hope, self.turns);
        self.turns = self.turns.saturating_add(1);
        if let Some(before) = entry.waits.replace(turn) {
            self.waiting.remove(&before);
        }
        self.waiting.insert(turn, hash);
    }

    /// What is known of the sender's transactions before this one, by nonce.
    #[must_use]
    pub fn earlier(&self, tx: &SimTx) -> Vec<SimTx> {
        let waiting = self.senders.get(&tx.signer());
        waiting.into_iter().flat_map(|waiting| waiting.range(..tx.nonce())).map(|(_, entry)| entry.tx.clone()).collect()
    }

    /// A new head: budgets start again, and writers age.
    pub fn head(&mut self) {
        self.budget.head(self.waiting.len());
        self.writers.age();
    }

    /// The senders of what may be tried again in a block with this base fee, those whose turn is next. Only these are asked for their nonce at a
    /// head, twice as many at most as can be tried; the others' transactions age out.
    #[must_use]
    pub fn waiting_senders(&self, base_fee: u64) -> Vec<Address> {
        let waiting = self.waiting.values().filter_map(|hash| self.entry(hash)).map(|entry| &entry.tx);
        let stand = waiting.filter(|tx| tx.max_fee_per_gas() >= u128::from(base_fee));
        let mut senders: Vec<Address> = stand.map(|tx| tx.signer()).take(self.bounds.per_block).collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }

    /// What of earlier heads is simulated again at this one, within the budget: what writes first, then what may. `senders` are the accounts of
    /// [`Mempool::waiting_senders`] at the head. What was included or overtaken is forgotten, all others still wait; whose turn it was stands at the end.
    pub fn again(&mut self, base_fee: u64, senders: &HashMap<Address, AccountState>) -> Vec<SimTx> {
        let (mut all, mut doubtful) = (self.budget.carried(), self.budget.carried().div_ceil(2));
        let mut again = Vec::new();
        let turns: Vec<(Turn, B256)> = self.waiting.iter().map(|(turn, hash)| (*turn, *hash)).collect();
        for ((hope, _), hash) in turns {
            let Some(tx) = self.entry(&hash).map(|entry| entry.tx.clone()) else { continue };
            let sender = tx.signer();
            let nonce = senders.get(&sender).map(|account| account.nonce);
            let free = if hope == Hope::Writes { all } else { all.min(doubtful) };
            let stands = self.stands(&tx, base_fee, nonce);
            if stands == Err(Dropped::NonceUsed) {
                self.remove(sender, tx.nonce(), hash);
                continue;
            }
            let charged = stands.and_then(|()| if free == 0 { Err(Dropped::BlockBudget) } else { self.budget.carry(sender) });
            if let Err(why) = charged {
                self.count(why);
                continue;
            }
            all = all.saturating_sub(1);
            if hope == Hope::MayWrite {
                doubtful = doubtful.saturating_sub(1);
            }
            self.enqueue(hash, hope);
            again.push(tx);
        }
        self.budget.carried_all();
        again
    }
}

/// The kind of call of a transaction; none for a creation and for less than a selector of input.
fn call_of(tx: &SimTx) -> Option<CallKind> {
    let selector = tx.input().first_chunk::<4>()?;
    Some((tx.to()?, Selector::from(*selector)))
}

#[cfg(test)]
mod tests;
