//! A pool as it will be at the target block.
//!
//! ```text
//! slots of pool, ticks, managers, base pool ─┐
//! configuration's code ─▶ funding ratio ─────┼─▶ FxMarket
//! oracle's code ─▶ prices ───────────────────┘
//! ```

mod layout;
mod sides;
mod window;

pub(super) use layout::Layouts;

use super::{
    FxSetup, abi,
    market::{Counterparty, FxMarket, Prices, Side},
    maths::{
        base_pool::BasePool,
        fixed::{PRECISION, mul},
        long::LongManager,
        pool::Pool,
        short::ShortManager,
    },
    skip::Said,
    storage::{self, Books, Fees, Misc},
};
use crate::{
    fork::{EnvWord, Facet, Layer, ReadSet, TargetBlock, View},
    plan::{Skip, SkipReason},
    protocols::ask::{NoAnswer, Stop, ask, words},
};
use alloy::{
    primitives::{Address, U256, uint},
    sol_types::SolCall,
};

/// Reads pools of one deployment on one view.
pub(super) struct Reader<'a> {
    pub(super) setup: &'a FxSetup,
    pub(super) layouts: &'a Layouts,
    pub(super) view: View,
    pub(super) block: &'a TargetBlock,
    pub(super) reads: ReadSet,
}

/// What a pool is to its manager.
struct Registered {
    is_long: bool,
    books: Books,
}

fn skip<T>(reason: SkipReason, detail: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skip(Skip::new(reason, detail)))
}

impl<'a> Reader<'a> {
    pub(super) fn new(setup: &'a FxSetup, layouts: &'a Layouts, view: &View, block: &'a TargetBlock) -> Self {
        Self { setup, layouts, view: view.clone(), block, reads: ReadSet::default() }
    }

    /// One storage word.
    pub(super) fn word(&mut self, contract: Address, slot: U256) -> Result<U256, Stop> {
        let [word] = words(&self.view, contract, [slot], &mut self.reads)?;
        Ok(word)
    }

    fn address_at(&mut self, contract: Address, slot: U256) -> Result<Address, Stop> {
        Ok(storage::address(self.word(contract, slot)?))
    }

    fn asked<C: SolCall>(&mut self, contract: Address, question: &C) -> Result<Result<C::Return, NoAnswer<Said>>, Stop> {
        Ok(ask(&self.view, self.block, (Address::ZERO, contract), question, &mut self.reads, Said::decode)?)
    }

    /// The answer of a contract of f(x); without one the market can't be acted on.
    pub(super) fn answer<C: SolCall>(&mut self, contract: Address, question: &C) -> Result<C::Return, Stop> {
        match self.asked(contract, question)? {
            Ok(answer) => Ok(answer),
            Err(why) => skip(SkipReason::SimulationReverted, format!("{contract} {}: it {why}", C::SIGNATURE)),
        }
    }

    /// The answer to a question about a price.
    fn price<C: SolCall>(&mut self, contract: Address, question: &C) -> Result<C::Return, Stop> {
        match self.asked(contract, question)? {
            Ok(answer) => Ok(answer),
            Err(why) => {
                let reason = match &why {
                    NoAnswer::Reverted(said) => said.price_reason(),
                    NoAnswer::Undecodable => SkipReason::PriceUnavailable,
                };
                skip(reason, format!("{contract} {}: it {why}", C::SIGNATURE))
            }
        }
    }

    fn balance(&mut self, token: Address, owner: Address) -> Result<U256, Stop> {
        self.answer(token, &abi::Token::balanceOfCall { owner })
    }

    /// A pool with all that decides what can be done in it.
    pub(super) fn market(&mut self, pool: Address) -> Result<FxMarket, Stop> {
        let Registered { is_long, books } = self.registered(pool)?;
        let implementation = self.known_layout(pool, is_long)?;
        let oracle = self.address_at(pool, storage::pool::ORACLE)?;
        let prices = self.prices(oracle)?;
        let collateral = self.address_at(pool, storage::pool::COLLATERAL)?;
        let (mut side, reserve) = if is_long { self.long(pool, collateral)? } else { self.short(pool, &books)? };
        let (mut model, funding_ratio) = self.accrued(pool, is_long)?;
        self.fill(pool, &mut model, &prices)?;
        self.fill_redemption(&mut side, &model)?;
        Ok(FxMarket { pool, collateral, oracle, implementation, prices, funding_ratio, model, reserve, side })
    }

