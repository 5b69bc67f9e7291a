//! A devnet, a fork of it, and calls that are really executed on the fork's views.

use crate::alone::{block_after, fork_of};
use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::Recovered},
    primitives::{Address, B256, Bytes, I256, Log, Signature, TxKind, U256},
    providers::Provider,
    rpc::types::Filter,
    sol_types::SolCall,
};
use harrier::{
    book::{Book, MarketRef},
    chain::Head,
    devnet::{Devnet, DevnetConfig, MarketFacts, Person, Seed},
    fork::{Fork, Layer, ReadSet, SimTx, TargetBlock, TxOutcome, TxStatus, View},
    plan::MarketId,
    protocols::{
        MarketReading, Protocol,
        morpho::{
            Flavor, MarketState, Morpho, MorphoMarket, MorphoRevert, MorphoSetup, Position,
            storage::{Slots, decode_market, decode_position},
        },
    },
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

pub(crate) use harrier::devnet::abi::{Feed, Token};
pub(crate) use interfaces::{IMorpho, Params};

mod interfaces {
    #![allow(clippy::too_many_arguments, reason = "an event has as many fields as it has")]

    use alloy::sol;

    sol! {
        #[derive(Debug)]
        struct Params { address loanToken; address collateralToken; address oracle; address irm; uint256 lltv; }

        interface IMorpho {
            function enableIrm(address irm) external;
            function setFee(Params params, uint256 newFee) external;
            function setFeeRecipient(address newFeeRecipient) external;
            function createMarket(Params params) external;
            function supply(Params params, uint256 assets, uint256 shares, address onBehalf, bytes data) external returns (uint256, uint256);
            function withdraw(Params params, uint256 assets, uint256 shares, address onBehalf, address receiver) external returns (uint256, uint256);
            function borrow(Params params, uint256 assets, uint256 shares, address onBehalf, address receiver) external returns (uint256, uint256);
            function repay(Params params, uint256 assets, uint256 shares, address onBehalf, bytes data) external returns (uint256, uint256);
            function supplyCollateral(Params params, uint256 assets, address onBehalf, bytes data) external;
            function withdrawCollateral(Params params, uint256 assets, address onBehalf, address receiver) external;
            function liquidate(Params params, address borrower, uint256 seizedAssets, uint256 repaidShares, bytes data) external returns (uint256, uint256);
            function accrueInterest(Params params) external;
            event Liquidate(bytes32 indexed id, address indexed caller, address indexed borrower, uint256 repaidAssets, uint256 repaidShares,
                uint256 seizedAssets, uint256 badDebtAssets, uint256 badDebtShares);
        }
    }
}

/// Answers what its first slot holds, whatever is asked: a price to the unit.
const CONSTANT: [u8; 8] = [0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];

/// SplitMix64, the same on every machine.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: u128, high: u128) -> u128 {
        let wide = (u128::from(self.roll()) << 64) | u128::from(self.roll());
        low + wide % (high - low + 1)
    }

    /// From one to `high`, every number of digits alike.
    pub(crate) fn any_size(&mut self, high: u128) -> u128 {
        let bits = 128 - high.max(1).leading_zeros();
        let top = self.between(1, bits.into());
        self.between(1, high.max(1).min(u128::MAX >> (128 - top)))
    }
}

pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) fork: Fork,
    pub(crate) morpho: Arc<Morpho>,
    pub(crate) slots: Slots,
}

impl World {
    pub(crate) async fn start(borrowers: u32) -> Self {
        let seed = (borrowers > 0).then(|| Seed { borrowers, ..Seed::default() });
        Self::on(Devnet::start(DevnetConfig { seed, ..DevnetConfig::default() }).await.unwrap())
    }

