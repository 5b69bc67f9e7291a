//! What is deployed on a devnet, by name.

use super::{DevnetError, abi::MarketParams};
use alloy::{
    primitives::{Address, B256, I256, U256, keccak256},
    sol_types::SolValue,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenFacts {
    /// Its symbol.
    pub symbol: String,
    /// Its contract.
    pub address: Address,
    /// Its decimals.
    pub decimals: u8,
}

/// A price feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedFacts {
    /// Its name, for example `ETH/USD`.
    pub name: String,
    /// Its contract.
    pub address: Address,
    /// The decimals of its answers.
    pub decimals: u8,
    /// Its first answer.
    pub first_answer: I256,
}

/// A market of the real Morpho Blue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarketFacts {
    /// Its name, for example `weth-usdc`: collateral, then loan.
    pub name: String,
    /// Its id in the contract.
    pub id: B256,
    /// The token that is lent.
    pub loan: TokenFacts,
    /// The token that is pledged.
    pub collateral: TokenFacts,
    /// Its oracle.
    pub oracle: Address,
    /// Its interest rate model.
    pub irm: Address,
    /// Its liquidation loan-to-value, 1e18 is one.
    pub lltv: U256,
    /// The feeds that its oracle reads.
    pub feeds: Vec<String>,
}

impl MarketFacts {
    /// The parameters that name it in every call.
    #[must_use]
    pub const fn params(&self) -> MarketParams {
        MarketParams { loanToken: self.loan.address, collateralToken: self.collateral.address, oracle: self.oracle, irm: self.irm, lltv: self.lltv }
    }

    /// The id that the contract gives to such parameters.
    pub(super) fn id_of(params: &MarketParams) -> B256 {
        keccak256(params.abi_encode())
    }
}

/// A pool of the real Uniswap V3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolFacts {
    /// Its contract.
    pub address: Address,
    /// The token with the lower address.
    pub token0: Address,
    /// The token with the higher address.
    pub token1: Address,
    /// Its fee in millionths.
    pub fee: u32,
}

/// All contracts of a devnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contracts {
    /// The block after which everything is there.
    pub ready_at: u64,
    /// The block in which Morpho was deployed: there are no earlier logs.
    pub morpho_since: u64,
    /// Tokens by symbol: WETH, USDC, WBTC, STAKE.
    pub tokens: BTreeMap<String, TokenFacts>,
    /// Feeds by name.
    pub feeds: BTreeMap<String, FeedFacts>,
    /// Morpho Blue.
    pub morpho: Address,
    /// The markets' interest rate model.
    pub irm: Address,
    /// Markets by name.
    pub markets: BTreeMap<String, MarketFacts>,
    /// Uniswap V3's factory.
    pub uniswap_factory: Address,
    /// Uniswap V3's position manager.
    pub position_manager: Address,
    /// Pools.
    pub pools: Vec<PoolFacts>,
}

impl Contracts {
    /// The token with this symbol.
    pub fn token(&self, symbol: &str) -> Result<&TokenFacts, DevnetError> {
        self.tokens.get(symbol).ok_or_else(|| DevnetError::Unknown(format!("token {symbol}")))
    }

    /// The feed of this name.
    pub fn feed(&self, name: &str) -> Result<&FeedFacts, DevnetError> {
        self.feeds.get(name).ok_or_else(|| DevnetError::Unknown(format!("feed {name}")))
    }

    /// The market of this name.
    pub fn market(&self, name: &str) -> Result<&MarketFacts, DevnetError> {
        self.markets.get(name).ok_or_else(|| DevnetError::Unknown(format!("market {name}")))
    }

    /// The pool of these two tokens.
    pub fn pool_of(&self, one: Address, other: Address) -> Result<&PoolFacts, DevnetError> {
        let is_it = |pool: &&PoolFacts| [(one, other), (other, one)].contains(&(pool.token0, pool.token1));
        self.pools.iter().find(is_it).ok_or_else(|| DevnetError::Unknown(format!("pool of {one} and {other}")))
    }
}
