//! Scene (e) held against brute force: ten positions opened by one pending update, all selling into the same pool.
//!
//! Because every swap goes through one pool with one price curve, the joint profit of a set of sizes can be computed exactly outside of any EVM:
//! what Morpho hands out, less what the pool asks for the debt, less gas. The search goes over all 1,023 subsets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "a test says what it expects")]

mod brute_force;

use alloy::{
    primitives::{I256, U256},
    providers::Provider,
    sol_types::SolEvent,
};
use brute_force::{Chain, Pool, abi, mul_div, mul_div_up, price_scale, wad};
use harrier::devnet::{
    DevnetConfig, MarketFacts,
    rehearsal::{Stage, Troupe},
};
use std::cmp::Reverse;

/// Collateral of the ten in thousandths of an ether, as the scene has them.
const TEN: [u64; 10] = [150_000, 120_000, 90_000, 75_000, 60_000, 50_000, 40_000, 30_000, 20_000, 10_000];

/// Health of the ten before the update, which takes 0.3 % off the price.
const HEALTH: u128 = 1_001_000_000_000_000_000;

/// What the searcher did and earned.
#[derive(Debug)]
struct Realised {
    /// Positions taken in the update's block.
    taken: usize,
    /// Of those, taken to the last share.
    whole: usize,
    /// Profit in wei before the builder's payment, after gas.
    profit: I256,
    /// Gas of all our transactions.
    gas: u64,
}

/// Ten debts in one market, and the pool that they are sold into: all that a joint profit depends on.
struct World {
    pool: Pool,
    market: MarketFacts,
    price: U256,
    /// Debt and debt shares of the whole market, interest included.
    totals: (U256, U256),
    /// Debt shares of each.
    shares: Vec<U256>,
    /// Wei of gas for one liquidation, as measured.
    gas: U256,
}

impl World {
    /// What Morpho asks and hands out for debt shares: repaid up, seized down, as the contract rounds. The bonus is the contract's, from the LLTV.
    fn terms(&self, shares: U256) -> (U256, U256) {
        // Virtual shares and assets stand beside the totals.
        let (assets, all) = (self.totals.0 + U256::from(1), self.totals.1 + U256::from(1_000_000));
        let cursor = U256::from(300_000_000_000_000_000_u64);
        let factor = mul_div(wad(), wad(), wad() - mul_div(cursor, wad() - self.market.lltv, wad())).min(U256::from(1_150_000_000_000_000_000_u64));
        let seized = mul_div(mul_div(mul_div(shares, assets, all), factor, wad()), price_scale(), self.price);
        (mul_div_up(shares, assets, all), seized)
    }

    /// Joint profit with the swaps one behind the other in this order.
    fn in_order(&self, order: &[(usize, U256)]) -> I256 {
        let mut pool = self.pool.clone();
        let mut profit = I256::ZERO;
        for (_, shares) in order.iter().filter(|(_, shares)| !shares.is_zero()) {
            let (repaid, seized) = self.terms(*shares);
            let Some(paid) = pool.buy(self.market.loan.address, repaid) else { return I256::MIN };
            profit += signed(seized) - signed(paid) - signed(self.gas);
        }
        profit
    }

    /// The same by one swap of the sum: only the rounding of fees tells the two apart.
    fn at_once(&self, sizes: &[U256]) -> I256 {
        let mut pool = self.pool.clone();
        let (mut repaid, mut seized, mut gas) = (U256::ZERO, U256::ZERO, U256::ZERO);
        for shares in sizes.iter().filter(|shares| !shares.is_zero()) {
            let (pays, gets) = self.terms(*shares);
            repaid += pays;
            seized += gets;
            gas += self.gas;
        }
        pool.buy(self.market.loan.address, repaid).map_or(I256::MIN, |paid| signed(seized) - signed(paid) - signed(gas))
    }

    /// Goes through the members of a set again and again, each time to the best of `grid` sizes, until nothing gets better.
    fn ascend(&self, sizes: &mut [U256], members: u32, grid: u64) -> I256 {
        let mut best = self.at_once(sizes);
        loop {
            let before = best;
            for who in (0..sizes.len()).filter(|who| members & (1 << who) != 0) {
                for part in 0..=grid {
                    let kept = sizes[who];
                    sizes[who] = self.shares[who] * U256::from(part) / U256::from(grid);
                    let profit = self.at_once(sizes);
                    if profit > best {
                        best = profit;
                    } else {
                        sizes[who] = kept;
                    }
                }
            }
            if best == before {
                return best;
            }
        }
    }

    /// The best joint profit, and the sizes that bring it: all subsets on a coarse grid, the best of them on a fine one.
    fn optimum(&self) -> (I256, Vec<U256>) {
        let mut tried: Vec<(I256, u32, Vec<U256>)> = (1..1_u32 << self.shares.len())
            .flat_map(|members| {
                // Once from all of it downwards, once from nothing upwards: gas makes small hills.
                let all = (0..self.shares.len()).map(|who| if members & (1 << who) == 0 { U256::ZERO } else { self.shares[who] }).collect();
                [all, vec![U256::ZERO; self.shares.len()]].map(|mut sizes: Vec<U256>| (self.ascend(&mut sizes, members, 10), members, sizes))
            })
            .collect();
        tried.sort_by_key(|(profit, _, _)| Reverse(*profit));
        tried.truncate(64);
        let refined = tried.into_iter().map(|(_, members, mut sizes)| (self.ascend(&mut sizes, members, 1_000), sizes));
        refined.max_by_key(|(profit, _)| *profit).unwrap()
    }
}

fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap()
}

