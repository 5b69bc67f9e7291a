//! Ticks that an update, a trade or time opens, and what others leave of them.

use crate::{
    devnet::{
        fx::{
            Opening, Side,
            abi::{LongTold, Pool},
        },
        rehearsal::{
            RehearsalError, Seen,
            landing::{Landing, events},
            private_bundle,
            set::{Act, Set},
        },
        stage::moved as moved_by,
    },
    ledger::Outcome,
};
use alloy::primitives::{Address, U256};

/// A debt ratio of 0.88, at which the window begins, 1e18 is one.
const WINDOW: u64 = 880_000_000_000_000_000;
/// Blocks in which funding has to bring a tick so far that it pays.
const PATIENCE: u64 = 16;
/// What the trader sells in fx-i, in units of WBTC: three quarters of a percent of the price.
const SALE: u64 = 380_000_000;
/// The fall in fx-m, in hundredths of a percent.
const HALF_AT: i32 = -230;
/// What the rival takes in fx-m, in units of USDC: about half of what brings the tick back.
const HALF: u64 = 13_000_000_000;
/// How much less than was promised a searcher takes that is content with half, in hundredths of a percent.
const CONTENT: &str = "6500";
/// What the rival pays the builder, in wei.
const RIVAL_PAYS: u64 = 100_000_000_000_000_000;

/// The ticks that our transactions moved in a pool, by transaction.
fn moved(receipts: &[crate::devnet::Receipt], pool: Address) -> Vec<Vec<i16>> {
    let of = |receipt: &crate::devnet::Receipt| {
        let logs = receipt.logs.iter().filter(|log| log.inner.address == pool);
        logs.filter_map(|log| <Pool::TickMovement as alloy::sol_types::SolEvent>::decode_log(&log.inner).ok()).map(|told| told.oldTick).collect()
    };
    receipts.iter().map(of).collect()
}

/// (a)
pub(super) async fn several_at_once(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    stage.devnet.market_moves("WETH", "USDC", -300).await?;
    let mut act = set.act(stage, &[]).await?;
    let pool = act.stage.devnet.fx_world()?.pool("wstETH", Side::Long)?;
    let update = act.stage.devnet.price_moves("ETH/USD", -300).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let ticks = moved(&landing.receipts, pool.address);
    let most = ticks.iter().map(Vec::len).max().unwrap_or_default();
    let ok = landing.exact && landing.right_behind && landing.receipts.len() == 1 && most >= 3;
    let got = format!("{}; {most} ticks in one transaction", landing.words());
    set.close(act).await?;
    Ok((got, ok))
}

/// (b)
pub(super) async fn two_locked_calls(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    stage.devnet.fx_world()?.reporter_takes(&["ETH/USD", "BTC/USD"]).await?;
    // WBTC is sold for ether: it falls along.
    stage.devnet.market_moves("WETH", "USDC", -1_100).await?;
    let mut act = set.act(stage, &[]).await?;
    let report = act.stage.devnet.fx_world()?.report(&[("ETH/USD", -1_100), ("BTC/USD", -1_100)]).await?;
    act.run(report).await?;
    let (_, landing) = act.block().await?;
    let locked = |receipt: &crate::devnet::Receipt| events::<LongTold::Liquidate>(receipt).len() + events::<LongTold::Rebalance>(receipt).len();
    let calls: Vec<usize> = landing.receipts.iter().map(locked).collect();
    let mut pools: Vec<_> = landing.told::<LongTold::Liquidate>().into_iter().map(|told| told.pool).collect();
    pools.sort_unstable();
    pools.dedup();
    let ok = landing.exact && landing.right_behind && landing.bundles == 1 && pools.len() == 2 && calls.iter().all(|calls| *calls <= 1);
    let got = format!("{}; locked calls by transaction {calls:?}, {} pools liquidated", landing.words(), pools.len());
    set.close(act).await?;
    Ok((got, ok))
}

