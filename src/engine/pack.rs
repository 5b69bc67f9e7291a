//! Candidates into bundles: what touches the same state is simulated again in order of profit, so that none is counted twice.
//!
//! ```text
//! sized ─▶ groups that touch the same state ─▶ each group behind itself, best first, sized again on what is left
//!                                                      └─▶ one merged transaction or a chain of them, whichever earns more
//! ```
//!
//! Groups that touch nothing in common become bundles of their own operators: one lost race is then one lost bundle.
//! With fewer operators than groups the smallest groups share a bundle.

use super::{
    Batch, BatchShape, Candidate, Engine, EngineError, Outcome, Sender, Simulated, SimulationError, Work, compose,
    screen::stop_if,
    simulate::{FINAL_RUNS, Record},
    size::{Sized, Sizing},
};
use crate::{
    fork::{Facet, SimTx, StateDiff, View},
    plan::{Resource, Skip, SkipReason},
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, U256, U512, map::HashSet},
};
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
        if let Some(batch) = batch(engine, work, view, *sender, group, outcome)? {
            outcome.batches.push(batch);
        }
    }
    outcome.batches.sort_by_key(|batch| Reverse(batch.profit_wei));
    Ok(())
}

/// Of candidates that need the same resource, the best stays.
fn without_rivals(sized: Vec<Sized>, outcome: &mut Outcome) -> Vec<Sized> {
    let mut taken: HashSet<Resource> = HashSet::default();
    let mut kept = Vec::with_capacity(sized.len());
    for candidate in sized {
        let locks = &candidate.screened.opportunity.locks;
        if locks.iter().any(|lock| taken.contains(lock)) {
            outcome
                .refuse(&candidate.screened.opportunity, Skip::new(SkipReason::Superseded, "a better candidate of the same trigger needs the same resource"));
            continue;
        }
        taken.extend(locks.iter().cloned());
        kept.push(candidate);
    }
    kept
}

/// Splits candidates into groups that touch no common state, order kept inside each.
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
        members.sort_by_key(|sized| Reverse(sized.profit_wei));
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

/// A candidate that stands in a chain behind others.
struct Standing {
    sized: Sized,
    simulated: Simulated,
    profit_wei: U256,
}

/// Puts a group into one bundle of one sender.
fn batch(engine: &Engine, work: &Work<'_>, view: &View, sender: Sender, group: Vec<Sized>, outcome: &mut Outcome) -> Result<Option<Batch>, EngineError> {
    let standing = stand_in_line(engine, work, view, sender, group, outcome)?;
    let (standing, chain) = chain(engine, work, view, sender, standing, outcome)?;
    if chain.is_empty() {
        return Ok(None);
    }
    let merged = if chain.len() > 1 { merged(engine, work, view, sender, &standing, outcome)? } else { None };
    let chain_profit = chain.iter().filter_map(Simulated::profit_wei).fold(U256::ZERO, U256::saturating_add);
    let (shape, txs, profit_wei) = match merged {
        Some((tx, profit)) if profit > chain_profit => (BatchShape::Merged, vec![tx], profit),
        _ => (if chain.len() > 1 { BatchShape::Chain } else { BatchShape::Single }, chain, chain_profit),
    };
    let shares = match (shape, txs.first()) {
        (BatchShape::Merged, Some(tx)) => shares_of(tx, profit_wei, &standing),
        _ => txs.iter().map(|tx| (tx.profit_wei().unwrap_or_default(), tx.gas_used, tx.plan.builder_payment)).collect(),
    };
    let candidates = standing
        .into_iter()
        .zip(shares)
        .map(|(standing, (profit_wei, gas_used, builder_payment))| Candidate {
            profit_wei,
            gas_used,
            builder_payment,
            size: standing.sized.quoted.size,
            repay: standing.sized.quoted.terms.pays,
            seized: standing.sized.quoted.terms.receives,
            simulations: standing.sized.simulations + FINAL_RUNS,
            opportunity: standing.sized.screened.opportunity,
        })
        .collect();
    Ok(Some(Batch { shape, candidates, txs, sender: sender.address, profit_wei }))
}

