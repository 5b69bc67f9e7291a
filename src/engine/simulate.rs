//! A plan as the transaction that would be sent, run on the overlay.

use super::{Engine, EngineError, Simulated, Work, compose};
use crate::{
    config::TX_GAS_CAP,
    executor,
    fork::{ForkError, ReadSet, SimTx, TxStatus, View},
    plan::{Skip, SkipReason, Step, TxPlan},
    protocols::Protocol,
};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::Recovered},
    eips::eip2930::AccessList,
    primitives::{Address, Signature, TxKind, U256},
};
use std::sync::Arc;

/// Most gas by which 32 other bytes of calldata, zero against non-zero, can change a transaction (EIP-7623).
const PROMISE_GAS: u64 = 32 * 40;

/// Simulations that [`Engine::simulate_final`] takes.
pub(super) const FINAL_RUNS: usize = 2;

/// An operator that is free: who would sign, and its next nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The operator.
    pub address: Address,
    /// Its next nonce at the head.
    pub nonce: u64,
}

/// Why a plan has no figures.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The engine can't go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// This plan is out, with the reason.
    #[error("{0}")]
    Refused(Skip),
}

impl From<ForkError> for SimulationError {
    fn from(error: ForkError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<Skip> for SimulationError {
    fn from(skip: Skip) -> Self {
        Self::Refused(skip)
    }
}

/// Whether a simulation keeps what it read; recording costs a few percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Yes,
    No,
}

/// Whether a contract is called by these steps or those inside them.
fn calls(steps: &[Step], contract: Address) -> bool {
    steps.iter().any(|step| match step {
        Step::Call { target, callback, .. } => *target == contract || callback.as_ref().is_some_and(|callback| calls(&callback.inside, contract)),
        Step::Liquidate(liquidation) => liquidation.lender == contract || calls(&liquidation.inside, contract),
        Step::FlashLoan { inside, .. } => calls(inside, contract),
        Step::SwapExactIn { .. } | Step::SwapExactOut { .. } | Step::Wrap { .. } | Step::Unwrap { .. } | Step::AssertGained { .. } => false,
    })
}

impl Engine {
    /// The most gas that a transaction of the target block may have.
    pub(super) fn gas_cap(work: &Work<'_>) -> u64 {
        TX_GAS_CAP.min(work.block.gas_limit)
    }

    /// The fee cap: the target block's base fee with headroom, and the tip on top.
    pub(super) fn max_fee(&self, work: &Work<'_>) -> u128 {
        let base = u128::from(work.block.base_fee);
        let headroom = base.saturating_mul(u128::from(self.settings.fee_headroom_bps)).div_ceil(10_000);
        base.saturating_add(headroom).saturating_add(self.settings.priority_fee)
    }

    /// The transaction that would be sent, under a signature that no key made.
    fn transaction(&self, work: &Work<'_>, sender: Sender, plan: &TxPlan, gas_limit: u64) -> Result<SimTx, SimulationError> {
        let input = executor::encode(plan).map_err(|error| Skip::new(SkipReason::SimulationReverted, format!("the plan can't be encoded: {error}")))?;
        let tx = TxEip1559 {
            chain_id: self.settings.chain_id,
            nonce: sender.nonce,
            gas_limit,
            max_fee_per_gas: self.max_fee(work),
            max_priority_fee_per_gas: self.settings.priority_fee,
            to: TxKind::Call(self.settings.executor),
            value: U256::ZERO,
            access_list: AccessList::default(),
            input,
        };
        let unsigned = Signature::new(U256::ONE, U256::ONE, false);
        Ok(Arc::new(Recovered::new_unchecked(tx.into_signed(unsigned).into(), sender.address)))
    }

    /// Runs one plan alone on the work's view as the next transaction of `sender`: encoded, put into the transaction that would be
    /// sent but for its signature, executed in a new EVM, and its gain read. It is what sizing repeats, made public to be measured.
    ///
    /// # Errors
    /// When the fork can't answer, or the plan fails.
    pub fn simulate_plan(&self, work: &Work<'_>, sender: Sender, plan: &TxPlan, gas_limit: u64) -> Result<Simulated, SimulationError> {
        self.simulate(work, work.view, sender, plan, gas_limit, Record::No)
    }

