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
    /// The token to receive.
    pub collateral_token: Address,
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
    /// The highest price of a token at which it is there, everything else as it is, in the protocol's fixed point.
    pub prices: Vec<(Address, U256)>,
}

impl fmt::Display for Leap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp {
            Some(timestamp) => write!(f, "pays more from second {timestamp} on")?,
            None => f.write_str("time alone changes nothing")?,
        }
        self.prices.iter().try_for_each(|(token, price)| write!(f, ", or with {token} at {price} or below"))
    }
}
