//! What a relay is to the rest of the program: it takes bundles and says so, or says why not.

use super::{Bundle, ResultShape};
use alloy::{primitives::B256, transports::http::reqwest};
use futures::future::BoxFuture;
use std::{fmt, time::Duration};

/// How a relay lets a bundle be withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelStyle {
    /// `eth_cancelBundle` with the replacement id.
    Endpoint,
    /// `eth_sendBundle` without transactions and with the same replacement id.
    EmptyBundle,
    /// It does not.
    None,
}

/// Which optional fields and methods a relay knows. A field that it does not know is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `droppingTxHashes`; without it the trigger goes into `revertingTxHashes`.
    pub dropping_tx_hashes: bool,
    /// `minTimestamp` and `maxTimestamp`.
    pub timestamps: bool,
    /// `replacementUuid`.
    pub replacement: bool,
    /// How to withdraw.
    pub cancel: CancelStyle,
}

/// An answer that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The form of the result.
    pub shape: ResultShape,
    /// The answer's text, cut at [`super::MAX_RAW_BYTES`].
    pub raw: String,
}

/// A relay took the bundle. Nothing is said about inclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The bundle's hash, computed here.
    pub bundle_hash: B256,
    /// What the relay said.
    pub answer: Answered,
}

impl Accepted {
    /// Whether the relay named another hash than ours: it may have understood something else.
    #[must_use]
    pub fn hash_differs(&self) -> bool {
        self.answer.shape.hash().is_some_and(|hash| hash != self.bundle_hash)
    }
}

/// Whether the same request is worth sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    Never,
    /// At once. The same bundle twice is one bundle.
    Now,
    /// Not before this much time has passed.
    After(Duration),
}

/// Why a relay did not take a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// No connection, or it broke.
    #[error("no answer from the relay")]
    Transport(#[source] reqwest::Error),
    /// The time for the request ran out.
    #[error("no answer from the relay within {0:?}")]
    Deadline(Duration),
    /// Our own limit or the relay's HTTP 429: to be sent later, not lost.
    #[error("the rate limit leaves no room for {wait:?}")]
    RateLimited {
        /// When there is room again.
        wait: Duration,
        /// Whether the relay said so; else our own token bucket did, and nothing was sent.
        by_relay: bool,
        /// The relay's words.
        raw: String,
    },
    /// An HTTP status outside 200 to 299.
    #[error("HTTP status {status}: {raw}")]
    Http {
        /// The status.
        status: u16,
        /// The body, bounded.
        raw: String,
    },
    /// A JSON-RPC error, as an object or as a text.
    #[error("the relay refused: {message}")]
    Rpc {
        /// The code, where there was one.
        code: Option<i64>,
        /// Its message.
        message: String,
        /// The body, bounded.
        raw: String,
    },
    /// HTTP 2xx with a body that is no JSON-RPC answer. The relay may have taken the bundle.
    #[error("the relay's answer makes no sense: {raw}")]
    Nonsense {
        /// The body, bounded.
        raw: String,
    },
    /// The identity key did not sign.
    #[error("the identity key did not sign the request")]
    Signing(#[source] alloy::signers::Error),
    /// The request could not be written as JSON.
    #[error("the request could not be serialised")]
    Serialise(#[source] serde_json::Error),
    /// The relay knows no such method.
    #[error("the relay can't {0}")]
    Unsupported(&'static str),
}

impl RelayError {
    /// Whether to send the same request again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Transport(_) => Retry::Now,
            Self::RateLimited { wait, .. } => Retry::After(*wait),
            // The time that is left is not known here; a server's trouble may pass within the slot.
            Self::Http { status, .. } if *status >= 500 => Retry::After(Duration::from_millis(200)),
            // The code of an internal error: the only one that says nothing about the bundle.
            Self::Rpc { code: Some(-32_603), .. } => Retry::After(Duration::from_millis(200)),
            Self::Deadline(_) | Self::Http { .. } | Self::Rpc { .. } | Self::Nonsense { .. } | Self::Signing(_) | Self::Serialise(_) | Self::Unsupported(_) => {
                Retry::Never
            }
        }
    }

    /// Whether the relay may have the bundle although no acceptance was read. Then its operator stays leased until the
    /// target block is decided, exactly as after an acceptance.
    #[must_use]
    pub fn maybe_accepted(&self) -> bool {
        match self {
            // A connection that never stood carried nothing; one that broke may have.
            Self::Transport(source) => !source.is_connect() && !source.is_builder(),
            Self::Deadline(_) | Self::Nonsense { .. } => true,
            // A gateway's trouble says nothing about what stands behind it.
            Self::Http { status, .. } => *status >= 500,
            Self::RateLimited { .. } | Self::Rpc { .. } | Self::Signing(_) | Self::Serialise(_) | Self::Unsupported(_) => false,
        }
    }
}

/// Who takes bundles.
pub trait Relay: Send + Sync + fmt::Debug {
    /// Its name in the configuration, the ledger and metrics.
    fn name(&self) -> &str;

    /// What it knows.
    fn capabilities(&self) -> &Capabilities;

    /// Submits a bundle for its one target block. Acceptance is never inclusion.
    fn send_bundle<'a>(&'a self, bundle: &'a Bundle) -> BoxFuture<'a, Result<Accepted, RelayError>>;

    /// Withdraws what was sent under a replacement id for a target block. A block that is being sealed may still contain it.
    fn cancel_bundle<'a>(&'a self, uuid: &'a str, target_block: u64) -> BoxFuture<'a, Result<Answered, RelayError>>;
}
