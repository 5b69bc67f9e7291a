//! Bundles from sending to the end, and back again when a block leaves the chain.
//!
//! ```text
//!                                head reaches the target N: its receipts, by the hash H on the way to the head
//!   sent, or in the journal ─▶ in flight ─────────────────────────────────────────────▶ settled on (N, H) ──head N + 64──▶ forgotten
//!                              ▲   operator leased                                      │   operator free
//!                              └──── H is no longer on the way to the head: "undone" ◀──┘
//! ```
//!
//! - **Which block decides** follows from the session's own head and its parents (see [`Lineage`]), never from what a node calls canonical at a
//!   height: a node that is on another branch or lags behind can't decide anything.
//! - **A block that leaves the chain** (a reorg, a rollback with or without a notice, a branch taken while nobody ran) takes its decisions with it,
//!   whatever they were: landed, lost, missed, reverted. The ledger gets a correction, the old rows stay. If the new branch reaches the target
//!   already, the bundle is decided again at once, and the new row supersedes the correction. Otherwise it is in flight again: it is for exactly
//!   block N, and the N of this branch may come with it, from a relay that still has it or from the mempool that its transactions fell into. In a
//!   later block its transactions revert, because the executor checks the block window.
//! - **Its operator** is leased again if it is free and the nonce is not used on this branch, at once or as soon as both are true. Without it the
//!   bundle is decided all the same.
//! - **Its targets** are free: after its block is gone nobody is known to have the bundle, and the position is there to be taken again, by anybody. It is
//!   found at the new head, sized and simulated there, and sent by another operator, so that neither can make the other's nonce void. Should both be
//!   offered for a block, the second finds less or nothing and reverts, so no relay includes it. A bundle that was never decided locks its targets for
//!   its own block only: after a rollback the searcher works for earlier ones.
//! - **After 64 blocks** nothing is taken back any more; the undo data of the fork go as far.
//! - **Another process** finds all of this in the ledger: what is undecided, and what was decided in the last 64 blocks with the hash of its block.
//!   Both go through the same states here.

use super::{
    in_flight::{Books, Decided, InFlight, SentBundle, Settled},
    lineage::Lineage,
    searcher::SinkError,
    session::Session,
};
use crate::{
    chain::{ChainError, Head, Node, WINDOW},
    ledger::{BlockRef, Explanation, Ledger, LedgerError, Outcome as LedgerOutcome, OutcomeRow},
    plan::Resource,
    protocols::Protocol,
    relay::{BlockSource, IncludedBlock, Operators, SourceError},
};
use alloy::primitives::{B256, U256};
use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Blocks for which a decision may be taken back. Behind them a bundle is given up as soon as the node says that there is no block at its height.
const DEEPEST: u64 = WINDOW as u64;

/// What deciding needs besides the bundles.
#[derive(Clone, Debug)]
pub(super) struct Court<'a, B> {
    /// The head that is decided at.
    pub(super) head: &'a Head,
    /// Where headers on the way to it are asked for; only a run that sends decides, and that has a node.
    pub(super) node: Option<&'a Node>,
    pub(super) protocols: &'a [Arc<dyn Protocol>],
    /// Where realised profit is read.
    pub(super) books: Books,
    pub(super) blocks: &'a B,
    pub(super) ledger: &'a Ledger,
}

impl<'a, B> Court<'a, B> {
    /// At a session's head.
    pub(super) fn at(session: &'a Session, operators: &Operators, blocks: &'a B, ledger: &'a Ledger) -> Self {
        let settings = session.engine().settings();
        let books = Books { executor: settings.executor, profit_token: settings.weth, operators: operators.addresses() };
        Self { head: session.head(), node: session.node().ok().map(AsRef::as_ref), protocols: session.protocols(), books, blocks, ledger }
    }
}

/// What was learned of the block at a target's height.
#[derive(Debug)]
enum Sought {
    /// It, with its receipts.
    Found(Box<IncludedBlock>),
    /// The node was asked, and answered that it has none.
    Absent,
    /// Nobody could be asked, or the answer did not come: nothing follows from that, however often it happens.
    Unknown,
}

