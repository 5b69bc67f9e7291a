use super::*;
use crate::plan::{Action, MarketId, Resource, ResourceScope, Skip, SkipReason, Target, TargetKey, Trigger};
use alloy::primitives::{Address, B256, Bytes, I256, U256, keccak256};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

fn hash(seed: &str) -> B256 {
    keccak256(seed)
}

fn who(seed: u8) -> Address {
    Address::repeat_byte(seed)
}

fn target() -> Target {
    Target { protocol: "morpho_blue".into(), market: MarketId(hash("market")), key: TargetKey::Account(who(1)) }
}

fn inputs() -> Inputs {
    Inputs { parent_hash: hash("parent"), timestamp: 1_000, base_fee: 7, fee_recipient: who(9), in_front: vec![hash("oracle")] }
}

fn wei(amount: i64) -> I256 {
    I256::try_from(amount).unwrap()
}

fn bundle(seed: u64, profit: I256) -> BundleRow {
    BundleRow {
        candidates: vec![RecordId(1), RecordId(2)],
        operator: who(3),
        target_block: 100 + seed,
        bundle_hash: hash("bundle"),
        replacement_uuid: Some("3f2504e0-4f89-41d3-9a0c-0305e82c3301".to_owned()),
        txs: vec![
            BundleTxRow { hash: hash("oracle"), sender: who(4), nonce: 8, ours: false },
            BundleTxRow { hash: keccak256(seed.to_be_bytes()), sender: who(3), nonce: seed, ours: true },
        ],
        jobs: vec![JobRow {
            target: target(),
            action: Action::Liquidate,
            txs: vec![keccak256(seed.to_be_bytes())],
            locks: vec![Resource { scope: ResourceScope::InFlight, protocol: "morpho_blue".into(), id: Bytes::from_static(b"position") }],
        }],
        inputs: inputs(),
        profit_wei: profit,
        gas_used: 400_000,
        builder_payment_wei: U256::from(5),
        at_ms: 1,
    }
}

fn on(seed: &str) -> BlockRef {
    BlockRef { number: 100, hash: hash(seed) }
}

/// A decision of block 100.
fn row(outcome: Outcome) -> OutcomeRow {
    OutcomeRow { outcome, on: Some(on("block")), proofs: Vec::new(), at_ms: 3 }
}

fn proof_of(bundle: RecordId, end: ProofEnd) -> ProofRow {
    ProofRow { target: target(), action: Action::Liquidate, block: 100, end, detail: String::new(), bundle: Some(bundle), at_ms: 3 }
}

fn landed(profit: I256, inputs: Inputs) -> Outcome {
    Outcome::Landed(Realised { block: 100, block_hash: hash("block"), inputs, profit_wei: profit, gas_used: 400_000, builder_payment_wei: U256::from(5) })
}

async fn open() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    (folder, ledger)
}

#[test]
fn the_first_differing_input_is_named_and_none_is_an_alarm() {
    let same = inputs();
    let compare = |realised: &Inputs, profit: i64| explain_difference((&same, wei(10)), (realised, wei(profit)));
    assert_eq!(compare(&same, 10), Explanation { differing_input: None, profit_differs: false });
    assert!(compare(&same, 9).is_alarm());
    type Change = fn(&mut Inputs);
    let changes: [(InputName, Change); 5] = [
        (InputName::TransactionsInFront, |inputs| inputs.in_front.clear()),
        (InputName::FeeRecipient, |inputs| inputs.fee_recipient = Address::ZERO),
        (InputName::BaseFee, |inputs| inputs.base_fee = 8),
        (InputName::Timestamp, |inputs| inputs.timestamp = 1_012),
        (InputName::ParentState, |inputs| inputs.parent_hash = B256::ZERO),
    ];
    // Each change comes before the ones that were made already.
    let mut realised = inputs();
    for (name, change) in changes {
        change(&mut realised);
        let explanation = compare(&realised, 9);
        assert_eq!(explanation.differing_input, Some(name));
        assert!(!explanation.is_alarm());
    }
    // Other inputs with the same profit: nothing to explain, but the difference is still told.
    assert!(!compare(&realised, 10).profit_differs);
}

