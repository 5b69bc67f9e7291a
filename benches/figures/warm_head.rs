//! `warm_head`: from a head to the first confirmed candidate, by a session that followed the chain against one that begins there.
//!
//! ```text
//! block of 20 transactions, the price falls ─▶ head ─┬─▶ warm: advance, engine ─▶ candidate
//!                                  10 ms a request   └─▶ cold: Session::start with its prefetch, engine ─▶ the same candidate
//! ```
//!
//! Three markets, ten pools. Both have their connection already, and the cold one has its checkpoint of the logs: what it lacks is the state.

#[path = "../../tests/swap_router/mod.rs"]
mod swap_router;

use super::{
    figure::{Absolute, Better, Figure, Measured, Promise, median},
    http_wire::HttpWire,
    scene::Quiet,
};
use alloy::{
    primitives::{
        Address, Bytes, I256, U256, U512,
        aliases::{I24, U24, U160},
    },
    sol_types::{SolCall, SolValue},
};
use eyre::{OptionExt, ensure};
use harrier::{
    chain::{Head, Node},
    config::{Config, Environment},
    devnet::{
        Artifact, Devnet, DevnetConfig, Person, SearcherFacts, Seed, TokenFacts,
        abi::{Feed, MintParams, PositionManager, Token},
    },
    drivers::{
        assemble,
        session::{Executing, Means, Session},
        source::Source,
        start::{connect, policy},
    },
    engine::{Cancel, Outcome, Sender},
    ledger::Ledger,
    plan::{MarketId, Trigger},
    risk::KillSwitch,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use swap_router::{ExactInputSingleParams, Swapper};
use tokio::runtime::Runtime;

/// What every request takes longer.
const DELAY: Duration = Duration::from_millis(10);
/// Heads of one measurement.
const HEADS: usize = 7;
/// The markets that are searched; each has borrowers.
const MARKETS: [&str; 3] = ["weth-usdc", "wbtc-usdc", "stake-weth"];
/// Pools beside the three of the devnet: tokens with amounts in whole tokens, fee, tick spacing.
const POOLS: [(&str, u64, &str, u64, u32, i32); 7] = [
    ("WETH", 400, "USDC", 1_000_000, 3_000, 60),
    ("WETH", 400, "USDC", 1_000_000, 10_000, 200),
    ("WBTC", 10, "WETH", 400, 3_000, 60),
    ("WBTC", 10, "WETH", 400, 10_000, 200),
    ("STAKE", 300, "WETH", 360, 3_000, 60),
    ("STAKE", 300, "WETH", 360, 10_000, 200),
    ("WBTC", 10, "USDC", 1_000_000, 500, 10),
];
/// Transactions of the block that is measured.
const TRANSACTIONS: usize = 20;
/// Wei per gas for the fee recipient.
const TIP: u128 = 1_000_000_000;

/// A devnet, a slow wire to it, and a session that follows.
#[derive(Debug)]
pub(crate) struct WarmHead<'a> {
    runtime: &'a Runtime,
    devnet: Devnet,
    wire: HttpWire,
    node: Arc<Node>,
    config: Arc<Config>,
    swapper: Address,
    pools: Vec<(Address, Address, u32)>,
    price: I256,
    warm: Session,
    checkpoints: Arc<Ledger>,
    _folder: tempfile::TempDir,
}

impl<'a> WarmHead<'a> {
    /// Starts everything.
    pub(crate) fn set(runtime: &'a Runtime) -> eyre::Result<Self> {
        runtime.block_on(async {
            let seed = Seed { borrowers: 60, least_health: 1_100_000_000_000_000_000, ..Seed::default() };
            let devnet = Devnet::start(DevnetConfig { seed: Some(seed), ..DevnetConfig::default() }).await?;
            let swapper = deploy_swapper(&devnet).await?;
            let mut pools = devnet.contracts().pools.iter().map(|pool| (pool.token0, pool.token1, pool.fee)).collect::<Vec<_>>();
            for (one, one_amount, other, other_amount, fee, spacing) in POOLS {
                let sides = [(devnet.contracts().token(one)?.clone(), one_amount), (devnet.contracts().token(other)?.clone(), other_amount)];
                pools.push(fill_pool(&devnet, sides, fee, spacing).await?);
            }
            devnet.story().borrower("alice").market("weth-usdc").health(1_020_000_000_000_000_000).open().await?;
            let wire = HttpWire::to(devnet.http_url()).await?;
            wire.set_late(DELAY..=DELAY);
            let folder = tempfile::tempdir()?;
            let ledger = folder.path().join("ledger.sqlite");
            let facts = SearcherFacts { executor: None, receiver: devnet.owner()?.address(), ledger: &ledger };
            let overrides = [("HARRIER__node__http".to_owned(), wire.url())];
            let (mut config, environment): (Config, Environment) = devnet.searcher(&facts, &overrides)?;
            let ids = MARKETS.into_iter().map(|name| Ok(MarketId(devnet.contracts().market(name)?.id))).collect::<eyre::Result<Vec<_>>>()?;
            config.protocols.values_mut().for_each(|protocol| protocol.markets.clone_from(&ids));
            let config = Arc::new(config);
            let node = connect(&config, &environment).await?;
            let checkpoints = Arc::new(Ledger::open(&ledger).await?);
            let warm = session(&config, &node, devnet.head(), &checkpoints).await?;
            ensure!(warm.book().read().markets().count() == MARKETS.len(), "not the markets that were asked for");
            let price = devnet.answer("ETH/USD").await?;
            Ok(Self { runtime, devnet, wire, node, config, swapper, pools, price, warm, checkpoints, _folder: folder })
        })
    }

