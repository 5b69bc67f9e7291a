//! What became of a bundle, read from its target block: landed, partial, reverted, lost or missed.
//!
//! ```text
//! head reaches the target ─▶ BlockSource::block ─▶ IncludedBlock ─▶ decide(Watch) ─▶ Outcome ─▶ ledger
//!                            (header + receipts)                                        └─▶ Lease::release_decided
//! ```
//!
//! An outcome belongs to a block hash. After a reorg the same watch is decided again against the new block.

use super::BlockFacts;
use crate::chain::Head;
use alloy::primitives::{Address, B256, Log};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, time::Duration};

/// A transaction with its receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncludedTx {
    /// Its hash.
    pub hash: B256,
    /// Its place in the block.
    pub index: u64,
    /// Who sent it.
    pub from: Address,
    /// Whom it called; `None` for a deployment.
    pub to: Option<Address>,
    /// Status 1.
    pub success: bool,
    /// Gas used after refunds.
    pub gas_used: u64,
    /// Wei per gas paid, base fee included.
    pub effective_gas_price: u128,
    /// Its logs in order.
    pub logs: Vec<Log>,
}

/// A block with all its receipts, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncludedBlock {
    /// The header.
    pub head: Head,
    /// The transactions.
    pub txs: Vec<IncludedTx>,
}

/// Why a block could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The node failed.
    #[error("the node did not give block {number}")]
    Node {
        /// The block.
        number: u64,
        /// The cause.
        source: alloy::transports::TransportError,
    },
    /// The node took too long.
    #[error("the node did not give block {number} within {after:?}")]
    Timeout {
        /// The block.
        number: u64,
        /// The limit.
        after: Duration,
    },
    /// The header lacks what is needed of it.
    #[error("the header of block {number} can't be used")]
    Header {
        /// The block.
        number: u64,
        /// The cause.
        source: crate::chain::ChainError,
    },
    /// The receipts do not belong to the header: the block was replaced in between, or the node is wrong. Ask again.
    #[error("the receipts of block {number} do not fit its header: {reason}")]
    Inconsistent {
        /// The block.
        number: u64,
        /// What does not fit.
        reason: String,
    },
}

/// Where blocks come from.
pub trait BlockSource: Send + Sync {
    /// The canonical block at this height with its receipts; `None` when there is none yet.
    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>>;

    /// The block with this hash, which must stand at this height; `None` when it is not known there.
    fn block_at(&self, number: u64, hash: B256) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>>;
}

/// Logs by which a protocol tells that a target was acted on: an emitter and the topics that matter, in place; a `None`
/// topic is anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogPattern {
    /// The emitting contract.
    pub address: Address,
    /// The first topics; a log with fewer topics does not match.
    pub topics: Vec<Option<B256>>,
}

impl LogPattern {
    /// Whether a log is meant.
    #[must_use]
    pub fn matches(&self, log: &Log) -> bool {
        log.address == self.address
            && log.topics().len() >= self.topics.len()
            && self.topics.iter().zip(log.topics()).all(|(wanted, topic)| wanted.is_none_or(|wanted| wanted == *topic))
    }
}

/// What to look for in a target block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The block.
    pub target_block: u64,
    /// Our transactions in order.
    pub ours: Vec<B256>,
    /// What another's action on the same target would log; any of them counts.
    pub winner: Vec<LogPattern>,
}

/// One of our transactions that was included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandedTx {
    /// Its hash.
    pub hash: B256,
    /// Its place in the block.
    pub index: u64,
    /// Gas used after refunds.
    pub gas_used: u64,
    /// Wei per gas paid.
    pub effective_gas_price: u128,
    /// Status 1.
    pub success: bool,
}

