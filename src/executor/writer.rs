//! Packed bytes as `solidity/src/Reader.sol` reads them.
//!
//! ```text
//! number:  n (1 byte, 0..32) | n bytes, big-endian, no leading zeros
//! amount:  a number; with GAINED in its first byte "at most this much of what was gained", then n = 0 means no cap
//! ```

use alloy::primitives::{Address, U256};

use super::encode::EncodeError;
use super::opcodes::GAINED;
use crate::plan::Amount;

/// Bytes under construction.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// One byte.
    pub(super) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A count that fits one byte.
    pub(super) fn count(&mut self, what: &'static str, count: usize) -> Result<(), EncodeError> {
        self.byte(u8::try_from(count).map_err(|_| EncodeError::TooMany { what, count })?);
        Ok(())
    }

    /// Three bytes, big-endian.
    pub(super) fn u24(&mut self, what: &'static str, value: usize) -> Result<(), EncodeError> {
        let bytes = u32::try_from(value).ok().filter(|v| *v < 1 << 24).map(u32::to_be_bytes);
        let [_, a, b, c] = bytes.ok_or(EncodeError::TooLarge { what, value })?;
        self.0.extend([a, b, c]);
        Ok(())
    }

    /// Bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes behind their size.
    pub(super) fn sized(&mut self, what: &'static str, bytes: &[u8]) -> Result<(), EncodeError> {
        self.u24(what, bytes.len())?;
        self.raw(bytes);
        Ok(())
    }

    /// An address.
    pub(super) fn address(&mut self, address: Address) {
        self.raw(address.as_slice());
    }

    /// A number with the given flag in its length byte.
    fn tagged(&mut self, flag: u8, bytes: &[u8]) {
        // A word has at most 32 bytes, so its length always fits.
        self.byte(flag | u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        self.raw(bytes);
    }

    /// A number.
    pub(super) fn number(&mut self, value: U256) {
        self.tagged(0, &value.to_be_bytes_trimmed_vec());
    }

    /// An amount.
    pub(super) fn amount(&mut self, amount: Amount) {
        match amount {
            Amount::Exact(value) => self.number(value),
            Amount::Gained { cap: U256::MAX } => self.tagged(GAINED, &[]),
            // A cap of zero needs its one zero byte: no byte at all would mean no cap.
            Amount::Gained { cap: U256::ZERO } => self.tagged(GAINED, &[0]),
            Amount::Gained { cap } => self.tagged(GAINED, &cap.to_be_bytes_trimmed_vec()),
        }
    }

    /// What was written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}
