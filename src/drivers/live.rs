//! A live run's sink: signs, proves, journals and sends batches, and decides them at their target block.
//!
//! ```text
//! batch ─▶ lease its operator ─▶ sign ─▶ run the signed bytes once more ─▶ journal ─▶ relays ─▶ in flight ─▶ settled
//! ```

use super::{
    decisions::{Court, Decisions},
    in_flight::{Decided, InFlight, SentBundle, front_hashes, jobs, predicted},
    records::{Records, now_ms},
    searcher::{Sink, SinkError},
    session::{Means, Session},
};
use crate::{
    chain::PendingTx,
    config::TX_GAS_CAP,
    engine::{Batch, Outcome, Sender},
    executor,
    fork::{AccountState, ForkError, SimTx, TxStatus},
    ledger::{BundleRow, BundleTxRow, CandidateRow, Inputs, Outcome as LedgerOutcome, OutcomeRow, RecordId, SubmissionRow},
    plan::{Action, ProtocolId, Skip, SkipReason, Target, Trigger},
    relay::{Bundle, Lease, NodeBlocks, Operators, Relays, SealedTx, Sent, replacement_uuid},
};
use alloy::{
    consensus::Transaction,
    network::AnyNetwork,
    primitives::{Address, U256},
    providers::RootProvider,
};
use futures::{FutureExt, future::BoxFuture};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Wei that a free operator must be able to spend on gas at least: the largest transaction at the target block's base fee.
fn needed(session: &Session) -> U256 {
    U256::from(session.target_block().base_fee).saturating_mul(U256::from(TX_GAS_CAP))
}

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// A batch that is signed, proven and in the journal.
struct Prepared {
    sent: SentBundle,
    bundle: Bundle,
    lease: Lease,
    batch: Batch,
}

/// Sends what the engine found.
#[derive(Debug)]
pub struct LiveSink {
    operators: Operators,
    relays: Relays,
    records: Records,
    identity: Address,
    blocks: NodeBlocks<RootProvider<AnyNetwork>>,
    decisions: Decisions,
    needed: U256,
    /// What keepers may spend today still, by protocol.
    allowances: BTreeMap<ProtocolId, U256>,
    /// The block that the engine works for.
    target: u64,
}

impl LiveSink {
    /// A sink that sends with these operators to these relays under this identity.
    #[must_use]
    pub fn new(
        operators: Operators,
        relays: Relays,
        records: Records,
        identity: Address,
        blocks: NodeBlocks<RootProvider<AnyNetwork>>,
        decided: Option<mpsc::Sender<Decided>>,
    ) -> Self {
        Self { operators, relays, records, identity, blocks, decisions: Decisions::new(decided), needed: U256::ZERO, allowances: BTreeMap::new(), target: 0 }
    }

    /// Takes over what an earlier process left undecided, and what it decided on blocks that may be gone since. What is due is decided at once, the rest
    /// when its block is there.
    ///
    /// # Errors
    /// When the ledger can't be read or written.
    pub async fn recover(&mut self, session: &Session) -> Result<(), SinkError> {
        let court = Court::at(session, &self.operators, &self.blocks, self.records.ledger());
        self.decisions.recover(&court).await.map_err(|error| failed("reading the journal", &error))?;
        self.follow(session).await
    }

    /// Follows the session to its head: what a dropped block decided is open again, what is due is decided, operators are read.
    async fn follow(&mut self, session: &Session) -> Result<(), SinkError> {
        let court = Court::at(session, &self.operators, &self.blocks, self.records.ledger());
        self.decisions.take_back(&court).await.map_err(|error| failed("taking back outcomes", &error))?;
        self.decisions.decide(&court).await?;
        self.sync_operators(session).await?;
        // Until their blocks come, the nonces of what was sent are not for others.
        self.decisions.lease(&self.operators, session.head().number);
        Ok(())
    }

    /// What is left of the keepers' budgets of this day (UTC). What was spent is in the ledger, so that a restart forgets nothing.
    async fn sync_allowances(&mut self, session: &Session) -> Result<(), SinkError> {
        let now = now_ms();
        let today = now.saturating_sub(now % DAY_MS);
        self.allowances.clear();
        for (protocol, keeper) in session.keepers() {
            let spent = self.records.ledger().spent(protocol.clone(), keeper.action, today).await;
            let spent = spent.map_err(|error| failed("reading what a keeper spent", &error))?;
            self.allowances.insert(protocol, keeper.budget_wei.saturating_sub(spent));
        }
        Ok(())
    }

