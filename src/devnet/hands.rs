//! Set-up before anybody listens: signed transactions straight to the node, many to a block, each checked for success.

use super::{
    DevnetError, SLOT_SECONDS,
    artifacts::Artifact,
    chain::Chain,
    people::{Draft, Person},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};
use serde_json::json;
use std::collections::HashMap;

/// Gas limits of a block's set-up transactions stay below this, so that none is left over.
const BLOCK_BUDGET: u64 = 40_000_000;
/// Gas limit of a creation.
const CREATE_GAS: u64 = 8_000_000;

/// Hands that set a chain up.
#[derive(Debug)]
pub(super) struct Hands<'a> {
    chain: &'a Chain,
    nonces: HashMap<Address, u64>,
    sent: Vec<(String, B256)>,
    gas: u64,
}

impl<'a> Hands<'a> {
    pub(super) fn new(chain: &'a Chain) -> Self {
        Self { chain, nonces: HashMap::new(), sent: Vec::new(), gas: 0 }
    }

    /// Creates a contract; its address follows from the creator and the nonce.
    pub(super) async fn create(&mut self, by: &Person, what: &str, artifact: &Artifact, arguments: Vec<u8>) -> Result<Address, DevnetError> {
        let mut code = artifact.init_code.to_vec();
        code.extend(arguments);
        let nonce = self.send(by, what, None, U256::ZERO, code.into(), CREATE_GAS).await?;
        Ok(by.address().create(nonce))
    }

    /// Calls a contract.
    pub(super) async fn call<C: SolCall>(&mut self, by: &Person, what: &str, to: Address, call: C, gas: u64) -> Result<(), DevnetError> {
        self.send(by, what, Some(to), U256::ZERO, call.abi_encode().into(), gas).await.map(drop)
    }

    /// Calls a contract with ether.
    pub(super) async fn pay<C: SolCall>(&mut self, by: &Person, what: &str, to: Address, call: C, value: U256) -> Result<(), DevnetError> {
        self.send(by, what, Some(to), value, call.abi_encode().into(), 200_000).await.map(drop)
    }

    async fn send(&mut self, by: &Person, what: &str, to: Option<Address>, value: U256, data: Bytes, gas: u64) -> Result<u64, DevnetError> {
        if self.gas.saturating_add(gas) > BLOCK_BUDGET {
            self.settle().await?;
        }
        let node = self.chain.node();
        let nonce = match self.nonces.get(&by.address()) {
            Some(nonce) => *nonce,
            None => node.nonce(by.address()).await?,
        };
        let max_fee = u128::from(self.chain.config().base_fee);
        let raw = by.sign(&Draft { chain_id: self.chain.chain_id(), nonce, to, value, data, gas, max_fee, tip: 0 })?;
        let hash = node.send_raw(&raw).await?;
        self.nonces.insert(by.address(), nonce.saturating_add(1));
        self.sent.push((what.to_owned(), hash));
        self.gas = self.gas.saturating_add(gas);
        Ok(nonce)
    }

    /// Mines what was sent, at the configured base fee, and checks that all of it succeeded.
    pub(super) async fn settle(&mut self) -> Result<(), DevnetError> {
        if self.sent.is_empty() {
            return Ok(());
        }
        let node = self.chain.node();
        let head = self.chain.front().refreshed_head().await?;
        node.mine_at(head.timestamp.saturating_add(SLOT_SECONDS), Some(self.chain.config().base_fee)).await?;
        let receipts = node.newest_receipts().await?;
        let succeeded: std::collections::HashSet<B256> = receipts.iter().filter(|receipt| receipt.ok()).map(|receipt| receipt.transaction_hash).collect();
        for (what, tx) in self.sent.drain(..) {
            if !succeeded.contains(&tx) {
                return Err(DevnetError::SetUp { what, tx });
            }
        }
        self.gas = 0;
        self.chain.front().refreshed_head().await?;
        Ok(())
    }

    /// Gives somebody ether out of nothing.
    pub(super) async fn fund(&self, account: Address, wei: U256) -> Result<(), DevnetError> {
        let _: serde_json::Value = self.chain.node().call("anvil_setBalance", (account, wei)).await?;
        Ok(())
    }

    /// Asks a contract.
    pub(super) async fn ask<C: SolCall>(&self, what: &str, to: Address, call: C) -> Result<C::Return, DevnetError> {
        ask(self.chain, what, to, &call).await
    }
}

/// Asks a contract at the newest block.
pub(super) async fn ask<C: SolCall>(chain: &Chain, what: &str, to: Address, call: &C) -> Result<C::Return, DevnetError> {
    let request = json!({"to": to, "data": Bytes::from(call.abi_encode())});
    let output: Bytes = chain.node().call("eth_call", (request, "latest")).await?;
    C::abi_decode_returns(&output).map_err(|source| DevnetError::Decode { what: what.to_owned(), source })
}
