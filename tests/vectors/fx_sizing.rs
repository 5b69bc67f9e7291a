//! The scans of budgets of `fx.json`: each row to the wei, and a breakpoint that gains at least as much as the best row.

use crate::{
    brute::{EVALUATIONS, Situation, venue},
    fx_cases::{Env, Figure, State, same_revert},
    harness::{Outcome, equal, say},
};
use alloy::primitives::{Address, Bytes, U256, aliases::I256};
use harrier::protocols::fx::{
    FxMarket, FxRevert, Payment, Prices, Side,
    maths::{
        base_pool::{BaseCall, TokenIn},
        fixed::PRECISION,
        long::Action,
        pool::Pool,
        sizing::{best_budget, liquidation_breakpoints},
    },
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct ScanCase {
    op: String,
    env: Env,
    before: State,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Row {
    max_amount: Figure,
    ok: bool,
    token_used: Option<Figure>,
    colls: Option<Figure>,
    top_tick_after: Option<i16>,
    debt_index_after: Option<Figure>,
    profit_at_oracle_price: Option<String>,
    revert_data: Option<Bytes>,
    #[serde(rename = "revertSelector")]
    _revert_selector: Option<String>,
    #[serde(rename = "error")]
    _error: Option<String>,
}

/// Token used, collateral, gain at the oracle's price, and the pool afterwards.
type Paid = (U256, U256, I256, Pool);

fn pay(case: &ScanCase, max_amount: U256) -> Result<Paid, FxRevert> {
    let mut pool = case.before.pool(None).unwrap_or_else(|error| panic!("{error}"));
    let (price, manager) = (case.env.min_price.0, case.env.long_manager());
    let call = BaseCall { action: Action::Liquidate, token_in: TokenIn::FxUsd, max_amount, min_colls: U256::ZERO };
    let done = case.env.base_pool().call(&manager, &mut pool, price, &call)?;
    let gain = I256::from_raw(done.manager.colls * price / PRECISION) - I256::from_raw(done.token_used);
    Ok((done.token_used, done.manager.colls, gain, pool))
}

pub(crate) fn scan(case: &ScanCase) -> Outcome {
    equal("what is scanned", &case.op.as_str(), &"FxUSDBasePool.liquidate, tokenIn fxUSD")?;
    if case.rows.is_empty() {
        return Err("no row".into());
    }
    let mut best = I256::ZERO;
    for row in &case.rows {
        let at = |why: String| format!("{}: {why}", row.max_amount.0);
        match pay(case, row.max_amount.0) {
            Ok((used, colls, gain, pool)) => {
                equal("accepted", &true, &row.ok).map_err(at)?;
                equal("token used", &Some(used), &row.token_used.map(|figure| figure.0)).map_err(at)?;
                equal("collateral", &Some(colls), &row.colls.map(|figure| figure.0)).map_err(at)?;
                equal("top tick", &Some(pool.top_tick()), &row.top_tick_after).map_err(at)?;
                equal("debt index", &Some(pool.debt_index), &row.debt_index_after.map(|figure| figure.0)).map_err(at)?;
                equal("gain", &Some(gain.to_string()), &row.profit_at_oracle_price).map_err(at)?;
                best = best.max(gain);
            }
            Err(revert) => {
                equal("accepted", &false, &row.ok).map_err(at)?;
                let data = row.revert_data.as_ref().ok_or_else(|| at("no revert data".into()))?;
                if !same_revert(&revert, data) {
                    return Err(at(format!("ours {revert}, the contract's {data}")));
                }
            }
        }
    }
    breakpoints(case, best)?;
    searched(case)
}

/// The budgets on offer, searched as the engine does, gain what brute force does, whatever the venue's depth and price and whether paid in fxUSD
/// or USDC.
fn searched(case: &ScanCase) -> Outcome {
    let price = case.env.min_price.0;
    let side = Side::Long { manager: case.env.long_manager(), base: case.env.base_pool(), is_open: false, lent_to: None };
    let prices = Prices { anchor: price, min: price, max: case.env.max_price.0, liquidate: price };
    let none = Address::ZERO;
    let model = case.before.pool(None)?;
    let market = FxMarket { pool: none, collateral: none, oracle: none, implementation: none, prices, funding_ratio: U256::ZERO, model, reserve: none, side };
    let colls = U256::from(10) * PRECISION;
    let mut worst = 1_000_000;
    for token_in in [TokenIn::FxUsd, TokenIn::Usdc] {
        let unit = if token_in == TokenIn::Usdc { U256::from(1_000_000_000_000_u64) } else { U256::ONE };
        for percent in [300, 1_000, 3_000, 10_000, 1_000_000] {
            for of_price in [9_900, 9_990, 10_000, 10_080] {
                let venue = venue(colls, percent, price / unit, of_price);
                let situation = Situation { market: market.clone(), action: Action::Liquidate, payment: Payment::Base(token_in), venue, notes: None };
                let comparison = situation.compare(3_000, |_, _| ());
                if comparison.evaluations > EVALUATIONS || comparison.ratio() < 999_000 || comparison.quoted_ratio() < 999_000 {
                    return Err(format!("{token_in:?}, depth {percent} %, price {of_price}: {comparison:?}"));
                }
                worst = worst.min(comparison.ratio());
            }
        }
    }
    say(&format!("the worst search gains {worst} millionths of the best"));
    Ok(())
}

/// A breakpoint gains at least what the best row does.
fn breakpoints(case: &ScanCase, best: I256) -> Outcome {
    let pool = case.before.pool(None)?;
    let (price, reserve) = (case.env.min_price.0, case.env.long_manager().reserve_raw().map_err(|revert| revert.to_string())?);
    let points = liquidation_breakpoints(&pool, price, reserve, 8).map_err(|revert| revert.to_string())?;
    let ours = points.iter().filter_map(|point| pay(case, point.budget).ok()).map(|paid| paid.2).max().unwrap_or_default();
    let raw = pool.tick_raw(pool.top_tick()).map_err(|revert| revert.to_string())?;
    let closed = best_budget(raw.debts, raw.colls, reserve, price, pool.liquidate.bonus_ratio).map_err(|revert| revert.to_string())?;
    let first = points.first().ok_or("no breakpoint")?;
    if first.budget < closed || first.budget - closed > price {
        return Err(format!("the first breakpoint {} is not just above the closed form {closed}", first.budget));
    }
    if ours >= best { Ok(()) } else { Err(format!("breakpoints gain {ours}, the best row {best}")) }
}
