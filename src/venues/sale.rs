//! How much to sell: the amount at which one more unit sold stops paying a given floor price.
//!
//! For constant liquidity the output of `x` is `a·x / (b + x)`, also over several hops, so the inverse root of the
//! marginal price, `1/sqrt(f'(x))`, is a straight line in `x`; where liquidity changes it bends but still rises.
//!
//! ```text
//! 1/sqrt(f')            ╱ bends at ticks
//!        floor ┈┈┈┈┈┈╱┈┈┈┈
//!                ╱   ▲
//!            ╱       the sale        found by regula falsi (Illinois) on real quotes: one step when nothing bends
//! ```
//!
//! Every figure is a quote by the pools' own code. The answer is the best amount that was quoted, so it is never worse
//! than selling all or nothing, whatever shape the venue has.

use super::{Route, Router, VenueError};
use alloy::primitives::{U256, U512};

/// A price below which nothing is sold: units of the token bought for units of the token sold, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Floor {
    /// Units bought.
    pub bought: U256,
    /// For this many units sold; not zero.
    pub sold: U256,
}

/// An amount to sell.
#[derive(Clone, Debug)]
pub struct Sale {
    /// The route, quoted for the amount; none when not even the smallest amount pays the floor.
    pub route: Option<Route>,
    /// How many amounts were quoted.
    pub quotes: usize,
}

/// Most amounts that a search quotes: two for each point of the line.
const MOST_QUOTES: usize = 12;
/// A point's slope is taken over this part of its amount.
const SLOPE_PART: u64 = 1_000;
/// Fixed point of the line's ordinate: its square has 192 fractional bits.
const ORDINATE_BITS: usize = 192;

/// An amount with the ordinate of the line there.
#[derive(Clone, Copy)]
struct Point {
    amount: U256,
    ordinate: U256,
}

impl Point {
    /// Whether the last unit sold here still pays; never where nothing can be sold, whatever the floor.
    fn pays(self, goal: U256) -> bool {
        self.ordinate <= goal && self.ordinate != U256::MAX
    }
}

/// Quotes amounts and keeps the best.
struct Search<'a> {
    router: &'a Router,
    route: &'a Route,
    floor: Floor,
    best: Option<Route>,
    quotes: usize,
}

impl Router {
    /// The amount, at most `max` units of the route's first token, whose sale over the route's venues gains most
    /// over `floor`. Twelve quotes at most.
    pub fn optimal_sell(&self, route: &Route, max: U256, floor: Floor) -> Result<Sale, VenueError> {
        let mut search = Search { router: self, route, floor, best: None, quotes: 0 };
        search.run(max)?;
        Ok(Sale { route: search.best, quotes: search.quotes })
    }
}

impl Search<'_> {
    fn run(&mut self, max: U256) -> Result<(), VenueError> {
        if max.is_zero() || self.floor.sold.is_zero() {
            return Ok(());
        }
        let goal = inverse_root(self.floor.sold, self.floor.bought);
        let high = self.point(max)?;
        if high.pays(goal) {
            return Ok(());
        }
        let low = self.point((max / U256::from(SLOPE_PART)).max(U256::ONE))?;
        if !low.pays(goal) {
            return self.below(low.amount);
        }
        let (mut low, mut high) = (low, high);
        // The weights of Illinois: an end that stays twice is believed half.
        let (mut low_gap, mut high_gap) = (goal.saturating_sub(low.ordinate), high.ordinate.saturating_sub(goal));
        let mut last_moved_up = None;
        while self.quotes.saturating_add(2) <= MOST_QUOTES {
            let width = high.amount.saturating_sub(low.amount);
            // Closer than a slope can tell.
            if width.saturating_mul(U256::from(SLOPE_PART)) <= high.amount || width <= U256::ONE {
                break;
            }
            let amount = low.amount.saturating_add(between(width, low_gap, high_gap, high.ordinate == U256::MAX));
            let point = self.point(amount)?;
            let moved_up = point.pays(goal);
            if moved_up {
                low = point;
                low_gap = goal.saturating_sub(point.ordinate);
                if last_moved_up == Some(true) {
                    high_gap >>= 1;
                }
            } else {
                high = point;
                high_gap = point.ordinate.saturating_sub(goal);
                if last_moved_up == Some(false) {
                    low_gap >>= 1;
                }
            }
            last_moved_up = Some(moved_up);
        }
        Ok(())
    }

    /// The floor is passed within the first thousandth: halve.
    fn below(&mut self, mut amount: U256) -> Result<(), VenueError> {
        while self.quotes < MOST_QUOTES {
            amount = amount.wrapping_shr(2);
            if amount.is_zero() {
                break;
            }
            self.quote(amount)?;
        }
        Ok(())
    }

    /// The line's ordinate at an amount, from the slope just below it. What can't be sold has no slope: the largest ordinate.
    fn point(&mut self, amount: U256) -> Result<Point, VenueError> {
        let step = (amount / U256::from(SLOPE_PART)).max(U256::ONE);
        let before = amount.saturating_sub(step);
        let at = self.quote(amount)?;
        let below = if before.is_zero() { Some(U256::ZERO) } else { self.quote(before)? };
        let ordinate = match (at, below) {
            (Some(at), Some(below)) => inverse_root(step, at.saturating_sub(below)),
            // Zero at both ends is a rounding of tiny amounts, a missing quote the end of the liquidity.
            _ => U256::MAX,
        };
        Ok(Point { amount, ordinate })
    }

    /// What the amount gives; none where a venue refuses it.
    fn quote(&mut self, amount: U256) -> Result<Option<U256>, VenueError> {
        self.quotes = self.quotes.saturating_add(1);
        match self.router.requote_exact_in(self.route, amount) {
            Ok(route) => {
                let given = route.amount_out;
                if gain_is_better(&route, self.best.as_ref(), self.floor) {
                    self.best = Some(route);
                }
                Ok(Some(given))
            }
            Err(VenueError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where between two points the goal lies, from the lower one, strictly inside.
fn between(width: U256, low_gap: U256, high_gap: U256, no_high: bool) -> U256 {
    let inside = width.saturating_sub(U256::ONE).max(U256::ONE);
    let whole = U512::from(low_gap).saturating_add(U512::from(high_gap));
    if no_high || whole.is_zero() {
        return width.wrapping_shr(1).clamp(U256::ONE, inside);
    }
    let offset = U512::from(width).saturating_mul(U512::from(low_gap)) / whole;
    U256::saturating_from(offset).clamp(U256::ONE, inside)
}

/// `sqrt(sold / bought)` in fixed point, rounded down; the largest number when nothing is bought.
fn inverse_root(sold: U256, bought: U256) -> U256 {
    if bought.is_zero() {
        return U256::MAX;
    }
    U256::saturating_from(((U512::from(sold) << ORDINATE_BITS) / U512::from(bought)).root(2))
}

/// Whether a route gains more over the floor than the best so far; nothing sold gains nothing.
fn gain_is_better(new: &Route, best: Option<&Route>, floor: Floor) -> bool {
    // gain · sold = out · sold - in · bought; compared without subtraction, as it may be negative. Each product fits into 512 bits.
    let out = |route: Option<&Route>| U512::from(route.map_or(U256::ZERO, |route| route.amount_out)).saturating_mul(U512::from(floor.sold));
    let cost = |route: Option<&Route>| U512::from(route.map_or(U256::ZERO, |route| route.amount_in)).saturating_mul(U512::from(floor.bought));
    out(Some(new)).saturating_add(cost(best)) > out(best).saturating_add(cost(Some(new)))
}
