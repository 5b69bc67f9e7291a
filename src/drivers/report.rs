//! What a person or a script sees of a run: one JSON object a line, or a readable line.

use crate::{
    engine::{Batch, Candidate, Refusal},
    plan::{Action, Target, Trigger},
};
use alloy::primitives::U256;
use serde::Serialize;

/// One line of `--json`: a candidate or a refusal. Amounts are decimal strings in token units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The protocol.
    pub protocol: String,
    /// The market.
    pub market: String,
    /// The target; empty when the whole market was refused.
    pub target: String,
    /// The action; empty when it did not come so far.
    pub action: String,
    /// What made us look.
    pub trigger: String,
    /// The token repaid.
    pub debt_token: String,
    /// How much of it.
    pub repay: String,
    /// The token seized.
    pub collateral_token: String,
    /// How much of it.
    pub seized: String,
    /// The token that profit arrives in.
    pub profit_token: String,
    /// Profit in that token after gas and builder payment; below zero for a keeper's chore, which earns nothing.
    pub profit: String,
    /// The same in wei.
    pub profit_wei: String,
    /// Gas of its transaction.
    pub gas_used: u64,
    /// Wei for the builder.
    pub builder_payment_wei: String,
    /// `candidate`, `sent`, `landed`, `lost`, `missed`, `reverted`, `undone` (its block left the chain: open again) or `skipped`.
    pub status: &'static str,
    /// Why it was skipped, one of the closed set; else empty.
    pub reason: String,
    /// The figures behind the reason.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Line {
    /// A candidate with the status that it has now.
    #[must_use]
    pub fn candidate(trigger: Trigger, batch: &Batch, candidate: &Candidate, status: &'static str) -> Self {
        let opportunity = &candidate.opportunity;
        let profit_token = batch.txs.first().map(|tx| tx.plan.profit_token.to_string()).unwrap_or_default();
        Self {
            protocol: opportunity.target.protocol.to_string(),
            market: opportunity.target.market.to_string(),
            target: opportunity.target.key.to_string(),
            action: opportunity.action.to_string(),
            trigger: trigger.to_string(),
            debt_token: opportunity.debt_token.to_string(),
            repay: candidate.repay.to_string(),
            collateral_token: opportunity.collateral_token.to_string(),
            seized: candidate.seized.to_string(),
            profit_token,
            profit: batch.brings(candidate).to_string(),
            profit_wei: batch.brings(candidate).to_string(),
            gas_used: candidate.gas_used,
            builder_payment_wei: candidate.builder_payment.to_string(),
            status,
            reason: String::new(),
            detail: String::new(),
        }
    }

    /// How a job of an earlier process ended; its figures are in the ledger.
    #[must_use]
    pub fn ended(target: &Target, action: Action, status: &'static str) -> Self {
        Self {
            protocol: target.protocol.to_string(),
            market: target.market.to_string(),
            target: target.key.to_string(),
            action: action.to_string(),
            repay: U256::ZERO.to_string(),
            seized: U256::ZERO.to_string(),
            profit: U256::ZERO.to_string(),
            profit_wei: U256::ZERO.to_string(),
            builder_payment_wei: U256::ZERO.to_string(),
            status,
            ..Self::default()
        }
    }

    /// Something that was not taken.
    #[must_use]
    pub fn refusal(trigger: Trigger, refusal: &Refusal) -> Self {
        Self {
            protocol: refusal.market.0.to_string(),
            market: refusal.market.1.to_string(),
            target: refusal.target.as_ref().map(|target| target.key.to_string()).unwrap_or_default(),
            action: refusal.action.as_ref().map(Action::to_string).unwrap_or_default(),
            trigger: trigger.to_string(),
            repay: U256::ZERO.to_string(),
            seized: U256::ZERO.to_string(),
            profit: U256::ZERO.to_string(),
            profit_wei: U256::ZERO.to_string(),
            builder_payment_wei: U256::ZERO.to_string(),
            status: "skipped",
            reason: refusal.skip.reason.to_string(),
            detail: refusal.skip.detail.clone(),
            ..Self::default()
        }
    }
}
