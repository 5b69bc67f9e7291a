//! What each transaction of a block changed, taken from the EVM's journal before it is cleared: no value is read again.
//!
//! ```text
//! transaction ─▶ journal entries ─▶ accounts and slots touched ─▶ (value when first loaded, value now) ─▶ changes
//! ```

use super::{Change, Facet, ForkError, View, runner::EvmContext};
use alloy::primitives::{Address, KECCAK256_EMPTY, U256, map::AddressSet};
use revm::{
    MainnetEvm,
    context::{
        JournalEntry, JournalInner,
        result::{EVMError, ExecutionResult, HaltReason},
    },
    context_interface::{ContextTr, JournalTr, LocalContextTr, context::take_error, result::ResultGas},
    handler::{EvmTr, FrameResult, Handler, post_execution},
    state::{AccountInfo, TransactionId},
};

/// Runs transactions and system calls as the mainnet handler does, and keeps what the last one changed.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    /// The state before the block.
    view: &'a View,
    /// Accounts destroyed so far: nothing of the view's is left of them.
    destroyed: AddressSet,
    /// Of the last transaction.
    changes: Vec<Change>,
    accounts: Vec<Address>,
    slots: Vec<(Address, U256)>,
    ended: Vec<Address>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        Self { view, destroyed: AddressSet::default(), changes: Vec::new(), accounts: Vec::new(), slots: Vec::new(), ended: Vec::new() }
    }

    /// What changed since it was asked last, each facet once, in order.
    pub(super) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Ends what was done to the journal outside of a transaction, as payments at the end of a block are.
    pub(super) fn commit(&mut self, evm: &mut MainnetEvm<EvmContext<'a>>) {
        let journal = &mut evm.ctx.journaled_state;
        self.collect(&mut journal.inner);
        journal.commit_tx();
    }

    fn collect(&mut self, journal: &mut JournalInner<JournalEntry>) {
        self.accounts.clear();
        self.slots.clear();
        self.ended.clear();
        for entry in &journal.journal {
            match entry {
                JournalEntry::AccountDestroyed { address, target, .. } => {
                    self.ended.push(*address);
                    self.accounts.push(*target);
                }
                JournalEntry::BalanceTransfer { from, to, .. } => self.accounts.extend([*from, *to]),
                JournalEntry::BalanceChange { address, .. }
                | JournalEntry::NonceChange { address, .. }
                | JournalEntry::NonceBump { address }
                | JournalEntry::AccountCreated { address, .. }
                | JournalEntry::CodeChange { address } => self.accounts.push(*address),
                JournalEntry::StorageChanged { address, key, .. } => self.slots.push((*address, *key)),
                JournalEntry::AccountWarmed { .. }
                | JournalEntry::AccountTouched { .. }
                | JournalEntry::StorageWarmed { .. }
                | JournalEntry::TransientStorageChange { .. } => {}
            }
        }
        self.ended.sort_unstable();
        self.ended.dedup();
        self.accounts.extend(&self.ended);
        self.accounts.sort_unstable();
        self.accounts.dedup();
        self.slots.sort_unstable();
        self.slots.dedup();
        self.changes.reserve(self.accounts.len().saturating_mul(2).saturating_add(self.slots.len()));
        for address in &self.accounts {
            let Some(account) = journal.state.get_mut(address) else { continue };
            let ended = account.is_selfdestructed_locally();
            let gone = AccountInfo::default();
            // The journal keeps the account as it was when this transaction first loaded it.
            let before = account.original_info_mut().clone();
            let now = if ended { &gone } else { &account.info };
            note(&mut self.changes, Facet::Balance(*address), before.balance, now.balance);
            note(&mut self.changes, Facet::Nonce(*address), U256::from(before.nonce), U256::from(now.nonce));
            // An account that does not exist has a zero hash in some places and the hash of nothing in others.
            let hash = |info: &AccountInfo| if info.code_hash.is_zero() { KECCAK256_EMPTY } else { info.code_hash };
            note(&mut self.changes, Facet::Code(*address), hash(&before).into(), hash(now).into());
        }
        for (address, slot) in &self.slots {
            let Some(account) = journal.state.get(address) else { continue };
            if account.is_selfdestructed_locally() {
                continue;
            }
            if let Some(value) = account.storage.get(slot) {
                note(&mut self.changes, Facet::Slot(*address, *slot), value.original_value(), value.present_value());
            }
        }
        let ended = std::mem::take(&mut self.ended);
        for address in &ended {
            self.end(*address, journal);
        }
        self.ended = ended;
    }

    /// All slots of a destroyed account become zero: those the block has loaded, and those that were known before it.
    fn end(&mut self, address: Address, journal: &JournalInner<JournalEntry>) {
        let Some(account) = journal.state.get(&address) else { return };
        if !account.is_selfdestructed_locally() {
            return;
        }
        let this: TransactionId = journal.transaction_id;
        for (slot, value) in &account.storage {
            // A slot that this transaction has not loaded still has the original value of an earlier one.
            let before = if value.transaction_id == this { value.original_value() } else { value.present_value() };
            note(&mut self.changes, Facet::Slot(address, *slot), before, U256::ZERO);
        }
        if self.destroyed.insert(address) && !account.is_created() {
            for (slot, before) in self.view.known_slots_of(address) {
                if !account.storage.contains_key(&slot) {
                    note(&mut self.changes, Facet::Slot(address, slot), before, U256::ZERO);
                }
            }
        }
    }
}

fn note(changes: &mut Vec<Change>, facet: Facet, old: U256, new: U256) {
    if old != new {
        changes.push(Change { facet, old, new });
    }
}

impl<'a> Handler for Watch<'a> {
    type Evm = MainnetEvm<EvmContext<'a>>;
    type Error = EVMError<ForkError>;
    type HaltReason = HaltReason;

    /// As the default, with a look at the journal before it is cleared.
    fn execution_result(&mut self, evm: &mut Self::Evm, result: FrameResult, gas: ResultGas) -> Result<ExecutionResult, Self::Error> {
        take_error::<Self::Error, _>(evm.ctx().error())?;
        let result = post_execution::output(evm.ctx(), result, gas);
        self.commit(evm);
        evm.ctx().local_mut().clear();
        evm.frame_stack().clear();
        Ok(result)
    }
}
