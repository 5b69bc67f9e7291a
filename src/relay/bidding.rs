//! How much of a profit goes to the builder.

use crate::risk::Bps;
use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

/// The strategy that sets a bundle's payment to the block's fee recipient, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bidding {
    /// This share of the profit after gas, rounded down.
    Share(Bps),
    /// Always this much, as far as the profit allows.
    Fixed(U256),
    /// Nothing beside the priority fee.
    Nothing,
}

impl Bidding {
    /// The payment for a profit of `profit_wei`, which is after gas (base fee and priority fee, the payment's own gas
    /// included) and before payment. It never leaves less than `min_profit_wei`: a profit at or below that pays nothing.
    #[must_use]
    pub fn payment(&self, profit_wei: U256, min_profit_wei: U256) -> U256 {
        let most = profit_wei.saturating_sub(min_profit_wei);
        match self {
            Self::Share(share) => share.of_down(profit_wei).min(most),
            Self::Fixed(wei) => (*wei).min(most),
            Self::Nothing => U256::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(bps: u16, profit: u64, min: u64) -> u64 {
        Bidding::Share(Bps::new(bps).unwrap()).payment(U256::from(profit), U256::from(min)).to()
    }

    #[test]
    fn a_share_is_rounded_down() {
        assert_eq!(share(9_000, 1_001, 0), 900);
        assert_eq!(share(1, 9_999, 0), 0);
        assert_eq!(share(0, 1_000, 0), 0);
    }

    #[test]
    fn the_minimum_profit_stays() {
        assert_eq!(share(9_000, 1_000, 100), 900);
        assert_eq!(share(9_000, 1_000, 101), 899);
        assert_eq!(share(10_000, 1_000, 0), 1_000);
        assert_eq!(share(10_000, 1_000, 1_000), 0);
        assert_eq!(share(10_000, 1_000, 2_000), 0);
    }

    #[test]
    fn fixed_and_nothing() {
        let pay = |bidding: Bidding, profit: u64, min: u64| bidding.payment(U256::from(profit), U256::from(min));
        assert_eq!(pay(Bidding::Fixed(U256::from(70)), 100, 10), U256::from(70));
        assert_eq!(pay(Bidding::Fixed(U256::from(95)), 100, 10), U256::from(90));
        assert_eq!(pay(Bidding::Nothing, 100, 10), U256::ZERO);
        assert_eq!(Bidding::Share(Bps::ONE).payment(U256::MAX, U256::ZERO), U256::MAX);
    }

    proptest! {
        #[test]
        fn what_is_left_is_at_least_the_minimum(bps in 0_u16..=10_000, profit: u64, min: u64) {
            let paid = share(bps, profit, min);
            prop_assert!(paid <= profit);
            prop_assert!(paid == 0 || profit - paid >= min);
        }
    }
}
