//! Swaps: venues as edges of a token graph, routes over them, all quoted on one overlay.
//!
//! ```text
//! UniswapV3, CurvePool, WstEth ─▶ Venue.. ─▶ Graph ─┐
//!                             View + Probe ─▶ Router ┴─▶ Route { hops, amounts, reads } ─▶ Step..
//! ```
//!
//! A venue answers by the pool's own code on the overlay, so what it quotes is what its swap moves. A new kind of
//! venue (an ERC-4626 vault, say) is a new file with another [`Venue`]; the graph, the
//! router and the search for sizes know the trait only.
//!
//! Two sorts of failure are kept apart: a [`Refusal`] is the venue's answer ("not for this amount") and part of
//! the market's state; a [`ForkError`] is no answer at all and worth another try.

mod abi;
mod curve;
mod graph;
mod line;
mod probe;
mod route;
mod router;
mod sale;
mod split;
mod uniswap_v3;
mod wsteth;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub use curve::{CurveKind, CurvePool};
pub use graph::{Edge, Graph, Hop};
pub use probe::{PROBE, Probe};
pub use route::{Carry, Route, RoutedHop};
pub use router::{RouteError, Router, RouterLimits};
pub use sale::{Floor, Sale};
pub use split::Split;
pub use uniswap_v3::{UniswapV3, UniswapV3Pool};
pub use wsteth::WstEth;

use crate::{
    fork::{Call, ForkError, ReadSet, TargetBlock, View},
    plan::{Amount, SkipReason, Step},
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use std::{fmt, sync::Arc};

/// What a trade takes and gives, in token units, by the venue's own code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quote {
    /// Paid in units of the token sold.
    pub amount_in: U256,
    /// Received in units of the token bought.
    pub amount_out: U256,
}

/// A trade to be put into a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Sell an amount.
    ExactIn {
        /// How much of the token sold.
        amount: Amount,
        /// The least to receive, in units of the token bought.
        min_out: U256,
    },
    /// Buy an exact amount.
    ExactOut {
        /// How much of the token bought.
        amount_out: U256,
        /// The most to pay, in units of the token sold.
        max_in: U256,
    },
}

/// A venue's "no" for one trade: part of the market's state, so the same overlay gives it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The venue does not trade this pair in this direction.
    #[error("{venue} does not trade {token_in} for {token_out}")]
    NotTraded {
        /// Its name.
        venue: Arc<str>,
        /// Sold.
        token_in: Address,
        /// Bought.
        token_out: Address,
    },
    /// The venue can't be asked for an exact output.
    #[error("{venue} does not sell exact amounts")]
    ExactOutUnsupported {
        /// Its name.
        venue: Arc<str>,
    },
    /// Its liquidity ends before the whole amount is traded.
    #[error("{venue} fills {filled} of {wanted}")]
    Partial {
        /// Its name.
        venue: Arc<str>,
        /// The exact amount that was asked for.
        wanted: U256,
        /// The part of it that it would trade.
        filled: U256,
    },
    /// It is stopped, whatever it quotes.
    #[error("{venue} is stopped")]
    Closed {
        /// Its name.
        venue: Arc<str>,
    },
    /// One side of the trade would be zero.
    #[error("{venue} quotes zero for {amount}")]
    Zero {
        /// Its name.
        venue: Arc<str>,
        /// The exact amount that was asked for.
        amount: U256,
    },
    /// The amount is beyond what the venue's interface can express.
    #[error("{venue} can't express the amount {amount}")]
    TooLarge {
        /// Its name.
        venue: Arc<str>,
        /// The exact amount that was asked for.
        amount: U256,
    },
    /// The venue's code reverted or halted.
    #[error("{venue} reverted with {output}")]
    Reverted {
        /// Its name.
        venue: Arc<str>,
        /// Revert data; empty for a halt.
        output: Bytes,
    },
    /// The venue answered something that its interface does not allow.
    #[error("{venue} answered {output}, which makes no sense")]
    Nonsense {
        /// Its name.
        venue: Arc<str>,
        /// What it answered.
        output: Bytes,
    },
    /// The contract is not what it was configured as.
    #[error("{venue} is not what it was configured as: {reason}")]
    Misconfigured {
        /// Its name.
        venue: Arc<str>,
        /// What differs.
        reason: String,
    },
}

