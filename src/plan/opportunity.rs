//! What a protocol would accept, and how large it may be.

use super::{Resource, Target};
use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Repay debt for collateral at the protocol's incentive.
    Liquidate,
    /// Move a target back towards its band.
    Rebalance,
    /// Liquidate before the market's own boundary, by a contract that the borrower allowed.
    PreLiquidate,
    /// Repay a borrower's debt out of its own assets, as a keeper: whoever does it gains nothing.
    Deleverage,
}

impl Action {
    /// All actions.
    pub const ALL: &'static [Self] = &[Self::Liquidate, Self::Rebalance, Self::PreLiquidate, Self::Deleverage];

    /// Whether it is done for its profit. What is not is a keeper's.
    #[must_use]
    pub const fn earns(self) -> bool {
        !matches!(self, Self::Deleverage)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Liquidate => "liquidate",
            Self::Rebalance => "rebalance",
            Self::PreLiquidate => "pre_liquidate",
            Self::Deleverage => "deleverage",
        })
    }
}

/// What a size counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SizeUnit {
    /// Collateral taken.
    Seized,
    /// Debt shares repaid.
    RepaidShares,
    /// Debt tokens spent at most.
    Budget,
    /// A fraction of the position, 1e18 is all.
    Fraction,
}

/// One chosen size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// What is counted.
    pub unit: SizeUnit,
    /// How much of it.
    pub amount: U256,
}

/// The sizes that a protocol would accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Exactly one of these.
    Fixed(Vec<Size>),
    /// Anything between two ends; profit may jump or bend at the breakpoints.
    Range {
        /// What is counted.
        unit: SizeUnit,
        /// The least.
        min: U256,
        /// The most.
        max: U256,
        /// Where the profit's slope changes.
        breakpoints: Vec<U256>,
        /// Special sizes outside the range, for example a full close counted in another unit.
        also: Vec<Size>,
    },
    /// Any subset of these parts.
    Parts(Vec<U256>),
}

/// An action that the protocol would accept on the overlay it was confirmed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opportunity {
    /// Who.
    pub target: Target,
    /// What.
    pub action: Action,
    /// How much.
    pub sizes: Sizes,
    /// The token to pay.
    pub debt_token: Address,
    /// The token to receive; where there are several, the main one.
    pub collateral_token: Address,
    /// What else is received.
    pub also_receives: Vec<Address>,
    /// A rough figure for ordering only: the most debt tokens that the action could move.
    pub debt_hint: U256,
    /// What no other live plan may use.
    pub locks: Vec<Resource>,
    /// Where the same action will pay more at once, if there is such a boundary ahead.
    pub leap: Option<Leap>,
}

/// A boundary that a target has not reached yet and at which the profit of the same action jumps. Until then it may be legal and not pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leap {
    /// The first second in which time alone has taken it there; none where it never does.
    pub timestamp: Option<u64>,
    /// What each price would have to be, everything else as it is.
    pub prices: Vec<LeapPrice>,
}

/// A price that decides between paying and not paying, in the protocol's fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeapPrice {
    /// The token.
    pub token: Address,
    /// Its price now.
    pub now: U256,
    /// The highest price at which the boundary is reached.
    pub at_most: U256,
    /// By how much it must rise to bring one unit of the debt token more, times 1e18.
    pub rise_per_unit: U256,
}

impl LeapPrice {
    /// The price at which so many more units of the debt token come in without the leap, rounded up; sales are taken to follow the price.
    /// None where that is more than a price can be.
    #[must_use]
    pub fn at_least(&self, missing: U256) -> Option<U256> {
        let scale = U256::from(1_000_000_000_000_000_000_u64);
        self.now.checked_add(missing.checked_mul(self.rise_per_unit)?.div_ceil(scale))
    }
}

impl Leap {
    /// When it will pay, in words; `missing` is what lacks in debt tokens now, where that is known.
    #[must_use]
    pub fn outlook(&self, missing: Option<U256>) -> String {
        let mut words = match self.timestamp {
            Some(timestamp) => format!("pays from second {timestamp} on"),
            None => "time alone changes nothing".to_owned(),
        };
        for price in &self.prices {
            words.push_str(&format!(", or with {} at {} or below", price.token, price.at_most));
            if let Some(least) = missing.and_then(|missing| price.at_least(missing)) {
                words.push_str(&format!(" or at about {least} or above"));
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlook_names_both_sides_and_the_second() {
        let price =
            LeapPrice { token: Address::ZERO, now: U256::from(3_000), at_most: U256::from(2_990), rise_per_unit: U256::from(500_000_000_000_000_000_u64) };
        assert_eq!(price.at_least(U256::from(3)), Some(U256::from(3_002)), "one and a half, rounded up");
        assert_eq!(price.at_least(U256::MAX), None);
        let leap = Leap { timestamp: Some(77), prices: vec![price] };
        let words = leap.outlook(Some(U256::from(4)));
        assert!(words.contains("second 77") && words.contains("2990 or below") && words.contains("3002 or above"), "{words}");
        assert!(!Leap { timestamp: None, ..leap }.outlook(None).contains("above"));
    }
}
