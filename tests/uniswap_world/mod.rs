//! A local chain with the real, unmodified Uniswap V3 contracts from their packages, and four tokens.
//!
//! ```text
//! WBTC ══ deep ══ WETH ══ deep, two ranges only ══ USDC ══ one narrow range ══ DAI
//!   └──────────────── shallow ──────────────────────┘       WBTC/WETH 1 % exists without a price
//! ```

#[path = "../swap_router/mod.rs"]
mod swap_router;

use alloy::{
    consensus::{TxEnvelope, transaction::Recovered},
    network::{AnyNetwork, AnyTransactionReceipt, EthereumWallet, NetworkTransactionBuilder, ReceiptResponse, TransactionBuilder},
    node_bindings::{Anvil, AnvilInstance},
    primitives::{
        Address, Bytes, U256, U512,
        aliases::{I24, U24, U160},
        hex,
    },
    providers::{DynProvider, Provider, ProviderBuilder, ext::AnvilApi},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
    sol,
    sol_types::{SolCall, SolValue},
};
use harrier::{
    chain::{Head, head_of},
    devnet::{
        abi::{MintParams, PositionManager, Weth},
        find_anvil, solidity_folder,
    },
    fork::{ChainRules, Fork, ForkOptions, Hardfork, Layer, TargetBlock, TxStatus, View},
    venues::{Route, UniswapV3Pool},
};
use std::sync::Arc;
use swap_router::{ExactInputParams, ExactInputSingleParams, ExactOutputParams, ExactOutputSingleParams, Swapper};

sol! {
    #[sol(rpc)]
    interface Token {
        function mint(address to, uint256 amount) external;
        function approve(address spender, uint256 amount) external returns (bool);
        function balanceOf(address account) external view returns (uint256);
    }

    #[sol(rpc)]
    interface Factory {
        function createPool(address a, address b, uint24 fee) external returns (address);
        function getPool(address a, address b, uint24 fee) external view returns (address);
    }

    #[sol(rpc)]
    interface Pool {
        function initialize(uint160 sqrtPriceX96) external;
        function tickSpacing() external view returns (int24);
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16, uint16, uint16, uint8, bool);
    }
}

/// Who holds everything and trades.
pub(crate) struct World {
    _anvil: AnvilInstance,
    provider: DynProvider<AnyNetwork>,
    wallet: EthereumWallet,
    trader: Address,
    tokens: [Address; 4],
    factory: Address,
    second_factory: Address,
    positions: Address,
    swapper: Address,
    head: Head,
}

fn artifact(path: &str, field: &str) -> Bytes {
    let path = solidity_folder().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; `npm ci` in solidity/ brings the packages", path.display()));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    hex::decode(json[field].as_str().unwrap()).unwrap().into()
}

/// The probe's runtime code.
pub(crate) fn probe_code() -> Bytes {
    artifact("artifacts/Probe.json", "deployedBytecode")
}

/// `amount1 / amount0` as a root in Q96.
fn sqrt_price(amount0: U256, amount1: U256) -> U160 {
    let ratio: U512 = (U512::from(amount1) << 192) / U512::from(amount0);
    U160::from(ratio.root(2))
}

impl World {
    pub(crate) async fn start() -> Self {
        let anvil = Anvil::at(find_anvil().unwrap()).args(["--no-mining", "--hardfork", "osaka", "--gas-limit", "60000000"]).try_spawn().unwrap();
        let key: PrivateKeySigner = anvil.keys()[0].clone().into();
        let (trader, wallet) = (key.address(), EthereumWallet::from(key));
        let provider = ProviderBuilder::new().network::<AnyNetwork>().wallet(wallet.clone()).connect_http(anvil.endpoint_url()).erased();
        let mut world = Self {
            provider,
            wallet,
            trader,
            tokens: [Address::ZERO; 4],
            factory: Address::ZERO,
            second_factory: Address::ZERO,
            positions: Address::ZERO,
            swapper: Address::ZERO,
            head: Head::placed(0, Default::default(), Default::default()),
            _anvil: anvil,
        };
        world.set_up().await;
        world.head = world.read_head().await;
        world
    }