    /// A block in which the price falls and every pool is used.
    async fn fall(&self) -> eyre::Result<Head> {
        let fallen = self.price.saturating_mul(I256::try_from(97)?) / I256::try_from(100)?;
        self.transmit(fallen).await?;
        let by = self.devnet.deployer()?;
        for (token_in, token_out, fee) in &self.pools {
            let params = ExactInputSingleParams {
                tokenIn: *token_in,
                tokenOut: *token_out,
                fee: U24::from(*fee),
                recipient: by.address(),
                deadline: U256::MAX,
                amountIn: U256::from(1_000),
                amountOutMinimum: U256::ZERO,
                sqrtPriceLimitX96: U160::ZERO,
            };
            send(&self.devnet, &by, Some(self.swapper), Swapper::exactInputSingleCall { params }.abi_encode(), 600_000).await?;
        }
        let tokens = self.devnet.contracts().tokens.values().map(|token| token.address).cycle();
        for (token, number) in tokens.zip(0..TRANSACTIONS - 1 - self.pools.len()) {
            let to = Address::left_padding_from(&u64::try_from(0xfeed_0000 + number)?.to_be_bytes());
            send(&self.devnet, &by, Some(token), Token::transferCall { to, amount: U256::from(1) }.abi_encode(), 100_000).await?;
        }
        let report = self.devnet.build_block().await?;
        ensure!(report.txs.len() == TRANSACTIONS && report.succeeded.iter().all(|succeeded| *succeeded), "a transaction of the block failed");
        Ok(report.head)
    }

    async fn transmit(&self, answer: I256) -> eyre::Result<()> {
        let feed = self.devnet.contracts().feed("ETH/USD")?.address;
        send(&self.devnet, &self.devnet.dev_account(6)?, Some(feed), Feed::transmitCall { answer }.abi_encode(), 200_000).await
    }

    /// By the session that followed. Time and requests.
    async fn by_warm(&mut self, head: &Head) -> eyre::Result<(Duration, u64)> {
        let (begin, requests) = (Instant::now(), self.wire.requests());
        self.warm.advance(head).await?;
        candidate(&self.warm, &run(&self.warm, &self.config).await?)?;
        Ok((begin.elapsed(), self.wire.requests().saturating_sub(requests)))
    }

    /// By one that begins at the head.
    async fn by_cold(&self, head: &Head) -> eyre::Result<(Duration, u64)> {
        let (begin, requests) = (Instant::now(), self.wire.requests());
        let cold = session(&self.config, &self.node, head.clone(), &self.checkpoints).await?;
        candidate(&cold, &run(&cold, &self.config).await?)?;
        Ok((begin.elapsed(), self.wire.requests().saturating_sub(requests)))
    }
}

async fn session(config: &Arc<Config>, node: &Arc<Node>, head: Head, checkpoints: &Arc<Ledger>) -> eyre::Result<Session> {
    let executing = Executing::Injected(assemble::injected(config, &assemble::protocols(config)));
    let policy = policy(config, KillSwitch::default())?;
    Ok(Session::start(Arc::clone(config), Source::Node(Arc::clone(node)), head, executing, policy, Arc::<Ledger>::clone(checkpoints), &Quiet).await?)
}

async fn run(session: &Session, config: &Config) -> eyre::Result<Outcome> {
    let operators = assemble::injected(config, session.protocols()).operators;
    let means = Means { senders: operators.into_iter().map(|address| Sender { address, nonce: 0 }).collect(), ..Means::default() };
    let trigger = Trigger::Head { hash: session.head().hash, number: session.head().number };
    Ok(session.run(trigger, Default::default(), None, means, Cancel::default()).await??)
}

fn candidate(session: &Session, outcome: &Outcome) -> eyre::Result<()> {
    ensure!(!outcome.batches.is_empty(), "no candidate at block {}: {:?}", session.head().number, outcome.refusals);
    Ok(())
}

