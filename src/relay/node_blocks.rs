//! Blocks with their receipts from a node.

use super::{BlockSource, IncludedBlock, IncludedTx, SourceError};
use crate::chain::{Head, head_of};
use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    network::{AnyNetwork, AnyRpcBlock, AnyTransactionReceipt, Network, ReceiptResponse},
    primitives::B256,
    providers::Provider,
    transports::TransportError,
};
use futures::future::BoxFuture;
use std::{fmt, marker::PhantomData, time::Duration};

/// A node's blocks. The receipts are asked for by the header's hash, so both are of one block or it is an error.
/// Transaction types that this program does not know are no obstacle.
#[derive(Clone)]
pub struct NodeBlocks<P, N = AnyNetwork> {
    provider: P,
    timeout: Duration,
    network: PhantomData<fn() -> N>,
}

impl<P: Provider<N>, N: Network> NodeBlocks<P, N> {
    /// Blocks of this provider; each of the two requests takes at most `timeout`.
    pub const fn new(provider: P, timeout: Duration) -> Self {
        Self { provider, timeout, network: PhantomData }
    }

    async fn read(&self, number: u64, hash: Option<B256>) -> Result<Option<IncludedBlock>, SourceError> {
        let client = self.provider.client();
        let block = match hash {
            Some(hash) => self.within(number, client.request::<_, Option<AnyRpcBlock>>("eth_getBlockByHash", (hash, false))).await?,
            None => self.within(number, client.request::<_, Option<AnyRpcBlock>>("eth_getBlockByNumber", (BlockNumberOrTag::Number(number), false))).await?,
        };
        let Some(block) = block else {
            return Ok(None);
        };
        let head = head_of(&block.header).map_err(|source| SourceError::Header { number, source })?;
        let by_hash = (BlockId::from(head.hash),);
        let receipts = self.provider.client().request::<_, Option<Vec<AnyTransactionReceipt>>>("eth_getBlockReceipts", by_hash);
        let receipts = self.within(number, receipts).await?.ok_or_else(|| inconsistent(number, "there are none"))?;
        let hashes: Vec<B256> = block.transactions.hashes().collect();
        if head.number != number {
            return Err(inconsistent(number, &format!("the header is of block {}", head.number)));
        }
        if hash.is_some_and(|hash| hash != head.hash) {
            return Err(inconsistent(number, &format!("the header is of {}", head.hash)));
        }
        if hashes.len() != receipts.len() {
            return Err(inconsistent(number, &format!("{} receipts for {} transactions", receipts.len(), hashes.len())));
        }
        let entries = (0_u64..).zip(hashes).zip(receipts);
        let txs = entries.map(|((index, hash), receipt)| included(&head, index, hash, &receipt)).collect::<Result<_, _>>()?;
        Ok(Some(IncludedBlock { head, txs }))
    }

    async fn within<T>(&self, number: u64, call: impl IntoFuture<Output = Result<T, TransportError>>) -> Result<T, SourceError> {
        tokio::time::timeout(self.timeout, call.into_future())
            .await
            .map_err(|_| SourceError::Timeout { number, after: self.timeout })?
            .map_err(|source| SourceError::Node { number, source })
    }
}

impl<P: Provider<N>, N: Network> BlockSource for NodeBlocks<P, N> {
    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>> {
        Box::pin(self.read(number, None))
    }

    fn block_at(&self, number: u64, hash: B256) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>> {
        Box::pin(self.read(number, Some(hash)))
    }
}

impl<P, N> fmt::Debug for NodeBlocks<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBlocks").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn inconsistent(number: u64, reason: &str) -> SourceError {
    SourceError::Inconsistent { number, reason: reason.to_owned() }
}

