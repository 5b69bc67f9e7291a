//! Why a pending transaction is not simulated: one reason, one counter.

use std::{collections::BTreeMap, fmt};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// Why a pending transaction led nowhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Dropped { $($(#[$doc])* $variant),+ }

        impl Dropped {
            /// The reason's name in logs and on the terminal.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

reasons! {
    /// It was announced before; once is enough.
    Known = "known",
    /// It does not pay more than the one that it would replace.
    Underpriced = "underpriced",
    /// It asks for more gas than a trigger may.
    GasTooHigh = "gas_too_high",
    /// It is larger than a trigger may be.
    TooLarge = "too_large",
    /// Its sender has too many waiting: the lowest nonce made place.
    SenderBudget = "sender_budget",
    /// The pool is full of newer ones.
    Aged = "aged",
    /// It can't be known to touch anything, and the block's samples are used up.
    NotSampled = "not_sampled",
    /// The block's budget of simulations is used up.
    BlockBudget = "block_budget",
    /// Its sender's share of the block's budget is used up.
    SenderBlockBudget = "sender_block_budget",
    /// A newer head came before it was looked at, and nothing says that it would matter.
    Overtaken = "overtaken",
    /// Its signature is not its sender's: the node said something wrong.
    Forged = "forged",
    /// Its nonce was used already.
    NonceUsed = "nonce_used",
    /// An earlier transaction of its sender is not known.
    NonceGap = "nonce_gap",
    /// Its sender can't pay for it.
    Broke = "broke",
    /// Its fee cap is below the target block's base fee.
    FeeTooLow = "fee_too_low",
    /// It and what must stand in front of it ask for more gas than is simulated for one trigger.
    FrontTooHeavy = "front_too_heavy",
    /// What it needs could not be read in time.
    Unread = "unread",
    /// It fails when it is simulated, and nothing says that it would matter if it did not.
    Fails = "fails",
    /// It was simulated, and changes nothing that a value was read from.
    NoEffect = "no_effect",
    /// Looking at it failed by a fault of this program, which the log names.
    Broken = "broken",
}

impl Dropped {
    /// Whether the same transaction, if it is known to matter, may be simulated at a later head.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        match self {
            // A reorg gives a nonce back, and its transactions may be announced again before its head is: the next head says.
            Self::NonceUsed
            | Self::NonceGap
            | Self::Broke
            | Self::FeeTooLow
            | Self::FrontTooHeavy
            | Self::BlockBudget
            | Self::SenderBlockBudget
            | Self::Unread => true,
            Self::Known
            | Self::Underpriced
            | Self::GasTooHigh
            | Self::TooLarge
            | Self::SenderBudget
            | Self::Aged
            | Self::NotSampled
            | Self::Overtaken
            | Self::Forged
            | Self::Fails
            | Self::NoEffect
            | Self::Broken => false,
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counters as one readable line: what happened most comes first; empty when nothing did.
#[must_use]
pub fn summary(counts: &BTreeMap<Dropped, u64>) -> String {
    let mut counts: Vec<(Dropped, u64)> = counts.iter().map(|(why, count)| (*why, *count)).filter(|(_, count)| *count > 0).collect();
    counts.sort_by_key(|(why, count)| (std::cmp::Reverse(*count), *why));
    let parts: Vec<String> = counts.iter().map(|(why, count)| format!("{count} {why}")).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_begins_with_what_happened_most() {
        let counts = BTreeMap::from([(Dropped::Known, 2), (Dropped::NotSampled, 900), (Dropped::Broke, 2), (Dropped::Aged, 0)]);
        assert_eq!(summary(&counts), "900 not_sampled, 2 known, 2 broke");
        assert_eq!(summary(&BTreeMap::new()), "");
    }
}
