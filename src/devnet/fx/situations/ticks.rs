//! Ticks that wait for something else than an oracle's update, and ticks that took others in.

use super::super::{FxPool, FxWorld, Opening, Position, Side, Tick, abi::Gates, world::WAD};
use crate::devnet::{DevnetError, Trader, acts::Acts, deploy::units};
use alloy::primitives::U256;

/// From this debt ratio on a tick may be rebalanced, in thousandths.
const WINDOW: u64 = 880;
/// What a keeper brings for a rebalance, in whole USDC.
const KEEPER_BUDGET: u64 = 500_000;
/// What the lending pool takes for USDC in [`FxWorld::funding_approaches`], 1e27 a year: a half.
const RATE: u128 = 500_000_000_000_000_000_000_000_000;
/// How many times as much the long pool pays, 1e9.
const SLOPE: u128 = 10_000_000_000;
/// What is left to the window in the block after, 1e18 is a whole debt ratio: less than the next block's funding.
const LEFT: u64 = 1_000_000_000_000;
/// The rate is the average over at least half an hour.
const HALF_AN_HOUR: u64 = 1_900;

/// Ticks that a keeper rebalanced into one.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Where.
    pub pool: FxPool,
    /// The nodes that were closed, from the top down: each has the same parent.
    pub closed: Vec<u64>,
    /// The positions in them.
    pub positions: Vec<Position>,
    /// The tick that took their rests in.
    pub into: Tick,
}

impl FxWorld<'_> {
    /// The lowest price of WBTC is that of a spot pool, a little below the anchor, and a position stands close to the window: what is left to it is less than the
    /// one per cent that a trader can move the price by.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn spot_is_lowest(&self) -> Result<(Trader, Position), DevnetError> {
        let pool = self.pool("WBTC", Side::Long)?;
        let mut positions = self.open(&[Opening { who: "iris", pool, dollars: 60_000, ratio: 866_500 }]).await?;
        self.scaled("BTC/USD", U256::from(99), U256::from(100)).await?;
        let trader = self.devnet.trader("a trader", "WBTC", "WETH", units(100, 8)).await?;
        // The pool has 1,000 WBTC: half a percent of it sold is one percent of the price.
        self.devnet.sells(&trader, U256::from(504_000_000_u64)).await?;
        self.devnet.build_block().await?;
        let position = positions.pop().ok_or_else(|| DevnetError::Unknown("position of iris".to_owned()))?;
        Ok((trader, position))
    }

    /// A keeper has rebalanced the boldest ticks of wstETH's long pool after a fall of 3 %: their rests are in one tick now.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn ticks_merge(&self) -> Result<Merged, DevnetError> {
        let pool = self.pool("wstETH", Side::Long)?;
        self.scaled("ETH/USD", U256::from(97), U256::from(100)).await?;
        let ticks = self.ticks_from(&pool, U256::from(WINDOW).saturating_mul(WAD) / U256::from(1_000)).await?;
        let owners = self.first_positions(&pool).await?;
        let positions = owners.into_iter().rev().take(ticks.len()).collect();
        let mut acts = Acts::new(self.devnet);
        for tick in &ticks {
            let raw = self.rival_rebalance(&pool, tick.number, units(KEEPER_BUDGET, 6), U256::ZERO).await?;
            acts.put("rebalance", raw).await?;
        }
        acts.mined().await?;
        let into = self.tick(&pool, self.top_tick(&pool).await?).await?;
        Ok(Merged { closed: ticks.into_iter().map(|tick| tick.node).collect(), pool, positions, into })
    }

    /// Funding has to be paid in wstETH's long pool, and it brings a large position into the window: not in the next block, but in the one after.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn funding_approaches(&self) -> Result<Position, DevnetError> {
        let pool = self.pool("wstETH", Side::Long)?;
        self.funding(&pool, RATE, 0, SLOPE).await?;
        self.devnet.time_passes(HALF_AN_HOUR).await?;
        let mut positions = self.open(&[Opening { who: "lena", pool: pool.clone(), dollars: 10_000_000, ratio: 866_000 }]).await?;
        let position = positions.pop().ok_or_else(|| DevnetError::Unknown("position of lena".to_owned()))?;
        // The block with the price and the next one pay for a slot each since the position was opened.
        let ratio = self.devnet.ask("funding", self.fx.configuration, &Gates::getLongPoolFundingRatioCall { pool: pool.address }).await?;
        let slots = U256::from(crate::devnet::SLOT_SECONDS.saturating_mul(2));
        let paid = ratio.saturating_mul(slots) / U256::from(31_536_000_u64);
        let now = self.debt_ratio(&pool, &self.tick(&pool, self.top_tick(&pool).await?).await?).await?;
        let window = U256::from(WINDOW).saturating_mul(WAD) / U256::from(1_000);
        let wanted = window.saturating_sub(U256::from(LEFT)).saturating_mul(WAD.saturating_sub(paid)) / WAD;
        self.scaled("ETH/USD", now, wanted).await?;
        Ok(position)
    }
}
