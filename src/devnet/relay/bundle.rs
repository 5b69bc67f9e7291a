//! A bundle as it comes in, read strictly: what is not understood is refused, or logged where the documents of the relays know it.

use crate::devnet::front::{rpc::RpcError, tx::SignedTx};
use alloy::primitives::{Address, B256, Bytes, Keccak256};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, sync::Arc};

/// The most transactions of a bundle.
pub const MAX_BUNDLE_TXS: usize = 100;
/// The most bytes of a bundle's transactions.
pub const MAX_BUNDLE_BYTES: usize = 300_000;

/// Transactions for one block (or, sent as a private transaction, for the first block that takes it), all or none.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// keccak256 over the transactions' hashes.
    pub hash: B256,
    /// The identity that signed the request.
    pub signer: Address,
    /// The relay that took it.
    pub relay: Arc<str>,
    /// The transactions in order.
    pub txs: Vec<SignedTx>,
    /// The first block that it may stand in.
    pub first_block: u64,
    /// The last one.
    pub last_block: u64,
    /// The least timestamp of the block, seconds.
    pub min_timestamp: Option<u64>,
    /// The highest timestamp of the block, seconds.
    pub max_timestamp: Option<u64>,
    /// Transactions that may revert.
    pub reverting: BTreeSet<B256>,
    /// Transactions that may be left out, but not revert.
    pub dropping: BTreeSet<B256>,
    /// The sender's name for it, to replace or cancel.
    pub uuid: Option<String>,
    /// Orders replacements of one name where the sender gave it.
    pub order: Option<u64>,
    /// Taken, but never to be included: a fault on demand.
    pub withheld: bool,
}

/// What an `eth_sendBundle` asks for.
#[derive(Debug)]
pub enum Submission {
    /// A bundle to keep.
    Bundle(Box<Bundle>),
    /// No transactions but a name: the bundle of this name is withdrawn.
    Cancel(String),
}

/// keccak256 over transaction hashes in order.
#[must_use]
pub fn bundle_hash(txs: &[SignedTx]) -> B256 {
    let mut hasher = Keccak256::new();
    for tx in txs {
        hasher.update(tx.hash());
    }
    hasher.finalize()
}

