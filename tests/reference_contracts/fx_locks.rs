//! Positions opened by their owners, several calls in one transaction, and redemptions of notes that came that way.

use crate::{
    evm::{ADMIN, Chain, vectors},
    fx_world::{CALLER, IBase, ILong, IPool, ISetUp, IShort, ONE, World},
};
use alloy::{
    primitives::{Address, Bytes, I256, U256, address},
    sol_types::SolCall,
};

const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
/// A contract that makes all its calls in one transaction.
const BATCH: Address = address!("00000000000000000000000000000000000ba7c4");
const LOCKED: [u8; 4] = [0x86, 0xe4, 0x72, 0x2b];

fn ether(amount: u64) -> U256 {
    ONE * U256::from(amount)
}

fn plus(amount: U256) -> I256 {
    amount.try_into().unwrap()
}

/// Two long ticks and one short position, opened by Alice at 3400; the managers lent 8 of 45 wstETH.
fn opened() -> World {
    let mut world = World::deploy();
    for account in [ALICE, BATCH, CALLER] {
        world.equip(account);
    }
    world.set_peg(ONE);
    let much = ether(3_000_000);
    world.chain.put(world.base, U256::from(50), much);
    world.set_balance(world.fx_usd, world.base, much);
    let side = world.wst_eth.clone();
    world.set_prices(&side, [ether(3_400); 3]);
    for (colls, debts) in [(20, 20_000), (10, 25_000), (15, 36_000)] {
        let call = ILong::operateCall { pool: side.long, id: U256::ZERO, newColl: plus(ether(colls)), newDebt: plus(ether(debts)) };
        let manager = world.manager;
        world.chain.must(ALICE, manager, &call);
    }
    let call = IShort::operateCall { pool: side.short, id: U256::ZERO, newColl: plus(ether(35_000)), newDebt: plus(ether(8)) };
    let shorts = world.shorts;
    world.chain.must(ALICE, shorts, &call);
    world
}

/// Runs the calls from one contract in one transaction; the first that reverts ends it with its data.
fn batch(chain: &mut Chain, calls: &[(Address, Vec<u8>)]) -> Result<(), Bytes> {
    // The code of one call; what is called lies behind.
    const STEP: usize = 58;
    let mut code = Vec::new();
    let mut offset = calls.len() * STEP + 1;
    for (index, (to, data)) in calls.iter().enumerate() {
        let short = |value: usize| u16::try_from(value).unwrap().to_be_bytes();
        let next = index * STEP + STEP - 1;
        // CODECOPY(0, offset, length), CALL(gas, to, 0, 0, length, 0, 0)
        code.extend([&[0x61][..], &short(data.len()), &[0x61], &short(offset), &[0x60, 0, 0x39]].concat());
        code.extend([&[0x60, 0, 0x60, 0, 0x61][..], &short(data.len()), &[0x60, 0, 0x60, 0, 0x73], to.as_slice(), &[0x5a, 0xf1]].concat());
        // JUMPI over: RETURNDATACOPY(0, 0, size), REVERT(0, size)
        code.extend([&[0x61][..], &short(next), &[0x57, 0x3d, 0x60, 0, 0x60, 0, 0x3e, 0x3d, 0x60, 0, 0xfd, 0x5b]].concat());
        assert_eq!(code.len(), next + 1);
        offset += data.len();
    }
    code.push(0);
    code.extend(calls.iter().flat_map(|(_, data)| data.clone()));
    chain.put_code(BATCH, code);
    chain.send(CALLER, BATCH, Bytes::new(), U256::ZERO).map(|_| ())
}

impl World {
    fn long_liquidate(&self, amount: U256) -> (Address, Vec<u8>) {
        let call = IBase::liquidateCall { pool: self.wst_eth.long, tokenIn: self.fx_usd, maxAmount: amount, minCollOut: U256::ZERO };
        (self.base, call.abi_encode())
    }

    fn long_rebalance(&self) -> (Address, Vec<u8>) {
        let call = IBase::rebalance_1Call { pool: self.wst_eth.long, tokenIn: self.fx_usd, maxAmount: ether(100_000), minCollOut: U256::ZERO };
        (self.base, call.abi_encode())
    }

    fn long_tick(&self, tick: i32) -> (Address, Vec<u8>) {
        let tick = i16::try_from(tick).unwrap();
        let call = IBase::rebalance_0Call { pool: self.wst_eth.long, tick, tokenIn: self.fx_usd, maxAmount: ether(100_000), minCollOut: U256::ZERO };
        (self.base, call.abi_encode())
    }

    fn short_liquidate(&self) -> (Address, Vec<u8>) {
        (self.shorts, IShort::liquidateCall { pool: self.wst_eth.short, receiver: BATCH, maxRawDebts: ether(1) }.abi_encode())
    }

    fn redeem(&self, notes: U256) -> (Address, Vec<u8>) {
        (self.shorts, IShort::redeemByCreditNoteCall { pool: self.wst_eth.short, debts: notes, minColls: U256::ZERO }.abi_encode())
    }
}

