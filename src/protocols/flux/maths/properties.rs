//! What holds for every position.

use super::*;
use alloy::primitives::U256;
use proptest::prelude::*;

fn amount(most: u64) -> impl Strategy<Value = U256> {
    (0..=most).prop_map(U256::from)
}

proptest! {
    #[test]
    fn a_payment_is_never_above_the_debt_and_the_rest_is_bad(value in amount(1 << 60), debt in amount(1 << 40), margin in 0_u64..=200_000_000_000_000_000) {
        let value = value * U256::from(1_000_000_u64);
        let base = Numeraire { price: WAD, decimals: 6 };
        let rules = Rules { threshold: WAD * U256::from(11) / U256::from(10), profit_margin: U256::from(margin) };
        let found = evaluate(value, debt, &rules, &base).unwrap();
        prop_assert!(found.min_payment <= debt);
        prop_assert_eq!(found.min_payment + found.bad_debt, debt);
        prop_assert_eq!(found.can_liquidate, found.health < rules.threshold && found.debt_usd > U256::ZERO);
        if value >= found.debt_usd {
            prop_assert_eq!(found.bad_debt, U256::ZERO);
        }
    }

    #[test]
    fn parts_never_give_more_than_the_whole(bond in amount(1 << 50), capital in amount(1 << 50), principal in amount(1 << 50), interest in amount(1 << 40),
                                            share in 1_u64..1_000_000_000_000_000_000) {
        let (holdings, loan) = (Holdings { bond, working_capital: capital }, Loan { principal, interest });
        let owed = principal + interest;
        let whole = partial(&holdings, &loan, owed, WAD).unwrap();
        prop_assert_eq!((whole.payment, whole.debt_left, whole.bad_debt, whole.seized), (owed, U256::ZERO, U256::ZERO, holdings));
        let share = U256::from(share);
        let (one, two) = (partial(&holdings, &loan, owed, share).unwrap(), partial(&holdings, &loan, owed, WAD - share).unwrap());
        prop_assert!(one.payment + two.payment >= owed && one.payment + two.payment <= owed + U256::ONE);
        prop_assert!(one.seized.bond + two.seized.bond <= bond && one.seized.working_capital + two.seized.working_capital <= capital);
    }

    #[test]
    fn the_dead_zone_ends_in_the_very_second(value in 1_u64..1 << 50, principal in 1_u64..1 << 40, rate in 1_u64..1_000_000_000_000_000_000) {
        let base = Numeraire { price: U256::from(999_800_000_000_000_000_u64), decimals: 6 };
        let value = U256::from(value) * U256::from(1_000_000_000_u64);
        let (loan, rate) = (Loan { principal: U256::from(principal), interest: U256::from(7) }, U256::from(rate));
        let seconds = seconds_to_one(value, &loan, rate, &base).unwrap().unwrap();
        let underwater = |seconds: U256| {
            let seconds = u64::try_from(seconds).ok()?;
            Some(value < base.debt_usd(loan.true_debt(rate, seconds).ok()?).ok()?)
        };
        if let Some(is) = underwater(seconds) {
            prop_assert!(is);
        }
        if let Some(before) = seconds.checked_sub(U256::ONE) {
            prop_assert_ne!(underwater(before), Some(true));
        }
    }

    #[test]
    fn the_price_of_the_boundary_is_exact(amount in 1_u64..1 << 60, other in 0_u64..1 << 40, debt in 1_u64..1 << 50) {
        let (amount, other, debt) = (U256::from(amount), U256::from(other) * U256::from(1_000_000_000_u64), U256::from(debt) * U256::from(1_000_000_000_u64));
        let underwater = |price: U256| other + value(amount, price, 18).unwrap() < debt;
        match price_at_one(amount, 18, other, debt).unwrap() {
            None => prop_assert!(!underwater(U256::ZERO)),
            Some(price) => {
                prop_assert!(underwater(price));
                prop_assert!(!underwater(price + U256::ONE));
            }
        }
    }

    #[test]
    fn deleveraging_raises_health_and_lowers_utilisation(value in 1_u64..1 << 50, debt in 1_u64..1 << 40, bond in amount(1 << 40), assets in 1_u64..1 << 42) {
        let base = Numeraire { price: WAD, decimals: 6 };
        let value = U256::from(value) * U256::from(1_000_000_000_000_u64);
        let debt = U256::from(debt);
        let pool = Pool { total_assets: U256::from(assets).max(debt), total_debt: debt };
        let tenth = |tenths: u64| WAD * U256::from(tenths) / U256::from(10);
        let rules = DeleverageRules { health_threshold: tenth(12), utilisation_threshold: tenth(9), liquidation_threshold: tenth(11) };
        // A bond that is part of the position is never worth more than it.
        let bond = bond.min(value / U256::from(1_000_000_000_000_u64));
        let done = deleverage(value, debt, &Holdings { bond, working_capital: U256::ZERO }, &pool, &rules, &base).unwrap();
        if let Some(after) = done.health_after {
            prop_assert!(after >= done.health_before);
            prop_assert!(done.repaid <= bond && done.repaid <= debt && !done.repaid.is_zero());
        } else {
            prop_assert_eq!(done.repaid, U256::ZERO);
        }
    }
}
