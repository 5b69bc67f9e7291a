//! An opportunity of one size as steps: how it is funded, and what its collateral is turned into.
//!
//! ```text
//! SellAll:  act [ collateral ──all──▶ debt, pay ]  rest of debt ──▶ WETH
//! BuyDebt:  act [ collateral ──just enough──▶ debt, pay ]  rest of collateral ──▶ WETH
//! ```

use super::{EngineError, Screened, Settings, SimulationError};
use crate::{
    flash::Loan,
    fork::{TargetBlock, View},
    plan::{Amount, Size, Skip, SkipReason, Step, TxPlan},
    protocols::{Funding, Terms},
    venues::{Carry, Refusal, Route, RouteError, Router},
};
use alloy::primitives::{Address, U256};

/// What the collateral is turned into, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Conversion {
    /// All of it is sold for the debt token; what is left of that becomes WETH.
    SellAll,
    /// Just enough of it buys the debt; the rest becomes WETH directly.
    BuyDebt,
}

/// Where the capital comes from.
#[derive(Clone, Debug)]
pub(super) enum FundingChoice {
    /// From the protocol's own callback.
    Inside,
    /// From a lender.
    Loan(Loan),
}

/// A size with what it takes, gives, and how its tokens move; quoted, not yet simulated.
#[derive(Clone, Debug)]
pub(super) struct Quoted {
    pub(super) size: Size,
    pub(super) terms: Terms,
    pub(super) conversion: Conversion,
    /// What the quotes leave in WETH.
    pub(super) gain: U256,
    inside: Option<Route>,
    rest: Option<Route>,
}

/// Quotes one size in one conversion on the overlay. A gain that would be negative is `unprofitable` with both figures.
pub(super) fn quote(
    screened: &Screened,
    router: &Router,
    weth: Address,
    (view, block): (&View, &TargetBlock),
    size: Size,
    conversion: Conversion,
) -> Result<Quoted, SimulationError> {
    let reading = &screened.market.reading;
    let terms = screened.protocol.terms(view, block, reading, &screened.opportunity, size).map_err(EngineError::from)??;
    let (debt, collateral) = (reading.debt_token, reading.collateral_token);
    let (inside, token, left) = match conversion {
        Conversion::SellAll if collateral == debt => (None, debt, terms.receives.checked_sub(terms.pays)),
        Conversion::SellAll => {
            let route = router.best_exact_in(collateral, debt, terms.receives).map_err(|error| route_skip(&error))?;
            let left = route.amount_out.checked_sub(terms.pays);
            (Some(route), debt, left)
        }
        Conversion::BuyDebt => {
            let route = router.best_exact_out(collateral, debt, terms.pays).map_err(|error| route_skip(&error))?;
            let left = terms.receives.checked_sub(route.amount_in);
            (Some(route), collateral, left)
        }
    };
    let Some(left) = left else {
        return Err(Skip::new(SkipReason::Unprofitable, format!("{} of the collateral does not buy {} of the debt", terms.receives, terms.pays)).into());
    };
    let rest = if token == weth || left.is_zero() { None } else { Some(rest_route(router, inside.as_ref(), token, weth, left)?) };
    let gain = match &rest {
        Some(route) => route.amount_out,
        None if token == weth => left,
        None => U256::ZERO,
    };
    Ok(Quoted { size, terms, conversion, gain, inside, rest })
}

/// The way of what is left to WETH: over venues that the first swap does not move, so that the quote holds. Where there are none, over the
/// same ones; the quote is then too good or too bad, and the simulation says by how much.
fn rest_route(router: &Router, inside: Option<&Route>, token: Address, weth: Address, left: U256) -> Result<Route, SimulationError> {
    let beside = inside.map(|inside| router.best_exact_in_beside(inside, token, weth, left));
    match beside {
        Some(Ok(route)) => Ok(route),
        Some(Err(RouteError::Fork(error))) => Err(error.into()),
        Some(Err(_)) | None => router.best_exact_in(token, weth, left).map_err(|error| wei_skip(&error)),
    }
}

