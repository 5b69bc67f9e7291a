//! The engine alone on a devnet's state: no loop, no relay, no ledger.

use alloy::{
    network::AnyNetwork,
    primitives::{Address, U256},
    providers::{Provider, ProviderBuilder},
};
use harrier::{
    book::Book,
    chain::Head,
    config::Config,
    devnet::{Devnet, SLOT_SECONDS},
    engine::{Cancel, Engine, Policy, Sender, Settings, Work},
    fork::{ChainRules, Fork, ForkOptions, Hardfork, TargetBlock, View},
    plan::{ProtocolId, Resource, Trigger},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A fork of a devnet at its newest block.
pub(crate) fn fork_of(devnet: &Devnet) -> Fork {
    let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>();
    let provider = provider.connect_http(devnet.http_url().parse().unwrap()).erased();
    Fork::start(&provider, devnet.head(), ForkOptions::default()).unwrap()
}

/// The block after a head of a devnet.
pub(crate) fn block_after(devnet: &Devnet, head: &Head) -> TargetBlock {
    TargetBlock::after(head, &ChainRules::fixed(devnet.chain_id(), SLOT_SECONDS, Hardfork::Osaka))
}

/// An engine that tips nobody, so that gains are compared and not bids.
pub(crate) fn engine(config: &Config, (executor, receiver): (Address, Address), policy: Arc<dyn Policy>, on: &On<'_>) -> Engine {
    let settings = Settings {
        executor,
        receiver,
        weth: config.venues.weth,
        chain_id: config.chain.id,
        max_simulations: 16,
        threads: 2,
        priority_fee: 0,
        fee_headroom_bps: 0,
        policy,
    };
    Engine::new(settings, harrier::drivers::assemble::marketplace(config, on.book, on.view, on.block).unwrap())
}

/// What a run is on, and what it may use.
pub(crate) struct On<'a> {
    pub(crate) view: &'a View,
    pub(crate) block: &'a TargetBlock,
    pub(crate) book: &'a Book,
    senders: Vec<Sender>,
    pub(crate) locked: BTreeSet<Resource>,
    pub(crate) allowances: BTreeMap<ProtocolId, U256>,
    cancel: Cancel,
}

impl<'a> On<'a> {
    /// With these operators, whose nonces are those of the view.
    pub(crate) fn new(view: &'a View, block: &'a TargetBlock, book: &'a Book, operators: &[Address]) -> Self {
        let senders = operators.iter().map(|address| Sender { address: *address, nonce: view.account(*address).unwrap().nonce }).collect();
        Self { view, block, book, senders, locked: BTreeSet::new(), allowances: BTreeMap::new(), cancel: Cancel::default() }
    }

    /// The head's own trigger.
    pub(crate) fn work(&self) -> Work<'_> {
        let head = self.view.head();
        Work {
            trigger: Trigger::Head { hash: head.hash, number: head.number },
            view: self.view,
            block: self.block,
            book: self.book,
            front: &[],
            executed: None,
            senders: &self.senders,
            locked: &self.locked,
            allowances: &self.allowances,
            cancel: &self.cancel,
        }
    }
}
