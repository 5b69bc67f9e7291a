//! Where everything meets: live runs and dry-runs, one engine with two drivers.
//!
//! ```text
//! HeadStream, PendingStream ─▶ Searcher ─▶ Session { fork, book, engine } ─▶ Outcome ─▶ Sink
//!                                                                                       ├─ live: sign, prove, journal, send, settle
//!                                                                                       └─ dry: report
//! ```

pub mod assemble;
pub mod discovery;
pub mod mempool;
pub mod policy;
pub mod report;
pub mod searcher;
pub mod session;
