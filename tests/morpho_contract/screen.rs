//! The order never hides a position that the contract would let be liquidated.

use crate::world::{Dice, IMorpho, World, id, own, params, priced, reference};
use alloy::primitives::U256;
use harrier::{
    book::Book,
    devnet::MarketFacts,
    fork::{TargetBlock, View},
    plan::TargetKey,
    protocols::{
        OrderKey, Protocol,
        morpho::{
            Morpho, MorphoSetup,
            maths::health::{Trigger, debt, trigger_price},
        },
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// Asks the book and, position by position, the contract. How many are open.
fn compare(world: &World, morpho: &Arc<Morpho>, book: &Book, view: &View, block: &TargetBlock, market: &MarketFacts) -> usize {
    let reading = morpho.read_market(view, block, id(market)).unwrap().value.unwrap();
    let asked: BTreeSet<TargetKey> = book.beyond(reference(market), &reading, block).into_iter().collect();
    let shelf = book.shelf(reference(market)).unwrap();
    let mut open = BTreeSet::new();
    for (key, entry) in shelf.targets() {
        let TargetKey::Account(account) = *key else { panic!("{key}") };
        if world.is_open(view, block, &params(market), account) {
            assert!(asked.contains(key), "{}: {account} is open at price {} and is not asked", market.name, own(&reading).price);
            open.insert(*key);
        }
        assert!(entry.reading.is_ok());
    }
    // Nor does it ask for everybody: the healthy ones that are asked are dust, or within the spare of two units at the smallest size.
    let in_order = |key: &&TargetKey| matches!(shelf.get(key).unwrap().reading.as_ref().unwrap().key, OrderKey::Ratio(_));
    let in_vain = asked.difference(&open).filter(in_order).count();
    assert!(in_vain <= 3, "{}: {in_vain} positions asked in vain", market.name);
    open.len()
}

async fn with_everybody() -> World {
    let world = World::start(120).await;
    let mut story = world.devnet.story().borrower("to the brim").debt_to_the_brim();
    let mut dice = Dice(11);
    // From a unit of debt to a few thousand: on both sides of the dust limit, just inside of what the contract allows.
    for (number, debt) in [1u64, 2, 3, 10, 100, 500, 999, 1_000, 1_001, 1_500, 3_000].into_iter().enumerate() {
        let exact = u128::from(debt + 1) * 400_000_000 * 100 / 86;
        let collateral = exact + dice.between(400_000_000, 900_000_000);
        story = story.borrower(&format!("tiny {number}")).market("weth-usdc").collateral(U256::from(collateral)).debt(U256::from(debt));
    }
    story.open().await.unwrap();
    World::on(world.devnet)
}

fn run(world: &World, morpho: &Arc<Morpho>, book: &Book) {
    let block = world.block();
    let mut dice = Dice(5);
    let mut open = 0;
    for round in 0..12 {
        let market = world.market(["weth-usdc", "wbtc-usdc", "stake-weth"][round % 3]);
        let feed = &market.feeds[0];
        let first = i128::try_from(world.devnet.contracts().feed(feed).unwrap().first_answer).unwrap();
        // From a small move, which cuts the order close to its end, to a crash.
        let answer = first / 1_000_000
            * i128::try_from(dice.between(if round % 2 == 0 { 300_000 } else { 880_000 }, if round % 2 == 0 { 880_000 } else { 1_050_000 })).unwrap();
        let view = world.view();
        let view = view.with_layer(view.execute(&block, &[world.price(&view, &block, feed, answer)]).unwrap().layer);
        open += compare(world, morpho, book, &view, &block, &market);
    }
    assert!(open > 80, "{open}");
}

/// Every position at the highest price at which it is open: in the screen; one unit above, the contract refuses.
fn at_the_turn(world: &World, morpho: &Arc<Morpho>, book: &Book) {
    let (market, view, block) = (world.market("weth-usdc"), world.view(), world.block());
    let accrued = own(&morpho.read_market(&view, &block, id(&market)).unwrap().value.unwrap()).state;
    let mut turned = 0;
    for (key, _) in book.shelf(reference(&market)).unwrap().targets() {
        let TargetKey::Account(account) = *key else { panic!("{key}") };
        let position = world.stored_position(&view, id(&market), account);
        let owed = debt(&accrued, &position).unwrap();
        let Trigger::Below(turns) = trigger_price(owed, position.collateral, market.lltv).unwrap() else { panic!("{account} has both") };
        assert!(!world.is_open(&priced(&view, market.oracle, turns), &block, &params(&market), account));
        let open = priced(&view, market.oracle, turns - U256::ONE);
        assert!(world.is_open(&open, &block, &params(&market), account));
        let reading = morpho.read_market(&open, &block, id(&market)).unwrap().value.unwrap();
        assert!(book.beyond(reference(&market), &reading, &block).contains(key), "{account} with debt {owed}");
        turned += 1;
    }
    assert_eq!(turned, 52);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_price_move_hides_a_position() {
    let world = with_everybody().await;
    // Once with the usual dust limit, once with one by loan token that makes most dollar positions dust and no ether position.
    let high = MorphoSetup {
        min_debt_of: [(world.market("weth-usdc").loan.address, U256::from(20_000_000_000u64))].into(),
        min_debt: U256::from(50_000),
        ..World::setup(&world.devnet)
    };
    for morpho in [Arc::clone(&world.morpho), Arc::new(Morpho::new(high))] {
        let mut book = world.book(&morpho).await;
        tokio::task::block_in_place(|| {
            let refreshed = book.refresh(&world.view(), &world.block());
            assert_eq!((refreshed.failed, refreshed.targets), (Vec::new(), 132));
            run(&world, &morpho, &book);
            at_the_turn(&world, &morpho, &book);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interest_alone_opens_a_position_for_the_coming_block() {
    let world = with_everybody().await;
    let market = world.market("weth-usdc");
    let brim = harrier::devnet::Person::named("to the brim").address();
    // In the block of the loan it is healthy.
    tokio::task::block_in_place(|| {
        let now = TargetBlock { timestamp: world.fork.head().timestamp, ..world.block() };
        assert!(!world.is_open(&world.view(), &now, &params(&market), brim));
    });
    // The lender leaves all but a hundredth of what is borrowed: interest is high from here on.
    let totals = tokio::task::block_in_place(|| world.stored_market(&world.view(), id(&market)));
    let free = totals.total_supply_assets - totals.total_borrow_assets - totals.total_borrow_assets / 100;
    let lender = world.devnet.deployer().unwrap();
    let (params_of, who) = (params(&market), lender.address());
    let withdraw = IMorpho::withdrawCall { params: params_of, assets: U256::from(free), shares: U256::ZERO, onBehalf: who, receiver: who };
    let hash = world.send(&lender, world.contract(), withdraw).await;
    world.mined(&[hash]).await;
    let world = World::on(world.devnet);
    let mut book = world.book(&world.morpho).await;
    tokio::task::block_in_place(|| {
        let view = world.view();
        let mut open = Vec::new();
        for later in [0, 12, 3_600, 86_400, 30 * 86_400] {
            let block = world.block_later(later);
            // The book's own reading for the block: it knows that time moves it.
            let refreshed = book.refresh(&view, &block);
            assert!(refreshed.failed.is_empty() && refreshed.markets >= 3, "{refreshed:?}");
            let reading = book.shelf(reference(&market)).unwrap().reading().unwrap().value.clone().unwrap();
            if later == 0 {
                assert!(book.beyond(reference(&market), &reading, &block).contains(&TargetKey::Account(brim)));
                assert!(world.is_open(&view, &block, &params(&market), brim));
            }
            open.push(compare(&world, &world.morpho, &book, &view, &block, &market));
        }
        assert!(open.is_sorted() && open[4] > open[0], "{open:?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dust_limit_is_the_loan_tokens() {
    let world = World::start(6).await;
    let (dollars, ether) = (world.market("weth-usdc"), world.market("stake-weth"));
    // More than any debt in dollars; no ether position is below its own.
    let min_debt_of = [(dollars.loan.address, U256::from(u128::MAX))].into();
    let limited = Arc::new(Morpho::new(MorphoSetup { min_debt_of, ..World::setup(&world.devnet) }));
    let mut book = world.book(&limited).await;
    let wanted = book.wanted();
    world.fork.prefetch(&wanted).await.unwrap();
    tokio::task::block_in_place(|| {
        book.refresh(&world.view(), &world.block());
        let keys = |market: &MarketFacts| -> Vec<OrderKey> {
            book.shelf(reference(market)).unwrap().targets().map(|(_, entry)| entry.reading.as_ref().unwrap().key).collect()
        };
        assert_eq!(keys(&dollars), [OrderKey::Dust; 2]);
        assert!(keys(&ether).iter().all(|key| matches!(key, OrderKey::Ratio(_))) && keys(&ether).len() == 2);
        for (key, _) in book.shelf(reference(&dollars)).unwrap().targets() {
            let read = limited.read_target(&world.view(), &world.block(), id(&dollars), *key).unwrap();
            let [loan_token, ..] = world.slots.params(id(&dollars));
            assert!(read.reads.contains(&harrier::fork::Facet::Slot(world.contract(), loan_token)));
            assert_eq!(read.reads, limited.target_facets(id(&dollars), *key), "what is prefetched is what is read");
        }
    });
}
