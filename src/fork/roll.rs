//! From one head to the next: ways to learn what changed, behind one trait, and how changes become a generation.
//!
//! ```text
//! parent generation + new head ──Roller──▶ Changes ──apply──▶ store of the new generation, StateDiff
//! ```
//!
//! A way may report only what it knows to have changed, or the new value of everything that was known; applying is the same.

use super::{Change, Facet, ForkError, Generation, StateDiff, reader::NodeReader, store::Store};
use crate::chain::Head;
use alloy::primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map, HashSet},
};
use futures::future::BoxFuture;
use revm::state::{AccountInfo, Bytecode};
use std::{fmt, sync::Arc};

/// New values at a head.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New values of facets, code by its hash. Facets that are not here keep their value.
    pub values: Vec<NewValue>,
    /// Bytes of code that was not known.
    pub code: B256Map<Bytes>,
    /// Accounts that were deleted: every known slot that has no new value is zero.
    pub deleted: Vec<Address>,
}

/// A facet's value at the new head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewValue {
    /// A slot, balance, nonce or code.
    pub facet: Facet,
    /// The value before, where the way knows it. It is taken for facets that are not stored, so that a complete diff
    /// stays complete; a stored value is trusted more.
    pub old: Option<U256>,
    /// The value now.
    pub new: U256,
}

/// A way to learn what changed between two heads.
///
/// `known` is all that the parent knew when the roll began; facets that became known meanwhile are read again by the fork.
pub trait Roller: fmt::Debug + Send + Sync {
    /// A name for logs and figures.
    fn name(&self) -> &'static str;

    /// What changed from `parent` to `head`; at least every known facet whose value is different. `head` need not be a
    /// child of `parent`: a way that can't bridge the gap answers with an error, and the next way is tried.
    fn changes<'a>(&'a self, parent: &'a Arc<Generation>, known: &'a Store, head: &'a Head) -> BoxFuture<'a, Result<Changes, ForkError>>;
}

/// Reads everything known again. Always right, for any two heads, on any node: nothing is believed to have stayed.
#[derive(Debug)]
pub(super) struct Reread {
    reader: Arc<NodeReader>,
}

impl Reread {
    pub(super) const fn new(reader: Arc<NodeReader>) -> Self {
        Self { reader }
    }
}

impl Roller for Reread {
    fn name(&self) -> &'static str {
        "re-read"
    }

    fn changes<'a>(&'a self, _parent: &'a Arc<Generation>, known: &'a Store, head: &'a Head) -> BoxFuture<'a, Result<Changes, ForkError>> {
        Box::pin(async move { read_again(&self.reader, known, head.hash).await })
    }
}

/// The values at a block of every facet in a store.
pub(super) async fn read_again(reader: &NodeReader, known: &Store, at: B256) -> Result<Changes, ForkError> {
    let slots = known.slots().map(|(address, slot, _)| (address, slot)).collect::<Vec<_>>();
    // A code hash is only "known" if its bytes are: else they are fetched.
    let accounts = known.accounts().map(|(address, account)| (*address, account.code.is_some().then_some(account.code_hash))).collect::<Vec<_>>();
    let (values, reads) = futures::future::try_join(reader.slots(at, &slots), reader.accounts(at, &accounts)).await?;
    let mut changes = Changes::default();
    changes.values.reserve(slots.len().saturating_add(reads.len().saturating_mul(3)));
    for ((address, slot), new) in slots.into_iter().zip(values) {
        changes.values.push(NewValue { facet: Facet::Slot(address, slot), old: None, new });
    }
    for ((address, _), read) in accounts.into_iter().zip(reads) {
        if let Some(code) = read.code {
            changes.code.insert(read.code_hash, code);
        }
        let mut push = |facet, new| changes.values.push(NewValue { facet, old: None, new });
        push(Facet::Balance(address), read.balance);
        push(Facet::Nonce(address), U256::from(read.nonce));
        push(Facet::Code(address), read.code_hash.into());
    }
    Ok(changes)
}

/// Puts changes into a copy of what was known. Of facets that were not known, the diff names those that changed, and the
/// store takes slots and whole accounts.
pub(super) fn apply(known: &Store, changes: Changes) -> Result<(Store, StateDiff), ForkError> {
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
