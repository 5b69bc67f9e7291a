//! The bundles that wait for their block: kept privately, replaced and cancelled by (signer, uuid), gone when their block is decided.

use super::bundle::Bundle;
use alloy::primitives::{Address, B256, U256};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::SystemTime,
};

/// The most bundles of one signer that wait.
const MAX_PER_SIGNER: usize = 1_000;
/// The most bundles that wait.
const MAX_TOTAL: usize = 10_000;
/// How many bundles' histories are remembered, and how many payments per signer.
const MAX_HISTORY: usize = 10_000;

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It waits.
    New,
    /// It waits in the place of an older one.
    Replaced,
    /// A newer one of the same name waits already; this one was ignored.
    Outdated,
    /// Nothing more fits.
    Full,
}

/// What happened to a bundle.
#[derive(Clone, Debug)]
pub struct History {
    /// When it came.
    pub received: SystemTime,
    /// When it was executed on the head.
    pub simulated: Option<SystemTime>,
    /// When it was chosen for a block.
    pub considered: Option<SystemTime>,
    /// When the block was sealed.
    pub sealed: Option<SystemTime>,
}

/// What a signer paid and cost.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// (when, wei paid, gas simulated), oldest first.
    entries: VecDeque<(SystemTime, U256, u64)>,
}

impl Account {
    /// Wei paid and gas simulated since a moment; all of it where the moment is none.
    #[must_use]
    pub fn since(&self, moment: Option<SystemTime>) -> (U256, U256) {
        self.entries
            .iter()
            .filter(|(when, _, _)| moment.is_none_or(|moment| *when >= moment))
            .fold((U256::ZERO, U256::ZERO), |(paid, gas), entry| (paid.saturating_add(entry.1), gas.saturating_add(U256::from(entry.2))))
    }
}

/// All waiting bundles, in order of arrival.
#[derive(Debug, Default)]
pub struct Store {
    waiting: BTreeMap<u64, Bundle>,
    by_name: HashMap<(Address, String), u64>,
    next_seq: u64,
    histories: HashMap<(B256, u64), History>,
    remembered: VecDeque<(B256, u64)>,
    accounts: HashMap<Address, Account>,
}

impl Store {
    /// Keeps a bundle; one of the same signer and name gives way unless it is newer by number.
    pub fn put(&mut self, bundle: Bundle) -> Stored {
        let name = bundle.uuid.clone().map(|uuid| (bundle.signer, uuid));
        let old = name.as_ref().and_then(|name| self.by_name.get(name)).copied();
        if let Some(old) = old.and_then(|seq| self.waiting.get(&seq))
            && old.order.zip(bundle.order).is_some_and(|(old, new)| new < old)
        {
            return Stored::Outdated;
        }
        let of_signer = self.waiting.values().filter(|other| other.signer == bundle.signer).count();
        if old.is_none() && (self.waiting.len() >= MAX_TOTAL || of_signer >= MAX_PER_SIGNER) {
            return Stored::Full;
        }
        if let Some(old) = old {
            self.waiting.remove(&old);
        }
        let seq = self.next_seq;
        self.next_seq = seq.saturating_add(1);
        if let Some(name) = name {
            self.by_name.insert(name, seq);
        }
        self.remember((bundle.hash, bundle.first_block));
        self.waiting.insert(seq, bundle);
        if old.is_some() { Stored::Replaced } else { Stored::New }
    }

    /// Withdraws a signer's bundle of this name; false where none waits.
    pub fn cancel(&mut self, signer: Address, uuid: &str) -> bool {
        self.by_name.remove(&(signer, uuid.to_owned())).is_some_and(|seq| self.waiting.remove(&seq).is_some())
    }

    /// Withdraws a signer's private transaction.
    pub fn cancel_private(&mut self, signer: Address, tx: B256) -> bool {
        let found = self.waiting.iter().find(|(_, bundle)| {
            bundle.signer == signer && bundle.last_block > bundle.first_block && bundle.txs.first().is_some_and(|first| first.hash() == tx)
        });
        found.map(|(seq, _)| *seq).is_some_and(|seq| self.waiting.remove(&seq).is_some())
    }

    /// The bundles that may stand in this block, in order of arrival, with their arrival numbers.
    #[must_use]
    pub fn for_block(&self, number: u64) -> Vec<(u64, Bundle)> {
        let fits = |bundle: &Bundle| (bundle.first_block..=bundle.last_block).contains(&number);
        self.waiting.iter().filter(|(_, bundle)| fits(bundle)).map(|(seq, bundle)| (*seq, bundle.clone())).collect()
    }

    /// Forgets a bundle that was included or failed for good.
    pub fn remove(&mut self, seq: u64) {
        self.waiting.remove(&seq);
    }

    /// Drops what can't stand in any block after `head`.
    pub fn expire(&mut self, head: u64) {
        self.waiting.retain(|_, bundle| bundle.last_block > head);
        let waiting = &self.waiting;
        self.by_name.retain(|_, seq| waiting.contains_key(seq));
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn remember(&mut self, key: (B256, u64)) {
        let fresh = History { received: SystemTime::now(), simulated: None, considered: None, sealed: None };
        if self.histories.insert(key, fresh).is_none() {
            self.remembered.push_back(key);
        }
        while self.remembered.len() > MAX_HISTORY {
            if let Some(oldest) = self.remembered.pop_front() {
                self.histories.remove(&oldest);
            }
        }
    }

    /// Notes an event of a bundle's life.
    pub fn note(&mut self, hash: B256, block: u64, change: impl FnOnce(&mut History)) {
        if let Some(history) = self.histories.get_mut(&(hash, block)) {
            change(history);
        }
    }

    /// What happened to a bundle.
    #[must_use]
    pub fn history(&self, hash: B256, block: u64) -> Option<&History> {
        self.histories.get(&(hash, block))
    }

    /// Charges gas that was simulated for a signer, and what landed of it.
    pub fn charge(&mut self, signer: Address, paid: U256, gas: u64) {
        let entries = &mut self.accounts.entry(signer).or_default().entries;
        entries.push_back((SystemTime::now(), paid, gas));
        while entries.len() > MAX_HISTORY {
            entries.pop_front();
        }
    }

    /// What a signer paid and cost.
    #[must_use]
    pub fn account(&self, signer: Address) -> Account {
        self.accounts.get(&signer).cloned().unwrap_or_default()
    }
}
