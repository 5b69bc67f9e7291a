//! Bundles that were sent and are not decided: what was predicted, and what became of it.

use super::records::now_ms;
use crate::{
    engine::{Batch, Candidate},
    executor,
    fork::SimTx,
    ledger::{Explanation, Inputs, Ledger, LedgerError, Outcome as LedgerOutcome, ProofEnd, ProofRow, Realised as LedgerRealised, RecordId},
    plan::{Resource, Trigger},
    relay::{Bundle, IncludedBlock, IncludedTx, Lease, LogPattern, Outcome, Watch, decide},
};
use alloy::primitives::{Address, B256, I256, U256};

/// One candidate in a bundle, with what tells that somebody else took its target.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) candidate: Candidate,
    pub(super) winner: Vec<LogPattern>,
}

/// A bundle between sending and its target block.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) record: RecordId,
    pub(super) trigger: Trigger,
    pub(super) bundle: Bundle,
    pub(super) lease: Lease,
    pub(super) batch: Batch,
    pub(super) jobs: Vec<Job>,
}

/// How a bundle ended, for whoever watches.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What made us look.
    pub trigger: Trigger,
    /// The bundle's hash.
    pub bundle: B256,
    /// How it ended.
    pub outcome: LedgerOutcome,
    /// How the result stands to the prediction, where it landed.
    pub explanation: Option<Explanation>,
    /// Predicted profit in wei.
    pub predicted_wei: I256,
    /// What was in it.
    pub batch: Batch,
}

impl InFlight {
    /// What other plans may not use meanwhile.
    pub(super) fn locks(&self) -> impl Iterator<Item = &Resource> {
        self.jobs.iter().flat_map(|job| &job.candidate.opportunity.locks)
    }

    /// Predicted profit in wei of all its transactions.
    pub(super) fn predicted(&self) -> I256 {
        predicted(&self.batch)
    }

    /// Decides it from its target block, and writes down how it ended.
    pub(super) async fn settle(self, block: &IncludedBlock, books: Books, ledger: &Ledger) -> Result<Decided, LedgerError> {
        let ours = self.bundle.own_hashes();
        let winner = self.jobs.iter().flat_map(|job| job.winner.iter().cloned()).collect();
        let whole = Watch { target_block: self.bundle.target_block(), ours: ours.clone(), winner };
        let decided = decide(&whole, block);
        let outcome = self.ledger_outcome(&decided, block, books);
        for job in &self.jobs {
            let own = ours.get(job.candidate.tx).copied().into_iter().collect();
            let watch = Watch { target_block: whole.target_block, ours: own, winner: job.winner.clone() };
            let (end, detail) = proof(&decide(&watch, block));
            ledger
                .record_proof(ProofRow {
                    target: job.candidate.opportunity.target.clone(),
                    action: job.candidate.opportunity.action,
                    block: whole.target_block,
                    end,
                    detail,
                    bundle: Some(self.record),
                    at_ms: now_ms(),
                })
                .await?;
        }
        let explanation = ledger.record_outcome(self.record, outcome.clone(), now_ms()).await?;
        if explanation.as_ref().is_some_and(Explanation::is_alarm) {
            tracing::error!(bundle = %self.bundle.hash(), "the realised profit differs although no input does");
        }
        let predicted_wei = self.predicted();
        self.lease.release_decided();
        Ok(Decided { trigger: self.trigger, bundle: self.bundle.hash(), outcome, explanation, predicted_wei, batch: self.batch })
    }

    /// Ends it without its block, which could not be read for longer than any reorg lasts.
    pub(super) async fn abandon(self, ledger: &Ledger) -> Result<(), LedgerError> {
        tracing::error!(bundle = %self.bundle.hash(), block = self.bundle.target_block(), "a target block could not be read; its bundle counts as missed");
        ledger.record_outcome(self.record, LedgerOutcome::Missed, now_ms()).await?;
        self.lease.release_decided();
        Ok(())
    }

    fn ledger_outcome(&self, decided: &Outcome, block: &IncludedBlock, books: Books) -> LedgerOutcome {
        let payment = self.batch.txs.iter().fold(U256::ZERO, |sum, tx| sum.saturating_add(tx.plan.builder_payment));
        ledger_outcome(decided, block, &self.bundle.own_hashes(), payment, books)
    }
}

/// Predicted profit in wei of a batch: gains less gas, signed.
pub(super) fn predicted(batch: &Batch) -> I256 {
    batch.txs.iter().fold(I256::ZERO, |sum, tx| sum.saturating_add(signed(tx.gain)).saturating_sub(signed(tx.gas_wei)))
}

fn signed(amount: U256) -> I256 {
    I256::try_from(amount).unwrap_or(I256::MAX)
}

/// How the ledger says what a block says.
pub(super) fn ledger_outcome(decided: &Outcome, block: &IncludedBlock, ours: &[B256], payment: U256, books: Books) -> LedgerOutcome {
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
        Outcome::Reverted { block: facts, txs } => {
            let tx = txs.iter().find(|tx| !tx.success).or(txs.first()).map_or(B256::ZERO, |tx| tx.hash);
            let cost_wei =
                included.iter().fold(U256::ZERO, |sum, tx| sum.saturating_add(U256::from(tx.gas_used).saturating_mul(U256::from(tx.effective_gas_price))));
            LedgerOutcome::Reverted { block: facts.number, tx, cost_wei }
        }
        Outcome::Lost { to, tx, .. } => LedgerOutcome::Lost { to: *to, tx: *tx },
        Outcome::Missed { .. } => LedgerOutcome::Missed,
    }
}

/// Where profit is read from receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) executor: Address,
    pub(super) profit_token: Address,
}

/// What one transaction brought after gas: the gain that the executor itself logged, which leaves donations out.
fn realised(tx: &IncludedTx, books: Books) -> I256 {
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
