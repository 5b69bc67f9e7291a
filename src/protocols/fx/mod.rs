//! f(x): leveraged long and short pools whose positions lie in ticks of equal debt ratio.
//!
//! ```text
//! slots ─▶ storage ─▶ reading ─▶ FxMarket ─▶ maths: funding ─▶ rebalance, liquidate ─▶ managers (scaling, fees, notes) ─▶ offers ─▶ adapter
//! oracle, configuration ──┘                                                    └▶ base pool (what is paid)        └▶ redemption of notes
//! ```

mod abi;
mod adapter;
mod discovery;
mod listing;
mod market;
pub mod maths;
mod offers;
mod parameters;
mod reading;
mod redemption;
mod revert;
mod setup;
mod sizing;
mod skip;
pub mod storage;
mod ticks;

pub use adapter::Fx;
pub use discovery::FxDiscoverer;
pub use market::{Counterparty, Done, FxMarket, Payment, Prices, Redeemable, Side};
pub use redemption::{Redemption, calls as redemption_calls};
pub use revert::FxRevert;
pub use setup::FxSetup;
pub use sizing::Budgets;
