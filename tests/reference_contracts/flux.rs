//! Every case of `tests/vectors/flux.json` on the Flux reference contracts: positions opened, liquidated and deleveraged by real calls.

use crate::{
    evm::{ADMIN, number, vectors},
    flux_world::{IParts, IScript, IStrategy, IVault, ONE, Opening, World, figures},
};
use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolError,
};
use harrier::protocols::flux::maths::{Numeraire, health};
use serde_json::Value;

const USD: Numeraire = Numeraire { price: ONE, decimals: 6 };
/// Units of dollars of 18 digits in one of 6.
const TO_USD: U256 = U256::from_limbs([1_000_000_000_000, 0, 0, 0]);

/// The cases of a category, of which there are so many.
fn rows(category: &str, count: usize) -> Vec<Value> {
    let rows = vectors("flux.json")[category].as_array().unwrap().clone();
    assert_eq!(rows.len(), count, "{category}");
    rows
}

fn name(row: &Value) -> String {
    row.get("name").map_or_else(|| row.to_string(), |name| name.as_str().unwrap().to_owned())
}

#[test]
fn thresholds() {
    for row in rows("thresholds", 4) {
        let mut terms = figures(U256::ZERO, U256::ZERO);
        (terms.minBondRatio, terms.liquidationBuffer) = (number(&row["min_bond_ratio"]), number(&row["liquidation_buffer"]));
        let world = World::deploy(&terms, 6, 18);
        assert_eq!(world.chain.ask(world.strategy, &IStrategy::liquidationThresholdCall {}), number(&row["liquidation_threshold"]), "{row}");
    }
}

#[test]
fn position_values() {
    for row in rows("position_value", 3) {
        let [wrapped] = &row["wrappers"].as_array().unwrap()[..] else { panic!("one wrapper: {row}") };
        let mut world = World::deploy(&figures(U256::ZERO, U256::ZERO), 6, u8::try_from(wrapped["decimals"].as_u64().unwrap()).unwrap());
        let (bond, working_capital) = (number(&row["bond"]), number(&row["working_capital"]));
        let opening = Opening { bond, working_capital, debt: U256::ZERO, amount: number(&wrapped["amount"]), price: number(&wrapped["price"]) };
        world.open(world.manager, &opening);
        world.price(world.usdc, number(&row["base_price"]));
        assert_eq!(world.value(world.manager), number(&row["position_value_usd"]), "{}", name(&row));
    }
}

/// The strategy's answer, and what the vault then does.
#[test]
fn evaluations() {
    for row in rows("evaluate", 24) {
        let (name, debt, payment) = (name(&row), number(&row["true_debt"]), number(&row["min_payment"]));
        let decimals = u8::try_from(row["base_decimals"].as_u64().unwrap()).unwrap();
        let mut world = World::deploy(&figures(number(&row["profit_margin"]), U256::ZERO), decimals, 18);
        assert_eq!(world.chain.ask(world.strategy, &IStrategy::liquidationThresholdCall {}), number(&row["liquidation_threshold"]), "{name}");
        world.lend(debt);
        world.price(world.usdc, number(&row["base_price"]));
        // All of the value is one whole token.
        world.open(world.manager, &Opening { debt, amount: ONE, price: number(&row["position_value_usd"]), ..Opening::default() });
        let found = world.evaluated();
        assert_eq!((found.trueDebt, found.positionValueUsd), (debt, number(&row["position_value_usd"])), "{name}");
        assert_eq!((found.canLiquidate, found.minPayment), (row["can_liquidate"] == true, payment), "{name}");
        let base = Numeraire { price: number(&row["base_price"]), decimals };
        assert_eq!(base.debt_usd(found.trueDebt).unwrap(), number(&row["debt_usd"]), "{name}");
        assert_eq!(health(found.positionValueUsd, base.debt_usd(found.trueDebt).unwrap()).unwrap(), number(&row["health_wad"]), "{name}");
        if found.canLiquidate && !payment.is_zero() {
            let data = world.clone().liquidate(ONE, payment - U256::ONE).unwrap_err();
            assert_eq!(data.as_ref(), IVault::InsufficientPayment::SELECTOR, "{name}");
        }
        let before = world.cash();
        match world.liquidate(ONE, payment) {
            Ok(event) => {
                assert!(found.canLiquidate, "{name}");
                let figures = (event.positionValueUsd, event.debtCleared, event.payment, event.badDebt);
                assert_eq!(figures, (found.positionValueUsd, debt, payment, number(&row["bad_debt"])), "{name}");
                assert_eq!((world.cash() - before, world.total_debt()), (payment, U256::ZERO), "{name}");
                assert_eq!(world.wrapped(world.liquidator), ONE, "{name}");
            }
            Err(data) => {
                assert!(!found.canLiquidate, "{name}: {data}");
                let error = if debt.is_zero() { IVault::PositionNotActive::SELECTOR } else { IVault::PositionNotLiquidatable::SELECTOR };
                assert_eq!(data.as_ref(), error, "{name}");
            }
        }
    }
}