    /// Reads nonce and balance of the operators at the head.
    async fn sync_operators(&self, session: &Session) -> Result<(), SinkError> {
        let addresses = self.operators.addresses();
        let view = session.view();
        let accounts = tokio::task::spawn_blocking(move || addresses.into_iter().map(|address| (address, view.account(address))).collect::<Vec<_>>())
            .await
            .map_err(|error| failed("reading operators", &error))?;
        take_in(&self.operators, accounts);
        Ok(())
    }

    /// Signs a batch and runs the signed bytes: what is sent is what was proven. The second answer is whether it also holds
    /// when a slot is missed before the target block.
    async fn prove(&self, session: &Session, front: &[SimTx], batch: &Batch, lease: &Lease) -> Result<(Vec<SealedTx>, bool), Skip> {
        let mut sealed = Vec::with_capacity(batch.txs.len());
        for tx in &batch.txs {
            let signed = self.operators.seal_simulated(lease, &tx.tx).await;
            sealed.push(signed.map_err(|error| Skip::new(SkipReason::SubmissionFailed, format!("signing: {error}")))?);
        }
        let (view, block) = (session.view(), session.target_block());
        let all: Vec<SimTx> = front.iter().cloned().chain(sealed.iter().map(|sealed| sealed.tx().clone())).collect();
        let late = block.with_missed_slot(session.rules());
        let executed = tokio::task::spawn_blocking(move || (view.execute(&block, &all), view.execute(&late, &all))).await;
        let (execution, late) = match executed {
            Ok((Ok(execution), late)) => (execution, late),
            Ok((Err(error), _)) => return Err(Skip::new(SkipReason::SimulationReverted, format!("the signed bundle: {error}"))),
            Err(error) => return Err(Skip::new(SkipReason::SimulationReverted, error.to_string())),
        };
        for (outcome, predicted) in execution.txs.iter().skip(front.len()).zip(&batch.txs) {
            let gain = executor::decode_gain(&outcome.output).ok();
            if outcome.status != TxStatus::Success || gain != Some(predicted.gain) || outcome.gas_used != predicted.gas_used {
                let detail = format!(
                    "the signed transaction gains {gain:?} with {} gas, {} with {} were predicted",
                    outcome.gas_used, predicted.gain, predicted.gas_used
                );
                return Err(Skip::new(SkipReason::SimulationReverted, detail));
            }
        }
        let holds_late = late.is_ok_and(|late| late.txs.iter().skip(front.len()).all(|tx| tx.status == TxStatus::Success));
        Ok((sealed, holds_late))
    }

    /// Signs, proves and journals one batch. A reason where it did not come so far.
    async fn prepare(
        &self,
        session: &Session,
        (trigger, front): (Trigger, &[SimTx]),
        batch: &Batch,
        opportunities: &HashMap<(Target, Action), RecordId>,
    ) -> Result<Result<Prepared, Skip>, SinkError> {
        let cost =
            batch.txs.iter().fold(U256::ZERO, |sum, tx| sum.saturating_add(U256::from(tx.tx.gas_limit()).saturating_mul(U256::from(tx.tx.max_fee_per_gas()))));
        let lease = match self.operators.lease_of(batch.sender, cost) {
            Ok(lease) => lease,
            Err(skip) => return Ok(Err(skip)),
        };
        let (sealed, holds_late) = match self.prove(session, front, batch, &lease).await {
            Ok(proven) => proven,
            Err(skip) => {
                lease.release_unsent();
                return Ok(Err(skip));
            }
        };
        let block = session.target_block();
        let pending = front.iter().map(|tx| PendingTx { tx: Arc::clone(tx) }).collect();
        let bundle = match Bundle::new(block.number, pending, sealed) {
            Ok(bundle) => bundle,
            Err(error) => {
                lease.release_unsent();
                return Ok(Err(error.skip()));
            }
        };
        let uuid = replacement_uuid(self.identity, bundle.hash(), block.number);
        let bundle = bundle.with_replacement(uuid);
        // What would fail a slot later is not offered for then: a revert costs reputation at the relay.
        let latest = if holds_late { None } else { Some(block.timestamp) };
        let bundle = bundle.with_timestamps(None, latest).map_err(|error| failed("bounding a bundle", &error))?;
        let inputs = Inputs {
            parent_hash: session.head().hash,
            timestamp: block.timestamp,
            base_fee: block.base_fee,
            fee_recipient: block.fee_recipient,
            in_front: front_hashes(front),
        };
        let row = self.row(batch, &bundle, inputs, opportunities);
        let record = self.records.ledger().journal_bundle(row.clone()).await.map_err(|error| failed("writing the journal", &error))?;
        let sent = SentBundle::new(record, row, session.protocols(), Some((trigger, batch.clone())));
        Ok(Ok(Prepared { sent, bundle, lease, batch: batch.clone() }))
    }

