//! The public mempool: who waits, in which order, and what replaces what.
//!
//! ```text
//! SignedTx ─add─▶ by sender, by nonce ─announce when reachable─▶ subscribers
//!                        └──────best(base fee)──▶ the next block
//! ```
//!
//! A pure data structure: the state that it is checked against comes in as values.

use super::tx::SignedTx;
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, U256},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, HashSet},
};

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Transactions of one sender.
    pub per_sender: usize,
    /// Transactions in all.
    pub total: usize,
    /// How far a nonce may lie beyond the account's.
    pub nonce_gap: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { per_sender: 64, total: 10_000, nonce_gap: 64 }
    }
}

/// Why a transaction may not wait here. The words follow geth, which clients match on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It waits already.
    #[error("already known")]
    AlreadyKnown,
    /// The account has used this nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {have}")]
    NonceTooLow {
        /// The account's nonce.
        next: u64,
        /// The transaction's.
        have: u64,
    },
    /// So far ahead that it would wait for ever.
    #[error("nonce too far in the future: next nonce {next}, tx nonce {have}")]
    NonceTooFar {
        /// The account's nonce.
        next: u64,
        /// The transaction's.
        have: u64,
    },
    /// Same sender and nonce, but not 10 % (with blobs: 100 %) more in both fee fields.
    #[error("replacement transaction underpriced")]
    Underpriced,
    /// The account can't pay for all of its transactions that wait.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot by what already waits: {waiting}")]
    Funds {
        /// Wei of the account.
        balance: U256,
        /// The most that this one costs.
        cost: U256,
        /// The most that the others cost.
        waiting: U256,
    },
    /// More gas than a block has.
    #[error("exceeds block gas limit")]
    BlockGas,
    /// The sender has as many waiting as allowed.
    #[error("too many transactions of this sender wait")]
    SenderFull,
    /// The pool is full.
    #[error("txpool is full")]
    Full,
}

/// An account as of the head.
#[derive(Clone, Copy, Debug)]
pub struct AccountNow {
    /// Its next nonce.
    pub nonce: u64,
    /// Its wei.
    pub balance: U256,
}

/// What an accepted transaction changed.
#[derive(Clone, Debug)]
pub struct Added {
    /// The transaction that it took the place of.
    pub replaced: Option<B256>,
    /// Transactions that are reachable from the account's nonce now and were not announced before.
    pub announce: Vec<SignedTx>,
}

#[derive(Clone, Debug)]
struct Waiting {
    tx: SignedTx,
    seq: u64,
    announced: bool,
}

