//! What must hold for any market, not only for those in the vectors.

use super::{
    accrual::accrue,
    fixed::{PRICE_SCALE, WAD},
    health::{Trigger, debt, incentive_factor, is_healthy, max_borrow, trigger_price},
    liquidation::{Guards, LiquidationSize, liquidate, seizable, shares_to_repay},
    order,
};
use crate::protocols::morpho::{MarketState, Position};
use alloy::primitives::{U256, U512};
use proptest::prelude::*;

/// Any size between one unit and 2^`bits`, small ones as likely as large ones.
fn sized(bits: u32) -> impl Strategy<Value = u128> {
    (0..bits).prop_flat_map(|bit| (1u128 << bit)..=((1u128 << bit) | ((1u128 << bit) - 1)))
}

prop_compose! {
    fn markets()(assets in sized(96), per_million in 1u128..3_000_000, extra in 0u128..1_000_000, fee in 0u128..250_000_000_000_000_000)
        -> MarketState {
        // Any price of a share from its first, a millionth of an asset, to three assets.
        let shares = assets.saturating_mul(1_000_000) / per_million + extra;
        MarketState {
            total_supply_assets: assets.saturating_mul(2),
            total_supply_shares: shares.saturating_mul(2),
            total_borrow_assets: assets,
            total_borrow_shares: shares.max(1),
            last_update: 1_700_000_000,
            fee,
        }
    }
}

fn lltvs() -> impl Strategy<Value = U256> {
    (1u64..=1_000).prop_map(|permille| U256::from(permille) * WAD / U256::from(1_000))
}

fn prices() -> impl Strategy<Value = U256> {
    (sized(120), 0u32..24).prop_map(|(price, shift)| U256::from(price) << shift)
}

