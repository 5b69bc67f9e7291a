//! What all drivers share: the fork, the book and the engine, kept at the newest head.
//!
//! ```text
//! head ─▶ fork.roll ─diff─▶ book.changed ┐
//!         logs ─▶ discovery ─found─▶ book.found ├─▶ prefetch ─▶ book.refresh(target block) ─▶ engine.run(trigger)
//! ```

mod asks;
mod error;

pub use asks::{InFront, Means};
pub use error::SessionError;

use super::{
    assemble::{self, Injected},
    discovery::{Checkpoints, Discovery, Progress},
    needs::Needs,
    policy::ConfiguredPolicy,
    snapshot,
    source::Source,
    writers::{CallKind, writers_among},
};
use crate::{
    book::{Book, Refreshed},
    chain::{Head, Node},
    config::Config,
    engine::{Engine, Settings},
    fork::{ChainRules, Fork, ForkOptions, Layer, ReadSet, RequestLimits, Rolled, Snapshot, StateDiff, Trail, TxChanges},
    plan::ProtocolId,
    protocols::{Found, Keeper, Protocol},
};
use alloy::primitives::Address;
use parking_lot::RwLock;
use std::{collections::BTreeSet, sync::Arc};

/// Where plans are carried out, and by whom.
#[derive(Clone, Debug)]
pub enum Executing {
    /// A deployed executor.
    Deployed {
        /// The contract.
        executor: Address,
        /// Its profit receiver.
        receiver: Address,
    },
    /// An executor that exists on the overlay only.
    Injected(Injected),
}

impl Executing {
    const fn addresses(&self) -> (Address, Address) {
        match self {
            Self::Deployed { executor, receiver } => (*executor, *receiver),
            Self::Injected(injected) => (injected.executor, injected.receiver),
        }
    }

    fn layers(&self) -> &[Arc<Layer>] {
        match self {
            Self::Deployed { .. } => &[],
            Self::Injected(injected) => &injected.layers,
        }
    }
}

/// What a new head brought.
#[derive(Clone, Debug, Default)]
pub struct HeadReport {
    /// Facets that the block changed.
    pub changed: usize,
    /// Kinds of call whose transactions in the block wrote to what values were read from, where the way to roll could tell.
    pub writers: Vec<CallKind>,
    /// What the book read again.
    pub refreshed: Refreshed,
    /// EVM runs that reading it took, venues of new pairs included.
    pub runs: u64,
}

/// State, book and engine at a head.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    source: Source,
    rules: ChainRules,
    fork: Arc<Fork>,
    book: Arc<RwLock<Book>>,
    protocols: Vec<Arc<dyn Protocol>>,
    discoveries: Vec<Discovery>,
    checkpoints: Arc<dyn Checkpoints>,
    executing: Executing,
    policy: ConfiguredPolicy,
    engine: Arc<Engine>,
    /// What is read beside the book, since the last head.
    trail: Arc<Trail>,
    needs: Needs,
    /// Pairs of tokens for which the engine's venues were found.
    pairs: BTreeSet<(Address, Address)>,
    /// The last move to a head did not come to its end: the next one takes nothing for granted.
    behind: bool,
    head: Head,
}

impl Session {
    /// Reads everything there is at `head`.
    ///
    /// # Errors
    /// When node, logs or venues can't be read. A single market that can't be read is no error.
    pub async fn start(
        config: Arc<Config>,
        source: Source,
        head: Head,
        executing: Executing,
        policy: ConfiguredPolicy,
        checkpoints: Arc<dyn Checkpoints>,
        progress: &dyn Progress,
    ) -> Result<Self, SessionError> {
        let rules = assemble::chain_rules(&config);
        let limits = RequestLimits { batch: config.node.max_batch, ..RequestLimits::default() };
        let options = ForkOptions { timeout: config.node.timeout(), limits, ..ForkOptions::default() };
        let fork = source.fork(head.clone(), options)?.with_rolling(config.roll(), &rules);
        fork.probe().await;
        let fork = Arc::new(fork);
        let needs = Needs::new(config.engine.idle_heads);
        let protocols = assemble::protocols(&config);
        let mut book = Book::new(protocols.clone());
        let mut discoveries = Vec::with_capacity(protocols.len());
        for (place, protocol) in protocols.iter().enumerate() {
            let discovery = source.discover(Arc::clone(protocol), &head, checkpoints.as_ref(), progress).await?;
            discovery.found().into_iter().for_each(|found| book.found(place, found));
            discoveries.push(discovery);
        }
        let engine = Arc::new(Engine::new(settings(&config, &executing, &policy), assemble::no_marketplace()));
        let book = Arc::new(RwLock::new(book));
        let mut session = Self {
            config,
            source,
            rules,
            fork,
            book,
            protocols,
            discoveries,
            checkpoints,
            executing,
            policy,
            engine,
            trail: Arc::default(),
            needs,
            pairs: BTreeSet::new(),
            behind: false,
            head,
        };
        session.refresh().await?;
        Ok(session)
    }

