//! How changes become a store and a diff.

use super::{Changes, NewValue};
use crate::fork::{Change, Facet, StateDiff, store::Store};
use alloy::primitives::{
    B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map},
};
use revm::state::{AccountInfo, Bytecode};

/// Puts changes into a copy of what was known. Of facets that were not known, the diff names those that changed, and the
/// store takes none: a whole block's changes are not what anybody asked for, and a miss is always right.
pub(in crate::fork) fn apply(known: &Store, changes: &Changes) -> (Store, StateDiff) {
    let mut store = known.clone();
    let mut diff = StateDiff::default();
    let mut accounts = AddressMap::<Partial>::default();
    for NewValue { facet, old, new } in &changes.values {
        let before = known.value(facet);
        if let Some(old) = before.or(*old) {
            diff.record(Change { facet: *facet, old, new: *new });
        }
        if before.is_some_and(|before| before != *new) {
            put(&mut store, &mut accounts, *facet, *new);
        }
    }
    finish(&mut store, accounts, &changes.code);
    (store, diff)
}

/// A store of everything that the changes name, with code from `codes` where its bytes did not come along.
pub(in crate::fork) fn stored(codes: &Store, changes: &Changes) -> Store {
    let mut store = codes.only_code();
    let mut accounts = AddressMap::<Partial>::default();
    for NewValue { facet, new, .. } in &changes.values {
        put(&mut store, &mut accounts, *facet, *new);
    }
    finish(&mut store, accounts, &changes.code);
    store
}

/// A slot goes into the store, a field of an account to the other fields.
fn put(store: &mut Store, accounts: &mut AddressMap<Partial>, facet: Facet, new: U256) {
    match facet {
        Facet::Slot(address, slot) => store.insert_slot(address, slot, new),
        Facet::Balance(address) => accounts.entry(address).or_default().balance = Some(new),
        Facet::Nonce(address) => accounts.entry(address).or_default().nonce = Some(new.saturating_to()),
        Facet::Code(address) => accounts.entry(address).or_default().code_hash = Some(new.into()),
        Facet::Env(_) => {}
    }
}

/// Puts the accounts together, with the code that they have now. Malformed bytes are no code: whoever runs it misses it.
fn finish(store: &mut Store, accounts: AddressMap<Partial>, code: &B256Map<Bytes>) {
    for (address, partial) in accounts {
        let Some(account) = partial.over(store.account(&address)) else { continue };
        if let (None, Some(bytes)) = (store.code(&account.code_hash), code.get(&account.code_hash))
            && let Ok(code) = Bytecode::new_raw_checked(bytes.clone())
        {
            store.insert_code(account.code_hash, code);
        }
        store.insert_account(address, account);
    }
}

/// New values of one account.
#[derive(Clone, Copy, Debug, Default)]
struct Partial {
    balance: Option<U256>,
    nonce: Option<u64>,
    code_hash: Option<B256>,
}

impl Partial {
    /// The account as a whole; none if a field is neither given nor known: then it stays a miss.
    fn over(self, known: Option<&AccountInfo>) -> Option<AccountInfo> {
        let code_hash = self.code_hash.or_else(|| known.map(|account| account.code_hash))?;
        let same_code = known.filter(|account| account.code_hash == code_hash).and_then(|account| account.code.clone());
        Some(AccountInfo {
            balance: self.balance.or_else(|| known.map(|account| account.balance))?,
            nonce: self.nonce.or_else(|| known.map(|account| account.nonce))?,
            code_hash: if code_hash.is_zero() { KECCAK256_EMPTY } else { code_hash },
            account_id: None,
            code: same_code,
        })
    }
}
