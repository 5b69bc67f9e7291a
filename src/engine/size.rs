//! How much: quotes order the discrete choices and find the best size of each, full simulations decide.
//!
//! Gain against size is concave piecewise: both ends and the protocol's breakpoints are quoted, then the piece
//! around the best of them is searched by golden section. Where a simulation disagrees with its quote (a pool that one
//! plan uses twice), the same search goes on by simulation. At most [`super::Settings::max_simulations`] of them in all.

use super::{
    Engine, EngineError, Outcome, Screened, Sender, Simulated, SimulationError, Work,
    compose::{self, Conversion, FundingChoice, Quoted},
    screen::stop_if,
    simulate::{FINAL_RUNS, Record},
};
use crate::{
    fork::View,
    plan::{Size, SizeUnit, Sizes, Skip, SkipReason},
    protocols::Funding,
    venues::Router,
};
use alloy::primitives::U256;
use parking_lot::Mutex;
use std::{
    cmp::Reverse,
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Quotes that the search for one size in one conversion may take.
const SEARCH_QUOTES: usize = 24;

/// Simulations that packing needs after sizing: one behind the others, some to size it again there, one more where somebody in front of it
/// fell out, and the final ones.
const KEPT_FOR_PACKING: usize = 1 + 3 + 1 + FINAL_RUNS;

/// An opportunity with its best size, simulated alone on the overlay.
#[derive(Debug)]
pub(super) struct Sized {
    pub(super) screened: Screened,
    pub(super) quoted: Quoted,
    pub(super) simulated: Simulated,
    pub(super) profit_wei: U256,
    pub(super) simulations: usize,
}

/// Sizes all opportunities on the engine's threads. What can't be done or doesn't pay becomes a refusal.
pub(super) fn size_all(engine: &Engine, work: &Work<'_>, view: &View, screened: Vec<Screened>, outcome: &mut Outcome) -> Result<Vec<Sized>, EngineError> {
    let Some(sender) = work.senders.first().copied() else {
        for screened in &screened {
            outcome.refuse(&screened.opportunity, Skip::new(SkipReason::NoOperator, "every operator is in flight"));
        }
        return Ok(Vec::new());
    };
    let threads = engine.settings.threads.clamp(1, screened.len().max(1));
    let waiting = Mutex::new(screened.into_iter().enumerate().collect::<VecDeque<_>>());
    let results = Mutex::new(Vec::new());
    let simulations = AtomicUsize::new(0);
    let router = engine.router(view, work.block);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((place, screened)) = waiting.lock().pop_front() else { break };
                    let mut sizing = Sizing { engine, work, view, router: &router, screened: &screened, sender, simulations: 0 };
                    let sized = sizing.run(engine.settings.max_simulations.saturating_sub(KEPT_FOR_PACKING).max(1));
                    let used = sizing.simulations;
                    simulations.fetch_add(used, Ordering::Relaxed);
                    results.lock().push((place, screened, sized, used));
                }
            });
        }
    });
    outcome.simulations += simulations.into_inner();
    let mut results = results.into_inner();
    results.sort_by_key(|(place, ..)| *place);
    let mut all = Vec::new();
    for (_, screened, result, simulations) in results {
        match result {
            Ok((quoted, simulated, profit_wei)) => all.push(Sized { screened, quoted, simulated, profit_wei, simulations }),
            Err(SimulationError::Refused(skip)) => outcome.refuse(&screened.opportunity, skip),
            Err(SimulationError::Engine(error @ EngineError::Cancelled)) => return Err(error),
            // One target's missing value is that target's failure.
            Err(SimulationError::Engine(error)) => outcome.refuse(&screened.opportunity, Skip::new(SkipReason::SimulationReverted, error.to_string())),
        }
    }
    Ok(all)
}

