//! The replay of raw logs against the contract's state after each transaction, and its storage against ours, slot by slot.

use crate::{
    harness::{Outcome, equal},
    moolah_cases::{ReplayCase, ReplaySlot},
};
use alloy::primitives::{Address, Log, U256, address};
use harrier::{
    plan::{MarketId, TargetKey},
    protocols::{
        Discoverer, Found,
        morpho::{
            Flavor, MarketParams, Position,
            discovery::{Keep, MorphoDiscoverer, Replay, decode},
            storage::{Slots, decode_market, decode_params, decode_position},
        },
    },
};
use std::collections::BTreeMap;

/// Where the logs are said to come from; the file does not say.
const CONTRACT: Address = address!("0x00000000000000000000000000000000000b10e0");

pub(crate) fn event_replay(case: &ReplayCase) -> Outcome {
    let (flavor, id) = (Flavor::from(case.protocol), MarketId(case.market_id));
    let params = MarketParams::from(&case.market_params);
    equal("market id", &params.id(), &id)?;
    let default_fee = first_fee(case, flavor)?;
    let mut replay = Replay::new(Keep::Everybody, 1_000).with_fee_recipient(case.fee_recipient).with_default_fee(default_fee);
    let mut discoverer = MorphoDiscoverer::new(flavor, CONTRACT, None);

    for step in &case.steps {
        let in_step = |why: String| format!("{}: {why}", step.label);
        let timestamp = step.block_timestamp.seconds()?;
        for log in &step.logs {
            let log = Log::new(CONTRACT, log.topics.clone(), log.data.clone()).ok_or_else(|| in_step("a log of more than four topics".into()))?;
            // Events that no total and no position depends on are passed over; the state after them says whether that was right.
            if let Some(event) = decode(&log).map_err(|error| in_step(error.to_string()))? {
                replay.apply(&event, timestamp).map_err(|error| in_step(error.to_string()))?;
            }
            discoverer.apply(&log, timestamp).map_err(|error| in_step(error.to_string()))?;
        }
        let market = replay.markets().get(&id).ok_or_else(|| in_step("no market".into()))?;
        equal("market", &market.state, &step.market_after.state()?).map_err(in_step)?;
        let theirs = step.positions_after.iter().map(|(account, holding)| Ok((*account, holding.position()?))).collect::<Result<BTreeMap<_, _>, String>>()?;
        let theirs: BTreeMap<Address, Position> = theirs.into_iter().filter(|(_, position)| !position.is_empty()).collect();
        equal("positions", &market.positions, &theirs).map_err(in_step)?;
        equal("targets", &targets(&discoverer), &in_debt(id, &theirs)).map_err(in_step)?;
    }

    let position = replay.markets().get(&id).and_then(|market| market.positions.get(&case.storage.user)).copied().unwrap_or_default();
    if case.storage.slots.is_empty() {
        return Err("no storage to compare with".into());
    }
    case.storage.slots.iter().try_for_each(|slot| stored(&replay, id, &params, &position, case.storage.user, Slots::new(flavor), slot))
}

/// The fee that a market begins with. No event carries Moolah's, so it is read from the chain; where the file does not name it, the state
/// after the market's creation is that reading.
fn first_fee(case: &ReplayCase, flavor: Flavor) -> Result<u128, String> {
    match (case.default_market_fee, case.steps.first()) {
        (Some(fee), _) => fee.narrow(),
        (None, Some(created)) if flavor == Flavor::Moolah && created.logs.len() == 1 => Ok(created.market_after.state()?.fee),
        (None, _) => Ok(0),
    }
}

fn targets(discoverer: &MorphoDiscoverer) -> Vec<Found> {
    discoverer.found().into_iter().filter(|found| matches!(found, Found::Target(..))).collect()
}

fn in_debt(id: MarketId, positions: &BTreeMap<Address, Position>) -> Vec<Found> {
    positions.iter().filter(|(_, position)| position.borrow_shares > 0).map(|(account, _)| Found::Target(id, TargetKey::Account(*account))).collect()
}

/// One word of storage: at the slot that we would read, with the value that we replayed.
fn stored(replay: &Replay, id: MarketId, params: &MarketParams, position: &Position, user: Address, slots: Slots, slot: &ReplaySlot) -> Outcome {
    let market = replay.markets().get(&id).ok_or("no market")?;
    let (theirs, value) = (U256::from_be_bytes(slot.slot.0), U256::from_be_bytes(slot.value.0));
    let at = |ours: U256| equal(&format!("slot of {}", slot.field), &ours, &theirs);
    let [supply, borrow, rest] = slots.market(id);
    let [supplied, owed] = slots.position(id, user);
    let [loan_token, collateral_token, oracle, irm, lltv] = slots.params(id);
    let zero = U256::ZERO;
    let (totals, ours) = (|words| decode_market(words), &market.state);
    match slot.field.as_str() {
        "market.slot0" => {
            at(supply)?;
            let read = totals([value, zero, zero]);
            equal("supply", &(ours.total_supply_assets, ours.total_supply_shares), &(read.total_supply_assets, read.total_supply_shares))
        }
        "market.slot1" => {
            at(borrow)?;
            let read = totals([zero, value, zero]);
            equal("borrow", &(ours.total_borrow_assets, ours.total_borrow_shares), &(read.total_borrow_assets, read.total_borrow_shares))
        }
        "market.slot2" => {
            at(rest)?;
            let read = totals([zero, zero, value]);
            equal("last update and fee", &(ours.last_update, ours.fee), &(read.last_update, read.fee))
        }
        "position.slot0" => {
            at(supplied)?;
            equal("supply shares", &position.supply_shares, &decode_position([value, zero]).supply_shares)
        }
        "position.slot1" => {
            at(owed)?;
            let read = decode_position([zero, value]);
            equal("debt and collateral", &(position.borrow_shares, position.collateral), &(read.borrow_shares, read.collateral))
        }
        "market_params.loan_token" => {
            at(loan_token)?;
            equal("loan token", &params.loan_token, &decode_params([value, zero, zero, zero, zero]).loan_token)
        }
        "market_params.collateral_token" => {
            at(collateral_token)?;
            equal("collateral token", &params.collateral_token, &decode_params([zero, value, zero, zero, zero]).collateral_token)
        }
        "market_params.oracle" => {
            at(oracle)?;
            equal("oracle", &params.oracle, &decode_params([zero, zero, value, zero, zero]).oracle)
        }
        "market_params.irm" => {
            at(irm)?;
            equal("rate model", &params.irm, &decode_params([zero, zero, zero, value, zero]).irm)
        }
        "market_params.lltv" => {
            at(lltv)?;
            equal("lltv", &params.lltv, &decode_params([zero, zero, zero, zero, value]).lltv)
        }
        other => Err(format!("{other}: a field of storage that is not known")),
    }
}
