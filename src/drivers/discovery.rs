//! What exists, from logs: a backfill that goes on where it stopped, then block by block.
//!
//! ```text
//! checkpoint (ledger) ─restore─▶ replay ◀─backfill, range by range─ node
//!                                  │ every range: checkpoint        │
//!                                  └──────────── Found ◀── logs of each new head
//! ```
//!
//! Logs say who exists and who has debt, state says how much. After a reorg the replay goes back to its anchor, a
//! checkpoint that is older than the deepest reorg, and on from there.

use crate::{
    chain::{BackfillError, ChainError, Head, LogQuery, Node, WINDOW, backfill},
    ledger::{Discovered, Ledger, LedgerError},
    plan::ProtocolId,
    protocols::{Discoverer, DiscoveryError, Found, LogSource, Protocol},
};
use alloy::{
    primitives::{B256, Bytes},
    rpc::types::Log as RpcLog,
};
use futures::{FutureExt, future::BoxFuture};
use std::sync::Arc;

/// The deepest reorg that is followed, in blocks.
const DEEPEST: u64 = WINDOW as u64;

/// Blocks between two anchors.
const ANCHOR_EVERY: u64 = 4 * DEEPEST;

/// Why discovery could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A log or checkpoint.
    #[error("{protocol}: {source}")]
    Replay {
        /// Whose.
        protocol: ProtocolId,
        /// Why.
        source: DiscoveryError,
    },
    /// A protocol that was not configured when the snapshot was taken.
    #[error("the snapshot holds no logs of {0}: it was taken with another configuration")]
    NotInSnapshot(ProtocolId),
    /// Whoever keeps checkpoints.
    #[error("the checkpoint can't be kept")]
    Keep(#[from] LedgerError),
}

/// A place to go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last block that it contains.
    pub block: u64,
    /// That block's hash.
    pub hash: B256,
    /// The replay's state.
    pub state: Vec<u8>,
}

/// Where checkpoints are kept between runs.
pub trait Checkpoints: Send + Sync + std::fmt::Debug {
    /// The newest checkpoint of a protocol.
    fn load<'a>(&'a self, protocol: &'a ProtocolId) -> BoxFuture<'a, Result<Option<Checkpoint>, DiscoverError>>;
    /// Keeps one in place of the one before.
    fn keep<'a>(&'a self, protocol: &'a ProtocolId, checkpoint: &'a Checkpoint) -> BoxFuture<'a, Result<(), DiscoverError>>;
}

impl Checkpoints for Ledger {
    fn load<'a>(&'a self, protocol: &'a ProtocolId) -> BoxFuture<'a, Result<Option<Checkpoint>, DiscoverError>> {
        async move {
            let Some(place) = self.checkpoint(&protocol.0).await? else { return Ok(None) };
            let state = self.discovered(&protocol.0).await?.into_iter().find(|one| one.key.as_ref() == REPLAY);
            Ok(state.map(|state| Checkpoint { block: place.number, hash: place.hash, state: state.value.to_vec() }))
        }
        .boxed()
    }

    fn keep<'a>(&'a self, protocol: &'a ProtocolId, checkpoint: &'a Checkpoint) -> BoxFuture<'a, Result<(), DiscoverError>> {
        async move {
            let place = crate::ledger::Checkpoint { number: checkpoint.block, hash: checkpoint.hash };
            let state = Discovered { key: Bytes::from_static(REPLAY), value: checkpoint.state.clone().into() };
            Ok(self.store_checkpoint(&protocol.0, place, vec![state]).await?)
        }
        .boxed()
    }
}

/// The key of a replay's whole state in the ledger.
const REPLAY: &[u8] = b"replay";

/// Ranges of logs between two checkpoints.
const RANGES_PER_CHECKPOINT: u64 = 8;

