//! The maths against the reference contracts on random pools: every amount, tick, node and index, and every revert.
//!
//! ```text
//! seed ─▶ world: indices put in place, positions opened ─▶ [ environment · price · call ] x 12
//!                                                             │ the same call by the maths on what storage says before it
//!                                                             └▶ returns, balances, storage after it: equal
//! ```
//!
//! A world goes on after each call, so ticks get parents, debt indices rise and what is left of one call is there for the next. What fails
//! names its seed: `HARRIER_SEED=<seed>` runs it alone.

use crate::{
    evm::{ADMIN, mapped},
    fx_random_model::Prices,
    fx_world::{CALLER, IBase, ILong, IPool, ISetUp, IShort, ONE, Side, World},
};
use alloy::{
    primitives::{Address, Bytes, I256, U256, address},
    sol_types::SolCall,
};
use harrier::protocols::fx::{
    FxRevert,
    maths::{
        base_pool::{BaseCall, TokenIn},
        long::{Action, Budget},
        pool::Pool,
        sizing::{all_collateral, liquidation_breakpoints, rebalance_breakpoints},
        tick::{MAX_RATIO, MIN_RATIO, ratio_at_tick, tick_of_shares},
    },
};
use std::collections::BTreeMap;

const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
const SEEDS: u64 = 500;
const STEPS: usize = 12;

/// Numbers from a seed: splitmix64.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    const fn up_to(&mut self, most: u64) -> u64 {
        self.roll() % (most + 1)
    }

    const fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.up_to(most - least)
    }

    /// Up to a small or a large most.
    fn either(&mut self, small: u64, large: u64) -> U256 {
        let most = if self.chance(50) { small } else { large };
        U256::from(self.up_to(most))
    }

    const fn chance(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }

    /// A part of an amount, down to its last digits.
    fn part(&mut self, all: U256) -> U256 {
        all * U256::from(self.roll()) / U256::from(u64::MAX)
    }
}

/// What a call came to: its words, and who has how much more or less; or how it reverts.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done { returns: Vec<U256>, flows: BTreeMap<&'static str, U256> },
    Reverts(FxRevert),
}

/// A call and what the maths says that it does.
struct Asked {
    text: String,
    to: Address,
    data: Vec<u8>,
    expected: Outcome,
    after: Pool,
}

struct Run {
    dice: Dice,
    world: World,
    side: Side,
    is_short: bool,
    price: U256,
    counts: BTreeMap<String, usize>,
}

