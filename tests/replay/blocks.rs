//! All blocks: header, receipts, and every account and slot against the independent run.

use crate::{blocks, plain, raw, recorded};
use alloy::primitives::{Address, KECCAK256_EMPTY, U256, map::HashMap};
use harrier::fork::{Facet, ForkError, StateDiff, TxStatus, View};

fn values(diff: &StateDiff) -> HashMap<Facet, (U256, U256)> {
    diff.iter().map(|change| (change.facet, (change.old, change.new))).collect()
}

#[test]
fn header_receipts_and_every_change() {
    for recorded_block in blocks() {
        let block = &recorded_block.block;
        let number = block.target.number;
        let view = View::new(recorded_block.generation.clone());
        let execution = view.execute_block(block).unwrap_or_else(|error| panic!("block {number}: {error}"));
        execution.check(block).unwrap();

        let raw = raw(number);
        let receipts = raw["receipts"].as_array().unwrap();
        assert_eq!(receipts.len(), execution.txs.len());
        for (receipt, tx) in receipts.iter().zip(&execution.txs) {
            let outcome = &tx.outcome;
            assert_eq!(receipt["gasUsed"].as_u64(), Some(outcome.gas_used), "block {number}, {receipt}");
            assert_eq!(receipt["status"].as_bool(), Some(outcome.status == TxStatus::Success));
            let logs = receipt["logs"].as_array().unwrap();
            assert_eq!(logs.len(), outcome.logs.len());
            for (log, ours) in logs.iter().zip(&outcome.logs) {
                assert_eq!(log["address"].as_str().unwrap().parse::<Address>().unwrap(), ours.address);
                assert_eq!(log["data"].as_str().unwrap().parse::<alloy::primitives::Bytes>().unwrap(), ours.data.data);
                let topics: Vec<_> =
                    log["topics"].as_array().unwrap().iter().map(|topic| topic.as_str().unwrap().parse::<alloy::primitives::B256>().unwrap()).collect();
                assert_eq!(topics, ours.topics());
            }
        }

        let (gas, world) = plain::run(&raw, recorded().unwrap().code());
        assert_eq!(gas, execution.txs.iter().map(|tx| tx.outcome.gas_used).collect::<Vec<_>>());
        let mut expected = HashMap::<Facet, (U256, U256)>::default();
        let mut note = |facet, old: U256, new: U256| {
            if old != new {
                expected.insert(facet, (old, new));
            }
        };
        for (address, now) in &world.now {
            let nothing = plain::Plain { code_hash: KECCAK256_EMPTY, ..plain::Plain::default() };
            let first = world.first.get(address).unwrap_or(&nothing);
            note(Facet::Balance(*address), first.balance, now.balance);
            note(Facet::Nonce(*address), U256::from(first.nonce), U256::from(now.nonce));
            note(Facet::Code(*address), first.code_hash.into(), now.code_hash.into());
            for slot in first.slots.keys().chain(now.slots.keys()) {
                let value = |account: &plain::Plain| account.slots.get(slot).copied().unwrap_or_default();
                note(Facet::Slot(*address, *slot), value(first), value(now));
            }
        }
        let ours = values(&execution.diff());
        assert!(!expected.is_empty());
        for (facet, change) in &expected {
            assert_eq!(ours.get(facet), Some(change), "block {number}: {facet:?}");
        }
        assert_eq!(ours.len(), expected.len(), "block {number}");
        assert_eq!(values(&view.diff(&execution.layer).unwrap()), expected, "block {number}: the layer");
    }
}

#[test]
fn any_beginning_of_a_block_is_the_state_that_the_next_transaction_saw() {
    for recorded_block in blocks().into_iter().filter(|recorded| recorded.block.txs.len() < 60) {
        let block = &recorded_block.block;
        let view = View::new(recorded_block.generation.clone());
        let whole = view.execute_block(block).unwrap();
        for place in 0..block.txs.len() {
            let before = view.with_layer(view.execute_before(block, place).unwrap().layer);
            for change in &whole.txs[place].changes {
                assert_eq!(before.facet(&change.facet).unwrap(), Some(change.old), "block {} before {place}: {:?}", block.target.number, change.facet);
            }
        }
    }
}

#[test]
fn code_is_missed_only_where_it_is_read() {
    let mut never_read = 0;
    for recorded_block in blocks() {
        let code = recorded().unwrap().code();
        let lacking: Vec<_> = recorded_block
            .state
            .accounts
            .iter()
            .filter_map(|(address, account)| Some((*address, account.code_hash?)))
            .filter(|(_, hash)| !code.contains_key(hash))
            .collect();
        let view = View::new(recorded_block.generation.clone());
        for (address, hash) in lacking {
            never_read += 1;
            assert!(matches!(view.code(address), Err(ForkError::MissingCode(missing)) if missing == hash));
        }
        view.execute_block(&recorded_block.block).unwrap();
    }
    assert!(recorded().is_none() || never_read == 3, "{never_read}");
    // Without the code of a contract that is called, the error names its hash.
    let Some(recorded_block) = blocks().pop() else { return };
    let parent = recorded_block.generation.head().clone();
    let bare = View::new(recorded_block.state.generation(parent, &alloy::primitives::map::B256Map::default()).unwrap());
    assert!(matches!(bare.execute_block(&recorded_block.block), Err(ForkError::MissingCode(_))));
}

#[test]
fn a_block_with_another_receipt_or_parent_is_refused() {
    let Some(mut recorded_block) = blocks().pop() else { return };
    let view = View::new(recorded_block.generation.clone());
    let execution = view.execute_block(&recorded_block.block).unwrap();
    let differs = |block: &harrier::fork::MinedBlock| execution.check(block).unwrap_err().to_string();
    let mut other = recorded_block.block.clone();
    other.claims.gas_used += 1;
    assert!(differs(&other).contains("gas used"));
    other = recorded_block.block.clone();
    other.claims.receipts_root.0[0] ^= 1;
    assert!(differs(&other).contains("receipts root"));
    other = recorded_block.block.clone();
    other.claims.logs_bloom.0[0] ^= 1;
    assert!(differs(&other).contains("logs bloom"));
    recorded_block.block.parent_hash.0[0] ^= 1;
    assert!(matches!(view.execute_block(&recorded_block.block), Err(ForkError::NotItsParent { .. })));
}
