//! The least gain that the executor lets pass on chain.

use super::{Bps, mul_div_up};
use crate::plan::{Skip, SkipReason};
use alloy::primitives::U256;

/// What the gain at the receiver has to cover at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Gas of the transaction at the target base fee and priority fee, in wei. An operator pays it.
    pub gas_wei: U256,
    /// The builder payment in wei, where it does not come out of the gain before the gain is measured; else zero.
    pub payment_wei: U256,
}

/// The promise of one transaction, in units of the profit token at the profit receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The transaction reverts below this gain.
    pub min_gain: U256,
}

impl Promise {
    /// The least gain: `predicted x (1 - tolerance)`, rounded up, but never below what gas and payment cost (their
    /// value in the profit token, rounded up).
    ///
    /// `predicted` is the simulated gain at the receiver in token units, `value_wei` what that gain is worth in wei on
    /// the same overlay. A gain without value is [`SkipReason::Unpriced`]; costs above the gain are
    /// [`SkipReason::Unprofitable`], because such a promise could only revert.
    pub fn new(predicted: U256, value_wei: U256, tolerance: Bps, cost: Cost) -> Result<Self, Skip> {
        let wanted = tolerance.complement().of_up(predicted);
        let min_gain = wanted.max(Self::floor(predicted, value_wei, cost)?);
        if min_gain > predicted {
            return Err(Skip::new(SkipReason::Unprofitable, format!("gas and payment need a gain of {min_gain} units, {predicted} are predicted")));
        }
        Ok(Self { min_gain })
    }

    fn floor(predicted: U256, value_wei: U256, cost: Cost) -> Result<U256, Skip> {
        let wei = cost.gas_wei.checked_add(cost.payment_wei).ok_or_else(|| Skip::new(SkipReason::TooExpensive, "gas and payment exceed 256 bits"))?;
        if wei.is_zero() {
            return Ok(U256::ZERO);
        }
        if value_wei.is_zero() {
            return Err(Skip::new(SkipReason::Unpriced, "the predicted gain has no value in wei"));
        }
        // `None` here means more tokens than 256 bits can count: more than any gain.
        mul_div_up(wei, predicted, value_wei).ok_or_else(|| Skip::new(SkipReason::Unprofitable, format!("{wei} wei are more than any gain of the token")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn promise(predicted: u64, value_wei: u64, bps: u16, gas: u64, payment: u64) -> Result<u64, SkipReason> {
        let cost = Cost { gas_wei: U256::from(gas), payment_wei: U256::from(payment) };
        Promise::new(U256::from(predicted), U256::from(value_wei), Bps::new(bps).unwrap(), cost)
            .map(|promise| promise.min_gain.to())
            .map_err(|skip| skip.reason)
    }

    #[test]
    fn tolerance_is_taken_off_and_rounded_up() {
        assert_eq!(promise(1_000, 1_000, 0, 0, 0), Ok(1_000));
        assert_eq!(promise(1_000, 1_000, 50, 0, 0), Ok(995));
        assert_eq!(promise(1_001, 1_001, 50, 0, 0), Ok(996));
        assert_eq!(promise(1_000, 1_000, 10_000, 0, 0), Ok(0));
    }

    #[test]
    fn gas_and_payment_are_the_floor() {
        assert_eq!(promise(1_000, 1_000, 10_000, 300, 0), Ok(300));
        assert_eq!(promise(1_000, 1_000, 10_000, 300, 200), Ok(500));
        assert_eq!(promise(1_000, 1_000, 100, 300, 200), Ok(990), "the higher of both");
    }

    #[test]
    fn the_floor_is_in_tokens_rounded_up() {
        // 1000 units are worth 3000 wei, so 100 wei are 33.3 units.
        assert_eq!(promise(1_000, 3_000, 10_000, 100, 0), Ok(34));
    }

    #[test]
    fn costs_at_and_above_the_gain() {
        assert_eq!(promise(1_000, 1_000, 0, 1_000, 0), Ok(1_000));
        assert_eq!(promise(1_000, 1_000, 0, 1_001, 0), Err(SkipReason::Unprofitable));
        assert_eq!(promise(0, 1_000, 0, 0, 0), Ok(0));
    }

    #[test]
    fn a_gain_without_value_is_unpriced() {
        assert_eq!(promise(1_000, 0, 0, 1, 0), Err(SkipReason::Unpriced));
        assert_eq!(promise(1_000, 0, 0, 0, 0), Ok(1_000));
    }

    #[test]
    fn absurd_costs_are_skips() {
        let huge = Cost { gas_wei: U256::MAX, payment_wei: U256::ONE };
        assert_eq!(Promise::new(U256::ONE, U256::ONE, Bps::ZERO, huge).unwrap_err().reason, SkipReason::TooExpensive);
        let large = Cost { gas_wei: U256::MAX, payment_wei: U256::ZERO };
        assert_eq!(Promise::new(U256::from(2), U256::ONE, Bps::ZERO, large).unwrap_err().reason, SkipReason::Unprofitable);
    }

    proptest! {
        #[test]
        fn a_promise_lies_between_floor_and_prediction(predicted: u64, value in 1_u64.., bps in 0_u16..=10_000, gas: u32) {
            if let Ok(min_gain) = promise(predicted, value, bps, gas.into(), 0) {
                prop_assert!(min_gain <= predicted);
                // Kept, the promise covers the gas: min_gain * value >= gas * predicted.
                prop_assert!(u128::from(min_gain) * u128::from(value) >= u128::from(gas) * u128::from(predicted));
                prop_assert!(u128::from(min_gain) * 10_000 >= u128::from(predicted) * u128::from(10_000 - bps));
            }
        }
    }
}