fn flows<const N: usize>(flows: [(&'static str, U256); N]) -> BTreeMap<&'static str, U256> {
    flows.into_iter().filter(|(_, amount)| !amount.is_zero()).collect()
}

impl Run {
    fn new(seed: u64, world: World) -> Self {
        let mut dice = Dice(seed);
        let is_btc = dice.chance(30);
        let side = if is_btc { world.wbtc.clone() } else { world.wst_eth.clone() };
        let (is_short, price) = (dice.chance(45), ONE * U256::from(if is_btc { 90_000 } else { 2_900 }));
        let mut run = Self { dice, world, side, is_short, price, counts: BTreeMap::new() };
        run.set_up();
        run
    }

    const fn pool(&self) -> Address {
        if self.is_short { self.side.short } else { self.side.long }
    }

    fn unit(&self) -> U256 {
        U256::from(10).pow(U256::from(if self.side.token == self.world.wbtc.token { 8 } else { 18 }))
    }

    /// Indices, settings and positions.
    fn set_up(&mut self) {
        let (world, dice) = (&mut self.world, &mut self.dice);
        for account in [ALICE, CALLER] {
            world.equip(account);
        }
        if self.side.token == world.wst_eth.token {
            world.set_rate(ONE + U256::from(dice.up_to(300_000_000_000_000_000)));
        }
        world.set_prices(&self.side.clone(), [self.price; 3]);
        world.set_peg(ONE);
        let much = ONE * U256::from(1_000_000_000_u64);
        world.chain.put(world.base, U256::from(50), much);
        world.set_balance(world.fx_usd, world.base, much);
        world.set_balance(world.fx_usd, world.shorts, much);
        for pool in [self.side.long, self.side.short] {
            let mut index = || {
                (U256::ONE << 96) + {
                    let most = U256::ONE << dice.within(80, 96);
                    dice.part(most)
                }
            };
            let word = index() | (index() << 128);
            world.chain.put(pool, U256::from(4), word);
        }
        for (pool, floor) in [(self.side.long, dice.up_to(3)), (self.side.short, dice.up_to(3))] {
            let floor = u128::from(floor) * 37_000_000_000_000_001;
            world.chain.must(ADMIN, world.configuration, &ISetUp::updateFundingCall { _0: pool, _1: floor, _2: 0 });
        }
        for manager in [world.manager, world.shorts] {
            world.chain.must(ADMIN, manager, &ISetUp::updateLiquidationExpenseRatioCall(U256::from(dice.up_to(300_000_000))));
        }
        world.chain.must(ADMIN, world.shorts, &ISetUp::updateRedeemFeeRatioCall(U256::from(dice.up_to(20_000_000))));
        // Collateral that shorts can borrow.
        let debts_ratio = if self.dice.chance(60) { 1_000 } else { 0 };
        self.open_long(40_000, debts_ratio);
        let positions = self.dice.within(2, 8);
        for _ in 0..positions {
            let (ratio, size) = (self.dice.within(5_500, 8_600), self.dice.within(1, 3_000));
            if self.is_short { self.open_short(ratio, size) } else { self.open_long(size, ratio) }
        }
        if !self.is_short && self.dice.chance(60) {
            let (ratio, size) = (self.dice.within(3_000, 8_000), self.dice.within(1, 2_000));
            self.open_short(ratio, size);
        }
    }

    /// By its owner: hundredths of a token, debt of so many 1e-4 of what they are worth.
    fn open_long(&mut self, hundredths: u64, ratio: u64) {
        let colls = self.unit() * U256::from(hundredths) / U256::from(100) + U256::from(self.dice.up_to(999));
        let manager = self.world.long_manager(&self.side);
        let worth = colls * manager.scaling_factor / ONE * self.price / ONE;
        // Without debt there is no other position that could bear bad debt.
        let debts = (worth * U256::from(ratio) / U256::from(10_000)).saturating_sub(U256::from(self.dice.up_to(999)));
        let call = ILong::operateCall { pool: self.side.long, id: U256::ZERO, newColl: I256::from_raw(colls), newDebt: I256::from_raw(debts) };
        self.world.chain.must(ALICE, self.world.manager, &call);
    }

    fn open_short(&mut self, ratio: u64, hundredths: u64) {
        let debts = self.unit() * U256::from(hundredths) / U256::from(100) + U256::from(self.dice.up_to(999));
        let manager = self.world.short_manager(&self.side);
        let price = self.world.prices(self.side.short).rebalance;
        let worth = debts * manager.scaling_factor / price;
        let colls = worth * U256::from(10_000) / U256::from(ratio) + U256::from(self.dice.up_to(999));
        let call = IShort::operateCall { pool: self.side.short, id: U256::ZERO, newColl: I256::from_raw(colls), newDebt: I256::from_raw(debts) };
        self.world.chain.must(ALICE, self.world.shorts, &call);
    }

    /// Time, prices, reserve, base pool, notes: all of it another.
    fn change_environment(&mut self) {
        let long_notes = self.world.balance(self.side.note, self.world.manager);
        let supply = self.world.chain.ask(self.side.note, &ISetUp::totalSupplyCall {});
        let (world, dice) = (&mut self.world, &mut self.dice);
        if dice.chance(50) {
            world.chain.now += dice.up_to(5_000_000);
        }
        // The crash, or for a short pool the rise, that this step is about.
        let thousandths = if self.is_short { dice.within(1_010, 1_500) } else { dice.within(690, 1_010) };
        let anchor = self.price * U256::from(thousandths) / U256::from(1_000);
        let low = anchor - anchor * U256::from(dice.up_to(12)) / U256::from(1_000);
        let high = anchor + anchor * U256::from(dice.up_to(12)) / U256::from(1_000);
        world.set_prices(&self.side.clone(), [anchor, low, high]);
        let stable = 99_400_000 + dice.up_to(1_200_000);
        world.chain.must(ADMIN, world.stable_feed, &ISetUp::transmitCall(I256::try_from(stable).unwrap()));
        world.set_peg(if dice.chance(50) { ONE + ONE / U256::from(100) } else { ONE });
        let fx_usd = ONE * dice.either(3_000, 3_000_000) + U256::from(dice.up_to(999));
        world.chain.put(world.base, U256::from(50), fx_usd);
        world.set_balance(world.fx_usd, world.base, fx_usd);
        world.set_balance(world.usdc, world.base, dice.either(2_000_000_000, 3_000_000_000_000));
        let unit = if self.side.token == world.wbtc.token { U256::from(100_000_000) } else { ONE };
        let reserved = if dice.chance(60) { unit * U256::from(dice.up_to(2_000)) / U256::from(1_000) } else { U256::ZERO };
        world.set_balance(self.side.token, world.reserve, reserved);
        let reserved = if dice.chance(60) { ONE * U256::from(dice.up_to(9_000)) } else { U256::ZERO };
        world.set_balance(world.fx_usd, world.reserve, reserved);
        world.place_books(&self.side.clone(), U256::from(10).pow(U256::from(26)));
        world.set_balance(world.fx_usd, world.shorts, ONE * U256::from(1_000_000_000_u64));
        // Notes in third hands: the caller's, up to all of them.
        let (held, all) = (world.balance(self.side.note, CALLER), long_notes + world.balance(self.side.note, CALLER));
        let given = if dice.chance(40) { dice.part(all) } else { held };
        self.put_notes(CALLER, given);
        let rest = all - given;
        self.put_notes(self.world.manager, rest);
        self.world.chain.put(self.side.note, U256::from(2), supply);
        // A permission that is normally closed.
        let threshold = if self.dice.chance(50) { U256::MAX } else { U256::ZERO };
        self.world.chain.put(self.world.manager, U256::from(155), threshold);
    }

    fn put_notes(&mut self, owner: Address, amount: U256) {
        self.world.chain.put(self.side.note, mapped(&owner, U256::ZERO), amount);
    }

    fn step(&mut self) {
        self.change_environment();
        if self.dice.chance(15) {
            // The pool is filled again.
            self.world.set_prices(&self.side.clone(), [self.price; 3]);
            let (ratio, size) = (self.dice.within(6_000, 8_600), self.dice.within(1, 2_000));
            if !self.is_short {
                self.open_long(size, ratio);
            }
            self.change_environment();
        }
        let asked = if self.is_short { self.short_call() } else { self.long_call() };
        let Some(asked) = asked else { return };
        self.compare(asked);
    }

    /// Budgets that hit ends, the band below x*, nothing, all and anything between.
    fn raw_budget(&mut self, pool: &Pool, prices: &Prices, action: Action, reserve: U256) -> U256 {
        let points: Vec<U256> = match action {
            Action::Liquidate => liquidation_breakpoints(pool, prices.liquidate, reserve, 8).unwrap_or_default().iter().map(|point| point.budget).collect(),
            Action::Rebalance => rebalance_breakpoints(pool, prices.rebalance, 8).unwrap_or_default().iter().map(|point| point.budget).collect(),
            Action::RebalanceTick(tick) => {
                let raw = pool.tick_raw(tick).unwrap();
                pool.debts_to_rebalance(&raw, prices.rebalance).into_iter().collect()
            }
        };
        let total = pool.total_raw().unwrap().debts;
        let around = |dice: &mut Dice, point: U256| {
            let most = [0, 1, 5, 3_000, 1_000_000, 1 << 50][usize::try_from(dice.up_to(5)).unwrap()];
            let by = U256::from(dice.up_to(most));
            if dice.chance(50) { point + by } else { point.saturating_sub(by) }
        };
        match self.dice.up_to(9) {
            0 => self.dice.part(ONE * U256::from(2)),
            1 => total * U256::from(2),
            2..=4 => self.dice.part(points.last().copied().unwrap_or(total)),
            5 => {
                let raw = pool.tick_raw(pool.top_tick()).unwrap_or_default();
                let point = all_collateral(raw.colls + reserve, prices.liquidate, pool.liquidate.bonus_ratio).unwrap_or_default();
                around(&mut self.dice, point)
            }
            _ if points.is_empty() => self.dice.part(total),
            _ => {
                let place = usize::try_from(self.dice.roll()).unwrap() % points.len();
                around(&mut self.dice, points[place])
            }
        }
    }

    fn action(&mut self, pool: &Pool) -> Action {
        match self.dice.up_to(9) {
            0..=4 => Action::Liquidate,
            5..=6 => Action::Rebalance,
            _ => {
                let ticks: Vec<i16> = pool.bitmap.ticks().collect();
                let any = i16::try_from(self.dice.up_to(9_000)).unwrap();
                if ticks.is_empty() || self.dice.chance(5) {
                    Action::RebalanceTick(any)
                } else {
                    Action::RebalanceTick(ticks[usize::try_from(self.dice.roll()).unwrap() % ticks.len()])
                }
            }
        }
    }

    fn long_call(&mut self) -> Option<Asked> {
        let (pool, side) = (self.side.long, self.side.clone());
        let mut after = self.world.accrued(pool, false).ok()?;
        let (prices, base, mut manager) = (self.world.prices(pool), self.world.base_pool(), self.world.long_manager(&side));
        let action = self.action(&after);
        let price = if action == Action::Liquidate { prices.liquidate } else { prices.rebalance };
        let raw = self.raw_budget(&after, &prices, action, manager.reserve_raw().unwrap());
        let expense = |fee: U256| ("fee", fee);
        if self.dice.chance(25) {
            manager.caller_permitted = self.world.chain.slot(self.world.manager, U256::from(155)) == U256::MAX;
            let stable = U256::from(self.dice.up_to(1_000_000_000));
            let budget = Budget { fx_usd: raw, stable: if self.dice.chance(50) { stable } else { U256::ZERO } };
            let done = manager.act(&mut after, price, action, &budget);
            let (max_fx, max_stable, receiver) = (budget.fx_usd, budget.stable, CALLER);
            let data = match action {
                Action::RebalanceTick(tick) => ILong::rebalance_0Call { pool, receiver, tick, maxFxUSD: max_fx, maxStable: max_stable }.abi_encode(),
                Action::Rebalance => ILong::rebalance_1Call { pool, receiver, maxFxUSD: max_fx, maxStable: max_stable }.abi_encode(),
                Action::Liquidate => ILong::liquidateCall { pool, receiver, maxFxUSD: max_fx, maxStable: max_stable }.abi_encode(),
            };
            let expected = match done {
                Ok(done) => Outcome::Done {
                    returns: vec![done.colls, done.fx_usd_used, done.stable_used],
                    flows: flows([
                        ("tokens in", done.tokens),
                        ("notes in", done.notes),
                        ("fxUSD out", done.fx_usd_used),
                        ("USDC out", done.stable_used),
                        ("reserve out", done.reserve_spent),
                        expense(done.fee),
                    ]),
                },
                Err(revert) => Outcome::Reverts(revert),
            };
            return Some(Asked { text: format!("manager {action:?} with {budget:?}"), to: self.world.manager, data, expected, after });
        }
        let token_in = if self.dice.chance(50) { TokenIn::FxUsd } else { TokenIn::Usdc };
        let max_amount = if token_in == TokenIn::FxUsd { raw } else { raw * ONE / manager.stable_price + U256::from(self.dice.up_to(2)) };
        let min_colls = if self.dice.chance(5) { self.unit() * U256::from(1_000_000) } else { U256::ZERO };
        let call = BaseCall { action, token_in, max_amount, min_colls };
        let token = if token_in == TokenIn::FxUsd { self.world.fx_usd } else { self.world.usdc };
        let data = match action {
            Action::RebalanceTick(tick) => IBase::rebalance_0Call { pool, tick, tokenIn: token, maxAmount: max_amount, minCollOut: min_colls }.abi_encode(),
            Action::Rebalance => IBase::rebalance_1Call { pool, tokenIn: token, maxAmount: max_amount, minCollOut: min_colls }.abi_encode(),
            Action::Liquidate => IBase::liquidateCall { pool, tokenIn: token, maxAmount: max_amount, minCollOut: min_colls }.abi_encode(),
        };
        let expected = match base.call(&manager, &mut after, price, &call) {
            Ok(done) => Outcome::Done {
                returns: vec![done.token_used, done.manager.colls, done.after.fx_usd, done.after.stable],
                flows: flows([
                    ("tokens in", done.manager.tokens),
                    ("notes in", done.manager.notes),
                    (if token_in == TokenIn::FxUsd { "fxUSD out" } else { "USDC out" }, done.token_used),
                    ("reserve out", done.manager.reserve_spent),
                    expense(done.manager.fee),
                ]),
            },
            Err(revert) => Outcome::Reverts(revert),
        };
        Some(Asked { text: format!("base pool {call:?}"), to: self.world.base, data, expected, after })
    }

    fn short_call(&mut self) -> Option<Asked> {
        let (pool, side) = (self.side.short, self.side.clone());
        let mut after = self.world.accrued(pool, true).ok()?;
        let (prices, manager) = (self.world.prices(pool), self.world.short_manager(&side));
        let notes = self.world.balance(side.note, CALLER);
        if self.dice.chance(35) {
            let asked = match self.dice.up_to(5) {
                0 => notes + U256::ONE,
                1 => U256::from(self.dice.up_to(100_000)),
                _ => self.dice.part(notes),
            };
            // The total is asked at the stored indices.
            let min_colls = if self.dice.chance(10) { ONE * U256::from(50_000) } else { U256::ZERO };
            let expected = match manager.redeem(&mut after, prices.redeem, asked, min_colls, Some(notes)) {
                Ok(done) => {
                    Outcome::Done { returns: vec![done.colls], flows: flows([("fxUSD in", done.colls), ("notes out", done.notes_burned), ("fee", done.fee)]) }
                }
                Err(revert) => Outcome::Reverts(revert),
            };
            let data = IShort::redeemByCreditNoteCall { pool, debts: asked, minColls: min_colls }.abi_encode();
            return Some(Asked { text: format!("redemption of {asked} notes"), to: self.world.shorts, data, expected, after });
        }
        let action = self.action(&after);
        let price = if action == Action::Liquidate { prices.liquidate } else { prices.rebalance };
        let raw = self.raw_budget(&after, &prices, action, manager.reserve_balance);
        let expected = match manager.act(&mut after, price, action, raw) {
            Ok(done) => Outcome::Done {
                returns: vec![done.colls, done.debts],
                flows: flows([
                    ("fxUSD in", done.colls),
                    ("tokens out", done.debts),
                    ("notes burned", done.debts),
                    ("reserve out", done.reserve_spent),
                    ("fee", done.fee),
                ]),
            },
            Err(revert) => Outcome::Reverts(revert),
        };
        let receiver = CALLER;
        let data = match action {
            Action::RebalanceTick(tick) => IShort::rebalance_0Call { pool, receiver, tick, maxRawDebts: raw }.abi_encode(),
            Action::Rebalance => IShort::rebalance_1Call { pool, receiver, maxRawDebts: raw }.abi_encode(),
            Action::Liquidate => IShort::liquidateCall { pool, receiver, maxRawDebts: raw }.abi_encode(),
        };
        Some(Asked { text: format!("short manager {action:?} with {raw}"), to: self.world.shorts, data, expected, after })
    }

    /// What everybody has who may pay or be paid.
    fn purse(&self) -> BTreeMap<&'static str, U256> {
        let (world, side) = (&self.world, &self.side);
        let reserved = if self.is_short { world.fx_usd } else { side.token };
        let manager = if self.is_short { world.shorts } else { world.manager };
        [
            ("tokens", world.balance(side.token, CALLER)),
            ("notes", world.balance(side.note, CALLER)),
            ("fxUSD", world.balance(world.fx_usd, CALLER)),
            ("USDC", world.balance(world.usdc, CALLER)),
            ("reserve", world.balance(reserved, world.reserve)),
            ("managers", world.balance(side.note, world.manager)),
            ("fee", world.chain.slot(manager, mapped(&self.pool(), U256::from(8)))),
        ]
        .into()
    }

    fn compare(&mut self, asked: Asked) {
        let Asked { text, to, data, expected, after } = asked;
        let (before, old) = (self.purse(), self.world.model(self.pool()));
        // The words of the call, without its figures.
        let name: Vec<&str> = text.split(|letter: char| !letter.is_alphabetic()).filter(|word| word.len() > 3).take(4).collect();
        let counted = format!(
            "{} {}",
            name.join(" "),
            match &expected {
                Outcome::Done { .. } => "done".to_owned(),
                Outcome::Reverts(revert) => format!("{revert:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
            }
        );
        *self.counts.entry(counted).or_default() += 1;
        match (self.world.chain.send(CALLER, to, Bytes::from(data), U256::ZERO), &expected) {
            (Err(revert), Outcome::Reverts(ours)) => {
                assert!(is_same(ours, &revert, self.world.manager), "{text}: ours {ours:?}, theirs {revert}");
                assert_eq!(self.world.model(self.pool()), old, "{text}: a revert changes nothing");
            }
            (Ok(done), Outcome::Done { returns, flows }) => {
                let mut theirs: Vec<U256> = done.output.chunks(32).map(U256::from_be_slice).collect();
                if to == self.world.base {
                    let base = self.world.base_pool();
                    theirs.extend([base.fx_usd, base.stable]);
                    let booked = self.world.chain.ask(self.world.base, &IBase::totalStableTokenCall {});
                    assert_eq!(booked, base.stable, "{text}: the base pool's books");
                }
                assert_eq!(&theirs, returns, "{text}: returns");
                let now = self.purse();
                let mut moved = BTreeMap::new();
                for (name, was) in before {
                    let is = now[name];
                    let direction = if is > was { "in" } else { "out" };
                    if is != was {
                        moved.insert(named(name, direction), is.abs_diff(was));
                    }
                }
                // Notes that the long manager hands out are no notes burned.
                if flows.contains_key("notes in") {
                    moved.remove("notes burned");
                }
                assert_eq!(&moved, flows, "{text}: who has what");
                assert_eq!(self.world.model(self.pool()), after, "{text}: the pool after it");
            }
            (theirs, ours) => panic!("{text}: ours {ours:?}, theirs {theirs:?}"),
        }
    }
}

fn named(name: &str, direction: &str) -> &'static str {
    match (name, direction) {
        ("tokens", "in") => "tokens in",
        ("tokens", _) => "tokens out",
        ("notes", "in") => "notes in",
        ("notes", _) => "notes out",
        ("fxUSD", "in") => "fxUSD in",
        ("fxUSD", _) => "fxUSD out",
        ("USDC", "in") => "USDC in",
        ("USDC", _) => "USDC out",
        ("reserve", "out") => "reserve out",
        ("managers", "out") => "notes burned",
        ("fee", "in") => "fee",
        _ => panic!("{name} {direction}"),
    }
}

fn is_same(ours: &FxRevert, data: &Bytes, manager: Address) -> bool {
    match ours {
        FxRevert::NotesInsufficient { balance, needed } => {
            // Who lacks them is the manager that burns, or the caller that hands over.
            let holder = data.get(16..36).is_some_and(|holder| holder == manager.as_slice() || holder == CALLER.as_slice());
            let words =
                [balance, needed].iter().enumerate().all(|(place, word)| data.get(36 + 32 * place..68 + 32 * place) == Some(&word.to_be_bytes::<32>()[..]));
            data.len() == 100 && data[..4] == [0xe4, 0x50, 0xd3, 0x8c] && holder && words
        }
        _ => match (ours.selector(), ours.panic_code()) {
            (None, _) => data.is_empty(),
            (Some(selector), None) => data[..] == selector.to_be_bytes(),
            (Some(selector), Some(code)) => data.len() == 36 && data[..4] == selector.to_be_bytes() && data[35] == code,
        },
    }
}

#[test]
fn random_pools_are_the_contracts() {
    let world = World::deploy();
    let only: Option<u64> = std::env::var("HARRIER_SEED").ok().map(|seed| seed.parse().unwrap());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut run = Run::new(seed, world.clone());
            for _ in 0..STEPS {
                run.step();
            }
            run.counts
        }));
        match ended {
            Ok(more) => more.into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count),
            Err(_) => panic!("seed {seed} fails: HARRIER_SEED={seed} runs it alone"),
        }
    }
    println!("{counts:#?}");
    if only.is_none() {
        // The worlds are such that everything happens.
        let seen = |what: &str| counts.iter().filter(|(name, _)| name.contains(what)).map(|(_, count)| count).sum::<usize>();
        for what in [
            "base pool",
            "manager",
            "short manager",
            "redemption",
            "done",
            "Empty",
            "DivisionByZero",
            "StableRepayNotAllowed",
            "NotesInsufficient",
            "UnderCollateral",
        ] {
            assert!(seen(what) > 0, "{what} never happened: {counts:#?}");
        }
    }
}

