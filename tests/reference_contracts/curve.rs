//! Every recorded row on the Curve reference pools.

use crate::{
    curve_world::{CALLER, IPool, NOW, World, answering, coin, decimals, direction, ten},
    evm::{ADMIN, Chain, mapped, number, numbers, vectors},
};
use alloy::{
    primitives::{Address, U256, hex},
    sol_types::{SolCall, SolValue},
};
use serde_json::Value;

pub(crate) fn rows(list: &str) -> Vec<Value> {
    vectors("curve.json")[list].as_array().unwrap().clone()
}

/// A virtual price at a supply of one is the invariant.
#[test]
fn the_invariant() {
    let mut count = 0;
    for mut row in rows("invariant") {
        // The old kinds' invariant shows in their swaps.
        if row["kind"] != "ng" && row["kind"] != "factory" {
            continue;
        }
        row["fee"] = "0".into();
        let world = World::ng(&row);
        assert_eq!(world.chain.ask(world.pool, &IPool::get_virtual_priceCall {}), number(&row["D"]), "{}", row["name"]);
        count += 1;
    }
    assert_eq!(count, 23);
}

#[test]
fn swaps_quotes_fees_and_prices() {
    let rows = rows("ng_swaps");
    assert_eq!(rows.len(), 240);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let mut world = World::ng(&row);
        let (i, j) = direction(&row);
        let dx = number(&row["dx"]);
        let n = usize::try_from(row["n"].as_u64().unwrap()).unwrap();
        assert_eq!(world.chain.ask(world.pool, &IPool::stored_ratesCall {}), numbers(&row["rates"]), "{name}: rates");
        assert_eq!(world.chain.ask(world.pool, &IPool::get_virtual_priceCall {}), number(&row["virtual_price"]), "{name}");
        assert_eq!(world.chain.ask(world.pool, &IPool::dynamic_feeCall { i, j }), number(&row["dynamic_fee_view"]), "{name}");
        let dy = world.quote(i, j, dx);
        assert_eq!(dy, number(&row["get_dy"]), "{name}: quote");
        if let Some(back) = row.get("get_dx_of_that_dy") {
            assert_eq!(world.chain.ask(world.pool, &IPool::get_dxCall { i, j, dy }), number(back), "{name}: get_dx");
        }
        assert_eq!(world.swap(i, j, dx), number(&row["exchange"]), "{name}: swap");
        let fee = world.chain.ask(world.pool, &IPool::admin_balancesCall { k: U256::try_from(j).unwrap() });
        assert_eq!(fee, number(&row["admin_fee_added"]), "{name}: admin part");
        assert_eq!(world.balances(), numbers(&row["balances_after"]), "{name}: balances");
        assert_eq!(world.chain.ask(world.pool, &IPool::get_virtual_priceCall {}), number(&row["virtual_price_after"]), "{name}");
        assert_eq!(world.each(n - 1, |k| IPool::last_priceCall { k }), numbers(&row["last_price_after"]), "{name}: last price");
        assert_eq!(world.each(n - 1, |k| IPool::get_pCall { k }), numbers(&row["get_p_after"]), "{name}: marginal price");
    }
}

#[test]
fn sequences_with_time() {
    for row in rows("sequences") {
        let n = usize::try_from(row["n"].as_u64().unwrap()).unwrap();
        let start = &row["start"];
        let mut first = row.clone();
        first["balances"] = start["balances"].clone();
        let mut world = World::ng(&first);
        // The supply at which the start's virtual price is one.
        let d = start["last_D_packed"].as_str().unwrap().parse::<U256>().unwrap() & U256::from(u128::MAX);
        world.put(40, d);
        world.put(35, number(&row["ma_exp_time"]));
        world.put(36, number(&row["D_ma_time"]));
        world.put(34, number(&start["last_D_packed"]));
        for (slot, packed) in (26_u64..).zip(numbers(&start["last_prices_packed"])) {
            world.put(slot, packed);
        }
        world.put(37, (number(&start["ma_last_time_D"]) << 128) | number(&start["ma_last_time_prices"]));
        check_state(&mut world, n, start);
        for step in row["steps"].as_array().unwrap() {
            world.chain.now = step["timestamp"].as_u64().unwrap();
            let (i, j) = direction(step);
            assert_eq!(world.swap(i, j, number(&step["dx"])), number(&step["dy"]), "{}", row["name"]);
            check_state(&mut world, n, &step["after"]);
        }
    }
}

