//! Ticks that an update, a trade, time or a keeper makes eligible, and what becomes of their numbers.

use crate::support::{called, devnet, mined, succeeded, thousandths, units};
use alloy::{
    primitives::{I256, U256},
    sol,
    sol_types::{SolError, SolEvent},
};
use harrier::devnet::fx::{
    Side,
    abi::{BaseTick, BaseWhole, LongTold, Pool, ReserveTold},
};

sol! {
    error ErrorRebalanceDebtRatioNotReached();
}

const MUCH: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_an_update_pushes_several_ticks_into_the_window() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let pool = world.pool("wstETH", Side::Long).unwrap();
    assert!(world.ticks_from(&pool, thousandths(880)).await.unwrap().is_empty());
    devnet.price_moves("ETH/USD", -300).await.unwrap();
    devnet.build_block().await.unwrap();
    let ticks = world.ticks_from(&pool, thousandths(880)).await.unwrap();
    assert!(ticks.len() >= 3 && world.ticks_from(&pool, thousandths(950)).await.unwrap().is_empty());
    let usdc = devnet.contracts().token("USDC").unwrap().address;
    for tick in ticks {
        assert!(tick.is_live && tick.node > 0);
        let call = BaseTick::rebalanceCall { pool: pool.address, tick: tick.number, tokenIn: usdc, maxAmount: units(MUCH, 6), minCollOut: U256::ZERO };
        let done = called(&devnet, devnet.rival().address(), world.base_pool, &call).await.unwrap();
        assert!(done.colls > U256::ZERO && done.tokenUsed > units(100, 6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b_one_report_crashes_both_long_pools() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    world.reporter_takes(&["ETH/USD", "BTC/USD"]).await.unwrap();
    let hash = world.report(&[("ETH/USD", -1_100), ("BTC/USD", -1_100)]).await.unwrap();
    let report = devnet.build_block().await.unwrap();
    succeeded(&report, &[hash]);
    let usdc = devnet.contracts().token("USDC").unwrap().address;
    for symbol in ["wstETH", "WBTC"] {
        let pool = world.pool(symbol, Side::Long).unwrap();
        assert!(world.ticks_from(&pool, thousandths(950)).await.unwrap().len() >= 3, "{symbol}");
        let call = BaseWhole::liquidateCall { pool: pool.address, tokenIn: usdc, maxAmount: units(MUCH, 6), minCollOut: U256::ZERO };
        let done = called(&devnet, devnet.rival().address(), world.base_pool, &call).await.unwrap();
        assert!(done.colls > U256::ZERO && done.tokenUsed > units(10_000, 6), "{symbol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_the_reserve_pays_what_a_tick_can_not() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    world.reserve_has(5).await.unwrap();
    let pool = world.pool("wstETH", Side::Long).unwrap();
    devnet.price_moves("ETH/USD", -1_100).await.unwrap();
    devnet.build_block().await.unwrap();
    // 25/26: with a bonus of 4 % a tick beyond has not enough.
    assert!(!world.ticks_from(&pool, U256::from(961_538_461_538_461_539_u64)).await.unwrap().is_empty());
    let receipts = mined(&devnet, vec![world.rival_liquidation(&pool, units(MUCH, 6)).await.unwrap()]).await;
    let logs: Vec<_> = receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let bonus = logs.iter().find_map(|log| ReserveTold::RequestBonus::decode_log(&log.inner).ok()).unwrap();
    assert!(bonus.amount > U256::ZERO && bonus.amount < units(5, 18));
    assert!(logs.iter().any(|log| LongTold::Liquidate::decode_log(&log.inner).is_ok()));
}

#[tokio::test(flavor = "multi_thread")]
async fn g_a_crash_puts_ticks_under_water() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let pool = world.pool("wstETH", Side::Long).unwrap();
    devnet.price_moves("ETH/USD", -1_500).await.unwrap();
    devnet.build_block().await.unwrap();
    let under = world.ticks_from(&pool, thousandths(1_000)).await.unwrap();
    assert!(under.len() >= 2);
    // All of the top tick's debt: no bonus, less collateral than was paid. The loss is not left to others.
    let usdc = devnet.contracts().token("USDC").unwrap().address;
    let liquidate = |max: U256| BaseWhole::liquidateCall { pool: pool.address, tokenIn: usdc, maxAmount: max, minCollOut: U256::ZERO };
    let debt = under[0].shares.debt;
    let collateral = under[0].shares.coll;
    let price = world.price(&pool).await.unwrap().minPrice;
    let worth = collateral * price / units(1, 18);
    assert!(worth < debt);
    // What leaves the bonus: 25/26 of its worth, and a little, in USDC.
    let best = worth * U256::from(25) / U256::from(26) / units(1, 12) + U256::from(2);
    let done = called(&devnet, devnet.rival().address(), world.base_pool, &liquidate(best)).await.unwrap();
    let paid = done.tokenUsed * units(1, 12);
    let got = done.colls * world.worth(&pool.pair).await.unwrap().low / units(1, 18);
    assert!(got > paid * U256::from(103) / U256::from(100), "{got} for {paid}");
    let before = devnet.ask("indices", pool.address, &Pool::getDebtAndCollateralIndexCall {}).await.unwrap().debtIndex;
    mined(&devnet, vec![world.rival_liquidation(&pool, best).await.unwrap()]).await;
    let after = devnet.ask("indices", pool.address, &Pool::getDebtAndCollateralIndexCall {}).await.unwrap().debtIndex;
    assert!(after > before, "the rest is everybody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn i_a_trade_alone_moves_the_lowest_price() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let (trader, position) = world.spot_is_lowest().await.unwrap();
    let pool = position.pool.clone();
    let before = world.price(&pool).await.unwrap();
    assert!(world.ticks_from(&pool, thousandths(880)).await.unwrap().is_empty());
    let sale = devnet.sells(&trader, U256::from(380_000_000_u64)).await.unwrap();
    let report = devnet.build_block().await.unwrap();
    succeeded(&report, &[sale]);
    let after = world.price(&pool).await.unwrap();
    assert_eq!(after.anchorPrice, before.anchorPrice, "no feed has moved");
    assert!(after.minPrice < before.minPrice && after.minPrice > before.minPrice * U256::from(99) / U256::from(100));
    let ticks = world.ticks_from(&pool, thousandths(880)).await.unwrap();
    let held = devnet.ask("position", pool.address, &Pool::positionDataCall { id: position.id }).await.unwrap();
    assert_eq!(ticks.iter().map(|tick| tick.number).collect::<Vec<_>>(), [held.tick]);
}

#[tokio::test(flavor = "multi_thread")]
async fn k_closed_nodes_lead_to_the_tick_that_took_them_in() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let merged = world.ticks_merge().await.unwrap();
    assert!(merged.closed.len() >= 2 && merged.positions.len() == merged.closed.len() && merged.into.is_live);
    for (node, position) in merged.closed.iter().zip(&merged.positions) {
        let (link, _) = world.node(&merged.pool, *node).await.unwrap();
        assert_eq!(link.parent, merged.into.node);
        let held = devnet.ask("position", merged.pool.address, &Pool::positionDataCall { id: position.id }).await.unwrap();
        assert_eq!(held.nodeId.to::<u64>(), *node, "the position still names its old node");
        assert_ne!(held.tick, merged.into.number);
    }
    let (root, shares) = world.node(&merged.pool, merged.into.node).await.unwrap();
    assert_eq!((root.parent, root.tick), (0, merged.into.number));
    // What the positions are worth by their chains is what the tick holds, but for roundings.
    let mut sum = U256::ZERO;
    for position in &merged.positions {
        sum += devnet.ask("position", merged.pool.address, &Pool::getPositionCall { id: position.id }).await.unwrap().rawDebts;
    }
    assert!(shares.debt.abs_diff(sum) < U256::from(1_000_000), "{} and {sum}", shares.debt);
    devnet.price_moves("ETH/USD", -150).await.unwrap();
    devnet.build_block().await.unwrap();
    assert_eq!(world.ticks_from(&merged.pool, thousandths(880)).await.unwrap()[0], merged.into);
}

#[tokio::test(flavor = "multi_thread")]
async fn l_time_alone_makes_a_tick_eligible() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let position = world.funding_approaches().await.unwrap();
    let pool = position.pool.clone();
    let usdc = devnet.contracts().token("USDC").unwrap().address;
    let tick = world.top_tick(&pool).await.unwrap();
    let call = BaseTick::rebalanceCall { pool: pool.address, tick, tokenIn: usdc, maxAmount: units(MUCH, 6), minCollOut: U256::ZERO };
    let rival = devnet.rival().address();
    let mut used = Vec::new();
    for slot in 0..8 {
        match called(&devnet, rival, world.base_pool, &call).await {
            Ok(done) => used.push(done.tokenUsed),
            Err(data) => assert!(slot < 3 && data == ErrorRebalanceDebtRatioNotReached {}.abi_encode(), "slot {slot}: {data}"),
        }
        let report = devnet.build_block().await.unwrap();
        assert!(report.txs.is_empty(), "nothing but time");
    }
    assert!(used.len() >= 5 && used.is_sorted() && used[used.len() - 1] > units(100, 6), "{used:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn m_half_of_a_tick_is_left_when_somebody_takes_the_other() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let pool = world.pool("wstETH", Side::Long).unwrap();
    let usdc = devnet.contracts().token("USDC").unwrap().address;
    devnet.price_moves("ETH/USD", -300).await.unwrap();
    devnet.build_block().await.unwrap();
    let top = world.ticks_from(&pool, thousandths(880)).await.unwrap()[0];
    let rebalance = |tick: i16| BaseTick::rebalanceCall { pool: pool.address, tick, tokenIn: usdc, maxAmount: units(MUCH, 6), minCollOut: U256::ZERO };
    let whole = called(&devnet, devnet.rival().address(), world.base_pool, &rebalance(top.number)).await.unwrap().tokenUsed;
    let half = world.rival_rebalance(&pool, top.number, whole / U256::from(2), units(1, 16)).await.unwrap();
    let receipts = mined(&devnet, vec![half]).await;
    let moved = receipts.iter().flat_map(|receipt| &receipt.logs).find_map(|log| Pool::TickMovement::decode_log(&log.inner).ok()).unwrap();
    assert_eq!(moved.oldTick, top.number);
    assert!(moved.newTick < top.number && !world.tick(&pool, top.number).await.unwrap().is_live, "the rest has another number");
    let rest = called(&devnet, devnet.rival().address(), world.base_pool, &rebalance(moved.newTick)).await.unwrap().tokenUsed;
    assert!(rest > whole * U256::from(49) / U256::from(100) && rest < whole * U256::from(52) / U256::from(100), "{rest} of {whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn n_new_debt_fills_an_emptied_tick_with_another_node() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let pool = world.pool("wstETH", Side::Long).unwrap();
    let before = devnet.answer("ETH/USD").await.unwrap();
    let opening = harrier::devnet::fx::Opening { who: "nina", pool: pool.clone(), dollars: 60_000, ratio: 866_000 };
    let nina = world.open(&[opening]).await.unwrap().remove(0);
    let first = world.tick(&pool, world.top_tick(&pool).await.unwrap()).await.unwrap();
    devnet.price_moves("ETH/USD", -300).await.unwrap();
    devnet.build_block().await.unwrap();
    mined(&devnet, vec![world.rival_whole_rebalance(&pool, units(MUCH, 6)).await.unwrap()]).await;
    assert!(!world.tick(&pool, first.number).await.unwrap().is_live);
    devnet.price_mined("ETH/USD", before).await.unwrap();
    world.open_alike("noah", &nina).await.unwrap();
    let again = world.tick(&pool, first.number).await.unwrap();
    assert!(again.is_live && again.node != first.node && again.shares == first.shares, "{first:?} {again:?}");
    assert_eq!(devnet.answer("ETH/USD").await.unwrap(), I256::try_from(250_000_000_000_i64).unwrap());
}
