//! A devnet with everything that a value can be read from, and the values.
//!
//! ```text
//! WETH9 · Uniswap V3 pool (TWAP) · feed ◀─ oracle · feed ◀─ oracle that knows the date · stopped feed ◀─ oracle
//! inquirer: code, hash, balance, precompile, creation, payment │ proxy ─delegatecall─▶ inquirer │ account ─7702─▶ inquirer
//! ```

#[path = "../swap_router/mod.rs"]
mod swap_router;

use alloy::{
    consensus::{SignableTransaction, TxEip7702, TxEnvelope},
    eips::{Encodable2718, eip7702::Authorization},
    network::{AnyNetwork, TxSignerSync},
    primitives::{
        Address, B256, Bytes, U256,
        aliases::{U24, U160},
    },
    providers::{Provider, ProviderBuilder},
    signers::SignerSync,
    sol_types::{SolCall, SolValue},
};
use harrier::{
    devnet::{Artifact, Devnet, DevnetConfig, HARDFORK, Person, SLOT_SECONDS, abi::Oracle},
    fork::{Call, CallOutcome, ChainRules, Facet, Fork, ForkOptions, Hardfork, ReadSet, StateDiff, TargetBlock, View},
};
use swap_router::{ExactInputSingleParams, Swapper};

pub(crate) use harrier::devnet::abi::Feed;
pub(crate) use interfaces::*;

mod interfaces {
    #![allow(clippy::too_many_arguments, reason = "as many as the contracts have")]

    alloy::sol! {
        interface Weth {
            function deposit() external payable;
            function totalSupply() external view returns (uint256);
            function balanceOf(address account) external view returns (uint256);
            function approve(address spender, uint256 amount) external returns (bool);
            function transfer(address to, uint256 amount) external returns (bool);
        }
        interface Pool {
            function observe(uint32[] secondsAgos) external view returns (int56[], uint160[]);
            function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16, uint16, uint16, uint8, bool);
            function increaseObservationCardinalityNext(uint16 next) external;
        }
        interface Rounds {
            function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
        }
        interface Inquirer {
            function note() external view returns (uint256);
            function setNote(uint256 note) external;
            function codeSize(address account) external view returns (uint256);
            function codeHash(address account) external view returns (bytes32);
            function codeStart(address account) external view returns (bytes32);
            function balance(address account) external view returns (uint256);
            function ask(address target, bytes input) external view returns (bool, bytes);
            function askTwice(address target, bytes input) external view returns (bool, bytes);
            function askAndRevert(address target, bytes input) external view;
            function digest(bytes input) external view returns (bytes32);
            function remembered(uint256 value) external returns (uint256, uint256);
            function ancestor(uint256 back) external view returns (bytes32);
            function create() external returns (address);
            function pay(address to) external returns (bool);
        }
        interface Proxy {
            function upgradeTo(address implementation) external;
        }
    }
}

/// Seconds that the dated oracle believes its feed.
pub(crate) const HEARTBEAT: u64 = 3_600;

/// A value: what is asked of whom.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) name: &'static str,
    call: Call,
}

/// A value as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) outcome: CallOutcome,
    pub(crate) reads: ReadSet,
}

impl Value {
    #[allow(clippy::needless_pass_by_value, reason = "a call is made to be encoded here")]
    fn new(name: &'static str, to: Address, call: impl SolCall) -> Self {
        Self { name, call: Call::new(to, call.abi_encode().into()) }
    }

    /// Reads it with its facets.
    pub(crate) fn read(&self, view: &View, block: &TargetBlock) -> Read {
        let mut reads = ReadSet::default();
        let outcome = view.call_recorded(block, &self.call, &mut reads).unwrap();
        assert_eq!(outcome, view.call(block, &self.call).unwrap(), "{}: recording changes nothing", self.name);
        Read { outcome, reads }
    }

    /// Only the outcome.
    pub(crate) fn outcome(&self, view: &View, block: &TargetBlock) -> CallOutcome {
        view.call(block, &self.call).unwrap()
    }
}

