//! Trial blocks: a list of transactions is really mined on the head, looked at, and taken back.
//!
//! The caller holds the gate's write half, so nobody reads the node while a trial block is its newest.

use super::{
    front::tx::SignedTx,
    node::{Node, NodeError, Receipt},
};
use alloy::primitives::{Address, B256, Bytes, I256, U64, U256};
use serde_json::{Value, json};

/// The block that a trial pretends to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrialBlock {
    /// Seconds.
    pub timestamp: u64,
    /// Wei per gas; as EIP-1559 has it where none is given.
    pub base_fee: Option<u64>,
    /// Empty blocks between the head and this block, 12 seconds apart.
    pub skipped: u64,
    /// Who gets tips and payments.
    pub fee_recipient: Address,
}

/// What a trial block showed.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// Receipts of what was mined, in block order.
    pub receipts: Vec<Receipt>,
    /// Wei that the fee recipient gained in the block.
    pub gain: I256,
    /// The first transaction that the node would not even take, and its words.
    pub refused: Option<(B256, String)>,
    /// The block's base fee, wei per gas.
    pub base_fee: u64,
    /// Per mined transaction, when asked for.
    pub details: Vec<Detail>,
}

/// A mined transaction, looked at closely.
#[derive(Clone, Debug, Default)]
pub(super) struct Detail {
    /// Wei that the fee recipient gained by it: tip and direct payments.
    pub gain: I256,
    /// What it returned, or the data of its revert.
    pub output: Bytes,
    /// The node's words for its failure.
    pub error: Option<String>,
}

impl Trial {
    /// The first of `expected` that was not mined at its place.
    #[must_use]
    pub(super) fn first_missing<'a>(&self, expected: &'a [SignedTx]) -> Option<&'a SignedTx> {
        let mut mined = self.receipts.iter().map(|receipt| receipt.transaction_hash);
        expected.iter().find(|tx| mined.next() != Some(tx.hash()))
    }
}

/// Signed wei of an amount; amounts on a devnet are far below the limit.
fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap_or(I256::MAX)
}

/// Mines `txs` on the head as `block`, looks, and goes back to the head.
pub(super) async fn run(node: &Node, txs: &[SignedTx], block: TrialBlock, closely: bool) -> Result<Trial, NodeError> {
    let snapshot = node.snapshot().await?;
    let trial = mine_and_look(node, txs, block, closely).await;
    let reverted = node.revert(snapshot).await;
    let emptied = node.empty_pool().await;
    let trial = trial?;
    reverted?;
    emptied?;
    Ok(trial)
}

async fn mine_and_look(node: &Node, txs: &[SignedTx], block: TrialBlock, closely: bool) -> Result<Trial, NodeError> {
    for back in (1..=block.skipped).rev() {
        node.mine_at(block.timestamp.saturating_sub(back.saturating_mul(super::SLOT_SECONDS)), None).await?;
    }
    let before = node.balance(block.fee_recipient).await?;
    node.prepare_block(block.timestamp, block.base_fee).await?;
    let mut refused = None;
    for tx in txs {
        match node.send_raw(&tx.raw).await {
            Ok(_) => {}
            Err(NodeError::Refused { message, .. }) => {
                refused = Some((tx.hash(), message));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    node.mine().await?;
    let receipts = node.newest_receipts().await?;
    let after = node.balance(block.fee_recipient).await?;
    let details = if closely { look_closely(node, block.fee_recipient, &receipts).await? } else { Vec::new() };
    let base_fee = match block.base_fee {
        Some(base_fee) => base_fee,
        None => base_fee_of(&node.newest_block().await?)?,
    };
    Ok(Trial { receipts, gain: signed(after).saturating_sub(signed(before)), refused, base_fee, details })
}

/// The base fee in a block's JSON.
fn base_fee_of(block: &Value) -> Result<u64, NodeError> {
    block
        .get("baseFeePerGas")
        .and_then(|fee| serde_json::from_value::<U64>(fee.clone()).ok())
        .map(|fee| fee.to())
        .ok_or(NodeError::Incomplete { method: "eth_getBlockByNumber", what: "the base fee" })
}

/// Traces the newest block: the fee recipient's balance around each transaction, and what each one returned.
async fn look_closely(node: &Node, fee_recipient: Address, receipts: &[Receipt]) -> Result<Vec<Detail>, NodeError> {
    if receipts.is_empty() {
        return Ok(Vec::new());
    }
    let diffs: Value = node.call("debug_traceBlockByNumber", ("latest", json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}))).await?;
    let calls: Value = node.call("debug_traceBlockByNumber", ("latest", json!({"tracer": "callTracer", "tracerConfig": {"onlyTopCall": true}}))).await?;
    let account = format!("{fee_recipient:#x}");
    let balance = |diff: &Value, side: &str| {
        diff.pointer(&format!("/result/{side}/{account}/balance")).and_then(|value| serde_json::from_value::<U256>(value.clone()).ok())
    };
    let empty = Vec::new();
    let diffs = diffs.as_array().unwrap_or(&empty).iter();
    let calls = calls.as_array().unwrap_or(&empty).iter();
    Ok(diffs
        .zip(calls)
        .map(|(diff, call)| {
            let gain = match (balance(diff, "pre"), balance(diff, "post")) {
                (Some(pre), Some(post)) => signed(post).saturating_sub(signed(pre)),
                // No entry: nothing changed.
                _ => I256::ZERO,
            };
            let output = call.pointer("/result/output").and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default();
            let error = call.pointer("/result/error").and_then(Value::as_str).map(str::to_owned);
            Detail { gain, output, error }
        })
        .collect())
}
