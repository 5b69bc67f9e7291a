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
