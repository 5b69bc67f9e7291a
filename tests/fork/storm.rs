//! Everything at once: reorgs of any depth, silent rollbacks, a node that answers late, reads in flight while the head moves.
//!
//! ```text
//! anvil ◀── blocks, reorgs, rollbacks (and right after each: what is true at every new head)
//!   ▲
//!   └── late answers ◀── HeadStream ─heads─▶ Fork ◀── reads that began at heads which are gone by now
//! ```

use crate::{
    chain::{Chain, connect},
    http_wire::HttpWire,
    model::setting,
    world::{Players, Random},
};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
};
use eyre::{Result, WrapErr, ensure, eyre};
use harrier::{
    chain::{Head, HeadEvent, HeadStream, Node},
    config::{Environment, NodeConfig, Roll, UrlRef},
    fork::{Facet, Fork, ForkError, ForkOptions, ReadSet, View},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// A read that began at a view, and what came of it.
struct InFlight {
    facet: Facet,
    head: B256,
    answer: JoinHandle<Result<Option<U256>, ForkError>>,
}

fn begin(view: View, facet: Facet) -> InFlight {
    let head = view.head().hash;
    InFlight { facet, head, answer: tokio::task::spawn_blocking(move || view.facet(&facet)) }
}

/// What happens to the chain, and what is true at each of its heads.
struct Weather {
    chain: Chain,
    players: Players,
    /// Facets that are read; those that nothing watches too.
    facets: Vec<Facet>,
    truth: HashMap<B256, HashMap<Facet, U256>>,
    /// No event goes below.
    ground: u64,
    /// A snapshot and its height.
    snapshot: Option<(String, u64)>,
}

impl Weather {
    /// Reads the truth at the newest head and at those below it that are new.
    async fn observe(&mut self) -> Result<()> {
        let mut head = self.chain.head().await?;
        while !self.truth.contains_key(&head.hash) {
            let values = self.chain.fresh_all(self.facets.iter().copied(), head.hash).await?;
            self.truth.insert(head.hash, values);
            if head.number <= self.ground {
                break;
            }
            head = self.chain.head_at(BlockId::from(head.parent_hash)).await?;
        }
        Ok(())
    }

    async fn blocks(&mut self, random: &mut Random, count: u64) -> Result<()> {
        for _ in 0..count {
            self.players.block(&self.chain, random, &mut Vec::new()).await?;
            self.observe().await?;
        }
        Ok(())
    }

    /// Takes back what was signed for blocks that are gone.
    async fn afterwards(&mut self) -> Result<()> {
        let _: serde_json::Value = self.chain.request("anvil_dropAllTransactions", ()).await?;
        self.chain.forget_nonces().await?;
        self.observe().await
    }

    async fn strike(&mut self, random: &mut Random) -> Result<&'static str> {
        let height = self.chain.head().await?.number;
        let room = height - self.ground;
        let depth = 1 + random.below(room.clamp(1, 64));
        let what = match random.below(10) {
            0..=2 if room > 0 => {
                let _: serde_json::Value = self.chain.request("anvil_reorg", (depth, Vec::<u8>::new())).await?;
                "reorg"
            }
            3 if room > 0 => {
                let depth = depth.min(1 + random.below(16));
                let _: serde_json::Value = self.chain.request("anvil_rollback", (depth,)).await?;
                "rollback"
            }
            4 => {
                self.snapshot = Some((self.chain.request("evm_snapshot", ()).await?, height));
                "snapshot"
            }
            5 if self.snapshot.is_some() => {
                let snapshot = self.snapshot.take().map(|(id, _)| id);
                let _: serde_json::Value = self.chain.request("evm_revert", (snapshot,)).await?;
                "revert"
            }
            _ => {
                let count = 1 + random.below(3);
                self.blocks(random, count).await?;
                return Ok("blocks");
            }
        };
        // anvil can't go back to a block that it dropped.
        self.snapshot = self.snapshot.take().filter(|(_, at)| what != "rollback" && (what != "reorg" || at + depth < height));
        self.afterwards().await?;
        // A branch of its own, or the same height as before with other blocks.
        let count = random.below(6);
        self.blocks(random, count).await?;
        Ok(what)
    }
}

/// Moves the fork as the events say until it is at this head. A roll may fail: the node answers late, or the head is gone.
async fn follow(fork: &Fork, heads: &mut HeadStream, until: &Head, random: &mut Random) -> Result<u64> {
    let mut deepest = 0;
    while fork.head().hash != until.hash {
        let event =
            tokio::time::timeout(Duration::from_secs(20), heads.next()).await.wrap_err("no event brings the head")?.ok_or_else(|| eyre!("heads end"))??;
        let mut steps = match &event {
            HeadEvent::New { head, .. } | HeadEvent::Reset { head } => vec![head.clone()],
            HeadEvent::Reorg { common_ancestor, added, dropped } => {
                deepest = deepest.max(u64::try_from(dropped.len())?);
                if added.is_empty() { vec![common_ancestor.clone()] } else { added.clone() }
            }
        };
        // As a searcher may: the newest only, or the first of a branch and the newest, or all of a short one.
        let last = steps.len() - 1;
        match random.below(4) {
            0 => drop(steps.drain(..last)),
            1 | 2 if last > 4 => drop(steps.drain(1..last)),
            _ => {}
        }
        for head in steps {
            if let Err(error) = fork.roll(&head).await {
                ensure!(matches!(error, ForkError::Node { .. }), "{error}");
            }
        }
    }
    Ok(deepest)
}

