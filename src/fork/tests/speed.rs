//! A warm run through a view against raw revm over borrowed memory, in one process. Run by hand:
//! `cargo test --release --lib fork::tests::speed -- --ignored --nocapture`.

use super::*;
use crate::fork::{runner, tx};
use revm::{
    Context, ExecuteEvm, Journal, MainBuilder,
    context::{BlockEnv, CfgEnv, TxEnv},
    database::{CacheDB, EmptyDB},
    database_interface::WrapDatabaseRef,
};
use std::time::{Duration, Instant};

const CONTRACTS: u8 = 7;

/// Hashes for a while, reads and writes two slots, and calls the next contract: about what a swap does.
fn contract(next: Option<Address>) -> Vec<u8> {
    let hashes = [op::PUSH1, 64, op::PUSH0, op::KECCAK256, op::PUSH0, op::MSTORE].repeat(60);
    let slots = [op::PUSH0, op::SLOAD, op::PUSH1, 1, op::ADD, op::PUSH0, op::SSTORE, op::PUSH1, 1, op::SLOAD, op::POP];
    let call = next.map_or_else(Vec::new, |next| pay(&push(next), 0));
    code(&[&hashes, &slots, &call, &[op::STOP]])
}

fn world(unrelated_slots: u64) -> World {
    let mut world = World::default().account(alice().address(), &[], 1_000_000_000_000, 0).account(addr(0xfe), &[], 5, 1);
    for n in 1..=CONTRACTS {
        let next = (n < CONTRACTS).then(|| addr(0x20 + n + 1));
        world = world.account(addr(0x20 + n), &contract(next), 0, 1).slot(addr(0x20 + n), 0, 5).slot(addr(0x20 + n), 1, 6);
    }
    for slot in 0..unrelated_slots {
        world = world.slot(addr(0xe0), slot, slot + 1);
    }
    world
}

fn raw(world: &World) -> CacheDB<EmptyDB> {
    let mut memory = CacheDB::new(EmptyDB::default());
    for (address, account) in world.0.accounts() {
        memory.insert_account_info(*address, account.clone());
    }
    for (address, slot, value) in world.0.slots() {
        memory.insert_account_storage(address, slot, value).unwrap();
    }
    memory
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement, to be run alone and in release"]
fn warm_runs_against_raw_revm() {
    for unrelated in [0, 100_000] {
        let world = world(unrelated);
        let view = world.view();
        let memory = raw(&world);
        let txs = [signed(0, TxKind::Call(addr(0x21)), 0, vec![]), signed(1, TxKind::Call(addr(0x21)), 0, vec![])];
        let block = block();
        let ours = || view.execute(&block, &txs).unwrap().txs.iter().map(|tx| tx.gas_used).sum::<u64>();
        let theirs = || {
            let (config, environment) = runner::prepared(&block);
            let context: Context<BlockEnv, TxEnv, CfgEnv, _, Journal<_>, ()> = Context::new(WrapDatabaseRef(&memory), *config.spec());
            let mut evm = context.with_block(environment).with_cfg(config).build_mainnet();
            let gas = txs.iter().map(|signed| evm.transact_one(tx::signed(signed)).unwrap().tx_gas_used()).sum::<u64>();
            assert!(!evm.finalize().is_empty());
            gas
        };
        assert_eq!(ours(), theirs());
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for _ in 0..3000 {
            let begin = Instant::now();
            ours();
            our_times.push(begin.elapsed());
            let begin = Instant::now();
            theirs();
            their_times.push(begin.elapsed());
        }
        let (ours_median, theirs_median) = (median(our_times), median(their_times));
        println!(
            "{unrelated} unrelated slots, {} gas: view {ours_median:?}, raw revm {theirs_median:?}, ratio {:.3}",
            ours(),
            theirs_median.as_secs_f64() / ours_median.as_secs_f64()
        );
    }
}
