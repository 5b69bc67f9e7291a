//! One transaction of one key through the public mempool, for what is not worth hiding: the executor's deployment and its registrations.
//!
//! ```text
//! Order ─▶ priced, signed ─▶ node ─▶ Sent ─▶ looked for at each head ─▶ succeeded, failed, or not mined in time
//! ```

use crate::chain::{ChainError, HeadStream, Node};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    network::TxSignerSync,
    primitives::{B256, Bytes, TxKind, U256},
    providers::Provider,
    signers::local::PrivateKeySigner,
};
use std::{sync::Arc, time::Duration};

/// Tip, wei per gas.
const TIP: u128 = 1_000_000_000;

/// Why a transaction did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum PublicTxError {
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The key does not sign.
    #[error("the key does not sign")]
    Sign(#[from] alloy::signers::Error),
    /// It failed.
    #[error("the transaction {0} failed on chain")]
    Failed(B256),
    /// It was not mined in time.
    #[error("the transaction {0} was not mined within {1:?}; look for it before trying again")]
    NotMined(B256, Duration),
}

/// What a transaction is to do. It sends no ether.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Whom it calls, or that it creates a contract.
    pub(super) to: TxKind,
    /// Calldata or creation code.
    pub(super) input: Bytes,
    /// The most gas.
    pub(super) gas_limit: u64,
}

/// A transaction on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Which one.
    pub(super) hash: B256,
    /// Its sender's nonce.
    pub(super) nonce: u64,
}

/// Signs and sends. The fee cap bears a doubled base fee.
pub(super) async fn send(node: &Node, key: &PrivateKeySigner, order: Order) -> Result<Sent, PublicTxError> {
    let provider = node.provider();
    let nonce = node.in_time("eth_getTransactionCount", async { provider.get_transaction_count(key.address()).pending().await }).await?;
    let head = node.latest().await?;
    let mut tx = TxEip1559 {
        chain_id: node.chain_id(),
        nonce,
        gas_limit: order.gas_limit,
        max_fee_per_gas: u128::from(head.base_fee).saturating_mul(2).saturating_add(TIP),
        max_priority_fee_per_gas: TIP,
        to: order.to,
        value: U256::ZERO,
        access_list: Default::default(),
        input: order.input,
    };
    let signature = key.sign_transaction_sync(&mut tx)?;
    let raw: Bytes = TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into();
    Ok(Sent { hash: node.send_raw_transaction(raw).await?, nonce })
}

/// Waits until a transaction is mined: it is looked for at each head.
pub(super) async fn mined(node: &Arc<Node>, transaction: B256, longest: Duration) -> Result<(), PublicTxError> {
    let mut heads = HeadStream::start(Arc::clone(node));
    let mined = tokio::time::timeout(longest, async {
        loop {
            if let Some(receipt) = node.receipt(transaction).await? {
                return Ok::<_, ChainError>(receipt.inner.inner.inner.receipt.status.coerce_status());
            }
            match heads.next().await {
                Some(head) => drop(head?),
                // Nobody tells any more of what could be waited for.
                None => std::future::pending().await,
            }
        }
    })
    .await;
    match mined {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(PublicTxError::Failed(transaction)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(PublicTxError::NotMined(transaction, longest)),
    }
}
