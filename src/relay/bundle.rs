//! A candidate's transactions for one target block, with the trigger in front where there is one.
//!
//! The trigger's hash (and those of its sender's earlier transactions in front of it) may be dropped or may revert, so that
//! the bundle survives when the trigger is already in the block or in another bundle. Our own hashes are never listed:
//! without their trigger they revert by themselves, and then nothing of the bundle is included.

use super::{Capabilities, SealedTx};
use crate::{
    chain::PendingTx,
    fork::SimTx,
    plan::{Skip, SkipReason},
};
use alloy::{
    consensus::Transaction,
    eips::Encodable2718,
    primitives::{Address, B256, Bytes, Keccak256, hex},
    rpc::types::mev::EthSendBundle,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The most transactions of one bundle that relays take.
pub const MAX_BUNDLE_TXS: usize = 100;

/// The most bytes of raw transactions of one bundle that relays take.
pub const MAX_BUNDLE_BYTES: usize = 300_000;

/// Why transactions can't form a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Nothing of ours in it.
    #[error("a bundle needs a transaction of our own")]
    Empty,
    /// Blob transactions can't stand in a bundle.
    #[error("the trigger {0} carries blobs and can't be bundled")]
    TriggerNotBundleable(B256),
    /// More than [`MAX_BUNDLE_TXS`].
    #[error("{0} transactions, a bundle may have {MAX_BUNDLE_TXS}")]
    TooManyTransactions(usize),
    /// More than [`MAX_BUNDLE_BYTES`].
    #[error("{0} bytes of transactions, a bundle may have {MAX_BUNDLE_BYTES}")]
    TooLarge(usize),
    /// The same transaction twice.
    #[error("transaction {0} is in the bundle twice")]
    Duplicate(B256),
    /// One of our senders' nonces do not follow each other.
    #[error("nonce {found} of {sender} follows nonce {previous}")]
    NonceOrder {
        /// The operator.
        sender: Address,
        /// The nonce before.
        previous: u64,
        /// The nonce found.
        found: u64,
    },
    /// The last moment lies before the first.
    #[error("valid from {min} to {max} is never")]
    EmptyWindow {
        /// First timestamp.
        min: u64,
        /// Last timestamp.
        max: u64,
    },
}

impl BundleError {
    /// The skip under which the candidate is recorded.
    #[must_use]
    pub fn skip(&self) -> Skip {
        let reason = match self {
            Self::TriggerNotBundleable(_) => SkipReason::TriggerNotBundleable,
            Self::TooManyTransactions(_) | Self::TooLarge(_) => SkipReason::LimitReached,
            Self::Empty | Self::Duplicate(_) | Self::NonceOrder { .. } | Self::EmptyWindow { .. } => SkipReason::SubmissionFailed,
        };
        Skip::new(reason, self.to_string())
    }
}

/// Transactions that are included together, in this order, in one block or not at all.
#[derive(Clone, Debug)]
pub struct Bundle {
    target_block: u64,
    front: Vec<PendingTx>,
    ours: Vec<SealedTx>,
    raw: Vec<Bytes>,
    replacement_uuid: Option<String>,
    min_timestamp: Option<u64>,
    max_timestamp: Option<u64>,
}