/// All bundles whose end is open, or may be again.
#[derive(Debug)]
pub(super) struct Decisions {
    in_flight: Vec<InFlight>,
    settled: Vec<Settled>,
    lineage: Lineage,
    watcher: Option<mpsc::Sender<Decided>>,
}

impl Decisions {
    pub(super) fn new(watcher: Option<mpsc::Sender<Decided>>) -> Self {
        Self { in_flight: Vec::new(), settled: Vec::new(), lineage: Lineage::default(), watcher }
    }

    /// Takes in a bundle that a relay has or may have.
    pub(super) fn sent(&mut self, bundle: InFlight) {
        self.in_flight.push(bundle);
    }

    /// Takes over what an earlier process left: the journal is written before sending, so nothing that was sent is missing.
    pub(super) async fn recover<B>(&mut self, court: &Court<'_, B>) -> Result<(), LedgerError> {
        let protocols = court.protocols;
        for journaled in court.ledger.unfinished_bundles().await? {
            let again = journaled.undone;
            self.in_flight.push(InFlight { sent: SentBundle::recovered(journaled, protocols), lease: None, again });
        }
        for journaled in court.ledger.decided_since(court.head.number.saturating_sub(DEEPEST)).await? {
            if let Some(on) = journaled.decided_on {
                self.settled.push(Settled { sent: SentBundle::recovered(journaled, protocols), on });
            }
        }
        Ok(())
    }

    /// What is used by bundles for this block.
    pub(super) fn locked(&self, target: u64) -> BTreeSet<Resource> {
        let same = self.in_flight.iter().filter(|bundle| bundle.sent.bundle.target_block == target && !bundle.again);
        same.flat_map(|bundle| bundle.sent.locks()).cloned().collect()
    }

    /// Follows the session to its head, and takes back what was decided on blocks that are not on the way to it.
    pub(super) async fn take_back<B>(&mut self, court: &Court<'_, B>) -> Result<(), LedgerError> {
        let head = court.head;
        let oldest = head.number.saturating_sub(DEEPEST);
        self.settled.retain(|settled| settled.on.number > oldest);
        let open = self.in_flight.iter().map(|bundle| bundle.sent.bundle.target_block).chain(self.settled.iter().map(|settled| settled.on.number));
        let floor = open.filter(|number| *number > oldest).min().unwrap_or(head.number).min(head.number);
        let Some(node) = court.node else { return Ok(()) };
        let fetch = |hash: B256| async move {
            let known = node.head_by_hash(hash).await?;
            known.ok_or_else(|| ChainError::Absent { what: format!("block {hash}, a parent of the head") })
        };
        if let Err(error) = self.lineage.follow(head, floor, fetch).await {
            tracing::warn!(%error, "the way to the head is not known yet; what it decides waits");
        }
        let (gone, stands): (Vec<_>, Vec<_>) = std::mem::take(&mut self.settled).into_iter().partition(|settled| self.lineage.lacks(settled.on) == Some(true));
        self.settled = stands;
        let mut gone = gone.into_iter();
        while let Some(settled) = gone.next() {
            if let Err(error) = self.undo(court.ledger, &settled).await {
                self.settled.push(settled);
                self.settled.extend(gone);
                return Err(error);
            }
            self.in_flight.push(InFlight { sent: settled.sent, lease: None, again: true });
        }
        Ok(())
    }

    async fn undo(&self, ledger: &Ledger, settled: &Settled) -> Result<(), LedgerError> {
        let row = settled.sent.undone(settled.on);
        tracing::warn!(bundle = %settled.sent.bundle.bundle_hash, block = %settled.on, "the block that decided a bundle is gone; it is open again");
        self.record(ledger, &settled.sent, row).await.map(drop)
    }

    /// Leases the operators of bundles that wait without: their nonces are theirs until their block is there.
    pub(super) fn lease(&mut self, operators: &Operators, head: u64) {
        for bundle in self.in_flight.iter_mut().filter(|bundle| bundle.lease.is_none() && bundle.sent.bundle.target_block > head) {
            let Ok(lease) = operators.lease_of(bundle.sent.bundle.operator, U256::ZERO) else { continue };
            if bundle.sent.nonce().is_some_and(|nonce| nonce >= lease.nonce()) {
                bundle.lease = Some(lease);
            } else {
                // It is used on this branch: there is nothing to keep for the bundle.
                lease.release_unsent();
            }
        }
    }

