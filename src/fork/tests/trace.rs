//! The call tree of a transaction.

use super::*;

/// Reverts with one word.
const REVERT_WORD: &[u8] = &[op::PUSH1, 42, op::PUSH0, op::MSTORE, op::PUSH1, 32, op::PUSH0, op::REVERT];

/// The caller logs a topic and calls what reverts; the other one returns.
fn world() -> World {
    let log = [op::PUSH1, 9, op::PUSH0, op::PUSH0, op::LOG1];
    let caller = code(&[&log, &pay(&push(addr(0x22)), 3), &[op::POP], &pay(&push(addr(0x23)), 0), &[op::STOP]]);
    World::default()
        .account(alice().address(), &[], 1_000_000_000_000, 0)
        .account(addr(0x21), &caller, 1_000, 1)
        .account(addr(0x22), REVERT_WORD, 0, 1)
        .account(addr(0x23), &code(&[&[op::PUSH1, 7], RETURN_TOP]), 0, 1)
}

#[test]
fn a_tree_shows_each_call_each_log_and_how_it_ended() {
    let view = world().view();
    let tx = signed(0, TxKind::Call(addr(0x21)), 0, hex("a9059cbb00000001"));
    let gas = view.execute(&block(), std::slice::from_ref(&tx)).unwrap().txs[0].gas_used;
    let tree = view.trace(&block(), &[tx]).unwrap();
    let lines: Vec<&str> = tree.lines().map(str::trim_end).collect();
    let find = |words: &[&str]| lines.iter().position(|line| words.iter().all(|word| line.contains(word))).unwrap_or_else(|| panic!("{words:?} in\n{tree}"));
    let root = find(&[&format!("[{gas}] "), &format!("{}::a9059cbb(00000001)", addr(0x21))]);
    let log = find(&["topic 0", "0000000009"]);
    let reverting = find(&[&addr(0x22).to_string(), "{value: 3}"]);
    let reverted = find(&["[Revert]", "2a"]);
    let returning = find(&[&addr(0x23).to_string()]);
    let returned = find(&["[Return]", "07"]);
    let stopped = find(&["[Stop]"]);
    assert_eq!(root, 0);
    assert!(log < reverting && reverting < reverted && reverted < returning && returning < returned && returned < stopped, "{tree}");
    assert!(!tree.contains('\u{1b}'), "no colours");
}

#[test]
fn only_the_last_transaction_is_shown_and_it_runs_behind_the_others() {
    // It gives back how often it was called before.
    let counter = code(&[&[op::PUSH0, op::SLOAD, op::DUP1, op::PUSH1, 1, op::ADD, op::PUSH0, op::SSTORE], RETURN_TOP]);
    let view = world().account(addr(0x24), &counter, 0, 1).slot(addr(0x24), 0, 0).view();
    let calls = |count| (0..count).map(|nonce| signed(nonce, TxKind::Call(addr(0x24)), 0, vec![])).collect::<Vec<_>>();
    let tree = view.trace(&block(), &calls(3)).unwrap();
    assert!(tree.trim_end().ends_with("0000000002"), "{tree}");
    assert_eq!(tree.matches("0x2424242424242424242424242424242424242424::").count(), 1, "{tree}");
    assert_eq!(view.trace(&block(), &[]).unwrap(), "");
}

#[test]
fn a_creation_a_failure_and_an_invalid_transaction_are_told() {
    let view = world().account(alice().address().create(0), &[], 0, 0).view();
    let create = signed(0, TxKind::Create, 0, code(&[&[op::PUSH1, 1, op::PUSH0, op::RETURN]]));
    assert!(view.trace(&block(), &[create]).unwrap().contains("→ new"));
    let failing = signed(0, TxKind::Call(addr(0x22)), 0, vec![]);
    assert!(view.trace(&block(), &[failing]).unwrap().contains("[Revert]"));
    let early = signed(5, TxKind::Call(addr(0x22)), 0, vec![]);
    assert!(matches!(view.trace(&block(), &[early]), Err(ForkError::InvalidTransaction { index: 0, .. })));
}

fn hex(text: &str) -> Vec<u8> {
    alloy::primitives::hex::decode(text).unwrap()
}
