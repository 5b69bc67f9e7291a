//! `make bench`: the figures that the project promises, measured on devnets with the real contracts.
//!
//! ```text
//! figures ─▶ each measured once ─ a miss: twice more, the median of the three counts ─▶ table, target/figures.json ─▶ exit 1 on a miss
//! ```
//!
//! What is compared takes turns in one process, so that whatever else the machine does falls on all of it; medians are compared. The
//! absolute times stand beside each ratio. Names as arguments choose figures: `cargo bench -- warm_head`.
#![allow(clippy::print_stdout, reason = "a report on the terminal")]
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "ratios and times in a report")]
#![allow(clippy::indexing_slicing, reason = "a measurement that fails says so")]

mod figure;
#[path = "../../tests/http_wire/mod.rs"]
mod http_wire;
mod others;
mod pending;
mod raw;
mod replay;
mod rolling;
mod scene;
mod simulation;
mod warm_head;

use eyre::WrapErr;
use figure::{Better, Figure, Measured, Promise, entry};
use others::{PendingCost, RollReplayReal};
use rolling::RollRequests;
use scene::Scene;
use serde_json::{Map, Value};
use simulation::{CacheGrowth, OverlayCost, SimVsRaw, Stores, TwoThreads};
use std::{path::PathBuf, process::ExitCode};
use tokio::runtime::Runtime;
use warm_head::WarmHead;

/// Measurements of a figure that misses its target at first.
const ATTEMPTS: usize = 3;

/// What came of a figure.
struct Line {
    name: &'static str,
    result: eyre::Result<(Promise, Measured, usize)>,
}

impl Line {
    fn is_ok(&self) -> bool {
        self.result.as_ref().is_ok_and(|(promise, measured, _)| promise.is_kept_by(measured.value))
    }
}

/// The figures of a run, measured as they are named.
struct Report {
    wanted: Vec<String>,
    lines: Vec<Line>,
}

impl Report {
    fn wants(&self, names: &[&str]) -> bool {
        self.wanted.is_empty() || names.iter().any(|name| self.wanted.iter().any(|wanted| wanted == name))
    }

    /// Sets a figure up and measures it. What fails is a miss with a reason, and the others are measured all the same.
    fn add<'a>(&mut self, name: &'static str, set_up: impl FnOnce() -> eyre::Result<Box<dyn Figure + 'a>>) {
        if self.wants(&[name]) {
            println!("{name} ...");
            let result = set_up().and_then(|mut figure| measured(figure.as_mut())).wrap_err(name);
            self.lines.push(Line { name, result });
        }
    }

    /// Prints the table and writes the file; whether all promises are kept.
    fn finish(self) -> eyre::Result<bool> {
        println!("{:<26} {:>12}  {:<20} {:>8}  ok", "figure", "value", "unit", "target");
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
        for line in &self.lines {
            let ok = line.is_ok();
            match &line.result {
                Ok((promise, measured, attempts)) => {
                    let Promise { name, unit, target, better } = *promise;
                    let verdict = if ok { "yes" } else { "NO" };
                    let times = if *attempts > 1 { format!(", median of {attempts}") } else { String::new() };
                    println!("{name:<26} {:>12.3}  {unit:<20} {target:>8.2}  {verdict}{times}", measured.value);
                    put(name, entry(Some(measured.value), unit, Some(target), better, ok));
                    for absolute in &measured.beside {
                        println!("  {:<24} {:>12.3}  {}", absolute.name, absolute.value, absolute.unit);
                        put(&absolute.name, entry(Some(absolute.value), absolute.unit, None, absolute.better, true));
                    }
                }
                Err(error) => {
                    println!("{:<26} {:>12}  {error:#}", line.name, "failed");
                    put(line.name, entry(None, "", None, Better::Lower, false));
                }
            }
        }
        let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("figures.json"), format!("{}\n", serde_json::to_string_pretty(&Value::Object(all))?))?;
        Ok(self.lines.iter().all(Line::is_ok))
    }
}

/// Measures once; a miss twice more, and then the median of the three counts.
fn measured(figure: &mut dyn Figure) -> eyre::Result<(Promise, Measured, usize)> {
    let promise = figure.promise();
    let mut all = vec![figure.measure()?];
    if all.iter().all(|measured| !promise.is_kept_by(measured.value)) {
        while all.len() < ATTEMPTS {
            println!("{} {:.3} misses {}, measured again", promise.name, all.last().map_or(0.0, |last| last.value), promise.target);
            all.push(figure.measure()?);
        }
    }
    let attempts = all.len();
    all.sort_by(|one, other| one.value.total_cmp(&other.value));
    Ok((promise, all.swap_remove(attempts / 2), attempts))
}

fn main() -> eyre::Result<ExitCode> {
    let wanted = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut report = Report { wanted, lines: Vec::new() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    simulations(&runtime, &mut report)?;
    report.add("warm_head", || Ok(Box::new(WarmHead::set(&runtime)?)));
    report.add("roll_requests", || Ok(Box::new(RollRequests::set(&runtime)?)));
    match RollReplayReal::find() {
        Some(figure) => report.add("roll_replay_real", || Ok(Box::new(figure))),
        None => println!("roll_replay_real is left out: there are no recorded blocks, HARRIER_REAL_DATA names their folder"),
    }
    report.add("pending_cost", || Ok(Box::new(PendingCost { runtime: &runtime })));
    Ok(if report.finish()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The figures of single simulations share a devnet, and some of them its state in large stores.
fn simulations(runtime: &Runtime, report: &mut Report) -> eyre::Result<()> {
    let on_stores = ["sim_cache_growth", "overlay_cost", "sim_two_threads"];
    if !report.wants(&["sim_vs_raw"]) && !report.wants(&on_stores) {
        return Ok(());
    }
    let scene = runtime.block_on(Scene::set())?;
    report.add("sim_vs_raw", || Ok(Box::new(SimVsRaw::new(runtime, &scene)?)));
    if report.wants(&on_stores) {
        let tools = scene.tools()?;
        let stores = runtime.block_on(async { Stores::fill(&scene, &tools).await })?;
        report.add("sim_cache_growth", || Ok(Box::new(CacheGrowth { tools: scene.tools()?, stores: &stores })));
        report.add("overlay_cost", || Ok(Box::new(OverlayCost { stores: &stores })));
        report.add("sim_two_threads", || Ok(Box::new(TwoThreads { tools: scene.tools()?, stores: &stores })));
    }
    Ok(())
}
