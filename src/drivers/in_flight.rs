//! Bundles that were sent: what was predicted, and what a block says of them. Values only; who keeps and decides them is elsewhere.

use super::records::now_ms;
use crate::{
    engine::{Batch, Candidate},
    executor,
    fork::SimTx,
    ledger::{
        BlockRef, BundleRow, Explanation, Inputs, JobRow, JournaledBundle, Outcome as LedgerOutcome, OutcomeRow, ProofEnd, ProofRow,
        Realised as LedgerRealised, RecordId,
    },
    plan::{Action, Resource, Target, Trigger},
    protocols::Protocol,
    relay::{IncludedBlock, IncludedTx, Lease, LogPattern, Outcome, Watch, decide},
};
use alloy::primitives::{Address, B256, I256, U256};
use std::sync::Arc;

/// A bundle that may have been sent, by this process or an earlier one: as the journal holds it, with what tells that somebody else took a target.
#[derive(Clone, Debug)]
pub(super) struct SentBundle {
    pub(super) record: RecordId,
    pub(super) bundle: BundleRow,
    /// By job: the logs of anybody's action on its target.
    winners: Vec<Vec<LogPattern>>,
    /// What made this process look, and what the engine found; an earlier process took both with it.
    pub(super) found: Option<(Trigger, Batch)>,
}

/// A bundle between sending and its target block. Without a lease its operator is busy otherwise, or its nonce is used on this branch.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) sent: SentBundle,
    pub(super) lease: Option<Lease>,
    /// It was decided once, on a block that is gone: whether anybody still has it is not known.
    pub(super) again: bool,
}

/// A bundle that was decided, and the block that it was decided on.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) sent: SentBundle,
    pub(super) on: BlockRef,
}

/// How a bundle ended, for whoever watches. After a reorg it may be told again.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What made us look; none for a bundle of an earlier process.
    pub trigger: Option<Trigger>,
    /// The bundle's hash.
    pub bundle: B256,
    /// How it ended, or that its block is gone.
    pub outcome: LedgerOutcome,
    /// How the result stands to the prediction, where it landed.
    pub explanation: Option<Explanation>,
    /// Predicted profit in wei.
    pub predicted_wei: I256,
    /// What it tried.
    pub jobs: Vec<(Target, Action)>,
    /// What was in it; none for a bundle of an earlier process.
    pub batch: Option<Batch>,
}

impl SentBundle {
    /// A bundle that is in the journal under this record.
    pub(super) fn new(record: RecordId, bundle: BundleRow, protocols: &[Arc<dyn Protocol>], found: Option<(Trigger, Batch)>) -> Self {
        let winners = bundle.jobs.iter().map(|job| winners(protocols, &job.target)).collect();
        Self { record, bundle, winners, found }
    }

    /// One that an earlier process journaled.
    pub(super) fn recovered(journaled: JournaledBundle, protocols: &[Arc<dyn Protocol>]) -> Self {
        Self::new(journaled.id, journaled.bundle, protocols, None)
    }

    /// The nonce of its first transaction of ours.
    pub(super) fn nonce(&self) -> Option<u64> {
        self.bundle.txs.iter().find(|tx| tx.ours).map(|tx| tx.nonce)
    }

    /// What other plans for the same block may not use meanwhile.
    pub(super) fn locks(&self) -> impl Iterator<Item = &Resource> {
        self.bundle.jobs.iter().flat_map(|job| &job.locks)
    }

    /// How it ended by a block at its target height.
    pub(super) fn decide(&self, block: &IncludedBlock, books: &Books) -> OutcomeRow {
        let ours: Vec<B256> = self.bundle.txs.iter().filter(|tx| tx.ours).map(|tx| tx.hash).collect();
        let winner = self.winners.iter().flatten().cloned().collect();
        let whole = Watch { target_block: self.bundle.target_block, ours: ours.clone(), winner };
        let outcome = ledger_outcome(&books.judge(&whole, block), block, &ours, self.bundle.builder_payment_wei, books);
        let proofs = self.bundle.jobs.iter().zip(&self.winners).map(|(job, winner)| {
            let watch = Watch { target_block: whole.target_block, ours: job.txs.clone(), winner: winner.clone() };
            let (end, detail) = proof(&books.judge(&watch, block));
            self.proof(job, end, detail)
        });
        OutcomeRow { outcome, on: Some(BlockRef { number: block.head.number, hash: block.head.hash }), proofs: proofs.collect(), at_ms: now_ms() }
    }

    /// Its end without its block: there is none at its height, and the head is further from it than any reorg reaches.
    pub(super) fn abandoned(&self) -> OutcomeRow {
        let detail = format!("there is no block {}", self.bundle.target_block);
        let proofs = self.bundle.jobs.iter().map(|job| self.proof(job, ProofEnd::Missed, detail.clone())).collect();
        OutcomeRow { outcome: LedgerOutcome::Missed, on: None, proofs, at_ms: now_ms() }
    }

    /// The correction when the block that decided it has left the chain.
    pub(super) fn undone(&self, block: BlockRef) -> OutcomeRow {
        let detail = format!("{block} is no longer in the chain");
        let proofs = self.bundle.jobs.iter().map(|job| self.proof(job, ProofEnd::Undone, detail.clone())).collect();
        OutcomeRow { outcome: LedgerOutcome::Undone { block }, on: None, proofs, at_ms: now_ms() }
    }

    fn proof(&self, job: &JobRow, end: ProofEnd, detail: String) -> ProofRow {
        ProofRow { target: job.target.clone(), action: job.action, block: self.bundle.target_block, end, detail, bundle: Some(self.record), at_ms: now_ms() }
    }

