//! Gates between a candidate and a bundle, and the promise that the executor enforces on chain.
//!
//! ```text
//! opportunity ─▶ Gates::screen ─▶ simulation ─▶ Gates::admit ─▶ Promise ─▶ bundle
//!                     │ Skip                         │ Skip        │ Skip
//!                     └──────────────────────────────┴─────────────┴──▶ ledger
//! ```
//!
//! Everything here is a pure function over values; whatever is refused has a reason from the closed set.

mod gates;
mod promise;
mod ratio;

pub use gates::{Gates, KillSwitch, Limits, PriceReading, Proposal};
pub use promise::{Cost, Promise};
pub use ratio::{Bps, BpsOutOfRange, mul_div_down, mul_div_up};
