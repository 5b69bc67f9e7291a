//! A generation with layers on top: what everything reads, and where everything is executed.

use super::{
    BlockExecution, Facet, ForkError, Generation, MinedBlock, ReadSet, StateDiff, TargetBlock, Trail,
    facet::Change,
    layer::Layer,
    replay::{self, Extent},
    runner, trace,
};
use crate::chain::Head;
use alloy::{
    consensus::{TxEnvelope, transaction::Recovered},
    primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, U256},
};
use revm::{
    database_interface::DatabaseRef,
    state::{AccountInfo, Bytecode, EvmState},
};
use std::sync::Arc;

/// An account without its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Hash of the code; the empty hash for none.
    pub code_hash: B256,
}

impl Default for AccountState {
    fn default() -> Self {
        Self { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY }
    }
}

/// A message call that changes nothing.
#[derive(Clone, Debug)]
pub struct Call {
    /// Caller and origin; fixed, so that read sets are stable.
    pub from: Address,
    /// Callee.
    pub to: Address,
    /// Input.
    pub input: Bytes,
    /// Most gas.
    pub gas_limit: u64,
}

impl Call {
    /// A call with the fixed caller (zero address) and gas limit (10 million).
    #[must_use]
    pub const fn new(to: Address, input: Bytes) -> Self {
        Self { from: Address::ZERO, to, input, gas_limit: 10_000_000 }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// False for a revert or a halt.
    pub success: bool,
    /// Return or revert data.
    pub output: Bytes,
    /// Gas used.
    pub gas_used: u64,
}

/// A signed transaction and who signed it.
pub type SimTx = Arc<Recovered<TxEnvelope>>;

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxStatus {
    /// Status 1.
    Success,
    /// Reverted, with the data in the output.
    Reverted,
    /// Out of gas, invalid opcode and the like.
    Halted(String),
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxOutcome {
    /// How it ended.
    pub status: TxStatus,
    /// Gas used after refunds.
    pub gas_used: u64,
    /// Gas spent before refunds: what the gas limit must hold, because refunds come at the end.
    pub gas_spent: u64,
    /// Return or revert data.
    pub output: Bytes,
    /// Logs.
    pub logs: Vec<Log>,
    /// What the fee recipient gained by it, tips and payments. Zero if it lost by it, which only its own spending can cause.
    pub fee_recipient_gain: U256,
}

/// What a list of transactions did, each in a transaction of its own.
#[derive(Clone, Debug)]
pub struct Execution {
    /// One outcome a transaction.
    pub txs: Vec<TxOutcome>,
    /// All their changes, to be put on top of the view they ran on.
    pub layer: Arc<Layer>,
}

/// One layer and those below it.
#[derive(Debug)]
struct Overlay {
    layer: Arc<Layer>,
    below: Option<Arc<Self>>,
}

/// A generation with layers on top. Cheap to clone; all its reads come from one state.
///
/// A read that is missing blocks the thread until the node answers or the time limit ends. So reads and runs belong on
/// simulation threads or in `spawn_blocking`, never directly into an async task: there they may stop the very task that
/// carries the answer, and fail after the time limit.
#[derive(Clone, Debug)]
pub struct View {
    generation: Arc<Generation>,
    overlay: Option<Arc<Overlay>>,
    /// Where what is read here is noted, if anywhere.
    trail: Option<Arc<Trail>>,
    /// Whether what is missing is an error instead of a question to the node.
    offline: bool,
}

impl View {
    /// The state of a generation, without layers.
    #[must_use]
    pub const fn new(generation: Arc<Generation>) -> Self {
        Self { generation, overlay: None, trail: None, offline: false }
    }

    /// The head that the state belongs to.
    #[must_use]
    pub fn head(&self) -> &Head {
        self.generation.head()
    }

    /// The generation below the layers.
    #[must_use]
    pub const fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// False once the fork began to leave this head. The diff of that roll speaks of every facet that was read before. So a
    /// value may be kept across the roll if this is still true *after* it was computed; otherwise it is read again.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !self.generation.is_superseded()
    }

    /// The same state with a layer on top.
    #[must_use]
    pub fn with_layer(&self, layer: Arc<Layer>) -> Self {
        Self { overlay: Some(Arc::new(Overlay { layer, below: self.overlay.clone() })), ..self.clone() }
    }

    /// The same state, and whatever is read or run on it is noted in `trail`.
    #[must_use]
    pub fn with_trail(&self, trail: Arc<Trail>) -> Self {
        Self { trail: Some(trail), ..self.clone() }
    }

    /// The same state without the node: what is missing is [`ForkError::NotStored`] at once. So it can be seen, without
    /// waiting for anything, whether all is there that a run needs.
    #[must_use]
    pub fn offline(&self) -> Self {
        Self { offline: true, ..self.clone() }
    }

    /// A storage slot; the facet is added to `reads`.
    pub fn storage(&self, address: Address, slot: U256, reads: &mut ReadSet) -> Result<U256, ForkError> {
        let facet = Facet::Slot(address, slot);
        reads.insert(facet);
        self.note(facet);
        self.storage_ref(address, slot)
    }

    /// An account. No facet is recorded.
    pub fn account(&self, address: Address) -> Result<AccountState, ForkError> {
        self.note(Facet::Balance(address));
        let info = self.info(address)?;
        Ok(AccountState { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash })
    }

    /// An account's code, empty for none. No facet is recorded.
    pub fn code(&self, address: Address) -> Result<Bytes, ForkError> {
        self.note(Facet::Code(address));
        let info = self.info(address)?;
        let code = info.code.map_or_else(|| self.code_by_hash_ref(info.code_hash), Ok)?;
        Ok(code.original_bytes())
    }

    /// A facet's value: a number, or a hash of code. None for the environment, which is not state.
    pub fn facet(&self, facet: &Facet) -> Result<Option<U256>, ForkError> {
        self.note(*facet);
        Ok(match facet {
            Facet::Slot(address, slot) => Some(self.storage_ref(*address, *slot)?),
            Facet::Balance(address) => Some(self.info(*address)?.balance),
            Facet::Nonce(address) => Some(U256::from(self.info(*address)?.nonce)),
            Facet::Code(address) => Some(self.info(*address)?.code_hash.into()),
            Facet::Env(_) => None,
        })
    }

    /// Runs a message call in a fresh journal; changes are thrown away.
    pub fn call(&self, block: &TargetBlock, call: &Call) -> Result<CallOutcome, ForkError> {
        runner::call(self, block, call)
    }

    /// As [`View::call`], and adds to `reads` every facet that the call read, also when it reverts.
    pub fn call_recorded(&self, block: &TargetBlock, call: &Call, reads: &mut ReadSet) -> Result<CallOutcome, ForkError> {
        runner::call_recorded(self, block, call, reads)
    }

    /// As [`View::call_recorded`], and gives what the call changes as a layer: a question that depends on an earlier step's changes is asked
    /// on top of it. Balance and fee of the caller are not checked, but its nonce counts on.
    pub fn effect(&self, block: &TargetBlock, call: &Call, reads: &mut ReadSet) -> Result<(CallOutcome, Arc<Layer>), ForkError> {
        runner::effect(self, block, call, reads)
    }

    /// Runs signed transactions one after the other, each in a transaction of its own with nonce, balance and fee checks.
    ///
    /// The fee recipient is taken as funded and without code whatever it is in the view: an empty one gets a nonce, not
    /// money, so that paying it costs no account creation, and neither the nonce nor the missing code is in the layer.
    /// A fee recipient that signs one of the transactions is taken as it is.
    pub fn execute(&self, block: &TargetBlock, txs: &[SimTx]) -> Result<Execution, ForkError> {
        runner::execute(self, block, txs)
    }

    /// As [`View::execute`]; adds all facets that were read, and returns the contracts that read COINBASE or PREVRANDAO.
    pub fn execute_recorded(&self, block: &TargetBlock, txs: &[SimTx], reads: &mut ReadSet) -> Result<(Execution, Vec<Address>), ForkError> {
        runner::execute_recorded(self, block, txs, reads)
    }

    /// Executes a mined block again on its parent's state: with its real fee recipient, system calls, withdrawals and block
    /// reward. Nothing is compared with the header; [`BlockExecution::check`] does that.
    pub fn execute_block(&self, block: &MinedBlock) -> Result<BlockExecution, ForkError> {
        replay::execute(self, block, Extent::Whole)
    }

    /// As [`View::execute_block`], up to and without the transaction at `place`: the state that this one ran on.
    pub fn execute_before(&self, block: &MinedBlock, place: usize) -> Result<BlockExecution, ForkError> {
        replay::execute(self, block, Extent::Before(place))
    }

    /// The call tree of the last of these transactions, run as by [`View::execute`] behind the others: one line a call with
    /// its gas, one a log, and how each call ended. It is for people and about a tenth slower; empty without a transaction.
    pub fn trace(&self, block: &TargetBlock, txs: &[SimTx]) -> Result<String, ForkError> {
        trace::trace(self, block, txs)
    }

    /// What a layer changes against the view it was made on.
    pub fn diff(&self, layer: &Layer) -> Result<StateDiff, ForkError> {
        let mut diff = StateDiff::default();
        for (address, change) in &layer.accounts {
            let before = self.info(*address)?;
            let mut record = |facet, old, new| diff.record(Change { facet, old, new });
            if let Some(balance) = change.balance {
                record(Facet::Balance(*address), before.balance, balance);
            }
            if let Some(nonce) = change.nonce {
                record(Facet::Nonce(*address), U256::from(before.nonce), U256::from(nonce));
            }
            if let Some(code_hash) = change.code_hash {
                record(Facet::Code(*address), before.code_hash.into(), code_hash.into());
            }
            if change.storage_cleared {
                for (slot, old) in self.known_slots_of(*address) {
                    record(Facet::Slot(*address, slot), old, U256::ZERO);
                }
            }
            for (slot, new) in &change.slots {
                // Nothing can be created where there is storage, so what is not known of it is zero.
                let old = if change.storage_cleared { self.known_slot(*address, *slot).unwrap_or_default() } else { self.storage_ref(*address, *slot)? };
                record(Facet::Slot(*address, *slot), old, *new);
            }
        }
        Ok(diff)
    }

    /// The layers, the newest first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::successors(self.overlay.as_deref(), |overlay| overlay.below.as_deref()).map(|overlay| &*overlay.layer)
    }

