//! Traces as nodes write them, and as they must not: what is read out of them.

use super::{
    Changes, TxChanges, apply,
    check::{SYSTEM, replace, samples, system_slots},
    questions::{Body, Reading as FacetReading, TxTrace},
    trace::{Reading, read},
};
use crate::fork::{
    Facet, ForkError, StateDiff,
    store::Store,
    tests::{World, addr, head},
};
use alloy::primitives::{Address, KECCAK256_EMPTY, U256, keccak256};
use serde_json::{Value, json};

const A: Address = addr(0xa1);
const B: Address = addr(0xb2);
/// A delegation to some account.
const DELEGATED: &str = "0xef01000101010101010101010101010101010101010101";

/// A block of head's with one transaction a frame, each to B with a selector, and what the tracer says.
fn traced(known: &Store, frames: &[Value], withdrawals: &Value) -> Result<Reading, ForkError> {
    let hash = |index: usize| keccak256([u8::try_from(index).unwrap()]);
    let txs = (0..frames.len()).map(|index| json!({ "hash": hash(index), "to": B, "input": "0x0102030405", "nonce": "0x0" })).collect::<Vec<_>>();
    let body = json!({ "hash": head().hash, "number": "0x1", "transactions": txs, "withdrawals": withdrawals });
    let traces = frames.iter().enumerate().map(|(index, frame)| json!({ "txHash": hash(index), "result": frame })).collect::<Vec<_>>();
    read_raw(known, body, json!(traces))
}

fn read_raw(known: &Store, body: Value, traces: Value) -> Result<Reading, ForkError> {
    let body: Body = serde_json::from_value(body).unwrap();
    let traces: Vec<TxTrace> = serde_json::from_value(traces).unwrap();
    read(known, &body, &traces, &head())
}

fn rolled(known: &Store, changes: &Changes) -> (Store, StateDiff) {
    apply(known, changes)
}

fn slot(address: Address, slot: u64) -> Facet {
    Facet::Slot(address, U256::from(slot))
}

fn value(store: &Store, facet: &Facet) -> u64 {
    store.value(facet).unwrap().to()
}

#[test]
fn a_slot_that_is_gone_from_post_is_zero() {
    let world = World::default().account(A, &[0], 5, 1).slot(A, 1, 10).slot(A, 2, 20).slot(A, 3, 30);
    let storage = |values: &[(&str, &str)]| {
        values.iter().map(|(slot, value)| (format!("0x{slot:0>64}"), json!(format!("0x{value:0>64}")))).collect::<serde_json::Map<_, _>>()
    };
    let frame = json!({
        "pre": { A.to_string(): { "balance": "0x5", "nonce": 1, "code": "0x00", "storage": storage(&[("1", "a"), ("2", "14")]) } },
        "post": { A.to_string(): { "storage": storage(&[("2", "15"), ("4", "1")]) } },
    });
    let reading = traced(&world.0, &[frame], &Value::Null).unwrap();
    let (store, diff) = rolled(&world.0, &reading.changes);
    assert_eq!([1, 2, 3].map(|place| value(&store, &slot(A, place))), [0, 21, 30]);
    // What nobody knew is in the diff and not in the store.
    assert_eq!((diff.len(), store.slot_count()), (3, 3));
    let TxChanges { to, selector, facets } = &reading.changes.txs[0];
    assert_eq!((*to, selector.map(|selector| selector.0), facets.len()), (Some(B), Some([1, 2, 3, 4]), 3));
}

