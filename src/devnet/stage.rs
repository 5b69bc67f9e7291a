//! A devnet with its contracts, its cast, and the things that happen on it: prices, borrowers, rivals.

use super::{
    BlockReport, DevnetError,
    abi::{Feed, Morpho, Oracle, Token},
    chain::{Chain, ChainConfig},
    contracts::{Contracts, MarketFacts},
    deploy::{self, Cast, units},
    flux::{self, FluxContracts, Terms},
    fx::{self, FxContracts},
    hands::{Hands, ask},
    people::Person,
    relay::Relay,
    seed::{self, Seed},
    story::Story,
};
use alloy::{
    primitives::{Address, B256, Bytes, I256, U256},
    sol_types::SolCall,
};
use serde::Serialize;
use std::{ops::Deref, sync::Arc};

/// What a rival begins with, in whole tokens of each loan token.
const RIVAL_CAPITAL: u64 = 20_000_000;
/// The same in ether, wrapped.
const RIVAL_WETH: u64 = 10_000;
/// Which of the node's accounts owns the executor.
const OWNER: usize = 1;
/// How many operators a searcher gets.
const OPERATORS: usize = 4;

/// What a devnet is started with.
#[derive(Clone, Debug, Default)]
pub struct DevnetConfig {
    /// The chain and its front.
    pub chain: ChainConfig,
    /// Borrowers to begin with; none for an empty Morpho.
    pub seed: Option<Seed>,
    /// Whether f(x) is deployed too, with positions in all its pools.
    pub fx: bool,
    /// Whether Flux is deployed too, with lenders' money in its vaults.
    pub flux: bool,
    /// Flux vaults beside the usual ones.
    pub flux_vaults: Vec<Terms>,
}

/// Everything that a searcher's configuration for this devnet needs.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigFacts {
    /// The chain id.
    pub chain_id: u64,
    /// The hardfork that the chain runs.
    pub hardfork: String,
    /// JSON-RPC over HTTP.
    pub http_url: String,
    /// JSON-RPC over WebSocket.
    pub ws_url: String,
    /// Where bundles go.
    pub relay_url: String,
    /// Who gets tips and payments.
    pub fee_recipient: Address,
    /// The account that owns the executor.
    pub owner: Address,
    /// The accounts that send.
    pub operators: Vec<Address>,
    /// The contracts.
    pub contracts: Contracts,
    /// f(x), where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fx: Option<FxContracts>,
    /// Flux, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flux: Option<FluxContracts>,
}

/// A chain with real contracts and people.
#[derive(Debug)]
pub struct Devnet {
    chain: Chain,
    contracts: Contracts,
    fx: Option<FxContracts>,
    flux: Option<FluxContracts>,
    transmitter: Person,
    rival: Person,
}

impl Deref for Devnet {
    type Target = Chain;

    fn deref(&self) -> &Chain {
        &self.chain
    }
}

impl Devnet {
    /// Starts a devnet: contracts deployed, liquidity in place, borrowers seeded, the front open.
    pub async fn start(config: DevnetConfig) -> Result<Self, DevnetError> {
        let chain = Chain::start(config.chain).await?;
        let deployer = chain.dev_account(0)?;
        let transmitter = chain.dev_account(6)?;
        let rival = chain.dev_account(7)?;
        let contracts = deploy::deploy(&chain, &Cast { deployer: &deployer, transmitter: &transmitter }).await?;
        equip_rival(&chain, &contracts, &deployer, &rival).await?;
        if let Some(seed) = config.seed {
            seed::plant(&chain, &contracts, &deployer, seed).await?;
        }
        let fx = if config.fx { Some(fx::deploy(&chain, &contracts, &deployer, &rival).await?) } else { None };
        let flux = if config.flux {
            let cast = flux::Cast { deployer: &deployer, owner: &chain.dev_account(OWNER)?, rival: &rival };
            Some(flux::deploy(&chain, &contracts, &cast, &config.flux_vaults, fx.as_ref().map(|fx| fx.router)).await?)
        } else {
            None
        };
        let mut devnet = Self { chain, contracts, fx, flux, transmitter, rival };
        if devnet.fx.is_some() {
            fx::plant(&devnet.fx_world()?).await?;
        }
        devnet.chain.start_ticking();
        Ok(devnet)
    }

