//! What came of triggers, written down: triggers, opportunities, skips and proofs.

use crate::{
    chain::Head,
    engine::{Batch, Outcome},
    ledger::{Ledger, LedgerError, OpportunityRow, ProofEnd, ProofRow, RecordId, SkipRow, TriggerRow},
    plan::{Action, Skip, SkipReason, Target, TargetKey, Trigger},
};
use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Targets whose last reason is remembered; beyond it all are forgotten, which costs a few proofs that are written twice.
const MOST_REMEMBERED: usize = 100_000;

/// Milliseconds since 1970; zero on a clock that stands before that.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a target was looked at for its profit. Where it did not come to an action, it was.
fn is_for_profit(action: Option<Action>) -> bool {
    action.is_none_or(Action::earns)
}

/// Writes outcomes to the ledger.
#[derive(Debug)]
pub struct Records {
    ledger: Ledger,
    /// Why a target was left alone when it was last looked at for profit, and when it was for a chore: a proof is written when that changes.
    last: HashMap<(Target, bool), SkipReason>,
}

impl Records {
    /// Records into a ledger.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, last: HashMap::new() }
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Writes what a trigger opened and what was left alone. Gives the opportunities' records, by target and action.
    ///
    /// # Errors
    /// When a proof can't be kept.
    pub async fn outcome(&mut self, head: &Head, outcome: &Outcome) -> Result<HashMap<(Target, Action), RecordId>, LedgerError> {
        let touched = outcome.markets > 0 || matches!(outcome.trigger, Trigger::Head { .. });
        if !touched {
            return Ok(HashMap::new());
        }
        let trigger = self.ledger.record_trigger(TriggerRow { trigger: outcome.trigger, head_number: head.number, head_hash: head.hash, at_ms: now_ms() });
        let mut records = HashMap::new();
        for opportunity in &outcome.opportunities {
            let row = OpportunityRow {
                trigger,
                target: opportunity.target.clone(),
                action: opportunity.action,
                debt_token: opportunity.debt_token,
                collateral_token: opportunity.collateral_token,
                debt_hint: opportunity.debt_hint,
            };
            records.insert((opportunity.target.clone(), opportunity.action), self.ledger.record_opportunity(row));
            // It may be refused again later, for whatever reason: that is news then.
            let earns = opportunity.action.earns();
            if !outcome.refusals.iter().any(|refusal| refusal.target.as_ref() == Some(&opportunity.target) && is_for_profit(refusal.action) == earns) {
                self.last.remove(&(opportunity.target.clone(), earns));
            }
        }
        let mut proofs = Vec::new();
        for refusal in &outcome.refusals {
            // A market that is refused as a whole stands under its own name.
            let (protocol, market) = refusal.market.clone();
            let target = refusal.target.clone().unwrap_or(Target { protocol, market, key: TargetKey::Pool });
            let known = (target.clone(), is_for_profit(refusal.action));
            if self.last.get(&known) == Some(&refusal.skip.reason) {
                continue;
            }
            let block = head.number.saturating_add(1);
            let (action, skip) = (refusal.action, refusal.skip.clone());
            self.ledger.record_skip(SkipRow { trigger: Some(trigger), target: Some(target.clone()), action, block, skip });
            if let Some(action) = action {
                let end = ProofEnd::Skipped(refusal.skip.reason);
                let (target, detail) = (target.clone(), refusal.skip.detail.clone());
                proofs.push(self.ledger.record_proof(ProofRow { target, action, block, end, detail, bundle: None, at_ms: now_ms() }));
            }
            if self.last.len() >= MOST_REMEMBERED {
                self.last.clear();
            }
            self.last.insert(known, refusal.skip.reason);
        }
        // All at once: the ledger's writer puts them into one commit.
        futures::future::try_join_all(proofs).await?;
        Ok(records)
    }
}

impl Records {
    /// Writes why a batch of candidates was not sent, one skip and one proof a candidate.
    ///
    /// # Errors
    /// When a proof can't be kept.
    pub async fn refuse(&mut self, head: &Head, batch: &Batch, skip: &Skip) -> Result<(), LedgerError> {
        let block = head.number.saturating_add(1);
        for candidate in &batch.candidates {
            let (target, action) = (candidate.opportunity.target.clone(), candidate.opportunity.action);
            self.ledger.record_skip(SkipRow { trigger: None, target: Some(target.clone()), action: Some(action), block, skip: skip.clone() });
            let end = ProofEnd::Skipped(skip.reason);
            self.last.insert((target.clone(), action.earns()), skip.reason);
            self.ledger.record_proof(ProofRow { target, action, block, end, detail: skip.detail.clone(), bundle: None, at_ms: now_ms() }).await?;
        }
        Ok(())
    }
}