#[tokio::test]
async fn a_run_adds_up() {
    let (_folder, ledger) = open().await;
    let huge = I256::try_from(U256::MAX >> 1).unwrap() - wei(100);
    let trigger = ledger.record_trigger(TriggerRow { trigger: Trigger::Pending { hash: hash("oracle") }, head_number: 99, head_hash: hash("head"), at_ms: 1 });
    let opportunity = ledger.record_opportunity(OpportunityRow {
        trigger,
        target: target(),
        action: Action::Liquidate,
        debt_token: who(5),
        collateral_token: who(6),
        debt_hint: U256::MAX,
    });
    ledger.record_candidate(CandidateRow {
        opportunity,
        target_block: 100,
        inputs: inputs(),
        repay: U256::MAX,
        seized: U256::from(1),
        profit_token: who(5),
        profit: I256::MIN,
        profit_wei: huge,
        gas_used: 1,
        builder_payment_wei: U256::ZERO,
    });
    for reason in [SkipReason::Dust, SkipReason::Dust, SkipReason::Unprofitable] {
        ledger.record_skip(SkipRow { trigger: Some(trigger), target: Some(target()), action: None, block: 100, skip: Skip::new(reason, "3 wei") });
    }

    let mut ids = Vec::new();
    for (seed, profit) in [(1, wei(10)), (2, wei(20)), (3, wei(30)), (4, wei(40)), (5, wei(50)), (6, wei(60))] {
        ids.push(ledger.journal_bundle(bundle(seed, profit)).await.unwrap());
    }
    let accepted = SubmissionRow { relay: "devnet".to_owned(), accepted: true, response: "{}".to_owned(), at_ms: 2 };
    ledger.mark_submitted(ids[0], accepted.clone()).await.unwrap();
    ledger.mark_submitted(ids[4], SubmissionRow { accepted: false, ..accepted }).await.unwrap();

    let exact = ledger.record_outcome(ids[0], row(landed(wei(10), inputs()))).await.unwrap().unwrap();
    assert_eq!(exact, Explanation { differing_input: None, profit_differs: false });
    let other = ledger.record_outcome(ids[1], row(landed(wei(17), Inputs { base_fee: 8, ..inputs() }))).await.unwrap().unwrap();
    assert_eq!(other.differing_input, Some(InputName::BaseFee));
    assert!(ledger.record_outcome(ids[2], row(landed(wei(35), inputs()))).await.unwrap().unwrap().is_alarm());
    assert_eq!(ledger.record_outcome(ids[3], row(Outcome::Lost { to: who(7), tx: hash("theirs") })).await.unwrap(), None);
    ledger.record_outcome(ids[5], row(Outcome::Reverted { tx: hash("ours"), cost_wei: U256::from(11) })).await.unwrap();

    let unfinished = ledger.unfinished_bundles().await.unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!(unfinished[0], JournaledBundle { id: ids[4], bundle: bundle(5, wei(50)), submitted: false, undone: false, decided_on: None });

    let summary = ledger.summary().await.unwrap();
    assert_eq!((summary.landed, summary.lost, summary.missed, summary.reverted, summary.unfinished, summary.alarms), (3, 1, 0, 1, 1, 1));
    assert_eq!((summary.predicted_profit_wei, summary.realised_profit_wei, summary.max_error_wei), (wei(60), wei(62), U256::from(5)));
    assert_eq!(summary.reverted_cost_wei, U256::from(11));
    assert_eq!(summary.skipped[&SkipReason::Dust], 2);
    assert_eq!(summary.skipped[&SkipReason::Unprofitable], 1);

    // The block of the first one was reorged away: the later outcome counts.
    ledger.record_outcome(ids[0], row(Outcome::Missed)).await.unwrap();
    let summary = ledger.summary().await.unwrap();
    assert_eq!((summary.landed, summary.missed, summary.realised_profit_wei), (2, 1, wei(52)));
    assert!(matches!(ledger.record_outcome(RecordId(4_711), row(Outcome::Missed)).await, Err(LedgerError::NoBundle(4_711))));
    assert_eq!(ledger.dropped_notes(), 0);
}

