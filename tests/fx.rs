//! f(x) on a devnet: from an oracle's update to bundles that land, by way of the reference contracts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use harrier::{
    devnet::{
        Devnet, DevnetConfig, SearcherFacts,
        rehearsal::{Stage, Troupe},
    },
    drivers::{
        discovery::Quiet,
        session::Session,
        start::{Begin, Watchers, dry_run},
    },
    engine::Outcome,
    fork::{Facet, Layer, View},
    plan::{Action, MarketId, Skip, SkipReason, Step},
    protocols::fx::FxMarket,
};
use std::{collections::BTreeMap, path::Path};

const GWEI: u128 = 1_000_000_000;

async fn stage(folder: &Path) -> Stage {
    Stage::set(DevnetConfig { fx: true, seed: None, ..DevnetConfig::default() }, folder).await.unwrap()
}

async fn troupe(stage: &Stage, folder: &Path) -> Troupe {
    Troupe::start(&stage.devnet, stage.executor, stage.receiver, &folder.join("ledger.sqlite"), &[]).await.unwrap()
}

/// For a person who reads a failure.
fn told(outcome: &Outcome) -> String {
    let taken = outcome.batches.iter().map(|batch| {
        let candidates =
            batch.candidates.iter().map(|one| format!("{} {} pays {} gains {}", one.opportunity.target, one.opportunity.action, one.repay, one.profit_wei));
        format!("{:?} of {} txs: {}", batch.shape, batch.txs.len(), candidates.collect::<Vec<_>>().join("; "))
    });
    let refused =
        outcome.refusals.iter().map(|refusal| format!("{:?} {:?} {}", refusal.target.as_ref().map(|target| target.key), refusal.action, refusal.skip));
    format!("taken\n  {}\nrefused\n  {}", taken.collect::<Vec<_>>().join("\n  "), refused.collect::<Vec<_>>().join("\n  "))
}

/// Moves a price, and gives what the searcher would do behind the update.
async fn behind(stage: &Stage, troupe: &mut Troupe, feed: &str, basis_points: i32) -> std::sync::Arc<Outcome> {
    let update = stage.devnet.price_moves(feed, basis_points).await.unwrap();
    let outcome = troupe.pending(update).await.unwrap().unwrap();
    assert!(!outcome.batches.is_empty(), "{feed} {basis_points}\n{}", told(&outcome));
    outcome
}

/// What is taken of which pool, in order; a tick by its number.
fn taken(stage: &Stage, outcome: &Outcome) -> Vec<(Action, String)> {
    let fx = stage.devnet.fx().unwrap();
    let pools = fx.pairs.iter().flat_map(|pair| [(pair.long, format!("{} long", pair.symbol)), (pair.short, format!("{} short", pair.symbol))]);
    let names: BTreeMap<MarketId, String> = pools.map(|(pool, name)| (MarketId(pool.into_word()), name)).collect();
    let candidates = outcome.batches.iter().flat_map(|batch| &batch.candidates);
    candidates.map(|one| (one.opportunity.action, names[&one.opportunity.target.market].clone())).collect()
}

