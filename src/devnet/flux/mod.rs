//! Flux on a devnet: vaults for USDC with their strategies, wrappers and oracles on the devnet's own feeds, all reference contracts.
//!
//! ```text
//! oracles ─▶ registry ─▶ factory ─▶ wrappers (USDC, WETH, WBTC, Uniswap V3, one that can be blinded) ─▶ vaults, lenders' deposits
//!
//! devnet.flux_world() ─▶ FluxWorld: reading (world) · managers who borrow (managers) · lenders, a rival, strangers (hands)
//! ```

pub mod abi;
mod deploy;
mod hands;
mod managers;
mod terms;
mod world;

pub(super) use deploy::{Cast, deploy};
pub use managers::{FluxManager, FluxStory, Held};
pub use terms::{Keeper, Patience, Terms};
pub use world::{Books, FluxWorld, Standing};

use super::DevnetError;
use alloy::primitives::Address;
use serde::Serialize;

/// A vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FluxVault {
    /// Its name, for example `standard`.
    pub name: String,
    /// Its contract.
    pub address: Address,
    /// Its strategy.
    pub strategy: Address,
    /// Whether its strategy goes by the formulas.
    pub is_standard: bool,
    /// The first block in which it lets anybody be liquidated, where it waits for one.
    pub first_block: Option<u64>,
}

/// A wrapper, where managers keep what they bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FluxWrapper {
    /// The token's symbol, or what is special.
    pub name: String,
    /// Its contract.
    pub address: Address,
    /// What lies in it.
    pub underlying: Address,
}

/// All of Flux on a devnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FluxContracts {
    /// The registry of executors, vaults and wrappers.
    pub factory: Address,
    /// Where prices come from.
    pub registry: Address,
    /// The wrapper of the base asset, USDC: payments are prepared in it.
    pub base_wrapper: Address,
    /// The other wrappers: `WETH`, `WBTC`, `Uniswap V3`, `blind WETH`.
    pub wrappers: Vec<FluxWrapper>,
    /// The usual vaults and those that were asked for: `standard` and `interest-free` with a margin of 1 %, `altruistic` with none, `generous` with 20 %.
    pub vaults: Vec<FluxVault>,
    /// Whose deposits the vaults lend.
    pub lender: Address,
    /// The rival's executor, with capital of its own.
    pub rival: Address,
    /// Uniswap's router, through which people trade.
    pub router: Address,
    /// The block after which there may be logs.
    pub since: u64,
    /// The block in which everything was ready.
    pub ready_at: u64,
}

impl FluxContracts {
    /// The vault of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn vault(&self, name: &str) -> Result<&FluxVault, DevnetError> {
        self.vaults.iter().find(|vault| vault.name == name).ok_or_else(|| DevnetError::Unknown(format!("vault {name}")))
    }

    /// The wrapper of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn wrapper(&self, name: &str) -> Result<&FluxWrapper, DevnetError> {
        self.wrappers.iter().find(|wrapper| wrapper.name == name).ok_or_else(|| DevnetError::Unknown(format!("wrapper {name}")))
    }
}
