//! What closes and opens ways: the base pool's fxUSD, repayment in USDC, feeds that grow old.

use super::super::{FxWorld, Opening, Side, abi::BaseWhole, world::WAD};
use crate::devnet::{DevnetError, acts::Acts, deploy::units};
use alloy::primitives::U256;

/// USDC that buys fxUSD in [`FxWorld::stable_repay_opens`], in whole dollars: of the eight millions that the pool has of each.
const BOUGHT_FOR: u64 = 6_400_000;
/// An hour, in which the pool's average price follows.
const HOUR: u64 = 3_600;
/// The age from which a feed of the devnet's oracles is stale, seconds.
const HEARTBEAT: u64 = 86_400;

impl FxWorld<'_> {
    /// A keeper has liquidated a position of millions for USDC: the base pool has so many fxUSD left, in whole dollars, and USDC for the rest.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn base_pool_used_up(&self, left: u64) -> Result<(), DevnetError> {
        let pool = self.pool("WBTC", Side::Long)?;
        let has = self.devnet.ask("fxUSD", self.fx.base_pool, &BaseWhole::totalYieldTokenCall {}).await?;
        let debt = has.saturating_sub(units(left, 18)).checked_div(WAD).unwrap_or_default();
        let debt = u64::try_from(debt).map_err(|_| DevnetError::Range("a debt"))?;
        // Rounded up: what the position owes is at least what is to go.
        let dollars = debt.saturating_mul(1_000_000).div_ceil(866_000);
        self.open(&[Opening { who: "olga", pool: pool.clone(), dollars, ratio: 866_000 }]).await?;
        let before = self.devnet.answer("BTC/USD").await?;
        self.scaled("BTC/USD", U256::from(91), U256::from(100)).await?;
        let mut acts = Acts::new(self.devnet);
        acts.put("liquidation", self.rival_liquidation(&pool, units(debt, 6)).await?).await?;
        acts.mined().await?;
        self.devnet.price_mined("BTC/USD", before).await.map(drop)
    }

    /// Much fxUSD is bought and an hour passes: its price is above its band, and USDC may be used for repayments.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn stable_repay_opens(&self) -> Result<(), DevnetError> {
        self.stable_trade(self.fx.usdc_fx_usd, 0, units(BOUGHT_FOR, 6)).await?;
        self.devnet.time_passes(HOUR).await
    }

    /// One feed has not been updated for longer than its heartbeat; all others have.
    ///
    /// # Errors
    /// When there is no such feed.
    pub async fn feed_grows_stale(&self, stale: &str) -> Result<(), DevnetError> {
        self.devnet.time_passes(HEARTBEAT + 1).await?;
        for feed in self.devnet.contracts().feeds.keys().filter(|feed| *feed != stale) {
            self.devnet.price(feed, self.devnet.answer(feed).await?).await?;
        }
        self.devnet.build_block().await.map(drop)
    }

    /// wstETH's long pool and the reserve that pays what its collateral does not cover.
    ///
    /// # Errors
    /// When the deployer has not so much.
    pub async fn reserve_has(&self, wrapped: u64) -> Result<(), DevnetError> {
        let pool = self.pool("wstETH", Side::Long)?;
        self.fund_reserve(pool.collateral, units(wrapped, 18)).await
    }
}
