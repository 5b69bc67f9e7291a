//! The public mempool in front of the node, whose own is empty between blocks.

use super::{
    Front,
    pool::{AccountNow, PoolError},
    tx::{SignedTx, TxError},
};
use crate::devnet::node::NodeError;
use alloy::primitives::{Address, B256, Bytes, U256};
use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering,
};

/// Why a public transaction is refused.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It is wrong whatever the state is.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// The mempool does not want it.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl Front {
    /// How many public transactions wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state.lock().pool.len()
    }

    /// Takes a public transaction into the mempool and announces it.
    pub async fn send_public(&self, raw: Bytes) -> Result<B256, SendError> {
        let result = self.send_public_uncounted(raw).await;
        let counter = if result.is_ok() { &self.tally.accepted } else { &self.tally.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    async fn send_public_uncounted(&self, raw: Bytes) -> Result<B256, SendError> {
        let tx = SignedTx::decode(raw, self.chain_id)?;
        let hash = tx.hash();
        // Held until the mempool has it, so that no block comes between the check and the entry.
        let _open = self.gate.read().await;
        let (nonce, balance): (u64, U256) = tokio::try_join!(self.node.nonce(tx.sender()), self.node.balance(tx.sender()))?;
        let added = {
            let mut state = self.state.lock();
            let block_gas = state.head.head.gas_limit;
            state.pool.add(tx, AccountNow { nonce, balance }, block_gas)?
        };
        for tx in &added.announce {
            self.announcer.pending(tx);
        }
        Ok(hash)
    }

    /// An account's next nonce, public transactions that wait counted.
    pub async fn next_nonce(&self, account: Address) -> Result<u64, NodeError> {
        let _open = self.gate.read().await;
        let nonce = self.node.nonce(account).await?;
        Ok(self.state.lock().pool.next_nonce(account, nonce))
    }

    /// Everybody who has public transactions waiting.
    pub(in crate::devnet) fn pool_senders(&self) -> Vec<Address> {
        self.state.lock().pool.senders()
    }

    /// The public part of the next block.
    pub(in crate::devnet) fn best_public(&self, base_fee: u64, nonces: &HashMap<Address, u64>, taken: &HashSet<B256>) -> Vec<SignedTx> {
        self.state.lock().pool.best(base_fee, nonces, taken)
    }

    /// Drops what a block made impossible; gives what became reachable.
    pub(super) async fn settle_pool(&self) -> Result<Vec<SignedTx>, NodeError> {
        let mut nonces = HashMap::new();
        for sender in self.pool_senders() {
            nonces.insert(sender, self.node.nonce(sender).await?);
        }
        Ok(self.state.lock().pool.settle(&nonces))
    }
}
