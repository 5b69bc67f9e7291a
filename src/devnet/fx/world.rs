//! What can be read of f(x) on a devnet, in raw units and at the newest block.

use super::{
    FxContracts, FxPair,
    abi::{Pool, SpotOracle, Tokens},
};
use crate::{
    devnet::{Devnet, DevnetError, abi::Token},
    protocols::fx::storage::{NodeLink, Sides},
};
use alloy::primitives::{Address, I256, U256};
use std::ops::Deref;

/// 1e18.
pub(super) const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// 1e36, the scale of a debt ratio's numerator.
const WAD_SQUARED: u128 = 1_000_000_000_000_000_000_000_000_000_000_000_000;

/// Which pool of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Collateral against fxUSD.
    Long,
    /// fxUSD against the collateral of the long pool.
    Short,
}

/// A pool with what a call of it needs to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FxPool {
    /// Its contract.
    pub address: Address,
    /// Which of its pair's.
    pub side: Side,
    /// The pair.
    pub pair: FxPair,
    /// Its manager.
    pub manager: Address,
    /// What is pledged in it.
    pub collateral: Address,
    /// What is owed in it.
    pub owed: Address,
    /// Its oracle.
    pub oracle: Address,
}

/// A tick's node now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Its number.
    pub number: i16,
    /// The node that fills it; 0 for none.
    pub node: u64,
    /// The node's shares.
    pub shares: Sides,
    /// Whether its bit is set.
    pub is_live: bool,
}

/// Dollars for a whole token of a pair's collateral, 1e18, wstETH at its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// At the oracle's lowest price: what long positions are counted at.
    pub low: U256,
    /// At its highest: what short positions are counted at.
    pub high: U256,
}

/// The f(x) world of a devnet: what can be read and done there.
#[derive(Clone, Copy, Debug)]
pub struct FxWorld<'a> {
    pub(super) devnet: &'a Devnet,
    pub(super) fx: &'a FxContracts,
}

impl Deref for FxWorld<'_> {
    type Target = FxContracts;

    fn deref(&self) -> &FxContracts {
        self.fx
    }
}

impl Devnet {
    /// The f(x) world, to read it and to do things there.
    ///
    /// # Errors
    /// When f(x) is not deployed here.
    pub fn fx_world(&self) -> Result<FxWorld<'_>, DevnetError> {
        let fx = self.fx().ok_or_else(|| DevnetError::Unknown("f(x)".to_owned()))?;
        Ok(FxWorld { devnet: self, fx })
    }
}

