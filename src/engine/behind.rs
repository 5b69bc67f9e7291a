//! A candidate behind others: whether it is still the same there, and its size on what they leave.

use super::{
    Engine, EngineError, MarketOn, Outcome, Screened, Sender, SimulationError, Work,
    simulate::FINAL_RUNS,
    size::{Sized, Sizing},
};
use crate::{
    fork::View,
    plan::{Opportunity, Skip, SkipReason},
};
use std::{cell::Cell, sync::Arc};

/// Sizes a candidate again behind others, with the simulations that it has left; these are counted whatever comes of them.
pub(super) fn size_again(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    sender: Sender,
    sized: &mut Sized,
    outcome: &mut Outcome,
) -> Result<Sized, SimulationError> {
    let left = engine.settings.max_simulations.saturating_sub(sized.simulations + 1 + FINAL_RUNS);
    if left == 0 {
        return Err(Skip::new(SkipReason::LimitReached, "no simulations are left to size it again behind better candidates").into());
    }
    // What the protocol accepts may have changed too: the market is read and the target asked again.
    let reading = sized.screened.protocol.read_market(view, work.block, sized.screened.market.market.market).map_err(EngineError::from)?.value?;
    let target = &sized.screened.opportunity.target;
    let read =
        sized.screened.protocol.confirm(view, work.block, &reading, (target.market, target.key), engine.settings.executor).map_err(EngineError::from)?.value?;
    let known = &sized.screened.opportunity;
    let opportunity = same(known, read).ok_or_else(|| Skip::new(SkipReason::Healthy, "no longer there behind better candidates"))?;
    let market = Arc::new(MarketOn { market: sized.screened.market.market, reading });
    let screened = Screened { protocol: Arc::clone(&sized.screened.protocol), market, opportunity };
    let router = engine.router(view, work.block);
    let mut sizing = Sizing { engine, work, view, router: &router, screened: &screened, sender, simulations: 0, missing: Cell::default() };
    let found = sizing.run(left);
    let used = sizing.simulations;
    sized.simulations += used;
    outcome.simulations += used;
    let (quoted, simulated, profit_wei) = found?;
    Ok(Sized { screened, quoted, simulated, profit_wei, simulations: sized.simulations })
}

/// What became of an opportunity. Which of its yields is the main one may have changed, where there are several.
fn same(known: &Opportunity, read: Vec<Opportunity>) -> Option<Opportunity> {
    let mut paid: Vec<Opportunity> = read.into_iter().filter(|other| (other.action, other.debt_token) == (known.action, known.debt_token)).collect();
    let exact = paid.iter().position(|other| other.collateral_token == known.collateral_token);
    match exact {
        Some(place) => Some(paid.swap_remove(place)),
        None if paid.len() == 1 => paid.pop(),
        None => None,
    }
}

/// Whether what a candidate takes and gives is another behind those before it: then its plan, though it may run, is not the right one.
pub(super) fn moved(work: &Work<'_>, view: &View, sized: &Sized) -> Result<bool, EngineError> {
    let (screened, quoted) = (&sized.screened, &sized.quoted);
    let terms = screened.protocol.terms(view, work.block, &screened.market.reading, &screened.opportunity, quoted.size)?;
    Ok(terms.is_ok_and(|terms| terms != quoted.terms))
}