/// (i)
pub(super) async fn spot_trade(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let (trader, position) = stage.devnet.fx_world()?.spot_is_lowest().await?;
    let mut act = set.act(stage, &[]).await?;
    let world = act.stage.devnet.fx_world()?;
    let tick = world.top_tick(&position.pool).await?;
    let sale = act.stage.devnet.sells(&trader, U256::from(SALE)).await?;
    act.run(sale).await?;
    let (_, landing) = act.block().await?;
    let ticks = moved(&landing.receipts, position.pool.address);
    let ok = landing.exact && landing.right_behind && ticks == [[tick]];
    let got = format!("{}; ticks {ticks:?}, {tick} was opened", landing.words());
    set.close(act).await?;
    Ok((got, ok))
}

/// (k)
pub(super) async fn merged(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let merged = stage.devnet.fx_world()?.ticks_merge().await?;
    // By 3 % the first time, by 1.5 % now.
    stage.devnet.market_moves("WETH", "USDC", -446).await?;
    let mut act = set.act(stage, &[]).await?;
    let update = act.stage.devnet.price_moves("ETH/USD", -150).await?;
    act.run(update).await?;
    let (_, landing) = act.block().await?;
    let is_moved = moved(&landing.receipts, merged.pool.address).iter().flatten().any(|tick| *tick == merged.into.number);
    let (link, _) = act.stage.devnet.fx_world()?.node(&merged.pool, merged.into.node).await?;
    let ok = landing.exact && landing.right_behind && is_moved && link.parent != 0;
    let got = format!("{}; tick {} had taken {} others in, its node has a parent now", landing.words(), merged.into.number, merged.closed.len());
    set.close(act).await?;
    Ok((got, ok))
}

/// (l)
pub(super) async fn time_alone(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let position = stage.devnet.fx_world()?.funding_approaches().await?;
    stage.devnet.market_moves("WETH", "USDC", -160).await?;
    let mut act = set.act(stage, &[]).await?;
    let begun = act.stage.devnet.head().number;
    let mut got = format!("nothing landed in {PATIENCE} blocks: {}", act.refusals());
    let mut ok = false;
    for _ in 0..PATIENCE {
        let (report, landing) = act.block().await?;
        if landing.bundles > 0 {
            let alone = report.txs.len() == landing.receipts.len();
            let moved = moved(&landing.receipts, position.pool.address).iter().flatten().count();
            ok = landing.exact && alone && moved >= 1;
            got = format!("{}, {} blocks after the start, alone in it", landing.words(), landing.block.saturating_sub(begun));
            break;
        }
        got = format!("nothing landed in {PATIENCE} blocks: {}", act.refusals());
    }
    set.close(act).await?;
    Ok((got, ok))
}

/// What came of a race that the rival won by half.
struct Race {
    /// The rival's block.
    first: Landing,
    /// The block after.
    second: Landing,
    /// Ticks that were left in the window, after each.
    left: [usize; 2],
    /// Whether the rival's half was in front.
    behind: bool,
    /// Whether a transaction of ours was in a block for nothing.
    reverted: bool,
    /// Whether a bundle was lost to the rival.
    lost: bool,
}

/// An update opens a large tick and smaller ones, and the rival takes half of the large one first in the same block.
async fn race(set: &mut Set, overrides: &[(String, String)]) -> Result<Race, RehearsalError> {
    let stage = set.stage().await?;
    let pool = stage.devnet.fx_world()?.pool("wstETH", Side::Long)?;
    stage.devnet.fx_world()?.open(&[Opening { who: "mona", pool: pool.clone(), dollars: 400_000, ratio: 866_500 }]).await?;
    let tick = stage.devnet.fx_world()?.top_tick(&pool).await?;
    stage.devnet.market_moves("WETH", "USDC", HALF_AT).await?;
    let mut act = set.act(stage, overrides).await?;
    let lower = moved_by(act.stage.devnet.answer("ETH/USD").await?, HALF_AT)?;
    let raw = act.stage.devnet.signed_price("ETH/USD", lower, 1_000_000_000).await?;
    let update = act.stage.devnet.send_public(raw.clone()).await?;
    act.run(update).await?;
    let theirs = act.stage.devnet.fx_world()?.rival_rebalance(&pool, tick, U256::from(HALF), U256::from(RIVAL_PAYS)).await?;
    private_bundle(&act.stage.devnet, vec![raw, theirs], "the rival's relay identity").await?;
    let (report, first) = act.block().await?;
    let behind = report.bundles.first().is_some_and(|bundle| bundle.txs.first() == Some(&update) && bundle.txs.len() == 2);
    let left = left_in_window(&act, &pool).await?;
    let (_, second) = act.block().await?;
    let left = [left, left_in_window(&act, &pool).await?];
    let rival = act.stage.devnet.rival().address();
    let any = |is_it: fn(&Outcome, Address) -> bool| act.troupe.decided.iter().any(|end| is_it(&end.outcome, rival));
    let reverted = any(|end, _| matches!(end, Outcome::Reverted { .. }));
    let lost = any(|end, rival| matches!(end, Outcome::Lost { to, .. } if *to == rival));
    set.close(act).await?;
    Ok(Race { first, second, left, behind, reverted, lost })
}

