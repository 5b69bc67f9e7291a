//! Lending systems behind one trait: one folder a protocol. Nothing else knows a protocol by name.
//!
//! ```text
//! logs ─▶ Discoverer ─▶ Found ─▶ book ─▶ read_target ─▶ key
//! view ─▶ read_market ─▶ boundary ────▶ range ─▶ confirm ─▶ Opportunity ─▶ terms(size) ─▶ steps ─▶ engine
//! ```

mod ask;
pub mod checked;
pub mod flux;
pub mod fx;
pub mod morpho;

use crate::{
    fork::{ForkError, ReadSet, TargetBlock, View},
    plan::{Action, MarketId, Opportunity, ProtocolId, Resource, Size, Skip, Step, TargetKey},
};
use alloy::primitives::{Address, B256, Bytes, Log, U256};
use std::{any::Any, fmt, sync::Arc};

/// Logs that a protocol's markets and targets are known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSource {
    /// Emitting contracts.
    pub addresses: Vec<Address>,
    /// First topics that matter.
    pub topics: Vec<B256>,
    /// The block before which there is nothing.
    pub from_block: u64,
}

/// Something that exists and has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// A market.
    Market(MarketId),
    /// A target whose state may have changed.
    Target(MarketId, TargetKey),
}

/// Replays a protocol's logs, in chain order, to know what exists and which of it still has debt.
pub trait Discoverer: Send + Sync + fmt::Debug {
    /// Takes one log in; tells what it touched. A log that can't be decoded is an error that names it, and changes nothing.
    fn apply(&mut self, log: &Log, timestamp: u64) -> Result<Vec<Found>, DiscoveryError>;

    /// All that exists now: every market, and every target that still matters.
    fn found(&self) -> Vec<Found>;

    /// The state as bytes, to go on later.
    fn checkpoint(&self) -> Result<Vec<u8>, DiscoveryError>;

    /// Goes on from a checkpoint.
    fn restore(&mut self, checkpoint: &[u8]) -> Result<(), DiscoveryError>;
}

/// Why a log or checkpoint was not understood.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// A log of a known event that does not decode.
    #[error("log {topic} of {address} does not decode: {reason}")]
    Log {
        /// The event.
        topic: B256,
        /// The emitter.
        address: Address,
        /// Why.
        reason: String,
    },
    /// A log that contradicts what is known.
    #[error("log {topic} of {address} contradicts what is known: {reason}")]
    Contradiction {
        /// The event.
        topic: B256,
        /// The emitter.
        address: Address,
        /// What is wrong.
        reason: String,
    },
    /// A checkpoint of another version or damaged.
    #[error("the checkpoint is unusable: {0}")]
    Checkpoint(String),
}

/// How a market's targets are searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Targets have a key that neither prices nor time move; those above the boundary (rounding spared) may be acted on.
    Ordered {
        /// Keys strictly above it are confirmed.
        boundary: U256,
    },
    /// Targets know from when on they have to be asked: those whose time has come by the target block are, and those that know none.
    Timed,
    /// The market's own structure names what lies beyond its boundary, as a bitmap of ticks does: these are asked.
    Listed(Vec<TargetKey>),
    /// There is no order: every target of the market is asked whenever the market is stale.
    OnStale,
}

/// A market at a target block.
#[derive(Clone, Debug)]
pub struct MarketReading {
    /// How its targets are searched.
    pub screen: Screen,
    /// The token that debt is in.
    pub debt_token: Address,
    /// The token that collateral is in.
    pub collateral_token: Address,
    /// Further tokens that its actions take or give, and what these are redeemed for.
    pub further_tokens: Vec<Address>,
    /// Targets that the market itself names; logs may have missed them.
    pub members: Vec<TargetKey>,
    /// The price that decides, in the protocol's own fixed point, for people to read.
    pub price: Option<U256>,
    /// The protocol's own figures, for its later calls.
    pub own: Arc<dyn Any + Send + Sync>,
}

/// Where a target stands in its market's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKey {
    /// Ordered by this; it grows with risk.
    Ratio(U256),
    /// Asked in blocks of this time and later. Before it nothing but what it was read from can bring it beyond its boundary.
    From(u64),
    /// In no order: asked whenever its market is stale.
    Unordered,
    /// Too small for the order to be exact: listed apart.
    Dust,
    /// Debt without collateral: listed, never divided by.
    NoCollateral,
    /// Nothing to act on any more.
    Closed,
}

/// A target as it stands.
#[derive(Clone, Debug)]
pub struct TargetReading {
    /// Its place.
    pub key: OrderKey,
    /// Debt, in the protocol's unit of debt, for people to read.
    pub debt: U256,
    /// Collateral in token units.
    pub collateral: U256,
}

