//! The environment of the block that a simulation runs in.

use alloy::primitives::{Address, B256};

/// Rules of the EVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hardfork {
    /// Cancun.
    Cancun,
    /// Prague.
    Prague,
    /// Osaka, with its gas cap per transaction.
    Osaka,
}

/// The block that a bundle targets, as far as it is known before it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetBlock {
    /// Height.
    pub number: u64,
    /// Seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// Most gas of the block.
    pub gas_limit: u64,
    /// Assumed: funded, without code.
    pub fee_recipient: Address,
    /// Unknown before the block exists; a plan that reads it is skipped.
    pub prev_randao: B256,
    /// Excess blob gas.
    pub excess_blob_gas: u64,
    /// The rules in force.
    pub hardfork: Hardfork,
    /// The chain.
    pub chain_id: u64,
}
