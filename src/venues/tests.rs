//! Routes, sizes and splits over fake pools, held against brute force. Real pools: `tests/venues.rs`.

use super::{fake::FakePool, *};
use crate::{
    chain::Head,
    fork::{Facet, Fork, ForkOptions, Hardfork},
    plan::SkipReason,
};
use alloy::{
    network::AnyNetwork,
    primitives::B256,
    providers::{Provider, ProviderBuilder, mock::Asserter},
};
use proptest::prelude::*;
use std::sync::LazyLock;

const WBTC: Address = Address::repeat_byte(0xb1);
const WETH: Address = Address::repeat_byte(0xe1);
const USDC: Address = Address::repeat_byte(0xc1);
const DAI: Address = Address::repeat_byte(0xd1);

fn block() -> TargetBlock {
    TargetBlock {
        head: B256::ZERO,
        number: 1,
        timestamp: 1,
        base_fee: 1,
        gas_limit: 30_000_000,
        fee_recipient: Address::ZERO,
        prev_randao: B256::ZERO,
        excess_blob_gas: 0,
        hardfork: Hardfork::Osaka,
        chain_id: 1,
    }
}

fn router(pools: &[Arc<FakePool>], limits: RouterLimits) -> Router {
    let venues = pools.iter().map(|pool| Arc::clone(pool) as Arc<dyn Venue>).collect();
    Router::on_prepared(Arc::new(Graph::new(venues)), nowhere(), block(), WETH, limits)
}

fn three_hops() -> RouterLimits {
    RouterLimits { max_hops: 3, max_quotes: 1_000, max_remembered: 10_000 }
}

/// A view that is never read: its node answers nothing.
fn nowhere() -> View {
    static VIEW: LazyLock<View> = LazyLock::new(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>().connect_mocked_client(Asserter::new()).erased();
        let head = Head::placed(0, B256::ZERO, B256::ZERO);
        Fork::start(&provider, head, ForkOptions::default()).unwrap().view()
    });
    VIEW.clone()
}

fn pool(number: u8, reserves: &[(Address, u128)], fee: u64) -> Arc<FakePool> {
    Arc::new(FakePool::new(number, reserves, fee))
}

fn names(route: &Route) -> Vec<String> {
    route.hops.iter().map(|hop| hop.hop.venue.name().to_string()).collect()
}

#[test]
fn two_deep_hops_beat_a_shallow_direct_pool_only_for_large_amounts() {
    let pools = [
        pool(1, &[(WBTC, 1_000_000), (USDC, 1_000_000_000)], 500),
        pool(2, &[(WBTC, 100_000_000), (WETH, 2_000_000_000)], 500),
        pool(3, &[(WETH, 2_000_000_000), (USDC, 100_000_000_000)], 500),
    ];
    let router = router(&pools, RouterLimits::default());
    let small = router.best_exact_in(WBTC, USDC, U256::from(100)).unwrap();
    assert_eq!(names(&small), ["fake 1"]);
    let large = router.best_exact_in(WBTC, USDC, U256::from(500_000)).unwrap();
    assert_eq!(names(&large), ["fake 2", "fake 3"]);
    assert_eq!(large.hops[0].quote.amount_out, large.hops[1].quote.amount_in);
    // Both lengths are offered, the better one first, and the direct pool was considered.
    let both = router.routes_exact_in(WBTC, USDC, U256::from(500_000)).unwrap();
    assert_eq!(both.iter().map(|route| route.hops.len()).collect::<Vec<_>>(), [2, 1]);
    let direct = Facet::Slot(Address::with_last_byte(1), U256::ZERO);
    assert!(large.considered.contains(&direct) && !large.reads.contains(&direct));
}

#[test]
fn exact_out_buys_backwards_what_the_next_hop_needs() {
    let pools = [pool(2, &[(WBTC, 100_000_000), (WETH, 2_000_000_000)], 500), pool(3, &[(WETH, 2_000_000_000), (USDC, 100_000_000_000)], 3_000)];
    let router = router(&pools, RouterLimits::default());
    let wanted = U256::from(1_000_000_000_u64);
    let route = router.best_exact_out(WBTC, USDC, wanted).unwrap();
    assert_eq!((route.amount_out, route.hops.len()), (wanted, 2));
    assert_eq!(route.amount_in, route.hops[0].quote.amount_in);
    let steps = route.steps_exact_out(route.amount_in).unwrap();
    let mid = route.hops[1].quote.amount_in;
    assert!(matches!(steps[0], Step::SwapExactOut { amount_out, max_in, .. } if amount_out == mid && max_in == route.amount_in));
    assert!(matches!(steps[1], Step::SwapExactOut { amount_out, max_in, .. } if amount_out == wanted && max_in == mid));
    // The cost really buys it: selling that much gives at least what was wanted.
    let back = router.requote_exact_in(&route, route.amount_in).unwrap();
    assert!(back.amount_out >= wanted);
}

