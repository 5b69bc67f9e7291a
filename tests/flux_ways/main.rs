//! The three ways of funding a Flux liquidation, each alone: found by the engine's search, landed on the devnet, and held against the
//! prediction; and when a manager has to be asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

#[path = "../alone/mod.rs"]
mod alone;
#[path = "../funded/mod.rs"]
mod funded;
mod timed;

use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, Bytes, I256, U256},
    sol_types::SolCall,
};
use alone::{On, block_after, fork_of};
use funded::{Free, Funded};
use harrier::{
    book::Book,
    devnet::{Devnet, DevnetConfig, FluxManager, Person, SearcherFacts, abi::Token, rehearsal::Stage},
    drivers::assemble,
    engine::Outcome,
    executor::encode,
    fork::Fork,
    plan::{Amount, Approval, Callback, SkipReason, Step, TargetKey, TxPlan},
    protocols::{Funding, Protocol},
};
use std::{path::Path, sync::Arc};

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
    let (view, block) = (fork.view(), block_after(devnet, &fork.head()));
    assert!(book.refresh(&view, &block).failed.is_empty());
    let operators: Vec<Address> = devnet.operators().unwrap().iter().map(Person::address).collect();
    let on = On::new(&view, &block, &book, &operators);
    alone::engine(&config, (stage.executor, stage.receiver), Arc::new(Free), &on).run(&on.work()).unwrap()
}

/// Mines the plan, compares what the receiver got with the prediction, and takes the block back. Nothing stays anywhere.
async fn lands(stage: &Stage, outcome: &Outcome, manager: &FluxManager) {
    let (tx, devnet) = (&outcome.batches[0].txs[0], &stage.devnet);
    let operator = &devnet.operators().unwrap()[0];
    let raw = devnet.signed(operator, Some(stage.executor), U256::ZERO, encode(&tx.plan).unwrap(), tx.tx.gas_limit(), 1).await.unwrap();
    let hash = devnet.send_public(raw).await.unwrap();
    let before = devnet.balance_of("WETH", stage.receiver).await.unwrap();
    let report = devnet.build_block().await.unwrap();
    assert!(report.txs.iter().zip(&report.succeeded).any(|(mined, succeeded)| *mined == hash && *succeeded), "{hash} failed");
    assert_eq!(devnet.balance_of("WETH", stage.receiver).await.unwrap() - before, tx.gain);
    let world = devnet.flux_world().unwrap();
    for who in [stage.executor, manager.script] {
        assert_eq!(world.left_of(&manager.vault, who).await.unwrap(), Vec::<String>::new());
    }
    for symbol in ["USDC", "WETH"] {
        assert_eq!(devnet.balance_of(symbol, stage.executor).await.unwrap(), U256::ZERO, "{symbol}");
    }
    devnet.rollback(1, |_| false).await.unwrap();
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

alloy::sol! {
    function unlock(bytes data) external;
    function locked_depositToWrapper(address wrapper, bytes32 positionId, uint256 amount) external;
}

/// Leaves the executor with working capital, as a plan does when less is asked for in its block than it prepared.
async fn leave_behind(stage: &Stage, manager: &FluxManager, amount: U256) {
    let devnet = &stage.devnet;
    let (vault, wrapper) = (manager.vault.address, devnet.flux_world().unwrap().base_wrapper);
    let token = devnet.contracts().token("USDC").unwrap().address;
    let deployer = devnet.deployer().unwrap();
    let gift = Token::transferCall { to: stage.executor, amount }.abi_encode();
    let raw = devnet.signed(&deployer, Some(token), U256::ZERO, gift.into(), 100_000, 1_000_000_000).await.unwrap();
    devnet.send_public(raw).await.unwrap();
    devnet.build_block().await.unwrap();
    stage.register(tempfile::tempdir().unwrap().path()).await.unwrap();
    let deposit = Step::Call {
        target: vault,
        value: U256::ZERO,
        data: locked_depositToWrapperCall { wrapper, positionId: B256::ZERO, amount }.abi_encode().into(),
        patches: Vec::new(),
        approvals: vec![Approval { token, spender: wrapper, amount: Amount::Exact(amount) }],
        callback: None,
    };
    let mut data = unlockCall { data: Bytes::new() }.abi_encode();
    data.truncate(data.len() - 32);
    let callback = Callback { selector: [0x2d, 0x63, 0xf6, 0xaa].into(), token, most_to_pay: U256::ZERO, inside: vec![deposit] };
    let unlock = Step::Call { target: vault, value: U256::ZERO, data: data.into(), patches: Vec::new(), approvals: Vec::new(), callback: Some(callback) };
    let plan = TxPlan {
        steps: vec![unlock],
        sweep: Vec::new(),
        profit_token: devnet.contracts().token("WETH").unwrap().address,
        min_gain: U256::ZERO,
        builder_payment: U256::ZERO,
        blocks: (0, u64::MAX),
    };
    let raw = devnet.signed(&devnet.operators().unwrap()[0], Some(stage.executor), U256::ZERO, encode(&plan).unwrap(), 1_000_000, 1).await.unwrap();
    devnet.send_public(raw).await.unwrap();
    devnet.build_block().await.unwrap();
    assert_eq!(devnet.flux_world().unwrap().left_of(&manager.vault, stage.executor).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_plan_left_is_taken_along() {
    let stage = staged().await;
    let alice = under_water(&stage.devnet, None).await;
    let without = tokio::task::block_in_place(|| run(&stage, &fork_of(&stage.devnet), INSIDE));
    leave_behind(&stage, &alice, usdc(100)).await;
    let fork = fork_of(&stage.devnet);
    let with = tokio::task::block_in_place(|| run(&stage, &fork, INSIDE));
    // 100 dollars are 0.04 ether at the market's price of 2,500.
    let more = only(&with, &alice).0 - only(&without, &alice).0;
    assert!(more > weth(1) / U256::from(26) && more < weth(1) / U256::from(24), "{more}");
    lands(&stage, &with, &alice).await;
}
