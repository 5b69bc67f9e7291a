//! What is asked of a session at its head: views, accounts, runs of the engine.

use super::Session;
use crate::{
    book::MarketRef,
    drivers::{ready::Ground, session::SessionError},
    engine::{Cancel, EngineError, Outcome, Sender, Work},
    fork::{AccountState, Execution, Facet, ReadSet, SimTx, TargetBlock, Trail, View},
    plan::{ProtocolId, Resource, TargetKey, Trigger},
};
use alloy::primitives::{Address, U256, map::HashMap};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a run of the engine may use.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// Operators that are free, the first is used first.
    pub senders: Vec<Sender>,
    /// What bundles in flight use already.
    pub locked: BTreeSet<Resource>,
    /// Wei that keepers may spend today still, by protocol.
    pub allowances: BTreeMap<ProtocolId, U256>,
}

/// What stands in front of our own transactions.
#[derive(Clone, Debug, Default)]
pub struct InFront {
    /// The pending trigger behind its sender's earlier ones; none for a head.
    pub txs: Vec<SimTx>,
    /// What they do at the session's head in its target block, where that is known. Of another head it would be wrong.
    pub executed: Option<Execution>,
}

impl Session {
    /// The block after the head.
    #[must_use]
    pub fn target_block(&self) -> TargetBlock {
        TargetBlock::after(&self.head, &self.rules)
    }

    /// The head's state with the executor in it. What is read on it is kept warm for a while.
    #[must_use]
    pub fn view(&self) -> View {
        self.view_with(&self.trail)
    }

    /// The same, with what is read noted elsewhere.
    fn view_with(&self, trail: &Arc<Trail>) -> View {
        self.plain_view().with_trail(Arc::clone(trail))
    }

    fn plain_view(&self) -> View {
        self.executing.layers().iter().fold(self.fork.view(), |view, layer| view.with_layer(Arc::clone(layer)))
    }

    /// Where pending transactions are made ready at this head.
    pub(in crate::drivers) fn ground(&self) -> Ground {
        Ground {
            fork: Arc::clone(&self.fork),
            book: Arc::clone(&self.book),
            view: self.plain_view(),
            block: self.target_block(),
            max_gas: self.config.engine.pending_max_gas,
        }
    }

    /// Accounts at the head; those that the node could not give are left out. What is read is not kept from head to head on that account.
    pub fn accounts(&self, addresses: Vec<Address>) -> impl Future<Output = HashMap<Address, AccountState>> + Send + use<> {
        let (fork, view) = (Arc::clone(&self.fork), self.plain_view());
        async move {
            if addresses.is_empty() {
                return HashMap::default();
            }
            let mut wanted = ReadSet::default();
            addresses.iter().for_each(|address| wanted.insert(Facet::Balance(*address)));
            if let Err(error) = fork.prefetch(&wanted).await {
                tracing::debug!(%error, "accounts could not be read together");
            }
            let read = move || addresses.into_iter().filter_map(|address| Some((address, view.account(address).ok()?))).collect();
            tokio::task::spawn_blocking(read).await.unwrap_or_default()
        }
    }

    /// An account's nonce at the head, if nothing has to be asked of the node.
    pub(in crate::drivers) fn known_nonce(&self, address: Address) -> Option<u64> {
        self.plain_view().offline().account(address).ok().map(|account| account.nonce)
    }

    /// Starts the engine on a trigger; nothing is in front for a head. What the run reads is noted in `trail`; without one it is kept warm.
    pub fn run(
        &self,
        trigger: Trigger,
        front: Arc<InFront>,
        trail: Option<&Arc<Trail>>,
        means: Means,
        cancel: Cancel,
    ) -> tokio::task::JoinHandle<Result<Outcome, EngineError>> {
        let view = self.view_with(trail.unwrap_or(&self.trail));
        let (engine, book, block) = (Arc::clone(&self.engine), Arc::clone(&self.book), self.target_block());
        tokio::task::spawn_blocking(move || {
            let book = book.read();
            engine.run(&Work {
                trigger,
                view: &view,
                block: &block,
                book: &book,
                front: &front.txs,
                executed: front.executed.as_ref(),
                senders: &means.senders,
                locked: &means.locked,
                allowances: &means.allowances,
                cancel: &cancel,
            })
        })
    }

    /// Starts the engine on a keeper's work at the head, of which `head` came. What is read is kept warm.
    pub fn chores(&self, head: Arc<Outcome>, means: Means, cancel: Cancel) -> tokio::task::JoinHandle<Result<Outcome, EngineError>> {
        let (engine, book, view, block) = (Arc::clone(&self.engine), Arc::clone(&self.book), self.view(), self.target_block());
        tokio::task::spawn_blocking(move || {
            let book = book.read();
            let work = Work {
                trigger: head.trigger,
                view: &view,
                block: &block,
                book: &book,
                front: &[],
                executed: None,
                senders: &means.senders,
                locked: &means.locked,
                allowances: &means.allowances,
                cancel: &cancel,
            };
            engine.chores(&work, &head)
        })
    }

    /// Asks the engine about one target at the head.
    pub fn run_target(&self, trigger: Trigger, target: (MarketRef, TargetKey), means: Means) -> tokio::task::JoinHandle<Result<Outcome, EngineError>> {
        let (engine, book, view, block) = (Arc::clone(&self.engine), Arc::clone(&self.book), self.view(), self.target_block());
        tokio::task::spawn_blocking(move || {
            let (book, cancel) = (book.read(), Cancel::default());
            let work = Work {
                trigger,
                view: &view,
                block: &block,
                book: &book,
                front: &[],
                executed: None,
                senders: &means.senders,
                locked: &means.locked,
                allowances: &means.allowances,
                cancel: &cancel,
            };
            engine.target(&work, target.0, target.1)
        })
    }

    /// The call tree of the last of these transactions in the target block, behind the others.
    ///
    /// # Errors
    /// When the fork can't answer, or a transaction is invalid there.
    pub async fn trace(&self, txs: Vec<SimTx>) -> Result<String, SessionError> {
        let (view, block) = (self.view(), self.target_block());
        Ok(tokio::task::spawn_blocking(move || view.trace(&block, &txs)).await??)
    }
}