#[test]
fn parts() {
    for row in rows("partial", 5) {
        let name = format!("{}, {}", name(&row), row["fraction_wad"]);
        let mut world = World::usual(number(&row["profit_margin"]));
        let (principal, interest) = (number(&row["principal"]), number(&row["interest"]));
        let (bond, working_capital, amount) = (number(&row["bond"]), number(&row["working_capital"]), number(&row["wrapper_amount"]));
        let price = (number(&row["position_value_usd"]) - (bond + working_capital) * TO_USD) * ONE / amount;
        world.lend(principal);
        world.open(world.manager, &Opening { bond, working_capital, debt: principal, amount, price });
        world.store_interest(interest);
        assert_eq!(world.evaluated().positionValueUsd, number(&row["position_value_usd"]), "{name}");
        assert_eq!(world.evaluated().minPayment, number(&row["full_min_payment"]), "{name}");
        let (payment, before) = (number(&row["payment"]), world.cash());
        let event = world.liquidate(number(&row["fraction_wad"]), payment).unwrap();
        assert_eq!((event.payment, event.badDebt), (payment, number(&row["bad_debt"])), "{name}");
        assert_eq!(world.cash() - before, payment, "{name}");
        assert_eq!(world.chain.ask(world.liquidator, &IScript::minPaymentCall {}), payment, "{name}");
        let seized = (number(&row["seized_bond"]), number(&row["seized_working_capital"]));
        assert_eq!(world.holdings(world.liquidator), seized, "{name}");
        assert_eq!(world.holdings(world.manager), (bond - seized.0, working_capital - seized.1), "{name}");
        assert_eq!(world.wrapped(world.liquidator), number(&row["seized_wrapper"]), "{name}");
        assert_eq!(world.wrapped(world.manager), amount - number(&row["seized_wrapper"]), "{name}");
        let left = world.view(&IVault::loansCall { manager: world.manager });
        assert_eq!(principal - left.principal, number(&row["principal_cleared"]), "{name}");
        assert_eq!(interest - left.interest, number(&row["interest_cleared"]), "{name}");
        assert_eq!(world.debt(world.manager), number(&row["debt_left"]), "{name}");
    }
}