/// A position whose collateral lies near the boundary, so that rounding decides.
fn near_boundary(shares: u128, owed: U256, price: U256, lltv: U256, off: i128) -> Option<Position> {
    let exact = U512::from(owed) * U512::from(WAD) * U512::from(PRICE_SCALE) / U512::from(lltv) / U512::from(price);
    let collateral = u128::try_from(U256::checked_from_limbs_slice(exact.as_limbs())?).ok()?.checked_add_signed(off)?;
    Some(Position { borrow_shares: shares, collateral, ..Position::default() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_collateral_or_a_better_price_never_harms(market in markets(), shares in sized(100), collateral in sized(100), price in prices(), lltv in lltvs()) {
        let position = Position { borrow_shares: shares, collateral, ..Position::default() };
        if is_healthy(&market, &position, price, lltv).unwrap() {
            let richer = Position { collateral: collateral + 1, ..position };
            let owes_less = Position { borrow_shares: shares - 1, ..position };
            prop_assert!(is_healthy(&market, &richer, price, lltv).unwrap());
            prop_assert!(is_healthy(&market, &owes_less, price, lltv).unwrap());
            prop_assert!(is_healthy(&market, &position, price + U256::ONE, lltv).unwrap());
        }
    }

    #[test]
    fn interest_never_makes_a_position_healthier(market in markets(), shares in sized(90), collateral in sized(90), price in prices(), lltv in lltvs(), seconds in 1u64..10_000_000) {
        let position = Position { borrow_shares: shares, collateral, ..Position::default() };
        let mut later = market;
        accrue(&mut later, 1_700_000_000 + seconds, Some(U256::from(3_000_000_000_u64))).unwrap();
        prop_assert!(later.total_borrow_assets >= market.total_borrow_assets);
        prop_assert!(later.total_supply_assets - market.total_supply_assets == later.total_borrow_assets - market.total_borrow_assets);
        if !is_healthy(&market, &position, price, lltv).unwrap() {
            prop_assert!(!is_healthy(&later, &position, price, lltv).unwrap());
        }
    }

    #[test]
    fn shares_never_round_in_the_liquidators_favour(market in markets(), amount in sized(90), price in prices(), lltv in lltvs()) {
        let pool = market.borrow_pool().unwrap();
        let incentive = incentive_factor(lltv).unwrap();
        let amount = U256::from(amount);
        // Assets to shares and back gives no more than went in, whichever way.
        prop_assert!(pool.to_assets_down(pool.to_shares_down(amount).unwrap()).unwrap() <= amount);
        prop_assert!(pool.to_assets_up(pool.to_shares_up(amount).unwrap()).unwrap() >= amount);
        // What shares buy costs no more shares; one unit more costs more. So it is the exact maximum.
        if let Ok(most) = seizable(&pool, amount, price, incentive)
            && let Ok(cost) = shares_to_repay(&pool, most, price, incentive)
        {
            prop_assert!(cost <= amount);
            prop_assert!(shares_to_repay(&pool, most + U256::ONE, price, incentive).map_or(true, |cost| cost > amount));
        }
        // The value of what is seized is at most what is paid times the incentive.
        if let Ok(cost) = shares_to_repay(&pool, amount, price, incentive) {
            let paid = pool.to_assets_up(cost).unwrap();
            let value = U512::from(amount) * U512::from(price) / U512::from(PRICE_SCALE);
            prop_assert!(value <= U512::from(paid) * U512::from(incentive) / U512::from(WAD) + U512::from(1));
        }
    }

    #[test]
    fn the_trigger_price_is_the_smallest_healthy_price(market in markets(), shares in sized(100), collateral in sized(100), lltv in lltvs()) {
        let position = Position { borrow_shares: shares, collateral, ..Position::default() };
        let owed = debt(&market, &position).unwrap();
        if let Ok(Trigger::Below(smallest)) = trigger_price(owed, collateral, lltv) {
            prop_assert!(is_healthy(&market, &position, smallest, lltv).unwrap());
            prop_assert!(!is_healthy(&market, &position, smallest - U256::ONE, lltv).unwrap());
        }
    }

    #[test]
    fn the_order_never_misses_and_spares_little(
        market in markets(), shares in sized(100), price in prices(), lltv in lltvs(), off in -3i128..=3, least in sized(60),
    ) {
        let pool = market.borrow_pool().unwrap();
        let probe = Position { borrow_shares: shares, ..Position::default() };
        let Some(position) = near_boundary(shares, debt(&market, &probe).unwrap(), price, lltv, off) else { return Ok(()) };
        let Some(key) = order::key(position.borrow_shares, position.collateral) else { return Ok(()) };
        let Ok(healthy) = is_healthy(&market, &position, price, lltv) else { return Ok(()) };
        let least = least.min(shares);
        let boundary = order::boundary(&pool, price, lltv, least).unwrap();
        if !healthy {
            prop_assert!(key > boundary, "missed: key {key} boundary {boundary}");
        }
        // Tight: the exact boundary lies above the spared one by no more than two units of debt at the least size.
        let exact = order::boundary(&pool, price, lltv, u128::MAX).unwrap();
        if key > exact.saturating_add(U256::from(2)) + exact / U256::from(u64::MAX) {
            prop_assert!(!healthy, "asked for nothing: key {key} exact {exact}");
        }
        prop_assert!(boundary <= exact);
        let least_assets = pool.to_assets_down(U256::from(least)).unwrap();
        if least_assets > U256::from(2) {
            let spare = U512::from(exact - boundary);
            prop_assert!(spare * U512::from(least_assets) <= U512::from(exact) * U512::from(2) + U512::from(least_assets) * U512::from(3));
        }
    }

    #[test]
    fn a_liquidation_neither_creates_nor_loses_anything(market in markets(), part in 1u128..=100, collateral in sized(80), price in prices(), lltv in lltvs()) {
        let shares = (market.total_borrow_shares / 100 * part).max(1).min(market.total_borrow_shares);
        let position = Position { borrow_shares: shares, collateral, ..Position::default() };
        let pool = market.borrow_pool().unwrap();
        let incentive = incentive_factor(lltv).unwrap();
        let Ok(affordable) = seizable(&pool, U256::from(shares), price, incentive) else { return Ok(()) };
        let most = affordable.min(U256::from(collateral));
        let sizes = [LiquidationSize::seize(most), LiquidationSize::seize(most / U256::from(2)), LiquidationSize::repay(U256::from(shares))];
        for size in sizes {
            let Ok(done) = liquidate(&market, &position, lltv, price, size, &Guards::default()) else { continue };
            prop_assert_eq!(U256::from(collateral), done.seized_assets + U256::from(done.position.collateral));
            prop_assert_eq!(U256::from(shares), done.repaid_shares + done.bad_debt_shares + U256::from(done.position.borrow_shares));
            prop_assert_eq!(market.total_borrow_shares - done.market.total_borrow_shares, shares - done.position.borrow_shares);
            prop_assert_eq!(U256::from(market.total_supply_assets - done.market.total_supply_assets), done.bad_debt_assets);
            prop_assert!(done.bad_debt_shares.is_zero() || done.position.collateral == 0);
            prop_assert!(!done.repaid_assets.is_zero());
        }
        // The largest size is accepted whenever the position is not healthy.
        if !most.is_zero() && !is_healthy(&market, &position, price, lltv).unwrap_or(true) {
            prop_assert!(liquidate(&market, &position, lltv, price, LiquidationSize::seize(most), &Guards::default()).is_ok());
        }
    }

    #[test]
    fn max_borrow_of_nothing_is_nothing(price in prices(), lltv in lltvs()) {
        prop_assert!(max_borrow(0, price, lltv).unwrap().is_zero());
    }
}
