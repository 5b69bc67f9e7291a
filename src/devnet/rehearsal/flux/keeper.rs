//! What is done for a vault at our own cost: deleveraging, with the role and within a budget.

use super::{decimal, dollars, named, usdc, weth};
use crate::{
    devnet::{
        FluxManager,
        flux::{Keeper, Terms, abi::Vault},
        rehearsal::{
            RehearsalError, Seen, Stage,
            landing::Landing,
            set::{Act, Set},
        },
    },
    plan::{Action, SkipReason},
};
use alloy::primitives::U256;

/// Wei of gas a day that are enough: a hundredth of an ether.
const ENOUGH: u64 = 10_000_000_000_000_000;
/// And that are not: a gwei.
const TOO_LITTLE: u64 = 1_000_000_000;

/// What came of a devnet on which somebody may be deleveraged.
struct Played {
    /// The first block in which it could be done, and the one after.
    landings: [Landing; 2],
    repaid: Vec<Vault::AutoDeleveraged>,
    reason: Option<SkipReason>,
    /// Debt by all that the lenders own, before and after, 1e18 is one.
    utilisation: [U256; 2],
    health: [U256; 2],
    manager: FluxManager,
    words: String,
}

/// (p) The lenders' million is lent out by 96 %, and a debt of 50,000 dollars has a health of 1.1: 10,000 of its bond repay it.
pub(super) async fn deleveraged(set: &mut Set) -> Seen {
    set.with_vault(Terms::named("kept").yearly_rate(0).keeper(Keeper::Executor));
    let without = played(set, None).await?;
    let little = played(set, Some(TOO_LITTLE)).await?;
    let done = played(set, Some(ENOUGH)).await?;
    let nothing = |played: &Played| played.repaid.is_empty() && played.landings.iter().all(|landing| landing.receipts.is_empty());
    let percent = |hundredths: u64| weth(hundredths) / U256::from(1_000);
    let [first, second] = &done.landings;
    let ([lent, after], [weak, healed]) = (done.utilisation, done.health);
    let is_right = done.repaid.iter().map(|told| (told.manager, told.repaid)).eq([(done.manager.script, usdc(10_000))]);
    let is_once = first.bundles == 1 && first.exact && second.receipts.is_empty() && !first.profit.is_positive();
    let is_restored = done.utilisation == [percent(960), percent(950)] && done.health == [percent(1_100), percent(1_125)];
    let skipped = nothing(&without) && without.reason.is_none() && nothing(&little) && little.reason == Some(SkipReason::LimitReached);
    let repaid: Vec<String> = done.repaid.iter().map(|told| dollars(told.repaid)).collect();
    let got = format!(
        "without a budget nothing; with a gwei a day {}; else {}: {}, {} USDC repaid, utilisation {} -> {}, health {} -> {}",
        named(little.reason),
        first.words(),
        done.words,
        repaid.join(", "),
        decimal(lent, 18),
        decimal(after, 18),
        decimal(weak, 18),
        decimal(healed, 18),
    );
    Ok((got, is_right && is_once && is_restored && skipped))
}

async fn played(set: &mut Set, budget: Option<u64>) -> Result<Played, RehearsalError> {
    let stage = set.stage().await?;
    let world = stage.devnet.flux_world()?;
    let vault = world.vault("kept")?.clone();
    let story = world.manager("kate").of(&vault).bond(usdc(30_000)).borrows(usdc(50_000)).holds("WETH", weth(10));
    let story = story.manager("olaf").of(&vault).bond(usdc(200_000)).borrows(usdc(910_000)).holds("WETH", weth(400));
    let mut managers = story.opens().await?.into_iter();
    let kate = managers.next().ok_or_else(|| RehearsalError::Scene("kate has not borrowed".to_owned()))?;
    let before = state(&stage, &kate).await?;
    let overrides: Vec<_> = budget.map(|wei| ("HARRIER__protocols__flux__keeper_gas_budget_wei".to_owned(), format!("\"{wei}\""))).into_iter().collect();
    let mut act = set.act(stage, &overrides).await?;
    let (_, first) = act.block().await?;
    let reason = act.skip_of(&kate, Some(Action::Deleverage)).map(|skip| skip.reason);
    let (_, second) = act.block().await?;
    let after = state(&act.stage, &kate).await?;
    let repaid = [&first, &second].into_iter().flat_map(Landing::told).collect();
    let words = cost(&act, &first);
    set.close(act).await?;
    let (utilisation, health) = ([before.0, after.0], [before.1, after.1]);
    Ok(Played { landings: [first, second], repaid, reason, utilisation, health, manager: kate, words })
}

/// The vault's utilisation, and a manager's health.
async fn state(stage: &Stage, manager: &FluxManager) -> Result<(U256, U256), RehearsalError> {
    let world = stage.devnet.flux_world()?;
    let books = world.books(&manager.vault).await?;
    let utilisation = books.debt.saturating_mul(weth(1)).checked_div(books.assets).unwrap_or_default();
    Ok((utilisation, world.standing(&manager.vault, manager.script).await?.health))
}

/// What the first chore cost, in words.
fn cost(act: &Act, landing: &Landing) -> String {
    if landing.receipts.is_empty() { act.refusals() } else { format!("it cost {} wei", landing.profit.unsigned_abs()) }
}
