//! What a figure is: a promise with a target, a way to measure it, and the absolute times that stand beside it.

use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Better {
    const fn word(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

/// What is promised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise {
    /// The figure's name in the report.
    pub(crate) name: &'static str,
    /// What its value counts.
    pub(crate) unit: &'static str,
    /// The value that must be reached.
    pub(crate) target: f64,
    /// Which side of the target is good.
    pub(crate) better: Better,
}

impl Promise {
    /// Whether a value keeps it.
    pub(crate) fn is_kept_by(&self, value: f64) -> bool {
        match self.better {
            Better::Higher => value >= self.target,
            Better::Lower => value <= self.target,
        }
    }
}

/// A value that is promised to nobody: what a ratio was made of.
#[derive(Clone, Debug)]
pub(crate) struct Absolute {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
}

impl Absolute {
    /// A duration in microseconds.
    pub(crate) fn time(name: impl Into<String>, time: Duration) -> Self {
        Self { name: name.into(), value: time.as_secs_f64() * 1e6, unit: "us", better: Better::Lower }
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    pub(crate) beside: Vec<Absolute>,
}

/// Something that can be measured, again if need be.
pub(crate) trait Figure {
    /// What is promised.
    fn promise(&self) -> Promise;

    /// Measures it once.
    fn measure(&mut self) -> eyre::Result<Measured>;
}

/// One entry of `figures.json`.
pub(crate) fn entry(value: Option<f64>, unit: &str, target: Option<f64>, better: Better, ok: bool) -> Value {
    let rounded = value.map(|value| (value * 1000.0).round() / 1000.0);
    json!({ "value": rounded, "unit": unit, "target": target, "better": better.word(), "ok": ok })
}

/// How long a run takes.
pub(crate) fn timed<T>(run: impl FnOnce() -> eyre::Result<T>) -> eyre::Result<(Duration, T)> {
    let begin = Instant::now();
    let result = run()?;
    Ok((begin.elapsed(), result))
}

/// The middle one; zero of none.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
