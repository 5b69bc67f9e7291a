//! What goes wrong with a node while a searcher runs: blocks that are taken back, a line that is cut, a node that is ended and started again. Afterwards
//! nothing is missing, nothing is stale, the searcher was never restarted, and the ledger says what the chain says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, I256, U256, keccak256},
    providers::{DynProvider, Provider},
    transports::http::reqwest,
};
use futures::{StreamExt, stream};
use harrier::{
    devnet::{
        BlockReport, Borrower, ChainConfig, Devnet, DevnetConfig, Fault, Person, SearcherFacts, Seed,
        rehearsal::{Stage, Troupe},
    },
    drivers::{
        discovery::Quiet,
        searcher::Event,
        session::Session,
        start::{Begin, Watchers, dry_run},
    },
    fork::{Facet, View},
    ledger::Outcome,
    plan::TargetKey,
};
use rusqlite::{Connection, OpenFlags};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// A health of 1.005: an update of -0.7 % opens it.
const NEAR: u128 = 1_005_000_000_000_000_000;

/// A stage with a searcher on it.
struct Scene {
    stage: Stage,
    troupe: Troupe,
    before: U256,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        Self::with(ChainConfig::default(), tempfile::tempdir().unwrap()).await
    }

    async fn with(chain: ChainConfig, folder: tempfile::TempDir) -> Self {
        let stage = Stage::set(DevnetConfig { chain, ..DevnetConfig::default() }, folder.path()).await.unwrap();
        let before = stage.devnet.balance_of("WETH", stage.receiver).await.unwrap();
        let troupe = start(&stage, &folder.path().join("searcher.sqlite")).await;
        Self { stage, troupe, before, folder }
    }

    const fn devnet(&self) -> &Devnet {
        &self.stage.devnet
    }

    async fn borrower(&mut self, name: &str) -> Borrower {
        let borrower = self.devnet().story().borrower(name).health(NEAR).open().await.unwrap().pop().unwrap();
        self.troupe.at(self.stage.devnet.head().hash).await.unwrap();
        borrower
    }

    async fn block(&mut self) -> BlockReport {
        let report = self.stage.devnet.build_block().await.unwrap();
        self.troupe.at(report.head.hash).await.unwrap();
        report
    }

    /// Takes blocks back and waits until the searcher has noticed, which nobody tells it.
    async fn rollback(&mut self, depth: u64, falls_back: impl Fn(Address) -> bool + Send + Sync + 'static) {
        let head = self.stage.devnet.rollback(depth, falls_back).await.unwrap();
        self.troupe.at(head.hash).await.unwrap();
    }

    async fn debt(&self, borrower: &Borrower) -> u128 {
        let market = self.devnet().contracts().market(&borrower.market).unwrap();
        self.devnet().position(market, borrower.person.address()).await.unwrap().0
    }

    /// Ends the searcher and holds what it knows against the chain: every value of its fork, every reading of its book, the ledger against the
    /// treasury. Gives the ledger.
    async fn close(self) -> Books {
        let ledger = self.troupe.ledger.clone();
        let (session, _) = self.troupe.stop().await.unwrap();
        assert_eq!(*session.head(), self.stage.devnet.head());
        nothing_is_stale(&self.stage, &session, &self.folder.path().join("fresh.sqlite")).await;
        drop(session);
        let books = Books::open(&ledger);
        books.equal_the_treasury(&self.stage, self.before).await;
        books
    }
}

async fn start(stage: &Stage, ledger: &Path) -> Troupe {
    Troupe::start(&stage.devnet, stage.executor, stage.receiver, ledger, &[]).await.unwrap()
}

/// All that the session's fork knows, and all that its book says, against a node and a session that begin now.
async fn nothing_is_stale(stage: &Stage, session: &Session, fresh_ledger: &Path) {
    let provider = stage.devnet.provider().unwrap();
    let view = session.view();
    assert!(assert_fresh(&provider, &view).await > 100, "the fork knows what it works with");
    let fresh = fresh_session(stage, fresh_ledger).await;
    assert_eq!(fresh.head(), session.head());
    assert_eq!(book_of(session), book_of(&fresh));
}

