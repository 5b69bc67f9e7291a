//! Changes on top of a generation.
//!
//! A layer holds only what it changes; everything else is asked of the layer below. An account that a transaction
//! created or destroyed has its storage cleared here, so that no slot of it is ever asked below.

use alloy::primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map, U256Map},
};
use revm::state::{AccountInfo, Bytecode, EvmState};

/// Changes on top of a generation, from transactions or from a patch; shared, never cloned.
#[derive(Debug, Default)]
pub struct Layer {
    pub(super) accounts: AddressMap<LayerAccount>,
    pub(super) code: B256Map<Bytecode>,
}

/// What a layer changes of one account; `None` leaves the field as it is below.
#[derive(Debug, Default)]
pub(super) struct LayerAccount {
    pub(super) balance: Option<U256>,
    pub(super) nonce: Option<u64>,
    pub(super) code_hash: Option<B256>,
    pub(super) storage_cleared: bool,
    pub(super) slots: U256Map<U256>,
}

impl Layer {
    /// An account with code and slots that exist on no chain: the executor of a dry-run, the probe that quotes.
    /// What is `None` stays as it is below. Code that starts like a delegation without being one is taken as plain code
    /// that no call can execute: the EVM stops at its first byte.
    #[must_use]
    pub fn patch(address: Address, code: Option<Bytes>, balance: Option<U256>, slots: &[(U256, U256)]) -> Self {
        let mut layer = Self::default();
        let code = code.map(|bytes| Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes)));
        let code_hash = code.as_ref().map(Bytecode::hash_slow);
        if let (Some(hash), Some(code)) = (code_hash, code) {
            layer.code.insert(hash, code);
        }
        layer.accounts.insert(address, LayerAccount { balance, nonce: None, code_hash, storage_cleared: false, slots: slots.iter().copied().collect() });
        layer
    }

    /// A layer that sets slots of any accounts: a predicted patch.
    #[must_use]
    pub fn patch_slots(slots: &[(Address, U256, U256)]) -> Self {
        let mut layer = Self::default();
        for (address, slot, value) in slots {
            layer.accounts.entry(*address).or_default().slots.insert(*slot, *value);
        }
        layer
    }

    /// Takes in a newer layer, as if it lay on top of this one.
    pub fn absorb(&mut self, newer: &Self) {
        for (address, change) in &newer.accounts {
            let account = self.accounts.entry(*address).or_default();
            account.balance = change.balance.or(account.balance);
            account.nonce = change.nonce.or(account.nonce);
            account.code_hash = change.code_hash.or(account.code_hash);
            if change.storage_cleared {
                account.storage_cleared = true;
                account.slots.clear();
            }
            account.slots.extend(change.slots.iter().map(|(slot, value)| (*slot, *value)));
        }
        self.code.extend(newer.code.iter().map(|(hash, code)| (*hash, code.clone())));
    }

    /// The accounts that the layer changes, in no order.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.accounts.keys()
    }

    /// Takes the changes out of an EVM's finished journal. Of `assumed`, the fee recipient that was assumed to be funded and
    /// without code, only the balance is taken: nothing of the assumption stays behind.
    pub(super) fn from_evm(state: EvmState, assumed: Option<Address>) -> Self {
        let mut layer = Self::default();
        layer.accounts.reserve(state.len());
        for (address, account) in state {
            if !account.is_touched() {
                continue;
            }
            if assumed == Some(address) {
                layer.accounts.insert(address, LayerAccount { balance: Some(account.info.balance), ..LayerAccount::default() });
                continue;
            }
            // Destroyed by the last transaction that touched it. A destroyed account that a later transaction touched
            // again has lost this flag and holds what came after.
            let storage_cleared = account.is_created() || account.is_selfdestructed();
            let (info, storage) =
                if account.is_selfdestructed_locally() { (AccountInfo::default(), Default::default()) } else { (account.info, account.storage) };
            if let Some(code) = info.code.filter(|_| info.code_hash != KECCAK256_EMPTY) {
                layer.code.insert(info.code_hash, code);
            }
            layer.accounts.insert(
                address,
                LayerAccount {
                    balance: Some(info.balance),
                    nonce: Some(info.nonce),
                    code_hash: Some(info.code_hash),
                    storage_cleared,
                    // All slots, not just changed ones: "changed" is against the last transaction, not against the view.
                    slots: storage.into_iter().map(|(slot, value)| (slot, value.present_value())).collect(),
                },
            );
        }
        layer
    }
}