impl Bundle {
    /// A bundle for `target_block`: first `front` (the trigger last, before it what its sender must do first), then `ours`.
    pub fn new(target_block: u64, front: Vec<PendingTx>, ours: Vec<SealedTx>) -> Result<Self, BundleError> {
        if ours.is_empty() {
            return Err(BundleError::Empty);
        }
        if let Some(blob) = front.iter().find(|pending| pending.is_blob()) {
            return Err(BundleError::TriggerNotBundleable(blob.hash()));
        }
        let count = front.len().saturating_add(ours.len());
        if count > MAX_BUNDLE_TXS {
            return Err(BundleError::TooManyTransactions(count));
        }
        let in_front = front.iter().map(|pending| Bytes::from(pending.tx.inner().encoded_2718()));
        let raw: Vec<Bytes> = in_front.chain(ours.iter().map(|sealed| sealed.raw().clone())).collect();
        let bytes = raw.iter().fold(0_usize, |sum, tx| sum.saturating_add(tx.len()));
        if bytes > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge(bytes));
        }
        let bundle = Self { target_block, front, ours, raw, replacement_uuid: None, min_timestamp: None, max_timestamp: None };
        bundle.check_unique()?;
        bundle.check_nonces()?;
        Ok(bundle)
    }

    /// The id under which the bundle can be replaced and cancelled, see [`replacement_uuid`].
    #[must_use]
    pub fn with_replacement(mut self, uuid: String) -> Self {
        self.replacement_uuid = Some(uuid);
        self
    }

    /// Valid only in a block with a timestamp (seconds) of at least `min` and at most `max`.
    pub fn with_timestamps(mut self, min: Option<u64>, max: Option<u64>) -> Result<Self, BundleError> {
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(BundleError::EmptyWindow { min, max });
        }
        self.min_timestamp = min;
        self.max_timestamp = max;
        Ok(self)
    }

    /// The only block that it may be included in.
    #[must_use]
    pub const fn target_block(&self) -> u64 {
        self.target_block
    }

    /// The id for replacement and cancelling, if set.
    #[must_use]
    pub fn replacement_uuid(&self) -> Option<&str> {
        self.replacement_uuid.as_deref()
    }

    /// The raw transactions in order.
    #[must_use]
    pub fn raw_txs(&self) -> &[Bytes] {
        &self.raw
    }

    /// Our own transactions in order.
    #[must_use]
    pub fn ours(&self) -> &[SealedTx] {
        &self.ours
    }

    /// Hashes of our own transactions in order.
    #[must_use]
    pub fn own_hashes(&self) -> Vec<B256> {
        self.ours.iter().map(SealedTx::hash).collect()
    }

    /// Hashes of what stands in front of ours, the trigger last.
    #[must_use]
    pub fn front_hashes(&self) -> Vec<B256> {
        self.front.iter().map(PendingTx::hash).collect()
    }

    /// All transactions in order, as the simulation executes them: each encodes to the bytes of [`Bundle::raw_txs`].
    #[must_use]
    pub fn sim_txs(&self) -> Vec<SimTx> {
        let front = self.front.iter().map(|pending| Arc::clone(&pending.tx));
        front.chain(self.ours.iter().map(|sealed| Arc::clone(sealed.tx()))).collect()
    }

    /// keccak256 over the transaction hashes: the identity that relays use.
    #[must_use]
    pub fn hash(&self) -> B256 {
        let mut hasher = Keccak256::new();
        for hash in self.front_hashes().into_iter().chain(self.own_hashes()) {
            hasher.update(hash);
        }
        hasher.finalize()
    }

    /// The parameter of `eth_sendBundle` for a relay with these capabilities. What is not set or not known there is left out.
    #[must_use]
    pub fn request(&self, capabilities: &Capabilities) -> EthSendBundle {
        let (dropping, reverting) = if capabilities.dropping_tx_hashes { (self.front_hashes(), Vec::new()) } else { (Vec::new(), self.front_hashes()) };
        EthSendBundle {
            txs: self.raw.clone(),
            block_number: self.target_block,
            min_timestamp: self.min_timestamp.filter(|_| capabilities.timestamps),
            max_timestamp: self.max_timestamp.filter(|_| capabilities.timestamps),
            reverting_tx_hashes: reverting,
            dropping_tx_hashes: dropping,
            replacement_uuid: self.replacement_uuid.clone().filter(|_| capabilities.replacement),
            ..EthSendBundle::default()
        }
    }

    fn check_unique(&self) -> Result<(), BundleError> {
        let mut seen = HashSet::new();
        for hash in self.front_hashes().into_iter().chain(self.own_hashes()) {
            if !seen.insert(hash) {
                return Err(BundleError::Duplicate(hash));
            }
        }
        Ok(())
    }

    fn check_nonces(&self) -> Result<(), BundleError> {
        let mut last: HashMap<Address, u64> = HashMap::new();
        for sealed in &self.ours {
            let (sender, found) = (sealed.sender(), sealed.tx().nonce());
            if let Some(previous) = last.insert(sender, found)
                && previous.checked_add(1) != Some(found)
            {
                return Err(BundleError::NonceOrder { sender, previous, found });
            }
        }
        Ok(())
    }
}

