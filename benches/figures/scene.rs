//! The scene: a devnet on which one borrower can be liquidated, a dry-run's session on it, and the transaction that the engine would send.

use super::raw::Prepared;
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, Bytes, I256, U256},
};
use eyre::{OptionExt, ensure};
use harrier::{
    book::{Book, MarketRef},
    chain::Node,
    config::Config,
    devnet::{Devnet, DevnetConfig, SearcherFacts, Seed},
    drivers::{
        assemble,
        discovery::Progress,
        dry_run::DrySink,
        searcher::Searcher,
        start::{Begin, Watchers, dry_run},
    },
    engine::{Cancel, Engine, Sender, Simulated, Work},
    executor::{ExecutorConfig, decode_gain, executor_artifact, storage},
    fork::{Layer, TargetBlock, View},
    plan::{ProtocolId, Resource, TargetKey, Trigger},
};
use parking_lot::RwLock;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The market of the bundle: its collateral is sold in one swap.
const MARKET: &str = "weth-usdc";

/// Nobody watches how logs are read.
#[derive(Debug)]
pub(crate) struct Quiet;

impl Progress for Quiet {
    fn at(&self, _protocol: &ProtocolId, _done: u64, _all: u64) {}
}

/// A devnet, a searcher on it, and its answer for one target.
#[derive(Debug)]
pub(crate) struct Scene {
    devnet: Devnet,
    searcher: Searcher<DrySink>,
    sent: Simulated,
    /// The executor and its operators, which are on no chain.
    injected: Vec<Arc<Layer>>,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// Starts everything: 300 borrowers, a price that falls, the executor injected into the fork, and put into anvil for `eth_call`.
    pub(crate) async fn set() -> eyre::Result<Self> {
        let devnet = Devnet::start(DevnetConfig { seed: Some(Seed::default()), ..DevnetConfig::default() }).await?;
        let people = devnet.story().borrower("alice").market(MARKET).health(1_020_000_000_000_000_000).open().await?;
        let alice = people.first().ok_or_eyre("nobody borrows")?;
        let fallen = devnet.answer("ETH/USD").await?.saturating_mul(I256::try_from(97)?) / I256::try_from(100)?;
        devnet.price_mined("ETH/USD", fallen).await?;
        let folder = tempfile::tempdir()?;
        let ledger = folder.path().join("ledger.sqlite");
        let facts = SearcherFacts { executor: None, receiver: devnet.owner()?.address(), ledger: &ledger };
        let (config, environment) = devnet.searcher(&facts, &[])?;
        put_into_anvil(&devnet, &config).await?;
        let injected = assemble::injected(&config, &assemble::protocols(&config)).layers;
        let mut searcher = dry_run(config, &environment, Begin::Latest, Watchers::default(), &Quiet).await?;
        let key = TargetKey::Account(alice.person.address());
        let market = market_of(&searcher.session().book().read(), alice.market_id)?;
        let outcome = searcher.target(market, key).await?;
        let sent = outcome.batches.first().and_then(|batch| batch.txs.first()).cloned();
        let sent = sent.ok_or_else(|| eyre::eyre!("the target is not taken: {:?}", outcome.refusals))?;
        Ok(Self { devnet, searcher, sent, injected, _folder: folder })
    }

    /// What is measured, checked to give the same result in each way.
    pub(crate) fn tools(&self) -> eyre::Result<Tools<'_>> {
        let session = self.searcher.session();
        let (view, block) = (session.view(), session.target_block());
        let prepared = Prepared::new(&view, &block, &self.sent.tx)?;
        let head = session.head();
        let tools = Tools {
            engine: Arc::clone(session.engine()),
            book: Arc::clone(session.book()),
            trigger: Trigger::Head { hash: head.hash, number: head.number },
            request: request(&self.sent, &block),
            sender: Sender { address: self.sent.tx.signer(), nonce: self.sent.tx.nonce() },
            sent: &self.sent,
            view,
            block,
            prepared,
        };
        let again = tools.simulated(&tools.view)?;
        ensure!((again.gain, again.gas_used) == (self.sent.gain, self.sent.gas_used), "our path gives another result each time");
        ensure!(again.tx.input() == self.sent.tx.input(), "our path builds another transaction each time");
        let (output, gas, _) = tools.prepared.run()?;
        ensure!((decode_gain(&output)?, gas) == (self.sent.gain, self.sent.gas_used), "raw revm gives another result than our path");
        Ok(tools)
    }

    /// The devnet, to read from and not to change: all figures of a run share it.
    pub(crate) const fn devnet(&self) -> &Devnet {
        &self.devnet
    }

    /// The searcher's connection to it.
    pub(crate) fn node(&self) -> eyre::Result<&Node> {
        Ok(self.searcher.session().node()?)
    }

    /// A view of another fork with the executor in it.
    pub(crate) fn with_executor(&self, view: View) -> View {
        self.injected.iter().fold(view, |view, layer| view.with_layer(Arc::clone(layer)))
    }

    /// `eth_call` of the bundle's transaction to anvil itself; the gain must be the simulated one.
    pub(crate) async fn ask(&self, request: &Value) -> eyre::Result<()> {
        let output: Bytes = self.devnet.node().call("eth_call", request).await?;
        ensure!(decode_gain(&output)? == self.sent.gain, "eth_call gives another gain than our path");
        Ok(())
    }
}