/// Profit, gas and payment of one transaction, divided among its candidates in proportion to what each earns alone. The last one takes what
/// rounding down leaves, so that the sums are exact.
fn shares_of(tx: &Simulated, profit_wei: U256, standing: &[Standing]) -> Vec<(U256, u64, U256)> {
    let alone = standing.iter().fold(U256::ZERO, |sum, one| sum.saturating_add(one.profit_wei)).max(U256::ONE);
    let gas = standing.iter().fold(0_u64, |sum, one| sum.saturating_add(one.simulated.gas_used)).max(1);
    let (mut profit_left, mut gas_left, mut payment_left) = (profit_wei, tx.gas_used, tx.plan.builder_payment);
    let mut shares = Vec::with_capacity(standing.len());
    for (place, one) in standing.iter().enumerate() {
        let last = place + 1 == standing.len();
        let part = |whole: U256, left: U256| if last { left } else { mul_div_down(whole, one.profit_wei, alone).min(left) };
        let profit = part(profit_wei, profit_left);
        let payment = part(tx.plan.builder_payment, payment_left);
        let gas_share = u128::from(tx.gas_used) * u128::from(one.simulated.gas_used) / u128::from(gas);
        let gas_used = if last { gas_left } else { u64::try_from(gas_share).unwrap_or(gas_left).min(gas_left) };
        profit_left = profit_left.saturating_sub(profit);
        payment_left = payment_left.saturating_sub(payment);
        gas_left = gas_left.saturating_sub(gas_used);
        shares.push((profit, gas_used, payment));
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
            Ok(simulated) if simulated.profit_wei().is_some_and(|profit| profit >= alone) => Ok(simulated),
            Ok(simulated) => match size_again(engine, work, &view, sender, &mut sized, outcome) {
                Ok(better) if better.profit_wei() > simulated.profit_wei() => Ok(better),
                Ok(_) | Err(SimulationError::Refused(_)) => Ok(simulated),
                Err(error) => Err(error),
            },
            Err(SimulationError::Refused(_)) => size_again(engine, work, &view, sender, &mut sized, outcome),
            Err(error) => Err(error),
        };
        let worthwhile = behind.and_then(|simulated| {
            let profit_wei = simulated.profit_wei().unwrap_or_default();
            let kept = profit_wei.saturating_sub(engine.settings.policy.builder_payment(profit_wei));
            let (opportunity, price) = (&sized.screened.opportunity, sized.screened.market.reading.price);
            engine.settings.policy.worthwhile(opportunity, price, engine.gas_price(work.block), kept)?;
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

/// Sizes a candidate again behind others, with the simulations that it has left.
fn size_again(engine: &Engine, work: &Work<'_>, view: &View, sender: Sender, sized: &mut Sized, outcome: &mut Outcome) -> Result<Simulated, SimulationError> {
    let left = engine.settings.max_simulations.saturating_sub(sized.simulations + 1 + FINAL_RUNS);
    if left == 0 {
        return Err(Skip::new(SkipReason::LimitReached, "no simulations are left to size it again behind better candidates").into());
    }
    // What the protocol accepts may have changed too: the market is read and the target asked again.
    let reading = sized.screened.protocol.read_market(view, work.block, sized.screened.market.market.market).map_err(EngineError::from)?.value?;
    let target = &sized.screened.opportunity.target;
    let read =
        sized.screened.protocol.confirm(view, work.block, &reading, (target.market, target.key), engine.settings.executor).map_err(EngineError::from)?.value?;
    let action = sized.screened.opportunity.action;
    let opportunity = read
        .into_iter()
        .find(|opportunity| opportunity.action == action)
        .ok_or_else(|| Skip::new(SkipReason::Healthy, "no longer there behind better candidates"))?;
    sized.screened.market = std::sync::Arc::new(super::MarketOn { market: sized.screened.market.market, reading });
    sized.screened.opportunity = opportunity;
    let router = engine.router(view, work.block);
    let mut sizing = Sizing { engine, work, view, router: &router, screened: &sized.screened, sender, simulations: 0 };
    let found = sizing.run(left);
    let used = sizing.simulations;
    sized.simulations += used;
    outcome.simulations += used;
    let (quoted, simulated, profit) = found?;
    sized.quoted = quoted;
    sized.profit_wei = profit;
    Ok(simulated)
}

/// What one bundle may still hold: relays, the block and the operator's purse set limits.
struct Room {
    txs: usize,
    bytes: usize,
    gas: u64,
    funds: U256,
}

impl Room {
    /// Room behind the transactions in front. The front counts with its gas limits, which is more than it uses.
    fn behind(work: &Work<'_>, view: &View, sender: Sender) -> Result<Self, EngineError> {
        let front_gas = work.front.iter().fold(0_u64, |sum, tx| sum.saturating_add(tx.gas_limit()));
        let front_bytes = work.front.iter().fold(0_usize, |sum, tx| sum.saturating_add(size(tx)));
        Ok(Self {
            txs: MOST_TXS.saturating_sub(work.front.len()),
            bytes: MOST_BYTES.saturating_sub(front_bytes),
            gas: work.block.gas_limit.saturating_sub(front_gas),
            funds: view.account(sender.address)?.balance,
        })
    }

    /// Takes a transaction in; the limit that it breaks, if it does.
    fn take(&mut self, tx: &Simulated) -> Result<(), Skip> {
        let cost = U256::from(tx.tx.gas_limit()).saturating_mul(U256::from(tx.tx.max_fee_per_gas()));
        let left = (|| {
            Some(Self {
                txs: self.txs.checked_sub(1)?,
                bytes: self.bytes.checked_sub(size(&tx.tx))?,
                gas: self.gas.checked_sub(tx.tx.gas_limit())?,
                funds: self.funds.checked_sub(cost)?,
            })
        })();
        *self = left.ok_or_else(|| Skip::new(SkipReason::LimitReached, "the bundle has no room for it: transactions, bytes, gas or the operator's ether"))?;
        Ok(())
    }
}

/// Most transactions and bytes of one bundle that relays take.
const MOST_TXS: usize = 100;
const MOST_BYTES: usize = 300_000;

/// Bytes of a transaction in a bundle, its signature and envelope included.
fn size(tx: &SimTx) -> usize {
    tx.input().len().saturating_add(300)
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
) -> Result<(Vec<Standing>, Vec<Simulated>), EngineError> {
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
            let (opportunity, price) = (&one.sized.screened.opportunity, one.sized.screened.market.reading.price);
            let profit = tx.profit_wei().unwrap_or_default();
            engine.settings.policy.worthwhile(opportunity, price, engine.gas_price(work.block), profit)?;
            room.take(&tx)?;
            Ok(tx)
        });
        match last {
            Ok(tx) => {
                view = view.with_layer(tx.layer.clone());
                sender.nonce = sender.nonce.saturating_add(1);
                txs.push(tx);
                kept.push(one);
            }
            Err(SimulationError::Refused(skip)) => outcome.refuse(&one.sized.screened.opportunity, skip),
            Err(SimulationError::Engine(error)) => return Err(error),
        }
    }
    Ok((kept, txs))
}

/// All candidates in one transaction, if it fits and works.
fn merged(
    engine: &Engine,
    work: &Work<'_>,
    view: &View,
    sender: Sender,
    standing: &[Standing],
    outcome: &mut Outcome,
) -> Result<Option<(Simulated, U256)>, EngineError> {
    let Some(plan) = compose::merge(standing.iter().map(|one| &one.simulated.plan)) else { return Ok(None) };
    outcome.simulations += 1 + FINAL_RUNS;
    let result =
        engine.simulate(work, view, sender, &plan, Engine::gas_cap(work), Record::No).and_then(|first| engine.simulate_final(work, view, sender, &first));
    let fits = result.and_then(|tx| {
        Room::behind(work, view, sender)?.take(&tx)?;
        Ok(tx)
    });
    match fits {
        Ok(tx) => Ok(tx.profit_wei().map(|profit| (tx, profit))),
        Err(SimulationError::Refused(_)) => Ok(None),
        Err(SimulationError::Engine(error)) => Err(error),
    }
}