/// (m)
pub(super) async fn half_left(set: &mut Set) -> Seen {
    let content = race(set, &[("HARRIER__risk__tolerance_bps".to_owned(), CONTENT.to_owned())]).await?;
    let strict = race(set, &[]).await?;
    let taken = content.first.bundles == 1 && content.first.explained && content.left == [0, 0];
    let failed = strict.lost && strict.first.bundles == 0 && strict.left.first() > Some(&0) && strict.second.exact && strict.left.last() == Some(&0);
    let ok = taken && failed && [&content, &strict].iter().all(|race| race.behind && !race.reverted);
    let cost = if content.reverted || strict.reverted { "gas was lost" } else { "no gas was lost" };
    let lost = if strict.lost { "lost to the rival" } else { "not lost" };
    let got = format!("content with half: {}; else: {}, {lost}, then {}; {cost}", content.first.words(), strict.first.words(), strict.second.words());
    Ok((got, ok))
}

/// How many ticks of a pool are well inside of the window: a rebalance leaves its tick at the beginning, give or take a rounding.
async fn left_in_window(act: &Act, pool: &crate::devnet::fx::FxPool) -> Result<usize, RehearsalError> {
    Ok(act.stage.devnet.fx_world()?.ticks_from(pool, U256::from(WINDOW + WINDOW / 10_000)).await?.len())
}

/// (n)
pub(super) async fn filled_again(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let mut act = set.act(stage, &[]).await?;
    let before = act.stage.devnet.answer("ETH/USD").await?;
    let pool = act.stage.devnet.fx_world()?.pool("wstETH", Side::Long)?;
    let opening = Opening { who: "nina", pool: pool.clone(), dollars: 60_000, ratio: 866_000 };
    let nina = act.stage.devnet.fx_world()?.open(&[opening]).await?;
    act.troupe.head(act.stage.devnet.head().number).await?;
    let mut nodes = Vec::new();
    let mut landings = Vec::new();
    let mut number = None;
    for round in 0..2 {
        act.stage.devnet.market_moves("WETH", "USDC", -300).await?;
        act.troupe.head(act.stage.devnet.head().number).await?;
        let world = act.stage.devnet.fx_world()?;
        let tick = world.tick(&pool, world.top_tick(&pool).await?).await?;
        let update = act.stage.devnet.price_moves("ETH/USD", -300).await?;
        act.run(update).await?;
        let (_, landing) = act.block().await?;
        nodes.push((tick.number, tick.node, moved(&landing.receipts, pool.address).iter().flatten().any(|moved| *moved == tick.number)));
        landings.push(landing);
        number.get_or_insert(tick.number);
        if round == 0 {
            act.stage.devnet.market_moves("WETH", "USDC", 309).await?;
            act.stage.devnet.price_mined("ETH/USD", before).await?;
            let other = nina.first().ok_or_else(|| RehearsalError::Scene("nina has no position".to_owned()))?;
            act.stage.devnet.fx_world()?.open_alike("noah", other).await?;
            act.troupe.head(act.stage.devnet.head().number).await?;
        }
    }
    let same = nodes.iter().all(|(tick, _, moved)| Some(*tick) == number && *moved);
    let other_node = nodes.first().map(|first| first.1) != nodes.last().map(|last| last.1);
    let ok = same && other_node && landings.iter().all(|landing| landing.exact && landing.right_behind);
    let words: Vec<String> = landings.iter().map(Landing::words).collect();
    let got = format!("{}; ticks and nodes {nodes:?}", words.join("; then "));
    set.close(act).await?;
    Ok((got, ok))
}
