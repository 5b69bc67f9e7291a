//! Whether storage still lies where it is read from: the contracts are proxies, and what stands behind them changes.
//!
//! ```text
//! implementation ─seen before?─▶ yes: go on     no: what the slots say = what the getters say ? ─▶ go on : a trap
//! ```
//!
//! The implementation's slot is in the market's read set, so an upgrade makes the market stale in the block in which it happens.

use super::*;
use crate::protocols::fx::{
    FxRevert,
    maths::{bitmap::place, tick::NO_TICK},
};
use alloy::primitives::{I16, I256};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// Implementations whose layout was compared and fits, by proxy.
#[derive(Debug, Default)]
pub(in crate::protocols::fx) struct Layouts(Mutex<BTreeMap<Address, BTreeSet<Address>>>);

impl Reader<'_> {
    /// The pool's implementation, after this pool, its manager and the base pool were compared with what their getters say, each once an
    /// implementation.
    pub(super) fn known_layout(&mut self, pool: Address, is_long: bool) -> Result<Address, Stop> {
        let (long, short, base) = (self.setup.long_manager, self.setup.short_manager, self.setup.base_pool);
        let implementation = self.compared(pool, |reader| reader.compare_pool(pool, is_long))?;
        self.compared(long, |reader| reader.compare_long_manager(long))?;
        self.compared(if is_long { base } else { short }, |reader| if is_long { reader.compare_base(base) } else { reader.compare_manager(short) })?;
        Ok(implementation)
    }

    fn compared(&mut self, proxy: Address, compare: impl FnOnce(&mut Self) -> Result<(), Stop>) -> Result<Address, Stop> {
        let implementation = self.address_at(proxy, storage::IMPLEMENTATION)?;
        let known = self.layouts.0.lock().get(&proxy).cloned().unwrap_or_default();
        if known.contains(&implementation) {
            return Ok(implementation);
        }
        let reads = self.reads.clone();
        let outcome = compare(self);
        if outcome.is_ok() {
            // What it read decides nothing any more. A refusal heals when something that it was read from changes.
            self.reads = reads;
        }
        if !known.is_empty() {
            tracing::warn!(protocol = %self.setup.id, %proxy, now = %implementation, before = ?known, fits = outcome.is_ok(), "a contract was upgraded");
        }
        outcome?;
        self.layouts.0.lock().entry(proxy).or_default().insert(implementation);
        Ok(implementation)
    }

    fn compare_pool(&mut self, pool: Address, is_long: bool) -> Result<(), Stop> {
        use storage::pool as slots;
        let misc = Misc::decode(self.word(pool, slots::MISC)?);
        let model = self.totals(pool)?;
        let top = self.answer(pool, &abi::Pool::getTopTickCall {})?;
        agree(pool, "getTopTick", I16::unchecked_from(misc.top_tick), I16::unchecked_from(top))?;
        let next = self.answer(pool, &abi::Pool::getNextPositionIdCall {})?;
        agree(pool, "getNextPositionId", misc.next_position, u64::from(next))?;
        agree(pool, "getMaxRedeemRatioPerTick", misc.max_redeem_ratio, self.answer(pool, &abi::Pool::getMaxRedeemRatioPerTickCall {})?)?;
        let indices = self.answer(pool, &abi::Pool::getDebtAndCollateralIndexCall {})?;
        agree(pool, "getDebtAndCollateralIndex", (model.debt_index, model.coll_index), (indices.debtIndex, indices.collIndex))?;
        let shares = self.answer(pool, &abi::Pool::getDebtAndCollateralSharesCall {})?;
        agree(pool, "getDebtAndCollateralShares", (model.total_debt_shares, model.total_coll_shares), (shares.debtShares, shares.collShares))?;
        let ratios = self.answer(pool, &abi::Pool::getRebalanceRatiosCall {})?;
        agree(pool, "getRebalanceRatios", (model.rebalance.debt_ratio, model.rebalance.bonus_ratio), (ratios.debtRatio, ratios.bonusRatio))?;
        let ratios = self.answer(pool, &abi::Pool::getLiquidateRatiosCall {})?;
        agree(pool, "getLiquidateRatios", (model.liquidate.debt_ratio, model.liquidate.bonus_ratio), (ratios.debtRatio, ratios.bonusRatio))?;
        agree(pool, "collateralToken", self.address_at(pool, slots::COLLATERAL)?, self.answer(pool, &abi::Pool::collateralTokenCall {})?)?;
        agree(pool, "priceOracle", self.address_at(pool, slots::ORACLE)?, self.answer(pool, &abi::Pool::priceOracleCall {})?)?;
        agree(pool, "counterparty", self.address_at(pool, slots::COUNTERPARTY)?, self.answer(pool, &abi::Pool::counterpartyCall {})?)?;
        let since = self.funded_at(pool, is_long)?;
        if is_long {
            let snapshot = self.answer(pool, &abi::LongPool::borrowRateSnapshotCall {})?;
            agree(pool, "borrowRateSnapshot", since, snapshot.timestamp.saturating_to())?;
        } else {
            agree(pool, "lastFundingTimestamp", since, self.answer(pool, &abi::ShortPool::lastFundingTimestampCall {})?.saturating_to())?;
        }
        self.compare_top_tick(pool, misc.top_tick)?;
        self.compare_books(pool, is_long)?;
        if !is_long {
            agree(pool, "debtToken", self.address_at(pool, slots::DEBT_TOKEN)?, self.answer(pool, &abi::ShortPool::debtTokenCall {})?)?;
            agree(pool, "creditNote", self.address_at(pool, slots::CREDIT_NOTE)?, self.answer(pool, &abi::ShortPool::creditNoteCall {})?)?;
            agree(pool, "isKilled", !self.word(pool, slots::KILLED)?.is_zero(), self.answer(pool, &abi::ShortPool::isKilledCall {})?)?;
        }
        Ok(())
    }

    /// Bitmap, node and amounts of the top tick.
    fn compare_top_tick(&mut self, pool: Address, top: i16) -> Result<(), Stop> {
        use storage::pool as slots;
        if top == NO_TICK {
            return Ok(());
        }
        let (word, bit) = place(top);
        let bits = self.word(pool, slots::bitmap(word.into()))?;
        agree(pool, "tickBitmap", bits, self.answer(pool, &abi::Pool::tickBitmapCall { word })?)?;
        agree(pool, "tickBitmap of its top tick", bits.bit(usize::from(bit)), true)?;
        let tick = I256::try_from(top).map_err(|_| FxRevert::Overflow)?;
        let node: u64 = self.word(pool, slots::tick(top))?.saturating_to();
        agree(pool, "tickData", node, self.answer(pool, &abi::Pool::tickDataCall { tick })?.to::<u64>())?;
        let stored = words(&self.view, pool, slots::node(node), &mut self.reads)?;
        let told = self.answer(pool, &abi::Pool::tickTreeDataCall { node: U256::from(node) })?;
        agree(pool, "tickTreeData", stored, [told.metadata.into(), told.value.into()])
    }

    /// The scale and the least debt that the manager has for a pool.
    fn compare_books(&mut self, pool: Address, is_long: bool) -> Result<(), Stop> {
        let (manager, token) = if is_long {
            (self.setup.long_manager, self.address_at(pool, storage::pool::COLLATERAL)?)
        } else {
            (self.setup.short_manager, self.address_at(pool, storage::pool::DEBT_TOKEN)?)
        };
        let factor = self.scaling_factor(manager, token)?;
        agree(manager, "getTokenScalingFactor", factor, self.answer(manager, &abi::Manager::getTokenScalingFactorCall { token })?)?;
        if is_long {
            return Ok(());
        }
        let books = Books::short(words(&self.view, manager, storage::pool_info(pool), &mut self.reads)?);
        agree(manager, "getMinRawDebt", books.min_raw_debt, self.answer(manager, &abi::Manager::getMinRawDebtCall { pool })?)
    }

    fn compare_manager(&mut self, manager: Address) -> Result<(), Stop> {
        let fees = Fees::decode(self.word(manager, storage::FEES)?);
        agree(manager, "getLiquidationExpenseRatio", fees.liquidation_expense, self.answer(manager, &abi::Manager::getLiquidationExpenseRatioCall {})?)?;
        agree(manager, "getRedeemFeeRatio", fees.redeem, self.answer(manager, &abi::Manager::getRedeemFeeRatioCall {})?)?;
        agree(manager, "reservePool", self.address_at(manager, storage::RESERVE)?, self.answer(manager, &abi::Manager::reservePoolCall {})?)?;
        agree(manager, "paused", self.word(manager, storage::PAUSED)?.byte(0) != 0, self.answer(manager, &abi::Manager::pausedCall {})?)
    }

    /// The long manager's own slots, and that it belongs to the configured contracts.
    fn compare_long_manager(&mut self, manager: Address) -> Result<(), Stop> {
        self.compare_manager(manager)?;
        let threshold = self.answer(manager, &abi::Manager::permissionedLiquidationThresholdCall {})?;
        agree(manager, "permissionedLiquidationThreshold", self.word(manager, storage::THRESHOLD)?, threshold)?;
        agree(manager, "counterparty (configured as `short_manager`)", self.setup.short_manager, self.answer(manager, &abi::Manager::counterpartyCall {})?)?;
        agree(manager, "fxBASE (configured as `base_pool`)", self.setup.base_pool, self.answer(manager, &abi::Manager::fxBASECall {})?)
    }

    fn compare_base(&mut self, base: Address) -> Result<(), Stop> {
        agree(base, "totalYieldToken", self.word(base, storage::BASE_YIELD)?, self.answer(base, &abi::BasePool::totalYieldTokenCall {})?)?;
        agree(base, "totalSupply", self.word(base, storage::BASE_SUPPLY)?, self.answer(base, &abi::BasePool::totalSupplyCall {})?)?;
        agree(base, "yieldToken (configured as `fx_usd`)", self.setup.fx_usd, self.answer(base, &abi::BasePool::yieldTokenCall {})?)?;
        agree(base, "stableToken (configured as `stable`)", self.setup.stable, self.answer(base, &abi::BasePool::stableTokenCall {})?)
    }
}

fn agree<T: Copy + PartialEq + std::fmt::Debug>(contract: Address, what: &str, ours: T, theirs: T) -> Result<(), Stop> {
    if ours == theirs {
        Ok(())
    } else {
        skip(SkipReason::Trap, format!("{contract} answers {theirs:?} to {what} where {ours:?} is expected: its layout is not the known one"))
    }
}
