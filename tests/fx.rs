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

#[tokio::test(flavor = "multi_thread")]
async fn an_oracle_update_opens_ticks_and_they_are_taken_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    let devnet: &Devnet = &stage.devnet;
    let mut troupe = troupe(&stage, folder.path()).await;
    // At 864 per mille the boldest tick is two per cent from a rebalance at 880.
    let update = devnet.price_moves("ETH/USD", -300).await.unwrap();
    let outcome = troupe.pending(update).await.unwrap().unwrap();
    let rebalanced = outcome.opportunities.iter().filter(|one| one.action == Action::Rebalance).count();
    assert!(rebalanced > 0, "{}", told(&outcome));
    assert!(outcome.opportunities.iter().any(|one| one.target.key == TargetKey::Pool), "{}", told(&outcome));
    assert!(!outcome.batches.is_empty(), "{}", told(&outcome));
    println!("{}", told(&outcome));
    troupe.block(devnet).await.unwrap();
    troupe.block(devnet).await.unwrap();
    let (ledger, decided) = troupe.end().await.unwrap();
    assert!(decided.iter().any(|one| format!("{one:?}").contains("Landed")), "{decided:?}");
    ledger.close().await.unwrap();
}
