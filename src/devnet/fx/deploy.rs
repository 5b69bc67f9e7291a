//! Deploying f(x): every contract behind a proxy, set up in the order that their addresses need.

use super::{
    FxContracts, FxPair,
    abi::{Base, Configuration, Inverse, Long, LongManager, Note, PegOracle, Plain, Reserve, Short, ShortManager, Source, SpotOracle, Stable, Staked, Tokens},
};
use crate::devnet::{
    DevnetError,
    abi::Token,
    artifacts::Artifact,
    chain::Chain,
    contracts::Contracts,
    deploy::{pool, units},
    hands::Hands,
    market,
    people::Person,
};
use alloy::{
    primitives::{Address, Bytes, I256, U256},
    sol_types::SolValue,
};

/// Seconds for which a feed's answer counts: long enough for a demo without its own updates.
const HEARTBEAT: u64 = 86_400;
/// One per cent, the largest deviation of a spot price from its anchor.
const MAX_DEVIATION: u64 = 10_000_000_000_000_000;
/// Half a per cent around the peg.
const PEG_BAND: u64 = 5_000_000_000_000_000;
/// Ether that the deployer stakes, in whole ether.
const STAKED: u64 = 60_000;
/// What one wstETH is worth in stETH at the start, in tenths.
const RATE_TENTHS: u64 = 12;
/// fxUSD that the deployer mints for the markets, in whole dollars, out of each long pool.
const MINTED: u64 = 12_000_000;
/// Gas of a set-up call of f(x).
const GAS: u64 = 1_500_000;

/// Kinds of a price source, as the oracle contract counts them.
#[derive(Clone, Copy)]
enum Kind {
    Feed = 0,
    CurveAverage = 1,
    CurveSpot = 2,
    V3 = 5,
    V3Inverse = 6,
}

/// A source in one word: where, a scale, and a heartbeat or a power of ten to divide by.
fn source(kind: Kind, place: Address, scale: u64, low: u64) -> Source {
    let word = (U256::from_be_slice(place.as_slice()) << 96_usize) | (U256::from(scale) << 32_usize) | U256::from(low);
    Source { kind: kind as u8, word }
}

/// Deploys one contract after the other.
struct Builder<'a, 'b> {
    hands: &'b mut Hands<'a>,
    by: &'b Person,
}

impl Builder<'_, '_> {
    /// An implementation and an empty proxy in front of it.
    async fn proxied(&mut self, name: &str) -> Result<Address, DevnetError> {
        let implementation = self.hands.create(self.by, name, &Artifact::own(name)?, Vec::new()).await?;
        self.proxy(name, implementation).await
    }

    async fn proxy(&mut self, name: &str, implementation: Address) -> Result<Address, DevnetError> {
        let arguments = (implementation, Bytes::new()).abi_encode_params();
        self.hands.create(self.by, &format!("proxy of {name}"), &Artifact::own("UpgradeableProxy")?, arguments).await
    }

    async fn call<C: alloy::sol_types::SolCall>(&mut self, what: &str, to: Address, call: C) -> Result<(), DevnetError> {
        self.hands.call(self.by, what, to, call, GAS).await
    }

    async fn approve(&mut self, token: Address, spender: Address) -> Result<(), DevnetError> {
        self.call("approve", token, Token::approveCall { spender, amount: U256::MAX }).await
    }

    /// A StableSwap-NG pool of two coins.
    async fn stable_swap(&mut self, what: &str, coins: [Address; 2], amplification: u64, types: [u8; 2]) -> Result<Address, DevnetError> {
        let numbers = [U256::from(amplification), U256::from(1_000_000_u64), U256::from(20_000_000_000_u64), U256::from(866_u64)];
        let types: Vec<U256> = types.into_iter().map(U256::from).collect();
        let arguments = (coins.to_vec(), numbers, types, vec![U256::ZERO; 2]).abi_encode_params();
        self.hands.create(self.by, what, &Artifact::own("StableSwapNg")?, arguments).await
    }
}

/// The contracts that a pair of pools needs to know.
struct Common {
    long_manager: Address,
    short_manager: Address,
    configuration: Address,
    fx_usd: Address,
}

