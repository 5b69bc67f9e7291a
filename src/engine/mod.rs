//! (view, trigger, book) -> priced candidates. No I/O, no clock, no keys.
//!
//! ```text
//! trigger ─▶ overlay ─▶ stale values by read sets ─▶ range beyond the boundary ─▶ confirmed
//!                                                                                   │ one thread each
//!            batches ◀─ packed in order of profit ◀─ sized (≤ 16 simulations) ◀─ planned
//! head ─▶ a keeper's chores, asked for when all of that was sent
//! ```
//!
//! The same function serves live runs and dry-runs, so a dry-run tells the truth about a live run.

mod behind;
mod bundle;
mod candidate;
mod chores;
mod compose;
mod pack;
mod policy;
mod room;
mod screen;
mod search;
mod simulate;
mod size;

pub use candidate::{Batch, BatchShape, Candidate, Outcome, Refusal, Simulated};
pub use policy::{Measure, Policy};
pub use screen::Screened;
pub use search::Search;
pub use simulate::{Sender, SimulationError};

use crate::{
    book::{Book, MarketRef, Stale},
    flash::{self, FlashError, Lender, Loan},
    fork::{Execution, ForkError, ReadSet, SimTx, TargetBlock, TxStatus, View},
    plan::{ProtocolId, Resource, Skip, SkipReason, TargetKey, Trigger},
    protocols::{MarketReading, ProtocolError},
    venues::{Graph, Probe, Router, RouterLimits},
};
use alloy::primitives::{Address, U256};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What the engine needs to know besides state.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The executor, deployed or injected.
    pub executor: Address,
    /// Where profit arrives.
    pub receiver: Address,
    /// Profit is taken in it.
    pub weth: Address,
    /// The chain, for the transactions.
    pub chain_id: u64,
    /// Most full simulations a candidate.
    pub max_simulations: usize,
    /// Simulation threads.
    pub threads: usize,
    /// Tip per gas in wei.
    pub priority_fee: u128,
    /// Headroom of the fee cap over the target block's base fee, in basis points of it.
    pub fee_headroom_bps: u32,
    /// Gates, payment and promise.
    pub policy: Arc<dyn Policy>,
}

/// Stops work for a head that is no longer the newest.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everybody who holds a clone to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One piece of work: a trigger on a state.
#[derive(Debug)]
pub struct Work<'a> {
    /// What made us look.
    pub trigger: Trigger,
    /// The state at the head, with the executor's layer where it is not deployed.
    pub view: &'a View,
    /// The block that bundles would target.
    pub block: &'a TargetBlock,
    /// Known markets and targets, fresh for this head and target block.
    pub book: &'a Book,
    /// The pending trigger with its sender's earlier transactions in front; empty for a head.
    pub front: &'a [SimTx],
    /// What they do in the block on this very state, where that is known already: then they are not run again.
    pub executed: Option<&'a Execution>,
    /// Operators that are free, the first is used first.
    pub senders: &'a [Sender],
    /// What bundles in flight use already.
    pub locked: &'a BTreeSet<Resource>,
    /// Wei that keepers may spend today still, by protocol.
    pub allowances: &'a BTreeMap<ProtocolId, U256>,
    /// Stops the work.
    pub cancel: &'a Cancel,
}

/// Why a trigger led nowhere at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The fork could not answer.
    #[error(transparent)]
    Fork(#[from] ForkError),
    /// A newer head came.
    #[error("cancelled by a newer head")]
    Cancelled,
    /// A venue or lender could not be asked.
    #[error("{0}")]
    Unanswered(String),
}

impl From<ProtocolError> for EngineError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Fork(error) => Self::Fork(error),
        }
    }
}

/// Where the engine swaps and borrows.
#[derive(Clone, Debug)]
pub struct Marketplace {
    /// The token graph.
    pub graph: Arc<Graph>,
    /// What asks the pools.
    pub probe: Probe,
    /// Bounds of the search for routes.
    pub limits: RouterLimits,
    /// Who lends, the preferred one first.
    pub lenders: Vec<Arc<dyn Lender>>,
}

/// The engine: a trigger in, candidates out.
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Settings,
    market: Marketplace,
}

impl Engine {
    /// An engine that swaps at these venues and borrows from these lenders.
    #[must_use]
    pub const fn new(settings: Settings, market: Marketplace) -> Self {
        Self { settings, market }
    }

