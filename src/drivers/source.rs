//! Where a session's state and logs come from: a node, or a snapshot that stands in for it at one block.

use super::{
    discovery::{Checkpoints, DiscoverError, Discovery, Progress},
    snapshot::replay_section,
};
use crate::{
    chain::{Head, Node},
    fork::{Fork, ForkError, ForkOptions, Snapshot},
    protocols::Protocol,
};
use alloy::providers::Provider;
use std::sync::Arc;

/// Where a session's state and logs come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A node: any block that it has, and every new one.
    Node(Arc<Node>),
    /// A snapshot: one block, and nothing that was not read when it was taken.
    Snapshot(Arc<Snapshot>),
}

impl Source {
    /// The state at a head; with a snapshot it is the snapshot's own.
    pub(super) fn fork(&self, head: Head, options: ForkOptions) -> Result<Fork, ForkError> {
        match self {
            Self::Node(node) => Fork::start(&node.provider().erased(), head, options),
            Self::Snapshot(snapshot) => Fork::from_snapshot(snapshot, options),
        }
    }

    /// A protocol's replayed logs up to a head.
    pub(super) async fn discover(
        &self,
        protocol: Arc<dyn Protocol>,
        head: &Head,
        checkpoints: &dyn Checkpoints,
        progress: &dyn Progress,
    ) -> Result<Discovery, DiscoverError> {
        match self {
            Self::Node(node) => Discovery::start(protocol, node, head, checkpoints, progress).await,
            Self::Snapshot(snapshot) => {
                let replay = snapshot.section(&replay_section(protocol.id()));
                Discovery::saved(protocol, replay.map(|replay| replay.as_ref()))
            }
        }
    }

    /// The node, for what goes on from the session's first block.
    pub(super) const fn node(&self) -> Result<&Arc<Node>, ForkError> {
        match self {
            Self::Node(node) => Ok(node),
            Self::Snapshot(_) => Err(ForkError::NoNode),
        }
    }
}
