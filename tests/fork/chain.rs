//! A real anvil for the tests: accounts that sign, blocks that are mined when a test says so.

use alloy::{
    consensus::{
        SignableTransaction, Transaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEip7702, TxEnvelope, transaction::Recovered,
    },
    eips::{
        BlockId, BlockNumberOrTag, Encodable2718,
        eip4844::{Blob, Bytes48, kzg_to_versioned_hash},
        eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant, CELLS_PER_EXT_BLOB},
        eip7702::Authorization,
    },
    network::{AnyNetwork, TxSignerSync},
    node_bindings::{Anvil, AnvilInstance},
    primitives::{Address, B256, Bytes, Log, TxKind, U256, address},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::client::BatchRequest,
    signers::{SignerSync, local::PrivateKeySigner},
};
use eyre::{Result, WrapErr, eyre};
use harrier::{
    chain::{Head, head_of},
    devnet::find_anvil,
    fork::{ChainRules, Facet, Fork, ForkOptions, Hardfork, SimTx, View},
};
use std::{cell::RefCell, collections::HashMap, sync::Arc};

pub(crate) const CHAIN_ID: u64 = 31337;
pub(crate) const FEE_RECIPIENT: Address = address!("00000000000000000000000000000000bea70001");
/// Gas of every transaction that does not say otherwise.
const GAS: u64 = 1_000_000;

/// anvil, its accounts and their nonces.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) anvil: AnvilInstance,
    pub(crate) provider: DynProvider<AnyNetwork>,
    people: Vec<PrivateKeySigner>,
    nonces: RefCell<HashMap<Address, u64>>,
}

/// What the node says about a mined transaction.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) success: bool,
    pub(crate) gas_used: u64,
    pub(crate) logs: Vec<Log>,
}

pub(crate) fn connect(url: &str) -> Result<DynProvider<AnyNetwork>> {
    Ok(ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>().connect_http(url.parse()?).erased())
}

impl Chain {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Result<Self> {
        let path = find_anvil()?;
        let standard = ["--no-mining", "--order", "fifo", "--hardfork", "osaka", "--enable-tx-gas-limit", "--block-base-fee-per-gas", "1000000000"];
        let anvil = Anvil::at(&path).args(standard).args(arguments).try_spawn().wrap_err_with(|| format!("{}", path.display()))?;
        let provider = connect(&anvil.endpoint())?;
        let people = anvil.keys().iter().map(|key| PrivateKeySigner::from_bytes(&B256::from_slice(&key.to_bytes()))).collect::<Result<_, _>>()?;
        let chain = Self { anvil, provider, people, nonces: RefCell::default() };
        let _: serde_json::Value = chain.request("anvil_setCoinbase", (FEE_RECIPIENT,)).await?;
        Ok(chain)
    }

    pub(crate) async fn request<P, R>(&self, method: &'static str, parameters: P) -> Result<R>
    where
        P: alloy::rpc::json_rpc::RpcSend,
        R: alloy::rpc::json_rpc::RpcRecv,
    {
        self.provider.client().request(method, parameters).await.wrap_err(method)
    }

    pub(crate) const fn rules() -> ChainRules {
        ChainRules::fixed(CHAIN_ID, 12, Hardfork::Osaka)
    }

    pub(crate) fn person(&self, index: usize) -> &PrivateKeySigner {
        &self.people[index]
    }

    pub(crate) async fn head(&self) -> Result<Head> {
        self.head_at(BlockId::latest()).await
    }

    pub(crate) async fn head_at(&self, at: BlockId) -> Result<Head> {
        let block = self.provider.get_block(at).await?.ok_or_else(|| eyre!("no block {at:?}"))?;
        Ok(head_of(&block.header)?)
    }

    pub(crate) async fn fork(&self) -> Result<Fork> {
        Ok(Fork::start(&self.provider, self.head().await?, ForkOptions::default())?)
    }

    fn next_nonce(&self, who: &PrivateKeySigner) -> u64 {
        let mut nonces = self.nonces.borrow_mut();
        let nonce = nonces.entry(who.address()).or_default();
        *nonce += 1;
        *nonce - 1
    }

    /// Takes back the nonces of transactions that were signed but will not be mined, or were mined in a dropped block.
    pub(crate) async fn forget_nonces(&self) -> Result<()> {
        let signed = self.nonces.borrow().keys().copied().collect::<Vec<_>>();
        for address in self.people.iter().map(|person| person.address()).chain(signed) {
            let mined = self.provider.get_transaction_count(address).await?;
            self.nonces.borrow_mut().insert(address, mined);
        }
        Ok(())
    }

    /// A signed transaction of one of anvil's accounts.
    pub(crate) fn sign(&self, who: usize, to: TxKind, value: u64, input: impl Into<Bytes>) -> SimTx {
        let who = self.person(who);
        let mut tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: self.next_nonce(who),
            gas_limit: GAS,
            max_fee_per_gas: 50_000_000_000,
            max_priority_fee_per_gas: 1_500_000_007,
            to,
            value: U256::from(value),
            access_list: Default::default(),
            input: input.into(),
        };
        let signature = who.sign_transaction_sync(&mut tx).expect("a local key signs");
        Arc::new(Recovered::new_unchecked(TxEnvelope::from(tx.into_signed(signature)), who.address()))
    }

