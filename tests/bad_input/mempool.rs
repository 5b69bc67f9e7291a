//! A mempool full of rubbish.

use crate::support::{borrower, landed, searcher, set, still_lands, totals};
use alloy::{
    consensus::{
        SignableTransaction, Transaction as _, TxEip4844, TxEip4844Variant, TxEnvelope,
        transaction::{Recovered, SignerRecoverable},
    },
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, Bytes, I256, U256},
    rpc::types::{Transaction, TransactionInfo},
    signers::SignerSync,
};
use harrier::{
    devnet::{Person, people::Draft},
    drivers::{dropped::Dropped, searcher::Event},
    plan::SkipReason,
};
use serde_json::{Value, json};

const GWEI: u128 = 1_000_000_000;

/// A signed transaction as a node announces it.
fn announced(raw: &Bytes) -> Value {
    let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    let sender = tx.recover_signer().unwrap();
    body(tx, sender)
}

fn body(tx: TxEnvelope, sender: Address) -> Value {
    serde_json::to_value(Transaction::from_transaction(Recovered::new_unchecked(tx, sender), TransactionInfo::default())).unwrap()
}

fn hash_of(body: &Value) -> B256 {
    body["hash"].as_str().unwrap().parse().unwrap()
}

/// The same call in a transaction that carries a blob. Its cap is low, so that a plain one replaces it.
fn with_blob(raw: &Bytes, by: &Person, base_fee: u64) -> Value {
    let plain = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    let tx = TxEip4844 {
        chain_id: plain.chain_id().unwrap(),
        nonce: plain.nonce(),
        gas_limit: plain.gas_limit(),
        max_fee_per_gas: u128::from(base_fee) * 5 / 4,
        max_priority_fee_per_gas: 1,
        to: plain.to().unwrap(),
        value: U256::ZERO,
        access_list: Default::default(),
        blob_versioned_hashes: vec![versioned()],
        max_fee_per_blob_gas: 10 * GWEI,
        input: plain.input().clone(),
    };
    let tx: TxEip4844Variant = TxEip4844Variant::TxEip4844(tx);
    let signature = by.signer().sign_hash_sync(&tx.signature_hash()).unwrap();
    body(TxEnvelope::Eip4844(tx.into_signed(signature)), by.address())
}

