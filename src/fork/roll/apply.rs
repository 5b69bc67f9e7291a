//! How changes become a store and a diff.

use super::{Changes, NewValue};
use crate::fork::{Change, Facet, ForkError, StateDiff, store::Store};
use alloy::primitives::{
    B256, KECCAK256_EMPTY, U256,
    map::{AddressMap, HashSet},
};
use revm::state::{AccountInfo, Bytecode};

/// Puts changes into a copy of what was known. Of facets that were not known, the diff names those that changed, and the
/// store takes slots and whole accounts.
pub(in crate::fork) fn apply(known: &Store, changes: Changes) -> Result<(Store, StateDiff), ForkError> {
    let mut store = known.clone();
    let mut diff = StateDiff::default();
    for (hash, bytes) in changes.code {
        let code = Bytecode::new_raw_checked(bytes).map_err(|_| ForkError::MalformedCode(hash))?;
        store.insert_code(hash, code);
    }
    let given = changes.values.iter().map(|value| value.facet).collect::<HashSet<_>>();
    for address in &changes.deleted {
        let slots = known.slots_of(address).filter(|(slot, value)| !value.is_zero() && !given.contains(&Facet::Slot(*address, *slot))).collect::<Vec<_>>();
        for (slot, old) in slots {
            store.insert_slot(*address, slot, U256::ZERO);
            diff.record(Change { facet: Facet::Slot(*address, slot), old, new: U256::ZERO });
        }
    }
    let mut accounts = AddressMap::<Partial>::default();
    for NewValue { facet, old, new } in changes.values {
        let before = known.value(&facet);
        if let Some(old) = before.or(old) {
            diff.record(Change { facet, old, new });
        }
        if before == Some(new) {
            continue;
        }
        match facet {
            Facet::Slot(address, slot) => store.insert_slot(address, slot, new),
            Facet::Balance(address) => accounts.entry(address).or_default().balance = Some(new),
            Facet::Nonce(address) => accounts.entry(address).or_default().nonce = Some(new.saturating_to()),
            Facet::Code(address) => accounts.entry(address).or_default().code_hash = Some(new.into()),
            Facet::Env(_) => {}
        }
    }
    for (address, partial) in accounts {
        if let Some(account) = partial.over(known.account(&address)) {
            store.insert_account(address, account);
        }
    }
    Ok((store, diff))
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