/// How the rows of a bundle stand, the oldest first: name, what it supersedes, whether it counts.
fn rows_of(direct: &rusqlite::Connection, bundle: RecordId) -> Vec<(String, Option<String>, bool)> {
    let mut query = direct
        .prepare(
            "SELECT o.outcome, (SELECT e.outcome FROM outcomes e WHERE e.id = o.supersedes), o.superseded = 0 FROM outcomes o WHERE o.bundle_id = ?1 ORDER BY o.id",
        )
        .unwrap();
    query.query_map([bundle.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_decision_is_taken_back_and_made_again_and_nothing_is_forgotten() {
    let (folder, ledger) = open().await;
    let id = ledger.journal_bundle(bundle(1, wei(10))).await.unwrap();
    let other = ledger.journal_bundle(bundle(2, wei(20))).await.unwrap();
    let first = OutcomeRow { proofs: vec![proof_of(id, ProofEnd::Landed)], ..row(landed(wei(10), inputs())) };
    ledger.record_outcome(id, first).await.unwrap();
    ledger.record_outcome(other, row(Outcome::Missed)).await.unwrap();
    let decided: Vec<_> = ledger.decided_since(100).await.unwrap().into_iter().map(|bundle| (bundle.id, bundle.decided_on)).collect();
    assert_eq!(decided, [(id, Some(on("block"))), (other, Some(on("block")))]);
    assert!(ledger.decided_since(101).await.unwrap().is_empty());

    let undone = Outcome::Undone { block: on("block") };
    ledger.record_outcome(id, OutcomeRow { outcome: undone, on: None, proofs: vec![proof_of(id, ProofEnd::Undone)], at_ms: 4 }).await.unwrap();
    let summary = ledger.summary().await.unwrap();
    assert_eq!((summary.landed, summary.missed, summary.unfinished, summary.realised_profit_wei), (0, 1, 1, I256::ZERO));
    assert_eq!(ledger.unfinished_bundles().await.unwrap().iter().map(|bundle| (bundle.id, bundle.undone)).collect::<Vec<_>>(), [(id, true)]);
    assert_eq!(ledger.decided_since(0).await.unwrap().iter().map(|bundle| bundle.id).collect::<Vec<_>>(), [other]);

    let again = OutcomeRow { on: Some(on("sibling")), proofs: vec![proof_of(id, ProofEnd::Landed)], ..row(landed(wei(8), Inputs { base_fee: 8, ..inputs() })) };
    assert_eq!(ledger.record_outcome(id, again).await.unwrap().unwrap().differing_input, Some(InputName::BaseFee));
    let summary = ledger.summary().await.unwrap();
    assert_eq!((summary.landed, summary.unfinished, summary.realised_profit_wei), (1, 0, wei(8)));
    ledger.close().await.unwrap();

    let direct = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    let name = |text: &str| Some(text.to_owned());
    let landed = || "landed".to_owned();
    assert_eq!(rows_of(&direct, id), [(landed(), None, false), ("undone".to_owned(), name("landed"), false), (landed(), name("undone"), true)]);
    assert_eq!(rows_of(&direct, other), [("missed".to_owned(), None, true)]);
    let reason: String = direct.query_row("SELECT reason FROM outcomes WHERE outcome = 'undone'", [], |row| row.get(0)).unwrap();
    assert_eq!(reason, "reorg");
    let mut proofs = direct.prepare("SELECT ending, superseded FROM proofs ORDER BY id").unwrap();
    let proofs: Vec<(String, bool)> = proofs.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(proofs, [(landed(), true), ("undone".to_owned(), true), (landed(), false)]);
}

#[tokio::test]
async fn what_an_action_cost_is_what_is_known_of_it() {
    let (_folder, ledger) = open().await;
    let chore = |seed: u64, at_ms: u64| {
        let mut row = BundleRow { at_ms, ..bundle(seed, wei(-100)) };
        row.jobs[0].action = Action::Deleverage;
        row
    };
    let spent = async |action: Action, since_ms: u64| ledger.spent(target().protocol, action, since_ms).await.unwrap().to::<u64>();
    ledger.journal_bundle(bundle(1, wei(-100))).await.unwrap();
    ledger.journal_bundle(chore(2, 10)).await.unwrap();
    assert_eq!(spent(Action::Deleverage, 10).await, 100, "what is open, as predicted");

    let done = ledger.journal_bundle(chore(3, 20)).await.unwrap();
    ledger.record_outcome(done, row(landed(wei(-70), inputs()))).await.unwrap();
    assert_eq!(spent(Action::Deleverage, 10).await, 170, "what landed, as it was");
    ledger.record_outcome(done, row(Outcome::Undone { block: on("block") })).await.unwrap();
    assert_eq!(spent(Action::Deleverage, 10).await, 200, "it is open again");
    ledger.record_outcome(done, row(Outcome::Missed)).await.unwrap();
    assert_eq!(spent(Action::Deleverage, 10).await, 100);

    let reverted = ledger.journal_bundle(chore(4, 30)).await.unwrap();
    ledger.record_outcome(reverted, row(Outcome::Reverted { tx: hash("tx"), cost_wei: U256::from(9) })).await.unwrap();
    assert_eq!(spent(Action::Deleverage, 10).await, 109);
    let lucky = ledger.journal_bundle(chore(5, 40)).await.unwrap();
    ledger.record_outcome(lucky, row(landed(wei(5), inputs()))).await.unwrap();
    assert_eq!(spent(Action::Deleverage, 10).await, 109, "a gain is no cost, and makes no room");
    assert_eq!((spent(Action::Deleverage, 11).await, spent(Action::Liquidate, 0).await, spent(Action::Rebalance, 0).await), (9, 100, 0));
    assert_eq!(ledger.spent("flux".into(), Action::Deleverage, 0).await.unwrap(), U256::ZERO);
}

#[tokio::test]
async fn a_ledger_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    schema::open_at(&path, 1).unwrap();
    let direct = rusqlite::Connection::open(&path).unwrap();
    direct
        .execute_batch(
            "INSERT INTO bundles VALUES (1, 'submitted', '[]', '0x0000000000000000000000000000000000000003', 100,
                '0x0000000000000000000000000000000000000000000000000000000000000001', NULL,
                '0x0000000000000000000000000000000000000000000000000000000000000002', 1000, 7, '0x0000000000000000000000000000000000000009', '[]',
                '10', 5, '0', 1)",
        )
        .unwrap();
    drop(direct);
    let ledger = Ledger::open(&path).await.unwrap();
    let unfinished = ledger.unfinished_bundles().await.unwrap();
    assert_eq!(unfinished.len(), 1);
    assert!(unfinished[0].bundle.jobs.is_empty() && unfinished[0].submitted);
}

#[tokio::test]
async fn one_process_a_ledger() {
    let (folder, ledger) = open().await;
    let path = folder.path().join("ledger.sqlite");
    let refused = Ledger::open(&path).await;
    assert!(matches!(&refused, Err(LedgerError::InUse { .. })), "{refused:?}");
    // Readers are welcome meanwhile.
    let direct = rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    assert_eq!(direct.query_row("SELECT count(*) FROM bundles", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    // Nobody waits for the writer's end here; the next one does.
    drop(ledger);
    Ledger::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_failed_piece_undoes_itself_only() {
    let (_folder, ledger) = open().await;
    // All are given before any is awaited, so they share a commit.
    let (good, bad, also_good) = tokio::join!(
        ledger.journal_bundle(bundle(1, wei(1))),
        ledger.mark_submitted(RecordId(99), SubmissionRow { relay: "r".into(), accepted: true, response: String::new(), at_ms: 0 }),
        ledger.journal_bundle(bundle(2, wei(1))),
    );
    assert!(good.is_ok() && also_good.is_ok());
    assert!(matches!(bad, Err(LedgerError::Database(_))), "{bad:?}");
    assert_eq!(ledger.unfinished_bundles().await.unwrap().len(), 2);
    let mut giant = bundle(3, wei(1));
    giant.target_block = u64::MAX;
    assert!(matches!(ledger.journal_bundle(giant).await, Err(LedgerError::TooLarge(u64::MAX))));
}

#[tokio::test]
async fn a_discovery_goes_on_where_it_stopped() {
    let (folder, ledger) = open().await;
    let item = |key: u8, value: u8| Discovered { key: Bytes::from(vec![key]), value: Bytes::from(vec![value]) };
    assert_eq!(ledger.checkpoint("morpho_blue").await.unwrap(), None);
    ledger.store_checkpoint("morpho_blue", Checkpoint { number: 5, hash: hash("5") }, vec![item(1, 1), item(2, 1)]).await.unwrap();
    ledger.store_checkpoint("morpho_blue", Checkpoint { number: 9, hash: hash("9") }, vec![item(2, 2), item(3, 1)]).await.unwrap();
    ledger.store_checkpoint("moolah", Checkpoint { number: 1, hash: hash("1") }, vec![item(7, 7)]).await.unwrap();
    ledger.close().await.unwrap();

    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    assert_eq!(ledger.checkpoint("morpho_blue").await.unwrap(), Some(Checkpoint { number: 9, hash: hash("9") }));
    assert_eq!(ledger.discovered("morpho_blue").await.unwrap(), [item(1, 1), item(2, 2), item(3, 1)]);
    ledger.forget_discovery("morpho_blue").await.unwrap();
    assert_eq!(ledger.checkpoint("morpho_blue").await.unwrap(), None);
    assert_eq!(ledger.discovered("moolah").await.unwrap(), [item(7, 7)]);
}

#[tokio::test]
async fn proofs_and_ids_outlive_the_process() {
    let (folder, ledger) = open().await;
    let first = ledger
        .record_proof(ProofRow {
            target: target(),
            action: Action::Liquidate,
            block: 7,
            end: ProofEnd::Skipped(SkipReason::PriceUnavailable),
            detail: "the oracle reverts".to_owned(),
            bundle: None,
            at_ms: 1,
        })
        .await
        .unwrap();
    ledger.close().await.unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&path).await.unwrap();
    assert!(ledger.journal_bundle(bundle(1, wei(1))).await.unwrap() > first);
    let direct = rusqlite::Connection::open(&path).unwrap();
    let kept: (String, String, String) =
        direct.query_row("SELECT ending, reason, target FROM proofs", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert_eq!(kept, ("skipped".to_owned(), "price_unavailable".to_owned(), format!("{:#x}", who(1))));
}

#[tokio::test]
async fn a_newer_ledger_is_refused_and_a_broken_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    drop(schema::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open(&path).await, Err(LedgerError::Newer { found: 99, .. })));
    let broken = folder.path().join("broken.sqlite");
    std::fs::write(&broken, "this is no database, but it is long enough to look like a file of one".repeat(20)).unwrap();
    assert!(matches!(Ledger::open(&broken).await, Err(LedgerError::Open { .. })));
}

const CHILD: &str = "HARRIER_TEST_LEDGER_CHILD";

/// The child of the next test: writes until it is killed, and says what was acknowledged.
#[test]
fn writes_until_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(path.as_ref()).await.unwrap();
        for seed in 0.. {
            ledger.record_skip(SkipRow { trigger: None, target: Some(target()), action: None, block: seed, skip: Skip::new(SkipReason::Dust, "") });
            let id = ledger.journal_bundle(bundle(seed, wei(1))).await.unwrap();
            println!("\njournaled {id}");
            if seed % 3 == 0 {
                ledger.record_outcome(id, row(Outcome::Missed)).await.unwrap();
                println!("\nfinished {id}");
            }
        }
    });
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let (mut journaled, mut finished) = (Vec::new(), Vec::new());
    // The last bundle of a round may be finished on disk without having said so.
    let mut unsaid = Vec::new();
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["ledger::tests::writes_until_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed while it writes: it does not wait for us between two lines.
        let enough = journaled.len() + 10 + 7 * round;
        for line in lines {
            let line = line.unwrap();
            if let Some(id) = line.strip_prefix("journaled ") {
                journaled.push(RecordId(id.parse().unwrap()));
                if journaled.len() == enough {
                    child.kill().unwrap(); // SIGKILL on Unix; lines that were written before still come.
                }
            } else if let Some(id) = line.strip_prefix("finished ") {
                finished.push(RecordId(id.parse().unwrap()));
            }
        }
        child.wait().unwrap();
        assert!(journaled.len() >= enough);
        unsaid.extend(journaled.last().copied());

        let check: String = rusqlite::Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let ledger = Ledger::open(&path).await.unwrap();
        let unfinished: Vec<RecordId> = ledger.unfinished_bundles().await.unwrap().into_iter().map(|bundle| bundle.id).collect();
        for id in &journaled {
            assert!(unfinished.contains(id) || finished.contains(id) || unsaid.contains(id), "{id} is lost");
        }
        assert!(finished.iter().all(|id| !unfinished.contains(id)));
        ledger.close().await.unwrap();
    }
    let mut unique = journaled.clone();
    unique.dedup();
    assert_eq!(unique, journaled, "an identity was used twice");
}