#[test]
fn one_locked_call_a_transaction() {
    let mut world = opened();
    // Both upper ticks are in the rebalance window, or both liquidatable, by the price alone.
    let side = world.wst_eth.clone();
    let mut window = world.clone();
    window.set_prices(&side, [ether(2_700); 3]);
    world.set_prices(&side, [ether(2_550); 3]);
    let ticks: Vec<i32> = world.ticks(side.long).iter().map(|(tick, ..)| *tick).collect();
    let locked = |world: &World, calls: &[(Address, Vec<u8>)]| batch(&mut world.chain.clone(), calls);
    let small = ether(1_000);
    let refused: [Vec<(Address, Vec<u8>)>; 4] = [
        vec![world.long_liquidate(small), world.long_liquidate(small)],
        vec![world.long_liquidate(small), world.long_rebalance()],
        vec![world.long_liquidate(small), world.short_liquidate()],
        vec![world.long_rebalance(), world.short_liquidate()],
    ];
    for calls in refused {
        assert_eq!(locked(&world, &calls), Err(LOCKED.into()));
        // Each of them alone is taken.
        for call in calls {
            assert_eq!(locked(&world, &[call]), Ok(()));
        }
    }
    assert_eq!(locked(&window, &[window.long_tick(ticks[0]), window.long_tick(ticks[1])]), Ok(()));
    assert_eq!(locked(&window, &[window.long_tick(ticks[0]), window.long_liquidate(small), window.long_tick(ticks[1])]), Ok(()));
    let mut holder = world.clone();
    holder.set_balance(side.note, BATCH, ether(3));
    let calls = [holder.long_liquidate(small), holder.redeem(ether(1)), holder.redeem(ether(1) / U256::from(2))];
    // The base pool's clock of redemption needs a healthy short pool: notes are worth something at 2550.
    assert_eq!(locked(&holder, &calls), Ok(()));
    // The next transaction is free again.
    let mut chain = world.chain.clone();
    assert_eq!(batch(&mut chain, &[world.long_liquidate(small)]), Ok(()));
    assert_eq!(batch(&mut chain, &[world.long_liquidate(small)]), Ok(()));
    assert_eq!(vectors("fx.json")["transactionLock"].as_array().unwrap().len(), 4, "the recorded table is among these rows");
}

#[test]
fn positions_close_to_the_unit() {
    let mut world = opened();
    let side = world.wst_eth.clone();
    assert_eq!(world.balance(side.note, world.manager), ether(8));
    assert_eq!(world.balance(side.token, world.manager), ether(37));
    for id in 1..=3_u64 {
        let all = I256::MIN;
        // An open short keeps 8 wstETH away: the last owner is paid in notes for them.
        let call = ILong::operateCall { pool: side.long, id: U256::from(id), newColl: all, newDebt: all };
        let manager = world.manager;
        world.chain.must(ALICE, manager, &call);
    }
    assert_eq!(world.balance(side.token, world.manager), U256::ZERO);
    assert_eq!(world.balance(side.note, ALICE), ether(8));
    assert_eq!(world.chain.ask(side.long, &IPool::getTopTickCall {}), i16::MIN);
    let shares = world.chain.ask(side.long, &IPool::getDebtAndCollateralSharesCall {});
    assert_eq!((shares.debt, shares.coll), (U256::ZERO, U256::ZERO));
}

#[test]
fn notes_are_burned_as_asked_and_paid_as_redeemed() {
    let world = opened();
    let side = world.wst_eth.clone();
    let mut chain = world.chain.clone();
    let mut holder = world.clone();
    holder.set_balance(side.note, CALLER, ether(8));
    // One visit takes a fifth of the tick; the rest moves down and is visited again until all is redeemed or dust.
    for notes in [ether(1), ether(3), ether(7)] {
        let mut holder = holder.clone();
        let before = holder.balance(holder.fx_usd, CALLER);
        let (to, data) = holder.redeem(notes);
        let done = holder.chain.send(CALLER, to, data.into(), U256::ZERO).unwrap();
        let paid = holder.balance(holder.fx_usd, CALLER) - before;
        assert_eq!(U256::from_be_slice(&done.output), paid);
        assert_eq!(holder.balance(side.note, CALLER), ether(8) - notes);
        // At 3400: never more than that, and less by rounding of the inverse price only.
        let par = notes * U256::from(3_400);
        assert!(paid >= par && paid - par < par / U256::from(100_000_000_000_u64), "{paid} for {notes}");
    }
    // A killed pool redeems nothing.
    chain.must(ADMIN, world.shorts, &IShort::killPoolCall { pool: side.short });
    let (to, data) = world.redeem(ether(1));
    assert_eq!(chain.send(CALLER, to, data.into(), U256::ZERO).unwrap_err(), Bytes::from([0xef, 0x88, 0x8d, 0x44]));
    // Neither does a paused manager.
    let mut paused = world.chain.clone();
    paused.must(ADMIN, world.shorts, &ISetUp::pauseCall(true));
    let (to, data) = world.redeem(ether(1));
    assert_eq!(paused.send(CALLER, to, data.into(), U256::ZERO).unwrap_err(), Bytes::from([0xd9, 0x3c, 0x06, 0x65]));
}