/// The conversions that make sense for a pair of tokens.
pub(super) fn conversions(debt: Address, collateral: Address, weth: Address) -> &'static [Conversion] {
    if debt == collateral || debt == weth {
        &[Conversion::SellAll]
    } else if collateral == weth {
        &[Conversion::BuyDebt, Conversion::SellAll]
    } else {
        &[Conversion::SellAll, Conversion::BuyDebt]
    }
}

/// The transactions' steps for a quoted size; the plan pays nobody and promises nothing yet.
pub(super) fn compose(settings: &Settings, screened: &Screened, quoted: &Quoted, funding: &FundingChoice, block: &TargetBlock) -> Result<TxPlan, Skip> {
    let reading = &screened.market.reading;
    let convert = match (&quoted.inside, quoted.conversion) {
        // Profit that an earlier candidate of a merged transaction left in a token between is not carried along.
        // Limits stand at the end of the plan: whatever a pool gives less is less profit there, and too little reverts.
        (Some(route), Conversion::SellAll) => {
            route.steps_exact_in(Amount::Gained { cap: quoted.terms.receives }, U256::ZERO, Carry::Quoted).map_err(|error| step_skip(&error))?
        }
        (Some(route), Conversion::BuyDebt) => route.steps_exact_out(quoted.terms.receives).map_err(|error| step_skip(&error))?,
        (None, _) => Vec::new(),
    };
    let act = |kind, convert| {
        let mut txs = screened.protocol.steps(reading, &screened.opportunity, quoted.size, &quoted.terms, kind, convert)?;
        match (txs.pop(), txs.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(Skip::new(SkipReason::SimulationReverted, "the protocol asks for several transactions, which this planner does not build yet")),
        }
    };
    let mut steps = match funding {
        FundingChoice::Inside => act(Funding::Inside, convert)?,
        FundingChoice::Loan(loan) => vec![loan.step(act(Funding::Outside, convert)?)],
    };
    if let Some(route) = &quoted.rest {
        // Whatever is left, not what was quoted: nothing gained stays unsold.
        steps.extend(route.steps_exact_in(Amount::Gained { cap: U256::MAX }, U256::ZERO, Carry::All).map_err(|error| step_skip(&error))?);
    }
    let mut sweep = vec![settings.weth];
    let between = quoted.inside.iter().chain(&quoted.rest).flat_map(Route::between);
    for token in [reading.debt_token, reading.collateral_token].into_iter().chain(between) {
        if !sweep.contains(&token) {
            sweep.push(token);
        }
    }
    Ok(TxPlan { steps, sweep, profit_token: settings.weth, min_gain: U256::ZERO, builder_payment: U256::ZERO, blocks: (block.number, block.number) })
}

/// Puts several plans for the same block into one transaction.
pub(super) fn merge<'a>(plans: impl IntoIterator<Item = &'a TxPlan>) -> Option<TxPlan> {
    let mut plans = plans.into_iter();
    let mut merged = plans.next()?.clone();
    for plan in plans {
        if plan.profit_token != merged.profit_token || plan.blocks != merged.blocks {
            return None;
        }
        merged.steps.extend(plan.steps.iter().cloned());
        for token in &plan.sweep {
            if !merged.sweep.contains(token) {
                merged.sweep.push(*token);
            }
        }
    }
    Some(merged)
}

/// Makes a plan pay the builder from the profit it has in WETH by then.
pub(super) fn pay_builder(plan: &mut TxPlan, weth: Address, payment: U256) {
    plan.builder_payment = payment;
    if !payment.is_zero() {
        plan.steps.push(Step::Unwrap { weth, amount: Amount::Exact(payment) });
    }
}

fn route_skip(error: &RouteError) -> SimulationError {
    match error.skip() {
        Some(skip) => skip.into(),
        None => EngineError::Unanswered(error.to_string()).into(),
    }
}

fn wei_skip(error: &RouteError) -> SimulationError {
    match error.skip() {
        Some(skip) => Skip::new(SkipReason::Unpriced, skip.detail).into(),
        None => EngineError::Unanswered(error.to_string()).into(),
    }
}

fn step_skip(refusal: &Refusal) -> Skip {
    Skip::new(refusal.reason(), refusal.to_string())
}
