//! A keeper's work as the engine alone finds it, on a devnet's state: what it is refused for, and that nothing of it is an error.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

mod alone;

use alloy::primitives::{Address, Bytes, U256};
use alone::{On, block_after, fork_of};
use harrier::{
    book::Book,
    config::Config,
    devnet::{
        Devnet, DevnetConfig, FluxManager, SearcherFacts,
        flux::{FluxVault, Keeper, Terms},
    },
    drivers::{assemble, start},
    engine::Outcome,
    fork::Fork,
    plan::{Action, Resource, ResourceScope, SkipReason, TargetKey},
    risk::KillSwitch,
};
use std::{collections::BTreeSet, path::Path, sync::Arc};

fn usdc(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000)
}

/// Ether in hundredths.
fn weth(hundredths: u64) -> U256 {
    U256::from(hundredths) * U256::from(10).pow(U256::from(16))
}

struct World {
    devnet: Devnet,
    fork: Fork,
}

/// What a run may be told beside the state.
#[derive(Default)]
struct Told {
    least_dollars: u64,
    kill: KillSwitch,
    locked: BTreeSet<Resource>,
    /// Who would sign a chore, if not an operator with money.
    signer: Option<Address>,
}

impl World {
    /// Vaults of these terms, each lent out by 96 %: a manager of each may be deleveraged by 10,000.
    async fn of<const N: usize>(terms: [Terms; N]) -> (Self, [(FluxVault, FluxManager); N]) {
        let names: Vec<String> = terms.iter().map(|terms| terms.name.clone()).collect();
        let devnet = Devnet::start(DevnetConfig { flux: true, flux_vaults: terms.to_vec(), ..DevnetConfig::default() }).await.unwrap();
        let world = devnet.flux_world().unwrap();
        let mut managers = Vec::with_capacity(N);
        for name in names {
            let vault = world.vault(&name).unwrap().clone();
            let story = world.manager(&format!("alice of {name}")).of(&vault).bond(usdc(10_000)).borrows(usdc(50_000)).keeps(usdc(5_000));
            let story = story.holds("WETH", weth(1_640)).manager(&format!("bob of {name}")).of(&vault).bond(usdc(200_000)).borrows(usdc(910_000));
            managers.push((vault, story.holds("WETH", weth(36_000)).opens().await.unwrap().remove(0)));
        }
        let fork = fork_of(&devnet);
        (Self { devnet, fork }, managers.try_into().unwrap())
    }

    fn config(&self, told: &Told) -> Config {
        let facts = SearcherFacts { executor: None, receiver: Address::repeat_byte(0x77), ledger: Path::new("unused.sqlite") };
        let key = |name: &str| format!("HARRIER__protocols__flux__{name}");
        let overrides = [(key("keeper_gas_budget_wei"), "\"1\"".to_owned()), (key("keeper_min_repay_usd"), told.least_dollars.to_string())];
        self.devnet.searcher(&facts, &overrides).unwrap().0
    }

    /// What a keeper finds at the head, behind what the head itself opens.
    fn chores(&self, told: &Told) -> Outcome {
        tokio::task::block_in_place(|| {
            let config = self.config(told);
            let protocols: Vec<_> = assemble::protocols(&config).into_iter().filter(|protocol| protocol.id().to_string() == "flux").collect();
            let injected = assemble::injected(&config, &protocols);
            let mut book = Book::new(protocols.clone());
            protocols[0].discoverer().found().into_iter().for_each(|found| book.found(0, found));
            let view = injected.layers.iter().fold(self.fork.view(), |view, layer| view.with_layer(Arc::clone(layer)));
            let block = block_after(&self.devnet, &self.fork.head());
            assert!(book.refresh(&view, &block).failed.is_empty());
            let mut operators = injected.operators;
            operators[1] = told.signer.unwrap_or(operators[1]);
            let mut on = On::new(&view, &block, &book, &operators);
            on.locked.clone_from(&told.locked);
            on.allowances.insert("flux".into(), U256::from(10).pow(U256::from(18)));
            let policy = Arc::new(start::policy(&config, told.kill.clone()).unwrap());
            let (engine, work) = (alone::engine(&config, (injected.executor, injected.receiver), policy, &on), on.work());
            let head = engine.run(&work).unwrap();
            assert!(head.batches.is_empty() && head.chores.is_empty(), "{head:?}");
            engine.chores(&work, &head).unwrap()
        })
    }
}

/// The reasons that were given for a manager, with their words.
fn refused(outcome: &Outcome, manager: &FluxManager) -> Vec<(SkipReason, String)> {
    let key = TargetKey::Account(manager.script);
    let its = outcome.refusals.iter().filter(|refusal| refusal.target.as_ref().is_some_and(|target| target.key == key));
    its.map(|refusal| (refusal.skip.reason, refusal.skip.detail.clone())).collect()
}

