//! The devnet against a real anvil: the checklist of an honest relay, the public mempool, and block building.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test says what it expects")]

use alloy::{
    consensus::Transaction as _,
    network::TransactionResponse as _,
    primitives::{Address, B256, Bytes, I256, U256, address, hex, keccak256},
    providers::{Provider, ProviderBuilder, WsConnect, ext::sign_flashbots_payload},
    rpc::types::{Filter, Log},
    signers::{SignerSync, local::PrivateKeySigner},
    transports::http::reqwest,
};
use futures::StreamExt;
use harrier::devnet::{BlockReport, Chain, ChainConfig, Devnet, DevnetConfig, Fault, FrontConfig, Person, Rejection, SLOT_SECONDS, Seed, people::Draft};
use serde_json::{Value, json};
use std::time::Duration;

const GWEI: u128 = 1_000_000_000;
const NOBODY: Address = address!("00000000000000000000000000000000000000aa");
/// What waits for something that surely happens.
const SOON: Duration = Duration::from_secs(20);

async fn chain() -> Chain {
    Chain::start(ChainConfig::default()).await.unwrap()
}

async fn devnet() -> Devnet {
    Devnet::start(DevnetConfig::default()).await.unwrap()
}

fn identity(name: &str) -> PrivateKeySigner {
    Person::named(name).signer().clone()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap()
}

/// One JSON-RPC call through the front.
async fn rpc(chain: &Chain, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string();
    let text = http().post(chain.http_url()).body(body).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["id"], 7, "{answer}");
    answer
}

async fn result(chain: &Chain, method: &str, params: Value) -> Value {
    let answer = rpc(chain, method, params).await;
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}

async fn error(chain: &Chain, method: &str, params: Value) -> String {
    let answer = rpc(chain, method, params).await;
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{method} should fail: {answer}")).to_owned()
}

