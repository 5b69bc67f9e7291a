//! f(x) on a devnet: from an oracle's update to bundles that land, by way of the reference contracts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use harrier::{
    devnet::{
        Devnet, DevnetConfig,
        rehearsal::{Stage, Troupe},
    },
    engine::Outcome,
    plan::{Action, TargetKey},
};
use std::path::Path;

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
    println!("{feed} {basis_points}\n{}", told(&outcome));
    outcome
}

/// What is taken, by action, in order.
fn taken(outcome: &Outcome) -> Vec<(Action, TargetKey)> {
    outcome.batches.iter().flat_map(|batch| &batch.candidates).map(|one| (one.opportunity.action, one.opportunity.target.key)).collect()
}

/// Mines what is sent, and holds the ledger to what was predicted.
async fn landed(stage: &Stage, mut troupe: Troupe) {
    troupe.block(&stage.devnet).await.unwrap();
    troupe.block(&stage.devnet).await.unwrap();
    let (ledger, decided) = troupe.end().await.unwrap();
    let summary = ledger.summary().await.unwrap();
    assert!(!decided.is_empty() && summary.landed > 0, "{summary:?}");
    assert_eq!(summary.missed + summary.reverted, 0, "{summary:?}");
    ledger.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_of_a_long_pool_are_rebalanced_behind_an_oracle_update() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    // At 864 per mille the boldest tick is two per cent from a rebalance at 880.
    let outcome = behind(&stage, &mut troupe, "ETH/USD", -300).await;
    assert_eq!(taken(&outcome), [(Action::Rebalance, TargetKey::Pool)]);
    landed(&stage, troupe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn short_pools_are_rebalanced_when_the_price_rises() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    let outcome = behind(&stage, &mut troupe, "ETH/USD", 300).await;
    assert_eq!(taken(&outcome), [(Action::Rebalance, TargetKey::Pool)]);
    landed(&stage, troupe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_opens_liquidations_and_rebalances() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    let outcome = behind(&stage, &mut troupe, "ETH/USD", -1_200).await;
    assert!(taken(&outcome).contains(&(Action::Liquidate, TargetKey::Pool)), "{}", told(&outcome));
    landed(&stage, troupe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bitcoin_rises() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let mut troupe = troupe(&stage, folder.path()).await;
    let outcome = behind(&stage, &mut troupe, "BTC/USD", 1_200).await;
    assert!(taken(&outcome).contains(&(Action::Liquidate, TargetKey::Pool)), "{}", told(&outcome));
    landed(&stage, troupe).await;
}
