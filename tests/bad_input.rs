//! What nobody should send and no node should do: a clear error or a counted skip, and the searcher goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod wire;

use alloy::{
    consensus::{
        SignableTransaction, Transaction as _, TxEip4844, TxEip4844Variant, TxEnvelope,
        transaction::{Recovered, SignerRecoverable},
    },
    eips::eip2718::Decodable2718,
    primitives::{B256, Bytes, I256, U256},
    rpc::types::{Transaction, TransactionInfo},
    signers::SignerSync,
};
use harrier::{
    chain::ChainError,
    devnet::{
        Borrower, Devnet, DevnetConfig, Person, SearcherFacts,
        people::Draft,
        rehearsal::{RehearsalError, Stage, Troupe},
    },
    drivers::{
        discovery::Quiet,
        dropped::Dropped,
        searcher::{Event, SearchError},
        start::{StartError, Watchers, live},
    },
    ledger::{Outcome, Summary},
    plan::SkipReason,
    risk::KillSwitch,
};
use serde_json::{Value, json};
use std::{path::Path, process::Command, time::Duration};
use wire::Wire;

const GWEI: u128 = 1_000_000_000;
/// Health at which a fall of 0.7 % opens a position.
const NEAR: u128 = 1_005_000_000_000_000_000;

fn set(path: &str, value: &str) -> (String, String) {
    (format!("HARRIER__{}", path.replace('.', "__")), value.to_string())
}

/// A stage, and a searcher on it whose node is reached over a wire.
async fn searcher(folder: &Path, more: &[(String, String)]) -> (Stage, Wire, Troupe) {
    let stage = Stage::set(DevnetConfig::default(), folder).await.unwrap();
    let wire = Wire::to(&stage.devnet.http_url()).await;
    let troupe = over(&stage, folder, &wire, &wire, more).await;
    (stage, wire, troupe)
}

/// A searcher whose calls go over one wire and whose subscriptions over another.
async fn over(stage: &Stage, folder: &Path, calls: &Wire, streams: &Wire, more: &[(String, String)]) -> Troupe {
    let mut overrides = vec![set("node.http", &format!("\"{}\"", calls.http())), set("node.ws", &format!("\"{}\"", streams.ws()))];
    overrides.extend(more.iter().cloned());
    let troupe = Troupe::start(&stage.devnet, stage.executor, stage.receiver, &folder.join("searcher.sqlite"), &overrides).await.unwrap();
    streams.subscribed().await;
    troupe
}

async fn borrower(devnet: &Devnet, troupe: &mut Troupe, name: &str) -> Borrower {
    let borrower = devnet.story().borrower(name).health(NEAR).open().await.unwrap().pop().unwrap();
    troupe.head(devnet.head().number).await.unwrap();
    borrower
}

/// An update that opens the borrower, and the bundle that lands with it: whatever came before, the searcher still works.
async fn still_lands(devnet: &Devnet, troupe: &mut Troupe, name: &str) {
    let before = landed(troupe);
    let borrower = borrower(devnet, troupe, name).await;
    let update = devnet.price_moves("ETH/USD", -70).await.unwrap();
    troupe.pending(update).await.unwrap().unwrap_or_else(|why| panic!("the update was ignored: {why:?}"));
    let report = troupe.block(devnet).await.unwrap();
    assert_eq!(landed(troupe), before + 1, "{:?}", troupe.decided.last());
    assert!(report.bundles.iter().any(|bundle| bundle.txs.first() == Some(&update)), "the bundle stands behind its update");
    let market = devnet.contracts().market(&borrower.market).unwrap();
    assert_eq!(devnet.position(market, borrower.person.address()).await.unwrap().0, 0, "the debt is gone");
}

fn landed(troupe: &Troupe) -> usize {
    troupe.decided.iter().filter(|end| matches!(end.outcome, Outcome::Landed(_))).count()
}

/// Ends the searcher; that fails when its task panicked.
async fn totals(troupe: Troupe) -> Summary {
    let (ledger, _) = troupe.end().await.unwrap();
    let summary = ledger.summary().await.unwrap();
    ledger.close().await.unwrap();
    summary
}

