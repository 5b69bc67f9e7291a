//! The blocks of `fx.json` that give slots with their words and what they mean.

use crate::harness::{Outcome, equal};
use alloy::primitives::{Address, U256};
use harrier::protocols::fx::storage::{
    BASE_STABLE, BASE_YIELD, Books, FEES, Fees, Misc, NodeLink, PositionWord, Ratios, Sides, THRESHOLD, address, decode_rate, pool, pool_info, token_rate,
};
use serde::Deserialize;
use serde_json::Value;

/// One slot.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlotCase {
    label: String,
    slot: U256,
    word: U256,
    decoded: Value,
    mapping_key: Option<Address>,
}

impl SlotCase {
    /// A field of what it means: a decimal text, or an address as a number.
    fn figure(&self, name: &str) -> Result<U256, String> {
        let text = self.decoded.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is not given"))?;
        if let Ok(address) = text.parse::<Address>() {
            return Ok(U256::from_be_bytes(address.into_word().0));
        }
        let (digits, negative) = text.strip_prefix('-').map_or((text, false), |digits| (digits, true));
        let value = U256::from_str_radix(digits, 10).map_err(|error| format!("{name}: {error}"))?;
        Ok(if negative { U256::ZERO.wrapping_sub(value) } else { value })
    }

    fn all(&self, figures: &[(&str, U256)]) -> Outcome {
        for (name, ours) in figures.iter().filter(|(name, _)| self.decoded.get(name).is_some()) {
            equal(name, ours, &self.figure(name)?)?;
        }
        Ok(())
    }

    /// The number in the label's brackets.
    fn index(&self) -> Result<i64, String> {
        let inside = self.label.split(['[', ']']).nth(1).ok_or("no index")?;
        inside.parse().map_err(|error| format!("{}: {error}", self.label))
    }

    fn key(&self) -> Result<Address, String> {
        self.mapping_key.ok_or_else(|| "no mapping key".to_owned())
    }
}

fn signed(value: i16) -> U256 {
    let distance = U256::from(value.unsigned_abs());
    if value < 0 { U256::ZERO.wrapping_sub(distance) } else { distance }
}

