//! The front: the public mempool, subscriptions, and what is passed on to the node.

use crate::support::{GWEI, NOBODY, SOON, chain, contract, error, hash_of, http, result, rpc, transfer};
use alloy::{
    consensus::Transaction as _,
    network::TransactionResponse as _,
    primitives::{Bytes, U256, hex},
    providers::{Provider, ProviderBuilder, WsConnect},
    rpc::types::{Filter, Log},
};
use futures::StreamExt;
use harrier::devnet::{Chain, ChainConfig, FrontConfig, people::Draft};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_mempool_replaces_by_fee_queues_by_nonce_and_refuses_with_reasons() {
    let chain = chain().await;
    let alice = chain.dev_account(0).unwrap();
    let draft = |nonce: u64, max_fee: u128, tip: u128| Draft {
        chain_id: chain.chain_id(),
        nonce,
        to: Some(NOBODY),
        value: U256::from(max_fee),
        data: Bytes::new(),
        gas: 21_000,
        max_fee,
        tip,
    };
    let signed = |draft: &Draft| alice.sign(draft).unwrap();
    let send = |raw: Bytes| {
        let chain = &chain;
        async move { rpc(chain, "eth_sendRawTransaction", json!([raw])).await }
    };
    let first = signed(&draft(0, 100 * GWEI, 10 * GWEI));
    assert!(send(first.clone()).await["result"].is_string());
    let words = |answer: Value| answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    assert!(words(send(first.clone()).await).contains("already known"));
    assert!(words(send(signed(&draft(0, 109 * GWEI, 11 * GWEI))).await).contains("underpriced"));
    assert!(words(send(signed(&draft(0, 110 * GWEI, 10 * GWEI))).await).contains("underpriced"));
    let better = signed(&draft(0, 110 * GWEI, 11 * GWEI));
    assert!(send(better.clone()).await["result"].is_string());
    assert!(result(&chain, "eth_getTransactionByHash", json!([hash_of(&first)])).await.is_null());
    assert_eq!(result(&chain, "eth_getTransactionByHash", json!([hash_of(&better)])).await["nonce"], "0x0");

    // A gap waits in the queue until it is filled.
    let third = signed(&draft(2, 100 * GWEI, 10 * GWEI));
    assert!(send(third.clone()).await["result"].is_string());
    assert_eq!(result(&chain, "txpool_status", json!([])).await, json!({"pending": "0x1", "queued": "0x1"}));
    assert_eq!(result(&chain, "eth_getTransactionCount", json!([alice.address(), "pending"])).await, "0x1");
    let content = result(&chain, "txpool_content", json!([])).await;
    assert_eq!(content["queued"][alice.address().to_checksum(None)]["2"]["hash"], json!(hash_of(&third)));
    assert_eq!(chain.build_block().await.unwrap().txs, [hash_of(&better)]);
    assert!(words(send(first).await).contains("nonce too low"));
    let second = signed(&draft(1, 100 * GWEI, 10 * GWEI));
    assert!(send(second.clone()).await["result"].is_string());
    assert_eq!(chain.build_block().await.unwrap().txs, [hash_of(&second), hash_of(&third)]);

    let with = |change: fn(&mut Draft)| {
        let mut one = draft(3, 100 * GWEI, 10 * GWEI);
        change(&mut one);
        signed(&one)
    };
    for (raw, expected) in [
        (Bytes::from_static(&hex!("02c0")), "unable to decode"),
        (Bytes::from(vec![0x02; 200_000]), "oversized"),
        (with(|draft| draft.chain_id = 1), "chain id"),
        (with(|draft| draft.tip = 101 * GWEI), "higher than max fee"),
        (with(|draft| draft.gas = 20_999), "intrinsic gas too low"),
        (with(|draft| draft.gas = 16_777_217), "gas limit too high"),
        (with(|draft| draft.nonce = 1_000), "too far"),
        (with(|draft| draft.value = U256::MAX >> 8), "insufficient funds"),
    ] {
        let message = words(send(raw).await);
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert_eq!(chain.front().counters().refused, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sender_cannot_fill_the_mempool() {
    let chain = chain().await;
    let alice = chain.dev_account(0).unwrap();
    for nonce in 0..64 {
        chain.send_public(transfer(&chain, &alice, nonce, NOBODY, 1, GWEI)).await.unwrap();
    }
    let over = chain.send_public(transfer(&chain, &alice, 64, NOBODY, 1, GWEI)).await.unwrap_err();
    assert!(over.to_string().contains("too many transactions"), "{over}");
    assert_eq!(chain.build_block().await.unwrap().txs.len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_tell_of_heads_pending_bodies_and_logs() {
    let chain = chain().await;
    let ws = ProviderBuilder::new().connect_ws(WsConnect::new(chain.ws_url())).await.unwrap();
    let alice = chain.dev_account(0).unwrap();
    // LOG1 with topic 7, no data.
    let logger = contract(&chain, &alice, &hex!("6007 5f 5f a1 00")).await;
    let mut bodies = ws.subscribe_full_pending_transactions().await.unwrap().into_stream();
    let mut heads = ws.subscribe_blocks().await.unwrap().into_stream();
    let mut logs = ws.subscribe_logs(&Filter::new().address(logger)).await.unwrap().into_stream();
    let mut other_logs = ws.subscribe_logs(&Filter::new().address(NOBODY)).await.unwrap().into_stream();
    let raw = chain.signed(&alice, Some(logger), U256::ZERO, Bytes::new(), 100_000, GWEI).await.unwrap();
    let hash = chain.send_public(raw).await.unwrap();
    let body = tokio::time::timeout(SOON, bodies.next()).await.unwrap().unwrap();
    assert_eq!((body.tx_hash(), body.from(), body.to()), (hash, alice.address(), Some(logger)));
    assert_eq!(body.block_hash, None);
    let report = chain.build_block().await.unwrap();
    let head = tokio::time::timeout(SOON, heads.next()).await.unwrap().unwrap();
    assert_eq!((head.hash, head.number, head.timestamp), (report.head.hash, report.head.number, report.head.timestamp));
    let log: Log = tokio::time::timeout(SOON, logs.next()).await.unwrap().unwrap();
    assert_eq!((log.address(), log.transaction_hash, log.block_hash), (logger, Some(hash), Some(report.head.hash)));
    assert!(futures::poll!(other_logs.next()).is_pending());

    // The same over bare messages, and the end of a subscription.
    let refused: Result<Value, _> = ws.client().request("eth_subscribe", ("syncing",)).await;
    assert!(refused.is_err());
    let gone: Result<Value, _> = ws.client().request("eth_unsubscribe", ("0x999999",)).await;
    assert!(gone.is_err());
    assert!(error(&chain, "eth_subscribe", json!(["newHeads"])).await.contains("WebSocket"));
    assert_eq!(chain.front().counters().announcements_dropped, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_goes_to_the_node_and_cheats_do_not() {
    let chain = chain().await;
    let alice = chain.dev_account(0).unwrap();
    assert_eq!(result(&chain, "eth_chainId", json!([])).await, "0x7a69");
    assert!(result(&chain, "eth_getBalance", json!([alice.address(), "latest"])).await.is_string());
    assert!(result(&chain, "web3_clientVersion", json!([])).await.as_str().unwrap().contains("anvil"));
    assert!(result(&chain, "debug_traceBlockByNumber", json!(["latest", {"tracer": "callTracer"}])).await.is_array());
    for method in
        ["evm_mine", "evm_snapshot", "evm_increaseTime", "anvil_setBalance", "hardhat_setBalance", "anvil_mine", "eth_sendTransaction", "eth_newFilter"]
    {
        let message = error(&chain, method, json!([])).await;
        assert!(message.starts_with(&format!("the method {method}")), "{message}");
    }
    assert_eq!(chain.front().counters().forbidden, 8);
    let refused = error(&chain, "eth_call", json!([{"to": NOBODY}, "0xffff"])).await;
    assert!(refused.to_lowercase().contains("block"), "the node's own words: {refused}");

    let body = r#"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","id":"two","method":"eth_blockNumber","params":[]},{"id":3},7]"#;
    let text = http().post(chain.http_url()).body(body).send().await.unwrap().text().await.unwrap();
    let batch: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(batch.len(), 4);
    assert_eq!((&batch[0]["id"], &batch[0]["result"]), (&json!(1), &json!("0x7a69")));
    assert_eq!((&batch[1]["id"], &batch[1]["result"]), (&json!("two"), &json!("0x0")));
    assert_eq!((&batch[2]["error"]["code"], &batch[3]["error"]["code"]), (&json!(-32600), &json!(-32600)));
    let text = http().post(chain.http_url()).body("{nonsense").send().await.unwrap().text().await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["error"]["code"], -32700);

    let front = FrontConfig { dev_methods: vec!["evm_mine".into()], ..FrontConfig::default() };
    let open = Chain::start(ChainConfig { front, ..ChainConfig::default() }).await.unwrap();
    assert_eq!(result(&open, "evm_mine", json!([])).await, "0x1");
    assert_eq!(open.head().number, 1);
}