    /// Writes what the relays said. A bundle that one of them has or may have is in flight; of one that certainly none has nothing
    /// has left the house, so its operator and its targets are free again.
    async fn answered(&mut self, prepared: Prepared, answers: Vec<Sent>) -> Result<Result<(), (Batch, Skip)>, SinkError> {
        let ledger = self.records.ledger();
        let refused = !answers.iter().any(Sent::may_be_included);
        for answer in answers {
            let (accepted, response) = match &answer.result {
                Ok(accepted) => (true, accepted.answer.raw.clone()),
                Err(error) => (false, error.to_string()),
            };
            let row = SubmissionRow { relay: answer.relay, accepted, response, at_ms: now_ms() };
            ledger.mark_submitted(prepared.sent.record, row).await.map_err(|error| failed("writing a relay's answer", &error))?;
        }
        let Prepared { sent, lease, batch, .. } = prepared;
        if refused {
            let outcome = LedgerOutcome::Dropped { reason: SkipReason::SubmissionFailed };
            let dropped = OutcomeRow { outcome, on: None, proofs: Vec::new(), at_ms: now_ms() };
            ledger.record_outcome(sent.record, dropped).await.map_err(|error| failed("writing an outcome", &error))?;
            lease.release_unsent();
            return Ok(Err((batch, Skip::new(SkipReason::SubmissionFailed, "no relay took the bundle"))));
        }
        self.decisions.sent(InFlight { sent, lease: Some(lease), again: false });
        Ok(Ok(()))
    }

    /// What the journal says of a bundle; its candidates are noted on the way.
    fn row(&self, batch: &Batch, bundle: &Bundle, inputs: Inputs, opportunities: &HashMap<(Target, Action), RecordId>) -> BundleRow {
        let ledger = self.records.ledger();
        let mut candidates = Vec::with_capacity(batch.candidates.len());
        for candidate in &batch.candidates {
            let key = (candidate.opportunity.target.clone(), candidate.opportunity.action);
            let Some(opportunity) = opportunities.get(&key).copied() else { continue };
            let profit = batch.brings(candidate);
            candidates.push(ledger.record_candidate(CandidateRow {
                opportunity,
                target_block: bundle.target_block(),
                inputs: inputs.clone(),
                repay: candidate.repay,
                seized: candidate.seized,
                profit_token: batch.txs.first().map_or(Address::ZERO, |tx| tx.plan.profit_token),
                profit,
                profit_wei: profit,
                gas_used: candidate.gas_used,
                builder_payment_wei: candidate.builder_payment,
            }));
        }
        let ours = bundle.own_hashes();
        let txs = bundle
            .sim_txs()
            .iter()
            .map(|tx| BundleTxRow { hash: *tx.tx_hash(), sender: tx.signer(), nonce: tx.nonce(), ours: ours.contains(tx.tx_hash()) })
            .collect();
        BundleRow {
            candidates,
            operator: batch.sender,
            target_block: bundle.target_block(),
            bundle_hash: bundle.hash(),
            replacement_uuid: bundle.replacement_uuid().map(str::to_owned),
            txs,
            jobs: jobs(batch, &ours),
            inputs,
            profit_wei: predicted(batch),
            gas_used: batch.txs.iter().fold(0, |sum, tx| u64::saturating_add(sum, tx.gas_used)),
            builder_payment_wei: batch.txs.iter().fold(U256::ZERO, |sum, tx| sum.saturating_add(tx.plan.builder_payment)),
            at_ms: now_ms(),
        }
    }
}

impl Sink for LiveSink {
    fn head<'a>(&'a mut self, session: &'a Session) -> BoxFuture<'a, Result<(), SinkError>> {
        async move {
            self.needed = needed(session);
            self.target = session.target_block().number;
            self.follow(session).await?;
            self.sync_allowances(session).await
        }
        .boxed()
    }