    /// What the engine was told.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Runs one trigger from overlay to batches.
    ///
    /// # Errors
    /// When the fork can't answer, or a newer head cancelled the work. A failure of one target is a refusal in the outcome.
    pub fn run(&self, work: &Work<'_>) -> Result<Outcome, EngineError> {
        self.search(work, |view, stale, outcome| screen::screen(self, work, view, stale, outcome))
    }

    /// Looks for a keeper's work at a head, of which [`Engine::run`] gave `head`. Nothing that earns waits for it, and its failure is its own.
    ///
    /// # Errors
    /// When a newer head cancelled the work. Everything else is a refusal in the outcome.
    pub fn chores(&self, work: &Work<'_>, head: &Outcome) -> Result<Outcome, EngineError> {
        chores::find(self, work, head)
    }

    /// The same for one target, whether or not it lies beyond the boundary: a healthy one is a refusal that says so.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn target(&self, work: &Work<'_>, market: MarketRef, key: TargetKey) -> Result<Outcome, EngineError> {
        self.search(work, |view, stale, outcome| screen::screen_target(self, work, view, stale, (market, key), outcome))
    }

    /// Overlay, what `screen` finds on it, its sizes, and the batches that it is put into.
    fn search(
        &self,
        work: &Work<'_>,
        screen: impl FnOnce(&View, Option<&Stale>, &mut Outcome) -> Result<Vec<Screened>, EngineError>,
    ) -> Result<Outcome, EngineError> {
        let mut outcome = Outcome::new(work.trigger);
        let (view, stale) = if work.front.is_empty() {
            (work.view.clone(), None)
        } else {
            let front = match self.execute_front(work)? {
                Ok(front) => front,
                Err(skip) => {
                    outcome.front = Some(skip);
                    return Ok(outcome);
                }
            };
            let diff = work.view.diff(&front.layer)?;
            let stale = work.book.concerned(&diff, front.txs.iter().flat_map(|tx| &tx.logs));
            (work.view.with_layer(Arc::clone(&front.layer)), Some(stale))
        };

        let screened = screen(&view, stale.as_ref(), &mut outcome)?;
        if screened.is_empty() {
            return Ok(outcome);
        }
        let sized = size::size_all(self, work, &view, screened, &mut outcome)?;
        pack::pack(self, work, &view, sized, &mut outcome)?;
        Ok(outcome)
    }

    /// What a unit of gas costs in the target block.
    fn gas_price(&self, block: &TargetBlock) -> u128 {
        u128::from(block.base_fee).saturating_add(self.settings.priority_fee)
    }

    /// Routes on one overlay.
    fn router(&self, view: &View, block: &TargetBlock) -> Router {
        Router::new(Arc::clone(&self.market.graph), view, block.clone(), &self.market.probe, self.settings.weth, self.market.limits)
    }

    /// The cheapest loan of a size's payment; none when nobody lends it.
    fn loan(&self, view: &View, block: &TargetBlock, token: Address, amount: U256, calls: &[Address]) -> Result<Option<Loan>, EngineError> {
        match flash::cheapest(&self.market.lenders, view, block, token, amount, calls, &mut ReadSet::default()) {
            Ok(loan) => Ok(Some(loan)),
            Err(FlashError::Fork(error)) => Err(error.into()),
            Err(FlashError::Refused(_) | FlashError::NoFunding { .. }) => Ok(None),
        }
    }

    /// Runs the transactions in front. One that is invalid or fails makes the trigger useless, not the engine.
    fn execute_front<'a>(&self, work: &Work<'a>) -> Result<Result<Cow<'a, Execution>, Skip>, EngineError> {
        let execution = work.executed.map_or_else(|| work.view.execute(work.block, work.front).map(Cow::Owned), |executed| Ok(Cow::Borrowed(executed)));
        match execution {
            Ok(execution) => {
                // A trigger that fails still pays its fee and may be mined, but it moves nothing that we wait for.
                let failed = execution.txs.last().is_some_and(|tx| tx.status != TxStatus::Success);
                Ok(if failed { Err(Skip::new(SkipReason::SimulationReverted, "the trigger transaction reverts")) } else { Ok(execution) })
            }
            Err(ForkError::InvalidTransaction { reason, .. }) => {
                Ok(Err(Skip::new(SkipReason::TriggerNotBundleable, format!("the trigger transaction is invalid: {reason}"))))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A market as it is on the overlay.
#[derive(Clone, Debug)]
pub struct MarketOn {
    /// Which.
    pub market: MarketRef,
    /// Its reading on the overlay.
    pub reading: MarketReading,
}
