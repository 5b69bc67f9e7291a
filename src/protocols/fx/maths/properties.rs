//! What must hold for any pool, not only for the recorded ones.

use super::{
    bitmap::TickBitmap,
    fixed::{FEE_PRECISION, PRECISION, Q96},
    liquidation::TickShare,
    pool::{Pool, Raw, Threshold},
    rebalance::Standing,
    sizing::{BreakKind, all_collateral, best_budget, liquidation_breakpoints, rebalance_breakpoints},
    tick::{ratio_at_tick, tick_at_ratio, tick_of_shares},
    tree::TickTree,
};
use alloy::primitives::U256;
use proptest::prelude::*;

const PRICE: u128 = 2_600_000_000_000_000_000_000;

/// A position as it was opened: node and shares.
type Opened = (u64, U256, U256);

fn empty_pool(debt_index: U256, coll_index: U256) -> Pool {
    let threshold = |debt_ratio: u64, bonus_ratio: u64| Threshold { debt_ratio: U256::from(debt_ratio), bonus_ratio: U256::from(bonus_ratio) };
    Pool {
        debt_index,
        coll_index,
        total_debt_shares: U256::ZERO,
        total_coll_shares: U256::ZERO,
        rebalance: threshold(880_000_000_000_000_000, 25_000_000),
        liquidate: threshold(950_000_000_000_000_000, 40_000_000),
        max_redeem_ratio_per_tick: U256::from(200_000_000),
        bitmap: TickBitmap::default(),
        tree: TickTree::new([], [], 1),
    }
}

/// Positions of these debt ratios (1e-4) and collateral, beside one that is healthy, so that bad debt has somebody to go to.
fn pool(positions: &[(u64, u64)], debt_growth: u64, coll_growth: u64) -> (Pool, Vec<Opened>) {
    let index = |growth: u64| Q96 + Q96 * U256::from(growth) / U256::from(1_000_000);
    let mut pool = empty_pool(index(debt_growth), index(coll_growth));
    let mut opened = Vec::new();
    for (ratio, colls) in positions.iter().copied().chain([(4_000, 500_000_000)]) {
        let colls = U256::from(colls) * U256::from(1_000_000_000_007_u64);
        let debts = colls * U256::from(PRICE) / PRECISION * U256::from(ratio) / U256::from(10_000);
        let (coll_shares, debt_shares) = (pool.coll_shares(colls).unwrap(), pool.debt_shares(debts).unwrap());
        let (_, node) = pool.add_to_tick(coll_shares, debt_shares).unwrap();
        pool.total_coll_shares += coll_shares;
        pool.total_debt_shares += debt_shares;
        opened.push((node, coll_shares, debt_shares));
    }
    (pool, opened)
}

/// The ticks with a bit are those with debt, and hold all debt and no more than all collateral.
fn check_ticks(pool: &Pool) -> Result<(), TestCaseError> {
    let ticks: Vec<i16> = pool.bitmap.ticks().collect();
    prop_assert!(ticks.is_sorted_by(|higher, lower| higher > lower));
    prop_assert_eq!(ticks.first().copied().unwrap_or(i16::MIN), pool.top_tick());
    let nodes: Vec<_> = ticks.iter().map(|tick| pool.tree.current(*tick)).collect();
    prop_assert!(nodes.iter().all(|node| !node.debt_shares.is_zero() && node.parent == 0));
    prop_assert_eq!(nodes.iter().map(|node| node.debt_shares).sum::<U256>(), pool.total_debt_shares);
    prop_assert!(nodes.iter().map(|node| node.coll_shares).sum::<U256>() <= pool.total_coll_shares);
    Ok(())
}

/// Positions traced through the tree are worth what the totals say, less rounding by the node ratios and never more.
fn check_positions(pool: &Pool, opened: &[Opened]) -> Result<(), TestCaseError> {
    let traced: Vec<_> = opened.iter().map(|(node, colls, debts)| pool.tree.trace(*node, *colls, *debts).unwrap()).collect();
    let (colls, debts) = (traced.iter().map(|at| at.coll_shares).sum::<U256>(), traced.iter().map(|at| at.debt_shares).sum::<U256>());
    prop_assert!(colls <= pool.total_coll_shares && debts <= pool.total_debt_shares, "never more than there is");
    // Each node on the way loses less than 2^-58 of what a position was.
    let slack = |all: U256| U256::from(1_000) + (opened.iter().fold(U256::ZERO, |sum, (_, colls, debts)| sum + *colls + *debts).max(all) >> 50);
    prop_assert!(pool.total_coll_shares - colls <= slack(pool.total_coll_shares));
    prop_assert!(pool.total_debt_shares - debts <= slack(pool.total_debt_shares));
    Ok(())
}