    async fn set_up(&mut self) {
        let ether = U256::from(10).pow(U256::from(18));
        self.provider.anvil_set_balance(self.trader, ether * U256::from(10_u64.pow(12))).await.unwrap();
        let core = "node_modules/@uniswap/v3-core/artifacts/contracts";
        let periphery = "node_modules/@uniswap/v3-periphery/artifacts/contracts";
        let factory_code = artifact(&format!("{core}/UniswapV3Factory.sol/UniswapV3Factory.json"), "bytecode");
        self.factory = self.deploy(factory_code.clone(), Vec::new()).await;
        self.second_factory = self.deploy(factory_code, Vec::new()).await;
        let weth = self.deploy(artifact("node_modules/canonical-weth/build/contracts/WETH9.json", "bytecode"), Vec::new()).await;
        self.act(weth, Weth::depositCall {}, ether * U256::from(10_u64.pow(11))).await;
        self.tokens[0] = weth;
        for (place, (symbol, decimals)) in [("WBTC", 8_u8), ("USDC", 6), ("DAI", 18)].into_iter().enumerate() {
            let arguments = (symbol, symbol, U256::from(decimals)).abi_encode_params();
            let token = self.deploy(artifact("artifacts/TestToken.json", "bytecode"), arguments).await;
            self.mint(token, self.trader, U256::from(10).pow(U256::from(decimals)) * U256::from(10_u64.pow(12))).await;
            self.tokens[place + 1] = token;
        }
        let positions_code = artifact(&format!("{periphery}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json"), "bytecode");
        self.positions = self.deploy(positions_code, (self.factory, weth, weth).abi_encode_params()).await;
        let swapper_code = artifact(&format!("{periphery}/SwapRouter.sol/SwapRouter.json"), "bytecode");
        self.swapper = self.deploy(swapper_code, (self.factory, weth).abi_encode_params()).await;
        for token in self.tokens {
            for spender in [self.positions, self.swapper] {
                self.act(token, Token::approveCall { spender, amount: U256::MAX }, U256::ZERO).await;
            }
        }
        let [weth, wbtc, usdc, dai] = self.tokens;
        const WIDE: i32 = 880_000;
        self.pool(wbtc, weth, 500, &[(WIDE, 20_000_000), (6_000, 8_000_000), (600, 4_000_000)]).await;
        self.pool(weth, usdc, 500, &[(6_000, 20_000_000), (600, 9_000_000)]).await;
        self.pool(wbtc, usdc, 500, &[(WIDE, 800_000), (900, 300_000)]).await;
        self.pool(usdc, dai, 500, &[(1_000, 2_000_000)]).await;
        self.act(self.factory, Factory::createPoolCall { a: wbtc, b: weth, fee: U24::from(10_000) }, U256::ZERO).await;
    }

    async fn deploy(&self, code: Bytes, arguments: Vec<u8>) -> Address {
        let code: Bytes = [code.to_vec(), arguments].concat().into();
        self.mine(TransactionRequest::default().with_deploy_code(code)).await.contract_address.unwrap()
    }

    /// Calls a contract in a block of its own.
    async fn act(&self, to: Address, call: impl SolCall, value: U256) {
        self.mine(TransactionRequest::default().with_to(to).with_input(call.abi_encode()).with_value(value)).await;
    }

    /// Sends one transaction and mines it; both are done when this returns, so nothing waits and nothing races with a chain
    /// that goes back. Nonce and gas are given: the provider counts nonces on its own, and what a pool's oracle costs depends on the clock.
    async fn mine(&self, request: TransactionRequest) -> AnyTransactionReceipt {
        let nonce = self.provider.get_transaction_count(self.trader).await.unwrap();
        let request = request.with_nonce(nonce).with_gas_limit(15_000_000);
        let hash = *self.provider.send_transaction(request.into()).await.unwrap().tx_hash();
        self.provider.evm_mine(None).await.unwrap();
        let receipt = self.provider.get_transaction_receipt(hash).await.unwrap().expect("it was mined");
        assert!(receipt.status());
        receipt
    }

