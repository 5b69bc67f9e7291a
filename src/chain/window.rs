//! The last heads, and what a newer one means for them. Values only; whoever fetches headers is elsewhere.

use super::head::Head;
use std::{collections::VecDeque, sync::Arc};

/// How many heads are remembered: the deepest reorg and the longest gap that are followed head by head.
pub const WINDOW: usize = 64;

/// What happened to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadEvent {
    /// The chain grew by one.
    New {
        /// The new head; its parent is the head before it.
        head: Arc<Head>,
        /// Whether it was fetched because nobody announced it. Its pending transactions were perhaps missed, too.
        gap_filled: bool,
    },
    /// The chain turned: what was `dropped` is no longer part of it. With nothing `added` it was rolled back.
    Reorg {
        /// The newest head that both share.
        common_ancestor: Arc<Head>,
        /// Heads that are gone, newest first.
        dropped: Vec<Arc<Head>>,
        /// Heads in their place, oldest first; the last one is the head now.
        added: Vec<Arc<Head>>,
    },
    /// The first head, or the first after more heads than are remembered: nothing known before can be carried over.
    Reset {
        /// The head now.
        head: Arc<Head>,
    },
}

impl HeadEvent {
    /// The head after the event.
    #[must_use]
    pub fn head(&self) -> &Arc<Head> {
        match self {
            Self::New { head, .. } | Self::Reset { head } => head,
            Self::Reorg { common_ancestor, added, .. } => added.last().unwrap_or(common_ancestor),
        }
    }
}

/// How a head stands to those that are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is the newest one.
    Tip,
    /// It follows the newest one.
    Child,
    /// It is remembered, this many heads below the newest one.
    Below(usize),
    /// Its parent is unknown or not the newest.
    Unknown,
}

/// The last heads, oldest first, each the child of the one before it.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadWindow {
    heads: VecDeque<Arc<Head>>,
}

impl HeadWindow {
    /// The newest head.
    pub(super) fn tip(&self) -> Option<&Arc<Head>> {
        self.heads.back()
    }

    /// How a head stands to those that are remembered.
    pub(super) fn standing(&self, head: &Head) -> Standing {
        let Some(tip) = self.tip() else { return Standing::Unknown };
        if head.parent_hash == tip.hash && head.number == tip.number.saturating_add(1) {
            return Standing::Child;
        }
        match self.heads.iter().rev().position(|known| known.hash == head.hash) {
            Some(0) => Standing::Tip,
            Some(depth) => Standing::Below(depth),
            None => Standing::Unknown,
        }
    }

    /// Whether a head with this hash is remembered.
    pub(super) fn knows(&self, hash: alloy::primitives::B256) -> bool {
        self.heads.iter().any(|head| head.hash == hash)
    }

    /// Forgets all and begins with `head`.
    pub(super) fn reset(&mut self, head: Head) -> HeadEvent {
        let head = Arc::new(head);
        self.heads.clear();
        self.heads.push_back(Arc::clone(&head));
        HeadEvent::Reset { head }
    }

    /// Takes a child of the newest head.
    pub(super) fn grow(&mut self, head: Head, gap_filled: bool) -> HeadEvent {
        let head = Arc::new(head);
        self.push(Arc::clone(&head));
        HeadEvent::New { head, gap_filled }
    }

    /// Replaces what stands above the parent of the first of `branch` (oldest first, each the child of the one before it) by `branch`.
    /// An empty branch rolls back to `ancestor`. None when the ancestor is not remembered.
    pub(super) fn attach(&mut self, ancestor: alloy::primitives::B256, branch: Vec<Head>) -> Option<Vec<HeadEvent>> {
        let depth = self.heads.iter().rev().position(|head| head.hash == ancestor)?;
        if depth == 0 {
            return Some(branch.into_iter().map(|head| self.grow(head, true)).collect());
        }
        let mut dropped = Vec::with_capacity(depth);
        for _ in 0..depth {
            dropped.extend(self.heads.pop_back());
        }
        let common_ancestor = Arc::clone(self.tip()?);
        let added: Vec<Arc<Head>> = branch.into_iter().map(Arc::new).collect();
        for head in &added {
            self.push(Arc::clone(head));
        }
        Some(vec![HeadEvent::Reorg { common_ancestor, dropped, added }])
    }

    fn push(&mut self, head: Arc<Head>) {
        if self.heads.len() >= WINDOW {
            self.heads.pop_front();
        }
        self.heads.push_back(head);
    }

    /// The height of the oldest head that is remembered.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.heads.front().map(|head| head.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;

    /// A head of branch `branch`; numbers say where it stands.
    fn head(number: u64, branch: u8, parent_branch: u8) -> Head {
        let hash = |number: u64, branch: u8| B256::from(alloy::primitives::U256::from(number * 256 + u64::from(branch)));
        Head::placed(number, hash(number, branch), hash(number - 1, parent_branch))
    }

    fn window(to: u64) -> HeadWindow {
        let mut window = HeadWindow::default();
        window.reset(head(100, 0, 0));
        for number in 101..=to {
            window.grow(head(number, 0, 0), false);
        }
        window
    }

    #[test]
    fn a_head_is_placed_by_hash_and_parent() {
        let window = window(105);
        assert_eq!(window.standing(&head(105, 0, 0)), Standing::Tip);
        assert_eq!(window.standing(&head(106, 0, 0)), Standing::Child);
        assert_eq!(window.standing(&head(103, 0, 0)), Standing::Below(2));
        assert_eq!(window.standing(&head(105, 1, 0)), Standing::Unknown);
        assert_eq!(window.standing(&head(107, 0, 0)), Standing::Unknown);
        // Right parent, wrong height: a node that lies about one of them.
        assert_eq!(window.standing(&Head { number: 109, ..head(106, 0, 0) }), Standing::Unknown);
    }

    #[test]
    fn a_branch_replaces_what_stood_above_its_root() {
        let mut window = window(105);
        let branch = vec![head(104, 1, 0), head(105, 1, 1)];
        let events = window.attach(head(103, 0, 0).hash, branch).unwrap();
        let [HeadEvent::Reorg { common_ancestor, dropped, added }] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(common_ancestor.number, 103);
        assert_eq!(dropped.iter().map(|head| head.number).collect::<Vec<_>>(), [105, 104]);
        assert_eq!(added.len(), 2);
        assert_eq!(window.standing(&head(106, 0, 1)), Standing::Child);
        assert_eq!(events[0].head().hash, head(105, 1, 1).hash);
        assert!(!window.knows(head(105, 0, 0).hash));
    }

    #[test]
    fn a_rollback_adds_nothing() {
        let mut window = window(105);
        let events = window.attach(head(102, 0, 0).hash, Vec::new()).unwrap();
        assert_eq!(events[0].head().number, 102);
        assert_eq!(window.tip().unwrap().number, 102);
    }

    #[test]
    fn a_gap_is_filled_head_by_head_and_the_window_stays_bounded() {
        let mut window = window(105);
        let branch: Vec<Head> = (106..=300).map(|number| head(number, 0, 0)).collect();
        let events = window.attach(head(105, 0, 0).hash, branch).unwrap();
        assert_eq!(events.len(), 195);
        assert!(events.iter().all(|event| matches!(event, HeadEvent::New { gap_filled: true, .. })));
        assert_eq!(window.heads.len(), WINDOW);
        assert_eq!(window.oldest(), Some(300 - 63));
        assert!(window.attach(head(105, 0, 0).hash, Vec::new()).is_none());
    }
}
