//! The budgets of an action worth trying: where what one more unit of debt earns changes, as few as possible.
//!
//! ```text
//! ends of ticks, x* of each ─▶ in units of the payment, cut at the limit ─▶ those the contract takes ─▶ + where tokens end and notes end
//!                                                                              ─▶ less what bends nothing, less what never pays
//!
//! gain │      x*                     x*  ← kept: it may pay more than the first
//!      │      ╱╲          x*        ╱
//!      │    ╱    ╲        ╱╲      ╱      the second x* pays less than the first and costs more, whatever the market's price: left out
//!      │  ╱        ╲    ╱    ╲  ╱
//!      │╱             ╲╱      ╲╱ ← kept: the piece begins here
//!      └───────────────────────────▶ budget
//! ```
//!
//! The limit is what the base pool has, without USDC where that may not be used, or the notes that the long manager holds for a short pool.
//! A budget a hair below x* leaves debt on next to no collateral: it becomes the top tick, or the call ends without data. Where x* itself
//! is refused (the pool's last debt) or out of reach by a hair, the budget steps back by far more than a hair.

use super::{
    FxRevert,
    market::{Done, FxMarket, Payment, Side},
    maths::{
        base_pool::TokenIn,
        fixed::{PRECISION, add, mul_div_down, mul_div_up},
        long::{Action, MIN_RAW_DEBTS},
        sizing::{liquidation_breakpoints, rebalance_breakpoints},
    },
};
use alloy::primitives::U256;

/// Ticks whose ends are looked at.
const MOST_TICKS: usize = 24;

/// A hair is this many bits below a budget.
const HAIR_BITS: usize = 30;

/// Slopes are one when they differ by less than this part.
const SAME_SLOPE: U256 = U256::from_limbs([1_000, 0, 0, 0]);

/// How far above the protocol's price the market may pay, in percent of it, for a budget to be left out as one that never pays.
const DEAREST: U256 = U256::from_limbs([105, 0, 0, 0]);

/// Steps of the search for the budget at which notes begin or end.
const NOTE_STEPS: usize = 32;

/// The budgets of an action, in units of what is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// The least that the manager takes.
    pub min: U256,
    /// The most that can pay.
    pub max: U256,
    /// What to try between, growing: few, as the poorer peaks of ticks are left out.
    pub breakpoints: Vec<U256>,
    /// What the largest of them costs: an action may use less than its budget.
    pub most_to_pay: U256,
    /// The most credit notes that any of them brings, in units of the collateral token.
    pub most_notes: U256,
}

/// What a budget is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// An end of a tick or its x*.
    Bend,
    /// Notes begin, or no more of them can be redeemed.
    Notes,
}

/// A budget and what comes of it.
#[derive(Clone, Debug)]
struct Point {
    budget: U256,
    done: Done,
    used_for: Use,
}

impl Point {
    const fn received(&self) -> U256 {
        self.done.tokens.saturating_add(self.done.notes)
    }
}

impl FxMarket {
    /// The budgets worth trying for an action that is paid in one way, or none when the least is more than there is to do or to pay with.
    /// `note_ends` are the amounts of notes, growing, beyond which another note is worth something else: what can be redeemed in full.
    ///
    /// # Errors
    /// What the contract's arithmetic would revert with on this pool.
    pub fn budgets(&self, action: Action, payment: Payment, note_ends: &[U256]) -> Result<Option<Budgets>, FxRevert> {
        let (min, limit) = (self.least(payment)?, self.limit(payment)?);
        if limit < min {
            return Ok(None);
        }
        let bends = self.bends(action, payment, min, limit)?;
        let points = self.kept(action, self.with_notes(action, payment, min, bends, note_ends))?;
        let Some(last) = points.last().filter(|last| !last.done.pays.is_zero()) else { return Ok(None) };
        let most_notes = points.iter().map(|point| point.done.notes).max().unwrap_or_default();
        let mut breakpoints: Vec<U256> = points.iter().map(|point| point.budget).collect();
        breakpoints.pop();
        Ok(Some(Budgets { min, max: last.budget, breakpoints, most_to_pay: last.done.pays, most_notes }))
    }

