//! Known state at one block as a file, so that a run needs no node.
//!
//! ```text
//! Generation::known ─▶ Snapshot ─encode─▶ header │ zstd(content) ─▶ temporary file ─▶ renamed
//!                         ▲                                              │
//!   Fork::from_snapshot ◀─┴──────decode ◀── limits, version, checksum ◀──┘
//! ```
//!
//! The bytes are sorted and have one form only: the same knowledge gives the same file. What comes from a file is not
//! believed: every length and count is bounded before memory is taken for it, and code is hashed again. The layout is in
//! `docs/snapshots.md`.

mod content;
mod error;
mod header;

pub use error::SnapshotError;

use super::{Generation, Store};
use crate::chain::Head;
use alloy::primitives::{Address, Bytes};
use header::Header;
use std::{
    collections::BTreeMap,
    fs::{File, Permissions},
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;
/// Most bytes of a file.
pub(super) const MOST_FILE: u64 = 256 << 20;
/// Most bytes of the content when it is unpacked.
pub(super) const MOST_CONTENT: u64 = 512 << 20;
/// zstd's level: a higher one is slower and saves little, because half of a snapshot are hashes.
const LEVEL: i32 = 9;
/// zstd may look back 2^27 bytes at most, which is what it takes as memory.
const WINDOW_LOG: u32 = 27;

/// Known state at one block with named sections of whatever else a run needs.
#[derive(Clone, Debug)]
pub struct Snapshot {
    chain_id: u64,
    head: Head,
    state: Store,
    sections: BTreeMap<String, Bytes>,
}

impl Snapshot {
    /// All that a generation knows by now.
    #[must_use]
    pub fn of(chain_id: u64, generation: &Generation, sections: BTreeMap<String, Bytes>) -> Self {
        Self { chain_id, head: generation.head().clone(), state: generation.known(), sections }
    }

    /// The head that the state belongs to.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &Store {
        &self.state
    }

    /// Whether an account has code; none when the account is not in the snapshot.
    #[must_use]
    pub fn has_code(&self, address: &Address) -> Option<bool> {
        self.state.account(address).map(|account| !account.is_empty_code_hash())
    }

    /// A named section.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Bytes> {
        self.sections.get(name)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// When there is more than a reader would accept.
    pub fn encode(&self) -> Result<Vec<u8>, SnapshotError> {
        let content = content::encode(&self.state, &self.sections)?;
        let content_length = within("bytes of content", content.len(), MOST_CONTENT)?;
        let mut packer = zstd::bulk::Compressor::new(LEVEL).map_err(SnapshotError::Packing)?;
        packer.window_log(WINDOW_LOG.min(content_length.max(1).ilog2().max(10).saturating_add(1))).map_err(SnapshotError::Packing)?;
        let packed = packer.compress(&content).map_err(SnapshotError::Packing)?;
        let header = Header { chain_id: self.chain_id, head: self.head.clone(), content_length, packed_length: within("bytes", packed.len(), MOST_FILE)? };
        let bytes = header.encode(&packed);
        within("bytes", bytes.len(), MOST_FILE)?;
        Ok(bytes)
    }

    /// A file's bytes as a snapshot of chain `chain_id`.
    ///
    /// # Errors
    /// When it is none, is of another version or chain, is damaged, or is larger than the limits.
    pub fn decode(bytes: &[u8], chain_id: u64) -> Result<Self, SnapshotError> {
        within("bytes", bytes.len(), MOST_FILE)?;
        let (header, packed) = Header::decode(bytes)?;
        if header.chain_id != chain_id {
            return Err(SnapshotError::Chain { expected: chain_id, found: header.chain_id });
        }
        let content = unpack(packed, header.content_length)?;
        let (state, sections) = content::decode(&content)?;
        Ok(Self { chain_id: header.chain_id, head: header.head, state, sections })
    }

    /// Writes the file: it is there as a whole or not at all. Gives its size in bytes.
    ///
    /// # Errors
    /// As [`Snapshot::encode`], and when the file can't be written; one that was there before is still there then.
    pub fn write(&self, path: &Path) -> Result<u64, SnapshotError> {
        let bytes = self.encode()?;
        let failed = |source| SnapshotError::Write { path: path.display().to_string(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // In the same folder, because only within one file system a rename is one step. Readable like any file, not like a secret.
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        // The name is on the disk only when the folder is.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        within("bytes", bytes.len(), MOST_FILE)
    }

    /// Reads a file of chain `chain_id`.
    ///
    /// # Errors
    /// As [`Snapshot::decode`], and when the file can't be read.
    pub fn read(path: &Path, chain_id: u64) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::Read { path: path.display().to_string(), source };
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size > MOST_FILE {
            return Err(SnapshotError::Limit { what: "bytes", found: size, most: MOST_FILE });
        }
        let mut bytes = Vec::new();
        // What is no plain file has no size: the limit holds while reading too.
        file.take(MOST_FILE.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        Self::decode(&bytes, chain_id)
    }
}

/// Unpacks exactly `length` bytes; memory grows with what really comes, not with what is promised.
fn unpack(packed: &[u8], length: u64) -> Result<Vec<u8>, SnapshotError> {
    if length > MOST_CONTENT {
        return Err(SnapshotError::Limit { what: "bytes of content", found: length, most: MOST_CONTENT });
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(SnapshotError::Packing)?.single_frame();
    decoder.window_log_max(WINDOW_LOG).map_err(SnapshotError::Packing)?;
    let mut content = Vec::new();
    decoder.by_ref().take(length.saturating_add(1)).read_to_end(&mut content).map_err(SnapshotError::Packing)?;
    let found = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if found != length {
        return Err(SnapshotError::Content { place: "content", reason: format!("{length} bytes were announced and {found} or more came") });
    }
    let rest = decoder.finish();
    if !rest.is_empty() {
        return Err(SnapshotError::Content { place: "content", reason: format!("{} bytes follow behind it", rest.len()) });
    }
    Ok(content)
}

/// A length or count that must not be above a limit.
fn within(what: &'static str, found: usize, most: u64) -> Result<u64, SnapshotError> {
    let found = u64::try_from(found).unwrap_or(u64::MAX);
    if found > most { Err(SnapshotError::Limit { what, found, most }) } else { Ok(found) }
}
