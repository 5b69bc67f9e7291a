//! The best route for an amount on one overlay.
//!
//! The search goes hop by hop and keeps, for each token, only the best amount that reaches it: as a venue never gives
//! less for more, nothing worse can win later. So four fee tiers over ten tokens cost tens of quotes instead of hundreds.
//!
//! ```text
//! exact in:   WBTC 1.0 ─hop─▶ WETH best ─hop─▶ USDC best          largest amount wins
//! exact out:  USDC 900 ◀─hop─ WETH best ◀─hop─ WBTC best          smallest amount wins
//! ```
//!
//! Two things could make a worse prefix win and are dealt with. A pool of several tokens that the better prefix
//! used already: prefixes that used different [shared](super::Venue::shares) contracts are kept apart. A token that the better
//! prefix passed through: with at most three hops the last one ends at the goal and the middle one can only meet
//! the start, which no prefix may pass twice. That is why [`RouterLimits::MOST_HOPS`] is three.

use super::{Graph, Hop, Probe, Quote, Refusal, Route, RoutedHop, Venue, VenueError};
use crate::{
    fork::{ForkError, ReadSet, TargetBlock, View},
    plan::{Skip, SkipReason},
};
use alloy::primitives::{Address, U256, map::HashMap};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Bounds of one search and of what a router remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterLimits {
    /// Longest route; more than [`RouterLimits::MOST_HOPS`] counts as that.
    pub max_hops: usize,
    /// Most quotes that one request may run; remembered ones are free.
    pub max_quotes: usize,
    /// Most quotes that are remembered; beyond it they are run again.
    pub max_remembered: usize,
}

impl RouterLimits {
    /// Up to here the search is exact.
    pub const MOST_HOPS: usize = 3;
}

impl Default for RouterLimits {
    fn default() -> Self {
        Self { max_hops: 2, max_quotes: 64, max_remembered: 4_096 }
    }
}

/// Why there is no route.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// No venue answered yes.
    #[error("no route from {token_in} to {token_out} for {amount} ({} refusals{})", .refusals.len(), .refusals.last().map(|last| format!(", the last: {last}")).unwrap_or_default())]
    NoRoute {
        /// Sold.
        token_in: Address,
        /// Bought.
        token_out: Address,
        /// The exact amount, of the sold or the bought token.
        amount: U256,
        /// What the venues said.
        refusals: Vec<Refusal>,
        /// What the refusals were read from: a change may open a route.
        reads: Box<ReadSet>,
    },
    /// The bound on quotes was reached before any route was found.
    #[error("no route from {token_in} to {token_out} within {quotes} quotes")]
    Exhausted {
        /// Sold.
        token_in: Address,
        /// Bought.
        token_out: Address,
        /// The bound.
        quotes: usize,
    },
    /// A token has no price in wei here. Never zero: the reason is inside.
    #[error("{amount} of {token} has no price in wei")]
    Unpriced {
        /// The token.
        token: Address,
        /// How much of it.
        amount: U256,
        /// Why.
        source: Box<Self>,
    },
    /// Nothing answered because the fork could not; worth another try.
    #[error(transparent)]
    Fork(#[from] ForkError),
}

impl RouteError {
    /// The skip that it means; none when it is worth another try.
    #[must_use]
    pub fn skip(&self) -> Option<Skip> {
        let reason = match self {
            Self::NoRoute { refusals, .. } => {
                let all_zero = !refusals.is_empty() && refusals.iter().all(|refusal| refusal.reason() == SkipReason::ZeroQuote);
                if all_zero { SkipReason::ZeroQuote } else { SkipReason::NoRoute }
            }
            Self::Exhausted { .. } => SkipReason::NoRoute,
            Self::Unpriced { source, .. } => return source.skip().map(|inner| Skip::new(SkipReason::Unpriced, format!("{self}: {}", inner.detail))),
            Self::Fork(_) => return None,
        };
        Some(Skip::new(reason, self.to_string()))
    }
}

/// Which side of a trade is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    In,
    Out,
}

impl Side {
    const fn found(self, quote: &Quote) -> U256 {
        match self {
            Self::In => quote.amount_out,
            Self::Out => quote.amount_in,
        }
    }