#[test]
fn deleveraging() {
    for row in rows("adl", 7) {
        let (name, debt) = (name(&row), number(&row["true_debt"]));
        let mut terms = figures(ONE / U256::from(100), U256::ZERO);
        (terms.adlThreshold, terms.adlUtilizationThreshold) = (number(&row["adl_threshold"]), number(&row["adl_utilisation_threshold"]));
        let mut world = World::deploy(&terms, 6, 18);
        let (bond, working_capital) = (number(&row["bond"]), number(&row["working_capital"]));
        let price = number(&row["position_value_usd"]) - (bond + working_capital) * TO_USD;
        world.lend(number(&row["total_assets"]));
        // The rest of the vault's debt is somebody else's.
        let rest = Opening { debt: number(&row["total_debt"]) - debt, amount: ONE, price: ONE, ..Opening::default() };
        world.open(world.liquidator, &rest);
        world.open(world.manager, &Opening { bond, working_capital, debt, amount: ONE, price });
        assert_eq!((world.total_debt(), world.view(&IVault::totalAssetsCall {})), (number(&row["total_debt"]), number(&row["total_assets"])), "{name}");
        assert_eq!(world.total_debt() * ONE / world.view(&IVault::totalAssetsCall {}), number(&row["utilisation_wad"]), "{name}");
        let health = |world: &World| health(world.value(world.manager), USD.debt_usd(world.debt(world.manager)).unwrap()).unwrap();
        assert_eq!(health(&world), number(&row["health_before_wad"]), "{name}");
        let (vault, manager) = (world.vault, world.manager);
        let asked = world.chain.ask(world.strategy, &IStrategy::evaluateADLCall { vault, manager });
        assert_eq!((asked.canDeleverage, asked.repay), (row["eligible"] == true, number(&row["repaid"])), "{name}");
        match world.chain.call(ADMIN, vault, &IVault::adlCall { manager }) {
            Ok((repaid, _)) => {
                assert_eq!((row["eligible"] == true, repaid), (true, number(&row["repaid"])), "{name}");
                assert_eq!(health(&world), number(&row["health_after_wad"]), "{name}");
            }
            Err(data) => {
                assert_eq!(row["eligible"], false, "{name}");
                assert_eq!(data.as_ref(), IVault::PositionNotADLable::SELECTOR, "{name}");
            }
        }
        let left = (bond - number(&row["from_bond"]), working_capital - number(&row["from_working_capital"]));
        assert_eq!(world.holdings(manager), left, "{name}");
        assert_eq!(world.total_debt(), number(&row["total_debt_after"]), "{name}");
        assert_eq!(world.view(&IVault::totalAssetsCall {}), number(&row["total_assets"]), "{name}");
    }
}

#[test]
fn debts() {
    for row in rows("true_debt", 6) {
        let mut world = World::deploy(&figures(U256::ZERO, number(&row["yearly_rate"])), 6, 18);
        let debt = number(&row["principal"]);
        world.lend(debt);
        world.open(world.manager, &Opening { debt, amount: ONE, price: ONE, ..Opening::default() });
        world.store_interest(number(&row["stored_interest"]));
        world.chain.now += row["seconds"].as_u64().unwrap();
        assert_eq!(world.debt(world.manager), number(&row["true_debt"]), "{row}");
        assert_eq!(world.total_debt(), number(&row["true_debt"]), "{row}");
        assert_eq!(world.evaluated().trueDebt, number(&row["true_debt"]), "{row}");
    }
}

/// A liquidation with exactly that bad debt: the margin is nothing, and the collateral is worth the rest.
#[test]
fn share_prices() {
    for row in rows("share_price", 3) {
        let name = name(&row);
        let mut world = World::usual(U256::ZERO);
        world.lend(number(&row["total_assets_before"]));
        let price = |world: &World| world.view(&IVault::convertToAssetsCall { shares: ONE });
        assert_eq!(world.view(&IVault::totalSupplyCall {}), number(&row["total_shares"]), "{name}");
        assert_eq!(price(&world), number(&row["share_price_before_wad"]), "{name}");
        let (bad, payment) = (number(&row["bad_debt"]), U256::from(1_000_000_000_u64));
        world.open(world.manager, &Opening { debt: payment + bad, amount: ONE, price: payment * TO_USD, ..Opening::default() });
        assert_eq!(price(&world), number(&row["share_price_before_wad"]), "{name}");
        assert_eq!(world.liquidate(ONE, payment).unwrap().badDebt, bad, "{name}");
        assert_eq!(world.view(&IVault::totalAssetsCall {}), number(&row["total_assets_after"]), "{name}");
        assert_eq!(price(&world), number(&row["share_price_after_wad"]), "{name}");
    }
}

