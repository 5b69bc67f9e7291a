//! What a block does beside its transactions: system calls, withdrawals, the reward; and what each transaction changed.

use super::*;
use alloy::{
    eips::{
        eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
        eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
        eip4895::Withdrawal,
        eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_CODE},
        eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_CODE},
    },
    network::AnyRpcBlock,
    primitives::Bloom,
};
use serde_json::{Value, json};

const MINER: Address = addr(0xfe);
const STORE: Address = addr(0x11);

fn mined(hardfork: Hardfork, txs: Vec<SimTx>) -> MinedBlock {
    let target = TargetBlock { hardfork, ..block() };
    let claims = Claims { gas_used: 0, receipts_root: B256::ZERO, logs_bloom: Bloom::ZERO };
    MinedBlock { hash: B256::ZERO, parent_hash: head().hash, target, parent_beacon_root: None, txs, withdrawals: Vec::new(), ommers: 0, claims }
}

fn world() -> World {
    let system = [BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS];
    let world = World::default().account(alice().address(), &[], 1_000_000_000, 0).account(MINER, &[], 7, 0);
    system.into_iter().fold(world, |world, address| world.account(address, &[], 0, 0))
}

/// The changes as (facet, old, new), in order.
fn listed(changes: &[Change]) -> Vec<(Facet, U256, U256)> {
    let mut all: Vec<_> = changes.iter().map(|change| (change.facet, change.old, change.new)).collect();
    all.sort_unstable();
    all
}

fn number(value: u64) -> U256 {
    U256::from(value)
}

#[test]
fn withdrawals_are_paid_in_gwei_and_nothing_else_happens() {
    let (rich, absent) = (addr(0x31), addr(0x32));
    let view = world().account(rich, &[], 5, 3).account(absent, &[], 0, 0).view();
    let paid = |address, amount| Withdrawal { index: 0, validator_index: 0, address, amount };
    let block = MinedBlock { withdrawals: vec![paid(rich, 2), paid(absent, 0), paid(rich, 1)], ..mined(Hardfork::Shanghai, vec![]) };
    let execution = view.execute_block(&block).unwrap();
    assert_eq!(listed(&execution.after), [(Facet::Balance(rich), number(5), number(3_000_000_005))]);
    assert!(execution.before.is_empty() && execution.gas_used == 0);
    let after = view.with_layer(execution.layer.clone());
    assert_eq!(after.account(rich).unwrap().balance, number(3_000_000_005));
    assert_eq!((after.account(rich).unwrap().nonce, after.account(absent).unwrap()), (3, AccountState::default()));
    assert_eq!(execution.diff(), view.diff(&execution.layer).unwrap());
}

#[test]
fn the_miner_is_paid_before_the_merge_only() {
    let reward = |hardfork, ommers| {
        let execution = world().view().execute_block(&MinedBlock { ommers, ..mined(hardfork, vec![]) }).unwrap();
        listed(&execution.after)
    };
    let ether = 1_000_000_000_000_000_000_u64;
    assert_eq!(reward(Hardfork::London, 0), [(Facet::Balance(MINER), number(7), number(2 * ether + 7))]);
    assert_eq!(reward(Hardfork::Berlin, 2), [(Facet::Balance(MINER), number(7), number(2 * ether + ether / 8 + 7))]);
    assert_eq!(reward(Hardfork::Paris, 0), []);
}

#[test]
fn system_calls_at_the_start() {
    let time = head().timestamp + 12;
    let root = B256::repeat_byte(0x44);
    let (place, old_place) = (time % 8191, 1000);
    let view = world()
        .account(BEACON_ROOTS_ADDRESS, &BEACON_ROOTS_CODE, 0, 1)
        .account(HISTORY_STORAGE_ADDRESS, &HISTORY_STORAGE_CODE, 0, 1)
        .slot(BEACON_ROOTS_ADDRESS, place, 9)
        .slot(BEACON_ROOTS_ADDRESS, place + 8191, 0)
        .slot(HISTORY_STORAGE_ADDRESS, old_place, 0)
        .view();
    let roots = vec![
        (Facet::Slot(BEACON_ROOTS_ADDRESS, number(place)), number(9), number(time)),
        (Facet::Slot(BEACON_ROOTS_ADDRESS, number(place + 8191)), U256::ZERO, root.into()),
    ];
    let history = (Facet::Slot(HISTORY_STORAGE_ADDRESS, number(old_place)), U256::ZERO, head().hash.into());
    let run = |hardfork, parent_beacon_root| view.execute_block(&MinedBlock { parent_beacon_root, ..mined(hardfork, vec![]) }).unwrap();
    assert_eq!(listed(&run(Hardfork::Shanghai, Some(root)).before), []);
    assert_eq!(listed(&run(Hardfork::Cancun, Some(root)).before), roots);
    let prague = run(Hardfork::Prague, Some(root));
    let mut both: Vec<_> = roots.into_iter().chain([history]).collect();
    both.sort_unstable();
    assert_eq!(listed(&prague.before), both);
    assert_eq!(listed(&run(Hardfork::Prague, None).before), [history]);
    assert_eq!(prague.diff(), view.diff(&prague.layer).unwrap());
    // The system address has paid nothing and counts nothing.
    assert!(!prague.diff().iter().any(|change| matches!(change.facet, Facet::Nonce(_) | Facet::Balance(_))));
}

