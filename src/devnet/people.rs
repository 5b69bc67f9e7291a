//! Named people with keys of their own. The same name has the same key on every devnet; none of them is worth anything elsewhere.

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    signers::{SignerSync, local::PrivateKeySigner},
};

/// Somebody who signs transactions.
#[derive(Clone, Debug)]
pub struct Person {
    name: String,
    signer: PrivateKeySigner,
}

/// A transaction to be signed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The chain's id.
    pub chain_id: u64,
    /// The sender's nonce.
    pub nonce: u64,
    /// The contract or account; none creates a contract.
    pub to: Option<Address>,
    /// Wei to send along.
    pub value: U256,
    /// Calldata or init code.
    pub data: Bytes,
    /// Gas limit.
    pub gas: u64,
    /// The most wei per gas.
    pub max_fee: u128,
    /// Wei per gas for the fee recipient.
    pub tip: u128,
}

impl Person {
    /// The person of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut salt = 0u8;
        loop {
            // Almost every hash is a valid key; the next salt is for those that are not.
            let key = keccak256(format!("a person on a harrier devnet: {name} {salt}"));
            if let Ok(signer) = PrivateKeySigner::from_bytes(&key) {
                return Self { name: name.to_owned(), signer };
            }
            salt = salt.wrapping_add(1);
        }
    }

    /// A person with a given key.
    #[must_use]
    pub fn with_signer(name: &str, signer: PrivateKeySigner) -> Self {
        Self { name: name.to_owned(), signer }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// The key, to sign with elsewhere.
    #[must_use]
    pub const fn signer(&self) -> &PrivateKeySigner {
        &self.signer
    }

    /// The key's bytes, for a configuration by environment variable.
    #[must_use]
    pub fn key(&self) -> B256 {
        self.signer.to_bytes()
    }

    /// Signs a transaction (type 2); the bytes that are sent.
    pub fn sign(&self, draft: &Draft) -> Result<Bytes, alloy::signers::Error> {
        let tx = TxEip1559 {
            chain_id: draft.chain_id,
            nonce: draft.nonce,
            gas_limit: draft.gas,
            max_fee_per_gas: draft.max_fee,
            max_priority_fee_per_gas: draft.tip,
            to: draft.to.map_or(TxKind::Create, TxKind::Call),
            value: draft.value,
            access_list: Default::default(),
            input: draft.data.clone(),
        };
        let signature = self.signer.sign_hash_sync(&tx.signature_hash())?;
        let envelope: alloy::consensus::TxEnvelope = tx.into_signed(signature).into();
        Ok(envelope.encoded_2718().into())
    }
}
