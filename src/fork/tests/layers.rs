//! Layers: what is on top wins, and nothing below is read that a layer has cleared.

use super::*;

const STORE: Address = addr(0x11);

/// `SSTORE(calldata[0], calldata[1])`.
const WRITER: &[u8] = &[op::PUSH1, 32, op::CALLDATALOAD, op::PUSH0, op::CALLDATALOAD, op::SSTORE, op::STOP];

fn write(slot: u64, value: u64) -> Vec<u8> {
    [U256::from(slot).to_be_bytes::<32>(), U256::from(value).to_be_bytes::<32>()].concat()
}

fn world() -> World {
    World::default()
        .account(STORE, WRITER, 0, 1)
        .account(alice().address(), &[], 1_000_000_000, 0)
        .account(addr(0xfe), &[], 1, 0)
        .slot(STORE, 1, 10)
        .slot(STORE, 2, 20)
        .slot(STORE, 5, 0)
}

fn slot(view: &View, slot: u64) -> U256 {
    view.storage(STORE, U256::from(slot), &mut ReadSet::default()).unwrap()
}

#[test]
fn the_newest_layer_wins_and_the_view_below_stays() {
    let view = world().view();
    let first = view.execute(&block(), &[signed(0, TxKind::Call(STORE), 0, write(1, 11))]).unwrap();
    let on_top = view.with_layer(first.layer);
    let second = on_top.execute(&block(), &[signed(1, TxKind::Call(STORE), 0, write(2, 21)), signed(2, TxKind::Call(STORE), 0, write(1, 0))]).unwrap();
    let both = on_top.with_layer(second.layer.clone());
    assert_eq!((slot(&view, 1), slot(&view, 2)), (U256::from(10), U256::from(20)));
    assert_eq!((slot(&on_top, 1), slot(&on_top, 2)), (U256::from(11), U256::from(20)));
    assert_eq!((slot(&both, 1), slot(&both, 2)), (U256::ZERO, U256::from(21)));
    let diff = on_top.diff(&second.layer).unwrap();
    let changed = |facet| diff.iter().find(|change| change.facet == facet).map(|change| (change.old, change.new));
    assert_eq!(changed(Facet::Slot(STORE, U256::from(1))), Some((U256::from(11), U256::ZERO)));
    assert_eq!(changed(Facet::Slot(STORE, U256::from(2))), Some((U256::from(20), U256::from(21))));
    assert_eq!(changed(Facet::Nonce(alice().address())), Some((U256::from(1), U256::from(3))));
    assert_eq!(changed(Facet::Code(STORE)), None);
}

#[test]
fn two_layers_equal_one_run() {
    let view = world().view();
    let txs = [signed(0, TxKind::Call(STORE), 0, write(1, 11)), signed(1, TxKind::Call(STORE), 0, write(1, 0)), signed(2, TxKind::Call(STORE), 0, write(5, 1))];
    let at_once = view.execute(&block(), &txs).unwrap();
    let mut layered = view.clone();
    let mut outcomes = Vec::new();
    for tx in &txs {
        let execution = layered.execute(&block(), std::slice::from_ref(tx)).unwrap();
        outcomes.extend(execution.txs);
        layered = layered.with_layer(execution.layer);
    }
    assert_eq!(outcomes, at_once.txs);
    let flat = view.with_layer(at_once.layer.clone());
    for change in view.diff(&at_once.layer).unwrap().iter() {
        assert_eq!(layered.facet(&change.facet).unwrap(), flat.facet(&change.facet).unwrap());
    }
}

#[test]
fn a_patch_changes_only_what_it_names() {
    let view = world().view();
    let patched = view.with_layer(Arc::new(Layer::patch(STORE, None, Some(U256::from(5)), &[(U256::from(2), U256::from(99))])));
    assert_eq!((slot(&patched, 1), slot(&patched, 2)), (U256::from(10), U256::from(99)));
    assert_eq!(patched.code(STORE).unwrap(), Bytes::from_static(WRITER));
    assert_eq!(patched.account(STORE).unwrap(), AccountState { balance: U256::from(5), ..view.account(STORE).unwrap() });
    let probe = code(&[&[op::PUSH1, 7, op::SLOAD], RETURN_TOP]);
    let injected = view.with_layer(Arc::new(Layer::patch(addr(0x77), Some(probe.into()), Some(U256::ZERO), &[(U256::from(7), U256::from(42))])));
    // The account is on no chain and there is no node: its nonce is a miss.
    assert!(matches!(injected.call(&block(), &Call::new(addr(0x77), Bytes::new())), Err(ForkError::NotStored { .. })));
    let injected = world().account(addr(0x77), &[], 0, 0).view().with_layer(Arc::new(Layer::patch(
        addr(0x77),
        Some(code(&[&[op::PUSH1, 7, op::SLOAD], RETURN_TOP]).into()),
        None,
        &[(U256::from(7), U256::from(42))],
    )));
    assert_eq!(injected.call(&block(), &Call::new(addr(0x77), Bytes::new())).unwrap().output, Bytes::from(U256::from(42).to_be_bytes::<32>()));
}