impl FxWorld<'_> {
    /// A pool by its pair's symbol and its side.
    ///
    /// # Errors
    /// When there is no such pair.
    pub fn pool(&self, symbol: &str, side: Side) -> Result<FxPool, DevnetError> {
        let pair = self.fx.pair(symbol)?.clone();
        let (address, manager, collateral, owed, oracle) = match side {
            Side::Long => (pair.long, self.fx.long_manager, pair.token, self.fx.fx_usd, pair.oracle),
            Side::Short => (pair.short, self.fx.short_manager, self.fx.fx_usd, pair.token, pair.inverse_oracle),
        };
        Ok(FxPool { address, side, pair, manager, collateral, owed, oracle })
    }

    /// A pool's price: of long pools dollars for raw collateral, of short pools raw debt for fxUSD, 1e18.
    ///
    /// # Errors
    /// When the oracle reverts, as it does for a stale feed.
    pub async fn price(&self, pool: &FxPool) -> Result<SpotOracle::getPriceReturn, DevnetError> {
        self.devnet.ask("price", pool.oracle, &SpotOracle::getPriceCall {}).await
    }

    /// What a pair's collateral is worth.
    ///
    /// # Errors
    /// When the oracle reverts.
    pub async fn worth(&self, pair: &FxPair) -> Result<Worth, DevnetError> {
        let price = self.devnet.ask("price", pair.oracle, &SpotOracle::getPriceCall {}).await?;
        let rate = if pair.token == self.fx.wst_eth { self.devnet.ask("rate", self.fx.wst_eth, &Tokens::stEthPerTokenCall {}).await? } else { WAD };
        let of = |price: U256| price.saturating_mul(rate) / WAD;
        Ok(Worth { low: of(price.minPrice), high: of(price.maxPrice) })
    }

    /// The tick with the highest debt ratio; -32768 for a pool without debt.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn top_tick(&self, pool: &FxPool) -> Result<i16, DevnetError> {
        self.devnet.ask("top tick", pool.address, &Pool::getTopTickCall {}).await
    }

    /// A tick's node, its shares and its bit.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn tick(&self, pool: &FxPool, number: i16) -> Result<Tick, DevnetError> {
        let tick = I256::try_from(number).map_err(|_| DevnetError::Range("a tick"))?;
        let node = self.devnet.ask("tick", pool.address, &Pool::tickDataCall { tick }).await?;
        let node: u64 = node.to();
        let (_, shares) = self.node(pool, node).await?;
        let [word, bit] = number.to_be_bytes();
        let map = self.devnet.ask("bitmap", pool.address, &Pool::tickBitmapCall { word: i8::from_be_bytes([word]) }).await?;
        Ok(Tick { number, node, shares, is_live: map.bit(bit.into()) })
    }

    /// Where a node of the tree leads, and its shares.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn node(&self, pool: &FxPool, node: u64) -> Result<(NodeLink, Sides), DevnetError> {
        let node = self.devnet.ask("node", pool.address, &Pool::tickTreeDataCall { node: U256::from(node) }).await?;
        Ok((NodeLink::decode(node.metadata.into()), Sides::of_node(node.value.into())))
    }

    /// All ticks with debt, from the top down.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn ticks(&self, pool: &FxPool) -> Result<Vec<Tick>, DevnetError> {
        let top = self.top_tick(pool).await?;
        let mut ticks = Vec::new();
        let mut word = i8::try_from(top >> 8_u32).unwrap_or(i8::MIN);
        loop {
            let map = self.devnet.ask("bitmap", pool.address, &Pool::tickBitmapCall { word }).await?;
            for bit in (0..=u8::MAX).rev().filter(|bit| map.bit((*bit).into())) {
                let [word] = word.to_be_bytes();
                ticks.push(self.tick(pool, i16::from_be_bytes([word, bit])).await?);
            }
            let Some(next) = word.checked_sub(1) else { return Ok(ticks) };
            word = next;
        }
    }

    /// A tick's debt ratio at the lowest price, 1e18 is all that it is worth; with stored indices, as the pool's getters have it.
    ///
    /// # Errors
    /// When the oracle reverts.
    pub async fn debt_ratio(&self, pool: &FxPool, tick: &Tick) -> Result<U256, DevnetError> {
        let indices = self.devnet.ask("indices", pool.address, &Pool::getDebtAndCollateralIndexCall {}).await?;
        let price = self.price(pool).await?.minPrice;
        let debt = tick.shares.debt.saturating_mul(indices.debtIndex) >> 96_usize;
        let coll = (tick.shares.coll << 96_usize).checked_div(indices.collIndex).unwrap_or_default();
        Ok(debt.saturating_mul(U256::from(WAD_SQUARED)).checked_div(coll.saturating_mul(price)).unwrap_or(U256::MAX))
    }

    /// The ticks from the top down whose debt ratio is at least this, 1e18 is all that they are worth.
    ///
    /// # Errors
    /// When the oracle reverts.
    pub async fn ticks_from(&self, pool: &FxPool, ratio: U256) -> Result<Vec<Tick>, DevnetError> {
        let mut found = Vec::new();
        for tick in self.ticks(pool).await? {
            if self.debt_ratio(pool, &tick).await? >= ratio {
                found.push(tick);
            }
        }
        Ok(found)
    }

    /// The whole pool's debt ratio at a price, 1e18.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn pool_ratio(&self, pool: &FxPool, price: U256) -> Result<U256, DevnetError> {
        let debt = self.devnet.ask("debt", pool.address, &Pool::getTotalRawDebtsCall {}).await?;
        let coll = self.devnet.ask("collateral", pool.address, &Pool::getTotalRawCollateralsCall {}).await?;
        Ok(debt.saturating_mul(U256::from(WAD_SQUARED)).checked_div(coll.saturating_mul(price)).unwrap_or(U256::MAX))
    }

    /// A token's balance of an account.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn balance(&self, token: Address, account: Address) -> Result<U256, DevnetError> {
        self.devnet.ask("balance", token, &Token::balanceOfCall { account }).await
    }

    /// Collateral that the long manager really has, in token units: the rest is lent out.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn collateral_at_hand(&self, symbol: &str) -> Result<U256, DevnetError> {
        self.balance(self.fx.pair(symbol)?.token, self.fx.long_manager).await
    }
}
