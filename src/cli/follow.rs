//! What a person or a script sees of a run that goes on.

use super::print;
use crate::{
    drivers::{Decided, dropped, report::Line, searcher::Event},
    engine::{Batch, BatchShape, Candidate, Outcome},
    plan::{SkipReason, Trigger},
};
use tokio::sync::mpsc;

/// Prints events until both streams end.
pub(super) async fn print_events(mut happened: mpsc::Receiver<Event>, ends: Option<mpsc::Receiver<Decided>>, json: bool) {
    let mut ends = ends;
    loop {
        tokio::select! {
            event = happened.recv() => match event {
                Some(event) => print_event(&event, json),
                None => break,
            },
            Some(decided) = next(&mut ends) => print_decided(&decided, json),
        }
    }
    while let Some(decided) = next(&mut ends).await {
        print_decided(&decided, json);
    }
}

async fn next(ends: &mut Option<mpsc::Receiver<Decided>>) -> Option<Decided> {
    match ends {
        Some(ends) => ends.recv().await,
        None => None,
    }
}

fn print_event(event: &Event, json: bool) {
    match event {
        Event::Trigger { outcome, sent } => print_outcome(outcome, if *sent > 0 { "sent" } else { "candidate" }, json),
        Event::Head { number, report, pending, .. } if !json => {
            let ignored = dropped::summary(&pending.ignored);
            print::line(format!(
                "head {number}: {} facets changed, {} markets and {} targets read in {} runs; pending: {} simulated{}{ignored}",
                report.changed,
                report.refreshed.markets,
                report.refreshed.targets,
                report.runs,
                pending.simulated,
                if ignored.is_empty() { "" } else { ", ignored " }
            ));
        }
        Event::Ready { .. } | Event::Head { .. } | Event::Ignored { .. } | Event::Unusable { .. } => {}
    }
}

/// All that came of a trigger; targets that are just healthy are left out for people.
pub(super) fn print_outcome(outcome: &Outcome, status: &'static str, json: bool) {
    for batch in outcome.sent() {
        for candidate in &batch.candidates {
            let line = Line::candidate(outcome.trigger, batch, candidate, status);
            if json {
                print::json(&line);
            } else {
                print::line(format!(
                    "{status:>9}  {} {} of {}  repay {} seize {}  {}  ({})",
                    line.action,
                    line.target,
                    short(&line.market),
                    line.repay,
                    line.seized,
                    brings(batch, candidate),
                    line.trigger
                ));
            }
        }
        if !json && matches!(batch.shape, BatchShape::Merged | BatchShape::Chain) {
            print::line(format!("           {}: {} ether together", together(batch), print::ether(batch.profit_wei)));
        }
    }
    for refusal in &outcome.refusals {
        if refusal.skip.reason == SkipReason::Healthy && !json {
            continue;
        }
        let line = Line::refusal(outcome.trigger, refusal);
        if json {
            print::json(&line);
        } else {
            print::line(format!(
                "  skipped  {} of {}: {}  ({})",
                if line.target.is_empty() { "all" } else { &line.target },
                short(&line.market),
                refusal.skip,
                trigger(outcome.trigger)
            ));
        }
    }
}

fn print_decided(decided: &Decided, json: bool) {
    let status = decided.outcome.name();
    let lines: Vec<Line> = match (&decided.batch, decided.trigger) {
        (Some(batch), Some(trigger)) => batch.candidates.iter().map(|candidate| Line::candidate(trigger, batch, candidate, status)).collect(),
        _ => decided.jobs.iter().map(|(target, action)| Line::ended(target, *action, status)).collect(),
    };
    for line in lines {
        if json {
            print::json(&line);
        } else {
            print::line(format!("{:>9}  {} {} of {}", line.status, line.action, line.target, short(&line.market)));
        }
    }
}

/// A candidate's profit, or what a chore costs.
fn brings(batch: &Batch, candidate: &Candidate) -> String {
    match batch.shape {
        BatchShape::Chore => format!("cost {} ether", print::ether(batch.gas_wei())),
        BatchShape::Single | BatchShape::Merged | BatchShape::Chain => format!("profit {} ether", print::ether(candidate.profit_wei)),
    }
}

fn together(batch: &Batch) -> String {
    match batch.shape {
        BatchShape::Single | BatchShape::Chore => "alone".to_owned(),
        BatchShape::Merged => format!("{} in one transaction", batch.candidates.len()),
        BatchShape::Chain => format!("{} transactions in one bundle", batch.txs.len()),
    }
}

fn short(market: &str) -> String {
    market.chars().take(10).collect()
}

fn trigger(trigger: Trigger) -> String {
    match trigger {
        Trigger::Head { number, .. } => format!("head {number}"),
        Trigger::Pending { hash } => format!("pending {}", short(&hash.to_string())),
    }
}
