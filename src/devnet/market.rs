//! Trades in the devnet's Uniswap pools, through Uniswap's own router: it is there where f(x) or Flux is.

use super::{
    Devnet, DevnetError,
    abi::{ExactInputSingleParams, Router, SpotPool, Token},
    acts::{Acts, POCKET_MONEY, TIP},
    artifacts::Artifact,
    contracts::{Contracts, PoolFacts},
    deploy::square_root,
    hands::Hands,
    people::Person,
};
use alloy::{
    primitives::{
        Address, B256, Bytes, U256, U512,
        aliases::{U24, U160},
    },
    sol_types::{SolCall, SolValue},
};

/// Gas limit of a trade.
const TRADE_GAS: u64 = 600_000;

/// Somebody with tokens, ready to sell them in a pool.
#[derive(Clone, Debug)]
pub struct Trader {
    person: Person,
    pool: PoolFacts,
    sold: Address,
    bought: Address,
}

/// Creates the router and lets the deployer trade there.
pub(super) async fn open(hands: &mut Hands<'_>, by: &Person, contracts: &Contracts) -> Result<Address, DevnetError> {
    let folder = "@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json";
    let arguments = (contracts.uniswap_factory, contracts.token("WETH")?.address).abi_encode();
    let router = hands.create(by, "SwapRouter", &Artifact::packaged(folder)?, arguments).await?;
    for symbol in ["WETH", "USDC", "WBTC"] {
        let approve = Token::approveCall { spender: router, amount: U256::MAX };
        hands.call(by, "approve", contracts.token(symbol)?.address, approve, 100_000).await?;
    }
    Ok(router)
}

impl Devnet {
    fn router(&self) -> Result<Address, DevnetError> {
        let routers = [self.fx().map(|fx| fx.router), self.flux().map(|flux| flux.router)];
        routers.into_iter().flatten().next().ok_or_else(|| DevnetError::Unknown("router".to_owned()))
    }

    /// The market moves before the feeds do: a token is traded until its price in another one has changed by hundredths of a percent, mined.
    ///
    /// # Errors
    /// When there is no such pool, or the deployer has not so much.
    pub async fn market_moves(&self, of: &str, quote: &str, basis_points: i32) -> Result<(), DevnetError> {
        let times = u64::try_from(i64::from(basis_points).saturating_add(10_000)).map_err(|_| DevnetError::Range("a price move"))?;
        self.market_scaled(of, quote, times, 10_000).await
    }

    /// The same, to so many times the price by so many.
    ///
    /// # Errors
    /// As there.
    pub async fn market_scaled(&self, of: &str, quote: &str, times: u64, by: u64) -> Result<(), DevnetError> {
        let root = self.scaled_root(of, quote, times, by).await?;
        let mut acts = Acts::new(self);
        acts.put("trade", self.trade_to(of, quote, root).await?).await?;
        acts.mined().await.map(drop)
    }

    /// The root of a pool's price times 2^96, to come back to: [`Self::market_will_be`].
    ///
    /// # Errors
    /// When there is no such pool.
    pub async fn market_root(&self, of: &str, quote: &str) -> Result<U160, DevnetError> {
        let (of, quote) = (self.contracts().token(of)?.address, self.contracts().token(quote)?.address);
        let pool = self.contracts().pool_of(of, quote)?;
        Ok(self.ask("price", pool.address, &SpotPool::slot0Call {}).await?.sqrtPriceX96)
    }

    /// A trade that brings a pool's price to this root waits in the public mempool. Its hash.
    ///
    /// # Errors
    /// When there is no such pool.
    pub async fn market_will_be(&self, of: &str, quote: &str, root: U160) -> Result<B256, DevnetError> {
        self.send_public(self.trade_to(of, quote, root).await?).await
    }

    /// The root of so many times the price by so many.
    ///
    /// # Errors
    /// When there is no such pool, or no such price.
    pub async fn scaled_root(&self, of: &str, quote: &str, times: u64, by: u64) -> Result<U160, DevnetError> {
        let root = self.market_root(of, quote).await?;
        let (of, quote) = (self.contracts().token(of)?.address, self.contracts().token(quote)?.address);
        // The pool's price is that of token 0.
        let (times, by) = if self.contracts().pool_of(of, quote)?.token0 == of { (times, by) } else { (by, times) };
        let square = U512::from(root).saturating_mul(U512::from(root)).saturating_mul(U512::from(times));
        let root = square_root(square.checked_div(U512::from(by)).ok_or(DevnetError::Range("a price move"))?);
        U160::checked_from_limbs_slice(root.as_limbs()).ok_or(DevnetError::Range("a price"))
    }

    async fn trade_to(&self, of: &str, quote: &str, limit: U160) -> Result<Bytes, DevnetError> {
        let rises = limit > self.market_root(of, quote).await?;
        let (of, quote) = (self.contracts().token(of)?.address, self.contracts().token(quote)?.address);
        let pool = self.contracts().pool_of(of, quote)?;
        // A root rises while token 0 is bought.
        let (sold, bought) = if rises { (pool.token1, pool.token0) } else { (pool.token0, pool.token1) };
        let trader = Trader { person: self.deployer()?, pool: pool.clone(), sold, bought };
        // More than it takes: the pool stops at the price, and asks for what it took.
        self.trade(&trader, U256::from(u128::MAX), limit).await
    }

    async fn trade(&self, trader: &Trader, amount: U256, limit: U160) -> Result<Bytes, DevnetError> {
        let params = ExactInputSingleParams {
            tokenIn: trader.sold,
            tokenOut: trader.bought,
            fee: U24::from(trader.pool.fee),
            recipient: trader.person.address(),
            deadline: U256::MAX,
            amountIn: amount,
            amountOutMinimum: U256::ZERO,
            sqrtPriceLimitX96: limit,
        };
        let data = Router::exactInputSingleCall { params }.abi_encode();
        self.signed(&trader.person, Some(self.router()?), U256::ZERO, data.into(), TRADE_GAS, TIP).await
    }

    /// Somebody with this much of a token who will sell it for another one.
    ///
    /// # Errors
    /// When there is no such pool.
    pub async fn trader(&self, who: &str, sold: &str, bought: &str, amount: U256) -> Result<Trader, DevnetError> {
        let (sold, bought) = (self.contracts().token(sold)?.address, self.contracts().token(bought)?.address);
        let trader = Trader { person: Person::named(who), pool: self.contracts().pool_of(sold, bought)?.clone(), sold, bought };
        let deployer = self.deployer()?;
        let mut acts = Acts::new(self);
        acts.pay(&deployer, &trader.person, POCKET_MONEY).await?;
        acts.call(&deployer, "tokens", sold, &Token::transferCall { to: trader.person.address(), amount }, 100_000).await?;
        acts.mined().await?;
        acts.call(&trader.person, "approval", sold, &Token::approveCall { spender: self.router()?, amount: U256::MAX }, 100_000).await?;
        acts.mined().await?;
        Ok(trader)
    }

    /// A trader's sale, sent into the public mempool: the pool's price falls by twice the sold part of its tokens, nearly. Its hash.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn sells(&self, trader: &Trader, amount: U256) -> Result<B256, DevnetError> {
        let raw = self.trade(trader, amount, U160::ZERO).await?;
        self.send_public(raw).await
    }
}