#[test]
fn requests_are_taken_out_of_their_queues_at_the_end() {
    // Slots: excess, count, head and tail of the queue, then three slots a request (four for a consolidation).
    let queue = |world: World, contract, entries: u64, words: u64| {
        let world = world.slot(contract, 0, 5).slot(contract, 1, 3).slot(contract, 2, 0).slot(contract, 3, entries);
        (0..entries * words).fold(world, |world, word| world.slot(contract, 4 + word, 1000 + word))
    };
    let world = world().account(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &WITHDRAWAL_REQUEST_PREDEPLOY_CODE, 0, 1).account(
        CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
        &CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
        0,
        1,
    );
    let world = queue(world, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, 2, 3);
    let view = queue(world, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, 3, 4).view();
    let slot = |contract, slot: u64, old: u64, new: u64| (Facet::Slot(contract, number(slot)), number(old), number(new));
    let mut expected = vec![
        // Both requests fit into the block: the queue is empty and starts over. Excess is 5 + 3 less the target of 2.
        slot(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, 0, 5, 6),
        slot(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, 1, 3, 0),
        slot(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, 3, 2, 0),
        // Two of three fit. Excess is 5 + 3 less the target of 1.
        slot(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, 0, 5, 7),
        slot(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, 1, 3, 0),
        slot(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, 2, 0, 2),
    ];
    expected.sort_unstable();
    let execution = view.execute_block(&mined(Hardfork::Prague, vec![])).unwrap();
    assert_eq!(listed(&execution.after), expected);
    assert_eq!(listed(&view.execute_block(&mined(Hardfork::Cancun, vec![])).unwrap().after), []);
}

#[test]
fn each_transaction_has_its_own_changes() {
    // `SSTORE(calldata[0], calldata[1])`, or destroys itself in favour of the fee recipient without calldata.
    let writer: &[u8] = &[op::CALLDATASIZE, op::PUSH1, 7, op::JUMPI, op::COINBASE, op::SELFDESTRUCT, op::STOP, op::JUMPDEST];
    let writer = code(&[writer, &[op::PUSH1, 32, op::CALLDATALOAD, op::PUSH0, op::CALLDATALOAD, op::SSTORE, op::STOP]]);
    let write = |slot: u64, value: u64| [number(slot).to_be_bytes::<32>(), number(value).to_be_bytes::<32>()].concat();
    let view = world().account(STORE, &writer, 40, 1).slot(STORE, 1, 10).slot(STORE, 2, 20).slot(STORE, 3, 30).view();
    let call = |nonce, input| signed(nonce, TxKind::Call(STORE), 0, input);
    let block = mined(Hardfork::Shanghai, vec![call(0, write(1, 11)), call(1, write(1, 10)), call(2, write(2, 0)), call(3, vec![]), call(4, write(1, 5))]);
    let execution = view.execute_block(&block).unwrap();
    let slots = |place: usize| {
        let mut slots: Vec<_> = execution.txs[place].changes.iter().filter_map(|change| Some((slot_of(change)?, change.old, change.new))).collect();
        slots.sort_unstable();
        slots
    };
    fn slot_of(change: &Change) -> Option<U256> {
        if let Facet::Slot(_, slot) = change.facet { Some(slot) } else { None }
    }
    let n = number;
    assert_eq!(slots(0), [(n(1), n(10), n(11))]);
    assert_eq!(slots(1), [(n(1), n(11), n(10))]);
    assert_eq!(slots(2), [(n(2), n(20), U256::ZERO)]);
    // Destroyed: what the block loaded and what was known before it, but nothing that is zero already.
    assert_eq!(slots(3), [(n(1), n(10), U256::ZERO), (n(3), n(30), U256::ZERO)]);
    assert_eq!(slots(4), []);
    let destroyed = &execution.txs[3].changes;
    assert!(destroyed.contains(&Change { facet: Facet::Balance(STORE), old: n(40), new: U256::ZERO }));
    assert!(destroyed.contains(&Change { facet: Facet::Nonce(STORE), old: n(1), new: U256::ZERO }));
    assert!(destroyed.iter().any(|change| change.facet == Facet::Code(STORE) && change.new == U256::from_be_bytes(KECCAK256_EMPTY.0)));
    assert!(execution.txs.iter().all(|tx| tx.changes.iter().any(|change| change.facet == Facet::Nonce(alice().address()))));
    assert_eq!(execution.diff(), view.diff(&execution.layer).unwrap());
    let before = view.with_layer(view.execute_before(&block, 2).unwrap().layer);
    assert_eq!((before.facet(&Facet::Slot(STORE, n(2))).unwrap(), before.account(alice().address()).unwrap().nonce), (Some(n(20)), 2));
}