/// Plays the scene with `factor` times its collateral. Gives what was realised, and the world that it was realised in.
async fn play(factor: u64) -> (Realised, World) {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(DevnetConfig::default(), folder.path()).await.unwrap();
    let devnet = &stage.devnet;
    let mut troupe = Troupe::start(devnet, stage.executor, stage.receiver, &folder.path().join("searcher.sqlite"), &[]).await.unwrap();
    let mut story = devnet.story();
    for (place, collateral) in TEN.iter().enumerate() {
        let collateral = U256::from(collateral * factor) * U256::from(1_000_000_000_000_000_u64);
        story = story.borrower(&format!("erin {place}")).collateral(collateral).health(HEALTH);
    }
    let borrowers = story.open().await.unwrap();
    troupe.head(devnet.head().number).await.unwrap();
    let parent = devnet.head().number;
    let treasury = devnet.balance_of("WETH", stage.receiver).await.unwrap();
    let update = devnet.price_moves("ETH/USD", -30).await.unwrap();
    troupe.pending(update).await.unwrap().expect("the update is a trigger");
    let report = troupe.block(devnet).await.unwrap();
    assert_eq!(report.head.number, parent + 1);
    let gained = devnet.balance_of("WETH", stage.receiver).await.unwrap() - treasury;
    // One more block decides everything before the books are closed.
    let (ledger, _) = troupe.end().await.unwrap();
    ledger.close().await.unwrap();

    let chain = Chain::of(devnet);
    let operators: Vec<_> = devnet.operators().unwrap().iter().map(|operator| operator.address()).collect();
    let (mut gas, mut gas_wei) = (0_u64, U256::ZERO);
    for hash in &report.txs {
        let receipt = chain.provider.get_transaction_receipt(*hash).await.unwrap().unwrap();
        if operators.contains(&receipt.from) {
            assert!(receipt.status());
            gas += receipt.gas_used;
            gas_wei += U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
        }
    }
    let payment = report.bundles.iter().fold(I256::ZERO, |sum, bundle| sum + bundle.eth_sent_to_coinbase);
    let events: Vec<_> = chain.liquidations(parent + 1, parent + 1).await.into_iter().filter(|(_, event)| event.caller == stage.executor).collect();

    let market = devnet.contracts().market("weth-usdc").unwrap().clone();
    let mut shares = Vec::new();
    for borrower in &borrowers {
        shares.push(chain.position(market.id, borrower.person.address(), parent).await.shares);
    }
    let whole = events
        .iter()
        .filter(|(_, event)| borrowers.iter().zip(&shares).any(|(who, shares)| who.person.address() == event.borrower && *shares == event.repaidShares))
        .count();
    // The contract itself says what interest the block brought.
    let (assets, all) = chain.totals(&market, parent).await;
    let interest = chain
        .logs(parent + 1, parent + 1)
        .await
        .iter()
        .filter_map(|log| abi::Morpho::AccrueInterest::decode_log(&log.inner).ok())
        .find(|event| event.data.id == market.id);
    let totals = (assets + interest.map_or(U256::ZERO, |event| event.data.interest), all);
    let (weth, usdc) = (market.collateral.address, market.loan.address);
    let world = World {
        pool: chain.pools(parent).await.of(weth, usdc).clone(),
        price: chain.price(&market, parent + 1).await.unwrap(),
        totals,
        shares,
        gas: gas_wei / U256::from(events.len().max(1)),
        market,
    };
    // What is computed here is what the contract paid: the bonus and the rounding are understood.
    for (_, event) in &events {
        let (_, seized) = world.terms(event.repaidShares);
        let tolerance = seized / U256::from(1_000_000_000_u64);
        assert!(seized.abs_diff(event.seizedAssets) <= tolerance, "{seized} computed, {} seized", event.seizedAssets);
    }
    (Realised { taken: events.len(), whole, profit: signed(gained) + payment - signed(gas_wei), gas }, world)
}

fn at_least_99_percent(realised: &Realised, world: &World) {
    let (best, sizes) = world.optimum();
    let wanted: Vec<String> = sizes.iter().zip(&world.shares).map(|(size, all)| format!("{}%", mul_div(*size, U256::from(100), *all))).collect();
    println!(
        "realised {} wei of {best} ({} taken, {} to the last share, {} gas); optimum {wanted:?}",
        realised.profit, realised.taken, realised.whole, realised.gas
    );
    assert!(best > I256::ZERO);
    assert!(
        best * I256::unchecked_from(10_001) >= realised.profit * I256::unchecked_from(10_000),
        "the search missed what was realised: {} of {best}",
        realised.profit
    );
    assert!(
        realised.profit * I256::unchecked_from(100) >= best * I256::unchecked_from(99),
        "realised {} wei of {best} with {realised:?}; the optimum takes {wanted:?}",
        realised.profit
    );
    // The order does not matter: some fifty of them, by a generator that is the same everywhere.
    let mut order: Vec<(usize, U256)> = sizes.into_iter().enumerate().collect();
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        for last in (1..order.len()).rev() {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let other = usize::try_from(dice % (last as u64 + 1)).unwrap();
            order.swap(last, other);
        }
        let profit = world.in_order(&order);
        let apart = (profit - best).abs();
        assert!(apart * I256::unchecked_from(1_000_000) <= best, "order {order:?} brings {profit} wei, {best} at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_positions_that_fit_into_the_pool_are_all_taken_at_the_joint_optimum() {
    let (realised, world) = play(1).await;
    assert_eq!((realised.taken, realised.whole), (10, 10));
    at_least_99_percent(&realised, &world);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_positions_that_do_not_fit_into_the_pool_are_cut_at_the_joint_optimum() {
    let (realised, world) = play(4).await;
    assert!(realised.whole < 10, "the pool can't take all of it: {realised:?}");
    at_least_99_percent(&realised, &world);
}
