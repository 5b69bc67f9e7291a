//! How values stand in the database.

use super::{error::LedgerError, rows::Inputs};
use crate::plan::{Action, MarketId, SkipReason, Target, TargetKey};
use alloy::primitives::{Address, B256};
use rusqlite::Row;
use serde::de::DeserializeOwned;
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

/// Reads the columns `protocol`, `market`, `target` and `action`.
pub(super) fn read_target(row: &Row<'_>, table: &'static str) -> Result<(Target, Action), LedgerError> {
    let (protocol, key): (String, String) = (row.get("protocol")?, row.get("target")?);
    let key = parse_key(&key).ok_or(LedgerError::Corrupt { table, column: "target", wanted: "target" })?;
    let action: String = row.get("action")?;
    let action = Action::ALL.iter().copied().find(|known| known.to_string() == action);
    let target = Target { protocol: protocol.as_str().into(), market: MarketId(parse(row, table, "market", "hash")?), key };
    Ok((target, action.ok_or(LedgerError::Corrupt { table, column: "action", wanted: "action" })?))
}

/// The key that [`target`] wrote.
fn parse_key(text: &str) -> Option<TargetKey> {
    if text == TargetKey::Pool.to_string() {
        return Some(TargetKey::Pool);
    }
    match text.strip_prefix("tick ") {
        Some(rest) => {
            let (tick, node) = rest.strip_suffix(')')?.split_once(" (node ")?;
            Some(TargetKey::Tick { tick: tick.parse().ok()?, node: node.parse().ok()? })
        }
        None => text.parse().ok().map(TargetKey::Account),
    }
}

/// Reads a column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, table: &'static str, column: &'static str) -> Result<T, LedgerError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| LedgerError::Corrupt { table, column, wanted: "JSON of its kind" })
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
    Ok(Inputs {
        parent_hash: parse(row, table, "parent_hash", "hash")?,
        timestamp: number(row, table, "timestamp")?,
        base_fee: number(row, table, "base_fee")?,
        fee_recipient: parse(row, table, "fee_recipient", "address")?,
        in_front: json(row, table, "in_front")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_as_it_was_written() {
        let market = MarketId(B256::repeat_byte(7));
        for key in [TargetKey::Account(Address::repeat_byte(0xab)), TargetKey::Tick { tick: -3, node: 9 }, TargetKey::Pool] {
            let (_, _, text) = target(&Target { protocol: "p".into(), market, key });
            assert_eq!(parse_key(&text), Some(key), "{text}");
        }
        for nonsense in ["", "tick 3", "tick x (node 1)", "0x12", "tick 3 (node 1"] {
            assert_eq!(parse_key(nonsense), None, "{nonsense}");
        }
    }
}