/// All averages, prices and balances as recorded at a time.
fn check_state(world: &mut World, n: usize, state: &Value) {
    world.chain.now = state["timestamp"].as_u64().unwrap();
    assert_eq!(world.balances(), numbers(&state["balances"]));
    assert_eq!(world.each(n, |k| IPool::admin_balancesCall { k }), numbers(&state["admin_balances"]));
    assert_eq!(world.each(n - 1, |k| IPool::last_priceCall { k }), numbers(&state["last_price"]));
    assert_eq!(world.each(n - 1, |k| IPool::ema_priceCall { k }), numbers(&state["ema_price"]));
    assert_eq!(world.each(n - 1, |k| IPool::price_oracleCall { k }), numbers(&state["price_oracle"]));
    assert_eq!(world.each(n - 1, |k| IPool::get_pCall { k }), numbers(&state["get_p"]));
    assert_eq!(world.chain.ask(world.pool, &IPool::D_oracleCall {}), number(&state["D_oracle"]));
    assert_eq!(world.chain.ask(world.pool, &IPool::get_virtual_priceCall {}), number(&state["virtual_price"]));
    assert_eq!(world.slot(34), number(&state["last_D_packed"]));
    for (slot, packed) in (26_u64..).zip(numbers(&state["last_prices_packed"])) {
        assert_eq!(world.slot(slot), packed);
    }
    assert_eq!(world.slot(37), (number(&state["ma_last_time_D"]) << 128) | number(&state["ma_last_time_prices"]));
}

#[test]
fn only_the_first_trade_of_a_block_moves_the_average() {
    for row in rows("same_block") {
        let mut world = World::ng(&row);
        world.put(26, number(&row["start"]["last_prices_packed"]));
        world.put(34, number(&row["start"]["last_D_packed"]));
        world.put(37, number(&row["start"]["ma_last_time"]));
        let trade = |world: &mut World, trade: &Value| {
            let (i, j) = direction(trade);
            assert_eq!(world.swap(i, j, number(&trade["dx"])), number(&trade["dy"]));
        };
        world.chain.now = row["first"]["timestamp"].as_u64().unwrap();
        trade(&mut world, &row["first"]);
        assert_eq!((world.slot(26), world.slot(34)), (number(&row["first"]["last_prices_packed"]), number(&row["first"]["last_D_packed"])));
        let block = &row["block"];
        world.chain.now = block["timestamp"].as_u64().unwrap();
        for each in block["trades"].as_array().unwrap() {
            trade(&mut world, each);
        }
        assert_eq!((world.slot(26), world.slot(34)), (number(&block["last_prices_packed"]), number(&block["last_D_packed"])));
        assert_eq!(world.balances(), numbers(&row["balances_after"]));
    }
}

#[test]
fn moving_averages() {
    let mut world = World::ng(&rows("behaviour")[0]);
    let rows = rows("ema");
    assert_eq!(rows.len(), 20);
    for row in rows {
        world.put(26, (number(&row["average"]) << 128) | number(&row["last"]));
        world.put(35, number(&row["window"]));
        world.put(37, U256::from(NOW) - number(&row["seconds"]));
        assert_eq!(world.chain.ask(world.pool, &IPool::price_oracleCall { k: U256::ZERO }), number(&row["result"]), "{row}");
    }
}

