//! The contracts and the people on them.

use crate::support::{devnet, identity, next_block, result, send_bundle};
use alloy::{
    primitives::{Bytes, I256, U256},
    providers::{Provider, ProviderBuilder},
    rpc::types::Filter,
};
use harrier::devnet::{Devnet, DevnetConfig, Person, SLOT_SECONDS, Seed};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn real_contracts_lend_borrow_and_liquidate() {
    let devnet = devnet().await;
    let contracts = devnet.contracts().clone();
    assert_eq!(contracts.markets.len(), 4);
    assert_eq!(contracts.pools.len(), 3);
    let market = contracts.market("weth-usdc").unwrap();
    let ether = U256::from(10u128.pow(18));
    let people = devnet
        .story()
        .borrower("alice")
        .collateral(U256::from(20) * ether)
        .health(1_050_000_000_000_000_000)
        .borrower("bob")
        .debt(U256::from(5_000_000_000u64))
        .open()
        .await
        .unwrap();
    assert_eq!(people[1].debt, U256::from(5_000_000_000u64));
    let alice = &people[0];
    let (shares, collateral) = devnet.position(market, alice.person.address()).await.unwrap();
    assert!(shares > 0 && U256::from(collateral) == U256::from(20) * ether);

    // The rival sees the price fall and takes half of it, in the same block, for a payment by tip.
    let trigger = devnet.price_moves("ETH/USD", -800).await.unwrap();
    let raw_trigger: Bytes = result(&devnet, "eth_getRawTransactionByHash", json!([trigger])).await.as_str().unwrap().parse().unwrap();
    let payment = U256::from(10u128.pow(16));
    let rival = devnet.rival_liquidation(market, alice.person.address(), U256::from(10) * ether, payment).await.unwrap();
    let before = devnet.balance_of("WETH", devnet.rival().address()).await.unwrap();
    let hash = send_bundle(&devnet, &identity("rival"), json!({"txs": [raw_trigger, rival], "blockNumber": next_block(&devnet)})).await;
    let report = devnet.build_block().await.unwrap();
    let bundle = report.bundle(hash).unwrap_or_else(|| panic!("{:?}", report.rejected));
    assert!(U256::try_from(bundle.coinbase_diff).unwrap() >= payment);
    let after = devnet.balance_of("WETH", devnet.rival().address()).await.unwrap();
    assert_eq!(after - before, U256::from(10) * ether);

    // A market loses its price and gets it back.
    let fragile = contracts.market("stake-usdc").unwrap();
    devnet.stop_feed("STAKE/USD", true).await.unwrap();
    devnet.build_block().await.unwrap();
    assert!(devnet.oracle_price(fragile).await.is_err());
    devnet.stop_feed("STAKE/USD", false).await.unwrap();
    devnet.build_block().await.unwrap();
    assert!(devnet.oracle_price(fragile).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn interest_alone_makes_a_full_position_unhealthy_in_the_next_block() {
    let devnet = devnet().await;
    let market = devnet.contracts().market("weth-usdc").unwrap().clone();
    let people = devnet.story().borrower("dora").debt_to_the_brim().open().await.unwrap();
    let rival = devnet.rival_liquidation(&market, people[0].person.address(), U256::from(10u128.pow(18)), U256::from(10u128.pow(15))).await.unwrap();
    let hash = send_bundle(&devnet, &identity("rival"), json!({"txs": [rival], "blockNumber": next_block(&devnet)})).await;
    let report = devnet.build_block().await.unwrap();
    assert!(report.bundle(hash).is_some(), "{:?}", report.rejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_borrowers_are_the_same_every_time() {
    let start = std::time::Instant::now();
    let config = || DevnetConfig { seed: Some(Seed::default()), ..DevnetConfig::default() };
    let (one, two) = tokio::join!(Devnet::start(config()), Devnet::start(config()));
    let (one, two) = (one.unwrap(), two.unwrap());
    println!("two devnets with 300 borrowers: {:?}", start.elapsed());
    assert_eq!(one.contracts(), two.contracts(), "addresses and ids");
    let mut open = 0;
    for number in 0..300 {
        let who = Person::named(&harrier::devnet::borrower_name(number)).address();
        for market in one.contracts().markets.values() {
            let (here, there) = (one.position(market, who).await.unwrap(), two.position(market, who).await.unwrap());
            assert_eq!(here, there);
            open += usize::from(here.0 > 0);
        }
    }
    assert_eq!(open, 300);
    let report = one.build_block().await.unwrap();
    assert!(report.txs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_the_devnet_goes_its_own_way() {
    let devnet = devnet().await;
    devnet.story().borrower("erin").open().await.unwrap();
    let fork = devnet.fork().await.unwrap();
    assert_eq!(fork.head(), devnet.head());
    let market = devnet.contracts().market("weth-usdc").unwrap();
    let erin = Person::named("erin").address();
    assert_eq!(fork.position(market, erin).await.unwrap(), devnet.position(market, erin).await.unwrap());
    let report = fork.price_mined("ETH/USD", I256::try_from(200_000_000_000i64).unwrap()).await.unwrap();
    assert_eq!(report.head.parent_hash, devnet.head().hash);
    assert_eq!(report.head.timestamp, devnet.head().timestamp + SLOT_SECONDS);
    assert_eq!(report.succeeded, [true]);
    assert_eq!(devnet.answer("ETH/USD").await.unwrap(), I256::try_from(250_000_000_000i64).unwrap());
    let rival = fork.rival_liquidation(market, erin, U256::from(10u128.pow(18)), U256::from(10u128.pow(15))).await.unwrap();
    let hash = send_bundle(&fork, &identity("rival"), json!({"txs": [rival], "blockNumber": next_block(&fork)})).await;
    let report = fork.build_block().await.unwrap();
    assert!(report.bundle(hash).is_some(), "{:?}", report.rejected);
    let logs =
        ProviderBuilder::new().connect_http(fork.http_url().parse().unwrap()).get_logs(&Filter::new().address(devnet.contracts().morpho).from_block(0)).await;
    assert!(logs.unwrap().len() > 4, "history of before the fork is served");
}

mod fx_abi {
    #![allow(missing_docs, clippy::pedantic, reason = "the interface's own names")]
    alloy::sol! {
        interface IFxPool {
            function getTopTick() external view returns (int16);
            function getTotalRawDebts() external view returns (uint256);
            function getTotalRawCollaterals() external view returns (uint256);
            function getNextPositionId() external view returns (uint32);
        }
        interface IFxOracle {
            function getPrice() external view returns (uint256 anchorPrice, uint256 minPrice, uint256 maxPrice);
        }
        interface IConfiguration {
            function isStableRepayAllowed() external view returns (bool);
        }
        interface IBasePool {
            function totalYieldToken() external view returns (uint256);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_x_has_positions_in_all_its_pools() {
    use fx_abi::{IBasePool, IConfiguration, IFxOracle, IFxPool};
    let devnet = Devnet::start(DevnetConfig { fx: true, ..DevnetConfig::default() }).await.unwrap();
    let fx = devnet.fx().unwrap();
    let wad = U256::from(10).pow(U256::from(18));
    for pair in &fx.pairs {
        let price = devnet.ask("price", pair.oracle, &IFxOracle::getPriceCall {}).await.unwrap();
        let expected = U256::from(if pair.symbol == "WBTC" { 100_000 } else { 2_500 }) * wad;
        for price in [price.anchorPrice, price.minPrice, price.maxPrice] {
            assert!(price.abs_diff(expected) < expected / U256::from(1_000), "{} at {price}", pair.symbol);
        }
        for pool in [pair.long, pair.short] {
            let debts = devnet.ask("debt", pool, &IFxPool::getTotalRawDebtsCall {}).await.unwrap();
            let ids = devnet.ask("positions", pool, &IFxPool::getNextPositionIdCall {}).await.unwrap();
            assert!(!debts.is_zero() && ids > 24, "{} has {ids} positions and owes {debts}", pair.symbol);
            // The boldest owe 86 % of their collateral: below the 88 % at which a tick may be rebalanced.
            let top = devnet.ask("top tick", pool, &IFxPool::getTopTickCall {}).await.unwrap();
            let collateral = devnet.ask("collateral", pool, &IFxPool::getTotalRawCollateralsCall {}).await.unwrap();
            assert!(top > -32_768 && !collateral.is_zero());
        }
    }
    assert!(!devnet.ask("gate", fx.configuration, &IConfiguration::isStableRepayAllowedCall {}).await.unwrap(), "fxUSD is at its peg");
    assert_eq!(devnet.ask("fxUSD", fx.base_pool, &IBasePool::totalYieldTokenCall {}).await.unwrap(), U256::from(6_000_000) * wad);
}
