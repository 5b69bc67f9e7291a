//! Payout in credit notes, what they are worth, and how they bound a liquidation.

use crate::support::{called, devnet, mined, rival_owns, signed, thousandths, units};
use alloy::{
    primitives::U256,
    sol,
    sol_types::{SolError, SolEvent},
};
use harrier::devnet::{
    abi::Token,
    fx::{
        Side,
        abi::{BaseWhole, ShortWhole},
    },
};

sol! {
    error ErrorUnderCollateral();
    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
}

#[tokio::test(flavor = "multi_thread")]
async fn c_a_long_payout_is_partly_in_notes_and_the_notes_are_redeemed() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    world.collateral_lent_out("wstETH", 3_000).await.unwrap();
    let (long, short) = (world.pool("wstETH", Side::Long).unwrap(), world.pool("wstETH", Side::Short).unwrap());
    let left = world.collateral_at_hand("wstETH").await.unwrap();
    assert_eq!(left, units(1, 18), "3,000 dollars at 2,500 and a rate of 1.2");

    devnet.price_moves("ETH/USD", -300).await.unwrap();
    devnet.build_block().await.unwrap();
    assert!(world.ticks_from(&long, thousandths(880)).await.unwrap().len() >= 3);
    let rival = devnet.rival().clone();
    let receipts = mined(&devnet, vec![world.rival_whole_rebalance(&long, units(1_000_000, 6)).await.unwrap()]).await;
    let told = receipts.iter().flat_map(|receipt| &receipt.logs).find_map(|log| BaseWhole::Rebalance::decode_log(&log.inner).ok()).unwrap();
    let notes = world.balance(long.pair.note, rival.address()).await.unwrap();
    let tokens = world.balance(long.pair.token, rival.address()).await.unwrap();
    assert_eq!(tokens, left, "all that the manager had");
    assert!(!notes.is_zero() && told.colls == tokens + notes, "{} are {tokens} and {notes} in notes", told.colls);

    // The notes are worth what the lowest long price says.
    let approval = signed(&devnet, &rival, long.pair.note, &Token::approveCall { spender: world.short_manager, amount: U256::MAX }).await;
    mined(&devnet, vec![approval]).await;
    let call = ShortWhole::redeemByCreditNoteCall { pool: short.address, debts: notes, minColls: U256::ZERO };
    let fx_usd = called(&devnet, rival.address(), world.short_manager, &call).await.unwrap();
    let par = notes * world.worth(&long.pair).await.unwrap().low / units(1, 18);
    assert!(fx_usd.abs_diff(par) < par / units(1, 12), "{fx_usd} of {par}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d_a_redemption_burns_all_notes_and_pays_nothing() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    let burning = world.redemption_burns().await.unwrap();
    assert!(world.ticks_from(&burning.long, thousandths(880)).await.unwrap().is_empty(), "nothing to do before the fall");
    devnet.price_moves("ETH/USD", burning.fall).await.unwrap();
    devnet.build_block().await.unwrap();

    // Under water at the lowest price, not at the highest.
    let price = world.price(&burning.short).await.unwrap();
    assert!(world.pool_ratio(&burning.short, price.minPrice).await.unwrap() >= thousandths(1_000));
    assert!(world.pool_ratio(&burning.short, price.maxPrice).await.unwrap() < thousandths(1_000));
    let rival = devnet.rival().clone();
    rival_owns(&devnet, &burning.short, units(10, 18)).await;
    let liquidate = ShortWhole::liquidateCall { pool: burning.short.address, receiver: rival.address(), maxRawDebts: units(1, 18) };
    assert_eq!(called(&devnet, rival.address(), burning.short.manager, &liquidate).await.err().unwrap(), ErrorUnderCollateral {}.abi_encode());

    assert_eq!(world.ticks_from(&burning.long, thousandths(880)).await.unwrap().len(), burning.bold.len());
    let before = world.balance(burning.long.pair.token, rival.address()).await.unwrap();
    mined(&devnet, vec![world.rival_whole_rebalance(&burning.long, units(1_000_000, 6)).await.unwrap()]).await;
    let tokens = world.balance(burning.long.pair.token, rival.address()).await.unwrap() - before;
    let notes = world.balance(burning.long.pair.note, rival.address()).await.unwrap();
    assert!(tokens > U256::ZERO && notes > U256::ZERO, "{tokens} tokens, {notes} notes");

    let approval = signed(&devnet, &rival, burning.long.pair.note, &Token::approveCall { spender: world.short_manager, amount: U256::MAX }).await;
    let redeem = ShortWhole::redeemByCreditNoteCall { pool: burning.short.address, debts: notes, minColls: U256::ZERO };
    mined(&devnet, vec![approval]).await;
    let receipts = mined(&devnet, vec![signed(&devnet, &rival, world.short_manager, &redeem).await]).await;
    let told = receipts.iter().flat_map(|receipt| &receipt.logs).find_map(|log| ShortWhole::RedeemByCreditNote::decode_log(&log.inner).ok()).unwrap();
    assert_eq!((told.debts, told.colls), (notes, U256::ZERO));
    assert_eq!(world.balance(burning.long.pair.note, rival.address()).await.unwrap(), U256::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn e_a_short_liquidation_beyond_the_managers_notes_reverts() {
    let devnet = devnet().await;
    let world = devnet.fx_world().unwrap();
    world.notes_in_third_hands().await.unwrap();
    let short = world.pool("WBTC", Side::Short).unwrap();
    devnet.price_moves("BTC/USD", 1_300).await.unwrap();
    devnet.build_block().await.unwrap();
    let ticks = world.ticks_from(&short, thousandths(950)).await.unwrap();
    let debt: U256 = ticks.iter().map(|tick| tick.shares.debt).sum();
    // WBTC has eight decimals, raw debt eighteen.
    let notes = world.balance(short.pair.note, world.long_manager).await.unwrap();
    let raw = notes * units(1, 10);
    assert!(!raw.is_zero() && raw * U256::from(2) < debt, "{raw} of {debt}");

    let rival = devnet.rival().clone();
    rival_owns(&devnet, &short, units(100, 8)).await;
    let liquidate = |max: U256| ShortWhole::liquidateCall { pool: short.address, receiver: rival.address(), maxRawDebts: max };
    let within = called(&devnet, rival.address(), short.manager, &liquidate(raw)).await.unwrap();
    assert!(within.debts == notes && !within.colls.is_zero());
    let beyond = called(&devnet, rival.address(), short.manager, &liquidate(debt)).await.err().unwrap();
    let error = ERC20InsufficientBalance::abi_decode(&beyond).unwrap();
    assert_eq!((error.sender, error.balance), (world.long_manager, notes));
    assert!(error.needed > notes);
}
