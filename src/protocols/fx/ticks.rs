//! One tick, or the pool, by its own slots.

use super::storage::{self, NodeLink, Sides};
use crate::{
    fork::{ReadSet, View},
    plan::{Skip, SkipReason, TargetKey},
    protocols::{
        OrderKey, TargetReading,
        ask::{Stop, words},
    },
};
use alloy::primitives::{Address, U256};

/// The slots that decide about a target.
pub(super) fn slots(key: TargetKey) -> Vec<U256> {
    match key {
        TargetKey::Tick { tick, node } => {
            i16::try_from(tick).into_iter().flat_map(|tick| [storage::pool::tick(tick)].into_iter().chain(storage::pool::node(node))).collect()
        }
        TargetKey::Pool => vec![storage::pool::SHARES],
        TargetKey::Account(_) => Vec::new(),
    }
}

/// A tick's shares, or the pool's. A tick that another node fills now is closed: that is another target.
pub(super) fn read(view: &View, pool: Address, key: TargetKey, reads: &mut ReadSet) -> Result<TargetReading, Stop> {
    let closed = TargetReading { key: OrderKey::Closed, debt: U256::ZERO, collateral: U256::ZERO };
    let shares = match key {
        TargetKey::Account(account) => return Err(Skip::new(SkipReason::Closed, format!("{account} is no target here: positions lie in ticks")).into()),
        TargetKey::Pool => {
            let [word] = words(view, pool, [storage::pool::SHARES], reads)?;
            Sides::totals(word)
        }
        TargetKey::Tick { tick, node } => {
            let Ok(tick) = i16::try_from(tick) else { return Ok(closed) };
            let [current] = words(view, pool, [storage::pool::tick(tick)], reads)?;
            let [link, value] = words(view, pool, storage::pool::node(node), reads)?;
            if current != U256::from(node) || NodeLink::decode(link).parent != 0 {
                return Ok(closed);
            }
            Sides::of_node(value)
        }
    };
    if shares.debt.is_zero() {
        return Ok(closed);
    }
    // The order is the ticks' own, and the market names those that matter.
    Ok(TargetReading { key: OrderKey::Unordered, debt: shares.debt, collateral: shares.coll })
}