/// Deploys everything, mints fxUSD and fills the markets.
pub(in crate::devnet) async fn deploy(chain: &Chain, contracts: &Contracts, by: &Person, rival: &Person) -> Result<FxContracts, DevnetError> {
    let (weth, usdc, wbtc) = (contracts.token("WETH")?.address, contracts.token("USDC")?.address, contracts.token("WBTC")?.address);
    let feed = |name: &str| contracts.feed(name).map(|facts| source(Kind::Feed, facts.address, 10_000_000_000, HEARTBEAT));
    let (eth_usd, btc_usd, usdc_usd) = (feed("ETH/USD")?, feed("BTC/USD")?, feed("USDC/USD")?);
    let mut hands = Hands::new(chain);
    let mut build = Builder { hands: &mut hands, by };

    let st_eth = build.proxied("StEth").await?;
    let wst_eth = build.proxied("WstEth").await?;
    let rates = build.proxied("WstEthRateProvider").await?;
    let fx_usd = build.proxied("FxUSD").await?;
    let long_manager = build.proxied("PoolManager").await?;
    let short_manager = build.proxied("ShortPoolManager").await?;
    let base_pool = build.proxied("FxUSDBasePool").await?;
    let configuration = build.proxied("PoolConfiguration").await?;
    let reserve = build.proxied("ReservePool").await?;
    let lending = build.proxied("LendingIndex").await?;
    let peg = build.proxied("FxUSDPriceOracle").await?;
    build.hands.settle().await?;

    build.call("stETH", st_eth, Plain::initializeCall {}).await?;
    build.call("wstETH", wst_eth, Tokens::initializeCall { a: st_eth }).await?;
    build.call("rates", rates, Tokens::initializeCall { a: wst_eth }).await?;
    build.call("fxUSD", fx_usd, Tokens::initializeCall { a: long_manager }).await?;
    build.call("lending", lending, Plain::initializeCall {}).await?;
    build.hands.pay(by, "stake", st_eth, Tokens::submitCall { referral: Address::ZERO }, units(STAKED, 18)).await?;
    // Rewards before anybody else has a share: the rate of wstETH.
    let pooled = units(STAKED.saturating_mul(RATE_TENTHS) / 10, 18);
    build.call("rewards", st_eth, Staked::rebaseCall { total: pooled }).await?;
    build.hands.settle().await?;
    build.approve(st_eth, wst_eth).await?;
    build.call("wrap", wst_eth, Tokens::wrapCall { amount: units(45_000, 18) }).await?;

    let usdc_fx_usd = build.stable_swap("USDC/fxUSD", [usdc, fx_usd], 1_200, [0, 0]).await?;
    let weth_st_eth = build.stable_swap("WETH/stETH", [weth, st_eth], 200, [0, 2]).await?;
    build.approve(weth, weth_st_eth).await?;
    build.approve(st_eth, weth_st_eth).await?;
    build.hands.settle().await?;
    build.call("fill WETH/stETH", weth_st_eth, Stable::add_liquidityCall { amounts: vec![units(20_000, 18), units(20_000, 18)], minMint: U256::ZERO }).await?;

    let stable_feed = usdc_usd.word;
    build
        .call(
            "peg",
            peg,
            PegOracle::initializeCall { curvePool: usdc_fx_usd, stableFeed: stable_feed, above: U256::from(PEG_BAND), below: U256::from(PEG_BAND) },
        )
        .await?;
    build.call("base pool", base_pool, Base::initializeCall { manager: long_manager, fxUSD: fx_usd, stable: usdc, stableFeed: stable_feed }).await?;
    let managers = [long_manager, short_manager];
    let initialize = Configuration::initializeCall { managers, fxBASE: base_pool, pegOracle: peg, lendingPool: lending, stable: usdc, stableFeed: stable_feed };
    build.call("configuration", configuration, initialize).await?;
    build.call("reserve", reserve, Reserve::initializeCall { longManager: long_manager, shortManager: short_manager }).await?;
    let common = [fx_usd, configuration, by.address(), by.address(), reserve];
    let initialize = LongManager::initializeCall { common, fxBASE: base_pool, shortManager: short_manager, stable: usdc };
    build.call("long manager", long_manager, initialize).await?;
    build.call("short manager", short_manager, ShortManager::initializeCall { common, longManager: long_manager }).await?;
    // Only the long side counts wstETH at its rate.
    build.call("wstETH's rate", long_manager, LongManager::updateTokenRateCall { token: wst_eth, provider: rates }).await?;
    for manager in managers {
        let provider = Address::ZERO;
        build.call("WBTC's rate", manager, LongManager::updateTokenRateCall { token: wbtc, provider }).await?;
    }
    build.call("wstETH's rate", short_manager, ShortManager::updateTokenRateCall { token: wst_eth, provider: Address::ZERO }).await?;
    build.hands.settle().await?;

    let common = Common { long_manager, short_manager, configuration, fx_usd };
    let average = source(Kind::CurveAverage, weth_st_eth, 1, 0);
    let spot = source(Kind::CurveSpot, weth_st_eth, 1, 0);
    let staked = Prices { anchor: vec![average, eth_usd.clone()], spot: vec![vec![spot, eth_usd.clone()]], rates };
    let bitcoin = Prices { anchor: vec![btc_usd], spot: vec![vec![bitcoin_in_ether(contracts, wbtc, weth)?, eth_usd]], rates: Address::ZERO };
    let pairs = vec![pair(&mut build, &common, ("wstETH", wst_eth, 18), staked).await?, pair(&mut build, &common, ("WBTC", wbtc, 8), bitcoin).await?];

    for (place, facts) in pairs.iter().enumerate() {
        build.approve(facts.token, long_manager).await?;
        // Dollars of debt at about a quarter of the collateral's value.
        let collateral = if place == 0 { units(16_000, 18) } else { units(480, 8) };
        let call = LongManager::operateCall { pool: facts.long, positionId: U256::ZERO, newColl: signed(collateral)?, newDebt: signed(units(MINTED, 18))? };
        build.call("mint fxUSD", long_manager, call).await?;
        build.hands.settle().await?;
    }
    for (token, spender) in [(usdc, usdc_fx_usd), (fx_usd, usdc_fx_usd), (fx_usd, base_pool), (usdc, base_pool), (fx_usd, short_manager)] {
        build.approve(token, spender).await?;
    }
    build.hands.settle().await?;
    let amounts = vec![units(8_000_000, 6), units(8_000_000, 18)];
    build.call("fill USDC/fxUSD", usdc_fx_usd, Stable::add_liquidityCall { amounts, minMint: U256::ZERO }).await?;
    let deposits = [(fx_usd, units(6_000_000, 18)), (usdc, units(3_000_000, 6))];
    for (token, amount) in deposits {
        let call = Base::depositCall { receiver: by.address(), tokenIn: token, amount, minShares: U256::ZERO };
        build.call("fill the base pool", base_pool, call).await?;
    }
    build.hands.settle().await?;
    market_for_wrapped(&mut build, contracts, wst_eth, weth).await?;
    // Morpho lends what it holds. On mainnet that is the collateral of its own markets.
    for (token, amount) in [(wst_eth, units(2_000, 18)), (wbtc, units(100, 8)), (fx_usd, units(1_000_000, 18))] {
        build.call("what Morpho holds", token, Token::transferCall { to: contracts.morpho, amount }).await?;
    }
    let router = market::open(build.hands, by, contracts).await?;
    let reporter = build.hands.create(by, "Reporter", &Artifact::own("Reporter")?, Vec::new()).await?;
    // The rival keeper repays in USDC.
    build.hands.call(rival, "approval of the rival", usdc, Token::approveCall { spender: base_pool, amount: U256::MAX }, 100_000).await?;
    build.hands.settle().await?;
    Ok(FxContracts {
        long_manager,
        short_manager,
        base_pool,
        configuration,
        reserve,
        fx_usd,
        st_eth,
        wst_eth,
        usdc_fx_usd,
        weth_st_eth,
        lending,
        router,
        reporter,
        pairs,
        ready_at: chain.head().number,
    })
}

