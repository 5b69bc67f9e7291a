//! A signed transaction, or a message call, in the EVM's own form.

use super::{Call, SimTx};
use alloy::{
    consensus::{Transaction, Typed2718},
    primitives::TxKind,
};
use revm::{context::TxEnv, context_interface::either::Either};

/// The transaction exactly as it was signed.
pub(super) fn signed(tx: &SimTx) -> TxEnv {
    let legacy_or_2930_price = tx.gas_price();
    TxEnv {
        tx_type: tx.ty(),
        caller: tx.signer(),
        gas_limit: tx.gas_limit(),
        gas_price: legacy_or_2930_price.unwrap_or_else(|| tx.max_fee_per_gas()),
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: tx.max_priority_fee_per_gas(),
        blob_hashes: tx.blob_versioned_hashes().map(<[_]>::to_vec).unwrap_or_default(),
        max_fee_per_blob_gas: tx.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: tx.authorization_list().unwrap_or_default().iter().cloned().map(Either::Left).collect(),
    }
}

/// A message call: no price, no nonce, no value.
pub(super) fn message(call: &Call) -> TxEnv {
    TxEnv {
        tx_type: 0,
        caller: call.from,
        gas_limit: call.gas_limit,
        gas_price: 0,
        kind: TxKind::Call(call.to),
        value: Default::default(),
        data: call.input.clone(),
        nonce: 0,
        chain_id: None,
        access_list: Default::default(),
        gas_priority_fee: None,
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: Vec::new(),
    }
}
