//! The model is the node itself: after every random block, every cached value equals a fresh read, for each way to roll.

use crate::{
    chain::Chain,
    world::{Players, Random, SYSTEM},
};
use alloy::primitives::{Address, U256};
use eyre::{Result, WrapErr, ensure};
use harrier::{
    config::Roll,
    fork::{Facet, Fork, ForkOptions, ReadSet, Rolled, StateDiff, TxChanges, View},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// From the environment, or the default.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Everything that forks know, and fresh reads of it all.
async fn truth(chain: &Chain, rolled: &[Rolled]) -> Result<HashMap<Facet, U256>> {
    let mut facets = BTreeSet::new();
    for rolled in rolled {
        facets.extend(rolled.view.generation().known().facets());
        facets.extend(rolled.diff.iter().map(|change| change.facet));
    }
    chain.fresh_all(facets, rolled[0].view.head().hash).await
}

/// The diff names exactly what is different of all that was known, and its new values are true.
fn check_diff(before: &View, rolled: &Rolled, truth: &HashMap<Facet, U256>) -> Result<()> {
    let (known, now) = (before.generation().known(), rolled.view.generation().known());
    let changes = rolled.diff.iter().map(|change| (change.facet, (change.old, change.new))).collect::<HashMap<_, _>>();
    for facet in known.facets() {
        let (old, new) = (known.value(&facet), now.value(&facet));
        ensure!(new.is_some(), "{facet:?} is no longer known");
        let expected = (old != new).then_some(()).and(old.zip(new));
        ensure!(changes.get(&facet).copied() == expected, "{facet:?} went from {old:?} to {new:?}, the diff says {:?}", changes.get(&facet));
    }
    for (facet, (old, new)) in &changes {
        ensure!(old != new && truth.get(facet) == Some(new), "{facet:?} is {:?}, the diff says {new}", truth.get(facet));
    }
    Ok(())
}

fn check_fresh(rolled: &Rolled, truth: &HashMap<Facet, U256>) -> Result<usize> {
    let known = rolled.view.generation().known();
    let mut count = 0;
    for facet in known.facets() {
        ensure!(known.value(&facet) == truth.get(&facet).copied(), "{facet:?} is {:?}, and known as {:?}", truth.get(&facet), known.value(&facet));
        count += 1;
    }
    Ok(count)
}

/// A diff without what the chain itself writes: no trace tells it unless it is known.
fn sorted(diff: &StateDiff) -> BTreeMap<Facet, (U256, U256)> {
    let system = |facet: &Facet| facet.address().is_some_and(|address| SYSTEM.contains(&address));
    diff.iter().filter(|change| !system(&change.facet)).map(|change| (change.facet, (change.old, change.new))).collect()
}

fn sorted_txs(txs: &[TxChanges]) -> Vec<(Option<Address>, BTreeSet<Facet>)> {
    txs.iter().map(|tx| (tx.to, tx.facets.iter().copied().collect())).collect()
}

/// Three forks follow one chain, each in its own way.
async fn each_way(seed: u64, blocks: u64) -> Result<()> {
    // Why a way failed stands in the log.
    let _ = tracing_subscriber::fmt().with_env_filter("harrier=warn").with_test_writer().try_init();
    let chain = Chain::start().await?;
    let mut random = Random(seed);
    let players = Players::deploy(&chain).await?;
    let ways = [(Roll::Trace, "trace"), (Roll::Replay, "replay"), (Roll::Reread, "re-read")];
    let head = chain.head().await?;
    let fork = |roll| Ok::<_, eyre::Report>(Fork::start(&chain.provider, head.clone(), ForkOptions::default())?.with_rolling(roll, &Chain::rules()));
    let forks = [fork(Roll::Trace)?, fork(Roll::Replay)?, fork(Roll::Reread)?];
    for fork in &forks {
        fork.prefetch(&players.watched).await?;
    }
    let (mut compared, mut moved) = (0, 0);
    for number in 0..blocks {
        let before = forks.each_ref().map(Fork::view);
        let mut created = Vec::new();
        let head = players.block(&chain, &mut random, &mut created).await?;
        let context = || format!("seed {seed}, block {number} ({})", head.hash);
        let (trace, replay, reread) = tokio::try_join!(forks[0].roll(&head), forks[1].roll(&head), forks[2].roll(&head)).wrap_err_with(context)?;
        let rolled = [trace, replay, reread];
        let truth = truth(&chain, &rolled).await?;
        for ((before, rolled), (_, way)) in before.iter().zip(&rolled).zip(ways) {
            compared += check_fresh(rolled, &truth).wrap_err_with(|| format!("{way}, {}", context()))?;
            check_diff(before, rolled, &truth).wrap_err_with(|| format!("{way}, {}", context()))?;
            moved += rolled.diff.len();
        }
        // Two independent tellings of the whole block, also of what nobody knew.
        assert_eq!(sorted(&rolled[0].diff), sorted(&rolled[1].diff), "{}", context());
        assert_eq!(sorted_txs(&rolled[0].txs), sorted_txs(&rolled[1].txs), "{}", context());
        // Some of what was made is watched from now on, some of what was watched is dropped and read again.
        let mut wanted = ReadSet::default();
        created.into_iter().for_each(|address| wanted.insert(Facet::Balance(address)));
        if random.below(20) == 0 {
            let mut live = ReadSet::default();
            players.watched.iter().filter(|_| random.below(2) == 0).for_each(|facet| live.insert(*facet));
            wanted.extend(&players.watched);
            for fork in &forks {
                fork.retain(0, |facet| live.contains(facet)).await;
            }
        }
        for fork in &forks {
            fork.prefetch(&wanted).await?;
        }
    }
    for (fork, (_, way)) in forks.iter().zip(ways) {
        let report = fork.ways();
        println!("{report:?}");
        // It was this way each time, and re-reading had nothing to make up for.
        assert_eq!((report[0].name, report[0].rolls, report[0].failures), (way, blocks, 0), "seed {seed}");
    }
    println!("seed {seed}: {blocks} blocks, {compared} values compared, {moved} changes");
    assert!(moved > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_random_blocks_by_each_way() -> Result<()> {
    each_way(setting("HARRIER_MODEL_SEED", 3), setting("HARRIER_MODEL_BLOCKS", 1_000)).await
}
