//! The tables, as a list of migrations. A migration that was released is never changed, only followed by another.

use super::error::LedgerError;
use rusqlite::Connection;
use std::{path::Path, time::Duration};

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(5);

/// Amounts are decimal text (they have 256 bits), hashes and addresses lower-case hex text.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE triggers (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, hash TEXT NOT NULL,
        head_number INTEGER NOT NULL, head_hash TEXT NOT NULL, at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE opportunities (
        id INTEGER PRIMARY KEY, trigger_id INTEGER NOT NULL,
        protocol TEXT NOT NULL, market TEXT NOT NULL, target TEXT NOT NULL, action TEXT NOT NULL,
        debt_token TEXT NOT NULL, collateral_token TEXT NOT NULL, debt_hint TEXT NOT NULL
    ) STRICT;
    CREATE TABLE skips (
        id INTEGER PRIMARY KEY, trigger_id INTEGER, protocol TEXT, market TEXT, target TEXT, action TEXT,
        block INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX skips_by_reason ON skips (reason);
    CREATE TABLE candidates (
        id INTEGER PRIMARY KEY, opportunity_id INTEGER NOT NULL, target_block INTEGER NOT NULL,
        parent_hash TEXT NOT NULL, timestamp INTEGER NOT NULL, base_fee INTEGER NOT NULL, fee_recipient TEXT NOT NULL, in_front TEXT NOT NULL,
        repay TEXT NOT NULL, seized TEXT NOT NULL, profit_token TEXT NOT NULL, profit TEXT NOT NULL, profit_wei TEXT NOT NULL,
        gas_used INTEGER NOT NULL, builder_payment_wei TEXT NOT NULL
    ) STRICT;
    CREATE TABLE bundles (
        id INTEGER PRIMARY KEY, state TEXT NOT NULL, candidates TEXT NOT NULL, operator TEXT NOT NULL, target_block INTEGER NOT NULL,
        bundle_hash TEXT NOT NULL, replacement_uuid TEXT,
        parent_hash TEXT NOT NULL, timestamp INTEGER NOT NULL, base_fee INTEGER NOT NULL, fee_recipient TEXT NOT NULL, in_front TEXT NOT NULL,
        profit_wei TEXT NOT NULL, gas_used INTEGER NOT NULL, builder_payment_wei TEXT NOT NULL, at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX bundles_by_state ON bundles (state);
    CREATE TABLE bundle_txs (
        bundle_id INTEGER NOT NULL REFERENCES bundles (id), position INTEGER NOT NULL,
        hash TEXT NOT NULL, sender TEXT NOT NULL, nonce INTEGER NOT NULL, ours INTEGER NOT NULL,
        PRIMARY KEY (bundle_id, position)
    ) STRICT;
    CREATE INDEX bundle_txs_by_hash ON bundle_txs (hash);
    CREATE TABLE submissions (
        id INTEGER PRIMARY KEY, bundle_id INTEGER NOT NULL REFERENCES bundles (id),
        relay TEXT NOT NULL, accepted INTEGER NOT NULL, response TEXT NOT NULL, at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE outcomes (
        id INTEGER PRIMARY KEY, bundle_id INTEGER NOT NULL REFERENCES bundles (id), superseded INTEGER NOT NULL DEFAULT 0,
        outcome TEXT NOT NULL, block INTEGER, block_hash TEXT, lost_to TEXT, tx TEXT, reason TEXT, cost_wei TEXT,
        parent_hash TEXT, timestamp INTEGER, base_fee INTEGER, fee_recipient TEXT, in_front TEXT,
        profit_wei TEXT, gas_used INTEGER, builder_payment_wei TEXT,
        differing_input TEXT, alarm INTEGER NOT NULL DEFAULT 0, at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX outcomes_by_bundle ON outcomes (bundle_id);
    CREATE TABLE proofs (
        id INTEGER PRIMARY KEY, protocol TEXT NOT NULL, market TEXT NOT NULL, target TEXT NOT NULL, action TEXT NOT NULL,
        block INTEGER NOT NULL, ending TEXT NOT NULL, reason TEXT, detail TEXT NOT NULL, bundle_id INTEGER, at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX proofs_by_target ON proofs (protocol, market, target);
    CREATE TABLE checkpoints (name TEXT PRIMARY KEY, number INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
    CREATE TABLE discovered (name TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (name, key)) STRICT;
",
    "
    CREATE TABLE bundle_jobs (
        bundle_id INTEGER NOT NULL REFERENCES bundles (id), position INTEGER NOT NULL,
        protocol TEXT NOT NULL, market TEXT NOT NULL, target TEXT NOT NULL, action TEXT NOT NULL, txs TEXT NOT NULL, locks TEXT NOT NULL,
        PRIMARY KEY (bundle_id, position)
    ) STRICT;
    ALTER TABLE outcomes ADD COLUMN supersedes INTEGER REFERENCES outcomes (id);
    CREATE INDEX outcomes_by_block ON outcomes (block) WHERE superseded = 0;
    ALTER TABLE proofs ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX proofs_by_bundle ON proofs (bundle_id) WHERE bundle_id IS NOT NULL;
",
    "
    CREATE INDEX bundles_by_time ON bundles (at_ms);
",
];

/// Opens the file and brings its tables up to date.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    open_at(path, MIGRATIONS.len())
}

/// Opens the file and brings its tables to one of the versions.
pub(super) fn open_at(path: &Path, version: usize) -> Result<Connection, LedgerError> {
    let failed = |source| LedgerError::Open { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    // What is acknowledged survives a loss of power, too: the journal entry stands before the bundle leaves.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", "ON").map_err(failed)?;

    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(LedgerError::Newer { path: path.to_owned(), found, known });
    }
    for (version, migration) in (1_i64..).zip(MIGRATIONS.iter().take(version)).filter(|(version, _)| *version > found) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "user_version", version).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(connection)
}

/// The largest id that any table uses.
pub(super) fn last_id(connection: &Connection) -> Result<i64, LedgerError> {
    let last = connection.query_row(
        "SELECT max(
            coalesce((SELECT max(id) FROM triggers), 0), coalesce((SELECT max(id) FROM opportunities), 0), coalesce((SELECT max(id) FROM skips), 0),
            coalesce((SELECT max(id) FROM candidates), 0), coalesce((SELECT max(id) FROM bundles), 0), coalesce((SELECT max(id) FROM submissions), 0),
            coalesce((SELECT max(id) FROM outcomes), 0), coalesce((SELECT max(id) FROM proofs), 0))",
        [],
        |row| row.get(0),
    )?;
    Ok(last)
}
