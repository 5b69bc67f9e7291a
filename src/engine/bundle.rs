//! One bundle: candidates behind one another, best first, in as few transactions as may be or one each, whichever earns more.
//!
//! ```text
//! group ─▶ each behind those before it, sized again on what is left ─▶ a transaction each      ┐ the better one
//!                                                                  └▶ merged as locks allow ──┘
//! ```
//!
//! Candidates that need the same resource of a transaction's scope stand in different transactions; of those that need the same
//! resource of a bundle's scope the best stays.

use super::{
    Batch, BatchShape, Candidate, Engine, EngineError, Measure, Outcome, Screened, Sender, Simulated, SimulationError, Work,
    behind::{moved, size_again},
    compose,
    room::Room,
    screen::stop_if,
    simulate::{FINAL_RUNS, Record},
    size::Sized,
};
use crate::{
    fork::View,
    plan::{Resource, ResourceScope, Skip, SkipReason},
};
use alloy::{
    consensus::Transaction,
    primitives::{U256, U512, map::HashSet},
};
use std::cmp::Reverse;

/// A candidate that stands in a chain behind others.
struct Standing {
    sized: Sized,
    simulated: Simulated,
    profit_wei: U256,
}

/// A transaction of a bundle and the candidates in it, as places in the line.
struct Carried {
    tx: Simulated,
    places: Vec<usize>,
}

fn profit_of(txs: &[Carried]) -> U256 {
    txs.iter().filter_map(|carried| carried.tx.profit_wei()).fold(U256::ZERO, U256::saturating_add)
}

/// Puts a group into one bundle of one sender.
pub(super) fn bundle(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    sender: Sender,
    mut group: Vec<Sized>,
    outcome: &mut Outcome,
) -> Result<Option<Batch>, EngineError> {
    group.sort_by_key(|sized| Reverse(sized.profit_wei));
    let standing = stand_in_line(engine, work, view, sender, without_rivals(group, outcome), outcome)?;
    let (standing, chain) = chain(engine, work, view, sender, standing, outcome)?;
    if chain.is_empty() {
        return Ok(None);
    }
    let merged = merged(engine, work, view, sender, &standing, outcome)?;
    let txs = match merged {
        Some(merged) if profit_of(&merged) > profit_of(&chain) => merged,
        _ => chain,
    };
    if let Err(skip) = check_all(engine, work, &standing, profit_of(&txs)) {
        standing.iter().for_each(|one| outcome.refuse(&one.sized.screened.opportunity, skip.clone()));
        return Ok(None);
    }
    let shape = match (txs.len(), standing.len()) {
        (1, 1) => BatchShape::Single,
        (1, _) => BatchShape::Merged,
        _ => BatchShape::Chain,
    };
    let mut shares: Vec<Option<(usize, Share)>> = standing.iter().map(|_| None).collect();
    for (number, carried) in txs.iter().enumerate() {
        for (place, share) in carried.places.iter().zip(shares_of(carried, &standing)) {
            if let Some(slot) = shares.get_mut(*place) {
                *slot = Some((number, share));
            }
        }
    }
    let candidates = standing
        .into_iter()
        .zip(shares)
        .filter_map(|(standing, share)| {
            let (tx, share) = share?;
            let (opportunity, terms) = (standing.sized.screened.opportunity, standing.sized.quoted.terms);
            Some(Candidate {
                profit_wei: share.profit_wei,
                gas_used: share.gas_used,
                builder_payment: share.builder_payment,
                tx,
                size: standing.sized.quoted.size,
                repay: terms.pays,
                seized: terms.received(opportunity.collateral_token),
                simulations: standing.sized.simulations + FINAL_RUNS,
                opportunity,
            })
        })
        .collect();
    let profit_wei = profit_of(&txs);
    Ok(Some(Batch { shape, candidates, txs: txs.into_iter().map(|carried| carried.tx).collect(), sender: sender.address, profit_wei }))
}

