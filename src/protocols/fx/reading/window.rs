//! The part of a pool that an action can touch: ticks from the top down, found from the bitmap.
//!
//! ```text
//! top ├─ liquidatable ─┼─ to be rebalanced ─┼─ a margin ─┤ first tick beyond it │ never read
//! ```
//!
//! So a price move costs what the crossed ticks cost. The margin is there because bad debt raises the ratio of the ticks below while a
//! liquidation goes on.

use super::*;
use crate::protocols::fx::maths::{
    bitmap::{TickBitmap, place, tick_at},
    pool::{DUST, Raw, Threshold},
    tick::NO_TICK,
    tree::{Node, TickTree},
};
use storage::{NodeLink, Ratios, Sides};

/// Ticks are read down to this share (1e18) of the ratio of a rebalance: bad debt of a tenth of a pool's debt is foreseen.
const MARGIN: U256 = uint!(900_000_000_000_000_000_U256);

impl Reader<'_> {
    /// Indices, totals and ratios as they are stored; without ticks.
    pub(super) fn totals(&mut self, pool: Address) -> Result<Pool, Stop> {
        use storage::pool as slots;
        let [misc, ratios, indices, shares] = words(&self.view, pool, [slots::MISC, slots::RATIOS, slots::INDICES, slots::SHARES], &mut self.reads)?;
        let (misc, ratios) = (Misc::decode(misc), Ratios::decode(ratios));
        let (indices, shares) = (Sides::totals(indices), Sides::totals(shares));
        if indices.debt.is_zero() || indices.coll.is_zero() {
            return skip(SkipReason::Trap, "an index is zero: the pool's layout is not the known one");
        }
        Ok(Pool {
            debt_index: indices.debt,
            coll_index: indices.coll,
            total_debt_shares: shares.debt,
            total_coll_shares: shares.coll,
            rebalance: Threshold { debt_ratio: ratios.rebalance_debt, bonus_ratio: ratios.rebalance_bonus },
            liquidate: Threshold { debt_ratio: ratios.liquidate_debt, bonus_ratio: ratios.liquidate_bonus },
            max_redeem_ratio_per_tick: misc.max_redeem_ratio,
            bitmap: TickBitmap::default(),
            tree: TickTree::new([], [], misc.next_node),
        })
    }

    /// Fills in the ticks that rebalances and liquidations at these prices can touch.
    pub(super) fn fill(&mut self, pool: Address, model: &mut Pool, prices: &Prices) -> Result<(), Stop> {
        let price = prices.min.min(prices.liquidate);
        let ratio = model.rebalance.debt_ratio.min(model.liquidate.debt_ratio).saturating_mul(MARGIN) / PRECISION;
        self.fill_while(pool, model, |raw| Ok(raw.debts < DUST || raw.is_at_least(price, ratio).map_err(Skip::from)?))
    }

    /// Fills in the ticks that a redemption of so much debt can touch: those whose own limit a visit, added up, covers it.
    pub(super) fn fill_for_redemption(&mut self, pool: Address, model: &mut Pool, price: U256, raw_debts: U256) -> Result<(), Stop> {
        let limit = model.max_redeem_ratio_per_tick;
        let mut covered = U256::ZERO;
        self.fill_while(pool, model, |raw| {
            if raw.debts >= DUST && !raw.is_at_least(price, PRECISION).map_err(Skip::from)? {
                let a_visit = raw.debts.saturating_mul(limit) / crate::protocols::fx::maths::fixed::FEE_PRECISION;
                covered = covered.saturating_add(a_visit);
            }
            Ok(covered <= raw_debts)
        })
    }

    /// Fills in all ticks.
    pub(in crate::protocols::fx) fn fill_all(&mut self, pool: Address, model: &mut Pool) -> Result<(), Stop> {
        self.fill_while(pool, model, |_| Ok(true))
    }

    /// Fills in ticks from the top down, as long as the last one says so.
    fn fill_while(&mut self, pool: Address, model: &mut Pool, mut goes_on: impl FnMut(&Raw) -> Result<bool, Skip>) -> Result<(), Stop> {
        let misc = Misc::decode(self.word(pool, storage::pool::MISC)?);
        if misc.top_tick == NO_TICK {
            return Ok(());
        }
        let (mut bitmap, mut nodes, mut current) = (TickBitmap::default(), Vec::new(), Vec::new());
        let (mut found, all) = (U256::ZERO, model.total_debt_shares);
        let (first, top) = place(misc.top_tick);
        'words: for word in (i8::MIN..=first).rev() {
            if found >= all {
                break;
            }
            let bits = self.word(pool, storage::pool::bitmap(word.into()))?;
            let from = if word == first { top } else { u8::MAX };
            for bit in (0..=from).rev().filter(|bit| bits.bit(usize::from(*bit))) {
                let tick = tick_at(word, bit);
                let id: u64 = self.word(pool, storage::pool::tick(tick))?.saturating_to();
                let node = self.node(pool, id)?;
                bitmap.set(tick, true);
                nodes.push((id, node));
                current.push((tick, id));
                found = found.saturating_add(node.debt_shares);
                let amounts = || Ok::<_, super::super::FxRevert>(Raw { colls: model.raw_colls(node.coll_shares)?, debts: model.raw_debts(node.debt_shares)? });
                if !goes_on(&amounts().map_err(Skip::from)?)? {
                    break 'words;
                }
            }
        }
        model.bitmap = bitmap;
        model.tree = TickTree::new(nodes, current, misc.next_node);
        Ok(())
    }

    /// A node of a pool's tree.
    pub(in crate::protocols::fx) fn node(&mut self, pool: Address, id: u64) -> Result<Node, Stop> {
        let [link, value] = words(&self.view, pool, storage::pool::node(id), &mut self.reads)?;
        let (link, shares) = (NodeLink::decode(link), Sides::of_node(value));
        Ok(Node {
            parent: link.parent,
            tick: link.tick,
            coll_ratio: link.ratios.coll.saturating_to(),
            debt_ratio: link.ratios.debt.saturating_to(),
            coll_shares: shares.coll,
            debt_shares: shares.debt,
        })
    }
}
