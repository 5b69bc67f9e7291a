//! Deploying a devnet's contracts: real WETH9, Uniswap V3 and Morpho Blue from their packages, our own feeds, oracles,
//! interest rate model and tokens from `solidity/artifacts`.
//!
//! ```text
//! tokens ─▶ feeds ─▶ Morpho, model, oracles, markets ─▶ factory, position manager, pools ─▶ liquidity, lenders
//! ```
//!
//! Every address follows from the deployer and its nonces, so it is the same on every devnet.

use super::{
    DevnetError,
    abi::{Factory, MarketParams, MintParams, Morpho, PositionManager, Token, Weth},
    artifacts::Artifact,
    chain::Chain,
    contracts::{Contracts, FeedFacts, MarketFacts, PoolFacts, TokenFacts},
    hands::Hands,
    people::Person,
};
use alloy::{
    primitives::{Address, I256, U160, U256, U512, aliases::I24, aliases::U24},
    sol_types::SolValue,
};
use std::collections::BTreeMap;

/// Fee of the pools in millionths: 0.05 %.
const POOL_FEE: u32 = 500;
/// The outermost ticks of a pool with that fee (spacing 10): positions over the whole range.
const OUTER_TICK: i32 = 887_270;

/// Feeds: name, decimals, first answer. A dollar is 1e8 in feeds that quote in dollars.
const FEEDS: [(&str, u8, i128); 5] = [
    ("ETH/USD", 8, 250_000_000_000),
    ("BTC/USD", 8, 10_000_000_000_000),
    ("USDC/USD", 8, 100_000_000),
    ("STAKE/ETH", 18, 1_200_000_000_000_000_000),
    // A feed of its own, so that a market can lose its price without touching the others.
    ("STAKE/USD", 8, 300_000_000_000),
];

/// A market to create.
struct Listing {
    collateral: &'static str,
    loan: &'static str,
    collateral_feed: &'static str,
    loan_feed: Option<&'static str>,
    /// Liquidation loan-to-value, 1e18 is one.
    lltv: u128,
    /// What lenders supply, in whole tokens.
    lent: u64,
}

const MARKETS: [Listing; 4] = [
    Listing { collateral: "WETH", loan: "USDC", collateral_feed: "ETH/USD", loan_feed: Some("USDC/USD"), lltv: 860_000_000_000_000_000, lent: 60_000_000 },
    Listing { collateral: "WBTC", loan: "USDC", collateral_feed: "BTC/USD", loan_feed: Some("USDC/USD"), lltv: 860_000_000_000_000_000, lent: 60_000_000 },
    Listing { collateral: "STAKE", loan: "WETH", collateral_feed: "STAKE/ETH", loan_feed: None, lltv: 945_000_000_000_000_000, lent: 20_000 },
    Listing { collateral: "STAKE", loan: "USDC", collateral_feed: "STAKE/USD", loan_feed: Some("USDC/USD"), lltv: 770_000_000_000_000_000, lent: 20_000_000 },
];

/// Pools: one token and its amount, the other and its amount, in whole tokens; the first price is their ratio.
const POOLS: [(&str, u64, &str, u64); 3] = [("WETH", 40_000, "USDC", 100_000_000), ("WBTC", 1_000, "WETH", 40_000), ("STAKE", 30_000, "WETH", 36_000)];

/// Ether that the deployer wraps.
const WRAPPED: u64 = 200_000;

/// The people of the set-up.
pub(super) struct Cast<'a> {
    pub(super) deployer: &'a Person,
    pub(super) transmitter: &'a Person,
}

/// An amount of whole tokens in token units.
pub(super) fn units(whole: u64, decimals: u8) -> U256 {
    U256::from(whole).saturating_mul(U256::from(10).saturating_pow(U256::from(decimals)))
}