/// Whether one candidate earns enough. Where the bundle is measured, it only has to earn something.
fn check_one(engine: &Engine, work: &Work<'_>, screened: &Screened, profit_wei: U256) -> Result<(), Skip> {
    let policy = &engine.settings.policy;
    match policy.measure() {
        Measure::Transaction => policy.worthwhile(&screened.opportunity, screened.market.reading.price, engine.gas_price(work.block), profit_wei),
        Measure::Bundle if profit_wei.is_zero() => Err(Skip::new(SkipReason::Unprofitable, "it earns no more than it costs")),
        Measure::Bundle => Ok(()),
    }
}

/// Whether a bundle earns enough, where that is what is measured.
fn check_all(engine: &Engine, work: &Work<'_>, standing: &[Standing], profit_wei: U256) -> Result<(), Skip> {
    let policy = &engine.settings.policy;
    if policy.measure() == Measure::Transaction {
        return Ok(());
    }
    let check =
        |one: &Standing| policy.worthwhile(&one.sized.screened.opportunity, one.sized.screened.market.reading.price, engine.gas_price(work.block), profit_wei);
    standing.iter().try_for_each(check)
}

/// Of candidates that may not share a bundle, the best stays.
fn without_rivals(group: Vec<Sized>, outcome: &mut Outcome) -> Vec<Sized> {
    let mut taken: HashSet<Resource> = HashSet::default();
    let mut kept = Vec::with_capacity(group.len());
    for candidate in group {
        let locks: Vec<Resource> = locks_of(&candidate, ResourceScope::Bundle).cloned().collect();
        if locks.iter().any(|lock| taken.contains(lock)) {
            let skip = Skip::new(SkipReason::Superseded, "a better candidate of the same bundle needs the same resource");
            outcome.refuse(&candidate.screened.opportunity, skip);
            continue;
        }
        taken.extend(locks);
        kept.push(candidate);
    }
    kept
}

fn locks_of(sized: &Sized, scope: ResourceScope) -> impl Iterator<Item = &Resource> {
    sized.screened.opportunity.locks.iter().filter(move |lock| lock.scope == scope)
}

/// What one candidate has of its transaction.
struct Share {
    profit_wei: U256,
    gas_used: u64,
    builder_payment: U256,
}

/// Profit, gas and payment of one transaction, divided among its candidates in proportion to what each earns alone. The last one takes what
/// rounding down leaves, so that the sums are exact.
fn shares_of(carried: &Carried, standing: &[Standing]) -> Vec<Share> {
    let (tx, members): (&Simulated, Vec<&Standing>) = (&carried.tx, carried.places.iter().filter_map(|place| standing.get(*place)).collect());
    let profit_wei = tx.profit_wei().unwrap_or_default();
    let alone = members.iter().fold(U256::ZERO, |sum, one| sum.saturating_add(one.profit_wei)).max(U256::ONE);
    let gas = members.iter().fold(0_u64, |sum, one| sum.saturating_add(one.simulated.gas_used)).max(1);
    let (mut profit_left, mut gas_left, mut payment_left) = (profit_wei, tx.gas_used, tx.plan.builder_payment);
    let mut shares = Vec::with_capacity(members.len());
    for (place, one) in members.iter().enumerate() {
        let last = place + 1 == members.len();
        let part = |whole: U256, left: U256| if last { left } else { mul_div_down(whole, one.profit_wei, alone).min(left) };
        let profit = part(profit_wei, profit_left);
        let payment = part(tx.plan.builder_payment, payment_left);
        let gas_share = u128::from(tx.gas_used) * u128::from(one.simulated.gas_used) / u128::from(gas);
        let gas_used = if last { gas_left } else { u64::try_from(gas_share).unwrap_or(gas_left).min(gas_left) };
        profit_left = profit_left.saturating_sub(profit);
        payment_left = payment_left.saturating_sub(payment);
        gas_left = gas_left.saturating_sub(gas_used);
        shares.push(Share { profit_wei: profit, gas_used, builder_payment: payment });
    }
    shares
}

