//! Flux on a devnet, from what makes a manager liquidatable to bundles that land: each scene of `harrier demo` by itself. What landed is what was predicted,
//! to the wei, and the books close.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use alloy::primitives::{Address, Bytes, I256, U256};
use harrier::{
    devnet::{
        Devnet, DevnetConfig, FluxManager, NodeError, SearcherFacts,
        rehearsal::{Accounts, Stage, flux},
    },
    drivers::{
        discovery::Quiet,
        session::Session,
        start::{Begin, Watchers, dry_run},
    },
    executor::{Revert, decode_gain, encode},
    plan::{FlashKind, MarketId, Step, TargetKey, TxPlan},
    protocols::{Funding, Way},
};
use serde_json::json;
use std::{path::Path, time::Duration};

/// Full simulations that a candidate may take.
const BUDGET: usize = 16;

async fn plays(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let played = flux::play(folder.path(), |scene| scene == name, |_| {}).await.unwrap();
    let simulations = played.ends.iter().filter_map(|end| end.batch.as_ref()).flat_map(|batch| &batch.candidates).map(|one| one.simulations);
    let most = simulations.max();
    let accounts = Accounts::of(played, Duration::ZERO);
    assert_eq!(accounts.scenarios.len(), 1);
    assert!(accounts.all_ok(), "{:#?} {:#?}", accounts.scenarios, accounts.books);
    assert_eq!(accounts.max_error_wei, "0");
    assert!(most.is_none_or(|most| most <= BUDGET), "{most:?}");
}

macro_rules! scenes {
    ($($test:ident $name:literal),+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                plays($name).await;
            }
        )+

        #[test]
        fn every_scene_is_tested() {
            let names: Vec<&str> = flux::scenes().iter().map(|scene| scene.name).collect();
            assert_eq!(names, [$($name),+]);
        }
    };
}

scenes! {
    a_the_documented_example "flux-a",
    b_three_margins "flux-b",
    c_the_healthy_side "flux-c",
    d_one_unit_at_the_threshold_and_at_one "flux-d",
    e_low_cash "flux-e",
    f_a_part_and_the_rest "flux-f",
    g_a_uniswap_position "flux-g",
    h_a_strategy_of_another_rule "flux-h",
    i_two_managers_at_once "flux-i",
    j_interest_alone "flux-j",
    k_attacked_from_outside "flux-k",
    l_a_wrapper_reverts "flux-l",
    m_a_rival_is_first "flux-m",
    n_a_wrapper_that_was_never_registered "flux-n",
    o_the_dead_zone_is_left_upwards "flux-o",
    p_a_keeper_deleverages "flux-p"
}

fn usdc(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000)
}

/// The documented example at its crash, with an executor that nobody registered.
async fn example(folder: &Path) -> (Stage, FluxManager) {
    let stage = Stage::set(DevnetConfig { flux: true, ..DevnetConfig::default() }, folder).await.unwrap();
    let world = stage.devnet.flux_world().unwrap();
    stage.devnet.price_mined("ETH/USD", I256::try_from(800_000_000_000_i64).unwrap()).await.unwrap();
    let story = world.manager("erin").of(world.vault("interest-free").unwrap());
    let story = story.bond(usdc(20_000)).borrows(usdc(100_000)).holds("WETH", U256::from(12) * U256::from(10).pow(U256::from(18)));
    let erin = story.opens().await.unwrap().remove(0);
    stage.devnet.price_mined("ETH/USD", I256::try_from(250_000_000_000_i64).unwrap()).await.unwrap();
    (stage, erin)
}

/// What a plan would earn before gas and payment at the newest block, and the gas that it would take.
async fn carried_out(stage: &Stage, plan: &TxPlan) -> Result<(U256, u64), Bytes> {
    let mut plan = plan.clone();
    plan.blocks = (0, u64::MAX);
    let operator = stage.devnet.operators().unwrap()[0].address();
    let request = json!({"from": operator, "to": stage.executor, "data": encode(&plan).unwrap()});
    match stage.devnet.node().call::<_, Bytes>("eth_call", (&request, "latest")).await {
        Ok(output) => {
            let gas: U256 = stage.devnet.node().call("eth_estimateGas", (&request,)).await.unwrap();
            Ok((decode_gain(&output).unwrap() + plan.builder_payment, gas.to()))
        }
        Err(NodeError::Refused { data: Some(data), .. }) => Err(serde_json::from_str(data.get()).unwrap()),
        Err(error) => panic!("{error}"),
    }
}

