//! Which block stands at which height on the way to the session's head: what a decision may be read from, and whether it still holds.
//!
//! ```text
//! head ─parent─▶ known? ──yes──▶ all below it stands as before
//!                  │ no: the header is fetched by its hash, and its parent is looked at
//! ```
//!
//! Nobody is believed who speaks of heights: a node may be on another branch than the head that we work on, and it may lag behind. Parents are
//! named by their hash, so the chain below a head is one and the same whoever tells it.

use crate::{chain::Head, ledger::BlockRef};
use alloy::primitives::B256;
use std::collections::BTreeMap;

/// One block of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    hash: B256,
    parent: B256,
}

/// The blocks below the head, as far as they were asked for. Always in one piece: each is the parent of the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Lineage {
    links: BTreeMap<u64, Link>,
}

impl Lineage {
    /// The block at this height, if it is known.
    pub(super) fn at(&self, number: u64) -> Option<B256> {
        self.links.get(&number).map(|link| link.hash)
    }

    /// Whether a block is certainly not on the way to the head; none where that is not known.
    pub(super) fn lacks(&self, block: BlockRef) -> Option<bool> {
        let (top, _) = self.links.last_key_value()?;
        if block.number > *top {
            return Some(true);
        }
        self.at(block.number).map(|hash| hash != block.hash)
    }

    /// Moves to a head and makes sure of all blocks down to `floor`, with headers that `fetch` gives by their hash.
    ///
    /// # Errors
    /// When a header can't be had: what is known down to there is kept, the rest is made up for at the next head.
    pub(super) async fn follow<E, F>(&mut self, head: &Head, floor: u64, fetch: impl Fn(B256) -> F) -> Result<(), E>
    where
        F: Future<Output = Result<Head, E>>,
    {
        let mut before = std::mem::take(&mut self.links);
        let mut lowest = (head.number, Link { hash: head.hash, parent: head.parent_hash });
        self.links.insert(lowest.0, lowest.1);
        while let Some(below) = lowest.0.checked_sub(1).filter(|below| *below >= floor) {
            if before.get(&below).is_some_and(|link| link.hash == lowest.1.parent) {
                // What was one piece before stays one below this place.
                before.split_off(&lowest.0);
                self.links.append(&mut before);
                match self.links.first_key_value() {
                    Some((number, link)) if *number < lowest.0 => lowest = (*number, *link),
                    _ => return Ok(()),
                }
            } else {
                let parent = fetch(lowest.1.parent).await?;
                lowest = (below, Link { hash: lowest.1.parent, parent: parent.parent_hash });
                self.links.insert(lowest.0, lowest.1);
            }
        }
        let kept = self.links.split_off(&floor.min(head.number));
        self.links = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// The hash of a block of a branch; branches part where a test says so.
    fn hash(number: u64, branch: u8) -> B256 {
        B256::from(alloy::primitives::U256::from(number * 256 + u64::from(branch)))
    }

    fn head(number: u64, branch: u8, parent_branch: u8) -> Head {
        Head::placed(number, hash(number, branch), hash(number - 1, parent_branch))
    }

    /// Gives the headers of two branches that part above `parting`, and counts how often it is asked.
    struct Headers {
        parting: u64,
        asked: Mutex<Vec<u64>>,
        silent: bool,
    }

    impl Headers {
        fn new(parting: u64) -> Self {
            Self { parting, asked: Mutex::default(), silent: false }
        }

        async fn get(&self, wanted: B256) -> Result<Head, String> {
            if self.silent {
                return Err("silent".to_owned());
            }
            for number in 1..200 {
                for branch in 0..2 {
                    if hash(number, branch) == wanted {
                        self.asked.lock().unwrap().push(number);
                        let parent = if number - 1 > self.parting { branch } else { 0 };
                        return Ok(head(number, branch, parent));
                    }
                }
            }
            Err(format!("no block {wanted}"))
        }

        fn asked(&self) -> usize {
            self.asked.lock().unwrap().len()
        }
    }

    fn block(number: u64, branch: u8) -> BlockRef {
        BlockRef { number, hash: hash(number, branch) }
    }

    #[tokio::test]
    async fn heads_in_a_row_cost_nothing_and_a_branch_only_what_is_new_of_it() {
        let headers = Headers::new(103);
        let mut lineage = Lineage::default();
        for number in 100..=106 {
            lineage.follow(&head(number, 0, 0), 100, |hash| headers.get(hash)).await.unwrap();
        }
        assert_eq!(headers.asked(), 0);
        assert_eq!(lineage.lacks(block(105, 0)), Some(false));

        lineage.follow(&head(107, 1, 1), 100, |hash| headers.get(hash)).await.unwrap();
        assert_eq!(headers.asked(), 3, "104 to 106 of the other branch");
        assert_eq!((lineage.lacks(block(105, 0)), lineage.lacks(block(105, 1)), lineage.lacks(block(103, 0))), (Some(true), Some(false), Some(false)));
        assert_eq!(lineage.at(100), Some(hash(100, 0)));
    }

    #[tokio::test]
    async fn a_rollback_takes_back_what_stood_above_and_what_is_below_stays() {
        let headers = Headers::new(200);
        let mut lineage = Lineage::default();
        for number in 100..=106 {
            lineage.follow(&head(number, 0, 0), 100, |hash| headers.get(hash)).await.unwrap();
        }
        lineage.follow(&head(103, 0, 0), 100, |hash| headers.get(hash)).await.unwrap();
        assert_eq!(headers.asked(), 0);
        assert_eq!((lineage.lacks(block(104, 0)), lineage.lacks(block(103, 0)), lineage.lacks(block(101, 0))), (Some(true), Some(false), Some(false)));
    }

    #[tokio::test]
    async fn the_floor_may_sink_and_rise_and_a_gap_is_walked() {
        let headers = Headers::new(200);
        let mut lineage = Lineage::default();
        lineage.follow(&head(110, 0, 0), 110, |hash| headers.get(hash)).await.unwrap();
        assert_eq!(lineage.lacks(block(105, 0)), None, "nobody asked for it");
        lineage.follow(&head(120, 0, 0), 105, |hash| headers.get(hash)).await.unwrap();
        assert_eq!(headers.asked(), 14, "111 to 119 and 105 to 109");
        assert_eq!(lineage.lacks(block(105, 0)), Some(false));
        lineage.follow(&head(121, 0, 0), 118, |hash| headers.get(hash)).await.unwrap();
        assert_eq!((lineage.at(117), lineage.at(118)), (None, Some(hash(118, 0))));
    }

    #[tokio::test]
    async fn a_header_that_can_t_be_had_is_asked_for_again() {
        let mut headers = Headers::new(103);
        let mut lineage = Lineage::default();
        lineage.follow(&head(105, 0, 0), 105, |hash| headers.get(hash)).await.unwrap();
        headers.silent = true;
        assert!(lineage.follow(&head(106, 1, 1), 104, |hash| headers.get(hash)).await.is_err());
        assert_eq!(lineage.lacks(block(105, 0)), None, "it is not known what stands there now");
        headers.silent = false;
        lineage.follow(&head(107, 1, 1), 104, |hash| headers.get(hash)).await.unwrap();
        assert_eq!(lineage.lacks(block(105, 0)), Some(true));
    }
}