    /// A fork of a devnet at its newest block.
    pub(crate) fn on(devnet: Devnet) -> Self {
        let fork = fork_of(&devnet);
        let morpho = Morpho::new(Self::setup(&devnet));
        Self { devnet, fork, morpho: Arc::new(morpho), slots: Slots::new(Flavor::MorphoBlue) }
    }

    pub(crate) fn setup(devnet: &Devnet) -> MorphoSetup {
        MorphoSetup::new("morpho_blue", Flavor::MorphoBlue, devnet.contracts().morpho, devnet.contracts().morpho_since)
    }

    pub(crate) fn view(&self) -> View {
        self.fork.view()
    }

    /// The block after the fork's head.
    pub(crate) fn block(&self) -> TargetBlock {
        block_after(&self.devnet, &self.fork.head())
    }

    /// The same, `seconds` later.
    pub(crate) fn block_later(&self, seconds: u64) -> TargetBlock {
        let block = self.block();
        TargetBlock { timestamp: block.timestamp + seconds, ..block }
    }

    pub(crate) const fn contract(&self) -> Address {
        self.devnet.contracts().morpho
    }

    pub(crate) const fn rival(&self) -> Address {
        self.devnet.rival().address()
    }

    pub(crate) fn market(&self, name: &str) -> MarketFacts {
        self.devnet.contracts().market(name).unwrap().clone()
    }

    pub(crate) fn feed(&self, name: &str) -> Address {
        self.devnet.contracts().feed(name).unwrap().address
    }

    /// Signs and sends; the transaction waits in the mempool.
    pub(crate) async fn send(&self, by: &Person, to: Address, call: impl SolCall) -> B256 {
        let raw = self.devnet.signed(by, Some(to), U256::ZERO, call.abi_encode().into(), 500_000, 1_000_000_000).await.unwrap();
        self.devnet.send_public(raw).await.unwrap()
    }

    /// Mines what waits, which must succeed.
    pub(crate) async fn mined(&self, what: &[B256]) -> Head {
        let report = self.devnet.build_block().await.unwrap();
        for hash in what {
            let place = report.txs.iter().position(|tx| tx == hash).unwrap_or_else(|| panic!("{hash} was not mined"));
            assert!(report.succeeded[place], "{hash} failed");
        }
        report.head
    }

    /// A transaction that sets a feed's answer, not signed by anybody.
    pub(crate) fn price(&self, view: &View, block: &TargetBlock, feed: &str, answer: i128) -> SimTx {
        let transmitter = self.devnet.dev_account(6).unwrap().address();
        tx(view, block, transmitter, self.feed(feed), Feed::transmitCall { answer: I256::try_from(answer).unwrap() }.abi_encode())
    }

    /// All logs of the contract up to the newest block, with their blocks' timestamps.
    pub(crate) async fn logs(&self) -> Vec<(Log, u64)> {
        let provider = self.devnet.provider().unwrap();
        let filter = Filter::new().address(self.contract()).from_block(self.devnet.contracts().morpho_since);
        let mut logs = Vec::new();
        let mut times = BTreeMap::<u64, u64>::new();
        for log in provider.get_logs(&filter).await.unwrap() {
            let number = log.block_number.unwrap();
            if let Entry::Vacant(place) = times.entry(number) {
                place.insert(provider.get_block(number.into()).await.unwrap().unwrap().header.timestamp);
            }
            logs.push((log.inner, times[&number]));
        }
        logs
    }

    /// A book of all that the logs tell, not refreshed yet.
    pub(crate) async fn book(&self, morpho: &Arc<Morpho>) -> Book {
        let mut discoverer = morpho.discoverer();
        for (log, timestamp) in self.logs().await {
            discoverer.apply(&log, timestamp).unwrap();
        }
        let mut book = Book::new(vec![Arc::clone(morpho) as Arc<dyn Protocol>]);
        discoverer.found().into_iter().for_each(|found| book.found(0, found));
        book
    }

    pub(crate) fn stored_market(&self, view: &View, id: MarketId) -> MarketState {
        decode_market(self.slots.market(id).map(|slot| word(view, self.contract(), slot)))
    }

