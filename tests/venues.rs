//! Quotes and routes over real Uniswap V3 contracts on a local chain, held against what real swaps move.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what it expects")]

#[path = "venues/stable.rs"]
mod stable;
mod uniswap_world;

use alloy::primitives::{Address, U256};
use harrier::{
    flash::{self, Lender, MorphoFlavour, MorphoLender},
    fork::{Layer, ReadSet, View},
    plan::{FlashKind, SkipReason, Step},
    venues::{Floor, Graph, Probe, Refusal, Router, RouterLimits, UniswapV3, UniswapV3Pool, Venue, VenueError},
};
use std::sync::Arc;
use uniswap_world::World;

const TIERS: [u32; 3] = [500, 3_000, 10_000];

/// Pools as the factory knows them.
fn discover(world: &World, view: &View) -> Vec<UniswapV3Pool> {
    let [weth, wbtc, usdc, dai] = world.tokens();
    let pairs = [(wbtc, weth), (weth, usdc), (wbtc, usdc), (usdc, dai), (dai, weth)];
    UniswapV3::new("uniswap_v3", world.factory()).discover(view, &world.block(), &pairs, &TIERS, &mut ReadSet::default()).unwrap()
}

fn router(world: &World, view: &View, max_hops: usize) -> Router {
    let venues = discover(world, view).into_iter().map(|pool| Arc::new(pool) as Arc<dyn Venue>).collect();
    let limits = RouterLimits { max_hops, ..RouterLimits::default() };
    Router::new(Arc::new(Graph::new(venues)), view, world.block(), &probe(), world.tokens()[0], limits)
}

