//! What became of a bundle, told as blocks with named people in them.

use super::*;
use alloy::primitives::{LogData, b256};

const LENDER: Address = Address::repeat_byte(0x1e);
const LIQUIDATE: B256 = b256!("a4946ede45d0c6f06a0f5ce92c9ad3b4751452d2fe0e25010783bcab57a67e41");
const ALICE: B256 = B256::repeat_byte(0xa1);
const BOB: B256 = B256::repeat_byte(0xb0);
const RIVAL: Address = Address::repeat_byte(0xee);
const FIRST: B256 = B256::repeat_byte(1);
const SECOND: B256 = B256::repeat_byte(2);

/// A block under construction.
struct Scene {
    block: IncludedBlock,
}

fn scene() -> Scene {
    let head = Head {
        timestamp: 96,
        base_fee: 1_000,
        gas_limit: 30_000_000,
        fee_recipient: Address::repeat_byte(0xfe),
        ..Head::placed(8, B256::repeat_byte(8), B256::repeat_byte(7))
    };
    Scene { block: IncludedBlock { head, txs: Vec::new() } }
}

impl Scene {
    fn tx(mut self, hash: B256, from: Address, success: bool, logs: Vec<Log>) -> Self {
        let index = u64::try_from(self.block.txs.len()).unwrap();
        let to = Some(Address::repeat_byte(0xcc));
        self.block.txs.push(IncludedTx { hash, index, from, to, success, gas_used: 400_000, effective_gas_price: 1_007, logs });
        self
    }

    fn stranger(self, hash: u8) -> Self {
        self.tx(B256::repeat_byte(hash), Address::repeat_byte(0x57), true, vec![])
    }

    fn ours(self, hash: B256, success: bool) -> Self {
        self.tx(hash, Address::repeat_byte(0x0b), success, vec![liquidation(ALICE)])
    }

    fn rival(self, hash: u8, borrower: B256, success: bool) -> Self {
        self.tx(B256::repeat_byte(hash), RIVAL, success, vec![liquidation(borrower)])
    }

    fn decide(&self, ours: &[B256]) -> Outcome {
        decide(&watch(ours), &self.block)
    }
}

fn liquidation(borrower: B256) -> Log {
    Log { address: LENDER, data: LogData::new_unchecked(vec![LIQUIDATE, B256::repeat_byte(0x3a), RIVAL.into_word(), borrower], vec![1].into()) }
}

fn watch(ours: &[B256]) -> Watch {
    let winner = LogPattern { address: LENDER, topics: vec![Some(LIQUIDATE), Some(B256::repeat_byte(0x3a)), None, Some(ALICE)] };
    Watch { target_block: 8, ours: ours.to_vec(), winner: vec![winner] }
}

#[test]
fn a_bundle_lands_behind_its_trigger() {
    let outcome = scene().stranger(0x77).ours(FIRST, true).ours(SECOND, true).stranger(0x78).decide(&[FIRST, SECOND]);
    let Outcome::Landed { block, txs } = outcome else { panic!("{outcome:?}") };
    assert_eq!(block.in_front, [(0, B256::repeat_byte(0x77))]);
    assert_eq!((block.hash, block.base_fee, block.timestamp), (Some(B256::repeat_byte(8)), 1_000, 96));
    assert_eq!(txs.iter().map(|tx| (tx.hash, tx.index)).collect::<Vec<_>>(), [(FIRST, 1), (SECOND, 2)]);
    assert_eq!((txs[0].gas_used, txs[0].effective_gas_price), (400_000, 1_007));
}

#[test]
fn our_own_liquidation_is_not_a_rivals() {
    assert_eq!(scene().ours(FIRST, true).decide(&[FIRST]).name(), "landed");
    // Even when a rival acted on the same target too, ours is in the block and that decides.
    assert_eq!(scene().rival(9, ALICE, true).ours(FIRST, true).decide(&[FIRST]).name(), "landed");
}

#[test]
fn a_rival_took_it() {
    let outcome = scene().stranger(0x77).rival(9, ALICE, true).decide(&[FIRST]);
    let Outcome::Lost { block, to, via, tx, index } = outcome else { panic!("{outcome:?}") };
    assert_eq!((to, via, tx, index), (RIVAL, Some(Address::repeat_byte(0xcc)), B256::repeat_byte(9), 1));
    assert_eq!(block.in_front.len(), 2, "all of the block was in front of us");
}

#[test]
fn another_borrower_or_a_failed_rival_is_only_a_miss() {
    assert_eq!(scene().rival(9, BOB, true).rival(10, ALICE, false).stranger(3).decide(&[FIRST]).name(), "missed");
    assert_eq!(scene().decide(&[FIRST]).name(), "missed");
}

#[test]
fn reverted_and_partial_are_told_apart() {
    assert_eq!(scene().ours(FIRST, false).decide(&[FIRST]).name(), "reverted");
    assert_eq!(scene().ours(FIRST, true).ours(SECOND, false).decide(&[FIRST, SECOND]).name(), "reverted");
    let outcome = scene().ours(FIRST, true).decide(&[FIRST, SECOND]);
    let Outcome::Partial { txs, missing, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((txs.len(), missing), (1, vec![SECOND]));
}

#[test]
fn patterns_match_in_place() {
    let log = liquidation(ALICE);
    let with = |address, topics: &[Option<B256>]| LogPattern { address, topics: topics.to_vec() }.matches(&log);
    assert!(with(LENDER, &[]) && with(LENDER, &[Some(LIQUIDATE)]) && with(LENDER, &[None, None, None, Some(ALICE)]));
    assert!(!with(RIVAL, &[]) && !with(LENDER, &[Some(ALICE)]));
    assert!(!with(LENDER, &[None, None, None, None, None]), "a topic that is not there matches nothing");
}

#[test]
fn outcomes_survive_the_ledger() {
    let outcome = scene().rival(9, ALICE, true).decide(&[FIRST]);
    let text = serde_json::to_string(&outcome).unwrap();
    assert!(text.starts_with(r#"{"outcome":"lost""#), "{text}");
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

enum Node {
    Says(Option<Box<IncludedBlock>>),
    Hangs,
}

impl BlockSource for Node {
    fn block(&self, _number: u64) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>> {
        match self {
            Self::Says(block) => Box::pin(std::future::ready(Ok(block.as_deref().cloned()))),
            Self::Hangs => Box::pin(std::future::pending()),
        }
    }

    fn block_at(&self, number: u64, _hash: B256) -> BoxFuture<'_, Result<Option<IncludedBlock>, SourceError>> {
        self.block(number)
    }
}

#[tokio::test]
async fn nothing_is_decided_before_the_block_is_there() {
    let soon = Duration::from_millis(50);
    let watch = watch(&[FIRST]);
    assert_eq!(watch_inclusion(&Node::Says(None), &watch, soon).await.unwrap(), None);
    let there = Node::Says(Some(Box::new(scene().ours(FIRST, true).block)));
    assert_eq!(watch_inclusion(&there, &watch, soon).await.unwrap().unwrap().name(), "landed");
    let error = watch_inclusion(&Node::Hangs, &watch, soon).await.unwrap_err();
    assert!(matches!(error, SourceError::Timeout { number: 8, .. }));
}
