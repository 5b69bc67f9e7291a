//! Sizes of f(x) actions against brute force on random pools: the protocol's budgets, the engine's search, at most sixteen evaluations.
#![allow(
    clippy::missing_const_for_fn,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what it expects"
)]

mod brute;

use alloy::primitives::{Address, U256};
use brute::{Comparison, EVALUATIONS, Notes, Situation, venue};
use harrier::protocols::fx::{
    Counterparty, FxMarket, Payment, Prices, Side,
    maths::{
        base_pool::{BasePool, TokenIn},
        bitmap::TickBitmap,
        fixed::{PRECISION, Q96},
        long::{Action, LongManager},
        pool::{Pool, Threshold},
        short::ShortManager,
        tree::TickTree,
    },
};
use std::{collections::BTreeMap, sync::Mutex};

const POOLS: u64 = 400;
const POINTS: u64 = 1_500;

/// Numbers from a seed: splitmix64.
struct Dice(u64);

impl Dice {
    const fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % (most + 1)
    }

    fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.up_to(most - least)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.up_to(99) < percent
    }
}

fn thresholds() -> [Threshold; 2] {
    [(880_000_000_000_000_000_u64, 25_000_000_u64), (950_000_000_000_000_000, 40_000_000)]
        .map(|(debt_ratio, bonus_ratio)| Threshold { debt_ratio: U256::from(debt_ratio), bonus_ratio: U256::from(bonus_ratio) })
}

/// Ticks of these debt ratios (1e-4) and raw debts at `price`.
fn pool(dice: &mut Dice, price: U256, ticks: &[(u64, U256)]) -> Pool {
    let [rebalance, liquidate] = thresholds();
    let index = |dice: &mut Dice| Q96 + Q96 * U256::from(dice.up_to(100_000)) / U256::from(1_000_000);
    let mut pool = Pool {
        debt_index: index(dice),
        coll_index: index(dice),
        total_debt_shares: U256::ZERO,
        total_coll_shares: U256::ZERO,
        rebalance,
        liquidate,
        max_redeem_ratio_per_tick: U256::from(200_000_000),
        bitmap: TickBitmap::default(),
        tree: TickTree::new([], [], 1),
    };
    for (ratio, debts) in ticks {
        let colls = *debts * PRECISION / price * U256::from(10_000) / U256::from(*ratio);
        let (coll_shares, debt_shares) = (pool.coll_shares(colls).unwrap(), pool.debt_shares(*debts).unwrap());
        pool.add_to_tick(coll_shares, debt_shares).unwrap();
        pool.total_coll_shares += coll_shares;
        pool.total_debt_shares += debt_shares;
    }
    pool
}

/// Random ticks, with or without something healthy below them.
fn ticks(dice: &mut Dice, action: usize, unit: U256) -> Vec<(u64, U256)> {
    let (low, high) = match (action, dice.up_to(3)) {
        (0, 0) => (9_500, 9_620),
        (0, 1) => (9_600, 10_050),
        (0, 2) => (9_500, 11_500),
        (0, _) => (8_900, 12_000),
        _ => (8_800, 9_499),
    };
    let count = if action == 2 {
        1
    } else {
        {
            let most = if dice.chance(20) { 20 } else { 6 };
            dice.within(1, most)
        }
    };
    let mut ticks: Vec<(u64, U256)> =
        (0..count).map(|_| (dice.within(low, high), unit * U256::from(dice.within(50, 60_000)) + U256::from(dice.up_to(999_999)))).collect();
    if dice.chance(90) {
        ticks.push((5_000, unit * U256::from(dice.within(10_000, 3_000_000))));
    }
    ticks
}

fn situation(seed: u64) -> Situation {
    let mut dice = Dice(seed);
    let is_btc = dice.chance(30);
    let (decimals, dollars) = if is_btc { (8_u64, 90_000_u64) } else { (18, 2_600) };
    let kind = usize::try_from(dice.up_to(9)).unwrap();
    let kind = if kind < 7 { 0 } else { kind - 6 };
    let is_short = dice.chance(40);
    let long_price = PRECISION * U256::from(dollars) + U256::from(dice.up_to(999_999_999));
    let scaling = U256::from(10).pow(U256::from(18 - decimals))
        * if is_btc || is_short { PRECISION } else { PRECISION + U256::from(dice.up_to(300_000_000_000_000_000)) };
    if is_short { short(&mut dice, kind, long_price, scaling) } else { long(&mut dice, kind, long_price, scaling) }
}

