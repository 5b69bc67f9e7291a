//! The figures that are measured as a whole elsewhere: re-execution of real blocks, and a busy mempool.

use super::{
    figure::{Absolute, Better, Figure, Measured, Promise},
    pending,
    replay::roll_replay_real,
};
use std::path::PathBuf;
use tokio::runtime::Runtime;

/// Re-execution of recorded blocks against plain revm.
pub(crate) struct RollReplayReal {
    folder: PathBuf,
}

impl RollReplayReal {
    /// On the blocks of the folder that `HARRIER_REAL_DATA` names, or of the usual one; none where there are none.
    pub(crate) fn find() -> Option<Self> {
        let named = std::env::var_os("HARRIER_REAL_DATA").map(PathBuf::from);
        let folder = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/real-data"));
        folder.join("blocks").is_dir().then_some(Self { folder })
    }
}

impl Figure for RollReplayReal {
    fn promise(&self) -> Promise {
        Promise { name: "roll_replay_real", unit: "of plain revm", target: 0.80, better: Better::Higher }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        let found = roll_replay_real(&self.folder)?;
        let speed = found.gas as f64 / found.ours.as_secs_f64() / 1e6;
        let gas = Absolute { name: "roll_replay_gas".to_owned(), value: speed, unit: "Mgas/s", better: Better::Higher };
        let times = [("roll_replay_ours", found.ours), ("roll_replay_checked", found.checked), ("roll_replay_plain", found.plain)];
        let beside = times.into_iter().map(|(name, time)| Absolute::time(name, time)).chain([gas]).collect();
        Ok(Measured { value: found.ratio, beside })
    }
}

/// From the announcement of an update to its bundle, among others and alone.
pub(crate) struct PendingCost<'a> {
    pub(crate) runtime: &'a Runtime,
}

impl Figure for PendingCost<'_> {
    fn promise(&self) -> Promise {
        Promise { name: "pending_cost", unit: "times as long", target: 1.10, better: Better::Lower }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        let found = self.runtime.block_on(pending::measure())?;
        let noise = Absolute { name: "pending_noise".to_owned(), value: found.per_second, unit: "a second", better: Better::Higher };
        let beside = vec![Absolute::time("pending_quiet", found.quiet), Absolute::time("pending_busy", found.busy), noise];
        Ok(Measured { value: found.ratio(), beside })
    }
}