#[test]
fn exact_in_steps_carry_on_with_what_was_gained() {
    let pools = [pool(2, &[(WBTC, 100_000_000), (WETH, 2_000_000_000)], 500), pool(3, &[(WETH, 2_000_000_000), (USDC, 100_000_000_000)], 3_000)];
    let route = router(&pools, RouterLimits::default()).best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap();
    let first = Amount::Gained { cap: U256::from(1_000) };
    let steps = route.steps_exact_in(first, route.amount_out, Carry::All).unwrap();
    assert!(matches!(steps[0], Step::SwapExactIn { amount, min_out, token_in: WBTC, token_out: WETH, .. } if amount == first && min_out.is_zero()));
    assert!(matches!(steps[1], Step::SwapExactIn { amount: Amount::Gained { cap: U256::MAX }, min_out, token_out: USDC, .. } if min_out == route.amount_out));
    let steps = route.steps_exact_in(first, U256::ZERO, Carry::Quoted).unwrap();
    assert!(matches!(steps[1], Step::SwapExactIn { amount: Amount::Gained { cap }, .. } if cap == route.hops[1].quote.amount_in));
    assert_eq!(route.between().collect::<Vec<_>>(), [WETH]);
}

#[test]
fn a_pool_of_three_tokens_is_not_used_twice_in_a_route() {
    // WBTC -> WETH -> USDC would be best through pool 1 twice, but both quotes would stand on the same state.
    let pools = [
        pool(1, &[(WBTC, 1_000_000_000), (WETH, 1_000_000_000), (DAI, 1_000_000_000)], 100),
        pool(2, &[(WETH, 1_000_000), (USDC, 1_000_000)], 100),
        pool(3, &[(WBTC, 1_000_000_000), (WETH, 900_000_000)], 100),
        pool(4, &[(DAI, 900_000_000), (USDC, 900_000_000)], 100),
    ];
    let router = router(&pools, three_hops());
    for (token_in, token_out) in [(WBTC, USDC), (USDC, WBTC), (WBTC, DAI)] {
        for route in router.routes_exact_in(token_in, token_out, U256::from(10_000)).unwrap() {
            assert!(names(&route).iter().filter(|name| *name == "fake 1").count() <= 1, "{:?}", names(&route));
        }
    }
    // The worse first hop wins where the better one would lock the second: WBTC -(3)-> WETH -(1)-> DAI exists beside WBTC -(1)-> DAI.
    let lengths: Vec<_> = router.routes_exact_in(WBTC, DAI, U256::from(10_000)).unwrap().iter().map(names).collect();
    assert!(lengths.contains(&vec!["fake 3".to_owned(), "fake 1".to_owned()]), "{lengths:?}");
}

#[test]
fn a_second_request_is_answered_from_memory_and_a_small_bound_is_told() {
    let pools = [pool(1, &[(WBTC, 1_000_000), (USDC, 1_000_000)], 500), pool(2, &[(WBTC, 1_000_000), (USDC, 1_000_000)], 3_000)];
    let first = router(&pools, RouterLimits::default());
    let route = first.best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap();
    assert!(route.complete);
    let again = first.best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap();
    assert_eq!((route.amount_out, &route.considered), (again.amount_out, &again.considered));
    assert_eq!((pools[0].times_asked(), pools[1].times_asked()), (1, 1));

    let bounded = router(&pools, RouterLimits { max_quotes: 1, ..RouterLimits::default() });
    assert!(!bounded.best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap().complete);
    // What was quoted before is free, so the next request comes further.
    assert!(bounded.best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap().complete);
    let none = router(&pools, RouterLimits { max_quotes: 0, ..RouterLimits::default() });
    assert!(matches!(none.best_exact_in(WBTC, USDC, U256::from(1_000)), Err(RouteError::Exhausted { .. })));
}

