//! What a keeper does for protocols at its own cost: behind everything that earns, within what is left of a budget.
//!
//! ```text
//! head ─▶ batches that earn, sent ─▶ operators that these leave, but one ┐
//! markets that none of them acts on, with the role ─▶ targets asked ──────┴▶ the first chore, alone ─▶ affordable? ─▶ Outcome::chores
//! ```
//!
//! There is at most one chore a head. It takes one operator, and one at least stays free for what a pending transaction may open before
//! the next head: a chore can wait, and nobody else is paid for it either.

use super::{Batch, BatchShape, Candidate, Engine, EngineError, Outcome, Refusal, Sender, Settings, SimulationError, Work, screen::stop_if, simulate::Record};
use crate::{
    book::{MarketRef, Shelf},
    plan::{ResourceScope, Size, SizeUnit, Skip, SkipReason, Target, TargetKey, TxPlan},
    protocols::{Chore, Keeper, MarketReading, Protocol},
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, U256},
};
use std::{borrow::Cow, sync::Arc};

/// Simulations of a chore: one finds the gas, the last has the limit that is sent.
const RUNS: usize = 2;

/// Looks for a chore at a head, with what its batches leave.
pub(super) fn find(engine: &Engine, work: &Work<'_>, head: &Outcome) -> Result<Outcome, EngineError> {
    let mut outcome = Outcome::new(work.trigger);
    let sender = spare(work.senders, head);
    for (market, shelf) in work.book.markets() {
        let Some((protocol, keeper)) = work.book.protocol(market).and_then(|protocol| Some((protocol, protocol.keeper()?))) else { continue };
        let acted_on = |batch: &Batch| {
            let mut targets = batch.candidates.iter().map(|candidate| &candidate.opportunity.target);
            targets.any(|target| target.market == market.market && target.protocol == *protocol.id())
        };
        if head.batches.iter().any(acted_on) {
            continue;
        }
        let Some(reading) = reading(work, market, shelf, protocol) else { continue };
        if let Err(skip) = protocol.keeps(&reading, engine.settings.executor) {
            let market = (protocol.id().clone(), market.market);
            outcome.refusals.push(Refusal { market, target: None, action: Some(keeper.action), skip });
            continue;
        }
        let allowance = work.allowances.get(protocol.id()).copied().unwrap_or_default();
        for key in shelf.all() {
            stop_if(work.cancel)?;
            let on = On { engine, work, protocol, keeper, reading: &reading, market, key };
            match on.attempt(sender, allowance, &mut outcome)? {
                Attempt::None => {}
                Attempt::Stopped => break,
                Attempt::Found(batch) => {
                    outcome.chores.push(batch);
                    return Ok(outcome);
                }
            }
        }
    }
    Ok(outcome)
}

/// The operator for a chore: the second of those that the batches leave. The first stays free.
fn spare(senders: &[Sender], head: &Outcome) -> Option<Sender> {
    let is_taken = |address: Address| head.batches.iter().any(|batch| batch.sender == address);
    senders.iter().filter(|sender| !is_taken(sender.address)).nth(1).copied()
}

/// The market as the head has it. Where it can't be read, the search for what earns has said so.
fn reading<'a>(work: &Work<'_>, market: MarketRef, shelf: &'a Shelf, protocol: &Arc<dyn Protocol>) -> Option<Cow<'a, MarketReading>> {
    match shelf.reading().filter(|_| !shelf.is_due(work.block)) {
        Some(known) => known.value.as_ref().ok().map(Cow::Borrowed),
        None => protocol.read_market(work.view, work.block, market.market).ok()?.value.ok().map(Cow::Owned),
    }
}

/// What came of one target.
enum Attempt {
    /// No chore, or none that can be done; the reason is in the outcome.
    None,
    /// One that can't be afforded now: neither can the market's others.
    Stopped,
    /// One to send.
    Found(Batch),
}

/// A target of a market with a keeper.
struct On<'a> {
    engine: &'a Engine,
    work: &'a Work<'a>,
    protocol: &'a Arc<dyn Protocol>,
    keeper: Keeper,
    reading: &'a MarketReading,
    market: MarketRef,
    key: TargetKey,
}

