//! The compiled contracts, as committed in `solidity/artifacts/` (`node compile.js --check` proves that they are what
//! the sources compile to).

use std::sync::LazyLock;

use alloy::json_abi::JsonAbi;
use alloy::primitives::{B256, Bytes, keccak256};
use serde::Deserialize;

/// A compiled contract.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Its interface.
    pub abi: JsonAbi,
    /// The code that creates it, without constructor arguments.
    pub creation_code: Bytes,
    /// The code it has on chain; no immutables, so it is the same everywhere.
    pub runtime_code: Bytes,
    /// keccak256 of the runtime code: what a deployed contract's code hash must be.
    pub code_hash: B256,
}

#[derive(Deserialize)]
struct File {
    abi: JsonAbi,
    bytecode: Bytes,
    #[serde(rename = "deployedBytecode")]
    deployed_bytecode: Bytes,
}

#[allow(clippy::expect_used, reason = "the text is part of the program; tests parse each one")]
fn parse(text: &str) -> Artifact {
    let file: File = serde_json::from_str(text).expect("a committed artifact is well-formed");
    Artifact { abi: file.abi, code_hash: keccak256(&file.deployed_bytecode), creation_code: file.bytecode, runtime_code: file.deployed_bytecode }
}

static EXECUTOR: LazyLock<Artifact> = LazyLock::new(|| parse(include_str!("../../solidity/artifacts/Executor.json")));
static PROBE: LazyLock<Artifact> = LazyLock::new(|| parse(include_str!("../../solidity/artifacts/Probe.json")));

/// `Executor.sol`.
pub fn executor_artifact() -> &'static Artifact {
    &EXECUTOR
}

/// `Probe.sol`, which asks pools for quotes; it is only ever an overlay.
pub fn probe_artifact() -> &'static Artifact {
    &PROBE
}

#[cfg(test)]
mod tests {
    use super::{executor_artifact, probe_artifact};

    #[test]
    fn both_are_there_and_below_the_size_limit() {
        for artifact in [executor_artifact(), probe_artifact()] {
            assert!(artifact.runtime_code.len() > 500);
            assert!(artifact.runtime_code.len() <= 24_576);
            // Creation holds the runtime code as it is: nothing is written into it at deployment.
            let creation = artifact.creation_code.to_vec();
            let runtime = artifact.runtime_code.to_vec();
            assert!(creation.windows(runtime.len()).any(|window| window == runtime));
        }
    }
}