    /// The head that everything is at.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The node.
    ///
    /// # Errors
    /// With a snapshot, which is one block: there is no next head.
    pub fn node(&self) -> Result<&Arc<Node>, SessionError> {
        Ok(self.source.node()?)
    }

    /// All that was read so far, and what the logs said.
    ///
    /// # Errors
    /// When a protocol's replay can't be written down.
    pub fn snapshot(&self) -> Result<Snapshot, SessionError> {
        let book = self.book.read();
        let mut found = Vec::with_capacity(self.discoveries.len());
        for (place, discovery) in self.discoveries.iter().enumerate() {
            let (protocol, replay) = discovery.save()?;
            let markets = book.markets().filter(|(market, _)| market.protocol == place).map(|(market, _)| market.market.0).collect();
            found.push((protocol, replay, markets));
        }
        Ok(Snapshot::of(self.config.chain.id, self.fork.view().generation(), snapshot::sections(found)))
    }

    /// Reads facets in few requests.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn warm(&self, wanted: &ReadSet) -> Result<(), SessionError> {
        Ok(self.fork.prefetch(wanted).await?)
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The book.
    #[must_use]
    pub const fn book(&self) -> &Arc<RwLock<Book>> {
        &self.book
    }

    /// The protocols.
    #[must_use]
    pub fn protocols(&self) -> &[Arc<dyn Protocol>] {
        &self.protocols
    }

    /// The chain's rules.
    #[must_use]
    pub const fn rules(&self) -> &ChainRules {
        &self.rules
    }

    /// Notes that a run that concerned us touched this: it is kept warm for a while.
    pub(super) fn used(&mut self, touched: &ReadSet) {
        self.needs.note(touched);
    }

    /// Before the fork moves on: of all that is known at this head, only what the book was read from and what was used stays, within the
    /// configured bound. What pending transactions made us read, and concerned nobody, goes.
    async fn forget_unused(&mut self) {
        let live = self.book.read().facet_count();
        self.needs.note(&self.trail.take());
        self.needs.age(self.config.engine.max_facets);
        let (book, needs) = (&self.book, &self.needs);
        self.fork.retain(live.saturating_add(needs.len()), |facet| needs.contains(facet) || book.read().reads(facet)).await;
    }

    /// Goes to a head whose parent is the present one.
    ///
    /// # Errors
    /// The session stays where it was; the same or a later head can be tried again.
    pub async fn advance(&mut self, head: &Head) -> Result<HeadReport, SessionError> {
        if self.behind {
            return self.jump(head).await;
        }
        let node = Arc::clone(self.node()?);
        self.behind = true;
        let mut logs = Vec::with_capacity(self.discoveries.len());
        for discovery in &self.discoveries {
            logs.push(node.logs_of_block(head.hash, discovery.query()).await?);
        }
        self.forget_unused().await;
        let Rolled { diff, txs, .. } = self.fork.roll(head).await?;
        self.head = head.clone();
        let writers = self.changed(&diff, &txs);
        for (place, (discovery, logs)) in self.discoveries.iter_mut().zip(&logs).enumerate() {
            match discovery.head(head, logs, self.checkpoints.as_ref()).await {
                Ok(found) => found.into_iter().for_each(|found| self.book.write().found(place, found)),
                Err(error) => {
                    // A log that contradicts the replay: the chain is right.
                    tracing::warn!(%error, "replaying the logs again");
                    let found = discovery.rebuild(&node, head, self.checkpoints.as_ref()).await?;
                    note_new(&mut self.book.write(), place, found);
                }
            }
        }
        self.settle(&diff, writers).await
    }

