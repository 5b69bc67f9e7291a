//! Past logs, in ranges that fit the node, resumable.
//!
//! The caller keeps the checkpoint that each step ends with; after an interruption it goes on behind the last one, once it has seen that the block
//! with the checkpoint's number still has its hash.

use super::{
    error::{Advice, ChainError},
    node::{LogQuery, Node},
};
use alloy::{primitives::B256, rpc::types::Log};
use std::time::Duration;

/// How often a range is asked for again when the connection fails or the node wants fewer requests.
const ATTEMPTS: u32 = 6;

/// The first pause for a node that wants fewer requests; it doubles.
const RATE_PAUSE: Duration = Duration::from_millis(500);

/// One range of blocks that was read.
#[derive(Clone, Debug)]
pub struct BackfillStep {
    /// First block of the range.
    pub from: u64,
    /// Last block of the range: the checkpoint's height.
    pub to: u64,
    /// The hash of the last block: the checkpoint's identity.
    pub to_hash: B256,
    /// The last block of the whole backfill, for progress.
    pub end: u64,
    /// The logs of the range, in order.
    pub logs: Vec<Log>,
}

/// What the caller's own part of a step answered.
pub type StepResult<E> = Result<(), E>;

/// Why a backfill ended early.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError<E> {
    /// The node.
    #[error(transparent)]
    Node(#[from] ChainError),
    /// Whoever took the steps.
    #[error("the logs of a range were not taken")]
    Taker(#[source] E),
}

/// Reads the logs of `from ..= to` in order and gives them range by range to `take`, which stores them with their checkpoint.
/// A range that is too much for the node is halved; what goes well lets it grow again up to the configured limit.
pub async fn backfill<E, F>(node: &Node, query: &LogQuery, from: u64, to: u64, mut take: F) -> Result<(), BackfillError<E>>
where
    F: FnMut(BackfillStep) -> StepResult<E>,
{
    let mut next = from;
    let mut length = node.max_log_range();
    while next <= to {
        let end = next.saturating_add(length.saturating_sub(1)).min(to);
        match read_range(node, query, next, end).await {
            Ok((to_hash, logs)) => {
                take(BackfillStep { from: next, to: end, to_hash, end: to, logs }).map_err(BackfillError::Taker)?;
                let Some(following) = end.checked_add(1) else { return Ok(()) };
                next = following;
                length = length.saturating_mul(2).min(node.max_log_range());
            }
            Err(error) if error.is_too_much() && length > 1 => {
                length = (length / 2).max(1);
                tracing::debug!(%error, length, "the node wants fewer blocks at once");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Reads one range, again when the connection fails or the last block changes while it is read, and after a pause when the node wants fewer requests.
async fn read_range(node: &Node, query: &LogQuery, from: u64, to: u64) -> Result<(B256, Vec<Log>), ChainError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let read = read_once(node, query, from, to).await;
        match read {
            Err(error) if error.is_rate_limit() && attempt < ATTEMPTS => {
                let pause = RATE_PAUSE.saturating_mul(1 << (attempt - 1));
                tracing::warn!(%error, attempt, ?pause, "the node wants fewer requests");
                tokio::time::sleep(pause).await;
            }
            Err(error) if error.advice() == Advice::Retry && !error.is_too_much() && attempt < ATTEMPTS => {
                tracing::warn!(%error, attempt, "asking for logs again");
                tokio::time::sleep(Duration::from_millis(100).saturating_mul(attempt)).await;
            }
            read => return read,
        }
    }
}

async fn read_once(node: &Node, query: &LogQuery, from: u64, to: u64) -> Result<(B256, Vec<Log>), ChainError> {
    let absent = || ChainError::Absent { what: format!("block {to}") };
    let before = node.head_by_number(to).await?.ok_or_else(absent)?;
    let logs = node.logs(from, to, query).await?;
    let after = node.head_by_number(to).await?.ok_or_else(absent)?;
    if before.hash != after.hash {
        return Err(ChainError::Inconsistent { call: "eth_getLogs", detail: format!("block {to} changed while its logs were read") });
    }
    Ok((after.hash, logs))
}
