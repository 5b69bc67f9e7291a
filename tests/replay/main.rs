//! Real blocks of Ethereum mainnet executed again, against their headers, their receipts and an independent run of plain revm.
//!
//! The data is found by `HARRIER_REAL_DATA`; without it the tests say so and pass, unless `HARRIER_REQUIRE_REAL_DATA=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what it expects")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "counts and what is left out are said")]

mod blocks;
mod feeds;
mod plain;
mod quotes;

use harrier::drivers::recorded::{Recorded, RecordedBlock};
use serde_json::Value;
use std::{io::Read, path::PathBuf, sync::OnceLock};

/// The data's folder, or none after saying why.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("HARRIER_REAL_DATA").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/real-data"), PathBuf::from);
    if folder.join("code.json.gz").exists() {
        return Some(folder);
    }
    assert!(
        std::env::var("HARRIER_REQUIRE_REAL_DATA").is_ok_and(|word| word != "1") || std::env::var_os("HARRIER_REQUIRE_REAL_DATA").is_none(),
        "real blocks are required and not in {}",
        folder.display()
    );
    eprintln!("skipped: no real blocks in {}; HARRIER_REAL_DATA names their folder", folder.display());
    None
}

/// The folder's code, read once for all tests.
fn recorded() -> Option<&'static Recorded> {
    static RECORDED: OnceLock<Option<Recorded>> = OnceLock::new();
    RECORDED.get_or_init(|| folder().map(|folder| Recorded::open(&folder).unwrap())).as_ref()
}

/// All blocks, through our reader.
fn blocks() -> Vec<RecordedBlock> {
    let Some(recorded) = recorded() else { return Vec::new() };
    let heights = recorded.heights().unwrap();
    assert_eq!(heights.len(), 19);
    heights.iter().map(|height| recorded.read(&recorded.file_of(*height)).unwrap()).collect()
}

/// A file as it is, with nothing of ours in between.
fn raw(height: u64) -> Value {
    let file = std::fs::File::open(recorded().unwrap().file_of(height)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}
