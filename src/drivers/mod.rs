//! Where everything meets: live runs and dry-runs, one engine with two drivers.
//!
//! ```text
//! HeadStream, PendingStream ─▶ Searcher ─▶ Session { fork, book, engine } ─▶ Outcome ─▶ Sink
//!                                                                                       ├─ live: sign, prove, journal, send, settle
//!                                                                                       └─ dry: report
//! ```

pub mod assemble;
mod decisions;
pub mod deploy;
pub mod discovery;
pub mod dropped;
pub mod dry_run;
mod in_flight;
mod lineage;
pub mod live;
pub mod mempool;
mod needs;
pub mod policy;
pub mod public_tx;
mod ready;
pub mod recorded;
pub mod records;
pub mod register;
pub mod replay;
pub mod report;
pub mod searcher;
pub mod session;
pub mod snapshot;
pub mod source;
pub mod start;
pub mod writers;
pub use in_flight::Decided;