async fn storm(seed: u64, rounds: u64, roll: Roll) -> Result<()> {
    let _ = tracing_subscriber::fmt().with_env_filter("harrier::fork=warn").with_test_writer().try_init();
    let chain = Chain::start().await?;
    let mut random = Random(seed);
    let players = Players::deploy(&chain).await?;
    let mut facets = players.watched.iter().copied().collect::<Vec<_>>();
    facets.sort_unstable();
    facets.extend((100..110).map(|slot| Facet::Slot(Address::repeat_byte(0x40), U256::from(slot))));
    let ground = chain.mine(12).await?.number;
    let wire = HttpWire::to(chain.anvil.endpoint()).await?;
    let mut weather = Weather { chain, players, facets, truth: HashMap::new(), ground, snapshot: None };
    weather.observe().await?;
    let http = Some(UrlRef::plain(wire.url().parse()?));
    let config = NodeConfig { http, ws: None, timeout_ms: 2_000, max_batch: 100, max_log_range: 100, poll_ms: 10, roll: Roll::Auto };
    let node = Arc::new(Node::connect(&config, crate::chain::CHAIN_ID, &Environment::default()).await?);
    let mut heads = HeadStream::start(node);
    let fork = Fork::start(&connect(&wire.url())?, weather.chain.head().await?, ForkOptions::default())?.with_rolling(roll, &Chain::rules());
    fork.probe().await;
    fork.prefetch(&weather.players.watched).await?;
    // So long a chain that the deepest reorg fits.
    for _ in 0..7 {
        weather.blocks(&mut random, 10).await?;
        let head = weather.chain.head().await?;
        follow(&fork, &mut heads, &head, &mut random).await?;
    }
    let (mut in_flight, mut read, mut compared, mut deepest, mut seen) = (Vec::new(), 0, 0, 0, HashMap::<_, u64>::new());
    for round in 0..rounds {
        let context = || format!("seed {seed}, round {round}, {roll}");
        wire.set_late(Duration::ZERO..=Duration::from_millis(random.below(10)));
        for _ in 0..4 {
            in_flight.push(begin(fork.view(), *random.of(&weather.facets)));
        }
        let what = weather.strike(&mut random).await.wrap_err_with(context)?;
        *seen.entry(what).or_default() += 1;
        // Some begin while the fork is on its way.
        in_flight.push(begin(fork.view(), *random.of(&weather.facets)));
        let head = weather.chain.head().await?;
        deepest = deepest.max(follow(&fork, &mut heads, &head, &mut random).await.wrap_err_with(|| format!("{what}, {}", context()))?);
        let view = fork.view();
        let (known, truth) = (view.generation().known(), &weather.truth[&head.hash]);
        for facet in known.facets() {
            let fresh = truth.get(&facet);
            ensure!(
                fresh.is_none() || known.value(&facet) == fresh.copied(),
                "{what}: {facet:?} is {fresh:?}, known as {:?}; {}",
                known.value(&facet),
                context()
            );
            compared += u64::from(fresh.is_some());
        }
        if random.below(8) == 0 {
            let mut live = ReadSet::default();
            weather.facets.iter().filter(|_| random.below(3) > 0).for_each(|facet| live.insert(*facet));
            fork.retain(0, |facet| live.contains(facet)).await;
        }
        if random.below(4) == 0 {
            // A read that fails was of a head that is gone; what was prefetched is what is known.
            let _gone = fork.prefetch(&weather.players.watched).await;
        }
        let (done, waiting): (Vec<_>, Vec<_>) = in_flight.into_iter().partition(|read| read.answer.is_finished() || round + 1 == rounds);
        in_flight = waiting;
        for InFlight { facet, head, answer } in done {
            // A node may have forgotten a head that is gone. It does not answer with another one's value.
            if let Ok(value) = answer.await? {
                ensure!(weather.truth[&head].get(&facet).copied() == value, "{facet:?} was read as {value:?} at {head}; {}", context());
                read += 1;
            }
        }
    }
    println!("seed {seed}, {roll}: {seen:?}, deepest {deepest}, {read} reads in flight, {compared} values compared, {:?}", fork.ways());
    ensure!(read > rounds && compared > rounds * 100 && deepest > 20, "too little was seen");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stale_value_survives_by_trace() -> Result<()> {
    storm(setting("HARRIER_MODEL_SEED", 5), setting("HARRIER_STORM_ROUNDS", 30), Roll::Trace).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stale_value_survives_by_replay() -> Result<()> {
    storm(setting("HARRIER_MODEL_SEED", 6), setting("HARRIER_STORM_ROUNDS", 30), Roll::Replay).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stale_value_survives_by_all_of_them() -> Result<()> {
    storm(setting("HARRIER_MODEL_SEED", 7), setting("HARRIER_STORM_ROUNDS", 30), Roll::Auto).await
}
