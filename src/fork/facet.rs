//! Facets, read sets and state diffs: what a value was computed from, and what a block changed.
//!
//! ```text
//! read set (facets)  ∩  state diff (facets)  =  stale values
//! ```

use alloy::primitives::{Address, U256, map::HashMap, map::HashSet};

/// A word of the block environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EnvWord {
    /// `TIMESTAMP`.
    Timestamp,
    /// `NUMBER`.
    Number,
    /// `BASEFEE`.
    BaseFee,
    /// `GASLIMIT` of the block.
    GasLimit,
    /// `COINBASE`.
    Coinbase,
    /// `PREVRANDAO`.
    PrevRandao,
    /// `BLOBBASEFEE`.
    BlobBaseFee,
    /// `BLOCKHASH` of some height.
    BlockHash,
}

/// One input that a value can be computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Facet {
    /// A storage slot.
    Slot(Address, U256),
    /// An account's balance. An absent account has balance zero, which is a facet too.
    Balance(Address),
    /// An account's code.
    Code(Address),
    /// An account's nonce.
    Nonce(Address),
    /// A word of the block environment.
    Env(EnvWord),
}

impl Facet {
    /// All facets of an account but its storage.
    pub(super) const fn of_account(address: Address) -> [Self; 3] {
        [Self::Balance(address), Self::Nonce(address), Self::Code(address)]
    }

    /// The account that the facet belongs to; none for the environment.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        match self {
            Self::Slot(address, _) | Self::Balance(address) | Self::Code(address) | Self::Nonce(address) => Some(*address),
            Self::Env(_) => None,
        }
    }
}

/// The facets that a value was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    facets: HashSet<Facet>,
}

impl ReadSet {
    /// Adds one facet.
    pub fn insert(&mut self, facet: Facet) {
        self.facets.insert(facet);
    }

    /// Adds all facets of another read set.
    pub fn extend(&mut self, other: &Self) {
        self.facets.extend(other.facets.iter().copied());
    }

    /// Whether the facet is in the set.
    #[must_use]
    pub fn contains(&self, facet: &Facet) -> bool {
        self.facets.contains(facet)
    }

    /// All facets, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Facet> {
        self.facets.iter()
    }

    /// How many facets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.facets.len()
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facets.is_empty()
    }

    /// Whether the value must be computed again for every target block.
    #[must_use]
    pub fn reads_environment(&self) -> bool {
        self.facets.iter().any(|facet| matches!(facet, Facet::Env(_)))
    }

    /// Whether a state diff touches the set.
    #[must_use]
    pub fn is_stale_after(&self, diff: &StateDiff) -> bool {
        diff.iter().any(|change| self.facets.contains(&change.facet))
    }
}

/// One facet that changed. Code is given by its hash, a nonce as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changed.
    pub facet: Facet,
    /// The value before.
    pub old: U256,
    /// The value after.
    pub new: U256,
}

/// The facets that a block or transaction changed, with old and new values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDiff {
    changes: HashMap<Facet, (U256, U256)>,
}

impl StateDiff {
    /// Records a change; a later change of the same facet keeps the first old value, and one that ends where it began disappears.
    pub fn record(&mut self, change: Change) {
        let old = self.changes.get(&change.facet).map_or(change.old, |(old, _)| *old);
        if old == change.new {
            self.changes.remove(&change.facet);
        } else {
            self.changes.insert(change.facet, (old, change.new));
        }
    }

    /// All changes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Change> {
        self.changes.iter().map(|(facet, (old, new))| Change { facet: *facet, old: *old, new: *new })
    }

    /// How many facets changed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
