//! Contracts as their compilers left them: our own from `solidity/artifacts`, real ones from their packages.

use alloy::primitives::{Bytes, hex};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Why a contract's code is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file can't be read.
    #[error("{path}: {source}; run `make contracts`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no JSON.
    #[error("{path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no linked bytecode in it.
    #[error("{path}: no linked bytecode")]
    Bytecode {
        /// The file.
        path: PathBuf,
    },
}

/// A contract that can be deployed.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The code that creates it, without constructor arguments.
    pub init_code: Bytes,
}

impl Artifact {
    /// One of ours: `solidity/artifacts/<name>.json`.
    pub fn own(name: &str) -> Result<Self, ArtifactError> {
        Self::read(&super::solidity_folder().join("artifacts").join(format!("{name}.json")))
    }

    /// A real contract compiled from a package's sources: `solidity/out/packages/<name>.json`.
    pub fn compiled(name: &str) -> Result<Self, ArtifactError> {
        Self::read(&super::solidity_folder().join("out/packages").join(format!("{name}.json")))
    }

    /// A real contract whose package carries bytecode: a path below `solidity/node_modules`.
    pub fn packaged(path: &str) -> Result<Self, ArtifactError> {
        Self::read(&super::solidity_folder().join("node_modules").join(path))
    }

    fn read(path: &Path) -> Result<Self, ArtifactError> {
        let text = std::fs::read_to_string(path).map_err(|source| ArtifactError::Read { path: path.to_owned(), source })?;
        let json: Value = serde_json::from_str(&text).map_err(|source| ArtifactError::Parse { path: path.to_owned(), source })?;
        // Compilers and frameworks put it in three places.
        let code = ["/bytecode", "/bytecode/object", "/evm/bytecode/object"].iter().find_map(|place| json.pointer(place).and_then(Value::as_str));
        code.and_then(|code| hex::decode(code).ok())
            .filter(|code| !code.is_empty())
            .map(|code| Self { init_code: code.into() })
            .ok_or_else(|| ArtifactError::Bytecode { path: path.to_owned() })
    }
}