pub(crate) fn pool_slot(case: &SlotCase) -> Outcome {
    let word = case.word;
    let narrow = |index: i64| i16::try_from(index).map_err(|error| error.to_string());
    let id = |index: i64| u64::try_from(index).map_err(|error| error.to_string());
    let name = case.label.split('[').next().unwrap_or_default();
    let slot = match name {
        "collateralToken" => pool::COLLATERAL,
        "priceOracle" => pool::ORACLE,
        "miscData" => pool::MISC,
        "rebalanceRatioData" => pool::RATIOS,
        "indexData" => pool::INDICES,
        "sharesData" => pool::SHARES,
        "positionData" => pool::position(id(case.index()?)?),
        "counterparty" => pool::COUNTERPARTY,
        "tickTreeData" => {
            let [metadata, value] = pool::node(id(case.index()?)?);
            if case.label.ends_with(".value") { value } else { metadata }
        }
        "tickData" => pool::tick(narrow(case.index()?)?),
        "tickBitmap" => pool::bitmap(narrow(case.index()?)?),
        "debtToken" => pool::DEBT_TOKEN,
        "creditNote" => pool::CREDIT_NOTE,
        "lastFundingTimestamp" => pool::SHORT_FUNDING,
        "isKilled" => pool::KILLED,
        other => return Err(format!("{other} is not known")),
    };
    equal("slot", &slot, &case.slot)?;
    match name {
        "miscData" => {
            let misc = Misc::decode(word);
            let flag = |name: &str| case.decoded.get(name).and_then(Value::as_bool);
            if let Some(paused) = flag("borrowPaused") {
                equal("borrow paused", &misc.borrow_paused, &paused)?;
            }
            if let Some(paused) = flag("redeemPaused") {
                equal("redeem paused", &misc.redeem_paused, &paused)?;
            }
            case.all(&[
                ("topTick", signed(misc.top_tick)),
                ("nextPositionId", U256::from(misc.next_position)),
                ("nextTreeNodeId", U256::from(misc.next_node)),
                ("minDebtRatio", misc.min_debt_ratio),
                ("maxDebtRatio", misc.max_debt_ratio),
                ("maxRedeemRatioPerTick", misc.max_redeem_ratio),
            ])
        }
        "rebalanceRatioData" => {
            let ratios = Ratios::decode(word);
            case.all(&[
                ("rebalanceDebtRatio", ratios.rebalance_debt),
                ("rebalanceBonusRatio", ratios.rebalance_bonus),
                ("liquidateDebtRatio", ratios.liquidate_debt),
                ("liquidateBonusRatio", ratios.liquidate_bonus),
            ])
        }
        "indexData" => case.all(&[("debtIndex", Sides::totals(word).debt), ("collIndex", Sides::totals(word).coll)]),
        "sharesData" => case.all(&[("debtShares", Sides::totals(word).debt), ("collShares", Sides::totals(word).coll)]),
        "positionData" => {
            let position = PositionWord::decode(word);
            let (tick, node) = (signed(position.tick), U256::from(position.node));
            case.all(&[("tick", tick), ("nodeId", node), ("colls", position.shares.coll), ("debts", position.shares.debt)])
        }
        "tickTreeData" if case.label.ends_with(".value") => {
            let value = Sides::of_node(word);
            case.all(&[("collShare", value.coll), ("debtShare", value.debt)])
        }
        "tickTreeData" => {
            let link = NodeLink::decode(word);
            let (parent, tick) = (U256::from(link.parent), signed(link.tick));
            case.all(&[("parent", parent), ("tick", tick), ("collRatio", link.ratios.coll), ("debtRatio", link.ratios.debt)])
        }
        "isKilled" => equal("killed", &Some(!word.is_zero()), &case.decoded.get("value").and_then(Value::as_bool)),
        "collateralToken" | "priceOracle" | "counterparty" | "debtToken" | "creditNote" => {
            case.all(&[("address", U256::from_be_bytes(address(word).into_word().0))])
        }
        _ => case.all(&[("node", word), ("word", word), ("value", word)]),
    }
}

pub(crate) fn manager_slot(case: &SlotCase) -> Outcome {
    let (label, word) = (case.label.as_str(), case.word);
    let nothing = U256::ZERO;
    let slot = match label {
        "_miscData" => FEES,
        "permissionedLiquidationThreshold" => THRESHOLD,
        "totalYieldToken" => BASE_YIELD,
        "totalStableToken" => BASE_STABLE,
        _ if label.starts_with("tokenRates") => token_rate(case.key()?),
        _ if label.ends_with(".collateralData") => pool_info(case.key()?)[0],
        _ if label.ends_with(".debtData") => pool_info(case.key()?)[1],
        other => return Err(format!("{other} is not known")),
    };
    equal("slot", &slot, &case.slot)?;
    match label {
        "_miscData" => {
            let fees = Fees::decode(word);
            case.all(&[("redeemFeeRatio", fees.redeem), ("liquidationExpenseRatio", fees.liquidation_expense)])
        }
        _ if label.starts_with("tokenRates") => {
            let (scalar, provider) = decode_rate(word);
            case.all(&[("scalar", scalar), ("rateProvider", U256::from_be_bytes(provider.unwrap_or_default().into_word().0))])
        }
        "poolInfo[pool].collateralData" => case.all(&[("balance", Books::long([word, nothing]).coll_balance)]),
        "poolInfo[pool].debtData" => case.all(&[("balance", Books::long([nothing, word]).debt_balance)]),
        _ if label.ends_with(".debtData") => {
            let books = Books::short([nothing, word]);
            case.all(&[("balance", books.debt_balance), ("minRawDebt", books.min_raw_debt)])
        }
        _ if label.ends_with(".collateralData") => case.all(&[("balance", Books::short([word, nothing]).coll_balance)]),
        _ => case.all(&[("v", word)]),
    }
}