/// The tick of shares around the ratio of any tick, the smallest and the largest: by positions that the contract opens.
#[test]
fn the_tick_of_shares_is_the_contracts_at_every_ratio() {
    let mut world = World::deploy();
    let mut dice = Dice(7);
    let (side, pool) = (world.wst_eth.clone(), world.wst_eth.long);
    // Any ratio may be opened.
    let misc = world.chain.slot(pool, U256::from(2));
    let field = |from: usize, count: usize| -> U256 { ((U256::ONE << count) - U256::ONE) << from };
    let cleared = misc & !field(98, 120);
    world.chain.put(pool, U256::from(2), cleared | field(158, 60));
    let placed = world;
    let (most, top) = (U256::ONE << 95, U256::ONE << 191);
    let mut shares: Vec<(U256, U256)> = vec![(most, MIN_RATIO >> 1), (most, (MIN_RATIO >> 1) + U256::ONE), (most, (MIN_RATIO >> 1) + U256::from(2))];
    for _ in 0..400 {
        let tick = i16::try_from(dice.up_to(65_532)).unwrap_or(0) - i16::try_from(dice.up_to(32_766)).unwrap();
        let ratio = ratio_at_tick(tick).unwrap();
        // The debt nearest to the tick's ratio, and those beside it.
        let least: U256 = top / ratio;
        let colls = if ratio > U256::ONE << 96 { least.max(U256::ONE) } else { most - dice.part(most >> 4) };
        let debts: U256 = (colls * ratio) >> 96;
        for debts in [debts.saturating_sub(U256::ONE), debts, debts + U256::ONE] {
            shares.push((colls, debts.max(U256::ONE)));
        }
    }
    shares.push((U256::ONE, MAX_RATIO >> 96));
    let (mut compared, mut refused) = (0, 0);
    for (colls, debts) in shares {
        let mut world = placed.clone();
        let price = (debts * ONE / colls + U256::ONE) * U256::from(2);
        world.set_prices(&side, [price; 3]);
        // As its manager does.
        let call = IOperate::operateCall { id: U256::ZERO, newRawColl: I256::from_raw(colls), newRawDebt: I256::from_raw(debts), owner: ALICE };
        let ours = tick_of_shares(colls, debts);
        match world.chain.call(world.manager, pool, &call) {
            Ok(_) => {
                let theirs = world.chain.ask(pool, &IPool::positionDataCall(U256::ONE)).tick;
                assert_eq!(ours, Ok(theirs), "{debts} on {colls}");
                compared += 1;
            }
            Err(data) => {
                let revert = ours.expect_err("the contract refuses it");
                assert!(is_same(&revert, &data, world.manager), "{debts} on {colls}: ours {revert:?}, theirs {data}");
                refused += 1;
            }
        }
    }
    println!("{compared} ticks compared, {refused} ratios without one");
    assert!(compared > 900 && refused < 50);
}

alloy::sol! {
    interface IOperate {
        function operate(uint256 id, int256 newRawColl, int256 newRawDebt, address owner) external returns (uint256, int256, int256);
    }
}
