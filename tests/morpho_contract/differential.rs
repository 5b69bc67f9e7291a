//! Random markets, positions, prices, times and sizes: every figure of the adapter is the contract's.

use crate::world::{Dice, IMorpho, Token, World, id, own, params, priced, run};
use alloy::{
    primitives::{Address, U256, keccak256},
    sol_types::{SolCall, SolEvent},
};
use harrier::{
    devnet::MarketFacts,
    fork::{Call, Layer, TargetBlock, TxStatus, View},
    plan::{Opportunity, Size, SizeUnit, Sizes, SkipReason, TargetKey},
    protocols::{
        MarketReading, Protocol, Terms,
        morpho::{
            MarketState, MorphoMarket, MorphoRevert, Position,
            maths::{
                health::{Trigger, debt, trigger_price},
                liquidation::LiquidationSize,
            },
        },
    },
};
use std::sync::Arc;

const CASES: u64 = 250;

/// What the cases were, so that none of the kinds is missing.
#[derive(Debug, Default)]
struct Tally {
    healthy: u32,
    open: u32,
    nothing_to_gain: u32,
    partial: u32,
    all_shares: u32,
    written_off: u32,
    refused: u32,
    accrued: u32,
    fees: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_the_contracts() {
    let world = World::start(30).await;
    tokio::task::block_in_place(|| {
        let mut tally = Tally::default();
        for case in 0..CASES {
            let mut dice = Dice(case);
            one_case(&world, &mut dice, &mut tally, case);
        }
        println!("{tally:?}");
        let Tally { healthy, open, nothing_to_gain, partial, all_shares, written_off, refused, accrued, fees } = tally;
        assert!([healthy, open, nothing_to_gain, partial, all_shares, written_off, refused, accrued, fees].iter().all(|count| *count > 5));
    });
}

fn one_case(world: &World, dice: &mut Dice, tally: &mut Tally, case: u64) {
    let market = world.market(["weth-usdc", "wbtc-usdc", "stake-weth"][usize::try_from(case % 3).unwrap()]);
    let later = [0, 12, dice.between(0, 3_600), dice.between(0, 2_592_000)][usize::try_from(dice.roll() % 4).unwrap()];
    let block = world.block_later(u64::try_from(later).unwrap());
    let victim = Address::from_word(keccak256(format!("victim {case}")));
    let (view, position) = random_state(world, dice, &market, victim);
    let view = random_price(world, dice, &view, &block, &market, &position);

    // The market: totals with interest, by the contract's own accrual.
    let read = world.morpho.read_market(&view, &block, id(&market)).unwrap();
    let reading = read.value.unwrap_or_else(|skip| panic!("case {case}: {skip}"));
    let figures = own(&reading);
    let (accrual, accrued) = run(&view, &block, world.rival(), world.contract(), &IMorpho::accrueInterestCall { params: params(&market) });
    assert_eq!(accrual.status, TxStatus::Success, "case {case}");
    let theirs = world.stored_market(&accrued, id(&market));
    assert_eq!(figures.state, theirs, "case {case}: totals");
    let before = world.stored_market(&view, id(&market));
    tally.accrued += u32::from(theirs.total_borrow_assets > before.total_borrow_assets);
    tally.fees += u32::from(theirs.total_supply_shares > before.total_supply_shares);

    // The target.
    let target = world.morpho.read_target(&view, &block, id(&market), TargetKey::Account(victim)).unwrap().value.unwrap();
    assert_eq!((target.debt, target.collateral), (U256::from(position.borrow_shares), U256::from(position.collateral)), "case {case}");

    // Health, by a liquidation that is really executed.
    let open = world.is_open(&view, &block, &params(&market), victim);
    assert_eq!(!figures.is_healthy(&position).unwrap(), open, "case {case}: health");
    let confirmed = world.morpho.confirm(&view, &block, &reading, (id(&market), TargetKey::Account(victim)), world.rival()).unwrap();
    match confirmed.value {
        Err(skip) if skip.reason == SkipReason::Healthy => {
            assert!(!open, "case {case}: {skip}");
            tally.healthy += 1;
        }
        Err(skip) => {
            assert_eq!(skip.reason, SkipReason::BelowMinSize, "case {case}: {skip}");
            assert!(open);
            let one = world.liquidate(&view, &block, &params(&market), victim, U256::ONE, U256::ZERO).0;
            assert!(one.is_err(), "case {case}: the contract hands out collateral that is not offered");
            tally.nothing_to_gain += 1;
        }
        Ok(opportunities) => {
            assert!(open, "case {case}");
            tally.open += 1;
            let asked = Asked { world, view: &view, block: &block, market: &market, reading: &reading, figures: &figures, position: &position, victim, case };
            for opportunity in &opportunities {
                asked.offered(opportunity, tally);
                for _ in 0..3 {
                    asked.size(opportunity, Size { unit: SizeUnit::Seized, amount: U256::from(dice.any_size(position.collateral.saturating_add(2))) }, tally);
                    let shares = U256::from(dice.any_size(position.borrow_shares.saturating_add(2)));
                    asked.size(opportunity, Size { unit: SizeUnit::RepaidShares, amount: shares }, tally);
                }
            }
        }
    }
}

/// Random totals and a random position, put into the contract's storage.
fn random_state(world: &World, dice: &mut Dice, market: &MarketFacts, victim: Address) -> (View, Position) {
    let most = if market.loan.decimals == 6 { 1_000_000_000_000 } else { 1_000_000_000_000_000_000_000 };
    let assets = dice.any_size(most);
    // A share is worth a millionth of an asset at first and more later.
    let shares = (assets * dice.between(300_000, 1_000_000)).max(1);
    let supplied = assets + dice.any_size(most);
    let head = world.fork.head().timestamp;
    let state = MarketState {
        total_supply_assets: supplied,
        total_supply_shares: supplied * 900_000,
        total_borrow_assets: assets,
        total_borrow_shares: shares,
        last_update: u128::from(head) - [0, dice.between(0, 1_000), dice.between(0, 1_000_000)][usize::try_from(dice.roll() % 3).unwrap()],
        fee: if dice.roll().is_multiple_of(2) { 0 } else { dice.between(1, 250_000_000_000_000_000) },
    };
    let held = world.view().call(&world.block(), &Call::new(market.collateral.address, Token::balanceOfCall { account: world.contract() }.abi_encode().into()));
    let held: u128 = U256::from_be_slice(&held.unwrap().output).to();
    let position = Position { supply_shares: U256::ZERO, borrow_shares: dice.any_size(shares), collateral: dice.any_size(held) };
    let pack = |low: u128, high: u128| (U256::from(high) << 128) | U256::from(low);
    let [supply, borrow, rest] = world.slots.market(id(market));
    let [_, debt] = world.slots.position(id(market), victim);
    let contract = world.contract();
    let layer = Layer::patch_slots(&[
        (contract, supply, pack(state.total_supply_assets, state.total_supply_shares)),
        (contract, borrow, pack(state.total_borrow_assets, state.total_borrow_shares)),
        (contract, rest, pack(state.last_update, state.fee)),
        (contract, debt, pack(position.borrow_shares, position.collateral)),
    ]);
    (world.view().with_layer(Arc::new(layer)), position)
}

/// The real feed's price, or one around the point where the position turns, or far from it.
fn random_price(world: &World, dice: &mut Dice, view: &View, block: &TargetBlock, market: &MarketFacts, position: &Position) -> View {
    let kind = dice.roll() % 5;
    if kind == 0 {
        let feed = &market.feeds[0];
        let first = world.devnet.contracts().feed(feed).unwrap().first_answer;
        let answer = i128::try_from(first).unwrap() / 10_000 * i128::try_from(dice.between(1_000, 30_000)).unwrap();
        return view.with_layer(view.execute(block, &[world.price(view, block, feed, answer)]).unwrap().layer);
    }
    let (_, accrued) = run(view, block, world.rival(), world.contract(), &IMorpho::accrueInterestCall { params: params(market) });
    let owed = debt(&world.stored_market(&accrued, id(market)), position).unwrap();
    let Trigger::Below(turns) = trigger_price(owed, position.collateral, market.lltv).unwrap() else { panic!("there is debt and collateral") };
    let price = match kind {
        1 => turns.saturating_sub(U256::from(dice.between(0, 3))),
        2 => turns + U256::from(dice.between(0, 3)),
        3 => turns * U256::from(dice.between(900, 1_010)) / U256::from(1_000),
        _ => turns * U256::from(dice.between(1, 1_000)) / U256::from(1_000),
    };
    priced(view, market.oracle, price.max(U256::ONE))
}

struct Asked<'a> {
    world: &'a World,
    view: &'a View,
    block: &'a TargetBlock,
    market: &'a MarketFacts,
    reading: &'a MarketReading,
    figures: &'a MorphoMarket,
    position: &'a Position,
    victim: Address,
    case: u64,
}