/// Every known facet of a view against a plain read of the node at the same block; how many there were.
async fn assert_fresh(provider: &DynProvider, view: &View) -> usize {
    let known = view.generation().known();
    let (at, number) = (view.head().hash, view.head().number);
    let facets: Vec<Facet> = known.facets().collect();
    let reads = stream::iter(facets.iter().map(|facet| async move { (facet, read(provider, facet, at.into()).await) })).buffer_unordered(32);
    for (facet, fresh) in reads.collect::<Vec<_>>().await {
        assert_eq!(known.value(facet), Some(fresh), "{facet:?} at block {number}");
    }
    facets.len()
}

async fn read(provider: &DynProvider, facet: &Facet, at: BlockId) -> U256 {
    match facet {
        Facet::Slot(address, slot) => provider.get_storage_at(*address, *slot).block_id(at).await.unwrap(),
        Facet::Balance(address) => provider.get_balance(*address).block_id(at).await.unwrap(),
        Facet::Nonce(address) => U256::from(provider.get_transaction_count(*address).block_id(at).await.unwrap()),
        Facet::Code(address) => keccak256(provider.get_code_at(*address).block_id(at).await.unwrap()).into(),
        Facet::Env(_) => U256::ZERO,
    }
}

/// A session that reads everything now.
async fn fresh_session(stage: &Stage, ledger: &Path) -> Session {
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger };
    let (config, environment) = stage.devnet.searcher(&facts, &[]).unwrap();
    dry_run(config, &environment, Begin::Latest, Watchers::default(), &Quiet).await.unwrap().into_parts().0
}

/// Markets and targets with their readings, as text.
fn book_of(session: &Session) -> BTreeMap<String, (String, BTreeMap<String, String>)> {
    let book = session.book().read();
    let of_market = book.markets().map(|(market, shelf)| {
        let reading = shelf.reading().map(|read| format!("{:?}", read.value)).unwrap_or_default();
        let targets = shelf.targets().map(|(key, entry)| (key.to_string(), format!("{:?}", entry.reading))).collect();
        (format!("{market:?}"), (reading, targets))
    });
    of_market.collect()
}

/// A ledger, looked at from outside.
struct Books(Connection);

