//! Recorded blocks: a folder of real blocks with the state that they touched.
//!
//! ```text
//! DIR/blocks/<number>.json.gz   block, preState, blockHashes    DIR/code.json.gz   code by its hash
//! DIR/oracle-updates.json       which transactions updated which price feed
//! ```
//!
//! Every mistake in a file is an error that names the file and the key.

use super::assemble::rules_of;
use crate::{
    chain::Head,
    config::ChainConfig,
    fork::{ForkError, Generation, GivenAccount, GivenState, MinedBlock, Senders},
};
use alloy::{
    network::AnyRpcBlock,
    primitives::{Address, B256, Bytes, U64, U256, map::B256Map},
};
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Most bytes of a file once it is unpacked; more is a mistake or an attack.
const LARGEST: u64 = 1 << 30;

/// Why a recorded block can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordedError {
    /// The file can't be read or unpacked.
    #[error("{file} can't be read")]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's or the decoder's words.
        #[source]
        source: io::Error,
    },
    /// The file unpacks to more than a gibibyte.
    #[error("{file} is too large")]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// The file is no JSON.
    #[error("{file} is no JSON")]
    Json {
        /// The file.
        file: PathBuf,
        /// What stands where.
        #[source]
        source: serde_json::Error,
    },
    /// A key is missing or its value is not what it should be.
    #[error("{file}: key {key} is missing or wrong")]
    Key {
        /// The file.
        file: PathBuf,
        /// The path of keys, with dots.
        key: String,
        /// What is wrong; none if the key is missing.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// The block is of a chain whose rules are not known.
    #[error("{file} is of chain {chain_id}, whose rules are not known")]
    Chain {
        /// The file.
        file: PathBuf,
        /// The chain.
        chain_id: u64,
    },
    /// The block or its state makes no sense to the fork.
    #[error("{file} can't be executed")]
    Fork {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: ForkError,
    },
}

/// A price update that is known to have happened in a recorded block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OracleUpdate {
    /// The block.
    pub block: u64,
    /// The transaction's place in it.
    pub tx_index: usize,
    /// The contract behind the feed's proxy.
    pub aggregator: Address,
}

/// A recorded block, and the state that it was executed on.
#[derive(Clone, Debug)]
pub struct RecordedBlock {
    /// The block.
    pub block: MinedBlock,
    /// Its parent's state, as far as the block read it.
    pub state: GivenState,
    /// Withdrawals that were left out because the recorded state lacks their accounts.
    pub withdrawals_left_out: usize,
    /// The same state, ready to be run on.
    pub generation: Arc<Generation>,
}

/// A folder of recorded blocks.
#[derive(Debug)]
pub struct Recorded {
    folder: PathBuf,
    code: B256Map<Bytes>,
}

impl Recorded {
    /// Reads the code of all contracts; blocks are read when they are asked for.
    pub fn open(folder: &Path) -> Result<Self, RecordedError> {
        let code = parsed(&folder.join("code.json.gz"))?;
        Ok(Self { folder: folder.to_owned(), code })
    }

    /// Code by its hash.
    #[must_use]
    pub const fn code(&self) -> &B256Map<Bytes> {
        &self.code
    }

    /// The heights of all blocks in the folder, rising.
    pub fn heights(&self) -> Result<Vec<u64>, RecordedError> {
        let folder = self.folder.join("blocks");
        let failed = |source| RecordedError::Read { file: folder.clone(), source };
        let mut heights = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            heights.extend(name.to_str().and_then(|name| name.strip_suffix(".json.gz")).and_then(|number| number.parse::<u64>().ok()));
        }
        heights.sort_unstable();
        Ok(heights)
    }

    /// The file that a block of this height would be in.
    #[must_use]
    pub fn file_of(&self, number: u64) -> PathBuf {
        self.folder.join("blocks").join(format!("{number}.json.gz"))
    }

    /// The price updates that are known to have happened.
    pub fn oracle_updates(&self) -> Result<Vec<OracleUpdate>, RecordedError> {
        let file = self.folder.join("oracle-updates.json");
        let bytes = std::fs::read(&file).map_err(|source| RecordedError::Read { file: file.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| RecordedError::Json { file, source })
    }

    /// Reads a block and the state under it.
    pub fn read(&self, file: &Path) -> Result<RecordedBlock, RecordedError> {
        let document: Value = parsed(file)?;
        let document = Fields { file, at: String::new(), value: &document };
        let chain_id: u64 = document.get("chainId")?.parse()?;
        let rules = ChainConfig::known(chain_id).as_ref().map(rules_of).ok_or_else(|| RecordedError::Chain { file: file.to_owned(), chain_id })?;
        let rpc: AnyRpcBlock = document.get("block")?.parse()?;
        let fork = |source| RecordedError::Fork { file: file.to_owned(), source };
        let mut block = MinedBlock::from_rpc(rpc, &rules, Senders::Given).map_err(fork)?;
        let state = GivenState { accounts: accounts(&document.get("preState")?)?, block_hashes: document.get("blockHashes")?.parse::<BTreeMap<u64, B256>>()? };
        let all = block.withdrawals.len();
        block.withdrawals.retain(|withdrawal| state.accounts.contains_key(&withdrawal.address));
        let withdrawals_left_out = all.saturating_sub(block.withdrawals.len());
        let generation = state.generation(parent(&block), &self.code).map_err(fork)?;
        Ok(RecordedBlock { block, state, withdrawals_left_out, generation })
    }
}