impl Asked<'_> {
    /// What is offered is accepted at its ends and at its special sizes; one unit more is not, and nothing costs more than was said.
    fn offered(&self, opportunity: &Opportunity, tally: &mut Tally) {
        let Sizes::Range { unit, min, max, also, .. } = &opportunity.sizes else { panic!("Morpho Blue has one range") };
        assert_eq!((*unit, *min), (SizeUnit::Seized, U256::ONE));
        for size in [Size { unit: *unit, amount: *min }, Size { unit: *unit, amount: *max }].iter().chain(also) {
            let terms = self.size(opportunity, *size, tally).unwrap_or_else(|| panic!("case {}: {size:?} is offered and refused", self.case));
            assert!(terms.pays <= opportunity.debt_hint, "case {}", self.case);
        }
        assert!(self.size(opportunity, Size { unit: *unit, amount: *max + U256::ONE }, tally).is_none(), "case {}: more than offered", self.case);
    }

    /// One size by the adapter and by the contract: the same amounts, the same state after it, the same refusal.
    fn size(&self, opportunity: &Opportunity, size: Size, tally: &mut Tally) -> Option<Terms> {
        let Self { world, view, block, market, figures, position, victim, case, .. } = self;
        let (asked, seized, shares) = match size.unit {
            SizeUnit::Seized => (LiquidationSize::seize(size.amount), size.amount, U256::ZERO),
            _ => (LiquidationSize::repay(size.amount), U256::ZERO, size.amount),
        };
        let ours = figures.liquidate(position, asked);
        let terms = world.morpho.terms(view, block, self.reading, opportunity, size).unwrap();
        let (theirs, outcome, after) = world.liquidate(view, block, &params(market), *victim, seized, shares);
        let done = match (ours, theirs) {
            (Ok(done), Ok(amounts)) => {
                assert_eq!((done.seized_assets, done.repaid_assets), amounts, "case {case}: {size:?}");
                done
            }
            (Err(ours), Err(theirs)) => {
                assert_eq!(ours, theirs, "case {case}: {size:?}");
                assert!(terms.is_err());
                tally.refused += 1;
                return None;
            }
            (ours, theirs) => panic!("case {case}: {size:?}: ours {ours:?}, theirs {theirs:?}"),
        };
        let terms = terms.unwrap();
        assert_eq!(terms, Terms::plain(done.repaid_assets, opportunity.collateral_token, done.seized_assets));
        assert_eq!(world.stored_market(&after, id(market)), done.market, "case {case}: {size:?}");
        assert_eq!(world.stored_position(&after, id(market), *victim), done.position, "case {case}: {size:?}");
        let event = outcome.logs.iter().find_map(|log| IMorpho::Liquidate::decode_log(log).ok()).unwrap();
        assert_eq!(
            (event.repaidAssets, event.repaidShares, event.seizedAssets, event.badDebtAssets, event.badDebtShares),
            (done.repaid_assets, done.repaid_shares, done.seized_assets, done.bad_debt_assets, done.bad_debt_shares)
        );
        tally.written_off += u32::from(!done.bad_debt_shares.is_zero());
        tally.all_shares += u32::from(done.repaid_shares == U256::from(position.borrow_shares));
        tally.partial += u32::from(done.position.borrow_shares > 0);
        Some(terms)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn debt_without_collateral_and_no_debt_are_what_the_contract_says() {
    let world = World::start(6).await;
    tokio::task::block_in_place(|| {
        let (market, block, victim) = (world.market("weth-usdc"), world.block(), Address::repeat_byte(9));
        let [_, slot] = world.slots.position(id(&market), victim);
        let ask = |shares: u64, collateral: u64| {
            let word = (U256::from(collateral) << 128) | U256::from(shares);
            let view = world.view().with_layer(Arc::new(Layer::patch_slots(&[(world.contract(), slot, word)])));
            let reading = world.morpho.read_market(&view, &block, id(&market)).unwrap().value.unwrap();
            let confirmed = world.morpho.confirm(&view, &block, &reading, (id(&market), TargetKey::Account(victim)), world.rival()).unwrap();
            let theirs = world.liquidate(&view, &block, &params(&market), victim, U256::ONE, U256::ZERO).0;
            (confirmed.value.unwrap_err().reason, theirs.unwrap_err())
        };
        assert_eq!(ask(0, 0), (SkipReason::Closed, MorphoRevert::HealthyPosition));
        assert_eq!(ask(0, 1_000), (SkipReason::Closed, MorphoRevert::HealthyPosition));
        assert_eq!(ask(1_000_000, 0), (SkipReason::BelowMinSize, MorphoRevert::Overflow));
    });
}