impl Refusal {
    /// The reason for which a plan that needs this trade is skipped.
    #[must_use]
    pub const fn reason(&self) -> SkipReason {
        match self {
            Self::Zero { .. } => SkipReason::ZeroQuote,
            Self::NotTraded { .. }
            | Self::ExactOutUnsupported { .. }
            | Self::Closed { .. }
            | Self::Partial { .. }
            | Self::TooLarge { .. }
            | Self::Reverted { .. }
            | Self::Nonsense { .. }
            | Self::Misconfigured { .. } => SkipReason::NoRoute,
        }
    }
}

/// Why a venue gave no quote.
#[derive(Debug, thiserror::Error)]
pub enum VenueError {
    /// No answer; worth another try.
    #[error(transparent)]
    Fork(#[from] ForkError),
    /// The answer is no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Where tokens are exchanged: edges of the token graph between some of its tokens.
///
/// Quotes run on a view on which the [`Probe`] stands at [`PROBE`]; they change nothing, and add every facet that they
/// read to `reads`, also when they are refused. For one state, selling more never gives less, and buying more
/// never costs less (up to rounding): the router relies on it.
pub trait Venue: Send + Sync + fmt::Debug {
    /// A name for people and logs, unique in a graph.
    fn name(&self) -> &Arc<str>;

    /// The tokens that it trades.
    fn tokens(&self) -> &[Address];

    /// Whether `token_in` can be sold for `token_out` here: any two tokens, unless the venue says less.
    fn trades(&self, token_in: Address, token_out: Address) -> bool {
        token_in != token_out && self.tokens().contains(&token_in) && self.tokens().contains(&token_out)
    }

    /// Contracts whose state a trade moves and that another hop of the same route could use as well: a pool of more than
    /// two tokens, the base pool of a metapool. A route never holds two hops that share one, as both would be
    /// quoted on the same state. A pool of two tokens needs none: using it twice would repeat a token.
    fn shares(&self) -> &[Address] {
        &[]
    }

    /// What selling exactly `amount` gives. The quote's `amount_in` is `amount`; less would be [`Refusal::Partial`].
    fn quote_exact_in(
        &self,
        view: &View,
        block: &TargetBlock,
        token_in: Address,
        token_out: Address,
        amount: U256,
        reads: &mut ReadSet,
    ) -> Result<Quote, VenueError>;

    /// What buying exactly `amount` costs. The quote's `amount_out` is `amount`; less would be [`Refusal::Partial`].
    fn quote_exact_out(
        &self,
        _view: &View,
        _block: &TargetBlock,
        _token_in: Address,
        _token_out: Address,
        _amount: U256,
        _reads: &mut ReadSet,
    ) -> Result<Quote, VenueError> {
        Err(Refusal::ExactOutUnsupported { venue: Arc::clone(self.name()) }.into())
    }

    /// The trade as steps of a plan.
    fn steps(&self, token_in: Address, token_out: Address, swap: Swap) -> Result<Vec<Step>, Refusal>;
}

/// Whether a venue of two tokens sells the first for the second; false is the other way round.
fn sells_first(venue: &Arc<str>, tokens: [Address; 2], token_in: Address, token_out: Address) -> Result<bool, Refusal> {
    let [first, second] = tokens;
    match (token_in, token_out) {
        pair if pair == (first, second) => Ok(true),
        pair if pair == (second, first) => Ok(false),
        _ => Err(Refusal::NotTraded { venue: Arc::clone(venue), token_in, token_out }),
    }
}

/// One call whose answer must decode.
fn ask<C: SolCall>(view: &View, block: &TargetBlock, venue: &Arc<str>, to: Address, call: &C, reads: &mut ReadSet) -> Result<C::Return, VenueError> {
    let outcome = view.call_recorded(block, &Call::new(to, call.abi_encode().into()), reads)?;
    if !outcome.success {
        return Err(Refusal::Reverted { venue: Arc::clone(venue), output: outcome.output }.into());
    }
    C::abi_decode_returns_validate(&outcome.output).map_err(|_| Refusal::Nonsense { venue: Arc::clone(venue), output: outcome.output }.into())
}
