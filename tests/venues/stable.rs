//! Curve pools and wrapped staked ether on a devnet: quotes are what the contracts pay, and their steps pay it to the executor.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, transaction::Recovered},
    network::AnyNetwork,
    primitives::{Address, Signature, TxKind, U256},
    providers::{Provider, ProviderBuilder},
    sol,
    sol_types::SolCall,
};
use harrier::{
    devnet::{Devnet, DevnetConfig, SLOT_SECONDS},
    executor::{self, ExecutorConfig},
    fork::{Call, ChainRules, Fork, ForkOptions, Hardfork, Layer, ReadSet, SimTx, TargetBlock, TxStatus, View},
    plan::{Amount, Step, TxPlan},
    venues::{CurveKind, CurvePool, Refusal, Swap, Venue, VenueError, WstEth},
};
use std::sync::Arc;

sol! {
    function exchange(int128 i, int128 j, uint256 dx, uint256 min_dy) external returns (uint256);
    function wrap(uint256 amount) external returns (uint256);
    function unwrap(uint256 amount) external returns (uint256);
    function approve(address spender, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

const EXECUTOR: Address = Address::repeat_byte(0xe7);
const OPERATOR: Address = Address::repeat_byte(0x0e);
const RECEIVER: Address = Address::repeat_byte(0x4e);

/// The state of a devnet with f(x), and somebody who holds all tokens and has let the executor take them.
struct World {
    devnet: Devnet,
    view: View,
    block: TargetBlock,
    holder: Address,
}

impl World {
    async fn start() -> Self {
        let devnet = Devnet::start(DevnetConfig { fx: true, ..DevnetConfig::default() }).await.unwrap();
        let fx = devnet.fx().unwrap().clone();
        let deployer = devnet.deployer().unwrap();
        let usdc = devnet.contracts().token("USDC").unwrap().address;
        let weth = devnet.contracts().token("WETH").unwrap().address;
        for token in [usdc, weth, fx.fx_usd, fx.st_eth, fx.wst_eth] {
            let data = approveCall { spender: EXECUTOR, amount: U256::MAX }.abi_encode();
            let raw = devnet.signed(&deployer, Some(token), U256::ZERO, data.into(), 100_000, 1_000_000_000).await.unwrap();
            devnet.send_public(raw).await.unwrap();
        }
        devnet.build_block().await.unwrap();
        let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>().connect_http(devnet.http_url().parse().unwrap()).erased();
        let rules = ChainRules::fixed(devnet.chain_id(), SLOT_SECONDS, Hardfork::Osaka);
        let block = TargetBlock::after(&devnet.head(), &rules);
        let fork = Fork::start(&provider, devnet.head(), ForkOptions::default()).unwrap();
        let targets = vec![usdc, weth, fx.fx_usd, fx.st_eth, fx.wst_eth, fx.usdc_fx_usd, fx.weth_st_eth];
        let config = ExecutorConfig { owner: RECEIVER, receiver: RECEIVER, operators: vec![OPERATOR], targets };
        let code = executor::executor_artifact().runtime_code.clone();
        let view = fork.view().with_layer(Arc::new(Layer::patch(EXECUTOR, Some(code), None, &executor::storage(&config))));
        let view = view.with_layer(Arc::new(Layer::patch(OPERATOR, None, Some(U256::from(u128::MAX)), &[])));
        Self { holder: deployer.address(), devnet, view, block }
    }

    fn ask<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let outcome = self.view.call(&self.block, &Call { from: self.holder, to, input: call.abi_encode().into(), gas_limit: 10_000_000 }).unwrap();
        assert!(outcome.success, "{}", outcome.output);
        C::abi_decode_returns(&outcome.output).unwrap()
    }

    /// What arrives at the receiver when the executor takes an amount from the holder and walks the venue's steps with all that it gained.
    fn traded(&self, venue: &dyn Venue, token_in: Address, token_out: Address, amount: U256) -> U256 {
        let take = transferFromCall { from: self.holder, to: EXECUTOR, amount };
        let call =
            |data: Vec<u8>| Step::Call { target: token_in, value: U256::ZERO, data: data.into(), patches: Vec::new(), approvals: Vec::new(), callback: None };
        let mut steps = vec![call(take.abi_encode())];
        steps.extend(venue.steps(token_in, token_out, Swap::ExactIn { amount: Amount::Gained { cap: U256::MAX }, min_out: U256::ZERO }).unwrap());
        let plan = TxPlan {
            steps,
            sweep: vec![token_in, token_out],
            profit_token: token_out,
            min_gain: U256::ZERO,
            builder_payment: U256::ZERO,
            blocks: (self.block.number, self.block.number),
        };
        let fee = u128::from(self.block.base_fee);
        let tx = TxEip1559 {
            chain_id: self.block.chain_id,
            nonce: 0,
            gas_limit: 3_000_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(EXECUTOR),
            value: U256::ZERO,
            access_list: Default::default(),
            input: executor::encode(&plan).unwrap(),
        };
        let unsigned = Signature::new(U256::ONE, U256::ONE, false);
        let tx: SimTx = Arc::new(Recovered::new_unchecked(tx.into_signed(unsigned).into(), OPERATOR));
        let execution = self.view.execute(&self.block, &[tx]).unwrap();
        let outcome = &execution.txs[0];
        assert_eq!(outcome.status, TxStatus::Success, "{}", executor::explain_revert(&outcome.output));
        executor::decode_gain(&outcome.output).unwrap()
    }

    fn quote(&self, venue: &dyn Venue, token_in: Address, token_out: Address, amount: U256) -> U256 {
        let mut reads = ReadSet::default();
        let quote = venue.quote_exact_in(&self.view, &self.block, token_in, token_out, amount, &mut reads).unwrap();
        assert!(quote.amount_in == amount && !reads.is_empty());
        quote.amount_out
    }
}

fn units(whole: u64, decimals: u32) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(decimals))
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_and_steps_are_what_the_contracts_pay() {
    let world = World::start().await;
    let fx = world.devnet.fx().unwrap().clone();
    let (usdc, weth) = (world.devnet.contracts().token("USDC").unwrap().address, world.devnet.contracts().token("WETH").unwrap().address);
    let read = |pool| CurvePool::read(&world.view, &world.block, pool, weth, &mut ReadSet::default()).unwrap();
    for (address, coins, decimals) in [(fx.usdc_fx_usd, [usdc, fx.fx_usd], [6, 18]), (fx.weth_st_eth, [weth, fx.st_eth], [18, 18])] {
        let pool = read(address);
        assert_eq!((pool.kind(), pool.tokens()), (CurveKind::Ng, &coins[..]));
        for (i, j) in [(0_usize, 1_usize), (1, 0)] {
            for whole in [1, 700, 5_000] {
                let amount = units(whole, decimals[i]);
                let quoted = world.quote(&pool, coins[i], coins[j], amount);
                let call = exchangeCall { i: i128::try_from(i).unwrap(), j: i128::try_from(j).unwrap(), dx: amount, min_dy: U256::ZERO };
                // A rebasing coin moves in shares: a unit or two do not arrive, each time it moves.
                let spare = U256::from(if coins.contains(&fx.st_eth) { 3 } else { 0 });
                for paid in [world.ask(address, &call), world.traded(&pool, coins[i], coins[j], amount)] {
                    assert!(quoted.abs_diff(paid) <= spare, "{whole} of coin {i} of {address}: {quoted} quoted, {paid} paid");
                }
            }
        }
        assert!(!pool.trades(coins[0], coins[0]) && pool.steps(coins[0], coins[1], Swap::ExactOut { amount_out: U256::ONE, max_in: U256::ONE }).is_err());
    }
    // A swap for nothing would succeed and take the input.
    let pool = read(fx.usdc_fx_usd);
    let refused = pool.quote_exact_in(&world.view, &world.block, fx.fx_usd, usdc, U256::from(1_000), &mut ReadSet::default());
    assert!(matches!(refused, Err(VenueError::Refused(Refusal::Zero { .. } | Refusal::Reverted { .. }))), "{refused:?}");
    // What is no pool says so.
    let none = CurvePool::read(&world.view, &world.block, usdc, weth, &mut ReadSet::default());
    assert!(matches!(none, Err(VenueError::Refused(Refusal::Misconfigured { .. }))));

    let wrapper = WstEth::read(&world.view, &world.block, fx.wst_eth, &mut ReadSet::default()).unwrap();
    assert_eq!(wrapper.tokens(), [fx.wst_eth, fx.st_eth]);
    let amount = units(12, 18);
    let (wrapped, unwrapped) = (world.quote(&wrapper, fx.st_eth, fx.wst_eth, amount), world.quote(&wrapper, fx.wst_eth, fx.st_eth, amount));
    assert_eq!((wrapped, unwrapped), (world.ask(fx.wst_eth, &wrapCall { amount }), world.ask(fx.wst_eth, &unwrapCall { amount })));
    for (token_in, token_out, quoted) in [(fx.st_eth, fx.wst_eth, wrapped), (fx.wst_eth, fx.st_eth, unwrapped)] {
        let traded = world.traded(&wrapper, token_in, token_out, amount);
        assert!(quoted.abs_diff(traded) <= U256::from(3), "{quoted} quoted, {traded} traded");
    }
}
