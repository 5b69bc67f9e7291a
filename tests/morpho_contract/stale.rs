//! What a value was read from says when it is stale: not too late, and not too often.

use crate::world::{Feed, IMorpho, Token, World, id, own, params, reference, tx};
use alloy::{
    primitives::{Address, B256, Bytes, I256, U256},
    sol_types::SolCall,
};
use harrier::{
    book::{Book, Stale},
    devnet::{Person, borrower_name},
    fork::{SimTx, Trail, TxStatus, View},
    plan::{SkipReason, TargetKey},
    protocols::{
        Protocol,
        morpho::{Morpho, MorphoSetup},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// What a pending transaction would make stale.
fn stale_by(world: &World, book: &Book, view: &View, pending: &SimTx) -> Stale {
    let execution = view.execute(&world.block(), std::slice::from_ref(pending)).unwrap();
    assert_eq!(execution.txs[0].status, TxStatus::Success);
    book.stale(&view.diff(&execution.layer).unwrap())
}

fn markets(world: &World, names: &[&str]) -> BTreeSet<harrier::book::MarketRef> {
    names.iter().map(|name| reference(&world.market(name))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_transaction_makes_stale_what_it_touches_and_nothing_else() {
    let world = World::start(12).await;
    let mut book = world.book(&world.morpho).await;
    tokio::task::block_in_place(|| {
        let (view, block) = (world.view(), world.block());
        assert!(book.refresh(&view, &block).failed.is_empty());
        let none = BTreeSet::new();

        // A feed's answer: the markets whose oracles read it, no position.
        for (feed, names) in [
            ("ETH/USD", &["weth-usdc"][..]),
            ("BTC/USD", &["wbtc-usdc"]),
            ("STAKE/ETH", &["stake-weth"]),
            ("STAKE/USD", &["stake-usdc"]),
            ("USDC/USD", &["weth-usdc", "wbtc-usdc", "stake-usdc"]),
        ] {
            let first = i128::try_from(world.devnet.contracts().feed(feed).unwrap().first_answer).unwrap();
            let pending = world.price(&view, &block, feed, first * 9 / 10);
            let stale = stale_by(&world, &book, &view, &pending);
            assert_eq!((stale.markets, &stale.targets.len()), (markets(&world, names), &0), "{feed}");
        }

        // Collateral for somebody: that position only, since it accrues nothing.
        let market = world.market("weth-usdc");
        let who = Person::named(&borrower_name(0)).address();
        let theirs = BTreeSet::from([(reference(&market), TargetKey::Account(who))]);
        let deployer = world.devnet.deployer().unwrap().address();
        let ask = |from: Address, to: Address, call: &dyn Fn() -> Vec<u8>| stale_by(&world, &book, &view, &tx(&view, &block, from, to, call()));
        let pledge = || IMorpho::supplyCollateralCall { params: params(&market), assets: U256::ONE, onBehalf: who, data: Bytes::new() }.abi_encode();
        let stale = ask(deployer, world.contract(), &pledge);
        assert_eq!((&stale.markets, &stale.targets), (&none, &theirs));

        // A loan: the position, and the market whose totals it changes; no neighbour.
        let borrow = || IMorpho::borrowCall { params: params(&market), assets: U256::ONE, shares: U256::ZERO, onBehalf: who, receiver: who }.abi_encode();
        let stale = ask(who, world.contract(), &borrow);
        assert_eq!((&stale.markets, &stale.targets), (&markets(&world, &["weth-usdc"]), &theirs));

        // Interest or a lender: the market, nobody's position.
        let accrue = || IMorpho::accrueInterestCall { params: params(&market) }.abi_encode();
        let stale = ask(deployer, world.contract(), &accrue);
        assert_eq!((&stale.markets, stale.targets.len()), (&markets(&world, &["weth-usdc"]), 0));
        let supply = || IMorpho::supplyCall { params: params(&market), assets: U256::from(9), shares: U256::ZERO, onBehalf: deployer, data: Bytes::new() };
        let stale = ask(deployer, world.contract(), &|| supply().abi_encode());
        assert_eq!((&stale.markets, stale.targets.len()), (&markets(&world, &["weth-usdc"]), 0));

        // What has nothing to do with any of it.
        let (usdc, weth) = (market.loan.address, market.collateral.address);
        for (to, call) in [
            (usdc, Token::transferCall { to: who, amount: U256::from(5) }.abi_encode()),
            (weth, Token::transferCall { to: world.contract(), amount: U256::from(5) }.abi_encode()),
            (usdc, Token::approveCall { spender: who, amount: U256::from(5) }.abi_encode()),
        ] {
            assert!(ask(deployer, to, &|| call.clone()).is_empty());
        }
    });
}

/// The feed's owner or transmitter says something, and it is mined.
async fn said(world: &World, book: &mut Book, hash: B256) -> Result<U256, SkipReason> {
    let head = world.mined(&[hash]).await;
    let diff = world.fork.roll(&head).await.unwrap().diff;
    let market = reference(&world.market("stake-usdc"));
    assert!(book.stale(&diff).markets.contains(&market), "the feed is in the read set whatever it says");
    book.changed(&diff);
    tokio::task::block_in_place(|| {
        assert!(book.refresh(&world.view(), &world.block()).failed.is_empty());
        let read = book.shelf(market).unwrap().reading().unwrap();
        read.value.as_ref().map(|reading| own(reading).price).map_err(|skip| skip.reason)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_fails_is_a_reason_and_comes_back_when_the_feed_works_again() {
    let world = World::start(3).await;
    let mut book = world.book(&world.morpho).await;
    let market = world.market("stake-usdc");
    let before = tokio::task::block_in_place(|| {
        book.refresh(&world.view(), &world.block());
        own(book.shelf(reference(&market)).unwrap().reading().unwrap().value.as_ref().unwrap()).price
    });

    let hash = world.devnet.stop_feed("STAKE/USD", true).await.unwrap();
    assert_eq!(said(&world, &mut book, hash).await, Err(SkipReason::PriceUnavailable));
    // What waits in the mempool is seen before it is mined.
    tokio::task::block_in_place(|| {
        let (view, owner) = (world.view(), world.devnet.deployer().unwrap().address());
        let restart = tx(&view, &world.block(), owner, world.feed("STAKE/USD"), Feed::setStoppedCall { stopped: false }.abi_encode());
        assert!(stale_by(&world, &book, &view, &restart).markets.contains(&reference(&market)));
        let view = view.with_layer(view.execute(&world.block(), &[restart]).unwrap().layer);
        assert_eq!(own(&world.morpho.read_market(&view, &world.block(), id(&market)).unwrap().value.unwrap()).price, before);
    });
    let hash = world.devnet.stop_feed("STAKE/USD", false).await.unwrap();
    assert_eq!(said(&world, &mut book, hash).await, Ok(before));

    let answer = world.devnet.answer("STAKE/USD").await.unwrap();
    let hash = world.devnet.price("STAKE/USD", I256::ZERO).await.unwrap();
    assert_eq!(said(&world, &mut book, hash).await, Err(SkipReason::PriceAbnormal));
    let hash = world.devnet.price("STAKE/USD", I256::MINUS_ONE).await.unwrap();
    assert_eq!(said(&world, &mut book, hash).await, Err(SkipReason::PriceUnavailable));
    let hash = world.devnet.price("STAKE/USD", answer).await.unwrap();
    assert_eq!(said(&world, &mut book, hash).await, Ok(before));
    // The loan token's feed divides.
    let dollar = world.devnet.answer("USDC/USD").await.unwrap();
    let hash = world.devnet.price("USDC/USD", I256::ZERO).await.unwrap();
    assert_eq!(said(&world, &mut book, hash).await, Err(SkipReason::PriceUnavailable));
    let hash = world.devnet.price("USDC/USD", dollar).await.unwrap();
    assert_eq!(said(&world, &mut book, hash).await, Ok(before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_costs_its_markets_and_not_their_positions() {
    let world = World::start(300).await;
    let markets = ["weth-usdc", "wbtc-usdc", "stake-weth"].map(|name| id(&world.market(name)));
    let morpho = Arc::new(Morpho::new(MorphoSetup { markets: Some(markets.into_iter().collect()), ..World::setup(&world.devnet) }));
    let mut book = world.book(&morpho).await;
    tokio::task::block_in_place(|| book.refresh(&world.view(), &world.block()));
    assert_eq!((book.target_count(), book.markets().count()), (300, 3));
    for _ in 0..2 {
        let report = world.devnet.build_block().await.unwrap();
        let diff = world.fork.roll(&report.head).await.unwrap().diff;
        book.changed(&diff);
        let trail = Arc::new(Trail::default());
        let done = tokio::task::block_in_place(|| book.refresh(&world.view().with_trail(Arc::clone(&trail)), &world.block()));
        // Time has passed, so what depends on it is computed again: each market once, no position. A market asks its oracle and its rate model.
        assert_eq!((done.markets, done.targets, done.failed.len()), (3, 0, 0));
        assert_eq!(trail.runs(), 6, "one run for each price and each rate");
        // The same head again costs nothing.
        let done = tokio::task::block_in_place(|| book.refresh(&world.view().with_trail(Arc::clone(&trail)), &world.block()));
        assert_eq!((done.markets, done.targets, trail.runs()), (0, 0, 6));
    }
}
