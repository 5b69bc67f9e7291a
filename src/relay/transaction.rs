//! A transaction to the executor: built unsigned, then sealed once. What is simulated is what is sent, byte for byte.
//!
//! ```text
//! TxTemplate ─unsigned(nonce)─▶ TxEip1559 ─┬─ SealedTx::sign(operator)   raw bytes + the transaction to simulate
//!                                          ├─ ThrowAwayKey::seal         the same, for runs without keys
//!                                          └─ placeholder(sender)        simulation only, no signature is computed
//! ```

use super::{Fees, OperatorKey};
use crate::{
    fork::SimTx,
    plan::{Skip, SkipReason},
};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope, transaction::Recovered},
    eips::{Encodable2718, eip2930::AccessList},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, Signature, SignatureError, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use std::{fmt, sync::Arc};

/// Why a transaction could not be built or sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// The simulation used more gas than a transaction may have.
    #[error("the simulation used {simulated} gas, a transaction may have {limit}")]
    GasAboveLimit {
        /// Gas of the simulation.
        simulated: u64,
        /// The lower of the protocol's and the block's limit.
        limit: u64,
    },
    /// Fees or costs beyond what the fields can hold.
    #[error("the fees exceed the fields of a transaction")]
    FeeOverflow,
    /// The signer failed or refused.
    #[error("the signer did not sign")]
    Signer(#[source] alloy::signers::Error),
    /// The signer answered with something that is no signature.
    #[error("the signature recovers to nobody")]
    Signature(#[source] SignatureError),
    /// Only EIP-1559 transactions are built here.
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

impl TransactionError {
    /// The reason from the closed set under which the candidate is skipped.
    #[must_use]
    pub fn skip(&self) -> Skip {
        let reason = match self {
            Self::GasAboveLimit { .. } | Self::FeeOverflow => SkipReason::TooExpensive,
            Self::Signer(_) | Self::Signature(_) | Self::NotOurs | Self::NonceNotLeased { .. } | Self::WrongSigner { .. } => SkipReason::SubmissionFailed,
        };
        Skip::new(reason, self.to_string())
    }
}

/// All of a transaction but its nonce and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxTemplate {
    /// The chain.
    pub chain_id: u64,
    /// The executor.
    pub to: Address,
    /// Calldata.
    pub input: Bytes,
    /// Most gas.
    pub gas_limit: u64,
    /// Fees.
    pub fees: Fees,
}

impl TxTemplate {
    /// The transaction with a nonce, unsigned. It carries no ether.
    #[must_use]
    pub fn unsigned(&self, nonce: u64) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: self.fees.max_fee,
            max_priority_fee_per_gas: self.fees.priority_fee,
            to: TxKind::Call(self.to),
            value: U256::ZERO,
            access_list: AccessList::default(),
            input: self.input.clone(),
        }
    }

    /// Wei that the sender must have before the transaction is valid.
    #[must_use]
    pub fn max_cost(&self) -> U256 {
        // 64 bits times 128 bits always fit.
        U256::from(self.gas_limit).saturating_mul(U256::from(self.fees.max_fee))
    }
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

    /// Signs what was simulated under a placeholder: every field but the signature stays as it ran.
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

/// A transaction for simulation only: the sender is as given and the signature a constant of full length. It is worth
/// nothing on any chain, and costs no signing.
#[must_use]
pub fn placeholder(tx: TxEip1559, sender: Address) -> SimTx {
    let half = U256::MAX >> 2;
    let envelope = TxEnvelope::from(tx.into_signed(Signature::new(half, half, false)));
    Arc::new(Recovered::new_unchecked(envelope, sender))
}

/// A key made for one run and forgotten: it signs what a dry-run would send. Its account has no funds on any chain; the
/// simulation has to lend it gas money.
pub struct ThrowAwayKey(PrivateKeySigner);

impl ThrowAwayKey {
    /// A new random key.
    #[must_use]
    pub fn random() -> Self {
        Self(PrivateKeySigner::random())
    }