/// Deploys everything.
pub(super) async fn deploy(chain: &Chain, cast: &Cast<'_>) -> Result<Contracts, DevnetError> {
    let mut hands = Hands::new(chain);
    let tokens = tokens(&mut hands, cast).await?;
    let feeds = feeds(&mut hands, cast).await?;
    hands.settle().await?;
    let by = cast.deployer;
    let token = |symbol: &str| tokens.get(symbol).cloned().ok_or_else(|| DevnetError::Unknown(format!("token {symbol}")));

    let morpho = hands.create(by, "Morpho", &Artifact::compiled("Morpho")?, by.address().abi_encode()).await?;
    let irm = hands.create(by, "AdaptiveIrm", &Artifact::own("AdaptiveIrm")?, morpho.abi_encode()).await?;
    hands.settle().await?;
    let morpho_since = chain.head().number;
    let markets = markets(&mut hands, cast, morpho, irm, &tokens, &feeds).await?;

    let folder = "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
    let factory = hands.create(by, "UniswapV3Factory", &Artifact::packaged(folder)?, Vec::new()).await?;
    let folder = "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
    let weth = token("WETH")?.address;
    // Nobody asks for a position's picture, so its descriptor is no contract.
    let arguments = (factory, weth, Address::ZERO).abi_encode();
    let manager = hands.create(by, "NonfungiblePositionManager", &Artifact::packaged(folder)?, arguments).await?;
    hands.settle().await?;

    for facts in tokens.values() {
        hands.call(by, "approve Morpho", facts.address, Token::approveCall { spender: morpho, amount: U256::MAX }, 100_000).await?;
        hands.call(by, "approve positions", facts.address, Token::approveCall { spender: manager, amount: U256::MAX }, 100_000).await?;
        if facts.symbol == "WETH" {
            hands.pay(by, "wrap ether", facts.address, Weth::depositCall {}, units(WRAPPED, 18)).await?;
        } else {
            let amount = units(1_000_000_000, facts.decimals);
            hands.call(by, "mint", facts.address, Token::mintCall { to: by.address(), amount }, 200_000).await?;
        }
    }
    let mut pools = Vec::new();
    for (one, one_amount, other, other_amount) in POOLS {
        let side = |symbol, whole| token(symbol).map(|facts| (facts.address, units(whole, facts.decimals)));
        let sides = [side(one, one_amount)?, side(other, other_amount)?];
        pools.push(pool(&mut hands, by, factory, manager, sides).await?);
    }
    for (listing, market) in MARKETS.iter().zip(&markets) {
        let assets = units(listing.lent, market.loan.decimals);
        let supply = Morpho::supplyCall { marketParams: market.params(), assets, shares: U256::ZERO, onBehalf: by.address(), data: Default::default() };
        hands.call(by, "lend", morpho, supply, 500_000).await?;
    }
    hands.settle().await?;
    Ok(Contracts {
        ready_at: chain.head().number,
        morpho_since,
        tokens,
        feeds,
        morpho,
        irm,
        markets: markets.into_iter().map(|market| (market.name.clone(), market)).collect(),
        uniswap_factory: factory,
        position_manager: manager,
        pools,
    })
}

async fn tokens(hands: &mut Hands<'_>, cast: &Cast<'_>) -> Result<BTreeMap<String, TokenFacts>, DevnetError> {
    let mut tokens = BTreeMap::new();
    let weth = Artifact::packaged("canonical-weth/build/contracts/WETH9.json")?;
    let address = hands.create(cast.deployer, "WETH9", &weth, Vec::new()).await?;
    tokens.insert("WETH".to_owned(), TokenFacts { symbol: "WETH".to_owned(), address, decimals: 18 });
    let plain = Artifact::own("TestToken")?;
    for (symbol, name, decimals) in [("USDC", "Devnet dollar", 6u8), ("WBTC", "Devnet bitcoin", 8), ("STAKE", "Devnet staked ether", 18)] {
        // Constructor arguments, not one tuple: encoded as parameters.
        let arguments = (name.to_owned(), symbol.to_owned(), U256::from(decimals)).abi_encode_params();
        let address = hands.create(cast.deployer, symbol, &plain, arguments).await?;
        tokens.insert(symbol.to_owned(), TokenFacts { symbol: symbol.to_owned(), address, decimals });
    }
    Ok(tokens)
}

async fn feeds(hands: &mut Hands<'_>, cast: &Cast<'_>) -> Result<BTreeMap<String, FeedFacts>, DevnetError> {
    let aggregator = Artifact::own("Aggregator")?;
    let mut feeds = BTreeMap::new();
    for (name, decimals, answer) in FEEDS {
        let first_answer = I256::try_from(answer).map_err(|_| DevnetError::Range("a feed's answer"))?;
        let arguments = (U256::from(decimals), name.to_owned(), cast.transmitter.address(), first_answer).abi_encode_params();
        let address = hands.create(cast.deployer, name, &aggregator, arguments).await?;
        feeds.insert(name.to_owned(), FeedFacts { name: name.to_owned(), address, decimals, first_answer });
    }
    Ok(feeds)
}

