//! What people should know of a pool.

use super::{FxMarket, market::Side};

/// Names and values: ratios and prices 1e18, bonuses and fees 1e9, amounts in token units.
pub(super) fn parameters(market: &FxMarket) -> Vec<(&'static str, String)> {
    let model = &market.model;
    let mut all = vec![
        ("anchor_price", market.prices.anchor.to_string()),
        ("max_price", market.prices.max.to_string()),
        ("rebalance_ratio", model.rebalance.debt_ratio.to_string()),
        ("rebalance_bonus", model.rebalance.bonus_ratio.to_string()),
        ("liquidate_ratio", model.liquidate.debt_ratio.to_string()),
        ("liquidate_bonus", model.liquidate.bonus_ratio.to_string()),
        ("funding_ratio", market.funding_ratio.to_string()),
        ("top_tick", model.top_tick().to_string()),
        ("oracle", market.oracle.to_string()),
        ("reserve_pool", market.reserve.to_string()),
        ("implementation", market.implementation.to_string()),
    ];
    let top = model.tick_raw(model.top_tick()).ok().and_then(|raw| market.debt_ratio(&raw));
    all.extend(top.map(|ratio| ("top_ratio", ratio.to_string())));
    match &market.side {
        Side::Long { manager, base, is_open, lent_to } => {
            all.push(("side", "long".to_owned()));
            all.push(("stable_repay_allowed", manager.stable_repay_allowed.to_string()));
            all.push(("direct_liquidation_open", is_open.to_string()));
            all.push(("base_pool_fx_usd", base.fx_usd.to_string()));
            all.push(("base_pool_stable", base.stable.to_string()));
            all.push(("manager_tokens", manager.token_balance.to_string()));
            all.push(("reserve_balance", manager.reserve_balance.to_string()));
            all.push(("expense_ratio", manager.expense_ratio.to_string()));
            if let Some(lent) = lent_to {
                all.push(("counterparty", lent.pool.to_string()));
                let notes = match &lent.redemption {
                    None => "not needed: the manager has the tokens".to_owned(),
                    Some(Ok(from)) => format!("redeemed at {}", from.price),
                    Some(Err(skip)) => format!("kept, {skip}"),
                };
                all.push(("notes", notes));
            }
            all.push(("scaling_factor", manager.scaling_factor.to_string()));
        }
        Side::Short { manager, note, .. } => {
            all.push(("side", "short".to_owned()));
            all.push(("credit_note", note.to_string()));
            all.push(("notes_of_manager", manager.notes_of_manager.unwrap_or_default().to_string()));
            all.push(("min_raw_debt", manager.min_raw_debt.to_string()));
            all.push(("reserve_balance", manager.reserve_balance.to_string()));
            all.push(("expense_ratio", manager.expense_ratio.to_string()));
            all.push(("redeem_fee", manager.redeem_fee_ratio.to_string()));
            all.push(("scaling_factor", manager.scaling_factor.to_string()));
        }
    }
    all
}
