//! Signed transactions on a real node: what the relay room sends, and what it reads back about it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says what it expects")]

use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::Recovered},
    eips::Encodable2718,
    network::AnyNetwork,
    node_bindings::{Anvil, AnvilInstance},
    primitives::{Address, B256, Bytes, Signature, U256, address, keccak256},
    providers::{DynProvider, Provider, ProviderBuilder, ext::AnvilApi},
    sol,
    sol_types::SolEvent,
};
use harrier::{
    devnet::find_anvil,
    relay::{
        BlockFacts, BlockSource, Bundle, Lease, LogPattern, NodeBlocks, OperatorKey, Operators, Outcome, Realised, SealedTx, Watch, key_from_hex,
        watch_inclusion,
    },
};
use std::{sync::Arc, time::Duration};

const SOON: Duration = Duration::from_secs(10);
const TIP: u128 = 1_000_000_000;
const TOKEN: Address = address!("00000000000000000000000000000000000070c3");
const SAFE: Address = address!("000000000000000000000000000000000000005a");
const RIVAL: &str = "0x00000000000000000000000000000000000000000000000000000000000000ee";

sol! {
    event Transfer(address indexed from, address indexed to, uint256 value);
}

struct Chain {
    _anvil: AnvilInstance,
    provider: DynProvider<AnyNetwork>,
    blocks: NodeBlocks<DynProvider<AnyNetwork>>,
    operators: Operators,
}

impl Chain {
    /// A chain with one funded operator, and a token that sends whoever calls it the value of the first word of calldata
    /// (an event only), or reverts when there is no calldata.
    async fn start() -> Self {
        let anvil = Anvil::at(find_anvil().unwrap()).args(["--no-mining", "--order", "fifo", "--chain-id", "1337"]).try_spawn().unwrap();
        let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>().connect_http(anvil.endpoint_url()).erased();
        let operators = Operators::new(vec![OperatorKey::from(key_from_hex(&format!("{:064x}", 0xc0ffee)).unwrap())], U256::ZERO).unwrap();
        for address in [operators.addresses()[0], key_from_hex(RIVAL).unwrap().address()] {
            provider.anvil_set_balance(address, U256::from(10).pow(U256::from(18))).await.unwrap();
        }
        provider.anvil_set_code(TOKEN, token_code()).await.unwrap();
        let blocks = NodeBlocks::new(provider.clone(), SOON);
        let chain = Self { _anvil: anvil, provider, blocks, operators };
        chain.mine(&[]).await;
        chain.sync().await;
        chain
    }

    async fn sync(&self) -> Option<u64> {
        let operator = self.operators.addresses()[0];
        let nonce = self.provider.get_transaction_count(operator).await.unwrap();
        let balance = self.provider.get_balance(operator).await.unwrap();
        self.operators.sync(operator, nonce, balance).unwrap().previous_nonce
    }

    /// A call of the token for the next block, without a nonce.
    async fn call(&self, input: Bytes) -> TxEip1559 {
        let number = self.provider.get_block_number().await.unwrap();
        let base_fee = self.blocks.block(number).await.unwrap().unwrap().head.base_fee;
        TxEip1559 {
            chain_id: 1_337,
            gas_limit: 75_000,
            max_fee_per_gas: u128::from(base_fee) * 2 + TIP,
            max_priority_fee_per_gas: TIP,
            to: TOKEN.into(),
            input,
            ..TxEip1559::default()
        }
    }

    /// The call with a nonce of the lease, as the engine runs it and as the operator signs it.
    async fn seal(&self, lease: &Lease, nonce: u64, call: &TxEip1559) -> SealedTx {
        let unsigned = Signature::new(U256::ONE, U256::ONE, false);
        let simulated = Recovered::new_unchecked(TxEip1559 { nonce, ..call.clone() }.into_signed(unsigned).into(), lease.address());
        self.operators.seal_simulated(lease, &Arc::new(simulated)).await.unwrap()
    }

    /// Mines exactly these, in this order.
    async fn mine(&self, raw: &[Bytes]) -> u64 {
        for tx in raw {
            drop(self.provider.send_raw_transaction(tx).await.unwrap());
        }
        self.provider.anvil_mine(Some(1), None).await.unwrap();
        self.provider.get_block_number().await.unwrap()
    }
}

/// `if calldatasize == 0 revert; log3(calldataload(0), Transfer, caller, SAFE)`.
fn token_code() -> Bytes {
    let mut code = vec![0x36, 0x60, 0x08, 0x57, 0x5f, 0x5f, 0xfd, 0x00, 0x5b, 0x5f, 0x35, 0x5f, 0x52, 0x73];
    code.extend_from_slice(SAFE.as_slice());
    code.extend_from_slice(&[0x33, 0x7f]);
    code.extend_from_slice(Transfer::SIGNATURE_HASH.as_slice());
    code.extend_from_slice(&[0x60, 0x20, 0x5f, 0xa3, 0x00]);
    code.into()
}

