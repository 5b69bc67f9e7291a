//! When a manager of the documented rule has to be asked, told in advance.

use super::{
    alone::{block_after, fork_of},
    staged, usdc, weth,
};
use alloy::{
    primitives::{Address, U256},
    sol_types::{SolCall, SolValue},
};
use harrier::{
    book::{Book, MarketRef},
    devnet::{Artifact, FluxManager, SearcherFacts, rehearsal::Stage},
    drivers::assemble,
    fork::{Call, Fork, TargetBlock},
    plan::{MarketId, TargetKey},
    protocols::OrderKey,
};
use std::{path::Path, sync::Arc};

alloy::sol! {
    function setOracle(address asset, address oracle) external;
    function trueDebt(address manager) external view returns (uint256);
    function positionValueUsd(address manager) external view returns (uint256);
}

/// Prices that nothing moves, time included.
async fn fixed_prices(stage: &Stage) {
    let devnet = &stage.devnet;
    let deployer = devnet.deployer().unwrap();
    let registry = devnet.flux_world().unwrap().registry;
    for (symbol, dollars) in [("USDC", 1_u64), ("WETH", 2_500)] {
        let code = Artifact::own("FixedPriceOracle").unwrap();
        let oracle = deployer.address().create(devnet.node().nonce(deployer.address()).await.unwrap());
        let data = [&code.init_code[..], &(U256::from(dollars) * weth(1)).abi_encode()].concat();
        for (to, data) in [(None, data), (Some(registry), setOracleCall { asset: devnet.contracts().token(symbol).unwrap().address, oracle }.abi_encode())] {
            let raw = devnet.signed(&deployer, to, U256::ZERO, data.into(), 3_000_000, 1_000_000_000).await.unwrap();
            devnet.send_public(raw).await.unwrap();
            devnet.build_block().await.unwrap();
        }
    }
}

fn asked(fork: &Fork, block: &TargetBlock, call: &Call) -> U256 {
    let outcome = fork.view().call(block, call).unwrap();
    U256::abi_decode(&outcome.output).unwrap()
}

/// Value by debt, in 2 percent of the threshold of 1.1: below one it has to be asked.
fn is_near(fork: &Fork, block: &TargetBlock, manager: &FluxManager) -> bool {
    let ask = |data: Vec<u8>| asked(fork, block, &Call::new(manager.vault.address, data.into()));
    let (debt, value) = (ask(trueDebtCall { manager: manager.script }.abi_encode()), ask(positionValueUsdCall { manager: manager.script }.abi_encode()));
    // Dollars of 18 digits against units of USDC at one dollar.
    value * U256::from(1_000) < debt * U256::from(1_000_000_000_000_u64) * U256::from(1_122)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_is_asked_from_the_second_in_which_interest_brings_it_near() {
    let stage = staged().await;
    fixed_prices(&stage).await;
    // Health 1.1225 at the start; the standard vault takes 10 % a year.
    let story = stage.devnet.flux_world().unwrap().manager("ina").bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(36)).keeps(usdc(2_250));
    let ina = story.opens().await.unwrap().pop().unwrap();
    let facts = SearcherFacts { executor: None, receiver: Address::repeat_byte(7), ledger: Path::new("unused.sqlite") };
    let (config, _) = stage.devnet.searcher(&facts, &[]).unwrap();
    let flux = assemble::protocols(&config).into_iter().find(|protocol| protocol.id().to_string() == "flux").unwrap();
    let fork = fork_of(&stage.devnet);
    tokio::task::block_in_place(|| {
        let (view, block) = (fork.view(), block_after(&stage.devnet, &fork.head()));
        let (market, key) = (MarketRef { protocol: 0, market: MarketId(ina.vault.address.into_word()) }, TargetKey::Account(ina.script));
        let read = flux.read_target(&view, &block, market.market, key).unwrap().value.unwrap();
        let OrderKey::From(second) = read.key else { panic!("{:?}", read.key) };
        assert!(second > block.timestamp, "not yet");
        let at = |timestamp| TargetBlock { timestamp, ..block.clone() };
        assert!(is_near(&fork, &at(second), &ina) && !is_near(&fork, &at(second - 1), &ina), "{second}");

        let mut book = Book::new(vec![Arc::clone(&flux)]);
        flux.discoverer().found().into_iter().for_each(|found| book.found(0, found));
        assert!(book.refresh(&view, &block).failed.is_empty());
        let reading = book.shelf(market).unwrap().reading().unwrap().value.clone().unwrap();
        assert!(!book.beyond(market, &reading, &at(second - 1)).contains(&key));
        assert!(book.beyond(market, &reading, &at(second)).contains(&key));
    });
}
