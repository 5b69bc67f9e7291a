//! State that was given instead of read: what a recorded block touched, with no node behind it.

use super::{ForkError, Generation, store::Store};
use crate::chain::Head;
use alloy::primitives::{
    B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map, B256Set},
};
use revm::state::{AccountInfo, Bytecode};
use std::{collections::BTreeMap, sync::Arc};

/// An account as it was given.
#[derive(Clone, Debug, Default)]
pub struct GivenAccount {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Hash of its code; none for no code.
    pub code_hash: Option<B256>,
    /// Slots, zero ones included.
    pub slots: Vec<(U256, U256)>,
}

/// State as it was given. An account that is not in it does not exist; a slot that is not in it is unknown, and reading it is an
/// error that names it.
#[derive(Clone, Debug, Default)]
pub struct GivenState {
    /// Accounts.
    pub accounts: AddressMap<GivenAccount>,
    /// Hashes of blocks by height.
    pub block_hashes: BTreeMap<u64, B256>,
}

impl GivenState {
    /// The state of `head` with code from `code`. Code that is not there is only an error when it is read.
    pub fn generation(&self, head: Head, code: &B256Map<Bytes>) -> Result<Arc<Generation>, ForkError> {
        let mut store = Store::default();
        let wanted: B256Set = self.accounts.values().filter_map(|account| account.code_hash).collect();
        for hash in wanted {
            if let Some(bytes) = code.get(&hash) {
                store.insert_code(hash, Bytecode::new_raw_checked(bytes.clone()).map_err(|_| ForkError::MalformedCode(hash))?);
            }
        }
        for (address, account) in &self.accounts {
            let code_hash = account.code_hash.unwrap_or(KECCAK256_EMPTY);
            let info = AccountInfo { balance: account.balance, nonce: account.nonce, code_hash, account_id: None, code: None };
            store.insert_account(*address, info);
            for (slot, value) in &account.slots {
                store.insert_slot(*address, *slot, *value);
            }
        }
        for (number, hash) in &self.block_hashes {
            store.insert_block_hash(*number, *hash);
        }
        Ok(Arc::new(Generation::recorded(head, store)))
    }
}
