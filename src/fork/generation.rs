//! State at one head: a store that never changes, and what was missing from it and came from the node since.
//!
//! ```text
//! read ──▶ store ──▶ misses ──▶ node (pinned by the head's hash, answers kept in misses)
//! ```
//!
//! Each head has a backend of its own, so an answer that comes late lands here and nowhere else.

use super::{Call, Facet, ForkError, node::MissBackend, store::Store};
use crate::chain::Head;
use alloy::primitives::{
    Address, B256, KECCAK256_EMPTY, U256, address,
    map::{DefaultHashBuilder, FbBuildHasher},
};
use dashmap::DashMap;
use revm::state::{AccountInfo, Bytecode};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

/// Keeps the hashes of past blocks in its slots since Prague (EIP-2935), so that they can be read pinned by hash.
const HISTORY: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");
/// How many hashes it keeps.
const HISTORY_WINDOW: u64 = 8191;

/// State at one head.
#[derive(Debug)]
pub struct Generation {
    head: Head,
    store: Store,
    misses: Misses,
    backend: Option<MissBackend>,
    /// Misses that are served before reads fail.
    most_misses: u64,
    /// The moment after which none is served.
    until: Option<Instant>,
    /// An account that is not stored does not exist, as in a recorded state that lists all that exists.
    unlisted_is_absent: bool,
    superseded: AtomicBool,
}

/// What came from the node since the generation began.
#[derive(Debug, Default)]
struct Misses {
    accounts: DashMap<Address, AccountInfo, FbBuildHasher<20>>,
    slots: DashMap<(Address, U256), U256, DefaultHashBuilder>,
    code: DashMap<B256, Bytecode, FbBuildHasher<32>>,
    block_hashes: DashMap<u64, B256, DefaultHashBuilder>,
    asked: AtomicU64,
}

impl Generation {
    /// A generation without a node answers only what is stored.
    pub(super) fn new(head: Head, mut store: Store, backend: Option<MissBackend>) -> Self {
        store.insert_block_hash(head.number, head.hash);
        // A head of which only the hash is known names no parent.
        if let Some(parent) = head.number.checked_sub(1).filter(|_| !head.parent_hash.is_zero()) {
            store.insert_block_hash(parent, head.parent_hash);
        }
        Self {
            head,
            store,
            misses: Misses::default(),
            backend,
            most_misses: u64::MAX,
            until: None,
            unlisted_is_absent: false,
            superseded: AtomicBool::new(false),
        }
    }

    /// A generation from a record. Records leave out accounts that do not exist, but name every slot that was read: an account
    /// that is not stored is empty (and counted as a miss), a slot that is not stored of an account with code is an error.
    pub(super) fn recorded(head: Head, store: Store) -> Self {
        Self { unlisted_is_absent: true, ..Self::new(head, store, None) }
    }

    /// The same, but the node is asked for no more than this many accounts and slots, and not after this moment.
    pub(super) const fn with_bounds(mut self, most: u64, until: Instant) -> Self {
        self.most_misses = most;
        self.until = Some(until);
        self
    }

