//! Which way to roll: the cheapest of those that work, and now and then another one, so that what is known of it stays true.
//!
//! ```text
//! probe at start ─▶ refused: out for good (a refusal later on is a long pause)
//! head ─▶ not yet measured, then due for a trial, then by cost, re-reading last ─▶ first success: its cost is averaged in
//!                                                                              └─ failures before it: the way pauses, longer each time
//! ```
//!
//! Nothing here depends on chance or a clock but the times that are measured.

use super::{Changes, Roller, TxChanges, apply};
use crate::{
    chain::Head,
    fork::{ForkError, Generation, StateDiff, store::Store},
};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What a request counts beside the time that it takes: nodes bound how many one may send.
const REQUEST_COST: Duration = Duration::from_millis(1);
/// Heads after which a way that is not the cheapest is tried again; a way that is n times as dear waits n times as long.
const TRIAL_EVERY: u64 = 16;
/// The most that a dear way waits, in units of the above.
const LONGEST_WAIT: u64 = 16;
/// Heads that a way pauses after its first failure; each further one doubles it.
const PAUSE: u64 = 4;
/// The longest pause.
const LONGEST_PAUSE: u64 = 1024;
/// Weight of the past in the moving estimates: three parts of four.
const PAST: u64 = 3;

/// A way to roll and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayReport {
    /// Its name: `trace`, `replay` or `re-read`.
    pub name: &'static str,
    /// False once the node refused what the way needs.
    pub usable: bool,
    /// Rolls that it did.
    pub rolls: u64,
    /// Rolls that it failed at and another way did.
    pub failures: u64,
    /// Moving estimate of what a roll takes; none before the first.
    pub time: Option<Duration>,
    /// Requests of its last roll.
    pub requests: u64,
}

/// A way with the counter of its own requests.
#[derive(Debug)]
struct Way {
    roller: Arc<dyn Roller>,
    requests: Arc<AtomicU64>,
}

/// All ways to roll; the last one always works.
#[derive(Debug)]
pub(in crate::fork) struct Chooser {
    ways: Vec<Way>,
    /// Whether cost decides; otherwise the order in which they were given does.
    by_cost: bool,
    /// The longest that a way may take before the next one is tried; the last one takes what it takes.
    patience: Duration,
    record: Mutex<Record>,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
struct Record {
    /// Heads that were rolled to.
    heads: u64,
    ways: Vec<Standing>,
}

/// What was seen of one way.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    refused: bool,
    rolls: u64,
    failures: u64,
    /// Failures since the last success.
    in_a_row: u32,
    /// The head from which on it may be tried again.
    paused_until: u64,
    /// The head at which it rolled last.
    last: u64,
    time: Option<Duration>,
    requests: u64,
    /// Moving estimate of requests, times 16.
    requests_16: u64,
}

impl Standing {
    /// Time and requests as one figure, in microseconds.
    fn cost(&self) -> Option<u64> {
        let request = u64::try_from(REQUEST_COST.as_micros()).unwrap_or(u64::MAX);
        let time = u64::try_from(self.time?.as_micros()).unwrap_or(u64::MAX);
        Some(time.saturating_add(self.requests_16.saturating_mul(request) / 16).max(1))
    }

    fn succeeded(&mut self, head: u64, time: Duration, requests: u64) {
        let requests_16 = requests.saturating_mul(16);
        let averaged = |past: u64, now: u64| past.saturating_mul(PAST).saturating_add(now) / (PAST + 1);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.requests_16 = if self.time.is_some() { averaged(self.requests_16, requests_16) } else { requests_16 };
        self.time = Some(self.time.map_or(time, |past| Duration::from_micros(averaged(micros(past), micros(time)))));
        self.requests = requests;
        self.rolls = self.rolls.saturating_add(1);
        self.in_a_row = 0;
        self.last = head;
    }

