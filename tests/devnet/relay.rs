//! The relay's door: who may come in, how bundles are read, replaced, simulated and kept secret, and how a relay misbehaves on demand.

use crate::support::{
    GWEI, NOBODY, PAYS_COINBASE, SOON, bundle_hash, call_value, chain, contract, hash_of, http, identity, next_block, refused_bundle, relay, relay_at, result,
    send_bundle, transfer,
};
use alloy::{
    primitives::{Bytes, U256, hex, keccak256},
    providers::{Provider, ProviderBuilder, WsConnect, ext::sign_flashbots_payload},
    signers::SignerSync,
};
use futures::StreamExt;
use harrier::devnet::{Chain, ChainConfig, Fault, FrontConfig, Rejection, SLOT_SECONDS, people::Draft};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn item_1_a_request_is_refused_unless_its_header_signs_its_very_bytes() {
    let chain = chain().await;
    let who = identity("searcher");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "flashbots_getUserStatsV2", "params": [{"blockNumber": "0x1"}]}).to_string();
    let good = sign_flashbots_payload(body.clone(), &who).await.unwrap();
    let over_raw_bytes = who.sign_message_sync(keccak256(&body).as_slice()).unwrap();
    let (_, signature) = good.split_once(':').unwrap();
    let recovery = u8::from_str_radix(&signature[130..], 16).unwrap();
    let other_recovery = if recovery < 27 { recovery + 27 } else { recovery - 27 };
    let other_form = format!("{}:{}{other_recovery:02x}", who.address(), &signature[..130]);
    let cases = [
        (Some(good.clone()), body.clone(), 200),
        (Some(other_form), body.clone(), 200),
        (None, body.clone(), 401),
        (Some("nonsense".to_owned()), body.clone(), 401),
        (Some(format!("{}:{signature}", identity("somebody else").address())), body.clone(), 401),
        (Some(format!("{}:{over_raw_bytes}", who.address())), body.clone(), 401),
        (Some(good.clone()), format!("{body} "), 401),
    ];
    for (header, body, expected) in cases {
        let mut request = http().post(chain.relay_url()).body(body);
        if let Some(header) = &header {
            request = request.header("X-Flashbots-Signature", header);
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), expected, "{header:?}");
    }
    assert_eq!(chain.relay_of("devnet").unwrap().counters().unauthenticated, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn item_2_bundles_are_read_strictly() {
    let chain = chain().await;
    let who = identity("searcher");
    let alice = chain.dev_account(0).unwrap();
    let raw = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let block = next_block(&chain);
    let other_chain = alice
        .sign(&Draft { chain_id: 5, nonce: 0, to: Some(NOBODY), value: U256::ZERO, data: Bytes::new(), gas: 21_000, max_fee: 100 * GWEI, tip: GWEI })
        .unwrap();
    let many: Vec<Bytes> = (0..101).map(|nonce| transfer(&chain, &alice, nonce, NOBODY, 1, GWEI)).collect();
    for (bundle, words) in [
        (json!({"txs": [], "blockNumber": block}), "missing txs"),
        (json!({"txs": [raw]}), "missing blockNumber"),
        (json!({"txs": [raw], "blockNumber": "0x01"}), "leading zeros"),
        (json!({"txs": [raw], "blockNumber": 1}), "hex int"),
        (json!({"txs": [raw], "blockNumber": "latest"}), "hex int"),
        (json!({"txs": ["0x02c0"], "blockNumber": block}), "unable to decode"),
        (json!({"txs": [other_chain], "blockNumber": block}), "chain id"),
        (json!({"txs": [raw, raw], "blockNumber": block}), "twice"),
        (json!({"txs": many, "blockNumber": block}), "at most 100"),
        (json!({"txs": [raw], "blockNumber": block, "minTimestamp": "soon"}), "seconds"),
        (json!({"txs": [raw], "blockNumber": block, "replacementUuid": "u-1"}), "UUID"),
        (json!({"txs": [raw], "blockNumber": block, "revertingTxHashes": ["0x12"]}), "revertingTxHashes"),
        (json!({"txs": [raw], "blockNumber": block, "refundPercent": 50}), "not supported"),
    ] {
        let message = refused_bundle(&chain, &who, bundle.clone()).await;
        assert!(message.contains(words), "{bundle}: {message}");
    }
    let hash = send_bundle(&chain, &who, json!({"txs": [raw], "blockNumber": block, "somethingNew": 1})).await;
    assert_eq!(hash, bundle_hash(&[&raw]));
    let counters = chain.relay_of("devnet").unwrap().counters();
    assert_eq!((counters.refused, counters.accepted, counters.unknown_fields), (13, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn item_8_replacing_and_cancelling_is_by_signer_and_name() {
    let chain = chain().await;
    let [alice, bob] = [0, 1].map(|number| chain.dev_account(number).unwrap());
    let (searcher, stranger) = (identity("searcher"), identity("stranger"));
    let uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    let old = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let new = transfer(&chain, &alice, 0, NOBODY, 2, GWEI);
    let older = transfer(&chain, &alice, 0, NOBODY, 3, GWEI);
    let strangers = transfer(&chain, &bob, 0, NOBODY, 1, GWEI);
    let named = |tx: &Bytes, order: u64| json!({"txs": [tx], "blockNumber": next_block(&chain), "replacementUuid": uuid, "replacementNonce": order});
    send_bundle(&chain, &searcher, named(&old, 5)).await;
    send_bundle(&chain, &stranger, named(&strangers, 9)).await;
    send_bundle(&chain, &searcher, named(&new, 6)).await;
    send_bundle(&chain, &searcher, named(&older, 4)).await;
    let counters = chain.relay_of("devnet").unwrap().counters();
    assert_eq!((counters.accepted, counters.replaced, counters.outdated), (4, 1, 1));
    let report = chain.build_block().await.unwrap();
    let mut mined = report.txs.clone();
    mined.sort();
    let mut expected = vec![hash_of(&new), hash_of(&strangers)];
    expected.sort();
    assert_eq!(mined, expected, "{:?}", report.rejected);

    // Cancelling: by its own signer only, once, and not after the block; an empty bundle does it too.
    let third = transfer(&chain, &alice, 1, NOBODY, 1, GWEI);
    let cancel = json!([{"replacementUuid": uuid}]);
    assert_eq!(relay(&chain, &searcher, "eth_cancelBundle", cancel.clone()).await["result"], false, "mined already");
    send_bundle(&chain, &searcher, named(&third, 1)).await;
    assert_eq!(relay(&chain, &stranger, "eth_cancelBundle", cancel.clone()).await["result"], false);
    assert_eq!(relay(&chain, &searcher, "eth_cancelBundle", cancel.clone()).await["result"], true);
    assert_eq!(relay(&chain, &searcher, "eth_cancelBundle", cancel.clone()).await["result"], false);
    send_bundle(&chain, &searcher, named(&third, 1)).await;
    let empty = relay(&chain, &searcher, "eth_sendBundle", json!([{"txs": [], "blockNumber": next_block(&chain), "replacementUuid": uuid}])).await;
    assert!(empty.get("error").is_none());
    assert!(chain.build_block().await.unwrap().txs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn item_9_call_bundle_tells_what_would_happen() {
    let chain = chain().await;
    let [alice, bob] = [0, 1].map(|number| chain.dev_account(number).unwrap());
    let payer = contract(&chain, &bob, &PAYS_COINBASE).await;
    // Returns number and timestamp.
    let clock = contract(&chain, &bob, &hex!("43 5f 52 42 6020 52 6040 5f f3")).await;
    let who = identity("searcher");
    let head = chain.head();
    let pays = call_value(&chain, &alice, payer, 5_000_000, 3 * GWEI).await;
    let asks = alice
        .sign(&Draft {
            chain_id: chain.chain_id(),
            nonce: 1,
            to: Some(clock),
            value: U256::ZERO,
            data: Bytes::new(),
            gas: 60_000,
            max_fee: 100 * GWEI,
            tip: GWEI,
        })
        .unwrap();
    let reverts = call_value(&chain, &bob, payer, 0, GWEI).await;
    for ahead in [1, 3] {
        let number = head.number + ahead;
        let call = json!([{"txs": [pays, asks, reverts], "blockNumber": format!("0x{number:x}"), "stateBlockNumber": "latest"}]);
        let answer = relay(&chain, &who, "eth_callBundle", call).await["result"].clone();
        assert_eq!(answer["bundleHash"], json!(bundle_hash(&[&pays, &asks, &reverts])));
        assert_eq!(answer["stateBlockNumber"], head.number);
        let amount = |value: &Value| value.as_str().unwrap_or_else(|| panic!("a decimal string: {answer}")).parse::<u128>().unwrap();
        assert_eq!(amount(&answer["coinbaseDiff"]), amount(&answer["gasFees"]) + amount(&answer["ethSentToCoinbase"]));
        assert_eq!(amount(&answer["ethSentToCoinbase"]), 5_000_000);
        let results = answer["results"].as_array().unwrap();
        let gas: u64 = results.iter().map(|one| one["gasUsed"].as_u64().unwrap()).sum();
        assert_eq!(answer["totalGasUsed"], gas);
        assert_eq!(amount(&answer["bundleGasPrice"]), amount(&answer["coinbaseDiff"]) / u128::from(gas));
        let total: u128 = results.iter().map(|one| amount(&one["coinbaseDiff"])).sum();
        assert_eq!(total, amount(&answer["coinbaseDiff"]));
        for one in results {
            assert_eq!(amount(&one["coinbaseDiff"]), amount(&one["gasFees"]) + amount(&one["ethSentToCoinbase"]));
        }
        let expected = [U256::from(number).to_be_bytes::<32>(), U256::from(head.timestamp + ahead * SLOT_SECONDS).to_be_bytes::<32>()].concat();
        assert_eq!(results[1]["value"], json!(Bytes::from(expected)));
        assert!(results[0].get("error").is_none() && results[1].get("revert").is_none());
        assert!(results[2].get("error").is_some() && results[2].get("revert").is_some() && results[2].get("value").is_none());
    }
    assert_eq!(chain.head(), head, "nothing of it stays");
    let node = chain.provider().unwrap();
    assert_eq!(node.get_block_number().await.unwrap(), head.number);
    let report = chain.build_block().await.unwrap();
    assert!(report.txs.is_empty());
    let old = relay(&chain, &who, "eth_callBundle", json!([{"txs": [pays], "blockNumber": next_block(&chain), "stateBlockNumber": "0x0"}])).await;
    assert!(old["error"]["message"].as_str().unwrap().contains("not available"));
}

#[tokio::test(flavor = "multi_thread")]
async fn item_10_bundles_are_not_seen_before_their_block() {
    let chain = chain().await;
    let ws = ProviderBuilder::new().connect_ws(WsConnect::new(chain.ws_url())).await.unwrap();
    let mut pending = ws.subscribe_pending_transactions().await.unwrap().into_stream();
    let mut heads = ws.subscribe_blocks().await.unwrap().into_stream();
    let [alice, bob] = [0, 1].map(|number| chain.dev_account(number).unwrap());
    let secret = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let open = transfer(&chain, &bob, 0, NOBODY, 1, GWEI);
    send_bundle(&chain, &identity("searcher"), json!({"txs": [secret], "blockNumber": next_block(&chain)})).await;
    relay(&chain, &identity("searcher"), "eth_callBundle", json!([{"txs": [secret], "blockNumber": next_block(&chain), "stateBlockNumber": "latest"}])).await;
    let private = transfer(&chain, &alice, 1, NOBODY, 1, GWEI);
    relay(&chain, &identity("searcher"), "eth_sendPrivateTransaction", json!([{"tx": private}])).await;
    let node = chain.provider().unwrap();
    let pool: Value = node.raw_request("txpool_content".into(), ()).await.unwrap();
    assert_eq!(pool["pending"], json!({}));
    assert_eq!(pool["queued"], json!({}));
    assert_eq!(result(&chain, "txpool_status", json!([])).await["pending"], "0x0");
    assert!(result(&chain, "eth_getTransactionByHash", json!([hash_of(&secret)])).await.is_null());
    assert_eq!(result(&chain, "eth_getTransactionCount", json!([alice.address(), "pending"])).await, "0x0");
    let open_hash = chain.send_public(open).await.unwrap();
    let first = tokio::time::timeout(SOON, pending.next()).await.unwrap().unwrap();
    assert_eq!(first, open_hash, "only the public one was announced");
    let report = chain.build_block().await.unwrap();
    let head = tokio::time::timeout(SOON, heads.next()).await.unwrap().unwrap();
    assert_eq!(head.hash, report.head.hash, "trial blocks are not announced");
    assert!(report.txs.contains(&hash_of(&secret)));
    assert_eq!(chain.build_block().await.unwrap().txs, [hash_of(&private)], "tried again behind the bundle that it needs");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_come_on_demand_and_go_again() {
    let config = ChainConfig { front: FrontConfig { relays: vec!["one".into(), "two".into()], ..FrontConfig::default() }, ..ChainConfig::default() };
    let chain = Chain::start(config).await.unwrap();
    let alice = chain.dev_account(0).unwrap();
    let who = identity("searcher");
    let one = chain.relay_of("one").unwrap();
    let raw = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let bundle = || json!([{"txs": [raw], "blockNumber": next_block(&chain)}]);
    let send = || async { relay_at(&chain.relay_url_of("one"), &who, "eth_sendBundle", bundle()).await };

    one.set_fault(Some(Fault::TooManyRequests));
    assert_eq!(send().await.0, 429);
    one.set_fault(Some(Fault::ServerError));
    assert_eq!(send().await.0, 500);
    one.set_fault(Some(Fault::NotJson));
    assert!(serde_json::from_str::<Value>(&send().await.1).is_err());
    one.set_fault(Some(Fault::ErrorString));
    assert!(serde_json::from_str::<Value>(&send().await.1).unwrap()["error"].is_string());
    one.set_fault(Some(Fault::DropConnection));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": bundle()}).to_string();
    let header = sign_flashbots_payload(body.clone(), &who).await.unwrap();
    let lost = |body: String, header: String| async {
        let response = http().post(chain.relay_url_of("one")).header("X-Flashbots-Signature", header).body(body).send().await;
        match response {
            Err(_) => true,
            Ok(response) => response.bytes().await.is_err(),
        }
    };
    assert!(lost(body.clone(), header.clone()).await);
    assert_eq!(chain.front().waiting_bundles(), 0, "none of these were taken");

    one.set_fault_for(Fault::AcceptNotInclude, 1);
    assert!(send().await.1.contains("bundleHash"));
    let report = chain.build_block().await.unwrap();
    assert_eq!(report.rejection(bundle_hash(&[&raw])), Some(&Rejection::Withheld));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": bundle()}).to_string();
    let header = sign_flashbots_payload(body.clone(), &who).await.unwrap();
    one.set_fault_for(Fault::DropAfterAccept, 1);
    assert!(lost(body, header).await);
    // The other relay has it too, and both take it: it lands once.
    let two = chain.relay_of("two").unwrap();
    two.set_fault(Some(Fault::BareHash));
    let (_, text) = relay_at(&chain.relay_url_of("two"), &who, "eth_sendBundle", bundle()).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["result"], json!(bundle_hash(&[&raw])));
    one.set_fault(Some(Fault::NullResult));
    assert!(serde_json::from_str::<Value>(&send().await.1).unwrap()["result"].is_null());
    one.set_fault(Some(Fault::Delay(Duration::from_millis(50))));
    assert_eq!(send().await.0, 200);
    let report = chain.build_block().await.unwrap();
    assert_eq!(report.txs, [hash_of(&raw)]);
    assert_eq!((report.bundles.len(), report.rejected.len()), (1, 3));
    one.set_fault(None);
    two.set_fault(None);
    assert_eq!(one.counters().faults, 9);
}