    /// The head that the state belongs to.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Whether the fork has left this head or is about to. Sequentially consistent with the insertions into the misses: a
    /// reader that still sees false has its reads counted in the diff.
    pub(super) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::SeqCst)
    }

    pub(super) fn supersede(&self, superseded: bool) {
        self.superseded.store(superseded, Ordering::SeqCst);
    }

    /// Whether what is missing can be asked of a node.
    pub(super) const fn has_node(&self) -> bool {
        self.backend.is_some()
    }

    /// How many reads went to the node because they were missing.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses.asked.load(Ordering::Relaxed)
    }

    /// Everything that is known by now, as a store.
    #[must_use]
    pub fn known(&self) -> Store {
        let mut store = self.store.clone();
        for entry in &self.misses.code {
            store.insert_code(*entry.key(), entry.value().clone());
        }
        for entry in &self.misses.accounts {
            store.insert_account(*entry.key(), entry.value().clone());
        }
        for entry in &self.misses.slots {
            let (address, slot) = *entry.key();
            store.insert_slot(address, slot, *entry.value());
        }
        for entry in &self.misses.block_hashes {
            store.insert_block_hash(*entry.key(), *entry.value());
        }
        store
    }

    /// What is known, of what came from the node only what `keep` says yes to; and how many facets are left out.
    pub(super) fn kept(&self, keep: &impl Fn(&Facet) -> bool) -> (Store, usize) {
        let mut store = self.store.clone();
        let mut left_out = 0_usize;
        for entry in &self.misses.accounts {
            let address = *entry.key();
            if Facet::of_account(address).iter().any(keep) {
                store.insert_account(address, entry.value().clone());
            } else {
                left_out = left_out.saturating_add(1);
            }
        }
        for entry in &self.misses.slots {
            let (address, slot) = *entry.key();
            if keep(&Facet::Slot(address, slot)) {
                store.insert_slot(address, slot, *entry.value());
            } else {
                left_out = left_out.saturating_add(1);
            }
        }
        for entry in &self.misses.block_hashes {
            store.insert_block_hash(*entry.key(), *entry.value());
        }
        (store, left_out)
    }

    /// What came from the node since the generation began and is not in a store.
    pub(super) fn missed_without(&self, store: &Store) -> Store {
        let mut rest = Store::default();
        for entry in self.misses.accounts.iter().filter(|entry| store.account(entry.key()).is_none()) {
            rest.insert_account(*entry.key(), entry.value().clone());
        }
        for entry in self.misses.slots.iter().filter(|entry| store.slot(entry.key().0, entry.key().1).is_none()) {
            let (address, slot) = *entry.key();
            rest.insert_slot(address, slot, *entry.value());
        }
        rest
    }

    /// Takes in what was read at this head.
    pub(super) fn learn(&self, read: &Store) {
        for (address, account) in read.accounts() {
            self.learn_account(*address, account.clone());
        }
        for (address, slot, value) in read.slots() {
            self.learn_slot(address, slot, value);
        }
    }

    /// An account if it is known, without asking the node.
    #[inline]
    pub(super) fn known_account(&self, address: &Address) -> Option<AccountInfo> {
        self.store.account(address).cloned().or_else(|| self.misses.accounts.get(address).map(|account| account.clone()))
    }

    /// A slot if it is known, without asking the node.
    #[inline]
    pub(super) fn known_slot(&self, address: Address, slot: U256) -> Option<U256> {
        self.store.slot(address, slot).or_else(|| self.misses.slots.get(&(address, slot)).map(|value| *value))
    }

    /// The known slots of one account that are not zero.
    pub(super) fn known_slots_of(&self, address: Address) -> Vec<(U256, U256)> {
        let missed = self.misses.slots.iter().filter(|entry| entry.key().0 == address).map(|entry| (entry.key().1, *entry.value()));
        self.store.slots_of(&address).chain(missed).filter(|(_, value)| !value.is_zero()).collect()
    }

    /// An account; where it is missing the node is asked, unless `offline`.
    #[inline]
    pub(super) fn account(&self, address: Address, offline: bool) -> Result<AccountInfo, ForkError> {
        self.known_account(&address).map_or_else(|| self.miss_account(address, offline), Ok)
    }

    /// A slot; where it is missing the node is asked, unless `offline`.
    #[inline]
    pub(super) fn slot(&self, address: Address, slot: U256, offline: bool) -> Result<U256, ForkError> {
        self.known_slot(address, slot).map_or_else(|| self.miss_slot(address, slot, offline), Ok)
    }

    pub(super) fn code(&self, hash: B256) -> Result<Bytecode, ForkError> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytecode::default());
        }
        let known = self.store.code(&hash).cloned().or_else(|| self.misses.code.get(&hash).map(|code| code.clone()));
        known.ok_or(ForkError::MissingCode(hash))
    }

    /// The hash of a block up to the head. Zero above it, where none exists yet. Older ones come from the history contract,
    /// pinned by the head's hash; only where that has none is the node asked by number.
    pub(super) fn block_hash(&self, number: u64, offline: bool) -> Result<B256, ForkError> {
        if number > self.head.number {
            return Ok(B256::ZERO);
        }
        if let Some(hash) = self.store.block_hash(number).or_else(|| self.misses.block_hashes.get(&number).map(|hash| *hash)) {
            return Ok(hash);
        }
        if let Some(place) = number.checked_rem(HISTORY_WINDOW)
            && self.head.number.saturating_sub(number) < HISTORY_WINDOW
        {
            let kept = self.slot(HISTORY, U256::from(place), offline)?;
            if !kept.is_zero() {
                return Ok(kept.into());
            }
        }
        let backend = self.backend_for(offline, || format!("the hash of block {number}"))?;
        let hash = backend.block_hash(number)?;
        self.misses.block_hashes.insert(number, hash);
        Ok(hash)
    }

    /// Takes in an account that was read at this head.
    pub(super) fn learn_account(&self, address: Address, account: AccountInfo) {
        if let (Some(code), false) = (&account.code, account.code_hash == KECCAK256_EMPTY) {
            self.misses.code.insert(account.code_hash, code.clone());
        }
        self.misses.accounts.insert(address, account);
    }

    /// Takes in a slot that was read at this head.
    pub(super) fn learn_slot(&self, address: Address, slot: U256, value: U256) {
        self.misses.slots.insert((address, slot), value);
    }

    #[cold]
    fn miss_account(&self, address: Address, offline: bool) -> Result<AccountInfo, ForkError> {
        let account = if self.unlisted_is_absent {
            self.misses.asked.fetch_add(1, Ordering::Relaxed);
            AccountInfo { code: Some(Bytecode::default()), ..AccountInfo::default() }
        } else {
            self.backend_for(offline, || format!("account {address}"))?.account(address)?
        };
        self.learn_account(address, account.clone());
        Ok(account)
    }

    #[cold]
    fn miss_slot(&self, address: Address, slot: U256, offline: bool) -> Result<U256, ForkError> {
        // Without code there are no slots, and the record of a block that creates the account need not name them.
        if self.unlisted_is_absent && self.store.account(&address).is_none_or(AccountInfo::is_empty_code_hash) {
            return Ok(U256::ZERO);
        }
        let value = self.backend_for(offline, || format!("slot {slot} of {address}"))?.slot(address, slot)?;
        self.learn_slot(address, slot, value);
        Ok(value)
    }

    fn backend_for(&self, offline: bool, what: impl FnOnce() -> String) -> Result<&MissBackend, ForkError> {
        let not_stored = || ForkError::NotStored { what: what(), block: self.head.hash };
        if offline {
            return Err(not_stored());
        }
        let asked = self.misses.asked.fetch_add(1, Ordering::Relaxed);
        if asked >= self.most_misses || self.until.is_some_and(|until| Instant::now() > until) {
            return Err(ForkError::TooManyMisses(asked));
        }
        self.backend.as_ref().ok_or_else(not_stored)
    }

    /// Reads what a call will probably touch, in one request. Whatever goes wrong, the call's own misses make up for it.
    #[cold]
    pub(super) fn warm(&self, call: &Call) {
        if let Some(backend) = &self.backend {
            backend.warm(call, self);
        }
    }
}