/// A signed request to a relay: status and body.
async fn relay_at(url: &str, who: &PrivateKeySigner, method: &str, params: Value) -> (u16, String) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let header = sign_flashbots_payload(body.clone(), who).await.unwrap();
    let response = http().post(url).header("X-Flashbots-Signature", header).body(body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn relay(chain: &Chain, who: &PrivateKeySigner, method: &str, params: Value) -> Value {
    let (status, text) = relay_at(&chain.relay_url(), who, method, params).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Sends a bundle and expects it to be taken; its hash.
async fn send_bundle(chain: &Chain, who: &PrivateKeySigner, bundle: Value) -> B256 {
    let answer = relay(chain, who, "eth_sendBundle", json!([bundle])).await;
    answer["result"]["bundleHash"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

async fn refused_bundle(chain: &Chain, who: &PrivateKeySigner, bundle: Value) -> String {
    let answer = relay(chain, who, "eth_sendBundle", json!([bundle])).await;
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn next_block(chain: &Chain) -> String {
    format!("0x{:x}", chain.head().number + 1)
}

fn hash_of(raw: &Bytes) -> B256 {
    keccak256(raw)
}

fn bundle_hash(raws: &[&Bytes]) -> B256 {
    keccak256(raws.iter().flat_map(|raw| hash_of(raw).0).collect::<Vec<u8>>())
}

/// A plain transfer with everything said.
fn transfer(chain: &Chain, from: &Person, nonce: u64, to: Address, value: u64, tip: u128) -> Bytes {
    from.sign(&Draft { chain_id: chain.chain_id(), nonce, to: Some(to), value: U256::from(value), data: Bytes::new(), gas: 60_000, max_fee: 100 * GWEI, tip })
        .unwrap()
}

/// Creates a contract whose runtime code is `code`; its address.
async fn contract(chain: &Chain, by: &Person, code: &[u8]) -> Address {
    // PUSH2 size DUP1 PUSH1 10 PUSH0 CODECOPY PUSH0 RETURN, then the code.
    let size = u16::try_from(code.len()).unwrap().to_be_bytes();
    let mut init = vec![0x61, size[0], size[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend(code);
    let raw = chain.signed(by, None, U256::ZERO, init.into(), 300_000, GWEI).await.unwrap();
    let nonce = chain.front().next_nonce(by.address()).await.unwrap();
    chain.send_public(raw).await.unwrap();
    let report = chain.build_block().await.unwrap();
    assert!(report.succeeded.iter().all(|ok| *ok));
    by.address().create(nonce)
}

/// Pays all that it is sent to the fee recipient; without value it reverts.
const PAYS_COINBASE: [u8; 18] = hex!("34 15 600e 57 5f5f5f5f 34 41 5a f1 00 5b 5f 5f fd");

/// A slot that only one caller may take: reverts when it is taken.
const TAKES_ONCE: [u8; 13] = hex!("5f 54 6009 57 34 5f 55 00 5b 5f 5f fd");

async fn call_value(chain: &Chain, by: &Person, to: Address, value: u64, tip: u128) -> Bytes {
    chain.signed(by, Some(to), U256::from(value), Bytes::new(), 100_000, tip).await.unwrap()
}

fn identities_hold(report: &BlockReport) {
    for bundle in &report.bundles {
        assert_eq!(bundle.coinbase_diff, I256::try_from(bundle.gas_fees).unwrap() + bundle.eth_sent_to_coinbase);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_0_the_mempool_lives_in_front_and_the_node_is_empty_between_blocks() {
    let chain = chain().await;
    let alice = chain.dev_account(0).unwrap();
    let raw = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let hash = chain.send_public(raw).await.unwrap();
    let node = chain.provider().unwrap();
    assert!(node.get_transaction_by_hash(hash).await.unwrap().is_none(), "the node does not know it yet");
    assert_eq!(result(&chain, "txpool_status", json!([])).await, json!({"pending": "0x1", "queued": "0x0"}));
    let before = chain.head();
    let report = chain.build_block().await.unwrap();
    assert_eq!(report.txs, [hash]);
    assert_eq!(report.head.timestamp, before.timestamp + SLOT_SECONDS);
    assert_eq!(report.head.parent_hash, before.hash);
    assert_eq!(report.head.fee_recipient, chain.fee_recipient());
    assert_eq!(result(&chain, "txpool_status", json!([])).await, json!({"pending": "0x0", "queued": "0x0"}));
    let pool: Value = node.raw_request("txpool_status".into(), ()).await.unwrap();
    assert_eq!(pool["pending"], "0x0");
}

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
async fn item_3_a_bundle_stands_in_its_block_or_in_none() {
    let chain = chain().await;
    let who = identity("searcher");
    let alice = chain.dev_account(0).unwrap();
    let bob = chain.dev_account(1).unwrap();
    let carol = chain.dev_account(2).unwrap();
    let past = refused_bundle(&chain, &who, json!({"txs": [transfer(&chain, &alice, 0, NOBODY, 1, GWEI)], "blockNumber": "0x0"})).await;
    assert!(past.contains("not after"), "{past}");
    let number = chain.head().number;
    let second = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let early = transfer(&chain, &bob, 0, NOBODY, 1, GWEI);
    let late = transfer(&chain, &carol, 0, NOBODY, 1, GWEI);
    let time = chain.head().timestamp + SLOT_SECONDS;
    send_bundle(&chain, &who, json!({"txs": [second], "blockNumber": format!("0x{:x}", number + 2)})).await;
    let early_hash = send_bundle(&chain, &who, json!({"txs": [early], "blockNumber": next_block(&chain), "minTimestamp": time + 1})).await;
    let late_hash = send_bundle(&chain, &who, json!({"txs": [late], "blockNumber": next_block(&chain), "maxTimestamp": time - 1})).await;
    let first_report = chain.build_block().await.unwrap();
    assert!(first_report.txs.is_empty());
    for hash in [early_hash, late_hash] {
        assert_eq!(first_report.rejection(hash), Some(&Rejection::Timestamp { timestamp: time }));
    }
    assert_eq!(chain.build_block().await.unwrap().txs, [hash_of(&second)]);
    assert!(chain.build_block().await.unwrap().txs.is_empty());
    assert_eq!(chain.front().waiting_bundles(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn item_4_and_6_bundles_are_really_mined_first_adjacent_and_in_order() {
    let chain = chain().await;
    let who = identity("searcher");
    let people: Vec<Person> = (0..4).map(|number| chain.dev_account(number).unwrap()).collect();
    let rich = chain.send_public(transfer(&chain, &people[0], 0, NOBODY, 1, 50 * GWEI)).await.unwrap();
    let modest = chain.send_public(transfer(&chain, &people[1], 0, NOBODY, 1, 2 * GWEI)).await.unwrap();
    let pair = [transfer(&chain, &people[2], 0, NOBODY, 1, GWEI), transfer(&chain, &people[3], 0, NOBODY, 1, GWEI)];
    send_bundle(&chain, &who, json!({"txs": pair, "blockNumber": next_block(&chain)})).await;
    let report = chain.build_block().await.unwrap();
    assert_eq!(report.txs, [hash_of(&pair[0]), hash_of(&pair[1]), rich, modest]);
    assert_eq!(report.public, [rich, modest]);
    let node = chain.provider().unwrap();
    for (index, hash) in report.txs.iter().enumerate() {
        let receipt = node.get_transaction_receipt(*hash).await.unwrap().unwrap();
        assert_eq!(receipt.transaction_index, Some(index as u64));
        assert_eq!(receipt.block_hash, Some(report.head.hash));
        assert!(receipt.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn item_5_a_bundle_is_never_split() {
    let chain = chain().await;
    let who = identity("searcher");
    let alice = chain.dev_account(0).unwrap();
    let bob = chain.dev_account(1).unwrap();
    let payer = contract(&chain, &bob, &PAYS_COINBASE).await;
    let good = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let reverts = call_value(&chain, &bob, payer, 0, GWEI).await;
    let block = next_block(&chain);

    let dropped = send_bundle(&chain, &who, json!({"txs": [good, reverts], "blockNumber": block})).await;
    let report = chain.build_block().await.unwrap();
    assert!(report.txs.is_empty());
    assert_eq!(report.rejection(dropped), Some(&Rejection::Reverts(hash_of(&reverts))));
    let gap = transfer(&chain, &bob, 9, NOBODY, 1, GWEI);
    let poor = transfer(&chain, &Person::named("poor"), 0, NOBODY, 1, GWEI);
    let mean = alice
        .sign(&Draft { chain_id: chain.chain_id(), nonce: 0, to: Some(NOBODY), value: U256::ZERO, data: Bytes::new(), gas: 21_000, max_fee: GWEI, tip: GWEI })
        .unwrap();
    for bad in [&gap, &poor, &mean] {
        let txs = if bad == &mean { json!([bad]) } else { json!([good, bad]) };
        let hash = send_bundle(&chain, &who, json!({"txs": txs, "blockNumber": next_block(&chain)})).await;
        let report = chain.build_block().await.unwrap();
        assert!(report.txs.is_empty(), "nothing of a failed bundle is mined");
        assert!(matches!(report.rejection(hash), Some(Rejection::NotExecutable { tx, .. }) if *tx == hash_of(bad)), "{:?}", report.rejected);
    }
    for _ in 0..2 {
        assert!(chain.build_block().await.unwrap().txs.is_empty(), "nor later");
    }
    // What may revert may; what may be left out is left out.
    let txs = json!({"txs": [good, reverts], "blockNumber": next_block(&chain), "revertingTxHashes": [hash_of(&reverts)]});
    send_bundle(&chain, &who, txs).await;
    let report = chain.build_block().await.unwrap();
    assert_eq!((report.txs.len(), &report.succeeded), (2, &vec![true, false]));
    let good = transfer(&chain, &alice, 1, NOBODY, 1, GWEI);
    let reverts = call_value(&chain, &bob, payer, 0, GWEI).await;
    let txs = json!({"txs": [reverts, good], "blockNumber": next_block(&chain), "droppingTxHashes": [hash_of(&reverts)]});
    let hash = send_bundle(&chain, &who, txs).await;
    let report = chain.build_block().await.unwrap();
    assert_eq!(report.txs, [hash_of(&good)]);
    assert_eq!(report.bundle(hash).unwrap().dropped, [hash_of(&reverts)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn item_5_a_bundle_may_fund_its_own_sender() {
    let chain = chain().await;
    let alice = chain.dev_account(0).unwrap();
    let poor = Person::named("poor");
    let gift = transfer(&chain, &alice, 0, poor.address(), 10_000_000_000_000_000, GWEI);
    let spends = transfer(&chain, &poor, 0, NOBODY, 1, GWEI);
    send_bundle(&chain, &identity("searcher"), json!({"txs": [gift, spends], "blockNumber": next_block(&chain)})).await;
    assert_eq!(chain.build_block().await.unwrap().txs, [hash_of(&gift), hash_of(&spends)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn item_7_payment_is_accounted_and_the_higher_bid_wins() {
    let chain = chain().await;
    let [alice, bob, carol] = [0, 1, 2].map(|number| chain.dev_account(number).unwrap());
    let payer = contract(&chain, &carol, &PAYS_COINBASE).await;
    let prize = contract(&chain, &carol, &TAKES_ONCE).await;
    let node = chain.provider().unwrap();
    let paying = |who: Person, nonce: u64, pay: u64| {
        let chain = &chain;
        async move {
            let base = |to: Address, nonce: u64, value: u64| Draft {
                chain_id: chain.chain_id(),
                nonce,
                to: Some(to),
                value: U256::from(value),
                data: Bytes::new(),
                gas: 100_000,
                max_fee: 100 * GWEI,
                tip: GWEI,
            };
            [who.sign(&base(prize, nonce, 1)).unwrap(), who.sign(&base(payer, nonce + 1, pay)).unwrap()]
        }
    };
    let low = paying(alice, 0, 1_000_000).await;
    let high = paying(bob, 0, 2_000_000).await;
    let low_hash = send_bundle(&chain, &identity("early"), json!({"txs": low, "blockNumber": next_block(&chain)})).await;
    let high_hash = send_bundle(&chain, &identity("generous"), json!({"txs": high, "blockNumber": next_block(&chain)})).await;
    let before = node.get_balance(chain.fee_recipient()).await.unwrap();
    let report = chain.build_block().await.unwrap();
    let after = node.get_balance(chain.fee_recipient()).await.unwrap();

    assert_eq!(report.txs, [hash_of(&high[0]), hash_of(&high[1])]);
    assert_eq!(report.rejection(low_hash), Some(&Rejection::Outpaid(Box::new(Rejection::Reverts(hash_of(&low[0]))))));
    let bundle = report.bundle(high_hash).unwrap();
    identities_hold(&report);
    assert_eq!(bundle.eth_sent_to_coinbase, I256::try_from(2_000_000).unwrap());
    let mut tips = U256::ZERO;
    for hash in &report.txs {
        let receipt = node.get_transaction_receipt(*hash).await.unwrap().unwrap();
        tips += U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price - u128::from(report.head.base_fee));
    }
    assert_eq!(bundle.gas_fees, tips);
    assert_eq!(bundle.coinbase_diff, I256::try_from(after - before).unwrap());
    assert_eq!(report.fee_recipient_gain, bundle.coinbase_diff);

    let stats = relay(&chain, &identity("generous"), "flashbots_getUserStatsV2", json!([{"blockNumber": "0x1"}])).await;
    assert_eq!(stats["result"]["allTimeValidatorPayments"], bundle.coinbase_diff.to_string());
    let block = format!("0x{:x}", report.head.number);
    let stats = relay(&chain, &identity("generous"), "flashbots_getBundleStatsV2", json!([{"bundleHash": high_hash, "blockNumber": block}])).await;
    assert_eq!(stats["result"]["sealedByBuildersAt"].as_array().unwrap().len(), 1);
    let stats = relay(&chain, &identity("early"), "flashbots_getBundleStatsV2", json!([{"bundleHash": low_hash, "blockNumber": block}])).await;
    assert_eq!(stats["result"]["sealedByBuildersAt"], json!([]));
    let stats = relay(&chain, &identity("early"), "flashbots_getBundleStatsV2", json!([{"bundleHash": B256::ZERO, "blockNumber": block}])).await;
    assert_eq!(stats["result"], json!({"isSimulated": false}));
}

#[tokio::test(flavor = "multi_thread")]
async fn item_7_bundles_that_share_their_trigger_land_together() {
    let chain = chain().await;
    let [trigger_sender, alice, bob, carol] = [0, 1, 2, 3].map(|number| chain.dev_account(number).unwrap());
    let trigger = transfer(&chain, &trigger_sender, 0, NOBODY, 1, GWEI);
    chain.send_public(trigger.clone()).await.unwrap();
    let follow = chain.send_public(transfer(&chain, &trigger_sender, 1, NOBODY, 1, GWEI)).await.unwrap();
    let backruns = [transfer(&chain, &alice, 0, NOBODY, 1, 3 * GWEI), transfer(&chain, &bob, 0, NOBODY, 1, 5 * GWEI)];
    let stubborn = transfer(&chain, &carol, 0, NOBODY, 1, 2 * GWEI);
    let mut hashes = Vec::new();
    for backrun in &backruns {
        let bundle = json!({"txs": [trigger, backrun], "blockNumber": next_block(&chain), "droppingTxHashes": [hash_of(&trigger)]});
        hashes.push(send_bundle(&chain, &identity("searcher"), bundle).await);
    }
    let stubborn_hash = send_bundle(&chain, &identity("searcher"), json!({"txs": [trigger, stubborn], "blockNumber": next_block(&chain)})).await;
    let report = chain.build_block().await.unwrap();
    assert_eq!(report.txs, [hash_of(&trigger), hash_of(&backruns[1]), hash_of(&backruns[0]), follow]);
    assert_eq!(report.bundle(hashes[1]).unwrap().dropped, Vec::<B256>::new());
    assert_eq!(report.bundle(hashes[0]).unwrap().dropped, [hash_of(&trigger)]);
    assert_eq!(report.rejection(stubborn_hash), Some(&Rejection::Outpaid(Box::new(Rejection::InBlock(hash_of(&trigger))))));
    assert_eq!(chain.front().waiting(), 0, "the mempool's copy of the trigger is gone");
    identities_hold(&report);
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
async fn public_transactions_are_ordered_by_tip_and_each_senders_by_nonce() {
    let chain = chain().await;
    let [alice, bob, carol] = [0, 1, 2].map(|number| chain.dev_account(number).unwrap());
    let cheap_first = transfer(&chain, &alice, 0, NOBODY, 1, GWEI);
    let rich_second = transfer(&chain, &alice, 1, NOBODY, 1, 50 * GWEI);
    let middle = transfer(&chain, &bob, 0, NOBODY, 1, 5 * GWEI);
    let same_but_later = transfer(&chain, &carol, 0, NOBODY, 1, 5 * GWEI);
    for raw in [&rich_second, &cheap_first, &middle, &same_but_later] {
        chain.send_public(raw.clone()).await.unwrap();
    }
    let report = chain.build_block().await.unwrap();
    assert_eq!(report.txs, [&middle, &same_but_later, &cheap_first, &rich_second].map(hash_of));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_fee_follows_eip_1559_through_trials() {
    let chain = chain().await;
    let alice = chain.dev_account(0).unwrap();
    let mut nonce = 0;
    for _ in 0..4 {
        for _ in 0..3 {
            let raw = transfer(&chain, &alice, nonce, NOBODY, 1, GWEI);
            send_bundle(&chain, &identity("searcher"), json!({"txs": [raw], "blockNumber": next_block(&chain)})).await;
            nonce += 1;
        }
        let parent = chain.head();
        let report = chain.build_block().await.unwrap();
        let expected =
            alloy::eips::eip1559::calc_next_block_base_fee(parent.gas_used, parent.gas_limit, parent.base_fee, alloy::eips::eip1559::BaseFeeParams::ethereum());
        assert_eq!(report.head.base_fee, expected);
        // Each is alone on the head with its nonce, but only the first is valid there; the others have a gap.
        assert_eq!(report.txs.len(), 1);
        nonce = report.txs.len() as u64 + nonce - 3;
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_a_trial_block() {
    let chain = chain().await;
    let people: Vec<Person> = (0..6).map(|number| chain.dev_account(number).unwrap()).collect();
    for person in &people {
        let raw = transfer(&chain, person, 0, NOBODY, 1, GWEI);
        send_bundle(&chain, &identity("searcher"), json!({"txs": [raw], "blockNumber": next_block(&chain)})).await;
    }
    let start = chain.head().number;
    let front = chain.front().clone();
    let building = tokio::spawn(async move { front.build_block().await });
    let mut seen = Vec::new();
    while !building.is_finished() {
        let block = result(&chain, "eth_getBlockByNumber", json!(["latest", false])).await;
        seen.push((block["number"].as_str().unwrap().to_owned(), block["hash"].as_str().unwrap().to_owned()));
    }
    let report = building.await.unwrap().unwrap();
    assert_eq!(report.txs.len(), 6);
    for (number, hash) in seen {
        if number != format!("0x{start:x}") {
            assert_eq!((number, hash), (format!("0x{:x}", report.head.number), report.head.hash.to_string()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_twelve_bundles_takes_well_below_a_second() {
    let devnet = devnet().await;
    let people: Vec<Person> = (0..12).map(|number| Person::named(&format!("bundler {number}"))).collect();
    let deployer = devnet.deployer().unwrap();
    for person in &people {
        let gift = devnet.signed(&deployer, Some(person.address()), U256::from(10u128.pow(18)), Bytes::new(), 21_000, GWEI).await.unwrap();
        devnet.send_public(gift).await.unwrap();
    }
    devnet.build_block().await.unwrap();
    let trigger = devnet.signed_price("ETH/USD", I256::try_from(240_000_000_000i64).unwrap(), GWEI).await.unwrap();
    devnet.send_public(trigger.clone()).await.unwrap();
    for (person, tip) in people.iter().zip(2..) {
        let raw = transfer(&devnet, person, 0, NOBODY, 1, tip * GWEI);
        let bundle = json!({"txs": [trigger, raw], "blockNumber": next_block(&devnet), "droppingTxHashes": [hash_of(&trigger)]});
        send_bundle(&devnet, &identity("searcher"), bundle).await;
    }
    let start = std::time::Instant::now();
    let report = devnet.build_block().await.unwrap();
    let took = start.elapsed();
    assert_eq!(report.bundles.len(), 12, "{:?}", report.rejected);
    println!("12 bundles: {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_contracts_lend_borrow_and_liquidate() {
    let devnet = devnet().await;
    let contracts = devnet.contracts().clone();
    assert_eq!(contracts.markets.len(), 4);
    assert_eq!(contracts.pools.len(), 3);
    let market = contracts.market("weth-usdc").unwrap();
    let ether = U256::from(10u128.pow(18));
    let people = devnet
        .story()
        .borrower("alice")
        .collateral(U256::from(20) * ether)
        .health(1_050_000_000_000_000_000)
        .borrower("bob")
        .debt(U256::from(5_000_000_000u64))
        .open()
        .await
        .unwrap();
    assert_eq!(people[1].debt, U256::from(5_000_000_000u64));
    let alice = &people[0];
    let (shares, collateral) = devnet.position(market, alice.person.address()).await.unwrap();
    assert!(shares > 0 && U256::from(collateral) == U256::from(20) * ether);

    // The rival sees the price fall and takes half of it, in the same block, for a payment by tip.
    let trigger = devnet.price_moves("ETH/USD", -800).await.unwrap();
    let raw_trigger: Bytes = result(&devnet, "eth_getRawTransactionByHash", json!([trigger])).await.as_str().unwrap().parse().unwrap();
    let payment = U256::from(10u128.pow(16));
    let rival = devnet.rival_liquidation(market, alice.person.address(), U256::from(10) * ether, payment).await.unwrap();
    let before = devnet.balance_of("WETH", devnet.rival().address()).await.unwrap();
    let hash = send_bundle(&devnet, &identity("rival"), json!({"txs": [raw_trigger, rival], "blockNumber": next_block(&devnet)})).await;
    let report = devnet.build_block().await.unwrap();
    let bundle = report.bundle(hash).unwrap_or_else(|| panic!("{:?}", report.rejected));
    assert!(U256::try_from(bundle.coinbase_diff).unwrap() >= payment);
    let after = devnet.balance_of("WETH", devnet.rival().address()).await.unwrap();
    assert_eq!(after - before, U256::from(10) * ether);

    // A market loses its price and gets it back.
    let fragile = contracts.market("stake-usdc").unwrap();
    devnet.stop_feed("STAKE/USD", true).await.unwrap();
    devnet.build_block().await.unwrap();
    assert!(devnet.oracle_price(fragile).await.is_err());
    devnet.stop_feed("STAKE/USD", false).await.unwrap();
    devnet.build_block().await.unwrap();
    assert!(devnet.oracle_price(fragile).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn interest_alone_makes_a_full_position_unhealthy_in_the_next_block() {
    let devnet = devnet().await;
    let market = devnet.contracts().market("weth-usdc").unwrap().clone();
    let people = devnet.story().borrower("dora").debt_to_the_brim().open().await.unwrap();
    let rival = devnet.rival_liquidation(&market, people[0].person.address(), U256::from(10u128.pow(18)), U256::from(10u128.pow(15))).await.unwrap();
    let hash = send_bundle(&devnet, &identity("rival"), json!({"txs": [rival], "blockNumber": next_block(&devnet)})).await;
    let report = devnet.build_block().await.unwrap();
    assert!(report.bundle(hash).is_some(), "{:?}", report.rejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_borrowers_are_the_same_every_time() {
    let start = std::time::Instant::now();
    let config = || DevnetConfig { seed: Some(Seed::default()), ..DevnetConfig::default() };
    let (one, two) = tokio::join!(Devnet::start(config()), Devnet::start(config()));
    let (one, two) = (one.unwrap(), two.unwrap());
    println!("two devnets with 300 borrowers: {:?}", start.elapsed());
    assert_eq!(one.contracts(), two.contracts(), "addresses and ids");
    let mut open = 0;
    for number in 0..300 {
        let who = Person::named(&harrier::devnet::borrower_name(number)).address();
        for market in one.contracts().markets.values() {
            let (here, there) = (one.position(market, who).await.unwrap(), two.position(market, who).await.unwrap());
            assert_eq!(here, there);
            open += usize::from(here.0 > 0);
        }
    }
    assert_eq!(open, 300);
    let report = one.build_block().await.unwrap();
    assert!(report.txs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_the_devnet_goes_its_own_way() {
    let devnet = devnet().await;
    devnet.story().borrower("erin").open().await.unwrap();
    let fork = devnet.fork().await.unwrap();
    assert_eq!(fork.head(), devnet.head());
    let market = devnet.contracts().market("weth-usdc").unwrap();
    let erin = Person::named("erin").address();
    assert_eq!(fork.position(market, erin).await.unwrap(), devnet.position(market, erin).await.unwrap());
    let report = fork.price_mined("ETH/USD", I256::try_from(200_000_000_000i64).unwrap()).await.unwrap();
    assert_eq!(report.head.parent_hash, devnet.head().hash);
    assert_eq!(report.head.timestamp, devnet.head().timestamp + SLOT_SECONDS);
    assert_eq!(report.succeeded, [true]);
    assert_eq!(devnet.answer("ETH/USD").await.unwrap(), I256::try_from(250_000_000_000i64).unwrap());
    let rival = fork.rival_liquidation(market, erin, U256::from(10u128.pow(18)), U256::from(10u128.pow(15))).await.unwrap();
    let hash = send_bundle(&fork, &identity("rival"), json!({"txs": [rival], "blockNumber": next_block(&fork)})).await;
    let report = fork.build_block().await.unwrap();
    assert!(report.bundle(hash).is_some(), "{:?}", report.rejected);
    let logs =
        ProviderBuilder::new().connect_http(fork.http_url().parse().unwrap()).get_logs(&Filter::new().address(devnet.contracts().morpho).from_block(0)).await;
    assert!(logs.unwrap().len() > 4, "history of before the fork is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_by_themselves_when_asked_to() {
    let chain = ChainConfig { block_every: Some(Duration::from_millis(100)), ..ChainConfig::default() };
    let devnet = Devnet::start(DevnetConfig { chain, ..DevnetConfig::default() }).await.unwrap();
    let ws = ProviderBuilder::new().connect_ws(WsConnect::new(devnet.ws_url())).await.unwrap();
    let mut heads = ws.subscribe_blocks().await.unwrap().into_stream();
    let first = tokio::time::timeout(SOON, heads.next()).await.unwrap().unwrap();
    let second = tokio::time::timeout(SOON, heads.next()).await.unwrap().unwrap();
    assert_eq!((second.number, second.parent_hash, second.timestamp), (first.number + 1, first.hash, first.timestamp + SLOT_SECONDS));
}

mod fx_abi {
    #![allow(missing_docs, clippy::pedantic, reason = "the interface's own names")]
    alloy::sol! {
        interface IFxPool {
            function getTopTick() external view returns (int16);
            function getTotalRawDebts() external view returns (uint256);
            function getTotalRawCollaterals() external view returns (uint256);
            function getNextPositionId() external view returns (uint32);
        }
        interface IFxOracle {
            function getPrice() external view returns (uint256 anchorPrice, uint256 minPrice, uint256 maxPrice);
        }
        interface IConfiguration {
            function isStableRepayAllowed() external view returns (bool);
        }
        interface IBasePool {
            function totalYieldToken() external view returns (uint256);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_x_has_positions_in_all_its_pools() {
    use fx_abi::{IBasePool, IConfiguration, IFxOracle, IFxPool};
    let devnet = Devnet::start(DevnetConfig { fx: true, ..DevnetConfig::default() }).await.unwrap();
    let fx = devnet.fx().unwrap();
    let wad = U256::from(10).pow(U256::from(18));
    for pair in &fx.pairs {
        let price = devnet.ask("price", pair.oracle, &IFxOracle::getPriceCall {}).await.unwrap();
        let expected = U256::from(if pair.symbol == "WBTC" { 100_000 } else { 2_500 }) * wad;
        for price in [price.anchorPrice, price.minPrice, price.maxPrice] {
            assert!(price.abs_diff(expected) < expected / U256::from(1_000), "{} at {price}", pair.symbol);
        }
        for pool in [pair.long, pair.short] {
            let debts = devnet.ask("debt", pool, &IFxPool::getTotalRawDebtsCall {}).await.unwrap();
            let ids = devnet.ask("positions", pool, &IFxPool::getNextPositionIdCall {}).await.unwrap();
            assert!(!debts.is_zero() && ids > 24, "{} has {ids} positions and owes {debts}", pair.symbol);
            // The boldest owe 86 % of their collateral: below the 88 % at which a tick may be rebalanced.
            let top = devnet.ask("top tick", pool, &IFxPool::getTopTickCall {}).await.unwrap();
            let collateral = devnet.ask("collateral", pool, &IFxPool::getTotalRawCollateralsCall {}).await.unwrap();
            assert!(top > -32_768 && !collateral.is_zero());
        }
    }
    assert!(!devnet.ask("gate", fx.configuration, &IConfiguration::isStableRepayAllowedCall {}).await.unwrap(), "fxUSD is at its peg");
    assert_eq!(devnet.ask("fxUSD", fx.base_pool, &IBasePool::totalYieldTokenCall {}).await.unwrap(), U256::from(6_000_000) * wad);
}
