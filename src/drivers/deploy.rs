//! The executor on chain: deployed by its owner, and compared with what this program would deploy.

use super::{
    assemble,
    public_tx::{self, Order, PublicTxError},
};
use crate::{
    chain::{ChainError, Node},
    config::{Config, Environment, SecretError},
    executor::{self, ExecutorConfig},
};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, TxKind, U256, keccak256},
    providers::Provider,
    signers::local::PrivateKeySigner,
};
use std::{sync::Arc, time::Duration};

/// Gas for the deployment.
const DEPLOY_GAS: u64 = 8_000_000;

/// Why nothing was deployed or read.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A key.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A key path that is needed.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The transaction.
    #[error(transparent)]
    Tx(#[from] PublicTxError),
}

/// A deployment that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The transaction.
    pub transaction: B256,
    /// Where the executor will be.
    pub address: Address,
}

/// What the executor's constructor gets: the owner, the receiver, the configured operators, the protocols' call targets.
///
/// # Errors
/// When a key or the receiver is missing.
pub fn executor_config(config: &Config, environment: &Environment) -> Result<(PrivateKeySigner, ExecutorConfig), DeployError> {
    let owner = config.executor.owner.as_ref().ok_or(DeployError::Missing("executor.owner"))?.open(environment)?;
    let receiver = config.executor.profit_receiver.ok_or(DeployError::Missing("executor.profit_receiver"))?;
    let operators = config.operators.keys.iter().map(|key| Ok(key.open(environment)?.address())).collect::<Result<Vec<_>, SecretError>>()?;
    let targets = assemble::call_targets(config, &assemble::protocols(config));
    Ok((owner.clone(), ExecutorConfig { owner: owner.address(), receiver, operators, targets }))
}

/// Sends the deployment as a public transaction.
///
/// # Errors
/// When the owner's key or the node fails.
pub async fn send(node: &Node, owner: &PrivateKeySigner, executor: &ExecutorConfig) -> Result<Deployment, DeployError> {
    let order = Order { to: TxKind::Create, input: executor::deployment(executor), gas_limit: DEPLOY_GAS };
    let sent = public_tx::send(node, owner, order).await?;
    Ok(Deployment { transaction: sent.hash, address: owner.address().create(sent.nonce) })
}

/// Waits until the deployment is mined.
///
/// # Errors
/// When it failed, or was not mined within `longest`.
pub async fn wait(node: &Arc<Node>, deployment: Deployment, longest: Duration) -> Result<(), DeployError> {
    Ok(public_tx::mined(node, deployment.transaction, longest).await?)
}

/// The executor as it is on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub address: Address,
    /// Whether its code is what this program was built with.
    pub code_is_ours: bool,
    /// Whether there is any code.
    pub has_code: bool,
    /// Its owner.
    pub owner: Address,
    /// Who gets the profit.
    pub receiver: Address,
    /// Configured slots that differ from what the configuration says: operators, targets, receiver.
    pub differing: Vec<U256>,
    /// Wei that it holds; zero between plans.
    pub balance: U256,
}

/// Compares the executor on chain with the configuration.
///
/// # Errors
/// When it is not configured, or the node fails.
pub async fn status(node: &Node, config: &Config, expected: &ExecutorConfig) -> Result<Status, DeployError> {
    let address = config.executor.address.ok_or(DeployError::Missing("executor.address"))?;
    let provider = node.provider();
    let at = BlockId::latest();
    let code = node.in_time("eth_getCode", async { provider.get_code_at(address).block_id(at).await }).await?;
    let balance = node.in_time("eth_getBalance", async { provider.get_balance(address).block_id(at).await }).await?;
    let mut differing = Vec::new();
    for (slot, value) in executor::storage(expected) {
        let there = node.in_time("eth_getStorageAt", async { provider.get_storage_at(address, slot).block_id(at).await }).await?;
        if there != value {
            differing.push(slot);
        }
    }
    let word = |slot| {
        let (provider, node) = (&provider, node);
        async move {
            let word = node.in_time("eth_getStorageAt", async { provider.get_storage_at(address, slot).block_id(at).await }).await?;
            Ok::<_, ChainError>(Address::from_word(word.into()))
        }
    };
    Ok(Status {
        address,
        code_is_ours: keccak256(&code) == executor::executor_artifact().code_hash,
        has_code: !code.is_empty(),
        owner: word(executor::OWNER_SLOT).await?,
        receiver: word(executor::RECEIVER_SLOT).await?,
        differing,
        balance,
    })
}

/// How the executor on chain differs from what a live run needs, in words: its code, its receiver, operators and targets.
///
/// # Errors
/// When the node fails.
pub async fn differences(node: &Node, executor: Address, receiver: Address, operators: &[Address], targets: &[Address]) -> Result<Vec<String>, ChainError> {
    let provider = node.provider();
    let at = BlockId::latest();
    let mut wrong = Vec::new();
    let code = node.in_time("eth_getCode", async { provider.get_code_at(executor).block_id(at).await }).await?;
    if keccak256(&code) != executor::executor_artifact().code_hash {
        wrong.push("its code is not what this program was built with".to_owned());
    }
    // The owner may be anybody; its slot is left out of the comparison.
    let expected = ExecutorConfig { owner: receiver, receiver, operators: operators.to_vec(), targets: targets.to_vec() };
    for (slot, value) in executor::storage(&expected) {
        if slot == executor::OWNER_SLOT {
            continue;
        }
        let there = node.in_time("eth_getStorageAt", async { provider.get_storage_at(executor, slot).block_id(at).await }).await?;
        if there != value {
            let what = if slot == executor::RECEIVER_SLOT { "its profit receiver is another one" } else { "an operator or a call target is not listed" };
            wrong.push(format!("{what} (slot {slot:#x})"));
        }
    }
    Ok(wrong)
}
