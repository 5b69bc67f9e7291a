//! How changes become a generation.

use super::*;
use crate::fork::roll::{Changes, NewValue, apply};
use alloy::primitives::keccak256;

const A: Address = addr(0x11);
const B: Address = addr(0x22);

fn new(facet: Facet, new: u64) -> NewValue {
    NewValue { facet, old: None, new: U256::from(new) }
}

#[test]
fn only_what_is_different_is_in_the_diff() {
    let world = World::default().account(A, &[op::STOP], 5, 1).slot(A, 1, 10).slot(A, 2, 20);
    let code_hash = world.0.value(&Facet::Code(A)).unwrap();
    let values = vec![
        new(Facet::Slot(A, U256::from(1)), 10),
        new(Facet::Slot(A, U256::from(2)), 0),
        new(Facet::Balance(A), 6),
        new(Facet::Nonce(A), 1),
        NewValue { facet: Facet::Code(A), old: None, new: code_hash },
    ];
    let (store, diff) = apply(&world.0, &Changes { values, ..Changes::default() });
    let mut changed = diff.iter().map(|change| (change.facet, change.old, change.new)).collect::<Vec<_>>();
    changed.sort();
    assert_eq!(changed, vec![(Facet::Slot(A, U256::from(2)), U256::from(20), U256::ZERO), (Facet::Balance(A), U256::from(5), U256::from(6))]);
    assert_eq!(store.value(&Facet::Balance(A)), Some(U256::from(6)));
    assert_eq!(store.value(&Facet::Code(A)), Some(code_hash));
    assert!(store.account(&A).unwrap().code.is_some());
    // The parent has not moved.
    assert_eq!(world.0.value(&Facet::Slot(A, U256::from(2))), Some(U256::from(20)));
}

#[test]
fn new_code_comes_with_its_bytes() {
    let world = World::default().account(A, &[], 5, 1);
    let bytes = Bytes::from_static(&[op::PUSH0, op::STOP]);
    let hash = keccak256(&bytes);
    let values = vec![NewValue { facet: Facet::Code(A), old: None, new: hash.into() }];
    let (store, _) = apply(&world.0, &Changes { values: values.clone(), code: [(hash, bytes.clone())].into_iter().collect(), ..Changes::default() });
    assert_eq!(store.account(&A).unwrap().code.as_ref().unwrap().original_bytes(), bytes);
    // Without them the hash is named when, and only when, the code is run.
    let (store, _) = apply(&world.0, &Changes { values, ..Changes::default() });
    let view = World(store).account(Address::ZERO, &[], 0, 0).account(addr(0xfe), &[], 0, 0).view();
    assert!(matches!(view.call(&block(), &Call::new(A, Bytes::new())), Err(ForkError::MissingCode(missing)) if missing == hash));
    assert_eq!(view.account(A).unwrap().code_hash, hash);
}

#[test]
fn a_complete_diff_speaks_of_what_is_not_stored() {
    let world = World::default().account(A, &[], 5, 1);
    let facet = Facet::Slot(B, U256::from(9));
    let values = vec![
        NewValue { facet, old: Some(U256::from(1)), new: U256::from(2) },
        NewValue { facet: Facet::Balance(B), old: Some(U256::from(1)), new: U256::from(2) },
    ];
    let (store, diff) = apply(&world.0, &Changes { values, ..Changes::default() });
    assert_eq!(diff.len(), 2);
    // Nobody asked for it: it stays a miss, and the store does not grow with every block.
    assert_eq!((store.account_count(), store.slot_count()), (1, 0));
}

#[test]
fn retaining_keeps_what_is_live() {
    let world = World::default().account(A, &[op::STOP], 5, 1).account(B, &[op::INVALID], 0, 1).slot(A, 1, 10).slot(A, 2, 20);
    let mut live = ReadSet::default();
    live.insert(Facet::Slot(A, U256::from(2)));
    live.insert(Facet::Code(A));
    let kept = world.0.retain(&|facet: &Facet| live.contains(facet));
    assert_eq!((kept.account_count(), kept.slot_count()), (1, 1));
    assert_eq!(kept.value(&Facet::Slot(A, U256::from(1))), None);
    assert!(kept.code(&keccak256([op::STOP])).is_some() && kept.code(&keccak256([op::INVALID])).is_none());
}

#[test]
fn hashes_of_blocks() {
    let history = alloy::primitives::address!("0000F90827F1C53a10cb7A02335B175320002935");
    let mut world = World::default();
    world.0.insert_slot(history, U256::from(998), U256::from(0xabc));
    let generation = world.view().generation().clone();
    assert_eq!(generation.block_hash(1000, false).unwrap(), head().hash);
    assert_eq!(generation.block_hash(999, false).unwrap(), head().parent_hash);
    assert_eq!(generation.block_hash(998, false).unwrap(), B256::from(U256::from(0xabc)));
    assert_eq!(generation.block_hash(1001, false).unwrap(), B256::ZERO);
    assert!(matches!(generation.block_hash(997, false), Err(ForkError::NotStored { .. })));
}

#[test]
fn malformed_code_is_a_failure_of_those_who_run_it_only() {
    let world = World::default().account(A, &[], 5, 1).slot(B, 1, 1);
    let bytes = Bytes::from_static(&[0xef, 0x01, 0x00, 0x07]);
    let hash = keccak256(&bytes);
    let values = vec![NewValue { facet: Facet::Code(A), old: None, new: hash.into() }, new(Facet::Slot(B, U256::from(1)), 2)];
    let (store, diff) = apply(&world.0, &Changes { values, code: [(hash, bytes)].into_iter().collect(), ..Changes::default() });
    assert_eq!((diff.len(), store.value(&Facet::Slot(B, U256::from(1)))), (2, Some(U256::from(2))));
    let view = World(store).account(Address::ZERO, &[], 0, 0).account(addr(0xfe), &[], 0, 0).view();
    assert_eq!(view.account(A).unwrap().code_hash, hash);
    assert!(matches!(view.call(&block(), &Call::new(A, Bytes::new())), Err(ForkError::MissingCode(missing)) if missing == hash));
}

#[test]
fn a_head_that_names_no_parent_hides_no_hash_that_is_given() {
    let mut store = World::default().0;
    store.insert_block_hash(999, B256::repeat_byte(0x99));
    let generation = Generation::new(Head { parent_hash: B256::ZERO, ..head() }, store, None);
    assert_eq!(generation.block_hash(999, false).unwrap(), B256::repeat_byte(0x99));
    let nameless = Generation::new(Head { parent_hash: B256::ZERO, ..head() }, World::default().0, None);
    assert!(matches!(nameless.block_hash(999, false), Err(ForkError::NotStored { .. })));
}
