//! Gas limits and fee caps for a target block.

use super::TransactionError;

/// The most gas that one transaction may ask for since Osaka (EIP-7825).
pub const MAX_TX_GAS: u64 = 16_777_216;

/// The gas limit for a simulated transaction: a quarter more than used, rounded up, at most [`MAX_TX_GAS`] and the block's
/// limit. A quarter covers the largest possible refund (a fifth of what is spent before it).
pub fn gas_limit(simulated: u64, block_gas_limit: u64) -> Result<u64, TransactionError> {
    let limit = MAX_TX_GAS.min(block_gas_limit);
    if simulated > limit {
        return Err(TransactionError::GasAboveLimit { simulated, limit });
    }
    Ok(simulated.saturating_add(simulated.div_ceil(4)).min(limit))
}

/// The highest base fee that `blocks` full blocks can lead to, one after the other: an eighth more each, rounded up, and a
/// little more where the gas limit is odd.
pub fn worst_base_fee(base_fee: u64, block_gas_limit: u64, blocks: u32) -> Result<u64, TransactionError> {
    let gas_target = u128::from(block_gas_limit / 2).max(1);
    let mut fee = u128::from(base_fee);
    for _ in 0..blocks {
        // A full block uses at most target + 1 above its target; EIP-1559 raises by at least one wei.
        let growth = gas_target.checked_add(1).and_then(|used| used.checked_mul(fee)).ok_or(TransactionError::FeeOverflow)?;
        let step = gas_target.checked_mul(8).ok_or(TransactionError::FeeOverflow)?;
        fee = fee.checked_add(growth.div_ceil(step).max(1)).ok_or(TransactionError::FeeOverflow)?;
        if fee > u128::from(u64::MAX) {
            return Err(TransactionError::FeeOverflow);
        }
    }
    u64::try_from(fee).map_err(|_| TransactionError::FeeOverflow)
}

/// What a transaction offers per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The most wei per gas, base fee and priority fee together.
    pub max_fee: u128,
    /// Wei per gas to the fee recipient.
    pub priority_fee: u128,
}

impl Fees {
    /// Fees that pay `priority_fee` in full up to the base fee `worst_base_fee` of the target block. With the base fee as
    /// simulated the transaction pays exactly that base fee plus the priority fee: the rest of the cap is not spent.
    pub fn for_target(worst_base_fee: u64, priority_fee: u128) -> Result<Self, TransactionError> {
        let max_fee = u128::from(worst_base_fee).checked_add(priority_fee).ok_or(TransactionError::FeeOverflow)?;
        Ok(Self { max_fee, priority_fee })
    }

    /// Wei per gas paid at this base fee; `None` when the cap is below it.
    #[must_use]
    pub fn effective(&self, base_fee: u64) -> Option<u128> {
        let room = self.max_fee.checked_sub(u128::from(base_fee))?;
        u128::from(base_fee).checked_add(room.min(self.priority_fee))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SkipReason;
    use alloy::eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
    use proptest::prelude::*;

    #[test]
    fn gas_limits_have_a_quarter_to_spare_and_a_cap() {
        assert_eq!(gas_limit(400_000, 30_000_000).unwrap(), 500_000);
        assert_eq!(gas_limit(400_001, 30_000_000).unwrap(), 500_002);
        assert_eq!(gas_limit(16_000_000, 30_000_000).unwrap(), MAX_TX_GAS);
        assert_eq!(gas_limit(MAX_TX_GAS, 30_000_000).unwrap(), MAX_TX_GAS);
        assert_eq!(gas_limit(900_000, 1_000_000).unwrap(), 1_000_000);
        let error = gas_limit(MAX_TX_GAS + 1, 30_000_000).unwrap_err();
        assert_eq!(error.skip().reason, SkipReason::TooExpensive);
        assert!(gas_limit(1_000_001, 1_000_000).is_err());
    }

    #[test]
    fn fees_pay_the_priority_fee_in_full_at_the_worst_base_fee() {
        let fees = Fees::for_target(100, 7).unwrap();
        assert_eq!(fees.effective(100), Some(107));
        assert_eq!(fees.effective(80), Some(87));
        assert_eq!(fees.effective(103), Some(107));
        assert_eq!(fees.effective(108), None);
        assert!(Fees::for_target(1, u128::MAX).is_err());
    }

    #[test]
    fn base_fees_at_the_edges() {
        assert_eq!(worst_base_fee(1_000, 30_000_000, 0).unwrap(), 1_000);
        assert_eq!(worst_base_fee(0, 30_000_000, 1).unwrap(), 1);
        assert!(worst_base_fee(u64::MAX, 30_000_000, 1).is_err());
    }

    proptest! {
        #[test]
        fn no_block_raises_the_base_fee_above_the_worst(
            base in 0_u64..u64::MAX / 16, limit in 5_000_u64..100_000_000, blocks in 0_u32..8, full in 0_u64..=100,
        ) {
            let worst = worst_base_fee(base, limit, blocks).unwrap();
            let mut fee = base;
            for _ in 0..blocks {
                fee = calc_next_block_base_fee(limit / 100 * full + limit % 100 * u64::from(full == 100), limit, fee, BaseFeeParams::ethereum());
            }
            prop_assert!(fee <= worst, "{fee} > {worst}");
            if full == 100 && base > 1_000_000 {
                prop_assert!(worst - fee <= fee / 1_000 + 100, "{worst} is far above {fee}");
            }
        }
    }
}
