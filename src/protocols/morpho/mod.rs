//! Morpho Blue and Moolah: one adapter, two flavours.
//!
//! ```text
//! logs ─▶ discovery ─▶ who has debt
//! storage, oracle, rate model ─▶ reading (accrued totals, price) ─▶ boundary ─▶ confirm ─▶ sizes ─▶ terms ─▶ step
//!                                            maths: the same figures as the contract, to the last unit
//! ```
//!
//! Singletons that hold isolated markets: one collateral, one debt, one oracle, one rate model. Anyone may liquidate an insolvent
//! position by any amount; the contract hands over the collateral first, calls back, and pulls the payment after that, so no
//! capital is needed. `docs/morpho.md` says what is exact and what is asked on chain.

mod abi;
mod adapter;
pub mod discovery;
mod flavor;
pub mod maths;
mod reading;
mod revert;
mod sizing;
mod skip;
mod state;
pub mod storage;

pub use adapter::{DEFAULT_MIN_DEBT, Morpho, MorphoSetup};
pub use flavor::{Flavor, Layout, MoolahLayout};
pub use reading::MorphoMarket;
pub use revert::MorphoRevert;
pub use sizing::Offers;
pub use state::{MarketParams, MarketState, Position};