    fn better(self, new: U256, old: U256) -> bool {
        match self {
            Self::In => new > old,
            Self::Out => new < old,
        }
    }
}

type Answer = Result<Quote, Refusal>;
type Memory = HashMap<(usize, Side, U256), (Answer, Arc<ReadSet>)>;

/// Finds routes on one overlay and remembers what it was quoted there. Made anew for each overlay; shared by the threads
/// that simulate on it.
#[derive(Debug)]
pub struct Router {
    graph: Arc<Graph>,
    view: View,
    block: TargetBlock,
    limits: RouterLimits,
    weth: Address,
    memory: Mutex<Memory>,
}

/// Best so far at one token.
#[derive(Clone, Debug)]
struct Label {
    amount: U256,
    edges: Vec<(usize, Quote, Arc<ReadSet>)>,
}

/// What one request has seen.
struct Search {
    quotes_left: usize,
    cut_short: bool,
    fork_error: Option<ForkError>,
    refusals: Vec<Refusal>,
    considered: ReadSet,
}

impl Router {
    /// A router over `graph` for one overlay and target block. `weth` is what wei are priced by.
    #[must_use]
    pub fn new(graph: Arc<Graph>, view: &View, block: TargetBlock, probe: &Probe, weth: Address, limits: RouterLimits) -> Self {
        Self::on_prepared(graph, probe.on(view), block, weth, limits)
    }

    /// A router whose view needs no probe, or has it already.
    pub(crate) fn on_prepared(graph: Arc<Graph>, view: View, block: TargetBlock, weth: Address, limits: RouterLimits) -> Self {
        let limits = RouterLimits { max_hops: limits.max_hops.min(RouterLimits::MOST_HOPS), ..limits };
        Self { graph, view, block, limits, weth, memory: Mutex::default() }
    }

    /// The graph that it searches.
    #[must_use]
    pub const fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The route that gives most for exactly `amount` of `token_in`; of equal ones the shortest.
    pub fn best_exact_in(&self, token_in: Address, token_out: Address, amount: U256) -> Result<Route, RouteError> {
        first(self.search(Side::In, token_in, token_out, amount, &[])?, token_in, token_out, amount)
    }

    /// The route that costs least for exactly `amount` of `token_out`; of equal ones the shortest.
    pub fn best_exact_out(&self, token_in: Address, token_out: Address, amount: U256) -> Result<Route, RouteError> {
        first(self.search(Side::Out, token_in, token_out, amount, &[])?, token_in, token_out, amount)
    }

    /// As [`Router::best_exact_in`], over venues that share nothing with another route.
    pub fn best_exact_in_beside(&self, other: &Route, token_in: Address, token_out: Address, amount: U256) -> Result<Route, RouteError> {
        let taken: Vec<Arc<dyn Venue>> = other.hops.iter().map(|routed| Arc::clone(&routed.hop.venue)).collect();
        first(self.search(Side::In, token_in, token_out, amount, &taken)?, token_in, token_out, amount)
    }

    /// The best route of each length, best amount first: a longer one costs more gas, which only a simulation tells.
    pub fn routes_exact_in(&self, token_in: Address, token_out: Address, amount: U256) -> Result<Vec<Route>, RouteError> {
        self.search(Side::In, token_in, token_out, amount, &[])
    }

    /// As [`Router::routes_exact_in`], for an exact amount bought.
    pub fn routes_exact_out(&self, token_in: Address, token_out: Address, amount: U256) -> Result<Vec<Route>, RouteError> {
        self.search(Side::Out, token_in, token_out, amount, &[])
    }

    /// What `amount` of `token` sells for, in wei, with the facets that say so. Zero is worth zero; all that can't be sold
    /// is [`RouteError::Unpriced`].
    pub fn price_in_wei(&self, token: Address, amount: U256) -> Result<(U256, ReadSet), RouteError> {
        if amount.is_zero() {
            return Ok((U256::ZERO, ReadSet::default()));
        }
        match self.best_exact_in(token, self.weth, amount) {
            Ok(route) => Ok((route.amount_out, route.considered)),
            Err(RouteError::Fork(error)) => Err(RouteError::Fork(error)),
            Err(source) => Err(RouteError::Unpriced { token, amount, source: Box::new(source) }),
        }
    }

