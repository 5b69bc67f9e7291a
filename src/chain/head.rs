//! What a node tells us: the newest header, and transactions that wait.

use alloy::{
    consensus::{Transaction, TxEnvelope, transaction::Recovered},
    primitives::{Address, B256},
};
use std::sync::Arc;

/// The part of a block header that the searcher needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// The parent's hash.
    pub parent_hash: B256,
    /// Seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// Most gas of the block.
    pub gas_limit: u64,
    /// Gas that the block's transactions used.
    pub gas_used: u64,
    /// Who got the tips.
    pub fee_recipient: Address,
    /// The block's PREVRANDAO.
    pub prev_randao: B256,
    /// Excess blob gas, zero before Cancun.
    pub excess_blob_gas: u64,
    /// Blob gas used by the block.
    pub blob_gas_used: u64,
    /// Root over the receipts, to check a local re-execution.
    pub receipts_root: B256,
}

/// A transaction that waits in the public mempool; its sender is the node's word.
#[derive(Clone, Debug)]
pub struct PendingTx {
    /// The signed transaction and who signed it.
    pub tx: Arc<Recovered<TxEnvelope>>,
}

impl PendingTx {
    /// The transaction's hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.tx.tx_hash()
    }

    /// Whether it carries blobs, which a bundle can't.
    #[must_use]
    pub fn is_blob(&self) -> bool {
        self.tx.blob_versioned_hashes().is_some_and(|hashes| !hashes.is_empty()) || self.tx.is_eip4844()
    }
}
