//! Health and payment: the documented example, margins, the side of 1 on which no debt is lost, and the two places where everything turns at one unit.

use super::{PRICE, answer, decimal, dollars, named, paid, usdc, weth};
use crate::{
    devnet::rehearsal::{RehearsalError, Seen, set::Set},
    plan::SkipReason,
};
use alloy::{
    primitives::{I256, U256},
    sol,
    sol_types::SolEvent,
};

sol! {
    event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
}

/// Ether's price at which the managers of the example open, in units of the feed: 8,000 dollars.
const DEAR: u64 = 800_000_000_000;
/// How much below the feed the market is in the example, in hundredths of a percent: with the pool's fee what the documentation's swap loses.
const BELOW: i32 = -60;

/// (a) 20,000 dollars of bond and 12 WETH at 2,500 against 100,000 dollars.
pub(super) async fn example(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    let vault = world.vault("interest-free")?.clone();
    stage.devnet.price_mined("ETH/USD", answer(DEAR)).await?;
    let story = world.manager("alice").of(&vault).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(12));
    let alice = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("alice has not borrowed".to_owned()))?;
    stage.devnet.market_moves("WETH", "USDC", BELOW).await?;
    let before = world.books(&vault).await?;
    let treasury = stage.devnet.balance_of("WETH", stage.receiver).await?;
    let mut act = set.act(stage, &[]).await?;
    let landing = act.answered(PRICE).await?;
    let told = landing.only(alice.script);
    let gained = act.stage.devnet.balance_of("WETH", act.stage.receiver).await?.saturating_sub(treasury);
    let for_builder = act.builder_payments(&landing);
    let gross = gained.saturating_add(for_builder);
    // What of the ether was not sold for what was missing to the payment.
    let sold = sold(&landing);
    let gross_dollars = gross.saturating_mul(U256::from(2_500)) / weth(1);
    let after = act.stage.devnet.flux_world()?.books(&vault).await?;
    let left = act.left_of(&alice).await?;
    let is_example =
        told.as_ref().is_some_and(|told| [told.debtCleared, told.payment, told.badDebt] == [usdc(100_000), usdc(49_500), U256::from(50_500_000_000_u64)]);
    let is_about = (U256::from(280)..U256::from(320)).contains(&gross_dollars);
    let is_lost = before.assets == usdc(1_000_000) && after.assets == usdc(949_500) && after.debt.is_zero();
    let ok = landing.is_fine() && is_example && is_about && is_lost && left.is_empty() && sold.saturating_add(gross) == weth(12);
    let got = format!(
        "{}; {}; {gross_dollars} dollars before gas; assets {} -> {}; of the manager {}",
        landing.words(),
        paid(told.as_ref()),
        dollars(before.assets),
        dollars(after.assets),
        if left.is_empty() { "nothing is left".to_owned() } else { left.join(", ") }
    );
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// The ether that our transactions sold to Uniswap pools.
fn sold(landing: &crate::devnet::rehearsal::landing::Landing) -> U256 {
    let mut sold = U256::ZERO;
    for log in landing.receipts.iter().flat_map(|receipt| &receipt.logs) {
        if let Ok(swap) = Swap::decode_log(&log.inner) {
            // The pools' other tokens have fewer decimals: what is paid in and is the larger amount is ether.
            let ether = [swap.amount0, swap.amount1].into_iter().filter(|amount| amount.is_positive()).fold(I256::ZERO, I256::saturating_add);
            sold = sold.saturating_add(ether.unsigned_abs());
        }
    }
    sold
}

/// (b) The same position in three vaults.
pub(super) async fn margins(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    stage.devnet.price_mined("ETH/USD", answer(DEAR)).await?;
    let mut story = world.manager("grete").of(world.vault("generous")?);
    for (who, vault) in [("stan", "standard"), ("alma", "altruistic")] {
        story = story.bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(12)).manager(who).of(world.vault(vault)?);
    }
    let managers = story.bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(12)).opens().await?;
    let mut act = set.act(stage, &[]).await?;
    let landing = act.answered(PRICE).await?;
    let told = landing.liquidated();
    let payment = |place: usize| managers.get(place).and_then(|manager| told.iter().find(|told| told.manager == manager.script)).map(|told| told.payment);
    let payments = [0, 1, 2].map(payment);
    let reason = managers.get(2).and_then(|alma| act.reason_of(alma));
    let stands = match managers.get(2) {
        Some(alma) => !act.left_of(alma).await?.is_empty(),
        None => false,
    };
    let ok = landing.is_fine() && payments == [Some(usdc(40_000)), Some(usdc(49_500)), None] && reason == Some(SkipReason::Unprofitable) && stands;
    let [most, some, none] = payments.map(|payment| payment.map_or_else(|| "nothing".to_owned(), dollars));
    let got = format!("{}; paid {most} with 20 %, {some} with 1 %, {none} with 0 %: {}", landing.words(), named(reason));
    set.close(act).await?;
    Ok((got, ok))
}

