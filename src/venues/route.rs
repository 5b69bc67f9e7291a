//! A chosen way from one token to another, with its amounts, and the steps that walk it.

use super::{Hop, Quote, Refusal, Swap};
use crate::{
    fork::ReadSet,
    plan::{Amount, Step},
};
use alloy::primitives::{Address, U256};

/// One trade of a route with what it was quoted.
#[derive(Clone, Debug)]
pub struct RoutedHop {
    /// The trade.
    pub hop: Hop,
    /// Its amounts; what one hop gives is what the next one takes.
    pub quote: Quote,
}

/// How much of an intermediate token a later hop sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carry {
    /// All that was gained of it since the plan began: nothing is left behind when a hop gives more than was quoted.
    All,
    /// At most what was quoted: for a plan that gained the same token elsewhere and wants to keep it.
    Quoted,
}

/// The best way found for one amount on one overlay.
#[derive(Clone, Debug)]
pub struct Route {
    /// The trades in order; none when both tokens are the same.
    pub hops: Vec<RoutedHop>,
    /// Sold, in units of the first token.
    pub amount_in: U256,
    /// Bought, in units of the last token.
    pub amount_out: U256,
    /// What the chosen trades' quotes were read from: when it goes stale, so do the amounts.
    pub reads: ReadSet,
    /// What every quote of the search was read from: when it goes stale, another route may be better.
    pub considered: ReadSet,
    /// Whether the search saw all it wanted; false when the bound on quotes cut it short or a venue could not be read.
    pub complete: bool,
}

impl Route {
    /// The route of a token to itself.
    #[must_use]
    pub fn nothing(amount: U256) -> Self {
        Self { hops: Vec::new(), amount_in: amount, amount_out: amount, reads: ReadSet::default(), considered: ReadSet::default(), complete: true }
    }

    /// The tokens between the first and the last.
    pub fn between(&self) -> impl Iterator<Item = Address> {
        self.hops.iter().skip(1).map(|routed| routed.hop.token_in)
    }

    /// Steps that sell `first` through the whole route for at least `min_out`. Later hops sell what was gained of their
    /// token, as far as `carry` allows; only the last one has a limit, the others are bound by it.
    pub fn steps_exact_in(&self, first: Amount, min_out: U256, carry: Carry) -> Result<Vec<Step>, Refusal> {
        let mut steps = Vec::with_capacity(self.hops.len());
        for (index, RoutedHop { hop, quote }) in self.hops.iter().enumerate() {
            let amount = match (index, carry) {
                (0, _) => first,
                (_, Carry::All) => Amount::Gained { cap: U256::MAX },
                (_, Carry::Quoted) => Amount::Gained { cap: quote.amount_in },
            };
            let last = index.checked_add(1) == Some(self.hops.len());
            let min_out = if last { min_out } else { U256::ZERO };
            steps.extend(hop.venue.steps(hop.token_in, hop.token_out, Swap::ExactIn { amount, min_out })?);
        }
        Ok(steps)
    }

    /// Steps that buy exactly `amount_out` for at most `max_in`: each hop buys exactly what the next one was quoted to need,
    /// and no later hop may pay more than that. A later hop that needs less leaves the difference in its token, so a plan
    /// sweeps the tokens [`between`](Self::between).
    pub fn steps_exact_out(&self, max_in: U256) -> Result<Vec<Step>, Refusal> {
        let mut steps = Vec::with_capacity(self.hops.len());
        for (index, RoutedHop { hop, quote }) in self.hops.iter().enumerate() {
            let max_in = if index == 0 { max_in } else { quote.amount_in };
            steps.extend(hop.venue.steps(hop.token_in, hop.token_out, Swap::ExactOut { amount_out: quote.amount_out, max_in })?);
        }
        Ok(steps)
    }
}
