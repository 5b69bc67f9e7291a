//! One sale over two routes at once, where that gives more than the better of them.
//!
//! Both routes stand on other contracts, so each one's quotes hold while the other is walked. The best division is where
//! both give the same marginal price: two [lines](super::line), one rising and one falling, that cross.

use super::{
    Carry, Refusal, Route, RouteError, Router, VenueError,
    line::{End, Side, close_in},
    sale::half,
};
use crate::plan::{Amount, Step};
use alloy::primitives::U256;

/// Points between the two ends at which both lines are taken: four quotes each.
const MOST_POINTS: usize = 3;
/// The ends leave each route this part of the whole.
const END_PART: u64 = 100;

/// Two routes between the same tokens that share no venue, with the part that each one sells.
#[derive(Clone, Debug)]
pub struct Split {
    /// The route that is the better one for the whole amount.
    pub first: Route,
    /// The other one.
    pub second: Route,
}

impl Split {
    /// Sold in both parts.
    #[must_use]
    pub const fn amount_in(&self) -> U256 {
        self.first.amount_in.saturating_add(self.second.amount_in)
    }

    /// Bought in both parts.
    #[must_use]
    pub const fn amount_out(&self) -> U256 {
        self.first.amount_out.saturating_add(self.second.amount_out)
    }

    /// Steps that sell the first part, then the rest of what was gained, as far as `rest` allows. They have no limit of their own:
    /// what counts is the sum, and the plan's least gain guards that.
    pub fn steps(&self, rest: Carry) -> Result<Vec<Step>, Refusal> {
        let cap = match rest {
            Carry::All => U256::MAX,
            Carry::Quoted => self.second.amount_in,
        };
        let mut steps = self.first.steps_exact_in(Amount::Gained { cap: self.first.amount_in }, U256::ZERO, rest)?;
        steps.extend(self.second.steps_exact_in(Amount::Gained { cap }, U256::ZERO, rest)?);
        Ok(steps)
    }
}

impl Router {
    /// A division of the best route's amount between it and the best route over other venues; none when no division that was
    /// tried gives more. At most 22 amounts are quoted on top of the search for the second route.
    pub fn split_exact_in(&self, best: &Route) -> Result<Option<Split>, RouteError> {
        let amount = best.amount_in;
        let (Some(start), Some(end)) = (best.hops.first(), best.hops.last()) else { return Ok(None) };
        // Found at a quarter: nearer to the part that it will sell than the whole.
        let part = amount.wrapping_shr(2);
        let other = match self.best_exact_in_beside(best, start.hop.token_in, end.hop.token_out, part) {
            Ok(other) => other,
            Err(RouteError::Fork(error)) => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        match self.divide(best, &other, amount) {
            Ok(found) => Ok(found),
            Err(VenueError::Refused(_)) => Ok(None),
            Err(VenueError::Fork(error)) => Err(error.into()),
        }
    }

    fn divide(&self, best: &Route, other: &Route, amount: U256) -> Result<Option<Split>, VenueError> {
        let mut found: Option<Split> = None;
        let mut keep = |first: Option<Route>, second: Option<Route>| {
            if let (Some(first), Some(second)) = (first, second) {
                let split = Split { first, second };
                if split.amount_out() > found.as_ref().map_or(best.amount_out, Split::amount_out) {
                    found = Some(split);
                }
            }
        };
        let mut side = |ours: U256| -> Result<Side, VenueError> {
            let theirs = amount.saturating_sub(ours);
            // One half for both, so that the quotes around the middle are divisions of the whole too.
            let half = half(ours.min(theirs));
            let (our_ordinate, [our_below, our_above]) = self.ordinate(best, ours, half)?;
            let (their_ordinate, [their_below, their_above]) = self.ordinate(other, theirs, half)?;
            keep(our_below, their_above);
            keep(our_above, their_below);
            Ok(our_ordinate.against(their_ordinate))
        };
        let margin = amount / U256::from(END_PART);
        let (low, high) = (margin, amount.saturating_sub(margin));
        if margin.is_zero() {
            return Ok(None);
        }
        if let (Side::Below(low_gap), Side::Above(high_gap)) = (side(low)?, side(high)?) {
            let (low, high) = (End { amount: low, gap: low_gap }, End { amount: high, gap: high_gap });
            let ours = close_in(low, high, MOST_POINTS, side)?;
            keep(self.requote(best, ours)?, self.requote(other, amount.saturating_sub(ours))?);
        }
        Ok(found)
    }
}
