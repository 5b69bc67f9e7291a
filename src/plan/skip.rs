//! Why something was not done: one closed set for the whole program.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// Why something was not done. A new reason is added to `design.md` first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum SkipReason { $($(#[$doc])* $variant),+ }

        impl SkipReason {
            /// All reasons, in the order of the design.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The reason's name in JSON, metrics and the ledger.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

reasons! {
    /// The protocol would refuse: the target is solvent.
    Healthy = "healthy",
    /// The target has no debt any more.
    Closed = "closed",
    /// The protocol or market is paused.
    Paused = "paused",
    /// The calling contract is not on a list that the protocol keeps.
    NotWhitelisted = "not_whitelisted",
    /// The calling contract lacks a role.
    RoleMissing = "role_missing",
    /// The rest of the loan would be below the protocol's minimum.
    MinLoanRule = "min_loan_rule",
    /// The protocol's process has gone too far to join.
    Late = "late",
    /// Liquidatable, but not profitable before another boundary.
    DeadZone = "dead_zone",
    /// Another live plan uses a resource of this one.
    ResourceLocked = "resource_locked",
    /// Evidence that the action needs is not at hand.
    EvidenceMissing = "evidence_missing",
    /// Evidence would not be valid at the target timestamp.
    EvidenceExpired = "evidence_expired",
    /// A known way to lose money.
    Trap = "trap",
    /// The oracle reverts or answers nothing usable.
    PriceUnavailable = "price_unavailable",
    /// The feed is older than it may be.
    PriceStale = "price_stale",
    /// The price is zero, out of bounds or moved too far.
    PriceAbnormal = "price_abnormal",
    /// Below the configured minimum size.
    BelowMinSize = "below_min_size",
    /// Too small to be ordered, let alone to pay.
    Dust = "dust",
    /// The configured delay since it was first seen has not passed.
    DelayNotElapsed = "delay_not_elapsed",
    /// The same job is being tried or was tried within the window.
    Dedup = "dedup",
    /// No source of capital has the token.
    NoFunding = "no_funding",
    /// No way from the collateral to the debt, or to wei.
    NoRoute = "no_route",
    /// The collateral token refuses to move.
    CollateralNotTransferable = "collateral_not_transferable",
    /// The plan reverted in the local EVM.
    SimulationReverted = "simulation_reverted",
    /// The plan reads COINBASE or PREVRANDAO before its payment.
    ReadsCoinbase = "reads_coinbase",
    /// A venue quotes zero.
    ZeroQuote = "zero_quote",
    /// Less than the configured minimum after all costs.
    Unprofitable = "unprofitable",
    /// The profit has no price in wei.
    Unpriced = "unpriced",
    /// Gas is above the configured maximum.
    TooExpensive = "too_expensive",
    /// A configured limit is reached.
    LimitReached = "limit_reached",
    /// All operators are in flight.
    NoOperator = "no_operator",
    /// The trigger transaction can't stand in a bundle.
    TriggerNotBundleable = "trigger_not_bundleable",
    /// Somebody else was first.
    LostRace = "lost_race",
    /// No relay took it.
    SubmissionFailed = "submission_failed",
    /// The operator of the program stopped sending.
    KillSwitch = "kill_switch",
    /// A newer head or a better job took its place.
    Superseded = "superseded",
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A reason with what a person needs to understand it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The reason from the closed set.
    pub reason: SkipReason,
    /// The figure, revert text or name that decided.
    pub detail: String,
}

impl Skip {
    /// A skip for `reason`, explained by `detail`.
    pub fn new(reason: SkipReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            return fmt::Display::fmt(&self.reason, f);
        }
        write!(f, "{}: {}", self.reason, self.detail)
    }
}