    /// Creates a pool at the market price with one position a range: half its width in ticks, dollars on each side.
    async fn pool(&self, a: Address, b: Address, fee: u32, ranges: &[(i32, u64)]) {
        let (token0, token1) = if a < b { (a, b) } else { (b, a) };
        let fee = U24::from(fee);
        let factory = Factory::new(self.factory, &self.provider);
        self.act(self.factory, Factory::createPoolCall { a, b, fee }, U256::ZERO).await;
        let pool = Pool::new(factory.getPool(a, b, fee).call().await.unwrap(), &self.provider);
        let million = 1_000_000;
        let price = sqrt_price(self.worth(token0, million), self.worth(token1, million));
        self.act(*pool.address(), Pool::initializeCall { sqrtPriceX96: price }, U256::ZERO).await;
        let tick: i32 = pool.slot0().call().await.unwrap().tick.try_into().unwrap();
        let spacing: i32 = pool.tickSpacing().call().await.unwrap().try_into().unwrap();
        for (half_width, dollars) in ranges {
            let edge = |tick: i32| I24::try_from(tick.clamp(-887_000, 887_000).div_euclid(spacing) * spacing).unwrap();
            let params = MintParams {
                token0,
                token1,
                fee,
                tickLower: edge(tick - half_width),
                tickUpper: edge(tick + half_width),
                amount0Desired: self.worth(token0, *dollars),
                amount1Desired: self.worth(token1, *dollars),
                amount0Min: U256::ZERO,
                amount1Min: U256::ZERO,
                recipient: self.trader,
                deadline: U256::MAX,
            };
            self.act(self.positions, PositionManager::mintCall { params }, U256::ZERO).await;
        }
    }

    pub(crate) const fn tokens(&self) -> [Address; 4] {
        self.tokens
    }

    pub(crate) const fn factory(&self) -> Address {
        self.factory
    }

    pub(crate) const fn second_factory(&self) -> Address {
        self.second_factory
    }

    /// One whole token.
    pub(crate) fn unit(&self, token: Address) -> U256 {
        let [weth, wbtc, usdc, dai] = self.tokens;
        let decimals = if token == wbtc {
            8
        } else if token == usdc {
            6
        } else {
            assert!(token == weth || token == dai);
            18
        };
        U256::from(10).pow(U256::from(decimals))
    }

    /// This many dollars in a token.
    fn worth(&self, token: Address, dollars: u64) -> U256 {
        let [weth, wbtc, ..] = self.tokens;
        let price = if token == weth {
            3_000
        } else if token == wbtc {
            60_000
        } else {
            1
        };
        self.unit(token) * U256::from(dollars) / U256::from(price)
    }

    pub(crate) async fn mint(&self, token: Address, to: Address, amount: U256) {
        self.act(token, Token::mintCall { to, amount }, U256::ZERO).await;
    }

    async fn read_head(&self) -> Head {
        let block = self.provider.get_block(alloy::eips::BlockId::latest()).await.unwrap().unwrap();
        head_of(&block.header).unwrap()
    }

    /// The state as it is now.
    pub(crate) async fn view(&self) -> View {
        Fork::start(&self.provider, self.read_head().await, ForkOptions::default()).unwrap().view()
    }

    /// The block after the set-up.
    pub(crate) fn block(&self) -> TargetBlock {
        TargetBlock::after(&self.head, &ChainRules::fixed(31_337, 12, Hardfork::Osaka))
    }

    /// Makes a real swap, tells what it moved, and takes it back.
    async fn swap(&self, token_in: Address, token_out: Address, call: impl SolCall) -> (U256, U256) {
        let snapshot = self.provider.anvil_snapshot().await.unwrap();
        let before = self.balances(token_in, token_out).await;
        self.act(self.swapper, call, U256::ZERO).await;
        let after = self.balances(token_in, token_out).await;
        assert!(self.provider.anvil_revert(snapshot).await.unwrap());
        (before.0 - after.0, after.1 - before.1)
    }

    async fn balances(&self, a: Address, b: Address) -> (U256, U256) {
        let of = async |token| Token::new(token, &self.provider).balanceOf(self.trader).call().await.unwrap();
        (of(a).await, of(b).await)
    }