/// What became of a bundle in its target block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// All of ours were included and succeeded.
    Landed {
        /// The block, as seen from our first transaction.
        block: BlockFacts,
        /// Ours.
        txs: Vec<LandedTx>,
    },
    /// One of ours was included and reverted: gas was paid. A relay that keeps a bundle's promise does not let it happen.
    Reverted {
        /// The block, as seen from our first included transaction.
        block: BlockFacts,
        /// Ours that were included, the good ones too.
        txs: Vec<LandedTx>,
    },
    /// Some of ours were included, all of those well, others not: the bundle was taken apart.
    Partial {
        /// The block, as seen from our first included transaction.
        block: BlockFacts,
        /// Ours that were included.
        txs: Vec<LandedTx>,
        /// Ours that were not.
        missing: Vec<B256>,
    },
    /// None of ours, and somebody else acted on the target.
    Lost {
        /// The block, all of it in front of us.
        block: BlockFacts,
        /// Who sent the winning transaction.
        to: Address,
        /// The contract that the winner called.
        via: Option<Address>,
        /// The winning transaction.
        tx: B256,
        /// Its place in the block.
        index: u64,
    },
    /// None of ours, and nobody else either: the opportunity may still be there.
    Missed {
        /// The block, all of it in front of us.
        block: BlockFacts,
    },
}

impl Outcome {
    /// The outcome's name in JSON, metrics and the ledger.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Landed { .. } => "landed",
            Self::Reverted { .. } => "reverted",
            Self::Partial { .. } => "partial",
            Self::Lost { .. } => "lost",
            Self::Missed { .. } => "missed",
        }
    }

    /// The block that it was read from.
    #[must_use]
    pub const fn block(&self) -> &BlockFacts {
        match self {
            Self::Landed { block, .. } | Self::Reverted { block, .. } | Self::Partial { block, .. } | Self::Lost { block, .. } | Self::Missed { block } => {
                block
            }
        }
    }
}

/// Decides a watch from its target block. Pure: block in, outcome out. The block must be the watch's target.
#[must_use]
pub fn decide(watch: &Watch, block: &IncludedBlock) -> Outcome {
    let wanted: HashSet<B256> = watch.ours.iter().copied().collect();
    let ours: Vec<&IncludedTx> = block.txs.iter().filter(|tx| wanted.contains(&tx.hash)).collect();
    let facts = facts(block, ours.first().map(|tx| tx.index));
    if ours.is_empty() {
        return match winner(watch, block) {
            Some(tx) => Outcome::Lost { block: facts, to: tx.from, via: tx.to, tx: tx.hash, index: tx.index },
            None => Outcome::Missed { block: facts },
        };
    }
    let txs: Vec<LandedTx> = ours.iter().map(|tx| landed(tx)).collect();
    if txs.iter().any(|tx| !tx.success) {
        return Outcome::Reverted { block: facts, txs };
    }
    let included: HashSet<B256> = txs.iter().map(|tx| tx.hash).collect();
    let missing: Vec<B256> = watch.ours.iter().copied().filter(|hash| !included.contains(hash)).collect();
    if missing.is_empty() { Outcome::Landed { block: facts, txs } } else { Outcome::Partial { block: facts, txs, missing } }
}

/// Reads the target block and decides; `Ok(None)` while the chain has not reached it. Takes at most `timeout`.
pub async fn watch_inclusion(source: &dyn BlockSource, watch: &Watch, timeout: Duration) -> Result<Option<Outcome>, SourceError> {
    let number = watch.target_block;
    let block = tokio::time::timeout(timeout, source.block(number)).await.map_err(|_| SourceError::Timeout { number, after: timeout })??;
    Ok(block.map(|block| decide(watch, &block)))
}

fn winner<'a>(watch: &Watch, block: &'a IncludedBlock) -> Option<&'a IncludedTx> {
    block.txs.iter().find(|tx| tx.success && tx.logs.iter().any(|log| watch.winner.iter().any(|pattern| pattern.matches(log))))
}

const fn landed(tx: &IncludedTx) -> LandedTx {
    LandedTx { hash: tx.hash, index: tx.index, gas_used: tx.gas_used, effective_gas_price: tx.effective_gas_price, success: tx.success }
}

/// The facts with what stands in front of `first`, or all transactions when none is ours.
fn facts(block: &IncludedBlock, first: Option<u64>) -> BlockFacts {
    let in_front = block.txs.iter().filter(|tx| first.is_none_or(|first| tx.index < first)).map(|tx| (tx.index, tx.hash)).collect();
    BlockFacts {
        number: block.head.number,
        hash: Some(block.head.hash),
        parent_hash: block.head.parent_hash,
        timestamp: block.head.timestamp,
        base_fee: block.head.base_fee,
        fee_recipient: block.head.fee_recipient,
        in_front,
    }
}

#[cfg(test)]
#[path = "inclusion_tests.rs"]
mod tests;
