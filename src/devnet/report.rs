//! What a built block contains, and why the rest is not in it.

use crate::chain::Head;
use alloy::primitives::{Address, B256, I256, U256};
use std::sync::Arc;

/// A built block.
#[derive(Clone, Debug)]
pub struct BlockReport {
    /// Its header.
    pub head: Head,
    /// Its transactions in order.
    pub txs: Vec<B256>,
    /// Which of them succeeded, in the same order.
    pub succeeded: Vec<bool>,
    /// The bundles in it, in order; their transactions come first in the block.
    pub bundles: Vec<IncludedBundle>,
    /// The bundles for this block that are not in it.
    pub rejected: Vec<RejectedBundle>,
    /// The transactions from the public mempool in it.
    pub public: Vec<B256>,
    /// Public transactions that the node would not take, with its words; they are out of the mempool.
    pub refused: Vec<(B256, String)>,
    /// Wei that the fee recipient gained in the block.
    pub fee_recipient_gain: I256,
}

impl BlockReport {
    /// The included bundle with this hash.
    #[must_use]
    pub fn bundle(&self, hash: B256) -> Option<&IncludedBundle> {
        self.bundles.iter().find(|bundle| bundle.hash == hash)
    }

    /// Why the bundle with this hash is not in the block.
    #[must_use]
    pub fn rejection(&self, hash: B256) -> Option<&Rejection> {
        self.rejected.iter().find(|bundle| bundle.hash == hash).map(|bundle| &bundle.reason)
    }
}

/// A bundle in a block. `coinbase_diff = gas_fees + eth_sent_to_coinbase`.
#[derive(Clone, Debug)]
pub struct IncludedBundle {
    /// keccak256 over the hashes of all of its transactions, left out or not.
    pub hash: B256,
    /// The identity that sent it.
    pub signer: Address,
    /// The relay that took it.
    pub relay: Arc<str>,
    /// Its name, if it has one.
    pub uuid: Option<String>,
    /// Its transactions in the block.
    pub txs: Vec<B256>,
    /// Its transactions that were left out, as `droppingTxHashes` allows: in the block already, or failing.
    pub dropped: Vec<B256>,
    /// Wei that the fee recipient gained by it.
    pub coinbase_diff: I256,
    /// Wei of tips.
    pub gas_fees: U256,
    /// Wei paid to the fee recipient directly.
    pub eth_sent_to_coinbase: I256,
    /// Gas used.
    pub gas_used: u64,
}

/// A bundle for this block that is not in it.
#[derive(Clone, Debug)]
pub struct RejectedBundle {
    /// keccak256 over the hashes of its transactions.
    pub hash: B256,
    /// The identity that sent it.
    pub signer: Address,
    /// The relay that took it.
    pub relay: Arc<str>,
    /// Its name, if it has one.
    pub uuid: Option<String>,
    /// Why it is not in the block.
    pub reason: Rejection,
}

/// Why a bundle is not in the block that it was for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A transaction that may not revert does.
    #[error("transaction {0} reverts")]
    Reverts(B256),
    /// A transaction can't be executed there.
    #[error("transaction {tx} can't be executed: {why}")]
    NotExecutable {
        /// Which one.
        tx: B256,
        /// The node's words, or what is wrong as far as it is known.
        why: String,
    },
    /// A transaction is in the block already and may not be left out.
    #[error("transaction {0} is in the block already")]
    InBlock(B256),
    /// Another transaction in the block has the sender and nonce of this one.
    #[error("the nonce of transaction {0} is used in the block already")]
    NonceUsed(B256),
    /// Nothing was left of it.
    #[error("all of its transactions were left out")]
    Nothing,
    /// The fee recipient would gain nothing.
    #[error("it pays the builder nothing")]
    PaysNothing,
    /// The block's timestamp is outside the bundle's bounds.
    #[error("the block's timestamp {timestamp} is outside the bundle's bounds")]
    Timestamp {
        /// Seconds.
        timestamp: u64,
    },
    /// It would stand alone, but not behind bundles that pay more.
    #[error("bundles that pay more are in its way: {0}")]
    Outpaid(Box<Self>),
    /// The relay was told to take it and not to include it.
    #[error("withheld, a fault on demand")]
    Withheld,
}