/// Seized, sold for what the row says, paid, and the rest taken out: nothing of one's own goes in unless the liquidation loses.
#[test]
fn capital_free() {
    let buyer = Address::repeat_byte(0xb0);
    for row in rows("capital_free", 5) {
        let name = name(&row);
        if row.get("vault_cash_before").is_some() {
            low_cash(&row, &name);
            continue;
        }
        let (bond, usd, payment) = (number(&row["seized_bond"]), number(&row["seized_weth_usd"]), number(&row["min_payment"]));
        let mut world = World::usual(ONE / U256::from(100));
        let debt = payment + number(&row["bad_debt"]);
        world.lend(debt + number(&row["locked_borrow"]));
        world.open(world.manager, &Opening { bond, debt, amount: ONE, price: usd, ..Opening::default() });
        assert_eq!(world.evaluated().minPayment, payment, "{name}");
        let (vault, usdc, token, liquidator, swap_out) = (world.vault, world.usdc, world.token, world.liquidator, number(&row["swap_out"]));
        world.mint(usdc, buyer, swap_out);
        world.chain.must(buyer, usdc, &IParts::approveCall { spender: liquidator, amount: swap_out });
        let borrowed = number(&row["locked_borrow"]);
        let mut calls = vec![];
        if !borrowed.is_zero() {
            calls.push(world.vault_call(&IVault::locked_borrowCall { amount: borrowed }));
        }
        calls.extend([
            world.vault_call(&IVault::locked_withdrawFromWrapperCall { wrapper: world.wrapper, positionId: B256::ZERO, amount: ONE }),
            world.vault_call(&IVault::locked_withdrawBondCall { amount: bond }),
            world.to(token, &IParts::transferCall { to: buyer, amount: ONE }),
            world.to(usdc, &IParts::transferFromCall { from: buyer, to: liquidator, amount: swap_out }),
        ]);
        calls.extend(world.preparing(payment));
        if !borrowed.is_zero() {
            calls.push(world.vault_call(&IVault::locked_repayCall { amount: number(&row["locked_repay"]) }));
        }
        let cash = world.cash();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let profit = text(&row["gross_profit"]);
        if let Some(loss) = profit.strip_prefix('-') {
            assert!(world.clone().run(ONE, calls.clone()).is_err(), "{name}: without own capital");
            let loss = loss.parse().unwrap();
            world.mint(usdc, liquidator, loss);
            world.run(ONE, calls).unwrap();
            assert_eq!(world.balance(liquidator), U256::ZERO, "{name}");
        } else {
            let event = world.run(ONE, calls).unwrap();
            assert_eq!((event.badDebt, world.balance(liquidator).to_string()), (number(&row["bad_debt"]), profit), "{name}");
        }
        assert_eq!(world.cash() - cash, number(&row["vault_cash_change"]), "{name}");
        assert_eq!((world.total_debt(), world.view(&IVault::managerCountCall {})), (U256::ZERO, U256::ZERO), "{name}");
        assert_eq!((world.holdings(liquidator), world.balance(vault)), ((U256::ZERO, U256::ZERO), world.cash()), "{name}");
    }
}

/// Borrowing first needs the vault's cash, seizing first does not.
fn low_cash(row: &Value, name: &str) {
    let payment = number(&row["min_payment"]);
    let mut world = World::usual(ONE / U256::from(100));
    // Value such that the payment is the row's: payment / 0.99, on a debt of twice as much.
    let (debt, price) = (payment * U256::from(2), payment * TO_USD * U256::from(100) / U256::from(99));
    world.lend(debt + number(&row["vault_cash_before"]));
    world.open(world.manager, &Opening { debt, amount: ONE, price, ..Opening::default() });
    assert_eq!((world.evaluated().minPayment, world.cash()), (payment, number(&row["vault_cash_before"])), "{name}");
    let calls = vec![world.vault_call(&IVault::locked_borrowCall { amount: payment })];
    let data = world.clone().run(ONE, calls).unwrap_err();
    assert_eq!(row["borrow_first"], "reverts: insufficient liquidity");
    assert_eq!(data.as_ref(), IVault::InsufficientLiquidity::SELECTOR, "{name}");
    assert_eq!(row["seize_first"], "succeeds");
    world.liquidate(ONE, payment).unwrap();
}
