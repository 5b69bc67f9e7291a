//! A keeper on a devnet with Flux: it deleverages where it has the role and a budget, at heads, behind what earns, and its ledger says what that cost.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use alloy::primitives::{Address, I256, U256};
use harrier::{
    devnet::{
        Devnet, DevnetConfig, DevnetError, FluxManager,
        flux::{FluxVault, Keeper, Terms},
        rehearsal::{Stage, Troupe},
    },
    drivers::searcher::Event,
    engine::{BatchShape, Outcome as Found, Refusal},
    ledger::{Ledger, Outcome},
    plan::{Action, ProtocolId, SkipReason, TargetKey, Trigger},
};
use std::path::Path;

alloy::sol! {
    function evaluateADL(address vault, address manager) external view returns (bool canDeleverage, uint256 repay);
}

fn usdc(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000)
}

/// Thousandths, 1e18 is one.
fn thousandths(parts: u64) -> U256 {
    U256::from(parts) * U256::from(10).pow(U256::from(15))
}

/// Whole ether in hundredths.
fn weth(hundredths: u64) -> U256 {
    U256::from(hundredths) * U256::from(10).pow(U256::from(16))
}

fn budget(wei: U256) -> (String, String) {
    ("HARRIER__protocols__flux__keeper_gas_budget_wei".to_owned(), format!("\"{wei}\""))
}

fn plenty() -> (String, String) {
    budget(U256::from(10).pow(U256::from(18)))
}

struct Scene {
    stage: Stage,
    vault: FluxVault,
}

impl Scene {
    /// A vault without interest whose keeper is the executor. Another one's keeper is nobody.
    async fn set(folder: &Path) -> Self {
        Self::with(Terms::named("kept").yearly_rate(0), folder).await
    }

    /// A vault of these terms whose keeper is the executor.
    async fn with(terms: Terms, folder: &Path) -> Self {
        let terms = terms.keeper(Keeper::Executor);
        let config = DevnetConfig { flux: true, flux_vaults: vec![terms], ..DevnetConfig::default() };
        let stage = Stage::set(config, folder).await.unwrap();
        let vault = stage.devnet.flux_world().unwrap().vault("kept").unwrap().clone();
        Self { stage, vault }
    }

    const fn devnet(&self) -> &Devnet {
        &self.stage.devnet
    }

    /// The documented example: alice has 55K against 50K, bob the rest of 960K of a million; his health is out of a keeper's reach.
    async fn lent_out(&self, vault: &FluxVault, names: [&str; 2]) -> Result<FluxManager, DevnetError> {
        self.lent_out_with(vault, names, weth(1_600)).await
    }

    /// The same with more or less of alice's collateral.
    async fn lent_out_with(&self, vault: &FluxVault, names: [&str; 2], collateral: U256) -> Result<FluxManager, DevnetError> {
        let story = self.devnet().flux_world()?.manager(names[0]).of(vault).bond(usdc(10_000)).borrows(usdc(50_000)).keeps(usdc(5_000));
        let story = story.holds("WETH", collateral).manager(names[1]).of(vault).bond(usdc(200_000)).borrows(usdc(910_000));
        Ok(story.holds("WETH", weth(36_000)).opens().await?.remove(0))
    }

    async fn searcher(&self, ledger: &Path, overrides: &[(String, String)]) -> Troupe {
        Troupe::start(self.devnet(), self.stage.executor, self.stage.receiver, ledger, overrides).await.unwrap()
    }

    /// Debt, health, bond and working capital of a manager, and the vault's debts in parts of what it has.
    async fn standing(&self, manager: &FluxManager) -> (U256, U256, U256, U256, U256) {
        let world = self.devnet().flux_world().unwrap();
        let standing = world.standing(&manager.vault, manager.script).await.unwrap();
        let books = world.books(&manager.vault).await.unwrap();
        (standing.debt, standing.health, standing.bond, standing.working_capital, books.debt * thousandths(1_000) / books.assets)
    }

