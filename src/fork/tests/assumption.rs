//! The fee recipient is assumed funded and without code, and nothing of the assumption leaks.

use super::*;

const PAYER: Address = addr(0x11);
const RECIPIENT: Address = addr(0xfe);

fn world() -> World {
    let program = code(&[&pay(&[op::COINBASE], 50), &[op::POP, op::STOP]]);
    World::default().account(PAYER, &program, 1000, 1).account(alice().address(), &[], 1_000_000_000, 0)
}

fn run(world: &World) -> (View, Execution) {
    let view = world.view();
    let execution = view.execute(&block(), &[signed(0, TxKind::Call(PAYER), 0, vec![]), signed(1, TxKind::Call(PAYER), 0, vec![])]).unwrap();
    (view, execution)
}

#[test]
fn paying_costs_the_same_whoever_it_is() {
    let (_, funded) = run(&world().account(RECIPIENT, &[], 7, 3));
    let (_, empty) = run(&world().account(RECIPIENT, &[], 0, 0));
    let writes_a_slot = [op::PUSH1, 9, op::PUSH0, op::SSTORE, op::STOP];
    let (_, contract) = run(&world().account(RECIPIENT, &writes_a_slot, 7, 1));
    assert_eq!(funded.txs, empty.txs);
    assert_eq!(funded.txs, contract.txs);
    assert!(funded.txs.iter().all(|tx| tx.status == TxStatus::Success));
}

#[test]
fn the_gain_is_tip_and_payment_and_the_balance_is_true() {
    for (balance, nonce) in [(0, 0), (7, 0), (7, 3)] {
        let (view, execution) = run(&world().account(RECIPIENT, &[], balance, nonce));
        let mut total = U256::from(balance);
        for tx in &execution.txs {
            assert_eq!(tx.fee_recipient_gain, U256::from(50 + 2 * tx.gas_used));
            total += tx.fee_recipient_gain;
        }
        let after = view.with_layer(execution.layer.clone()).account(RECIPIENT).unwrap();
        assert_eq!(after, AccountState { balance: total, nonce, code_hash: KECCAK256_EMPTY });
        let touched = view.diff(&execution.layer).unwrap();
        let of_recipient = touched.iter().filter(|change| change.facet.address() == Some(RECIPIENT)).map(|change| change.facet).collect::<Vec<_>>();
        assert_eq!(of_recipient, vec![Facet::Balance(RECIPIENT)]);
    }
}

#[test]
fn code_of_the_recipient_is_not_lost() {
    let (view, execution) = run(&world().account(RECIPIENT, &[op::STOP], 7, 1));
    let after = view.with_layer(execution.layer);
    assert_eq!(after.code(RECIPIENT).unwrap(), Bytes::from_static(&[op::STOP]));
    assert_eq!(after.account(RECIPIENT).unwrap().nonce, 1);
}

#[test]
fn a_recipient_that_signs_is_taken_as_it_is() {
    let block = TargetBlock { fee_recipient: alice().address(), ..block() };
    let view = world().view();
    let execution = view.execute(&block, &[signed(0, TxKind::Call(PAYER), 10, vec![])]).unwrap();
    let after = view.with_layer(execution.layer).account(alice().address()).unwrap();
    assert_eq!(after.nonce, 1);
    // It paid the base fee and the value, got its tip and the payment, and lost by it.
    assert_eq!(execution.txs[0].fee_recipient_gain, U256::ZERO);
    assert_eq!(after.balance, U256::from(1_000_000_000 - 10 + 50 - execution.txs[0].gas_used * block.base_fee));
}
