//! Ways that are closed and opened: repayment in USDC, and prices that are too old.

use crate::support::{called, devnet, mined, thousandths, units, words};
use alloy::{
    primitives::U256,
    sol,
    sol_types::{SolError, SolEvent},
};
use harrier::devnet::fx::{
    Side,
    abi::{BaseTick, BaseWhole, Gates, LongTold, SpotOracle},
};

sol! {
    error ErrorStableRepayNotAllowed();
}

#[tokio::test(flavor = "multi_thread")]
async fn h_beyond_the_base_pools_fx_usd_only_an_open_gate_lets_usdc_repay() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    world.base_pool_used_up(30_000).await.unwrap();
    let own = devnet.ask("fxUSD", world.base_pool, &BaseWhole::totalYieldTokenCall {}).await.unwrap();
    assert!(own.abs_diff(units(30_000, 18)) < units(10, 18), "{own} is left");
    let pool = world.pool("wstETH", Side::Long).unwrap();
    let usdc = devnet.contracts().token("USDC").unwrap().address;
    devnet.price_moves("ETH/USD", -1_100).await.unwrap();
    devnet.build_block().await.unwrap();
    let debt: U256 = world.ticks_from(&pool, thousandths(950)).await.unwrap().iter().map(|tick| tick.shares.debt).sum();
    assert!(debt > own * U256::from(3));
    let liquidate = |max: U256| BaseWhole::liquidateCall { pool: pool.address, tokenIn: usdc, maxAmount: max, minCollOut: U256::ZERO };
    let rival = devnet.rival().address();
    let within = called(&devnet, rival, world.base_pool, &liquidate(own / units(1, 12))).await.unwrap();
    assert!(within.tokenUsed * units(1, 12) <= own && within.colls > U256::ZERO);
    let beyond = called(&devnet, rival, world.base_pool, &liquidate(units(100_000, 6))).await.err().unwrap();
    assert_eq!(beyond, ErrorStableRepayNotAllowed {}.abi_encode());

    world.stable_repay_opens().await.unwrap();
    assert!(devnet.ask("gate", world.configuration, &Gates::isStableRepayAllowedCall {}).await.unwrap());
    let receipts = mined(&devnet, vec![world.rival_liquidation(&pool, units(100_000, 6)).await.unwrap()]).await;
    let told = receipts.iter().flat_map(|receipt| &receipt.logs).find_map(|log| LongTold::Liquidate::decode_log(&log.inner).ok()).unwrap();
    assert!(told.stableDebts > U256::ZERO && told.fxUSDDebts == own);
}

#[tokio::test(flavor = "multi_thread")]
async fn j_a_stale_feed_closes_its_market_and_no_other() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    world.feed_grows_stale("BTC/USD").await.unwrap();
    let (fresh, stale) = (world.pool("wstETH", Side::Long).unwrap(), world.pool("WBTC", Side::Long).unwrap());
    let somebody = devnet.rival().address();
    let usdc = devnet.contracts().token("USDC").unwrap().address;
    assert!(called(&devnet, somebody, fresh.oracle, &SpotOracle::getPriceCall {}).await.is_ok());
    assert_eq!(called(&devnet, somebody, stale.oracle, &SpotOracle::getPriceCall {}).await.err().unwrap(), words("expired"));
    let whole = BaseWhole::rebalanceCall { pool: stale.address, tokenIn: usdc, maxAmount: units(1_000, 6), minCollOut: U256::ZERO };
    assert_eq!(called(&devnet, somebody, world.base_pool, &whole).await.err().unwrap(), words("expired"));
    let tick = world.top_tick(&stale).await.unwrap();
    let one = BaseTick::rebalanceCall { pool: stale.address, tick, tokenIn: usdc, maxAmount: units(1_000, 6), minCollOut: U256::ZERO };
    assert_eq!(called(&devnet, somebody, world.base_pool, &one).await.err().unwrap(), words("expired"));

    // An update makes it fresh again, and its fall counts.
    devnet.price_moves("BTC/USD", -300).await.unwrap();
    devnet.build_block().await.unwrap();
    assert!(world.ticks_from(&stale, thousandths(880)).await.unwrap().len() >= 3);
    assert!(called(&devnet, somebody, world.base_pool, &whole).await.is_ok());
}
