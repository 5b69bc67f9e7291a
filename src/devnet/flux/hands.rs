//! What lenders, a rival and strangers do in the Flux world.

use super::{
    FluxManager, FluxVault, FluxWorld,
    abi::{Blind, Factory, Script, ScriptCall, Seized, Shares, Unlocked, Vault},
    deploy::lender,
    managers::locked,
};
use crate::devnet::{
    DevnetError,
    abi::Token,
    acts::{Acts, POCKET_MONEY, TIP},
    people::Person,
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};

/// Gas limit of a liquidation.
const LIQUIDATION_GAS: u64 = 3_000_000;
/// A liquidation uses more gas than this.
const LEAST_LIQUIDATION_GAS: u64 = 200_000;
/// Gas limit of a call from outside.
const CALL_GAS: u64 = 1_000_000;

impl FluxWorld<'_> {
    /// Lenders take their money out until so many units of USDC of a vault's cash are left, mined.
    ///
    /// # Errors
    /// When there is less already.
    pub async fn lenders_leave(&self, vault: &FluxVault, left: U256) -> Result<(), DevnetError> {
        let lender = lender();
        let cash = self.devnet.ask("cash", vault.address, &Vault::cashCall {}).await?;
        let assets = cash.checked_sub(left).ok_or(DevnetError::Range("a vault's cash"))?;
        let mut acts = Acts::new(self.devnet);
        let call = Shares::withdrawCall { assets, receiver: lender.address(), owner: lender.address() };
        acts.call(&lender, "withdrawal", vault.address, &call, CALL_GAS).await?;
        acts.mined().await.map(drop)
    }

    /// The rival liquidates a manager with its own capital and takes everything out, signed and not sent. `payment` is what the builder gets at least, in wei, by
    /// the tip on the gas that it uses at least.
    ///
    /// # Errors
    /// When it can't be signed.
    pub async fn rival_liquidation(&self, manager: &FluxManager, payment: U256) -> Result<Bytes, DevnetError> {
        let vault = &manager.vault;
        let standing = self.standing(vault, manager.script).await?;
        let usdc = self.devnet.contracts().token("USDC")?.address;
        // More than enough, whatever the price is then: what is not taken stays in the rival's working capital.
        let prepared = standing.debt.saturating_mul(U256::from(2));
        let mut calls = vec![
            ScriptCall { target: usdc, data: Token::approveCall { spender: self.flux.base_wrapper, amount: prepared }.abi_encode().into() },
            locked(vault, &Vault::locked_depositToWrapperCall { wrapper: self.flux.base_wrapper, positionId: B256::ZERO, amount: prepared }),
            locked(vault, &Vault::locked_withdrawBondCall { amount: standing.bond }),
        ];
        for held in &manager.held {
            calls.push(locked(vault, &Vault::locked_withdrawFromWrapperCall { wrapper: held.wrapper, positionId: held.id, amount: held.amount }));
        }
        let hidden = manager.held.iter().filter(|held| !held.is_registered).map(|held| held.wrapper).collect();
        let call = Script::liquidateCall { vault: vault.address, manager: manager.script, additionalWrappers: hidden, calls };
        let tip = payment.checked_div(U256::from(LEAST_LIQUIDATION_GAS)).unwrap_or_default();
        let tip = u128::try_from(tip).map_err(|_| DevnetError::Range("a rival's payment"))?;
        self.devnet.signed(self.devnet.rival(), Some(self.flux.rival), U256::ZERO, call.abi_encode().into(), LIQUIDATION_GAS, tip.max(TIP)).await
    }

    /// The wrapper that can be blinded reverts from now on, or no more: a transaction in the public mempool. Its hash.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn blinds(&self, blinded: bool) -> Result<B256, DevnetError> {
        let data = Blind::setBlindedCall { blinded }.abi_encode();
        let wrapper = self.flux.wrapper("blind WETH")?.address;
        let raw = self.devnet.signed(&self.devnet.deployer()?, Some(wrapper), U256::ZERO, data.into(), CALL_GAS, TIP).await?;
        self.devnet.send_public(raw).await
    }

    /// A stranger comes, who says that somebody's executor is its own, mined.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn stranger(&self, executor: Address) -> Result<Person, DevnetError> {
        let stranger = Person::named("a stranger");
        let mut acts = Acts::new(self.devnet);
        acts.pay(&self.devnet.deployer()?, &stranger, POCKET_MONEY).await?;
        acts.mined().await?;
        let call = Factory::registerExecutorCall { manager: stranger.address(), executor };
        acts.call(&stranger, "registration", self.flux.factory, &call, CALL_GAS).await?;
        acts.mined().await?;
        Ok(stranger)
    }

    /// The stranger's attacks on that executor: it calls both callbacks itself, and lets the vault call it back by opening a lock and by a liquidation. All of them
    /// wait in the public mempool; their hashes.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn attacks(&self, stranger: &Person, executor: Address, manager: &FluxManager, data: &Bytes) -> Result<Vec<B256>, DevnetError> {
        let standing = self.standing(&manager.vault, manager.script).await?;
        let vault = manager.vault.address;
        let seized = Seized::fluxUnlockCallbackCall { minPayment: standing.payment, trueDebt: standing.debt, data: data.clone() };
        let liquidated = Vault::liquidateCall { manager: manager.script, additionalWrappers: Vec::new(), data: data.clone() };
        let attacks = [
            (executor, Unlocked::fluxUnlockCallbackCall { data: data.clone() }.abi_encode()),
            (executor, seized.abi_encode()),
            (vault, Vault::unlockCall { data: data.clone() }.abi_encode()),
            (vault, liquidated.abi_encode()),
        ];
        let mut hashes = Vec::new();
        for (to, data) in attacks {
            let raw = self.devnet.signed(stranger, Some(to), U256::ZERO, data.into(), CALL_GAS, TIP).await?;
            hashes.push(self.devnet.send_public(raw).await?);
        }
        Ok(hashes)
    }
}
