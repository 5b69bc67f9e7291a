//! The contract that asks pools: it exists on the overlay of a quote only.

use crate::fork::{Layer, View};
use alloy::primitives::{Address, Bytes, address};
use std::sync::Arc;

/// Where the probe stands. No key and no deployer leads to this address, so nothing of the chain is there.
pub const PROBE: Address = address!("4841525249455200000000000000000050524f42");

/// The probe's code as a layer, made once and put on top of every view that quotes.
#[derive(Clone, Debug)]
pub struct Probe {
    layer: Arc<Layer>,
}

impl Probe {
    /// A probe with this runtime code (compiled from `solidity/src/Probe.sol`).
    #[must_use]
    pub fn new(code: Bytes) -> Self {
        Self { layer: Arc::new(Layer::patch(PROBE, Some(code), None, &[])) }
    }

    /// The same state with the probe on top.
    #[must_use]
    pub fn on(&self, view: &View) -> View {
        view.with_layer(Arc::clone(&self.layer))
    }
}
