use super::*;
use crate::protocols::morpho::{
    MarketParams, MarketState,
    maths::{fixed::PRICE_SCALE, health::incentive_factor},
};
use alloy::primitives::address;

const CONTRACT: Address = address!("0x00000000000000000000000000000000000b10e0");
const ALICE: Address = address!("0x000000000000000000000000000000000000a11c");

fn adapter(flavor: Flavor) -> Morpho {
    Morpho::new(MorphoSetup::new("morpho_blue", flavor, CONTRACT, 7))
}

const fn way(funding: Funding) -> Way {
    Way { funding, executor: Address::ZERO }
}

fn reading() -> MarketReading {
    let params = MarketParams {
        loan_token: address!("0x0000000000000000000000000000000000000001"),
        collateral_token: address!("0x0000000000000000000000000000000000000002"),
        oracle: address!("0x0000000000000000000000000000000000000003"),
        irm: address!("0x0000000000000000000000000000000000000004"),
        lltv: U256::from(860_000_000_000_000_000_u64),
    };
    let own = MorphoMarket {
        id: params.id(),
        params,
        state: MarketState { last_update: 1, ..MarketState::default() },
        price: PRICE_SCALE,
        incentive: incentive_factor(params.lltv).unwrap(),
        min_loan: U256::ZERO,
    };
    MarketReading {
        screen: Screen::Ordered { boundary: own.boundary(1).unwrap() },
        debt_token: params.loan_token,
        collateral_token: params.collateral_token,
        further_tokens: Vec::new(),
        members: Vec::new(),
        price: Some(own.price),
        own: Arc::new(own),
    }
}

fn opportunity(adapter: &Morpho, market: &MarketReading) -> Opportunity {
    let sizes = Sizes::Fixed(vec![Size { unit: crate::plan::SizeUnit::Seized, amount: U256::from(5) }]);
    adapter.opportunity(own(market).unwrap(), ALICE, sizes, U256::from(9))
}

#[test]
fn positions_are_sorted_into_the_order_the_dust_and_the_hopeless() {
    let at = |borrow_shares, collateral| order_key(&Position { borrow_shares, collateral, ..Position::default() }, 1_000);
    assert_eq!(at(0, 0), OrderKey::Closed);
    assert_eq!(at(0, 5), OrderKey::Closed);
    assert_eq!(at(5, 0), OrderKey::NoCollateral);
    assert_eq!(at(999, 5), OrderKey::Dust);
    assert_eq!(at(1_000, 1), OrderKey::Ratio(U256::from(1_000) << 128));
    assert_eq!(at(u128::MAX, 1), OrderKey::Ratio(U256::from(u128::MAX) << 128));
}

#[test]
fn the_dust_limit_is_counted_in_first_shares_and_may_differ_by_loan_token() {
    let mut setup = MorphoSetup::new("morpho_blue", Flavor::MorphoBlue, CONTRACT, 7);
    let (dollar, whale) = (Address::repeat_byte(1), Address::repeat_byte(2));
    setup.min_debt_of = BTreeMap::from([(dollar, U256::from(2)), (whale, U256::MAX)]);
    let adapter = Morpho::new(setup);
    assert_eq!(adapter.min_shares(dollar), 2_000_000);
    assert_eq!(adapter.min_shares(whale), u128::MAX);
    assert_eq!(adapter.min_shares(ALICE), 1_000_000_000);
}

