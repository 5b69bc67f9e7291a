//! The vocabulary of Harrier: values only, no logic. Every room may import it.
//!
//! ```text
//! Trigger ─▶ Opportunity { Target, Action, Sizes, Resource.. } ─▶ TxPlan { Step.. }.. ─▶ Bundle
//! ```
//!
//! A [`Trigger`] is what made us look, an [`Opportunity`] what a protocol would accept, a list of [`TxPlan`]s how it is
//! done with borrowed capital. Whatever is not done has a [`SkipReason`] from one closed set.

mod opportunity;
mod skip;
mod step;
mod target;
mod trigger;

pub use opportunity::{Action, Leap, LeapPrice, Opportunity, Size, SizeUnit, Sizes};
pub use skip::{Skip, SkipReason};
pub use step::{Amount, Approval, Callback, FlashKind, IsolatedLiquidation, Patch, Step, SwapKind, TxPlan};
pub use target::{MarketId, ProtocolId, Resource, ResourceScope, Target, TargetKey};
pub use trigger::Trigger;