impl Figure for WarmHead<'_> {
    fn promise(&self) -> Promise {
        Promise { name: "warm_head", unit: "ratio of times", target: 0.25, better: Better::Lower }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        let runtime = self.runtime;
        runtime.block_on(async {
            let (mut warm, mut cold) = (Vec::new(), Vec::new());
            for number in 0..HEADS {
                let head = self.fall().await?;
                if number % 2 == 0 {
                    warm.push(self.by_warm(&head).await?);
                    cold.push(self.by_cold(&head).await?);
                } else {
                    cold.push(self.by_cold(&head).await?);
                    warm.push(self.by_warm(&head).await?);
                }
                // The price recovers, and nobody is to be liquidated any more.
                self.transmit(self.price).await?;
                let after = self.devnet.build_block().await?.head;
                self.warm.advance(&after).await?;
            }
            let requests = |all: &[(Duration, u64)]| {
                let mut counts = all.iter().map(|(_, requests)| *requests).collect::<Vec<_>>();
                counts.sort_unstable();
                counts.get(counts.len() / 2).copied().unwrap_or_default()
            };
            let counted = |name: &str, count: u64| -> eyre::Result<Absolute> {
                Ok(Absolute { name: name.to_owned(), value: f64::from(u32::try_from(count)?), unit: "requests", better: Better::Lower })
            };
            let counts = [counted("warm_head_warm_requests", requests(&warm))?, counted("warm_head_cold_requests", requests(&cold))?];
            let middle = |all: Vec<(Duration, u64)>| median(all.into_iter().map(|(time, _)| time).collect());
            let (warm, cold) = (middle(warm), middle(cold));
            let times = [Absolute::time("warm_head_warm", warm), Absolute::time("warm_head_cold", cold)];
            Ok(Measured { value: warm.as_secs_f64() / cold.as_secs_f64(), beside: times.into_iter().chain(counts).collect() })
        })
    }
}

async fn send(devnet: &Devnet, by: &Person, to: Option<Address>, data: Vec<u8>, gas: u64) -> eyre::Result<()> {
    let raw = devnet.signed(by, to, U256::ZERO, Bytes::from(data), gas, TIP).await?;
    devnet.send_public(raw).await?;
    Ok(())
}

/// Mines what waits, all of which must succeed.
async fn mine(devnet: &Devnet, what: &str) -> eyre::Result<()> {
    let report = devnet.build_block().await?;
    ensure!(!report.txs.is_empty() && report.succeeded.iter().all(|succeeded| *succeeded), "{what} failed");
    Ok(())
}

/// The router that the block's swaps go through, allowed to take the deployer's tokens.
async fn deploy_swapper(devnet: &Devnet) -> eyre::Result<Address> {
    let contracts = devnet.contracts();
    let router = Artifact::packaged("@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json")?;
    let arguments = (contracts.uniswap_factory, contracts.token("WETH")?.address).abi_encode_params();
    let by = devnet.deployer()?;
    let swapper = by.address().create(devnet.node().nonce(by.address()).await?);
    send(devnet, &by, None, [router.init_code.to_vec(), arguments].concat(), 8_000_000).await?;
    for token in contracts.tokens.values() {
        send(devnet, &by, Some(token.address), Token::approveCall { spender: swapper, amount: U256::MAX }.abi_encode(), 100_000).await?;
    }
    mine(devnet, "the swap router").await?;
    Ok(swapper)
}

/// Creates a pool and fills its whole range.
async fn fill_pool(devnet: &Devnet, sides: [(TokenFacts, u64); 2], fee: u32, spacing: i32) -> eyre::Result<(Address, Address, u32)> {
    let [one, other] = sides.map(|(token, whole)| (token.address, U256::from(whole) * U256::from(10).pow(U256::from(token.decimals))));
    let ((token0, amount0), (token1, amount1)) = if one.0 < other.0 { (one, other) } else { (other, one) };
    let ratio: U512 = (U512::from(amount1) << 192) / U512::from(amount0);
    let root = ratio.root(2);
    let price = U160::checked_from_limbs_slice(root.as_limbs()).ok_or_eyre("a price out of range")?;
    let by = devnet.deployer()?;
    let manager = devnet.contracts().position_manager;
    let start = PositionManager::createAndInitializePoolIfNecessaryCall { token0, token1, fee: U24::from(fee), sqrtPriceX96: price };
    send(devnet, &by, Some(manager), start.abi_encode(), 8_000_000).await?;
    let edge = |tick: i32| I24::try_from(tick / spacing * spacing).map_err(|_| eyre::eyre!("a tick out of range"));
    let params = MintParams {
        token0,
        token1,
        fee: U24::from(fee),
        tickLower: edge(-887_000)?,
        tickUpper: edge(887_000)?,
        amount0Desired: amount0,
        amount1Desired: amount1,
        amount0Min: U256::ZERO,
        amount1Min: U256::ZERO,
        recipient: by.address(),
        deadline: U256::MAX,
    };
    send(devnet, &by, Some(manager), PositionManager::mintCall { params }.abi_encode(), 1_500_000).await?;
    mine(devnet, "a pool").await?;
    Ok((token0, token1, fee))
}
