//! The three ways of funding a Flux liquidation, each alone: found by the engine's search, landed on a fork of the devnet, and held against the
//! prediction; and when a manager has to be asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

#[path = "../funded/mod.rs"]
mod funded;
mod timed;

use alloy::{
    consensus::Transaction,
    network::AnyNetwork,
    primitives::{I256, U256},
    providers::{Provider, ProviderBuilder},
};
use funded::{Free, Funded};
use harrier::{
    book::Book,
    devnet::{Devnet, DevnetConfig, FluxManager, SLOT_SECONDS, SearcherFacts, rehearsal::Stage},
    drivers::assemble,
    engine::{Cancel, Engine, Outcome, Sender, Settings, Work},
    executor::encode,
    fork::{ChainRules, Fork, ForkOptions, Hardfork, TargetBlock},
    plan::{SkipReason, Step, TargetKey, Trigger},
    protocols::{Funding, Protocol},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

fn usdc(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000)
}

fn weth(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000_000_000_000_000_u64)
}

/// The worked example under water, with a little working capital beside the bond.
async fn under_water(devnet: &Devnet, cash: Option<U256>) -> FluxManager {
    let world = devnet.flux_world().unwrap();
    let price = |dollars: i64| I256::try_from(dollars * 100_000_000).unwrap();
    devnet.price_mined("ETH/USD", price(8_000)).await.unwrap();
    let story = world.manager("alice").bond(usdc(15_000)).borrows(usdc(100_000)).keeps(usdc(5_000)).holds("WETH", weth(12));
    let alice = story.opens().await.unwrap().pop().unwrap();
    if let Some(cash) = cash {
        world.lenders_leave(&alice.vault, cash).await.unwrap();
    }
    devnet.price_mined("ETH/USD", price(2_500)).await.unwrap();
    alice
}

/// What the engine makes of a head when the protocol is funded like this.
fn run(stage: &Stage, fork: &Fork, funding: &'static [Funding]) -> Outcome {
    let devnet = &stage.devnet;
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: Path::new("unused.sqlite") };
    let (config, _) = devnet.searcher(&facts, &[]).unwrap();
    let flux = assemble::protocols(&config).into_iter().find(|protocol| protocol.id().to_string() == "flux").unwrap();
    let protocol: Arc<dyn Protocol> = Arc::new(Funded(flux, funding));
    let mut book = Book::new(vec![Arc::clone(&protocol)]);
    // The vaults list their managers: no log is needed.
    protocol.discoverer().found().into_iter().for_each(|found| book.found(0, found));
    let view = fork.view();
    let block = block_after(devnet);
    assert!(book.refresh(&view, &block).failed.is_empty());
    let settings = Settings {
        executor: stage.executor,
        receiver: stage.receiver,
        weth: config.venues.weth,
        chain_id: config.chain.id,
        max_simulations: 16,
        threads: 2,
        priority_fee: 0,
        fee_headroom_bps: 0,
        policy: Arc::new(Free),
    };
    let senders: Vec<Sender> = devnet.operators().unwrap().iter().map(|operator| Sender { address: operator.address(), nonce: 0 }).collect();
    let marketplace = assemble::marketplace(&config, &book, &view, &block).unwrap();
    let work = Work {
        trigger: Trigger::Head { hash: fork.head().hash, number: fork.head().number },
        view: &view,
        block: &block,
        book: &book,
        front: &[],
        executed: None,
        senders: &senders,
        locked: &BTreeSet::new(),
        allowances: &BTreeMap::new(),
        cancel: &Cancel::default(),
    };
    Engine::new(settings, marketplace).run(&work).unwrap()
}

fn block_after(devnet: &Devnet) -> TargetBlock {
    TargetBlock::after(&devnet.head(), &ChainRules::fixed(devnet.chain_id(), SLOT_SECONDS, Hardfork::Osaka))
}

/// Mines the plan on a fork of the devnet, and compares what the receiver got with the prediction. Nothing stays anywhere.
async fn lands(stage: &Stage, outcome: &Outcome, manager: &FluxManager) {
    let tx = &outcome.batches[0].txs[0];
    let chain = stage.devnet.fork().await.unwrap();
    let operator = &chain.operators().unwrap()[0];
    let raw = chain.signed(operator, Some(stage.executor), U256::ZERO, encode(&tx.plan).unwrap(), tx.tx.gas_limit(), 1).await.unwrap();
    let hash = chain.send_public(raw).await.unwrap();
    let before = chain.balance_of("WETH", stage.receiver).await.unwrap();
    let report = chain.build_block().await.unwrap();
    assert!(report.txs.iter().zip(&report.succeeded).any(|(mined, succeeded)| *mined == hash && *succeeded), "{hash} failed");
    assert_eq!(chain.balance_of("WETH", stage.receiver).await.unwrap() - before, tx.gain);
    let world = chain.flux_world().unwrap();
    for who in [stage.executor, manager.script] {
        assert_eq!(world.left_of(&manager.vault, who).await.unwrap(), Vec::<String>::new());
    }
    for symbol in ["USDC", "WETH"] {
        assert_eq!(chain.balance_of(symbol, stage.executor).await.unwrap(), U256::ZERO, "{symbol}");
    }
}

