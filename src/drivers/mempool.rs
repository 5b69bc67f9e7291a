//! Pending transactions that may change a value: which are simulated, behind what, and for how long they are remembered.
//!
//! ```text
//! pending ─▶ known per sender, by nonce ─▶ may it touch a read set? ─▶ reachable? (nonce, funds, fee, gas) ─▶ front
//!             bounded, replaced by fee       target, access list,         every "no" has a counter
//!                                            learned writers, samples
//! ```

use crate::fork::{AccountState, SimTx};
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, U256, map::HashMap},
};
use std::collections::{BTreeMap, VecDeque};

/// Why a pending transaction is not simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dropped {
    /// Its nonce was used already.
    NonceUsed,
    /// An earlier transaction of its sender is not known.
    NonceGap,
    /// Its sender can't pay for it.
    Broke,
    /// Its fee cap is below the target block's base fee.
    FeeTooLow,
    /// It asks for more gas than a trigger may.
    GasTooHigh,
    /// It is larger than a trigger may be.
    TooLarge,
    /// Its sender has too many waiting, so that the lowest nonce makes place, or it does not replace the one of its nonce.
    SenderBudget,
    /// It can't be known to touch anything, and the block's samples are used up.
    NotSampled,
    /// The block's budget of simulations is used up.
    BlockBudget,
    /// The pool is full of newer ones.
    Aged,
}

impl Dropped {
    /// Whether the same transaction may be simulated at a later head.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        match self {
            // A reorg gives a nonce back, and its transactions may be announced again before its head is: the next head says.
            Self::NonceUsed | Self::NonceGap | Self::Broke | Self::FeeTooLow | Self::BlockBudget => true,
            Self::GasTooHigh | Self::TooLarge | Self::SenderBudget | Self::NotSampled | Self::Aged => false,
        }
    }
}

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
    /// Most gas of a trigger.
    pub max_gas: u64,
    /// Most bytes of a trigger.
    pub max_bytes: usize,
}

/// Calls that past simulations saw writing to a read set.
#[derive(Debug, Default)]
struct Writers {
    known: HashMap<(Address, [u8; 4]), ()>,
    order: VecDeque<(Address, [u8; 4])>,
}

/// Most calls that are remembered as writers; the oldest goes first.
const MOST_WRITERS: usize = 4_096;

impl Writers {
    fn learn(&mut self, call: (Address, [u8; 4])) {
        if self.known.insert(call, ()).is_none() {
            self.order.push_back(call);
            if self.order.len() > MOST_WRITERS
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }
}

/// The pending transactions that the searcher knows.
#[derive(Debug)]
pub struct Mempool {
    bounds: Bounds,
    senders: HashMap<Address, BTreeMap<u64, SimTx>>,
    /// Arrival order, for ageing.
    order: VecDeque<(Address, u64, B256)>,
    /// Triggers to be tried again at the next head.
    relevant: Vec<B256>,
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
            relevant: Vec::new(),
            by_hash: HashMap::default(),
            writers: Writers::default(),
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

    fn drop_for(&mut self, reason: Dropped) -> Dropped {
        *self.dropped.entry(reason).or_default() += 1;
        reason
    }

    /// Remembers a transaction.
    ///
    /// # Errors
    /// Why it is not even remembered.
    pub fn insert(&mut self, tx: &SimTx) -> Result<(), Dropped> {
        if tx.gas_limit() > self.bounds.max_gas {
            return Err(self.drop_for(Dropped::GasTooHigh));
        }
        if tx.input().len() > self.bounds.max_bytes {
            return Err(self.drop_for(Dropped::TooLarge));
        }
        let (sender, nonce, hash) = (tx.signer(), tx.nonce(), *tx.tx_hash());
        let waiting = self.senders.entry(sender).or_default();
        match waiting.get(&nonce) {
            Some(known) if *known.tx_hash() == hash => return Ok(()),
            Some(known) if known.max_fee_per_gas() >= tx.max_fee_per_gas() => return Err(self.drop_for(Dropped::SenderBudget)),
            Some(known) => {
                let replaced = *known.tx_hash();
                self.by_hash.remove(&replaced);
                self.relevant.retain(|relevant| *relevant != replaced);
            }
            None if waiting.len() >= self.bounds.per_sender => {
                // The lowest nonce is the one most likely used already; nobody tells us when an uninteresting one is.
                let lowest = waiting.iter().next().map(|(nonce, tx)| (*nonce, *tx.tx_hash()));
                self.drop_for(Dropped::SenderBudget);
                if let Some((lowest, replaced)) = lowest {
                    self.remove(sender, lowest, replaced);
                }
            }
            None => {}
        }
        self.senders.entry(sender).or_default().insert(nonce, tx.clone());
        self.by_hash.insert(hash, (sender, nonce));
        self.order.push_back((sender, nonce, hash));
        // Entries of transactions that were replaced or removed stay in the order until then.
        if self.order.len() > self.bounds.total.saturating_mul(2) {
            let by_hash = &self.by_hash;
            self.order.retain(|(_, _, hash)| by_hash.contains_key(hash));
        }
        while self.by_hash.len() > self.bounds.total {
            let Some((sender, nonce, hash)) = self.order.pop_front() else { break };
            if self.remove(sender, nonce, hash) {
                self.drop_for(Dropped::Aged);
            }
        }
        Ok(())
    }

