//! A searcher on a stage, and the binary.

use crate::wire::Wire;
use harrier::{
    devnet::{
        Borrower, Devnet, DevnetConfig,
        rehearsal::{Stage, Troupe},
    },
    ledger::{Outcome, Summary},
};
use std::{path::Path, process::Command};

/// Health at which a fall of 0.7 % opens a position.
pub(crate) const NEAR: u128 = 1_005_000_000_000_000_000;

pub(crate) fn set(path: &str, value: &str) -> (String, String) {
    (format!("HARRIER__{}", path.replace('.', "__")), value.to_string())
}

/// A stage, and a searcher on it whose node is reached over a wire.
pub(crate) async fn searcher(folder: &Path, more: &[(String, String)]) -> (Stage, Wire, Troupe) {
    let stage = Stage::set(DevnetConfig::default(), folder).await.unwrap();
    let wire = Wire::to(&stage.devnet.http_url()).await;
    let troupe = over(&stage, folder, &wire, &wire, more).await;
    (stage, wire, troupe)
}

/// A searcher whose calls go over one wire and whose subscriptions over another.
pub(crate) async fn over(stage: &Stage, folder: &Path, calls: &Wire, streams: &Wire, more: &[(String, String)]) -> Troupe {
    let mut overrides = vec![set("node.http", &format!("\"{}\"", calls.http())), set("node.ws", &format!("\"{}\"", streams.ws()))];
    overrides.extend(more.iter().cloned());
    let troupe = Troupe::start(&stage.devnet, stage.executor, stage.receiver, &folder.join("searcher.sqlite"), &overrides).await.unwrap();
    streams.subscribed().await;
    troupe
}

pub(crate) async fn borrower(devnet: &Devnet, troupe: &mut Troupe, name: &str) -> Borrower {
    let borrower = devnet.story().borrower(name).health(NEAR).open().await.unwrap().pop().unwrap();
    troupe.head(devnet.head().number).await.unwrap();
    borrower
}

/// An update that opens the borrower, and the bundle that lands with it: whatever came before, the searcher still works.
pub(crate) async fn still_lands(devnet: &Devnet, troupe: &mut Troupe, name: &str) {
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

pub(crate) fn landed(troupe: &Troupe) -> usize {
    troupe.decided.iter().filter(|end| matches!(end.outcome, Outcome::Landed(_))).count()
}

/// Ends the searcher; that fails when its task panicked.
pub(crate) async fn totals(troupe: Troupe) -> Summary {
    let (ledger, _) = troupe.end().await.unwrap();
    let summary = ledger.summary().await.unwrap();
    ledger.close().await.unwrap();
    summary
}

/// Runs the binary to its end: exit code and what it said on standard error.
pub(crate) async fn harrier(arguments: &[&str], environment: Vec<(String, String)>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harrier"));
    command.args(arguments).envs(environment);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}
