//! Credit notes: collateral that is lent out is paid in them, and they are worth what the short pool's ticks can pay.

use super::super::{FxPool, FxWorld, Opening, Position, Side, abi::Pool, world::WAD};
use crate::devnet::{DevnetError, deploy::units};
use alloy::primitives::U256;

/// Debt of the whole short pool by its collateral, at the anchor price after the fall, in thousandths: under water at the lowest price, not at the highest.
const WHOLE: u64 = 997;
/// The fall that [`FxWorld::redemption_burns`] is made for, in hundredths of a percent.
const FALL: u64 = 250;
/// Ether that buys staked ether, so that the spot price is about half a percent above its average.
const SPOT_TRADE: u64 = 8_000;

/// Long ticks near the window, paid partly in notes, and a short pool that burns notes for nothing.
#[derive(Clone, Debug)]
pub struct Burning {
    /// The long pool.
    pub long: FxPool,
    /// The short pool: its only debt is under water.
    pub short: FxPool,
    /// Long positions that a fall of 2.5 % brings into the window.
    pub bold: Vec<Position>,
    /// By how many hundredths of a percent ETH/USD has to fall.
    pub fall: i32,
}

impl FxWorld<'_> {
    /// Long owners of a pair leave, from the calm to the bold, until the manager has nothing at hand: the last one gets notes for a part.
    async fn collateral_runs_out(&self, symbol: &str) -> Result<(), DevnetError> {
        let pool = self.pool(symbol, Side::Long)?;
        let at_hand = self.collateral_at_hand(symbol).await?;
        let mut taken = U256::ZERO;
        let mut leaving = Vec::new();
        for position in self.first_positions(&pool).await? {
            if taken >= at_hand {
                break;
            }
            taken = taken.saturating_add(position.collateral);
            leaving.push(position);
        }
        if taken < at_hand {
            return Err(DevnetError::Unknown(format!("owner of {symbol} who could leave")));
        }
        self.leave(&leaving).await
    }

    /// The long manager has lent out nearly all collateral of a pair: it has only what a last depositor brings, worth so many dollars.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn collateral_lent_out(&self, symbol: &str, left: u64) -> Result<(), DevnetError> {
        self.founder_leaves(symbol).await?;
        self.collateral_runs_out(symbol).await?;
        let pool = self.pool(symbol, Side::Long)?;
        self.open(&[Opening { who: "the last depositor", pool, dollars: left, ratio: 0 }]).await.map(drop)
    }

    /// Almost all notes of WBTC's short pool are with people who left the long pool: a liquidation there can't repay more than the manager has notes.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn notes_in_third_hands(&self) -> Result<(), DevnetError> {
        self.founder_leaves("WBTC").await?;
        let owners = self.first_positions(&self.pool("WBTC", Side::Long)?).await?;
        let leaving: Vec<Position> = owners.into_iter().skip(2).collect();
        self.leave(&leaving).await
    }

    /// After a fall of ETH/USD by 2.5 % long ticks are paid partly in notes of a short pool whose only debt is under water. The whole pool is under water at the
    /// lowest price, which keeps liquidators out, but not at the highest, so that a redemption is taken and pays nothing.
    ///
    /// # Errors
    /// When somebody's part in it is refused.
    pub async fn redemption_burns(&self) -> Result<Burning, DevnetError> {
        let (long, short) = (self.pool("wstETH", Side::Long)?, self.pool("wstETH", Side::Short)?);
        self.founder_leaves("wstETH").await?;
        let shorts = self.first_positions(&short).await?;
        self.leave(&shorts).await?;
        self.open(&[Opening { who: "a bold short", pool: short.clone(), dollars: 980_000, ratio: 866_000 }]).await?;
        self.devnet.market_moves("WETH", "USDC", 2_000).await?;
        self.scaled("ETH/USD", U256::from(12), U256::from(10)).await?;
        let bold = [("dora", 60_000, 866_000), ("dirk", 40_000, 862_000)];
        let bold = bold.map(|(who, dollars, ratio)| Opening { who, pool: long.clone(), dollars, ratio });
        let bold = self.open(&bold).await?;
        self.collateral_runs_out("wstETH").await?;
        self.open(&[Opening { who: "the last depositor", pool: long.clone(), dollars: 3_600, ratio: 0 }]).await?;
        self.stable_trade(self.fx.weth_st_eth, 0, units(SPOT_TRADE, 18)).await?;

        // Somebody without a debt pledges what makes the whole pool's ratio.
        let anchor = self.price(&short).await?.anchorPrice;
        let after = anchor.saturating_mul(U256::from(10_000)).checked_div(U256::from(10_000 - FALL)).unwrap_or_default();
        let now = self.pool_ratio(&short, after).await?;
        let held = self.devnet.ask("collateral", short.address, &Pool::getTotalRawCollateralsCall {}).await?;
        let needed = held.saturating_mul(now).checked_div(U256::from(WHOLE).saturating_mul(WAD) / U256::from(1_000)).unwrap_or_default();
        let dollars = needed.saturating_sub(held).checked_div(WAD).unwrap_or_default();
        let dollars = u64::try_from(dollars).map_err(|_| DevnetError::Range("a deposit"))?;
        self.open(&[Opening { who: "a calm short", pool: short.clone(), dollars, ratio: 0 }]).await?;
        let fall = i32::try_from(FALL).map_err(|_| DevnetError::Range("a fall"))?.saturating_neg();
        Ok(Burning { long, short, bold, fall })
    }
}