/// Blob hashes begin with their version, one.
fn versioned() -> B256 {
    let mut hash = B256::ZERO;
    hash[0] = 1;
    hash
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_in_the_mempool_is_counted_and_the_next_opportunity_lands() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, wire, mut troupe) = searcher(folder.path(), &[set("engine.pending_max_bytes", "4096")]).await;
    let devnet = &stage.devnet;
    let feed = devnet.contracts().feed("ETH/USD").unwrap().address;
    let opened = borrower(devnet, &mut troupe, "bea").await;
    let base_fee = devnet.front().head().next_base_fee();
    let draft = |nonce| Draft {
        chain_id: devnet.chain_id(),
        nonce,
        to: Some(feed),
        value: U256::ZERO,
        data: Bytes::new(),
        gas: 100_000,
        max_fee: 60 * GWEI,
        tip: GWEI,
    };

    // Nothing of this is a transaction.
    let whole = announced(&devnet.dev_account(8).unwrap().sign(&draft(0)).unwrap());
    let mut of_no_kind = whole.clone();
    of_no_kind["type"] = json!("0x7f");
    let mut without_signature = whole.clone();
    without_signature.as_object_mut().unwrap().remove("r");
    let undecodable = [json!("hello"), json!(5), json!(null), json!([]), json!({}), json!({"hash": whole["hash"], "from": 1}), of_no_kind, without_signature];
    for rubbish in &undecodable {
        wire.announce(rubbish);
    }
    // A transaction that is not what the node says: its hash, then its sender.
    let mut other_hash = whole.clone();
    other_hash["hash"] = json!(B256::repeat_byte(0xab));
    let mut other_sender = whole.clone();
    other_sender["from"] = json!(devnet.owner().unwrap().address());
    wire.announce(&other_hash);
    wire.announce(&other_sender);
    // Too large, at first by little, then by much.
    let large = |size: usize| announced(&devnet.dev_account(8).unwrap().sign(&Draft { data: vec![1; size].into(), gas: 16_000_000, ..draft(0) }).unwrap());
    wire.announce(&large(5_000));
    wire.announce(&large(300_000));
    // Transactions that can't stand in the next block.
    let early = announced(&devnet.dev_account(8).unwrap().sign(&draft(5)).unwrap());
    let poor = announced(&Person::named("a pauper").sign(&draft(0)).unwrap());
    let mean = announced(&devnet.dev_account(8).unwrap().sign(&Draft { max_fee: 1, tip: 1, ..draft(0) }).unwrap());
    let hungry = announced(&devnet.dev_account(8).unwrap().sign(&Draft { gas: 30_000_000, ..draft(0) }).unwrap());
    for (tx, why) in [(&early, Dropped::NonceGap), (&poor, Dropped::Broke), (&mean, Dropped::FeeTooLow), (&hungry, Dropped::GasTooHigh)] {
        wire.announce(tx);
        assert_eq!(troupe.pending(hash_of(tx)).await.unwrap().unwrap_err(), why);
    }
    // One that reverts: only the transmitter may transmit.
    let answer = devnet.answer("ETH/USD").await.unwrap();
    let lower = answer - answer * I256::unchecked_from(7) / I256::unchecked_from(1_000);
    let update = devnet.signed_price("ETH/USD", lower, GWEI).await.unwrap();
    let input = TxEnvelope::decode_2718(&mut update.as_ref()).unwrap().input().clone();
    let stranger = devnet.dev_account(9).unwrap();
    let reverting = devnet.send_public(devnet.signed(&stranger, Some(feed), U256::ZERO, input, 100_000, GWEI).await.unwrap()).await.unwrap();
    let outcome = troupe.pending(reverting).await.unwrap().unwrap();
    assert_eq!(outcome.front.as_ref().map(|skip| skip.reason), Some(SkipReason::SimulationReverted));
    assert!(outcome.batches.is_empty());
    // One with a blob: it would open a position, and can't stand in a bundle.
    let blob = with_blob(&update, &devnet.dev_account(6).unwrap(), base_fee);
    wire.announce(&blob);
    let outcome = troupe.pending(hash_of(&blob)).await.unwrap().unwrap();
    assert!(outcome.front.is_none(), "{:?}", outcome.front);
    assert_eq!(outcome.batches.len(), 1, "{outcome:?}");
    assert!(troupe.happened.iter().any(|event| matches!(event, Event::Trigger { outcome: seen, sent: 0 } if seen.trigger == outcome.trigger)));

    let unusable: Vec<&String> = troupe.happened.iter().filter_map(|event| if let Event::Unusable { why, .. } = event { Some(why) } else { None }).collect();
    let count = |words: &str| unusable.iter().filter(|why| why.contains(words)).count();
    assert_eq!((count("can't be decoded"), count("not what the node says"), count("larger than")), (undecodable.len(), 2, 2), "{unusable:?}");

    // The same update, in a transaction that may be bundled.
    let update = devnet.send_public(update).await.unwrap();
    troupe.pending(update).await.unwrap().unwrap();
    let report = troupe.block(devnet).await.unwrap();
    assert_eq!(landed(&troupe), 1, "{:?} {:?}", troupe.decided, report.rejected);
    let market = devnet.contracts().market(&opened.market).unwrap();
    assert_eq!(devnet.position(market, opened.person.address()).await.unwrap().0, 0);

    // Frames that are no JSON-RPC at all may cost the connection, never the searcher.
    for nonsense in ["this is no JSON", "{\"jsonrpc\":\"2.0\"}", "[]"] {
        wire.subscribed().await;
        wire.say(nonsense.to_owned());
    }
    wire.cut();
    wire.subscribed().await;
    still_lands(devnet, &mut troupe, "ben").await;
    let summary = totals(troupe).await;
    assert_eq!(summary.landed, 2);
    assert!(summary.skipped.contains_key(&SkipReason::TriggerNotBundleable), "{:?}", summary.skipped);
}
