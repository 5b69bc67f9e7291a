//! Why a snapshot can't be read or written: what was found, and what was expected.

use alloy::primitives::B256;

/// Why a snapshot can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file can't be read.
    #[error("the snapshot {path} can't be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file can't be written.
    #[error("the snapshot {path} can't be written")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It begins with something else.
    #[error("this is no snapshot: it begins with {found}, a snapshot begins with {expected}")]
    NotASnapshot {
        /// Its first bytes in hexadecimal digits.
        found: String,
        /// Those of a snapshot.
        expected: String,
    },
    /// Written by another version of the program.
    #[error("the snapshot has format version {found}, this program reads version {expected}: take it again")]
    Version {
        /// The file's.
        found: u32,
        /// The program's.
        expected: u32,
    },
    /// Of another chain.
    #[error("the snapshot is of chain {found}, the configuration is for chain {expected}")]
    Chain {
        /// The file's.
        found: u64,
        /// The configured one.
        expected: u64,
    },
    /// Its end is missing, or something follows behind it.
    #[error("the snapshot has {found} bytes and must have {expected}: it is {}", if found < expected { "cut off" } else { "followed by something else" })]
    Length {
        /// Bytes that are there.
        found: u64,
        /// Bytes that must be there.
        expected: u64,
    },
    /// A byte is another one than was written.
    #[error("the snapshot is damaged: its checksum is {found}, the file says {expected}")]
    Checksum {
        /// Of what is there.
        found: B256,
        /// Of what was written.
        expected: B256,
    },
    /// More of something than is accepted.
    #[error("the snapshot has {found} {what}, and {most} is the most")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many there may be.
        most: u64,
    },
    /// The content can't be packed or unpacked.
    #[error("the snapshot's content can't be packed or unpacked")]
    Packing(#[source] std::io::Error),
    /// The content is whole, but not what a snapshot holds.
    #[error("the snapshot's {place} can't be used: {reason}")]
    Content {
        /// Which part.
        place: &'static str,
        /// Why.
        reason: String,
    },
}
