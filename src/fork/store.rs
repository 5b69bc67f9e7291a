//! What is known at a head: persistent maps, so that the next head's store shares all but its changes with this one.

use super::Facet;
use alloy::primitives::{
    Address, B256, KECCAK256_EMPTY, U256,
    map::{DefaultHashBuilder, FbBuildHasher, HashSet},
};
use imbl::{GenericHashMap, shared_ptr::DefaultSharedPtr};
use revm::state::{AccountInfo, Bytecode};

type Persistent<K, V, S> = GenericHashMap<K, V, S, DefaultSharedPtr>;
/// Slots of one account.
pub(super) type Slots = Persistent<U256, U256, FbBuildHasher<32>>;

/// Known state at one block. An absent account is one with nothing in it; an unknown one is not in the maps.
#[derive(Clone, Debug, Default)]
pub struct Store {
    accounts: Persistent<Address, AccountInfo, FbBuildHasher<20>>,
    storage: Persistent<Address, Slots, FbBuildHasher<20>>,
    code: Persistent<B256, Bytecode, FbBuildHasher<32>>,
    block_hashes: Persistent<u64, B256, DefaultHashBuilder>,
}

impl Store {
    /// How many accounts are known.
    #[must_use]
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// How many slots are known.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.storage.values().map(|slots| slots.len()).sum()
    }

    /// Every facet that is known.
    pub fn facets(&self) -> impl Iterator<Item = Facet> {
        let accounts = self.accounts.keys().flat_map(|address| [Facet::Balance(*address), Facet::Nonce(*address), Facet::Code(*address)]);
        accounts.chain(self.slots().map(|(address, slot, _)| Facet::Slot(address, slot)))
    }

    /// A facet's value if it is known: a number, or a hash of code. The environment is not state and is never known here.
    #[must_use]
    pub fn value(&self, facet: &Facet) -> Option<U256> {
        match facet {
            Facet::Slot(address, slot) => self.slot(*address, *slot),
            Facet::Balance(address) => self.account(address).map(|account| account.balance),
            Facet::Nonce(address) => self.account(address).map(|account| U256::from(account.nonce)),
            Facet::Code(address) => self.account(address).map(|account| account.code_hash.into()),
            Facet::Env(_) => None,
        }
    }

    #[inline]
    pub(super) fn account(&self, address: &Address) -> Option<&AccountInfo> {
        self.accounts.get(address)
    }

    #[inline]
    pub(super) fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        self.storage.get(&address)?.get(&slot).copied()
    }

    pub(super) fn code(&self, hash: &B256) -> Option<&Bytecode> {
        self.code.get(hash)
    }

    pub(super) fn block_hash(&self, number: u64) -> Option<B256> {
        self.block_hashes.get(&number).copied()
    }

    pub(super) fn block_hashes(&self) -> impl Iterator<Item = (u64, B256)> {
        self.block_hashes.iter().map(|(number, hash)| (*number, *hash))
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = (&Address, &AccountInfo)> {
        self.accounts.iter()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (Address, U256, U256)> {
        self.storage.iter().flat_map(|(address, slots)| slots.iter().map(|(slot, value)| (*address, *slot, *value)))
    }

    pub(super) fn slots_of(&self, address: &Address) -> impl Iterator<Item = (U256, U256)> {
        self.storage.get(address).into_iter().flat_map(|slots| slots.iter().map(|(slot, value)| (*slot, *value)))
    }

    /// Takes an account in; code that came without bytes keeps those that are known by its hash.
    pub(super) fn insert_account(&mut self, address: Address, mut account: AccountInfo) {
        if account.code_hash == KECCAK256_EMPTY {
            account.code = Some(Bytecode::default());
        } else if let Some(code) = &account.code {
            // One copy for all accounts with the same code.
            if let Some(known) = self.code.get(&account.code_hash) {
                account.code = Some(known.clone());
            } else {
                self.code.insert(account.code_hash, code.clone());
            }
        } else {
            account.code = self.code.get(&account.code_hash).cloned();
        }
        self.accounts.insert(address, account);
    }

    pub(super) fn insert_slot(&mut self, address: Address, slot: U256, value: U256) {
        self.storage.entry(address).or_default().insert(slot, value);
    }

    pub(super) fn insert_code(&mut self, hash: B256, code: Bytecode) {
        self.code.insert(hash, code);
    }

    pub(super) fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    pub(super) fn forget_block_hashes(&mut self) {
        self.block_hashes.clear();
    }

    /// What this store knows and the other does not.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (address, account) in self.accounts() {
            if other.account(address).is_none() {
                rest.insert_account(*address, account.clone());
            }
        }
        for (address, slot, value) in self.slots() {
            if other.slot(address, slot).is_none() {
                rest.insert_slot(address, slot, value);
            }
        }
        rest
    }

    /// Whether nothing is known of any account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.storage.is_empty()
    }

    /// The same code and nothing else.
    pub(super) fn only_code(&self) -> Self {
        Self { code: self.code.clone(), ..Self::default() }
    }

    /// Takes in all that the other store knows.
    pub(super) fn extend(&mut self, other: &Self) {
        for (address, account) in other.accounts() {
            self.insert_account(*address, account.clone());
        }
        for (address, slot, value) in other.slots() {
            self.insert_slot(address, slot, value);
        }
    }

    /// Keeps only what `keep` says yes to; code that no kept account has goes too. What is kept is shared with this store.
    pub(super) fn retain(&self, keep: &impl Fn(&Facet) -> bool) -> Self {
        let mut kept = self.clone();
        for address in self.accounts.keys().filter(|address| !Facet::of_account(**address).iter().any(keep)) {
            kept.accounts.remove(address);
        }
        for (address, slots) in &self.storage {
            let gone: Vec<U256> = slots.keys().filter(|slot| !keep(&Facet::Slot(*address, **slot))).copied().collect();
            if gone.len() == slots.len() {
                kept.storage.remove(address);
            } else if let Some(slots) = kept.storage.get_mut(address) {
                for slot in &gone {
                    slots.remove(slot);
                }
            }
        }
        let used: HashSet<B256> = kept.accounts.values().map(|account| account.code_hash).collect();
        for hash in self.code.keys().filter(|hash| !used.contains(*hash)) {
            kept.code.remove(hash);
        }
        kept
    }

    /// Forgets the hashes of blocks before this one.
    pub(super) fn forget_block_hashes_before(&mut self, number: u64) {
        let old: Vec<u64> = self.block_hashes.keys().filter(|known| **known < number).copied().collect();
        for known in old {
            self.block_hashes.remove(&known);
        }
    }
}