impl Books {
    fn open(path: &Path) -> Self {
        Self(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
    }

    fn texts(&self, query: &str) -> Vec<String> {
        let mut query = self.0.prepare(query).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Outcomes by bundle, the oldest first.
    fn outcomes(&self) -> Vec<Vec<String>> {
        let ids = self.texts("SELECT CAST(id AS TEXT) FROM bundles ORDER BY id");
        ids.iter().map(|id| self.texts(&format!("SELECT outcome FROM outcomes WHERE bundle_id = {id} ORDER BY id"))).collect()
    }

    /// What proofs of bundles count, the oldest first.
    fn proofs(&self) -> Vec<String> {
        self.texts("SELECT ending FROM proofs WHERE bundle_id IS NOT NULL AND superseded = 0 ORDER BY bundle_id, id")
    }

    async fn equal_the_treasury(&self, stage: &Stage, before: U256) {
        let landed = "outcome = 'landed' AND superseded = 0";
        let earned = self.texts(&format!("SELECT profit_wei FROM outcomes WHERE {landed}"));
        let earned: I256 = earned.iter().map(|wei| wei.parse::<I256>().unwrap()).fold(I256::ZERO, |all, wei| all + wei);
        let hashes = self.texts(&format!("SELECT t.hash FROM bundle_txs t JOIN outcomes o ON o.bundle_id = t.bundle_id WHERE t.ours = 1 AND {landed}"));
        let provider = stage.devnet.provider().unwrap();
        let mut gas = U256::ZERO;
        for hash in hashes {
            let receipt = provider.get_transaction_receipt(hash.parse().unwrap()).await.unwrap().expect("a landed transaction is on the chain");
            gas += U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
        }
        let treasury = stage.devnet.balance_of("WETH", stage.receiver).await.unwrap() - before;
        assert_eq!(I256::try_from(treasury).unwrap(), earned + I256::try_from(gas).unwrap(), "the ledger is not what the treasury got");
        assert!(self.texts("SELECT outcome FROM outcomes WHERE alarm = 1 AND superseded = 0").is_empty());
        assert!(self.texts("SELECT state FROM bundles WHERE state IN ('journaled', 'submitted', 'undone')").is_empty(), "all is decided");
    }
}

/// Whether somebody is no operator: what operators sent is not in anybody's mempool.
fn public(devnet: &Devnet) -> impl Fn(Address) -> bool + Send + Sync + 'static {
    let operators: Vec<Address> = devnet.operators().unwrap().iter().map(Person::address).collect();
    move |sender| !operators.contains(&sender)
}

/// Waits until one bundle waits for the next block.
async fn a_bundle_at_the_relay(devnet: &Devnet) {
    tokio::time::timeout(Duration::from_secs(60), devnet.front().bundles_waiting(1)).await.expect("a bundle at the relay");
}

fn rows(all: &[&[&str]]) -> Vec<Vec<String>> {
    all.iter().map(|rows| rows.iter().map(|row| (*row).to_owned()).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_block_that_a_bundle_landed_in_is_dropped_and_the_position_is_taken_again() {
    let mut scene = Scene::set().await;
    let borrower = scene.borrower("rita").await;
    // The update is mined without us, and so is the block after it; the third try lands.
    let relay = scene.devnet().relay().unwrap().clone();
    relay.set_fault(Some(Fault::AcceptNotInclude));
    scene.devnet().price_moves("ETH/USD", -70).await.unwrap();
    a_bundle_at_the_relay(scene.devnet()).await;
    scene.block().await;
    relay.set_fault(None);
    scene.block().await;
    scene.block().await;
    assert_eq!(scene.debt(&borrower).await, 0);
    assert!(matches!(scene.troupe.decided.last().unwrap().outcome, Outcome::Landed(_)), "{:?}", scene.troupe.decided.last());

    let falls_back = public(scene.devnet());
    scene.rollback(1, falls_back).await;
    assert!(scene.debt(&borrower).await > 0, "it is open again");
    assert!(matches!(scene.troupe.decided.last().unwrap().outcome, Outcome::Undone { .. }), "{:?}", scene.troupe.decided.last());
    let again = scene.block().await;
    assert_eq!(again.bundles.len(), 1, "it was found at the new head and sent again");
    assert_eq!(scene.debt(&borrower).await, 0);
    let books = scene.close().await;
    assert_eq!(books.outcomes(), rows(&[&["missed"], &["missed"], &["landed", "undone", "missed"], &["landed"]]));
    assert_eq!(books.proofs(), ["missed", "missed", "missed", "landed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_falls_back_into_the_mempool_is_followed_again() {
    let mut scene = Scene::set().await;
    let borrower = scene.borrower("tess").await;
    let update = scene.devnet().price_moves("ETH/USD", -70).await.unwrap();
    scene.troupe.pending(update).await.unwrap().unwrap();
    let first = scene.block().await;
    assert_eq!(first.bundles[0].txs[0], update);
    assert_eq!(scene.debt(&borrower).await, 0);

    let falls_back = public(scene.devnet());
    scene.rollback(1, falls_back).await;
    a_bundle_at_the_relay(scene.devnet()).await;
    let second = scene.block().await;
    assert_eq!((second.head.number, second.bundles[0].txs[0]), (first.head.number, update), "the bundle stands behind its update again");
    assert_ne!(second.bundles[0].txs[1], first.bundles[0].txs[1], "another operator sent it");
    assert_eq!(scene.debt(&borrower).await, 0);
    let books = scene.close().await;
    assert_eq!(books.outcomes(), rows(&[&["landed", "undone", "missed"], &["landed"]]));
    assert_eq!(books.proofs(), ["missed", "landed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_lands_again_with_the_same_block_of_another_branch() {
    let mut scene = Scene::set().await;
    let borrower = scene.borrower("nora").await;
    let update = scene.devnet().price_moves("ETH/USD", -70).await.unwrap();
    scene.troupe.pending(update).await.unwrap().unwrap();
    let first = scene.block().await;
    // Everything falls back, ours too; what is sent anew is not included.
    scene.devnet().relay().unwrap().set_fault(Some(Fault::AcceptNotInclude));
    scene.rollback(1, |_| true).await;
    a_bundle_at_the_relay(scene.devnet()).await;
    // Something else stands behind: it is another block.
    let deployer = scene.devnet().deployer().unwrap();
    let gift = scene.devnet().signed(&deployer, Some(deployer.address()), U256::ONE, Bytes::new(), 21_000, 0).await.unwrap();
    scene.devnet().send_public(gift).await.unwrap();
    let second = scene.block().await;
    assert_eq!((&second.public[..2], second.head.number), (first.bundles[0].txs.as_slice(), first.head.number));
    assert_ne!(second.head.hash, first.head.hash);
    assert_eq!(scene.debt(&borrower).await, 0);
    let books = scene.close().await;
    assert_eq!(books.outcomes(), rows(&[&["landed", "undone", "landed"], &["missed"]]), "a bundle of ours is beaten by nobody else");
    assert_eq!(books.proofs(), ["landed", "missed"]);
    let hashes = books.texts("SELECT block_hash FROM outcomes WHERE outcome = 'landed' ORDER BY id");
    assert_eq!(hashes, [format!("{:#x}", first.head.hash), format!("{:#x}", second.head.hash)]);
    assert_eq!(books.texts("SELECT ifnull(differing_input, '') FROM outcomes WHERE superseded = 0 AND outcome = 'landed'"), [""]);
}

/// Moves a session to each of these blocks, or right to the newest.
async fn follow(session: &mut Session, from: u64, stepwise: bool) {
    let newest = session.node().unwrap().latest().await.unwrap();
    let first = if stepwise { from } else { newest.number };
    for number in first..=newest.number {
        let head = session.node().unwrap().head_by_number(number).await.unwrap().unwrap();
        if head.parent_hash == session.head().hash {
            session.advance(&head).await.unwrap();
        } else {
            session.jump(&head).await.unwrap();
        }
    }
}

fn holds(session: &Session, borrower: &Borrower) -> bool {
    let who = TargetKey::Account(borrower.person.address());
    session.book().read().markets().any(|(_, shelf)| shelf.get(&who).is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn reorgs_of_any_depth_leave_the_book_as_a_fresh_one() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(DevnetConfig { seed: Some(Seed { borrowers: 20, ..Seed::default() }), ..DevnetConfig::default() }, folder.path()).await.unwrap();
    let devnet = &stage.devnet;
    devnet.build_blocks(70).await.unwrap();
    let mut session = fresh_session(&stage, &folder.path().join("long.sqlite")).await;
    for (round, depth) in [1_u64, 2, 4, 5, 23, 64].into_iter().enumerate() {
        let stays = devnet.story().borrower(&format!("stays {round}")).health(NEAR).open().await.unwrap().pop().unwrap();
        let from = devnet.head().number;
        follow(&mut session, from, true).await;
        assert!(holds(&session, &stays));
        // Somebody borrows, a price falls, and somebody else is liquidated: four blocks, and some more.
        let goes = devnet.story().borrower(&format!("goes {round}")).health(NEAR).open().await.unwrap().pop().unwrap();
        let answer = devnet.answer("ETH/USD").await.unwrap();
        devnet.build_blocks(depth.saturating_sub(4)).await.unwrap();
        // So far that all collateral does not pay the debt: the rest is written off, and nothing of the position remains.
        devnet.price_mined("ETH/USD", answer / I256::unchecked_from(2)).await.unwrap();
        let market = devnet.contracts().market(&stays.market).unwrap();
        let liquidation = devnet.rival_liquidation(market, stays.person.address(), stays.collateral, U256::ZERO).await.unwrap();
        devnet.send_public(liquidation).await.unwrap();
        assert!(devnet.build_block().await.unwrap().succeeded[0], "liquidated");
        follow(&mut session, from + 1, true).await;
        assert!(!holds(&session, &stays) && holds(&session, &goes));

        let head = devnet.rollback(depth, |_| false).await.unwrap();
        if round % 2 == 0 {
            follow(&mut session, head.number, false).await;
            assert_eq!(session.head().hash, head.hash);
        }
        // The other branch is as long or shorter or longer.
        devnet.build_blocks([depth, 1, depth + 2][round % 3]).await.unwrap();
        follow(&mut session, head.number + 1, false).await;
        assert!(holds(&session, &stays), "who was liquidated in a dropped block has debt again");
        assert_eq!(holds(&session, &goes), depth < 4, "who borrowed in a dropped block has none");
        nothing_is_stale(&stage, &session, &folder.path().join(format!("fresh {round}.sqlite"))).await;
    }
}

/// Five blocks that nobody hears of: somebody borrows, a price falls, time passes.
async fn five_blocks(devnet: &Devnet, name: &str) -> Borrower {
    let began = devnet.head().number;
    let borrower = devnet.story().borrower(name).health(NEAR).open().await.unwrap().pop().unwrap();
    let answer = devnet.answer("ETH/USD").await.unwrap();
    devnet.price_mined("ETH/USD", answer - answer / I256::unchecked_from(100)).await.unwrap();
    devnet.build_blocks(2).await.unwrap();
    assert_eq!(devnet.head().number, began + 5);
    borrower
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_is_cut_for_five_blocks_and_nothing_is_missed() {
    let mut scene = Scene::set().await;
    let known = scene.borrower("ivan").await;
    scene.devnet().front().cut();
    let unknown = five_blocks(scene.devnet(), "olga").await;
    // A client that comes now is not let in.
    assert!(reqwest::Client::builder().no_proxy().build().unwrap().post(scene.devnet().http_url()).body("{}").send().await.is_err());
    let heads = scene.troupe.happened.iter().filter(|event| matches!(event, Event::Head { .. })).count();
    scene.devnet().front().mend();
    scene.troupe.at(scene.stage.devnet.head().hash).await.unwrap();
    let followed = scene.troupe.happened.iter().filter(|event| matches!(event, Event::Head { .. })).count() - heads;
    assert!(followed >= 1);
    let report = scene.block().await;
    assert!(!report.bundles.is_empty());
    assert_eq!((scene.debt(&known).await, scene.debt(&unknown).await), (0, 0), "both were found and taken");
    let books = scene.close().await;
    assert!(books.outcomes().iter().all(|rows| *rows == ["landed"]), "{:?}", books.outcomes());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_is_started_again_without_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ChainConfig { state: Some(folder.path().join("state.json")), ..ChainConfig::default() };
    let mut scene = Scene::with(chain, folder).await;
    let first = scene.borrower("mina").await;
    let before = scene.devnet().head();
    scene.devnet().front().cut();
    let second = five_blocks(scene.devnet(), "pete").await;
    scene.stage.devnet.restart_node().await.unwrap();
    assert_eq!(scene.devnet().head().number, before.number + 5, "blocks are kept");
    let provider = scene.devnet().provider().unwrap();
    assert!(provider.get_balance(Address::ZERO).block_id(before.hash.into()).await.is_err(), "old states are gone");
    scene.devnet().front().mend();
    scene.troupe.at(scene.stage.devnet.head().hash).await.unwrap();
    scene.block().await;
    assert_eq!((scene.debt(&first).await, scene.debt(&second).await), (0, 0), "both were found and taken");

    // Once more while everybody is connected.
    let third = scene.borrower("quinn").await;
    scene.stage.devnet.restart_node().await.unwrap();
    let answer = scene.devnet().answer("ETH/USD").await.unwrap();
    scene.devnet().price_mined("ETH/USD", answer - answer / I256::unchecked_from(100)).await.unwrap();
    scene.troupe.at(scene.stage.devnet.head().hash).await.unwrap();
    scene.block().await;
    assert_eq!(scene.debt(&third).await, 0);
    let books = scene.close().await;
    assert!(books.outcomes().iter().filter(|rows| *rows == &["landed"]).count() >= 2, "{:?}", books.outcomes());
}
