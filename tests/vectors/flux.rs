//! The cases of `flux.json`.

use crate::harness::{Outcome, equal};
use alloy::primitives::U256;
use harrier::protocols::checked::WAD;
use harrier::protocols::flux::maths::{
    DeleverageRules, Holdings, Loan, Numeraire, Partial, Pool, Rules, deleverage, evaluate, partial, share_price, threshold, utilisation, value,
};
use serde::{Deserialize, Deserializer, de::Error};

/// A raw integer as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw(U256);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        U256::from_str_radix(&text, 10).map(Raw).map_err(|error| D::Error::custom(format!("{text}: {error}")))
    }
}

const BASE: Numeraire = Numeraire { price: WAD, decimals: 6 };

fn ours<T>(result: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    result.map_err(|error| format!("ours: {error}"))
}

#[derive(Debug, Deserialize)]
pub(crate) struct ThresholdCase {
    min_bond_ratio: Raw,
    liquidation_buffer: Raw,
    liquidation_threshold: Raw,
}

pub(crate) fn thresholds(case: &ThresholdCase) -> Outcome {
    equal("threshold", &ours(threshold(case.min_bond_ratio.0, case.liquidation_buffer.0))?, &case.liquidation_threshold.0)
}

#[derive(Debug, Deserialize)]
struct Wrapper {
    decimals: u8,
    amount: Raw,
    price: Raw,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ValueCase {
    bond: Raw,
    working_capital: Raw,
    base_price: Raw,
    wrappers: Vec<Wrapper>,
    position_value_usd: Raw,
}

pub(crate) fn position_value(case: &ValueCase) -> Outcome {
    let mut total = U256::ZERO;
    for amount in [case.bond.0, case.working_capital.0] {
        total += ours(value(amount, case.base_price.0, BASE.decimals))?;
    }
    for wrapper in &case.wrappers {
        total += ours(value(wrapper.amount.0, wrapper.price.0, wrapper.decimals))?;
    }
    equal("value", &total, &case.position_value_usd.0)
}

#[derive(Debug, Deserialize)]
pub(crate) struct EvaluateCase {
    position_value_usd: Raw,
    true_debt: Raw,
    liquidation_threshold: Raw,
    profit_margin: Raw,
    base_price: Raw,
    base_decimals: u8,
    debt_usd: Raw,
    health_wad: Raw,
    can_liquidate: bool,
    min_payment: Raw,
    bad_debt: Raw,
}

pub(crate) fn evaluation(case: &EvaluateCase) -> Outcome {
    let rules = Rules { threshold: case.liquidation_threshold.0, profit_margin: case.profit_margin.0 };
    let base = Numeraire { price: case.base_price.0, decimals: case.base_decimals };
    let found = ours(evaluate(case.position_value_usd.0, case.true_debt.0, &rules, &base))?;
    equal("debt", &found.debt_usd, &case.debt_usd.0)?;
    equal("health", &found.health, &case.health_wad.0)?;
    equal("liquidatable", &found.can_liquidate, &case.can_liquidate)?;
    equal("payment", &found.min_payment, &case.min_payment.0)?;
    equal("bad debt", &found.bad_debt, &case.bad_debt.0)
}

#[derive(Debug, Deserialize)]
pub(crate) struct PartialCase {
    position_value_usd: Raw,
    bond: Raw,
    working_capital: Raw,
    wrapper_amount: Raw,
    principal: Raw,
    interest: Raw,
    profit_margin: Raw,
    fraction_wad: Raw,
    full_min_payment: Raw,
    payment: Raw,
    seized_bond: Raw,
    seized_working_capital: Raw,
    seized_wrapper: Raw,
    principal_cleared: Raw,
    interest_cleared: Raw,
    bad_debt: Raw,
    debt_left: Raw,
}

pub(crate) fn parts(case: &PartialCase) -> Outcome {
    let loan = Loan { principal: case.principal.0, interest: case.interest.0 };
    let rules = Rules { threshold: WAD, profit_margin: case.profit_margin.0 };
    let full = ours(evaluate(case.position_value_usd.0, loan.principal + loan.interest, &rules, &BASE))?;
    equal("full payment", &full.min_payment, &case.full_min_payment.0)?;
    let holdings = Holdings { bond: case.bond.0, working_capital: case.working_capital.0 };
    let part = ours(partial(&holdings, &loan, full.min_payment, case.fraction_wad.0))?;
    equal("payment", &part.payment, &case.payment.0)?;
    equal("bond", &part.seized.bond, &case.seized_bond.0)?;
    equal("working capital", &part.seized.working_capital, &case.seized_working_capital.0)?;
    equal("wrapper", &ours(Partial::of_wrapper(case.wrapper_amount.0, case.fraction_wad.0))?, &case.seized_wrapper.0)?;
    equal("principal", &part.cleared.principal, &case.principal_cleared.0)?;
    equal("interest", &part.cleared.interest, &case.interest_cleared.0)?;
    equal("bad debt", &part.bad_debt, &case.bad_debt.0)?;
    equal("debt left", &part.debt_left, &case.debt_left.0)
}

#[derive(Debug, Deserialize)]
pub(crate) struct AdlCase {
    position_value_usd: Raw,
    true_debt: Raw,
    working_capital: Raw,
    bond: Raw,
    total_assets: Raw,
    total_debt: Raw,
    utilisation_wad: Raw,
    adl_threshold: Raw,
    adl_utilisation_threshold: Raw,
    liquidation_threshold: Raw,
    eligible: bool,
    repay_for_utilisation: Option<Raw>,
    repay_for_health: Option<Raw>,
    repaid: Raw,
    from_working_capital: Raw,
    from_bond: Raw,
    health_before_wad: Raw,
    health_after_wad: Option<Raw>,
    total_debt_after: Raw,
}

pub(crate) fn adl(case: &AdlCase) -> Outcome {
    let pool = Pool { total_assets: case.total_assets.0, total_debt: case.total_debt.0 };
    let rules = DeleverageRules {
        health_threshold: case.adl_threshold.0,
        utilisation_threshold: case.adl_utilisation_threshold.0,
        liquidation_threshold: case.liquidation_threshold.0,
    };
    let holdings = Holdings { bond: case.bond.0, working_capital: case.working_capital.0 };
    let done = ours(deleverage(case.position_value_usd.0, case.true_debt.0, &holdings, &pool, &rules, &BASE))?;
    equal("utilisation", &ours(utilisation(&pool))?, &case.utilisation_wad.0)?;
    equal("for utilisation", &done.for_utilisation, &case.repay_for_utilisation.map(|raw| raw.0))?;
    equal("for health", &done.for_health, &case.repay_for_health.map(|raw| raw.0))?;
    equal("repaid", &done.repaid, &case.repaid.0)?;
    equal("eligible", &!done.repaid.is_zero(), &case.eligible)?;
    equal("from working capital", &done.from.working_capital, &case.from_working_capital.0)?;
    equal("from the bond", &done.from.bond, &case.from_bond.0)?;
    equal("health before", &done.health_before, &case.health_before_wad.0)?;
    equal("health after", &done.health_after, &case.health_after_wad.map(|raw| raw.0))?;
    equal("debt after", &(pool.total_debt - done.repaid), &case.total_debt_after.0)
}

#[derive(Debug, Deserialize)]
pub(crate) struct DebtCase {
    principal: Raw,
    stored_interest: Raw,
    yearly_rate: Raw,
    seconds: u64,
    true_debt: Raw,
}

pub(crate) fn true_debt(case: &DebtCase) -> Outcome {
    let loan = Loan { principal: case.principal.0, interest: case.stored_interest.0 };
    equal("debt", &ours(loan.true_debt(case.yearly_rate.0, case.seconds))?, &case.true_debt.0)
}

#[derive(Debug, Deserialize)]
pub(crate) struct ShareCase {
    bad_debt: Raw,
    total_assets_before: Raw,
    total_shares: Raw,
    total_assets_after: Raw,
    share_price_before_wad: Raw,
    share_price_after_wad: Raw,
}

pub(crate) fn shares(case: &ShareCase) -> Outcome {
    let price = |assets| ours(share_price(assets, case.total_shares.0));
    let after = case.total_assets_before.0 - case.bad_debt.0;
    equal("assets after", &after, &case.total_assets_after.0)?;
    equal("price before", &price(case.total_assets_before.0)?, &Some(case.share_price_before_wad.0))?;
    equal("price after", &price(after)?, &Some(case.share_price_after_wad.0))
}

/// A liquidation by figures, or by whether it works with the vault's cash.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum CapitalFreeCase {
    Figures(Box<Figures>),
    Cash { vault_cash_before: Raw, min_payment: Raw, borrow_first: String, seize_first: String },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    min_payment: Raw,
    locked_borrow: Raw,
    seized_bond: Raw,
    seized_weth_usd: Raw,
    dex_loss_bps: u64,
    swap_out: Raw,
    locked_repay: Raw,
    liquidator_own_capital: Raw,
    gross_profit: serde_json::Value,
    vault_cash_change: Raw,
}

