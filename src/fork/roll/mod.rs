//! From one head to the next: three ways to learn what changed, behind one trait, and how changes become a generation.
//!
//! ```text
//!                             ┌─ trace:   the node's diff tracer, withdrawals from the body, system contracts read
//! parent generation + head ───┼─ replay:  the block executed here, checked against its own claims
//!        (Chooser: the        └─ re-read: all that is known is asked again
//!        cheapest that works)        │
//!                                    ▼
//!                                 Changes ──apply──▶ store of the new generation, StateDiff, what each transaction changed
//! ```
//!
//! A way may report only what it knows to have changed, or the new value of everything that was known; applying is the same.
//! Whatever a way learnt from somebody else's word is checked by a few reads at the new head before it is believed.

mod apply;
mod check;
mod choose;
mod questions;
mod replay;
mod reread;
#[cfg(test)]
mod tests;
mod trace;

pub(super) use apply::{apply, stored};
pub(super) use choose::Chooser;
pub use choose::WayReport;
pub(super) use questions::Questions;
pub(super) use replay::Replayed;
pub(super) use reread::{Reread, read_again};
pub(super) use trace::Traced;

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
pub(super) struct Changes {
    /// New values of facets, code by its hash. Facets that are not here keep their value.
    pub(super) values: Vec<NewValue>,
    /// Bytes of code that was not known.
    pub(super) code: B256Map<Bytes>,
    /// What each transaction of the new head's block changed, in order; empty where the way can't tell.
    pub(super) txs: Vec<TxChanges>,
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

impl TxChanges {
    /// Of a transaction with this callee and input, nothing changed yet.
    fn of(to: Option<Address>, input: &[u8]) -> Self {
        Self { to, selector: input.first_chunk::<4>().map(Selector::from), facets: Vec::new() }
    }
}

/// A facet's value at the new head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewValue {
    /// A slot, balance, nonce or code.
    pub(super) facet: Facet,
    /// The value before, where the way knows it. It is taken for facets that are not stored, so that a complete diff
    /// stays complete; a stored value is trusted more.
    pub(super) old: Option<U256>,
    /// The value now.
    pub(super) new: U256,
}

/// A way to learn what changed between two heads.
///
/// `known` is all that the parent knew when the roll began; facets that became known meanwhile are read again by the fork.
pub(super) trait Roller: fmt::Debug + Send + Sync {
    /// A name for logs, figures and errors.
    fn name(&self) -> &'static str;

    /// Whether the way works between any two heads, not only from a parent to its child.
    fn bridges(&self) -> bool {
        false
    }

    /// Finds out at the present head whether the node has what the way needs; [`ForkError::Refused`] if not.
    fn probe<'a>(&'a self, _head: &'a Head) -> BoxFuture<'a, Result<(), ForkError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// What changed from `parent` to `head`; at least every known facet whose value is different. An error says that this way
    /// can't tell, and the next way is tried.
    fn changes<'a>(&'a self, parent: &'a Arc<Generation>, known: &'a Store, head: &'a Head) -> BoxFuture<'a, Result<Changes, ForkError>>;
}