/// Where a pair's prices come from.
struct Prices {
    anchor: Vec<Source>,
    spot: Vec<Vec<Source>>,
    rates: Address,
}

async fn pair(build: &mut Builder<'_, '_>, common: &Common, (symbol, token, decimals): (&str, Address, u8), prices: Prices) -> Result<FxPair, DevnetError> {
    let long = build.proxied("LongPool").await?;
    let short = build.proxied("ShortPool").await?;
    let note = build.proxied("CreditNote").await?;
    let oracle = build.proxied("FxPriceOracle").await?;
    let inverse_oracle = build.proxied("InverseOracle").await?;
    build.hands.settle().await?;
    let Prices { anchor, spot, rates } = prices;
    build.call("oracle", oracle, SpotOracle::initializeCall { maxDeviation: U256::from(MAX_DEVIATION), anchor, spot, lifted: Vec::new() }).await?;
    build.call("inverse oracle", inverse_oracle, Inverse::initializeCall { longOracle: oracle, rateProvider: rates }).await?;
    let (manager, configuration) = (common.long_manager, common.configuration);
    build.call("long pool", long, Long::initializeCall { manager, configuration, collateral: token, oracle }).await?;
    let (manager, fx_usd) = (common.short_manager, common.fx_usd);
    let initialize = Short::initializeCall { manager, configuration, fxUSD: fx_usd, oracle: inverse_oracle, debtToken: token, creditNote: note };
    build.call("short pool", short, initialize).await?;
    let (name, minter) = (format!("credit note of {symbol}"), common.long_manager);
    build.call("credit note", note, Note::initializeCall { minter, name, symbol: format!("fx{symbol}"), decimals }).await?;
    build.call("counterparty", long, Long::updateCounterpartyCall { counterparty: short }).await?;
    build.call("counterparty", short, Short::updateCounterpartyCall { counterparty: long }).await?;
    // The largest that the managers' words hold: 85 bits of collateral in a long pool, 96 bits otherwise.
    let (most_collateral, most) = (U256::from((1_u128 << 85_u32) - 1), U256::from((1_u128 << 96_u32) - 1));
    // The short pool may borrow four fifths of the long pool's collateral.
    let register = LongManager::registerPoolCall { pool: long, collCapacity: most_collateral, debtCapacity: most, shortRatio: U256::from(800_000_000_u64) };
    build.call("register", common.long_manager, register).await?;
    let register = ShortManager::registerPoolCall { pool: short, collCapacity: most, rawDebtCapacity: most, minRawDebt: U256::from(100_000_000_000_000_u64) };
    build.call("register", common.short_manager, register).await?;
    build.hands.settle().await?;
    Ok(FxPair { symbol: symbol.to_owned(), token, decimals, long, short, note, oracle, inverse_oracle })
}

/// WBTC in ether, 1e18, by the devnet's own pool: token units of both turn into whole ones.
fn bitcoin_in_ether(contracts: &Contracts, wbtc: Address, weth: Address) -> Result<Source, DevnetError> {
    let pool = contracts.pool_of(wbtc, weth)?;
    let kind = if pool.token0 == wbtc { Kind::V3 } else { Kind::V3Inverse };
    Ok(source(kind, pool.address, 1, 10))
}

/// A Uniswap pool in which seized wstETH can be sold.
async fn market_for_wrapped(build: &mut Builder<'_, '_>, contracts: &Contracts, wst_eth: Address, weth: Address) -> Result<(), DevnetError> {
    build.approve(wst_eth, contracts.position_manager).await?;
    build.hands.settle().await?;
    let amounts = [(wst_eth, units(10_000, 18)), (weth, units(12_000, 18))];
    pool(build.hands, build.by, contracts.uniswap_factory, contracts.position_manager, amounts).await.map(drop)
}

pub(super) fn signed(amount: U256) -> Result<I256, DevnetError> {
    I256::try_from(amount).map_err(|_| DevnetError::Range("an amount"))
}