pub(crate) struct World {
    pub(crate) devnet: Devnet,
    pub(crate) fork: Fork,
    pub(crate) weth: Address,
    pub(crate) usdc: Address,
    pub(crate) pool: Address,
    pub(crate) swapper: Address,
    pub(crate) inquirer: Address,
    pub(crate) other_inquirer: Address,
    pub(crate) proxy: Address,
    pub(crate) dated: Address,
    pub(crate) delegated: Person,
    pub(crate) absent: Address,
}

impl World {
    pub(crate) async fn start() -> Self {
        assert_eq!(HARDFORK, "osaka");
        let devnet = Devnet::start(DevnetConfig::default()).await.unwrap();
        let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>();
        let provider = provider.connect_http(devnet.http_url().parse().unwrap()).erased();
        let contracts = devnet.contracts().clone();
        let (weth, usdc) = (contracts.token("WETH").unwrap().address, contracts.token("USDC").unwrap().address);
        let pool = contracts.pools.iter().find(|pool| [pool.token0, pool.token1].iter().all(|token| [weth, usdc].contains(token))).unwrap();
        let fork = Fork::start(&provider, devnet.head(), ForkOptions::default()).unwrap();
        let mut world = Self {
            fork,
            weth,
            usdc,
            pool: pool.address,
            swapper: Address::ZERO,
            inquirer: Address::ZERO,
            other_inquirer: Address::ZERO,
            proxy: Address::ZERO,
            dated: Address::ZERO,
            delegated: Person::named("delegating"),
            absent: Address::repeat_byte(0xab),
            devnet,
        };
        let feed = contracts.feed("ETH/USD").unwrap().address;
        let code = |name| Artifact::own(name).unwrap();
        let swapper = Artifact::packaged("@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json").unwrap();
        world.swapper = world.deploy(&swapper, (contracts.uniswap_factory, weth).abi_encode_params()).await;
        world.inquirer = world.deploy(&code("Inquirer"), Vec::new()).await;
        world.other_inquirer = world.deploy(&code("Inquirer"), Vec::new()).await;
        world.proxy = world.deploy(&code("UpgradeableProxy"), (world.inquirer, Bytes::new()).abi_encode_params()).await;
        let maturity = U256::from(world.devnet.head().timestamp + 90 * 86_400);
        let yearly = U256::from(40_000_000_000_000_000_u64);
        world.dated = world.deploy(&code("MaturingOracle"), (feed, maturity, yearly, U256::from(HEARTBEAT)).abi_encode_params()).await;
        world.act(world.weth, Weth::approveCall { spender: world.swapper, amount: U256::MAX }, 0).await;
        world.act(world.pool, Pool::increaseObservationCardinalityNextCall { next: 16 }, 0).await;
        for _ in 0..4 {
            world.act(world.swapper, world.swap(1_000_000_000_000_000_000), 0).await;
        }
        world.act(world.inquirer, Inquirer::setNoteCall { note: U256::from(5) }, 0).await;
        world.pay(world.inquirer, 1_000).await;
        world.delegate(world.inquirer).await;
        let answer = world.devnet.answer("ETH/USD").await.unwrap();
        world.act(feed, Feed::transmitCall { answer }, 0).await;
        world.act(world.feed("STAKE/USD"), Feed::setStoppedCall { stopped: true }, 0).await;
        world.follow().await;
        world
    }

    /// The block after the fork's head.
    pub(crate) fn block(&self) -> TargetBlock {
        TargetBlock::after(&self.fork.head(), &ChainRules::fixed(self.devnet.chain_id(), SLOT_SECONDS, Hardfork::Osaka))
    }

    pub(crate) fn feed(&self, name: &str) -> Address {
        self.devnet.contracts().feed(name).unwrap().address
    }

    pub(crate) fn oracle(&self, market: &str) -> Address {
        self.devnet.contracts().market(market).unwrap().oracle
    }

    /// Where the inquirer's next creation goes.
    pub(crate) fn next_place(&self, view: &View) -> Address {
        self.inquirer.create(view.account(self.inquirer).unwrap().nonce)
    }

