//! Read sets: whatever can change a value is in the set it was read with.

use super::*;
use crate::fork::layer::LayerAccount;

const TARGET: Address = addr(0x11);
const OTHER: Address = addr(0x22);
const ABSENT: Address = addr(0x33);
const DELEGATED: Address = addr(0x44);
const LIBRARY: Address = addr(0x55);

/// Everything that the programs below could look at.
fn world(program: &[u8]) -> World {
    let library = code(&[&[op::PUSH1, 3, op::SLOAD], RETURN_TOP]);
    let delegation = code(&[&[0xef, 0x01, 0x00], LIBRARY.as_slice()]);
    World::default()
        .account(TARGET, program, 1000, 1)
        .account(OTHER, &library, 500, 1)
        .account(ABSENT, &[], 0, 0)
        .account(DELEGATED, &delegation, 70, 1)
        .account(LIBRARY, &library, 0, 1)
        .account(addr(0xfe), &[], 5, 0)
        .account(Address::ZERO, &[], 0, 0)
        .account(TARGET.create(1), &[], 0, 0)
        .slot(TARGET, 0, 10)
        .slot(TARGET, 1, 0)
        .slot(TARGET, 3, 30)
        .slot(OTHER, 3, 31)
        .slot(DELEGATED, 3, 32)
        .slot(LIBRARY, 3, 33)
}

/// The world with one facet changed.
fn mutated(view: &View, facet: Facet) -> View {
    let mut layer = Layer::default();
    let address = facet.address().unwrap();
    let mut change = LayerAccount::default();
    match facet {
        Facet::Slot(_, slot) => {
            let old = view.facet(&facet).unwrap().unwrap();
            change.slots.insert(slot, if old.is_zero() { U256::from(77) } else { U256::ZERO });
        }
        Facet::Balance(_) => {
            let old = view.facet(&facet).unwrap().unwrap();
            change.balance = Some(if old.is_zero() { U256::from(77) } else { U256::ZERO });
        }
        Facet::Nonce(_) => change.nonce = Some(view.account(address).unwrap().nonce + 1),
        Facet::Code(_) => {
            let other = if view.code(address).unwrap().is_empty() {
                Bytecode::new_raw(Bytes::from_static(&[op::PUSH0, op::PUSH0, op::REVERT]))
            } else {
                Bytecode::default()
            };
            change.code_hash = Some(if other.is_empty() { KECCAK256_EMPTY } else { other.hash_slow() });
            layer.code.insert(change.code_hash.unwrap(), other);
        }
        Facet::Env(_) => panic!("no account holds the block"),
    }
    layer.accounts.insert(address, change);
    view.with_layer(Arc::new(layer))
}

/// Runs a program; every facet of the world that changes its outcome, gas included, must be in the set it read, and the set
/// must name exactly `expected` besides the callee's code.
fn check(name: &str, program: &[u8], expected: &[Facet]) -> (CallOutcome, ReadSet) {
    let world = world(program);
    let view = world.view();
    let call = Call::new(TARGET, Bytes::new());
    let mut reads = ReadSet::default();
    let outcome = view.call_recorded(&block(), &call, &mut reads).unwrap();
    assert_eq!(outcome, view.call(&block(), &call).unwrap(), "{name}: recording changes nothing");
    for facet in world.0.facets() {
        // Asking for something that is not in this world is another outcome, too.
        let after = mutated(&view, facet).call(&block(), &call).ok();
        let mut diff = StateDiff::default();
        diff.record(Change { facet, old: U256::ZERO, new: U256::ONE });
        assert_eq!(reads.contains(&facet), reads.is_stale_after(&diff));
        assert!(after.as_ref() == Some(&outcome) || reads.contains(&facet), "{name}: {facet:?} changes the outcome unseen");
    }
    let mut wanted = expected.iter().copied().chain([Facet::Code(TARGET)]).collect::<Vec<_>>();
    let mut found = reads.iter().copied().collect::<Vec<_>>();
    wanted.sort();
    wanted.dedup();
    found.sort();
    assert_eq!(found, wanted, "{name}");
    (outcome, reads)
}

