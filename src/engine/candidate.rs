//! What the engine gives: candidates, batches of them, and why the rest was refused.

use crate::{
    fork::{Layer, ReadSet, SimTx},
    plan::{Action, MarketId, Opportunity, ProtocolId, Size, Skip, SkipReason, Target, Trigger, TxPlan},
};
use alloy::primitives::{Address, I256, U256};
use std::sync::Arc;

/// A transaction as it was simulated.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The transaction that ran, with a signature that no key made: only its bytes under the signature count.
    pub tx: SimTx,
    /// What it does.
    pub plan: TxPlan,
    /// Gain of the profit token at the receiver, builder payment deducted.
    pub gain: U256,
    /// Gas used.
    pub gas_used: u64,
    /// Gas spent before refunds.
    pub gas_spent: u64,
    /// Gas used times the effective gas price.
    pub gas_wei: U256,
    /// What the fee recipient gained.
    pub fee_recipient_gain: U256,
    /// Its changes.
    pub layer: Arc<Layer>,
    /// What it read, when that was recorded.
    pub reads: ReadSet,
}

impl Simulated {
    /// Gain after gas; negative figures are given as `None`.
    #[must_use]
    pub const fn profit_wei(&self) -> Option<U256> {
        self.gain.checked_sub(self.gas_wei)
    }
}

/// A plan with its size chosen and its profit simulated.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What is taken.
    pub opportunity: Opportunity,
    /// How much of it.
    pub size: Size,
    /// Debt tokens paid.
    pub repay: U256,
    /// Collateral tokens received.
    pub seized: U256,
    /// Profit in wei after gas and builder payment behind the candidates in front of it; its share where several are in one transaction.
    pub profit_wei: U256,
    /// Gas of its transaction, or its share of it.
    pub gas_used: u64,
    /// Wei for the builder in its transaction, or its share of it.
    pub builder_payment: U256,
    /// Which of its batch's transactions it is in.
    pub tx: usize,
    /// Full simulations that it took.
    pub simulations: usize,
}

/// How a batch's candidates are put into transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchShape {
    /// One candidate, one transaction.
    Single,
    /// Several candidates in one transaction.
    Merged,
    /// Several transactions of one operator in order, each with one candidate or more.
    Chain,
    /// A keeper's one transaction, which earns nothing and costs its gas.
    Chore,
}

/// Candidates that land together or not at all: one bundle.
#[derive(Clone, Debug)]
pub struct Batch {
    /// How they are put together.
    pub shape: BatchShape,
    /// What is taken, in order.
    pub candidates: Vec<Candidate>,
    /// The transactions, in order, simulated behind the trigger and behind one another.
    pub txs: Vec<Simulated>,
    /// The operator that has to sign.
    pub sender: Address,
    /// Profit in wei after gas and builder payments of all transactions; zero for a chore.
    pub profit_wei: U256,
}

impl Batch {
    /// What one of its candidates brings in wei: its profit or, for a chore, what its gas costs, below zero.
    #[must_use]
    pub fn brings(&self, candidate: &Candidate) -> I256 {
        let signed = |amount: U256| I256::try_from(amount).unwrap_or(I256::MAX);
        match self.shape {
            BatchShape::Single | BatchShape::Merged | BatchShape::Chain => signed(candidate.profit_wei),
            BatchShape::Chore => I256::ZERO.saturating_sub(signed(self.gas_wei())),
        }
    }

    /// Wei for the gas of all transactions.
    #[must_use]
    pub fn gas_wei(&self) -> U256 {
        self.txs.iter().fold(U256::ZERO, |sum, tx| sum.saturating_add(tx.gas_wei))
    }
}

/// Something that was looked at and not taken.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The market, where it is about one.
    pub market: (ProtocolId, MarketId),
    /// The target, none when the market as a whole was refused.
    pub target: Option<Target>,
    /// The action, when it had come so far.
    pub action: Option<Action>,
    /// Why.
    pub skip: Skip,
}

/// All that came of a trigger.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The trigger.
    pub trigger: Trigger,
    /// Why the transactions in front led nowhere, if so.
    pub front: Option<Skip>,
    /// Markets read on the overlay.
    pub markets: usize,
    /// Targets that the protocol was asked about.
    pub confirmed: usize,
    /// What a protocol would accept.
    pub opportunities: Vec<Opportunity>,
    /// What would be sent for its profit, best first.
    pub batches: Vec<Batch>,
    /// What a keeper would send at its own cost, one at most. Of [`super::Engine::chores`] only.
    pub chores: Vec<Batch>,
    /// What was not taken, and why.
    pub refusals: Vec<Refusal>,
    /// Full simulations run.
    pub simulations: usize,
}

impl Outcome {
    pub(super) const fn new(trigger: Trigger) -> Self {
        Self {
            trigger,
            front: None,
            markets: 0,
            confirmed: 0,
            opportunities: Vec::new(),
            batches: Vec::new(),
            chores: Vec::new(),
            refusals: Vec::new(),
            simulations: 0,
        }
    }

    /// All that would be sent: what earns first.
    pub fn sent(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().chain(&self.chores)
    }

    pub(super) fn refuse(&mut self, opportunity: &Opportunity, skip: Skip) {
        self.refuse_short(opportunity, skip, None);
    }

    /// The same, with what lacks in debt tokens where it does not pay.
    pub(super) fn refuse_short(&mut self, opportunity: &Opportunity, skip: Skip, missing: Option<U256>) {
        let skip = match &opportunity.leap {
            // Legal, and not worth it before another boundary.
            Some(leap) if skip.reason == SkipReason::Unprofitable => {
                Skip::new(SkipReason::DeadZone, format!("unprofitable, {}; {}", skip.detail, leap.outlook(missing)))
            }
            _ => skip,
        };
        self.refusals.push(Refusal {
            market: (opportunity.target.protocol.clone(), opportunity.target.market),
            target: Some(opportunity.target.clone()),
            action: Some(opportunity.action),
            skip,
        });
    }
}