    /// The account.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs at once, without a runtime.
    pub fn seal(&self, mut tx: TxEip1559) -> Result<SealedTx, TransactionError> {
        let signature = self.0.sign_transaction_sync(&mut tx).map_err(TransactionError::Signer)?;
        Ok(SealedTx::from_parts(tx, signature, self.address()))
    }
}

impl fmt::Debug for ThrowAwayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThrowAwayKey").field(&self.address()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::key_from_hex;
    use alloy::{consensus::transaction::SignerRecoverable, eips::Decodable2718, network::TxSigner};
    use futures::future::BoxFuture;

    fn template() -> TxTemplate {
        TxTemplate {
            chain_id: 1,
            to: Address::repeat_byte(0xe1),
            input: Bytes::from_static(&[1, 2, 3, 4, 0, 0, 0]),
            gas_limit: 700_000,
            fees: Fees::for_target(20_000_000_000, 1_000_000_000).unwrap(),
        }
    }

    fn operator() -> OperatorKey {
        key_from_hex(&format!("{:064x}", 2)).unwrap().into()
    }

    #[tokio::test]
    async fn what_is_simulated_is_what_is_sent() {
        let sealed = SealedTx::sign(template().unsigned(5), &operator()).await.unwrap();
        let decoded = TxEnvelope::decode_2718(&mut sealed.raw().as_ref()).unwrap();
        assert_eq!(&decoded, sealed.tx().inner());
        assert_eq!(decoded.recover_signer().unwrap(), sealed.sender());
        assert_eq!(sealed.sender(), operator().address());
        assert_eq!(alloy::primitives::keccak256(sealed.raw()), sealed.hash());
    }

    #[tokio::test]
    async fn signatures_are_deterministic_and_match_the_published_vector() {
        // tx1 of the relay notes: key 2, chain 1, nonce 0, to 0x..dEaD, gas 21000, 30 gwei, 1 gwei.
        let tx = TxEip1559 { input: Bytes::new(), to: TxKind::Call(Address::with_last_byte(0)), ..template().unsigned(0) };
        let tx = TxEip1559 {
            to: TxKind::Call(alloy::primitives::address!("000000000000000000000000000000000000dEaD")),
            gas_limit: 21_000,
            max_fee_per_gas: 30_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            ..tx
        };
        let sealed = SealedTx::sign(tx, &operator()).await.unwrap();
        assert_eq!(sealed.hash().to_string(), "0xfe7948ba69c27215d0afd7e429500508f7cc412b864bb7d82d3c851c292933f3");
    }

    #[test]
    fn the_most_it_costs() {
        assert_eq!(template().max_cost(), U256::from(700_000_u64) * U256::from(21_000_000_000_u64));
    }

    #[test]
    fn a_throw_away_key_seals_for_real() {
        let key = ThrowAwayKey::random();
        let sealed = key.seal(template().unsigned(0)).unwrap();
        assert_eq!(sealed.tx().inner().recover_signer().unwrap(), key.address());
    }

    #[test]
    fn a_placeholder_has_the_size_of_the_real_one() {
        let sender = Address::repeat_byte(7);
        let sim = placeholder(template().unsigned(3), sender);
        let sealed = ThrowAwayKey::random().seal(template().unsigned(3)).unwrap();
        assert_eq!(sim.signer(), sender);
        assert!(sim.inner().encoded_2718().len().abs_diff(sealed.raw().len()) <= 2, "leading zeros of r and s only");
    }

    #[tokio::test]
    async fn signing_what_was_simulated_changes_the_signature_only() {
        let simulated = placeholder(template().unsigned(5), operator().address());
        let sealed = SealedTx::sign_simulated(&simulated, &operator()).await.unwrap();
        assert_eq!(sealed.tx().inner().as_eip1559().unwrap().tx(), simulated.inner().as_eip1559().unwrap().tx());
        assert_eq!(sealed.sender(), operator().address());
        let other = placeholder(template().unsigned(5), Address::repeat_byte(7));
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
        let error = SealedTx::sign(template().unsigned(0), &key).await.unwrap_err();
        assert!(matches!(error, TransactionError::WrongSigner { .. }));
        assert_eq!(error.skip().reason, SkipReason::SubmissionFailed);
    }
}
