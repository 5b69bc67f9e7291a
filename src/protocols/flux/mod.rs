//! Flux: vaults whose managers borrow against a bond, liquidated with the collateral first and the payment last.
//!
//! ```text
//! logs ─▶ discovery ─▶ managers        interface: every call and log, marked [D], [R] or [X]
//! vault ─▶ reading ─▶ FluxMarket          ▲
//! manager ─▶ verdict, position ───────────┴─▶ adapter ─▶ liquidate [ settle, convert, prepare the payment ]
//!               └▶ maths: predict, filter, when the dead zone ends
//! ```
//!
//! Of the protocol's interface only parts are public. What is documented, what this project chose and what is an extension is kept
//! apart by the marks `[D]`, `[R]` and `[X]`, as in `solidity/reference/flux`, whose contracts stand in for the protocol's: all that is not
//! documented is in `interface`, the one file to replace.

mod adapter;
mod discovery;
mod interface;
pub mod maths;
mod position;
mod reading;
mod setup;

pub use adapter::Flux;
pub use discovery::FluxDiscoverer;
pub use reading::FluxMarket;
pub use setup::FluxSetup;