fn near(a: U256, b: U256, slack: u64) -> bool {
    a.abs_diff(b) <= U256::from(slack)
}

fn positions() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((8_000u64..10_400, 1_000_000u64..100_000_000), 1..9)
}

proptest! {
    #[test]
    fn a_debts_tick_is_the_first_at_or_above_it(colls in 1u128.., debts in 1u128..) {
        let (colls, debts) = (U256::from(colls), U256::from(debts));
        if let Ok(tick) = tick_of_shares(colls, debts) {
            let ratio = debts * Q96 / colls;
            prop_assert!(ratio_at_tick(tick).unwrap() >= ratio);
            prop_assert!(tick == i16::MIN + 1 || ratio_at_tick(tick - 1).unwrap() <= ratio + U256::ONE);
        }
    }

    #[test]
    fn a_ratios_tick_is_not_above_it(tick in i16::MIN + 2..i16::MAX) {
        let ratio = ratio_at_tick(tick).unwrap();
        let (found, at_tick) = tick_at_ratio(ratio).unwrap();
        prop_assert!(found == tick || found == tick - 1);
        prop_assert!(at_tick <= ratio);
        // Shares of more than 160 bits would not fit the contract's product.
        prop_assert!(ratio.bit_len() > 160 || tick_of_shares(Q96, ratio) == Ok(tick));
    }

    #[test]
    fn a_rebalance_conserves_and_ends_at_its_target(positions in positions(), growth in (0u64..90_000, 0u64..90_000), part in 1u64..=1_000) {
        let (before, opened) = pool(&positions, growth.0, growth.1);
        let price = U256::from(PRICE);
        let all = before.clone().rebalance_pool(price, U256::MAX >> 128).unwrap().raw_debts;
        let mut after = before.clone();
        let taken = after.rebalance_pool(price, all * U256::from(part) / U256::from(1_000)).unwrap();
        check_ticks(&after)?;
        check_positions(&after, &opened)?;
        prop_assert_eq!(after.debt_index, before.debt_index);
        let (was, is) = (before.total_raw().unwrap(), after.total_raw().unwrap());
        prop_assert!(near(was.debts, is.debts + taken.raw_debts, 40));
        prop_assert!(near(was.colls, is.colls + taken.raw_colls + taken.raw_bonus, 40));
        if part == 1_000 {
            for tick in after.bitmap.ticks() {
                let raw = after.tick_raw(tick).unwrap();
                // A few units of rounding may keep a tick at its target.
                let spared = Raw { debts: raw.debts.saturating_sub(U256::from(20_000)), ..raw };
                prop_assert!(after.rebalance_standing(&spared, price).unwrap() != Standing::Eligible, "{tick}: {raw:?}");
            }
        }
    }

    #[test]
    fn each_end_of_a_tick_is_what_the_walk_takes(positions in positions()) {
        let (before, _) = pool(&positions, 0, 0);
        let price = U256::from(PRICE);
        let ends = rebalance_breakpoints(&before, price, usize::MAX).unwrap();
        for end in &ends {
            prop_assert_eq!(before.clone().rebalance_pool(price, end.budget).unwrap().raw_debts, end.budget);
        }
    }

    #[test]
    fn a_liquidation_conserves_and_the_debt_index_never_falls(
        positions in positions(), growth in (0u64..90_000, 0u64..90_000), reserve in 0u64..50_000_000, part in 1u64..=1_000,
    ) {
        let (before, opened) = pool(&positions, growth.0, growth.1);
        let (price, reserve) = (U256::from(PRICE), U256::from(reserve) * U256::from(1_000_000_000_000_u64));
        let all = before.clone().liquidate(price, U256::MAX >> 128, reserve).unwrap().raw_debts;
        let (mut after, budget) = (before.clone(), all * U256::from(part) / U256::from(1_000));
        // Only a rest of too little collateral is refused.
        let Ok(taken) = after.liquidate(price, budget, reserve) else { return Ok(()) };
        check_ticks(&after)?;
        check_positions(&after, &opened)?;
        prop_assert!(after.debt_index >= before.debt_index);
        prop_assert!(taken.from_reserve <= reserve && taken.raw_debts <= budget);
        let (was, is) = (before.total_raw().unwrap(), after.total_raw().unwrap());
        prop_assert!(near(was.colls + taken.from_reserve, is.colls + taken.raw_colls + taken.raw_bonus, 60));
        // Debt index rises are rounded down: what is lost is at most one part of 2^96 of all shares a tick.
        prop_assert!(near(was.debts, is.debts + taken.raw_debts, 60), "{was:?} {is:?} {taken:?}");
    }

    #[test]
    fn up_to_its_best_budget_a_tick_gives_more_for_more(position in (9_500u64..10_400, 1_000_000u64..100_000_000), reserve in 0u64..50_000_000, parts in (0u64..=1_000, 0u64..=1_000)) {
        let (pool, _) = pool(&[position], 0, 0);
        let (price, reserve, tick) = (U256::from(PRICE), U256::from(reserve) * U256::from(1_000_000_000_000_u64), pool.top_tick());
        let raw = pool.tick_raw(tick).unwrap();
        let bonus_ratio = pool.liquidate.bonus_ratio;
        let best = best_budget(raw.debts, raw.colls, reserve, price, bonus_ratio).unwrap();
        let share = |budget: U256| -> TickShare { pool.tick_share(tick, price, budget, reserve).unwrap() };
        let of = |part: u64| share(best * U256::from(part) / U256::from(1_000));
        let (less, more) = (of(parts.0.min(parts.1)), of(parts.0.max(parts.1)));
        prop_assert!(less.colls + less.bonus <= more.colls + more.bonus);
        prop_assert!(less.bonus == less.colls * bonus_ratio / FEE_PRECISION, "below it no bonus is cut");

        let all = all_collateral(raw.colls + reserve, price, bonus_ratio).unwrap();
        prop_assert!(all >= best || best == raw.debts);
        if all < raw.debts {
            let (at, below) = (share(all), share(all - U256::ONE));
            prop_assert_eq!(at.colls + at.bonus, raw.colls + reserve);
            prop_assert!(below.colls + below.bonus < raw.colls + reserve, "one unit less takes less");
        }
    }

    #[test]
    fn no_budget_gains_more_than_a_breakpoint(positions in positions(), reserve in 0u64..50_000_000, part in 1u64..=2_000) {
        let (pool, _) = pool(&positions, 0, 0);
        let (price, reserve) = (U256::from(PRICE), U256::from(reserve) * U256::from(1_000_000_000_000_u64));
        let gain = |budget: U256| -> Option<U256> {
            let taken = pool.clone().liquidate(price, budget, reserve).ok()?;
            super::sizing::gain(taken.raw_colls + taken.raw_bonus, taken.raw_debts, price).unwrap()
        };
        let points = liquidation_breakpoints(&pool, price, reserve, usize::MAX).unwrap();
        let best = points.iter().filter_map(|point| gain(point.budget)).max().unwrap_or_default();
        prop_assert!(points.is_sorted_by(|first, then| first.budget <= then.budget));
        prop_assert!(points.iter().all(|point| point.kind == BreakKind::TickEnd || gain(point.budget).is_some()));
        let last = points.last().map(|point| point.budget).unwrap_or_default();
        let other = gain(last * U256::from(part) / U256::from(2_000)).unwrap_or_default();
        // Rounding of one unit of collateral.
        prop_assert!(other <= best + price / PRECISION * U256::from(2 * positions.len() + 2), "{other} at another budget, {best} at {points:?}");
    }

    #[test]
    fn a_redemption_pays_what_its_visits_redeem_and_never_more_than_asked(positions in positions(), part in 1u64..=1_000) {
        let (before, opened) = pool(&positions, 777, 4_321);
        let price = U256::from(PRICE);
        let mut after = before.clone();
        let asked = before.total_raw().unwrap().debts * U256::from(part) / U256::from(3_000);
        let redeemed = after.redeem(price, asked).unwrap();
        check_ticks(&after)?;
        check_positions(&after, &opened)?;
        prop_assert!(redeemed.raw_debts <= asked);
        prop_assert!(redeemed.raw_colls * price / PRECISION <= redeemed.raw_debts);
        prop_assert_eq!(redeemed.visits.iter().map(|visit| visit.raw_debts).sum::<U256>(), redeemed.raw_debts);
        let (was, is) = (before.total_raw().unwrap(), after.total_raw().unwrap());
        prop_assert!(near(was.debts, is.debts + redeemed.raw_debts, 2 + 2 * redeemed.visits.len() as u64));
    }

    #[test]
    fn funding_takes_what_it_says(positions in positions(), ratio in 1u64..500_000_000_000_000_000, seconds in 1u64..10_000_000) {
        let (mut pool, _) = pool(&positions, 0, 0);
        let mut before = pool.clone();
        let taken = pool.accrue(U256::from(ratio), seconds).unwrap();
        prop_assert!(pool.coll_index >= before.coll_index);
        prop_assert!(near(before.total_raw().unwrap().colls, pool.total_raw().unwrap().colls + taken, 2));
        prop_assert_eq!(before.accrue(U256::ZERO, seconds).unwrap(), U256::ZERO);
    }
}
