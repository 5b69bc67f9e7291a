//! A pool put together from the recorded words alone: of its ticks and of each position it says what the contract's getters did.

use crate::harness::{Outcome, equal};
use alloy::primitives::U256;
use harrier::protocols::fx::{
    maths::{
        bitmap::TickBitmap,
        pool::{Pool, Threshold},
        tree::{Node, TickTree},
    },
    storage::{Misc, NodeLink, PositionWord, Ratios, Sides},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(crate) struct StorageCase {
    slots: Vec<Slot>,
}

#[derive(Debug, Deserialize)]
struct Slot {
    label: String,
    word: U256,
    decoded: Value,
}

impl Slot {
    /// The label without its index, and the index where it has one.
    fn kind(&self) -> Result<(String, Option<i64>), String> {
        let Some((before, rest)) = self.label.split_once('[') else { return Ok((self.label.clone(), None)) };
        let (index, after) = rest.split_once(']').ok_or_else(|| format!("{}: no end of the index", self.label))?;
        let index = index.parse().map_err(|error| format!("{}: {error}", self.label))?;
        Ok((format!("{before}{after}"), Some(index)))
    }
}

/// The words by kind and index.
struct Words(BTreeMap<(String, Option<i64>), U256>);

impl Words {
    fn only(&self, kind: &str) -> Result<U256, String> {
        self.0.get(&(kind.to_owned(), None)).copied().ok_or_else(|| format!("no {kind}"))
    }

    fn indexed<T: TryFrom<i64> + Ord>(&self, kind: &str) -> Result<BTreeMap<T, U256>, String> {
        let of_kind = self.0.iter().filter(|((name, _), _)| name == kind);
        of_kind.map(|((_, index), word)| Ok((index.and_then(|index| T::try_from(index).ok()).ok_or_else(|| format!("{kind}: no index"))?, *word))).collect()
    }
}

pub(crate) fn positions(case: &StorageCase) -> Outcome {
    let words = Words(case.slots.iter().map(|slot| Ok((slot.kind()?, slot.word))).collect::<Result<_, String>>()?);
    let misc = Misc::decode(words.only("miscData")?);
    let pool = pool(&words, &misc)?;
    equal("top tick", &pool.top_tick(), &misc.top_tick)?;
    let debts: U256 = pool.bitmap.ticks().map(|tick| pool.tree.current(tick).debt_shares).sum();
    equal("debt shares of all ticks", &debts, &pool.total_debt_shares)?;
    let mut compared = 0_u32;
    for slot in case.slots.iter().filter(|slot| slot.label.starts_with("positionData")) {
        let stored = PositionWord::decode(slot.word);
        let raw = pool.position_raw(stored.node, stored.shares.coll, stored.shares.debt).map_err(|revert| revert.to_string())?;
        let theirs = |name: &str| slot.decoded.pointer(&format!("/getPosition/{name}")).and_then(Value::as_str).map(str::to_owned);
        equal(&slot.label, &(Some(raw.colls.to_string()), Some(raw.debts.to_string())), &(theirs("rawColls"), theirs("rawDebts")))?;
        compared += 1;
    }
    if compared == 0 { Err("no position".into()) } else { Ok(()) }
}

fn pool(words: &Words, misc: &Misc) -> Result<Pool, String> {
    let ratios = Ratios::decode(words.only("rebalanceRatioData")?);
    let (indices, shares) = (Sides::totals(words.only("indexData")?), Sides::totals(words.only("sharesData")?));
    let values = words.indexed::<u64>("tickTreeData.value")?;
    let nodes = words.indexed::<u64>("tickTreeData.metadata")?.into_iter().map(|(id, link)| {
        let (link, value) = (NodeLink::decode(link), Sides::of_node(*values.get(&id).ok_or_else(|| format!("node {id} without shares"))?));
        let node = Node {
            parent: link.parent,
            tick: link.tick,
            coll_ratio: link.ratios.coll.saturating_to(),
            debt_ratio: link.ratios.debt.saturating_to(),
            coll_shares: value.coll,
            debt_shares: value.debt,
        };
        Ok((id, node))
    });
    let nodes = nodes.collect::<Result<BTreeMap<_, _>, String>>()?;
    let current = words.indexed::<i16>("tickData")?.into_iter().map(|(tick, node)| (tick, node.saturating_to::<u64>()));
    Ok(Pool {
        debt_index: indices.debt,
        coll_index: indices.coll,
        total_debt_shares: shares.debt,
        total_coll_shares: shares.coll,
        rebalance: Threshold { debt_ratio: ratios.rebalance_debt, bonus_ratio: ratios.rebalance_bonus },
        liquidate: Threshold { debt_ratio: ratios.liquidate_debt, bonus_ratio: ratios.liquidate_bonus },
        max_redeem_ratio_per_tick: misc.max_redeem_ratio,
        bitmap: TickBitmap::new(words.indexed::<i8>("tickBitmap")?),
        tree: TickTree::new(nodes, current, misc.next_node),
    })
}
