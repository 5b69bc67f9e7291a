//! What each method does here: answered by the front, passed to the node, or refused.

use super::{
    Front, SendError,
    announce::quantity,
    rpc::{Answer, Request, RpcError, answer},
    tx::SignedTx,
};
use crate::devnet::builder;
use alloy::primitives::{Address, B256, Bytes};
use serde_json::{Map, Value, json};
use std::sync::{Arc, atomic::Ordering};

/// Methods that the node must not get: it has no transactions of its own, and its pool is empty between blocks.
const REFUSED: [(&str, &str); 10] = [
    ("eth_sendTransaction", "is not served: sign the transaction and send it raw"),
    ("eth_sendUnsignedTransaction", "is not served: sign the transaction and send it raw"),
    ("eth_sendRawTransactionSync", "is not served: send it raw and wait for the receipt"),
    ("eth_sendRawTransactionConditional", "is not served"),
    ("eth_newPendingTransactionFilter", "is not served: subscribe to newPendingTransactions"),
    // The node's own filters would report trial blocks.
    ("eth_newBlockFilter", "is not served: subscribe to newHeads"),
    ("eth_newFilter", "is not served: subscribe to logs or ask eth_getLogs"),
    ("eth_sendBundle", "is served at the relay's path"),
    ("eth_callBundle", "is served at the relay's path"),
    ("eth_cancelBundle", "is served at the relay's path"),
];

/// Families of methods that only read.
const READS: [&str; 7] = ["eth_", "net_", "web3_", "debug_", "trace_", "ots_", "erigon_"];

impl Front {
    /// Answers one request.
    pub(super) async fn dispatch(self: &Arc<Self>, request: &Request) -> Answer {
        match request.method.as_str() {
            "eth_sendRawTransaction" => {
                let (raw,): (Bytes,) = request.typed()?;
                match self.send_public(raw).await {
                    Ok(hash) => answer(&hash),
                    Err(SendError::Node(error)) => Err(error.into()),
                    Err(error) => Err(RpcError::refused(error)),
                }
            }
            "eth_getTransactionByHash" => {
                let (hash,): (B256,) = request.typed()?;
                let waiting = self.state.lock().pool.get(&hash).map(SignedTx::waiting_body);
                match waiting {
                    Some(body) => answer(&body),
                    None => self.proxy(request).await,
                }
            }
            "eth_getRawTransactionByHash" => {
                let (hash,): (B256,) = request.typed()?;
                let waiting = self.state.lock().pool.get(&hash).map(|tx| tx.raw.clone());
                match waiting {
                    Some(raw) => answer(&raw),
                    None => self.proxy(request).await,
                }
            }
            "eth_getTransactionCount" => {
                let params: Vec<Value> = request.typed()?;
                if params.get(1).and_then(Value::as_str) != Some("pending") {
                    return self.proxy(request).await;
                }
                let account: Address =
                    params.first().and_then(|value| serde_json::from_value(value.clone()).ok()).ok_or_else(|| RpcError::params("expected an address"))?;
                let _open = self.gate.read().await;
                let nonce = self.node.nonce(account).await?;
                answer(&quantity(self.state.lock().pool.next_nonce(account, nonce)))
            }
            "txpool_status" | "txpool_content" | "txpool_inspect" | "txpool_contentFrom" => self.txpool(request).await,
            "evm_mine" if self.allows_dev("evm_mine") => {
                let front = self.clone();
                let built = tokio::spawn(async move { front.build_block().await }).await;
                match built {
                    Ok(Ok(report)) => answer(&quantity(report.head.number)),
                    Ok(Err(error)) => Err(RpcError::internal(error)),
                    Err(error) => Err(RpcError::internal(error)),
                }
            }
            method => {
                if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == method) {
                    self.tally.forbidden.fetch_add(1, Ordering::Relaxed);
                    return Err(RpcError::no_method(method, why));
                }
                if self.allows_dev(method) || READS.iter().any(|family| method.starts_with(family)) {
                    return self.proxy(request).await;
                }
                self.tally.forbidden.fetch_add(1, Ordering::Relaxed);
                Err(RpcError::no_method(method, "does not exist/is not available"))
            }
        }
    }

    fn allows_dev(&self, method: &str) -> bool {
        self.config.dev_methods.iter().any(|allowed| allowed == method)
    }

    /// Builds the next block from the waiting bundles and transactions.
    pub async fn build_block(self: &Arc<Self>) -> Result<crate::devnet::BlockReport, crate::devnet::BuildError> {
        let front = self.clone();
        // A task of its own: a caller that goes away must not leave a trial block behind.
        tokio::spawn(async move {
            let _closed = front.close_gate().await;
            builder::build(&front).await
        })
        .await?
    }

    /// The public mempool in geth's form.
    async fn txpool(self: &Arc<Self>, request: &Request) -> Answer {
        let only: Option<Address> = if request.method == "txpool_contentFrom" { Some(request.typed::<(Address,)>()?.0) } else { None };
        let _open = self.gate.read().await;
        let mut split: [Map<String, Value>; 2] = [Map::new(), Map::new()];
        let mut counts = [0u64; 2];
        let senders = only.map_or_else(|| self.pool_senders(), |account| vec![account]);
        for sender in senders {
            let nonce = self.node.nonce(sender).await?;
            let state = self.state.lock();
            let reachable = state.pool.next_nonce(sender, nonce);
            let mut own: [Map<String, Value>; 2] = [Map::new(), Map::new()];
            for tx in state.pool.of(sender) {
                let [pending, queued] = &mut own;
                let [pending_count, queued_count] = &mut counts;
                let (map, count) = if tx.nonce() < reachable { (pending, pending_count) } else { (queued, queued_count) };
                *count = count.saturating_add(1);
                let shown = if request.method == "txpool_inspect" { inspect(tx) } else { json!(tx.waiting_body()) };
                map.insert(tx.nonce().to_string(), shown);
            }
            for (all, own) in split.iter_mut().zip(own) {
                if only.is_some() {
                    all.extend(own);
                } else if !own.is_empty() {
                    all.insert(sender.to_checksum(None), Value::Object(own));
                }
            }
        }
        let [pending, queued] = split;
        let [pending_count, queued_count] = counts;
        if request.method == "txpool_status" {
            return answer(&json!({"pending": quantity(pending_count), "queued": quantity(queued_count)}));
        }
        answer(&json!({"pending": pending, "queued": queued}))
    }
}

/// A waiting transaction in one line, as geth writes it.
fn inspect(tx: &SignedTx) -> Value {
    use alloy::consensus::Transaction;
    let to = tx.tx.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    json!(format!("{to}: {} wei + {} gas × {} wei", tx.tx.value(), tx.tx.gas_limit(), tx.tx.max_fee_per_gas()))
}