/// A signed transaction as a node announces it.
fn announced(raw: &Bytes) -> Value {
    let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    let sender = tx.recover_signer().unwrap();
    body(tx, sender)
}

fn body(tx: TxEnvelope, sender: alloy::primitives::Address) -> Value {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_a_gap_and_the_next_opportunity_lands() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, wire, mut troupe) = searcher(folder.path(), &[]).await;
    let devnet = &stage.devnet;
    still_lands(devnet, &mut troupe, "cal").await;
    // Gone for three blocks, one of which opens a position that nobody sees in the mempool.
    let unseen = borrower(devnet, &mut troupe, "cleo").await;
    wire.set_open(false);
    wire.cut();
    devnet.build_block().await.unwrap();
    let answer = devnet.answer("ETH/USD").await.unwrap();
    devnet.price_mined("ETH/USD", answer - answer * I256::unchecked_from(7) / I256::unchecked_from(1_000)).await.unwrap();
    devnet.build_block().await.unwrap();
    wire.set_open(true);
    troupe.head(devnet.head().number).await.unwrap();
    let report = troupe.block(devnet).await.unwrap();
    assert_eq!((landed(&troupe), report.bundles.len()), (2, 1), "what was mined meanwhile is taken in the next block: {:?}", troupe.decided.last());
    let market = devnet.contracts().market(&unseen.market).unwrap();
    assert_eq!(devnet.position(market, unseen.person.address()).await.unwrap().0, 0);
    wire.subscribed().await;
    still_lands(devnet, &mut troupe, "cy").await;
    assert_eq!(totals(troupe).await.landed, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_late_costs_a_head_and_not_the_searcher() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, wire, mut troupe) = searcher(folder.path(), &[set("node.timeout_ms", "2000")]).await;
    let devnet = &stage.devnet;
    still_lands(devnet, &mut troupe, "dan").await;
    let before = wire.held_back_so_far();
    // Longer than the searcher waits.
    wire.set_delay(Duration::from_secs(3));
    devnet.build_block().await.unwrap();
    wire.held_back(before + 2).await;
    wire.set_delay(Duration::ZERO);
    devnet.build_block().await.unwrap();
    troupe.head(devnet.head().number).await.unwrap();
    wire.subscribed().await;
    still_lands(devnet, &mut troupe, "dot").await;
    assert_eq!(totals(troupe).await.landed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_whose_state_comes_late_is_made_up_for_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(DevnetConfig::default(), folder.path()).await.unwrap();
    let devnet = &stage.devnet;
    let (calls, streams) = (Wire::to(&devnet.http_url()).await, Wire::to(&devnet.http_url()).await);
    let mut troupe = over(&stage, folder.path(), &calls, &streams, &[set("node.timeout_ms", "2000")]).await;
    let unseen = borrower(devnet, &mut troupe, "eli").await;
    // The head is announced in time, and whatever is asked about it is not answered in time.
    let before = calls.held_back_so_far();
    calls.set_delay(Duration::from_secs(3));
    let answer = devnet.answer("ETH/USD").await.unwrap();
    devnet.price_mined("ETH/USD", answer - answer * I256::unchecked_from(7) / I256::unchecked_from(1_000)).await.unwrap();
    calls.held_back(before + 1).await;
    calls.set_delay(Duration::ZERO);
    devnet.build_block().await.unwrap();
    troupe.head(devnet.head().number).await.unwrap();
    troupe.block(devnet).await.unwrap();
    assert_eq!(landed(&troupe), 1, "{:?}", troupe.decided.last());
    let market = devnet.contracts().market(&unseen.market).unwrap();
    assert_eq!(devnet.position(market, unseen.person.address()).await.unwrap().0, 0);
    still_lands(devnet, &mut troupe, "eve").await;
    assert_eq!(totals(troupe).await.landed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_becomes_another_chain_ends_the_run_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, wire, mut troupe) = searcher(folder.path(), &[]).await;
    wire.set_lies(true);
    wire.cut();
    let next = stage.devnet.head().number + 1;
    match troupe.head(next).await {
        Err(RehearsalError::Search(SearchError::Chain(ChainError::ChainId { expected: 31_337, found: 31_336 }))) => {}
        other => panic!("it should have ended: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_is_late_or_absent_is_a_clear_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(DevnetConfig::default(), folder.path()).await.unwrap();
    let wire = Wire::to(&stage.devnet.http_url()).await;
    let ledger = folder.path().join("searcher.sqlite");
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: &ledger };
    let overrides = [set("node.http", &format!("\"{}\"", wire.http())), set("node.ws", &format!("\"{}\"", wire.ws())), set("node.timeout_ms", "300")];
    let (config, environment) = stage.devnet.searcher(&facts, &overrides).unwrap();
    let start = || async { live(config.clone(), &environment, KillSwitch::default(), Watchers::default(), &Quiet).await.map(drop) };

    wire.set_lies(true);
    let error = start().await.unwrap_err();
    assert!(matches!(error, StartError::Chain(ChainError::ChainId { expected: 31_337, found: 31_336 })), "{error:?}");
    assert_eq!(error.to_string(), "the node is of chain 31336, configured is chain 31337");
    wire.set_lies(false);
    wire.cut();

    wire.set_delay(Duration::from_secs(5));
    let error = start().await.unwrap_err();
    assert!(matches!(error, StartError::Chain(ChainError::Late { .. })), "{error:?}");
    wire.set_delay(Duration::ZERO);
    wire.cut();

    wire.set_open(false);
    let error = start().await.unwrap_err();
    assert!(matches!(error, StartError::Chain(ChainError::Connection { .. })), "{error:?}");
    wire.set_open(true);
    start().await.unwrap();

    // The same by the command line: a message and exit code 1, or 2 where it is the configuration that does not fit the chain.
    let file = folder.path().join("harrier.toml");
    let mut other = config.clone();
    other.ledger.path = folder.path().join("other.sqlite");
    std::fs::write(&file, other.to_toml().unwrap()).unwrap();
    wire.set_lies(true);
    wire.cut();
    let (code, said) = harrier(&["run", "--config", file.to_str().unwrap()], stage.devnet.secrets().unwrap()).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the node is of chain 31336, configured is chain 31337"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// Runs the binary to its end: exit code and what it said on standard error.
async fn harrier(arguments: &[&str], environment: Vec<(String, String)>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harrier"));
    command.args(arguments).envs(environment);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const BROKEN: &str = r#"
[chain]
id = "one"

[node]
http = "ftp://127.0.0.1:8545"
timeout_ms = 0
timeout = 5000

[operators]
keys = ["0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"]

[risk]
min_profit_wei = "a lot"
builder_share_bps = 20000

[tokens.USDC]
address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB49"
decimals = 99

[protocols.morpho_blue]
kind = "morpho"
contract = "0x1234"

[venues]
weth = "WETH"
"#;

#[tokio::test]
async fn every_mistake_of_a_configuration_is_told_at_once_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.toml");
    std::fs::write(&file, BROKEN).unwrap();
    for command in [&["run"][..], &["dry-run"], &["positions"], &["executor", "status"]] {
        let mut arguments = command.to_vec();
        let place = if command[0] == "executor" { 1 } else { arguments.len() };
        arguments.splice(place..place, ["--config", file.to_str().unwrap()]);
        let (code, said) = harrier(&arguments, Vec::new()).await;
        assert_eq!(code, 2, "{command:?}: {said}");
        for key in [
            "chain.id",
            "node.http",
            "node.timeout_ms",
            "node.timeout",
            "operators.keys[0]",
            "risk.min_profit_wei",
            "risk.builder_share_bps",
            "tokens.USDC.decimals",
            "protocols.morpho_blue.kind",
            "protocols.morpho_blue.contract",
            "protocols.morpho_blue.from_block",
            "venues.weth",
        ] {
            assert!(said.lines().any(|line| line.trim_start().starts_with(&format!("{key}:"))), "{command:?} does not name {key}: {said}");
        }
        assert!(!said.contains("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"), "a secret is told: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let absent = folder.path().join("absent.toml");
    let (code, said) = harrier(&["run", "--config", absent.to_str().unwrap()], Vec::new()).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("absent.toml"), "{said}");
    std::fs::write(&file, "[chain\nid = 1").unwrap();
    let (code, said) = harrier(&["run", "--config", file.to_str().unwrap()], Vec::new()).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("not TOML"), "{said}");
}