/// Fields of a request object, taken out one by one.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// The only element of a request's parameters, an object.
    pub fn only(params: Vec<Value>) -> Result<Self, RpcError> {
        let mut params = params.into_iter();
        match (params.next(), params.next()) {
            (Some(Value::Object(fields)), None) => Ok(Self(fields)),
            _ => Err(RpcError::params("expected exactly one object")),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// A hex quantity without leading zeros.
    pub fn quantity(&mut self, name: &str) -> Result<Option<u64>, RpcError> {
        self.take(name)
            .map(|value| strict_quantity(&value).ok_or_else(|| RpcError::params(format!("{name} must be a hex int without leading zeros"))))
            .transpose()
    }

    /// A number of seconds, as a JSON number; 0 stands for none.
    fn seconds(&mut self, name: &str) -> Result<Option<u64>, RpcError> {
        let value = self.take(name).map(|value| value.as_u64().ok_or_else(|| RpcError::params(format!("{name} must be a number of seconds")))).transpose()?;
        Ok(value.filter(|seconds| *seconds != 0))
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, RpcError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(RpcError::params(format!("{name} must be a string"))),
        }
    }

    /// A list of strings, each parsed.
    fn list<T: std::str::FromStr>(&mut self, name: &str) -> Result<Vec<T>, RpcError> {
        let wrong = || RpcError::params(format!("{name} must be a list of 0x-hex strings"));
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().filter(|text| text.starts_with("0x")).and_then(|text| text.parse().ok()).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// One parsed string.
    pub fn parsed<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, RpcError> {
        self.text(name)?.map(|text| text.parse().map_err(|_| RpcError::params(format!("{name} does not parse")))).transpose()
    }

    /// A number as JSON or as a quantity.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>, RpcError> {
        self.take(name)
            .map(|value| value.as_u64().or_else(|| strict_quantity(&value)).ok_or_else(|| RpcError::params(format!("{name} must be a number"))))
            .transpose()
    }

    /// The decoded transactions of `txs`.
    pub fn transactions(&mut self, chain_id: u64) -> Result<Vec<SignedTx>, RpcError> {
        let raws: Vec<Bytes> = self.list("txs")?;
        if raws.len() > MAX_BUNDLE_TXS {
            return Err(RpcError::params(format!("{} transactions, at most {MAX_BUNDLE_TXS}", raws.len())));
        }
        let bytes = raws.iter().fold(0usize, |sum, raw| sum.saturating_add(raw.len()));
        if bytes > MAX_BUNDLE_BYTES {
            return Err(RpcError::params(format!("{bytes} bytes, at most {MAX_BUNDLE_BYTES}")));
        }
        let mut seen = BTreeSet::new();
        let mut txs = Vec::with_capacity(raws.len());
        for (index, raw) in raws.into_iter().enumerate() {
            let tx = SignedTx::decode(raw, chain_id).map_err(|error| RpcError::params(format!("unable to decode txs: {index}: {error}")))?;
            if tx.is_blob() {
                return Err(RpcError::params(format!("transaction {index} carries blobs, which this relay does not bundle")));
            }
            if !seen.insert(tx.hash()) {
                return Err(RpcError::params(format!("transaction {index} stands in the bundle twice")));
            }
            txs.push(tx);
        }
        Ok(txs)
    }

    /// Names that were not taken.
    pub fn unknown(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// A hex quantity as the JSON-RPC specification wants it.
fn strict_quantity(value: &Value) -> Option<u64> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && !leading_zero).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// Whether a text is a version 4 UUID.
fn is_uuid_v4(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let mut parts = text.split('-').skip(2);
    lengths == [8, 4, 4, 4, 12]
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        && parts.next().is_some_and(|third| third.starts_with('4'))
        && parts.next().is_some_and(|fourth| fourth.starts_with(['8', '9', 'a', 'b', 'A', 'B']))
}

/// Reads an `eth_sendBundle`.
pub fn parse_send(params: Vec<Value>, signer: Address, relay: &Arc<str>, chain_id: u64) -> Result<(Submission, Vec<String>), RpcError> {
    let mut fields = Fields::only(params)?;
    let uuid = fields.text("replacementUuid")?;
    if uuid.as_deref().is_some_and(|uuid| !is_uuid_v4(uuid)) {
        return Err(RpcError::params("replacementUuid must be a UUID v4"));
    }
    let txs = fields.transactions(chain_id)?;
    if txs.is_empty() {
        return match uuid {
            Some(uuid) => Ok((Submission::Cancel(uuid), Vec::new())),
            None => Err(RpcError::params("missing txs")),
        };
    }
    // Paying a share back needs a transaction of the builder's own, which this relay does not send; it says so instead of keeping the money.
    for name in ["refundPercent", "refundRecipient", "refundTxHashes", "delayedRefund"] {
        if fields.take(name).is_some() {
            return Err(RpcError::params(format!("{name} is not supported by this relay")));
        }
    }
    let block = fields.quantity("blockNumber")?.ok_or_else(|| RpcError::params("missing blockNumber"))?;
    let bundle = Bundle {
        hash: bundle_hash(&txs),
        signer,
        relay: relay.clone(),
        first_block: block,
        last_block: block,
        min_timestamp: fields.seconds("minTimestamp")?,
        max_timestamp: fields.seconds("maxTimestamp")?,
        reverting: fields.list("revertingTxHashes")?.into_iter().collect(),
        dropping: fields.list("droppingTxHashes")?.into_iter().collect(),
        order: match fields.number("replacementNonce")? {
            Some(nonce) => Some(nonce),
            None => fields.number("replacementSeqNumber")?,
        },
        uuid,
        txs,
        withheld: false,
    };
    // Known, and of no consequence where one builder builds every block.
    fields.take("builders");
    let unknown = fields.unknown();
    Ok((Submission::Bundle(Box::new(bundle)), unknown))
}