#[test]
fn slots_read_and_written() {
    check("sload", &code(&[&[op::PUSH0, op::SLOAD], RETURN_TOP]), &[Facet::Slot(TARGET, U256::ZERO)]);
    // The gas of a store depends on what was there.
    check("sstore", &[op::PUSH1, 9, op::PUSH1, 1, op::SSTORE, op::STOP], &[Facet::Slot(TARGET, U256::ONE)]);
}

#[test]
fn a_total_supply_that_is_a_balance() {
    let (outcome, reads) = check("selfbalance", &code(&[&[op::SELFBALANCE], RETURN_TOP]), &[Facet::Balance(TARGET)]);
    assert_eq!(U256::from_be_slice(&outcome.output), U256::from(1000));
    assert!(!reads.reads_environment());
    check("balance of this", &code(&[&[op::ADDRESS, op::BALANCE], RETURN_TOP]), &[Facet::Balance(TARGET)]);
    check("balance of another", &code(&[&push(OTHER), &[op::BALANCE], RETURN_TOP]), &[Facet::Balance(OTHER)]);
}

#[test]
fn code_of_others() {
    check("extcodesize", &code(&[&push(OTHER), &[op::EXTCODESIZE], RETURN_TOP]), &[Facet::Code(OTHER)]);
    check("extcodehash of a contract", &code(&[&push(OTHER), &[op::EXTCODEHASH], RETURN_TOP]), &[Facet::Code(OTHER)]);
    let copy = code(&[&[op::PUSH1, 32, op::PUSH0, op::PUSH0], &push(OTHER), &[op::EXTCODECOPY, op::PUSH0, op::MLOAD], RETURN_TOP]);
    check("extcodecopy", &copy, &[Facet::Code(OTHER)]);
}

#[test]
fn an_absent_account_is_a_facet() {
    let all = [Facet::Balance(ABSENT), Facet::Code(ABSENT), Facet::Nonce(ABSENT)];
    check("extcodehash of nothing", &code(&[&push(ABSENT), &[op::EXTCODEHASH], RETURN_TOP]), &all);
    check("balance of nothing", &code(&[&push(ABSENT), &[op::BALANCE], RETURN_TOP]), &[Facet::Balance(ABSENT)]);
    // Paying it would create it, which costs gas; and the payer has to have the money.
    let payment = code(&[&pay(&push(ABSENT), 5), RETURN_TOP]);
    check("payment to nothing", &payment, &[all.as_slice(), &[Facet::Balance(TARGET)]].concat());
    let payment = code(&[&pay(&push(OTHER), 5), RETURN_TOP]);
    check("payment to a contract", &payment, &[Facet::Code(OTHER), Facet::Balance(TARGET), Facet::Slot(OTHER, U256::from(3))]);
}

#[test]
fn calls_and_delegations() {
    let arguments: &[u8] = &[op::PUSH1, 32, op::PUSH0, op::PUSH0, op::PUSH0];
    let result: &[u8] = &[op::POP, op::PUSH0, op::MLOAD];
    let statically = code(&[arguments, &push(OTHER), &[op::GAS, op::STATICCALL], result, RETURN_TOP]);
    let (outcome, _) = check("staticcall", &statically, &[Facet::Code(OTHER), Facet::Slot(OTHER, U256::from(3))]);
    assert_eq!(U256::from_be_slice(&outcome.output), U256::from(31));
    let delegate = code(&[arguments, &push(LIBRARY), &[op::GAS, op::DELEGATECALL], result, RETURN_TOP]);
    let (outcome, _) = check("delegatecall", &delegate, &[Facet::Code(LIBRARY), Facet::Slot(TARGET, U256::from(3))]);
    assert_eq!(U256::from_be_slice(&outcome.output), U256::from(30));
    let to_delegated = code(&[arguments, &push(DELEGATED), &[op::GAS, op::STATICCALL], result, RETURN_TOP]);
    let expected = [Facet::Code(DELEGATED), Facet::Code(LIBRARY), Facet::Slot(DELEGATED, U256::from(3))];
    let (outcome, _) = check("call of a delegation", &to_delegated, &expected);
    assert_eq!(U256::from_be_slice(&outcome.output), U256::from(32));
}

