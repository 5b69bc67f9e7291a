//! Who can be acted on, and what two plans cannot both use.

use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The configured name of one protocol deployment, for example `morpho_blue`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProtocolId(pub Arc<str>);

impl fmt::Display for ProtocolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ProtocolId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

/// One pool, vault or pair of a protocol: a 32-byte id, or an address in its last 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MarketId(pub B256);

impl fmt::Display for MarketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What can be acted on inside a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TargetKey {
    /// The position of one account.
    Account(Address),
    /// A tick, together with the tree node that fills it now: the same number filled again is another target.
    Tick {
        /// The tick number.
        tick: i32,
        /// The node behind it.
        node: u64,
    },
    /// The whole pool.
    Pool,
}

impl fmt::Display for TargetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => fmt::Display::fmt(account, f),
            Self::Tick { tick, node } => write!(f, "tick {tick} (node {node})"),
            Self::Pool => f.write_str("pool"),
        }
    }
}

/// A thing that can be acted on: a position, a tick or a whole pool of a market.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// The protocol deployment.
    pub protocol: ProtocolId,
    /// The market.
    pub market: MarketId,
    /// What of the market.
    pub key: TargetKey,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.protocol, self.market, self.key)
    }
}

/// How far a resource's exclusivity reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResourceScope {
    /// Two plans may not use it in one transaction.
    Tx,
    /// Two plans may not use it in one bundle.
    Bundle,
    /// Two plans may not use it while either is in flight.
    InFlight,
}

/// What two plans can't both use within its scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// How far the exclusivity reaches.
    pub scope: ResourceScope,
    /// The protocol that owns it.
    pub protocol: ProtocolId,
    /// Its identity within the protocol.
    pub id: Bytes,
}