#[test]
fn a_created_account_is_never_asked_below() {
    let view = world().account(alice().address().create(0), &[], 0, 0).view();
    // Init code that writes slot 1 and leaves code that returns slots 1 and 2.
    let runtime = code(&[&[op::PUSH1, 2, op::SLOAD, op::PUSH1, 1, op::SLOAD, op::ADD], RETURN_TOP]);
    let size = u8::try_from(runtime.len()).unwrap();
    let start = [op::PUSH1, 8, op::PUSH1, 1, op::SSTORE, op::PUSH1, size, op::PUSH1, 17, op::PUSH0, op::CODECOPY, op::PUSH1, size, op::PUSH0, op::RETURN];
    let init = code(&[&start, &[op::STOP; 2], &runtime]);
    let execution = view.execute(&block(), &[signed(0, TxKind::Create, 0, init)]).unwrap();
    assert_eq!(execution.txs[0].status, TxStatus::Success);
    let created = alice().address().create(0);
    let after = view.with_layer(execution.layer);
    let outcome = after.call(&block(), &Call::new(created, Bytes::new())).unwrap();
    assert_eq!(U256::from_be_slice(&outcome.output), U256::from(8));
    assert_eq!(view.generation().misses(), 0);
}

#[test]
fn destroyed_in_the_transaction_that_created_it() {
    let place = alice().address().create(0);
    let heir = addr(0x66);
    let view = world().account(place, &[], 0, 0).account(heir, &[], 1, 0).view();
    let init = code(&[&[op::PUSH1, 8, op::PUSH1, 1, op::SSTORE], &push(heir), &[op::SELFDESTRUCT]]);
    let txs = [signed(0, TxKind::Create, 30, init), signed(1, TxKind::Call(place), 4, vec![])];
    let execution = view.execute(&block(), &txs[..1]).unwrap();
    let after = view.with_layer(execution.layer);
    assert_eq!(after.account(place).unwrap(), AccountState::default());
    assert_eq!(after.storage(place, U256::ONE, &mut ReadSet::default()).unwrap(), U256::ZERO);
    assert_eq!(after.account(heir).unwrap().balance, U256::from(31));
    // Paid again by a later transaction of the same run: it has that money and nothing of before.
    let execution = view.execute(&block(), &txs).unwrap();
    let after = view.with_layer(execution.layer);
    assert_eq!(after.account(place).unwrap(), AccountState { balance: U256::from(4), ..AccountState::default() });
    assert_eq!(after.storage(place, U256::ONE, &mut ReadSet::default()).unwrap(), U256::ZERO);
}

#[test]
fn delegations_set_and_cleared() {
    let authority = PrivateKeySigner::from_bytes(&B256::repeat_byte(2)).unwrap();
    let view = world().account(authority.address(), &[], 0, 0).account(addr(0x99), &[], 0, 0).account(Address::ZERO, &[], 0, 0).view();
    let set = view.execute(&block(), &[delegating(0, &authority, 0, STORE)]).unwrap();
    assert_eq!(set.txs[0].status, TxStatus::Success);
    let delegated = view.with_layer(set.layer);
    assert_eq!(delegated.code(authority.address()).unwrap(), Bytes::from(code(&[&[0xef, 0x01, 0x00], STORE.as_slice()])));
    let cleared = delegated.execute(&block(), &[delegating(1, &authority, 1, Address::ZERO)]).unwrap();
    let after = delegated.with_layer(cleared.layer.clone());
    assert_eq!(after.account(authority.address()).unwrap(), AccountState { nonce: 2, ..AccountState::default() });
    assert!(delegated.diff(&cleared.layer).unwrap().iter().any(|change| change.facet == Facet::Code(authority.address())));
}

#[test]
fn what_no_block_could_contain() {
    let view = world().view();
    let run = |txs: &[SimTx]| view.execute(&block(), txs);
    assert!(matches!(run(&[signed(1, TxKind::Call(STORE), 0, write(1, 2))]), Err(ForkError::InvalidTransaction { index: 0, .. })));
    assert!(matches!(
        run(&[signed(0, TxKind::Call(STORE), 0, write(1, 2)), signed(0, TxKind::Call(STORE), 0, write(1, 2))]),
        Err(ForkError::InvalidTransaction { index: 1, .. })
    ));
    assert!(matches!(run(&[signed(0, TxKind::Call(STORE), 2_000_000_000, write(1, 2))]), Err(ForkError::InvalidTransaction { index: 0, .. })));
    let expensive = TargetBlock { base_fee: 1001, ..block() };
    assert!(matches!(view.execute(&expensive, &[signed(0, TxKind::Call(STORE), 0, write(1, 2))]), Err(ForkError::InvalidTransaction { index: 0, .. })));
    let full = TargetBlock { gas_limit: 510_000, ..block() };
    let two = [signed(0, TxKind::Call(STORE), 0, write(1, 2)), signed(1, TxKind::Call(STORE), 0, write(1, 3))];
    assert!(matches!(view.execute(&full, &two), Err(ForkError::InvalidTransaction { index: 1, .. })));
    let elsewhere = TargetBlock { chain_id: 1, ..block() };
    assert!(matches!(view.execute(&elsewhere, &two), Err(ForkError::InvalidTransaction { index: 0, .. })));
    assert!(run(&two).is_ok());
}