fn action_of(kind: usize, model: &Pool) -> Action {
    match kind {
        0 => Action::Liquidate,
        1 => Action::Rebalance,
        _ => Action::RebalanceTick(model.top_tick()),
    }
}

const fn market(model: Pool, price: U256, side: Side) -> FxMarket {
    let prices = Prices { anchor: price, min: price, max: price, liquidate: price };
    let none = Address::ZERO;
    FxMarket { pool: none, collateral: none, oracle: none, implementation: none, prices, funding_ratio: U256::ZERO, model, reserve: none, side }
}

fn long(dice: &mut Dice, kind: usize, price: U256, scaling_factor: U256) -> Situation {
    let ticks = ticks(dice, kind, PRECISION);
    let model = pool(dice, price, &ticks);
    let action = action_of(kind, &model);
    let colls = model.total_raw().unwrap().colls * PRECISION / scaling_factor;
    let has_notes = dice.chance(40);
    let part = |dice: &mut Dice, most: u64| colls * U256::from(dice.up_to(most)) / U256::from(1_000);
    let manager = LongManager {
        scaling_factor,
        reserve_balance: if dice.chance(50) { part(dice, 60) } else { U256::ZERO },
        expense_ratio: U256::from(dice.up_to(2)) * U256::from(100_000_000),
        token_balance: if has_notes { part(dice, 200) } else { colls * U256::from(2) },
        pays_in_notes: true,
        stable_price: U256::from(10).pow(U256::from(30)) - U256::from(10).pow(U256::from(26)) * U256::from(dice.up_to(40)),
        stable_repay_allowed: dice.chance(50),
        paused: false,
        caller_permitted: true,
    };
    let debts = model.total_raw().unwrap().debts;
    let some = |dice: &mut Dice| if dice.chance(60) { debts * U256::from(2) } else { debts * U256::from(dice.within(1, 1_000)) / U256::from(3_000) };
    let base = BasePool { fx_usd: some(dice), stable: some(dice) / U256::from(10).pow(U256::from(12)) };
    let payment = [Payment::Base(TokenIn::FxUsd), Payment::Base(TokenIn::Usdc), Payment::Direct][usize::try_from(dice.up_to(2)).unwrap()];
    let unit = if payment == Payment::Base(TokenIn::Usdc) { U256::from(10).pow(U256::from(12)) } else { U256::ONE };
    let notes = has_notes.then(|| notes(dice, price, colls * scaling_factor / PRECISION, scaling_factor, unit));
    let lent_to = Counterparty { pool: Address::ZERO, note: Address::ZERO, redemption: None };
    let side = Side::Long { manager, base, is_open: true, lent_to: Some(Box::new(lent_to)) };
    let token_price = price * scaling_factor / PRECISION / unit;
    let venue = venue(colls, dice.within(3, 3_000), token_price, dice.within(9_850, 10_150));
    Situation { market: market(model, price, side), action, payment, venue, notes }
}

/// A short pool whose notes the long one pays with.
fn notes(dice: &mut Dice, price: U256, raw: U256, scaling: U256, unit: U256) -> Notes {
    let inverse = PRECISION * PRECISION / price;
    let debts = raw * U256::from(dice.within(1, 1_000)) / U256::from(1_000);
    let ticks: Vec<(u64, U256)> = (0..dice.within(1, 5))
        .map(|_| (dice.within(4_000, 10_300), debts * U256::from(dice.within(1, 400)) / U256::from(1_000) + U256::from(1_000_000_000)))
        .collect();
    let pool = pool(dice, inverse, &ticks);
    Notes { manager: short_manager(scaling, U256::ZERO), pool, price: inverse, unit }
}

fn short_manager(scaling_factor: U256, reserve_balance: U256) -> ShortManager {
    ShortManager {
        scaling_factor,
        reserve_balance,
        expense_ratio: U256::from(100_000_000),
        redeem_fee_ratio: U256::ZERO,
        min_raw_debt: U256::from(100_000_000_000_000_u64),
        notes_of_manager: None,
        paused: false,
        killed: false,
    }
}

