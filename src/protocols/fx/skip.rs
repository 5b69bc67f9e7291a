//! The contracts' refusals, and those of what they ask, in the words of the closed set.

use super::FxRevert;
use crate::{
    plan::{Skip, SkipReason},
    protocols::ask::Stop,
};
use alloy::{
    primitives::{Bytes, hex},
    sol_types::{Revert, SolError},
};
use std::fmt;

impl From<FxRevert> for Skip {
    fn from(revert: FxRevert) -> Self {
        Self::new(reason(&revert), revert.to_string())
    }
}

impl From<FxRevert> for Stop {
    fn from(revert: FxRevert) -> Self {
        Self::Skip(revert.into())
    }
}

const fn reason(revert: &FxRevert) -> SkipReason {
    match revert {
        FxRevert::RebalanceDebtRatioNotReached | FxRevert::RebalanceOnLiquidatableTick => SkipReason::Healthy,
        FxRevert::RebalanceDebtsTooSmall | FxRevert::LiquidateDebtsTooSmall | FxRevert::DebtsTooSmall => SkipReason::BelowMinSize,
        FxRevert::StableRepayNotAllowed | FxRevert::NotesInsufficient { .. } => SkipReason::LimitReached,
        FxRevert::CallerNotFxUsdSave => SkipReason::RoleMissing,
        FxRevert::PoolManagerLocked => SkipReason::ResourceLocked,
        // What is left to such a pool is its end, by those who may end it.
        FxRevert::UnderCollateral | FxRevert::PoolUnderCollateral => SkipReason::Late,
        FxRevert::PoolKilled => SkipReason::Closed,
        FxRevert::EnforcedPause => SkipReason::Paused,
        FxRevert::InsufficientOutput
        | FxRevert::InvalidTokenIn
        | FxRevert::RedeemExceedTotalDebt
        | FxRevert::InsufficientRedeemedCollateral
        | FxRevert::Overflow
        | FxRevert::DivisionByZero
        | FxRevert::Empty => SkipReason::SimulationReverted,
    }
}

/// What a contract of f(x) says when it reverts: one of its errors, the words of a feed, or what nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Known(FxRevert),
    /// A string, as feeds and fxUSD use.
    Words(String),
    Unknown(Bytes),
}

impl Said {
    pub(super) fn decode(data: &[u8]) -> Self {
        match FxRevert::decode(data) {
            Some(revert) => Self::Known(revert),
            None => Revert::abi_decode(data).map_or_else(|_| Self::Unknown(data.to_vec().into()), |revert| Self::Words(revert.reason)),
        }
    }

    /// Why a question about a price has no answer. A feed that is older than its heartbeat says so.
    pub(super) fn price_reason(&self) -> SkipReason {
        match self {
            Self::Words(words) if words == "expired" => SkipReason::PriceStale,
            Self::Words(words) if words == "invalid" => SkipReason::PriceAbnormal,
            _ => SkipReason::PriceUnavailable,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(revert) => revert.fmt(f),
            Self::Words(words) => write!(f, "{words:?}"),
            Self::Unknown(data) => f.write_str(&hex::encode_prefixed(data)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::U256;

    #[test]
    fn what_is_said_is_understood() {
        let expired = Said::decode(&Revert::from("expired").abi_encode());
        assert_eq!((expired.price_reason(), expired.to_string()), (SkipReason::PriceStale, "\"expired\"".to_owned()));
        assert_eq!(Said::decode(&Revert::from("invalid").abi_encode()).price_reason(), SkipReason::PriceAbnormal);
        assert_eq!(Said::decode(&hex!("d93c0665")), Said::Known(FxRevert::EnforcedPause));
        assert_eq!(Said::decode(&[]), Said::Known(FxRevert::Empty));
        assert_eq!(Said::decode(&hex!("c0ffee00")).to_string(), "0xc0ffee00");
        let panic = hex!("4e487b710000000000000000000000000000000000000000000000000000000000000012");
        assert_eq!(Said::decode(&panic), Said::Known(FxRevert::DivisionByZero));
        let strange = [hex!("4e487b71").as_slice(), &[0xff; 32]].concat();
        assert_eq!(Said::decode(&strange).price_reason(), SkipReason::PriceUnavailable, "a panic code that no compiler makes");
        let mut notes = hex!("e450d38c").to_vec();
        for word in [7_u64, 3, 5] {
            notes.extend(U256::from(word).to_be_bytes::<32>());
        }
        assert_eq!(Said::decode(&notes), Said::Known(FxRevert::NotesInsufficient { balance: U256::from(3), needed: U256::from(5) }));
        assert_eq!(Said::decode(&notes[..40]).price_reason(), SkipReason::PriceUnavailable, "cut short");
    }
}
