//! Where one deployment is.

use crate::plan::{MarketId, ProtocolId};
use alloy::primitives::Address;
use std::collections::BTreeSet;

/// One deployment. What else a pool needs (reserve, configuration, oracles, notes, thresholds) is read from these contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FxSetup {
    /// The configured name.
    pub id: ProtocolId,
    /// The manager of long pools, `PoolManager`.
    pub long_manager: Address,
    /// The manager of short pools.
    pub short_manager: Address,
    /// What pays for rebalances and liquidations of long pools, `FxUSDBasePool`.
    pub base_pool: Address,
    /// The stablecoin.
    pub fx_usd: Address,
    /// The other token that the base pool takes: USDC.
    pub stable: Address,
    /// The block before which there is nothing.
    pub from_block: u64,
    /// The pools to follow; all that are registered without a list.
    pub pools: Option<BTreeSet<MarketId>>,
}

impl FxSetup {
    /// Whether a pool is followed.
    pub(super) fn follows(&self, pool: Address) -> bool {
        self.pools.as_ref().is_none_or(|pools| pools.contains(&market_of(pool)))
    }
}

/// A pool as a market: its address in the last 20 bytes.
pub(super) fn market_of(pool: Address) -> MarketId {
    MarketId(pool.into_word())
}

/// The pool that a market is.
pub(super) fn pool_of(market: MarketId) -> Address {
    Address::from_word(market.0)
}
