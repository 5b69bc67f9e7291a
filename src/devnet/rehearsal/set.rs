//! A scene's own devnets and searchers, and how scenes are played one after the other.
//!
//! ```text
//! play_each ─▶ Set ─stage─▶ devnet, executor ─act─▶ a searcher on it ─▶ the scene ─close─▶ books
//! ```

use super::{Played, RehearsalError, Scene, SceneResult, Seen, Stage, Troupe, accounts::balance};
use crate::devnet::DevnetConfig;
use alloy::primitives::U256;
use std::path::{Path, PathBuf};

/// Plays the scenes that `wanted` names, each with its books, on devnets of this kind.
pub(super) async fn play_each(
    folder: &Path,
    scenes: &[Scene],
    config: &DevnetConfig,
    wanted: impl Fn(&str) -> bool,
    mut tell: impl FnMut(&SceneResult),
    play: impl AsyncFn(&str, &mut Set) -> Seen,
) -> Result<Played, RehearsalError> {
    let mut played = Played::default();
    for scene in scenes.iter().filter(|scene| wanted(scene.name)) {
        let mut set = Set { folder: folder.join(scene.name), config: config.clone(), searchers: 0, played: Played::default() };
        std::fs::create_dir_all(&set.folder).map_err(|error| RehearsalError::Scene(format!("{}: {error}", set.folder.display())))?;
        let (got, ok) = play(scene.name, &mut set).await?;
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
pub(super) struct Set {
    folder: PathBuf,
    /// What its devnets are started with.
    pub(super) config: DevnetConfig,
    searchers: u32,
    played: Played,
}

/// A searcher on its devnet.
#[derive(Debug)]
pub(super) struct Act {
    /// The devnet and the executor.
    pub(super) stage: Stage,
    /// The searcher.
    pub(super) troupe: Troupe,
    before: U256,
}

impl Set {
    /// A devnet and an executor that is registered wherever it has to be, and nobody who looks.
    pub(super) async fn stage(&self) -> Result<Stage, RehearsalError> {
        let stage = Stage::set(self.config.clone(), &self.folder).await?;
        stage.register(&self.folder).await?;
        Ok(stage)
    }

    /// A searcher starts on it, with this laid over its configuration.
    pub(super) async fn act(&mut self, stage: Stage, overrides: &[(String, String)]) -> Result<Act, RehearsalError> {
        self.searchers = self.searchers.saturating_add(1);
        let ledger = self.folder.join(format!("searcher-{}.sqlite", self.searchers));
        let before = stage.devnet.balance_of("WETH", stage.receiver).await?;
        let troupe = Troupe::start(&stage.devnet, stage.executor, stage.receiver, &ledger, overrides).await?;
        Ok(Act { stage, troupe, before })
    }

    /// The searcher ends, and its books are compared with the chain.
    pub(super) async fn close(&mut self, act: Act) -> Result<(), RehearsalError> {
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