    /// The account if nothing has to be asked of the node.
    pub(super) fn known_info(&self, address: Address) -> Option<AccountInfo> {
        self.merged(address, || self.generation.known_account(&address).ok_or(())).ok()
    }

    fn info(&self, address: Address) -> Result<AccountInfo, ForkError> {
        self.merged(address, || self.generation.account(address, self.offline))
    }

    fn note(&self, facet: Facet) {
        if let Some(trail) = &self.trail {
            trail.note(facet);
        }
    }

    /// Notes all that a run has loaded.
    pub(super) fn note_loaded(&self, state: &EvmState) {
        if let Some(trail) = &self.trail {
            trail.note_loaded(state);
        }
    }

    /// Before a call of a contract that nothing is known of: everything that the call will probably read, in one request.
    /// A call of a known contract costs nothing here.
    pub(super) fn warm(&self, call: &Call) {
        if !self.offline && self.known_info(call.to).is_none() {
            self.generation.warm(call);
        }
    }

    /// The newest value of each field, from the layers and then from below.
    #[inline]
    fn merged<E>(&self, address: Address, below: impl FnOnce() -> Result<AccountInfo, E>) -> Result<AccountInfo, E> {
        let (mut balance, mut nonce, mut code_hash) = (None, None, None);
        for layer in self.layers() {
            let Some(change) = layer.accounts.get(&address) else { continue };
            balance = balance.or(change.balance);
            nonce = nonce.or(change.nonce);
            code_hash = code_hash.or(change.code_hash);
            if let (Some(balance), Some(nonce), Some(code_hash)) = (balance, nonce, code_hash) {
                return Ok(self.with_code(AccountInfo { balance, nonce, code_hash, account_id: None, code: None }));
            }
        }
        let mut info = below()?;
        info.balance = balance.unwrap_or(info.balance);
        info.nonce = nonce.unwrap_or(info.nonce);
        if let Some(code_hash) = code_hash.filter(|hash| *hash != info.code_hash) {
            info.code_hash = code_hash;
            info.code = None;
            info = self.with_code(info);
        }
        Ok(info)
    }