    /// A transaction that delegates `authority`'s account to `delegate`, or to nothing for the zero address.
    pub(crate) fn delegate(&self, who: usize, authority: &PrivateKeySigner, delegate: Address) -> SimTx {
        let who = self.person(who);
        let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: delegate, nonce: self.next_nonce(authority) };
        let signature = authority.sign_hash_sync(&authorization.signature_hash()).expect("a local key signs");
        let mut tx = TxEip7702 {
            chain_id: CHAIN_ID,
            nonce: self.next_nonce(who),
            gas_limit: GAS,
            max_fee_per_gas: 50_000_000_000,
            max_priority_fee_per_gas: 1,
            to: authority.address(),
            value: U256::ZERO,
            access_list: Default::default(),
            authorization_list: vec![authorization.into_signed(signature)],
            input: Bytes::new(),
        };
        let signature = who.sign_transaction_sync(&mut tx).expect("a local key signs");
        Arc::new(Recovered::new_unchecked(TxEnvelope::from(tx.into_signed(signature)), who.address()))
    }

    /// A transaction with one blob of zeros, whose commitment and proofs are the point at infinity.
    pub(crate) fn blob(&self, who: usize, to: Address, value: u64) -> SimTx {
        let who = self.person(who);
        let mut infinity = Bytes48::ZERO;
        infinity.0[0] = 0xc0;
        let sidecar = BlobTransactionSidecarEip7594 { blobs: vec![Blob::ZERO], commitments: vec![infinity], cell_proofs: vec![infinity; CELLS_PER_EXT_BLOB] };
        let tx = TxEip4844 {
            chain_id: CHAIN_ID,
            nonce: self.next_nonce(who),
            gas_limit: GAS,
            max_fee_per_gas: 50_000_000_000,
            max_priority_fee_per_gas: 1_000,
            to,
            value: U256::from(value),
            access_list: Default::default(),
            blob_versioned_hashes: vec![kzg_to_versioned_hash(infinity.as_slice())],
            max_fee_per_blob_gas: 1_000_000_000,
            input: crate::code::words(&[value % 6, value % 4]).into(),
        };
        let mut tx = TxEip4844Variant::from(TxEip4844WithSidecar { tx, sidecar: BlobTransactionSidecarVariant::Eip7594(sidecar) });
        let signature = who.sign_transaction_sync(&mut tx).expect("a local key signs");
        Arc::new(Recovered::new_unchecked(TxEnvelope::from(tx.into_signed(signature)), who.address()))
    }

    pub(crate) async fn send(&self, tx: &SimTx) -> Result<()> {
        let _pending = self.provider.send_raw_transaction(&tx.inner().encoded_2718()).await?;
        Ok(())
    }

    /// Mines all that was sent, `seconds` after the last block.
    pub(crate) async fn mine(&self, seconds: u64) -> Result<Head> {
        let timestamp = self.head().await?.timestamp + seconds;
        let _: serde_json::Value = self.request("evm_setNextBlockTimestamp", (timestamp,)).await?;
        let _: serde_json::Value = self.request("evm_mine", ()).await?;
        self.head().await
    }

    pub(crate) async fn send_and_mine(&self, txs: &[SimTx]) -> Result<Head> {
        for tx in txs {
            self.send(tx).await?;
        }
        self.mine(12).await
    }

    pub(crate) async fn receipt(&self, tx: &SimTx) -> Result<Receipt> {
        let receipt = self.provider.get_transaction_receipt(*tx.tx_hash()).await?.ok_or_else(|| eyre!("{} was not mined", tx.tx_hash()))?;
        let inner = &receipt.inner;
        let logs = inner.inner.inner.receipt.logs.iter().map(|log| log.inner.clone()).collect();
        Ok(Receipt { success: inner.inner.inner.receipt.status.coerce_status(), gas_used: receipt.gas_used, logs })
    }

    /// Deploys code as it is and mines.
    pub(crate) async fn deploy(&self, runtime: &[u8]) -> Result<Address> {
        let tx = self.sign(0, TxKind::Create, 0, crate::code::init_code(runtime));
        let address = tx.signer().create(tx.nonce());
        self.send_and_mine(std::slice::from_ref(&tx)).await?;
        eyre::ensure!(self.receipt(&tx).await?.success, "deployment failed");
        Ok(address)
    }

    /// A facet's value by a plain request of its own.
    pub(crate) async fn fresh(&self, facet: &Facet, at: B256) -> Result<U256> {
        let at = BlockId::from(at);
        Ok(match facet {
            Facet::Slot(address, slot) => self.provider.get_storage_at(*address, *slot).block_id(at).await?,
            Facet::Balance(address) => self.provider.get_balance(*address).block_id(at).await?,
            Facet::Nonce(address) => U256::from(self.provider.get_transaction_count(*address).block_id(at).await?),
            Facet::Code(address) => alloy::primitives::keccak256(self.provider.get_code_at(*address).block_id(at).await?).into(),
            Facet::Env(_) => U256::ZERO,
        })
    }

    /// The values of many facets by plain reads in two requests, a batch of single reads the one and slots the other.
    pub(crate) async fn fresh_all(&self, facets: impl IntoIterator<Item = Facet>, at: B256) -> Result<HashMap<Facet, U256>> {
        let block = BlockId::from(at);
        let (mut slots, mut values) = (HashMap::<Address, Vec<B256>>::new(), HashMap::new());
        let (mut numbers, mut codes) = (Vec::new(), Vec::new());
        let mut batch = BatchRequest::new(self.provider.client());
        for facet in facets {
            match facet {
                Facet::Slot(address, slot) => slots.entry(address).or_default().push(slot.into()),
                Facet::Balance(address) => numbers.push((facet, batch.add_call::<_, U256>("eth_getBalance", &(address, block))?)),
                Facet::Nonce(address) => numbers.push((facet, batch.add_call::<_, U256>("eth_getTransactionCount", &(address, block))?)),
                Facet::Code(address) => codes.push((facet, batch.add_call::<_, Bytes>("eth_getCode", &(address, block))?)),
                Facet::Env(_) => {}
            }
        }
        batch.send().await?;
        for (facet, number) in numbers {
            values.insert(facet, number.await?);
        }
        for (facet, code) in codes {
            values.insert(facet, alloy::primitives::keccak256(code.await?).into());
        }
        let answer: HashMap<Address, Vec<U256>> = self.request("eth_getStorageValues", (&slots, block)).await?;
        for (address, asked) in slots {
            values.extend(asked.into_iter().zip(&answer[&address]).map(|(slot, value)| (Facet::Slot(address, slot.into()), *value)));
        }
        Ok(values)
    }

    /// Every known facet of a view against a plain read of the node at the same block; how many there were.
    pub(crate) async fn assert_fresh(&self, view: &View) -> Result<usize> {
        let known = view.generation().known();
        let mut count = 0;
        for facet in known.facets() {
            let fresh = self.fresh(&facet, view.head().hash).await?;
            assert_eq!(known.value(&facet), Some(fresh), "{facet:?} at block {}", view.head().number);
            count += 1;
        }
        Ok(count)
    }
}

/// The tag as a block id, for blocks by number.
pub(crate) const fn number(number: u64) -> BlockId {
    BlockId::Number(BlockNumberOrTag::Number(number))
}

/// Runs on a thread where a miss may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
