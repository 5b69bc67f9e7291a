//! The scenes of f(x): long and short pools, ticks, credit notes. Each has a devnet and a searcher of its own.
//!
//! ```text
//! scene ─▶ devnet with f(x) ─▶ situation, unseen ─▶ searcher starts ─▶ update, trade or time ─▶ block ─▶ what landed ─▶ books
//! ```

mod gates;
mod notes;
mod ticks;

use super::{
    Played, RehearsalError, Scene, SceneResult, Seen,
    set::{Set, play_each},
};
use crate::devnet::DevnetConfig;
use std::path::Path;

/// The scenes in the order in which they are played.
#[must_use]
pub const fn scenes() -> &'static [Scene] {
    &[
        Scene { name: "fx-a", expected: "one update brings several ticks into the window: all rebalanced in one transaction right behind it" },
        Scene { name: "fx-b", expected: "a crash of both long pools: their locked calls land as transactions of their own in one bundle" },
        Scene { name: "fx-c", expected: "the collateral is lent out: paid partly in notes, which are redeemed in full and sold in the same transaction" },
        Scene { name: "fx-d", expected: "a redemption would burn the notes for nothing: it is left out, and what remains still pays" },
        Scene { name: "fx-e", expected: "notes in third hands cap a short liquidation: as much is repaid as the manager has notes, not more" },
        Scene { name: "fx-f", expected: "a tick can't pay the bonus: the reserve pays the rest" },
        Scene { name: "fx-g", expected: "a tick under water is liquidated at its best budget, the loss is everybody's" },
        Scene { name: "fx-h", expected: "the base pool has too little fxUSD: the liquidation stays within it, and goes beyond when USDC may repay" },
        Scene { name: "fx-i", expected: "a trade in a spot pool moves the lowest price: the tick that it opens is rebalanced right behind it" },
        Scene { name: "fx-j", expected: "a stale feed is skipped as price_stale, and its update is a trigger" },
        Scene { name: "fx-k", expected: "a tick that took others in is rebalanced like any other" },
        Scene { name: "fx-l", expected: "funding alone makes a tick eligible: rebalanced in a block in which nothing else happens" },
        Scene {
            name: "fx-m",
            expected: "somebody takes half of a tick first in the same block: the rest is taken if that is enough, else nothing is paid and the next block has it",
        },
        Scene { name: "fx-n", expected: "new debt fills the same tick number again: a new target, taken again" },
    ]
}

/// Plays the scenes that `wanted` names, each with its books.
///
/// # Errors
/// When a devnet or a searcher breaks; a scene that goes wrong is in the result.
pub async fn play(folder: &Path, wanted: impl Fn(&str) -> bool, tell: impl FnMut(&SceneResult)) -> Result<Played, RehearsalError> {
    let config = DevnetConfig { fx: true, ..DevnetConfig::default() };
    play_each(folder, scenes(), &config, wanted, tell, one).await
}

async fn one(name: &str, set: &mut Set) -> Seen {
    match name {
        "fx-a" => ticks::several_at_once(set).await,
        "fx-b" => ticks::two_locked_calls(set).await,
        "fx-c" => notes::paid_in_notes(set).await,
        "fx-d" => notes::kept(set).await,
        "fx-e" => notes::capped(set).await,
        "fx-f" => gates::reserve(set).await,
        "fx-g" => gates::under_water(set).await,
        "fx-h" => gates::stable_repay(set).await,
        "fx-i" => ticks::spot_trade(set).await,
        "fx-j" => gates::stale(set).await,
        "fx-k" => ticks::merged(set).await,
        "fx-l" => ticks::time_alone(set).await,
        "fx-m" => ticks::half_left(set).await,
        "fx-n" => ticks::filled_again(set).await,
        _ => Err(RehearsalError::Scene(format!("there is no scene {name}"))),
    }
}