#[test]
fn a_pool_that_cannot_be_read_does_not_stop_the_others_and_is_asked_again() {
    let broken = Arc::new(FakePool::new(1, &[(WBTC, 1_000_000), (USDC, 1_000_000)], 500).unreadable());
    let pools = [Arc::clone(&broken), pool(2, &[(WBTC, 1_000_000), (USDC, 1_000_000)], 3_000)];
    let both = router(&pools, RouterLimits::default());
    let route = both.best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap();
    assert!(!route.complete);
    both.best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap();
    assert_eq!(broken.times_asked(), 2);
    // Alone it is worth another try, not a skip; the price too.
    let alone = router(&pools[..1], RouterLimits::default());
    assert!(alone.best_exact_in(WBTC, USDC, U256::from(1_000)).unwrap_err().skip().is_none());
}

#[test]
fn what_cannot_be_sold_is_unpriced_and_never_zero() {
    let pools = [pool(1, &[(WBTC, 1_000_000_000), (WETH, 10)], 500)];
    let router = router(&pools, RouterLimits::default());
    assert_eq!(router.price_in_wei(WETH, U256::from(7)).unwrap().0, U256::from(7));
    assert_eq!(router.price_in_wei(USDC, U256::ZERO).unwrap().0, U256::ZERO);
    let (price, reads) = router.price_in_wei(WBTC, U256::from(500_000_000)).unwrap();
    assert_eq!((price, reads.len()), (U256::from(3), 1));
    let no_way = router.price_in_wei(USDC, U256::ONE).unwrap_err();
    assert!(matches!(no_way, RouteError::Unpriced { token: USDC, .. }));
    assert_eq!(no_way.skip().unwrap().reason, SkipReason::Unpriced);
    let dust = router.price_in_wei(WBTC, U256::ONE).unwrap_err();
    assert_eq!(dust.skip().unwrap().reason, SkipReason::Unpriced);
    assert_eq!(router.best_exact_in(WBTC, WETH, U256::ONE).unwrap_err().skip().unwrap().reason, SkipReason::ZeroQuote);
    assert_eq!(router.best_exact_in(USDC, WETH, U256::ONE).unwrap_err().skip().unwrap().reason, SkipReason::NoRoute);
}

#[test]
fn the_optimal_sale_matches_two_thousand_sizes() {
    let single = vec![pool(1, &[(WBTC, 10_000_000_000), (USDC, 6_000_000_000_000)], 500)];
    let thin = vec![Arc::new(FakePool::new(1, &[(WBTC, 10_000_000_000), (USDC, 6_000_000_000_000)], 500).thin_above(50_000_000_000))];
    let double =
        vec![pool(1, &[(WBTC, 10_000_000_000), (WETH, 200_000_000_000_000)], 500), pool(2, &[(WETH, 80_000_000_000_000), (USDC, 2_400_000_000_000)], 3_000)];
    for pools in [single, thin, double] {
        let router = router(&pools, RouterLimits::default());
        let max = 900_000_000_u64;
        let route = router.best_exact_in(WBTC, USDC, U256::from(max)).unwrap();
        for floor in [0_u64, 100, 450, 500, 550, 570, 580, 590, 599, 700] {
            let floor = Floor { bought: U256::from(floor), sold: U256::ONE };
            let gain = |route: &Route| i128::try_from(route.amount_out).unwrap() - i128::try_from(route.amount_in * floor.bought).unwrap();
            let brute = (1..=2_000_u64)
                .filter_map(|part| router.requote_exact_in(&route, U256::from(max * part / 2_000)).ok())
                .map(|route| gain(&route))
                .max()
                .unwrap()
                .max(0);
            let sale = router.optimal_sell(&route, U256::from(max), floor).unwrap();
            let found = sale.route.as_ref().map_or(0, gain);
            assert!(sale.quotes <= 12, "{} quotes", sale.quotes);
            assert!(found * 1_000 >= brute * 999, "floor {}: {found} of {brute} after {} quotes", floor.bought, sale.quotes);
            assert!(found >= 0);
        }
    }
}