#[test]
fn a_ramp_misleads_the_quote() {
    for row in rows("a_ramp") {
        let name = row["name"].as_str().unwrap();
        let mut world = World::ng(&row);
        for (slot, key) in [(12, "initial_A"), (13, "future_A"), (14, "initial_A_time"), (15, "future_A_time")] {
            world.put(slot, number(&row[key]));
        }
        world.chain.now = row["now"].as_u64().unwrap();
        let (i, j) = direction(&row);
        let dx = number(&row["dx"]);
        assert_eq!(world.chain.ask(world.pool, &IPool::A_preciseCall {}), number(&row["a_precise"]), "{name}");
        assert_eq!(world.chain.ask(world.pool, &IPool::ACall {}), number(&row["A"]), "{name}");
        let quote = world.quote(i, j, dx);
        assert_eq!(quote, number(&row["get_dy"]), "{name}");
        let strict = world.chain.clone().call(CALLER, world.pool, &IPool::exchangeCall { i, j, dx, minDy: quote });
        assert_eq!(strict.is_ok(), row["min_dy_equal_to_get_dy_passes"] == true, "{name}");
        assert_eq!(world.swap(i, j, dx), number(&row["exchange"]), "{name}");
    }
}

#[test]
fn deposits_and_withdrawals() {
    for row in rows("liquidity") {
        let name = row["name"].as_str().unwrap();
        let mut world = World::ng(&row);
        // Who withdraws later holds all liquidity there was.
        world.chain.put(world.pool, mapped(&CALLER, U256::from(38)), number(&row["total_supply"]));
        let amounts = numbers(&row["amounts"]);
        let n = amounts.len();
        let minted = world.chain.must(CALLER, world.pool, &IPool::add_liquidityCall { amounts, minMint: U256::ZERO });
        assert_eq!(minted, number(&row["minted"]), "{name}");
        assert_eq!(world.balances(), numbers(&row["balances_after"]), "{name}");
        assert_eq!(world.each(n, |k| IPool::admin_balancesCall { k }), numbers(&row["admin_fees_added"]), "{name}");
        let burned = number(&row["then_burn"]);
        // All in equal parts leaves nobody better or worse off: a part of every balance.
        let mut other = world.clone();
        let parts = other.chain.must(CALLER, world.pool, &IPool::remove_liquidityCall { burned, minAmounts: vec![U256::ZERO; n] });
        let supply = number(&row["total_supply"]) + minted;
        assert_eq!(parts, world.balances().iter().map(|held| *held * burned / supply).collect::<Vec<_>>(), "{name}");
        let i = row["burn_coin"].as_i64().unwrap().into();
        let received = world.chain.must(CALLER, world.pool, &IPool::remove_liquidity_one_coinCall { burned, i, minReceived: U256::ZERO });
        assert_eq!(received, number(&row["coin_received"]), "{name}");
    }
}

#[test]
fn stored_rates_of_oracles_and_vaults() {
    let rows = rows("stored_rates");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let mut chain = Chain::new(NOW);
        let decimals = row["coin_decimals"].as_u64().unwrap();
        let plain = coin(&mut chain, 18);
        let (second, kind, oracle) = if let Some(rate) = row.get("oracle_rate") {
            let oracle = Address::repeat_byte(0x0f);
            chain.put_code(oracle, answering(number(rate)));
            (coin(&mut chain, decimals), 1, U256::from_be_slice(oracle.as_slice()) | (U256::from(0x679a_efce_u64) << 224))
        } else {
            let asset = coin(&mut chain, row["asset_decimals"].as_u64().unwrap());
            let vault = Address::repeat_byte(0x46);
            chain.put_code(vault, vault_code(asset, decimals, number(&row["convert_to_assets_of_one_share"])));
            (vault, 3, U256::ZERO)
        };
        let terms = [U256::from(200), U256::from(1_000_000), U256::ZERO, U256::from(866)];
        let (coins, types, oracles) = (vec![plain, second], vec![U256::ZERO, U256::from(kind)], vec![U256::ZERO, oracle]);
        let pool = chain.deploy("StableSwapNg", &(coins, terms, types, oracles).abi_encode_params());
        assert_eq!(chain.ask(pool, &IPool::stored_ratesCall {})[1], number(&row["stored_rate"]), "{}", row["name"]);
    }
}

