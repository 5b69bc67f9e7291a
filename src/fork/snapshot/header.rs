//! The plain part in front: what the file is, of which chain and block, how long it is, and its checksum.

use super::{MOST_FILE, SnapshotError, VERSION};
use crate::chain::Head;
use alloy::primitives::{Address, B256, Keccak256, hex};

/// A byte that no text begins with, a name, and a line end that tells a file that was converted as text.
const MAGIC: [u8; 8] = *b"\x89HARSNP\n";
/// Bytes from the magic to the checksum's end: magic, version, chain, head, two lengths, checksum.
const LENGTH: usize = 8 + 4 + 8 + (7 * 8 + 4 * 32 + 20) + 2 * 8 + 32;

/// The plain part.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) chain_id: u64,
    pub(super) head: Head,
    /// Bytes of the content when unpacked.
    pub(super) content_length: u64,
    /// Bytes of the content in the file.
    pub(super) packed_length: u64,
}

impl Header {
    /// The whole file.
    pub(super) fn encode(&self, packed: &[u8]) -> Vec<u8> {
        // By name, so that a new fact about a head is not forgotten here.
        let Head {
            number,
            hash,
            parent_hash,
            timestamp,
            base_fee,
            gas_limit,
            gas_used,
            fee_recipient,
            prev_randao,
            excess_blob_gas,
            blob_gas_used,
            receipts_root,
        } = &self.head;
        let mut bytes = Vec::with_capacity(LENGTH.saturating_add(packed.len()));
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(self.chain_id.to_be_bytes());
        bytes.extend(number.to_be_bytes());
        bytes.extend(hash);
        bytes.extend(parent_hash);
        for word in [timestamp, base_fee, gas_limit, gas_used] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(fee_recipient);
        bytes.extend(prev_randao);
        bytes.extend(excess_blob_gas.to_be_bytes());
        bytes.extend(blob_gas_used.to_be_bytes());
        bytes.extend(receipts_root);
        bytes.extend(self.content_length.to_be_bytes());
        bytes.extend(self.packed_length.to_be_bytes());
        let checksum = checksum(&bytes, packed);
        bytes.extend(checksum);
        bytes.extend(packed);
        bytes
    }

    /// The header of a whole and undamaged file, and the packed content.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), SnapshotError> {
        let mut fields = Fields { all: bytes, rest: bytes };
        if bytes.iter().zip(MAGIC).any(|(byte, magic)| *byte != magic) {
            let begin = bytes.get(..MAGIC.len()).unwrap_or(bytes);
            return Err(SnapshotError::NotASnapshot { found: hex::encode(begin), expected: hex::encode(MAGIC) });
        }
        fields.take::<8>()?;
        let version = u32::from_be_bytes(fields.take()?);
        if version != VERSION {
            return Err(SnapshotError::Version { found: version, expected: VERSION });
        }
        let chain_id = fields.word()?;
        let head = Head {
            number: fields.word()?,
            hash: fields.hash()?,
            parent_hash: fields.hash()?,
            timestamp: fields.word()?,
            base_fee: fields.word()?,
            gas_limit: fields.word()?,
            gas_used: fields.word()?,
            fee_recipient: Address::from(fields.take::<20>()?),
            prev_randao: fields.hash()?,
            excess_blob_gas: fields.word()?,
            blob_gas_used: fields.word()?,
            receipts_root: fields.hash()?,
        };
        let content_length = fields.word()?;
        let packed_length = fields.word()?;
        let before_checksum = bytes.len().saturating_sub(fields.rest.len());
        let expected = fields.hash()?;
        let packed = fields.rest;
        if packed_length > MOST_FILE {
            return Err(SnapshotError::Limit { what: "bytes", found: packed_length, most: MOST_FILE });
        }
        let whole = packed_length.saturating_add(length_of(bytes).saturating_sub(length_of(packed)));
        if whole != length_of(bytes) {
            return Err(SnapshotError::Length { found: length_of(bytes), expected: whole });
        }
        let found = checksum(bytes.get(..before_checksum).unwrap_or_default(), packed);
        if found != expected {
            return Err(SnapshotError::Checksum { found, expected });
        }
        Ok((Self { chain_id, head, content_length, packed_length }, packed))
    }
}

/// Keccak-256 over all but itself.
fn checksum(before: &[u8], packed: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(before);
    hasher.update(packed);
    hasher.finalize()
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What is still to be read.
struct Fields<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let Some((field, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(SnapshotError::Length { found: length_of(self.all), expected: u64::try_from(LENGTH).unwrap_or(u64::MAX) });
        };
        self.rest = rest;
        Ok(*field)
    }

    fn word(&mut self) -> Result<u64, SnapshotError> {
        self.take().map(u64::from_be_bytes)
    }

    fn hash(&mut self) -> Result<B256, SnapshotError> {
        self.take::<32>().map(B256::from)
    }
}
