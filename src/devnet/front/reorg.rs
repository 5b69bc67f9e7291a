//! Blocks taken back: what a chain does when another branch wins.
//!
//! Nobody is told of a rollback; the blocks that are built next are announced as always, with a parent that clients know from before. Transactions
//! of the dropped blocks fall back into the public mempool, as nodes do it: also those that came in by a bundle, which nobody had seen before.

use super::{Front, pool::AccountNow, tx::SignedTx};
use crate::{
    chain::Head,
    devnet::{BuildError, node::NodeError},
};
use alloy::primitives::{Address, B256, Bytes};
use serde_json::Value;
use std::sync::Arc;

impl Front {
    /// Takes back the newest `depth` blocks. Their transactions wait in the public mempool again, announced, if `falls_back` says so of their sender and
    /// they can still be included. Gives the head then.
    ///
    /// # Errors
    /// When the node does not go back.
    pub async fn rollback(self: &Arc<Self>, depth: u64, falls_back: impl Fn(Address) -> bool + Send + Sync + 'static) -> Result<Head, BuildError> {
        let front = self.clone();
        // A task of its own: a caller that goes away must not leave it half done.
        tokio::spawn(async move {
            let _closed = front.close_gate().await;
            let dropped = front.newest_transactions(depth).await?;
            let _: Value = front.node.call("anvil_rollback", (depth,)).await?;
            front.node.empty_pool().await?;
            front.sync().await?;
            for raw in dropped {
                front.takes_back(raw, &falls_back).await?;
            }
            Ok(front.head().head)
        })
        .await?
    }

    /// The transactions of the newest blocks, in the order of the chain.
    async fn newest_transactions(&self, depth: u64) -> Result<Vec<Bytes>, NodeError> {
        let newest = self.head().head.number;
        let mut raws = Vec::new();
        for number in newest.saturating_sub(depth.saturating_sub(1))..=newest {
            let block: Value = self.node.call("eth_getBlockByNumber", (super::quantity(number), false)).await?;
            let hashes = block.get("transactions").and_then(|list| serde_json::from_value::<Vec<B256>>(list.clone()).ok());
            for hash in hashes.ok_or(NodeError::Incomplete { method: "eth_getBlockByNumber", what: "the transactions" })? {
                raws.push(self.node.call("eth_getRawTransactionByHash", (hash,)).await?);
            }
        }
        Ok(raws)
    }

    /// Puts a transaction of a dropped block into the mempool, if it fits there now. The caller holds the gate.
    async fn takes_back(&self, raw: Bytes, falls_back: &(impl Fn(Address) -> bool + Sync)) -> Result<(), NodeError> {
        let tx = match SignedTx::decode(raw, self.chain_id) {
            Ok(tx) => tx,
            Err(error) => {
                tracing::debug!(%error, "a transaction of a dropped block is not for the public mempool");
                return Ok(());
            }
        };
        if !falls_back(tx.sender()) {
            return Ok(());
        }
        let account = AccountNow { nonce: self.node.nonce(tx.sender()).await?, balance: self.node.balance(tx.sender()).await? };
        let added = {
            let mut state = self.state.lock();
            let block_gas = state.head.head.gas_limit;
            state.pool.add(tx, account, block_gas)
        };
        match added {
            Ok(added) => added.announce.iter().for_each(|tx| self.announcer.pending(tx)),
            Err(error) => tracing::debug!(%error, "a transaction of a dropped block stays out of the mempool"),
        }
        Ok(())
    }
}
