//! The next block as it is predicted from its parent, against the block that is mined: 200 devnet blocks of random fullness.
//!
//! ```text
//! head ─TargetBlock::after─▶ number, timestamp, base fee, gas limit, excess blob gas, hardfork
//!      ─front, builder─────▶ header, receipts                           the same
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test says what it expects")]

use alloy::{
    consensus::{SignableTransaction, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar, TxEnvelope},
    eips::{
        Encodable2718,
        eip4844::{Blob, Bytes48, kzg_to_versioned_hash},
        eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant, CELLS_PER_EXT_BLOB},
    },
    network::{AnyNetwork, TxSignerSync},
    primitives::{Address, B256, Bytes, U256, hex},
    providers::{Provider, ProviderBuilder},
};
use harrier::{
    chain::Head,
    devnet::{Chain, ChainConfig, Person, SLOT_SECONDS},
    fork::{Call, ChainRules, Fork, ForkOptions, Hardfork, TargetBlock},
};
use std::collections::BTreeSet;

/// EIP-7825.
const MOST_GAS: u64 = 16_777_216;
const GAS_LIMIT: u64 = 36_000_000;
/// Burns all the gas that it gets.
const BURNER: [u8; 1] = [0xfe];
/// Counts leading zeros (EIP-7939): an opcode that exists since Osaka. Returns the count.
const COUNTER: [u8; 9] = [0x60, 0x01, 0x1e, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low + 1)
    }
}

/// A chain, somebody with money, and two contracts.
struct Scene {
    chain: Chain,
    payer: Person,
    blob_payer: Person,
    burner: Address,
    counter: Address,
    rules: ChainRules,
}

impl Scene {
    async fn set(base_fee: u64) -> Self {
        let chain = Chain::start(ChainConfig { base_fee, gas_limit: GAS_LIMIT, ..ChainConfig::default() }).await.unwrap();
        let (payer, blob_payer) = (chain.dev_account(0).unwrap(), chain.dev_account(1).unwrap());
        let (burner, counter) = (Address::repeat_byte(0xb0), Address::repeat_byte(0xc0));
        for (address, code) in [(burner, BURNER.as_slice()), (counter, COUNTER.as_slice())] {
            let _: serde_json::Value = chain.node().call("anvil_setCode", (address, Bytes::copy_from_slice(code))).await.unwrap();
        }
        // The genesis block has no fee recipient.
        chain.build_block().await.unwrap();
        let rules = ChainRules::fixed(chain.chain_id(), SLOT_SECONDS, Hardfork::Osaka);
        Self { chain, payer, blob_payer, burner, counter, rules }
    }

    async fn send(&self, to: Address, gas: u64) -> B256 {
        let raw = self.chain.signed(&self.payer, Some(to), U256::ZERO, Bytes::new(), gas, 1).await.unwrap();
        self.chain.send_public(raw).await.unwrap()
    }

    /// A transaction with this many blobs of zeros. Their commitment and all their proofs are the point at infinity, so no setup is needed.
    async fn send_blobs(&self, count: usize) -> B256 {
        let infinity = Bytes48::from(hex!("c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"));
        let hash = kzg_to_versioned_hash(infinity.as_slice());
        let sidecar = BlobTransactionSidecarEip7594::new(vec![Blob::ZERO; count], vec![infinity; count], vec![infinity; count * CELLS_PER_EXT_BLOB]);
        let base_fee = u128::from(self.chain.front().head().next_base_fee());
        let tx = TxEip4844 {
            chain_id: self.chain.chain_id(),
            nonce: self.chain.front().next_nonce(self.blob_payer.address()).await.unwrap(),
            gas_limit: 21_000,
            max_fee_per_gas: base_fee * 2 + 1,
            max_priority_fee_per_gas: 1,
            to: Address::repeat_byte(0xbb),
            value: U256::ZERO,
            access_list: Default::default(),
            blob_versioned_hashes: vec![hash; count],
            max_fee_per_blob_gas: 1_000_000_000_000_000,
            input: Bytes::new(),
        };
        let sidecar = BlobTransactionSidecarVariant::Eip7594(sidecar);
        let mut tx = TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar { tx, sidecar });
        let signature = self.blob_payer.signer().sign_transaction_sync(&mut tx).unwrap();
        self.chain.send_public(TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()).await.unwrap()
    }

    /// Fills the mempool for one block; how much gas is burnt.
    async fn fill(&self, dice: &mut Dice) -> u64 {
        let mut left = match dice.between(0, 5) {
            0 => 0,
            1 => GAS_LIMIT,
            _ => dice.between(21_000, GAS_LIMIT),
        };
        let wanted = left;
        while left >= 21_000 {
            let gas = dice.between(21_000, MOST_GAS).min(left);
            self.send(self.burner, gas).await;
            left -= gas;
        }
        wanted
    }
}

