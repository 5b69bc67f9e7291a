//! An opportunity of one size as steps: how it is funded, and what its yields are turned into.
//!
//! ```text
//! yields, claims settled ─▶ tokens that venues trade; what is debt already pays, what else there is beside the main token is sold for debt
//! SellAll:  act [ main token ──all──▶ debt, pay ]          rest of debt ──▶ WETH
//! BuyDebt:  act [ main token ──just enough──▶ debt, pay ]  rest of the main token ──▶ WETH
//! ```

use super::{EngineError, Screened, Settings, SimulationError};
use crate::{
    flash::Loan,
    fork::{TargetBlock, View},
    plan::{Amount, Size, Skip, SkipReason, Step, TxPlan},
    protocols::{Funding, Terms, Way},
    venues::{Carry, Refusal, Route, RouteError, Router},
};
use alloy::primitives::{Address, U256};

/// What the main token is turned into, and when.
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
    /// From the protocol itself, in one of its ways.
    Protocol(Funding),
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
    /// What is done before the debt is paid, in order.
    inside: Vec<Leg>,
    /// What is left, each token on its way to WETH.
    rest: Vec<Route>,
}

/// One way of tokens to the debt.
#[derive(Clone, Debug)]
enum Leg {
    /// All of an amount is sold.
    Sell(Route),
    /// Just enough is sold, of `most` at hand.
    Buy { route: Route, most: U256 },
}

impl Leg {
    const fn route(&self) -> &Route {
        match self {
            Self::Sell(route) | Self::Buy { route, .. } => route,
        }
    }

    fn steps(&self) -> Result<Vec<Step>, Refusal> {
        match self {
            // Profit that an earlier candidate of a merged transaction left in a token between is not carried along.
            // Limits stand at the end of the plan: whatever a pool gives less is less profit there, and too little reverts.
            Self::Sell(route) => route.steps_exact_in(Amount::Gained { cap: route.amount_in }, U256::ZERO, Carry::Quoted),
            Self::Buy { route, most } => route.steps_exact_out(*most),
        }
    }
}

/// What is in hand of each token, once yields are settled.
#[derive(Debug, Default)]
struct Purse(Vec<(Address, U256)>);

impl Purse {
    fn put(&mut self, token: Address, amount: U256) {
        match self.0.iter_mut().find(|(known, _)| *known == token) {
            Some((_, held)) => *held = held.saturating_add(amount),
            None => self.0.push((token, amount)),
        }
    }

    /// Takes out all that there is of a token.
    fn take(&mut self, token: Address) -> U256 {
        self.0.iter().position(|(known, _)| *known == token).map_or(U256::ZERO, |place| self.0.swap_remove(place).1)
    }
}

/// What comes in does not cover what has to be paid.
#[derive(Debug)]
pub(super) struct Short {
    /// What lacks, in debt tokens.
    pub(super) missing: U256,
    /// The same with both figures.
    pub(super) skip: Skip,
}

