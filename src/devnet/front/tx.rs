//! Decoding and the checks that a signed transaction must pass whatever the state is.

use crate::config::TX_GAS_CAP;
use alloy::{
    consensus::{
        Transaction, TxEnvelope,
        transaction::{Recovered, SignerRecoverable},
    },
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256},
};
use std::sync::Arc;

/// The largest transaction without blobs, in bytes; geth's limit.
pub const MAX_TX_BYTES: usize = 128 * 1024;
/// The largest transaction with its blobs, in bytes; geth's limit.
pub const MAX_BLOB_TX_BYTES: usize = 1024 * 1024;
/// EIP-3860: the longest init code.
const MAX_INIT_CODE: usize = 49_152;

/// Why a signed transaction is refused without a look at the state. The words follow geth, which clients match on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// The bytes are no transaction.
    #[error("unable to decode transaction: {0}")]
    Undecodable(String),
    /// More bytes than the pool takes.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Bytes of the transaction.
        size: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Signed for another chain, or for any.
    #[error("invalid chain id for signer: have {have:?} want {want}")]
    ChainId {
        /// What the transaction says.
        have: Option<u64>,
        /// The chain's.
        want: u64,
    },
    /// The signature recovers no sender.
    #[error("invalid sender: {0}")]
    Signature(String),
    /// The tip is above the cap.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveCap,
    /// Not enough gas for the bytes alone.
    #[error("intrinsic gas too low: gas {have}, minimum needed {want}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        have: u64,
        /// What it needs before it runs.
        want: u64,
    },
    /// More gas than one transaction may have.
    #[error("transaction gas limit too high (cap: {cap}, tx: {have})")]
    GasCap {
        /// The most allowed.
        cap: u64,
        /// The transaction's gas limit.
        have: u64,
    },
    /// Longer init code than the EVM takes.
    #[error("max initcode size exceeded: {0} bytes")]
    InitCode(usize),
    /// A blob transaction without its blobs, or where none can be taken.
    #[error("{0}")]
    Blob(&'static str),
}

/// A decoded transaction whose sender is known.
#[derive(Clone, Debug)]
pub struct SignedTx {
    /// The transaction, without blobs, and its sender.
    pub tx: Arc<Recovered<TxEnvelope>>,
    /// The bytes as they came, with blobs if there are any.
    pub raw: Bytes,
}

impl SignedTx {
    /// Decodes and checks what needs no state.
    pub fn decode(raw: Bytes, chain_id: u64) -> Result<Self, TxError> {
        let is_blob = raw.first() == Some(&3);
        let limit = if is_blob { MAX_BLOB_TX_BYTES } else { MAX_TX_BYTES };
        if raw.len() > limit {
            return Err(TxError::Oversized { size: raw.len(), limit });
        }
        let envelope = TxEnvelope::decode_2718_exact(&raw).map_err(|error| TxError::Undecodable(error.to_string()))?;
        if envelope.chain_id() != Some(chain_id) {
            return Err(TxError::ChainId { have: envelope.chain_id(), want: chain_id });
        }
        let envelope = match envelope {
            TxEnvelope::Eip4844(signed) => {
                if signed.tx().sidecar().is_none() {
                    return Err(TxError::Blob("missing sidecar in blob transaction"));
                }
                let (variant, signature, hash) = signed.into_parts();
                TxEnvelope::Eip4844(alloy::consensus::Signed::new_unchecked(variant.drop_sidecar(), signature, hash))
            }
            other => other,
        };
        let tx = envelope.try_into_recovered().map_err(|error| TxError::Signature(error.to_string()))?;
        check_gas(&tx)?;
        Ok(Self { tx: Arc::new(tx), raw })
    }

    /// The transaction's hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.tx.tx_hash()
    }

    /// Who signed it.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.tx.signer()
    }

    /// Its nonce.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.tx.nonce()
    }

    /// Whether it carries blobs.
    #[must_use]
    pub fn is_blob(&self) -> bool {
        self.tx.is_eip4844()
    }

    /// The most wei that it can cost: gas at the fee cap, blobs, value.
    #[must_use]
    pub fn most_cost(&self) -> U256 {
        let gas = U256::from(self.tx.gas_limit()).saturating_mul(U256::from(self.tx.max_fee_per_gas()));
        let blobs = U256::from(self.tx.blob_gas_used().unwrap_or_default()).saturating_mul(U256::from(self.tx.max_fee_per_blob_gas().unwrap_or_default()));
        gas.saturating_add(blobs).saturating_add(self.tx.value())
    }

    /// Wei per gas for the fee recipient at `base_fee`; none where the cap is below it.
    #[must_use]
    pub fn tip(&self, base_fee: u64) -> Option<u128> {
        self.tx.effective_tip_per_gas(base_fee)
    }

    /// The transaction as a client sees it while it waits.
    #[must_use]
    pub fn waiting_body(&self) -> alloy::rpc::types::Transaction {
        alloy::rpc::types::Transaction::from_transaction((*self.tx).clone(), alloy::rpc::types::TransactionInfo::default())
    }
}

fn check_gas(tx: &Recovered<TxEnvelope>) -> Result<(), TxError> {
    if tx.max_priority_fee_per_gas().is_some_and(|tip| tip > tx.max_fee_per_gas()) {
        return Err(TxError::TipAboveCap);
    }
    if tx.kind() == TxKind::Create && tx.input().len() > MAX_INIT_CODE {
        return Err(TxError::InitCode(tx.input().len()));
    }
    if tx.gas_limit() > TX_GAS_CAP {
        return Err(TxError::GasCap { cap: TX_GAS_CAP, have: tx.gas_limit() });
    }
    let want = intrinsic_gas(tx);
    if tx.gas_limit() < want {
        return Err(TxError::IntrinsicGas { have: tx.gas_limit(), want });
    }
    Ok(())
}

/// Gas that a transaction needs before it runs, or at least by its bytes (EIP-2028, 2930, 3860, 7623, 7702), whichever is more.
fn intrinsic_gas(tx: &Recovered<TxEnvelope>) -> u64 {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let zeros = count(tx.input().iter().filter(|byte| **byte == 0).count());
    let tokens = (count(tx.input().len()).saturating_sub(zeros)).saturating_mul(4).saturating_add(zeros);
    let mut gas = tokens.saturating_mul(4).saturating_add(21_000);
    if tx.kind() == TxKind::Create {
        gas = gas.saturating_add(32_000).saturating_add(count(tx.input().len().div_ceil(32)).saturating_mul(2));
    }
    if let Some(list) = tx.access_list() {
        let slots = list.iter().fold(0u64, |sum, item| sum.saturating_add(count(item.storage_keys.len())));
        gas = gas.saturating_add(count(list.len()).saturating_mul(2_400)).saturating_add(slots.saturating_mul(1_900));
    }
    gas = gas.saturating_add(tx.authorization_list().map_or(0, |list| count(list.len()).saturating_mul(25_000)));
    gas.max(tokens.saturating_mul(10).saturating_add(21_000))
}
