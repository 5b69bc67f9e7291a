//! The scenes of Flux: managers of vaults. Each has a devnet and a searcher of its own.
//!
//! ```text
//! scene ─▶ devnet with Flux ─▶ managers borrow, unseen ─▶ searcher starts ─▶ update, trade or time ─▶ block ─▶ what landed ─▶ books
//! ```
//!
//! What the vault itself says of a liquidation, and what is left of the manager and of the executor in it, is asked of the contracts.

mod bounds;
mod keeper;
mod means;
mod others;
mod time;

use super::{
    Played, RehearsalError, Scene, SceneResult, Seen,
    landing::Landing,
    set::{Act, Set, play_each},
};
use crate::{
    devnet::{
        DevnetConfig, FluxManager,
        flux::{Terms, abi::Vault},
    },
    drivers::searcher::Event,
    engine::{Outcome as Found, Refusal},
    plan::{Action, Leap, Skip, SkipReason, TargetKey},
};
use alloy::primitives::{Address, I256, U256};
use std::path::Path;

/// The scenes in the order in which they are played.
#[must_use]
pub const fn scenes() -> &'static [Scene] {
    &[
        Scene {
            name: "flux-a",
            expected: "the documented example: 49.5K paid for 50K against 100K, bad debt 50.5K, about 300 dollars before gas, right behind the update",
        },
        Scene { name: "flux-b", expected: "under water with a margin of 20 %, 1 % and none: the first two land, the last is skipped as unprofitable" },
        Scene { name: "flux-c", expected: "105K against 100K: the whole debt is paid and no bad debt is left" },
        Scene {
            name: "flux-d",
            expected: "health 1.1 exactly is left alone, a unit of the price below is taken; health 1 exactly is dead_zone, a unit below is taken",
        },
        Scene { name: "flux-e", expected: "too little cash to borrow the payment in the vault: seized first, and it lands" },
        Scene { name: "flux-f", expected: "the market is too thin for the whole: a fraction is taken, and the rest when the market has recovered" },
        Scene {
            name: "flux-g",
            expected: "a trade in its pool turns a Uniswap position under a vault: it is seized, dissolved and sold right behind the trade",
        },
        Scene { name: "flux-h", expected: "a strategy of another rule: nothing is sent before its block, then also what the formulas call healthy" },
        Scene { name: "flux-i", expected: "two managers of a vault at once: both in one bundle" },
        Scene { name: "flux-j", expected: "interest alone: bundles for exactly the blocks in which health falls below 1.1 and below 1" },
        Scene {
            name: "flux-k",
            expected: "a stranger calls the executor back, by itself and through the vault: all fail, nothing changes, and the next liquidation lands",
        },
        Scene {
            name: "flux-l",
            expected: "a wrapper reverts: its manager is skipped as price_unavailable, others go on, and it is taken when the wrapper works again",
        },
        Scene { name: "flux-m", expected: "a rival liquidates first in the same block: recorded as lost to it, at no cost" },
        Scene { name: "flux-n", expected: "tokens in a wrapper that was never registered are named and seized too" },
        Scene {
            name: "flux-o",
            expected: "the dead zone is left upwards as well: nothing is sent just below the price that the skip names, and it lands just above",
        },
        Scene {
            name: "flux-p",
            expected: "a keeper with the role and the budget repays a debt out of its manager's bond, once: utilisation 96 % to 95 %, health 1.1 to 1.125",
        },
    ]
}

/// Plays the scenes that `wanted` names, each with its books.
///
/// # Errors
/// When a devnet or a searcher breaks; a scene that goes wrong is in the result.
pub async fn play(folder: &Path, wanted: impl Fn(&str) -> bool, tell: impl FnMut(&SceneResult)) -> Result<Played, RehearsalError> {
    let config = DevnetConfig { flux: true, ..DevnetConfig::default() };
    play_each(folder, scenes(), &config, wanted, tell, one).await
}

async fn one(name: &str, set: &mut Set) -> Seen {
    match name {
        "flux-a" => bounds::example(set).await,
        "flux-b" => bounds::margins(set).await,
        "flux-c" => bounds::healthy_side(set).await,
        "flux-d" => bounds::exact(set).await,
        "flux-e" => means::low_cash(set).await,
        "flux-f" => means::partly(set).await,
        "flux-g" => means::uniswap_position(set).await,
        "flux-h" => time::another_rule(set).await,
        "flux-i" => others::two_at_once(set).await,
        "flux-j" => time::interest_alone(set).await,
        "flux-k" => others::attacked(set).await,
        "flux-l" => others::blinded(set).await,
        "flux-m" => others::rival(set).await,
        "flux-n" => means::hidden(set).await,
        "flux-o" => bounds::upwards(set).await,
        "flux-p" => keeper::deleveraged(set).await,
        _ => Err(RehearsalError::Scene(format!("there is no scene {name}"))),
    }
}

