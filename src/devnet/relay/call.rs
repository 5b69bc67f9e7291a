//! `eth_callBundle`: a bundle in a trial block on the newest state, at the number and time of the block that is asked for.

use super::bundle::{Fields, bundle_hash};
use crate::devnet::{
    SLOT_SECONDS,
    builder::{tips, wei},
    front::{
        Front, HeadNow,
        rpc::{Answer, RpcError, answer},
        tx::SignedTx,
    },
    node::Receipt,
    trial::{self, Detail, Trial, TrialBlock},
};
use alloy::primitives::{Address, I256, U256};
use serde_json::{Value, json};
use std::sync::Arc;

/// The furthest block that can be asked for, counted from the head.
const MOST_AHEAD: u64 = 64;

impl Front {
    /// Executes a bundle and takes it back.
    pub(super) async fn call_bundle(self: &Arc<Self>, mut fields: Fields) -> Answer {
        let txs = fields.transactions(self.chain_id())?;
        if txs.is_empty() {
            return Err(RpcError::params("missing txs"));
        }
        let number = fields.quantity("blockNumber")?.ok_or_else(|| RpcError::params("missing blockNumber"))?;
        let state = fields.text("stateBlockNumber")?.unwrap_or_else(|| "latest".to_owned());
        let timestamp = fields.number("timestamp")?;
        let base_fee = fields.number("baseFee")?;
        let coinbase = fields.parsed::<Address>("coinbase")?;
        for name in ["gasLimit", "difficulty"] {
            if fields.unknown().iter().any(|unknown| unknown == name) {
                return Err(RpcError::params(format!("{name} is not supported by this relay")));
            }
        }
        let front = self.clone();
        // A task of its own: a caller that goes away must not leave a trial block behind.
        tokio::spawn(async move { front.call_on_head(&txs, number, &state, timestamp, base_fee, coinbase).await }).await.map_err(RpcError::internal)?
    }

    async fn call_on_head(
        &self,
        txs: &[SignedTx],
        number: u64,
        state: &str,
        timestamp: Option<u64>,
        base_fee: Option<u64>,
        coinbase: Option<Address>,
    ) -> Answer {
        let _closed = self.close_gate().await;
        let head = self.head();
        let on_head = matches!(state, "latest" | "pending") || state == format!("0x{:x}", head.head.number);
        if !on_head {
            return Err(RpcError::refused(format!("state {state} is not available: only the newest block's ({}) is", head.head.number)));
        }
        let ahead = number.checked_sub(head.head.number).filter(|ahead| (1..=MOST_AHEAD).contains(ahead));
        let ahead = ahead.ok_or_else(|| RpcError::params(format!("block {number} is not among the {MOST_AHEAD} after {}", head.head.number)))?;
        let block = TrialBlock {
            timestamp: timestamp.unwrap_or_else(|| head.head.timestamp.saturating_add(ahead.saturating_mul(SLOT_SECONDS))),
            base_fee: base_fee.or_else(|| (ahead == 1).then(|| head.next_base_fee())),
            skipped: ahead.saturating_sub(1),
            fee_recipient: coinbase.unwrap_or_else(|| self.fee_recipient()),
        };
        if let Some(coinbase) = coinbase {
            self.set_coinbase(coinbase).await?;
        }
        let trial = trial::run(self.node(), txs, block, true).await;
        if coinbase.is_some() {
            self.set_coinbase(self.fee_recipient()).await?;
        }
        let trial = trial?;
        if let Some((hash, why)) = &trial.refused {
            return Err(RpcError::refused(format!("transaction {hash} can't be executed: {why}")));
        }
        if let Some(missing) = trial.first_missing(txs) {
            return Err(RpcError::refused(format!("transaction {} can't be executed: nonce, funds, fee or gas do not allow it", missing.hash())));
        }
        answer(&render(txs, &trial, &head))
    }

    async fn set_coinbase(&self, coinbase: Address) -> Result<(), RpcError> {
        let _: Value = self.node().call("anvil_setCoinbase", (coinbase,)).await?;
        Ok(())
    }
}

/// The answer in the form of the relays: amounts as decimal strings, gas as numbers.
fn render(txs: &[SignedTx], trial: &Trial, head: &HeadNow) -> Value {
    let gas_used = trial.receipts.iter().fold(0u64, |sum, receipt| sum.saturating_add(receipt.gas_used.to()));
    let gas_fees = trial.receipts.iter().fold(U256::ZERO, |sum, receipt| sum.saturating_add(tips(receipt, trial.base_fee)));
    let results: Vec<Value> = trial.receipts.iter().zip(&trial.details).map(|(receipt, detail)| one(receipt, detail, trial.base_fee)).collect();
    json!({
        "bundleGasPrice": price(trial.gain, gas_used),
        "bundleHash": bundle_hash(txs),
        "coinbaseDiff": trial.gain.to_string(),
        "ethSentToCoinbase": trial.gain.saturating_sub(wei(gas_fees)).to_string(),
        "gasFees": gas_fees.to_string(),
        "results": results,
        "stateBlockNumber": head.head.number,
        "totalGasUsed": gas_used,
    })
}

/// Wei per gas, rounded towards zero.
fn price(gain: I256, gas_used: u64) -> String {
    gain.checked_div(wei(U256::from(gas_used.max(1)))).unwrap_or_default().to_string()
}

fn one(receipt: &Receipt, detail: &Detail, base_fee: u64) -> Value {
    let gas_used: u64 = receipt.gas_used.to();
    let fees = tips(receipt, base_fee);
    let mut result = json!({
        "coinbaseDiff": detail.gain.to_string(),
        "ethSentToCoinbase": detail.gain.saturating_sub(wei(fees)).to_string(),
        "fromAddress": receipt.from.to_checksum(None),
        "gasFees": fees.to_string(),
        "gasPrice": price(detail.gain, gas_used),
        "gasUsed": gas_used,
        "toAddress": receipt.to.map(|to| to.to_checksum(None)),
        "txHash": receipt.transaction_hash,
    });
    if let Value::Object(fields) = &mut result {
        if receipt.ok() {
            fields.insert("value".to_owned(), json!(detail.output));
        } else {
            fields.insert("error".to_owned(), json!(detail.error.as_deref().unwrap_or("execution reverted")));
            fields.insert("revert".to_owned(), json!(detail.output));
        }
    }
    result
}