/// An id (UUID version 4 in form) that depends on nothing but its arguments: after a restart the same bundle can still be
/// cancelled. Bundles for different target blocks get different ids, so that none replaces another.
#[must_use]
pub fn replacement_uuid(identity: Address, job: B256, target_block: u64) -> String {
    let mut hasher = Keccak256::new();
    hasher.update(b"harrier bundle");
    hasher.update(identity);
    hasher.update(job);
    hasher.update(target_block.to_be_bytes());
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15, ..] = hasher.finalize().0;
    let version = (b6 & 0x0f) | 0x40;
    let variant = (b8 & 0x3f) | 0x80;
    format!(
        "{}-{}-{}-{}-{}",
        hex::encode([b0, b1, b2, b3]),
        hex::encode([b4, b5]),
        hex::encode([version, b7]),
        hex::encode([variant, b9]),
        hex::encode([b10, b11, b12, b13, b14, b15])
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{CancelStyle, OperatorKey, key_from_hex, transaction::fixtures};
    use alloy::{
        consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEnvelope, transaction::Recovered},
        primitives::{Signature, TxKind, U256, address, b256},
        signers::local::PrivateKeySigner,
    };

    fn tx(nonce: u64) -> TxEip1559 {
        TxEip1559 { chain_id: 1, nonce, gas_limit: 21_000, to: TxKind::Call(Address::repeat_byte(9)), ..TxEip1559::default() }
    }

    fn sealed(key: &PrivateKeySigner, nonce: u64) -> SealedTx {
        fixtures::sealed(tx(nonce), key)
    }

    fn pending(nonce: u64) -> PendingTx {
        PendingTx { tx: Arc::clone(sealed(&PrivateKeySigner::random(), nonce).tx()) }
    }

    fn relay(dropping: bool) -> Capabilities {
        Capabilities { dropping_tx_hashes: dropping, timestamps: true, replacement: true, cancel: CancelStyle::Endpoint }
    }

    #[tokio::test]
    async fn the_published_bundle_hash_and_body() {
        let key = OperatorKey::from(key_from_hex(&format!("{:064x}", 2)).unwrap());
        let mut ours = Vec::new();
        for (nonce, to) in [(0, address!("000000000000000000000000000000000000dEaD")), (1, address!("000000000000000000000000000000000000bEEF"))] {
            let tx = TxEip1559 { max_fee_per_gas: 30_000_000_000, max_priority_fee_per_gas: 1_000_000_000, to: TxKind::Call(to), ..tx(nonce) };
            ours.push(SealedTx::sign(tx, &key).await.unwrap());
        }
        let bundle = Bundle::new(20_000_000, Vec::new(), ours).unwrap();
        assert_eq!(bundle.hash(), b256!("5a2e5ab6b96c4f6cf1306b29d5c7a28fb38a1e4270592750dbcf822a3cdb57bc"));
        let request = bundle.request(&relay(true));
        assert_eq!(request.bundle_hash(), bundle.hash());
        let body = serde_json::to_string(&request).unwrap();
        assert!(body.starts_with(r#"{"txs":["0x02f86b0180843b9aca00"#), "{body}");
        assert!(body.ends_with(r#""],"blockNumber":"0x1312d00"}"#), "optional fields only when set: {body}");
    }

    #[test]
    fn the_trigger_stands_in_front_and_only_it_may_be_dropped() {
        let key = PrivateKeySigner::random();
        let (before, trigger) = (pending(1), pending(2));
        let ours = sealed(&key, 0);
        let own = ours.hash();
        let bundle = Bundle::new(7, vec![before.clone(), trigger.clone()], vec![ours]).unwrap();
        let may_go = vec![before.hash(), trigger.hash()];
        let request = bundle.request(&relay(true));
        assert_eq!((request.dropping_tx_hashes, request.reverting_tx_hashes), (may_go.clone(), vec![]));
        let request = bundle.request(&relay(false));
        assert_eq!((request.dropping_tx_hashes, request.reverting_tx_hashes), (vec![], may_go.clone()));
        assert!(!may_go.contains(&own));
        assert_eq!(request.txs[1], Bytes::from(trigger.tx.inner().encoded_2718()));
        let simulated: Vec<Bytes> = bundle.sim_txs().iter().map(|tx| tx.inner().encoded_2718().into()).collect();
        assert_eq!(simulated, bundle.raw_txs());
    }

    #[test]
    fn a_blob_trigger_cannot_be_bundled() {
        let blob = TxEip4844 { chain_id: 1, blob_versioned_hashes: vec![B256::repeat_byte(1)], ..TxEip4844::default() };
        let envelope = TxEnvelope::from(blob.into_signed(Signature::new(U256::ONE, U256::ONE, false)));
        let pending = PendingTx { tx: Arc::new(Recovered::new_unchecked(envelope, Address::ZERO)) };
        let error = Bundle::new(7, vec![pending.clone()], vec![sealed(&PrivateKeySigner::random(), 0)]).unwrap_err();
        assert_eq!(error, BundleError::TriggerNotBundleable(pending.hash()));
        assert_eq!(error.skip().reason, SkipReason::TriggerNotBundleable);
    }

    #[test]
    fn limits_are_kept_to_the_last_one() {
        let key = PrivateKeySigner::random();
        let many = |count: u64| Bundle::new(7, vec![pending(0)], (0..count).map(|nonce| sealed(&key, nonce)).collect());
        assert!(many(99).is_ok());
        assert_eq!(many(100).unwrap_err(), BundleError::TooManyTransactions(101));
        let empty = sealed(&key, 0).raw().len();
        let large = |bytes: usize| {
            let input = Bytes::from(vec![1_u8; bytes - empty - 6]);
            Bundle::new(7, vec![], vec![fixtures::sealed(TxEip1559 { input, ..tx(0) }, &key)]).map(|bundle| bundle.raw_txs()[0].len())
        };
        assert!(large(MAX_BUNDLE_BYTES - 10).is_ok());
        let error = large(MAX_BUNDLE_BYTES + 20).unwrap_err();
        assert!(matches!(error, BundleError::TooLarge(_)));
        assert_eq!(error.skip().reason, SkipReason::LimitReached);
        assert_eq!(Bundle::new(7, vec![pending(0)], vec![]).unwrap_err(), BundleError::Empty);
    }

    #[test]
    fn order_and_doubles_are_checked() {
        let (key, other) = (PrivateKeySigner::random(), PrivateKeySigner::random());
        let build = |ours| Bundle::new(7, vec![], ours);
        assert!(build(vec![sealed(&key, 4), sealed(&other, 9), sealed(&key, 5)]).is_ok());
        let error = build(vec![sealed(&key, 4), sealed(&key, 6)]).unwrap_err();
        assert_eq!(error, BundleError::NonceOrder { sender: key.address(), previous: 4, found: 6 });
        let error = build(vec![sealed(&key, 4), sealed(&key, 4)]).unwrap_err();
        assert!(matches!(error, BundleError::Duplicate(_)));
    }

    #[test]
    fn windows_and_ids_are_sent_only_where_known() {
        let bundle = Bundle::new(7, vec![], vec![sealed(&PrivateKeySigner::random(), 0)]).unwrap();
        let error = bundle.clone().with_timestamps(Some(5), Some(4)).unwrap_err();
        assert_eq!(error, BundleError::EmptyWindow { min: 5, max: 4 });
        let bundle = bundle.with_timestamps(Some(5), Some(5)).unwrap().with_replacement("id".into());
        let request = bundle.request(&relay(true));
        assert_eq!((request.min_timestamp, request.max_timestamp), (Some(5), Some(5)));
        assert_eq!(request.replacement_uuid.as_deref(), Some("id"));
        let plain = Capabilities { timestamps: false, replacement: false, ..relay(true) };
        let text = serde_json::to_string(&bundle.request(&plain)).unwrap();
        assert!(!text.contains("Timestamp") && !text.contains("replacement"), "{text}");
        let text = serde_json::to_string(&bundle.request(&relay(true))).unwrap();
        assert!(text.contains(r#""minTimestamp":5"#), "timestamps are plain numbers: {text}");
    }

    #[test]
    fn ids_are_uuids_and_differ_by_block() {
        let id = |block| replacement_uuid(Address::repeat_byte(1), B256::repeat_byte(2), block);
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
        let text = id(1);
        let parts: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(text.chars().nth(14), Some('4'));
        assert!(text.chars().nth(19).is_some_and(|variant| "89ab".contains(variant)));
    }
}
