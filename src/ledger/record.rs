//! Writing: one function a row, run by the writer's thread inside its transaction.

use super::{
    error::LedgerError,
    explain::{Explanation, explain_difference},
    rows::{
        BundleRow, CandidateRow, Checkpoint, Discovered, OpportunityRow, Outcome, OutcomeRow, ProofEnd, ProofRow, RecordId, SkipRow, SubmissionRow, TriggerRow,
    },
    text::{address, hash, hashes, inputs, int, parse, target},
};
use crate::plan::Trigger;
use alloy::primitives::I256;
use rusqlite::{Connection, OptionalExtension, named_params, params};

pub(super) fn trigger(connection: &Connection, id: RecordId, row: &TriggerRow) -> Result<(), LedgerError> {
    let (kind, trigger) = match row.trigger {
        Trigger::Head { hash, .. } => ("head", hash),
        Trigger::Pending { hash } => ("pending", hash),
    };
    connection.prepare_cached("INSERT INTO triggers (id, kind, hash, head_number, head_hash, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        id.0,
        kind,
        hash(trigger),
        int(row.head_number)?,
        hash(row.head_hash),
        int(row.at_ms)?
    ])?;
    Ok(())
}

pub(super) fn opportunity(connection: &Connection, id: RecordId, row: &OpportunityRow) -> Result<(), LedgerError> {
    let (protocol, market, key) = target(&row.target);
    connection
        .prepare_cached(
            "INSERT INTO opportunities (id, trigger_id, protocol, market, target, action, debt_token, collateral_token, debt_hint)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id.0,
            row.trigger.0,
            protocol,
            market,
            key,
            row.action.to_string(),
            address(row.debt_token),
            address(row.collateral_token),
            row.debt_hint.to_string()
        ])?;
    Ok(())
}

pub(super) fn skip(connection: &Connection, id: RecordId, row: &SkipRow) -> Result<(), LedgerError> {
    let (protocol, market, key) = row.target.as_ref().map(target).map_or((None, None, None), |(p, m, k)| (Some(p), Some(m), Some(k)));
    connection
        .prepare_cached(
            "INSERT INTO skips (id, trigger_id, protocol, market, target, action, block, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id.0,
            row.trigger.map(|id| id.0),
            protocol,
            market,
            key,
            row.action.map(|action| action.to_string()),
            int(row.block)?,
            row.skip.reason.name(),
            row.skip.detail
        ])?;
    Ok(())
}

pub(super) fn candidate(connection: &Connection, id: RecordId, row: &CandidateRow) -> Result<(), LedgerError> {
    connection
        .prepare_cached(
            "INSERT INTO candidates (id, opportunity_id, target_block, parent_hash, timestamp, base_fee, fee_recipient, in_front,
                repay, seized, profit_token, profit, profit_wei, gas_used, builder_payment_wei)
             VALUES (:id, :opportunity, :target_block, :parent_hash, :timestamp, :base_fee, :fee_recipient, :in_front,
                :repay, :seized, :profit_token, :profit, :profit_wei, :gas_used, :payment)",
        )?
        .execute(named_params! {
            ":id": id.0,
            ":opportunity": row.opportunity.0,
            ":target_block": int(row.target_block)?,
            ":parent_hash": hash(row.inputs.parent_hash),
            ":timestamp": int(row.inputs.timestamp)?,
            ":base_fee": int(row.inputs.base_fee)?,
            ":fee_recipient": address(row.inputs.fee_recipient),
            ":in_front": hashes(&row.inputs.in_front)?,
            ":repay": row.repay.to_string(),
            ":seized": row.seized.to_string(),
            ":profit_token": address(row.profit_token),
            ":profit": row.profit.to_string(),
            ":profit_wei": row.profit_wei.to_string(),
            ":gas_used": int(row.gas_used)?,
            ":payment": row.builder_payment_wei.to_string(),
        })?;
    Ok(())
}

