//! Compares a configuration with the chain: every mistake at once, before anything starts.

use super::{
    Config, ConfigError, ProtocolKind,
    mistake::{Mistake, Problem},
};
use alloy::{
    network::{AnyNetwork, TransactionBuilder},
    primitives::{Address, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    serde::WithOtherFields,
    sol,
    sol_types::{SolCall, SolValue},
    transports::{RpcError, TransportError},
};
use std::{future::IntoFuture, time::Duration};

sol! {
    function decimals() external view returns (uint8);
    function symbol() external view returns (string);
}

/// Why the configuration does not fit the chain, or could not be compared with it.
#[derive(Debug, thiserror::Error)]
pub enum OnChainError {
    /// It does not fit.
    #[error(transparent)]
    Mistakes(ConfigError),
    /// The node did not answer in time.
    #[error("the node did not answer {call} within {within:?}")]
    Late {
        /// The call.
        call: &'static str,
        /// How long it had.
        within: Duration,
    },
    /// The node can't be asked.
    #[error("the node failed at {call}")]
    Node {
        /// The call.
        call: &'static str,
        /// Why.
        #[source]
        source: TransportError,
    },
}

/// Checks the chain id, that there is code at every address that must be a contract, and each token's decimals and symbol.
pub async fn check_on_chain<P: Provider<AnyNetwork>>(config: &Config, provider: &P) -> Result<(), OnChainError> {
    let check = Check { provider, within: config.node.timeout() };
    let mut mistakes = Vec::new();
    let mut mistake = |path: String, problem| mistakes.push(Mistake { path, problem });

    let found = check.in_time("eth_chainId", provider.get_chain_id()).await?;
    if found != config.chain.id {
        mistake("chain.id".to_owned(), Problem::ChainId { expected: config.chain.id, found });
        // The addresses of another chain's file say nothing here.
        return Err(OnChainError::Mistakes(ConfigError::Mistakes(mistakes)));
    }
    for (path, address) in contracts(config) {
        if check.in_time("eth_getCode", provider.get_code_at(address)).await?.is_empty() {
            mistake(path, Problem::NoCode(address));
        }
    }
    for (name, token) in &config.tokens {
        let path = format!("tokens.{name}");
        if check.in_time("eth_getCode", provider.get_code_at(token.address)).await?.is_empty() {
            mistake(format!("{path}.address"), Problem::NoCode(token.address));
            continue;
        }
        match check.call(token.address, "decimals()", decimalsCall {}.abi_encode()).await? {
            Ok(answer) => match <U256 as SolValue>::abi_decode(&answer) {
                Ok(found) if found == U256::from(token.decimals) => {}
                Ok(found) => {
                    mistake(format!("{path}.decimals"), Problem::Differs { expected: token.decimals.to_string(), found: found.to_string() });
                }
                Err(error) => mistake(format!("{path}.decimals"), no_answer(token.address, "decimals()", error.to_string())),
            },
            Err(detail) => mistake(format!("{path}.decimals"), no_answer(token.address, "decimals()", detail)),
        }
        let expected = token.symbol.as_ref().unwrap_or(name);
        match check.call(token.address, "symbol()", symbolCall {}.abi_encode()).await? {
            Ok(answer) => match decode_symbol(&answer) {
                Some(found) if found == *expected => {}
                Some(found) => mistake(format!("{path}.symbol"), Problem::Differs { expected: expected.clone(), found }),
                None => mistake(format!("{path}.symbol"), no_answer(token.address, "symbol()", "no text".to_owned())),
            },
            Err(detail) => mistake(format!("{path}.symbol"), no_answer(token.address, "symbol()", detail)),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(OnChainError::Mistakes(ConfigError::Mistakes(mistakes))) }
}

const fn no_answer(address: Address, call: &'static str, detail: String) -> Problem {
    Problem::NoAnswer { address, call, detail }
}

/// The addresses that must be contracts, with their key paths. Tokens are checked apart.
#[must_use]
pub fn contracts(config: &Config) -> Vec<(String, Address)> {
    let mut contracts = Vec::new();
    let mut add = |path: String, address: Option<Address>| contracts.extend(address.map(|address| (path, address)));
    add("executor.address".to_owned(), config.executor.address);
    for (index, target) in config.executor.call_targets.iter().enumerate() {
        add(format!("executor.call_targets[{index}]"), Some(*target));
    }
    for (name, protocol) in &config.protocols {
        add(format!("protocols.{name}.contract"), Some(protocol.contract));
        match &protocol.kind {
            ProtocolKind::MorphoBlue(_) | ProtocolKind::Moolah(_) => {}
            ProtocolKind::Fx(fx) => {
                for (key, address) in [("short_manager", fx.short_manager), ("base_pool", fx.base_pool), ("fx_usd", fx.fx_usd), ("stable", fx.stable)] {
                    add(format!("protocols.{name}.{key}"), Some(address));
                }
            }
            ProtocolKind::Flux(flux) => {
                let vaults: Vec<Address> = protocol.markets.iter().map(|market| Address::from_word(market.0)).collect();
                let lists = [
                    ("markets", &vaults),
                    ("additional_wrappers", &flux.additional_wrappers),
                    ("position_managers", &flux.position_managers),
                    ("standard_strategies", &flux.standard_strategies),
                ];
                for (key, addresses) in lists {
                    for (index, address) in addresses.iter().enumerate() {
                        add(format!("protocols.{name}.{key}[{index}]"), Some(*address));
                    }
                }
            }
        }
    }
    add("venues.weth".to_owned(), Some(config.venues.weth));
    if let Some(uniswap) = &config.venues.uniswap_v3 {
        add("venues.uniswap_v3.factory".to_owned(), Some(uniswap.factory));
        for (index, pool) in uniswap.pools.iter().enumerate() {
            add(format!("venues.uniswap_v3.pools[{index}]"), Some(*pool));
        }
    }
    for (index, pool) in config.venues.curve.iter().flat_map(|curve| &curve.pools).enumerate() {
        add(format!("venues.curve.pools[{index}]"), Some(*pool));
    }
    add("venues.wsteth".to_owned(), config.venues.wsteth);
    add("flash.morpho_blue".to_owned(), config.flash.morpho_blue);
    add("flash.moolah".to_owned(), config.flash.moolah);
    contracts
}

struct Check<'a, P> {
    provider: &'a P,
    within: Duration,
}

impl<P: Provider<AnyNetwork>> Check<'_, P> {
    async fn in_time<T, F>(&self, call: &'static str, request: F) -> Result<T, OnChainError>
    where
        F: IntoFuture<Output = Result<T, TransportError>>,
    {
        match tokio::time::timeout(self.within, request.into_future()).await {
            Ok(answer) => answer.map_err(|source| OnChainError::Node { call, source }),
            Err(_) => Err(OnChainError::Late { call, within: self.within }),
        }
    }

    /// The answer of a contract, or the text with which the call was refused.
    async fn call(&self, to: Address, call: &'static str, input: Vec<u8>) -> Result<Result<Bytes, String>, OnChainError> {
        let request = TransactionRequest::default().with_to(to).with_input(input);
        match self.in_time(call, self.provider.call(WithOtherFields::new(request))).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(OnChainError::Node { source: RpcError::ErrorResp(refusal), .. }) => Ok(Err(refusal.message.to_string())),
            Err(error) => Err(error),
        }
    }
}

/// A symbol as a string, or as the 32 bytes that old tokens answer.
fn decode_symbol(answer: &[u8]) -> Option<String> {
    if let Ok(symbol) = symbolCall::abi_decode_returns(answer) {
        return Some(symbol);
    }
    let bytes = <[u8; 32]>::try_from(answer).ok()?;
    let text: Vec<u8> = bytes.into_iter().take_while(|byte| *byte != 0).collect();
    String::from_utf8(text).ok().filter(|text| !text.is_empty())
}