fn fork_of(devnet: &Devnet) -> Fork {
    let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>();
    let provider = provider.connect_http(devnet.http_url().parse().unwrap()).erased();
    Fork::start(&provider, devnet.head(), ForkOptions::default()).unwrap()
}

/// Gain, gas, payment and outside loan of the only candidate.
fn only(outcome: &Outcome, manager: &FluxManager) -> (U256, u64, U256, Option<U256>) {
    let [batch] = outcome.batches.as_slice() else { panic!("{:?}", outcome.refusals) };
    let ([candidate], [tx]) = (batch.candidates.as_slice(), batch.txs.as_slice()) else { panic!("{batch:?}") };
    assert_eq!(candidate.opportunity.target.key, TargetKey::Account(manager.script));
    let loan = tx.plan.steps.iter().find_map(|step| if let Step::FlashLoan { amount, .. } = step { Some(*amount) } else { None });
    (tx.gain, tx.gas_used, candidate.repay, loan)
}

const INSIDE: &[Funding] = &[Funding::Inside];
const LOAN: &[Funding] = &[Funding::InsideLoan];
const OUTSIDE: &[Funding] = &[Funding::Outside];
/// The cheapest last.
const ALL: &[Funding] = &[Funding::Outside, Funding::InsideLoan, Funding::Inside];

async fn staged() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    Stage::set(DevnetConfig { flux: true, ..DevnetConfig::default() }, folder.path()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_ways_gain_the_same_and_the_cheapest_is_kept() {
    let stage = staged().await;
    let alice = under_water(&stage.devnet, None).await;
    let fork = fork_of(&stage.devnet);
    let outcomes = [INSIDE, LOAN, OUTSIDE, ALL].map(|funding| tokio::task::block_in_place(|| run(&stage, &fork, funding)));
    let [inside, loan, outside, all] = [0, 1, 2, 3].map(|place| only(&outcomes[place], &alice));
    assert_eq!([inside.2, loan.2, outside.2], [usdc(49_500); 3], "the payment does not depend on who lends");
    assert_eq!([inside.0, loan.0], [outside.0; 2], "nobody takes a fee");
    assert!(inside.1 < loan.1 && inside.1 < outside.1, "{} {} {}", inside.1, loan.1, outside.1);
    assert_eq!((all.0, all.1), (inside.0, inside.1));
    assert_eq!([inside.3, loan.3, outside.3], [None, None, Some(usdc(44_500))], "working capital pays in place");
    println!("gas: seize first {}, locked_borrow {}, outside loan {}", inside.1, loan.1, outside.1);
    for outcome in &outcomes[..3] {
        lands(&stage, outcome, &alice).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_little_cash_the_vault_does_not_lend_and_seizing_first_works() {
    let stage = staged().await;
    // A unit less than what is missing to the payment.
    let alice = under_water(&stage.devnet, Some(usdc(44_500) - U256::ONE)).await;
    let fork = fork_of(&stage.devnet);
    let refused = tokio::task::block_in_place(|| run(&stage, &fork, LOAN));
    let skip = refused.refusals.iter().find(|refusal| refusal.target.as_ref().is_some_and(|target| target.key == TargetKey::Account(alice.script)));
    assert_eq!(skip.map(|refusal| refusal.skip.reason), Some(SkipReason::NoFunding), "{:?}", refused.refusals);
    assert!(refused.batches.is_empty());
    for funding in [INSIDE, OUTSIDE, ALL] {
        let outcome = tokio::task::block_in_place(|| run(&stage, &fork, funding));
        assert_eq!(only(&outcome, &alice).2, usdc(49_500));
        lands(&stage, &outcome, &alice).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_buys_is_left_out() {
    let stage = staged().await;
    let world = stage.devnet.flux_world().unwrap();
    // One unit of ether is worth no unit of USDC anywhere.
    let story = world.manager("bert").bond(usdc(20_000)).borrows(usdc(100_000)).holds("WBTC", U256::from(100_000_000_u64)).holds("WETH", U256::ONE);
    let bert = story.opens().await.unwrap().pop().unwrap();
    let btc = stage.devnet.answer("BTC/USD").await.unwrap();
    stage.devnet.price_mined("BTC/USD", btc / I256::try_from(100).unwrap() * I256::try_from(89).unwrap()).await.unwrap();
    let fork = fork_of(&stage.devnet);
    let outcome = tokio::task::block_in_place(|| run(&stage, &fork, INSIDE));
    assert_eq!(only(&outcome, &bert).3, None);
    lands(&stage, &outcome, &bert).await;
}
