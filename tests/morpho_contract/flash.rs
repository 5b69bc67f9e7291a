//! Morpho's flash loan as the funding of a plan, from the engine's search to the executor's own code.

use crate::world::World;
use alloy::primitives::{Address, I256, U256};
use harrier::{
    book::Book,
    devnet::SearcherFacts,
    drivers::assemble,
    engine::{Cancel, Engine, Measure, Outcome, Policy, Sender, Settings, Work},
    executor,
    fork::{ReadSet, TargetBlock, TxStatus, View},
    plan::{FlashKind, MarketId, Opportunity, ProtocolId, Size, Skip, Step, TargetKey, Trigger},
    protocols::{ActionLog, Discoverer, Funding, LogSource, MarketReading, Protocol, ProtocolError, Read, TargetReading, Terms, Way, morpho::Morpho},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// The same protocol, funded in one way.
#[derive(Debug)]
struct Funded(Arc<Morpho>, &'static [Funding]);

impl Protocol for Funded {
    fn id(&self) -> &ProtocolId {
        self.0.id()
    }
    fn log_sources(&self) -> Vec<LogSource> {
        self.0.log_sources()
    }
    fn discoverer(&self) -> Box<dyn Discoverer> {
        self.0.discoverer()
    }
    fn funding(&self) -> &'static [Funding] {
        self.1
    }
    fn acted_on(&self, market: MarketId, key: TargetKey) -> Vec<ActionLog> {
        self.0.acted_on(market, key)
    }
    fn contracts(&self) -> Vec<Address> {
        self.0.contracts()
    }
    fn read_market(&self, view: &View, block: &TargetBlock, market: MarketId) -> Result<Read<MarketReading>, ProtocolError> {
        self.0.read_market(view, block, market)
    }
    fn parameters(&self, market: &MarketReading) -> Vec<(&'static str, String)> {
        self.0.parameters(market)
    }
    fn read_target(&self, view: &View, block: &TargetBlock, market: MarketId, key: TargetKey) -> Result<Read<TargetReading>, ProtocolError> {
        self.0.read_target(view, block, market, key)
    }
    fn target_facets(&self, market: MarketId, key: TargetKey) -> ReadSet {
        self.0.target_facets(market, key)
    }
    fn confirm(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        target: (MarketId, TargetKey),
        caller: Address,
    ) -> Result<Read<Vec<Opportunity>>, ProtocolError> {
        self.0.confirm(view, block, market, target, caller)
    }
    fn terms(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        opportunity: &Opportunity,
        size: Size,
    ) -> Result<Result<Terms, Skip>, ProtocolError> {
        self.0.terms(view, block, market, opportunity, size)
    }
    fn steps(&self, market: &MarketReading, opportunity: &Opportunity, size: Size, terms: &Terms, way: Way, convert: Vec<Step>) -> Result<Vec<Step>, Skip> {
        self.0.steps(market, opportunity, size, terms, way, convert)
    }
}

/// Everything is admitted, nobody is paid: the gain is all that differs.
#[derive(Debug)]
struct Free;

impl Policy for Free {
    fn admits(&self, _: &Opportunity, _: Option<U256>, _: u128) -> Result<(), Skip> {
        Ok(())
    }
    fn worthwhile(&self, _: &Opportunity, _: Option<U256>, _: u128, _: U256) -> Result<(), Skip> {
        Ok(())
    }
    fn measure(&self) -> Measure {
        Measure::Transaction
    }
    fn builder_payment(&self, _: U256) -> U256 {
        U256::ZERO
    }
    fn min_gain(&self, _: U256, gas_wei: U256) -> Result<U256, Skip> {
        Ok(gas_wei)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_on_morphos_flash_loan_gains_what_its_own_callback_gains() {
    let world = World::start(0).await;
    world.devnet.story().borrower("alice").health(1_030_000_000_000_000_000).open().await.unwrap();
    world.devnet.story().borrower("bob").market("stake-weth").health(1_030_000_000_000_000_000).open().await.unwrap();
    let first = |feed: &str| i128::try_from(world.devnet.contracts().feed(feed).unwrap().first_answer).unwrap();
    for feed in ["ETH/USD", "STAKE/ETH"] {
        world.devnet.price_mined(feed, I256::try_from(first(feed) / 100 * 96).unwrap()).await.unwrap();
    }
    let world = World::on(world.devnet);
    let receiver = Address::repeat_byte(0x77);
    let (config, _) = world.devnet.searcher(&SearcherFacts { executor: None, receiver, ledger: Path::new("unused.sqlite") }, &[]).unwrap();
    assert_eq!(config.flash.morpho_blue, Some(world.contract()), "the devnet's searcher may borrow there");

    let mut outcomes: Vec<Outcome> = Vec::new();
    const WAYS: [&[Funding]; 2] = [&[Funding::Inside], &[Funding::Outside]];
    for funding in WAYS {
        let protocol: Arc<dyn Protocol> = Arc::new(Funded(Arc::clone(&world.morpho), funding));
        let mut book = Book::new(vec![Arc::clone(&protocol)]);
        let mut discoverer = protocol.discoverer();
        for (log, timestamp) in world.logs().await {
            discoverer.apply(&log, timestamp).unwrap();
        }
        discoverer.found().into_iter().for_each(|found| book.found(0, found));
        outcomes.push(tokio::task::block_in_place(|| {
            let injected = assemble::injected(&config, &[Arc::clone(&protocol)]);
            let view = injected.layers.iter().fold(world.view(), |view, layer| view.with_layer(Arc::clone(layer)));
            let block = world.block();
            assert!(book.refresh(&view, &block).failed.is_empty());
            let marketplace = assemble::marketplace(&config, &book, &view, &block).unwrap();
            let settings = Settings {
                executor: injected.executor,
                receiver: injected.receiver,
                weth: config.venues.weth,
                chain_id: config.chain.id,
                max_simulations: 16,
                threads: 2,
                priority_fee: 0,
                fee_headroom_bps: 0,
                policy: Arc::new(Free),
            };
            let senders: Vec<Sender> = injected.operators.iter().map(|address| Sender { address: *address, nonce: 0 }).collect();
            let outcome = Engine::new(settings, marketplace)
                .run(&Work {
                    trigger: Trigger::Head { hash: world.fork.head().hash, number: world.fork.head().number },
                    view: &view,
                    block: &block,
                    book: &book,
                    front: &[],
                    executed: None,
                    senders: &senders,
                    locked: &BTreeSet::new(),
                    allowances: &BTreeMap::new(),
                    cancel: &Cancel::default(),
                })
                .unwrap();
            // Once more, alone: the transaction as it stands, by the executor's code on the view.
            for batch in &outcome.batches {
                let txs: Vec<_> = batch.txs.iter().map(|simulated| simulated.tx.clone()).collect();
                let executed = view.execute(&block, &txs).unwrap();
                for (done, simulated) in executed.txs.iter().zip(&batch.txs) {
                    assert_eq!((&done.status, done.gas_used), (&TxStatus::Success, simulated.gas_used));
                    assert_eq!(executor::decode_gain(&done.output).unwrap(), simulated.gain);
                }
            }
            outcome
        }));
    }

    let [inside, outside] = outcomes.as_slice() else { panic!("two runs") };
    let taken = |outcome: &Outcome| {
        let mut taken: Vec<_> = outcome
            .batches
            .iter()
            .flat_map(|batch| &batch.candidates)
            .map(|candidate| (candidate.opportunity.target.key, candidate.size, candidate.repay))
            .collect();
        taken.sort_by_key(|(key, ..)| *key);
        taken
    };
    assert_eq!(taken(inside).len(), 2, "{:?}", inside.refusals);
    assert_eq!(taken(inside), taken(outside), "{:?}", outside.refusals);
    let sum = |outcome: &Outcome| -> (U256, u64) {
        let txs = || outcome.batches.iter().flat_map(|batch| &batch.txs);
        (txs().map(|tx| tx.gain).sum(), txs().map(|tx| tx.gas_used).sum())
    };
    let ((inside_gain, inside_gas), (outside_gain, outside_gas)) = (sum(inside), sum(outside));
    assert_eq!(inside_gain, outside_gain, "the loan is free");
    assert!(inside_gas < outside_gas && outside_gas < inside_gas + 2 * 100_000, "{inside_gas} {outside_gas}");
    let steps: Vec<&Step> = outside.batches.iter().flat_map(|batch| &batch.txs).flat_map(|tx| &tx.plan.steps).collect();
    let loans: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::FlashLoan { kind: FlashKind::Morpho, lender, inside, .. } => Some((*lender, inside)),
            _ => None,
        })
        .collect();
    assert_eq!(loans.len(), 2);
    for (lender, inside) in loans {
        assert_eq!(lender, world.contract());
        assert!(inside.iter().any(|step| matches!(step, Step::Liquidate(one) if one.inside.is_empty())), "the action stands inside the loan");
    }
}
