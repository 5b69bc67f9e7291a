//! Candidates into bundles: what touches the same state belongs together, so that none is counted twice.
//!
//! ```text
//! sized ─▶ without rivals for a resource ─▶ groups that touch the same state ─▶ one bundle each (`bundle.rs`)
//! ```
//!
//! Groups that touch nothing in common become bundles of their own operators: one lost race is then one lost bundle.
//! With fewer operators than groups the smallest groups share a bundle.

use super::{Engine, EngineError, Outcome, Work, bundle::bundle, screen::stop_if, size::Sized};
use crate::{
    fork::{Facet, StateDiff, View},
    plan::{Resource, ResourceScope, Skip, SkipReason},
};
use alloy::primitives::{Address, U256, map::HashSet};
use std::cmp::Reverse;

/// Packs sized candidates into batches, best first.
pub(super) fn pack(engine: &Engine, work: &Work<'_>, view: &View, mut sized: Vec<Sized>, outcome: &mut Outcome) -> Result<(), EngineError> {
    sized.sort_by_key(|sized| Reverse(sized.profit_wei));
    let sized = without_rivals(sized, outcome);
    let mut groups = group(engine, work, view, sized)?;
    groups.sort_by_key(|group| Reverse(group.iter().fold(U256::ZERO, |sum, sized| sum.saturating_add(sized.profit_wei))));
    while groups.len() > work.senders.len().max(1) {
        let Some(smallest) = groups.pop() else { break };
        if let Some(last) = groups.last_mut() {
            last.extend(smallest);
        }
    }
    tracing::debug!(groups = groups.len(), sizes = ?groups.iter().map(Vec::len).collect::<Vec<_>>(), "packed");
    for (group, sender) in groups.into_iter().zip(work.senders) {
        stop_if(work.cancel)?;
        if let Some(batch) = bundle(engine, work, view, *sender, group, outcome)? {
            outcome.batches.push(batch);
        }
    }
    outcome.batches.sort_by_key(|batch| Reverse(batch.profit_wei));
    Ok(())
}

/// Of candidates that need a resource which only one live plan may use, the best stays.
fn without_rivals(sized: Vec<Sized>, outcome: &mut Outcome) -> Vec<Sized> {
    let mut taken: HashSet<Resource> = HashSet::default();
    let mut kept = Vec::with_capacity(sized.len());
    for candidate in sized {
        let locks = || candidate.screened.opportunity.locks.iter().filter(|lock| lock.scope == ResourceScope::InFlight);
        if locks().any(|lock| taken.contains(lock)) {
            outcome
                .refuse(&candidate.screened.opportunity, Skip::new(SkipReason::Superseded, "a better candidate of the same trigger needs the same resource"));
            continue;
        }
        taken.extend(locks().cloned());
        kept.push(candidate);
    }
    kept
}

/// Splits candidates into groups that touch no common state.
fn group(engine: &Engine, work: &Work<'_>, view: &View, sized: Vec<Sized>) -> Result<Vec<Vec<Sized>>, EngineError> {
    if sized.len() < 2 {
        return Ok(sized.into_iter().map(|one| vec![one]).collect());
    }
    let mut groups: Vec<(HashSet<Facet>, Vec<Sized>)> = Vec::new();
    for candidate in sized {
        let diff = view.diff(&candidate.simulated.layer)?;
        let mut facets = own_facets(engine, work, &diff);
        let mut members = Vec::new();
        // Everything that meets the newcomer becomes one group with it.
        let mut apart = Vec::with_capacity(groups.len());
        for (known, mut group) in groups {
            if known.is_disjoint(&facets) {
                apart.push((known, group));
            } else {
                facets.extend(known);
                members.append(&mut group);
            }
        }
        members.push(candidate);
        apart.push((facets, members));
        groups = apart;
    }
    Ok(groups.into_iter().map(|(_, members)| members).collect())
}

/// What a candidate changes, without what all candidates change: the profit token's balances, the sender, the fee recipient.
///
/// Two plans that depend on one another both write to what they share: a swap or a repayment writes to its pool or market.
fn own_facets(engine: &Engine, work: &Work<'_>, diff: &StateDiff) -> HashSet<Facet> {
    let shared = |address: Address| {
        address == engine.settings.weth
            || address == engine.settings.executor
            || address == work.block.fee_recipient
            || work.senders.iter().any(|sender| sender.address == address)
    };
    diff.iter().map(|change| change.facet).filter(|facet| facet.address().is_some_and(|address| !shared(address))).collect()
}