/// A vault that answers `decimals`, `asset` and, to everything else, what a share is worth.
fn vault_code(asset: Address, decimals: u64, worth: U256) -> Vec<u8> {
    let answer = |word: U256| answering(word);
    let (decimals, asset, worth) = (answer(U256::from(decimals)), answer(U256::from_be_slice(asset.as_slice())), answer(worth));
    // selector == decimals() ? jump : selector == asset() ? jump : worth
    let head = 4 + 2 * 10;
    let size = worth.len() + 1;
    let at = |index: usize| u8::try_from(head + worth.len() + index * size).unwrap();
    let mut code = hex!("5f3560e01c").to_vec();
    code.extend([&hex!("8063313ce5671460")[..], &[at(0) + 1], &[0x57]].concat());
    code.extend([&hex!("806338d52e0f1460")[..], &[at(1) + 1], &[0x57]].concat());
    assert_eq!(code.len(), head + 1);
    code.extend(worth);
    for body in [decimals, asset] {
        code.push(0x5b);
        code.extend(body);
    }
    code
}

#[test]
fn the_older_kinds() {
    let rows = rows("legacy_swaps");
    assert_eq!(rows.len(), 20);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let (i, j) = direction(&row);
        let (dx, balances) = (number(&row["dx"]), numbers(&row["balances"]));
        let terms = (number(&row["amplification"]), number(&row["fee"]), number(&row["admin_fee"]));
        let mut chain = Chain::new(NOW);
        let mut world = match row["kind"].as_str().unwrap() {
            // Without a multiplier the fee is static: the earlier factory's pool.
            "factory" => World::ng(&row),
            "a100" => {
                let token = coin(&mut chain, 18);
                let ether = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE".parse::<Address>().unwrap();
                let pool = chain.deploy("EthStableSwap", &(vec![ether, token], terms.0, terms.1, terms.2, ADMIN).abi_encode_params());
                let mut world = World { chain, pool, coins: vec![token] };
                world.equip();
                world.hold(0, balances[1]);
                world.chain.give(pool, balances[0]);
                world.chain.give(CALLER, ten(30));
                world
            }
            "a1" => {
                let coins: Vec<_> = numbers(&row["rates"]).into_iter().map(|rate| coin(&mut chain, decimals(rate))).collect();
                let pool = chain.deploy("ThreeStableSwap", &(coins.clone(), terms.0, terms.1, terms.2).abi_encode_params());
                let mut world = World { chain, pool, coins };
                world.equip();
                for (index, balance) in balances.iter().enumerate() {
                    world.hold(index, *balance);
                }
                world.chain.must(ADMIN, pool, &IPool::donateCall {});
                world
            }
            other => panic!("{other}"),
        };
        assert_eq!(world.quote(i, j, dx), number(&row["get_dy"]), "{name}: quote");
        let old: Vec<U256> = world.each(balances.len(), |k| IPool::admin_balancesCall { k });
        let value = if row["kind"] == "a100" && i == 0 { dx } else { U256::ZERO };
        let data = IPool::exchangeCall { i, j, dx, minDy: U256::ZERO }.abi_encode();
        let (ether, held) =
            (world.chain.wei(CALLER), world.coins.iter().map(|coin| world.chain.ask(*coin, &IPool::balanceOfCall { owner: CALLER })).collect::<Vec<_>>());
        let done = world.chain.send(CALLER, world.pool, data.into(), value).unwrap_or_else(|data| panic!("{name}: {data}"));
        match &row["returned"] {
            Value::Null => assert!(done.output.is_empty(), "{name}: returns nothing"),
            returned => assert_eq!(U256::from_be_slice(&done.output), number(returned), "{name}: returned"),
        }
        let to = usize::try_from(j).unwrap();
        let paid = match (row["kind"] == "a100", to) {
            (true, 0) => world.chain.wei(CALLER) - ether,
            (true, _) => world.balance(0, CALLER) - held[0],
            (false, to) => world.balance(to, CALLER) - held[to],
        };
        assert_eq!(paid, number(&row["exchange"]), "{name}: paid");
        let admin: Vec<U256> = world.each(balances.len(), |k| IPool::admin_balancesCall { k });
        assert_eq!(admin[to] - old[to], number(&row["admin_fee_added"]), "{name}: admin part");
        assert_eq!(world.each(balances.len(), |k| IPool::balancesCall { k }), numbers(&row["balances_after"]), "{name}: balances");
    }
}
