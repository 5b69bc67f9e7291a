//! `harrier run` killed without warning between the journal and the outcome: the next start decides what was sent, and sends nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod wire;

use alloy::{
    primitives::{B256, Bytes, I256, U256},
    providers::{Provider, ProviderBuilder, ext::MevApi},
    rpc::types::mev::EthSendBundle,
};
use harrier::devnet::{Borrower, Devnet, DevnetConfig, Fault, Person, SearcherFacts, rehearsal::Stage};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};
use wire::{Wire, soon};

/// A stage, a wire to its node, and the files of a `harrier run` that uses it.
struct Scene {
    stage: Stage,
    wire: Wire,
    file: PathBuf,
    ledger: PathBuf,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> (Self, Borrower) {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(DevnetConfig::default(), folder.path()).await.unwrap();
        let wire = Wire::to(&stage.devnet.http_url()).await;
        let ledger = folder.path().join("searcher.sqlite");
        let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: &ledger };
        let overrides = [("HARRIER__node__http".to_owned(), wire.http()), ("HARRIER__node__ws".to_owned(), wire.ws())];
        let (config, _) = stage.devnet.searcher(&facts, &overrides).unwrap();
        let file = folder.path().join("harrier.toml");
        std::fs::write(&file, config.to_toml().unwrap()).unwrap();
        let borrower = stage.devnet.story().borrower("kim").health(1_005_000_000_000_000_000).open().await.unwrap().pop().unwrap();
        (Self { stage, wire, file, ledger, folder }, borrower)
    }

    const fn devnet(&self) -> &Devnet {
        &self.stage.devnet
    }

    /// Starts the binary and waits until it sees the mempool.
    async fn run(&self) -> Child {
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("stderr.txt")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_harrier"))
            .args(["run", "--json", "--config", self.file.to_str().unwrap()])
            .envs(self.devnet().secrets().unwrap())
            .stdout(Stdio::null())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.wire.subscribed().await;
        child
    }

    /// The signal that nobody can catch.
    async fn kill(&self, mut child: Child) {
        child.start_kill().unwrap();
        let _status = child.wait().await.unwrap();
        self.wire.cut();
    }

    /// Asks it to stop, and expects that it does.
    async fn stop(&self, mut child: Child) {
        let id = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let status = soon("the searcher's end", child.wait()).await.unwrap();
        let said = std::fs::read_to_string(self.folder.path().join("stderr.txt")).unwrap();
        assert!(status.success(), "{status}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }

    /// Looks again and again: nobody is told when another process's ledger changes.
    async fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        soon(what, async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// The outcome of the bundle that was journaled first: its name and profit.
    fn first_outcome(&self) -> Option<(String, Option<String>)> {
        let query = "SELECT o.outcome, o.profit_wei FROM outcomes o WHERE o.superseded = 0 AND o.bundle_id = (SELECT min(id) FROM bundles)";
        open(&self.ledger)?.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        open(&self.ledger).map_or(0, |ledger| ledger.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap())
    }

    /// The first column of what a query finds.
    fn texts(&self, query: &str) -> Vec<String> {
        let ledger = open(&self.ledger).unwrap();
        let mut query = ledger.prepare(query).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    async fn debt(&self, borrower: &Borrower) -> u128 {
        let market = self.devnet().contracts().market(&borrower.market).unwrap();
        self.devnet().position(market, borrower.person.address()).await.unwrap().0
    }
}

fn open(ledger: &Path) -> Option<Connection> {
    // There is none before the first start, and no table before its migration.
    let connection = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).ok()?;
    (version > 0).then_some(connection)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_landed_while_nobody_ran_is_decided_at_the_next_start() {
    let (scene, borrower) = Scene::set().await;
    let devnet = scene.devnet();
    let before = devnet.balance_of("WETH", scene.stage.receiver).await.unwrap();
    let child = scene.run().await;
    devnet.price_moves("ETH/USD", -70).await.unwrap();
    soon("a bundle at the relay", devnet.front().bundles_waiting(1)).await;
    scene.kill(child).await;
    assert_eq!((scene.count("bundles"), scene.count("outcomes")), (1, 0), "in the journal, and not decided");
    let report = devnet.build_block().await.unwrap();
    assert_eq!(report.bundles.len(), 1);
    assert_eq!(scene.debt(&borrower).await, 0);

    let child = scene.run().await;
    let (outcome, profit) = scene.until("the outcome", || scene.first_outcome()).await;
    assert_eq!(outcome, "landed");
    devnet.build_block().await.unwrap();
    scene.stop(child).await;
    // What the ledger says is what the chain says.
    let ours: B256 = report.bundles[0].txs[1];
    let receipt = devnet.provider().unwrap().get_transaction_receipt(ours).await.unwrap().unwrap();
    let gas = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    let gained = devnet.balance_of("WETH", scene.stage.receiver).await.unwrap() - before;
    let earned = I256::try_from(gained).unwrap() - I256::try_from(gas).unwrap();
    assert_eq!(profit.unwrap().parse::<I256>().unwrap(), earned);
    assert_eq!((scene.count("bundles"), scene.count("outcomes")), (1, 1));
    assert_eq!(devnet.relay().unwrap().counters().accepted, 1, "sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_was_journaled_and_never_taken_is_missed_and_the_position_is_taken_once() {
    let (scene, borrower) = Scene::set().await;
    let devnet = scene.devnet();
    devnet.relay().unwrap().set_fault(Some(Fault::Delay(Duration::from_secs(600))));
    let child = scene.run().await;
    devnet.price_moves("ETH/USD", -70).await.unwrap();
    scene.until("a journaled bundle", || (scene.count("bundles") == 1).then_some(())).await;
    scene.kill(child).await;
    devnet.relay().unwrap().set_fault(None);
    assert_eq!(devnet.front().waiting_bundles(), 0);
    devnet.build_block().await.unwrap();
    assert!(scene.debt(&borrower).await > 0, "the update is mined without us");

    let child = scene.run().await;
    let (outcome, _) = scene.until("the outcome", || scene.first_outcome()).await;
    assert_eq!(outcome, "missed");
    soon("a bundle at the relay", devnet.front().bundles_waiting(1)).await;
    let report = devnet.build_block().await.unwrap();
    assert_eq!(report.bundles.len(), 1);
    assert_eq!(scene.debt(&borrower).await, 0);
    scene.until("the second outcome", || (scene.count("outcomes") == 2).then_some(())).await;
    scene.stop(child).await;
    assert_eq!((scene.count("bundles"), scene.count("outcomes")), (2, 2));
    assert_eq!(devnet.relay().unwrap().counters().accepted, 1, "taken once");
}

/// A bundle that nobody sees before its block, from somebody else.
async fn private_bundle(devnet: &Devnet, txs: Vec<Bytes>) {
    let url = devnet.relay_url().parse().unwrap();
    let bundle = EthSendBundle { txs, block_number: devnet.head().number + 1, ..EthSendBundle::default() };
    let who = Person::named("the rival's relay identity").signer().clone();
    ProviderBuilder::new().connect_http(url).send_bundle(bundle).with_auth(who).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_was_lost_while_nobody_ran_is_recorded_as_lost() {
    let (scene, borrower) = Scene::set().await;
    let devnet = scene.devnet();
    let child = scene.run().await;
    let answer = devnet.answer("ETH/USD").await.unwrap();
    let lower = answer - answer * I256::unchecked_from(70) / I256::unchecked_from(10_000);
    let update = devnet.signed_price("ETH/USD", lower, 1_000_000_000).await.unwrap();
    devnet.send_public(update.clone()).await.unwrap();
    soon("a bundle at the relay", devnet.front().bundles_waiting(1)).await;
    scene.kill(child).await;
    let market = devnet.contracts().market(&borrower.market).unwrap();
    let payment = U256::from(1_000_000_000_000_000_000_u64);
    let theirs = devnet.rival_liquidation(market, borrower.person.address(), borrower.collateral / U256::from(2), payment).await.unwrap();
    private_bundle(devnet, vec![update, theirs]).await;
    let report = devnet.build_block().await.unwrap();

    let child = scene.run().await;
    let (outcome, _) = scene.until("the outcome", || scene.first_outcome()).await;
    assert_eq!(outcome, "lost");
    scene.stop(child).await;
    let first = "bundle_id = (SELECT min(id) FROM bundles)";
    assert_eq!(scene.texts(&format!("SELECT lost_to FROM outcomes WHERE {first}")), [format!("{:#x}", devnet.rival().address())]);
    assert_eq!(scene.texts(&format!("SELECT block_hash FROM outcomes WHERE {first}")), [format!("{:#x}", report.head.hash)]);
    assert_eq!(scene.texts(&format!("SELECT ending FROM proofs WHERE {first}")), ["lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_was_dropped_while_nobody_ran_is_corrected_at_the_next_start() {
    let (scene, borrower) = Scene::set().await;
    let devnet = scene.devnet();
    let before = devnet.balance_of("WETH", scene.stage.receiver).await.unwrap();
    let child = scene.run().await;
    devnet.price_moves("ETH/USD", -70).await.unwrap();
    soon("a bundle at the relay", devnet.front().bundles_waiting(1)).await;
    let landing = devnet.build_block().await.unwrap();
    scene.until("the outcome", || scene.first_outcome().filter(|(outcome, _)| outcome == "landed")).await;
    scene.kill(child).await;
    let operators: Vec<_> = devnet.operators().unwrap().iter().map(Person::address).collect();
    devnet.rollback(1, move |sender| !operators.contains(&sender)).await.unwrap();
    let other = devnet.build_block().await.unwrap();
    assert_eq!((other.head.number, other.txs.len()), (landing.head.number, 1), "the update is there without us");

    let child = scene.run().await;
    scene.until("the correction", || scene.first_outcome().filter(|(outcome, _)| outcome == "missed")).await;
    soon("a bundle at the relay", devnet.front().bundles_waiting(1)).await;
    devnet.build_block().await.unwrap();
    assert_eq!(scene.debt(&borrower).await, 0);
    scene.until("the second bundle's outcome", || (scene.texts("SELECT state FROM bundles ORDER BY id") == ["missed", "landed"]).then_some(())).await;
    scene.stop(child).await;
    assert_eq!(scene.texts("SELECT outcome FROM outcomes ORDER BY id"), ["landed", "undone", "missed", "landed"]);
    assert_eq!(scene.texts("SELECT ending FROM proofs WHERE bundle_id IS NOT NULL AND superseded = 0 ORDER BY id"), ["missed", "landed"]);
    let blocks = scene.texts("SELECT block_hash FROM outcomes ORDER BY id");
    assert_eq!(blocks[..3], [landing.head.hash, landing.head.hash, other.head.hash].map(|hash| format!("{hash:#x}")));
    let landed = scene.texts("SELECT o.profit_wei FROM outcomes o WHERE o.outcome = 'landed' AND o.superseded = 0");
    let hash: B256 = scene.texts("SELECT hash FROM bundle_txs WHERE ours = 1 ORDER BY bundle_id DESC")[0].parse().unwrap();
    let receipt = devnet.provider().unwrap().get_transaction_receipt(hash).await.unwrap().unwrap();
    let gas = U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    let gained = devnet.balance_of("WETH", scene.stage.receiver).await.unwrap() - before;
    assert_eq!(landed, [(I256::try_from(gained).unwrap() - I256::try_from(gas).unwrap()).to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_searcher_on_the_same_ledger_is_refused() {
    let (scene, _) = Scene::set().await;
    let child = scene.run().await;
    let second = Command::new(env!("CARGO_BIN_EXE_harrier"))
        .args(["run", "--json", "--config", scene.file.to_str().unwrap()])
        .envs(scene.devnet().secrets().unwrap())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let second = soon("the second searcher's end", second).await.unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("another process uses this ledger"), "{said}");
    // The lock ends with the process, however that ends.
    scene.kill(child).await;
    let third = scene.run().await;
    scene.stop(third).await;
}
