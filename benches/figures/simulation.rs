//! The speed of one simulation: against raw revm and `eth_call`, on a full store, and on two threads.

use super::{
    figure::{Absolute, Better, Figure, Measured, Promise, median, timed},
    scene::{Scene, Tools},
};
use alloy::{
    network::AnyNetwork,
    primitives::{Address, U256},
    providers::{Provider, ProviderBuilder},
};
use eyre::{OptionExt, ensure};
use harrier::fork::{Facet, Fork, ForkOptions, Layer, ReadSet, View};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Rounds of a measurement; in each, everything that is compared runs once.
const ROUNDS: u32 = 4_000;
/// Rounds before anything is measured.
const WARM_UP: u32 = 300;
/// In one round of so many, `eth_call` runs too.
const ASK_EVERY: u32 = 10;
/// Slots of an account among those that have nothing to do with the bundle.
const SLOTS_EACH: usize = 2_000;
/// Slots in a full store.
const FULL: usize = 1_000_000;
/// Slots in a small one.
const SMALL: usize = 1_000;
/// Overlays made in one sample: one alone is shorter than a clock's tick.
const OVERLAYS: u32 = 256;
/// How long one thread, or two, simulate before the others do.
const TURN: Duration = Duration::from_millis(200);
/// Such turns.
const TURNS: u32 = 12;

/// Runs two things in turns, the order changing with each round, and gives all times.
fn all_in_turns(
    rounds: u32,
    mut one: impl FnMut() -> eyre::Result<()>,
    mut other: impl FnMut() -> eyre::Result<()>,
) -> eyre::Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            ones.push(timed(&mut one)?.0);
            others.push(timed(&mut other)?.0);
        } else {
            others.push(timed(&mut other)?.0);
            ones.push(timed(&mut one)?.0);
        }
    }
    Ok((ones, others))
}

/// As [`all_in_turns`]; the medians.
fn in_turns(rounds: u32, one: impl FnMut() -> eyre::Result<()>, other: impl FnMut() -> eyre::Result<()>) -> eyre::Result<(Duration, Duration)> {
    let (ones, others) = all_in_turns(rounds, one, other)?;
    Ok((median(ones), median(others)))
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// `sim_vs_raw`: the whole path of a candidate against raw revm with everything prepared.
#[derive(Debug)]
pub(crate) struct SimVsRaw<'a> {
    runtime: &'a Runtime,
    scene: &'a Scene,
    tools: Tools<'a>,
}

impl<'a> SimVsRaw<'a> {
    pub(crate) fn new(runtime: &'a Runtime, scene: &'a Scene) -> eyre::Result<Self> {
        let tools = scene.tools()?;
        println!("one bundle: {} gas, {} bytes of calldata; {ROUNDS} rounds, medians", tools.gas_used(), tools.calldata());
        Ok(Self { runtime, scene, tools })
    }
}

impl Figure for SimVsRaw<'_> {
    fn promise(&self) -> Promise {
        Promise { name: "sim_vs_raw", unit: "ratio of speeds", target: 0.90, better: Better::Higher }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        let tools = &self.tools;
        in_turns(WARM_UP, || tools.ours(), || tools.raw())?;
        let (mut ours, mut raws, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS / ASK_EVERY {
            let (our, raw) = all_in_turns(ASK_EVERY, || tools.ours(), || tools.raw())?;
            ours.extend(our);
            raws.extend(raw);
            asked.push(timed(|| self.runtime.block_on(self.scene.ask(tools.request())))?.0);
        }
        let (ours, raw, asked) = (median(ours), median(raws), median(asked));
        let times_faster = Absolute { name: "eth_call_vs_sim".to_owned(), value: ratio(asked, ours), unit: "times faster", better: Better::Higher };
        let beside = vec![times_faster, Absolute::time("simulation", ours), Absolute::time("raw_revm", raw), Absolute::time("eth_call", asked)];
        Ok(Measured { value: ratio(raw, ours), beside })
    }
}

/// Forks of the scene's chain at its head that also hold slots of nobody's interest.
#[derive(Debug)]
pub(crate) struct Stores {
    empty: View,
    small: View,
    full: View,
    _forks: Vec<Fork>,
}

impl Stores {
    /// Reads everything at the head's parent and rolls to the head, so that all of it is in the store and not among the misses.
    pub(crate) async fn fill(scene: &Scene, tools: &Tools<'_>) -> eyre::Result<Self> {
        let mut forks = Vec::new();
        let mut views = Vec::new();
        for slots in [0, SMALL, FULL] {
            let fork = filled(scene, tools, slots).await?;
            let view = scene.with_executor(fork.view());
            tokio::task::block_in_place(|| tools.ours_on(&view))?;
            ensure!(fork.view().generation().known().slot_count() >= slots, "the store does not hold the slots");
            forks.push(fork);
            views.push(view);
        }
        let [empty, small, full] = <[View; 3]>::try_from(views).map_err(|_| eyre::eyre!("three stores"))?;
        Ok(Self { empty, small, full, _forks: forks })
    }
}

async fn filled(scene: &Scene, tools: &Tools<'_>, slots: usize) -> eyre::Result<Fork> {
    let devnet = scene.devnet();
    let url = devnet.node().url();
    let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>().connect_http(url.parse()?).erased();
    let head = devnet.head();
    let parent = scene.node()?.head_by_hash(head.parent_hash).await?.ok_or_eyre("the head has no parent")?;
    let fork = Fork::start(&provider, parent, ForkOptions::default())?;
    let view = scene.with_executor(fork.view());
    // Whatever comes of it there: it makes known what it reads.
    let _elsewhere = tokio::task::block_in_place(|| tools.ours_on(&view));
    let mut unrelated = ReadSet::default();
    for number in 0..slots {
        let account = Address::left_padding_from(&u64::try_from(0xe000_0000 + number / SLOTS_EACH)?.to_be_bytes());
        unrelated.insert(Facet::Slot(account, U256::from(number)));
    }
    fork.prefetch(&unrelated).await?;
    fork.roll(&head).await?;
    Ok(fork)
}

