//! All ticks and all positions of a pool, for people.

use super::{
    FxMarket, FxRevert,
    market::Side,
    maths::{
        fixed::{PRECISION, mul_div_down},
        pool::{Pool, Raw},
        tree::{Node, TickTree},
    },
    reading::Reader,
    storage::{self, Misc, PositionWord, Sides},
};
use crate::protocols::{Listed, ask::Stop};
use alloy::primitives::U256;
use std::collections::BTreeMap;

/// Positions that are shown at most; a pool may have had very many, most of them closed.
const MOST_POSITIONS: usize = 20_000;

/// The ticks, and the positions of the youngest ids.
pub(super) fn listing(reader: &mut Reader<'_>, market: &FxMarket) -> Result<Vec<Listed>, Stop> {
    let mut model = market.model.clone();
    reader.fill_all(market.pool, &mut model)?;
    let mut lines = Vec::new();
    for tick in model.bitmap.ticks() {
        let name = format!("{tick} (node {})", model.tree.current_id(tick));
        lines.push(line(market, "tick", name, model.tick_raw(tick)?)?);
    }
    let misc = Misc::decode(reader.word(market.pool, storage::pool::MISC)?);
    let (mut nodes, mut positions) = (BTreeMap::new(), Vec::new());
    for id in (1..misc.next_position).rev().take(MOST_POSITIONS) {
        let position = PositionWord::decode(reader.word(market.pool, storage::pool::position(id))?);
        if !position.shares.debt.is_zero() {
            follow(reader, market, &mut nodes, position.node)?;
        }
        if position.shares != Sides::default() {
            positions.push((id, position));
        }
    }
    let tree = TickTree::new(nodes, [], misc.next_node);
    for (id, position) in positions {
        lines.push(line(market, "position", id.to_string(), raw(&model, &tree, &position)?)?);
    }
    Ok(lines)
}

/// Reads a node and those that lie above it, as far as they are not known.
fn follow(reader: &mut Reader<'_>, market: &FxMarket, nodes: &mut BTreeMap<u64, Node>, first: u64) -> Result<(), Stop> {
    let mut at = first;
    while at != 0 && !nodes.contains_key(&at) {
        let node = reader.node(market.pool, at)?;
        nodes.insert(at, node);
        at = node.parent;
    }
    Ok(())
}

/// A position's amounts, by way of the tree. One without debt is in no node.
fn raw(model: &Pool, tree: &TickTree, position: &PositionWord) -> Result<Raw, Stop> {
    let (mut colls, mut debts) = (position.shares.coll, U256::ZERO);
    if !position.shares.debt.is_zero() {
        let traced = tree.trace(position.node, position.shares.coll, position.shares.debt)?;
        (colls, debts) = (traced.coll_shares, traced.debt_shares);
    }
    let amounts = || Ok::<_, FxRevert>(Raw { colls: model.raw_colls(colls)?, debts: model.raw_debts(debts)? });
    Ok(amounts()?)
}

fn line(market: &FxMarket, kind: &'static str, name: String, raw: Raw) -> Result<Listed, Stop> {
    let of_boundary = |ratio: U256| ratio.checked_mul(U256::from(100))?.checked_div(market.model.rebalance.debt_ratio)?.try_into().ok();
    let boundary_percent = if raw.debts.is_zero() { None } else { market.debt_ratio(&raw).and_then(of_boundary) };
    // fxUSD has as many decimals as raw amounts; the other token is scaled.
    let in_units = |raw, factor| mul_div_down(raw, PRECISION, factor).map_err(FxRevert::from);
    let (debt, collateral) = match &market.side {
        Side::Long { manager, .. } => (raw.debts, in_units(raw.colls, manager.scaling_factor)?),
        Side::Short { manager, .. } => (in_units(raw.debts, manager.scaling_factor)?, raw.colls),
    };
    Ok(Listed { kind, name, debt, collateral, boundary_percent })
}