/// What is known of the parent: which block it is. Only a prediction of its child would need the rest.
const fn parent(block: &MinedBlock) -> Head {
    Head::placed(block.target.number.saturating_sub(1), block.parent_hash, B256::ZERO)
}

/// An account as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    balance: U256,
    nonce: U64,
    code_hash: Option<B256>,
    storage: HashMap<U256, U256>,
}

fn accounts(state: &Fields<'_>) -> Result<alloy::primitives::map::AddressMap<GivenAccount>, RecordedError> {
    let Some(entries) = state.value.as_object() else { return Err(state.wrong(None)) };
    let mut accounts = alloy::primitives::map::AddressMap::default();
    for name in entries.keys() {
        let field = state.get(name)?;
        let address: Address = name.parse().map_err(|_| field.wrong(None))?;
        let Account { balance, nonce, code_hash, storage } = field.parse()?;
        accounts.insert(address, GivenAccount { balance, nonce: nonce.to(), code_hash, slots: storage.into_iter().collect() });
    }
    Ok(accounts)
}

/// A place in a document, which knows its name.
struct Fields<'a> {
    file: &'a Path,
    at: String,
    value: &'a Value,
}

impl<'a> Fields<'a> {
    fn get(&self, key: &str) -> Result<Self, RecordedError> {
        let at = if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) };
        match self.value.get(key) {
            Some(value) => Ok(Self { file: self.file, at, value }),
            None => Err(RecordedError::Key { file: self.file.to_owned(), key: at, source: None }),
        }
    }

    fn parse<T: Deserialize<'a>>(&self) -> Result<T, RecordedError> {
        T::deserialize(self.value).map_err(|error| self.wrong(Some(error)))
    }

    fn wrong(&self, source: Option<serde_json::Error>) -> RecordedError {
        RecordedError::Key { file: self.file.to_owned(), key: self.at.clone(), source }
    }
}

fn parsed<T: DeserializeOwned>(file: &Path) -> Result<T, RecordedError> {
    let failed = |source| RecordedError::Read { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let unpacked = MultiGzDecoder::new(File::open(file).map_err(failed)?).take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(unpacked).unwrap_or(LARGEST) >= LARGEST {
        return Err(RecordedError::TooLarge { file: file.to_owned() });
    }
    serde_json::from_slice(&bytes).map_err(|source| RecordedError::Json { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gz(folder: &Path, name: &str, text: &[u8]) -> PathBuf {
        let file = folder.join(name);
        let mut encoder = flate2::write::GzEncoder::new(File::create(&file).unwrap(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap();
        file
    }

    #[test]
    fn a_bad_file_is_named_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Recorded::open(folder.path()).unwrap_err().to_string().contains("code.json.gz can't be read"));
        gz(folder.path(), "code.json.gz", b"{}");
        let recorded = Recorded::open(folder.path()).unwrap();
        let refused = |text: &[u8]| recorded.read(&gz(folder.path(), "7.json.gz", text)).unwrap_err().to_string();
        assert!(refused(b"{").ends_with("7.json.gz is no JSON"));
        assert!(refused(b"{}").ends_with("7.json.gz: key chainId is missing or wrong"));
        assert!(refused(br#"{"chainId": 4242}"#).ends_with("7.json.gz is of chain 4242, whose rules are not known"));
        assert!(refused(br#"{"chainId": 1, "block": {"hash": 5}}"#).ends_with("7.json.gz: key block is missing or wrong"));
        let plain = folder.path().join("8.json.gz");
        std::fs::write(&plain, b"no gzip").unwrap();
        assert!(recorded.read(&plain).unwrap_err().to_string().ends_with("8.json.gz can't be read"));
        let state = serde_json::json!({"preState": {"0x0000000000000000000000000000000000000001": {"balance": "0x0"}}});
        let fields = Fields { file: Path::new("x"), at: String::new(), value: &state };
        let error = accounts(&fields.get("preState").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "x: key preState.0x0000000000000000000000000000000000000001 is missing or wrong");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "missing field `nonce`");
    }
}
