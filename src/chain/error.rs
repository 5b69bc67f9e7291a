//! What goes wrong with a node, and what to do about it.

use crate::config::SecretError;
use alloy::transports::{RpcError, TransportError, TransportErrorKind, http::reqwest};
use std::time::Duration;

/// What an error asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The same call may succeed later, perhaps over a new connection.
    Retry,
    /// This one thing can't be had; the rest can.
    Skip,
    /// Nothing that follows can be right. A person must look.
    Stop,
}

/// Why the node did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No answer in time.
    #[error("the node did not answer {call} within {within:?}")]
    Late {
        /// The call.
        call: &'static str,
        /// How long it had.
        within: Duration,
    },
    /// The connection failed, or could not be made.
    #[error("no connection to the node for {call}")]
    Connection {
        /// The call.
        call: &'static str,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// The node answered that it won't.
    #[error("the node refused {call}: {message} (code {code})")]
    Refused {
        /// The call.
        call: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// What it said.
        message: String,
    },
    /// The node answered something else than the call's type.
    #[error("the node's answer to {call} can't be read")]
    Malformed {
        /// The call.
        call: &'static str,
        /// Why.
        #[source]
        source: TransportError,
    },
    /// The node does not have what was asked for (yet, or any more).
    #[error("the node has no {what}")]
    Absent {
        /// What was asked for.
        what: String,
    },
    /// The answer contradicts the question: another block than asked for, a header without a base fee.
    #[error("the node contradicts itself at {call}: {detail}")]
    Inconsistent {
        /// The call.
        call: &'static str,
        /// How.
        detail: String,
    },
    /// The node is of another chain than configured.
    #[error("the node is of chain {found}, configured is chain {expected}")]
    ChainId {
        /// Configured.
        expected: u64,
        /// The node's answer.
        found: u64,
    },
    /// The configuration names no WebSocket, which pending transactions need.
    #[error("pending transactions need node.ws")]
    NoWebSocket,
    /// The configuration names no URL at all.
    #[error("neither node.http nor node.ws is configured")]
    NoUrl,
    /// The node's URL can't be had.
    #[error("the node's URL can't be read")]
    Url(#[source] SecretError),
    /// The HTTP client can't be built.
    #[error("the HTTP client can't be built")]
    Client(#[source] reqwest::Error),
    /// Whoever listened is gone.
    #[error("nobody listens any more")]
    Unheard,
}

impl ChainError {
    /// Sorts a transport's error by what it means.
    pub(super) fn of(call: &'static str, source: TransportError) -> Self {
        match source {
            RpcError::ErrorResp(refusal) => Self::Refused { call, code: refusal.code, message: refusal.message.to_string() },
            RpcError::NullResp => Self::Absent { what: format!("answer to {call}") },
            source @ (RpcError::DeserError { .. } | RpcError::SerError(_) | RpcError::UnsupportedFeature(_) | RpcError::LocalUsageError(_)) => {
                Self::Malformed { call, source }
            }
            source @ RpcError::Transport(_) => Self::Connection { call, source },
        }
    }

    /// What to do.
    #[must_use]
    pub const fn advice(&self) -> Advice {
        match self {
            Self::Late { .. } | Self::Connection { .. } | Self::Absent { .. } | Self::Inconsistent { .. } => Advice::Retry,
            Self::Refused { .. } | Self::Malformed { .. } => Advice::Skip,
            Self::ChainId { .. } | Self::NoWebSocket | Self::NoUrl | Self::Url(_) | Self::Client(_) | Self::Unheard => Advice::Stop,
        }
    }

    /// Whether the WebSocket behind the call is gone for good, so that a new one must be built.
    #[must_use]
    pub const fn is_backend_gone(&self) -> bool {
        matches!(self, Self::Connection { source: RpcError::Transport(TransportErrorKind::BackendGone), .. })
    }

    /// Whether the node wants fewer requests for a while. That is no reason to ask for less at once, which takes more of them.
    #[must_use]
    pub fn is_rate_limit(&self) -> bool {
        const SAYINGS: &[&str] = &["rate limit", "rate-limit", "ratelimit", "too many requests", "requests per", "request count", "throttle", "compute units"];
        match self {
            Self::Refused { code, message, .. } => {
                let message = message.to_ascii_lowercase();
                *code == 429 || SAYINGS.iter().any(|saying| message.contains(saying))
            }
            Self::Connection { source: RpcError::Transport(kind), .. } => kind.as_http_error().is_some_and(|error| error.status == 429),
            _ => false,
        }
    }

    /// Whether a request for logs was too large for the node. Nodes say so in many ways, some by not answering.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        const SAYINGS: &[&str] =
            &["more than", "too many", "too large", "too wide", "block range", "range is", "limit exceeded", "exceed", "response size", "timed out", "timeout"];
        match self {
            Self::Late { .. } => true,
            limited if limited.is_rate_limit() => false,
            Self::Refused { code, message, .. } => {
                let message = message.to_ascii_lowercase();
                *code == -32005 || SAYINGS.iter().any(|saying| message.contains(saying))
            }
            Self::Connection { source: RpcError::Transport(kind), .. } => kind.as_http_error().is_some_and(|error| error.status == 413),
            Self::Connection { .. }
            | Self::Malformed { .. }
            | Self::Absent { .. }
            | Self::Inconsistent { .. }
            | Self::ChainId { .. }
            | Self::NoWebSocket
            | Self::NoUrl
            | Self::Url(_)
            | Self::Client(_)
            | Self::Unheard => false,
        }
    }
}
