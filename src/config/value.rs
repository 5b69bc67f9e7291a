//! Single values of the file: how each is read, and how it is written back.

use super::mistake::Problem;
use crate::plan::MarketId;
use alloy::primitives::{Address, B256, U256, hex};
use serde::Serializer;
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};
use toml::Value;

/// A type that one TOML value can be read as.
pub(super) trait FromToml: Sized {
    /// Reads the value, or says what is wrong with it.
    fn from_toml(value: &Value) -> Result<Self, Problem>;
}

fn text<'a>(value: &'a Value, expected: &'static str) -> Result<&'a str, Problem> {
    value.as_str().ok_or(Problem::WrongType { expected, found: value.type_str() })
}

impl FromToml for bool {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        value.as_bool().ok_or(Problem::WrongType { expected: "true or false", found: value.type_str() })
    }
}

impl FromToml for String {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        text(value, "a string").map(str::to_owned)
    }
}

impl FromToml for PathBuf {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        match text(value, "a path")? {
            "" => Err(Problem::Invalid("must not be empty")),
            path => Ok(Self::from(path)),
        }
    }
}

impl FromToml for u64 {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        let number = value.as_integer().ok_or(Problem::WrongType { expected: "a whole number", found: value.type_str() })?;
        Self::try_from(number).map_err(|_| Problem::Invalid("must not be negative"))
    }
}

macro_rules! narrower {
    ($($number:ty),+) => {$(
        impl FromToml for $number {
            fn from_toml(value: &Value) -> Result<Self, Problem> {
                let max = u64::try_from(Self::MAX).unwrap_or(u64::MAX);
                Self::try_from(u64::from_toml(value)?).map_err(|_| Problem::OutOfRange { min: 0, max })
            }
        }
    )+};
}

narrower!(u8, u16, u32, usize);

/// An amount: a whole number, or a decimal string where it would not fit TOML's 63 bits. Underscores may group digits.
impl FromToml for U256 {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        match value {
            Value::Integer(number) => u64::try_from(*number).map(Self::from).map_err(|_| Problem::Invalid("must not be negative")),
            Value::String(digits) => {
                let bare: String = digits.chars().filter(|c| *c != '_').collect();
                if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Problem::Invalid("must be a whole number in decimal digits"));
                }
                Self::from_str_radix(&bare, 10).map_err(|_| Problem::Invalid("does not fit 256 bits"))
            }
            other => Err(Problem::WrongType { expected: "a whole number or a decimal string", found: other.type_str() }),
        }
    }
}

impl FromToml for B256 {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        let digits = text(value, "a string of 32 bytes in hex")?;
        Self::from_str(digits).map_err(|_| Problem::Invalid("must be 0x and 64 hex digits"))
    }
}

/// A market: 32 bytes, or an address, which stands in the last 20 of them.
impl FromToml for MarketId {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        let is_address = value.as_str().is_some_and(|text| text.len() == "0x".len() + 2 * Address::len_bytes());
        if is_address { Address::from_toml(value).map(|address| Self(address.into_word())) } else { B256::from_toml(value).map(Self) }
    }
}

impl FromToml for Address {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        address(text(value, "an address")?)
    }
}

/// Reads an address; a mixed-case one must carry the right checksum, and zero is nobody's.
pub(super) fn address(text: &str) -> Result<Address, Problem> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 40);
    let bytes = digits.and_then(|digits| hex::decode(digits).ok()).and_then(|bytes| <[u8; 20]>::try_from(bytes).ok());
    let (Some(digits), Some(bytes)) = (digits, bytes) else {
        return Err(Problem::Invalid("must be an address: 0x and 40 hex digits"));
    };
    let address = Address::from(bytes);
    if address.is_zero() {
        return Err(Problem::Invalid("must not be the zero address"));
    }
    let mixed = digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
    let expected = address.to_checksum(None);
    if mixed && expected != text {
        return Err(Problem::Checksum { expected });
    }
    Ok(address)
}

/// An enum whose variants are words in the file.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word in the file.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::config::value::FromToml for $name {
            fn from_toml(value: &toml::Value) -> Result<Self, $crate::config::mistake::Problem> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    Some(_) => Err($crate::config::mistake::Problem::NotOneOf { known: vec![$($word),+] }),
                    None => Err($crate::config::mistake::Problem::WrongType { expected: "a word", found: value.type_str() }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}
pub(super) use words;

/// Writes an amount as a decimal string.
pub(super) fn decimal<S: Serializer>(amount: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// The same for an amount that may be absent.
#[allow(clippy::ref_option, reason = "serde's serialize_with gives a reference to the field")]
pub(super) fn decimal_option<S: Serializer>(amount: &Option<U256>, serializer: S) -> Result<S::Ok, S::Error> {
    match amount {
        Some(amount) => decimal(amount, serializer),
        None => serializer.serialize_none(),
    }
}

/// Writes an address with its checksum.
pub(super) fn checksummed<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&address.to_checksum(None))
}

/// The same for an address that may be absent.
#[allow(clippy::ref_option, reason = "serde's serialize_with gives a reference to the field")]
pub(super) fn checksummed_option<S: Serializer>(address: &Option<Address>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.serialize_some(&address.to_checksum(None)),
        None => serializer.serialize_none(),
    }
}

/// The same for a list.
pub(super) fn checksummed_list<S: Serializer>(addresses: &[Address], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(addresses.iter().map(|address| address.to_checksum(None)))
}

/// Amounts by token address.
pub(super) fn amounts<S: Serializer>(amounts: &BTreeMap<Address, U256>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(amounts.iter().map(|(token, amount)| (token.to_checksum(None), amount.to_string())))
}
