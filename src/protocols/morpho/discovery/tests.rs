use super::*;
use crate::protocols::morpho::{MarketParams, abi};
use alloy::{
    primitives::{U256, address},
    sol_types::SolEvent,
};

const MORPHO: Address = address!("0x00000000000000000000000000000000000b10e0");
const ALICE: Address = address!("0x000000000000000000000000000000000000a11c");
const BROKER: Address = address!("0x0000000000000000000000000000000000b20ce2");

fn params() -> MarketParams {
    MarketParams {
        loan_token: address!("0x0000000000000000000000000000000000000001"),
        collateral_token: address!("0x0000000000000000000000000000000000000002"),
        oracle: address!("0x0000000000000000000000000000000000000003"),
        irm: Address::ZERO,
        lltv: U256::from(860_000_000_000_000_000_u64),
    }
}

fn id() -> MarketId {
    params().id()
}

fn log<E: SolEvent>(event: &E) -> Log {
    Log { address: MORPHO, data: event.encode_log_data() }
}

fn create() -> Log {
    log(&abi::CreateMarket { id: id().0, marketParams: (&params()).into() })
}

fn borrow(assets: u64, shares: u64) -> Log {
    log(&abi::Borrow { id: id().0, caller: ALICE, onBehalf: ALICE, receiver: ALICE, assets: U256::from(assets), shares: U256::from(shares) })
}

fn repay(assets: u64, shares: u64) -> Log {
    log(&abi::Repay { id: id().0, caller: ALICE, onBehalf: ALICE, assets: U256::from(assets), shares: U256::from(shares) })
}

fn supply(assets: u64) -> Log {
    log(&abi::Supply { id: id().0, caller: BROKER, onBehalf: BROKER, assets: U256::from(assets), shares: U256::from(assets) })
}

fn collateral(assets: u64) -> Log {
    log(&abi::SupplyCollateral { id: id().0, caller: ALICE, onBehalf: ALICE, assets: U256::from(assets) })
}

fn fresh(flavor: Flavor) -> MorphoDiscoverer {
    MorphoDiscoverer::new(flavor, MORPHO, None)
}

fn alice() -> Found {
    Found::Target(id(), TargetKey::Account(ALICE))
}

#[test]
fn alice_matters_from_her_first_debt_to_her_last() {
    let mut discoverer = fresh(Flavor::MorphoBlue);
    assert_eq!(discoverer.apply(&create(), 10).unwrap(), vec![Found::Market(id())]);
    discoverer.apply(&supply(1_000), 11).unwrap();
    discoverer.apply(&collateral(500), 12).unwrap();
    assert_eq!(discoverer.found(), vec![Found::Market(id())], "collateral alone is no target");
    assert_eq!(discoverer.apply(&borrow(300, 300_000), 13).unwrap(), vec![alice()]);
    assert_eq!(discoverer.found(), vec![Found::Market(id()), alice()]);
    assert_eq!(discoverer.apply(&repay(301, 300_000), 14).unwrap(), vec![alice()], "the payment may exceed the total by one");
    assert_eq!(discoverer.found(), vec![Found::Market(id())]);
    assert_eq!(discoverer.replay().markets()[&id()].state.total_borrow_assets, 0);
}

#[test]
fn without_a_rate_model_the_clock_moves_on_every_accruing_call_only() {
    let mut discoverer = fresh(Flavor::MorphoBlue);
    let clock = |discoverer: &MorphoDiscoverer| discoverer.replay().markets()[&id()].state.last_update;
    discoverer.apply(&create(), 10).unwrap();
    discoverer.apply(&collateral(5), 11).unwrap();
    assert_eq!(clock(&discoverer), 10);
    discoverer.apply(&supply(5), 12).unwrap();
    assert_eq!(clock(&discoverer), 12);
}

#[test]
fn a_log_that_contradicts_what_is_known_is_named_and_changes_nothing() {
    let mut discoverer = fresh(Flavor::MorphoBlue);
    assert!(matches!(discoverer.apply(&borrow(1, 1), 1), Err(DiscoveryError::Contradiction { .. })), "market unknown");
    discoverer.apply(&create(), 10).unwrap();
    assert!(matches!(discoverer.apply(&create(), 10), Err(DiscoveryError::Contradiction { .. })), "created twice");
    discoverer.apply(&borrow(300, 300_000), 13).unwrap();
    let before = discoverer.replay().markets().clone();
    assert!(matches!(discoverer.apply(&repay(1, 300_001), 14), Err(DiscoveryError::Contradiction { .. })));
    let mut cut = borrow(1, 1);
    cut.data = alloy::primitives::LogData::new_unchecked(cut.topics().to_vec(), cut.data.data.slice(..40));
    assert!(matches!(discoverer.apply(&cut, 14), Err(DiscoveryError::Log { .. })));
    let huge = log(&abi::Borrow { id: id().0, caller: ALICE, onBehalf: ALICE, receiver: ALICE, assets: U256::MAX, shares: U256::ONE });
    assert!(matches!(discoverer.apply(&huge, 14), Err(DiscoveryError::Log { .. })));
    let mut forged = create();
    forged.data = abi::CreateMarket { id: B256::repeat_byte(7), marketParams: (&params()).into() }.encode_log_data();
    assert!(matches!(discoverer.apply(&forged, 14), Err(DiscoveryError::Contradiction { .. })));
    assert_eq!(discoverer.replay().markets(), &before);
}

