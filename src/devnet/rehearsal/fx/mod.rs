//! The scenes of f(x): long and short pools, ticks, credit notes. Each has a devnet and a searcher of its own.
//!
//! ```text
//! scene ─▶ devnet with f(x) ─▶ situation, unseen ─▶ searcher starts ─▶ update, trade or time ─▶ block ─▶ what landed ─▶ books
//! ```

mod gates;
mod landing;
mod notes;
mod ticks;

use super::{Played, RehearsalError, Scene, SceneResult, Stage, Troupe, accounts::balance};
use crate::devnet::DevnetConfig;
use alloy::primitives::U256;
use std::path::{Path, PathBuf};

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
pub async fn play(folder: &Path, wanted: impl Fn(&str) -> bool, mut tell: impl FnMut(&SceneResult)) -> Result<Played, RehearsalError> {
    let mut played = Played::default();
    for scene in scenes().iter().filter(|scene| wanted(scene.name)) {
        let mut set = Set { folder: folder.join(scene.name), searchers: 0, played: Played::default() };
        std::fs::create_dir_all(&set.folder).map_err(|error| RehearsalError::Scene(format!("{}: {error}", set.folder.display())))?;
        let (got, ok) = match scene.name {
            "fx-a" => ticks::several_at_once(&mut set).await?,
            "fx-b" => ticks::two_locked_calls(&mut set).await?,
            "fx-c" => notes::paid_in_notes(&mut set).await?,
            "fx-d" => notes::kept(&mut set).await?,
            "fx-e" => notes::capped(&mut set).await?,
            "fx-f" => gates::reserve(&mut set).await?,
            "fx-g" => gates::under_water(&mut set).await?,
            "fx-h" => gates::stable_repay(&mut set).await?,
            "fx-i" => ticks::spot_trade(&mut set).await?,
            "fx-j" => gates::stale(&mut set).await?,
            "fx-k" => ticks::merged(&mut set).await?,
            "fx-l" => ticks::time_alone(&mut set).await?,
            "fx-m" => ticks::half_left(&mut set).await?,
            _ => ticks::filled_again(&mut set).await?,
        };
        let result = SceneResult { name: scene.name.to_owned(), expected: scene.expected.to_owned(), got, ok };
        tell(&result);
        for book in set.played.books.iter().filter(|book| !book.ok) {
            tell(book);
        }
        played.scenes.push(result);
        played.add(set.played);
    }
    Ok(played)
}

/// Blocks after a scene, at most.
const LONGEST_EPILOGUE: usize = 8;

/// Where one scene is played: devnets and searchers, and what their books say.
#[derive(Debug)]
struct Set {
    folder: PathBuf,
    searchers: u32,
    played: Played,
}

/// A searcher on its devnet.
#[derive(Debug)]
struct Act {
    stage: Stage,
    troupe: Troupe,
    before: U256,
}

impl Set {
    /// A devnet with f(x) and an executor, and nobody who looks.
    async fn stage(&self) -> Result<Stage, RehearsalError> {
        Stage::set(DevnetConfig { fx: true, ..DevnetConfig::default() }, &self.folder).await
    }

    /// A searcher starts on it, with this laid over its configuration.
    async fn act(&mut self, stage: Stage, overrides: &[(String, String)]) -> Result<Act, RehearsalError> {
        self.searchers = self.searchers.saturating_add(1);
        let ledger = self.folder.join(format!("searcher-{}.sqlite", self.searchers));
        let before = stage.devnet.balance_of("WETH", stage.receiver).await?;
        let troupe = Troupe::start(&stage.devnet, stage.executor, stage.receiver, &ledger, overrides).await?;
        Ok(Act { stage, troupe, before })
    }

    /// The searcher ends, and its books are compared with the chain.
    async fn close(&mut self, act: Act) -> Result<(), RehearsalError> {
        let Act { stage, mut troupe, before } = act;
        // Blocks decide what was sent for them, until nothing is sent any more.
        for _ in 0..LONGEST_EPILOGUE {
            let sent = troupe.sent();
            troupe.block(&stage.devnet).await?;
            if troupe.sent() == sent {
                break;
            }
        }
        let (ledger, decided) = troupe.end().await?;
        let name = self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (result, summary) = balance(&stage, &format!("the books of {name}"), before, &ledger, &decided).await?;
        ledger.close().await?;
        self.played.books.push(result);
        self.played.summaries.push(summary);
        self.played.ends.extend(decided);
        Ok(())
    }
}