    /// For whoever watches.
    pub(super) fn told(&self, outcome: LedgerOutcome, explanation: Option<Explanation>) -> Decided {
        Decided {
            trigger: self.found.as_ref().map(|(trigger, _)| *trigger),
            bundle: self.bundle.bundle_hash,
            outcome,
            explanation,
            predicted_wei: self.bundle.profit_wei,
            jobs: self.bundle.jobs.iter().map(|job| (job.target.clone(), job.action)).collect(),
            batch: self.found.as_ref().map(|(_, batch)| batch.clone()),
        }
    }
}

/// What a batch tries, by the hashes of its signed transactions.
pub(super) fn jobs(batch: &Batch, ours: &[B256]) -> Vec<JobRow> {
    let job = |candidate: &Candidate| {
        let opportunity = &candidate.opportunity;
        let txs = ours.get(candidate.tx).copied().into_iter().collect();
        JobRow { target: opportunity.target.clone(), action: opportunity.action, txs, locks: opportunity.locks.clone() }
    };
    batch.candidates.iter().map(job).collect()
}

/// The logs of anybody's action on a target; none where its protocol is not configured any more.
fn winners(protocols: &[Arc<dyn Protocol>], target: &Target) -> Vec<LogPattern> {
    let protocol = protocols.iter().find(|protocol| *protocol.id() == target.protocol);
    let logs = protocol.map(|protocol| protocol.acted_on(target.market, target.key)).unwrap_or_default();
    logs.into_iter().map(|log| LogPattern { address: log.address, topics: log.topics }).collect()
}

/// Predicted profit in wei of a batch: gains less gas, signed.
pub(super) fn predicted(batch: &Batch) -> I256 {
    batch.txs.iter().fold(I256::ZERO, |sum, tx| sum.saturating_add(signed(tx.gain)).saturating_sub(signed(tx.gas_wei)))
}

fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap_or(I256::MAX)
}

/// How the ledger says what a block says.
fn ledger_outcome(decided: &Outcome, block: &IncludedBlock, ours: &[B256], payment: U256, books: &Books) -> LedgerOutcome {
    let included: Vec<&IncludedTx> = block.txs.iter().filter(|tx| ours.contains(&tx.hash)).collect();
    match decided {
        // Of a bundle that was taken apart, what did land has landed; that it is less than predicted raises the alarm.
        Outcome::Landed { block: facts, .. } | Outcome::Partial { block: facts, .. } => {
            let profit_wei = included.iter().map(|tx| realised(tx, books)).fold(I256::ZERO, I256::saturating_add);
            LedgerOutcome::Landed(LedgerRealised {
                block: facts.number,
                block_hash: block.head.hash,
                inputs: Inputs {
                    parent_hash: facts.parent_hash,
                    timestamp: facts.timestamp,
                    base_fee: facts.base_fee,
                    fee_recipient: facts.fee_recipient,
                    in_front: facts.in_front.iter().map(|(_, hash)| *hash).collect(),
                },
                profit_wei,
                gas_used: included.iter().fold(0, |sum, tx| u64::saturating_add(sum, tx.gas_used)),
                builder_payment_wei: payment,
            })
        }
        Outcome::Reverted { txs, .. } => {
            let tx = txs.iter().find(|tx| !tx.success).or(txs.first()).map_or(B256::ZERO, |tx| tx.hash);
            let cost_wei =
                included.iter().fold(U256::ZERO, |sum, tx| sum.saturating_add(U256::from(tx.gas_used).saturating_mul(U256::from(tx.effective_gas_price))));
            LedgerOutcome::Reverted { tx, cost_wei }
        }
        Outcome::Lost { to, tx, .. } => LedgerOutcome::Lost { to: *to, tx: *tx },
        Outcome::Missed { .. } => LedgerOutcome::Missed,
    }
}

/// Where profit is read from receipts, and who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) executor: Address,
    pub(super) profit_token: Address,
    pub(super) operators: Vec<Address>,
}

impl Books {
    /// What a block says of a bundle. A race that another of our own operators won is none: the bundle was only not needed.
    fn judge(&self, watch: &Watch, block: &IncludedBlock) -> Outcome {
        match decide(watch, block) {
            Outcome::Lost { block, to, .. } if self.operators.contains(&to) => Outcome::Missed { block },
            outcome => outcome,
        }
    }
}

/// What one transaction brought after gas: the gain that the executor itself logged, which leaves donations out.
fn realised(tx: &IncludedTx, books: &Books) -> I256 {
    let logged = tx.logs.iter().filter_map(|log| executor::decode_gained_log(books.executor, log));
    let gain = logged.filter(|gained| gained.token == books.profit_token).fold(U256::ZERO, |sum, gained| sum.saturating_add(gained.amount));
    let gas = U256::from(tx.gas_used).saturating_mul(U256::from(tx.effective_gas_price));
    signed(gain).saturating_sub(signed(gas))
}

fn proof(decided: &Outcome) -> (ProofEnd, String) {
    match decided {
        Outcome::Landed { block, .. } => (ProofEnd::Landed, format!("in block {}", block.number)),
        Outcome::Reverted { block, .. } | Outcome::Partial { block, .. } => (ProofEnd::Reverted, format!("in block {}", block.number)),
        Outcome::Lost { to, tx, .. } => (ProofEnd::Lost, format!("to {to} with {tx}")),
        Outcome::Missed { block } => (ProofEnd::Missed, format!("block {} came without it", block.number)),
    }
}

/// The hashes of what stands in front, in order.
pub(super) fn front_hashes(front: &[SimTx]) -> Vec<B256> {
    front.iter().map(|tx| *tx.tx_hash()).collect()
}