/// `sim_cache_growth`: a simulation with a full store against one with an empty one.
#[derive(Debug)]
pub(crate) struct CacheGrowth<'a> {
    pub(crate) tools: Tools<'a>,
    pub(crate) stores: &'a Stores,
}

impl Figure for CacheGrowth<'_> {
    fn promise(&self) -> Promise {
        Promise { name: "sim_cache_growth", unit: "ratio of times", target: 1.10, better: Better::Lower }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        let full = || self.tools.ours_on(&self.stores.full);
        let empty = || self.tools.ours_on(&self.stores.empty);
        in_turns(WARM_UP, full, empty)?;
        let (full, empty) = in_turns(ROUNDS, full, empty)?;
        let beside = vec![Absolute::time("simulation_full_store", full), Absolute::time("simulation_empty_store", empty)];
        Ok(Measured { value: ratio(full, empty), beside })
    }
}

/// `overlay_cost`: making and dropping an overlay on a full store against a small one.
#[derive(Debug)]
pub(crate) struct OverlayCost<'a> {
    pub(crate) stores: &'a Stores,
}

impl Figure for OverlayCost<'_> {
    fn promise(&self) -> Promise {
        Promise { name: "overlay_cost", unit: "ratio of times", target: 1.2, better: Better::Lower }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        // What a price update changes: a few slots. One of them is read through the overlay, and one below it.
        let account = Address::left_padding_from(&0xe000_0000_u64.to_be_bytes());
        let patch = (0..8).map(|slot| (account, U256::from(slot), U256::from(slot + 1))).collect::<Vec<_>>();
        let overlays = |view: &View| -> eyre::Result<()> {
            for _ in 0..OVERLAYS {
                let overlay = view.with_layer(Arc::new(Layer::patch_slots(&patch)));
                let mut reads = ReadSet::default();
                let sum = overlay.storage(account, U256::from(3), &mut reads)? + overlay.storage(account, U256::from(900), &mut reads)?;
                ensure!(sum == U256::from(4), "the overlay is not read");
            }
            Ok(())
        };
        let full = || overlays(&self.stores.full);
        let small = || overlays(&self.stores.small);
        in_turns(WARM_UP, full, small)?;
        let (full, small) = in_turns(ROUNDS / 2, full, small)?;
        let beside = vec![Absolute::time("overlay_full_store", full / OVERLAYS), Absolute::time("overlay_small_store", small / OVERLAYS)];
        Ok(Measured { value: ratio(full, small), beside })
    }
}

/// `sim_two_threads`: simulations of two threads on one view against those of one.
#[derive(Debug)]
pub(crate) struct TwoThreads<'a> {
    pub(crate) tools: Tools<'a>,
    pub(crate) stores: &'a Stores,
}

/// Runs a second, counted on so many threads at once, each of which makes what it runs.
fn throughput<R: FnMut() -> eyre::Result<()>>(threads: usize, make: impl Fn() -> R + Sync) -> eyre::Result<f64> {
    let begin = Instant::now();
    let counts = std::thread::scope(|scope| {
        let running = (0..threads).map(|_| {
            scope.spawn(|| -> eyre::Result<u32> {
                let (mut run, mut count) = (make(), 0);
                while begin.elapsed() < TURN {
                    run()?;
                    count += 1;
                }
                Ok(count)
            })
        });
        let running = running.collect::<Vec<_>>();
        running.into_iter().map(|thread| thread.join().map_err(|_| eyre::eyre!("a thread panicked"))?).collect::<eyre::Result<Vec<u32>>>()
    })?;
    Ok(f64::from(counts.iter().sum::<u32>()) / begin.elapsed().as_secs_f64())
}

/// Arithmetic that shares nothing: what two threads of this machine can do at all while others use it, too.
fn spin() -> impl FnMut() -> eyre::Result<()> {
    let mut state = 1_u64;
    move || {
        for _ in 0..50_000 {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        Ok(())
    }
}

impl Figure for TwoThreads<'_> {
    fn promise(&self) -> Promise {
        Promise { name: "sim_two_threads", unit: "ratio of throughputs", target: 1.7, better: Better::Higher }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        let (mut ones, mut twos, mut spin_ones, mut spin_twos) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let simulate = || || self.tools.ours_on(&self.stores.empty);
        throughput(2, simulate)?;
        for turn in 0..TURNS {
            let first = if turn % 2 == 0 { 1 } else { 2 };
            for threads in [first, 3 - first] {
                let (simulations, spins) = (throughput(threads, simulate)?, throughput(threads, spin)?);
                if threads == 1 {
                    ones.push(simulations);
                    spin_ones.push(spins);
                } else {
                    twos.push(simulations);
                    spin_twos.push(spins);
                }
            }
        }
        let middle = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let (one, two) = (middle(ones), middle(twos));
        let machine = middle(spin_twos) / middle(spin_ones);
        // What there is to be had: below 2, others use the machine as well.
        let machine = Absolute { name: "machine_two_threads".to_owned(), value: machine, unit: "ratio of throughputs", better: Better::Higher };
        let a_second = |name: &str, value| Absolute { name: name.to_owned(), value, unit: "simulations/s", better: Better::Higher };
        Ok(Measured { value: two / one, beside: vec![a_second("one_thread", one), a_second("two_threads", two), machine] })
    }
}