    async fn deleverageable(&self, manager: &FluxManager) -> U256 {
        let call = evaluateADLCall { vault: manager.vault.address, manager: manager.script };
        let told = self.devnet().ask("deleveraging", manager.vault.strategy, &call).await.unwrap();
        assert_eq!(told.canDeleverage, !told.repay.is_zero());
        told.repay
    }
}

fn refused<'a>(outcome: &'a Found, who: &FluxManager) -> Vec<&'a Refusal> {
    let is_it = |refusal: &&Refusal| {
        refusal.action == Some(Action::Deleverage) && refusal.target.as_ref().is_some_and(|target| target.key == TargetKey::Account(who.script))
    };
    outcome.refusals.iter().filter(is_it).collect()
}

fn reason(outcome: &Found, who: &FluxManager) -> Option<SkipReason> {
    refused(outcome, who).first().map(|refusal| refusal.skip.reason)
}

/// The reasons for which a market as a whole has no keeper.
fn without_keeper(outcome: &Found, vault: &FluxVault) -> Vec<SkipReason> {
    let is_it = |refusal: &&Refusal| refusal.target.is_none() && refusal.market.1.0 == vault.address.into_word();
    outcome.refusals.iter().filter(is_it).map(|refusal| refusal.skip.reason).collect()
}

/// What came of the newest head: what earns, and what a keeper found behind that.
fn of_head(troupe: &Troupe) -> Found {
    let trigger = troupe.head_outcome().unwrap().trigger;
    let outcomes = troupe.happened.iter().filter_map(|event| match event {
        Event::Trigger { outcome, .. } if outcome.trigger == trigger => Some(outcome),
        _ => None,
    });
    let (first, behind): (Vec<_>, Vec<_>) = outcomes.enumerate().partition(|(place, _)| *place == 0);
    let mut whole = Found::clone(first[0].1);
    assert!(whole.chores.is_empty() && behind.len() <= 1, "what earns comes by itself: {whole:?}");
    for (_, found) in behind {
        assert!(found.batches.is_empty());
        whole.opportunities.extend(found.opportunities.iter().cloned());
        whole.chores.extend(found.chores.iter().cloned());
        whole.refusals.extend(found.refusals.iter().cloned());
    }
    whole
}

