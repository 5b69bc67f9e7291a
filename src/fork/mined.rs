//! A block that was mined, as far as its execution needs it: the environment, signed transactions, withdrawals, and what its
//! header claims to have come out.

use super::{ChainRules, ForkError, Hardfork, SimTx, TargetBlock};
use alloy::{
    consensus::transaction::{Recovered, SignerRecoverable},
    eips::eip4895::Withdrawal,
    network::{AnyRpcBlock, AnyRpcTransaction},
    primitives::{B256, Bloom},
    rpc::types::BlockTransactions,
};
use std::sync::Arc;

/// Who says which account signed a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Senders {
    /// The node, in the field `from`: free, and as good as the node's word. A wrong one shows in the receipts.
    Given,
    /// The signature: about 140 us a transaction.
    Recovered,
}

/// What a header says of its block's execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Gas of all transactions.
    pub gas_used: u64,
    /// Merkle root over the receipts.
    pub receipts_root: B256,
    /// Bloom filter over all logs.
    pub logs_bloom: Bloom,
}

/// A mined block, ready to be executed again.
#[derive(Clone, Debug)]
pub struct MinedBlock {
    /// Its hash.
    pub hash: B256,
    /// Its parent's hash: the state it is executed on.
    pub parent_hash: B256,
    /// Number, time, fees, and the real fee recipient; the rules in force.
    pub target: TargetBlock,
    /// Root of the parent beacon block, from Cancun on. The system call that keeps it is left out where it is missing.
    pub parent_beacon_root: Option<B256>,
    /// Signed transactions in their order.
    pub txs: Vec<SimTx>,
    /// Payments from the beacon chain, in Gwei; none before Shanghai.
    pub withdrawals: Vec<Withdrawal>,
    /// How many ommers the block names. The miner's share for them is paid; theirs is not, because a block from a node names them by hash only.
    pub ommers: usize,
    /// What its header claims.
    pub claims: Claims,
}

impl MinedBlock {
    /// Takes a block as `eth_getBlockByHash` gives it with full transactions. Errors name the field that is missing, or
    /// the transaction that is not Ethereum's.
    pub fn from_rpc(block: AnyRpcBlock, rules: &ChainRules, senders: Senders) -> Result<Self, ForkError> {
        let block = block.into_inner();
        let (hash, header) = (block.header.hash, &block.header.inner);
        let number = header.number;
        let incomplete = |missing| ForkError::IncompleteBlock { number, missing };
        let hardfork = rules.hardfork_at(number, header.timestamp);
        let word = if hardfork >= Hardfork::Paris { header.mix_hash.ok_or_else(|| incomplete("mixHash"))? } else { header.difficulty.into() };
        let base_fee = match header.base_fee_per_gas {
            None if hardfork >= Hardfork::London => return Err(incomplete("baseFeePerGas")),
            given => given.unwrap_or_default(),
        };
        let excess_blob_gas = match header.excess_blob_gas {
            None if hardfork >= Hardfork::Cancun => return Err(incomplete("excessBlobGas")),
            given => given.unwrap_or_default(),
        };
        let target = TargetBlock {
            head: header.parent_hash,
            number,
            timestamp: header.timestamp,
            base_fee,
            gas_limit: header.gas_limit,
            fee_recipient: header.beneficiary,
            prev_randao: word,
            excess_blob_gas,
            hardfork,
            chain_id: rules.chain_id,
        };
        let withdrawals = match block.withdrawals {
            None if hardfork >= Hardfork::Shanghai => return Err(incomplete("withdrawals")),
            given => given.unwrap_or_default().into_inner(),
        };
        let claims = Claims { gas_used: header.gas_used, receipts_root: header.receipts_root, logs_bloom: header.logs_bloom };
        let (parent_hash, parent_beacon_root) = (header.parent_hash, header.parent_beacon_block_root);
        let txs = match block.transactions {
            BlockTransactions::Full(txs) => txs.into_iter().enumerate().map(|(index, tx)| signed(tx, number, index, senders)).collect::<Result<Vec<_>, _>>()?,
            // An empty list looks like one of hashes.
            BlockTransactions::Hashes(hashes) if hashes.is_empty() => Vec::new(),
            BlockTransactions::Hashes(_) | BlockTransactions::Uncle => return Err(incomplete("transactions")),
        };
        Ok(Self { hash, parent_hash, target, parent_beacon_root, txs, withdrawals, ommers: block.uncles.len(), claims })
    }
}

fn signed(tx: AnyRpcTransaction, number: u64, index: usize, senders: Senders) -> Result<SimTx, ForkError> {
    let (envelope, from) = tx.into_inner().inner.into_parts();
    let foreign = |kind| ForkError::ForeignTransaction { number, index, kind };
    let envelope = envelope.try_into_envelope().map_err(|other| foreign(alloy::consensus::Typed2718::ty(other.value())))?;
    let signer = match senders {
        Senders::Given => from,
        Senders::Recovered => envelope.recover_signer().map_err(|error| ForkError::NoSigner { number, index, reason: error.to_string() })?,
    };
    Ok(Arc::new(Recovered::new_unchecked(envelope, signer)))
}