/// Told how far a backfill has come.
pub trait Progress: Send + Sync {
    /// Blocks `done` of `all` of a protocol.
    fn at(&self, protocol: &ProtocolId, done: u64, all: u64);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

impl Progress for Quiet {
    fn at(&self, _: &ProtocolId, _: u64, _: u64) {}
}

/// The replay of one protocol's logs.
#[derive(Debug)]
pub struct Discovery {
    protocol: Arc<dyn Protocol>,
    replay: Box<dyn Discoverer>,
    query: LogQuery,
    from_block: u64,
    /// Deep enough that no reorg that we follow reaches it.
    anchor: Option<Checkpoint>,
    next_anchor: Option<Checkpoint>,
}

impl Discovery {
    /// Reads all logs up to `head`, from the newest checkpoint that is still on the chain.
    pub async fn start(
        protocol: Arc<dyn Protocol>,
        node: &Node,
        head: &Head,
        checkpoints: &dyn Checkpoints,
        progress: &dyn Progress,
    ) -> Result<Self, DiscoverError> {
        let mut discovery = Self::empty(protocol);
        let id = discovery.protocol.id().clone();
        if let Some(checkpoint) = checkpoints.load(&id).await?
            && checkpoint.block <= head.number
            && node.head_by_number(checkpoint.block).await?.is_some_and(|known| known.hash == checkpoint.hash)
        {
            match discovery.replay.restore(&checkpoint.state) {
                Ok(()) => discovery.anchor = Some(checkpoint),
                // A checkpoint of another version or setup: the logs are still there.
                Err(error) => {
                    tracing::warn!(protocol = %id, %error, "starting from the first log");
                    discovery.replay = discovery.protocol.discoverer();
                }
            }
        }
        discovery.catch_up(node, head, checkpoints, progress).await?;
        Ok(discovery)
    }

    fn empty(protocol: Arc<dyn Protocol>) -> Self {
        let sources = protocol.log_sources();
        Self {
            replay: protocol.discoverer(),
            query: query(&sources),
            from_block: sources.iter().map(|source| source.from_block).min().unwrap_or_default(),
            protocol,
            anchor: None,
            next_anchor: None,
        }
    }

    /// What a snapshot holds of a protocol's logs: it stays at the snapshot's block.
    pub(super) fn saved(protocol: Arc<dyn Protocol>, replay: Option<&[u8]>) -> Result<Self, DiscoverError> {
        let mut discovery = Self::empty(protocol);
        let replay = replay.ok_or_else(|| DiscoverError::NotInSnapshot(discovery.protocol.id().clone()))?;
        discovery.replay.restore(replay).map_err(|source| discovery.error(source))?;
        Ok(discovery)
    }

    /// The replay as it stands, for a snapshot.
    pub(super) fn save(&self) -> Result<(ProtocolId, Vec<u8>), DiscoverError> {
        let replay = self.replay.checkpoint().map_err(|source| self.error(source))?;
        Ok((self.protocol.id().clone(), replay))
    }

    /// What is known to exist.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        self.replay.found()
    }

    /// The logs that it follows.
    #[must_use]
    pub const fn query(&self) -> &LogQuery {
        &self.query
    }

    /// From the anchor (or the first block) to a head; a checkpoint after every range that no reorg can reach.
    async fn catch_up(&mut self, node: &Node, head: &Head, checkpoints: &dyn Checkpoints, progress: &dyn Progress) -> Result<(), DiscoverError> {
        let first = self.anchor.as_ref().map_or(self.from_block, |anchor| anchor.block.saturating_add(1));
        if first > head.number {
            return Ok(());
        }
        let safe = head.number.saturating_sub(DEEPEST);
        let stride = node.max_log_range().saturating_mul(RANGES_PER_CHECKPOINT);
        let mut from = first;
        while from <= head.number {
            // A stride ends where a checkpoint is worth keeping; the last one holds what a reorg can still take back.
            let limit = if from <= safe { safe } else { head.number };
            let to = from.saturating_add(stride.saturating_sub(1)).min(limit);
            let hash = self.replay_range(node, from, to, head, progress).await?;
            if to <= safe {
                let checkpoint = self.checkpoint(to, hash)?;
                checkpoints.keep(self.protocol.id(), &checkpoint).await?;
                self.anchor = Some(checkpoint);
            }
            from = to.saturating_add(1);
        }
        Ok(())
    }