    /// Goes to a head of another branch, or to one after a gap that was not followed.
    ///
    /// # Errors
    /// As [`Session::advance`]; a move that did not come to its end is made up for by the next one.
    pub async fn jump(&mut self, head: &Head) -> Result<HeadReport, SessionError> {
        let node = Arc::clone(self.node()?);
        self.behind = true;
        self.forget_unused().await;
        let Rolled { diff, txs, .. } = self.fork.roll(head).await?;
        self.head = head.clone();
        let writers = self.changed(&diff, &txs);
        for (place, discovery) in self.discoveries.iter_mut().enumerate() {
            let found = discovery.rebuild(&node, head, self.checkpoints.as_ref()).await?;
            note_new(&mut self.book.write(), place, found);
        }
        self.settle(&diff, writers).await
    }

    /// Tells the book what a roll changed; gives the kinds of call that did it.
    fn changed(&self, diff: &StateDiff, txs: &[TxChanges]) -> Vec<CallKind> {
        let mut book = self.book.write();
        book.changed(diff);
        writers_among(txs, |facet| book.reads(facet))
    }

    async fn settle(&mut self, diff: &StateDiff, writers: Vec<CallKind>) -> Result<HeadReport, SessionError> {
        let before = self.trail.runs();
        let refreshed = self.refresh().await?;
        self.behind = false;
        Ok(HeadReport { changed: diff.len(), writers, refreshed, runs: self.trail.runs().saturating_sub(before) })
    }

    /// Reads what is stale, with its misses fetched in few requests, and finds venues for markets that are new.
    async fn refresh(&mut self) -> Result<Refreshed, SessionError> {
        let wanted = self.book.read().wanted();
        self.fork.prefetch(&wanted).await?;
        let (book, view, block) = (Arc::clone(&self.book), self.view(), self.target_block());
        let refreshed = tokio::task::spawn_blocking(move || book.write().refresh(&view, &block)).await?;
        for failed in &refreshed.failed {
            tracing::warn!(%failed, "a value could not be read; it is tried again at the next head");
        }
        // A market that could not be read before may bring a pair as well as a new one.
        let pairs = assemble::pairs(self.config.venues.weth, &self.book.read());
        if pairs != self.pairs {
            let (config, book, view, block) = (Arc::clone(&self.config), Arc::clone(&self.book), self.view(), self.target_block());
            let marketplace = tokio::task::spawn_blocking(move || assemble::marketplace(&config, &book.read(), &view, &block)).await??;
            self.engine = Arc::new(Engine::new(settings(&self.config, &self.executing, &self.policy), marketplace));
            self.pairs = pairs;
        }
        Ok(refreshed)
    }

    /// The keepers' roles that are taken on, by protocol.
    pub fn keepers(&self) -> impl Iterator<Item = (ProtocolId, Keeper)> {
        self.protocols().iter().filter_map(|protocol| Some((protocol.id().clone(), protocol.keeper()?)))
    }

    /// Whether the last move to a head came to its end.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.behind
    }
}

/// What a replay found again is known and right already: the fork's diff made stale what is different on this branch, and what exists only on the
/// other one reads as closed. Only what the book does not have is read.
fn note_new(book: &mut Book, protocol: usize, found: Vec<Found>) {
    for found in found {
        if !book.knows(protocol, &found) {
            book.found(protocol, found);
        }
    }
}

fn settings(config: &Config, executing: &Executing, policy: &ConfiguredPolicy) -> Settings {
    let (executor, receiver) = executing.addresses();
    Settings {
        executor,
        receiver,
        weth: config.venues.weth,
        chain_id: config.chain.id,
        max_simulations: config.engine.max_simulations,
        threads: threads(config.engine.threads),
        priority_fee: 0,
        fee_headroom_bps: 0,
        policy: Arc::new(policy.clone()),
    }
}

/// As many as configured; zero is one a core.
fn threads(configured: usize) -> usize {
    if configured > 0 { configured } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
}
