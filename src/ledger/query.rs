//! Reading: totals, what a crash left behind, how far a discovery has read.

use super::{
    error::LedgerError,
    rows::{BlockRef, BundleRow, BundleTxRow, Checkpoint, Discovered, JobRow, JournaledBundle, RecordId, Summary},
    text::{inputs, int, json, number, parse, read_target, reason},
};
use crate::plan::{Action, ProtocolId};
use alloy::primitives::{I256, U256};
use rusqlite::{Connection, OptionalExtension, params};

/// Adds without wrapping; a ledger whose total does not fit 256 bits is nobody's.
const fn add(total: &mut I256, amount: I256) {
    *total = total.saturating_add(amount);
}

pub(super) fn summary(connection: &Connection) -> Result<Summary, LedgerError> {
    let mut summary = Summary::default();
    let mut statement = connection.prepare_cached(
        "SELECT o.outcome AS outcome, o.alarm AS alarm, o.cost_wei AS cost_wei, o.profit_wei AS realised, b.profit_wei AS predicted
         FROM outcomes o JOIN bundles b ON b.id = o.bundle_id WHERE o.superseded = 0",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let outcome: String = row.get("outcome")?;
        match outcome.as_str() {
            "landed" => {
                summary.landed += 1;
                let predicted: I256 = parse(row, "bundles", "predicted", "amount")?;
                let realised: I256 = parse(row, "outcomes", "realised", "amount")?;
                add(&mut summary.predicted_profit_wei, predicted);
                add(&mut summary.realised_profit_wei, realised);
                summary.max_error_wei = summary.max_error_wei.max(realised.saturating_sub(predicted).unsigned_abs());
                summary.alarms += u64::from(row.get::<_, bool>("alarm")?);
            }
            "lost" => summary.lost += 1,
            "missed" => summary.missed += 1,
            "reverted" => {
                summary.reverted += 1;
                let cost: U256 = parse(row, "outcomes", "cost_wei", "amount")?;
                summary.reverted_cost_wei = summary.reverted_cost_wei.saturating_add(cost);
            }
            "dropped" => summary.dropped += 1,
            // Its bundle is undecided again and counted as such.
            "undone" => {}
            _ => return Err(LedgerError::Corrupt { table: "outcomes", column: "outcome", wanted: "outcome" }),
        }
    }
    let mut statement = connection.prepare_cached("SELECT reason, count(*) AS skips FROM skips GROUP BY reason")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get("reason")?;
        summary.skipped.insert(reason(&name, "skips")?, number(row, "skips", "skips")?);
    }
    let unfinished: i64 = connection.query_row("SELECT count(*) FROM bundles WHERE state IN ('journaled', 'submitted', 'undone')", [], |row| row.get(0))?;
    summary.unfinished = u64::try_from(unfinished).unwrap_or_default();
    Ok(summary)
}

/// What an action's bundles have cost, each at what is known of it. One that is open counts as predicted; its limit, which is the most that it
/// may cost, is not in the journal.
pub(super) fn spent(connection: &Connection, protocol: &ProtocolId, action: Action, since_ms: u64) -> Result<U256, LedgerError> {
    let mut statement = connection.prepare_cached(
        "SELECT b.state AS state, b.profit_wei AS predicted, o.profit_wei AS realised, o.cost_wei AS cost_wei
         FROM bundles b LEFT JOIN outcomes o ON o.bundle_id = b.id AND o.superseded = 0
         WHERE b.at_ms >= ?3 AND EXISTS (SELECT 1 FROM bundle_jobs j WHERE j.bundle_id = b.id AND j.protocol = ?1 AND j.action = ?2)",
    )?;
    let mut rows = statement.query(params![protocol.to_string(), action.to_string(), int(since_ms)?])?;
    let mut spent = U256::ZERO;
    while let Some(row) = rows.next()? {
        let state: String = row.get("state")?;
        let loss = |profit: I256| if profit.is_negative() { profit.unsigned_abs() } else { U256::ZERO };
        let cost = match state.as_str() {
            "landed" => loss(parse(row, "outcomes", "realised", "amount")?),
            "reverted" => parse(row, "outcomes", "cost_wei", "amount")?,
            // What is open may still land.
            "journaled" | "submitted" | "undone" => loss(parse(row, "bundles", "predicted", "amount")?),
            _ => U256::ZERO,
        };
        spent = spent.saturating_add(cost);
    }
    Ok(spent)
}

pub(super) fn unfinished(connection: &Connection) -> Result<Vec<JournaledBundle>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT * FROM bundles WHERE state IN ('journaled', 'submitted', 'undone') ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut bundles = Vec::new();
    while let Some(row) = rows.next()? {
        bundles.push(journaled(connection, row, None)?);
    }
    Ok(bundles)
}

