//! What a liquidation is made of: cash of the vault, a part of the position, a Uniswap position, wrappers that were not registered.

use super::{PRICE, answer, decimal, dollars, named, paid, usdc, weth};
use crate::{
    devnet::{
        FluxManager,
        flux::{Terms, abi::Vault},
        rehearsal::{
            RehearsalError, Seen,
            set::{Act, Set},
        },
    },
    plan::SkipReason,
};
use alloy::primitives::U256;

/// Cash that the lenders leave in flux-e, in whole USDC: less than the payment.
const CASH: u64 = 30_000;
/// How often the market recovers in flux-f, at most.
const ROUNDS: usize = 8;
/// All of a position, as a fraction.
const WHOLE: u64 = 1_000_000_000_000_000_000;

/// (e)
pub(super) async fn low_cash(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    stage.devnet.price_mined("ETH/USD", answer(800_000_000_000)).await?;
    let story = world.manager("erin").bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(12));
    let erin = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("erin has not borrowed".to_owned()))?;
    world.lenders_leave(&erin.vault, usdc(CASH)).await?;
    let mut act = set.act(stage, &[]).await?;
    let landing = act.answered(PRICE).await?;
    let told = landing.only(erin.script);
    let books = act.stage.devnet.flux_world()?.books(&erin.vault).await?;
    let ok = landing.is_fine() && told.as_ref().is_some_and(|told| told.payment == usdc(49_500)) && books.cash == usdc(CASH + 49_500);
    let got = format!("{}; {}; cash {} -> {}", landing.words(), paid(told.as_ref()), dollars(usdc(CASH)), dollars(books.cash));
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// (f) 420,000 dollars of bond and 632 WETH at 2,500 against 2.1 million dollars: sold at once they would lose more than the margin.
pub(super) async fn partly(set: &mut Set) -> Seen {
    set.with_vault(Terms::named("large").yearly_rate(0).lent(3_000_000));
    let (mut act, fred) = large(set, false).await?;
    let whole = act.answered(PRICE).await?;
    let reason = act.reason_of(&fred);
    set.close(act).await?;

    let (mut act, fred) = large(set, true).await?;
    let root = act.stage.devnet.market_root("WETH", "USDC").await?;
    let mut landings = vec![act.answered(PRICE).await?];
    let waiting = act.stage.devnet.flux_world()?.books(&fred.vault).await?.debt;
    for _ in 0..ROUNDS {
        if act.stage.devnet.flux_world()?.books(&fred.vault).await?.debt.is_zero() {
            break;
        }
        // Somebody buys until ether costs what it did before. It changes what a sale brings, not what the vault says: the next head is what makes the
        // searcher look again.
        let trade = act.stage.devnet.market_will_be("WETH", "USDC", root).await?;
        let _run_or_not = act.troupe.pending(trade).await?;
        act.block().await?;
        landings.push(act.block().await?.1);
    }
    let books = act.stage.devnet.flux_world()?.books(&fred.vault).await?;
    landings.retain(|landing| landing.bundles > 0);
    let told: Vec<Vault::Liquidated> = landings.iter().flat_map(super::Landing::liquidated).collect();
    let is_part = told.first().is_some_and(|told| told.fractionWad < U256::from(WHOLE)) && !waiting.is_zero();
    let is_gone = books.debt.is_zero() && act.left_of(&fred).await?.is_empty();
    let is_skipped = whole.bundles == 0 && reason == Some(SkipReason::Unprofitable);
    let ok = is_skipped && is_part && is_gone && landings.len() >= 2 && landings.iter().all(super::Landing::is_fine);
    let words: Vec<String> = told.iter().map(|told| format!("{} of it for {}", decimal(told.fractionWad, 18), dollars(told.payment))).collect();
    let first = landings.first().map_or_else(|| "nothing landed".to_owned(), super::Landing::words);
    let got = format!("the whole {}; {first}; in all {}; {} owed at the end", named(reason), words.join(", "), dollars(books.debt));
    let got = if landings.is_empty() { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// A large position, and a searcher that may take parts or not.
async fn large(set: &mut Set, partial: bool) -> Result<(Act, FluxManager), RehearsalError> {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    stage.devnet.price_mined("ETH/USD", answer(300_000_000_000)).await?;
    let story = world.manager("fred").of(world.vault("large")?).bond(usdc(420_000)).borrows(usdc(2_100_000)).holds("WETH", weth(632));
    let fred = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("fred has not borrowed".to_owned()))?;
    let act = set.act(stage, &[("HARRIER__protocols__flux__partial".to_owned(), partial.to_string())]).await?;
    Ok((act, fred))
}

/// (g) Ether costs 2,800 dollars in the market and 2,500 in the feed: a bid between 2,600 and 2,700 is all dollars, until ether is sold down to the feed's price.
pub(super) async fn uniswap_position(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    stage.devnet.market_moves("WETH", "USDC", 1_200).await?;
    let story = world.manager("nina").of(world.vault("interest-free")?).bond(usdc(20_000)).borrows(usdc(100_000)).bids(usdc(95_000), 360, 740);
    let nina = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("nina has not borrowed".to_owned()))?;
    // A trade that changes little: whoever follows learns what the router writes to.
    stage.devnet.market_moves("WETH", "USDC", -1).await?;
    let mut act = set.act(stage, &[]).await?;
    let root = act.stage.devnet.scaled_root("WETH", "USDC", 25, 28).await?;
    let trade = act.stage.devnet.market_will_be("WETH", "USDC", root).await?;
    act.run(trade).await?;
    let (_, landing) = act.block().await?;
    let told = landing.only(nina.script);
    let left = act.left_of(&nina).await?;
    let ok = landing.is_fine() && told.as_ref().is_some_and(|told| told.badDebt.is_zero()) && left.is_empty();
    let got = format!("{}; {}", landing.words(), paid(told.as_ref()));
    let got = if landing.bundles == 0 { format!("{got}; {}: {}", named(act.reason_of(&nina)), act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// (n) 3 WETH that the vault does not count.
pub(super) async fn hidden(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    let btc = U256::from(100_000_000_u64);
    let story = world.manager("hilda").of(world.vault("interest-free")?).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WBTC", btc).hides("WETH", weth(3));
    let hilda = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("hilda has not borrowed".to_owned()))?;
    let mut act = set.act(stage, &[]).await?;
    let update = act.stage.devnet.price_moves("BTC/USD", -1_100).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let told = landing.only(hilda.script);
    let left = act.left_of(&hilda).await?;
    let ok = landing.is_fine() && told.is_some() && left.is_empty();
    let got = format!(
        "{}; {}; of the manager {}",
        landing.words(),
        paid(told.as_ref()),
        if left.is_empty() { "nothing is left".to_owned() } else { left.join(", ") }
    );
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}