    fn failed(&mut self, head: u64, error: &ForkError) {
        self.failures = self.failures.saturating_add(1);
        // One node of many behind an address may refuse what the others do: that is no last word, only a long one.
        let refused = matches!(error, ForkError::Refused { .. });
        let longer = 1_u64.checked_shl(self.in_a_row).and_then(|factor| factor.checked_mul(PAUSE)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
        let pause = if refused { LONGEST_PAUSE } else { longer };
        self.paused_until = head.saturating_add(pause);
        self.in_a_row = self.in_a_row.saturating_add(1).min(30);
        self.last = head;
    }
}

impl Record {
    /// The ways in the order in which they are to be tried at the next head. `able` says which could do it at all.
    fn order(&self, able: &[bool], by_cost: bool) -> Vec<usize> {
        let head = self.heads;
        let last_resort = able.len().checked_sub(1);
        let fit = |place: usize, standing: &Standing| able.get(place) == Some(&true) && !standing.refused && standing.paused_until <= head;
        let mut fit = self.ways.iter().enumerate().filter(|(place, standing)| fit(*place, standing)).collect::<Vec<_>>();
        let cheapest = fit.iter().filter_map(|(_, standing)| standing.cost()).min();
        // How far beyond its day of trial a way is; the cheapest one has none.
        let overdue = |standing: &Standing| {
            let (cost, cheapest) = (standing.cost()?, cheapest?);
            let dearness = cost.checked_div(cheapest).unwrap_or(1).clamp(1, LONGEST_WAIT);
            head.checked_sub(standing.last.saturating_add(dearness.saturating_mul(TRIAL_EVERY))).filter(|_| cost > cheapest)
        };
        let due = fit.iter().filter_map(|(place, standing)| Some((overdue(standing)?, std::cmp::Reverse(*place)))).max().map(|(_, place)| place.0);
        fit.sort_by_key(|(place, standing)| {
            let rank = match standing.cost() {
                _ if !by_cost => 0,
                None => 0,
                Some(_) if due == Some(*place) => 1,
                Some(_) => 2_u8,
            };
            (rank, standing.cost().filter(|_| by_cost), *place)
        });
        let mut order = fit.into_iter().map(|(place, _)| place).collect::<Vec<_>>();
        order.extend(last_resort.filter(|last| !order.contains(last)));
        order
    }
}

impl Chooser {
    /// Chooses among these, each with the counter of its own requests; by cost, or the first one that works. The last one must
    /// work between any two heads.
    pub(in crate::fork) fn new(ways: Vec<(Arc<dyn Roller>, Arc<AtomicU64>)>, by_cost: bool, patience: Duration) -> Self {
        let record = Record { heads: 0, ways: vec![Standing::default(); ways.len()] };
        Self { ways: ways.into_iter().map(|(roller, requests)| Way { roller, requests }).collect(), by_cost, patience, record: Mutex::new(record) }
    }

    /// Asks the node for what the ways need. What it refuses is not tried again; what fails is tried when its turn comes.
    pub(in crate::fork) async fn probe(&self, head: &Head) {
        for (place, way) in self.ways.iter().enumerate() {
            let Err(error) = way.roller.probe(head).await else { continue };
            let refused = matches!(error, ForkError::Refused { .. });
            tracing::info!(way = way.roller.name(), refused, %error, "this way to roll");
            if let Some(standing) = self.record.lock().ways.get_mut(place) {
                standing.refused |= refused;
            }
        }
    }

    /// The store at the new head and what changed, by the first way that can tell.
    pub(in crate::fork) async fn roll(&self, parent: &Arc<Generation>, known: &Store, head: &Head) -> Result<(Store, StateDiff, Vec<TxChanges>), ForkError> {
        let child = parent.head().hash == head.parent_hash;
        let able = self.ways.iter().map(|way| child || way.roller.bridges()).collect::<Vec<_>>();
        let order = self.record.lock().order(&able, self.by_cost);
        let mut failed = Vec::new();
        for place in order {
            let Some(way) = self.ways.get(place) else { continue };
            let before = way.requests.load(Ordering::Relaxed);
            let begin = Instant::now();
            let outcome = self.within(way, parent, known, head).await.map(|mut changes| {
                let txs = std::mem::take(&mut changes.txs);
                let (store, diff) = apply(known, &changes);
                (store, diff, txs)
            });
            match outcome {
                Ok(rolled) => {
                    let requests = way.requests.load(Ordering::Relaxed).saturating_sub(before);
                    // A gap says nothing of what a block costs.
                    self.note(child.then_some((place, begin.elapsed(), requests)), &failed);
                    return Ok(rolled);
                }
                Err(error) => {
                    tracing::warn!(way = way.roller.name(), head = head.number, %error, "could not roll this way");
                    failed.push((place, error));
                }
            }
        }
        // Where no way works it is not the way's fault.
        Err(failed.pop().map_or_else(|| ForkError::Evm("no way to roll".to_owned()), |(_, error)| error))
    }

    /// A way's answer, in time; heads wait for it.
    async fn within(&self, way: &Way, parent: &Arc<Generation>, known: &Store, head: &Head) -> Result<Changes, ForkError> {
        let answer = way.roller.changes(parent, known, head);
        if way.roller.bridges() {
            return answer.await;
        }
        let late = |_| Err(ForkError::Roll { way: way.roller.name(), reason: format!("not done within {} ms", self.patience.as_millis()) });
        tokio::time::timeout(self.patience, answer).await.unwrap_or_else(late)
    }

    fn note(&self, success: Option<(usize, Duration, u64)>, failed: &[(usize, ForkError)]) {
        let mut record = self.record.lock();
        record.heads = record.heads.saturating_add(1);
        let head = record.heads;
        for (place, error) in failed {
            if let Some(standing) = record.ways.get_mut(*place) {
                standing.failed(head, error);
            }
        }
        if let Some((place, time, requests)) = success
            && let Some(standing) = record.ways.get_mut(place)
        {
            standing.succeeded(head, time, requests);
        }
    }

    /// What is known of each way.
    pub(in crate::fork) fn report(&self) -> Vec<WayReport> {
        let record = self.record.lock();
        let pairs = self.ways.iter().zip(&record.ways);
        pairs
            .map(|(way, standing)| WayReport {
                name: way.roller.name(),
                usable: !standing.refused,
                rolls: standing.rolls,
                failures: standing.failures,
                time: standing.time,
                requests: standing.requests,
            })
            .collect()
    }
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