    /// All values, one for each kind of thing that can be read.
    pub(crate) fn values(&self, view: &View) -> Vec<Value> {
        let (inquirer, weth, delegated) = (self.inquirer, self.weth, self.delegated.address());
        let supply = Bytes::from(Weth::totalSupplyCall {}.abi_encode());
        let price = |market: &str| (self.oracle(market), Bytes::from(Oracle::priceCall {}.abi_encode()));
        let (eth_oracle, ask_price) = price("weth-usdc");
        let (stopped_oracle, _) = price("stake-usdc");
        let note = Bytes::from(Inquirer::noteCall {}.abi_encode());
        let place = self.next_place(view);
        vec![
            Value::new("supply", weth, Weth::totalSupplyCall {}),
            Value::new("weth of the pool", weth, Weth::balanceOfCall { account: self.pool }),
            Value::new("twap", self.pool, Pool::observeCall { secondsAgos: vec![24, 0] }),
            Value::new("spot", self.pool, Pool::slot0Call {}),
            Value::new("round", self.feed("ETH/USD"), Rounds::latestRoundDataCall {}),
            Value::new("price", eth_oracle, Oracle::priceCall {}),
            Value::new("other price", self.oracle("wbtc-usdc"), Oracle::priceCall {}),
            Value::new("dated price", self.dated, Oracle::priceCall {}),
            Value::new("stopped price", stopped_oracle, Oracle::priceCall {}),
            Value::new("code size", inquirer, Inquirer::codeSizeCall { account: weth }),
            Value::new("code start", inquirer, Inquirer::codeStartCall { account: weth }),
            Value::new("code hash", inquirer, Inquirer::codeHashCall { account: weth }),
            Value::new("absent hash", inquirer, Inquirer::codeHashCall { account: self.absent }),
            Value::new("absent balance", inquirer, Inquirer::balanceCall { account: self.absent }),
            Value::new("size of a place", inquirer, Inquirer::codeSizeCall { account: place }),
            Value::new("delegated hash", inquirer, Inquirer::codeHashCall { account: delegated }),
            Value::new("asked supply", inquirer, Inquirer::askCall { target: weth, input: supply.clone() }),
            Value::new("supply asked twice", inquirer, Inquirer::askTwiceCall { target: weth, input: supply.clone() }),
            Value::new("supply and revert", inquirer, Inquirer::askAndRevertCall { target: weth, input: supply }),
            Value::new("asked stopped price", inquirer, Inquirer::askCall { target: stopped_oracle, input: ask_price.clone() }),
            Value::new("note", inquirer, Inquirer::noteCall {}),
            Value::new("proxied note", self.proxy, Inquirer::noteCall {}),
            Value::new("price by proxy", self.proxy, Inquirer::askCall { target: eth_oracle, input: ask_price }),
            Value::new("delegated note", delegated, Inquirer::noteCall {}),
            Value::new("asked delegated note", inquirer, Inquirer::askCall { target: delegated, input: note }),
            Value::new("digest", inquirer, Inquirer::digestCall { input: Bytes::from_static(b"harrier") }),
            Value::new("transient", inquirer, Inquirer::rememberedCall { value: U256::from(3) }),
            Value::new("parent", inquirer, Inquirer::ancestorCall { back: U256::from(1) }),
            Value::new("older ancestor", inquirer, Inquirer::ancestorCall { back: U256::from(9) }),
            Value::new("creation", inquirer, Inquirer::createCall {}),
            Value::new("payment", inquirer, Inquirer::payCall { to: self.absent }),
        ]
    }

    /// Makes known a lot that no value was read from: slots that are written, slots that are not, accounts that are there and that are not.
    pub(crate) async fn widen(&self) {
        let mut wanted = ReadSet::default();
        let contracts = self.devnet.contracts();
        let feeds = contracts.feeds.values().map(|feed| feed.address);
        let oracles = contracts.markets.values().map(|market| market.oracle);
        let pools = contracts.pools.iter().map(|pool| pool.address);
        let tokens = contracts.tokens.values().map(|token| token.address);
        let own = [self.inquirer, self.other_inquirer, self.proxy, self.dated, self.absent, self.delegated.address(), contracts.morpho, self.swapper];
        for address in feeds.chain(oracles).chain(pools).chain(tokens).chain(own) {
            wanted.insert(Facet::Balance(address));
            for slot in 0..10_u64 {
                wanted.insert(Facet::Slot(address, U256::from(slot)));
            }
        }
        for byte in 1..40 {
            wanted.insert(Facet::Balance(Address::repeat_byte(byte)));
        }
        for number in 0..10 {
            wanted.insert(Facet::Balance(self.devnet.dev_account(number).unwrap().address()));
        }
        self.fork.prefetch(&wanted).await.unwrap();
    }