fn included(head: &Head, index: u64, hash: B256, receipt: &AnyTransactionReceipt) -> Result<IncludedTx, SourceError> {
    let fits = receipt.transaction_hash() == hash && receipt.block_hash() == Some(head.hash) && receipt.transaction_index() == Some(index);
    if !fits {
        return Err(inconsistent(head.number, &format!("receipt {index} is of {} in another place", receipt.transaction_hash())));
    }
    Ok(IncludedTx {
        hash,
        index,
        from: receipt.from(),
        to: receipt.to(),
        success: receipt.status(),
        gas_used: receipt.gas_used(),
        effective_gas_price: receipt.effective_gas_price(),
        logs: receipt.logs().iter().map(|log| log.inner.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::{
        primitives::{Address, address, b256},
        providers::{ProviderBuilder, mock::Asserter},
    };
    use serde_json::{Value, json};

    const HASH: B256 = b256!("00000000000000000000000000000000000000000000000000000000000000b1");
    const TX: B256 = b256!("00000000000000000000000000000000000000000000000000000000000000a1");
    const FROM: Address = address!("00000000000000000000000000000000000000f1");

    fn block(txs: &[B256]) -> Value {
        json!({
            "hash": HASH, "parentHash": B256::repeat_byte(7), "number": "0x8", "timestamp": "0x60", "baseFeePerGas": "0x3e8",
            "gasLimit": "0x1c9c380", "gasUsed": "0x5208", "miner": Address::repeat_byte(0xfe), "mixHash": B256::repeat_byte(3),
            "difficulty": "0x0", "extraData": "0x", "logsBloom": format!("0x{}", "00".repeat(256)), "nonce": "0x0000000000000000",
            "receiptsRoot": B256::ZERO, "sha3Uncles": B256::ZERO, "stateRoot": B256::ZERO, "transactionsRoot": B256::ZERO,
            "excessBlobGas": "0x0", "blobGasUsed": "0x0", "transactions": txs, "uncles": [], "size": "0x1"
        })
    }

    /// A receipt of a transaction type that nobody here knows.
    fn receipt(hash: B256, block: B256, index: &str) -> Value {
        json!({
            "transactionHash": hash, "transactionIndex": index, "blockHash": block, "blockNumber": "0x8", "from": FROM, "to": null,
            "cumulativeGasUsed": "0x5208", "gasUsed": "0x5208", "effectiveGasPrice": "0x3e9", "status": "0x1", "type": "0x7e",
            "logsBloom": format!("0x{}", "00".repeat(256)), "contractAddress": null,
            "logs": [{"address": FROM, "topics": [TX], "data": "0x01", "blockHash": block, "blockNumber": "0x8",
                "transactionHash": hash, "transactionIndex": index, "logIndex": "0x0", "removed": false}]
        })
    }

    async fn read_at(answers: &[Value], hash: Option<B256>) -> Result<Option<IncludedBlock>, SourceError> {
        let asserter = Asserter::new();
        for answer in answers {
            asserter.push_success(answer);
        }
        let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>().connect_mocked_client(asserter);
        let blocks = NodeBlocks::new(provider, Duration::from_secs(5));
        match hash {
            Some(hash) => blocks.block_at(8, hash).await,
            None => blocks.block(8).await,
        }
    }

    async fn read(answers: &[Value]) -> Result<Option<IncludedBlock>, SourceError> {
        read_at(answers, None).await
    }

    #[tokio::test]
    async fn another_block_than_asked_for_is_an_error() {
        let answers = [block(&[TX]), json!([receipt(TX, HASH, "0x0")])];
        assert_eq!(read_at(&answers, Some(HASH)).await.unwrap().unwrap().head.hash, HASH);
        let error = read_at(&answers, Some(B256::repeat_byte(9))).await.unwrap_err();
        assert!(matches!(error, SourceError::Inconsistent { number: 8, .. }), "{error}");
    }

    #[tokio::test]
    async fn a_block_with_an_unknown_kind_of_transaction() {
        let block = read(&[block(&[TX]), json!([receipt(TX, HASH, "0x0")])]).await.unwrap().unwrap();
        assert_eq!((block.head.number, block.head.hash, block.head.base_fee), (8, HASH, 1_000));
        assert_eq!((block.head.timestamp, block.head.fee_recipient), (96, Address::repeat_byte(0xfe)));
        let tx = &block.txs[0];
        assert_eq!((tx.hash, tx.index, tx.from, tx.to, tx.success), (TX, 0, FROM, None, true));
        assert_eq!((tx.gas_used, tx.effective_gas_price, tx.logs.len()), (21_000, 1_001, 1));
    }

    #[tokio::test]
    async fn no_block_yet() {
        assert!(read(&[Value::Null]).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_does_not_fit_is_an_error() {
        for receipts in
            [Value::Null, json!([]), json!([receipt(B256::ZERO, HASH, "0x0")]), json!([receipt(TX, B256::ZERO, "0x0")]), json!([receipt(TX, HASH, "0x1")])]
        {
            let error = read(&[block(&[TX]), receipts]).await.unwrap_err();
            assert!(matches!(error, SourceError::Inconsistent { number: 8, .. }), "{error}");
        }
        assert!(matches!(read(&[]).await, Err(SourceError::Node { .. })));
        assert!(matches!(read(&[json!({"number": 1})]).await, Err(SourceError::Node { .. })));
    }
}