/// Ether's price in the feed and in the market at the start, in units of the feed.
const PRICE: u64 = 250_000_000_000;
/// Units of WETH in a whole one.
const WETH: u64 = 1_000_000_000_000_000_000;

/// Whole USDC in units.
fn usdc(whole: u64) -> U256 {
    U256::from(whole).saturating_mul(U256::from(1_000_000_u64))
}

/// Whole WETH in units.
fn weth(whole: u64) -> U256 {
    U256::from(whole).saturating_mul(U256::from(WETH))
}

/// An answer of ether's feed.
fn answer(units: u64) -> I256 {
    I256::try_from(units).unwrap_or(I256::MAX)
}

impl Set {
    /// The devnets of this set have a vault of these terms, too.
    fn with_vault(&mut self, terms: Terms) {
        self.config.flux_vaults.push(terms);
    }
}

impl Act {
    /// Ether's feed gets an answer by a pending transaction, and the searcher looks at it. Its block is built, and what landed is looked at.
    async fn answered(&mut self, units: u64) -> Result<Landing, RehearsalError> {
        let update = self.stage.devnet.price("ETH/USD", answer(units)).await?;
        self.run(update).await?;
        Ok(self.block().await?.1)
    }

    /// What is left of a manager in its vault, in words.
    async fn left_of(&self, manager: &FluxManager) -> Result<Vec<String>, RehearsalError> {
        Ok(self.stage.devnet.flux_world()?.left_of(&manager.vault, manager.script).await?)
    }

    /// The newest reason for which a manager was not liquidated.
    fn reason_of(&self, manager: &FluxManager) -> Option<SkipReason> {
        self.skip_of(manager, None).map(|skip| skip.reason)
    }

    /// The newest skip of a manager; of one action, or of the first that was looked at, which is to liquidate it.
    fn skip_of(&self, manager: &FluxManager, action: Option<Action>) -> Option<&Skip> {
        let key = TargetKey::Account(manager.script);
        let is_it =
            |refusal: &&Refusal| refusal.target.as_ref().is_some_and(|target| target.key == key) && action.is_none_or(|action| refusal.action == Some(action));
        self.outcomes().find_map(|outcome| outcome.refusals.iter().find(is_it)).map(|refusal| &refusal.skip)
    }

    /// Where the dead zone of a manager was last seen to end.
    fn leap_of(&self, manager: &FluxManager) -> Option<&Leap> {
        let key = TargetKey::Account(manager.script);
        self.outcomes().find_map(|outcome| outcome.opportunities.iter().find(|one| one.target.key == key)?.leap.as_ref())
    }

    /// What came of triggers, the newest first.
    fn outcomes(&self) -> impl Iterator<Item = &Found> {
        self.troupe.happened.iter().rev().filter_map(|event| match event {
            Event::Trigger { outcome, .. } => Some(&**outcome),
            _ => None,
        })
    }
}

impl Landing {
    /// What the vaults tell of our liquidations.
    fn liquidated(&self) -> Vec<Vault::Liquidated> {
        self.told()
    }

    /// The only liquidation, where it is of this manager.
    fn only(&self, manager: Address) -> Option<Vault::Liquidated> {
        let mut told = self.liquidated();
        let last = told.pop();
        last.filter(|last| told.is_empty() && last.manager == manager)
    }

    /// As predicted, right behind its trigger, with a profit.
    const fn is_fine(&self) -> bool {
        self.exact && self.right_behind && self.profit.is_positive()
    }
}

/// Units of USDC as whole ones, with what decimals there are.
fn dollars(units: U256) -> String {
    decimal(units, 6)
}

/// An amount with so many decimals, without zeros at the end.
fn decimal(amount: U256, decimals: u8) -> String {
    let text = alloy::primitives::utils::format_units(amount, decimals).unwrap_or_else(|_| amount.to_string());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the vault said of a liquidation, in words.
fn paid(told: Option<&Vault::Liquidated>) -> String {
    told.map_or_else(
        || "no liquidation".to_owned(),
        |told| format!("{} USDC paid of {}, bad debt {}", dollars(told.payment), dollars(told.debtCleared), dollars(told.badDebt)),
    )
}

/// A reason, in words.
fn named(reason: Option<SkipReason>) -> &'static str {
    reason.map_or("not refused", SkipReason::name)
}
