//! Secrets by reference: the file says where a secret is, never what it is.

use super::{environment::Environment, mistake::Problem, value::FromToml};
use alloy::{
    signers::local::{LocalSignerError, PrivateKeySigner},
    transports::http::reqwest::Url,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::{fmt, io::Read, path::PathBuf};
use toml::Value;

/// A secret file longer than this is the wrong file.
const MOST_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// In an environment variable: `env:NAME`.
    Env(String),
    /// In a file, without the line break at its end: `file:PATH`. A relative path starts at the working directory.
    File(PathBuf),
}

/// A secret's value. It shows itself to nobody who does not ask for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value. Whoever calls this is responsible for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

/// Why a secret can't be had. No variant carries the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The file can't be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is too long to be a secret.
    #[error("{0}: longer than a secret can be")]
    TooLong(PathBuf),
    /// The secret is empty.
    #[error("{0} is empty")]
    Empty(SecretRef),
    /// The secret is not a key.
    #[error("{0} holds no private key: 64 hex digits with or without 0x, not zero and below the curve's order")]
    NotAKey(SecretRef),
    /// The keystore does not open.
    #[error("{path}: the keystore does not open")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: LocalSignerError,
    },
    /// The secret is not a URL of the kind that is needed.
    #[error("{0} holds no URL that begins with {1}")]
    NotAUrl(SecretRef, &'static str),
}

impl SecretRef {
    /// Reads a reference; a value that is none is taken for the secret itself and refused.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if let Some(name) = text.strip_prefix("env:") {
            let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return if plain { Ok(Self::Env(name.to_owned())) } else { Err(Problem::Invalid("env: must be followed by a variable's name")) };
        }
        match text.strip_prefix("file:") {
            Some("") => Err(Problem::Invalid("file: must be followed by a path")),
            Some(path) => Ok(Self::File(PathBuf::from(path))),
            None => Err(Problem::LiteralSecret),
        }
    }

    /// Gets the secret.
    pub fn resolve(&self, environment: &Environment) -> Result<Secret, SecretError> {
        let value = match self {
            Self::Env(name) => environment.get(name).ok_or_else(|| SecretError::NotSet(name.clone()))?.to_owned(),
            Self::File(path) => {
                let failed = |source| SecretError::Read { path: path.clone(), source };
                let mut value = String::new();
                std::fs::File::open(path).map_err(failed)?.take(MOST_BYTES.saturating_add(1)).read_to_string(&mut value).map_err(failed)?;
                if u64::try_from(value.len()).map_or(true, |length| length > MOST_BYTES) {
                    return Err(SecretError::TooLong(path.clone()));
                }
                value
            }
        };
        match value.trim_end_matches(['\r', '\n']) {
            "" => Err(SecretError::Empty(self.clone())),
            trimmed => Ok(Secret(trimmed.to_owned())),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromToml for SecretRef {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        // A key written as a number is a literal secret, too.
        value.as_str().map_or(Err(Problem::LiteralSecret), Self::parse)
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a signing key is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyRef {
    /// A private key in hex behind a reference.
    Hex(SecretRef),
    /// An encrypted keystore: `{ keystore = "PATH", password = "env:NAME" }`.
    Keystore {
        /// The JSON file.
        keystore: PathBuf,
        /// Its password.
        password: SecretRef,
    },
}

impl KeyRef {
    /// Opens the key. A keystore costs about a second of CPU by design; not for the runtime's threads.
    pub fn open(&self, environment: &Environment) -> Result<PrivateKeySigner, SecretError> {
        match self {
            Self::Hex(reference) => {
                let key = reference.resolve(environment)?;
                // The parse error could name parts of the key, so it is not kept as a source.
                key.expose().trim().parse().map_err(|_| SecretError::NotAKey(reference.clone()))
            }
            Self::Keystore { keystore, password } => {
                let password = password.resolve(environment)?;
                PrivateKeySigner::decrypt_keystore(keystore, password.expose()).map_err(|source| SecretError::Keystore { path: keystore.clone(), source })
            }
        }
    }
}

impl FromToml for KeyRef {
    fn from_toml(value: &Value) -> Result<Self, Problem> {
        let Value::Table(table) = value else { return SecretRef::from_toml(value).map(Self::Hex) };
        let both = (table.get("keystore"), table.get("password"));
        let (Some(keystore), Some(password), 2) = (both.0, both.1, table.len()) else {
            return Err(Problem::Invalid("must be env:NAME, file:PATH or { keystore = \"PATH\", password = \"env:NAME\" }"));
        };
        Ok(Self::Keystore { keystore: PathBuf::from_toml(keystore)?, password: SecretRef::from_toml(password)? })
    }
}

impl Serialize for KeyRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hex(reference) => reference.serialize(serializer),
            Self::Keystore { keystore, password } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("keystore", keystore)?;
                map.serialize_entry("password", password)?;
                map.end()
            }
        }
    }
}

/// A URL that may carry an access key: written out, or behind a reference. It never shows more than its host.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlRef {
    /// Written in the file.
    Plain(Url),
    /// Behind a reference.
    Secret(SecretRef),
}

impl UrlRef {
    /// Reads a URL whose scheme is one of `schemes`, or a reference.
    pub(super) fn read(value: &Value, schemes: &'static [&'static str], wrong: &'static str) -> Result<Self, Problem> {
        let text = value.as_str().ok_or(Problem::WrongType { expected: "a URL", found: value.type_str() })?;
        if text.starts_with("env:") || text.starts_with("file:") {
            return SecretRef::parse(text).map(Self::Secret);
        }
        Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host()).map(Self::Plain).ok_or(Problem::Invalid(wrong))
    }

    /// A URL written out. Used by whoever builds a configuration in code.
    #[must_use]
    pub const fn plain(url: Url) -> Self {
        Self::Plain(url)
    }

    /// The URL itself, its scheme one of `schemes`.
    fn resolve(&self, environment: &Environment, schemes: &[&str], wanted: &'static str) -> Result<Url, SecretError> {
        match self {
            Self::Plain(url) => Ok(url.clone()),
            Self::Secret(reference) => {
                let text = reference.resolve(environment)?;
                let url = Url::parse(text.expose().trim()).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
                url.ok_or_else(|| SecretError::NotAUrl(reference.clone(), wanted))
            }
        }
    }

    /// The URL, which must be `http` or `https`.
    pub fn http(&self, environment: &Environment) -> Result<Url, SecretError> {
        self.resolve(environment, &["http", "https"], "http:// or https://")
    }

    /// The URL, which must be `ws` or `wss`.
    pub fn websocket(&self, environment: &Environment) -> Result<Url, SecretError> {
        self.resolve(environment, &["ws", "wss"], "ws:// or wss://")
    }
}

/// Scheme, host and port: paths, queries and user names carry access keys.
impl fmt::Display for UrlRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(url) => {
                write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
                url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Self::Secret(reference) => fmt::Display::fmt(reference, f),
        }
    }
}

impl fmt::Debug for UrlRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlRef({self})")
    }
}

/// The whole URL: this is the file it came from or goes to.
impl Serialize for UrlRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(url) => serializer.serialize_str(url.as_str()),
            Self::Secret(reference) => reference.serialize(serializer),
        }
    }
}