/// The best plan for a manager, and the same one funded in each of the protocol's ways.
async fn in_each_way(stage: &Stage, folder: &Path, manager: &FluxManager) -> (TxPlan, [TxPlan; 3]) {
    let ledger = folder.join("dry.sqlite");
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: &ledger };
    let (config, environment) = stage.devnet.searcher(&facts, &[]).unwrap();
    let mut searcher = dry_run(config, &environment, Begin::Latest, Watchers::default(), &Quiet).await.unwrap();
    let (id, key) = (MarketId(manager.vault.address.into_word()), TargetKey::Account(manager.script));
    let market = searcher.session().book().read().markets().find(|(market, _)| market.market == id).unwrap().0;
    let outcome = searcher.target(market, key).await.unwrap();
    let best = outcome.batches[0].txs[0].plan.clone();
    let ways = ways(searcher.session(), &stage.devnet, id, key, &best).await;
    (best, ways)
}

/// Borrowed nowhere, from the vault, from Morpho Blue.
async fn ways(session: &Session, devnet: &Devnet, id: MarketId, key: TargetKey, best: &TxPlan) -> [TxPlan; 3] {
    let (book, view, block) = (std::sync::Arc::clone(session.book()), session.view(), session.target_block());
    let executor = session.engine().settings().executor;
    let (usdc, lender) = (devnet.contracts().token("USDC").unwrap().address, devnet.contracts().morpho);
    let best = best.clone();
    let made = tokio::task::spawn_blocking(move || {
        let book = book.read();
        let (market, shelf) = book.markets().find(|(market, _)| market.market == id).unwrap();
        let (protocol, reading) = (book.protocol(market).unwrap(), shelf.reading().unwrap().value.as_ref().unwrap());
        let opportunity = protocol.confirm(&view, &block, reading, (id, key), executor).unwrap().value.unwrap().remove(0);
        let harrier::plan::Sizes::Fixed(sizes) = &opportunity.sizes else { panic!("{opportunity:?}") };
        let terms = protocol.terms(&view, &block, reading, &opportunity, sizes[0]).unwrap().unwrap();
        // The best plan's own sale.
        let mut sale = Vec::new();
        swaps(&best.steps, &mut sale);
        let steps = |funding| protocol.steps(reading, &opportunity, sizes[0], &terms, Way { funding, executor }, sale.clone()).unwrap();
        let loan =
            Step::FlashLoan { kind: FlashKind::Morpho, lender, token: usdc, amount: terms.to_bring(), max_fee: U256::ZERO, inside: steps(Funding::Outside) };
        [steps(Funding::Inside), steps(Funding::InsideLoan), vec![loan]].map(|mut steps| {
            // Ether for the builder comes last.
            steps.extend(best.steps.last().filter(|step| matches!(step, Step::Unwrap { .. })).cloned());
            TxPlan { steps, ..best.clone() }
        })
    });
    made.await.unwrap()
}

/// The swaps of steps, wherever they are.
fn swaps(steps: &[Step], found: &mut Vec<Step>) {
    for step in steps {
        match step {
            Step::Call { callback: Some(callback), .. } => swaps(&callback.inside, found),
            Step::FlashLoan { inside, .. } => swaps(inside, found),
            Step::SwapExactIn { .. } | Step::SwapExactOut { .. } => found.push(step.clone()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_payment_is_borrowed_nowhere_from_the_vault_or_from_a_lender() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, erin) = example(folder.path()).await;
    let world = stage.devnet.flux_world().unwrap();
    // Nobody registered the executor: the plan does.
    assert_eq!(world.executor_of(stage.executor).await.unwrap(), Address::ZERO);
    let (best, plans) = in_each_way(&stage, folder.path(), &erin).await;
    assert_eq!(plans[0], best, "nothing is borrowed where nothing has to be");
    let mut done = Vec::new();
    for plan in &plans {
        done.push(carried_out(&stage, plan).await.unwrap());
    }
    assert!(done.iter().all(|(gain, _)| *gain == done[0].0 && !gain.is_zero()), "{done:?}");
    assert!(done[1].1 > done[0].1 && done[2].1 > done[0].1, "a loan costs gas: {done:?}");

    // The lenders leave less than the payment: the vault can't lend it, the others don't mind.
    world.lenders_leave(&erin.vault, usdc(49_500) - U256::ONE).await.unwrap();
    let (best, plans) = in_each_way(&stage, folder.path(), &erin).await;
    assert_eq!(plans[0], best);
    assert_eq!(carried_out(&stage, &plans[0]).await.unwrap().0, done[0].0);
    assert_eq!(carried_out(&stage, &plans[2]).await.unwrap().0, done[0].0);
    let refused = carried_out(&stage, &plans[1]).await.unwrap_err();
    assert!(Revert::decode(&refused).to_string().contains("0xbb55fd27"), "{}", Revert::decode(&refused));
}
