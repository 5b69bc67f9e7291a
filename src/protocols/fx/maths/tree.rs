//! The tree of nodes: a tick that is emptied leaves its positions behind on a node that points to where the rest went.
//!
//! ```text
//! position ─▶ node ──parent──▶ node ──parent──▶ root      value = shares x the ratios of every node on the way, the root's too
//!             0.54 of debt     0.60                        the root's tick is the position's
//! ```

use super::fixed::{div_down, fits_128, mul, sub};
use crate::protocols::fx::FxRevert;
use alloy::primitives::U256;
use std::collections::BTreeMap;

/// One in node ratios: 2^60.
pub const NODE_ONE: u64 = 1 << 60;

/// A node. Ids begin at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The node that the rest went to; 0 for none.
    pub parent: u64,
    /// The tick that it belongs to, or belonged to.
    pub tick: i16,
    /// What is left of the collateral shares, 2^60 fixed point.
    pub coll_ratio: u64,
    /// What is left of the debt shares, 2^60 fixed point.
    pub debt_ratio: u64,
    /// Collateral shares; of an emptied node those of its last moment.
    pub coll_shares: U256,
    /// Debt shares; of an emptied node those of its last moment.
    pub debt_shares: U256,
}

impl Node {
    /// A node that nothing was added to yet.
    #[must_use]
    pub const fn fresh(tick: i16) -> Self {
        Self { parent: 0, tick, coll_ratio: NODE_ONE, debt_ratio: NODE_ONE, coll_shares: U256::ZERO, debt_shares: U256::ZERO }
    }
}

/// A position's shares traced to its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Collateral shares that are left.
    pub coll_shares: U256,
    /// Debt shares that are left.
    pub debt_shares: U256,
    /// The root's tick; it means something only while there is debt.
    pub tick: i16,
}

/// Nodes, and the current one of each tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TickTree {
    nodes: BTreeMap<u64, Node>,
    current: BTreeMap<i16, u64>,
    next: u64,
}

impl TickTree {
    /// A tree of these nodes; `current` says which one a tick uses now, `next` is the id of the next new one.
    pub fn new(nodes: impl IntoIterator<Item = (u64, Node)>, current: impl IntoIterator<Item = (i16, u64)>, next: u64) -> Self {
        Self { nodes: nodes.into_iter().collect(), current: current.into_iter().collect(), next }
    }

    /// The id of the next new node.
    #[must_use]
    pub const fn next_id(&self) -> u64 {
        self.next
    }

    /// The id of a tick's current node; 0 for none.
    #[must_use]
    pub fn current_id(&self, tick: i16) -> u64 {
        self.current.get(&tick).copied().unwrap_or_default()
    }

    /// A node; all zero where there is none, as storage is.
    #[must_use]
    pub fn node(&self, id: u64) -> Node {
        self.nodes.get(&id).copied().unwrap_or_default()
    }

    /// A tick's current node.
    #[must_use]
    pub fn current(&self, tick: i16) -> Node {
        self.node(self.current_id(tick))
    }

    /// Gives a tick a new node and returns its id. `_newTickTreeNode`.
    pub fn renew(&mut self, tick: i16) -> Result<u64, FxRevert> {
        let id = self.next;
        self.next = id.checked_add(1).ok_or(FxRevert::Overflow)?;
        self.nodes.insert(id, Node::fresh(tick));
        self.current.insert(tick, id);
        Ok(id)
    }

    /// Adds shares to a tick and returns its node's id, a new one where the tick has none.
    pub fn add(&mut self, tick: i16, coll_shares: U256, debt_shares: U256) -> Result<u64, FxRevert> {
        let id = match self.current_id(tick) {
            0 => self.renew(tick)?,
            id => id,
        };
        let node = self.nodes.entry(id).or_insert_with(|| Node::fresh(tick));
        node.coll_shares = fits_128(node.coll_shares.checked_add(coll_shares).ok_or(FxRevert::Overflow)?)?;
        node.debt_shares = fits_128(node.debt_shares.checked_add(debt_shares).ok_or(FxRevert::Overflow)?)?;
        Ok(id)
    }

    /// Writes on an emptied node what is left of it and where that went; ratios are rounded down.
    pub fn retire(&mut self, id: u64, coll_left: U256, debt_left: U256, parent: u64) -> Result<(), FxRevert> {
        let ratio = |left: U256, all: U256| -> Result<u64, FxRevert> {
            u64::try_from(div_down(mul(left, U256::from(NODE_ONE))?, all)?).map_err(|_| FxRevert::Overflow)
        };
        let node = self.nodes.get_mut(&id).ok_or(FxRevert::DivisionByZero)?;
        node.coll_ratio = ratio(coll_left, node.coll_shares)?;
        node.debt_ratio = ratio(debt_left, node.debt_shares)?;
        node.parent = parent;
        Ok(())
    }

    /// Traces a position's shares from its node to the root, rounded down at each node. `_getRootNode`.
    ///
    /// # Errors
    /// [`FxRevert::Empty`] for a chain that never ends, which a contract would run out of gas on.
    pub fn trace(&self, node: u64, coll_shares: U256, debt_shares: U256) -> Result<Traced, FxRevert> {
        let one = U256::from(NODE_ONE);
        let (mut coll, mut debt, mut at) = (one, one, self.node(node));
        for _ in 0..=self.nodes.len() {
            coll = mul(coll, U256::from(at.coll_ratio))? >> 60;
            debt = mul(debt, U256::from(at.debt_ratio))? >> 60;
            if at.parent == 0 {
                return Ok(Traced { coll_shares: mul(coll_shares, coll)? >> 60, debt_shares: mul(debt_shares, debt)? >> 60, tick: at.tick });
            }
            at = self.node(at.parent);
        }
        Err(FxRevert::Empty)
    }

    /// What a tick's current node has after so many shares are taken.
    pub(super) fn left(&self, tick: i16, coll_taken: U256, debt_taken: U256) -> Result<(U256, U256), FxRevert> {
        let node = self.current(tick);
        Ok((sub(node.coll_shares, coll_taken)?, sub(node.debt_shares, debt_taken)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_refused_and_a_position_without_a_node_is_nothing() {
        let circle = |parent| Node { parent, ..Node::fresh(7) };
        let tree = TickTree::new([(1, circle(2)), (2, circle(1))], [], 3);
        assert_eq!(tree.trace(1, U256::ONE, U256::ONE), Err(FxRevert::Empty));
        let nothing = tree.trace(0, U256::ONE, U256::ONE).unwrap();
        assert_eq!((nothing.coll_shares, nothing.debt_shares), (U256::ZERO, U256::ZERO));
    }
}
