use super::*;
use crate::protocols::morpho::{
    MarketParams, MarketState,
    maths::{fixed::PRICE_SCALE, health::incentive_factor},
};
use alloy::primitives::{Address, uint};
use proptest::prelude::*;

const LLTV: U256 = uint!(860_000_000_000_000_000_U256);
const TOKEN: u128 = 1_000_000_000_000_000_000;

fn market(price: U256, min_loan: u128) -> MorphoMarket {
    let params = MarketParams { loan_token: Address::ZERO, collateral_token: Address::ZERO, oracle: Address::ZERO, irm: Address::ZERO, lltv: LLTV };
    MorphoMarket {
        id: params.id(),
        params,
        state: MarketState {
            total_supply_assets: 1_000_000 * TOKEN,
            total_supply_shares: 1_000_000 * TOKEN * 1_000_000,
            total_borrow_assets: 500_000 * TOKEN,
            total_borrow_shares: 490_000 * TOKEN * 1_000_000,
            last_update: 1,
            fee: 0,
        },
        price,
        incentive: incentive_factor(LLTV).unwrap(),
        min_loan: U256::from(min_loan),
    }
}

/// A position that owes about this many loan tokens and holds that many collateral tokens.
fn position(debt: u128, collateral: u128) -> Position {
    Position { borrow_shares: debt * 980_000, collateral, ..Position::default() }
}

fn ends(sizes: &Sizes) -> (U256, U256) {
    match sizes {
        Sizes::Range { min, max, .. } => (*min, *max),
        other => panic!("no range: {other:?}"),
    }
}

#[test]
fn alice_covers_her_debt_so_all_shares_are_on_offer_beside_any_part() {
    let (market, alice) = (market(PRICE_SCALE, 0), position(900 * TOKEN, 1_000 * TOKEN));
    assert!(!market.is_healthy(&alice).unwrap());
    let offers = market.offers(&alice).unwrap();
    let [Sizes::Range { min, max, also, .. }] = offers.sizes.as_slice() else { panic!("{offers:?}") };
    assert_eq!(*min, U256::ONE);
    assert_eq!(also.as_slice(), &[Size { unit: SizeUnit::RepaidShares, amount: U256::from(alice.borrow_shares) }]);
    let close = market.liquidate(&alice, liquidation_size(also[0]).unwrap()).unwrap();
    assert_eq!(close.position.borrow_shares, 0);
    assert_eq!(close.seized_assets, *max, "the largest seizure and the full close take the same collateral");
    assert_eq!(offers.most_to_pay, close.repaid_assets);
}

#[test]
fn bob_is_under_water_so_the_largest_size_takes_everything_and_writes_the_rest_off() {
    let (market, bob) = (market(PRICE_SCALE, 0), position(1_000 * TOKEN, 900 * TOKEN));
    let offers = market.offers(&bob).unwrap();
    let [Sizes::Range { max, also, .. }] = offers.sizes.as_slice() else { panic!("{offers:?}") };
    assert_eq!(*max, U256::from(bob.collateral));
    assert!(also.is_empty());
    let done = market.liquidate(&bob, LiquidationSize::seize(*max)).unwrap();
    assert!(done.bad_debt_assets > U256::ZERO && done.position == Position::default());
    assert_eq!(offers.most_to_pay, done.repaid_assets);
}

#[test]
fn a_minimum_loan_leaves_a_gap_between_keeping_it_and_healing() {
    // Debt 20 at a minimum of 15: up to 5 may be repaid, or enough to heal.
    let (market, carol) = (market(PRICE_SCALE, 15 * TOKEN), position(20 * TOKEN, 21 * TOKEN + TOKEN / 2));
    let offers = market.offers(&carol).unwrap();
    let [keeping, healing] = offers.sizes.as_slice() else { panic!("{offers:?}") };
    let ((first, keeps), (heals, most)) = (ends(keeping), ends(healing));
    assert!(first == U256::ONE && keeps < heals && heals < most);
    for accepted in [first, keeps, heals, most] {
        assert!(market.liquidate(&carol, LiquidationSize::seize(accepted)).is_ok(), "{accepted}");
    }
    for refused in [keeps + U256::ONE, heals - U256::ONE] {
        assert_eq!(market.liquidate(&carol, LiquidationSize::seize(refused)), Err(MorphoRevert::UnhealthyPosition), "{refused}");
    }
}

#[test]
fn below_the_minimum_already_only_healing_or_closing_is_left() {
    let (market, dave) = (market(PRICE_SCALE, 15 * TOKEN), position(10 * TOKEN, 9 * TOKEN));
    let offers = market.offers(&dave).unwrap();
    let [only] = offers.sizes.as_slice() else { panic!("{offers:?}") };
    assert_eq!(ends(only), (U256::from(dave.collateral), U256::from(dave.collateral)), "nothing but all of it");
}

#[test]
fn a_debt_that_buys_no_collateral_is_no_offer() {
    let market = market(PRICE_SCALE * U256::from(TOKEN), 0);
    let crumb = Position { borrow_shares: 1_000_000, collateral: 0, ..Position::default() };
    assert!(market.offers(&crumb).unwrap().sizes.is_empty());
}

#[test]
fn sizes_in_other_units_are_refused() {
    for unit in [SizeUnit::Budget, SizeUnit::Fraction] {
        assert!(liquidation_size(Size { unit, amount: U256::ONE }).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_offered_is_accepted(
        debt in 1u128..1_000 * TOKEN, percent in 1u128..130, price in 1u64..10_000, minimum in 0u128..200 * TOKEN, part in 0u64..=100,
    ) {
        let price = PRICE_SCALE * U256::from(price) / U256::from(100);
        let worth = U256::from(debt) * PRICE_SCALE / price;
        let collateral = u128::try_from(worth).unwrap() / 100 * percent;
        let (market, position) = (market(price, minimum), position(debt, collateral));
        prop_assume!(position.collateral > 0 && !market.is_healthy(&position).unwrap());
        for sizes in market.offers(&position).unwrap().sizes {
            match sizes {
                Sizes::Range { min, max, also, .. } => {
                    let inside = min + (max - min) * U256::from(part) / U256::from(100);
                    for seized in [min, inside, max] {
                        let done = market.liquidate(&position, LiquidationSize::seize(seized));
                        prop_assert!(done.is_ok(), "{seized} of {min}..{max}: {done:?}");
                    }
                    for size in also {
                        prop_assert!(market.liquidate(&position, liquidation_size(size).unwrap()).is_ok());
                    }
                }
                Sizes::Fixed(all) => for size in all {
                    prop_assert!(market.liquidate(&position, liquidation_size(size).unwrap()).is_ok());
                },
                Sizes::Parts(_) => prop_assert!(false),
            }
        }
    }
}