    /// A fork of this devnet at its newest block: another anvil with a front, a mempool and relays of its own. Only this devnet's blocks
    /// up to now are shared, so this one must outlive the fork and should not be used meanwhile.
    pub async fn fork(&self) -> Result<Self, DevnetError> {
        let mut config = self.chain.config().clone();
        config.front.port = 0;
        config.block_every = None;
        config.state = None;
        let chain = Chain::fork(config, self.chain.node().url()).await?;
        let (contracts, fx, flux) = (self.contracts.clone(), self.fx.clone(), self.flux.clone());
        Ok(Self { chain, contracts, fx, flux, transmitter: self.transmitter.clone(), rival: self.rival.clone() })
    }

    /// Ends the node and starts it again from its state file, as [`Chain::restart_node`] does it.
    ///
    /// # Errors
    /// As there.
    pub async fn restart_node(&mut self) -> Result<(), DevnetError> {
        self.chain.restart_node().await
    }

    /// What is deployed.
    #[must_use]
    pub const fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// f(x), where it is deployed.
    #[must_use]
    pub const fn fx(&self) -> Option<&FxContracts> {
        self.fx.as_ref()
    }

    /// Flux, where it is deployed.
    #[must_use]
    pub const fn flux(&self) -> Option<&FluxContracts> {
        self.flux.as_ref()
    }

    /// Asks a contract at the newest block.
    pub async fn ask<C: SolCall>(&self, what: &str, to: Address, call: &C) -> Result<C::Return, DevnetError> {
        ask(&self.chain, what, to, call).await
    }

    /// The first relay's faults and counters.
    pub fn relay(&self) -> Result<&Arc<Relay>, DevnetError> {
        let name = self.chain.config().front.relays.first().ok_or_else(|| DevnetError::Unknown("relay".to_owned()))?;
        self.chain.relay_of(name)
    }

    /// Who deployed everything and owns tokens and feeds.
    pub fn deployer(&self) -> Result<Person, DevnetError> {
        self.chain.dev_account(0)
    }

    /// Who is to own a searcher's executor.
    pub fn owner(&self) -> Result<Person, DevnetError> {
        self.chain.dev_account(OWNER)
    }

    /// The funded keys that a searcher sends with.
    pub fn operators(&self) -> Result<Vec<Person>, DevnetError> {
        (2..).take(OPERATORS).map(|number| self.chain.dev_account(number)).collect()
    }

    /// Somebody with capital of its own who also liquidates.
    #[must_use]
    pub const fn rival(&self) -> &Person {
        &self.rival
    }

    /// What a searcher's configuration needs to know.
    pub fn config_facts(&self) -> Result<ConfigFacts, DevnetError> {
        Ok(ConfigFacts {
            chain_id: self.chain.chain_id(),
            hardfork: super::HARDFORK.to_owned(),
            http_url: self.chain.http_url(),
            ws_url: self.chain.ws_url(),
            relay_url: self.chain.relay_url(),
            fee_recipient: self.chain.fee_recipient(),
            owner: self.owner()?.address(),
            operators: self.operators()?.iter().map(Person::address).collect(),
            contracts: self.contracts.clone(),
            fx: self.fx.clone(),
            flux: self.flux.clone(),
        })
    }

    /// A feed's newest answer.
    pub async fn answer(&self, feed: &str) -> Result<I256, DevnetError> {
        ask(&self.chain, "answer", self.contracts.feed(feed)?.address, &Feed::latestAnswerCall {}).await
    }

    /// A market's price by its oracle, scaled by 1e36.
    pub async fn oracle_price(&self, market: &MarketFacts) -> Result<U256, DevnetError> {
        ask(&self.chain, "price", market.oracle, &Oracle::priceCall {}).await
    }

    /// An account's tokens.
    pub async fn balance_of(&self, symbol: &str, account: Address) -> Result<U256, DevnetError> {
        ask(&self.chain, "balance", self.contracts.token(symbol)?.address, &Token::balanceOfCall { account }).await
    }

    /// A borrower's debt shares and collateral.
    pub async fn position(&self, market: &MarketFacts, borrower: Address) -> Result<(u128, u128), DevnetError> {
        let call = Morpho::positionCall { id: market.id, user: borrower };
        let position = ask(&self.chain, "position", self.contracts.morpho, &call).await?;
        Ok((position.borrowShares, position.collateral))
    }

    /// Sends a feed's update into the public mempool, where it waits; its hash.
    pub async fn price(&self, feed: &str, answer: I256) -> Result<B256, DevnetError> {
        let raw = self.signed_price(feed, answer, 1_000_000_000).await?;
        self.chain.send_public(raw).await
    }

