//! What is wrong with a configuration: every mistake with the path of its key.

use alloy::primitives::Address;
use std::fmt;

/// What is wrong with one key. No variant carries a value that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that must be there is not.
    #[error("is missing")]
    Missing,
    /// A key that nothing reads.
    #[error("is not a known key (known here: {})", known.join(", "))]
    Unknown {
        /// The keys that are known at this place.
        known: Vec<&'static str>,
    },
    /// A value of the wrong type.
    #[error("must be {expected}, but is {found}")]
    WrongType {
        /// What it must be.
        expected: &'static str,
        /// The TOML type that was found.
        found: &'static str,
    },
    /// A value of the right type that means nothing here.
    #[error("{0}")]
    Invalid(&'static str),
    /// A word that is none of those that are known.
    #[error("must be one of {}", known.join(", "))]
    NotOneOf {
        /// The words that are known.
        known: Vec<&'static str>,
    },
    /// A number outside its range.
    #[error("must be from {min} to {max}")]
    OutOfRange {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A mixed-case address whose checksum does not fit.
    #[error("the address's checksum does not fit: {expected} would (write it in lower case to say that no checksum is meant)")]
    Checksum {
        /// The same address with its checksum.
        expected: String,
    },
    /// A secret that stands in the file itself.
    #[error("must not stand here as it is: give a reference, env:NAME or file:PATH (the value is not repeated here)")]
    LiteralSecret,
    /// A reference to a secret that cannot be read.
    #[error("{0}")]
    Secret(String),
    /// A token that no `[tokens]` entry names.
    #[error("names no token: give an address or a symbol from [tokens]")]
    UnknownToken,
    /// Two entries with the same identity.
    #[error("is the same as {other}")]
    Duplicate {
        /// The key path of the first one.
        other: String,
    },
    /// A chain whose rules are not modelled.
    #[error("{0}")]
    ChainRefused(String),
    /// The environment overlay points at something that is not there or not a table.
    #[error("the overlay's path leads through {0}, which is not a table or a list")]
    OverlayPath(String),
    /// The node says another chain id.
    #[error("is {expected}, but the node says {found}")]
    ChainId {
        /// Configured.
        expected: u64,
        /// The node's answer.
        found: u64,
    },
    /// No code at an address that must be a contract.
    #[error("there is no code at {0}")]
    NoCode(Address),
    /// Something that a snapshot in place of the chain does not hold.
    #[error("the snapshot does not hold {0}: it was taken with another configuration")]
    NotInSnapshot(String),
    /// A call that every such contract answers was refused or answered with nonsense.
    #[error("{address} does not answer {call}: {detail}")]
    NoAnswer {
        /// The contract.
        address: Address,
        /// The call.
        call: &'static str,
        /// What the node said.
        detail: String,
    },
    /// The chain says another value than the file.
    #[error("is {expected}, but the contract says {found}")]
    Differs {
        /// Configured.
        expected: String,
        /// The contract's answer.
        found: String,
    },
}

/// One mistake: which key, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key's path, for example `relays[0].url`.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. The text of the file is not repeated, because it may hold a secret.
    #[error("{path}: not TOML: {message} (line {line})")]
    Syntax {
        /// The file.
        path: String,
        /// What the parser expected.
        message: String,
        /// Where, counted from one.
        line: usize,
    },
    /// Everything that is wrong, at once.
    #[error("{}", list(.0))]
    Mistakes(Vec<Mistake>),
    /// The configuration can't be written as TOML.
    #[error("the configuration can't be written as TOML")]
    Render(#[source] toml::ser::Error),
}

impl ConfigError {
    /// The mistakes, when it is about keys.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Mistakes(mistakes) => mistakes,
            Self::Read { .. } | Self::Syntax { .. } | Self::Render(_) => &[],
        }
    }
}

fn list(mistakes: &[Mistake]) -> String {
    let count = mistakes.len();
    let mut text = format!("{count} mistake{} in the configuration", if count == 1 { "" } else { "s" });
    for mistake in mistakes {
        text.push_str("\n  ");
        text.push_str(&mistake.to_string());
    }
    text
}