    /// What the same trades give for another amount, hop by hop.
    pub fn requote_exact_in(&self, route: &Route, amount: U256) -> Result<Route, VenueError> {
        let mut hops = Vec::with_capacity(route.hops.len());
        let (mut carried, mut reads) = (amount, ReadSet::default());
        for RoutedHop { hop, .. } in &route.hops {
            let quote = self.ask(Side::In, hop, carried, &mut reads)?;
            carried = quote.amount_out;
            hops.push(RoutedHop { hop: hop.clone(), quote });
        }
        Ok(Route { hops, amount_in: amount, amount_out: carried, considered: reads.clone(), reads, complete: route.complete })
    }

    /// All best routes by length, best first.
    fn search(&self, side: Side, token_in: Address, token_out: Address, amount: U256, taken: &[Arc<dyn Venue>]) -> Result<Vec<Route>, RouteError> {
        if token_in == token_out {
            return Ok(vec![Route::nothing(amount)]);
        }
        let (start, goal) = match side {
            Side::In => (token_in, token_out),
            Side::Out => (token_out, token_in),
        };
        let mut search =
            Search { quotes_left: self.limits.max_quotes, cut_short: false, fork_error: None, refusals: Vec::new(), considered: ReadSet::default() };
        let best = self.labels(side, start, goal, amount, taken, &mut search);
        let complete = !search.cut_short && search.fork_error.is_none();
        let mut routes: Vec<Route> = best.into_iter().filter_map(|label| self.route(side, amount, label, &search.considered, complete)).collect();
        routes.sort_by(|a, b| match side {
            Side::In => b.amount_out.cmp(&a.amount_out),
            Side::Out => a.amount_in.cmp(&b.amount_in),
        });
        if !routes.is_empty() {
            return Ok(routes);
        }
        match search.fork_error {
            Some(error) => Err(error.into()),
            None if search.cut_short => Err(RouteError::Exhausted { token_in, token_out, quotes: self.limits.max_quotes }),
            None => Err(RouteError::NoRoute { token_in, token_out, amount, refusals: search.refusals, reads: Box::new(search.considered) }),
        }
    }

    /// The best label at the goal for each number of hops that reaches it.
    fn labels(&self, side: Side, start: Address, goal: Address, amount: U256, taken: &[Arc<dyn Venue>], search: &mut Search) -> Vec<Label> {
        let distances = match side {
            Side::In => self.graph.hops_to(goal, self.limits.max_hops),
            Side::Out => self.graph.hops_from(goal, self.limits.max_hops),
        };
        // Keyed by token and by the shared contracts that the prefix used, in an order that is the same each time.
        let mut layer: BTreeMap<(Address, Vec<Address>), Label> = BTreeMap::from([((start, Vec::new()), Label { amount, edges: Vec::new() })]);
        let mut at_goal = Vec::new();
        for hops_left in (0..self.limits.max_hops).rev() {
            let mut next: BTreeMap<(Address, Vec<Address>), Label> = BTreeMap::new();
            let mut best: Option<Label> = None;
            for ((token, shared), label) in &layer {
                let edges = match side {
                    Side::In => self.graph.leaving(*token),
                    Side::Out => self.graph.entering(*token),
                };
                for &id in edges {
                    let (Some(edge), Some(hop)) = (self.graph.edge(id), self.graph.hop(id)) else { continue };
                    let reached = match side {
                        Side::In => edge.token_out,
                        Side::Out => edge.token_in,
                    };
                    let in_reach = distances.get(&reached).is_some_and(|distance| *distance <= hops_left);
                    let repeats = reached == start || hop.venue.shares().iter().any(|contract| shared.contains(contract));
                    if !in_reach || repeats || self.passes(label, reached) || taken.iter().any(|other| meets(&hop, other)) {
                        continue;
                    }
                    let Some((quote, reads)) = self.quote(id, &hop, side, label.amount, search) else { continue };
                    let found = side.found(&quote);
                    let mut edges = label.edges.clone();
                    edges.push((id, quote, reads));
                    let extended = Label { amount: found, edges };
                    if reached == goal {
                        if best.as_ref().is_none_or(|best| side.better(found, best.amount)) {
                            best = Some(extended);
                        }
                        continue;
                    }
                    let mut used = shared.clone();
                    used.extend_from_slice(hop.venue.shares());
                    used.sort_unstable();
                    let key = (reached, used);
                    if next.get(&key).is_none_or(|old| side.better(found, old.amount)) {
                        next.insert(key, extended);
                    }
                }
            }
            at_goal.extend(best);
            layer = next;
        }
        at_goal
    }

