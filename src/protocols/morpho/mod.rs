//! Morpho Blue and Moolah: one adapter, two flavours.