    pub(crate) fn stored_position(&self, view: &View, id: MarketId, who: Address) -> Position {
        decode_position(self.slots.position(id, who).map(|slot| word(view, self.contract(), slot)))
    }

    /// The contract's answer to a liquidation by the rival: what was seized and repaid, or why not; and the state after it.
    pub(crate) fn liquidate(
        &self,
        view: &View,
        block: &TargetBlock,
        params: &Params,
        borrower: Address,
        seized: U256,
        shares: U256,
    ) -> (Result<(U256, U256), MorphoRevert>, TxOutcome, View) {
        let call = IMorpho::liquidateCall { params: params.clone(), borrower, seizedAssets: seized, repaidShares: shares, data: Bytes::new() };
        let (outcome, after) = run(view, block, self.rival(), self.contract(), &call);
        let answer = match &outcome.status {
            TxStatus::Success => {
                let done = IMorpho::liquidateCall::abi_decode_returns(&outcome.output).unwrap();
                Ok((done._0, done._1))
            }
            TxStatus::Reverted => Err(MorphoRevert::decode(&outcome.output)),
            TxStatus::Halted(reason) => panic!("{reason}"),
        };
        (answer, outcome, after)
    }

    /// Whether the contract lets anybody liquidate, by the smallest liquidation there is: one share. Everything but its word that the
    /// position is healthy comes after that test.
    pub(crate) fn is_open(&self, view: &View, block: &TargetBlock, params: &Params, borrower: Address) -> bool {
        self.liquidate(view, block, params, borrower, U256::ZERO, U256::ONE).0 != Err(MorphoRevert::HealthyPosition)
    }
}

pub(crate) const fn id(market: &MarketFacts) -> MarketId {
    MarketId(market.id)
}

pub(crate) const fn reference(market: &MarketFacts) -> MarketRef {
    MarketRef { protocol: 0, market: id(market) }
}

pub(crate) const fn params(market: &MarketFacts) -> Params {
    Params { loanToken: market.loan.address, collateralToken: market.collateral.address, oracle: market.oracle, irm: market.irm, lltv: market.lltv }
}

pub(crate) fn own(reading: &MarketReading) -> MorphoMarket {
    *reading.own.downcast_ref::<MorphoMarket>().unwrap()
}

pub(crate) fn word(view: &View, contract: Address, slot: U256) -> U256 {
    view.storage(contract, slot, &mut ReadSet::default()).unwrap()
}

/// An oracle that answers exactly this, in place of the real one.
pub(crate) fn priced(view: &View, oracle: Address, price: U256) -> View {
    view.with_layer(Arc::new(Layer::patch(oracle, Some(Bytes::from_static(&CONSTANT)), None, &[(U256::ZERO, price)])))
}

/// A call as a transaction under a signature that no key made.
pub(crate) fn tx(view: &View, block: &TargetBlock, from: Address, to: Address, input: Vec<u8>) -> SimTx {
    let tx = TxEip1559 {
        chain_id: block.chain_id,
        nonce: view.account(from).unwrap().nonce,
        gas_limit: 3_000_000,
        max_fee_per_gas: block.base_fee.into(),
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(to),
        value: U256::ZERO,
        access_list: Default::default(),
        input: input.into(),
    };
    Arc::new(Recovered::new_unchecked(tx.into_signed(Signature::new(U256::ONE, U256::ONE, false)).into(), from))
}

/// Executes a call as a transaction; what came of it, and the state after it.
pub(crate) fn run(view: &View, block: &TargetBlock, from: Address, to: Address, call: &impl SolCall) -> (TxOutcome, View) {
    let mut execution = view.execute(block, &[tx(view, block, from, to, call.abi_encode())]).unwrap();
    (execution.txs.remove(0), view.with_layer(execution.layer))
}