/// Bundles whose present outcome was read from a block of at least this height.
pub(super) fn decided_since(connection: &Connection, block: u64) -> Result<Vec<JournaledBundle>, LedgerError> {
    let mut statement = connection.prepare_cached(
        "SELECT b.*, o.block AS decided_number, o.block_hash AS decided_hash FROM outcomes o JOIN bundles b ON b.id = o.bundle_id
         WHERE o.superseded = 0 AND o.block >= ?1 AND o.block_hash IS NOT NULL AND o.outcome != 'undone' ORDER BY b.id",
    )?;
    let mut rows = statement.query([int(block)?])?;
    let mut bundles = Vec::new();
    while let Some(row) = rows.next()? {
        let on = BlockRef { number: number(row, "outcomes", "decided_number")?, hash: parse(row, "outcomes", "decided_hash", "hash")? };
        bundles.push(journaled(connection, row, Some(on))?);
    }
    Ok(bundles)
}

fn journaled(connection: &Connection, row: &rusqlite::Row<'_>, decided_on: Option<BlockRef>) -> Result<JournaledBundle, LedgerError> {
    let id = RecordId(row.get("id")?);
    let state: String = row.get("state")?;
    let candidates: Vec<i64> = json(row, "bundles", "candidates")?;
    let bundle = BundleRow {
        candidates: candidates.into_iter().map(RecordId).collect(),
        operator: parse(row, "bundles", "operator", "address")?,
        target_block: number(row, "bundles", "target_block")?,
        bundle_hash: parse(row, "bundles", "bundle_hash", "hash")?,
        replacement_uuid: row.get("replacement_uuid")?,
        txs: bundle_txs(connection, id)?,
        jobs: bundle_jobs(connection, id)?,
        inputs: inputs(row, "bundles")?,
        profit_wei: parse(row, "bundles", "profit_wei", "amount")?,
        gas_used: number(row, "bundles", "gas_used")?,
        builder_payment_wei: parse(row, "bundles", "builder_payment_wei", "amount")?,
        at_ms: number(row, "bundles", "at_ms")?,
    };
    Ok(JournaledBundle { id, bundle, submitted: state != "journaled", undone: state == "undone", decided_on })
}

fn bundle_jobs(connection: &Connection, bundle: RecordId) -> Result<Vec<JobRow>, LedgerError> {
    let mut statement =
        connection.prepare_cached("SELECT protocol, market, target, action, txs, locks FROM bundle_jobs WHERE bundle_id = ?1 ORDER BY position")?;
    let mut rows = statement.query([bundle.0])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let (target, action) = read_target(row, "bundle_jobs")?;
        jobs.push(JobRow { target, action, txs: json(row, "bundle_jobs", "txs")?, locks: json(row, "bundle_jobs", "locks")? });
    }
    Ok(jobs)
}

fn bundle_txs(connection: &Connection, bundle: RecordId) -> Result<Vec<BundleTxRow>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT hash, sender, nonce, ours FROM bundle_txs WHERE bundle_id = ?1 ORDER BY position")?;
    let mut rows = statement.query([bundle.0])?;
    let mut txs = Vec::new();
    while let Some(row) = rows.next()? {
        txs.push(BundleTxRow {
            hash: parse(row, "bundle_txs", "hash", "hash")?,
            sender: parse(row, "bundle_txs", "sender", "address")?,
            nonce: number(row, "bundle_txs", "nonce")?,
            ours: row.get("ours")?,
        });
    }
    Ok(txs)
}

pub(super) fn checkpoint(connection: &Connection, name: &str) -> Result<Option<Checkpoint>, LedgerError> {
    connection.prepare_cached("SELECT number, hash FROM checkpoints WHERE name = ?1")?.query_row([name], |row| Ok(read_checkpoint(row))).optional()?.transpose()
}

fn read_checkpoint(row: &rusqlite::Row<'_>) -> Result<Checkpoint, LedgerError> {
    Ok(Checkpoint { number: number(row, "checkpoints", "number")?, hash: parse(row, "checkpoints", "hash", "hash")? })
}

pub(super) fn discovered(connection: &Connection, name: &str) -> Result<Vec<Discovered>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM discovered WHERE name = ?1 ORDER BY key")?;
    let mut rows = statement.query([name])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, value): (Vec<u8>, Vec<u8>) = (row.get("key")?, row.get("value")?);
        found.push(Discovered { key: key.into(), value: value.into() });
    }
    Ok(found)
}