/// What the header must be.
fn assert_predicted(block: &TargetBlock, mined: &Head, rules: &ChainRules) {
    assert_eq!(
        (block.number, block.timestamp, block.base_fee, block.gas_limit, block.excess_blob_gas, block.fee_recipient),
        (mined.number, mined.timestamp, mined.base_fee, mined.gas_limit, mined.excess_blob_gas, mined.fee_recipient)
    );
    assert_eq!(block.hardfork, rules.hardfork_at(mined.number, mined.timestamp));
}

/// Mines blocks of random fullness; the base fees that there were.
async fn run(scene: &Scene, dice: &mut Dice, blocks: u64, blob_blocks: std::ops::Range<u64>) -> BTreeSet<u64> {
    let mut base_fees = BTreeSet::new();
    for number in 0..blocks {
        let head = scene.chain.head();
        let block = TargetBlock::after(&head, &scene.rules);
        let mut blobs = Vec::new();
        if blob_blocks.contains(&number) {
            // Below the target, so nothing is in excess: anvil's excess stays zero whatever a block holds. How it grows is shown in `fork`.
            for count in [3, 2] {
                blobs.push(scene.send_blobs(count).await);
            }
        } else {
            scene.fill(dice).await;
        }
        let report = scene.chain.build_block().await.unwrap();
        assert_predicted(&block, &report.head, &scene.rules);
        base_fees.insert(report.head.base_fee);
        // What a blob costs follows from the excess by the hardfork's rules.
        for hash in blobs {
            assert!(report.txs.contains(&hash));
            let receipt: serde_json::Value = scene.chain.node().call("eth_getTransactionReceipt", (hash,)).await.unwrap();
            let paid: U256 = serde_json::from_value(receipt["blobGasPrice"].clone()).unwrap();
            assert_eq!(report.head.blob_gas_used, 5 * 131_072);
            assert_eq!(paid, U256::from(block.hardfork.blob_params().unwrap().calc_blob_fee(block.excess_blob_gas)));
        }
    }
    base_fees
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_blocks_are_as_predicted() {
    let mut dice = Dice(3);
    let usual = Scene::set(10_000_000_000).await;
    let base_fees = run(&usual, &mut dice, 150, 60..66).await;
    assert!(base_fees.len() > 100, "{} base fees", base_fees.len());
    let spread = (base_fees.first().unwrap(), base_fees.last().unwrap());
    assert!(spread.1 / spread.0 >= 2, "{spread:?}");
    // Next to nothing for gas: the smallest steps.
    let cheap = Scene::set(9).await;
    let base_fees = run(&cheap, &mut dice, 50, 20..24).await;
    assert!(base_fees.iter().all(|fee| *fee < 1_000) && base_fees.len() > 3, "{base_fees:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hardfork_is_the_one_that_the_block_is_mined_with() {
    let scene = Scene::set(10_000_000_000).await;
    let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>();
    let provider = provider.connect_http(scene.chain.http_url().parse().unwrap()).erased();
    let head = scene.chain.head();
    let view = Fork::start(&provider, head.clone(), ForkOptions::default()).unwrap().view();
    let call = Call::new(scene.counter, Bytes::new());
    let at = |rules: &ChainRules, blocks: u64| {
        let block = TargetBlock::after_blocks(&head, rules, blocks);
        tokio::task::block_in_place(|| view.call(&block, &call).unwrap().success)
    };
    assert!(at(&scene.rules, 1));
    let hash = scene.send(scene.counter, 60_000).await;
    let report = scene.chain.build_block().await.unwrap();
    assert_eq!((report.txs.as_slice(), report.succeeded.as_slice()), ([hash].as_slice(), [true].as_slice()));

    // The same chain with an activation two blocks away: to the second.
    let activation = head.timestamp + 2 * SLOT_SECONDS;
    let rules = |from| ChainRules::scheduled(scene.chain.chain_id(), SLOT_SECONDS, Hardfork::Prague, vec![(from, Hardfork::Osaka)]);
    assert_eq!((at(&rules(activation), 1), at(&rules(activation), 2)), (false, true));
    assert!(!at(&rules(activation + 1), 2));
    // A missed slot before it brings it one block earlier.
    let next = TargetBlock::after(&head, &rules(activation));
    let late = next.with_missed_slot(&rules(activation));
    assert_eq!((next.hardfork, late.hardfork), (Hardfork::Prague, Hardfork::Osaka));
    assert!(tokio::task::block_in_place(|| view.call(&late, &call).unwrap().success));
}
