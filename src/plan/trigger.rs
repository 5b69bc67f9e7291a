//! What made us look.

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What made us look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trigger {
    /// A new head.
    Head {
        /// Its hash.
        hash: B256,
        /// Its number.
        number: u64,
    },
    /// A pending transaction that may change a value.
    Pending {
        /// Its hash.
        hash: B256,
    },
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { number, .. } => write!(f, "head {number}"),
            Self::Pending { hash } => write!(f, "pending {hash}"),
        }
    }
}
