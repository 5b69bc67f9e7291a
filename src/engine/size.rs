//! How much: quotes order the discrete choices and find the best size of each, full simulations decide.
//!
//! Gain against size is concave piecewise: both ends and the protocol's breakpoints are quoted, then the pieces between them are
//! [searched](super::search). Where a simulation disagrees with its quote (a pool that one plan uses twice), the same search goes on by
//! simulation. At most [`super::Settings::max_simulations`] of them in all.

use super::{
    Engine, EngineError, Outcome, Screened, Sender, Simulated, SimulationError, Work,
    compose::{self, Conversion, FundingChoice, Quoted},
    screen::stop_if,
    search::Search,
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
    cell::Cell,
    cmp::Reverse,
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

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
                    let mut sizing = Sizing { engine, work, view, router: &router, screened: &screened, sender, simulations: 0, missing: Cell::default() };
                    let sized = sizing.run(engine.settings.max_simulations.saturating_sub(KEPT_FOR_PACKING).max(1));
                    let (used, missing) = (sizing.simulations, sizing.missing.get());
                    simulations.fetch_add(used, Ordering::Relaxed);
                    results.lock().push((place, screened, sized, used, missing));
                }
            });
        }
    });
    outcome.simulations += simulations.into_inner();
    let mut results = results.into_inner();
    results.sort_by_key(|(place, ..)| *place);
    let mut all = Vec::new();
    for (_, screened, result, simulations, missing) in results {
        match result {
            Ok((quoted, simulated, profit_wei)) => all.push(Sized { screened, quoted, simulated, profit_wei, simulations }),
            Err(SimulationError::Refused(skip)) => outcome.refuse_short(&screened.opportunity, skip, missing),
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
    /// What lacked at least where a size did not pay, in debt tokens.
    pub(super) missing: Cell<Option<U256>>,
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
                if self.screened.opportunity.leap.is_some() {
                    self.lacks_gas(quoted.size, simulated.gas_wei.saturating_sub(simulated.gain));
                }
                let skip = Skip::new(SkipReason::Unprofitable, format!("gains {} wei and costs {} wei of gas", simulated.gain, simulated.gas_wei));
                *refused = Some(telling(refused.take(), skip));
            }
        }
    }

    /// The best quotes of a conversion: the best of the range, and the special sizes, each if it gains.
    fn best_quote(&self, conversion: Conversion) -> Result<Vec<Quoted>, SimulationError> {
        let (unit, points, also) = points(&self.screened.opportunity.sizes);
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
        let search = Search::by_quotes(&points);
        let best = search.run(|amount| -> Result<_, SimulationError> { Ok(ask(Size { unit, amount })?.map(|quoted| (quoted.gain, quoted))) })?;
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
        let known = found.2;
        let better = Search::new(&[low, high], left).knowing(amount, known).run(|amount| -> Result<_, SimulationError> {
            let quoted = match self.quote(Size { unit, amount }, conversion) {
                Ok(quoted) => quoted,
                Err(SimulationError::Refused(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            match self.simulate(&quoted, funding) {
                Ok(simulated) => Ok(simulated.profit_wei().map(|profit| (profit, (quoted, simulated, profit)))),
                Err(SimulationError::Refused(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        Ok(better.map(|(_, better)| better).filter(|better| better.2 > known).unwrap_or(found))
    }

    fn quote(&self, size: Size, conversion: Conversion) -> Result<Quoted, SimulationError> {
        let quoted = compose::quote(self.screened, self.router, self.engine.settings.weth, (self.view, self.work.block), size, conversion)?;
        quoted.map_err(|short| {
            self.lacks(size, short.missing);
            short.skip.into()
        })
    }

    /// Notes how little would have been enough, in debt tokens. The outlook is about all of a target.
    fn lacks(&self, size: Size, missing: U256) {
        if size != largest(&self.screened.opportunity.sizes) {
            return;
        }
        let known = self.missing.get();
        self.missing.set(Some(known.map_or(missing, |known| known.min(missing))));
    }

    /// The same for wei. Where nobody says what ether is worth in debt tokens, it is not known.
    fn lacks_gas(&self, size: Size, short: U256) {
        let (weth, debt) = (self.engine.settings.weth, self.screened.opportunity.debt_token);
        let missing = if debt == weth { Some(short) } else { self.router.best_exact_in(weth, debt, short).ok().map(|route| route.amount_out) };
        if let Some(missing) = missing {
            self.lacks(size, missing);
        }
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
                Funding::Inside => choices.push(FundingChoice::Protocol(*funding)),
                // What is paid in place needs no loan.
                Funding::InsideLoan | Funding::Outside if quoted.terms.to_bring().is_zero() => {}
                Funding::InsideLoan => choices.push(FundingChoice::Protocol(*funding)),
                Funding::Outside => {
                    let token = self.screened.opportunity.debt_token;
                    let calls = self.screened.protocol.contracts();
                    choices.extend(self.engine.loan(self.view, self.work.block, token, quoted.terms.to_bring(), &calls)?.map(FundingChoice::Loan));
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

/// The largest size that is offered.
fn largest(sizes: &Sizes) -> Size {
    let (unit, points, also) = points(sizes);
    let most = points.into_iter().max().map(|amount| Size { unit, amount });
    most.or_else(|| also.last().copied()).unwrap_or(Size { unit, amount: U256::ZERO })
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