fn probe() -> Probe {
    Probe::new(uniswap_world::probe_code())
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_are_found_and_quotes_are_what_swaps_move() {
    let world = World::start().await;
    let view = world.view().await;
    let pools = discover(&world, &view);
    assert_eq!(pools.len(), 5);
    let (on_probe, block) = (probe().on(&view), world.block());
    let (mut compared, mut partial, mut zero) = (0, 0, 0);
    for pool in pools.iter().filter(|pool| pool.fee_pips() != 10_000) {
        let [token0, token1] = [pool.tokens()[0], pool.tokens()[1]];
        assert!(token0 < token1);
        for (token_in, token_out) in [(token0, token1), (token1, token0)] {
            let unit_in = world.unit(token_in);
            // From one unit to far beyond the liquidity, so that ticks are crossed and the pool runs dry.
            for amount in [
                U256::ONE,
                unit_in / U256::from(1_000),
                unit_in / U256::from(3),
                unit_in * U256::from(7),
                unit_in * U256::from(90),
                unit_in * U256::from(40_000_000_u64),
            ] {
                let mut reads = ReadSet::default();
                let quoted = pool.quote_exact_in(&on_probe, &block, token_in, token_out, amount, &mut reads);
                assert!(!reads.is_empty());
                let (paid, received) = world.swap_exact_in(pool, token_in, token_out, amount).await;
                match quoted {
                    Ok(quote) => {
                        compared += 1;
                        assert_eq!((quote.amount_in, quote.amount_out), (paid, received), "{} {amount}", pool.name());
                    }
                    Err(VenueError::Refused(Refusal::Partial { wanted, filled, .. })) => {
                        partial += 1;
                        assert_eq!((wanted, filled), (amount, paid));
                        assert!(paid < amount);
                    }
                    Err(VenueError::Refused(Refusal::Zero { .. })) => {
                        zero += 1;
                        assert_eq!((paid, received), (amount, U256::ZERO));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            let unit_out = world.unit(token_out);
            for amount in [U256::ONE, unit_out / U256::from(700), unit_out * U256::from(5), unit_out * U256::from(10_000_000_000_u64)] {
                let quoted = pool.quote_exact_out(&on_probe, &block, token_in, token_out, amount, &mut ReadSet::default());
                match quoted {
                    Ok(quote) => {
                        compared += 1;
                        let (paid, received) = world.swap_exact_out(pool, token_in, token_out, amount).await;
                        assert_eq!((quote.amount_in, quote.amount_out), (paid, received), "{} {amount}", pool.name());
                    }
                    Err(VenueError::Refused(Refusal::Partial { wanted, filled, .. })) => {
                        partial += 1;
                        assert!(wanted == amount && filled < amount);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    println!("{compared} quotes equal their swaps, {partial} partial fills and {zero} zero quotes were told");
    assert!(compared > 50 && partial > 5 && zero > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hops_are_quoted_as_the_router_contract_swaps_them_and_go_stale_with_their_pools() {
    let world = World::start().await;
    let view = world.view().await;
    let [weth, wbtc, usdc, dai] = world.tokens();
    let router = router(&world, &view, 2);

    // Deep over WETH, shallow directly: the size decides.
    let small = router.best_exact_in(wbtc, usdc, world.unit(wbtc) / U256::from(1_000)).unwrap();
    let large = router.best_exact_in(wbtc, usdc, world.unit(wbtc) * U256::from(20)).unwrap();
    assert_eq!(small.hops.len(), 1);
    assert_eq!(large.hops.len(), 2);
    let (paid, received) = world.swap_path(&large).await;
    assert_eq!((large.amount_in, large.amount_out), (paid, received));
    let bought = router.best_exact_out(wbtc, usdc, large.amount_out).unwrap();
    assert!(bought.amount_in <= large.amount_in);
    assert_eq!(world.swap_path_exact_out(&bought).await, (bought.amount_in, bought.amount_out));

    // A price in wei, and none where there is no pool within the hops.
    assert_eq!(router.price_in_wei(weth, U256::from(5)).unwrap().0, U256::from(5));
    assert!(router.price_in_wei(usdc, world.unit(usdc)).unwrap().0 > U256::ZERO);
    assert_eq!(router.price_in_wei(Address::repeat_byte(9), U256::ONE).unwrap_err().skip().unwrap().reason, SkipReason::Unpriced);

    // A swap in one pool makes what was quoted there stale, and nothing else; on its overlay the quotes are the new ones.
    let pools = discover(&world, &view);
    let touched = pools.iter().find(|pool| pool.tokens().contains(&wbtc) && pool.tokens().contains(&weth) && pool.fee_pips() == 500).unwrap();
    let layer = world.execute_swap(&view, touched, wbtc, weth, world.unit(wbtc) * U256::from(3)).await;
    let diff = view.diff(&layer).unwrap();
    assert!(large.reads.is_stale_after(&diff));
    let apart = router.best_exact_in(dai, usdc, world.unit(dai)).unwrap();
    assert!(!apart.reads.is_stale_after(&diff));
    let after = self::router(&world, &view.with_layer(layer), 2).best_exact_in(wbtc, usdc, large.amount_in).unwrap();
    assert!(after.amount_out < large.amount_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_over_real_ticks_match_brute_force() {
    let world = World::start().await;
    let view = world.view().await;
    let [_, wbtc, usdc, _] = world.tokens();
    for hops in [1, 2] {
        let router = router(&world, &view, hops);
        let max = world.unit(wbtc) * U256::from(40);
        let route = router.best_exact_in(wbtc, usdc, max).unwrap();
        assert_eq!(route.hops.len(), hops);
        for price in [40_000_u64, 55_000, 58_000, 59_000, 59_700, 61_000] {
            // In units: USDC has six decimals, WBTC eight.
            let floor = Floor { bought: U256::from(price), sold: U256::from(100) };
            let gain = |amount_in: U256, amount_out: U256| i128::try_from(amount_out * floor.sold).unwrap() - i128::try_from(amount_in * floor.bought).unwrap();
            let brute = (1..=400_u64)
                .filter_map(|part| router.requote_exact_in(&route, max * U256::from(part) / U256::from(400)).ok())
                .map(|route| gain(route.amount_in, route.amount_out))
                .max()
                .unwrap()
                .max(0);
            let sale = router.optimal_sell(&route, max, floor).unwrap();
            let found = sale.route.as_ref().map_or(0, |route| gain(route.amount_in, route.amount_out));
            assert!(sale.quotes <= 12);
            assert!(found * 1_000 >= brute * 999, "{hops} hops, floor {price}: {found} of {brute}");
        }
        let best = router.best_exact_in(wbtc, usdc, max).unwrap();
        if let Some(split) = router.split_exact_in(&best).unwrap() {
            assert_eq!(split.amount_in(), max);
            assert!(split.amount_out() > best.amount_out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_is_checked() {
    let world = World::start().await;
    let view = world.view().await;
    let [weth, wbtc, ..] = world.tokens();
    let (uniswap, block) = (UniswapV3::new("uniswap_v3", world.factory()), world.block());
    let mut reads = ReadSet::default();
    // Not a pool, no contract at all, another factory's pool.
    assert!(matches!(uniswap.pool(&view, &block, weth, &mut reads), Err(VenueError::Refused(_))));
    assert!(matches!(uniswap.pool(&view, &block, Address::repeat_byte(7), &mut reads), Err(VenueError::Refused(Refusal::Nonsense { .. }))));
    let pool = discover(&world, &view)[0].address();
    let foreign = UniswapV3::new("foreign", world.second_factory());
    assert!(matches!(foreign.pool(&view, &block, pool, &mut reads), Err(VenueError::Refused(Refusal::Misconfigured { .. }))));
    // A pool that is created but not initialised is found, and refuses.
    let empty = uniswap.discover(&view, &block, &[(wbtc, weth)], &[10_000], &mut reads).unwrap();
    let quote = empty[0].quote_exact_in(&probe().on(&view), &block, wbtc, weth, U256::from(1_000), &mut reads);
    assert!(matches!(quote, Err(VenueError::Refused(Refusal::Reverted { .. }))), "{quote:?}");
    assert!(matches!(empty[0].quote_exact_in(&view, &block, wbtc, Address::ZERO, U256::ONE, &mut reads), Err(VenueError::Refused(Refusal::NotTraded { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn loans_come_from_whoever_has_enough() {
    let world = World::start().await;
    let view = world.view().await;
    let [_, _, usdc, _] = world.tokens();
    let block = world.block();
    let (rich, poor, moolah) = (Address::repeat_byte(0x41), Address::repeat_byte(0x42), Address::repeat_byte(0x43));
    world.mint(usdc, rich, U256::from(1_000)).await;
    world.mint(usdc, poor, U256::from(10)).await;
    world.mint(usdc, moolah, U256::from(5_000)).await;
    let view_of = |paused: bool, blacklisted: bool, view: &View| {
        // Answers a getter with the slot that its selector numbers.
        let code = alloy::primitives::bytes!("60003560e01c5460005260206000f3");
        let slots = [(U256::from(0x5c975abb_u32), U256::from(paused)), (U256::from(0x02c48ef6_u32), U256::from(blacklisted))];
        view.with_layer(Arc::new(Layer::patch(moolah, Some(code), None, &slots)))
    };
    drop(view);
    let view = world.view().await;
    let lenders: Vec<Arc<dyn Lender>> = vec![
        Arc::new(MorphoLender::new("poor", poor, MorphoFlavour::Morpho)),
        Arc::new(MorphoLender::new("rich", rich, MorphoFlavour::Morpho)),
        Arc::new(MorphoLender::new("moolah", moolah, MorphoFlavour::Moolah)),
    ];
    let mut reads = ReadSet::default();
    let open = view_of(false, false, &view);
    for (amount, lender) in [(10, "poor"), (11, "rich"), (1_000, "rich"), (1_001, "moolah"), (5_000, "moolah")] {
        let loan = flash::cheapest(&lenders, &open, &block, usdc, U256::from(amount), &[], &mut reads).unwrap();
        assert_eq!((&**loan.lender.name(), loan.fee), (lender, U256::ZERO));
    }
    let loan = flash::cheapest(&lenders, &open, &block, usdc, U256::from(5_000), &[], &mut reads).unwrap();
    assert!(matches!(loan.step(Vec::new()), Step::FlashLoan { kind: FlashKind::Moolah, lender, max_fee: U256::ZERO, .. } if lender == moolah));
    for closed in [view_of(true, false, &view), view_of(false, true, &view)] {
        let error = flash::cheapest(&lenders, &closed, &block, usdc, U256::from(5_000), &[], &mut reads).unwrap_err();
        assert_eq!(error.skip().unwrap().reason, SkipReason::NoFunding);
        assert!(flash::cheapest(&lenders, &closed, &block, usdc, U256::from(1_000), &[], &mut reads).is_ok());
    }
    // A contract that is not what it was called can't be asked, and the others still can.
    let error = flash::cheapest(&lenders[2..], &view, &block, usdc, U256::from(1), &[], &mut reads).unwrap_err();
    assert!(matches!(error, flash::FlashError::NoFunding { refusals, .. } if matches!(refusals[0], flash::Refusal::Unreadable { .. })));
}
