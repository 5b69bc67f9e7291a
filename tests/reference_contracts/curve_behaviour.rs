//! What the Curve reference pools refuse, and what they do with gifts, early transfers and coins that keep a part.

use crate::{
    curve::rows,
    curve_world::{CALLER, IPool, NOW, World, coin, direction, ten},
    evm::{ADMIN, Chain, mapped, number, numbers},
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::{SolCall, SolError, SolEvent},
};
use serde_json::Value;

alloy::sol! {
    error Error(string reason);
    error InsufficientAllowance();
    struct Attack { address target; uint256 value; bytes data; }
    function arm(address watched, bool insist, Attack[] attacks);
}

#[test]
fn reverts_are_as_empty_as_recorded() {
    let rows = rows("reverts");
    assert_eq!(rows.len(), 15);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let mut world = World::ng(&row);
        world.put(40, ten(24));
        world.chain.give(CALLER, ten(18));
        if name == "caller without allowance" {
            world.chain.must(CALLER, world.coins[0], &IPool::approveCall { spender: world.pool, amount: U256::ZERO });
        }
        let data: Bytes = row["calldata"].as_str().unwrap().parse().unwrap();
        let back = world.chain.send(CALLER, world.pool, data, number(&row["value"])).unwrap_err();
        let expected: Bytes = match row["revert"].as_str().unwrap() {
            // What the token says is passed on; the recorded token said nothing.
            "empty" if name == "caller without allowance" => InsufficientAllowance {}.abi_encode().into(),
            "empty" => Bytes::new(),
            text => Error { reason: text.to_owned() }.abi_encode().into(),
        };
        assert_eq!(back, expected, "{name}");
    }
}

#[test]
fn transfers_gifts_and_coins_that_keep_a_part() {
    let rows = rows("behaviour");
    assert_eq!(rows.len(), 14);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        if let Some(quote) = row.get("get_dy_0_1") {
            gifts(&row, quote);
            continue;
        }
        let mut world = World::ng(&row);
        let (i, j) = direction(&row);
        let (from, to) = (usize::try_from(i).unwrap(), usize::try_from(j).unwrap());
        let dx = number(&row["dx_argument"]);
        if let Some(sent) = row.get("transferred") {
            world.chain.must(CALLER, world.coins[from], &IPool::transferCall { to: world.pool, amount: number(sent) });
        }
        let part = dx / U256::from(100);
        if name.starts_with("input coin keeps") {
            let pool = world.pool;
            keep(&mut world, from, pool, part);
        } else if name.starts_with("output coin keeps") {
            // A hundredth, rounded down, of what is paid.
            keep(&mut world, to, CALLER, number(&row["dy"]) / U256::from(100));
        }
        let stranger = if name.contains("another caller") { Address::repeat_byte(0x57) } else { CALLER };
        let received = IPool::exchange_receivedCall { i, j, dx, minDy: U256::ZERO };
        if row["revert"] == "empty" {
            assert_eq!(world.chain.call(CALLER, world.pool, &received).unwrap_err(), Bytes::new(), "{name}");
            continue;
        }
        let (pool, before) = (world.pool, world.balance(to, stranger));
        let (dy, logs) = if name.starts_with("tokens transferred in first") {
            world.chain.call(stranger, pool, &received).unwrap()
        } else {
            let least = row.get("min_dy").or_else(|| row.get("revert_at_dy").map(|_| &row["dy"])).map_or(U256::ZERO, number);
            if row.get("revert_at_dy_plus_one").is_some() {
                let call = IPool::exchangeCall { i, j, dx, minDy: least + U256::ONE };
                let text = Error { reason: row["revert_at_dy_plus_one"].as_str().unwrap().to_owned() }.abi_encode();
                assert_eq!(world.chain.clone().call(CALLER, pool, &call).unwrap_err(), Bytes::from(text), "{name}");
            }
            world.chain.call(CALLER, pool, &IPool::exchangeCall { i, j, dx, minDy: least }).unwrap()
        };
        assert_eq!(dy, number(&row["dy"]), "{name}");
        let event = logs.iter().find_map(|log| IPool::TokenExchange::decode_log(log).ok()).unwrap();
        if let Some(sold) = row.get("tokens_sold_in_event") {
            assert_eq!(event.tokens_sold, number(sold), "{name}");
        }
        let received_amount = row.get("received").map_or(dy, number);
        assert_eq!(world.balance(to, stranger) - before, received_amount, "{name}");
        if let Some(balances) = row.get("balances_after") {
            assert_eq!(world.balances(), numbers(balances), "{name}");
        }
        if let Some(later) = row.get("then_exchange_received_of_the_transfer") {
            let call = IPool::exchange_receivedCall { i, j, dx: number(&row["transferred"]), minDy: U256::ZERO };
            assert_eq!(world.chain.must(CALLER, pool, &call), number(later), "{name}");
        }
    }
}

/// Makes a coin keep `part` of whatever `receiver` gets.
fn keep(world: &mut World, index: usize, receiver: Address, part: U256) {
    let token = world.coins[index];
    let data = IPool::transferFromCall { from: receiver, to: Address::repeat_byte(0xfe), amount: part }.abi_encode();
    let attack = Attack { target: token, value: U256::ZERO, data: data.into() };
    world.chain.must(ADMIN, token, &armCall { watched: receiver, insist: true, attacks: vec![attack] });
    // allowance[receiver][token]
    let inner = mapped(&receiver, U256::from(5));
    world.chain.put(token, mapped(&token, inner), U256::MAX);
}

/// Tokens sent to a pool count at once when one coin is a rebasing one, and not otherwise.
fn gifts(row: &Value, quote: &Value) {
    let name = row["name"].as_str().unwrap();
    let mut world = if row.get("gifts").is_some() {
        let mut chain = Chain::new(NOW);
        let coins: Vec<_> = [6, 18].into_iter().map(|decimals| coin(&mut chain, decimals)).collect();
        let terms = [U256::from(200), number(&row["fee"]), number(&row["offpeg_fee_multiplier"]), U256::from(866)];
        let mut world = World::ng_of(chain, coins, vec![U256::ZERO, U256::from(2)], vec![U256::ZERO; 2], terms);
        world.fill(&numbers(&row["balances"]));
        world
    } else {
        World::ng(row)
    };
    let gifts = row.get("gifts").map_or_else(|| vec![(row["coin"].as_u64().unwrap(), number(&row["gift"]))], |all| (0..).zip(numbers(all)).collect());
    for (index, amount) in gifts {
        let token = world.coins[usize::try_from(index).unwrap()];
        world.chain.must(CALLER, token, &IPool::transferCall { to: world.pool, amount });
    }
    assert_eq!(world.balances(), numbers(&row["balances_after"]), "{name}");
    assert_eq!(world.quote(0, 1, number(&quote["dx"])), number(&quote["dy"]), "{name}");
    if row["exchange_received"] == "empty" {
        let call = IPool::exchange_receivedCall { i: 0, j: 1, dx: number(&quote["dx"]), minDy: U256::ZERO };
        assert_eq!(world.chain.call(CALLER, world.pool, &call).unwrap_err(), Bytes::new(), "{name}");
    }
}