fn lock(parts: &[&[u8]]) -> Resource {
    Resource { scope: ResourceScope::InFlight, protocol: "flux".into(), id: Bytes::from(parts.concat()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chore_is_refused_for() {
    let (world, [(vault, alice)]) = World::of([Terms::named("open").keeper(Keeper::Anyone)]).await;
    let only = |told: &Told| {
        let outcome = world.chores(told);
        assert!(outcome.chores.is_empty(), "{outcome:?}");
        let [(reason, words)] = &refused(&outcome, &alice)[..] else { panic!("{outcome:?}") };
        (*reason, words.clone())
    };

    // Interest has added a little to the 10,000.
    assert_eq!(world.chores(&Told { least_dollars: 10_000, ..Told::default() }).chores.len(), 1);
    let (reason, words) = only(&Told { least_dollars: 10_001, ..Told::default() });
    assert_eq!(reason, SkipReason::Dust);
    assert!(words.contains("1000") && words.ends_with("the least is 10001000000000000000000"), "{words}");

    // Stopped is stopped, and goes on when it is told to.
    let told = Told::default();
    told.kill.stop();
    assert_eq!(only(&told).0, SkipReason::KillSwitch);
    told.kill.resume();
    let outcome = world.chores(&told);
    let [chore] = &outcome.chores[..] else { panic!("{outcome:?}") };
    assert_eq!(chore.candidates[0].opportunity.action, Action::Deleverage);

    // An operator that can't pay for the gas is a refusal.
    let (reason, words) = only(&Told { signer: Some(Address::repeat_byte(0x99)), ..Told::default() });
    assert_eq!(reason, SkipReason::SimulationReverted);
    assert!(words.starts_with("it can't be run"), "{words}");

    // The manager's liquidation is another thing in flight than its chore; a chore is behind both.
    let liquidation = lock(&[vault.address.as_slice(), alice.script.as_slice()]);
    let own = chore.candidates[0].opportunity.locks.clone();
    assert_eq!(own, [lock(&[b"adl", vault.address.as_slice(), alice.script.as_slice()])]);
    for taken in [liquidation, own[0].clone()] {
        assert_eq!(only(&Told { locked: BTreeSet::from([taken]), ..Told::default() }).0, SkipReason::ResourceLocked);
    }
    let elsewhere = lock(&[vault.address.as_slice(), vault.address.as_slice()]);
    assert_eq!(world.chores(&Told { locked: BTreeSet::from([elsewhere]), ..Told::default() }).chores.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_chore_a_head_and_none_where_the_role_is_somebody_elses() {
    let open = |name| Terms::named(name).keeper(Keeper::Anyone);
    let (world, [first, second, (theirs, carol)]) = World::of([open("first"), open("second"), Terms::named("theirs")]).await;
    let outcome = world.chores(&Told::default());
    assert_eq!((outcome.chores.len(), outcome.opportunities.len()), (1, 1), "{outcome:?}");
    let key = outcome.chores[0].candidates[0].opportunity.target.key;
    let open: Vec<_> = [&first, &second].iter().map(|(_, manager)| TargetKey::Account(manager.script)).collect();
    assert!(open.contains(&key));

    // Where one can't be done the other is, and the market of somebody else is named once.
    let busy = if key == open[0] { &first } else { &second };
    let liquidation = lock(&[busy.0.address.as_slice(), busy.1.script.as_slice()]);
    let outcome = world.chores(&Told { locked: BTreeSet::from([liquidation]), ..Told::default() });
    let other = outcome.chores[0].candidates[0].opportunity.target.key;
    assert!(outcome.chores.len() == 1 && other != key && open.contains(&other));
    let of_theirs: Vec<_> = outcome.refusals.iter().filter(|refusal| refusal.market.1.0 == theirs.address.into_word()).collect();
    assert!(of_theirs.len() <= 1 && refused(&outcome, &carol).is_empty(), "{of_theirs:?}");
    let none = world.chores(&Told { least_dollars: 1_000_000, ..Told::default() });
    let of_theirs: Vec<_> = none.refusals.iter().filter(|refusal| refusal.market.1.0 == theirs.address.into_word()).collect();
    assert!(none.chores.is_empty() && of_theirs.len() == 1, "{none:?}");
    assert_eq!((of_theirs[0].skip.reason, &of_theirs[0].target), (SkipReason::RoleMissing, &None));
    for (_, manager) in [&first, &second] {
        assert_eq!(refused(&none, manager)[0].0, SkipReason::Dust);
    }
}