fn market_of(book: &Book, id: B256) -> eyre::Result<MarketRef> {
    book.markets().map(|(market, _)| market).find(|market| market.market.0 == id).ok_or_eyre("the market is not known")
}

/// The dry-run's executor and funds as they are on the overlay, in anvil's own state.
async fn put_into_anvil(devnet: &Devnet, config: &Config) -> eyre::Result<()> {
    let protocols = assemble::protocols(config);
    let injected = assemble::injected(config, &protocols);
    let targets = assemble::call_targets(config, &protocols);
    let configuration = ExecutorConfig { owner: injected.receiver, receiver: injected.receiver, operators: injected.operators.clone(), targets };
    let node = devnet.node();
    let _: Value = node.call("anvil_setCode", (injected.executor, executor_artifact().runtime_code.clone())).await?;
    for (slot, value) in storage(&configuration) {
        let _: Value = node.call("anvil_setStorageAt", (injected.executor, slot, B256::from(value))).await?;
    }
    for operator in injected.operators {
        let _: Value = node.call("anvil_setBalance", (operator, U256::from(10).pow(U256::from(21)))).await?;
    }
    Ok(())
}

/// The call, and the block that it is to run in.
fn request(sent: &Simulated, block: &TargetBlock) -> Value {
    let to: Option<Address> = sent.tx.to();
    let call = json!({
        "from": sent.tx.signer(), "to": to, "data": sent.tx.input(), "gas": format!("{:#x}", sent.tx.gas_limit()),
        "maxFeePerGas": format!("{:#x}", sent.tx.max_fee_per_gas()), "maxPriorityFeePerGas": "0x0",
    });
    let block = json!({ "number": format!("{:#x}", block.number), "time": format!("{:#x}", block.timestamp), "baseFee": format!("{:#x}", block.base_fee) });
    json!([call, "latest", {}, block])
}

/// The three ways to run the bundle.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    engine: Arc<Engine>,
    book: Arc<RwLock<Book>>,
    trigger: Trigger,
    sender: Sender,
    sent: &'a Simulated,
    view: View,
    block: TargetBlock,
    prepared: Prepared,
    request: Value,
}

impl Tools<'_> {
    fn simulated(&self, view: &View) -> eyre::Result<Simulated> {
        let (locked, allowances, cancel) = (BTreeSet::<Resource>::new(), BTreeMap::new(), Cancel::default());
        let book = self.book.read();
        let work = Work {
            trigger: self.trigger,
            view,
            block: &self.block,
            book: &book,
            front: &[],
            executed: None,
            senders: std::slice::from_ref(&self.sender),
            locked: &locked,
            allowances: &allowances,
            cancel: &cancel,
        };
        Ok(self.engine.simulate_plan(&work, self.sender, &self.sent.plan, self.sent.tx.gas_limit())?)
    }

    /// Our whole path without signing.
    pub(crate) fn ours(&self) -> eyre::Result<()> {
        self.ours_on(&self.view)
    }

    /// The same on another view of the same head.
    pub(crate) fn ours_on(&self, view: &View) -> eyre::Result<()> {
        let simulated = self.simulated(view)?;
        ensure!(simulated.gain == self.sent.gain, "another gain");
        Ok(())
    }

    /// Raw revm.
    pub(crate) fn raw(&self) -> eyre::Result<()> {
        let (output, _, touched) = self.prepared.run()?;
        ensure!(!output.is_empty() && touched > 0, "no output");
        Ok(())
    }

    /// What `eth_call` is asked.
    pub(crate) const fn request(&self) -> &Value {
        &self.request
    }

    /// Gas of the bundle.
    pub(crate) const fn gas_used(&self) -> u64 {
        self.sent.gas_used
    }

    /// Bytes of its calldata.
    pub(crate) fn calldata(&self) -> usize {
        self.sent.tx.input().len()
    }
}