    /// Decides what is due. One whose end can't be written stays due; the others are decided all the same.
    ///
    /// # Errors
    /// The first reason why an end could not be written, after all the others are.
    pub(super) async fn decide<B: BlockSource>(&mut self, court: &Court<'_, B>) -> Result<(), SinkError> {
        let head = court.head.number;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.in_flight).into_iter().partition(|bundle| bundle.sent.bundle.target_block <= head);
        self.in_flight = later;
        let mut blocks: HashMap<u64, Sought> = HashMap::new();
        let mut failed = None;
        for bundle in due {
            let number = bundle.sent.bundle.target_block;
            if let Entry::Vacant(unread) = blocks.entry(number) {
                let block = self.block(court, number).await;
                unread.insert(block.unwrap_or_else(|error| {
                    tracing::warn!(%error, number, "deciding later");
                    Sought::Unknown
                }));
            }
            let row = match blocks.get(&number) {
                Some(Sought::Found(block)) => bundle.sent.decide(block, &court.books),
                // A node that is slow, cut off or on its way up says nothing of the kind. Only its own word ends the asking.
                Some(Sought::Absent) if head > number.saturating_add(DEEPEST) => {
                    tracing::error!(bundle = %bundle.sent.bundle.bundle_hash, block = number, "there is no target block; its bundle counts as missed");
                    bundle.sent.abandoned()
                }
                _ => {
                    self.in_flight.push(bundle);
                    continue;
                }
            };
            if let Err((bundle, error)) = self.settle(court.ledger, bundle, row).await {
                tracing::error!(%error, bundle = %bundle.sent.bundle.bundle_hash, "an outcome could not be written");
                self.in_flight.push(bundle);
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), |error| Err(SinkError { what: "writing an outcome", reason: error.to_string() }))
    }

    /// The block at a target's height on the way to the head. Far below the head every branch has the same.
    async fn block<B: BlockSource>(&self, court: &Court<'_, B>, number: u64) -> Result<Sought, SourceError> {
        let answer = match self.lineage.at(number) {
            Some(hash) => court.blocks.block_at(number, hash).await?,
            None if number.saturating_add(DEEPEST) <= court.head.number => court.blocks.block(number).await?,
            None => return Ok(Sought::Unknown),
        };
        Ok(answer.map_or(Sought::Absent, |block| Sought::Found(Box::new(block))))
    }

    /// Writes down how a bundle ended. It is given back where that can't be written: its end is still open then, and its operator still its own.
    async fn settle(&mut self, ledger: &Ledger, bundle: InFlight, row: OutcomeRow) -> Result<(), (InFlight, LedgerError)> {
        let on = row.on;
        let explanation = match self.record(ledger, &bundle.sent, row).await {
            Ok(explanation) => explanation,
            Err(error) => return Err((bundle, error)),
        };
        if explanation.as_ref().is_some_and(Explanation::is_alarm) {
            tracing::error!(bundle = %bundle.sent.bundle.bundle_hash, "the realised profit differs although no input does");
        }
        if let Some(lease) = bundle.lease {
            lease.release_decided();
        }
        self.settled.extend(on.map(|on: BlockRef| Settled { sent: bundle.sent, on }));
        Ok(())
    }

    async fn record(&self, ledger: &Ledger, sent: &SentBundle, row: OutcomeRow) -> Result<Option<Explanation>, LedgerError> {
        let outcome: LedgerOutcome = row.outcome.clone();
        let explanation = ledger.record_outcome(sent.record, row).await?;
        tracing::info!(bundle = %sent.bundle.bundle_hash, outcome = outcome.name(), "decided");
        if let Some(watcher) = &self.watcher
            && watcher.try_send(sent.told(outcome, explanation)).is_err()
        {
            tracing::debug!("nobody takes the outcome");
        }
        Ok(explanation)
    }
}

#[cfg(test)]
#[path = "decisions_tests.rs"]
mod tests;