pub(crate) fn capital_free(case: &CapitalFreeCase) -> Outcome {
    match case {
        CapitalFreeCase::Figures(figures) => {
            let basis = U256::from(10_000_u64);
            let swap_out = figures.seized_weth_usd.0 / U256::from(1_000_000_000_000_u64) * (basis - U256::from(figures.dex_loss_bps)) / basis;
            equal("swap", &swap_out, &figures.swap_out.0)?;
            equal("own capital", &figures.liquidator_own_capital.0, &U256::ZERO)?;
            // What is borrowed inside is repaid inside, so the vault gains the payment alone.
            equal("repaid", &figures.locked_repay.0, &figures.locked_borrow.0)?;
            equal("cash", &figures.min_payment.0, &figures.vault_cash_change.0)?;
            let (gets, pays) = (figures.seized_bond.0 + swap_out, figures.min_payment.0);
            let profit = if gets >= pays { (gets - pays).to_string() } else { format!("-{}", pays - gets) };
            equal("profit", &profit, &figures.gross_profit.as_str().map_or_else(|| figures.gross_profit.to_string(), str::to_owned))
        }
        CapitalFreeCase::Cash { vault_cash_before, min_payment, borrow_first, seize_first } => {
            equal("borrow first works", &(min_payment.0 <= vault_cash_before.0), &borrow_first.starts_with("succeeds"))?;
            equal("seize first works", &true, &seize_first.starts_with("succeeds"))
        }
    }
}