    /// Each tick's x* and end as far as the limit goes, each a budget that the contract takes, growing.
    fn bends(&self, action: Action, payment: Payment, min: U256, limit: U256) -> Result<Vec<Point>, FxRevert> {
        let (mut points, mut floor): (Vec<Point>, U256) = (Vec::new(), U256::ZERO);
        for raw in self.raw_budgets(action)? {
            let wanted = self.amount_for(payment, raw)?.max(min);
            let is_near = wanted.checked_sub(limit).is_some_and(|short| !short.is_zero() && short <= hair(wanted));
            let budget = if is_near { wanted.saturating_sub(hair(wanted)) } else { wanted.min(limit) };
            let point = self.accepted(action, payment, floor, budget);
            if let Some(point) = point.filter(|point| point.budget >= min && points.last().is_none_or(|last| last.budget < point.budget)) {
                floor = point.budget;
                points.push(point);
            }
            if wanted >= limit {
                break;
            }
        }
        Ok(points)
    }

    /// Budgets in raw debt where what one more unit earns may change, growing.
    fn raw_budgets(&self, action: Action) -> Result<Vec<U256>, FxRevert> {
        let price = self.price_of(action);
        let found = match action {
            Action::RebalanceTick(tick) => return Ok(vec![self.model.debts_to_rebalance(&self.model.tick_raw(tick)?, price)?]),
            Action::Rebalance => rebalance_breakpoints(&self.model, price, MOST_TICKS)?,
            Action::Liquidate => liquidation_breakpoints(&self.model, price, self.reserve_raw()?, MOST_TICKS)?,
        };
        Ok(found.into_iter().map(|point| point.budget).collect())
    }

    /// The budget, or the first further down that the contract takes.
    fn accepted(&self, action: Action, payment: Payment, floor: U256, budget: U256) -> Option<Point> {
        let (mut at, mut step) = (budget, hair(budget));
        while at > floor {
            if let Ok(done) = self.act(action, payment, at) {
                return Some(Point { budget: at, done, used_for: Use::Bend });
            }
            at = at.checked_sub(step)?;
            step = step.saturating_mul(U256::from(2));
        }
        None
    }

    /// Adds where notes begin and where they end to be worth what they were.
    fn with_notes(&self, action: Action, payment: Payment, min: U256, mut points: Vec<Point>, note_ends: &[U256]) -> Vec<Point> {
        for most in std::iter::once(U256::ZERO).chain(note_ends.iter().copied()) {
            let Some(after) = points.iter().position(|point| point.done.notes > most) else { break };
            let (Some(mut high), low) = (points.get(after).map(|point| point.budget), after.checked_sub(1).and_then(|before| points.get(before))) else {
                break;
            };
            let mut low = low.map_or(min, |point| point.budget);
            let mut found = None;
            for _ in 0..NOTE_STEPS {
                let Some(half) = high.checked_sub(low).map(|span| span / U256::from(2)).filter(|half| !half.is_zero()) else { break };
                let middle = low.saturating_add(half);
                match self.act(action, payment, middle) {
                    Ok(done) if done.notes <= most => {
                        found = Some(Point { budget: middle, done, used_for: Use::Notes });
                        low = middle;
                    }
                    Ok(_) | Err(_) => high = middle,
                }
            }
            if let Some(point) = found {
                points.insert(after, point);
            }
        }
        points
    }

    /// Leaves out what bends nothing and what never pays.
    fn kept(&self, action: Action, points: Vec<Point>) -> Result<Vec<Point>, FxRevert> {
        let points = without_straight(points);
        let mut kept: Vec<Point> = Vec::new();
        let (mut most, mut skipped): (Option<Ledger>, Vec<Point>) = (None, Vec::new());
        for point in points {
            let ledger = self.ledger(action, &point, DEAREST)?;
            if most.is_some_and(|most| !ledger.is_more_than(&most)) {
                skipped.push(point);
                continue;
            }
            most = Some(ledger);
            // Of what lies between two that may pay: where the notes change, and where the way up begins.
            let valley = skipped.pop();
            kept.extend(skipped.drain(..).filter(|point| point.used_for == Use::Notes).chain(valley));
            kept.push(point);
        }
        kept.sort_by_key(|point| point.budget);
        Ok(kept)
    }