    /// Takes the logs of a range; gives the hash of its last block.
    async fn replay_range(&mut self, node: &Node, from: u64, to: u64, head: &Head, progress: &dyn Progress) -> Result<B256, DiscoverError> {
        let (query, id, begin) = (self.query.clone(), self.protocol.id().clone(), self.from_block);
        let mut last = B256::ZERO;
        backfill(node, &query, from, to, |step| {
            for log in &step.logs {
                self.take(log)?;
            }
            progress.at(&id, step.to.saturating_sub(begin), head.number.saturating_sub(begin));
            last = step.to_hash;
            Ok(())
        })
        .await
        .map_err(|error| match error {
            BackfillError::Node(error) => DiscoverError::Chain(error),
            BackfillError::Taker(error) => error,
        })?;
        Ok(last)
    }

    fn checkpoint(&self, block: u64, hash: B256) -> Result<Checkpoint, DiscoverError> {
        let state = self.replay.checkpoint().map_err(|source| self.error(source))?;
        Ok(Checkpoint { block, hash, state })
    }

    fn error(&self, source: DiscoveryError) -> DiscoverError {
        DiscoverError::Replay { protocol: self.protocol.id().clone(), source }
    }

    fn take(&mut self, log: &RpcLog) -> Result<Vec<Found>, DiscoverError> {
        let timestamp = log.block_timestamp.unwrap_or_default();
        self.replay.apply(&log.inner, timestamp).map_err(|source| self.error(source))
    }

    /// Takes the logs of a new head that follows the one before.
    pub async fn head(&mut self, head: &Head, logs: &[RpcLog], checkpoints: &dyn Checkpoints) -> Result<Vec<Found>, DiscoverError> {
        let mut found = Vec::new();
        for log in logs {
            found.extend(self.take(log)?);
        }
        if self.next_anchor.as_ref().is_some_and(|next| next.block.saturating_add(DEEPEST) <= head.number)
            && let Some(next) = self.next_anchor.take()
        {
            checkpoints.keep(self.protocol.id(), &next).await?;
            self.anchor = Some(next);
        }
        let anchored = self.anchor.as_ref().map_or(self.from_block, |anchor| anchor.block);
        if self.next_anchor.is_none() && head.number >= anchored.saturating_add(ANCHOR_EVERY) {
            self.next_anchor = Some(self.checkpoint(head.number, head.hash)?);
        }
        Ok(found)
    }

    /// After a reorg: back to the anchor, and on to the new head. Gives all that exists.
    pub async fn rebuild(&mut self, node: &Node, head: &Head, checkpoints: &dyn Checkpoints) -> Result<Vec<Found>, DiscoverError> {
        self.replay = self.protocol.discoverer();
        self.next_anchor = None;
        if let Some(anchor) = &self.anchor
            && node.head_by_number(anchor.block).await?.is_none_or(|known| known.hash != anchor.hash)
        {
            // A reorg deeper than any that we follow.
            self.anchor = None;
        }
        if let Some(anchor) = &self.anchor
            && let Err(error) = self.replay.restore(&anchor.state)
        {
            tracing::warn!(protocol = %self.protocol.id(), %error, "starting from the first log");
            self.replay = self.protocol.discoverer();
            self.anchor = None;
        }
        self.catch_up(node, head, checkpoints, &Quiet).await?;
        // Ranges are read by height: a node that took another branch meanwhile told of that one.
        if node.head_by_number(head.number).await?.is_none_or(|known| known.hash != head.hash) {
            let detail = format!("block {} is not {} any more", head.number, head.hash);
            return Err(ChainError::Inconsistent { call: "eth_getLogs", detail }.into());
        }
        Ok(self.found())
    }
}

fn query(sources: &[LogSource]) -> LogQuery {
    let mut query = LogQuery::default();
    for source in sources {
        query.addresses.extend(source.addresses.iter().copied());
        query.events.extend(source.topics.iter().copied());
    }
    query
}