/// Mines what is sent, and holds the ledger to what was predicted.
async fn landed(stage: &Stage, mut troupe: Troupe) {
    troupe.block(&stage.devnet).await.unwrap();
    troupe.block(&stage.devnet).await.unwrap();
    let (ledger, decided) = troupe.end().await.unwrap();
    let summary = ledger.summary().await.unwrap();
    assert!(!decided.is_empty() && summary.landed > 0, "{summary:?}");
    assert_eq!(summary.missed + summary.reverted, 0, "{summary:?}");
    assert_eq!(summary.predicted_profit_wei, summary.realised_profit_wei, "{summary:?}");
    assert!(summary.max_error_wei.is_zero() && summary.alarms == 0, "{summary:?}");
    ledger.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_of_a_long_pool_are_rebalanced_behind_an_oracle_update() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    // At 864 per mille the boldest tick is two per cent from a rebalance at 880.
    let outcome = behind(&stage, &mut troupe, "ETH/USD", -300).await;
    assert_eq!(taken(&stage, &outcome), [(Action::Rebalance, "wstETH long".to_owned())]);
    landed(&stage, troupe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_pools_are_rebalanced_when_the_price_rises() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    let outcome = behind(&stage, &mut troupe, "ETH/USD", 300).await;
    assert_eq!(taken(&stage, &outcome), [(Action::Rebalance, "wstETH short".to_owned())]);
    landed(&stage, troupe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_opens_liquidations_and_rebalances() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    let outcome = behind(&stage, &mut troupe, "ETH/USD", -1_200).await;
    let both = [Action::Liquidate, Action::Rebalance].map(|action| (action, "wstETH long".to_owned()));
    assert_eq!(taken(&stage, &outcome), both, "{}", told(&outcome));
    landed(&stage, troupe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_rises() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    let outcome = behind(&stage, &mut troupe, "BTC/USD", 1_200).await;
    let both = [Action::Rebalance, Action::Liquidate].map(|action| (action, "WBTC short".to_owned()));
    assert_eq!(taken(&stage, &outcome), both, "{}", told(&outcome));
    landed(&stage, troupe).await;
}

/// A searcher's state and book at the head, without a searcher around it.
async fn session(stage: &Stage, folder: &Path) -> Session {
    let ledger = folder.join("dry.sqlite");
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: &ledger };
    let (config, environment) = stage.devnet.searcher(&facts, &[]).unwrap();
    dry_run(config, &environment, Begin::Latest, Watchers::default(), &Quiet).await.unwrap().into_parts().0
}

/// A call by the deployer, who is the admin of all f(x) contracts, mined and followed.
async fn ordered<C: SolCall>(devnet: &Devnet, session: &mut Session, to: Address, call: C) {
    let admin = devnet.deployer().unwrap();
    let raw = devnet.signed(&admin, Some(to), U256::ZERO, call.abi_encode().into(), 2_000_000, GWEI).await.unwrap();
    devnet.send_public(raw).await.unwrap();
    let report = devnet.build_block().await.unwrap();
    assert!(report.succeeded.iter().all(|succeeded| *succeeded), "{report:?}");
    session.advance(&report.head).await.unwrap();
}

/// What the book says of a pool, and what the protocol says for people.
fn reading(session: &Session, pool: Address) -> Result<BTreeMap<&'static str, String>, Skip> {
    let book = session.book().read();
    let (market, shelf) = book.markets().find(|(market, _)| market.market.0 == pool.into_word()).unwrap();
    let reading = shelf.reading().unwrap().value.clone()?;
    Ok(book.protocol(market).unwrap().parameters(&reading).into_iter().collect())
}

alloy::sol! {
    function upgradeTo(address implementation) external;
    function updatePermissionedLiquidationThreshold(uint256 threshold) external;
    function pause(bool value) external;
    function getTotalRawDebts() external view returns (uint256);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_noticed_and_a_layout_that_does_not_fit_is_not_acted_on() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let fx = devnet.fx().unwrap().clone();
    let mut session = session(&stage, folder.path()).await;
    let [long, short] = [fx.pairs[0].long, fx.pairs[0].short];
    let known: Address = reading(&session, long).unwrap()["implementation"].parse().unwrap();
    // Another contract's code: the getters are not there, let alone the slots.
    ordered(devnet, &mut session, long, upgradeToCall { implementation: fx.reserve }).await;
    let refused = reading(&session, long).unwrap_err();
    assert!(refused.to_string().contains("getTopTick"), "{refused}");
    reading(&session, short).unwrap();
    // The same layout at another place: another long pool's implementation.
    let other: Address = reading(&session, fx.pairs[1].long).unwrap()["implementation"].parse().unwrap();
    assert_ne!(known, other);
    ordered(devnet, &mut session, long, upgradeToCall { implementation: other }).await;
    assert_eq!(reading(&session, long).unwrap()["implementation"], other.to_string());
    // A paused manager is a reason of its own, and only its pools' one.
    ordered(devnet, &mut session, fx.short_manager, pauseCall { value: true }).await;
    assert_eq!(reading(&session, short).unwrap_err().reason, SkipReason::Paused);
    reading(&session, long).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_and_positions_are_listed_and_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let session = session(&stage, folder.path()).await;
    let (book, view, block) = (std::sync::Arc::clone(session.book()), session.view(), session.target_block());
    for pair in &stage.devnet.fx().unwrap().pairs {
        for pool in [pair.long, pair.short] {
            let (book, view, block) = (std::sync::Arc::clone(&book), view.clone(), block.clone());
            let listed = tokio::task::spawn_blocking(move || {
                let book = book.read();
                let (market, shelf) = book.markets().find(|(market, _)| market.market.0 == pool.into_word()).unwrap();
                book.protocol(market).unwrap().listing(&view, &block, shelf.reading().unwrap().value.as_ref().unwrap()).unwrap().unwrap()
            });
            let listed = listed.await.unwrap();
            let debt_of = |what: &str| listed.iter().filter(|line| line.kind == what).map(|line| line.debt).sum::<U256>();
            let raw = stage.devnet.ask("debt", pool, &getTotalRawDebtsCall {}).await.unwrap();
            // A short pool owes its pair's token, which may have fewer decimals.
            let total = if pool == pair.long { raw } else { raw / U256::from(10).pow(U256::from(18 - pair.decimals)) };
            assert!(listed.iter().filter(|line| line.kind == "position").count() >= 24);
            // Each line is rounded down.
            assert!(total - debt_of("tick") < U256::from(100), "{total} {}", debt_of("tick"));
            assert!(total - debt_of("position") < U256::from(1_000), "{total} {}", debt_of("position"));
            let riskiest = listed.first().unwrap();
            assert!(riskiest.boundary_percent.is_some_and(|percent| (95..100).contains(&percent)), "{riskiest:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_manager_is_open_to_all_it_is_called_itself() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet = &stage.devnet;
    let fx = devnet.fx().unwrap().clone();
    let admin = devnet.deployer().unwrap();
    let call = updatePermissionedLiquidationThresholdCall { threshold: U256::MAX >> 1 };
    let raw = devnet.signed(&admin, Some(fx.long_manager), U256::ZERO, call.abi_encode().into(), 200_000, GWEI).await.unwrap();
    devnet.send_public(raw).await.unwrap();
    devnet.build_block().await.unwrap();
    // USDC can't be paid to the manager itself, so it is left out.
    let without = [("HARRIER__risk__deny_tokens".to_owned(), "[\"USDC\"]".to_owned())];
    let mut troupe = Troupe::start(devnet, stage.executor, stage.receiver, &folder.path().join("ledger.sqlite"), &without).await.unwrap();
    let outcome = behind(&stage, &mut troupe, "ETH/USD", -300).await;
    assert_eq!(taken(&stage, &outcome), [(Action::Rebalance, "wstETH long".to_owned())], "{}", told(&outcome));
    assert_eq!(outcome.batches[0].candidates[0].opportunity.debt_token, fx.fx_usd);
    let plan = &outcome.batches[0].txs[0].plan;
    let Step::FlashLoan { inside, .. } = &plan.steps[0] else { panic!("{plan:?}") };
    let Step::Call { target, approvals, .. } = &inside[0] else { panic!("{plan:?}") };
    assert_eq!((*target, approvals.len()), (fx.long_manager, 0), "fxUSD is burned from the caller");
    landed(&stage, troupe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_profit_is_asked_of_each_transaction_or_of_the_bundle() {
    let set = |key: &str, value: &str| (format!("HARRIER__risk__{key}"), value.to_owned());
    // The liquidation earns fourteen ether, the rebalance seven; neither may stand in a transaction with the other.
    let least = set("min_profit_wei", "10000000000000000000");
    let cases = [("transaction", vec![Action::Liquidate]), ("bundle", vec![Action::Liquidate, Action::Rebalance])];
    for (profit_of, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path()).await;
        let overrides = [least.clone(), set("profit_of", profit_of)];
        let ledger = folder.path().join("ledger.sqlite");
        let mut troupe = Troupe::start(&stage.devnet, stage.executor, stage.receiver, &ledger, &overrides).await.unwrap();
        let outcome = behind(&stage, &mut troupe, "ETH/USD", -1_200).await;
        let actions: Vec<Action> = taken(&stage, &outcome).into_iter().map(|(action, _)| action).collect();
        assert_eq!(actions, expected, "{profit_of}: {}", told(&outcome));
        landed(&stage, troupe).await;
    }
}

/// One facet with another value; none where no patch can set it.
fn patch(view: &View, facet: &Facet) -> Option<Layer> {
    let old = view.facet(facet).unwrap().unwrap_or_default();
    match *facet {
        Facet::Slot(address, slot) => Some(Layer::patch_slots(&[(address, slot, old ^ U256::from(0x1001))])),
        Facet::Balance(address) => Some(Layer::patch(address, None, Some(old + U256::from(77)), &[])),
        Facet::Code(address) => Some(Layer::patch(address, Some(Bytes::from_static(&[0x5f, 0x5f, 0xfd])), None, &[])),
        Facet::Nonce(_) | Facet::Env(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_stale_exactly_when_something_that_it_was_read_from_changes() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let session = session(&stage, folder.path()).await;
    // All ticks and positions are known to the fork, also those that no decision reads.
    let (book, view, block) = (std::sync::Arc::clone(session.book()), session.view(), session.target_block());
    let done = tokio::task::spawn_blocking(move || {
        let book = book.read();
        let pools: Vec<_> = book.markets().filter(|(market, _)| book.protocol(*market).unwrap().id().0.as_ref() == "fx").map(|(market, _)| market).collect();
        assert_eq!(pools.len(), 4);
        let protocol = book.protocol(pools[0]).unwrap();
        let read = |view: &View, market: MarketId| {
            let read = protocol.read_market(view, &block, market).unwrap();
            let value = read.value.map(|reading| reading.own.downcast_ref::<FxMarket>().unwrap().clone());
            (value, read.reads)
        };
        for market in &pools {
            let reading = protocol.read_market(&view, &block, market.market).unwrap().value.unwrap();
            protocol.listing(&view, &block, &reading).unwrap().unwrap();
        }
        let before: Vec<_> = pools.iter().map(|market| read(&view, market.market)).collect();
        let all: Vec<Facet> = view.generation().known().facets().collect();
        let (mut outside, mut mattered) = (0, 0);
        for facet in &all {
            let Some(layer) = patch(&view, facet) else { continue };
            let changed = view.with_layer(layer.into());
            for (market, (value, reads)) in pools.iter().zip(&before) {
                let after = read(&changed, market.market).0;
                if reads.contains(facet) {
                    mattered += usize::from(after != *value);
                } else {
                    outside += 1;
                    assert_eq!(&after, value, "{facet:?} changes {} unseen", market.market);
                }
            }
        }
        // A tick far below the boundary is nobody's business.
        let far = before.iter().map(|(value, _)| value.as_ref().unwrap().model.bitmap.ticks().count()).max().unwrap();
        (all.len(), outside, mattered, far)
    });
    let (all, outside, mattered, ticks) = done.await.unwrap();
    assert!(all > 400 && outside > 1_000 && mattered > 150, "{all} facets, {outside} outside, {mattered} matter");
    assert!(ticks < 16, "{ticks} of 24 ticks were read");
}