    fn exact_input(&self, pool: &UniswapV3Pool, token_in: Address, token_out: Address, amount: U256) -> Swapper::exactInputSingleCall {
        let params = ExactInputSingleParams {
            tokenIn: token_in,
            tokenOut: token_out,
            fee: U24::from(pool.fee_pips()),
            recipient: self.trader,
            deadline: U256::MAX,
            amountIn: amount,
            amountOutMinimum: U256::ZERO,
            sqrtPriceLimitX96: U160::ZERO,
        };
        Swapper::exactInputSingleCall { params }
    }

    pub(crate) async fn swap_exact_in(&self, pool: &UniswapV3Pool, token_in: Address, token_out: Address, amount: U256) -> (U256, U256) {
        self.swap(token_in, token_out, self.exact_input(pool, token_in, token_out, amount)).await
    }

    pub(crate) async fn swap_exact_out(&self, pool: &UniswapV3Pool, token_in: Address, token_out: Address, amount: U256) -> (U256, U256) {
        let params = ExactOutputSingleParams {
            tokenIn: token_in,
            tokenOut: token_out,
            fee: U24::from(pool.fee_pips()),
            recipient: self.trader,
            deadline: U256::MAX,
            amountOut: amount,
            amountInMaximum: U256::MAX,
            sqrtPriceLimitX96: U160::ZERO,
        };
        self.swap(token_in, token_out, Swapper::exactOutputSingleCall { params }).await
    }

    pub(crate) async fn swap_path(&self, route: &Route) -> (U256, U256) {
        let (token_in, token_out) = ends(route);
        let params = ExactInputParams {
            path: path(route).concat().into(),
            recipient: self.trader,
            deadline: U256::MAX,
            amountIn: route.amount_in,
            amountOutMinimum: U256::ZERO,
        };
        self.swap(token_in, token_out, Swapper::exactInputCall { params }).await
    }

    pub(crate) async fn swap_path_exact_out(&self, route: &Route) -> (U256, U256) {
        let (token_in, token_out) = ends(route);
        let backwards: Vec<_> = path(route).into_iter().rev().collect();
        let params = ExactOutputParams {
            path: backwards.concat().into(),
            recipient: self.trader,
            deadline: U256::MAX,
            amountOut: route.amount_out,
            amountInMaximum: U256::MAX,
        };
        self.swap(token_in, token_out, Swapper::exactOutputCall { params }).await
    }

    /// Runs a signed swap on a view, as a pending transaction would be.
    pub(crate) async fn execute_swap(&self, view: &View, pool: &UniswapV3Pool, token_in: Address, token_out: Address, amount: U256) -> Arc<Layer> {
        let block = self.block();
        let nonce = self.provider.get_transaction_count(self.trader).await.unwrap();
        let request = TransactionRequest::default()
            .with_from(self.trader)
            .with_to(self.swapper)
            .with_input(self.exact_input(pool, token_in, token_out, amount).abi_encode())
            .with_gas_limit(1_000_000)
            .with_nonce(nonce)
            .with_chain_id(block.chain_id)
            .with_max_fee_per_gas(u128::from(block.base_fee) * 2)
            .with_max_priority_fee_per_gas(1);
        let signed: TxEnvelope = <TransactionRequest as NetworkTransactionBuilder<alloy::network::Ethereum>>::build(request, &self.wallet).await.unwrap();
        let execution = view.execute(&block, &[Arc::new(Recovered::new_unchecked(signed, self.trader))]).unwrap();
        assert_eq!(execution.txs[0].status, TxStatus::Success);
        execution.layer
    }
}

fn ends(route: &Route) -> (Address, Address) {
    (route.hops.first().unwrap().hop.token_in, route.hops.last().unwrap().hop.token_out)
}

/// Tokens and fees in turn, as the swap router wants them. Every pool of this world has the fee 500.
fn path(route: &Route) -> Vec<Vec<u8>> {
    let mut parts = vec![ends(route).0.to_vec()];
    for routed in &route.hops {
        assert!(routed.hop.venue.name().ends_with("(500)"));
        parts.push(vec![0x00, 0x01, 0xf4]);
        parts.push(routed.hop.token_out.to_vec());
    }
    parts
}