    /// Adds the code where it is known; the EVM asks for it by hash where it is not.
    fn with_code(&self, mut info: AccountInfo) -> AccountInfo {
        info.code = self.code_by_hash_ref(info.code_hash).ok();
        info
    }

    /// A slot if nothing has to be asked of the node.
    fn known_slot(&self, address: Address, slot: U256) -> Option<U256> {
        for change in self.layers().filter_map(|layer| layer.accounts.get(&address)) {
            if let Some(value) = change.slots.get(&slot) {
                return Some(*value);
            }
            if change.storage_cleared {
                return Some(U256::ZERO);
            }
        }
        self.generation.known_slot(address, slot)
    }

    /// The slots of an account that are known and not zero.
    pub(super) fn known_slots_of(&self, address: Address) -> Vec<(U256, U256)> {
        let mut slots = std::collections::HashMap::<U256, U256>::new();
        for change in self.layers().filter_map(|layer| layer.accounts.get(&address)) {
            for (slot, value) in &change.slots {
                slots.entry(*slot).or_insert(*value);
            }
            if change.storage_cleared {
                return slots.into_iter().filter(|(_, value)| !value.is_zero()).collect();
            }
        }
        for (slot, value) in self.generation.known_slots_of(address) {
            slots.entry(slot).or_insert(value);
        }
        slots.into_iter().filter(|(_, value)| !value.is_zero()).collect()
    }
}

impl DatabaseRef for View {
    type Error = ForkError;

    #[inline]
    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ForkError> {
        if self.overlay.is_none() { self.generation.account(address, self.offline).map(Some) } else { self.info(address).map(Some) }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ForkError> {
        self.layers().find_map(|layer| layer.code.get(&hash).cloned()).map_or_else(|| self.generation.code(hash), Ok)
    }

    #[inline]
    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, ForkError> {
        for layer in self.layers() {
            let Some(change) = layer.accounts.get(&address) else { continue };
            if let Some(value) = change.slots.get(&slot) {
                return Ok(*value);
            }
            if change.storage_cleared {
                return Ok(U256::ZERO);
            }
        }
        self.generation.slot(address, slot, self.offline)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ForkError> {
        self.generation.block_hash(number, self.offline)
    }
}
