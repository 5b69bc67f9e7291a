//! The room's tests on a small world without a node; the ones against a real node are in `tests/fork/`.

mod assumption;
mod layers;
mod random_reads;
mod reads;
mod replay;
mod rolls;
mod snapshot;
mod speed;
mod trace;

use super::{generation::Generation, store::Store, *};
use crate::chain::Head;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope, transaction::Recovered},
    eips::eip7702::Authorization,
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, KECCAK256_EMPTY, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use revm::{
    bytecode::opcode as op,
    state::{AccountInfo, Bytecode},
};
use std::sync::Arc;

/// A store that is filled by hand, and views on it that can ask nobody.
#[derive(Clone, Debug, Default)]
pub(super) struct World(pub(super) Store);

impl World {
    pub(super) fn account(mut self, address: Address, code: &[u8], balance: u64, nonce: u64) -> Self {
        let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
        let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { code.hash_slow() };
        self.0.insert_account(address, AccountInfo { balance: U256::from(balance), nonce, code_hash, account_id: None, code: Some(code) });
        self
    }

    pub(super) fn slot(mut self, address: Address, slot: u64, value: u64) -> Self {
        self.0.insert_slot(address, U256::from(slot), U256::from(value));
        self
    }

    /// A view on the world, in which the caller of calls and the fee recipient are known if nothing else is.
    pub(super) fn view(&self) -> View {
        let known = |address| self.0.account(&address).is_some();
        let missing = [Address::ZERO, addr(0xfe)].into_iter().filter(|address| !known(*address));
        missing.fold(self.clone(), |world, address| world.account(address, &[], 0, 0)).unpadded_view()
    }

    pub(super) fn unpadded_view(&self) -> View {
        View::new(Arc::new(Generation::new(head(), self.0.clone(), None)))
    }
}

pub(super) fn head() -> Head {
    Head {
        timestamp: 1_800_000_000,
        base_fee: 100,
        gas_limit: 30_000_000,
        gas_used: 15_000_000,
        fee_recipient: addr(0xfe),
        prev_randao: B256::repeat_byte(7),
        ..Head::placed(1000, B256::repeat_byte(0xaa), B256::repeat_byte(0xbb))
    }
}

pub(super) fn block() -> TargetBlock {
    TargetBlock::after(&head(), &ChainRules::fixed(31337, 12, Hardfork::Osaka))
}

/// An address that is no precompile.
pub(super) const fn addr(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

/// `PUSH20 address`.
pub(super) fn push(address: Address) -> Vec<u8> {
    [&[op::PUSH20], address.as_slice()].concat()
}

/// Returns the word on top of the stack.
pub(super) const RETURN_TOP: &[u8] = &[op::PUSH0, op::MSTORE, op::PUSH1, 32, op::PUSH0, op::RETURN];

pub(super) fn code(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A CALL of `to` with value and no data.
pub(super) fn pay(to: &[u8], value: u8) -> Vec<u8> {
    code(&[&[op::PUSH0, op::PUSH0, op::PUSH0, op::PUSH0, op::PUSH1, value], to, &[op::GAS, op::CALL]])
}

pub(super) fn alice() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap()
}

/// A transaction of Alice's.
pub(super) fn signed(nonce: u64, to: TxKind, value: u64, input: Vec<u8>) -> SimTx {
    let mut tx = TxEip1559 {
        chain_id: 31337,
        nonce,
        gas_limit: 500_000,
        max_fee_per_gas: 1000,
        max_priority_fee_per_gas: 2,
        to,
        value: U256::from(value),
        access_list: Default::default(),
        input: input.into(),
    };
    let signature = alice().sign_transaction_sync(&mut tx).unwrap();
    Arc::new(Recovered::new_unchecked(TxEnvelope::from(tx.into_signed(signature)), alice().address()))
}

/// A transaction of Alice's that carries `authority`'s delegation to `to`.
pub(super) fn delegating(nonce: u64, authority: &PrivateKeySigner, authority_nonce: u64, to: Address) -> SimTx {
    let authorization = Authorization { chain_id: U256::from(31337), address: to, nonce: authority_nonce };
    let authorization_signature = authority.sign_hash_sync(&authorization.signature_hash()).unwrap();
    let mut tx = TxEip7702 {
        chain_id: 31337,
        nonce,
        gas_limit: 500_000,
        max_fee_per_gas: 1000,
        max_priority_fee_per_gas: 2,
        to: addr(0x99),
        value: U256::ZERO,
        access_list: Default::default(),
        authorization_list: vec![authorization.into_signed(authorization_signature)],
        input: Bytes::new(),
    };
    let signature = alice().sign_transaction_sync(&mut tx).unwrap();
    Arc::new(Recovered::new_unchecked(TxEnvelope::from(tx.into_signed(signature)), alice().address()))
}