#[test]
fn a_split_matches_two_thousand_divisions() {
    let pools = [
        pool(1, &[(WBTC, 10_000_000_000), (USDC, 6_000_000_000_000)], 500),
        pool(2, &[(WBTC, 3_000_000_000), (WETH, 60_000_000_000_000)], 500),
        pool(3, &[(WETH, 80_000_000_000_000), (USDC, 2_400_000_000_000)], 3_000),
    ];
    let router = router(&pools, RouterLimits::default());
    for amount in [1_000_000_u64, 30_000_000, 900_000_000, 5_000_000_000] {
        let best = router.best_exact_in(WBTC, USDC, U256::from(amount)).unwrap();
        let other = router.best_exact_in_beside(&best, WBTC, USDC, U256::from(amount / 4)).unwrap();
        let brute = (1..2_000_u64)
            .filter_map(|part| {
                let ours = U256::from(amount) * U256::from(part) / U256::from(2_000);
                let rest = U256::from(amount) - ours;
                Some(router.requote_exact_in(&best, ours).ok()?.amount_out + router.requote_exact_in(&other, rest).ok()?.amount_out)
            })
            .max()
            .unwrap()
            .max(best.amount_out);
        let split = router.split_exact_in(&best).unwrap();
        let found = split.as_ref().map_or(best.amount_out, Split::amount_out);
        assert!(found * U256::from(100_000) >= brute * U256::from(99_999), "{amount}: {found} of {brute}");
        if let Some(split) = split {
            assert_eq!(split.amount_in(), U256::from(amount));
            assert_eq!(split.steps(Carry::All).unwrap().len(), split.first.hops.len() + split.second.hops.len());
        }
    }
}

/// Every path of at most three hops, without a token or shared contract twice, quoted one after the other.
fn brute_force(pools: &[Arc<FakePool>], exact_in: bool, at: Address, goal: Address, amount: U256, seen: &[Address], used: &[usize]) -> Option<U256> {
    if used.len() == 3 {
        return None;
    }
    let (view, target, mut reads) = (nowhere(), block(), ReadSet::default());
    let mut best: Option<U256> = None;
    for (index, pool) in pools.iter().enumerate() {
        if !pool.shares().is_empty() && used.contains(&index) {
            continue;
        }
        for &next in pool.tokens() {
            if next == at || seen.contains(&next) || !pool.trades(at, next) {
                continue;
            }
            let quote = if exact_in {
                pool.quote_exact_in(&view, &target, at, next, amount, &mut reads).map(|quote| quote.amount_out)
            } else {
                pool.quote_exact_out(&view, &target, next, at, amount, &mut reads).map(|quote| quote.amount_in)
            };
            let Ok(found) = quote else { continue };
            let found =
                if next == goal { Some(found) } else { brute_force(pools, exact_in, next, goal, found, &[seen, &[next]].concat(), &[used, &[index]].concat()) };
            best = match (best, found) {
                (Some(old), Some(new)) => Some(if exact_in { old.max(new) } else { old.min(new) }),
                (old, new) => old.or(new),
            };
        }
    }
    best
}

proptest! {
    #[test]
    fn the_best_route_is_the_best_of_all_paths(
        seeds in proptest::collection::vec((0_usize..10, 10_000_u128..10_000_000, 10_000_u128..10_000_000, 10_000_u128..10_000_000, 0_u64..10_000), 1..9),
        amount in 1_u64..1_000_000,
    ) {
        let tokens = [WBTC, WETH, USDC, DAI];
        let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
        let pools: Vec<_> = seeds
            .iter()
            .enumerate()
            .map(|(number, (shape, a, b, c, fee))| {
                let number = u8::try_from(number + 1).unwrap();
                match pairs.get(*shape) {
                    Some((x, y)) => pool(number, &[(tokens[*x], *a), (tokens[*y], *b)], *fee),
                    None => {
                        let left_out = *shape - 6;
                        let three: Vec<_> = tokens.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, token)| *token).zip([*a, *b, *c]).collect();
                        pool(number, &three, *fee)
                    }
                }
            })
            .collect();
        let router = router(&pools, three_hops());
        let amount = U256::from(amount);
        let sold = router.best_exact_in(WBTC, USDC, amount).ok().map(|route| route.amount_out);
        prop_assert_eq!(sold, brute_force(&pools, true, WBTC, USDC, amount, &[WBTC], &[]));
        let bought = router.best_exact_out(WBTC, USDC, amount).ok().map(|route| route.amount_in);
        prop_assert_eq!(bought, brute_force(&pools, false, USDC, WBTC, amount, &[USDC], &[]));
    }
}