impl On<'_> {
    fn attempt(&self, sender: Option<Sender>, allowance: U256, outcome: &mut Outcome) -> Result<Attempt, EngineError> {
        let work = self.work;
        let asked = self.protocol.chore(work.view, work.block, self.reading, (self.market.market, self.key));
        // A target that can't be read is that target's failure.
        let chore = match asked.map_or_else(|error| Err(Skip::new(SkipReason::PriceUnavailable, error.to_string())), |read| read.value) {
            Ok(None) => return Ok(Attempt::None),
            Ok(Some(chore)) => chore,
            Err(skip) => {
                self.refuse(skip, outcome);
                return Ok(Attempt::None);
            }
        };
        outcome.opportunities.push(chore.opportunity.clone());
        if let Err(skip) = self.admits(&chore) {
            self.refuse(skip, outcome);
            return Ok(Attempt::None);
        }
        let Some(sender) = sender else {
            self.refuse(Skip::new(SkipReason::NoOperator, "a keeper leaves one operator free, and there is no other"), outcome);
            return Ok(Attempt::Stopped);
        };
        outcome.simulations += RUNS;
        let simulated = match self.simulate(sender, &chore) {
            Ok(simulated) => simulated,
            Err(SimulationError::Refused(skip)) => {
                self.refuse(skip, outcome);
                return Ok(Attempt::None);
            }
            Err(SimulationError::Engine(EngineError::Cancelled)) => return Err(EngineError::Cancelled),
            // An operator without the money, a node without the answer: the next one would fail alike.
            Err(SimulationError::Engine(error)) => {
                self.refuse(Skip::new(SkipReason::SimulationReverted, format!("it can't be run: {error}")), outcome);
                return Ok(Attempt::Stopped);
            }
        };
        // What it costs where everything that may go wrong does.
        let most = U256::from(simulated.tx.gas_limit()).saturating_mul(U256::from(simulated.tx.max_fee_per_gas()));
        if most > allowance {
            let skip = Skip::new(SkipReason::LimitReached, format!("it may cost {most} wei of gas, and the keeper may spend {allowance} today still"));
            self.refuse(skip, outcome);
            return Ok(Attempt::Stopped);
        }
        let size = Size { unit: SizeUnit::Budget, amount: chore.opportunity.debt_hint };
        let candidate = Candidate {
            size,
            repay: chore.opportunity.debt_hint,
            seized: U256::ZERO,
            profit_wei: U256::ZERO,
            gas_used: simulated.gas_used,
            builder_payment: U256::ZERO,
            tx: 0,
            simulations: RUNS,
            opportunity: chore.opportunity,
        };
        let shape = BatchShape::Chore;
        Ok(Attempt::Found(Batch { shape, candidates: vec![candidate], txs: vec![simulated], sender: sender.address, profit_wei: U256::ZERO }))
    }

    /// Whether nothing in flight is in its way, and the gates let it through.
    fn admits(&self, chore: &Chore) -> Result<(), Skip> {
        let opportunity = &chore.opportunity;
        let mut needed = opportunity.locks.iter().chain(&chore.behind).filter(|lock| lock.scope == ResourceScope::InFlight);
        if let Some(lock) = needed.find(|lock| self.work.locked.contains(lock)) {
            return Err(Skip::new(SkipReason::ResourceLocked, format!("a bundle in flight uses {}", lock.id)));
        }
        let gas_price = u128::from(self.work.block.base_fee).saturating_add(self.keeper.tip);
        self.engine.settings.policy.allows_chore(opportunity, self.reading.price, gas_price)
    }

    /// As the transaction that is sent: the tip is the keeper's, nothing is promised, and nothing is paid beside it.
    fn simulate(&self, sender: Sender, chore: &Chore) -> Result<super::Simulated, SimulationError> {
        let Self { work, .. } = self;
        let settings = Settings { priority_fee: self.keeper.tip, ..self.engine.settings.clone() };
        let plan = TxPlan {
            steps: chore.steps.clone(),
            sweep: Vec::new(),
            profit_token: settings.weth,
            min_gain: U256::ZERO,
            builder_payment: U256::ZERO,
            blocks: (work.block.number, work.block.number),
        };
        let engine = Engine::new(settings, self.engine.market.clone());
        let cap = Engine::gas_cap(work);
        let priced = engine.simulate(work, work.view, sender, &plan, cap, Record::No)?;
        let gas_limit = priced.gas_spent.saturating_add(priced.gas_spent / 4).min(cap);
        engine.simulate(work, work.view, sender, &plan, gas_limit, Record::Yes)
    }

    fn refuse(&self, skip: Skip, outcome: &mut Outcome) {
        let (protocol, market) = (self.protocol.id().clone(), self.market.market);
        let target = Target { protocol: protocol.clone(), market, key: self.key };
        outcome.refusals.push(Refusal { market: (protocol, market), target: Some(target), action: Some(self.keeper.action), skip });
    }
}
