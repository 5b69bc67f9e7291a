//! The calls of `fx.json`: what the contracts returned, moved and kept, or how they refused.

use crate::{
    fx_cases::{After, CallCase, Figure, Tick, figure, figures, same_revert, selector, word, words},
    harness::{Outcome, equal},
};
use alloy::primitives::U256;
use harrier::protocols::fx::{
    FxRevert,
    maths::{
        base_pool::{BaseCall, BasePool, TokenIn},
        long::{Action, Budget, LongManager, LongOutcome},
        pool::{Movement, Pool, Taken},
        short::{NoteRedemption, ShortManager, ShortOutcome},
    },
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Reverts that accounts and tokens around the maths decide: the reference contracts are held to them, the maths can't be.
const OUTSIDE: [u32; 6] = [0x08c3_79a0, 0xfb8f_41b2, 0x5274_afe7, 0xaaaf_1ba7, 0x3ee5_aeb5, 0xb043_a004];

/// What a call did.
enum Done {
    Base { outcome: LongOutcome, token_used: U256, after: BasePool, budget: Budget, token_in: TokenIn },
    Direct { outcome: LongOutcome },
    Short(ShortOutcome),
    Redeemed(NoteRedemption),
}

pub(crate) fn call(case: &CallCase) -> Outcome {
    let refused = case.result.revert_data.as_ref();
    if refused.and_then(|data| selector(data)).is_some_and(|selector| OUTSIDE.contains(&selector)) {
        return Ok(());
    }
    let mut pool = case.before.pool(case.result.after.as_ref())?;
    match run(case, &mut pool) {
        Ok(done) => {
            equal("accepted", &true, &case.result.ok)?;
            succeeded(case, &done)?;
            let after = case.result.after.as_ref().ok_or("no state is expected")?;
            state(&pool, after)?;
            post(case, &pool, &done)
        }
        Err(revert) => {
            equal("accepted", &false, &case.result.ok).map_err(|why| format!("{why}: {revert}"))?;
            let data = refused.ok_or("no revert data")?;
            if same_revert(&revert, data) { Ok(()) } else { Err(format!("ours {revert}, the contract's {data}")) }
        }
    }
}

/// Makes the call. What the file has no field for (a pause, a right, a holder's notes) is taken from the revert that names it.
fn run(case: &CallCase, pool: &mut Pool) -> Result<Done, FxRevert> {
    let data = case.result.revert_data.as_ref().map(|data| data.to_vec()).unwrap_or_default();
    let refused = |revert: FxRevert| revert.selector() == selector(&data);
    let notes = FxRevert::NotesInsufficient { balance: U256::ZERO, needed: U256::ZERO };
    let held = refused(notes).then(|| words(&data).get(1).copied()).flatten();
    if let Some(funding) = &case.funding {
        let seconds = u64::try_from(funding.seconds_since_last_update.0).unwrap_or_else(|error| panic!("seconds: {error}"));
        pool.accrue(funding.funding_ratio.0, seconds)?;
    }
    let (args, env) = (&case.args, &case.env);
    let long = LongManager { paused: refused(FxRevert::EnforcedPause), caller_permitted: !refused(FxRevert::CallerNotFxUsdSave), ..env.long_manager() };
    let short = ShortManager { paused: refused(FxRevert::EnforcedPause), killed: refused(FxRevert::PoolKilled), ..env.short_manager() };
    let (contract, function) = case.op.split_once('.').unwrap_or_else(|| panic!("{}: no contract and function", case.op));
    let (price, redeem_price) = (env.min_price.0, env.max_price.0);
    if function == "redeemByCreditNote" {
        return Ok(Done::Redeemed(short.redeem(pool, redeem_price, args.debts.0, args.min_colls.0, held)?));
    }
    let action = match (function, args.tick) {
        ("rebalance(tick)", Some(tick)) => Action::RebalanceTick(tick),
        ("rebalance(pool)", None) => Action::Rebalance,
        ("liquidate", None) => Action::Liquidate,
        other => panic!("{other:?}: a function that is not known"),
    };
    match contract {
        "FxUSDBasePool" => {
            let token_in = match args.token_in.as_deref() {
                Some("fxUSD") => TokenIn::FxUsd,
                Some("USDC") => TokenIn::Usdc,
                _ => return Err(FxRevert::InvalidTokenIn),
            };
            let call = BaseCall { action, token_in, max_amount: args.max_amount.0, min_colls: args.min_coll_out.0 };
            let budget = env.base_pool().budget(token_in, call.max_amount, long.stable_price)?;
            let done = env.base_pool().call(&long, pool, price, &call)?;
            Ok(Done::Base { outcome: done.manager, token_used: done.token_used, after: done.after, budget, token_in })
        }
        "PoolManager" => {
            let budget = Budget { fx_usd: args.max_fx_usd.0, stable: args.max_stable.0 };
            Ok(Done::Direct { outcome: long.act(pool, price, action, &budget)? })
        }
        "ShortPoolManager" => {
            let manager = ShortManager { notes_of_manager: held, ..short };
            Ok(Done::Short(manager.act(pool, price, action, args.max_raw_debts.0)?))
        }
        other => panic!("{other}: a contract that is not known"),
    }
}

/// Ours against an expected figure that may be absent, but only where ours has no such figure.
fn figure_is(what: &str, ours: Option<U256>, theirs: Option<Figure>) -> Outcome {
    equal(what, &ours, &theirs.map(|figure| figure.0))
}

fn succeeded(case: &CallCase, done: &Done) -> Outcome {
    let result = &case.result;
    let returns = result.returns.as_ref().ok_or("no returned values are expected")?;
    let price = if matches!(done, Done::Redeemed(_)) { case.env.max_price } else { case.env.min_price };
    let theirs = result.tick_movements.as_ref().ok_or("no tick movements are expected")?;
    equal("price of the movements", &theirs.iter().all(|moved| moved.price == price), &true)?;
    let theirs: Vec<Movement> = theirs
        .iter()
        .map(|moved| Movement { old_tick: moved.old_tick, new_tick: moved.new_tick, coll_shares: moved.coll_shares.0, debt_shares: moved.debt_shares.0 })
        .collect();
    let token = case.env.pool.split_once(' ').map(|(_, token)| token).ok_or("a pool without a token")?;
    let note = format!("creditNote({token})");
    match done {
        Done::Base { outcome, token_used, after, budget, token_in } => {
            long(case, outcome, &theirs)?;
            figure_is("token used", Some(*token_used), returns.token_used)?;
            figure_is("base pool's fxUSD", Some(after.fx_usd), result.base_total_yield_token)?;
            figure_is("base pool's USDC", Some(after.stable), result.base_stable_balance)?;
            let derived = case.derived.as_ref().ok_or("nothing is derived")?;
            figure_is("most fxUSD", Some(budget.fx_usd), derived.max_fx_usd)?;
            figure_is("most USDC", Some(budget.stable), derived.max_stable)?;
            figure_is("derived token used", Some(*token_used), derived.token_used)?;
            let max_raw_debts = case.env.long_manager().max_raw_debts(budget).map_err(|revert| revert.to_string())?;
            figure_is("most raw debt", Some(max_raw_debts), derived.max_raw_debts)?;
            let paid = if *token_in == TokenIn::FxUsd { "fxUSD" } else { "USDC" };
            deltas(case, &[(token, outcome.tokens), (&note, outcome.notes)], &[(paid, *token_used)])
        }
        Done::Direct { outcome } => {
            long(case, outcome, &theirs)?;
            figure_is("fxUSD used", Some(outcome.fx_usd_used), returns.fx_usd_used)?;
            figure_is("USDC used", Some(outcome.stable_used), returns.stable_used)?;
            let paid = [("fxUSD", outcome.fx_usd_used), ("USDC", outcome.stable_used)];
            deltas(case, &[(token, outcome.tokens), (&note, outcome.notes)], &paid)
        }
        Done::Short(outcome) => {
            let derived = case.derived.as_ref().ok_or("nothing is derived")?;
            taken(case, &outcome.taken, &theirs)?;
            figure_is("collateral", Some(outcome.colls), Some(returns.colls))?;
            figure_is("debts", Some(outcome.debts), returns.debts)?;
            figure_is("derived debts", Some(outcome.debts), derived.debts)?;
            figure_is("fee", Some(outcome.fee), Some(derived.protocol_fee))?;
            figure_is("reserve spent", Some(outcome.reserve_spent), result.reserve_spent)?;
            deltas(case, &[("fxUSD", outcome.colls)], &[(token, outcome.debts)])
        }
        Done::Redeemed(redemption) => {
            let derived = case.derived.as_ref().ok_or("nothing is derived")?;
            equal("movements", &redemption.redeemed.visits.iter().map(|visit| visit.movement).collect::<Vec<_>>(), &theirs)?;
            figure_is("collateral", Some(redemption.colls), Some(returns.colls))?;
            figure_is("fee", Some(redemption.fee), Some(derived.protocol_fee))?;
            figure_is("asked for", Some(redemption.raw_asked), derived.raw_debts_asked)?;
            figure_is("redeemed", Some(redemption.redeemed.raw_debts), derived.actual_raw_debts_redeemed)?;
            figure_is("collateral before the fee", Some(redemption.redeemed.raw_colls), derived.colls_gross)?;
            figure_is("notes burned", Some(redemption.notes_burned), derived.credit_note_burned)?;
            // Between raw amounts and shares a unit or two are lost.
            let paid_and_left = redemption.redeemed.raw_debts + redemption.redeemed.raw_left;
            equal("asked for is paid or left", &(redemption.raw_asked - paid_and_left <= U256::from(3)), &true)?;
            deltas(case, &[("fxUSD", redemption.colls)], &[(&note, redemption.notes_burned)])
        }
    }
}

fn long(case: &CallCase, outcome: &LongOutcome, movements: &[Movement]) -> Outcome {
    let derived = case.derived.as_ref().ok_or("nothing is derived")?;
    taken(case, &outcome.taken, movements)?;
    figure_is("collateral", Some(outcome.colls), case.result.returns.as_ref().map(|returns| returns.colls))?;
    figure_is("derived collateral", Some(outcome.colls), Some(derived.colls))?;
    figure_is("fee", Some(outcome.fee), Some(derived.protocol_fee))?;
    figure_is("fxUSD used", Some(outcome.fx_usd_used), derived.fx_usd_used)?;
    figure_is("USDC used", Some(outcome.stable_used), derived.stable_used)?;
    figure_is("tokens out", Some(outcome.tokens), derived.collateral_token_out)?;
    figure_is("notes out", Some(outcome.notes), derived.credit_note_out)?;
    figure_is("reserve spent", Some(outcome.reserve_spent), case.result.reserve_spent)
}

fn taken(case: &CallCase, ours: &Taken, movements: &[Movement]) -> Outcome {
    equal("movements", &ours.movements.as_slice(), &movements)?;
    let theirs = case.derived.as_ref().and_then(|derived| derived.pool.as_ref()).ok_or("nothing of the pool is derived")?;
    equal("raw debts", &ours.raw_debts, &theirs.raw_debts.0)?;
    equal("raw collateral", &ours.raw_colls, &theirs.raw_colls.0)?;
    equal("raw bonus", &ours.raw_bonus, &theirs.bonus_raw_colls.0)?;
    equal("raw bonus from the reserve", &ours.from_reserve, &theirs.bonus_from_reserve.0)
}

/// The caller's balances: what came and what went; what is nothing is not named.
fn deltas(case: &CallCase, came: &[(&str, U256)], went: &[(&str, U256)]) -> Outcome {
    let came = came.iter().map(|(token, amount)| (*token, amount, ""));
    let went = went.iter().map(|(token, amount)| (*token, amount, "-"));
    let ours: BTreeMap<String, String> =
        came.chain(went).filter(|(_, amount, _)| !amount.is_zero()).map(|(token, amount, sign)| (token.to_owned(), format!("{sign}{amount}"))).collect();
    equal("the caller's balances", &ours, &case.result.caller_balance_delta)
}

fn state(pool: &Pool, after: &After) -> Outcome {
    for (what, ours, theirs) in [
        ("debt index", pool.debt_index, after.debt_index),
        ("collateral index", pool.coll_index, after.coll_index),
        ("debt shares", pool.total_debt_shares, after.total_debt_shares),
        ("collateral shares", pool.total_coll_shares, after.total_coll_shares),
        ("next node", U256::from(pool.tree.next_id()), after.next_node),
    ] {
        equal(what, &ours, &theirs.0)?;
    }
    equal("top tick", &pool.top_tick().to_string(), &after.top_tick)?;
    let ours: Vec<Tick> = pool
        .bitmap
        .ticks()
        .map(|tick| {
            let node = pool.tree.current(tick);
            Tick { tick, coll_shares: Figure(node.coll_shares), debt_shares: Figure(node.debt_shares), node: pool.tree.current_id(tick) }
        })
        .collect();
    equal("ticks", &ours, &after.ticks)
}

/// What else was read after the call, where the file gives what it depends on.
fn post(case: &CallCase, pool: &Pool, done: &Done) -> Outcome {
    let at = |name: &str| case.post.get(name);
    let position = |node: u64, colls: U256, debts: U256| -> Result<Vec<U256>, String> {
        let raw = pool.position_raw(node, colls, debts).map_err(|revert| revert.to_string())?;
        Ok(vec![raw.colls, raw.debts])
    };
    if let Some((data, value)) = at("positionDataA").zip(at("positionA")) {
        let [_, node, colls, debts] = <[U256; 4]>::try_from(figures(data)?).map_err(|other| format!("{other:?}: no position"))?;
        let node = u64::try_from(node).map_err(|error| error.to_string())?;
        equal("position A", &position(node, colls, debts)?, &figures(value)?)?;
        if let Some(metadata) = at("nodeA_metadata") {
            let ours = pool.tree.node(node);
            let tick = U256::from(u16::from_be_bytes(ours.tick.to_be_bytes()));
            let packed = U256::from(ours.parent) | tick << 48 | U256::from(ours.coll_ratio) << 64 | U256::from(ours.debt_ratio) << 128;
            equal("node of A", &packed, &word(metadata)?)?;
        }
    }
    if let Some((tick, value)) = at("otherTick").zip(at("positionB")) {
        let other = case.before.ticks.iter().find(|before| Some(i64::from(before.tick)) == tick.as_i64()).ok_or("no such tick before")?;
        equal("position B", &position(other.node, other.coll_shares.0, other.debt_shares.0)?, &figures(value)?)?;
    }
    if let Some(total) = at("poolTotalRawDebts") {
        equal("total raw debts", &pool.total_raw().map_err(|revert| revert.to_string())?.debts, &figure(total)?)?;
    }
    if let Done::Base { outcome, .. } = done {
        if let Some((supply, held)) = at("creditNoteTotalSupply").zip(at("creditNoteHeldByManager")) {
            equal("notes of the manager", &(figure(supply)? - outcome.notes), &figure(held)?)?;
        }
        if let Some(balance) = at("managerWstETH") {
            let ours = case.env.manager_collateral_balance.0 + outcome.reserve_spent - outcome.tokens;
            equal("tokens of the manager", &ours, &figure(balance)?)?;
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LockCase {
    steps: Vec<String>,
    ok: bool,
    revert_selector: Option<String>,
}

/// Which calls one transaction can hold: at most one that takes the lock.
pub(crate) fn transaction_lock(case: &LockCase) -> Outcome {
    let takes_lock = |step: &String| match step.split_once('.').map(|(_, function)| function) {
        Some("liquidate") => Ok(Action::Liquidate.is_locked()),
        Some("rebalance(pool-wide)") => Ok(Action::Rebalance.is_locked()),
        Some("rebalance(tick)") => Ok(Action::RebalanceTick(0).is_locked()),
        Some("redeemByCreditNote") => Ok(false),
        _ => Err(format!("{step}: a call that is not known")),
    };
    let locked = case.steps.iter().map(takes_lock).collect::<Result<Vec<_>, _>>()?.into_iter().filter(|takes| *takes).count();
    equal("accepted", &(locked <= 1), &case.ok)?;
    let ours = (locked > 1).then(|| FxRevert::PoolManagerLocked.selector().map(|selector| format!("0x{selector:08x}"))).flatten();
    equal("revert", &ours, &case.revert_selector)
}
