//! A transaction of an operator, sealed once: what was simulated is what is sent, byte for byte.
//!
//! ```text
//! simulated SimTx (no key signed it) ─SealedTx::sign_simulated(operator)─▶ raw bytes + the same transaction to run again
//! ```

use super::OperatorKey;
use crate::fork::SimTx;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope, transaction::Recovered},
    eips::Encodable2718,
    primitives::{Address, B256, Bytes, Signature, SignatureError},
};
use std::sync::Arc;

/// Why a transaction could not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The signer failed or refused.
    #[error("the signer did not sign")]
    Signer(#[source] alloy::signers::Error),
    /// The signer answered with something that is no signature.
    #[error("the signature recovers to nobody")]
    Signature(#[source] SignatureError),
    /// Only EIP-1559 transactions are sent.
    #[error("the simulated transaction is not of our kind")]
    NotOurs,
    /// The transaction's nonce lies before those that the bundle owns.
    #[error("nonce {nonce} lies before the leased nonce {leased}")]
    NonceNotLeased {
        /// The transaction's.
        nonce: u64,
        /// The first one leased.
        leased: u64,
    },
    /// The signer answered for another account.
    #[error("the signature belongs to {actual}, not to {expected}")]
    WrongSigner {
        /// The operator.
        expected: Address,
        /// Who signed.
        actual: Address,
    },
}

/// A signed transaction: the raw bytes for the relay and the same transaction for the simulation.
#[derive(Clone, Debug)]
pub struct SealedTx {
    raw: Bytes,
    tx: SimTx,
}

impl SealedTx {
    /// Signs with an operator's key.
    pub async fn sign(mut tx: TxEip1559, operator: &OperatorKey) -> Result<Self, TransactionError> {
        let signature = operator.sign(&mut tx).await?;
        Ok(Self::from_parts(tx, signature, operator.address()))
    }

    /// Signs what was simulated before any key signed it: every field but the signature stays as it ran.
    pub async fn sign_simulated(simulated: &SimTx, operator: &OperatorKey) -> Result<Self, TransactionError> {
        if simulated.signer() != operator.address() {
            return Err(TransactionError::WrongSigner { expected: simulated.signer(), actual: operator.address() });
        }
        let TxEnvelope::Eip1559(signed) = simulated.inner() else {
            return Err(TransactionError::NotOurs);
        };
        Self::sign(signed.tx().clone(), operator).await
    }

    /// `sender` must be who made `signature`; both ways to get here know.
    fn from_parts(tx: TxEip1559, signature: Signature, sender: Address) -> Self {
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        let raw = Bytes::from(envelope.encoded_2718());
        Self { raw, tx: Arc::new(Recovered::new_unchecked(envelope, sender)) }
    }

    /// The bytes that a relay gets.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The transaction that the simulation executes: it encodes to [`SealedTx::raw`].
    #[must_use]
    pub const fn tx(&self) -> &SimTx {
        &self.tx
    }

    /// The transaction's hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.tx.tx_hash()
    }

    /// Who sends it.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.tx.signer()
    }
}

/// Makes sealed transactions and simulated ones where a test needs no operator.
#[cfg(test)]
pub(super) mod fixtures {
    use super::*;
    use alloy::{network::TxSignerSync, primitives::U256, signers::local::PrivateKeySigner};

    /// Signs at once, without a runtime.
    pub(in crate::relay) fn sealed(mut tx: TxEip1559, key: &PrivateKeySigner) -> SealedTx {
        let signature = key.sign_transaction_sync(&mut tx).unwrap();
        SealedTx::from_parts(tx, signature, key.address())
    }

    /// The transaction as the engine runs it, under a signature that no key made.
    pub(in crate::relay) fn simulated(tx: TxEip1559, sender: Address) -> SimTx {
        SealedTx::from_parts(tx, Signature::new(U256::ONE, U256::ONE, false), sender).tx
    }
}

#[cfg(test)]
mod tests {
    use super::{fixtures::simulated, *};
    use crate::relay::key_from_hex;
    use alloy::{
        consensus::transaction::SignerRecoverable,
        eips::Decodable2718,
        network::TxSigner,
        primitives::{TxKind, address},
        signers::local::PrivateKeySigner,
    };
    use futures::future::BoxFuture;

    fn tx(nonce: u64) -> TxEip1559 {
        TxEip1559 {
            chain_id: 1,
            nonce,
            gas_limit: 700_000,
            max_fee_per_gas: 21_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(Address::repeat_byte(0xe1)),
            input: Bytes::from_static(&[1, 2, 3, 4, 0, 0, 0]),
            ..TxEip1559::default()
        }
    }

    fn operator() -> OperatorKey {
        key_from_hex(&format!("{:064x}", 2)).unwrap().into()
    }

    #[tokio::test]
    async fn what_is_simulated_is_what_is_sent() {
        let sealed = SealedTx::sign(tx(5), &operator()).await.unwrap();
        let decoded = TxEnvelope::decode_2718(&mut sealed.raw().as_ref()).unwrap();
        assert_eq!(&decoded, sealed.tx().inner());
        assert_eq!(decoded.recover_signer().unwrap(), sealed.sender());
        assert_eq!(sealed.sender(), operator().address());
        assert_eq!(alloy::primitives::keccak256(sealed.raw()), sealed.hash());
    }

    #[tokio::test]
    async fn signatures_are_deterministic_and_match_the_published_vector() {
        // tx1 of the relay notes: key 2, chain 1, nonce 0, to 0x..dEaD, gas 21000, 30 gwei, 1 gwei.
        let to = TxKind::Call(address!("000000000000000000000000000000000000dEaD"));
        let tx = TxEip1559 { to, gas_limit: 21_000, max_fee_per_gas: 30_000_000_000, input: Bytes::new(), ..tx(0) };
        let sealed = SealedTx::sign(tx, &operator()).await.unwrap();
        assert_eq!(sealed.hash().to_string(), "0xfe7948ba69c27215d0afd7e429500508f7cc412b864bb7d82d3c851c292933f3");
    }

    #[tokio::test]
    async fn signing_what_was_simulated_changes_the_signature_only() {
        let ran = simulated(tx(5), operator().address());
        let sealed = SealedTx::sign_simulated(&ran, &operator()).await.unwrap();
        assert_eq!(sealed.tx().inner().as_eip1559().unwrap().tx(), ran.inner().as_eip1559().unwrap().tx());
        assert_eq!(sealed.sender(), operator().address());
        let other = simulated(tx(5), Address::repeat_byte(7));
        assert!(matches!(SealedTx::sign_simulated(&other, &operator()).await, Err(TransactionError::WrongSigner { .. })));
    }

    #[derive(Debug)]
    struct LyingSigner(PrivateKeySigner);

    impl TxSigner<Signature> for LyingSigner {
        fn address(&self) -> Address {
            Address::repeat_byte(0x11)
        }

        fn sign_transaction<'me, 'tx, 'out>(&'me self, tx: &'tx mut dyn SignableTransaction<Signature>) -> BoxFuture<'out, alloy::signers::Result<Signature>>
        where
            'me: 'out,
            'tx: 'out,
        {
            TxSigner::sign_transaction(&self.0, tx)
        }
    }

    #[tokio::test]
    async fn a_signer_that_answers_for_another_account_is_caught() {
        let key = OperatorKey::new(LyingSigner(PrivateKeySigner::random()));
        let error = SealedTx::sign(tx(0), &key).await.unwrap_err();
        assert!(matches!(error, TransactionError::WrongSigner { .. }));
    }
}
