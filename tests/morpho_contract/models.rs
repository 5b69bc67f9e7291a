//! Interest by models that nobody has told the adapter about, and by none at all.

use crate::world::{IMorpho, Params, World, own, run};
use alloy::{
    primitives::{Address, Bytes, U256, hex, keccak256},
    sol_types::{SolCall, SolValue},
};
use harrier::{
    devnet::Person,
    fork::{EnvWord, Facet, TxStatus},
    plan::{MarketId, TargetKey},
    protocols::Protocol,
};

/// A model of its own kind: its rate is its first slot, whoever writes 32 bytes to it sets it, times the utilization, plus the clock's
/// remainder by seven; and a little more for `borrowRate`, which the market contract calls, than for `borrowRateView`.
const OWN_MODEL: [u8; 54] = hex!(
    "36 60 20 14 602d 57"                    // 32 bytes: to the setter
    "60a4 35 60e4 35 5f 54 02 04"            // slot 0 * borrowed / supplied
    "6007 42 06 01"                          // + timestamp % 7
    "5f 35 60e0 1c 639451fed4 14 6103e8 02"  // + 1000 where the selector is borrowRate's
    "01 5f 52 6020 5f f3"
    "00 5b 5f 35 5f 55 00 00 00 00"
);

async fn create(world: &World, by: &Person, code: &[u8]) -> Address {
    let size = u16::try_from(code.len()).unwrap().to_be_bytes();
    let mut init = vec![0x61, size[0], size[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend(code);
    let nonce = world.devnet.front().next_nonce(by.address()).await.unwrap();
    let raw = world.devnet.signed(by, None, U256::ZERO, init.into(), 500_000, 1_000_000_000).await.unwrap();
    let hash = world.devnet.send_public(raw).await.unwrap();
    world.mined(&[hash]).await;
    by.address().create(nonce)
}

/// A market with this model, a lender and a borrower, a block ago.
async fn market_with(world: &World, irm: Address) -> (Params, MarketId, Address) {
    let base = world.market("weth-usdc");
    let params = Params { loanToken: base.loan.address, collateralToken: base.collateral.address, oracle: base.oracle, irm, lltv: base.lltv };
    let (deployer, who, morpho) = (world.devnet.deployer().unwrap(), world.devnet.rival().clone(), world.contract());
    let assets = U256::from(1_000_000_000_000u64);
    let calls = [
        IMorpho::enableIrmCall { irm }.abi_encode(),
        IMorpho::createMarketCall { params: params.clone() }.abi_encode(),
        IMorpho::supplyCall { params: params.clone(), assets, shares: U256::ZERO, onBehalf: deployer.address(), data: Bytes::new() }.abi_encode(),
    ];
    let mut sent = Vec::new();
    for call in calls {
        let raw = world.devnet.signed(&deployer, Some(morpho), U256::ZERO, call.into(), 500_000, 1_000_000_000).await.unwrap();
        sent.push(world.devnet.send_public(raw).await.unwrap());
    }
    world.mined(&std::mem::take(&mut sent)).await;
    let collateral = U256::from(200_000_000_000_000_000_000u128);
    let pledge = IMorpho::supplyCollateralCall { params: params.clone(), assets: collateral, onBehalf: who.address(), data: Bytes::new() };
    sent.push(world.send(&who, morpho, pledge).await);
    let assets = U256::from(400_000_000_000u64);
    let borrow = IMorpho::borrowCall { params: params.clone(), assets, shares: U256::ZERO, onBehalf: who.address(), receiver: who.address() };
    sent.push(world.send(&who, morpho, borrow).await);
    world.mined(&sent).await;
    let id = MarketId(keccak256((params.loanToken, params.collateralToken, params.oracle, params.irm, params.lltv).abi_encode()));
    (params, id, who.address())
}

/// The market at several times is what the contract makes of it, and the health of its borrower too. The interest of a month.
fn compare(world: &World, (params, id, who): &(Params, MarketId, Address)) -> u128 {
    let view = world.view();
    let mut interest = 0;
    for later in [0, 1, 12, 86_400, 30 * 86_400] {
        let block = world.block_later(later);
        let read = world.morpho.read_market(&view, &block, *id).unwrap();
        let figures = own(&read.value.unwrap());
        let (outcome, after) = run(&view, &block, world.rival(), world.contract(), &IMorpho::accrueInterestCall { params: params.clone() });
        assert_eq!(outcome.status, TxStatus::Success);
        assert_eq!(figures.state, world.stored_market(&after, *id));
        assert_eq!(read.reads.contains(&Facet::Env(EnvWord::Timestamp)), !params.irm.is_zero());
        interest = figures.state.total_borrow_assets - world.stored_market(&view, *id).total_borrow_assets;
        let position = world.stored_position(&view, *id, *who);
        assert_eq!(figures.is_healthy(&position).unwrap(), !world.is_open(&view, &block, params, *who));
        assert_eq!(world.morpho.read_target(&view, &block, *id, TargetKey::Account(*who)).unwrap().value.unwrap().debt, U256::from(position.borrow_shares));
    }
    interest
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_is_asked_as_the_contract_asks_it() {
    let world = World::start(0).await;
    let deployer = world.devnet.deployer().unwrap();
    let irm = create(&world, &deployer, &OWN_MODEL).await;
    let rate = U256::from(3_000_000_000u64).abi_encode();
    let raw = world.devnet.signed(&deployer, Some(irm), U256::ZERO, rate.into(), 100_000, 1_000_000_000).await.unwrap();
    let hash = world.devnet.send_public(raw).await.unwrap();
    world.mined(&[hash]).await;
    let market = market_with(&world, irm).await;
    let world = World::on(world.devnet);
    tokio::task::block_in_place(|| {
        assert!(compare(&world, &market) > 0);
        let read = world.morpho.read_market(&world.view(), &world.block(), market.1).unwrap();
        assert!(read.reads.contains(&Facet::Slot(irm, U256::ZERO)), "the model's own state is an input");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_time_changes_nothing() {
    let world = World::start(0).await;
    let market = market_with(&world, Address::ZERO).await;
    let world = World::on(world.devnet);
    tokio::task::block_in_place(|| assert_eq!(compare(&world, &market), 0));
}