/// `a * b / d` rounded down, with a product of 512 bits. What exceeds 256 bits can't be a share.
fn mul_div_down(a: U256, b: U256, d: U256) -> U256 {
    let quotient: U512 = a.widening_mul::<256, 4, 512, 8>(b) / U512::from(d);
    quotient.saturating_to()
}

/// Simulates the group one behind the other, best first; who earns less there than alone is sized again on what is left.
fn stand_in_line(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    sender: Sender,
    group: Vec<Sized>,
    outcome: &mut Outcome,
) -> Result<Vec<Standing>, EngineError> {
    let mut view = view.clone();
    let mut sender = sender;
    let mut standing: Vec<Standing> = Vec::with_capacity(group.len());
    for (place, mut sized) in group.into_iter().enumerate() {
        stop_if(work.cancel)?;
        let again = if place == 0 && sized.simulated.tx.signer() == sender.address {
            Ok(sized.simulated.clone())
        } else {
            sized.simulations += 1;
            outcome.simulations += 1;
            engine.simulate(work, &view, sender, &sized.simulated.plan, Engine::gas_cap(work), Record::No)
        };
        let alone = sized.profit_wei;
        let behind = match again {
            Err(error @ SimulationError::Engine(_)) => Err(error),
            Ok(simulated) if simulated.profit_wei().is_some_and(|profit| profit >= alone) && !(place > 0 && moved(work, &view, &sized)?) => Ok(simulated),
            again => match size_again(engine, work, &view, sender, &mut sized, outcome) {
                // Size, terms and plan go together: what is not taken leaves no trace.
                Ok(better) if again.as_ref().is_ok_and(|known| known.profit_wei() > better.simulated.profit_wei()) => again,
                Ok(better) => {
                    let simulated = better.simulated.clone();
                    sized = better;
                    Ok(simulated)
                }
                Err(SimulationError::Refused(skip)) => again.or(Err(skip.into())),
                Err(error) => Err(error),
            },
        };
        let worthwhile = behind.and_then(|simulated| {
            let profit_wei = simulated.profit_wei().unwrap_or_default();
            let kept = profit_wei.saturating_sub(engine.settings.policy.builder_payment(profit_wei));
            check_one(engine, work, &sized.screened, kept)?;
            Ok((simulated, profit_wei))
        });
        match worthwhile {
            Ok((simulated, profit_wei)) => {
                view = view.with_layer(simulated.layer.clone());
                sender.nonce = sender.nonce.saturating_add(1);
                standing.push(Standing { sized, simulated, profit_wei });
            }
            Err(SimulationError::Refused(skip)) => outcome.refuse(&sized.screened.opportunity, skip),
            Err(SimulationError::Engine(error)) => return Err(error),
        }
    }
    Ok(standing)
}

/// Final transactions, one a candidate, behind one another, with the candidates that they carry. One that does not stand is refused, and
/// the others go on without it.
fn chain(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    sender: Sender,
    standing: Vec<Standing>,
    outcome: &mut Outcome,
) -> Result<(Vec<Standing>, Vec<Carried>), EngineError> {
    let mut room = Room::behind(work, view, sender)?;
    let mut view = view.clone();
    let mut sender = sender;
    let mut kept = Vec::with_capacity(standing.len());
    let mut txs = Vec::with_capacity(standing.len());
    for mut one in standing {
        stop_if(work.cancel)?;
        outcome.simulations += FINAL_RUNS;
        // Its nonce, and what stood in front of it, may be others than when it was simulated first.
        if one.simulated.tx.nonce() != sender.nonce {
            one.sized.simulations += 1;
            outcome.simulations += 1;
            match engine.simulate(work, &view, sender, &one.simulated.plan, Engine::gas_cap(work), Record::No) {
                Ok(simulated) => one.simulated = simulated,
                Err(SimulationError::Refused(skip)) => {
                    outcome.refuse(&one.sized.screened.opportunity, skip);
                    continue;
                }
                Err(SimulationError::Engine(error)) => return Err(error),
            }
        }
        let last = engine.simulate_final(work, &view, sender, &one.simulated).and_then(|tx| {
            check_one(engine, work, &one.sized.screened, tx.profit_wei().unwrap_or_default())?;
            room.take(&tx)?;
            Ok(tx)
        });
        match last {
            Ok(tx) => {
                view = view.with_layer(tx.layer.clone());
                sender.nonce = sender.nonce.saturating_add(1);
                txs.push(Carried { tx, places: vec![kept.len()] });
                kept.push(one);
            }
            Err(SimulationError::Refused(skip)) => outcome.refuse(&one.sized.screened.opportunity, skip),
            Err(SimulationError::Engine(error)) => return Err(error),
        }
    }
    Ok((kept, txs))
}

