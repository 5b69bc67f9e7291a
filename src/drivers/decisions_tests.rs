use super::*;
use crate::{
    ledger::{BundleRow, BundleTxRow, Inputs, RecordId},
    relay::IncludedBlock,
};
use alloy::primitives::{Address, I256, keccak256};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;

/// What the node says, one answer for all heights; and how often it was asked.
struct Blocks(Mutex<(Answer, usize)>);

#[derive(Clone, Copy)]
enum Answer {
    Silence,
    NoSuchBlock,
    Empty,
}

impl Blocks {
    const fn new(answer: Answer) -> Self {
        Self(Mutex::new((answer, 0)))
    }

    fn answer(&self, number: u64) -> Result<Option<IncludedBlock>, SourceError> {
        let mut asked = self.0.lock();
        asked.1 += 1;
        match asked.0 {
            Answer::Silence => Err(SourceError::Inconsistent { number, reason: "the receipts are not there".to_owned() }),
            Answer::NoSuchBlock => Ok(None),
            Answer::Empty => Ok(Some(IncludedBlock { head: head(number), txs: Vec::new() })),
        }
    }
}

impl BlockSource for Blocks {
    fn block(&self, number: u64) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>> {
        async move { self.answer(number) }.boxed()
    }

    fn block_at(&self, number: u64, _: B256) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>> {
        async move { self.answer(number) }.boxed()
    }
}

fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn head(number: u64) -> Head {
    Head::placed(number, hash(number), hash(number - 1))
}

fn row(target_block: u64) -> BundleRow {
    let inputs = Inputs { parent_hash: hash(target_block - 1), timestamp: 1, base_fee: 7, fee_recipient: Address::ZERO, in_front: Vec::new() };
    BundleRow {
        candidates: Vec::new(),
        operator: Address::repeat_byte(1),
        target_block,
        bundle_hash: keccak256("bundle"),
        replacement_uuid: None,
        txs: vec![BundleTxRow { hash: keccak256("ours"), sender: Address::repeat_byte(1), nonce: 3, ours: true }],
        jobs: Vec::new(),
        inputs,
        profit_wei: I256::ONE,
        gas_used: 21_000,
        builder_payment_wei: U256::ZERO,
        at_ms: 1,
    }
}

struct Scene {
    ledger: Ledger,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { ledger: Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap(), _folder: folder }
    }

    fn court<'a>(&'a self, head: &'a Head, blocks: &'a Blocks) -> Court<'a, Blocks> {
        let books = Books { executor: Address::ZERO, profit_token: Address::ZERO, operators: Vec::new() };
        Court { head, node: None, protocols: &[], books, blocks, ledger: &self.ledger }
    }

    async fn open(&self) -> usize {
        self.ledger.unfinished_bundles().await.unwrap().len()
    }
}

#[tokio::test]
async fn after_a_long_time_away_only_the_node_s_own_word_gives_a_bundle_up() {
    let scene = Scene::set().await;
    scene.ledger.journal_bundle(row(100)).await.unwrap();
    let (blocks, head) = (Blocks::new(Answer::Silence), head(100 + DEEPEST + 50));
    let court = scene.court(&head, &blocks);
    let mut decisions = Decisions::new(None);
    decisions.recover(&court).await.unwrap();
    for asked in 1..4 {
        decisions.decide(&court).await.unwrap();
        assert_eq!((scene.open().await, blocks.0.lock().1), (1, asked), "silence decides nothing, and it is asked again");
    }
    blocks.0.lock().0 = Answer::NoSuchBlock;
    decisions.decide(&court).await.unwrap();
    assert_eq!((scene.open().await, decisions.in_flight.len()), (0, 0));
    assert_eq!(scene.ledger.summary().await.unwrap().missed, 1);
}

#[tokio::test]
async fn a_block_that_is_not_there_yet_gives_nothing_up() {
    let scene = Scene::set().await;
    scene.ledger.journal_bundle(row(100)).await.unwrap();
    let (blocks, head) = (Blocks::new(Answer::NoSuchBlock), head(100 + DEEPEST));
    let court = scene.court(&head, &blocks);
    let mut decisions = Decisions::new(None);
    decisions.recover(&court).await.unwrap();
    decisions.decide(&court).await.unwrap();
    assert_eq!((scene.open().await, decisions.in_flight.len()), (1, 1));
}

#[tokio::test]
async fn one_end_that_can_t_be_written_keeps_nobody_else_open() {
    let scene = Scene::set().await;
    let (blocks, head) = (Blocks::new(Answer::Empty), head(100 + DEEPEST));
    let court = scene.court(&head, &blocks);
    let mut decisions = Decisions::new(None);
    let good = [scene.ledger.journal_bundle(row(100)).await.unwrap(), scene.ledger.journal_bundle(row(99)).await.unwrap()];
    // The ledger knows no bundle of this number.
    let unknown = RecordId(i64::MAX);
    for record in [good[0], unknown, good[1]] {
        let sent = SentBundle::new(record, row(100), &[], None);
        decisions.sent(InFlight { sent, lease: None, again: false });
    }
    let error = decisions.decide(&court).await.unwrap_err();
    assert_eq!(error.what, "writing an outcome");
    assert_eq!(scene.open().await, 0, "both others are decided");
    let left: Vec<RecordId> = decisions.in_flight.iter().map(|bundle| bundle.sent.record).collect();
    assert_eq!(left, [unknown], "it stays due");
}
