//! From an overlay to confirmed opportunities: which values are stale, what lies beyond the boundary, what the protocol says.

use super::{Cancel, Engine, EngineError, MarketOn, Outcome, Refusal, Work};
use crate::{
    book::{MarketRef, Stale},
    fork::View,
    plan::{MarketId, Opportunity, ResourceScope, Skip, SkipReason, Target, TargetKey},
    protocols::{MarketReading, Protocol},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A confirmed opportunity with what is needed to plan it.
#[derive(Clone, Debug)]
pub struct Screened {
    /// The protocol.
    pub protocol: Arc<dyn Protocol>,
    /// Its market on the overlay.
    pub market: Arc<MarketOn>,
    /// What it would accept.
    pub opportunity: Opportunity,
}

/// Finds what the overlay opens. At a new head every market is looked at, else what the transactions in front concern only.
pub(super) fn screen(engine: &Engine, work: &Work<'_>, view: &View, stale: Option<&Stale>, outcome: &mut Outcome) -> Result<Vec<Screened>, EngineError> {
    let mut screened = Vec::new();
    for (market, keys) in due(work, stale) {
        stop_if(work.cancel)?;
        let Some(protocol) = work.book.protocol(market) else { continue };
        let Some(reading) = market_on(work, view, market, protocol, stale, outcome)? else { continue };
        outcome.markets += 1;
        let on = Arc::new(MarketOn { market, reading });
        // Targets that the overlay itself changed stand where they stood before it, so they are asked whatever the order says.
        let asked: BTreeSet<TargetKey> = work.book.beyond(market, &on.reading, work.block).into_iter().chain(keys).collect();
        for key in asked {
            screened.extend(ask(engine, work, view, protocol, &on, key, outcome)?);
        }
    }
    Ok(screened)
}

/// Looks at one target, whatever the order says of it.
pub(super) fn screen_target(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    stale: Option<&Stale>,
    (market, key): (MarketRef, TargetKey),
    outcome: &mut Outcome,
) -> Result<Vec<Screened>, EngineError> {
    let Some(protocol) = work.book.protocol(market) else { return Ok(Vec::new()) };
    let Some(reading) = market_on(work, view, market, protocol, stale, outcome)? else { return Ok(Vec::new()) };
    outcome.markets += 1;
    ask(engine, work, view, protocol, &Arc::new(MarketOn { market, reading }), key, outcome)
}

/// Asks the protocol and the policy about one target.
fn ask(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    protocol: &Arc<dyn Protocol>,
    on: &Arc<MarketOn>,
    key: TargetKey,
    outcome: &mut Outcome,
) -> Result<Vec<Screened>, EngineError> {
    stop_if(work.cancel)?;
    outcome.confirmed += 1;
    let market = on.market.market;
    // A target that can't be read is that target's failure.
    let confirmed = protocol.confirm(view, work.block, &on.reading, (market, key), engine.settings.executor);
    let opportunities = match confirmed.map_or_else(|error| Err(Skip::new(SkipReason::PriceUnavailable, error.to_string())), |read| read.value) {
        Ok(opportunities) => opportunities,
        Err(skip) => {
            outcome.refusals.push(refusal(protocol, market, Some(key), skip));
            return Ok(Vec::new());
        }
    };
    let is_dust = work.book.shelf(on.market).is_some_and(|shelf| shelf.is_dust(&key));
    let mut screened = Vec::new();
    for opportunity in opportunities {
        outcome.opportunities.push(opportunity.clone());
        if is_dust {
            outcome.refuse(&opportunity, Skip::new(SkipReason::Dust, "the debt is below the configured minimum of its token"));
            continue;
        }
        if let Some(lock) = opportunity.locks.iter().find(|lock| lock.scope == ResourceScope::InFlight && work.locked.contains(lock)) {
            let skip = Skip::new(SkipReason::ResourceLocked, format!("a bundle in flight uses {}", lock.id));
            outcome.refuse(&opportunity, skip);
            continue;
        }
        if let Err(skip) = engine.settings.policy.admits(&opportunity, on.reading.price, engine.gas_price(work.block)) {
            outcome.refuse(&opportunity, skip);
            continue;
        }
        screened.push(Screened { protocol: Arc::clone(protocol), market: Arc::clone(on), opportunity });
    }
    Ok(screened)
}

/// The markets to look at, each with the targets that the diff itself touched.
fn due(work: &Work<'_>, stale: Option<&Stale>) -> BTreeMap<MarketRef, Vec<TargetKey>> {
    let mut due: BTreeMap<MarketRef, Vec<TargetKey>> = BTreeMap::new();
    match stale {
        None => due.extend(work.book.markets().map(|(market, _)| (market, Vec::new()))),
        Some(stale) => {
            due.extend(stale.markets.iter().map(|market| (*market, Vec::new())));
            for (market, key) in &stale.targets {
                due.entry(*market).or_default().push(*key);
            }
        }
    }
    due
}

/// The market's reading on the overlay: the book's own where the overlay did not touch it.
fn market_on(
    work: &Work<'_>,
    view: &View,
    market: MarketRef,
    protocol: &Arc<dyn Protocol>,
    stale: Option<&Stale>,
    outcome: &mut Outcome,
) -> Result<Option<MarketReading>, EngineError> {
    let touched = stale.is_some_and(|stale| stale.markets.contains(&market));
    // A reading that is due could not be made when the head came: the old one would mix two states.
    let known = work.book.shelf(market).filter(|shelf| !shelf.is_due(work.block)).and_then(|shelf| shelf.reading());
    let value = match known {
        Some(read) if !touched => read.value.clone(),
        // A market that can't be read is that market's failure.
        _ => match protocol.read_market(view, work.block, market.market) {
            Ok(read) => read.value,
            Err(error) => Err(Skip::new(SkipReason::PriceUnavailable, error.to_string())),
        },
    };
    match value {
        Ok(reading) => Ok(Some(reading)),
        Err(skip) => {
            outcome.refusals.push(refusal(protocol, market.market, None, skip));
            Ok(None)
        }
    }
}

fn refusal(protocol: &Arc<dyn Protocol>, market: MarketId, key: Option<TargetKey>, skip: Skip) -> Refusal {
    Refusal { market: (protocol.id().clone(), market), target: key.map(|key| Target { protocol: protocol.id().clone(), market, key }), action: None, skip }
}

/// Ends the work when a newer head has come.
pub(super) fn stop_if(cancel: &Cancel) -> Result<(), EngineError> {
    if cancel.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
}
