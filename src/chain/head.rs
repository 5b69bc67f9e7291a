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

impl Head {
    /// A head of which nothing is known but its place in the chain; all else is zero.
    #[must_use]
    pub const fn placed(number: u64, hash: B256, parent_hash: B256) -> Self {
        Self {
            number,
            hash,
            parent_hash,
            timestamp: 0,
            base_fee: 0,
            gas_limit: 0,
            gas_used: 0,
            fee_recipient: Address::ZERO,
            prev_randao: B256::ZERO,
            excess_blob_gas: 0,
            blob_gas_used: 0,
            receipts_root: B256::ZERO,
        }
    }
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