#[test]
fn logs_of_strangers_and_of_other_events_are_passed_over() {
    let mut discoverer = fresh(Flavor::MorphoBlue);
    let mut stranger = create();
    stranger.address = ALICE;
    assert!(discoverer.apply(&stranger, 1).unwrap().is_empty());
    let other = Log::new_unchecked(MORPHO, vec![B256::repeat_byte(9)], Default::default());
    assert!(discoverer.apply(&other, 1).unwrap().is_empty());
    let mut watching_another = MorphoDiscoverer::new(Flavor::MorphoBlue, MORPHO, Some(BTreeSet::from([MarketId(B256::ZERO)])));
    assert!(watching_another.apply(&create(), 1).unwrap().is_empty());
    assert!(watching_another.apply(&borrow(1, 1), 1).unwrap().is_empty());
}

#[test]
fn a_credit_brokers_write_off_counts_once_and_anybody_elses_liquidation_twice() {
    let write_off = log(&abi::Liquidate {
        id: id().0,
        caller: BROKER,
        borrower: ALICE,
        repaidAssets: U256::from(100),
        repaidShares: U256::from(100_000),
        seizedAssets: U256::ZERO,
        badDebtAssets: U256::from(100),
        badDebtShares: U256::from(100_000),
    });
    let with_broker = |is_broker: bool| {
        let mut discoverer = fresh(Flavor::Moolah);
        discoverer.apply(&create(), 1).unwrap();
        discoverer.apply(&supply(1_000), 1).unwrap();
        discoverer.apply(&log(&abi::SetMarketBroker { id: id().0, broker: BROKER, isAddition: is_broker }), 1).unwrap();
        discoverer.apply(&borrow(300, 300_000), 2).unwrap();
        discoverer.apply(&write_off, 3).unwrap();
        let market = &discoverer.replay().markets()[&id()];
        (market.positions[&ALICE].borrow_shares, market.state.total_borrow_assets, market.state.total_supply_assets)
    };
    assert_eq!(with_broker(true), (200_000, 200, 900));
    assert_eq!(with_broker(false), (100_000, 100, 900));
}

#[test]
fn moolah_markets_begin_with_the_default_fee() {
    let mut discoverer = fresh(Flavor::Moolah);
    discoverer.apply(&log(&abi::SetDefaultMarketFee { fee: U256::from(7) }), 1).unwrap();
    discoverer.apply(&create(), 2).unwrap();
    assert_eq!(discoverer.replay().markets()[&id()].state.fee, 7);
}

#[test]
fn a_checkpoint_goes_on_where_it_ended_and_only_at_home() {
    let mut first = fresh(Flavor::MorphoBlue);
    for (log, timestamp) in [(create(), 1), (supply(1_000), 2), (collateral(900), 3), (borrow(300, 300_000), 4)] {
        first.apply(&log, timestamp).unwrap();
    }
    let bytes = first.checkpoint().unwrap();
    let mut second = fresh(Flavor::MorphoBlue);
    second.restore(&bytes).unwrap();
    assert_eq!(second.replay().markets(), first.replay().markets());
    assert_eq!(second.found(), first.found());
    for discoverer in [&mut first, &mut second] {
        discoverer.apply(&repay(300, 300_000), 5).unwrap();
    }
    assert_eq!(second.replay().markets(), first.replay().markets());

    assert!(fresh(Flavor::Moolah).restore(&bytes).is_err());
    assert!(MorphoDiscoverer::new(Flavor::MorphoBlue, ALICE, None).restore(&bytes).is_err());
    assert!(MorphoDiscoverer::new(Flavor::MorphoBlue, MORPHO, Some(BTreeSet::new())).restore(&bytes).is_err());
    let newer = String::from_utf8(bytes.clone()).unwrap().replace("\"version\":1", "\"version\":2");
    assert!(second.restore(newer.as_bytes()).unwrap_err().to_string().contains("version 2"));
    assert!(second.restore(&bytes[..bytes.len() / 2]).is_err());
    assert_eq!(second.replay().markets(), first.replay().markets(), "a damaged checkpoint changes nothing");
}

#[test]
fn room_for_positions_is_bounded() {
    let mut replay = Replay::new(Keep::Borrowers, 1);
    let borrow = |account| Event::InMarket(id(), Change::Borrow(account, 1, 1));
    replay.apply(&Event::CreateMarket(id(), params()), 1).unwrap();
    replay.apply(&borrow(ALICE), 2).unwrap();
    replay.apply(&borrow(ALICE), 3).unwrap();
    assert_eq!(replay.apply(&borrow(BROKER), 4), Err(ReplayError::Full(1)));
    replay.apply(&Event::InMarket(id(), Change::Repay(ALICE, 2, 2)), 5).unwrap();
    replay.apply(&borrow(BROKER), 6).unwrap();
}
