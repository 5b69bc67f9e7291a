//! The straight line that sizes are found on.
//!
//! For constant liquidity the output of `x` is `a·x / (b + x)`, also over several hops, so the inverse root of the
//! marginal price, `1/sqrt(f'(x))`, is a straight line in `x`; where liquidity changes it bends but still rises.
//!
//! ```text
//! 1/sqrt(f')            ╱ bends at ticks
//!          goal ┈┈┈┈┈┈╱┈┈┈┈
//!                ╱   ▲
//!            ╱       the amount      found by following lines: one step when nothing bends
//! ```

use alloy::primitives::{U256, U512};

/// A slope is taken from this part of its amount below it to as much above: wide enough that a unit of rounding does not tilt it. The
/// mean slope of `a·x / (b + x)` is the geometric mean of the slopes at both ends, so it belongs to the middle.
pub(super) const SLOPE_PART: u64 = 32;
/// Ends closer than this part of their amount are one.
const CLOSE_PART: u64 = 1_000;
/// Fixed point under the root; the ordinate has half as many fractional bits.
const ORDINATE_BITS: usize = 192;

/// The line's ordinate at an amount. What can't be sold has no slope and lies above every goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ordinate {
    /// `sqrt(sold / bought)` in fixed point, rounded down.
    At(U256),
    /// Nothing more is bought.
    Beyond,
}

impl Ordinate {
    /// The ordinate of a price: `sold` more units buy `bought` more.
    pub(super) fn of(sold: U256, bought: U256) -> Self {
        if bought.is_zero() {
            return Self::Beyond;
        }
        // At most 448 bits under the root, so the root fits into 224.
        Self::At(U256::saturating_from(((U512::from(sold) << ORDINATE_BITS) / U512::from(bought)).root(2)))
    }

    /// Where it lies from a goal. A goal beyond everything is met by whatever can be sold.
    pub(super) fn against(self, goal: Self) -> Side {
        match (self, goal) {
            (Self::Beyond, _) => Side::Above(None),
            (Self::At(_), Self::Beyond) => Side::Below(None),
            (Self::At(own), Self::At(goal)) if own <= goal => Side::Below(Some(goal.saturating_sub(own))),
            (Self::At(own), Self::At(goal)) => Side::Above(Some(own.saturating_sub(goal))),
        }
    }
}

/// On which side of the goal an amount is, and by how much where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// More can be sold.
    Below(Option<U256>),
    /// Too much.
    Above(Option<U256>),
}

/// An amount with its distance from the goal, where that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) amount: U256,
    pub(super) gap: Option<U256>,
}

/// Closes in on the amount at which the side changes, asking `side` at most `most` times strictly between `low` (below) and
/// `high` (above). Returns where it must be by what was asked; the answers are the caller's to keep.
pub(super) fn close_in<E>(low: End, high: End, most: usize, mut side: impl FnMut(U256) -> Result<Side, E>) -> Result<U256, E> {
    let mut bracket = Bracket { low, high, outer_low: None, outer_high: None };
    for _ in 0..most {
        let width = bracket.width();
        if width <= U256::ONE || width.saturating_mul(U256::from(CLOSE_PART)) <= bracket.high.amount {
            break;
        }
        let amount = bracket.guess();
        match side(amount)? {
            Side::Below(gap) => bracket.outer_low = Some(std::mem::replace(&mut bracket.low, End { amount, gap })),
            Side::Above(gap) => bracket.outer_high = Some(std::mem::replace(&mut bracket.high, End { amount, gap })),
        }
    }
    Ok(bracket.guess())
}

/// Both ends, with the points that were ends before them.
struct Bracket {
    low: End,
    high: End,
    outer_low: Option<End>,
    outer_high: Option<End>,
}

impl Bracket {
    const fn width(&self) -> U256 {
        self.high.amount.saturating_sub(self.low.amount)
    }

    /// Where the goal should lie, strictly inside. A line through two points of one side is believed if it leads inside, as no bend is
    /// known between them, that of the nearer end first; else the line through both ends; else the geometric middle.
    fn guess(&self) -> U256 {
        let from_low = self.outer_low.and_then(|outer| distance(outer, self.low)).map(|distance| self.low.amount.saturating_add(distance));
        let from_high = self.outer_high.and_then(|outer| distance(outer, self.high)).map(|distance| self.high.amount.saturating_sub(distance));
        let low_is_nearer = self.high.gap.is_none_or(|high| self.low.gap.is_some_and(|low| low <= high));
        let (nearer, farther) = if low_is_nearer { (from_low, from_high) } else { (from_high, from_low) };
        let inside = |amount: &U256| *amount > self.low.amount && *amount < self.high.amount;
        let guess = nearer.filter(inside).or_else(|| farther.filter(inside)).or_else(|| self.between()).unwrap_or_else(|| self.middle());
        let least = self.low.amount.saturating_add(U256::ONE);
        guess.clamp(least, self.high.amount.saturating_sub(U256::ONE).max(least))
    }

    fn between(&self) -> Option<U256> {
        let (low, high) = (self.low.gap?, self.high.gap?);
        let whole = U512::from(low).saturating_add(U512::from(high));
        let offset = U512::from(self.width()).saturating_mul(U512::from(low)).checked_div(whole)?;
        Some(self.low.amount.saturating_add(U256::saturating_from(offset)))
    }

    fn middle(&self) -> U256 {
        U256::saturating_from(U512::from(self.low.amount).saturating_mul(U512::from(self.high.amount)).root(2))
    }
}

/// How far behind `inner` the line from `outer` through it meets the goal.
fn distance(outer: End, inner: End) -> Option<U256> {
    let (outer_gap, inner_gap) = (outer.gap?, inner.gap?);
    let fall = outer_gap.checked_sub(inner_gap)?;
    let run = outer.amount.abs_diff(inner.amount);
    U512::from(run).saturating_mul(U512::from(inner_gap)).checked_div(U512::from(fall)).map(U256::saturating_from)
}