/// One line of what a market holds, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What kind of thing it is, in the protocol's words: each kind is shown by itself.
    pub kind: &'static str,
    /// Which one.
    pub name: String,
    /// Debt, in units of the market's debt token.
    pub debt: U256,
    /// Collateral, in units of the market's collateral token.
    pub collateral: U256,
    /// Share of the way to the boundary in percent, rounded down; at 100 it is at the boundary. None where it has no place of its own.
    pub boundary_percent: Option<u64>,
}

/// A value, or why there is none, with the facets that decided so: a reverting oracle comes back when its inputs change.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// The value or the reason.
    pub value: Result<T, Skip>,
    /// What it was read from.
    pub reads: ReadSet,
}

/// What an action of one size takes and gives, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Units of the opportunity's debt token to pay.
    pub pays: U256,
    /// What of that the protocol takes out of what was seized, without it ever being in the executor's hands.
    pub in_place: U256,
    /// What is received, each token in one place. The opportunity's collateral token is the part that may be sold just as far as the debt needs.
    pub receives: Vec<Yield>,
    /// What [`Protocol::steps`] must know beside, in the protocol's own encoding.
    pub memo: Bytes,
}

impl Terms {
    /// Terms of an action that gives one token, as it is.
    #[must_use]
    pub fn plain(pays: U256, token: Address, amount: U256) -> Self {
        Self { pays, in_place: U256::ZERO, receives: vec![Yield::token(token, amount)], memo: Bytes::new() }
    }

    /// How much of a token is in hand when all claims are settled.
    #[must_use]
    pub fn received(&self, token: Address) -> U256 {
        let given = self.receives.iter().flat_map(|part| &part.gives).filter(|(given, _)| *given == token);
        given.fold(U256::ZERO, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// What has to be in hand to pay.
    #[must_use]
    pub const fn to_bring(&self) -> U256 {
        self.pays.saturating_sub(self.in_place)
    }

    /// The steps that settle all claims, in order.
    #[must_use]
    pub fn settlements(&self) -> Vec<Step> {
        self.receives.iter().flat_map(|part| &part.settlement).cloned().collect()
    }
}

/// One thing that an action gives: tokens, or a claim that no venue trades and that the protocol's own steps turn into tokens. Notes that
/// are redeemed and balances that are withdrawn from the protocol's ledgers are claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yield {
    /// The token that the claim is in, where it is one; what the settlement leaves of it is kept by the profit receiver and counts nothing.
    pub claim: Option<Address>,
    /// What turns the claim into tokens, after it was received. [`Protocol::steps`] puts them where they belong.
    pub settlement: Vec<Step>,
    /// The tokens in hand then, and how much of each.
    pub gives: Vec<(Address, U256)>,
}

impl Yield {
    /// A token as it is.
    #[must_use]
    pub fn token(token: Address, amount: U256) -> Self {
        Self { claim: None, settlement: Vec::new(), gives: vec![(token, amount)] }
    }
}

/// A log that tells of an action: the emitter and the topics that matter, in place; a topic of `None` is anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionLog {
    /// The emitting contract.
    pub address: Address,
    /// The first topics.
    pub topics: Vec<Option<B256>>,
}

/// Where the capital comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Funding {
    /// The protocol gives first and is paid after its own callback.
    Inside,
    /// The same, and the protocol lends the payment within the callback, where it is repaid.
    InsideLoan,
    /// A loan or own funds are in hand before the action.
    Outside,
}

/// How an action is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where the capital comes from.
    pub funding: Funding,
    /// The contract that makes the calls and receives what they give.
    pub executor: Address,
}

/// A register that a protocol keeps, in which the executor must stand before it may act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The contract that keeps it.
    pub register: Address,
    /// The call that asks it for the executor.
    pub question: Bytes,
    /// The whole answer where the executor is registered.
    pub answer: Bytes,
    /// What the executor does to be registered.
    pub steps: Vec<Step>,
}

/// A role in a protocol that pays nothing, and what it may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// What a keeper does here.
    pub action: Action,
    /// The most wei that may be spent on gas in a day (UTC).
    pub budget_wei: U256,
    /// Wei a unit of gas for the block's fee recipient: there is no profit to pay it from.
    pub tip: u128,
}

/// Work for a keeper: an action that the protocol wants and that earns nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chore {
    /// What is done to whom. Its hint says how much of the debt token it moves. Its locks are its own: it stands in no other action's way.
    pub opportunity: Opportunity,
    /// What must not be in flight either: what it would meet another state behind, or take something from.
    pub behind: Vec<Resource>,
    /// How.
    pub steps: Vec<Step>,
}