fn rpc(changed: impl FnOnce(&mut Value)) -> AnyRpcBlock {
    let hash = B256::repeat_byte(1);
    let mut block = json!({
        "hash": hash, "parentHash": head().hash, "sha3Uncles": hash, "miner": MINER, "stateRoot": hash, "transactionsRoot": hash, "receiptsRoot": hash,
        "logsBloom": Bloom::ZERO, "difficulty": "0x0", "number": "0x3e9", "gasLimit": "0x1c9c380", "gasUsed": "0x0", "timestamp": "0x6b49d20c",
        "extraData": "0x", "mixHash": B256::repeat_byte(7), "nonce": "0x0000000000000000", "baseFeePerGas": "0x64", "withdrawals": [],
        "blobGasUsed": "0x0", "excessBlobGas": "0x5", "parentBeaconBlockRoot": hash, "uncles": [], "transactions": [],
    });
    changed(&mut block);
    serde_json::from_value(block).unwrap()
}

#[test]
fn a_block_from_a_node_is_taken_whole_or_refused_by_name() {
    let rules = ChainRules::fixed(1, 12, Hardfork::Prague);
    let taken = |changed: fn(&mut Value)| MinedBlock::from_rpc(rpc(changed), &rules, Senders::Recovered);
    let block = taken(|_| {}).unwrap();
    assert_eq!((block.target.number, block.target.base_fee, block.target.excess_blob_gas, block.target.hardfork), (1001, 100, 5, Hardfork::Prague));
    assert_eq!((block.target.prev_randao, block.target.fee_recipient, block.parent_hash), (B256::repeat_byte(7), MINER, head().hash));
    assert_eq!(block.parent_beacon_root, Some(B256::repeat_byte(1)));
    let missing = |changed| match taken(changed) {
        Err(ForkError::IncompleteBlock { number: 1001, missing }) => missing,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(|block| block["mixHash"] = Value::Null), "mixHash");
    assert_eq!(missing(|block| block["baseFeePerGas"] = Value::Null), "baseFeePerGas");
    assert_eq!(missing(|block| block["excessBlobGas"] = Value::Null), "excessBlobGas");
    assert_eq!(missing(|block| block["withdrawals"] = Value::Null), "withdrawals");
    assert_eq!(missing(|block| block["transactions"] = json!([B256::ZERO])), "transactions");
    let foreign = taken(|block| {
        block["transactions"] =
            json!([{ "type": "0x7e", "hash": B256::ZERO, "from": MINER, "to": MINER, "nonce": "0x0", "gas": "0x0", "value": "0x0", "input": "0x" }])
    });
    assert!(matches!(foreign, Err(ForkError::ForeignTransaction { number: 1001, index: 0, kind: 0x7e })), "{foreign:?}");
}

#[test]
fn only_the_child_of_the_state_is_executed() {
    let block = MinedBlock { parent_hash: B256::repeat_byte(9), ..mined(Hardfork::Prague, vec![]) };
    assert!(matches!(world().view().execute_block(&block), Err(ForkError::NotItsParent { .. })));
}
