//! Flux on a devnet: vaults and wrappers stand as said, people borrow, prices move them, a rival liquidates.

use crate::support::{identity, next_block, result, send_bundle};
use alloy::{
    primitives::{Address, B256, Bytes, I256, U256},
    sol_types::SolEvent,
};
use harrier::devnet::{
    Devnet, DevnetConfig,
    flux::{
        Keeper, Terms,
        abi::{Registry, Strategy, Vault, Wrapper},
    },
};
use serde_json::json;

async fn devnet(flux_vaults: Vec<Terms>) -> Devnet {
    Devnet::start(DevnetConfig { flux: true, flux_vaults, ..DevnetConfig::default() }).await.unwrap()
}

fn usdc(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000)
}

fn wad(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(18))
}

fn percent(parts: u64) -> U256 {
    wad(parts) / U256::from(100)
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_have_their_terms_and_prices_are_the_feeds() {
    let by_account = Terms::named("by account").keeper(Keeper::Account(Address::repeat_byte(7))).lent(7);
    let devnet = devnet(vec![by_account, Terms::named("open").keeper(Keeper::Anyone), Terms::named("own").keeper(Keeper::Executor)]).await;
    let world = devnet.flux_world().unwrap();
    for (name, margin) in [("standard", 1), ("altruistic", 0), ("generous", 20)] {
        let vault = world.vault(name).unwrap();
        let books = world.books(vault).await.unwrap();
        assert_eq!((books.cash, books.assets, books.debt, books.share_price), (usdc(1_000_000), usdc(1_000_000), U256::ZERO, wad(1)));
        assert_eq!(devnet.ask("strategy", vault.address, &Vault::STRATEGYCall {}).await.unwrap(), vault.strategy);
        assert_eq!(devnet.ask("margin", vault.strategy, &Strategy::liquidationProfitMarginCall {}).await.unwrap(), percent(margin));
        assert_eq!(devnet.ask("threshold", vault.strategy, &Strategy::liquidationThresholdCall {}).await.unwrap(), percent(110));
        assert_eq!(devnet.ask("rate", vault.strategy, &Strategy::yearlyRateCall {}).await.unwrap(), percent(10));
    }
    for (symbol, price) in [("USDC", 1), ("WETH", 2_500), ("WBTC", 100_000)] {
        let asset = devnet.contracts().token(symbol).unwrap().address;
        assert_eq!(devnet.ask("price", world.registry, &Registry::getPriceUSDCall { asset }).await.unwrap(), wad(price), "{symbol}");
    }
    for wrapper in &world.wrappers {
        assert_eq!(devnet.ask("underlying", wrapper.address, &Wrapper::underlyingAssetCall {}).await.unwrap(), wrapper.underlying, "{}", wrapper.name);
    }
    assert_eq!(world.executor_of(world.rival).await.unwrap(), world.rival);
    let executor = devnet.owner().unwrap().address().create(0);
    for (name, keeper) in [("by account", Address::repeat_byte(7)), ("open", Address::ZERO), ("own", executor)] {
        let vault = world.vault(name).unwrap().address;
        assert_eq!(devnet.ask("keeper", vault, &Vault::adlManagerCall {}).await.unwrap(), keeper, "{name}");
    }
    assert_eq!(world.books(world.vault("by account").unwrap()).await.unwrap().cash, usdc(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_price_makes_the_documented_example_and_a_rival_takes_it() {
    let devnet = devnet(Vec::new()).await;
    let world = devnet.flux_world().unwrap();
    let vault = world.vault("interest-free").unwrap().clone();
    devnet.price_mined("ETH/USD", I256::try_from(800_000_000_000_i64).unwrap()).await.unwrap();
    let story = world.manager("alice").of(&vault).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", wad(12));
    let alice = story.opens().await.unwrap().remove(0);
    let before = world.standing(&vault, alice.script).await.unwrap();
    assert_eq!((before.debt, before.value_usd, before.health), (usdc(100_000), wad(116_000), percent(116)));
    assert!(!before.is_liquidatable);

    let update = devnet.price("ETH/USD", I256::try_from(250_000_000_000_i64).unwrap()).await.unwrap();
    let raw: Bytes = result(&devnet, "eth_getRawTransactionByHash", json!([update])).await.as_str().unwrap().parse().unwrap();
    let theirs = world.rival_liquidation(&alice, U256::from(10).pow(U256::from(15))).await.unwrap();
    let hash = send_bundle(&devnet, &identity("rival"), json!({"txs": [raw, theirs], "blockNumber": next_block(&devnet)})).await;
    let report = devnet.build_block().await.unwrap();
    assert!(report.bundle(hash).is_some(), "{:?}", report.rejected);
    let receipts = devnet.node().newest_receipts().await.unwrap();
    let told = receipts.iter().flat_map(|receipt| &receipt.logs).find_map(|log| Vault::Liquidated::decode_log(&log.inner).ok()).unwrap();
    assert_eq!((told.manager, told.liquidator, told.positionValueUsd), (alice.script, world.rival, wad(50_000)));
    assert_eq!((told.debtCleared, told.payment, told.badDebt), (usdc(100_000), usdc(49_500), usdc(50_500)));
    let books = world.books(&vault).await.unwrap();
    assert_eq!((books.assets, books.cash, books.share_price, books.managers), (usdc(949_500), usdc(949_500), wad(949_500) / U256::from(1_000_000), U256::ZERO));
    assert!(world.left_of(&vault, alice.script).await.unwrap().is_empty());
    assert_eq!(devnet.balance_of("WETH", world.rival).await.unwrap(), wad(12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_its_bond_its_capital_and_its_registered_wrappers() {
    let devnet = devnet(Vec::new()).await;
    let world = devnet.flux_world().unwrap();
    let vault = world.vault("standard").unwrap().clone();
    // Ether is dearer in the market than in the feed.
    devnet.market_moves("WETH", "USDC", 1_200).await.unwrap();
    let story = world.manager("alice").bond(usdc(20_000)).borrows(usdc(100_000)).keeps(usdc(5_000)).holds("WBTC", U256::from(100_000_000_u64));
    let story = story.hides("WETH", wad(3)).manager("nina").bond(usdc(20_000)).borrows(usdc(100_000)).bids(usdc(95_000), 360, 740);
    let managers = story.manager("mallory").bond(usdc(10_000)).borrows(usdc(10_000)).holds("blind WETH", wad(2)).opens().await.unwrap();
    let [alice, nina, mallory] = <[_; 3]>::try_from(managers).unwrap();

    let of_alice = world.standing(&vault, alice.script).await.unwrap();
    assert_eq!((of_alice.value_usd, of_alice.working_capital), (wad(125_000), usdc(5_000)), "what is hidden does not count");
    assert_eq!(world.held(&vault, alice.held[1].wrapper, alice.script, B256::ZERO).await.unwrap(), wad(3));
    assert_eq!(of_alice.debt, usdc(100_000));
    devnet.build_block().await.unwrap();
    let later = world.standing(&vault, alice.script).await.unwrap().debt;
    assert_eq!(later - of_alice.debt, U256::from(3_806), "12 seconds of 10,000 dollars a year, rounded up");

    // All of nina's position is dollars while ether costs more, but for a unit of rounding, and ether at the feed's price afterwards.
    let of_nina = world.standing(&vault, nina.script).await.unwrap();
    assert!(of_nina.value_usd.abs_diff(wad(115_000)) <= U256::from(10).pow(U256::from(12)), "{of_nina:?}");
    devnet.market_moves("WETH", "USDC", -1_071).await.unwrap();
    let fallen = world.standing(&vault, nina.script).await.unwrap();
    assert!(fallen.value_usd < wad(110_000) && fallen.value_usd > wad(109_000) && fallen.is_liquidatable, "{fallen:?}");

    assert_eq!(world.standing(&vault, mallory.script).await.unwrap().value_usd, wad(15_000));
    world.blinds(true).await.unwrap();
    devnet.build_block().await.unwrap();
    assert!(world.standing(&vault, mallory.script).await.is_err());
    assert!(world.standing(&vault, alice.script).await.is_ok());

    world.lenders_leave(&vault, usdc(40_000)).await.unwrap();
    assert_eq!(world.books(&vault).await.unwrap().cash, usdc(40_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_of_another_rule_waits_for_its_block_and_takes_the_healthy() {
    let devnet = devnet(vec![Terms::named("patient").patience(12, 30_000)]).await;
    let world = devnet.flux_world().unwrap();
    let vault = world.vault("patient").unwrap().clone();
    let story = world.manager("paul").of(&vault).bond(usdc(5_000)).borrows(usdc(20_000)).holds("WETH", wad(8));
    let paul = story.opens().await.unwrap().remove(0);
    // Four blocks were mined since the vault was begun: two for it and two for paul.
    let mut said = Vec::new();
    for _ in 0..12 {
        let standing = world.standing(&vault, paul.script).await.unwrap();
        assert!(standing.health > percent(124));
        said.push(standing.is_liquidatable);
        devnet.build_block().await.unwrap();
    }
    assert_eq!(said.iter().position(|said| *said), Some(8), "{said:?}");
    assert!(said[8..].iter().all(|said| *said));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nowhere_with_somebodys_executor() {
    let devnet = devnet(Vec::new()).await;
    let world = devnet.flux_world().unwrap();
    let story = world.manager("alice").bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", wad(36));
    let alice = story.opens().await.unwrap().remove(0);
    // Interest has made her liquidatable: exactly 110 % was the most.
    let vault = alice.vault.clone();
    devnet.build_block().await.unwrap();
    assert!(world.standing(&vault, alice.script).await.unwrap().is_liquidatable);
    let stranger = world.stranger(world.rival).await.unwrap();
    assert_eq!(world.executor_of(stranger.address()).await.unwrap(), world.rival);
    // What would empty the rival's executor, if it took orders from anybody.
    let data = Bytes::from(alloy::sol_types::SolValue::abi_encode(&Vec::<(Address, Bytes)>::new()));
    let hashes = world.attacks(&stranger, world.rival, &alice, &data).await.unwrap();
    let report = devnet.build_block().await.unwrap();
    assert_eq!(report.txs, hashes);
    assert_eq!(report.succeeded, [false; 4]);
    assert_eq!(world.books(&vault).await.unwrap().managers, U256::from(1));
}