    /// A swap of wrapped ether for dollars.
    pub(crate) fn swap(&self, amount: u64) -> Swapper::exactInputSingleCall {
        let recipient = self.devnet.deployer().unwrap().address();
        Swapper::exactInputSingleCall {
            params: ExactInputSingleParams {
                tokenIn: self.weth,
                tokenOut: self.usdc,
                fee: U24::from(500),
                recipient,
                deadline: U256::MAX,
                amountIn: U256::from(amount),
                amountOutMinimum: U256::ZERO,
                sqrtPriceLimitX96: U160::ZERO,
            },
        }
    }

    /// Mines a transaction of the deployer's, who owns feeds, tokens and proxy.
    pub(crate) async fn act(&self, to: Address, call: impl SolCall, wei: u64) {
        self.mine(Some(to), wei, call.abi_encode()).await;
    }

    /// Mines a plain payment.
    pub(crate) async fn pay(&self, to: Address, wei: u64) {
        self.mine(Some(to), wei, Vec::new()).await;
    }

    async fn mine(&self, to: Option<Address>, wei: u64, data: Vec<u8>) {
        let by = self.devnet.deployer().unwrap();
        let raw = self.devnet.signed(&by, to, U256::from(wei), data.into(), 8_000_000, 1_000_000_000).await.unwrap();
        self.mine_raw(raw).await;
    }

    async fn mine_raw(&self, raw: Bytes) {
        let hash = self.devnet.send_public(raw).await.unwrap();
        let report = self.devnet.build_block().await.unwrap();
        let place = report.txs.iter().position(|tx| *tx == hash).expect("it is mined");
        assert!(report.succeeded[place]);
    }

    async fn deploy(&self, artifact: &Artifact, arguments: Vec<u8>) -> Address {
        let by = self.devnet.deployer().unwrap().address();
        let nonce = self.devnet.node().nonce(by).await.unwrap();
        self.mine(None, 0, [artifact.init_code.to_vec(), arguments].concat()).await;
        by.create(nonce)
    }

    /// Mines a delegation (EIP-7702) of the delegating account, paid for by the deployer.
    pub(crate) async fn delegate(&self, to: Address) {
        let by = self.devnet.deployer().unwrap();
        let node = self.devnet.node();
        let authorization =
            Authorization { chain_id: U256::from(self.devnet.chain_id()), address: to, nonce: node.nonce(self.delegated.address()).await.unwrap() };
        let signature = self.delegated.signer().sign_hash_sync(&authorization.signature_hash()).unwrap();
        let mut tx = TxEip7702 {
            chain_id: self.devnet.chain_id(),
            nonce: node.nonce(by.address()).await.unwrap(),
            gas_limit: 200_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: Address::ZERO,
            value: U256::ZERO,
            access_list: Default::default(),
            authorization_list: vec![authorization.into_signed(signature)],
            input: Bytes::new(),
        };
        let signature = by.signer().sign_transaction_sync(&mut tx).unwrap();
        self.mine_raw(TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()).await;
        let code: Bytes = node.call("eth_getCode", (self.delegated.address(), "latest")).await.unwrap();
        assert!(code.starts_with(&[0xef, 0x01, 0x00]) || to == Address::ZERO);
    }

    /// Rolls the fork to the devnet's head.
    pub(crate) async fn follow(&self) -> StateDiff {
        self.fork.roll(&self.devnet.head()).await.unwrap().diff
    }
}

/// The hash that an account's code has, as a facet's value.
pub(crate) fn is_absent(view: &View, address: Address) -> bool {
    let account = view.account(address).unwrap();
    account.balance.is_zero() && account.nonce == 0 && account.code_hash == B256::from(alloy::primitives::KECCAK256_EMPTY)
}
