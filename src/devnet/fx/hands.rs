//! What keepers, traders and administrators do in the f(x) world. Trades in Uniswap pools are the devnet's own (`devnet::market`).

use super::{
    FxPool, FxWorld,
    abi::{BaseTick, BaseWhole, Configuration, CurvePool, FeedOwner, Lending, Reports},
    deploy::signed,
};
use crate::devnet::{
    DevnetError,
    abi::Token,
    acts::{Acts, TIP},
    stage::moved,
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};

/// Gas limit of a keeper's call.
const KEEPER_GAS: u64 = 3_000_000;
/// A rebalance of one tick uses more gas than this.
const LEAST_KEEPER_GAS: u64 = 100_000;
/// Gas limit of a trade.
const TRADE_GAS: u64 = 600_000;

impl FxWorld<'_> {
    /// The rival keeper's rebalance of one tick of a long pool for at most this much USDC, signed and not sent. `payment` is what the builder gets at least, in wei,
    /// by the tip on the gas that it uses at least.
    ///
    /// # Errors
    /// When it can't be signed.
    pub async fn rival_rebalance(&self, pool: &FxPool, tick: i16, usdc: U256, payment: U256) -> Result<Bytes, DevnetError> {
        let token_in = self.devnet.contracts().token("USDC")?.address;
        let call = BaseTick::rebalanceCall { pool: pool.address, tick, tokenIn: token_in, maxAmount: usdc, minCollOut: U256::ZERO };
        self.keeper(call.abi_encode(), payment).await
    }

    /// The rival keeper's rebalance of a whole long pool, as [`Self::rival_rebalance`].
    ///
    /// # Errors
    /// When it can't be signed.
    pub async fn rival_whole_rebalance(&self, pool: &FxPool, usdc: U256) -> Result<Bytes, DevnetError> {
        let token_in = self.devnet.contracts().token("USDC")?.address;
        let call = BaseWhole::rebalanceCall { pool: pool.address, tokenIn: token_in, maxAmount: usdc, minCollOut: U256::ZERO };
        self.keeper(call.abi_encode(), U256::ZERO).await
    }

    /// The rival keeper's liquidation in a long pool, as [`Self::rival_rebalance`].
    ///
    /// # Errors
    /// When it can't be signed.
    pub async fn rival_liquidation(&self, pool: &FxPool, usdc: U256) -> Result<Bytes, DevnetError> {
        let token_in = self.devnet.contracts().token("USDC")?.address;
        let call = BaseWhole::liquidateCall { pool: pool.address, tokenIn: token_in, maxAmount: usdc, minCollOut: U256::ZERO };
        self.keeper(call.abi_encode(), U256::ZERO).await
    }

    async fn keeper(&self, data: Vec<u8>, payment: U256) -> Result<Bytes, DevnetError> {
        let tip = payment.checked_div(U256::from(LEAST_KEEPER_GAS)).unwrap_or_default();
        let tip = u128::try_from(tip).map_err(|_| DevnetError::Range("a rival's payment"))?;
        self.devnet.signed(self.devnet.rival(), Some(self.fx.base_pool), U256::ZERO, data.into(), KEEPER_GAS, tip.max(TIP)).await
    }

    /// Gives the reserve pool tokens, in their units.
    ///
    /// # Errors
    /// When the deployer has not so many.
    pub async fn fund_reserve(&self, token: Address, amount: U256) -> Result<(), DevnetError> {
        let mut acts = Acts::new(self.devnet);
        let transfer = Token::transferCall { to: self.fx.reserve, amount };
        acts.call(&self.devnet.deployer()?, "tokens for the reserve", token, &transfer, 200_000).await?;
        acts.mined().await.map(drop)
    }

    /// A large trade in one of the two StableSwap pools, mined: coin `from` for the other one.
    ///
    /// # Errors
    /// When the deployer has not so much.
    pub async fn stable_trade(&self, pool: Address, from: u8, amount: U256) -> Result<(), DevnetError> {
        let to = 1_i128.saturating_sub(from.into());
        let mut acts = Acts::new(self.devnet);
        let call = CurvePool::exchangeCall { i: from.into(), j: to, dx: amount, minDy: U256::ZERO };
        acts.call(&self.devnet.deployer()?, "trade", pool, &call, TRADE_GAS).await?;
        acts.mined().await.map(drop)
    }

    /// Makes the reporter the transmitter of these feeds.
    ///
    /// # Errors
    /// When there is no such feed.
    pub async fn reporter_takes(&self, feeds: &[&str]) -> Result<(), DevnetError> {
        let owner = self.devnet.deployer()?;
        let mut acts = Acts::new(self.devnet);
        for feed in feeds {
            let feed = self.devnet.contracts().feed(feed)?.address;
            acts.call(&owner, "new transmitter", feed, &FeedOwner::setTransmitterCall { transmitter: self.fx.reporter }, 100_000).await?;
        }
        acts.mined().await.map(drop)
    }

    /// One pending transaction that moves the answers of several feeds by hundredths of a percent, rounded towards zero. Its hash.
    ///
    /// # Errors
    /// When there is no such feed.
    pub async fn report(&self, moves: &[(&str, i32)]) -> Result<B256, DevnetError> {
        let (mut feeds, mut answers) = (Vec::new(), Vec::new());
        for (feed, basis_points) in moves {
            let now = self.devnet.answer(feed).await?;
            feeds.push(self.devnet.contracts().feed(feed)?.address);
            answers.push(moved(now, *basis_points)?);
        }
        let data = Reports::reportCall { feeds, answers }.abi_encode();
        let raw = self.devnet.signed(&self.devnet.deployer()?, Some(self.fx.reporter), U256::ZERO, data.into(), 500_000, TIP).await?;
        self.devnet.send_public(raw).await
    }

    /// Sets what the lending pool takes for USDC, 1e27 a year, and how a pool's funding follows it: ratio a year = floor (1e18) + rate * slope (1e9) * share.
    ///
    /// # Errors
    /// When the node fails.
    pub async fn funding(&self, pool: &FxPool, rate: u128, floor: u128, slope: u128) -> Result<(), DevnetError> {
        let administrator = self.devnet.deployer()?;
        let asset = self.devnet.contracts().token("USDC")?.address;
        let mut acts = Acts::new(self.devnet);
        acts.call(&administrator, "lending rate", self.fx.lending, &Lending::setRateCall { asset, rate }, 200_000).await?;
        let terms = Configuration::updateFundingCall { pool: pool.address, floor, slope };
        acts.call(&administrator, "funding", self.fx.configuration, &terms, 200_000).await?;
        acts.mined().await.map(drop)
    }

    /// Sends an answer of a feed and mines it, at the newest one's size times `times` / `by`, rounded down.
    ///
    /// # Errors
    /// When there is no such feed.
    pub(super) async fn scaled(&self, feed: &str, times: U256, by: U256) -> Result<(), DevnetError> {
        let now: U256 = self.devnet.answer(feed).await?.unsigned_abs();
        let answer = now.saturating_mul(times).checked_div(by).ok_or(DevnetError::Range("an answer"))?;
        self.devnet.price_mined(feed, signed(answer)?).await.map(drop)
    }
}
