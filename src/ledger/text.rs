//! How values stand in the database.

use super::{error::LedgerError, rows::Inputs};
use crate::plan::{SkipReason, Target, TargetKey};
use alloy::primitives::{Address, B256};
use rusqlite::Row;
use std::str::FromStr;

/// A number for an INTEGER column.
pub(super) fn int(number: u64) -> Result<i64, LedgerError> {
    i64::try_from(number).map_err(|_| LedgerError::TooLarge(number))
}

/// An address in lower-case hex.
pub(super) fn address(address: Address) -> String {
    format!("{address:#x}")
}

/// A hash in lower-case hex.
pub(super) fn hash(hash: B256) -> String {
    format!("{hash:#x}")
}

/// A list of hashes as JSON.
pub(super) fn hashes(list: &[B256]) -> Result<String, LedgerError> {
    Ok(serde_json::to_string(list)?)
}

/// Protocol, market and key of a target.
pub(super) fn target(target: &Target) -> (String, String, String) {
    let key = match target.key {
        TargetKey::Account(account) => address(account),
        other => other.to_string(),
    };
    (target.protocol.to_string(), hash(target.market.0), key)
}

/// Reads a column and parses its text.
pub(super) fn parse<T: FromStr>(row: &Row<'_>, table: &'static str, column: &'static str, wanted: &'static str) -> Result<T, LedgerError> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| LedgerError::Corrupt { table, column, wanted })
}

/// Reads a column that holds a number that is never negative.
pub(super) fn number(row: &Row<'_>, table: &'static str, column: &'static str) -> Result<u64, LedgerError> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| LedgerError::Corrupt { table, column, wanted: "number from zero" })
}

/// Reads a skip reason.
pub(super) fn reason(name: &str, table: &'static str) -> Result<SkipReason, LedgerError> {
    SkipReason::ALL.iter().copied().find(|reason| reason.name() == name).ok_or(LedgerError::Corrupt { table, column: "reason", wanted: "skip reason" })
}

/// Reads the five input columns.
pub(super) fn inputs(row: &Row<'_>, table: &'static str) -> Result<Inputs, LedgerError> {
    let in_front: String = row.get("in_front")?;
    Ok(Inputs {
        parent_hash: parse(row, table, "parent_hash", "hash")?,
        timestamp: number(row, table, "timestamp")?,
        base_fee: number(row, table, "base_fee")?,
        fee_recipient: parse(row, table, "fee_recipient", "address")?,
        in_front: serde_json::from_str(&in_front).map_err(|_| LedgerError::Corrupt { table, column: "in_front", wanted: "list of hashes" })?,
    })
}