/// The search for one opportunity's size.
pub(super) struct Sizing<'a> {
    pub(super) engine: &'a Engine,
    pub(super) work: &'a Work<'a>,
    pub(super) view: &'a View,
    pub(super) router: &'a Router,
    pub(super) screened: &'a Screened,
    pub(super) sender: Sender,
    pub(super) simulations: usize,
}

type Found = (Quoted, Simulated, U256);

impl Sizing<'_> {
    /// The best size with at most `budget` simulations.
    pub(super) fn run(&mut self, budget: usize) -> Result<Found, SimulationError> {
        let opportunity = &self.screened.opportunity;
        let mut ranked: Vec<Quoted> = Vec::new();
        let mut refused: Option<Skip> = None;
        for conversion in compose::conversions(opportunity.debt_token, opportunity.collateral_token, self.engine.settings.weth) {
            match self.best_quote(*conversion) {
                Ok(quotes) => ranked.extend(quotes),
                Err(SimulationError::Refused(skip)) => refused = Some(telling(refused, skip)),
                Err(error) => return Err(error),
            }
        }
        ranked.sort_by_key(|quoted| Reverse(quoted.gain));
        let mut best: Option<(Found, FundingChoice)> = None;
        for quoted in ranked {
            let choices = match self.funding_choices(&quoted) {
                Ok(choices) => choices,
                Err(SimulationError::Refused(skip)) => {
                    refused = Some(telling(refused, skip));
                    continue;
                }
                Err(error) => return Err(error),
            };
            for funding in choices {
                if self.simulations >= budget {
                    break;
                }
                match self.simulate(&quoted, &funding) {
                    Ok(simulated) => self.keep(&mut best, &mut refused, quoted.clone(), simulated, &funding),
                    Err(SimulationError::Refused(skip)) => refused = Some(telling(refused, skip)),
                    Err(error) => return Err(error),
                }
            }
        }
        match best {
            Some((found, funding)) => self.refine(found, &funding, budget),
            None => Err(refused.unwrap_or_else(|| Skip::new(SkipReason::NoRoute, "no size could be quoted")).into()),
        }
    }

    fn keep(&self, best: &mut Option<(Found, FundingChoice)>, refused: &mut Option<Skip>, quoted: Quoted, simulated: Simulated, funding: &FundingChoice) {
        match simulated.profit_wei().filter(|profit| !profit.is_zero()) {
            Some(profit) if best.as_ref().is_none_or(|((_, _, known), _)| profit > *known) => *best = Some(((quoted, simulated, profit), funding.clone())),
            Some(_) => {}
            None => {
                let skip = Skip::new(SkipReason::Unprofitable, format!("gains {} wei and costs {} wei of gas", simulated.gain, simulated.gas_wei));
                *refused = Some(telling(refused.take(), skip));
            }
        }
    }

    /// The best quotes of a conversion: the best of the range, and the special sizes, each if it gains.
    fn best_quote(&self, conversion: Conversion) -> Result<Vec<Quoted>, SimulationError> {
        let (unit, mut points, also) = points(&self.screened.opportunity.sizes);
        let mut found: Vec<Quoted> = Vec::new();
        let mut refused: Option<Skip> = None;
        let mut ask = |size: Size| -> Result<Option<Quoted>, SimulationError> {
            stop_if(self.work.cancel)?;
            match self.quote(size, conversion) {
                Ok(quoted) => Ok(Some(quoted)),
                Err(SimulationError::Refused(skip)) => {
                    refused = Some(telling(refused.take(), skip));
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        };
        for size in also {
            found.extend(ask(size)?);
        }
        points.sort_unstable();
        points.dedup();
        let mut best: Option<(usize, Quoted)> = None;
        for (place, amount) in points.iter().enumerate() {
            if let Some(quoted) = ask(Size { unit, amount: *amount })?
                && best.as_ref().is_none_or(|(_, known)| quoted.gain > known.gain)
            {
                best = Some((place, quoted));
            }
        }
        if points.len() >= 2 {
            // The pieces on both sides of the best point; the lowest one where no point gains at all.
            let place = best.as_ref().map_or(0, |(place, _)| *place);
            let low = points.get(place.saturating_sub(1)).or(points.first()).copied().unwrap_or_default();
            let high = points.get(place + 1).or(points.last()).copied().unwrap_or_default();
            let searched = golden_section(low, high, SEARCH_QUOTES, |amount| -> Result<_, SimulationError> {
                Ok(ask(Size { unit, amount })?.map(|quoted| (quoted.gain, quoted)))
            })?;
            if let Some(quoted) = searched
                && best.as_ref().is_none_or(|(_, known)| quoted.gain > known.gain)
            {
                best = Some((place, quoted));
            }
        }
        found.extend(best.map(|(_, quoted)| quoted));
        if found.is_empty() {
            return Err(refused.unwrap_or_else(|| Skip::new(SkipReason::BelowMinSize, "the protocol offers no size")).into());
        }
        Ok(found)
    }

    /// Searches on by simulation where the quote was not what the simulation gave.
    fn refine(&mut self, found: Found, funding: &FundingChoice, budget: usize) -> Result<Found, SimulationError> {
        let (unit, points, _) = points(&self.screened.opportunity.sizes);
        let (quoted, simulated, _) = &found;
        if simulated.gain == quoted.gain || quoted.size.unit != unit || self.simulations >= budget {
            return Ok(found);
        }
        let (amount, conversion) = (quoted.size.amount, quoted.conversion);
        let low = points.iter().copied().filter(|point| *point < amount).max().unwrap_or(amount).max(amount / U256::from(2));
        let high = points.iter().copied().filter(|point| *point > amount).min().unwrap_or(amount).min(amount.saturating_mul(U256::from(2)));
        let left = budget.saturating_sub(self.simulations);
        let mut best = found;
        golden_section(low, high, left, |amount| -> Result<Option<(U256, ())>, SimulationError> {
            let quoted = match self.quote(Size { unit, amount }, conversion) {
                Ok(quoted) => quoted,
                Err(SimulationError::Refused(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            match self.simulate(&quoted, funding) {
                Ok(simulated) => Ok(simulated.profit_wei().map(|profit| {
                    if profit > best.2 {
                        best = (quoted, simulated, profit);
                    }
                    (profit, ())
                })),
                Err(SimulationError::Refused(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        Ok(best)
    }

    fn quote(&self, size: Size, conversion: Conversion) -> Result<Quoted, SimulationError> {
        compose::quote(self.screened, self.router, self.engine.settings.weth, (self.view, self.work.block), size, conversion)
    }

    fn simulate(&mut self, quoted: &Quoted, funding: &FundingChoice) -> Result<Simulated, SimulationError> {
        stop_if(self.work.cancel)?;
        self.simulations += 1;
        let plan = compose::compose(&self.engine.settings, self.screened, quoted, funding, self.work.block)?;
        self.engine.simulate(self.work, self.view, self.sender, &plan, Engine::gas_cap(self.work), Record::No)
    }

    /// Ways to fund this size: the protocol's own callback, and the cheapest lender that has the token.
    fn funding_choices(&self, quoted: &Quoted) -> Result<Vec<FundingChoice>, SimulationError> {
        let mut choices = Vec::new();
        for funding in self.screened.protocol.funding() {
            match funding {
                Funding::Inside => choices.push(FundingChoice::Inside),
                Funding::Outside => {
                    let token = self.screened.opportunity.debt_token;
                    let calls = self.screened.protocol.contracts();
                    choices.extend(self.engine.loan(self.view, self.work.block, token, quoted.terms.pays, &calls)?.map(FundingChoice::Loan));
                }
            }
        }
        if choices.is_empty() {
            return Err(Skip::new(SkipReason::NoFunding, format!("nobody lends {} of {}", quoted.terms.pays, self.screened.opportunity.debt_token)).into());
        }
        Ok(choices)
    }
}

/// The unit, the points of the range, and the sizes beside it.
fn points(sizes: &Sizes) -> (SizeUnit, Vec<U256>, Vec<Size>) {
    match sizes {
        Sizes::Fixed(sizes) => (SizeUnit::Fraction, Vec::new(), sizes.clone()),
        Sizes::Range { unit, min, max, breakpoints, also } => {
            let inner = breakpoints.iter().copied().filter(|point| point > min && point < max);
            (*unit, [*min].into_iter().chain(inner).chain([*max]).collect(), also.clone())
        }
        Sizes::Parts(parts) => (SizeUnit::Budget, parts.clone(), Vec::new()),
    }
}

/// Which of two reasons tells more about why nothing was done.
fn telling(known: Option<Skip>, new: Skip) -> Skip {
    const fn weight(reason: SkipReason) -> u8 {
        match reason {
            SkipReason::SimulationReverted | SkipReason::ReadsCoinbase => 4,
            SkipReason::Unprofitable => 3,
            SkipReason::Unpriced => 2,
            _ => 1,
        }
    }
    match known {
        Some(known) if weight(known.reason) >= weight(new.reason) => known,
        _ => new,
    }
}

/// Golden section over integers for the largest value; `None` counts as below everything, and as lying to the right of the best.
///
/// For a concave function that is zero at zero, a negative value means that the best lies left of it.
fn golden_section<T, E>(low: U256, high: U256, evaluations: usize, mut ask: impl FnMut(U256) -> Result<Option<(U256, T)>, E>) -> Result<Option<T>, E> {
    let section = |span: U256| span.saturating_mul(U256::from(618_034_u64)) / U256::from(1_000_000_u64);
    let (mut low, mut high) = (low, high);
    if high <= low || evaluations < 2 {
        return Ok(None);
    }
    let mut best: Option<(U256, T)> = None;
    let mut evaluate = |amount: U256, best: &mut Option<(U256, T)>| -> Result<Option<U256>, E> {
        let Some((value, found)) = ask(amount)? else { return Ok(None) };
        if best.as_ref().is_none_or(|(known, _)| value > *known) {
            *best = Some((value, found));
        }
        Ok(Some(value))
    };
    let (mut left, mut right) = (high - section(high - low), low + section(high - low));
    let mut left_value = evaluate(left, &mut best)?;
    let mut right_value = evaluate(right, &mut best)?;
    for _ in 2..evaluations {
        if high - low <= U256::from(2) {
            break;
        }
        // `None` orders below every value.
        if right_value > left_value {
            low = left;
            (left, left_value) = (right, right_value);
            right = low + section(high - low);
            right_value = evaluate(right, &mut best)?;
        } else {
            high = right;
            (right, right_value) = (left, left_value);
            left = high - section(high - low);
            left_value = evaluate(left, &mut best)?;
        }
    }
    Ok(best.map(|(_, found)| found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn best_of(high: u64, evaluations: usize, gain: impl Fn(u64) -> Option<u64>) -> u64 {
        golden_section(U256::ONE, U256::from(high), evaluations, |x| {
            let x = x.to::<u64>();
            Ok::<_, Infallible>(gain(x).map(|gain| (U256::from(gain), x)))
        })
        .unwrap()
        .unwrap_or_default()
    }

    #[test]
    fn the_top_of_a_hill_is_found_to_a_thousandth_of_the_range() {
        let hill = |x: u64| 1_000_000_u64.checked_sub(x.abs_diff(700_000));
        assert!(best_of(10_000_000, 24, hill).abs_diff(700_000) < 10_000);
    }

    #[test]
    fn a_hill_hidden_in_losses_is_found_at_the_small_end() {
        let hill = |x: u64| (x < 40_000).then(|| 20_000 - x.abs_diff(20_000));
        assert!(best_of(10_000_000, 40, hill).abs_diff(20_000) < 1_000);
    }

    #[test]
    fn nothing_but_losses_is_no_size() {
        assert_eq!(best_of(1_000_000, 24, |_| None), 0);
    }
}