#[test]
fn inside_the_callback_the_collateral_is_sold_before_the_payment_is_pulled() {
    let (adapter, market) = (adapter(Flavor::Moolah), reading());
    let opportunity = opportunity(&adapter, &market);
    let terms = Terms::plain(U256::from(9), Address::ZERO, U256::from(5));
    let sell = Step::Unwrap { weth: ALICE, amount: crate::plan::Amount::Exact(U256::ONE) };
    let size = Size { unit: crate::plan::SizeUnit::Seized, amount: U256::from(5) };

    let inside = adapter.steps(&market, &opportunity, size, &terms, way(Funding::Inside), vec![sell.clone()]).unwrap();
    let [Step::Liquidate(liquidation)] = inside.as_slice() else { panic!("{inside:?}") };
    assert_eq!(liquidation.inside, vec![sell.clone()]);
    assert_eq!((liquidation.seized_assets, liquidation.repaid_shares, liquidation.most_to_pay), (U256::from(5), U256::ZERO, U256::from(9)));
    assert_eq!(liquidation.callback, Flavor::Moolah.liquidate_callback());
    assert_eq!((liquidation.lender, liquidation.borrower), (CONTRACT, ALICE));

    let all = Size { unit: crate::plan::SizeUnit::RepaidShares, amount: U256::from(7) };
    let outside = adapter.steps(&market, &opportunity, all, &terms, way(Funding::Outside), vec![sell.clone()]).unwrap();
    let [Step::Liquidate(liquidation), after] = outside.as_slice() else { panic!("{outside:?}") };
    assert_eq!((liquidation.seized_assets, liquidation.repaid_shares), (U256::ZERO, U256::from(7)));
    assert!(liquidation.inside.is_empty());
    assert_eq!(*after, sell);
}

#[test]
fn two_plans_for_one_position_share_a_resource_and_those_for_two_do_not() {
    let (adapter, market) = (adapter(Flavor::MorphoBlue), reading());
    let first = opportunity(&adapter, &market);
    let again = opportunity(&adapter, &market);
    let other = adapter.opportunity(own(&market).unwrap(), CONTRACT, first.sizes.clone(), U256::ZERO);
    assert_eq!(first.locks, again.locks);
    assert_ne!(first.locks, other.locks);
    assert!(first.locks.iter().all(|lock| lock.scope == ResourceScope::InFlight));
}

#[test]
fn a_reading_of_somebody_else_is_refused_not_trusted() {
    let (adapter, mut market) = (adapter(Flavor::MorphoBlue), reading());
    let opportunity = opportunity(&adapter, &market);
    market.own = Arc::new("another protocol's figures");
    let size = Size { unit: crate::plan::SizeUnit::Seized, amount: U256::ONE };
    let terms = Terms::plain(U256::ONE, Address::ZERO, U256::ONE);
    assert_eq!(adapter.steps(&market, &opportunity, size, &terms, way(Funding::Inside), Vec::new()).unwrap_err().reason, SkipReason::Trap);
}

#[test]
fn a_target_is_one_storage_word_and_the_loan_token_where_its_limit_depends_on_that() {
    let mut adapter = adapter(Flavor::MorphoBlue);
    let facets = adapter.target_facets(reading_id(), TargetKey::Account(ALICE));
    let [_, slot] = adapter.slots.position(reading_id(), ALICE);
    assert_eq!(facets.len(), 1);
    assert!(facets.contains(&Facet::Slot(CONTRACT, slot)));
    assert!(adapter.target_facets(reading_id(), TargetKey::Pool).is_empty());
    adapter.setup.min_debt_of = BTreeMap::from([(ALICE, U256::ONE)]);
    let facets = adapter.target_facets(reading_id(), TargetKey::Account(ALICE));
    let [loan_token, ..] = adapter.slots.params(reading_id());
    assert_eq!(facets.len(), 2);
    assert!(facets.contains(&Facet::Slot(CONTRACT, slot)) && facets.contains(&Facet::Slot(CONTRACT, loan_token)));
}

fn reading_id() -> MarketId {
    own(&reading()).unwrap().id
}

#[test]
fn each_flavour_listens_to_its_own_events() {
    let [source] = adapter(Flavor::MorphoBlue).log_sources().try_into().unwrap();
    assert_eq!((source.addresses, source.topics.len(), source.from_block), (vec![CONTRACT], 11, 7));
    let [source] = adapter(Flavor::Moolah).log_sources().try_into().unwrap();
    assert_eq!(source.topics.len(), 13);
}