#[test]
fn creating_reads_the_nonce_and_the_place() {
    let create = code(&[&[op::PUSH0, op::PUSH0, op::PUSH0, op::CREATE], RETURN_TOP]);
    let place = TARGET.create(1);
    let (outcome, _) = check("create", &create, &[Facet::Nonce(TARGET), Facet::Code(place), Facet::Nonce(place)]);
    assert_eq!(Address::from_word(B256::from_slice(&outcome.output)), place);
}

#[test]
fn a_revert_leaves_the_same_set() {
    let read_then_revert = [op::PUSH0, op::SLOAD, op::PUSH1, 1, op::SLOAD, op::PUSH0, op::PUSH0, op::REVERT];
    let (outcome, _) = check("revert", &read_then_revert, &[Facet::Slot(TARGET, U256::ZERO), Facet::Slot(TARGET, U256::ONE)]);
    assert!(!outcome.success);
    let (outcome, _) = check("halt", &[op::PUSH0, op::SLOAD, op::INVALID], &[Facet::Slot(TARGET, U256::ZERO)]);
    assert!(!outcome.success && outcome.gas_used == 10_000_000);
}

#[test]
fn a_second_read_is_in_a_fresh_set_too() {
    let view = world(&code(&[&[op::PUSH0, op::SLOAD], RETURN_TOP])).view();
    let (mut first, mut second) = (ReadSet::default(), ReadSet::default());
    view.call_recorded(&block(), &Call::new(TARGET, Bytes::new()), &mut first).unwrap();
    view.call_recorded(&block(), &Call::new(TARGET, Bytes::new()), &mut second).unwrap();
    assert_eq!(first, second);
}

#[test]
fn environment_words() {
    let words = [
        (op::TIMESTAMP, EnvWord::Timestamp),
        (op::NUMBER, EnvWord::Number),
        (op::BASEFEE, EnvWord::BaseFee),
        (op::GASPRICE, EnvWord::BaseFee),
        (op::GASLIMIT, EnvWord::GasLimit),
        (op::COINBASE, EnvWord::Coinbase),
        (op::DIFFICULTY, EnvWord::PrevRandao),
        (op::BLOBBASEFEE, EnvWord::BlobBaseFee),
    ];
    for (opcode, word) in words {
        let (_, reads) = check(&format!("{word:?}"), &code(&[&[opcode], RETURN_TOP]), &[Facet::Env(word)]);
        assert!(reads.reads_environment());
    }
    let recent = code(&[&[op::PUSH1, 1, op::NUMBER, op::SUB, op::BLOCKHASH], RETURN_TOP]);
    let (outcome, _) = check("blockhash", &recent, &[Facet::Env(EnvWord::Number), Facet::Env(EnvWord::BlockHash)]);
    assert_eq!(outcome.output, Bytes::from(head().hash));
}

#[test]
fn who_read_the_proposer() {
    let nosy = code(&[&[op::COINBASE, op::POP, op::DIFFICULTY, op::POP, op::STOP]]);
    let view = world(&nosy).account(alice().address(), &[], 1_000_000_000, 0).view();
    let txs = [signed(0, TxKind::Call(TARGET), 0, vec![]), signed(1, TxKind::Call(OTHER), 0, vec![]), signed(2, TxKind::Call(TARGET), 0, vec![])];
    let mut reads = ReadSet::default();
    let (execution, readers) = view.execute_recorded(&block(), &txs, &mut reads).unwrap();
    assert_eq!(readers, vec![TARGET]);
    assert!(execution.txs.iter().all(|tx| tx.status == TxStatus::Success));
    let sender = alice().address();
    for facet in [Facet::Nonce(sender), Facet::Balance(sender), Facet::Code(OTHER), Facet::Slot(OTHER, U256::from(3)), Facet::Env(EnvWord::PrevRandao)] {
        assert!(reads.contains(&facet), "{facet:?}");
    }
    // Nothing of the fee recipient can have mattered: it is assumed.
    assert!(!reads.iter().any(|facet| facet.address() == Some(addr(0xfe))));
}
