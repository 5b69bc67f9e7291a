//! How much to sell: the amount at which one more unit sold stops paying a given floor price.
//!
//! Every figure is a quote by the pools' own code. The answer is the best amount that was quoted, so it is never worse
//! than selling all or nothing, whatever shape the venue has. [`line`](super::line) proposes the amounts.

use super::{
    Route, Router, VenueError,
    line::{End, Ordinate, SLOPE_PART, Side, close_in},
};
use alloy::primitives::{U256, U512};

/// A price below which nothing is sold: units of the token bought for units of the token sold, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Floor {
    /// Units bought.
    pub bought: U256,
    /// For this many units sold; with zero nothing is sold.
    pub sold: U256,
}

/// An amount to sell.
#[derive(Clone, Debug)]
pub struct Sale {
    /// The route, quoted for the amount; none when no amount that was tried pays the floor.
    pub route: Option<Route>,
    /// How many amounts were quoted.
    pub quotes: usize,
}

/// Most amounts that a search quotes: two for each point of the line, one for where they lead.
const MOST_QUOTES: usize = 12;
/// Points of the line between the two ends.
const MOST_INNER_POINTS: usize = 3;
/// The lower end is this part of the whole.
const LOW_PART: u64 = 1_000;

impl Router {
    /// The amount, at most `max` units of the route's first token, whose sale over the route's venues gains most
    /// over `floor`. Twelve amounts are quoted at most.
    pub fn optimal_sell(&self, route: &Route, max: U256, floor: Floor) -> Result<Sale, VenueError> {
        let mut tried = Tried { router: self, route, max, floor, best: None, quotes: 0 };
        tried.run()?;
        Ok(Sale { route: tried.best, quotes: tried.quotes })
    }

    /// What the route's trades give for another amount; none where a venue refuses it.
    pub(super) fn requote(&self, route: &Route, amount: U256) -> Result<Option<Route>, VenueError> {
        match self.requote_exact_in(route, amount) {
            Ok(route) => Ok(Some(route)),
            Err(VenueError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The line's ordinate for selling `amount` over a route, from the quotes `half` below and above it, which come along.
    pub(super) fn ordinate(&self, route: &Route, amount: U256, half: U256) -> Result<(Ordinate, [Option<Route>; 2]), VenueError> {
        let (from, to) = (amount.saturating_sub(half), amount.saturating_add(half));
        let above = self.requote(route, to)?;
        let below = if from.is_zero() { None } else { self.requote(route, from)? };
        let out_below = if from.is_zero() { Some(U256::ZERO) } else { below.as_ref().map(|route| route.amount_out) };
        // A missing quote is the end of the liquidity, or an amount too tiny to give a unit.
        let ordinate = match (&above, out_below) {
            (Some(above), Some(out_below)) => Ordinate::of(to.saturating_sub(from), above.amount_out.saturating_sub(out_below)),
            _ => Ordinate::Beyond,
        };
        Ok((ordinate, [below, above]))
    }
}

/// The amounts of one search.
struct Tried<'a> {
    router: &'a Router,
    route: &'a Route,
    max: U256,
    floor: Floor,
    best: Option<Route>,
    quotes: usize,
}

impl Tried<'_> {
    fn run(&mut self) -> Result<(), VenueError> {
        if self.max.is_zero() || self.floor.sold.is_zero() {
            return Ok(());
        }
        let goal = Ordinate::of(self.floor.sold, self.floor.bought);
        let high = self.max.saturating_sub(half(self.max));
        let Side::Above(high_gap) = self.side(high, goal)? else { return Ok(()) };
        let low = self.max / U256::from(LOW_PART);
        if low.is_zero() {
            return Ok(());
        }
        let Side::Below(low_gap) = self.side(low, goal)? else { return self.below(low, goal) };
        let (low, high) = (End { amount: low, gap: low_gap }, End { amount: high, gap: high_gap });
        let amount = close_in(low, high, MOST_INNER_POINTS, |amount| self.side(amount, goal))?;
        let found = self.router.requote(self.route, amount)?;
        self.quotes = self.quotes.saturating_add(1);
        self.keep(found);
        Ok(())
    }

    /// The floor is passed within the first thousandth: quarter until it is not.
    fn below(&mut self, mut amount: U256, goal: Ordinate) -> Result<(), VenueError> {
        while self.quotes.saturating_add(2) <= MOST_QUOTES {
            amount = amount.wrapping_shr(2);
            if amount.is_zero() || matches!(self.side(amount, goal)?, Side::Below(_)) {
                break;
            }
        }
        Ok(())
    }

    fn side(&mut self, amount: U256, goal: Ordinate) -> Result<Side, VenueError> {
        let half = half(amount).min(self.max.saturating_sub(amount));
        let (ordinate, [below, above]) = self.router.ordinate(self.route, amount, half)?;
        self.quotes = self.quotes.saturating_add(2);
        self.keep(below);
        self.keep(above);
        Ok(ordinate.against(goal))
    }

    fn keep(&mut self, quoted: Option<Route>) {
        if let Some(route) = quoted.filter(|route| gains_more(route, self.best.as_ref(), self.floor)) {
            self.best = Some(route);
        }
    }
}

/// Half of what a slope is taken over.
pub(super) fn half(amount: U256) -> U256 {
    (amount / U256::from(SLOPE_PART)).max(U256::ONE)
}

/// Whether a route gains more over the floor than the best so far; nothing sold gains nothing.
fn gains_more(new: &Route, best: Option<&Route>, floor: Floor) -> bool {
    // gain · sold = out · sold - in · bought; compared without subtraction, as it may be negative. Each product fits into 512 bits.
    let out = |route: Option<&Route>| U512::from(route.map_or(U256::ZERO, |route| route.amount_out)).saturating_mul(U512::from(floor.sold));
    let cost = |route: Option<&Route>| U512::from(route.map_or(U256::ZERO, |route| route.amount_in)).saturating_mul(U512::from(floor.bought));
    out(Some(new)).saturating_add(cost(best)) > out(best).saturating_add(cost(Some(new)))
}