    /// What a budget brings at `percent` of the protocol's price, and what it costs.
    fn ledger(&self, action: Action, point: &Point, percent: U256) -> Result<Ledger, FxRevert> {
        let raw = match &self.side {
            Side::Long { manager, .. } => mul_div_down(point.received(), manager.scaling_factor, PRECISION)?,
            Side::Short { .. } => point.received(),
        };
        let worth = mul_div_down(raw, self.price_of(action), PRECISION)?;
        Ok(Ledger { worth: mul_div_down(worth, percent, U256::from(100))?, paid: point.done.taken.raw_debts })
    }

    /// The least that the manager takes, in units of the payment's token.
    pub(super) fn least(&self, payment: Payment) -> Result<U256, FxRevert> {
        let raw = match &self.side {
            Side::Long { .. } => MIN_RAW_DEBTS,
            Side::Short { manager, .. } => manager.min_raw_debt.max(U256::ONE),
        };
        self.amount_for(payment, raw)
    }

    /// The most that can be paid: with what the base pool has, or with the notes that the long manager holds.
    pub(super) fn limit(&self, payment: Payment) -> Result<U256, FxRevert> {
        match (&self.side, payment) {
            (Side::Long { manager, base, .. }, Payment::Base(token_in)) => {
                let alone = base.most_without_stable(token_in, manager.stable_price)?;
                if !manager.stable_repay_allowed {
                    return Ok(alone);
                }
                let stable = match token_in {
                    TokenIn::FxUsd => mul_div_down(base.stable, manager.stable_price, PRECISION)?,
                    TokenIn::Usdc => base.stable,
                };
                Ok(alone.saturating_add(stable))
            }
            (Side::Short { manager, .. }, _) => Ok(manager.notes_of_manager.unwrap_or(U256::MAX)),
            (Side::Long { .. }, Payment::Direct | Payment::Short) => Ok(U256::MAX),
        }
    }

    /// The least amount of the payment's token whose budget is `raw`, as far as the base pool's USDC goes.
    fn amount_for(&self, payment: Payment, raw: U256) -> Result<U256, FxRevert> {
        Ok(match (&self.side, payment) {
            (Side::Long { manager, base, .. }, Payment::Base(token_in)) => {
                let unit = match token_in {
                    TokenIn::FxUsd => mul_div_up(manager.stable_price, U256::ONE, PRECISION)?,
                    TokenIn::Usdc => U256::ONE,
                };
                let mut amount = match token_in {
                    TokenIn::FxUsd => raw,
                    TokenIn::Usdc => mul_div_up(raw, PRECISION, manager.stable_price)?,
                };
                // USDC is counted in whole units, rounded down, once or twice on the way.
                for _ in 0..2 {
                    if manager.max_raw_debts(&base.budget(token_in, amount, manager.stable_price)?)? >= raw {
                        break;
                    }
                    amount = add(amount, unit)?;
                }
                amount
            }
            (Side::Short { manager, .. }, _) => mul_div_up(raw, PRECISION, manager.scaling_factor)?,
            (Side::Long { .. }, Payment::Direct | Payment::Short) => raw,
        })
    }
}

/// What a budget brings and costs, raw debt.
#[derive(Clone, Copy, Debug)]
struct Ledger {
    worth: U256,
    paid: U256,
}

impl Ledger {
    /// Whether worth less paid is more than another's.
    fn is_more_than(&self, other: &Self) -> bool {
        self.worth.saturating_add(other.paid) > other.worth.saturating_add(self.paid)
    }
}

/// Without the points that lie on the line through their neighbours: one tick ends and the next begins at the same rate.
fn without_straight(points: Vec<Point>) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::new();
    let mut rest = points.into_iter().peekable();
    while let Some(point) = rest.next() {
        let (from, received) = kept.last().map_or((U256::ZERO, U256::ZERO), |last| (last.budget, last.received()));
        let is_straight = rest.peek().is_some_and(|next| {
            let (before, after) = (point.budget.saturating_sub(from), next.budget.saturating_sub(point.budget));
            let (more, much_more) = (point.received().saturating_sub(received), next.received().saturating_sub(point.received()));
            let (one, other) = (more.saturating_mul(after), much_more.saturating_mul(before));
            point.used_for == Use::Bend && one.abs_diff(other).saturating_mul(SAME_SLOPE) <= one
        });
        if !is_straight {
            kept.push(point);
        }
    }
    kept
}

/// What is far more than rounding, and far less than a gain.
fn hair(budget: U256) -> U256 {
    (budget >> HAIR_BITS).max(U256::ONE)
}
