//! The executor in the registers of protocols that act only for whom they know.
//!
//! ```text
//! Protocol::registrations ─▶ asked on chain ─▶ Standing ─ missing ─▶ one plan of the first operator ─▶ mined ─▶ asked again
//! ```
//!
//! The executor registers itself, because a register believes nobody but the one that it is about. So it takes a plan, an operator who
//! may send it, and a register that the owner listed among the executor's targets.

use super::{
    assemble,
    public_tx::{self, Order, PublicTxError},
};
use crate::{
    chain::{ChainError, Node},
    config::{Config, Environment, SecretError},
    executor::{self, EncodeError, Revert},
    plan::{ProtocolId, TxPlan},
    protocols::Registration,
};
use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    serde::WithOtherFields,
    signers::local::PrivateKeySigner,
};
use std::{sync::Arc, time::Duration};

/// Blocks in which the plan may be mined: about an hour of Ethereum's. What lands later does nothing.
const BLOCKS: u64 = 300;

/// Why the executor's registrations are not known or not made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A key.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Something that is needed is not configured.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A register that is asked in vain.
    #[error("the register {register} of {protocol} does not answer")]
    Unanswered {
        /// Whose it is.
        protocol: ProtocolId,
        /// The contract.
        register: Address,
        /// What it said instead.
        #[source]
        source: Box<Revert>,
    },
    /// The plan can't be written down.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The sender is no operator of this executor.
    #[error("{operator}, the first of operators.keys, is not an operator of the executor {executor}")]
    NotOperator {
        /// Who was to send.
        operator: Address,
        /// The executor.
        executor: Address,
    },
    /// A register that the executor may not call.
    #[error("{0} is not among the executor's call targets: its owner must list it, or deploy the executor again")]
    NotListed(Address),
    /// The plan would fail otherwise.
    #[error("the executor would not carry the plan out")]
    Refused(#[source] Box<Revert>),
    /// There is no executor.
    #[error("{0} is not the executor: a plan does nothing there")]
    NoExecutor(Address),
    /// The transaction.
    #[error(transparent)]
    Tx(#[from] PublicTxError),
    /// It landed, and a register still says otherwise.
    #[error("{transaction} was mined, but the register {register} of {protocol} does not have the executor")]
    InVain {
        /// What was sent.
        transaction: B256,
        /// Whose register it is.
        protocol: ProtocolId,
        /// The contract.
        register: Address,
    },
}

/// A register and whether the executor stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose register it is.
    pub protocol: ProtocolId,
    /// What is asked and done.
    pub registration: Registration,
    /// What it says now.
    pub is_registered: bool,
}

/// The executor in all registers of the configured protocols, at the newest block.
///
/// # Errors
/// When the executor is not configured, the node fails, or a register does not answer.
pub async fn standings(node: &Node, config: &Config) -> Result<Vec<Standing>, RegisterError> {
    let executor = config.executor.address.ok_or(RegisterError::Missing("executor.address"))?;
    let mut standings = Vec::new();
    for protocol in assemble::protocols(config) {
        for registration in protocol.registrations(executor) {
            let request = TransactionRequest::default().with_to(registration.register).with_input(registration.question.clone());
            let answer = call(node, request).await?.map_err(|source| RegisterError::Unanswered {
                protocol: protocol.id().clone(),
                register: registration.register,
                source: Box::new(source),
            })?;
            standings.push(Standing { protocol: protocol.id().clone(), is_registered: answer == registration.answer, registration });
        }
    }
    Ok(standings)
}

/// Sends the plan that registers the executor wherever it is missing, as a public transaction of the first operator.
///
/// # Errors
/// When a key or the executor is missing, the plan would fail, or the node fails. Nothing was sent then, unless it is the answer to the sending that
/// was missed: asking the registers again tells.
pub async fn send(node: &Node, config: &Config, environment: &Environment, missing: &[Standing]) -> Result<B256, RegisterError> {
    let executor = config.executor.address.ok_or(RegisterError::Missing("executor.address"))?;
    let operator: PrivateKeySigner = config.operators.keys.first().ok_or(RegisterError::Missing("operators.keys"))?.open(environment)?;
    let head = node.latest().await?;
    let plan = TxPlan {
        steps: missing.iter().flat_map(|standing| standing.registration.steps.iter().cloned()).collect(),
        sweep: Vec::new(),
        // Nothing is gained, and nothing has to be.
        profit_token: Address::ZERO,
        min_gain: U256::ZERO,
        builder_payment: U256::ZERO,
        blocks: (head.number, head.number.saturating_add(BLOCKS)),
    };
    let input = executor::encode(&plan)?;
    let request = TransactionRequest::default().with_from(operator.address()).with_to(executor).with_input(input.clone());
    match call(node, request.clone()).await? {
        Ok(output) => executor::decode_gain(&output).map_err(|_| RegisterError::NoExecutor(executor))?,
        Err(Revert::NotOperator) => return Err(RegisterError::NotOperator { operator: operator.address(), executor }),
        Err(Revert::TargetNotListed { target }) => return Err(RegisterError::NotListed(target)),
        Err(other) => return Err(RegisterError::Refused(Box::new(other))),
    };
    let provider = node.provider();
    let gas = node.in_time("eth_estimateGas", async { provider.estimate_gas(WithOtherFields::new(request)).await }).await?;
    let order = Order { to: TxKind::Call(executor), input, gas_limit: gas.saturating_add(gas.div_ceil(4)) };
    Ok(public_tx::send(node, &operator, order).await?.hash)
}

/// Waits until the plan is mined, and asks the registers again.
///
/// # Errors
/// When it failed or was not mined within `longest`, or a register does not have the executor nevertheless.
pub async fn wait(node: &Arc<Node>, config: &Config, transaction: B256, longest: Duration) -> Result<Vec<Standing>, RegisterError> {
    public_tx::mined(node, transaction, longest).await?;
    let standings = standings(node, config).await?;
    match standings.iter().find(|standing| !standing.is_registered) {
        None => Ok(standings),
        Some(Standing { protocol, registration, .. }) => {
            Err(RegisterError::InVain { transaction, protocol: protocol.clone(), register: registration.register })
        }
    }
}

/// Asks at the newest block; what a contract refuses is an answer as well.
async fn call(node: &Node, request: TransactionRequest) -> Result<Result<Bytes, Revert>, ChainError> {
    let provider = node.provider();
    node.in_time("eth_call", async {
        match provider.call(WithOtherFields::new(request)).await {
            Ok(output) => Ok(Ok(output)),
            Err(error) => match error.as_error_resp().and_then(|answer| answer.as_revert_data()) {
                Some(data) => Ok(Err(Revert::decode(&data))),
                None => Err(error),
            },
        }
    })
    .await
}
