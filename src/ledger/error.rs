//! What goes wrong with the ledger.

use std::{path::PathBuf, sync::Arc};

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file can't be opened or prepared.
    #[error("{path}: the ledger can't be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Another process has the ledger.
    #[error("{path}: another process uses this ledger; one Harrier at a time, or give this one a file of its own (ledger.path)")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The lock beside the file can't be had.
    #[error("{path}: the ledger's lock can't be taken")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was written by a newer Harrier.
    #[error("{path}: the ledger has version {found}, this Harrier knows {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The database refused.
    #[error("the ledger refused")]
    Database(#[from] rusqlite::Error),
    /// What was written together could not be committed; none of it is kept.
    #[error("the ledger could not commit")]
    Commit(#[source] Arc<rusqlite::Error>),
    /// A row holds what nobody here wrote.
    #[error("the ledger's {table}.{column} holds no {wanted}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What it should hold.
        wanted: &'static str,
    },
    /// A number that does not fit the database's 63 bits.
    #[error("{0} does not fit the ledger's integers")]
    TooLarge(u64),
    /// A list can't be written as JSON.
    #[error("a list can't be written")]
    Json(#[from] serde_json::Error),
    /// There is no such bundle.
    #[error("there is no bundle {0}")]
    NoBundle(i64),
    /// The writer's thread can't be started.
    #[error("the ledger's thread can't be started")]
    Thread(#[source] std::io::Error),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}
