//! A generation with layers on top: what everything reads, and where everything is executed.

use super::{ReadSet, StateDiff, TargetBlock};
use crate::chain::Head;
use alloy::{
    consensus::{TxEnvelope, transaction::Recovered},
    primitives::{Address, B256, Bytes, Log, U256},
};
use std::sync::Arc;

/// Why the fork could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The node did not give a value that was missing.
    #[error("the node did not answer for {what} at block {block}: {reason}")]
    Node {
        /// What was asked.
        what: String,
        /// The block it was pinned to.
        block: B256,
        /// The node's words, or a timeout.
        reason: String,
    },
    /// A transaction that no block could contain here: nonce, funds, fee cap, size.
    #[error("transaction {index} is invalid here: {reason}")]
    InvalidTransaction {
        /// Its place in the list.
        index: usize,
        /// The EVM's reason.
        reason: String,
    },
}

/// An account without its storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    pub nonce: u64,
    /// Hash of the code; the empty hash for none.
    pub code_hash: B256,
}

/// Changes on top of a generation, from transactions or from a patch; shared, never cloned.
#[derive(Debug, Default)]
pub struct Layer {}

impl Layer {
    /// An account with code and slots that exist on no chain: the executor of a dry-run, the probe that quotes.
    #[must_use]
    pub fn patch(_address: Address, _code: Option<Bytes>, _balance: Option<U256>, _slots: &[(U256, U256)]) -> Self {
        todo!()
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
    /// Return or revert data.
    pub output: Bytes,
    /// Logs.
    pub logs: Vec<Log>,
    /// What the fee recipient gained by it, tips and payments.
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

/// A generation with layers on top. Cheap to clone; all its reads come from one state.
#[derive(Clone, Debug)]
pub struct View {}

impl View {
    /// The head that the state belongs to.
    #[must_use]
    pub fn head(&self) -> &Head {
        todo!()
    }

    /// The same state with a layer on top.
    #[must_use]
    pub fn with_layer(&self, _layer: Arc<Layer>) -> Self {
        todo!()
    }

    /// A storage slot; the facet is added to `reads`.
    pub fn storage(&self, _address: Address, _slot: U256, _reads: &mut ReadSet) -> Result<U256, ForkError> {
        todo!()
    }

    /// An account. No facet is recorded.
    pub fn account(&self, _address: Address) -> Result<AccountState, ForkError> {
        todo!()
    }

    /// Runs a message call in a fresh journal; changes are thrown away.
    pub fn call(&self, _block: &TargetBlock, _call: &Call) -> Result<CallOutcome, ForkError> {
        todo!()
    }

    /// As [`View::call`], and adds to `reads` every facet that the call read, also when it reverts.
    pub fn call_recorded(&self, _block: &TargetBlock, _call: &Call, _reads: &mut ReadSet) -> Result<CallOutcome, ForkError> {
        todo!()
    }

    /// Runs signed transactions one after the other, each in a transaction of its own with nonce, balance and fee checks.
    pub fn execute(&self, _block: &TargetBlock, _txs: &[SimTx]) -> Result<Execution, ForkError> {
        todo!()
    }

    /// As [`View::execute`]; adds all facets that were read, and returns the contracts that read COINBASE or PREVRANDAO.
    pub fn execute_recorded(&self, _block: &TargetBlock, _txs: &[SimTx], _reads: &mut ReadSet) -> Result<(Execution, Vec<Address>), ForkError> {
        todo!()
    }

    /// What a layer changes against the view it was made on.
    pub fn diff(&self, _layer: &Layer) -> Result<StateDiff, ForkError> {
        todo!()
    }
}
