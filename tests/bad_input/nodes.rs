//! Nodes that are lost, late, lying or absent.

use crate::{
    support::{borrower, harrier, landed, over, searcher, set, still_lands, totals},
    wire::Wire,
};
use alloy::primitives::I256;
use harrier::{
    chain::ChainError,
    devnet::{
        DevnetConfig, SearcherFacts,
        rehearsal::{RehearsalError, Stage},
    },
    drivers::{
        discovery::Quiet,
        searcher::SearchError,
        start::{StartError, Watchers, live},
    },
    risk::KillSwitch,
};
use std::time::Duration;

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
