//! Finding and running anvil. The process belongs to its handle and ends with it.

use alloy::node_bindings::{Anvil, AnvilInstance};
use std::path::{Path, PathBuf};

/// Worker threads of a forking anvil: more than the reads of its parent that are made at once.
const FORK_THREADS: &str = "16";

/// The hardfork of every devnet. Osaka, because mainnet runs it: a transaction may have at most 16,777,216 gas, and
/// anvil enforces that as mainnet does.
pub const HARDFORK: &str = "osaka";

/// The genesis time of a devnet; fixed, so that two devnets with one configuration are the same chain.
pub const GENESIS_TIME: u64 = 1_760_000_000;

/// Ether of each of anvil's ten accounts; enough to fill the pools and the lenders.
const ACCOUNT_ETHER: &str = "1000000";

/// States that anvil keeps in memory. Trial blocks use them up as well, and none goes to disk.
const STATES_KEPT: u64 = 1024;

/// Why no anvil runs.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// The file that `HARRIER_ANVIL` names does not exist.
    #[error("HARRIER_ANVIL names {0}, which does not exist")]
    Override(PathBuf),
    /// There is no anvil in the package folder or on the path.
    #[error("no anvil found: run `make contracts`, set HARRIER_ANVIL, or put anvil on the PATH")]
    Missing,
    /// The process did not come up.
    #[error("{path} did not start: {source}")]
    Spawn {
        /// The program.
        path: PathBuf,
        /// Why.
        source: alloy::node_bindings::NodeError,
    },
}

/// What an anvil is started with.
#[derive(Clone, Debug)]
pub(super) struct AnvilOptions {
    /// The chain id.
    pub chain_id: u64,
    /// Base fee of the first block, wei per gas.
    pub base_fee: u64,
    /// Gas of a block.
    pub gas_limit: u64,
    /// The node to fork from, if any.
    pub fork_url: Option<String>,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Where its state is read from, if the file exists, and written to at its end.
    pub state: Option<PathBuf>,
}

/// The `solidity/` folder with its installed packages: beside the sources this was compiled from, else below the current directory.
#[must_use]
pub fn solidity_folder() -> PathBuf {
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).join("solidity");
    if compiled.is_dir() { compiled } else { PathBuf::from("solidity") }
}

/// The anvil to run: `HARRIER_ANVIL`, else the installed package, else the one on the path.
pub fn find_anvil() -> Result<PathBuf, AnvilError> {
    if let Some(path) = std::env::var_os("HARRIER_ANVIL").map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(AnvilError::Override(path)) };
    }
    let packaged = packaged_name().map(|name| solidity_folder().join("node_modules/@foundry-rs").join(name).join("bin"));
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    packaged
        .into_iter()
        .chain(on_path)
        .map(|folder| folder.join(if cfg!(windows) { "anvil.exe" } else { "anvil" }))
        .find(|file| file.is_file())
        .ok_or(AnvilError::Missing)
}

/// The npm package that carries the binary of this machine.
fn packaged_name() -> Option<String> {
    let os = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        "windows" => "win32",
        _ => return None,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        _ => return None,
    };
    Some(format!("anvil-{os}-{arch}"))
}

/// Starts an anvil that mines only when told to.
pub(super) fn spawn(options: &AnvilOptions) -> Result<AnvilInstance, AnvilError> {
    let path = find_anvil()?;
    let mut anvil = Anvil::at(&path)
        .chain_id(options.chain_id)
        .port(options.port)
        .args(["--no-mining", "--order", "fifo", "--enable-tx-gas-limit", "--disable-min-priority-fee", "--disable-console-log"])
        // A bundle may fund its own later transactions: only execution can tell whether the money is there.
        .arg("--disable-pool-balance-checks")
        .args(["--hardfork", HARDFORK])
        .args(["--balance", ACCOUNT_ETHER])
        .args(["--gas-limit", &options.gas_limit.to_string()])
        .args(["--prune-history", &STATES_KEPT.to_string()]);
    if let Some(state) = &options.state {
        anvil = anvil.arg("--state").arg(state);
    }
    anvil = match &options.fork_url {
        // anvil's fork cache on disk is keyed by chain id and height alone, so another devnet's state would be served.
        // A fork blocks a worker thread for each read of its parent. With as many reads at once as cores it would never be answered.
        Some(url) => anvil.fork(url.clone()).arg("--no-storage-caching").env("TOKIO_WORKER_THREADS", FORK_THREADS),
        None => anvil.args(["--timestamp", &GENESIS_TIME.to_string()]).args(["--block-base-fee-per-gas", &options.base_fee.to_string()]),
    };
    anvil.try_spawn().map_err(|source| AnvilError::Spawn { path, source })
}