#[test]
fn only_the_fields_that_changed_are_in_post() {
    let world = World::default().account(A, &[0x5b, 0], 5, 1).account(B, &[], 0, 0);
    let frames = [
        json!({ "pre": { A.to_string(): { "balance": "0x5", "nonce": 1, "code": "0x5b00" } }, "post": { A.to_string(): { "balance": "0x3" }, B.to_string(): { "balance": "0x2" } } }),
        json!({ "pre": { A.to_string(): { "balance": "0x3", "nonce": 1, "code": "0x5b00" }, B.to_string(): { "balance": "0x2" } },
                "post": { A.to_string(): { "nonce": "0x7" }, B.to_string(): { "balance": "0x0", "nonce": 1, "code": "0x6001" } } }),
    ];
    let reading = traced(&world.0, &frames, &Value::Null).unwrap();
    assert!(reading.doubts.is_empty());
    let (store, diff) = rolled(&world.0, &reading.changes);
    assert_eq!((value(&store, &Facet::Balance(A)), value(&store, &Facet::Nonce(A))), (3, 7));
    assert_eq!(store.value(&Facet::Code(A)), world.0.value(&Facet::Code(A)));
    // It got money and gave it away again: no change; but code stands there now, with its bytes.
    assert_eq!((value(&store, &Facet::Balance(B)), value(&store, &Facet::Nonce(B))), (0, 1));
    assert_eq!(store.account(&B).unwrap().code.as_ref().unwrap().original_bytes().as_ref(), [0x60, 0x01]);
    assert_eq!(diff.len(), 4);
    assert_eq!(reading.changes.txs.iter().map(|tx| tx.facets.len()).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn what_is_known_of_an_account_that_vanished_is_read_again() {
    let world = World::default().account(A, &[0], 5, 1).slot(A, 1, 10).slot(A, 2, 20).slot(B, 1, 1);
    let word = |value: u64| format!("0x{value:064x}");
    let frames = [
        json!({ "pre": { A.to_string(): { "balance": "0x5", "nonce": 1, "code": "0x00", "storage": { word(2): word(20) } } },
                "post": { A.to_string(): { "storage": { word(2): word(21), word(3): word(1) } } } }),
        json!({ "pre": { A.to_string(): { "balance": "0x5", "nonce": 1, "code": "0x00" } }, "post": {} }),
    ];
    let reading = traced(&world.0, &frames, &Value::Null).unwrap();
    let mut known = vec![Facet::Balance(A), Facet::Nonce(A), Facet::Code(A), slot(A, 1), slot(A, 2)];
    known.sort_unstable();
    assert_eq!(reading.unknowable(&world.0), known);
    assert!(reading.changes.txs[1].facets.contains(&Facet::Code(A)));
    let read = |values: [U256; 5]| {
        let mut changes = reading.changes.clone();
        let code = |facet: &Facet, value: U256| (*facet == Facet::Code(A) && value == U256::from_be_bytes(keccak256([0]).0)).then(|| vec![0].into());
        replace(&mut changes, &known, known.iter().zip(values).map(|(facet, value)| FacetReading { value, code: code(facet, value) }));
        rolled(&world.0, &changes)
    };
    let values = |of: fn(&Facet) -> U256| known.iter().map(of).collect::<Vec<_>>().try_into().unwrap();
    // It was deleted.
    let (store, diff) = read(values(|facet| if matches!(facet, Facet::Code(_)) { KECCAK256_EMPTY.into() } else { U256::ZERO }));
    assert!(store.account(&A).unwrap().is_empty());
    assert_eq!([value(&store, &slot(A, 1)), value(&store, &slot(A, 2))], [0, 0]);
    assert!(known.iter().all(|facet| diff.iter().any(|change| change.facet == *facet)));
    // It gave its money away and survived, with all its slots: what nodes tell alike.
    let (store, diff) = read(values(|facet| match facet {
        Facet::Balance(_) => U256::ZERO,
        Facet::Nonce(_) => U256::ONE,
        Facet::Code(_) => keccak256([0]).into(),
        slot_of_a => U256::from(if *slot_of_a == slot(A, 1) { 10 } else { 21 }),
    }));
    assert_eq!((value(&store, &Facet::Balance(A)), value(&store, &slot(A, 1)), value(&store, &slot(A, 2))), (0, 10, 21));
    assert_eq!(store.account(&A).unwrap().code.as_ref().unwrap().original_bytes().as_ref(), [0]);
    assert!(!diff.iter().any(|change| change.facet == slot(A, 1) || change.facet == Facet::Code(A)));
}

#[test]
fn a_trace_may_go_on_with_an_account_that_vanished() {
    // It survived with its slots, or was made again: either way what comes later begins with what nobody here can know.
    let world = World::default().account(A, &[0], 5, 1).slot(A, 1, 10);
    let word = |value: u64| format!("0x{value:064x}");
    let gone = json!({ "pre": { A.to_string(): { "balance": "0x5", "nonce": 1, "code": "0x00" } }, "post": {} });
    let survived = json!({ "pre": { A.to_string(): { "balance": "0x0", "nonce": 1, "code": "0x00", "storage": { word(1): word(10) } } },
                           "post": { A.to_string(): { "storage": { word(1): word(11) } } } });
    let again = json!({ "pre": {}, "post": { A.to_string(): { "balance": "0x9", "nonce": 1, "code": "0x5b", "storage": { word(1): word(4) } } } });
    for (later, expected) in [(survived, 11), (again, 4)] {
        let reading = traced(&world.0, &[gone.clone(), later], &Value::Null).unwrap();
        assert_eq!(value(&rolled(&world.0, &reading.changes).0, &slot(A, 1)), expected);
        assert!(reading.unknowable(&world.0).contains(&slot(A, 1)), "and it is read again all the same");
    }
}

#[test]
fn a_delegation_that_nothing_is_said_of_is_doubted() {
    let code = alloy::primitives::hex::decode(DELEGATED).unwrap();
    let world = World::default().account(A, &code, 5, 1);
    let pre = |nonce: u64, code: &str| json!({ A.to_string(): { "balance": "0x5", "nonce": nonce, "code": code } });
    let silent = json!({ "pre": pre(1, DELEGATED), "post": { A.to_string(): { "nonce": 2 } } });
    let reading = traced(&world.0, std::slice::from_ref(&silent), &Value::Null).unwrap();
    assert_eq!(reading.doubts.iter().map(|doubt| (doubt.tx, doubt.address, doubt.before)).collect::<Vec<_>>(), [(0, A, keccak256(&code))]);
    // What the account was before a later transaction settles it: cleared, then set again.
    let again = json!({ "pre": { A.to_string(): { "balance": "0x5", "nonce": 2 } }, "post": { A.to_string(): { "nonce": 3, "code": DELEGATED } } });
    let reading = traced(&world.0, &[silent, again], &Value::Null).unwrap();
    assert!(reading.doubts.is_empty() && reading.changes.txs.iter().all(|tx| tx.facets.contains(&Facet::Code(A))));
    assert_eq!(rolled(&world.0, &reading.changes).0.value(&Facet::Code(A)), Some(keccak256(&code).into()));
    // A node that says it: empty code.
    let told = json!({ "pre": pre(1, DELEGATED), "post": { A.to_string(): { "nonce": 2, "code": "0x" } } });
    let reading = traced(&world.0, &[told], &Value::Null).unwrap();
    assert!(reading.doubts.is_empty());
    assert_eq!(rolled(&world.0, &reading.changes).0.value(&Facet::Code(A)), Some(KECCAK256_EMPTY.into()));
}

#[test]
fn withdrawals_come_out_of_the_body() {
    let world = World::default().account(A, &[], 5, 1).account(B, &[], 7, 0);
    let frame = json!({ "pre": { B.to_string(): { "balance": "0x7" } }, "post": { B.to_string(): { "balance": "0x9" } } });
    let to = |address: Address, gwei: &str| json!({ "index": "0x1", "validatorIndex": "0x2", "address": address, "amount": gwei });
    let withdrawals = json!([to(A, "0x1"), to(B, "0x2"), to(A, "0x3"), to(addr(0xcc), "0x9")]);
    let reading = traced(&world.0, &[frame], &withdrawals).unwrap();
    let (store, diff) = rolled(&world.0, &reading.changes);
    assert_eq!((value(&store, &Facet::Balance(A)), value(&store, &Facet::Balance(B))), (4_000_000_005, 2_000_000_009));
    assert_eq!(diff.len(), 2);
    // An empty block with withdrawals, and one from before there were any.
    assert_eq!(traced(&world.0, &[], &json!([to(A, "0x1")])).unwrap().changes.values.len(), 1);
    assert!(traced(&world.0, &[], &Value::Null).unwrap().changes.values.is_empty());
}

#[test]
fn what_the_chain_writes_itself_is_not_believed() {
    let [beacon, _, requests, _] = SYSTEM;
    let world = World::default().slot(beacon, 3, 4).slot(requests, 1, 5).slot(A, 1, 1);
    let mut slots = system_slots(&world.0);
    slots.sort_unstable();
    let mut expected = vec![slot(beacon, 3), slot(requests, 1)];
    expected.sort_unstable();
    assert_eq!(slots, expected);
    let word = |value: u64| format!("0x{value:064x}");
    // The transaction's view of the queue begins where the last block's end call left it, whatever we know; and an unknown slot of it
    // may be written again after the last transaction.
    let frame = json!({ "pre": { requests.to_string(): { "balance": "0x0", "storage": { word(1): word(6) } } },
                        "post": { requests.to_string(): { "storage": { word(1): word(7), word(8): word(1) } } } });
    let reading = traced(&world.0, &[frame], &Value::Null).unwrap();
    assert_eq!(reading.changes.values.iter().map(|value| value.facet).collect::<Vec<_>>(), [slot(requests, 1)]);
    assert_eq!(reading.changes.txs[0].facets.len(), 2);
}

#[test]
fn a_trace_that_begins_elsewhere_is_refused() {
    let world = World::default().account(A, &[], 6, 1).slot(B, 1, 10);
    let word = |value: u64| format!("0x{value:064x}");
    let balance = json!({ "pre": { A.to_string(): { "balance": "0x5" } }, "post": { A.to_string(): { "balance": "0x7" } } });
    let storage = json!({ "pre": { B.to_string(): { "balance": "0x0" } }, "post": { B.to_string(): { "storage": { word(1): word(3) } } } });
    for frame in [balance, storage] {
        let error = traced(&world.0, &[frame], &Value::Null).unwrap_err();
        assert!(matches!(&error, ForkError::Roll { reason, .. } if reason.contains("begins with")), "{error}");
    }
    let first = json!({ "pre": { A.to_string(): { "balance": "0x6" } }, "post": { A.to_string(): { "balance": "0x7" } } });
    assert!(traced(&world.0, std::slice::from_ref(&first), &Value::Null).is_ok());
    // It must also agree with itself.
    assert!(traced(&world.0, &[first.clone(), first], &Value::Null).is_err());
}

#[test]
fn malformed_answers_are_errors() {
    let known = Store::default();
    let tx = |byte: u8| json!({ "hash": keccak256([byte]), "to": null, "input": "0x01" });
    let body = |hash| json!({ "hash": hash, "transactions": [tx(0)], "withdrawals": [] });
    let frame = json!({ "pre": {}, "post": {} });
    let ours = head().hash;
    let good = read_raw(&known, body(ours), json!([{ "result": frame }])).unwrap();
    assert_eq!(good.changes.txs, [TxChanges { to: None, selector: None, facets: vec![] }]);
    for (body, traces) in [
        (body(keccak256([9])), json!([{ "result": frame }])),
        (body(ours), json!([])),
        (body(ours), json!([{ "result": frame }, { "result": frame }])),
        (body(ours), json!([{ "txHash": keccak256([1]), "result": frame }])),
        (body(ours), json!([{ "error": "execution timeout" }])),
        (body(ours), json!([{ "result": frame, "error": "execution timeout" }])),
        (body(ours), json!([{}])),
    ] {
        assert!(matches!(read_raw(&known, body, traces), Err(ForkError::Roll { way: "trace", .. })));
    }
    // Of another shape altogether.
    for traces in
        [json!([{ "result": { "pre": {} } }]), json!([{ "result": { "pre": {}, "post": { A.to_string(): { "balance": "lots" } } } }]), json!({}), json!([3])]
    {
        assert!(serde_json::from_value::<Vec<TxTrace>>(traces).is_err());
    }
}

#[test]
fn samples_are_few_known_and_near() {
    let world = (1..=100).fold(World::default().account(A, &[0], 5, 1).account(head().fee_recipient, &[], 1, 0), |world, place| world.slot(A, place, place));
    let word = |value: u64| format!("0x{value:064x}");
    let pre = (1..=100).map(|place| (word(place), json!(word(place)))).collect::<serde_json::Map<_, _>>();
    let frame = json!({ "pre": { A.to_string(): { "balance": "0x5", "nonce": 1, "code": "0x00", "storage": pre } }, "post": { A.to_string(): {}, B.to_string(): { "balance": "0x1" } } });
    let changes = traced(&world.0, &[frame], &Value::Null).unwrap().changes;
    let mut seen = std::collections::BTreeSet::new();
    for byte in 0..=255_u8 {
        let head = crate::chain::Head { hash: keccak256([byte]), ..head() };
        let chosen = samples(&world.0, &changes, &head);
        assert!(chosen.len() <= 9 && chosen.contains(&Facet::Balance(head.fee_recipient)) && chosen.iter().all(|facet| world.0.value(facet).is_some()));
        assert_eq!(chosen, samples(&world.0, &changes, &head));
        seen.extend(chosen);
    }
    // In time all of them: 100 slots, and balance, nonce and code of the account though the trace says nothing of them.
    assert_eq!(seen.len(), 104);
}
