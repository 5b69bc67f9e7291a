//! Why a session could not start or go on.

use crate::{
    chain::{Advice, ChainError},
    drivers::discovery::DiscoverError,
    fork::ForkError,
    venues::VenueError,
};

/// Why a session could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The fork.
    #[error(transparent)]
    Fork(#[from] ForkError),
    /// Logs and checkpoints.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// A configured venue.
    #[error("the venues can't be read: {0}")]
    Venues(#[from] VenueError),
    /// A thread of ours ended early.
    #[error("a worker ended early: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

impl SessionError {
    /// Whether the next head is another chance. Otherwise a person must look.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Chain(error) | Self::Discover(DiscoverError::Chain(error)) => !matches!(error.advice(), Advice::Stop),
            Self::Fork(ForkError::NoNode) => false,
            Self::Fork(_) | Self::Venues(VenueError::Fork(_)) => true,
            Self::Discover(_) | Self::Venues(VenueError::Refused(_)) | Self::Worker(_) => false,
        }
    }
}