    fn remove(&mut self, sender: Address, nonce: u64, hash: B256) -> bool {
        if self.by_hash.remove(&hash).is_none() {
            return false;
        }
        self.relevant.retain(|relevant| *relevant != hash);
        if let Some(waiting) = self.senders.get_mut(&sender) {
            if waiting.get(&nonce).is_some_and(|known| *known.tx_hash() == hash) {
                waiting.remove(&nonce);
            }
            if waiting.is_empty() {
                self.senders.remove(&sender);
            }
        }
        true
    }

    /// Whether a transaction may touch a read set: by its target, its access list, or what its kind of call did before. One that
    /// nothing is known about may be a sample.
    pub fn choose(&mut self, tx: &SimTx, reads_account: impl Fn(&Address) -> bool) -> Result<(), Dropped> {
        let known = tx.to().is_some_and(|to| reads_account(&to))
            || tx.access_list().is_some_and(|list| list.iter().any(|item| reads_account(&item.address)))
            || call_of(tx).is_some_and(|call| self.writers.known.contains_key(&call));
        if self.simulated >= self.bounds.per_block {
            if known {
                self.wait(tx);
            }
            return Err(self.drop_for(Dropped::BlockBudget));
        }
        if !known {
            if self.sampled >= self.bounds.samples {
                return Err(self.drop_for(Dropped::NotSampled));
            }
            self.sampled += 1;
        }
        self.simulated += 1;
        Ok(())
    }

    /// Notes that a transaction did touch a read set: it is tried again at each head while it waits, and its kind of call is remembered.
    pub fn learn(&mut self, tx: &SimTx) {
        if let Some(call) = call_of(tx) {
            self.writers.learn(call);
        }
        self.wait(tx);
    }

    /// Tries a transaction again at the next head: nothing is known yet of what it touches.
    pub fn wait(&mut self, tx: &SimTx) {
        let hash = *tx.tx_hash();
        if self.by_hash.contains_key(&hash) && !self.relevant.contains(&hash) {
            self.relevant.push(hash);
        }
    }

    /// The transaction with its sender's earlier ones in front, as they could stand in the target block. `sender` is its
    /// sender at the head; none when the node could not say, which counts as funds that are not there.
    ///
    /// # Errors
    /// Why it could not stand there.
    pub fn front(&mut self, tx: &SimTx, sender: Option<AccountState>, base_fee: u64) -> Result<Vec<SimTx>, Dropped> {
        let front = self.reachable(tx, sender, base_fee);
        front.map_err(|reason| self.drop_for(reason))
    }

    fn reachable(&self, tx: &SimTx, sender: Option<AccountState>, base_fee: u64) -> Result<Vec<SimTx>, Dropped> {
        let account = sender.ok_or(Dropped::Broke)?;
        if tx.nonce() < account.nonce {
            return Err(Dropped::NonceUsed);
        }
        let mut front = Vec::new();
        if tx.nonce() > account.nonce {
            let waiting = self.senders.get(&tx.signer()).ok_or(Dropped::NonceGap)?;
            for nonce in account.nonce..tx.nonce() {
                front.push(waiting.get(&nonce).cloned().ok_or(Dropped::NonceGap)?);
            }
        }
        front.push(tx.clone());
        let mut funds = account.balance;
        for tx in &front {
            if tx.max_fee_per_gas() < u128::from(base_fee) {
                return Err(Dropped::FeeTooLow);
            }
            let cost = U256::from(tx.max_fee_per_gas()).checked_mul(U256::from(tx.gas_limit())).and_then(|gas| gas.checked_add(tx.value()));
            funds = cost.and_then(|cost| funds.checked_sub(cost)).ok_or(Dropped::Broke)?;
        }
        Ok(front)
    }

    /// The senders of triggers that wait. Only these are asked for their nonce at a head: the others' transactions age out.
    #[must_use]
    pub fn waiting_senders(&self) -> Vec<Address> {
        self.relevant.iter().filter_map(|hash| self.by_hash.get(hash)).map(|(sender, _)| *sender).collect()
    }

    /// A new head: budgets start again, and triggers that were included or overtaken are forgotten. Gives those that still wait;
    /// `senders` are the accounts of [`Mempool::waiting_senders`] at the head.
    pub fn head(&mut self, senders: &HashMap<Address, AccountState>) -> Vec<SimTx> {
        self.simulated = 0;
        self.sampled = 0;
        let relevant = std::mem::take(&mut self.relevant);
        let mut waiting = Vec::new();
        for hash in relevant {
            let Some((sender, nonce)) = self.by_hash.get(&hash).copied() else { continue };
            if senders.get(&sender).is_some_and(|account| account.nonce > nonce) {
                self.remove(sender, nonce, hash);
            } else if let Some(tx) = self.senders.get(&sender).and_then(|waiting| waiting.get(&nonce)) {
                waiting.push(tx.clone());
                self.relevant.push(hash);
            }
        }
        waiting
    }
}

fn call_of(tx: &SimTx) -> Option<(Address, [u8; 4])> {
    let selector = tx.input().first_chunk::<4>()?;
    Some((tx.to()?, *selector))
}
