//! Pending transactions on a devnet: which are looked at, what they cost the others, and what is learned from them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod http_wire;
mod wire;

use alloy::{
    consensus::{
        TxEnvelope,
        transaction::{Recovered, SignerRecoverable},
    },
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, Bytes, U256, bytes},
    rpc::types::{Transaction, TransactionInfo},
    sol_types::SolCall,
};
use harrier::{
    devnet::{
        Devnet, DevnetConfig, Fault, Person, SearcherFacts, Seed,
        abi::Morpho,
        people::Draft,
        rehearsal::{Stage, Troupe},
    },
    drivers::{
        discovery::Quiet,
        dropped::Dropped,
        searcher::Event,
        session::{InFront, Means, Session},
        start::{Begin, Watchers, dry_run},
    },
    engine::Cancel,
    fork::{Facet, SimTx, Trail},
    plan::{SkipReason, TargetKey, Trigger},
};
use http_wire::{Held, HttpWire};
use std::{path::Path, sync::Arc, time::Duration};
use wire::{Wire, soon};

const GWEI: u128 = 1_000_000_000;

fn set(path: &str, value: &str) -> (String, String) {
    (format!("HARRIER__{}", path.replace('.', "__")), value.to_string())
}

async fn stage(folder: &Path) -> Stage {
    let seed = Seed { borrowers: 6, ..Seed::default() };
    Stage::set(DevnetConfig { seed: Some(seed), ..DevnetConfig::default() }, folder).await.unwrap()
}

async fn troupe(stage: &Stage, folder: &Path, overrides: &[(String, String)]) -> Troupe {
    Troupe::start(&stage.devnet, stage.executor, stage.receiver, &folder.join("searcher.sqlite"), overrides).await.unwrap()
}

/// A router: the first four bytes are its selector, the next twenty whom it calls, the rest is what it says there. It reverts if that does.
/// No value of anybody was ever read from it.
async fn router(devnet: &Devnet) -> Address {
    let runtime = bytes!("601836038060185f375f5f825f5f60043560601c5af115601c5700fe5b5f5ffd");
    // PUSH1 length, DUP1, PUSH1 9, PUSH0, CODECOPY, PUSH0, RETURN.
    let length = u8::try_from(runtime.len()).unwrap();
    let init = [&[0x60, length, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3][..], &runtime].concat();
    let deployer = devnet.deployer().unwrap();
    let nonce = devnet.front().next_nonce(deployer.address()).await.unwrap();
    let raw = devnet.signed(&deployer, None, U256::ZERO, init.into(), 300_000, GWEI).await.unwrap();
    devnet.send_public(raw).await.unwrap();
    devnet.build_block().await.unwrap();
    deployer.address().create(nonce)
}

fn routed(to: Address, call: &[u8]) -> Bytes {
    [b"\xaa\xbb\xcc\xdd", to.as_slice(), call].concat().into()
}

/// Interest of a market, written down by way of a router: a transaction whose target is in no read set and that changes one.
async fn poke(devnet: &Devnet, who: &Person, router: Address, market: &str) -> B256 {
    devnet.send_public(signed_poke(devnet, who, router, market).await).await.unwrap()
}

async fn signed_poke(devnet: &Devnet, who: &Person, router: Address, market: &str) -> Bytes {
    let market = devnet.contracts().market(market).unwrap();
    let call = Morpho::accrueInterestCall { marketParams: market.params() }.abi_encode();
    let data = routed(devnet.contracts().morpho, &call);
    devnet.signed(who, Some(router), U256::ZERO, data, 500_000, GWEI).await.unwrap()
}

fn with_sender(raw: &Bytes) -> SimTx {
    let tx = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    let sender = tx.recover_signer().unwrap();
    Arc::new(Recovered::new_unchecked(tx, sender))
}

