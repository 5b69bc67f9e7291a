//! Blocks: a strategy that waits for one, and interest that turns a position in one.

use super::{PRICE, answer, decimal, named, paid, usdc, weth};
use crate::{
    devnet::{
        Devnet, FluxManager, SLOT_SECONDS,
        flux::Terms,
        rehearsal::{
            RehearsalError, Seen,
            landing::Landing,
            set::{Act, Set},
        },
    },
    drivers::searcher::Event,
    plan::{SkipReason, Trigger},
};
use alloy::primitives::U256;

/// Blocks from the patient vault's creation to the first in which it lets anybody be liquidated.
const PATIENCE: u64 = 20;
/// What a position must be worth there, in whole dollars.
const LEAST: u64 = 60_000;
/// Blocks from borrowing to where the first position of flux-j falls below 1.1.
const AT_THRESHOLD: u64 = 6;
/// Blocks from borrowing to where the second one falls below 1.
const AT_ONE: u64 = 9;
/// Seconds of a year, by which the vaults count interest.
const YEAR: u64 = 31_536_000;

/// (h) One manager is liquidatable by the formulas, the other one is healthy and small.
pub(super) async fn another_rule(set: &mut Set) -> Seen {
    set.with_vault(Terms::named("patient").yearly_rate(0).patience(PATIENCE, LEAST));
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    let vault = world.vault("patient")?.clone();
    let first_block = vault.first_block.ok_or_else(|| RehearsalError::Scene("the vault is not patient".to_owned()))?;
    let story = world.manager("peter").of(&vault).bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", weth(36));
    let story = story.manager("paula").of(&vault).bond(usdc(10_000)).borrows(usdc(40_000)).holds("WETH", weth(18));
    let [peter, paula] = two(story.opens().await?)?;
    let mut act = set.act(stage, &[]).await?;
    let update = act.stage.devnet.price("ETH/USD", answer(PRICE - PRICE / 50)).await?;
    act.run(update).await?;
    let health = act.stage.devnet.flux_world()?.standing(&vault, paula.script).await?.health;
    let (early, landing) = until_something_lands(&mut act, first_block).await?;
    let told = landing.liquidated();
    let of = |manager: &FluxManager| told.iter().find(|told| told.manager == manager.script);
    let sent = sent_before(&act, first_block);
    let both = of(&peter).is_some_and(|told| told.badDebt.is_zero()) && of(&paula).is_some_and(|told| told.payment == usdc(40_000));
    let healthy = health > weth(1).saturating_mul(U256::from(13)) / U256::from(10);
    let ok = !early && sent == 0 && healthy && both && landing.block == first_block && landing.exact;
    let got = format!(
        "{sent} bundles for blocks before {first_block}; {}; {}; {}, which is at health {}",
        landing.words(),
        paid(of(&peter)),
        paid(of(&paula)),
        decimal(health, 18)
    );
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// Builds blocks up to this one, and looks at the last. Whether something landed in an earlier one.
async fn until_something_lands(act: &mut Act, last: u64) -> Result<(bool, Landing), RehearsalError> {
    loop {
        let (report, landing) = act.block().await?;
        if landing.bundles > 0 || report.head.number >= last {
            return Ok((report.head.number < last, landing));
        }
    }
}

/// Bundles that were sent for blocks before this one.
fn sent_before(act: &Act, block: u64) -> usize {
    act.troupe
        .happened
        .iter()
        .scan(0_u64, |head, event| {
            if let Event::Head { number, .. } = event {
                *head = *number;
            }
            Some((*head, event))
        })
        .map(|(head, event)| match event {
            // A head's own trigger is told before the head is done; what pends is for the block after the head that was.
            Event::Trigger { outcome, sent } => {
                let target = match outcome.trigger {
                    Trigger::Head { number, .. } => number.saturating_add(1),
                    _ => head.saturating_add(1),
                };
                if target < block { *sent } else { 0 }
            }
            _ => 0,
        })
        .sum()
}

/// Interest of 10 % a year on 100,000 dollars after so many half slots, in units of USDC, rounded down.
fn interest(half_slots: u64) -> U256 {
    let ten_thousand: U256 = usdc(10_000);
    ten_thousand.saturating_mul(U256::from(half_slots.saturating_mul(SLOT_SECONDS / 2))) / U256::from(YEAR)
}

/// (j) Bonds that interest has used up in the middle of a slot.
pub(super) async fn interest_alone(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    stage.devnet.price_mined("ETH/USD", answer(290_000_000_000)).await?;
    let at_threshold = usdc(20_000).saturating_add(interest(2 * AT_THRESHOLD - 1).saturating_mul(U256::from(11)) / U256::from(10));
    let at_one = usdc(20_000).saturating_add(interest(2 * AT_ONE - 1));
    let story = world.manager("tilda").bond(at_threshold).borrows(usdc(100_000)).holds("WETH", weth(36));
    let story = story.manager("otto").bond(at_one).borrows(usdc(100_000)).holds("WETH", weth(32));
    let [tilda, otto] = two(story.opens().await?)?;
    let borrowed = stage.devnet.head().number;
    stage.devnet.price_mined("ETH/USD", answer(PRICE)).await?;
    let mut act = set.act(stage, &[]).await?;
    let first = turn(&mut act, &tilda, borrowed.saturating_add(AT_THRESHOLD)).await?;
    let reason = act.reason_of(&otto);
    // The second in which it will turn is told beforehand: after the block before, and not after the block itself.
    let told = act.leap_of(&otto).and_then(|leap| leap.timestamp).unwrap_or_default();
    let second = turn(&mut act, &otto, borrowed.saturating_add(AT_ONE)).await?;
    let turned = act.stage.devnet.head().timestamp;
    let is_told = told <= turned && told > turned.saturating_sub(SLOT_SECONDS);
    let ok = first.ok && second.ok && reason == Some(SkipReason::DeadZone) && is_told;
    let got = format!(
        "borrowed in block {borrowed}; {}; the other one meanwhile {} until second {told}, then at {turned} {}",
        first.words,
        named(reason),
        second.words
    );
    set.close(act).await?;
    Ok((got, ok))
}

/// How a position turned.
struct Turn {
    words: String,
    ok: bool,
}

/// Blocks in which nothing happens, until this one takes a manager.
async fn turn(act: &mut Act, manager: &FluxManager, block: u64) -> Result<Turn, RehearsalError> {
    let before = sent_before(act, block);
    let (early, landing) = until_something_lands(act, block).await?;
    let told = landing.only(manager.script);
    let sent = sent_before(act, block).saturating_sub(before);
    let newest = newest(&act.stage.devnet, landing.block).await?;
    // Nothing else was in the block, so nothing else can have turned it; and the bundle was ready when its parent was done.
    let alone = newest.is_some_and(|report| report == landing.receipts.len());
    let prompt = act.troupe.happened.iter().any(|event| {
        matches!(event, Event::Trigger { outcome, sent } if *sent > 0 && matches!(outcome.trigger, Trigger::Head { number, .. } if number.saturating_add(1) == block))
    });
    let ok = !early && sent == 0 && landing.exact && landing.block == block && told.is_some() && alone && prompt;
    Ok(Turn { words: format!("{}, {}", landing.words(), paid(told.as_ref())), ok })
}

/// How many transactions the newest block has, if it is this one.
async fn newest(devnet: &Devnet, block: u64) -> Result<Option<usize>, RehearsalError> {
    let receipts = devnet.node().newest_receipts().await.map_err(crate::devnet::DevnetError::from)?;
    Ok((devnet.head().number == block).then_some(receipts.len()))
}

/// Both managers of a story.
pub(super) fn two(managers: Vec<FluxManager>) -> Result<[FluxManager; 2], RehearsalError> {
    <[FluxManager; 2]>::try_from(managers).map_err(|_| RehearsalError::Scene("not two have borrowed".to_owned()))
}