    /// Runs a plan as a transaction of `sender`.
    pub(super) fn simulate(
        &self,
        work: &Work<'_>,
        view: &View,
        sender: Sender,
        plan: &TxPlan,
        gas_limit: u64,
        record: Record,
    ) -> Result<Simulated, SimulationError> {
        let tx = self.transaction(work, sender, plan, gas_limit)?;
        let mut reads = ReadSet::default();
        let txs = std::slice::from_ref(&tx);
        let execution = match record {
            Record::No => view.execute(work.block, txs)?,
            Record::Yes => {
                let (execution, block_readers) = view.execute_recorded(work.block, txs, &mut reads)?;
                // The executor itself reads COINBASE for the payment, after everything else.
                if let Some(reader) = block_readers.iter().find(|reader| **reader != self.settings.executor) {
                    return Err(Skip::new(SkipReason::ReadsCoinbase, format!("{reader} reads COINBASE or PREVRANDAO")).into());
                }
                execution
            }
        };
        let Some(outcome) = execution.txs.first() else {
            return Err(Skip::new(SkipReason::SimulationReverted, "the simulation gave no outcome").into());
        };
        match &outcome.status {
            TxStatus::Success => {}
            TxStatus::Reverted => {
                let called = |protocol: &&Arc<dyn Protocol>| protocol.contracts().iter().any(|contract| calls(&plan.steps, *contract));
                let told = work.book.protocols().iter().filter(called).find_map(|protocol| protocol.reverted(&outcome.output));
                let skip = told.unwrap_or_else(|| Skip::new(SkipReason::SimulationReverted, executor::explain_revert(&outcome.output)));
                return Err(skip.into());
            }
            TxStatus::Halted(reason) => {
                tracing::debug!(%reason, trace = view.trace(work.block, txs).unwrap_or_default(), ?plan, "a plan halted");
                return Err(Skip::new(SkipReason::SimulationReverted, reason.clone()).into());
            }
        }
        let gain = executor::decode_gain(&outcome.output)
            .map_err(|error| Skip::new(SkipReason::SimulationReverted, format!("the executor answers nothing readable: {error}")))?;
        let price = self.gas_price(work.block).min(self.max_fee(work));
        Ok(Simulated {
            gain,
            gas_used: outcome.gas_used,
            gas_spent: outcome.gas_spent,
            gas_wei: U256::from(outcome.gas_used) * U256::from(price),
            fee_recipient_gain: outcome.fee_recipient_gain,
            layer: execution.layer,
            reads,
            plan: plan.clone(),
            tx,
        })
    }

    /// Runs a plan with the payment, the promise and the gas limit that it would be sent with, given a first run without them.
    ///
    /// The limit is a quarter above what was spent before refunds: refunds come at the end, and may be a fifth of it.
    /// Payment and promise change the calldata and so the gas, the gas limit changes what a call may forward:
    /// so one run finds the gas, and the last, with the very fields of the sent transaction, has the last word.
    /// Takes [`FINAL_RUNS`] simulations.
    pub(super) fn simulate_final(&self, work: &Work<'_>, view: &View, sender: Sender, first: &Simulated) -> Result<Simulated, SimulationError> {
        let profit = first
            .profit_wei()
            .ok_or_else(|| Skip::new(SkipReason::Unprofitable, format!("gains {} wei and costs {} wei of gas", first.gain, first.gas_wei)))?;
        let mut plan = first.plan.clone();
        compose::pay_builder(&mut plan, self.settings.weth, self.settings.policy.builder_payment(profit));
        let kept = first.gain.saturating_sub(plan.builder_payment);
        plan.min_gain = self.settings.policy.min_gain(kept, first.gas_wei)?;
        let priced = self.simulate(work, view, sender, &plan, Self::gas_cap(work), Record::No)?;
        // The payment costs gas too, and the promise must cover it. Another promise is other bytes, so a little is kept for those.
        let spare = U256::from(PROMISE_GAS) * U256::from(self.gas_price(work.block));
        plan.min_gain = self.settings.policy.min_gain(priced.gain, priced.gas_wei.saturating_add(spare))?;
        let gas_limit = priced.gas_spent.saturating_add(priced.gas_spent / 4).min(Self::gas_cap(work));
        self.simulate(work, view, sender, &plan, gas_limit, Record::Yes)
    }
}
