//! `harrier replay [FILES or heights..]`: real blocks executed again on the state that was recorded with them.
//!
//! Exits with 0 when every block that could be read came out as its header claims (a height without data is a skip), 1 when the
//! folder or a file can't be read, 3 when a block differs or can't be executed.

use super::{Failure, print};
use crate::{
    drivers::{
        recorded::{OracleUpdate, Recorded, RecordedBlock},
        replay::{self, Pending, Watched},
    },
    fork::{Facet, StateDiff},
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256},
};
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `harrier replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Heights of blocks in the folder, or files; all blocks of the folder without any.
    blocks: Vec<String>,
    /// The folder with `blocks/`, `code.json.gz` and `oracle-updates.json`.
    #[arg(long, env = "HARRIER_REAL_DATA", default_value = "../shared/real-data")]
    data: PathBuf,
    /// Feed each block's transactions one by one as pending ones, and list what each would change.
    #[arg(long)]
    mempool: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// What came of one block.
#[derive(Debug, Default, Serialize)]
struct Row {
    number: u64,
    /// `equal`, `differs`, `failed`, `skipped`.
    verdict: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hardfork: Option<String>,
    txs: usize,
    gas_used: u64,
    receipts_root: Option<B256>,
    /// Facets that the block changed.
    changed: usize,
    micros: u64,
    /// Withdrawals whose accounts were not recorded.
    withdrawals_left_out: usize,
    /// Accounts that were read, are not recorded, and so taken as absent.
    absent_accounts: u64,
}

/// What a pending transaction would change.
#[derive(Debug, Serialize)]
struct PendingRow {
    block: u64,
    index: usize,
    hash: B256,
    to: Option<Address>,
    selector: Option<String>,
    /// The facets, each as kind, address and slot.
    facets: Vec<String>,
    /// Feeds whose answer it would make stale.
    updates: Vec<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<String>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    // Executing is work for a processor, and belongs on no thread that carries I/O.
    tokio::task::spawn_blocking(move || replay_all(&args)).await.map_err(Failure::from_error)?
}

fn replay_all(args: &Args) -> Result<(), Failure> {
    let recorded = Recorded::open(&args.data).map_err(Failure::from_error)?;
    let updates = if args.mempool { recorded.oracle_updates().map_err(Failure::from_error)? } else { Vec::new() };
    let wanted =
        if args.blocks.is_empty() { recorded.heights().map_err(Failure::from_error)?.iter().map(u64::to_string).collect() } else { args.blocks.clone() };
    if !args.json && !args.mempool {
        print::line(format!("{:>9} {:<10} {:>5} {:>10} {:<12} {:>7} {:>9}  verdict", "block", "rules", "txs", "gas used", "receipts", "changed", "time ms"));
    }
    if wanted.is_empty() {
        print::note(format!("skipped: no blocks in {}", args.data.display()));
    }
    let (mut held, mut readable) = (true, true);
    for name in wanted {
        let file = name.parse::<u64>().map_or_else(|_| PathBuf::from(&name), |number| recorded.file_of(number));
        if let (Ok(number), false) = (name.parse::<u64>(), file.exists()) {
            told(args, &Row { number, verdict: "skipped", detail: format!("no data in {}", args.data.display()), ..Row::default() });
            continue;
        }
        let block = match recorded.read(&file) {
            Ok(block) => block,
            Err(error) => {
                readable = false;
                told(args, &Row { number: name.parse().unwrap_or_default(), verdict: "failed", detail: error.to_string(), ..Row::default() });
                continue;
            }
        };
        held &= if args.mempool { mempool(args, &block, &updates) } else { whole(args, &block) };
    }
    if !readable {
        return Err(Failure::Failed(eyre::eyre!("a block could not be read")));
    }
    if held { Ok(()) } else { Err(Failure::NotHeld) }
}

fn whole(args: &Args, block: &RecordedBlock) -> bool {
    let target = &block.block.target;
    let row = Row {
        number: target.number,
        hardfork: Some(format!("{:?}", target.hardfork)),
        txs: block.block.txs.len(),
        withdrawals_left_out: block.withdrawals_left_out,
        ..Row::default()
    };
    let row = match replay::replay(block) {
        Err(error) => Row { verdict: "failed", detail: error.to_string(), ..row },
        Ok(replayed) => Row {
            verdict: if replayed.verdict.is_ok() { "equal" } else { "differs" },
            detail: replayed.verdict.err().unwrap_or_default(),
            gas_used: replayed.execution.gas_used,
            receipts_root: Some(replayed.execution.receipts().0),
            changed: replayed.execution.diff().len(),
            micros: u64::try_from(replayed.took.as_micros()).unwrap_or(u64::MAX),
            ..row
        },
    };
    let row = Row { absent_accounts: block.generation.misses(), ..row };
    told(args, &row);
    row.verdict == "equal"
}

fn told(args: &Args, row: &Row) {
    if args.json {
        print::json(row);
        return;
    }
    let root = row.receipts_root.map(|root| root.to_string().chars().take(10).collect::<String>()).unwrap_or_default();
    let rules = row.hardfork.as_deref().unwrap_or_default();
    let time = format!("{}.{:03}", row.micros / 1000, row.micros % 1000);
    let detail = if row.detail.is_empty() { String::new() } else { format!(": {}", row.detail) };
    let left_out = if row.withdrawals_left_out == 0 { String::new() } else { format!(", {} withdrawals without data", row.withdrawals_left_out) };
    let Row { number, txs, gas_used, changed, verdict, .. } = row;
    print::line(format!("{number:>9} {rules:<10} {txs:>5} {gas_used:>10} {root:<12} {changed:>7} {time:>9}  {verdict}{detail}{left_out}"));
}

/// False if an update that is known to have happened was not recognised.
fn mempool(args: &Args, block: &RecordedBlock, updates: &[OracleUpdate]) -> bool {
    let number = block.block.target.number;
    let expected: Vec<_> = updates.iter().filter(|update| update.block == number).collect();
    let mut feeds: Vec<Address> = expected.iter().map(|update| update.aggregator).collect();
    feeds.sort_unstable();
    feeds.dedup();
    let watched: Vec<Watched> = feeds.iter().map(|feed| replay::watch(block, *feed)).collect();
    if !args.json {
        print::line(format!("block {number}: {} transactions, {} feeds watched", block.block.txs.len(), watched.len()));
        for feed in &watched {
            print::line(format!("  feed {}: {} facets, {} slots without data taken as zero", feed.aggregator, feed.reads.len(), feed.unknown));
        }
    }
    let mut recognised = Vec::new();
    let run = replay::pending(block, &watched, |pending| {
        recognised.extend(pending.updates.iter().map(|feed| (pending.index, *feed)));
        told_pending(args, block, &pending);
    });
    if let Err(error) = run {
        told(args, &Row { number, verdict: "failed", detail: error.to_string(), ..Row::default() });
        return false;
    }
    let missed = expected.iter().filter(|update| !recognised.contains(&(update.tx_index, update.aggregator))).count();
    if !args.json {
        print::line(format!("block {number}: {} of {} known price updates recognised", expected.len().saturating_sub(missed), expected.len()));
    }
    missed == 0
}

fn told_pending(args: &Args, block: &RecordedBlock, pending: &Pending) {
    let Some(tx) = block.block.txs.get(pending.index) else { return };
    let selector = tx.input().get(..4).map(alloy::hex::encode_prefixed);
    if args.json {
        print::json(&PendingRow {
            block: block.block.target.number,
            index: pending.index,
            hash: *tx.tx_hash(),
            to: tx.to(),
            selector,
            facets: pending.changes.as_ref().map(names).unwrap_or_default(),
            updates: pending.updates.clone(),
            invalid: pending.changes.as_ref().err().cloned(),
        });
        return;
    }
    let to = tx.to().map_or_else(|| "creation".to_owned(), |to| to.to_string());
    let changes = match &pending.changes {
        Ok(diff) => counted(diff),
        Err(reason) => format!("invalid here: {reason}"),
    };
    let updates: String = pending.updates.iter().map(|feed| format!("  UPDATES {feed}")).collect();
    print::line(format!("{:>5} {} {to} {:<10} {changes}{updates}", pending.index, tx.tx_hash(), selector.unwrap_or_default()));
}

fn counted(diff: &StateDiff) -> String {
    let count = |kind: fn(&Facet) -> bool| diff.iter().filter(|change| kind(&change.facet)).count();
    format!(
        "slots {} balances {} nonces {} codes {}",
        count(|facet| matches!(facet, Facet::Slot(..))),
        count(|facet| matches!(facet, Facet::Balance(_))),
        count(|facet| matches!(facet, Facet::Nonce(_))),
        count(|facet| matches!(facet, Facet::Code(_)))
    )
}

/// The facets of a diff in words, in order.
fn names(diff: &StateDiff) -> Vec<String> {
    let mut facets: Vec<Facet> = diff.iter().map(|change| change.facet).collect();
    facets.sort_unstable();
    facets
        .iter()
        .map(|facet| match facet {
            Facet::Slot(address, slot) => format!("slot {address} {slot:#x}"),
            Facet::Balance(address) => format!("balance {address}"),
            Facet::Nonce(address) => format!("nonce {address}"),
            Facet::Code(address) => format!("code {address}"),
            Facet::Env(word) => format!("environment {word:?}"),
        })
        .collect()
}
