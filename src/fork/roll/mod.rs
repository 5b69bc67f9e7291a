//! From one head to the next: ways to learn what changed, behind one trait, and how changes become a generation.
//!
//! ```text
//! parent generation + new head ──Roller──▶ Changes ──apply──▶ store of the new generation, StateDiff
//! ```
//!
//! A way may report only what it knows to have changed, or the new value of everything that was known; applying is the same.

mod apply;
mod reread;

pub(super) use apply::apply;
pub(super) use reread::{Reread, read_again};

use super::{Facet, ForkError, Generation, StateDiff, View, store::Store};
use crate::chain::Head;
use alloy::primitives::{Address, Bytes, Selector, U256, map::B256Map};
use futures::future::BoxFuture;
use std::{fmt, sync::Arc};

/// Where a roll led.
#[derive(Clone, Debug)]
pub struct Rolled {
    /// The state at the new head.
    pub view: View,
    /// What is different from the state that was current before.
    pub diff: StateDiff,
    /// What each transaction of the new head's block changed, in order; empty where the way to roll can't tell, and when the
    /// fork went back to a head that it knew.
    pub txs: Vec<TxChanges>,
}

/// New values at a head.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New values of facets, code by its hash. Facets that are not here keep their value.
    pub values: Vec<NewValue>,
    /// Bytes of code that was not known.
    pub code: B256Map<Bytes>,
    /// Accounts that were deleted: every known slot that has no new value is zero.
    pub deleted: Vec<Address>,
    /// What each transaction of the new head's block changed, in order; empty where the way can't tell.
    pub txs: Vec<TxChanges>,
}

/// What one mined transaction changed, for whoever learns which transactions write what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxChanges {
    /// Whom it called; none for a creation.
    pub to: Option<Address>,
    /// The first four bytes of its input; none if there are fewer.
    pub selector: Option<Selector>,
    /// The facets that it changed, each once, in no order.
    pub facets: Vec<Facet>,
}

/// A facet's value at the new head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewValue {
    /// A slot, balance, nonce or code.
    pub facet: Facet,
    /// The value before, where the way knows it. It is taken for facets that are not stored, so that a complete diff
    /// stays complete; a stored value is trusted more.
    pub old: Option<U256>,
    /// The value now.
    pub new: U256,
}

/// A way to learn what changed between two heads.
///
/// `known` is all that the parent knew when the roll began; facets that became known meanwhile are read again by the fork.
pub trait Roller: fmt::Debug + Send + Sync {
    /// A name for logs and figures.
    fn name(&self) -> &'static str;

    /// What changed from `parent` to `head`; at least every known facet whose value is different. `head` need not be a
    /// child of `parent`: a way that can't bridge the gap answers with an error, and the next way is tried.
    fn changes<'a>(&'a self, parent: &'a Arc<Generation>, known: &'a Store, head: &'a Head) -> BoxFuture<'a, Result<Changes, ForkError>>;
}