async fn markets(
    hands: &mut Hands<'_>,
    cast: &Cast<'_>,
    morpho: Address,
    irm: Address,
    tokens: &BTreeMap<String, TokenFacts>,
    feeds: &BTreeMap<String, FeedFacts>,
) -> Result<Vec<MarketFacts>, DevnetError> {
    let by = cast.deployer;
    let token = |symbol: &str| tokens.get(symbol).cloned().ok_or_else(|| DevnetError::Unknown(format!("token {symbol}")));
    let feed = |name: &str| feeds.get(name).map(|feed| feed.address).ok_or_else(|| DevnetError::Unknown(format!("feed {name}")));
    let oracle_code = Artifact::own("FeedOracle")?;
    hands.call(by, "enableIrm", morpho, Morpho::enableIrmCall { irm }, 200_000).await?;
    let mut enabled = Vec::new();
    let mut markets = Vec::new();
    for Listing { collateral, loan, collateral_feed, loan_feed, lltv, .. } in MARKETS {
        let (collateral, loan, lltv) = (token(collateral)?, token(loan)?, U256::from(lltv));
        if !enabled.contains(&lltv) {
            hands.call(by, "enableLltv", morpho, Morpho::enableLltvCall { lltv }, 200_000).await?;
            enabled.push(lltv);
        }
        let second = loan_feed.map(feed).transpose()?.unwrap_or(Address::ZERO);
        let arguments = (collateral.address, loan.address, feed(collateral_feed)?, second).abi_encode();
        let oracle = hands.create(by, "FeedOracle", &oracle_code, arguments).await?;
        let params = MarketParams { loanToken: loan.address, collateralToken: collateral.address, oracle, irm, lltv };
        hands.call(by, "createMarket", morpho, Morpho::createMarketCall { marketParams: params.clone() }, 500_000).await?;
        markets.push(MarketFacts {
            name: format!("{}-{}", collateral.symbol, loan.symbol).to_lowercase(),
            id: MarketFacts::id_of(&params),
            loan,
            collateral,
            oracle,
            irm,
            lltv,
            feeds: std::iter::once(collateral_feed).chain(loan_feed).map(str::to_owned).collect(),
        });
    }
    Ok(markets)
}

pub(super) async fn pool(
    hands: &mut Hands<'_>,
    by: &Person,
    factory: Address,
    manager: Address,
    sides: [(Address, U256); 2],
) -> Result<PoolFacts, DevnetError> {
    let [one, other] = sides;
    let ((token0, amount0), (token1, amount1)) = if one.0 < other.0 { (one, other) } else { (other, one) };
    let fee = U24::from(POOL_FEE);
    let start = PositionManager::createAndInitializePoolIfNecessaryCall { token0, token1, fee, sqrtPriceX96: sqrt_price(amount0, amount1)? };
    hands.call(by, "create pool", manager, start, 8_000_000).await?;
    let outer = |tick: i32| I24::try_from(tick).map_err(|_| DevnetError::Range("a tick"));
    let mint = MintParams {
        token0,
        token1,
        fee,
        tickLower: outer(-OUTER_TICK)?,
        tickUpper: outer(OUTER_TICK)?,
        amount0Desired: amount0,
        amount1Desired: amount1,
        amount0Min: U256::ZERO,
        amount1Min: U256::ZERO,
        recipient: by.address(),
        deadline: U256::MAX,
    };
    hands.call(by, "fill pool", manager, PositionManager::mintCall { params: mint }, 1_500_000).await?;
    hands.settle().await?;
    let address = hands.ask("pool", factory, Factory::getPoolCall { tokenA: token0, tokenB: token1, fee }).await?;
    Ok(PoolFacts { address, token0, token1, fee: POOL_FEE })
}

/// sqrt(amount1 / amount0) x 2^96, rounded down.
fn sqrt_price(amount0: U256, amount1: U256) -> Result<U160, DevnetError> {
    let scaled = U512::from(amount1) << 192usize;
    let ratio = scaled.checked_div(U512::from(amount0)).ok_or(DevnetError::Range("a pool's amount"))?;
    U160::checked_from_limbs_slice(square_root(ratio).as_limbs()).ok_or(DevnetError::Range("a pool's price"))
}

/// The integer square root, rounded down, by Newton's method from above.
pub(super) fn square_root(value: U512) -> U512 {
    let mut root = U512::from(1) << value.bit_len().div_ceil(2);
    loop {
        let quotient = value.checked_div(root).unwrap_or_default();
        let next = root.saturating_add(quotient) >> 1usize;
        if next >= root {
            return root;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pools_first_price_is_the_ratio_of_its_amounts() {
        assert_eq!(sqrt_price(U256::from(1), U256::from(1)).unwrap(), U160::from(1u128 << 96));
        assert_eq!(sqrt_price(U256::from(1), U256::from(4)).unwrap(), U160::from(1u128 << 97));
        assert_eq!(square_root(U512::from(99)), U512::from(9));
        assert_eq!(square_root(U512::from(100)), U512::from(10));
        assert_eq!(square_root(U512::ZERO), U512::ZERO);
    }
}
