//! What can be read of Flux on a devnet, in raw units and at the newest block.

use super::{
    FluxContracts, FluxVault,
    abi::{Factory, Registry, Shares, Strategy, Vault, Wrapper},
};
use crate::devnet::{Devnet, DevnetError};
use alloy::primitives::{Address, B256, U256};
use std::ops::Deref;

/// 1e18.
pub(super) const WAD: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// A manager's position as the vault sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What is owed with interest to the newest block, in units of USDC.
    pub debt: U256,
    /// What it is worth, USD of 18 decimals.
    pub value_usd: U256,
    /// The bond, in units of USDC.
    pub bond: U256,
    /// The working capital, in units of USDC.
    pub working_capital: U256,
    /// Value by debt, 1e18 is one, rounded down; the largest number without a debt.
    pub health: U256,
    /// What a liquidator would have to pay.
    pub payment: U256,
    /// Whether the strategy says that it may be liquidated.
    pub is_liquidatable: bool,
}

/// A vault's totals, in units of USDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// What is not lent out.
    pub cash: U256,
    /// What all managers owe.
    pub debt: U256,
    /// Both.
    pub assets: U256,
    /// What a share is worth, 1e18 is one unit.
    pub share_price: U256,
    /// Managers who owe something.
    pub managers: U256,
}

/// The Flux world of a devnet: what can be read and done there.
#[derive(Clone, Copy, Debug)]
pub struct FluxWorld<'a> {
    pub(super) devnet: &'a Devnet,
    pub(super) flux: &'a FluxContracts,
}

impl Deref for FluxWorld<'_> {
    type Target = FluxContracts;

    fn deref(&self) -> &FluxContracts {
        self.flux
    }
}

impl Devnet {
    /// The Flux world, to read it and to do things there.
    ///
    /// # Errors
    /// When Flux is not deployed here.
    pub fn flux_world(&self) -> Result<FluxWorld<'_>, DevnetError> {
        let flux = self.flux().ok_or_else(|| DevnetError::Unknown("Flux".to_owned()))?;
        Ok(FluxWorld { devnet: self, flux })
    }
}

impl FluxWorld<'_> {
    /// A manager's position in a vault.
    ///
    /// # Errors
    /// When it can't be evaluated: a feed or a wrapper reverts.
    pub async fn standing(&self, vault: &FluxVault, manager: Address) -> Result<Standing, DevnetError> {
        let bond = self.devnet.ask("bond", vault.address, &Vault::bondOfCall { manager }).await?;
        let working_capital = self.devnet.ask("working capital", vault.address, &Vault::workingCapitalCall { manager }).await?;
        let call = Strategy::evaluateLiquidationCall { vault: vault.address, manager };
        let said = self.devnet.ask("evaluation", vault.strategy, &call).await?;
        let usdc = self.devnet.contracts().token("USDC")?;
        let price = self.devnet.ask("price", self.flux.registry, &Registry::getPriceUSDCall { asset: usdc.address }).await?;
        let owed = said.trueDebt.saturating_mul(price).div_ceil(U256::from(10).saturating_pow(U256::from(usdc.decimals)));
        Ok(Standing {
            debt: said.trueDebt,
            value_usd: said.positionValueUsd,
            bond,
            working_capital,
            health: said.positionValueUsd.saturating_mul(WAD).checked_div(owed).unwrap_or(U256::MAX),
            payment: said.minPayment,
            is_liquidatable: said.canLiquidate,
        })
    }

    /// A vault's totals.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn books(&self, vault: &FluxVault) -> Result<Books, DevnetError> {
        let cash = self.devnet.ask("cash", vault.address, &Vault::cashCall {}).await?;
        let debt = self.devnet.ask("debt", vault.address, &Vault::totalDebtCall {}).await?;
        let assets = self.devnet.ask("assets", vault.address, &Shares::totalAssetsCall {}).await?;
        let shares = self.devnet.ask("shares", vault.address, &Shares::totalSupplyCall {}).await?;
        let managers = self.devnet.ask("managers", vault.address, &Vault::managerCountCall {}).await?;
        Ok(Books { cash, debt, assets, share_price: assets.saturating_mul(WAD).checked_div(shares).unwrap_or_default(), managers })
    }

    /// What somebody has in a vault and its wrappers, in words; nothing for nothing. A dollar's millionth is not overlooked.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn left_of(&self, vault: &FluxVault, manager: Address) -> Result<Vec<String>, DevnetError> {
        let mut left = Vec::new();
        let bond = self.devnet.ask("bond", vault.address, &Vault::bondOfCall { manager }).await?;
        let debt = self.devnet.ask("debt", vault.address, &Vault::trueDebtCall { manager }).await?;
        for (what, amount) in [("bond", bond), ("debt", debt)] {
            if !amount.is_zero() {
                left.push(format!("{what} {amount}"));
            }
        }
        let base = [("USDC", self.flux.base_wrapper)];
        let wrappers = self.flux.wrappers.iter().map(|wrapper| (wrapper.name.as_str(), wrapper.address));
        for (name, wrapper) in base.into_iter().chain(wrappers) {
            let call = Wrapper::positionsOfCall { account: vault.address, subaccount: manager };
            for id in self.devnet.ask("positions", wrapper, &call).await? {
                left.push(format!("{name} {id}: {}", self.held(vault, wrapper, manager, id).await?));
            }
        }
        Ok(left)
    }

    /// What lies in one position of a wrapper, in units of its token; 1 for an NFT.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn held(&self, vault: &FluxVault, wrapper: Address, manager: Address, id: B256) -> Result<U256, DevnetError> {
        let call = Wrapper::getBalanceCall { account: vault.address, subaccount: manager, positionId: id };
        self.devnet.ask("balance", wrapper, &call).await
    }

    /// Whom the factory would have called back for somebody; zero for nobody.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn executor_of(&self, manager: Address) -> Result<Address, DevnetError> {
        self.devnet.ask("executor", self.flux.factory, &Factory::getExecutorCall { manager }).await
    }
}
