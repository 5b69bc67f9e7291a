//! What stands in a block: bundles first, whole and in order, the higher bid; then the public transactions, by tip.

use crate::support::{
    GWEI, NOBODY, PAYS_COINBASE, SOON, TAKES_ONCE, call_value, chain, contract, devnet, hash_of, identities_hold, identity, next_block, refused_bundle, relay,
    result, send_bundle, transfer,
};
use alloy::{
    primitives::{Address, B256, Bytes, I256, U256},
    providers::{Provider, ProviderBuilder, WsConnect},
};
use futures::StreamExt;
use harrier::devnet::{ChainConfig, Devnet, DevnetConfig, Person, Rejection, SLOT_SECONDS, people::Draft};
use serde_json::{Value, json};
use std::time::Duration;

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
async fn blocks_come_by_themselves_when_asked_to() {
    let chain = ChainConfig { block_every: Some(Duration::from_millis(100)), ..ChainConfig::default() };
    let devnet = Devnet::start(DevnetConfig { chain, ..DevnetConfig::default() }).await.unwrap();
    let ws = ProviderBuilder::new().connect_ws(WsConnect::new(devnet.ws_url())).await.unwrap();
    let mut heads = ws.subscribe_blocks().await.unwrap().into_stream();
    let first = tokio::time::timeout(SOON, heads.next()).await.unwrap().unwrap();
    let second = tokio::time::timeout(SOON, heads.next()).await.unwrap().unwrap();
    assert_eq!((second.number, second.parent_hash, second.timestamp), (first.number + 1, first.hash, first.timestamp + SLOT_SECONDS));
}
