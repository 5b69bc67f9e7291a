//! Liquidations at their bounds: the reserve, water, the base pool's fxUSD, a feed's age.

use crate::{
    devnet::{
        fx::{
            Side,
            abi::{BaseWhole, LongTold, Pool, ReserveTold},
        },
        rehearsal::{RehearsalError, Seen, landing::Landing, set::Set},
    },
    plan::SkipReason,
};
use alloy::primitives::U256;

/// fxUSD that the base pool has left in fx-h, in whole dollars.
const LEFT: u64 = 30_000;
/// What the reserve has in fx-f, in whole wstETH.
const RESERVE: u64 = 5;

/// (f)
pub(super) async fn reserve(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    stage.devnet.fx_world()?.reserve_has(RESERVE).await?;
    stage.devnet.market_moves("WETH", "USDC", -1_100).await?;
    let mut act = set.act(stage, &[]).await?;
    let update = act.stage.devnet.price_moves("ETH/USD", -1_100).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let paid: U256 = landing.told::<ReserveTold::RequestBonus>().iter().map(|told| told.amount).sum();
    let ok = landing.exact && landing.right_behind && !paid.is_zero() && !landing.told::<LongTold::Liquidate>().is_empty();
    let got = format!("{}; the reserve paid {paid} of its {RESERVE} wstETH", landing.words());
    set.close(act).await?;
    Ok((got, ok))
}

/// (g)
pub(super) async fn under_water(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    stage.devnet.market_moves("WETH", "USDC", -1_500).await?;
    let mut act = set.act(stage, &[]).await?;
    let pool = act.stage.devnet.fx_world()?.pool("wstETH", Side::Long)?;
    let before = act.stage.devnet.ask("indices", pool.address, &Pool::getDebtAndCollateralIndexCall {}).await?.debtIndex;
    let update = act.stage.devnet.price_moves("ETH/USD", -1_500).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let after = act.stage.devnet.ask("indices", pool.address, &Pool::getDebtAndCollateralIndexCall {}).await?.debtIndex;
    let liquidated = landing.told::<LongTold::Liquidate>();
    let under = act.stage.devnet.fx_world()?.ticks_from(&pool, U256::from(1_000_000_000_000_000_000_u64)).await?.len();
    let ok = landing.exact && landing.right_behind && !liquidated.is_empty() && after > before && under == 0 && landing.profit.is_positive();
    let got = format!("{}; the debt index rose by {}, {under} ticks are under water still", landing.words(), after.saturating_sub(before));
    set.close(act).await?;
    Ok((got, ok))
}

/// (h)
pub(super) async fn stable_repay(set: &mut Set) -> Seen {
    let (closed, own) = liquidation(set, false).await?;
    let within = closed.told::<LongTold::Liquidate>();
    let is_within = !within.is_empty() && within.iter().all(|told| told.stableDebts.is_zero() && told.fxUSDDebts <= own);
    let (open, _) = liquidation(set, true).await?;
    let beyond = open.told::<LongTold::Liquidate>();
    let is_beyond = !beyond.is_empty() && beyond.iter().all(|told| !told.stableDebts.is_zero());
    let ok = closed.exact && open.exact && is_within && is_beyond;
    let amounts = |told: &[LongTold::Liquidate]| {
        let one = |told: &LongTold::Liquidate| format!("{} fxUSD and {} USDC", told.fxUSDDebts, told.stableDebts);
        told.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    Ok((format!("closed: {}, {}; open: {}, {}", closed.words(), amounts(&within), open.words(), amounts(&beyond)), ok))
}

/// A crash on a devnet whose base pool is used up, with the gate for USDC closed or open. What landed, and the fxUSD that there were.
async fn liquidation(set: &mut Set, open: bool) -> Result<(Landing, U256), RehearsalError> {
    let stage = set.stage().await?;
    let world = stage.devnet.fx_world()?;
    world.base_pool_used_up(LEFT).await?;
    if open {
        world.stable_repay_opens().await?;
    }
    stage.devnet.market_moves("WETH", "USDC", -1_100).await?;
    let own = stage.devnet.ask("fxUSD", world.base_pool, &BaseWhole::totalYieldTokenCall {}).await?;
    let mut act = set.act(stage, &[]).await?;
    let update = act.stage.devnet.price_moves("ETH/USD", -1_100).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    set.close(act).await?;
    Ok((landing, own))
}

/// (j)
pub(super) async fn stale(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    stage.devnet.fx_world()?.feed_grows_stale("BTC/USD").await?;
    stage.devnet.market_moves("WBTC", "WETH", -300).await?;
    let mut act = set.act(stage, &[]).await?;
    act.block().await?;
    let world = act.stage.devnet.fx_world()?;
    let pools = [world.pool("WBTC", Side::Long)?, world.pool("WBTC", Side::Short)?];
    let fresh = world.pool("wstETH", Side::Long)?;
    let reasons = pools.each_ref().map(|pool| act.reason(pool.address));
    let is_stale = reasons.iter().all(|reason| *reason == Some(SkipReason::PriceStale)) && act.reason(fresh.address) != Some(SkipReason::PriceStale);
    let update = act.stage.devnet.price_moves("BTC/USD", -300).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let [long, _] = &pools;
    let of_long = landing.told::<LongTold::Rebalance>().into_iter().map(|told| told.pool);
    let of_long = of_long.chain(landing.told::<LongTold::RebalanceTick>().into_iter().map(|told| told.pool)).any(|pool| pool == long.address);
    let ok = is_stale && landing.exact && landing.right_behind && of_long;
    let names: Vec<&str> = reasons.iter().map(|reason| reason.map_or("not refused", SkipReason::name)).collect();
    let got = format!("{}; then {}", names.join(", "), landing.words());
    set.close(act).await?;
    Ok((got, ok))
}