fn gain(tokens: u64) -> Bytes {
    U256::from(tokens).to_be_bytes_vec().into()
}

/// Anybody's transfer of the token to the receiver counts as acting on the target.
fn watch(bundle: &Bundle) -> Watch {
    let winner = LogPattern { address: TOKEN, topics: vec![Some(Transfer::SIGNATURE_HASH), None, Some(SAFE.into_word())] };
    Watch { target_block: bundle.target_block(), ours: bundle.own_hashes(), winner: vec![winner] }
}

#[tokio::test]
async fn a_bundle_of_two_lands_and_is_paid() {
    let chain = Chain::start().await;
    let call = chain.call(gain(70)).await;
    let lease = chain.operators.lease(U256::from(call.gas_limit) * U256::from(call.max_fee_per_gas)).unwrap();
    let mut ours = Vec::new();
    for nonce in lease.nonces().take(2) {
        ours.push(chain.seal(&lease, nonce, &call).await);
    }
    let target = chain.provider.get_block_number().await.unwrap() + 1;
    let bundle = Bundle::new(target, vec![], ours).unwrap();
    assert_eq!(watch_inclusion(&chain.blocks, &watch(&bundle), SOON).await.unwrap(), None, "sent or not: nothing landed yet");

    assert_eq!(chain.mine(bundle.raw_txs()).await, target);
    let outcome = watch_inclusion(&chain.blocks, &watch(&bundle), SOON).await.unwrap().unwrap();
    let Outcome::Landed { block, txs } = &outcome else { panic!("{outcome:?}") };
    let places: Vec<(B256, u64)> = bundle.own_hashes().into_iter().zip(0..).collect();
    assert_eq!(txs.iter().map(|tx| (tx.hash, tx.index)).collect::<Vec<_>>(), places);
    assert_eq!(txs[0].effective_gas_price, u128::from(block.base_fee) + TIP, "the priority fee is paid in full, the headroom is not");
    let assumed = BlockFacts { hash: None, ..block.clone() };
    assert_eq!(assumed.first_difference(block), None);

    let included = chain.blocks.block(target).await.unwrap().unwrap();
    let realised = Realised::of(&included.txs[1], TOKEN, SAFE).unwrap();
    assert_eq!(realised.token_gain.to_string(), "70");
    let paid: U256 = included.txs.iter().map(|tx| Realised::of(tx, TOKEN, SAFE).unwrap().gas_cost_wei).sum();
    let left = chain.provider.get_balance(lease.address()).await.unwrap();
    assert_eq!(lease.balance() - left, paid, "to the wei");
    lease.release_decided();
    assert_eq!(chain.sync().await, Some(0));
    assert_eq!(chain.operators.lease(U256::ZERO).unwrap().nonce(), 2);
}

#[tokio::test]
async fn missed_lost_and_reverted() {
    let chain = Chain::start().await;
    let call = chain.call(gain(1)).await;
    let lease = chain.operators.lease(U256::ZERO).unwrap();
    let target = chain.provider.get_block_number().await.unwrap() + 1;
    let ours = chain.seal(&lease, lease.nonce(), &call).await;
    let missed = Bundle::new(target, vec![], vec![ours]).unwrap();
    chain.mine(&[]).await;
    assert_eq!(watch_inclusion(&chain.blocks, &watch(&missed), SOON).await.unwrap().unwrap().name(), "missed");
    lease.release_decided();
    assert_eq!(chain.sync().await, Some(0), "a missed bundle leaves no gap");

    // A rival takes it in the next block.
    let rival = OperatorKey::from(key_from_hex(RIVAL).unwrap());
    let theirs = SealedTx::sign(call.clone(), &rival).await.unwrap();
    let lease = chain.operators.lease(U256::ZERO).unwrap();
    assert_eq!(lease.nonce(), 0);
    let ours = chain.seal(&lease, lease.nonce(), &call).await;
    let lost = Bundle::new(target + 1, vec![], vec![ours]).unwrap();
    chain.mine(&[theirs.raw().clone()]).await;
    let outcome = watch_inclusion(&chain.blocks, &watch(&lost), SOON).await.unwrap().unwrap();
    let Outcome::Lost { to, via, tx, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((to, via, tx), (rival.address(), Some(TOKEN), theirs.hash()));
    assert_eq!(keccak256(theirs.tx().inner().encoded_2718()), tx);

    // A relay that breaks its promise includes a reverting one.
    let bad = chain.call(Bytes::new()).await;
    let ours = chain.seal(&lease, lease.nonce(), &bad).await;
    let reverted = Bundle::new(target + 2, vec![], vec![ours]).unwrap();
    chain.mine(reverted.raw_txs()).await;
    let outcome = watch_inclusion(&chain.blocks, &watch(&reverted), SOON).await.unwrap().unwrap();
    let Outcome::Reverted { txs, .. } = outcome else { panic!("{outcome:?}") };
    assert!(!txs[0].success && txs[0].gas_used > 21_000);
}