/// Quotes one size in one conversion on the overlay. A gain that would be negative is a shortfall.
pub(super) fn quote(
    screened: &Screened,
    router: &Router,
    weth: Address,
    (view, block): (&View, &TargetBlock),
    size: Size,
    conversion: Conversion,
) -> Result<Result<Quoted, Short>, SimulationError> {
    let opportunity = &screened.opportunity;
    let terms = screened.protocol.terms(view, block, &screened.market.reading, opportunity, size).map_err(EngineError::from)??;
    let (debt, main) = (opportunity.debt_token, opportunity.collateral_token);
    let mut inside = Vec::new();
    let mut purse = Purse::default();
    for (token, amount) in terms.receives.iter().flat_map(|part| &part.gives) {
        purse.put(*token, *amount);
    }
    let to_bring = terms.to_bring();
    let (mut in_debt, in_main) = (purse.take(debt), purse.take(main));
    for (token, amount) in std::mem::take(&mut purse.0).into_iter().filter(|(_, amount)| !amount.is_zero()) {
        if let Some(route) = sold(router, token, debt, amount)? {
            in_debt = in_debt.saturating_add(route.amount_out);
            inside.push(Leg::Sell(route));
        }
    }
    let mut main_left = U256::ZERO;
    let missing = to_bring.saturating_sub(in_debt);
    match conversion {
        Conversion::BuyDebt if missing.is_zero() => main_left = in_main,
        Conversion::BuyDebt => {
            let route = router.best_exact_out(main, debt, missing).map_err(|error| route_skip(&error))?;
            let left = in_main.checked_sub(route.amount_in);
            main_left = left.ok_or_else(|| Skip::new(SkipReason::Unprofitable, format!("{in_main} of the collateral does not buy {missing} of the debt")))?;
            in_debt = in_debt.saturating_add(route.amount_out);
            inside.push(Leg::Buy { route, most: in_main });
        }
        Conversion::SellAll if main != debt && !in_main.is_zero() => match router.best_exact_in(main, debt, in_main) {
            Ok(route) => {
                in_debt = in_debt.saturating_add(route.amount_out);
                inside.push(Leg::Sell(route));
            }
            // What else there is may pay for all of it.
            Err(error) if missing.is_zero() && error.skip().is_some() => {}
            Err(error) => return Err(route_skip(&error)),
        },
        Conversion::SellAll => {}
    }
    let Some(debt_left) = in_debt.checked_sub(to_bring) else {
        let skip = Skip::new(SkipReason::Unprofitable, format!("what is received comes to {in_debt} of the debt token, {to_bring} have to be paid"));
        return Ok(Err(Short { missing: to_bring.saturating_sub(in_debt), skip }));
    };
    let (mut gain, mut rest) = (U256::ZERO, Vec::new());
    for (token, left) in [(debt, debt_left), (main, main_left)] {
        if left.is_zero() {
            continue;
        }
        if token == weth {
            gain = gain.saturating_add(left);
        } else {
            let route = rest_route(router, inside.iter().map(Leg::route), token, weth, left)?;
            gain = gain.saturating_add(route.amount_out);
            rest.push(route);
        }
    }
    Ok(Ok(Quoted { size, terms, conversion, gain, inside, rest }))
}

/// The way of a token beside the main one to the debt. What nobody buys is kept by the profit receiver and counts nothing: a few units of
/// it must not stand in the way of the rest.
fn sold(router: &Router, token: Address, debt: Address, amount: U256) -> Result<Option<Route>, SimulationError> {
    match router.best_exact_in(token, debt, amount) {
        Ok(route) => Ok(Some(route)),
        Err(error) if error.skip().is_some() => Ok(None),
        Err(error) => Err(route_skip(&error)),
    }
}

/// The way of what is left to WETH: over venues that the first swap does not move, so that the quote holds. Where there are none, over the
/// same ones; the quote is then too good or too bad, and the simulation says by how much.
fn rest_route<'a>(router: &Router, inside: impl Iterator<Item = &'a Route>, token: Address, weth: Address, left: U256) -> Result<Route, SimulationError> {
    // The last one is the main token's, which moves its pools the most.
    let beside = inside.last().map(|inside| router.best_exact_in_beside(inside, token, weth, left));
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
    let (reading, opportunity) = (&screened.market.reading, &screened.opportunity);
    let mut convert = Vec::new();
    for leg in &quoted.inside {
        convert.extend(leg.steps().map_err(|error| step_skip(&error))?);
    }
    let act = |funding, convert| {
        let way = Way { funding, executor: settings.executor };
        screened.protocol.steps(reading, opportunity, quoted.size, &quoted.terms, way, convert)
    };
    let mut steps = match funding {
        FundingChoice::Protocol(funding) => act(*funding, convert)?,
        FundingChoice::Loan(loan) => vec![loan.step(act(Funding::Outside, convert)?)],
    };
    for route in &quoted.rest {
        // Whatever is left, not what was quoted: nothing gained stays unsold.
        steps.extend(route.steps_exact_in(Amount::Gained { cap: U256::MAX }, U256::ZERO, Carry::All).map_err(|error| step_skip(&error))?);
    }
    let mut sweep = vec![settings.weth];
    let yields = quoted.terms.receives.iter().flat_map(|part| part.claim.into_iter().chain(part.gives.iter().map(|(token, _)| *token)));
    let between = quoted.inside.iter().map(Leg::route).chain(&quoted.rest).flat_map(Route::between);
    for token in [opportunity.debt_token, opportunity.collateral_token].into_iter().chain(yields).chain(between) {
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