    /// Which manager a pool belongs to: a registered pool has a capacity.
    fn registered(&mut self, pool: Address) -> Result<Registered, Stop> {
        let slots = storage::pool_info(pool);
        for (manager, is_long) in [(self.setup.long_manager, true), (self.setup.short_manager, false)] {
            let info = words(&self.view, manager, slots, &mut self.reads)?;
            if info.iter().any(|word| !word.is_zero()) {
                let books = if is_long { Books::long(info) } else { Books::short(info) };
                return Ok(Registered { is_long, books });
            }
        }
        skip(SkipReason::Closed, "no manager knows this pool")
    }

    fn prices(&mut self, oracle: Address) -> Result<Prices, Stop> {
        let answer = self.price(oracle, &abi::Oracle::getPriceCall {})?;
        let liquidate = self.price(oracle, &abi::Oracle::getLiquidatePriceCall {})?;
        let prices = Prices { anchor: answer.anchorPrice, min: answer.minPrice, max: answer.maxPrice, liquidate };
        if prices.min.is_zero() || prices.liquidate.is_zero() {
            return skip(SkipReason::PriceAbnormal, format!("the oracle {oracle} answers zero"));
        }
        Ok(prices)
    }

    /// Indices, totals and ratios with the funding of the time up to the target block; no ticks yet.
    pub(super) fn accrued(&mut self, pool: Address, is_long: bool) -> Result<(Pool, U256), Stop> {
        let mut model = self.totals(pool)?;
        let since = self.funded_at(pool, is_long)?;
        self.reads.insert(Facet::Env(EnvWord::Timestamp));
        let seconds = self.block.timestamp.saturating_sub(since);
        let ratio = self.funding_ratio(pool, is_long, seconds)?;
        model.accrue(ratio, seconds).map_err(Skip::from)?;
        Ok((model, ratio))
    }

    /// When a pool was last touched.
    fn funded_at(&mut self, pool: Address, is_long: bool) -> Result<u64, Stop> {
        Ok(if is_long {
            storage::long_funding_time(self.word(pool, storage::pool::LONG_FUNDING)?)
        } else {
            self.word(pool, storage::pool::SHORT_FUNDING)?.saturating_to()
        })
    }

    /// The ratio that the pool will be told: after its own checkpoint, and, in a long pool, after the base pool counted its USDC.
    fn funding_ratio(&mut self, pool: Address, is_long: bool, seconds: u64) -> Result<U256, Stop> {
        let configuration = self.answer(self.setup.long_manager, &abi::Manager::configurationCall {})?;
        let before = self.view.clone();
        if is_long {
            let stable = self.stable_of_base()?;
            self.view = before.with_layer(Layer::patch_slots(&[(self.setup.base_pool, storage::BASE_STABLE, stable)]).into());
        }
        let ratio = self.ratio_after_checkpoint(configuration, pool, is_long, seconds);
        self.view = before;
        ratio
    }

    fn ratio_after_checkpoint(&mut self, configuration: Address, pool: Address, is_long: bool, seconds: u64) -> Result<U256, Stop> {
        if seconds > 0 {
            let call =
                crate::fork::Call { from: pool, ..crate::fork::Call::new(configuration, abi::Configuration::checkpointCall { pool }.abi_encode().into()) };
            let (outcome, layer) = self.view.effect(self.block, &call, &mut self.reads)?;
            if !outcome.success {
                return skip(SkipReason::SimulationReverted, format!("the configuration's checkpoint reverts: {}", Said::decode(&outcome.output)));
            }
            self.view = self.view.with_layer(layer);
        }
        if is_long {
            self.price(configuration, &abi::Configuration::getLongPoolFundingRatioCall { pool })
        } else {
            self.price(configuration, &abi::Configuration::getShortPoolFundingRatioCall { pool })
        }
    }

    /// What one unit of a token is in raw amounts, by a manager's table.
    fn scaling_factor(&mut self, manager: Address, token: Address) -> Result<U256, Stop> {
        let (scalar, provider) = storage::decode_rate(self.word(manager, storage::token_rate(token))?);
        let rate = match provider {
            Some(provider) => self.price(provider, &abi::RateProvider::getRateCall {})?,
            None => PRECISION,
        };
        let factor = mul(scalar, rate).map_err(|panic| Skip::from(super::FxRevert::from(panic)))?;
        if factor.is_zero() { skip(SkipReason::PriceAbnormal, format!("the manager {manager} has no scale for {token}")) } else { Ok(factor) }
    }
}