/// The public mempool.
#[derive(Debug, Default)]
pub struct Pool {
    limits: PoolLimits,
    by_sender: BTreeMap<Address, BTreeMap<u64, Waiting>>,
    by_hash: HashMap<B256, (Address, u64)>,
    next_seq: u64,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// The waiting transaction with this hash.
    #[must_use]
    pub fn get(&self, hash: &B256) -> Option<&SignedTx> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.by_sender.get(sender)?.get(nonce).map(|waiting| &waiting.tx)
    }

    /// Everybody who has something waiting.
    #[must_use]
    pub fn senders(&self) -> Vec<Address> {
        self.by_sender.keys().copied().collect()
    }

    /// A sender's waiting transactions in nonce order.
    pub fn of(&self, sender: Address) -> impl Iterator<Item = &SignedTx> {
        self.by_sender.get(&sender).into_iter().flat_map(|queue| queue.values()).map(|waiting| &waiting.tx)
    }

    /// The nonce after those that wait without a gap from `nonce` on.
    #[must_use]
    pub fn next_nonce(&self, sender: Address, nonce: u64) -> u64 {
        self.by_sender.get(&sender).map_or(nonce, |queue| {
            queue.range(nonce..).map(|(have, _)| *have).fold(nonce, |next, have| if have == next { next.saturating_add(1) } else { next })
        })
    }

    /// Takes a transaction in, or says why not.
    pub fn add(&mut self, tx: SignedTx, account: AccountNow, block_gas: u64) -> Result<Added, PoolError> {
        let (hash, sender, nonce) = (tx.hash(), tx.sender(), tx.nonce());
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown);
        }
        if nonce < account.nonce {
            return Err(PoolError::NonceTooLow { next: account.nonce, have: nonce });
        }
        if nonce > account.nonce.saturating_add(self.limits.nonce_gap) {
            return Err(PoolError::NonceTooFar { next: account.nonce, have: nonce });
        }
        if tx.tx.gas_limit() > block_gas {
            return Err(PoolError::BlockGas);
        }
        let queue = self.by_sender.get(&sender);
        let old = queue.and_then(|queue| queue.get(&nonce)).map(|waiting| waiting.tx.clone());
        if let Some(old) = &old {
            if !replaces(old, &tx) {
                return Err(PoolError::Underpriced);
            }
        } else if queue.is_some_and(|queue| queue.len() >= self.limits.per_sender) {
            return Err(PoolError::SenderFull);
        } else if self.by_hash.len() >= self.limits.total {
            return Err(PoolError::Full);
        }
        let waiting = self.of(sender).filter(|other| other.nonce() != nonce).fold(U256::ZERO, |sum, other| sum.saturating_add(other.most_cost()));
        if tx.most_cost().saturating_add(waiting) > account.balance {
            return Err(PoolError::Funds { balance: account.balance, cost: tx.most_cost(), waiting });
        }
        if let Some(old) = &old {
            self.by_hash.remove(&old.hash());
        }
        self.by_hash.insert(hash, (sender, nonce));
        let seq = self.next_seq;
        self.next_seq = seq.saturating_add(1);
        self.by_sender.entry(sender).or_default().insert(nonce, Waiting { tx, seq, announced: false });
        Ok(Added { replaced: old.map(|old| old.hash()), announce: self.newly_reachable(sender, account.nonce) })
    }

    /// Marks and returns what of a sender is reachable now and was not announced.
    fn newly_reachable(&mut self, sender: Address, nonce: u64) -> Vec<SignedTx> {
        let end = self.next_nonce(sender, nonce);
        let mut fresh = Vec::new();
        if let Some(queue) = self.by_sender.get_mut(&sender) {
            for (_, waiting) in queue.range_mut(nonce..end) {
                if !waiting.announced {
                    waiting.announced = true;
                    fresh.push(waiting.tx.clone());
                }
            }
        }
        fresh
    }

    /// Removes a transaction.
    pub fn remove(&mut self, hash: &B256) -> Option<SignedTx> {
        let (sender, nonce) = self.by_hash.remove(hash)?;
        let queue = self.by_sender.get_mut(&sender)?;
        let removed = queue.remove(&nonce);
        if queue.is_empty() {
            self.by_sender.remove(&sender);
        }
        removed.map(|waiting| waiting.tx)
    }

    /// After a block: drops what the accounts' nonces have passed, and returns what became reachable.
    pub fn settle(&mut self, nonces: &HashMap<Address, u64>) -> Vec<SignedTx> {
        let mut fresh = Vec::new();
        for (sender, nonce) in nonces {
            let passed: Vec<B256> = self.of(*sender).filter(|tx| tx.nonce() < *nonce).map(SignedTx::hash).collect();
            for hash in passed {
                self.remove(&hash);
            }
            fresh.extend(self.newly_reachable(*sender, *nonce));
        }
        fresh
    }

    /// The order of the public part of the next block: the highest tip among each sender's next transaction first,
    /// the earlier arrival among equals. `nonces` are the senders' nonces where this part begins, `taken` stands in the block already.
    #[must_use]
    pub fn best(&self, base_fee: u64, nonces: &HashMap<Address, u64>, taken: &HashSet<B256>) -> Vec<SignedTx> {
        let offer = |sender: &Address, nonce: u64| {
            let waiting = self.by_sender.get(sender)?.get(&nonce)?;
            let tip = waiting.tx.tip(base_fee)?;
            (!taken.contains(&waiting.tx.hash())).then_some((tip, Reverse(waiting.seq), *sender, nonce))
        };
        let mut heap: BinaryHeap<_> = nonces.iter().filter_map(|(sender, nonce)| offer(sender, *nonce)).collect();
        let mut ordered = Vec::new();
        while let Some((_, _, sender, nonce)) = heap.pop() {
            if let Some(waiting) = self.by_sender.get(&sender).and_then(|queue| queue.get(&nonce)) {
                ordered.push(waiting.tx.clone());
            }
            heap.extend(offer(&sender, nonce.saturating_add(1)));
        }
        ordered
    }
}

/// Whether `new` may take the place of `old`: both fee fields at least 10 % higher, rounded up; with blobs all three at least twice.
fn replaces(old: &SignedTx, new: &SignedTx) -> bool {
    let percent: u128 = if old.is_blob() || new.is_blob() { 200 } else { 110 };
    let enough = |old: u128, new: u128| old.checked_mul(percent).is_some_and(|least| new >= least.div_ceil(100));
    let tip = |tx: &SignedTx| tx.tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.tx.max_fee_per_gas());
    enough(old.tx.max_fee_per_gas(), new.tx.max_fee_per_gas())
        && enough(tip(old), tip(new))
        && match (old.tx.max_fee_per_blob_gas(), new.tx.max_fee_per_blob_gas()) {
            (Some(old), Some(new)) => enough(old, new),
            (Some(_), None) => false,
            _ => true,
        }
}