async fn spent(ledger: &Ledger) -> U256 {
    ledger.spent(ProtocolId::from("flux"), Action::Deleverage, 0).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_deleverages_from_96_to_95_percent_and_its_budget_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::set(folder.path()).await;
    let devnet = scene.devnet();
    let alice = scene.lent_out(&scene.vault, ["alice", "bob"]).await.unwrap();
    let interest_free = devnet.flux_world().unwrap().vault("interest-free").unwrap().clone();
    let carol = scene.lent_out(&interest_free, ["carol", "dave"]).await.unwrap();
    let before = (usdc(50_000), thousandths(1_100), usdc(10_000), usdc(5_000), thousandths(960));
    for manager in [&alice, &carol] {
        assert_eq!(scene.standing(manager).await, before);
        assert_eq!(scene.deleverageable(manager).await, usdc(10_000));
    }

    // Nobody is a keeper who was not told so.
    let mut idle = scene.searcher(&folder.path().join("idle.sqlite"), &[]).await;
    idle.block(devnet).await.unwrap();
    let outcome = of_head(&idle);
    assert!(outcome.chores.is_empty() && outcome.batches.is_empty(), "{outcome:?}");
    assert!(outcome.opportunities.is_empty() && refused(&outcome, &alice).is_empty() && refused(&outcome, &carol).is_empty(), "{outcome:?}");
    drop(idle.end().await.unwrap());
    assert_eq!(scene.standing(&alice).await, before);

    // Who was deleverages where the role is its own, and says where it is not.
    let path = folder.path().join("keeper.sqlite");
    let mut keeper = scene.searcher(&path, &[plenty()]).await;
    let outcome = of_head(&keeper);
    assert_eq!((outcome.batches.len(), outcome.chores.len()), (0, 1), "{outcome:?}");
    assert_eq!((reason(&outcome, &alice), without_keeper(&outcome, &scene.vault)), (None, vec![]));
    assert_eq!((reason(&outcome, &carol), without_keeper(&outcome, &interest_free)), (None, vec![SkipReason::RoleMissing]), "nobody is asked about there");
    let chore = outcome.chores[0].clone();
    assert_eq!((chore.shape, chore.profit_wei, chore.candidates.len(), chore.txs.len()), (BatchShape::Chore, U256::ZERO, 1, 1));
    assert_eq!((chore.candidates[0].opportunity.action, chore.candidates[0].repay), (Action::Deleverage, usdc(10_000)));
    keeper.block(devnet).await.unwrap();
    assert_eq!(scene.standing(&alice).await, (usdc(40_000), thousandths(1_125), usdc(5_000), U256::ZERO, thousandths(950)));
    assert_eq!(scene.standing(&carol).await, before);
    assert!(of_head(&keeper).chores.is_empty(), "once is enough");

    // It cost its gas, to the wei as predicted, and nothing else is claimed.
    let cost = chore.gas_wei();
    let loss = I256::ZERO - I256::try_from(cost).unwrap();
    let ended = keeper.decided.last().unwrap().clone();
    assert_eq!((ended.predicted_wei, ended.jobs.len(), ended.jobs[0].1), (loss, 1, Action::Deleverage));
    let Outcome::Landed(landed) = &ended.outcome else { panic!("{ended:?}") };
    assert!(landed.profit_wei == loss && cost > U256::ZERO && ended.explanation.unwrap().differing_input.is_none(), "{ended:?}");
    let (ledger, _) = keeper.end().await.unwrap();
    let summary = ledger.summary().await.unwrap();
    assert_eq!((summary.landed, summary.realised_profit_wei, summary.predicted_profit_wei, summary.alarms), (1, loss, loss, 0));
    assert_eq!(spent(&ledger).await, cost);
    assert_eq!(ledger.spent(ProtocolId::from("flux"), Action::Liquidate, 0).await.unwrap(), U256::ZERO);
    assert_eq!(ledger.spent(ProtocolId::from("other"), Action::Deleverage, 0).await.unwrap(), U256::ZERO);
    assert_eq!(ledger.spent(ProtocolId::from("flux"), Action::Deleverage, u64::MAX >> 1).await.unwrap(), U256::ZERO);
    ledger.close().await.unwrap();

    // Lenders leave, and there is work again. What is left of the budget is less than it may cost: only whoever forgot the first would do it.
    devnet.flux_world().unwrap().lenders_leave(&scene.vault, usdc(40_000)).await.unwrap();
    assert_eq!(scene.deleverageable(&alice).await, usdc(5_000), "all that alice has");
    let poor = cost + cost / U256::from(2);
    let mut keeper = scene.searcher(&path, &[budget(poor)]).await;
    let outcome = of_head(&keeper);
    assert!(outcome.chores.is_empty(), "{outcome:?}");
    assert_eq!(reason(&outcome, &alice), Some(SkipReason::LimitReached));
    keeper.block(devnet).await.unwrap();
    drop(keeper.end().await.unwrap());
    assert_eq!(scene.standing(&alice).await.0, usdc(40_000));
    let mut forgetful = scene.searcher(&folder.path().join("forgetful.sqlite"), &[budget(poor)]).await;
    assert_eq!(of_head(&forgetful).chores.len(), 1, "the budget is enough for one");
    forgetful.block(devnet).await.unwrap();
    drop(forgetful.end().await.unwrap());
    assert_eq!(scene.standing(&alice).await.0, usdc(35_000));
}

/// Somebody whom a fall of ether by seven thousandths makes liquidatable.
async fn brittle(devnet: &Devnet, name: &str) -> Address {
    let people = devnet.story().borrower(name).health(1_005_000_000_000_000_000).open().await.unwrap();
    people[0].person.address()
}

async fn lower(devnet: &Devnet) -> I256 {
    let answer = devnet.answer("ETH/USD").await.unwrap();
    answer - answer * I256::unchecked_from(7) / I256::unchecked_from(1_000)
}

