//! The token graph: tokens are nodes, what a venue trades are edges.
//!
//! ```text
//! WBTC ══ 500, 3000 ══ WETH ── 500 ── USDC        two edges a pool, one each way
//!   └───────── 3000 ────────────────────┘
//! ```

use super::Venue;
use alloy::primitives::{
    Address,
    map::{Entry, HashMap},
};
use std::{collections::VecDeque, sync::Arc};

/// One direction of one venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The venue's place in the graph.
    pub venue: usize,
    /// Sold.
    pub token_in: Address,
    /// Bought.
    pub token_out: Address,
}

/// One trade of a route.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Where.
    pub venue: Arc<dyn Venue>,
    /// Sold.
    pub token_in: Address,
    /// Bought.
    pub token_out: Address,
}

/// All venues and the edges between their tokens, in the order in which the venues were given.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    venues: Vec<Arc<dyn Venue>>,
    edges: Vec<Edge>,
    leaving: HashMap<Address, Vec<usize>>,
    entering: HashMap<Address, Vec<usize>>,
}

impl Graph {
    /// A graph over these venues.
    #[must_use]
    pub fn new(venues: Vec<Arc<dyn Venue>>) -> Self {
        let mut graph = Self { venues, ..Self::default() };
        for (venue, edges_of) in graph.venues.iter().enumerate() {
            for &token_in in edges_of.tokens() {
                for &token_out in edges_of.tokens() {
                    if edges_of.trades(token_in, token_out) {
                        let id = graph.edges.len();
                        graph.edges.push(Edge { venue, token_in, token_out });
                        graph.leaving.entry(token_in).or_default().push(id);
                        graph.entering.entry(token_out).or_default().push(id);
                    }
                }
            }
        }
        graph
    }

    /// The venues.
    #[must_use]
    pub fn venues(&self) -> &[Arc<dyn Venue>] {
        &self.venues
    }

    /// The edge with this number.
    #[must_use]
    pub fn edge(&self, id: usize) -> Option<&Edge> {
        self.edges.get(id)
    }

    /// Numbers of the edges that sell `token`.
    #[must_use]
    pub fn leaving(&self, token: Address) -> &[usize] {
        self.leaving.get(&token).map_or(&[], Vec::as_slice)
    }

    /// Numbers of the edges that buy `token`.
    #[must_use]
    pub fn entering(&self, token: Address) -> &[usize] {
        self.entering.get(&token).map_or(&[], Vec::as_slice)
    }

    /// The edge with this number as a hop.
    #[must_use]
    pub fn hop(&self, id: usize) -> Option<Hop> {
        let edge = self.edges.get(id)?;
        let venue = Arc::clone(self.venues.get(edge.venue)?);
        Some(Hop { venue, token_in: edge.token_in, token_out: edge.token_out })
    }

    /// The least number of hops from each token to `to`, as far as `max_hops`.
    #[must_use]
    pub fn hops_to(&self, to: Address, max_hops: usize) -> HashMap<Address, usize> {
        self.distances(to, max_hops, |token| self.entering(token), |edge| edge.token_in)
    }

    /// The least number of hops from `from` to each token, as far as `max_hops`.
    #[must_use]
    pub fn hops_from(&self, from: Address, max_hops: usize) -> HashMap<Address, usize> {
        self.distances(from, max_hops, |token| self.leaving(token), |edge| edge.token_out)
    }

    fn distances<'a>(
        &'a self,
        start: Address,
        max_hops: usize,
        edges_at: impl Fn(Address) -> &'a [usize],
        far_end: impl Fn(&Edge) -> Address,
    ) -> HashMap<Address, usize> {
        let mut distances: HashMap<Address, usize> = HashMap::from_iter([(start, 0)]);
        let mut queue = VecDeque::from([(start, 0_usize)]);
        while let Some((token, distance)) = queue.pop_front() {
            if distance == max_hops {
                continue;
            }
            for edge in edges_at(token).iter().filter_map(|id| self.edges.get(*id)) {
                let next = far_end(edge);
                if let Entry::Vacant(unseen) = distances.entry(next) {
                    let farther = *unseen.insert(distance.saturating_add(1));
                    queue.push_back((next, farther));
                }
            }
        }
        distances
    }
}