/// Why a protocol could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The fork could not answer.
    #[error(transparent)]
    Fork(#[from] ForkError),
}

/// A lending system.
pub trait Protocol: Send + Sync + fmt::Debug {
    /// The configured name.
    fn id(&self) -> &ProtocolId;

    /// The logs that its markets and targets are known from.
    fn log_sources(&self) -> Vec<LogSource>;

    /// A fresh replay of those logs.
    fn discoverer(&self) -> Box<dyn Discoverer>;

    /// The markets and targets that a log is about, by the log alone: what a transaction that is not mined yet begins. A log that
    /// does not decode is about nothing, and so is every log for a protocol whose logs don't name what they are about.
    fn found_in(&self, _log: &Log) -> Vec<Found> {
        Vec::new()
    }

    /// Ways to pay, the preferred one first.
    fn funding(&self) -> &'static [Funding];

    /// What anybody's action on a target logs: who was faster can be told from it.
    fn acted_on(&self, market: MarketId, key: TargetKey) -> Vec<ActionLog>;

    /// The contracts that its actions call, so that nobody lends from one that such a call locks.
    fn contracts(&self) -> Vec<Address>;

    /// Contracts that a plan's generic call steps must be allowed to reach.
    fn call_targets(&self) -> Vec<Address> {
        Vec::new()
    }

    /// Registers in which `executor` must stand.
    fn registrations(&self, _executor: Address) -> Vec<Registration> {
        Vec::new()
    }

    /// What a plan's revert says, where it is one of the protocol's own errors.
    fn reverted(&self, _output: &[u8]) -> Option<Skip> {
        None
    }

    /// The keeper's role that was taken on here; none, unless it is configured.
    fn keeper(&self) -> Option<Keeper> {
        None
    }

    /// Whether `caller` may do a keeper's work in a market at all; the reason where it may not. Asked before any [`Protocol::chore`] there.
    fn keeps(&self, _market: &MarketReading, _caller: Address) -> Result<(), Skip> {
        Ok(())
    }

    /// What a keeper could do to a target now, if there is anything. Asked only where there is a keeper, at heads only.
    fn chore(&self, _view: &View, _block: &TargetBlock, _market: &MarketReading, _target: (MarketId, TargetKey)) -> Result<Read<Option<Chore>>, ProtocolError> {
        Ok(Read { value: Ok(None), reads: ReadSet::default() })
    }

    /// A market at the target block: prices by the contracts' own code, interest to the target timestamp.
    fn read_market(&self, view: &View, block: &TargetBlock, market: MarketId) -> Result<Read<MarketReading>, ProtocolError>;

    /// What people should know of a market beside its tokens, price and boundary: names and values in the protocol's own units.
    fn parameters(&self, market: &MarketReading) -> Vec<(&'static str, String)>;

    /// Everything that a market holds and the book does not know, because the market's own structure names what matters: for people, and
    /// slow. Nothing for a protocol whose targets are all in the book.
    fn listing(&self, _view: &View, _block: &TargetBlock, _market: &MarketReading) -> Result<Result<Vec<Listed>, Skip>, ProtocolError> {
        Ok(Ok(Vec::new()))
    }

    /// A target's place in its market's order: independent of time, and of prices unless they are among what it was read from.
    fn read_target(&self, view: &View, block: &TargetBlock, market: MarketId, key: TargetKey) -> Result<Read<TargetReading>, ProtocolError>;

    /// The facets that [`Protocol::read_target`] will read, as far as they are known without reading, so that many targets can be fetched in
    /// one request.
    fn target_facets(&self, market: MarketId, key: TargetKey) -> ReadSet;

    /// What the protocol would accept now from `caller`; a reason from the closed set where it would not.
    fn confirm(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        target: (MarketId, TargetKey),
        caller: Address,
    ) -> Result<Read<Vec<Opportunity>>, ProtocolError>;

    /// What an opportunity of this size takes and gives on this overlay.
    fn terms(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        opportunity: &Opportunity,
        size: Size,
    ) -> Result<Result<Terms, Skip>, ProtocolError>;

    /// The steps of the action, in one transaction: what has to stand in another one is another opportunity, with a resource of
    /// that scope in its locks. Claims are settled by [`Terms::settlements`] before `convert` sells what they give. With [`Funding::Inside`]
    /// and [`Funding::InsideLoan`] `convert` runs inside the callback, with [`Funding::Outside`] after the action.
    fn steps(&self, market: &MarketReading, opportunity: &Opportunity, size: Size, terms: &Terms, way: Way, convert: Vec<Step>) -> Result<Vec<Step>, Skip>;
}