/// Announces a signed transaction as a node does, whether or not the devnet's own pool would.
fn announce(wire: &Wire, raw: &Bytes) -> B256 {
    let tx = with_sender(raw);
    let hash = *tx.tx_hash();
    wire.announce(&serde_json::to_value(Transaction::from_transaction(Arc::unwrap_or_clone(tx), TransactionInfo::default())).unwrap());
    hash
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_is_a_stranger_until_one_sample_shows_that_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let router = router(devnet).await;
    let mut troupe = troupe(&stage, folder.path(), &[set("engine.pending_samples", "1")]).await;
    let stranger = devnet.dev_account(8).unwrap();
    // The one sample of this head: it is simulated, it writes, it is remembered.
    let first = poke(devnet, &stranger, router, "weth-usdc").await;
    assert_eq!(troupe.pending(first).await.unwrap().unwrap().markets, 1);
    // No sample is left, and none is needed any more, whoever calls and whatever market it is about.
    let second = poke(devnet, &devnet.dev_account(9).unwrap(), router, "stake-weth").await;
    assert_eq!(troupe.pending(second).await.unwrap().unwrap().markets, 1);
    // Another function of it is a stranger.
    let data: Bytes = [b"\x11\x22\x33\x44", devnet.contracts().morpho.as_slice()].concat().into();
    let other = devnet.send_public(devnet.signed(&stranger, Some(router), U256::ZERO, data, 300_000, GWEI).await.unwrap()).await.unwrap();
    assert_eq!(troupe.pending(other).await.unwrap().unwrap_err(), Dropped::NotSampled);
    // A payment to somebody changes nothing that is read, and a sample costs the engine nothing.
    troupe.block(devnet).await.unwrap();
    let nobody = Person::named("nobody in particular").address();
    let gift = devnet.signed(&stranger, Some(nobody), U256::from(1), Bytes::new(), 21_000, GWEI).await.unwrap();
    let gift = devnet.send_public(gift).await.unwrap();
    assert_eq!(troupe.pending(gift).await.unwrap().unwrap_err(), Dropped::NoEffect);
    troupe.block(devnet).await.unwrap();
    let counted = |why: Dropped| -> u64 {
        let reports = troupe.happened.iter().filter_map(|event| if let Event::Head { pending, .. } = event { Some(pending) } else { None });
        reports.map(|pending| pending.ignored.get(&why).copied().unwrap_or_default()).sum()
    };
    assert_eq!((counted(Dropped::NotSampled), counted(Dropped::NoEffect)), (1, 1), "each drop has a counter that is told with the head");
    troupe.end().await.unwrap().0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mined_call_of_a_router_is_enough_and_no_sample_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let router = router(devnet).await;
    let mut troupe = troupe(&stage, folder.path(), &[set("engine.pending_samples", "0"), set("node.roll", "\"trace\"")]).await;
    let first = poke(devnet, &devnet.dev_account(8).unwrap(), router, "weth-usdc").await;
    assert_eq!(troupe.pending(first).await.unwrap().unwrap_err(), Dropped::NotSampled);
    troupe.block(devnet).await.unwrap();
    // The block's diff tracer showed what it wrote, by way of whatever contracts.
    let second = poke(devnet, &devnet.dev_account(9).unwrap(), router, "stake-weth").await;
    assert_eq!(troupe.pending(second).await.unwrap().unwrap().markets, 1);
    let data: Bytes = [b"\x11\x22\x33\x44", devnet.contracts().morpho.as_slice()].concat().into();
    let other = devnet.signed(&devnet.dev_account(8).unwrap(), Some(router), U256::ZERO, data, 300_000, GWEI).await.unwrap();
    assert_eq!(troupe.pending(devnet.send_public(other).await.unwrap()).await.unwrap().unwrap_err(), Dropped::NotSampled, "another function is another kind");
    troupe.end().await.unwrap().0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_a_pending_transaction_begins_is_asked_before_it_is_mined() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let mut troupe = troupe(&stage, folder.path(), &[]).await;
    let market = devnet.contracts().market("weth-usdc").unwrap();
    let who = devnet.dev_account(8).unwrap();
    // Collateral alone is no position: the book does not list it.
    let deployer = devnet.deployer().unwrap();
    let pledge =
        Morpho::supplyCollateralCall { marketParams: market.params(), assets: U256::from(10).pow(U256::from(19)), onBehalf: who.address(), data: Bytes::new() };
    let raw = devnet.signed(&deployer, Some(devnet.contracts().morpho), U256::ZERO, pledge.abi_encode().into(), 300_000, GWEI).await.unwrap();
    devnet.send_public(raw).await.unwrap();
    troupe.block(devnet).await.unwrap();
    let borrow = Morpho::borrowCall {
        marketParams: market.params(),
        assets: U256::from(1_000_000_000),
        shares: U256::ZERO,
        onBehalf: who.address(),
        receiver: who.address(),
    };
    let raw = devnet.signed(&who, Some(devnet.contracts().morpho), U256::ZERO, borrow.abi_encode().into(), 500_000, GWEI).await.unwrap();
    let hash = devnet.send_public(raw).await.unwrap();
    let outcome = troupe.pending(hash).await.unwrap().unwrap();
    let asked = outcome.refusals.iter().find(|refusal| refusal.target.as_ref().is_some_and(|target| target.key == TargetKey::Account(who.address())));
    assert_eq!(asked.map(|refusal| refusal.skip.reason), Some(SkipReason::Healthy), "{outcome:?}");
    troupe.end().await.unwrap().0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_ahead_that_hangs_holds_up_neither_heads_nor_other_triggers() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let router = router(devnet).await;
    let wire = HttpWire::to(devnet.http_url()).await.unwrap();
    let overrides = [set("node.http", &format!("\"{}\"", wire.url())), set("engine.pending_fetch_ms", "3000")];
    let mut troupe = troupe(&stage, folder.path(), &overrides).await;
    // A call that was seen once: whatever it needs is known from now on, at every head.
    let regular = devnet.dev_account(8).unwrap();
    let first = poke(devnet, &regular, router, "weth-usdc").await;
    assert_eq!(troupe.pending(first).await.unwrap().unwrap().markets, 1);
    troupe.block(devnet).await.unwrap();

    wire.hold(Held::Method("debug_traceCall"));
    // Nothing is known of this sender, so what it needs is asked of the node, which does not answer.
    let stranger = poke(devnet, &devnet.dev_account(9).unwrap(), router, "stake-weth").await;
    // It hangs; another is simulated behind it, and a head is followed, all of it while it hangs.
    let second = poke(devnet, &regular, router, "weth-usdc").await;
    let outcome = tokio::time::timeout(Duration::from_millis(2_500), troupe.pending(second)).await.expect("a trigger is not held up");
    assert_eq!(outcome.unwrap().unwrap().markets, 1);
    let about = |troupe: &Troupe, hash: B256| troupe.happened.iter().any(|event| matches!(event, Event::Ignored { hash: other, .. } if *other == hash));
    assert!(!about(&troupe, stranger), "it is still being read for");
    tokio::time::timeout(Duration::from_millis(2_500), troupe.block(devnet)).await.expect("a head is not held up").unwrap();
    wire.hold(Held::Nothing);
    troupe.end().await.unwrap().0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_ahead_that_never_ends_is_given_up_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let router = router(devnet).await;
    let wire = HttpWire::to(devnet.http_url()).await.unwrap();
    let overrides = [set("node.http", &format!("\"{}\"", wire.url())), set("engine.pending_fetch_ms", "300")];
    let mut troupe = troupe(&stage, folder.path(), &overrides).await;
    wire.hold(Held::Method("debug_traceCall"));
    let stranger = poke(devnet, &devnet.dev_account(8).unwrap(), router, "weth-usdc").await;
    assert_eq!(troupe.pending(stranger).await.unwrap().unwrap_err(), Dropped::Unread);
    wire.hold(Held::Nothing);
    // Whoever comes later is read for as before.
    let next = poke(devnet, &devnet.dev_account(9).unwrap(), router, "weth-usdc").await;
    assert_eq!(troupe.pending(next).await.unwrap().unwrap().markets, 1);
    troupe.end().await.unwrap().0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_could_not_be_followed_is_tried_again_however_busy_the_mempool_is() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let http = HttpWire::to(devnet.http_url()).await.unwrap();
    let wire = Wire::to(&devnet.http_url()).await;
    let overrides = [set("node.http", &format!("\"{}\"", http.url())), set("node.ws", &format!("\"{}\"", wire.ws())), set("node.timeout_ms", "1000")];
    let mut troupe = troupe(&stage, folder.path(), &overrides).await;
    wire.subscribed().await;
    http.hold(Held::Method("eth_getLogs"));
    let report = devnet.build_block().await.unwrap();
    // Something comes all the time, far more often than the head is tried again.
    let noise = async {
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        loop {
            clock.tick().await;
            wire.announce(&serde_json::json!("hello"));
        }
    };
    let followed = async {
        soon("the head's logs are asked for again", http.caught(2)).await.unwrap();
        http.hold(Held::Nothing);
        troupe.at(report.head.hash).await.unwrap();
    };
    tokio::select! {
        () = noise => {}
        () = followed => {}
    }
    troupe.end().await.unwrap().0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_the_mempool_holds_up_no_bundle_of_a_head_and_each_head_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let stranger = devnet.dev_account(8).unwrap();
    let named: &'static str = Box::leak(format!("{:x}", stranger.address()).into_boxed_str());
    let http = HttpWire::to(devnet.http_url()).await.unwrap();
    let wire = Wire::to(&devnet.http_url()).await;
    let overrides = [set("node.http", &format!("\"{}\"", http.url())), set("node.ws", &format!("\"{}\"", wire.ws())), set("node.timeout_ms", "20000")];
    let mut troupe = troupe(&stage, folder.path(), &overrides).await;
    wire.subscribed().await;
    devnet.story().borrower("wanda").health(1_005_000_000_000_000_000).open().await.unwrap();
    troupe.at(devnet.head().hash).await.unwrap();
    // Known by its target, and behind transactions that nobody has seen: its sender is looked at again at each head.
    let feed = devnet.contracts().feed("ETH/USD").unwrap().address;
    let draft =
        |to| Draft { chain_id: devnet.chain_id(), nonce: 5, to: Some(to), value: U256::ZERO, data: Bytes::new(), gas: 100_000, max_fee: 60 * GWEI, tip: GWEI };
    let early = announce(&wire, &stranger.sign(&draft(feed)).unwrap());
    assert_eq!(troupe.pending(early).await.unwrap().unwrap_err(), Dropped::NonceGap);
    // Another of the kind that concerns nobody: a sample, which does not wait for others.
    let sample = announce(&wire, &devnet.dev_account(9).unwrap().sign(&draft(Person::named("nobody in particular").address())).unwrap());
    assert_eq!(troupe.pending(sample).await.unwrap().unwrap_err(), Dropped::NonceGap);

    devnet.relay().unwrap().set_fault(Some(Fault::AcceptNotInclude));
    let update = devnet.price_moves("ETH/USD", -70).await.unwrap();
    assert_eq!(troupe.pending(update).await.unwrap().unwrap().batches.len(), 1);
    soon("the update's bundle", devnet.front().bundles_waiting(1)).await;
    http.hold(Held::Method(named));
    // The update is mined without us, and the node does not say who waits: the head's own work is done all the same, at this head and the next.
    let mut heads = Vec::new();
    for _ in 0..2 {
        let caught = http.caught_so_far();
        heads.push(devnet.build_block().await.unwrap().head.hash);
        soon("the head's bundle", devnet.front().bundles_waiting(1)).await;
        soon("who waits is asked about", http.caught(caught + 1)).await.unwrap();
    }
    http.hold(Held::Nothing);
    troupe.at(heads[1]).await.unwrap();
    let told = |hash: B256| -> Vec<bool> {
        let of_head = troupe.happened.iter().filter_map(|event| if let Event::Head { hash, overtaken, .. } = event { Some((*hash, *overtaken)) } else { None });
        of_head.filter(|(head, _)| *head == hash).map(|(_, overtaken)| overtaken).collect()
    };
    assert_eq!((told(heads[0]), told(heads[1])), (vec![true], vec![false]), "one that a newer head overtook is told as well");
    let reports = troupe.happened.iter().filter_map(|event| if let Event::Head { pending, .. } = event { Some(pending) } else { None });
    let gaps: u64 = reports.map(|pending| pending.ignored.get(&Dropped::NonceGap).copied().unwrap_or_default()).sum();
    assert_eq!(gaps, 3, "both when they came, and at the last head only the one that is known to matter");
    troupe.end().await.unwrap().0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_read_for_the_mempool_alone_is_forgotten_with_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let ledger = folder.path().join("dry.sqlite");
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: &ledger };
    let (config, environment) = devnet.searcher(&facts, &[]).unwrap();
    let mut session = dry_run(config, &environment, Begin::Latest, Watchers::default(), &Quiet).await.unwrap().into_parts().0;
    let stranger = devnet.dev_account(8).unwrap().address();
    let known = |session: &Session| session.view().generation().known().value(&Facet::Balance(stranger)).is_some();
    assert!(!known(&session));
    assert_eq!(session.accounts(vec![stranger]).await[&stranger].nonce, 0);
    assert!(known(&session));
    let head = devnet.build_block().await.unwrap().head;
    session.advance(&head).await.unwrap();
    assert!(!known(&session), "nothing that we work with needs it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_run_to_see_whether_it_matters_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let router = router(devnet).await;
    let ledger = folder.path().join("dry.sqlite");
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: &ledger };
    let (config, environment) = devnet.searcher(&facts, &[]).unwrap();
    let session = dry_run(config, &environment, Begin::Latest, Watchers::default(), &Quiet).await.unwrap().into_parts().0;
    let tx = with_sender(&signed_poke(devnet, &devnet.dev_account(8).unwrap(), router, "weth-usdc").await);
    let (view, block, txs) = (session.view(), session.target_block(), vec![tx.clone()]);
    let executed = tokio::task::spawn_blocking(move || view.execute(&block, &txs)).await.unwrap().unwrap();
    let run = async |executed| {
        let (front, trail) = (Arc::new(InFront { txs: vec![tx.clone()], executed }), Arc::new(Trail::default()));
        let trigger = Trigger::Pending { hash: *tx.tx_hash() };
        let outcome = session.run(trigger, front, Some(&trail), Means::default(), Cancel::default()).await.unwrap().unwrap();
        (outcome, trail.runs())
    };
    let (anew, runs) = run(None).await;
    let (reused, fewer) = run(Some(executed)).await;
    assert_eq!((anew.markets, fewer), (1, runs - 1), "only the transaction itself is saved");
    let refused = |outcome: &harrier::engine::Outcome| format!("{:?}", outcome.refusals);
    assert_eq!((reused.markets, refused(&reused)), (anew.markets, refused(&anew)), "and nothing else is different");
}