    fn ready(&mut self) -> Means {
        let senders = self.operators.free(self.needed).iter().map(|operator| Sender { address: operator.address, nonce: operator.nonce }).collect();
        Means { senders, locked: self.decisions.locked(self.target), allowances: self.allowances.clone() }
    }

    fn take<'a>(&'a mut self, session: &'a Session, front: &'a [SimTx], outcome: &'a Outcome) -> BoxFuture<'a, Result<usize, SinkError>> {
        async move {
            let opportunities = self.records.outcome(session.head(), outcome).await.map_err(|error| failed("writing an outcome", &error))?;
            let mut refused: Vec<(Batch, Skip)> = Vec::new();
            let mut prepared = Vec::with_capacity(outcome.sent().count());
            for batch in outcome.sent() {
                match self.prepare(session, (outcome.trigger, front), batch, &opportunities).await? {
                    Ok(ready) => prepared.push(ready),
                    Err(skip) => refused.push((batch.clone(), skip)),
                }
            }
            // All at once: a relay that is slow for one bundle does not hold up the next.
            let answers = futures::future::join_all(prepared.iter().map(|ready| self.relays.send(&ready.bundle))).await;
            let mut sent = 0_usize;
            for (ready, answers) in prepared.into_iter().zip(answers) {
                match self.answered(ready, answers).await? {
                    Ok(()) => sent = sent.saturating_add(1),
                    Err(refusal) => refused.push(refusal),
                }
            }
            for (batch, skip) in refused {
                tracing::warn!(%skip, "a batch was not sent");
                self.records.refuse(session.head(), &batch, &skip).await.map_err(|error| failed("writing a skip", &error))?;
            }
            Ok(sent)
        }
        .boxed()
    }
}

/// Takes in what was read of the operators. One that could not be read sends nothing until it is: what is known of its nonce and its money may be of a
/// head that is gone.
fn take_in(operators: &Operators, accounts: Vec<(Address, Result<AccountState, ForkError>)>) {
    for (address, account) in accounts {
        let known = match account {
            Ok(account) => operators.sync(address, account.nonce, account.balance).map(drop),
            Err(error) => {
                tracing::warn!(%address, %error, "an operator could not be read; it stays out until it is");
                operators.unsync(address)
            }
        };
        if let Err(error) = known {
            tracing::error!(%error, "not an operator");
        }
    }
}

fn failed(what: &'static str, error: &dyn std::error::Error) -> SinkError {
    SinkError { what, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{OperatorState, key_from_hex};
    use alloy::primitives::B256;

    #[test]
    fn an_operator_that_can_t_be_read_is_out_until_it_is() {
        let keys = [1, 2].map(|seed| key_from_hex(&B256::repeat_byte(seed).to_string()).unwrap());
        let operators = Operators::new(keys.into_iter().map(Into::into).collect(), U256::ZERO).unwrap();
        let addresses = operators.addresses();
        let read = |nonce| Ok(AccountState { nonce, balance: U256::from(1_000), ..AccountState::default() });
        let silent = || Err(ForkError::Node { what: "an account".to_owned(), block: B256::ZERO, reason: "timeout".to_owned() });
        take_in(&operators, vec![(addresses[0], read(5)), (addresses[1], read(7))]);
        assert_eq!(operators.free(U256::ZERO).len(), 2);

        take_in(&operators, vec![(addresses[0], silent()), (addresses[1], read(8))]);
        let free: Vec<_> = operators.free(U256::ZERO).iter().map(|operator| (operator.address, operator.nonce)).collect();
        assert_eq!(free, [(addresses[1], 8)], "an old nonce is not signed with");
        assert!(operators.lease_of(addresses[0], U256::ZERO).is_err());

        // While a bundle owns one, it stays the bundle's.
        let lease = operators.lease_of(addresses[1], U256::ZERO).unwrap();
        take_in(&operators, vec![(addresses[0], read(6)), (addresses[1], silent())]);
        assert_eq!((operators.count(OperatorState::Free), operators.count(OperatorState::Leased)), (1, 1));
        lease.release_decided();
        assert_eq!(operators.unsynced(), [addresses[1]]);
        assert_eq!(operators.lease_of(addresses[0], U256::ZERO).unwrap().nonce(), 6);
    }
}
