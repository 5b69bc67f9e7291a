//! The contract's state by its logs alone, after everything that people do to it.

use crate::world::{IMorpho, Token, World, id, params};
use alloy::{
    primitives::{Address, B256, Bytes, I256, U256},
    sol_types::SolCall,
};
use harrier::{
    devnet::{Person, borrower_name},
    plan::TargetKey,
    protocols::{
        Discoverer, Found, Protocol,
        morpho::discovery::{Keep, Replay, decode},
    },
};
use std::collections::BTreeSet;

/// Every kind of operation, by many people in many blocks.
async fn mix(world: &World) {
    let names = ["weth-usdc", "wbtc-usdc", "stake-weth"];
    let deployer = world.devnet.deployer().unwrap();
    let morpho = world.contract();
    let mut sent: Vec<B256> = Vec::new();

    // Fees from here on: the fee recipient's shares are in AccrueInterest alone.
    sent.push(world.send(&deployer, morpho, IMorpho::setFeeRecipientCall { newFeeRecipient: Person::named("treasury").address() }).await);
    for name in names {
        let call = IMorpho::setFeeCall { params: params(&world.market(name)), newFee: U256::from(100_000_000_000_000_000u64) };
        sent.push(world.send(&deployer, morpho, call).await);
    }
    world.mined(&std::mem::take(&mut sent)).await;

    for number in 0..48u32 {
        let person = Person::named(&borrower_name(number));
        let market = world.market(names[number as usize % 3]);
        let (params, who) = (params(&market), person.address());
        let (shares, _) = world.devnet.position(&market, who).await.unwrap();
        let half = U256::from(shares / 2);
        let call: Vec<u8> = match (number / 3) % 8 {
            0 => IMorpho::borrowCall { params, assets: U256::from(7), shares: U256::ZERO, onBehalf: who, receiver: who }.abi_encode(),
            1 => IMorpho::borrowCall { params, assets: U256::ZERO, shares: U256::from(12_345_678), onBehalf: who, receiver: who }.abi_encode(),
            2 => IMorpho::withdrawCollateralCall { params, assets: U256::ONE, onBehalf: who, receiver: who }.abi_encode(),
            3 => IMorpho::supplyCollateralCall { params, assets: U256::from(12_345), onBehalf: who, data: Bytes::new() }.abi_encode(),
            4 => IMorpho::repayCall { params, assets: U256::from(1_234_567), shares: U256::ZERO, onBehalf: who, data: Bytes::new() }.abi_encode(),
            5 => IMorpho::repayCall { params, assets: U256::ZERO, shares: half, onBehalf: who, data: Bytes::new() }.abi_encode(),
            6 => IMorpho::repayCall { params, assets: U256::ZERO, shares: U256::from(shares), onBehalf: who, data: Bytes::new() }.abi_encode(),
            _ => IMorpho::accrueInterestCall { params }.abi_encode(),
        };
        let by = if (number / 3) % 8 < 3 { &person } else { &deployer };
        let raw = world.devnet.signed(by, Some(morpho), U256::ZERO, call.into(), 500_000, 1_000_000_000).await.unwrap();
        sent.push(world.devnet.send_public(raw).await.unwrap());
        if number % 16 == 15 {
            world.mined(&std::mem::take(&mut sent)).await;
        }
    }

    // Lenders come and go; somebody lends to somebody else; a repaid borrower takes the collateral home.
    let market = world.market("weth-usdc");
    let lender = Person::named("lender").address();
    let supply =
        IMorpho::supplyCall { params: params(&market), assets: U256::from(5_000_000_000u64), shares: U256::ZERO, onBehalf: lender, data: Bytes::new() };
    sent.push(world.send(&deployer, morpho, supply).await);
    let withdraw = IMorpho::withdrawCall {
        params: params(&market),
        assets: U256::ZERO,
        shares: U256::from(9_999_999_999_999u64),
        onBehalf: deployer.address(),
        receiver: lender,
    };
    sent.push(world.send(&deployer, morpho, withdraw).await);
    let home = Person::named(&borrower_name(18));
    let (debt, collateral) = world.devnet.position(&market, home.address()).await.unwrap();
    assert_eq!(debt, 0);
    let take = IMorpho::withdrawCollateralCall { params: params(&market), assets: U256::from(collateral), onBehalf: home.address(), receiver: home.address() };
    sent.push(world.send(&home, morpho, take).await);
    world.mined(&std::mem::take(&mut sent)).await;

    // A crash: one liquidated in part, one with its bad debt written off, one by all its shares.
    world.devnet.price_mined("ETH/USD", I256::try_from(60_000_000_000u64).unwrap()).await.unwrap();
    for (number, part) in [(60u32, 3), (63, 1), (66, 1), (69, 2)] {
        let borrower = Person::named(&borrower_name(number)).address();
        let (_, collateral) = world.devnet.position(&market, borrower).await.unwrap();
        let seized = U256::from(collateral) / U256::from(part);
        let raw = world.devnet.signed(
            world.devnet.rival(),
            Some(morpho),
            U256::ZERO,
            IMorpho::liquidateCall { params: params(&market), borrower, seizedAssets: seized, repaidShares: U256::ZERO, data: Bytes::new() }
                .abi_encode()
                .into(),
            800_000,
            1_000_000_000,
        );
        sent.push(world.devnet.send_public(raw.await.unwrap()).await.unwrap());
    }
    world.mined(&std::mem::take(&mut sent)).await;
    // Something that is no business of the contract.
    let usdc = market.loan.address;
    let hash = world.send(&deployer, usdc, Token::transferCall { to: lender, amount: U256::ONE }).await;
    world.mined(&[hash]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_alone_give_the_contracts_state_for_everybody() {
    let world = World::start(300).await;
    mix(&world).await;
    let world = World::on(world.devnet);
    let logs = world.logs().await;

    let mut replay = Replay::new(Keep::Everybody, 10_000);
    let mut straight = world.morpho.discoverer();
    let mut people: BTreeSet<Address> = (0..300).map(|number| Person::named(&borrower_name(number)).address()).collect();
    people.extend(["treasury", "lender"].map(|name| Person::named(name).address()));
    people.insert(world.devnet.deployer().unwrap().address());
    for (log, timestamp) in &logs {
        if let Some(event) = decode(log).unwrap() {
            replay.apply(&event, *timestamp).unwrap();
        }
        straight.apply(log, *timestamp).unwrap();
    }

    let (mut in_debt, mut compared, mut fee_shares, mut markets) = (BTreeSet::new(), 0, U256::ZERO, BTreeSet::new());
    tokio::task::block_in_place(|| {
        let view = world.view();
        for facts in world.devnet.contracts().markets.values() {
            let market = &replay.markets()[&id(facts)];
            markets.insert(id(facts));
            assert_eq!(market.state, world.stored_market(&view, id(facts)), "{}", facts.name);
            assert!(market.positions.keys().all(|account| people.contains(account)), "nobody else");
            for account in &people {
                let theirs = world.stored_position(&view, id(facts), *account);
                assert_eq!(market.positions.get(account).copied().unwrap_or_default(), theirs, "{}: {account}", facts.name);
                compared += 1;
                if theirs.borrow_shares > 0 {
                    in_debt.insert((id(facts), TargetKey::Account(*account)));
                }
            }
            fee_shares += world.stored_position(&view, id(facts), Person::named("treasury").address()).supply_shares;
        }
    });
    assert_eq!(compared, 4 * 303);
    assert!(!fee_shares.is_zero(), "the fee recipient earned something");
    assert!(in_debt.len() > 250 && in_debt.len() < 300, "{}", in_debt.len());

    // What the discoverer calls existing is who has debt, and a checkpoint anywhere in the middle changes nothing.
    let found = |discoverer: &dyn Discoverer| -> (BTreeSet<_>, BTreeSet<_>) {
        let mut all = (BTreeSet::new(), BTreeSet::new());
        for found in discoverer.found() {
            match found {
                Found::Market(market) => all.0.insert(market),
                Found::Target(market, key) => all.1.insert((market, key)),
            };
        }
        all
    };
    assert_eq!(found(straight.as_ref()), (markets, in_debt));
    for place in [0, 1, logs.len() / 3, logs.len() / 2, logs.len() - 5, logs.len()] {
        let mut first = world.morpho.discoverer();
        logs[..place].iter().for_each(|(log, timestamp)| drop(first.apply(log, *timestamp).unwrap()));
        let mut second = world.morpho.discoverer();
        second.restore(&first.checkpoint().unwrap()).unwrap();
        for (log, timestamp) in &logs[place..] {
            assert_eq!(second.apply(log, *timestamp).unwrap(), first.apply(log, *timestamp).unwrap());
        }
        assert_eq!(found(second.as_ref()), found(straight.as_ref()), "restored after {place} of {} logs", logs.len());
        assert_eq!(second.checkpoint().unwrap(), straight.checkpoint().unwrap());
    }
}
