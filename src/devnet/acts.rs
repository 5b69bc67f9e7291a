//! Public transactions of people, many to a block, each checked for success: a searcher that runs already follows them.

use super::{Devnet, DevnetError, artifacts::Artifact, node::Receipt, people::Person};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};

/// Ether that a person gets, for gas.
pub(super) const POCKET_MONEY: U256 = U256::from_limbs([10_000_000_000_000_000_000, 0, 0, 0]);
/// Gas limit of a creation.
const CREATE_GAS: u64 = 3_000_000;

/// Tip of such a transaction, wei per gas.
pub(super) const TIP: u128 = 1_000_000_000;
/// Gas limits of a block's transactions stay below this, so that none is left over.
const BLOCK_BUDGET: u64 = 50_000_000;

/// What was sent and is not mined yet.
#[derive(Debug)]
pub(super) struct Acts<'a> {
    devnet: &'a Devnet,
    sent: Vec<(String, B256)>,
    gas: u64,
    receipts: Vec<Receipt>,
}

impl<'a> Acts<'a> {
    pub(super) const fn new(devnet: &'a Devnet) -> Self {
        Self { devnet, sent: Vec::new(), gas: 0, receipts: Vec::new() }
    }

    /// Somebody calls a contract.
    pub(super) async fn call<C: SolCall>(&mut self, by: &Person, what: &str, to: Address, call: &C, gas: u64) -> Result<(), DevnetError> {
        self.send(by, what, Some(to), U256::ZERO, call.abi_encode().into(), gas).await
    }

    /// Somebody creates a small contract.
    pub(super) async fn create(&mut self, by: &Person, what: &str, artifact: &Artifact, arguments: Vec<u8>) -> Result<(), DevnetError> {
        let mut code = artifact.init_code.to_vec();
        code.extend(arguments);
        self.send(by, what, None, U256::ZERO, code.into(), CREATE_GAS).await
    }

    /// Somebody pays ether.
    pub(super) async fn pay(&mut self, by: &Person, to: &Person, wei: U256) -> Result<(), DevnetError> {
        self.send(by, &format!("ether for {}", to.name()), Some(to.address()), wei, Bytes::new(), 21_000).await
    }

    async fn send(&mut self, by: &Person, what: &str, to: Option<Address>, value: U256, data: Bytes, gas: u64) -> Result<(), DevnetError> {
        if self.gas.saturating_add(gas) > BLOCK_BUDGET {
            self.block().await?;
        }
        self.gas = self.gas.saturating_add(gas);
        let raw = self.devnet.signed(by, to, value, data, gas, TIP).await?;
        self.put(&format!("{what} by {}", by.name()), raw).await
    }

    /// What somebody has signed.
    pub(super) async fn put(&mut self, what: &str, raw: Bytes) -> Result<(), DevnetError> {
        let hash = self.devnet.send_public(raw).await?;
        self.sent.push((what.to_owned(), hash));
        Ok(())
    }

    async fn block(&mut self) -> Result<(), DevnetError> {
        if self.sent.is_empty() {
            return Ok(());
        }
        self.devnet.build_block().await?;
        let receipts = self.devnet.node().newest_receipts().await?;
        for (what, tx) in self.sent.drain(..) {
            if !receipts.iter().any(|receipt| receipt.transaction_hash == tx && receipt.ok()) {
                return Err(DevnetError::SetUp { what, tx });
            }
        }
        self.receipts.extend(receipts);
        self.gas = 0;
        Ok(())
    }

    /// Builds the block with what was sent, and checks that all of it is there and succeeded. Gives all receipts since the last time.
    pub(super) async fn mined(&mut self) -> Result<Vec<Receipt>, DevnetError> {
        self.block().await?;
        Ok(std::mem::take(&mut self.receipts))
    }
}