fn short(dice: &mut Dice, kind: usize, long_price: U256, scaling_factor: U256) -> Situation {
    let price = PRECISION * PRECISION / long_price;
    let ticks = ticks(dice, kind, PRECISION * PRECISION / long_price);
    let model = pool(dice, price, &ticks);
    let action = action_of(kind, &model);
    let raw = model.total_raw().unwrap();
    let reserve = if dice.chance(50) { raw.colls * U256::from(dice.up_to(60)) / U256::from(1_000) } else { U256::ZERO };
    let mut manager = short_manager(scaling_factor, reserve);
    let notes = raw.debts * PRECISION / scaling_factor;
    manager.notes_of_manager = dice.chance(50).then(|| notes * U256::from(dice.within(1, 1_000)) / U256::from(1_000));
    let side = Side::Short { manager, debt_token: Address::ZERO, note: Address::ZERO };
    let token_price = price * PRECISION / scaling_factor;
    let venue = venue(raw.colls, dice.within(3, 3_000), token_price, dice.within(9_850, 10_150));
    Situation { market: market(model, price, side), action, payment: Payment::Short, venue, notes: None }
}

/// A thousandth of a dollar: gas alone costs more, and the units of the payment's token are coarser than a thousandth of it.
fn is_worth_it(situation: &Situation, comparison: &Comparison) -> bool {
    let raw = match (&situation.market.side, situation.payment) {
        (Side::Long { .. }, Payment::Base(TokenIn::Usdc)) => comparison.brute * U256::from(10).pow(U256::from(12)),
        (Side::Long { .. }, _) => comparison.brute,
        (Side::Short { manager, .. }, _) => comparison.brute * manager.scaling_factor / situation.market.prices.min,
    };
    raw >= PRECISION / U256::from(4)
}

#[test]
fn the_best_size_is_found_on_random_pools() {
    let only: Option<u64> = std::env::var("HARRIER_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds: Vec<u64> = only.map_or_else(|| (0..POOLS).collect(), |seed| vec![seed]);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (seeds, results) = (&seeds, &results);
            scope.spawn(move || {
                for seed in seeds.iter().skip(half).step_by(2) {
                    let situation = situation(*seed);
                    let comparison = situation.compare(POINTS, |size, gain| {
                        // One seed alone tells its story.
                        if only.is_some() {
                            println!("{size} gains {gain:?}");
                        }
                    });
                    let what = format!("{:?} {:?}", situation.payment, situation.action);
                    results.lock().unwrap().insert(*seed, (comparison, is_worth_it(&situation, &comparison), what));
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let judged: Vec<_> = results.iter().filter(|(_, (_, is_worth_it, _))| *is_worth_it).collect();
    let worst = judged.iter().min_by_key(|(_, (comparison, ..))| comparison.ratio()).unwrap();
    let most = results.values().map(|(comparison, ..)| comparison.evaluations).max().unwrap();
    let all: usize = judged.iter().map(|(_, (comparison, ..))| comparison.evaluations).sum();
    println!(
        "{} of {} pools pay; the worst ratio is {} ppm (seed {}), at most {most} evaluations, {} on average",
        judged.len(),
        results.len(),
        worst.1.0.ratio(),
        worst.0,
        all / judged.len()
    );
    let missed = |ratio: fn(&Comparison) -> u64| -> Vec<String> {
        let below = judged.iter().filter(|(_, (comparison, ..))| ratio(comparison) < 999_000);
        below.map(|(seed, (comparison, _, what))| format!("seed {seed}: {} ppm, {what}", ratio(comparison))).collect()
    };
    let worst = judged.iter().map(|(_, (comparison, ..))| comparison.quoted_ratio()).min().unwrap();
    println!("by quotes the worst ratio is {worst} ppm");
    let (few, quotes) = (missed(Comparison::ratio), missed(Comparison::quoted_ratio));
    println!("{} of {} below 99.9 % by {EVALUATIONS} evaluations\n{}", few.len(), judged.len(), few.join("\n"));
    assert!(most <= EVALUATIONS);
    // The engine searches by quotes; simulations are fewer.
    assert!(quotes.is_empty(), "{} of {} below 99.9 % by quotes\n{}", quotes.len(), judged.len(), quotes.join("\n"));
    // Twenty ticks under water have more peaks than there are evaluations.
    assert!(few.len() * 50 <= judged.len(), "too many below 99.9 % by few evaluations");
    assert!(only.is_some() || judged.len() > results.len() / 2, "most pools pay");
}
