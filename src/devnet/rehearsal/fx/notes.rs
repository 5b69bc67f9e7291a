//! Credit notes: paid out, redeemed, kept, and missing.

use crate::devnet::{
    fx::{
        Side,
        abi::{LongTold, ShortWhole},
    },
    rehearsal::{Seen, set::Set},
};
use alloy::primitives::U256;

/// What the long manager has left for the first payout, in whole dollars.
const LEFT: u64 = 3_000;

/// (c)
pub(super) async fn paid_in_notes(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    stage.devnet.fx_world()?.collateral_lent_out("wstETH", LEFT).await?;
    stage.devnet.market_moves("WETH", "USDC", -300).await?;
    let mut act = set.act(stage, &[]).await?;
    let world = act.stage.devnet.fx_world()?;
    let (long, left) = (world.pool("wstETH", Side::Long)?, world.collateral_at_hand("wstETH").await?);
    let update = act.stage.devnet.price_moves("ETH/USD", -300).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let paid = landing.told::<LongTold::Rebalance>().into_iter().map(|told| told.colls);
    let paid: U256 = paid.chain(landing.told::<LongTold::RebalanceTick>().into_iter().map(|told| told.colls)).sum();
    let redeemed = landing.told::<ShortWhole::RedeemByCreditNote>();
    let notes: U256 = redeemed.iter().map(|told| told.debts).sum();
    let dollars: U256 = redeemed.iter().map(|told| told.colls).sum();
    // A redemption pays by the price in the transaction, which its own sales move a little.
    let worth = act.stage.devnet.fx_world()?.worth(&long.pair).await?.low;
    let par = notes.saturating_mul(worth) / U256::from(1_000_000_000_000_000_000_u64);
    let in_full = !notes.is_zero() && dollars.abs_diff(par) <= par / U256::from(10_000_u64);
    let ok = landing.exact && landing.right_behind && paid.saturating_sub(left) == notes && in_full;
    let got = format!("{}; {paid} paid of which {left} were at hand, {notes} notes redeemed for {dollars} fxUSD", landing.words());
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// (d)
pub(super) async fn kept(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let burning = stage.devnet.fx_world()?.redemption_burns().await?;
    stage.devnet.market_moves("WETH", "USDC", burning.fall).await?;
    let mut act = set.act(stage, &[]).await?;
    let update = act.stage.devnet.price_moves("ETH/USD", burning.fall).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let redeemed = landing.told::<ShortWhole::RedeemByCreditNote>().len();
    let notes = act.stage.devnet.fx_world()?.balance(burning.long.pair.note, act.stage.receiver).await?;
    let ok = landing.exact && landing.right_behind && redeemed == 0 && landing.profit.is_positive();
    let got = format!("{}; {redeemed} redemptions, the treasury keeps {notes} notes", landing.words());
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// (e)
pub(super) async fn capped(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    stage.devnet.fx_world()?.notes_in_third_hands().await?;
    stage.devnet.market_moves("WBTC", "WETH", 1_300).await?;
    let mut act = set.act(stage, &[]).await?;
    let world = act.stage.devnet.fx_world()?;
    let short = world.pool("WBTC", Side::Short)?;
    let notes = world.balance(short.pair.note, world.long_manager).await?;
    let update = act.stage.devnet.price_moves("BTC/USD", 1_300).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let repaid: U256 = landing.told::<ShortWhole::Liquidate>().iter().map(|told| told.debts).sum();
    let ticks = act.stage.devnet.fx_world()?.ticks_from(&short, U256::from(950_000_000_000_000_000_u64)).await?;
    let ok = landing.exact && landing.right_behind && repaid <= notes && repaid >= notes.saturating_sub(notes / U256::from(100)) && !ticks.is_empty();
    let got = format!("{}; {repaid} repaid, the manager had {notes} notes, {} ticks are left", landing.words(), ticks.len());
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}