/// (c) 20,000 dollars of bond and 34 WETH at 2,500.
pub(super) async fn healthy_side(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    stage.devnet.price_mined("ETH/USD", answer(280_000_000_000)).await?;
    let story = world.manager("carl").of(world.vault("interest-free")?).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(34));
    let carl = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("carl has not borrowed".to_owned()))?;
    let mut act = set.act(stage, &[]).await?;
    let landing = act.answered(PRICE).await?;
    let told = landing.only(carl.script);
    let books = act.stage.devnet.flux_world()?.books(&carl.vault).await?;
    let is_whole = told.as_ref().is_some_and(|told| told.payment == usdc(100_000) && told.badDebt.is_zero());
    let ok = landing.is_fine() && is_whole && books.assets == usdc(1_000_000) && act.left_of(&carl).await?.is_empty();
    let got = format!("{}; {}; assets {}", landing.words(), paid(told.as_ref()), dollars(books.assets));
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// (d) One unit of the feed at 1.1, and one at 1.
pub(super) async fn exact(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    let vault = world.vault("interest-free")?.clone();
    // 20,000 and 90,000 dollars at 2,500; 20,000 and 80,000 dollars at 2,500 a while later.
    let story = world.manager("dora").of(&vault).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(36));
    let dora = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("dora has not borrowed".to_owned()))?;
    let mut act = set.act(stage, &[]).await?;
    let (_, at_threshold) = act.block().await?;
    let below_threshold = act.answered(PRICE - 1).await?;
    act.stage.devnet.price_mined("ETH/USD", answer(290_000_000_000)).await?;
    act.troupe.head(act.stage.devnet.head().number).await?;
    let story = act.stage.devnet.flux_world()?.manager("dirk").of(&vault).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(32));
    let dirk = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("dirk has not borrowed".to_owned()))?;
    act.troupe.head(act.stage.devnet.head().number).await?;
    let at_one = act.answered(PRICE).await?;
    let reason = act.reason_of(&dirk);
    // 80,000 dollars by 32 WETH, less the smallest unit of a dollar.
    let boundary = weth(2_500).saturating_sub(U256::ONE);
    let told_boundary = act.leap_of(&dirk).is_some_and(|leap| leap.timestamp.is_none() && leap.prices.iter().map(|price| price.at_most).eq([boundary]));
    let health = act.stage.devnet.flux_world()?.standing(&vault, dirk.script).await?.health;
    let below_one = act.answered(PRICE - 1).await?;
    let told = below_one.only(dirk.script);
    // 99 % of 99,999.99999968 dollars, rounded up to a unit of USDC.
    let is_margin = told.as_ref().is_some_and(|told| told.payment == usdc(99_000));
    let skipped = at_threshold.bundles == 0 && at_one.bundles == 0 && reason == Some(SkipReason::DeadZone) && health == weth(1) && told_boundary;
    let taken = below_threshold.is_fine() && below_threshold.only(dora.script).is_some_and(|told| told.badDebt.is_zero()) && below_one.is_fine() && is_margin;
    let got = format!(
        "at 1.1 {}; below {}; at 1 {}: {}; below {}, {}",
        at_threshold.words(),
        below_threshold.words(),
        at_one.words(),
        named(reason),
        below_one.words(),
        paid(told.as_ref())
    );
    set.close(act).await?;
    Ok((got, skipped && taken))
}

/// (o)
pub(super) async fn upwards(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    stage.devnet.price_mined("ETH/USD", answer(290_000_000_000)).await?;
    let story = world.manager("uwe").of(world.vault("interest-free")?).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(32));
    let uwe = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("uwe has not borrowed".to_owned()))?;
    let mut act = set.act(stage, &[]).await?;
    let at_one = act.answered(PRICE).await?;
    let told = act.skip_of(&uwe, None).map(|skip| skip.detail.clone()).unwrap_or_default();
    let above = told_price(&told).ok_or_else(|| RehearsalError::Scene(format!("no price in {told:?}: {}", act.refusals())))?;
    // Both the market and the feed, a hundredth of a percent below the price that was told, and then as much above.
    let hundredth = above / 10_000;
    let prices @ [low, high] = [above.saturating_sub(hundredth), above.saturating_add(hundredth)];
    let mut landings = Vec::new();
    for (price, now) in prices.into_iter().zip([PRICE, low]) {
        act.stage.devnet.market_scaled("WETH", "USDC", price, now).await?;
        act.troupe.head(act.stage.devnet.head().number).await?;
        landings.push((act.answered(price).await?, act.reason_of(&uwe)));
    }
    let [(below, reason), (beyond, _)] = <[_; 2]>::try_from(landings).map_err(|_| RehearsalError::Scene("not two prices".to_owned()))?;
    let waits = at_one.bundles == 0 && below.bundles == 0 && reason == Some(SkipReason::DeadZone);
    let ok = waits && beyond.is_fine() && beyond.only(uwe.script).is_some_and(|told| told.badDebt.is_zero());
    let got = format!("told {} at {}; at {} {}; at {} {}", price(above), price(PRICE), price(low), named(reason), price(high), beyond.words());
    set.close(act).await?;
    Ok((got, ok))
}

/// A price of the feed, in dollars.
fn price(units: u64) -> String {
    decimal(U256::from(units), 8)
}

/// The price at which a skip says that it will pay, upwards, in units of the feed.
fn told_price(words: &str) -> Option<u64> {
    let (_, after) = words.split_once("or at about ")?;
    let (price, _) = after.split_once(" or above")?;
    let price: U256 = price.parse().ok()?;
    u64::try_from(price / U256::from(10_000_000_000_u64)).ok()
}
