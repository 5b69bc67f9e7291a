//! Logs: by block, by range, and all of the past from a node that gives little at once.

use crate::support::{Chain, Front, node_at};
use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256},
};
use harrier::chain::{BackfillError, LogQuery, backfill};
use serde_json::json;
use std::sync::Mutex;

/// Deploys a contract that logs topic 0x2a whenever it is called, and calls it in 23 blocks.
async fn chatty(chain: &Chain) -> Address {
    let alice = chain.anvil.addresses()[0];
    // LOG1(0, 0, 0x2a) STOP, put in place by eight bytes of init code.
    chain.ask("eth_sendTransaction", json!([{"from": alice, "data": "0x67602a60006000a10060005260086018f3", "gas": "0x30000"}])).await;
    chain.mine(1).await;
    let contract = alice.create(0);
    for _ in 0..23 {
        chain.ask("eth_sendTransaction", json!([{"from": alice, "to": contract, "gas": "0x30000"}])).await;
        chain.mine(1).await;
    }
    contract
}

#[tokio::test]
async fn a_backfill_fits_the_node_and_goes_on_where_it_stopped() {
    let chain = Chain::manual();
    let contract = chatty(&chain).await;
    let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let number = |value: &serde_json::Value| u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let front = Front::before(
        &chain,
        move |method, params| {
            if method != "eth_getLogs" {
                return None;
            }
            let length = number(&params[0]["toBlock"]) - number(&params[0]["fromBlock"]) + 1;
            seen.lock().unwrap().push(length);
            (length > 5).then(|| json!({"error": {"code": -32005, "message": "query returned more than 10000 results"}}))
        },
        |_| Vec::new(),
    )
    .await;
    let node = node_at(front.address, 31_337).await;
    let query = LogQuery { addresses: vec![contract], events: vec![B256::with_last_byte(0x2a)] };
    let newest = node.latest().await.unwrap();

    let mut logs = Vec::new();
    let mut checkpoint = None;
    let interrupted = backfill(&node, &query, 0, newest.number, |step| {
        if step.to > 12 {
            return Err("the disk is full");
        }
        logs.extend(step.logs);
        checkpoint = Some((step.to, step.to_hash));
        Ok(())
    })
    .await;
    assert!(matches!(interrupted, Err(BackfillError::Taker("the disk is full"))));
    let (to, hash) = checkpoint.unwrap();
    assert_eq!(node.head_by_number(to).await.unwrap().unwrap().hash, hash);

    backfill(&node, &query, to + 1, newest.number, |step| {
        assert_eq!(step.end, newest.number);
        logs.extend(step.logs);
        checkpoint = Some((step.to, step.to_hash));
        Ok::<_, ()>(())
    })
    .await
    .unwrap();
    assert_eq!(checkpoint, Some((newest.number, newest.hash)));
    let blocks: Vec<u64> = logs.iter().map(|log| log.block_number.unwrap()).collect();
    assert_eq!(blocks, (2..=24).collect::<Vec<_>>());
    assert!(asked.lock().unwrap().iter().any(|length| *length > 5) && asked.lock().unwrap().iter().any(|length| *length <= 5));
}

#[tokio::test]
async fn a_node_that_wants_fewer_requests_gets_a_pause_and_not_more_of_them() {
    let chain = Chain::manual();
    let contract = chatty(&chain).await;
    let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let front = Front::before(
        &chain,
        move |method, params| {
            if method != "eth_getLogs" {
                return None;
            }
            let mut seen = seen.lock().unwrap();
            seen.push((std::time::Instant::now(), params[0]["fromBlock"].clone(), params[0]["toBlock"].clone()));
            (seen.len() <= 2).then(|| json!({"error": {"code": -32005, "message": "daily request count exceeded, request rate limited"}}))
        },
        |_| Vec::new(),
    )
    .await;
    let node = node_at(front.address, 31_337).await;
    let query = LogQuery { addresses: vec![contract], events: Vec::new() };
    let mut logs = Vec::new();
    backfill(&node, &query, 0, 24, |step| {
        logs.extend(step.logs);
        Ok::<_, ()>(())
    })
    .await
    .unwrap();
    assert_eq!(logs.len(), 23);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3, "one range, refused twice");
    assert!(asked.iter().all(|(_, from, to)| *from == json!("0x0") && *to == json!("0x18")), "{asked:?}");
    let (first, second) = (asked[1].0 - asked[0].0, asked[2].0 - asked[1].0);
    assert!(first.as_millis() >= 500 && second.as_millis() >= 1_000, "{first:?}, {second:?}");
}

#[tokio::test]
async fn one_block_gives_its_logs_receipts_and_transactions() {
    let chain = Chain::manual();
    let contract = chatty(&chain).await;
    let node = node_at(chain.address(), 31_337).await;
    let head = node.latest().await.unwrap();
    assert_eq!(node.head_by_hash(head.hash).await.unwrap().as_ref(), Some(&head));
    assert_eq!(node.head_by_hash(B256::repeat_byte(1)).await.unwrap(), None);
    assert_eq!(node.head_by_number(head.number + 1).await.unwrap(), None);

    let query = LogQuery { addresses: vec![contract], events: Vec::new() };
    assert_eq!(node.logs_of_block(head.hash, &query).await.unwrap().len(), 1);
    let receipts = node.receipts(head.hash).await.unwrap().unwrap();
    assert_eq!(receipts.len(), 1);
    let hash = receipts[0].inner.transaction_hash;
    assert_eq!(node.receipt(hash).await.unwrap().unwrap().inner.block_hash, Some(head.hash));
    assert!(node.receipt(B256::repeat_byte(1)).await.unwrap().is_none());
    let block = node.block(head.hash).await.unwrap().unwrap();
    assert_eq!(block.transactions.as_transactions().unwrap()[0].to(), Some(contract));

    // More calls than fit one batch, answered in order.
    let params: Vec<(String, bool)> = (0..=24).map(|number| (format!("{number:#x}"), false)).collect();
    let blocks: Vec<serde_json::Value> = node.batch("eth_getBlockByNumber", &params).await.unwrap();
    let numbers: Vec<&str> = blocks.iter().map(|block| block["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, params.iter().map(|(number, _)| number.as_str()).collect::<Vec<_>>());
}