    /// A feed's update, signed and not sent. `tip` is in wei per gas.
    pub async fn signed_price(&self, feed: &str, answer: I256, tip: u128) -> Result<Bytes, DevnetError> {
        let data = Feed::transmitCall { answer }.abi_encode();
        self.chain.signed(&self.transmitter, Some(self.contracts.feed(feed)?.address), U256::ZERO, data.into(), 200_000, tip).await
    }

    /// Sends an update that changes a feed's answer by this many hundredths of a percent (negative falls), rounded towards zero.
    pub async fn price_moves(&self, feed: &str, basis_points: i32) -> Result<B256, DevnetError> {
        let now = self.answer(feed).await?;
        self.price(feed, moved(now, basis_points)?).await
    }

    /// Updates a feed and builds the block that contains it.
    pub async fn price_mined(&self, feed: &str, answer: I256) -> Result<BlockReport, DevnetError> {
        self.price(feed, answer).await?;
        self.chain.build_block().await
    }

    /// Makes a feed revert, or work again: a pending transaction of the feed's owner.
    pub async fn stop_feed(&self, feed: &str, stopped: bool) -> Result<B256, DevnetError> {
        let data = Feed::setStoppedCall { stopped }.abi_encode();
        let owner = self.deployer()?;
        let raw = self.chain.signed(&owner, Some(self.contracts.feed(feed)?.address), U256::ZERO, data.into(), 100_000, 1_000_000_000).await?;
        self.chain.send_public(raw).await
    }

    /// Time passes without blocks, and then one without transactions comes: for situations before anybody listens, because a searcher expects slots of 12 seconds.
    pub async fn time_passes(&self, seconds: u64) -> Result<(), DevnetError> {
        let _closed = self.chain.front().close_gate().await;
        let at = self.chain.head().timestamp.saturating_add(seconds);
        self.chain.node().mine_at(at, Some(self.chain.config().base_fee)).await?;
        Ok(self.chain.front().sync().await?)
    }

    /// Builds this many blocks.
    pub async fn build_blocks(&self, count: u64) -> Result<Vec<BlockReport>, DevnetError> {
        let mut reports = Vec::new();
        for _ in 0..count {
            reports.push(self.chain.build_block().await?);
        }
        Ok(reports)
    }

    /// Begins a story: people who borrow.
    #[must_use]
    pub const fn story(&self) -> Story<'_> {
        Story::new(self)
    }

    /// A liquidation by the rival, signed and not sent: its own capital, its own account, `payment` wei or a little more to the builder by its tip.
    /// The tip counts on the gas that a liquidation uses at least.
    pub async fn rival_liquidation(&self, market: &MarketFacts, borrower: Address, seized: U256, payment: U256) -> Result<Bytes, DevnetError> {
        let call = Morpho::liquidateCall { marketParams: market.params(), borrower, seizedAssets: seized, repaidShares: U256::ZERO, data: Bytes::new() };
        let tip = payment.checked_div(U256::from(LEAST_LIQUIDATION_GAS)).unwrap_or_default();
        let tip = u128::try_from(tip).map_err(|_| DevnetError::Range("a rival's payment"))?;
        self.chain.signed(&self.rival, Some(self.contracts.morpho), U256::ZERO, call.abi_encode().into(), 800_000, tip.max(1)).await
    }
}

/// An answer moved by hundredths of a percent, rounded towards zero.
pub(super) fn moved(answer: I256, basis_points: i32) -> Result<I256, DevnetError> {
    let factor = I256::try_from(i64::from(basis_points).saturating_add(10_000)).map_err(|_| DevnetError::Range("a price move"))?;
    let scaled = answer.checked_mul(factor).and_then(|scaled| scaled.checked_div(I256::unchecked_from(10_000)));
    scaled.ok_or(DevnetError::Range("a price move"))
}

/// A liquidation of Morpho uses more gas than this.
const LEAST_LIQUIDATION_GAS: u64 = 100_000;

/// Gives the rival tokens and approvals.
async fn equip_rival(chain: &Chain, contracts: &Contracts, deployer: &Person, rival: &Person) -> Result<(), DevnetError> {
    let mut hands = Hands::new(chain);
    for facts in contracts.tokens.values() {
        let whole = if facts.symbol == "WETH" { RIVAL_WETH } else { RIVAL_CAPITAL };
        let transfer = Token::transferCall { to: rival.address(), amount: units(whole, facts.decimals) };
        hands.call(deployer, "capital of the rival", facts.address, transfer, 100_000).await?;
        let approve = Token::approveCall { spender: contracts.morpho, amount: U256::MAX };
        hands.call(rival, "approval of the rival", facts.address, approve, 100_000).await?;
    }
    hands.settle().await
}
