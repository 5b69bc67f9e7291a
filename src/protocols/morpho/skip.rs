//! The contract's refusals in the words of the closed set.

use super::MorphoRevert;
use crate::plan::{Skip, SkipReason};

impl From<MorphoRevert> for Skip {
    fn from(revert: MorphoRevert) -> Self {
        Self::new(reason(&revert), revert.to_string())
    }
}

const fn reason(revert: &MorphoRevert) -> SkipReason {
    match revert {
        MorphoRevert::HealthyPosition | MorphoRevert::NotPreLiquidatablePosition => SkipReason::Healthy,
        MorphoRevert::MarketNotCreated | MorphoRevert::NonexistentMarket => SkipReason::Closed,
        MorphoRevert::UnhealthyPosition | MorphoRevert::RemainBorrowTooLow => SkipReason::MinLoanRule,
        MorphoRevert::EnforcedPause => SkipReason::Paused,
        MorphoRevert::NotLiquidationWhitelist | MorphoRevert::NotWhitelisted | MorphoRevert::NotBrokerWhitelist => SkipReason::NotWhitelisted,
        MorphoRevert::RoleMissing { .. } => SkipReason::RoleMissing,
        MorphoRevert::StockMarketClosed => SkipReason::PriceUnavailable,
        MorphoRevert::DivisionByZero => SkipReason::PriceAbnormal,
        MorphoRevert::InconsistentInput | MorphoRevert::PreInconsistentInput | MorphoRevert::ZeroAssets => SkipReason::BelowMinSize,
        MorphoRevert::TransferReverted | MorphoRevert::TransferReturnedFalse => SkipReason::CollateralNotTransferable,
        _ => SkipReason::SimulationReverted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::hex;

    #[test]
    fn what_a_contract_says_becomes_a_reason_a_person_can_act_on() {
        for (data, reason) in [
            (&hex!("d93c0665")[..], SkipReason::Paused),
            (&hex!("7f47b105"), SkipReason::PriceUnavailable),
            (&hex!("0363186d"), SkipReason::NotWhitelisted),
            (&hex!("0bb9a651"), SkipReason::Healthy),
            (&hex!("4e487b710000000000000000000000000000000000000000000000000000000000000012"), SkipReason::PriceAbnormal),
            (&hex!("4e487b710000000000000000000000000000000000000000000000000000000000000011"), SkipReason::SimulationReverted),
            (&hex!("c0ffee00"), SkipReason::SimulationReverted),
        ] {
            let skip = Skip::from(MorphoRevert::decode(data));
            assert_eq!(skip.reason, reason, "{skip}");
            assert!(!skip.detail.is_empty());
        }
        assert_eq!(Skip::from(MorphoRevert::UnhealthyPosition).reason, SkipReason::MinLoanRule);
    }
}