/// The candidates in as few transactions as their locks allow, if these fit and work; none where that would be one each.
fn merged(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    sender: Sender,
    standing: &[Standing],
    outcome: &mut Outcome,
) -> Result<Option<Vec<Carried>>, EngineError> {
    let together = together(standing.iter().map(|one| locks_of(&one.sized, ResourceScope::Tx).collect()));
    if together.len() == standing.len() {
        return Ok(None);
    }
    let mut room = Room::behind(work, view, sender)?;
    let (mut view, mut sender) = (view.clone(), sender);
    let mut txs = Vec::with_capacity(together.len());
    for places in together {
        stop_if(work.cancel)?;
        let plans = places.iter().filter_map(|place| standing.get(*place)).map(|one| &one.simulated.plan);
        let Some(plan) = compose::merge(plans) else { return Ok(None) };
        outcome.simulations += 1 + FINAL_RUNS;
        let first = engine.simulate(work, &view, sender, &plan, Engine::gas_cap(work), Record::No);
        let last = first.and_then(|first| engine.simulate_final(work, &view, sender, &first)).and_then(|tx| {
            if let Some(one) = places.first().and_then(|place| standing.get(*place)) {
                check_one(engine, work, &one.sized.screened, tx.profit_wei().unwrap_or_default())?;
            }
            room.take(&tx)?;
            Ok(tx)
        });
        match last {
            Ok(tx) if tx.profit_wei().is_some() => {
                view = view.with_layer(tx.layer.clone());
                sender.nonce = sender.nonce.saturating_add(1);
                txs.push(Carried { tx, places });
            }
            Ok(_) | Err(SimulationError::Refused(_)) => return Ok(None),
            Err(SimulationError::Engine(error)) => return Err(error),
        }
    }
    Ok(Some(txs))
}

/// Places in a line that may share a transaction, given what each one locks for its transaction: each goes into the first where nobody
/// needs the same.
fn together<'a>(line: impl Iterator<Item = HashSet<&'a Resource>>) -> Vec<Vec<usize>> {
    let mut txs: Vec<(HashSet<&Resource>, Vec<usize>)> = Vec::new();
    for (place, locks) in line.enumerate() {
        match txs.iter_mut().find(|(taken, _)| taken.is_disjoint(&locks)) {
            Some((taken, places)) => {
                taken.extend(locks);
                places.push(place);
            }
            None => txs.push((locks, vec![place])),
        }
    }
    txs.into_iter().map(|(_, places)| places).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ProtocolId;

    #[test]
    fn what_locks_the_same_for_a_transaction_stands_in_another_one() {
        let lock = |id: u8| Resource { scope: ResourceScope::Tx, protocol: ProtocolId::from("fx"), id: vec![id].into() };
        let (managers, other) = (lock(1), lock(2));
        let line = |locks: &[&[&'static str]]| {
            let sets = locks.iter().map(|names| names.iter().map(|name| if *name == "managers" { &managers } else { &other }).collect::<HashSet<_>>());
            together(sets)
        };
        assert_eq!(line(&[&["managers"], &[], &["managers"], &[]]), vec![vec![0, 1, 3], vec![2]]);
        assert_eq!(line(&[&["managers"], &["other"], &["managers", "other"]]), vec![vec![0, 1], vec![2]]);
        assert_eq!(line(&[&[], &[], &[]]), vec![vec![0, 1, 2]]);
        assert_eq!(line(&[&["managers"], &["managers"]]), vec![vec![0], vec![1]]);
    }
}