    /// Whether a label's way holds the token already.
    fn passes(&self, label: &Label, token: Address) -> bool {
        label.edges.iter().filter_map(|(id, ..)| self.graph.edge(*id)).any(|edge| edge.token_in == token || edge.token_out == token)
    }

    fn route(&self, side: Side, amount: U256, label: Label, considered: &ReadSet, complete: bool) -> Option<Route> {
        let found = label.amount;
        let mut reads = ReadSet::default();
        let mut hops = Vec::with_capacity(label.edges.len());
        for (id, quote, read) in label.edges {
            reads.extend(&read);
            hops.push(RoutedHop { hop: self.graph.hop(id)?, quote });
        }
        let (amount_in, amount_out) = match side {
            Side::In => (amount, found),
            Side::Out => {
                hops.reverse();
                (found, amount)
            }
        };
        Some(Route { hops, amount_in, amount_out, reads, considered: considered.clone(), complete })
    }

    /// One quote within a search: remembered, or run if the bound allows. Failures go into the search's account.
    fn quote(&self, id: usize, hop: &Hop, side: Side, amount: U256, search: &mut Search) -> Option<(Quote, Arc<ReadSet>)> {
        let key = (id, side, amount);
        let remembered = self.memory.lock().get(&key).cloned();
        let (answer, reads) = match remembered {
            Some(known) => known,
            None => {
                let Some(left) = search.quotes_left.checked_sub(1) else {
                    search.cut_short = true;
                    return None;
                };
                search.quotes_left = left;
                let mut reads = ReadSet::default();
                let answer = match self.ask(side, hop, amount, &mut reads) {
                    Ok(quote) => Ok(quote),
                    Err(VenueError::Refused(refusal)) => Err(refusal),
                    // Not remembered: the next request tries again.
                    Err(VenueError::Fork(error)) => {
                        search.considered.extend(&reads);
                        search.fork_error = Some(error);
                        return None;
                    }
                };
                let entry = (answer, Arc::new(reads));
                let mut memory = self.memory.lock();
                if memory.len() < self.limits.max_remembered {
                    memory.insert(key, entry.clone());
                }
                entry
            }
        };
        search.considered.extend(&reads);
        match answer {
            Ok(quote) => Some((quote, reads)),
            Err(refusal) => {
                search.refusals.push(refusal);
                None
            }
        }
    }

    /// Runs one quote.
    fn ask(&self, side: Side, hop: &Hop, amount: U256, reads: &mut ReadSet) -> Result<Quote, VenueError> {
        match side {
            Side::In => hop.venue.quote_exact_in(&self.view, &self.block, hop.token_in, hop.token_out, amount, reads),
            Side::Out => hop.venue.quote_exact_out(&self.view, &self.block, hop.token_in, hop.token_out, amount, reads),
        }
    }
}

/// Whether a hop's venue is another one or shares a contract with it.
fn meets(hop: &Hop, other: &Arc<dyn Venue>) -> bool {
    hop.venue.name() == other.name() || hop.venue.shares().iter().any(|contract| other.shares().contains(contract))
}

fn first(routes: Vec<Route>, token_in: Address, token_out: Address, amount: U256) -> Result<Route, RouteError> {
    let none = || RouteError::NoRoute { token_in, token_out, amount, refusals: Vec::new(), reads: Box::default() };
    routes.into_iter().next().ok_or_else(none)
}