pub(super) fn bundle(connection: &Connection, id: RecordId, row: &BundleRow) -> Result<(), LedgerError> {
    let candidates: Vec<i64> = row.candidates.iter().map(|id| id.0).collect();
    connection
        .prepare_cached(
            "INSERT INTO bundles (id, state, candidates, operator, target_block, bundle_hash, replacement_uuid,
                parent_hash, timestamp, base_fee, fee_recipient, in_front, profit_wei, gas_used, builder_payment_wei, at_ms)
             VALUES (:id, 'journaled', :candidates, :operator, :target_block, :bundle_hash, :uuid,
                :parent_hash, :timestamp, :base_fee, :fee_recipient, :in_front, :profit_wei, :gas_used, :payment, :at_ms)",
        )?
        .execute(named_params! {
            ":id": id.0,
            ":candidates": serde_json::to_string(&candidates)?,
            ":operator": address(row.operator),
            ":target_block": int(row.target_block)?,
            ":bundle_hash": hash(row.bundle_hash),
            ":uuid": row.replacement_uuid,
            ":parent_hash": hash(row.inputs.parent_hash),
            ":timestamp": int(row.inputs.timestamp)?,
            ":base_fee": int(row.inputs.base_fee)?,
            ":fee_recipient": address(row.inputs.fee_recipient),
            ":in_front": hashes(&row.inputs.in_front)?,
            ":profit_wei": row.profit_wei.to_string(),
            ":gas_used": int(row.gas_used)?,
            ":payment": row.builder_payment_wei.to_string(),
            ":at_ms": int(row.at_ms)?,
        })?;
    let mut insert = connection.prepare_cached("INSERT INTO bundle_txs (bundle_id, position, hash, sender, nonce, ours) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (position, tx) in (0_i64..).zip(&row.txs) {
        insert.execute(params![id.0, position, hash(tx.hash), address(tx.sender), int(tx.nonce)?, tx.ours])?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO bundle_jobs (bundle_id, position, protocol, market, target, action, txs, locks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (position, job) in (0_i64..).zip(&row.jobs) {
        let (protocol, market, key) = target(&job.target);
        let locks = serde_json::to_string(&job.locks)?;
        insert.execute(params![id.0, position, protocol, market, key, job.action.to_string(), hashes(&job.txs)?, locks])?;
    }
    Ok(())
}

pub(super) fn submission(connection: &Connection, id: RecordId, bundle: RecordId, row: &SubmissionRow) -> Result<(), LedgerError> {
    connection
        .prepare_cached("INSERT INTO submissions (id, bundle_id, relay, accepted, response, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![id.0, bundle.0, row.relay, row.accepted, row.response, int(row.at_ms)?])?;
    if row.accepted {
        connection.prepare_cached("UPDATE bundles SET state = 'submitted' WHERE id = ?1 AND state = 'journaled'")?.execute([bundle.0])?;
    }
    Ok(())
}

/// Records a decision about a bundle and its proofs and, where it landed, what its prediction was worth. It supersedes the earlier one: that
/// stays, marked, and the new row names it.
pub(super) fn outcome(
    connection: &Connection,
    (id, proof_ids): (RecordId, &[RecordId]),
    bundle: RecordId,
    row: &OutcomeRow,
) -> Result<Option<Explanation>, LedgerError> {
    let predicted = connection
        .prepare_cached("SELECT parent_hash, timestamp, base_fee, fee_recipient, in_front, profit_wei FROM bundles WHERE id = ?1")?
        .query_row([bundle.0], |row| Ok((inputs(row, "bundles"), parse::<I256>(row, "bundles", "profit_wei", "amount"))))
        .optional()?
        .ok_or(LedgerError::NoBundle(bundle.0))?;
    let (predicted_inputs, predicted_profit) = (predicted.0?, predicted.1?);
    let landed = if let Outcome::Landed(realised) = &row.outcome { Some(realised) } else { None };
    let explanation = landed.map(|realised| explain_difference((&predicted_inputs, predicted_profit), (&realised.inputs, realised.profit_wei)));

    let (lost_to, tx, reason, cost_wei) = match &row.outcome {
        Outcome::Landed(_) | Outcome::Missed => (None, None, None, None),
        Outcome::Lost { to, tx } => (Some(address(*to)), Some(hash(*tx)), None, None),
        Outcome::Reverted { tx, cost_wei } => (None, Some(hash(*tx)), None, Some(cost_wei.to_string())),
        Outcome::Dropped { reason } => (None, None, Some(reason.name()), None),
        Outcome::Undone { .. } => (None, None, Some(REORG), None),
    };
    let on = if let Outcome::Undone { block } = row.outcome { Some(block) } else { row.on };
    let supersedes: Option<i64> = connection
        .prepare_cached("SELECT id FROM outcomes WHERE bundle_id = ?1 AND superseded = 0 ORDER BY id DESC LIMIT 1")?
        .query_row([bundle.0], |row| row.get(0))
        .optional()?;
    connection.prepare_cached("UPDATE outcomes SET superseded = 1 WHERE bundle_id = ?1 AND superseded = 0")?.execute([bundle.0])?;
    connection
        .prepare_cached(
            "INSERT INTO outcomes (id, bundle_id, supersedes, outcome, block, block_hash, lost_to, tx, reason, cost_wei,
                parent_hash, timestamp, base_fee, fee_recipient, in_front, profit_wei, gas_used, builder_payment_wei, differing_input, alarm, at_ms)
             VALUES (:id, :bundle, :supersedes, :outcome, :block, :block_hash, :lost_to, :tx, :reason, :cost_wei,
                :parent_hash, :timestamp, :base_fee, :fee_recipient, :in_front, :profit_wei, :gas_used, :payment, :differing, :alarm, :at_ms)",
        )?
        .execute(named_params! {
            ":id": id.0,
            ":bundle": bundle.0,
            ":supersedes": supersedes,
            ":outcome": row.outcome.name(),
            ":block": on.map(|block| int(block.number)).transpose()?,
            ":block_hash": on.map(|block| hash(block.hash)),
            ":lost_to": lost_to,
            ":tx": tx,
            ":reason": reason,
            ":cost_wei": cost_wei,
            ":parent_hash": landed.map(|realised| hash(realised.inputs.parent_hash)),
            ":timestamp": landed.map(|realised| int(realised.inputs.timestamp)).transpose()?,
            ":base_fee": landed.map(|realised| int(realised.inputs.base_fee)).transpose()?,
            ":fee_recipient": landed.map(|realised| address(realised.inputs.fee_recipient)),
            ":in_front": landed.map(|realised| hashes(&realised.inputs.in_front)).transpose()?,
            ":profit_wei": landed.map(|realised| realised.profit_wei.to_string()),
            ":gas_used": landed.map(|realised| int(realised.gas_used)).transpose()?,
            ":payment": landed.map(|realised| realised.builder_payment_wei.to_string()),
            ":differing": explanation.and_then(|explanation| explanation.differing_input).map(super::InputName::name),
            ":alarm": explanation.is_some_and(|explanation| explanation.is_alarm()),
            ":at_ms": int(row.at_ms)?,
        })?;
    connection.prepare_cached("UPDATE proofs SET superseded = 1 WHERE bundle_id = ?1 AND superseded = 0")?.execute([bundle.0])?;
    for (id, row) in proof_ids.iter().zip(&row.proofs) {
        proof(connection, *id, row)?;
    }
    connection.prepare_cached("UPDATE bundles SET state = ?2 WHERE id = ?1")?.execute(params![bundle.0, row.outcome.name()])?;
    Ok(explanation)
}

/// Why an outcome was undone.
const REORG: &str = "reorg";

pub(super) fn proof(connection: &Connection, id: RecordId, row: &ProofRow) -> Result<(), LedgerError> {
    let (protocol, market, key) = target(&row.target);
    let reason = if let ProofEnd::Skipped(reason) = row.end { Some(reason.name()) } else { None };
    connection
        .prepare_cached(
            "INSERT INTO proofs (id, protocol, market, target, action, block, ending, reason, detail, bundle_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id.0,
            protocol,
            market,
            key,
            row.action.to_string(),
            int(row.block)?,
            row.end.name(),
            reason,
            row.detail,
            row.bundle.map(|id| id.0),
            int(row.at_ms)?
        ])?;
    Ok(())
}

/// Keeps what a range of a discovery found, together with how far it has read.
pub(super) fn checkpoint(connection: &Connection, name: &str, checkpoint: Checkpoint, found: &[Discovered]) -> Result<(), LedgerError> {
    let mut insert = connection
        .prepare_cached("INSERT INTO discovered (name, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (name, key) DO UPDATE SET value = excluded.value")?;
    for item in found {
        insert.execute(params![name, item.key.as_ref(), item.value.as_ref()])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO checkpoints (name, number, hash) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET number = excluded.number, hash = excluded.hash",
        )?
        .execute(params![name, int(checkpoint.number)?, hash(checkpoint.hash)])?;
    Ok(())
}

/// Forgets a discovery, found and checkpoint, so that it starts again.
pub(super) fn forget_discovery(connection: &Connection, name: &str) -> Result<(), LedgerError> {
    connection.execute("DELETE FROM discovered WHERE name = ?1", [name])?;
    connection.execute("DELETE FROM checkpoints WHERE name = ?1", [name])?;
    Ok(())
}
