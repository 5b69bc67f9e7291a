//! What the ways to roll ask of the node, in as few requests as it goes.

use crate::{
    chain::Head,
    fork::{Facet, ForkError, RequestLimits, reader::is_refusal},
};
use alloy::{
    eips::BlockId,
    network::{AnyNetwork, AnyRpcBlock},
    primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256, keccak256},
    providers::{Provider, RootProvider},
    rpc::client::{BatchRequest, Waiter},
    transports::TransportError,
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// The node, asked for blocks, traces and single facets.
#[derive(Clone, Debug)]
pub(in crate::fork) struct Questions {
    provider: RootProvider<AnyNetwork>,
    limits: RequestLimits,
}

/// What is needed of a block that somebody else executed.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Body {
    /// Its hash.
    pub(super) hash: B256,
    /// Its transactions.
    pub(super) transactions: Vec<BodyTx>,
    /// Its withdrawals; none before Shanghai.
    #[serde(default)]
    pub(super) withdrawals: Option<Vec<BodyWithdrawal>>,
}

/// A transaction, as far as it says who writes what.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BodyTx {
    /// Its hash.
    pub(super) hash: B256,
    /// Whom it calls; none for a creation.
    #[serde(default)]
    pub(super) to: Option<Address>,
    /// Its input.
    pub(super) input: Bytes,
}

/// A withdrawal of the beacon chain.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct BodyWithdrawal {
    /// Who gets it.
    pub(super) address: Address,
    /// How much, in gwei.
    pub(super) amount: U64,
}

/// The tracer's answer about one transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TxTrace {
    /// Of which one, where the node says so.
    #[serde(default)]
    pub(super) tx_hash: Option<B256>,
    /// What changed.
    #[serde(default)]
    pub(super) result: Option<Frame>,
    /// Why the node can't say.
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// Changed accounts before and after a transaction.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Frame {
    /// All fields of the changed accounts that there were.
    pub(super) pre: BTreeMap<Address, TracedAccount>,
    /// The fields that are different now.
    pub(super) post: BTreeMap<Address, TracedAccount>,
}

/// An account in a trace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TracedAccount {
    /// Wei.
    pub(super) balance: Option<U256>,
    /// Nonce; nodes write it as a number or as hex digits.
    pub(super) nonce: Option<U64>,
    /// Code.
    pub(super) code: Option<Bytes>,
    /// Changed slots.
    pub(super) storage: BTreeMap<U256, U256>,
}

/// A facet as it is at the node; code with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The value, or the hash of the code.
    pub(super) value: U256,
    /// The bytes, if the facet is code.
    pub(super) code: Option<Bytes>,
}

/// One call of a batch, whose answer will be a number or code.
enum Asked {
    Number(Waiter<U256>),
    Code(Waiter<Bytes>),
    Nothing,
}

impl Questions {
    pub(in crate::fork) const fn new(provider: RootProvider<AnyNetwork>, limits: RequestLimits) -> Self {
        Self { provider, limits }
    }

    /// A block's body and what each of its transactions changed, in one request.
    pub(super) async fn traced(&self, head: &Head) -> Result<(Body, Vec<TxTrace>), ForkError> {
        const TRACE: &str = "debug_traceBlockByHash";
        let failed = |error: TransportError| fault(TRACE, head.hash, &error);
        let mut batch = BatchRequest::new(self.provider.client());
        let tracer = json!({ "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } });
        let traces = batch.add_call::<_, Vec<TxTrace>>(TRACE, &(head.hash, tracer)).map_err(failed)?;
        let body = batch.add_call::<_, Body>("eth_getBlockByHash", &(head.hash, true)).map_err(failed)?;
        batch.send().await.map_err(failed)?;
        let traces = traces.await.map_err(failed)?;
        let body = body.await.map_err(|error| fault("eth_getBlockByHash", head.hash, &error))?;
        Ok((body, traces))
    }

    /// A block with its transactions, and slots at its parent, in one request.
    pub(super) async fn block(&self, head: &Head, slots: &[(Address, U256)]) -> Result<(AnyRpcBlock, Vec<U256>), ForkError> {
        const BLOCK: &str = "eth_getBlockByHash";
        let failed = |error: TransportError| fault(BLOCK, head.hash, &error);
        let mut batch = BatchRequest::new(self.provider.client());
        let block = batch.add_call::<_, Option<AnyRpcBlock>>(BLOCK, &(head.hash, true)).map_err(failed)?;
        let parent = BlockId::from(head.parent_hash);
        let slots = slots.iter().map(|(address, slot)| batch.add_call::<_, U256>("eth_getStorageAt", &(*address, B256::from(*slot), parent)));
        let slots = slots.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        batch.send().await.map_err(failed)?;
        let absent = || ForkError::Node { what: BLOCK.to_owned(), block: head.hash, reason: "it has no such block".to_owned() };
        let block = block.await.map_err(failed)?.ok_or_else(absent)?;
        let values = futures::future::try_join_all(slots).await.map_err(|error| fault("eth_getStorageAt", head.parent_hash, &error))?;
        Ok((block, values))
    }

    /// The values of facets at a block, in the order asked: one request unless they are more than go into a batch.
    pub(super) async fn facets(&self, at: B256, wanted: &[Facet]) -> Result<Vec<Reading>, ForkError> {
        let failed = |error: TransportError| fault("a batch of reads", at, &error);
        let block = BlockId::from(at);
        let mut readings = Vec::with_capacity(wanted.len());
        for chunk in wanted.chunks(self.limits.batch.max(1)) {
            let mut batch = BatchRequest::new(self.provider.client());
            let mut asked = Vec::with_capacity(chunk.len());
            for facet in chunk {
                asked.push(match facet {
                    Facet::Slot(address, slot) => Asked::Number(batch.add_call("eth_getStorageAt", &(*address, B256::from(*slot), block)).map_err(failed)?),
                    Facet::Balance(address) => Asked::Number(batch.add_call("eth_getBalance", &(*address, block)).map_err(failed)?),
                    Facet::Nonce(address) => Asked::Number(batch.add_call("eth_getTransactionCount", &(*address, block)).map_err(failed)?),
                    Facet::Code(address) => Asked::Code(batch.add_call("eth_getCode", &(*address, block)).map_err(failed)?),
                    Facet::Env(_) => Asked::Nothing,
                });
            }
            batch.send().await.map_err(failed)?;
            for question in asked {
                readings.push(match question {
                    Asked::Number(number) => Reading { value: number.await.map_err(failed)?, code: None },
                    Asked::Code(code) => {
                        let code = code.await.map_err(failed)?;
                        Reading { value: hash_of(&code).into(), code: Some(code) }
                    }
                    Asked::Nothing => Reading { value: U256::ZERO, code: None },
                });
            }
        }
        Ok(readings)
    }
}

/// The hash that an account with this code has.
pub(super) fn hash_of(code: &[u8]) -> B256 {
    if code.is_empty() { KECCAK256_EMPTY } else { keccak256(code) }
}

/// A refusal is told from a failure: it will be the same next time.
fn fault(method: &'static str, at: B256, error: &TransportError) -> ForkError {
    if is_refusal(error) {
        return ForkError::Refused { method, reason: error.to_string() };
    }
    ForkError::Node { what: method.to_owned(), block: at, reason: error.to_string() }
}