fn takes(outcome: &Found, who: Address) -> bool {
    let mut keys = outcome.batches.iter().flat_map(|batch| &batch.candidates).map(|one| one.opportunity.target.key);
    keys.any(|key| key == TargetKey::Account(who))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earns_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::set(folder.path()).await;
    let devnet = scene.devnet();
    let world = devnet.flux_world().unwrap();
    let path = folder.path().join("searcher.sqlite");

    // In the kept vault alice is to be deleveraged, and eve to be liquidated once ether falls a little; elsewhere olga is.
    let story = world.manager("alice").of(&scene.vault).bond(usdc(10_000)).borrows(usdc(50_000)).keeps(usdc(5_000)).holds("WETH", weth(1_700));
    let story = story.manager("bob").of(&scene.vault).bond(usdc(200_000)).borrows(usdc(890_000)).holds("WETH", weth(37_200));
    let story = story.manager("eve").of(&scene.vault).bond(usdc(4_000)).borrows(usdc(20_000)).holds("WETH", weth(720));
    let [alice, _, eve] = <[_; 3]>::try_from(story.opens().await.unwrap()).unwrap();
    let olga = brittle(devnet, "olga").await;
    devnet.price_mined("ETH/USD", lower(devnet).await).await.unwrap();
    assert!(!scene.deleverageable(&alice).await.is_zero());

    // The vault in which something earns is left alone.
    let mut searcher = scene.searcher(&path, &[plenty()]).await;
    let outcome = of_head(&searcher);
    assert!(takes(&outcome, eve.script) && takes(&outcome, olga) && outcome.chores.is_empty(), "{outcome:?}");
    assert!(refused(&outcome, &alice).is_empty());
    searcher.block(devnet).await.unwrap();
    assert!(searcher.decided.iter().all(|end| matches!(end.outcome, Outcome::Landed(_))), "{:?}", searcher.decided);
    drop(searcher.end().await.unwrap());
    assert_eq!(scene.standing(&alice).await.0, usdc(50_000));

    // A single operator is for what earns. What a pending transaction opens is looked at for that alone.
    world.lenders_leave(&scene.vault, usdc(45_000)).await.unwrap();
    let otto = brittle(devnet, "otto").await;
    let single = ("HARRIER__operators__keys".to_owned(), "[\"env:HARRIER_OPERATOR_1\"]".to_owned());
    let mut searcher = scene.searcher(&path, &[plenty(), single]).await;
    let outcome = of_head(&searcher);
    assert!(outcome.batches.is_empty() && outcome.chores.is_empty(), "{outcome:?}");
    assert_eq!(reason(&outcome, &alice), Some(SkipReason::NoOperator));
    let update = devnet.price("ETH/USD", lower(devnet).await).await.unwrap();
    let outcome = searcher.pending(update).await.unwrap().unwrap();
    assert!(takes(&outcome, otto) && outcome.chores.is_empty() && refused(&outcome, &alice).is_empty(), "{outcome:?}");
    searcher.block(devnet).await.unwrap();
    drop(searcher.end().await.unwrap());
    assert_eq!(scene.standing(&alice).await.0, usdc(50_000));

    // Nor is the only one that what earns leaves.
    let mads = brittle(devnet, "mads").await;
    devnet.price_mined("ETH/USD", lower(devnet).await).await.unwrap();
    let two = ("HARRIER__operators__keys".to_owned(), "[\"env:HARRIER_OPERATOR_1\", \"env:HARRIER_OPERATOR_2\"]".to_owned());
    let searcher = scene.searcher(&folder.path().join("two.sqlite"), &[plenty(), two]).await;
    let outcome = of_head(&searcher);
    assert!(takes(&outcome, mads) && outcome.batches.len() == 1 && outcome.chores.is_empty(), "{outcome:?}");
    assert_eq!(reason(&outcome, &alice), Some(SkipReason::NoOperator));
    drop(searcher.end().await.unwrap());

    // With what earns elsewhere both are sent, each by its own operator, and both land as predicted.
    let nils = brittle(devnet, "nils").await;
    devnet.price_mined("ETH/USD", lower(devnet).await).await.unwrap();
    let before = scene.deleverageable(&alice).await;
    let mut searcher = scene.searcher(&path, &[plenty()]).await;
    let outcome = of_head(&searcher);
    assert!(takes(&outcome, nils) && outcome.chores.len() == 1, "{outcome:?}");
    let chore = &outcome.chores[0];
    assert_eq!(chore.candidates[0].repay, before);
    assert!(outcome.batches.iter().all(|batch| batch.sender != chore.sender));
    assert_eq!(outcome.sent().last().map(|batch| batch.shape), Some(BatchShape::Chore));
    searcher.block(devnet).await.unwrap();
    let ended: Vec<_> = searcher.decided.iter().map(|end| (end.jobs[0].1, end.predicted_wei, end.outcome.clone())).collect();
    assert_eq!(ended.len(), outcome.sent().count(), "{ended:?}");
    for (action, predicted, outcome) in &ended {
        let Outcome::Landed(landed) = outcome else { panic!("{ended:?}") };
        assert_eq!(landed.profit_wei, *predicted);
        assert_eq!(predicted.is_negative(), *action == Action::Deleverage, "{ended:?}");
    }
    drop(searcher.end().await.unwrap());
    assert_eq!(scene.standing(&alice).await.0, usdc(50_000) - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_interest_alone_asks_for_is_dust() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::with(Terms::named("kept").yearly_rate(1_000), folder.path()).await;
    let devnet = scene.devnet();
    let alice = scene.lent_out_with(&scene.vault, ["alice", "bob"], weth(1_640)).await.unwrap();
    let mut keeper = scene.searcher(&folder.path().join("keeper.sqlite"), &[plenty()]).await;
    let chores = of_head(&keeper).chores;
    assert_eq!(chores.len(), 1);
    keeper.block(devnet).await.unwrap();
    let debt = scene.standing(&alice).await.0;
    assert!(debt < usdc(40_001), "{debt}");

    for _ in 0..3 {
        let asked = scene.deleverageable(&alice).await;
        assert!(asked < usdc(1), "{asked}");
        let outcome = of_head(&keeper);
        assert!(outcome.chores.is_empty(), "{outcome:?}");
        let [refusal] = refused(&outcome, &alice)[..] else { panic!("{outcome:?}") };
        assert_eq!(refusal.skip.reason, SkipReason::Dust);
        assert!(refusal.skip.detail.contains("the least is 100000000000000000000"), "{}", refusal.skip.detail);
        keeper.block(devnet).await.unwrap();
    }
    let (ledger, decided) = keeper.end().await.unwrap();
    assert_eq!((decided.len(), spent(&ledger).await), (1, chores[0].gas_wei()));
    assert!(scene.standing(&alice).await.0 > debt);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_in_flight_stands_in_no_liquidations_way() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::with(Terms::named("kept").yearly_rate(1_000), folder.path()).await;
    let devnet = scene.devnet();
    let alice = scene.lent_out_with(&scene.vault, ["alice", "bob"], weth(1_640)).await.unwrap();
    let mut searcher = scene.searcher(&folder.path().join("searcher.sqlite"), &[plenty()]).await;
    assert_eq!(of_head(&searcher).chores.len(), 1);

    // The chore waits for its block, and alice falls below 1.1.
    let update = devnet.price_moves("ETH/USD", -600).await.unwrap();
    let outcome = searcher.pending(update).await.unwrap().unwrap();
    assert!(takes(&outcome, alice.script), "{outcome:?}");
    let is_sent = |event: &Event| matches!(event, Event::Trigger { outcome, sent: 1 } if outcome.trigger == Trigger::Pending { hash: update });
    assert!(searcher.happened.iter().any(is_sent));
    searcher.block(devnet).await.unwrap();
    let mut actions: Vec<_> = searcher.decided.iter().map(|end| end.jobs[0].1).collect();
    actions.sort_by_key(|action| action.earns());
    assert_eq!(actions, [Action::Deleverage, Action::Liquidate]);
    assert!(scene.standing(&alice).await.0 < usdc(50_000));
    drop(searcher.end().await.unwrap());
}
