//! f(x) on a devnet: two long and two short pools with their managers, oracles, stablecoin and markets, all reference contracts behind proxies.
//!
//! ```text
//! proxies ─▶ tokens (stETH, wstETH, fxUSD) ─▶ StableSwap pools ─▶ oracles ─▶ managers, pools ─▶ fxUSD minted, markets filled ─▶ positions
//!
//! devnet.fx_world() ─▶ FxWorld: reading (world) · positions (owners) · keepers, settings (hands) ─▶ situations
//! ```

pub mod abi;
mod deploy;
mod hands;
mod owners;
mod people;
mod situations;
mod world;

pub(super) use deploy::deploy;
pub use owners::{Opening, Position};
pub(super) use people::plant;
pub use situations::{Burning, Merged};
pub use world::{FxPool, FxWorld, Side, Tick, Worth};

use super::DevnetError;
use alloy::primitives::Address;
use serde::Serialize;

/// A long pool: collateral against fxUSD. Its short pool: fxUSD against a loan of that collateral.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FxPair {
    /// The collateral's symbol.
    pub symbol: String,
    /// The collateral.
    pub token: Address,
    /// Its decimals.
    pub decimals: u8,
    /// The long pool.
    pub long: Address,
    /// The short pool.
    pub short: Address,
    /// What the long pool's collateral was lent out for.
    pub note: Address,
    /// The long pool's price.
    pub oracle: Address,
    /// The short pool's price.
    pub inverse_oracle: Address,
}

/// All of f(x) on a devnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FxContracts {
    /// The manager of long pools.
    pub long_manager: Address,
    /// The manager of short pools.
    pub short_manager: Address,
    /// The pool that pays for rebalances and liquidations.
    pub base_pool: Address,
    /// The lock, the gates and the funding ratios.
    pub configuration: Address,
    /// What pays bonuses that collateral does not cover.
    pub reserve: Address,
    /// The stablecoin.
    pub fx_usd: Address,
    /// Staked ether.
    pub st_eth: Address,
    /// Wrapped staked ether.
    pub wst_eth: Address,
    /// USDC (coin 0) against fxUSD.
    pub usdc_fx_usd: Address,
    /// WETH (coin 0) against staked ether.
    pub weth_st_eth: Address,
    /// The lending pool whose borrow index the funding follows.
    pub lending: Address,
    /// Uniswap's router, through which people trade.
    pub router: Address,
    /// Writes several feeds at once, once it is their transmitter.
    pub reporter: Address,
    /// wstETH and WBTC.
    pub pairs: Vec<FxPair>,
    /// The block in which they were ready.
    pub ready_at: u64,
}

impl FxContracts {
    /// The pair of a collateral.
    ///
    /// # Errors
    /// When there is none of this symbol.
    pub fn pair(&self, symbol: &str) -> Result<&FxPair, DevnetError> {
        self.pairs.iter().find(|pair| pair.symbol == symbol).ok_or_else(|| DevnetError::Unknown(format!("f(x) pair of {symbol}")))
    }
}
