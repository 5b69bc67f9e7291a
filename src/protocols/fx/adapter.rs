//! The adapter: [`Protocol`] for one deployment of f(x).
//!
//! ```text
//! market = pool ─▶ FxMarket ─▶ ticks and pool beyond the boundary ─▶ actions x payments ─▶ terms ─▶ one call, then the notes' redemption
//! ```

use super::{
    FxMarket, FxSetup, abi,
    discovery::{FxDiscoverer, REGISTERED, registered},
    market::{Payment, Side},
    maths::{base_pool::TokenIn, fixed::PRECISION, fixed::mul_div_down, long::Action},
    offers::action_of,
    reading::{Layouts, Reader},
    redemption,
    setup::{market_of, pool_of},
};
use crate::{
    fork::{Facet, ReadSet, TargetBlock, View},
    plan::{Amount, Approval, MarketId, Opportunity, ProtocolId, Size, SizeUnit, Skip, SkipReason, Step, TargetKey},
    protocols::{
        ActionLog, Discoverer, Found, Funding, Listed, LogSource, MarketReading, Protocol, ProtocolError, Read, Screen, TargetReading, Terms, Way, Yield,
        ask::{Stop, settled, told},
    },
};
use alloy::{
    primitives::{Address, B256, Bytes, Log, U256},
    sol_types::{SolCall, SolEvent},
};
use std::sync::Arc;

/// f(x).
#[derive(Debug)]
pub struct Fx {
    setup: FxSetup,
    layouts: Layouts,
}

impl Fx {
    /// An adapter for one deployment.
    #[must_use]
    pub fn new(setup: FxSetup) -> Self {
        Self { setup, layouts: Layouts::default() }
    }

    fn reader<'a>(&'a self, view: &View, block: &'a TargetBlock) -> Reader<'a> {
        Reader::new(&self.setup, &self.layouts, view, block)
    }

    fn asked<'a>(&self, market: &'a MarketReading, opportunity: &Opportunity, size: Size) -> Result<(&'a FxMarket, Action, Payment), Skip> {
        let own = own(market)?;
        if size.unit != SizeUnit::Budget {
            return Err(Skip::new(SkipReason::BelowMinSize, "an action here is sized by what is spent at most"));
        }
        let payment = own.payment(&self.setup, opportunity.debt_token);
        let payment = payment.ok_or_else(|| Skip::new(SkipReason::Trap, format!("nothing here is paid in {}", opportunity.debt_token)))?;
        Ok((own, action_of(opportunity)?, payment))
    }

    fn terms_of(&self, market: &MarketReading, opportunity: &Opportunity, size: Size) -> Result<Terms, Skip> {
        let (own, action, payment) = self.asked(market, opportunity, size)?;
        let done = own.act(action, payment, size.amount)?;
        if done.taken.raw_debts.is_zero() || done.pays.is_zero() {
            return Err(Skip::new(SkipReason::Healthy, "it would succeed and do nothing"));
        }
        let mut receives = vec![Yield::token(own.collateral, done.tokens)];
        if !done.notes.is_zero() {
            let Side::Long { lent_to: Some(lent_to), .. } = &own.side else { return Err(Skip::new(SkipReason::Trap, "paid in the notes of nobody")) };
            receives.push(redemption::settled(&self.setup, lent_to, done.notes));
        }
        Ok(Terms { pays: done.pays, in_place: U256::ZERO, receives, memo: Bytes::new() })
    }
}

pub(super) fn own(market: &MarketReading) -> Result<&FxMarket, Skip> {
    market.own.downcast_ref().ok_or_else(|| Skip::new(SkipReason::Trap, "the market was read by another protocol"))
}

impl Protocol for Fx {
    fn id(&self) -> &ProtocolId {
        &self.setup.id
    }

    fn log_sources(&self) -> Vec<LogSource> {
        let addresses = vec![self.setup.long_manager, self.setup.short_manager];
        vec![LogSource { addresses, topics: vec![REGISTERED], from_block: self.setup.from_block }]
    }

    fn discoverer(&self) -> Box<dyn Discoverer> {
        Box::new(FxDiscoverer::new(self.setup.clone()))
    }

    fn found_in(&self, log: &Log) -> Vec<Found> {
        let pool = registered(&self.setup, log).ok().flatten().filter(|pool| self.setup.follows(*pool));
        pool.map(|pool| Found::Market(market_of(pool))).into_iter().collect()
    }

    fn funding(&self) -> &'static [Funding] {
        // Payment is pulled after the collateral was sent, without a callback.
        &[Funding::Outside]
    }

    fn acted_on(&self, market: MarketId, key: TargetKey) -> Vec<ActionLog> {
        let pool = Some(pool_of(market).into_word());
        let log = |address, topics: Vec<Option<B256>>| ActionLog { address, topics };
        let (long, short) = (self.setup.long_manager, self.setup.short_manager);
        match key {
            TargetKey::Tick { tick, .. } => {
                let tick = i16::try_from(tick).ok().map(|tick| B256::from(alloy::primitives::I256::try_from(tick).unwrap_or_default().into_raw()));
                vec![
                    log(long, vec![Some(abi::LongActions::RebalanceTick::SIGNATURE_HASH), pool, tick]),
                    log(short, vec![Some(abi::ShortActions::RebalanceTick::SIGNATURE_HASH), pool, tick]),
                    // A rebalance of the whole pool takes its ticks, too, and so does a liquidation after a fall.
                    log(long, vec![Some(abi::LongActions::Rebalance::SIGNATURE_HASH), pool]),
                    log(short, vec![Some(abi::ShortActions::Rebalance::SIGNATURE_HASH), pool]),
                    log(long, vec![Some(abi::LongActions::Liquidate::SIGNATURE_HASH), pool]),
                    log(short, vec![Some(abi::ShortActions::Liquidate::SIGNATURE_HASH), pool]),
                ]
            }
            TargetKey::Pool => {
                // Whoever takes one of its ticks takes a part of it.
                use abi::{LongActions as Long, ShortActions as Short};
                let events = [
                    (long, [Long::Rebalance::SIGNATURE_HASH, Long::RebalanceTick::SIGNATURE_HASH, Long::Liquidate::SIGNATURE_HASH]),
                    (short, [Short::Rebalance::SIGNATURE_HASH, Short::RebalanceTick::SIGNATURE_HASH, Short::Liquidate::SIGNATURE_HASH]),
                ];
                events.into_iter().flat_map(|(manager, topics)| topics.map(|topic| log(manager, vec![Some(topic), pool]))).collect()
            }
            TargetKey::Account(_) => Vec::new(),
        }
    }

    fn contracts(&self) -> Vec<Address> {
        self.call_targets()
    }

    fn call_targets(&self) -> Vec<Address> {
        vec![self.setup.base_pool, self.setup.long_manager, self.setup.short_manager]
    }

    fn read_market(&self, view: &View, block: &TargetBlock, market: MarketId) -> Result<Read<MarketReading>, ProtocolError> {
        let mut reader = self.reader(view, block);
        let reading = reader.market(pool_of(market)).and_then(|own| {
            let (debt_token, notes) = match &own.side {
                Side::Long { lent_to, .. } => (self.setup.fx_usd, lent_to.as_ref().map(|lent| lent.note)),
                Side::Short { debt_token, .. } => (*debt_token, None),
            };
            // What notes are redeemed for, and what the base pool takes beside fxUSD: ways lead through them.
            let further = [self.setup.fx_usd, self.setup.stable].into_iter().chain(notes);
            Ok(MarketReading {
                screen: Screen::Listed(own.beyond()?),
                debt_token,
                collateral_token: own.collateral,
                further_tokens: further.filter(|token| *token != debt_token && *token != own.collateral).collect(),
                members: Vec::new(),
                price: Some(own.prices.min),
                own: Arc::new(own),
            })
        });
        settled(reading, reader.reads)
    }

    fn parameters(&self, market: &MarketReading) -> Vec<(&'static str, String)> {
        own(market).map(super::parameters::parameters).unwrap_or_default()
    }

    fn listing(&self, view: &View, block: &TargetBlock, market: &MarketReading) -> Result<Result<Vec<Listed>, Skip>, ProtocolError> {
        told(own(market).map_err(Stop::from).and_then(|own| super::listing::listing(&mut self.reader(view, block), own)))
    }

    fn read_target(&self, view: &View, _block: &TargetBlock, market: MarketId, key: TargetKey) -> Result<Read<TargetReading>, ProtocolError> {
        let pool = pool_of(market);
        let mut reads = ReadSet::default();
        let outcome = super::ticks::read(view, pool, key, &mut reads);
        settled(outcome, reads)
    }

    fn target_facets(&self, market: MarketId, key: TargetKey) -> ReadSet {
        let mut facets = ReadSet::default();
        super::ticks::slots(key).into_iter().for_each(|slot| facets.insert(Facet::Slot(pool_of(market), slot)));
        facets
    }

    fn confirm(
        &self,
        _view: &View,
        _block: &TargetBlock,
        market: &MarketReading,
        (id, key): (MarketId, TargetKey),
        _caller: Address,
    ) -> Result<Read<Vec<Opportunity>>, ProtocolError> {
        let outcome = own(market).and_then(|own| {
            if market_of(own.pool) != id {
                return Err(Skip::new(SkipReason::Trap, format!("{id} was asked with the reading of {}", own.pool)));
            }
            own.opportunities(&self.setup, key)
        });
        // All of it was read with the market.
        Ok(Read { value: outcome, reads: ReadSet::default() })
    }

    fn terms(
        &self,
        _view: &View,
        _block: &TargetBlock,
        market: &MarketReading,
        opportunity: &Opportunity,
        size: Size,
    ) -> Result<Result<Terms, Skip>, ProtocolError> {
        Ok(self.terms_of(market, opportunity, size))
    }

    fn steps(&self, market: &MarketReading, opportunity: &Opportunity, size: Size, terms: &Terms, way: Way, convert: Vec<Step>) -> Result<Vec<Step>, Skip> {
        let (own, action, payment) = self.asked(market, opportunity, size)?;
        let (target, data) = self.call(own, action, payment, size.amount, way.executor)?;
        let approvals = match payment {
            // fxUSD is burned from the caller.
            Payment::Direct => Vec::new(),
            Payment::Base(_) | Payment::Short => vec![Approval { token: opportunity.debt_token, spender: target, amount: Amount::Exact(terms.pays) }],
        };
        let act = Step::Call { target, value: U256::ZERO, data: data.into(), patches: Vec::new(), approvals, callback: None };
        Ok(std::iter::once(act).chain(terms.settlements()).chain(convert).collect())
    }
}

impl Fx {
    /// The call of an action. It names no least output: whoever was there first leaves less to take and less to pay, which is fine as
    /// long as the plan's own promise holds at its end.
    fn call(&self, own: &FxMarket, action: Action, payment: Payment, most: U256, receiver: Address) -> Result<(Address, Vec<u8>), Skip> {
        let pool = own.pool;
        let nothing = U256::ZERO;
        Ok(match payment {
            Payment::Base(token) => {
                let token_in = match token {
                    TokenIn::FxUsd => self.setup.fx_usd,
                    TokenIn::Usdc => self.setup.stable,
                };
                let data = match action {
                    Action::RebalanceTick(tick) => {
                        abi::BasePool::rebalance_0Call { pool, tick, tokenIn: token_in, maxAmount: most, minCollOut: nothing }.abi_encode()
                    }
                    Action::Rebalance => abi::BasePool::rebalance_1Call { pool, tokenIn: token_in, maxAmount: most, minCollOut: nothing }.abi_encode(),
                    Action::Liquidate => abi::BasePool::liquidateCall { pool, tokenIn: token_in, maxAmount: most, minCollOut: nothing }.abi_encode(),
                };
                (self.setup.base_pool, data)
            }
            Payment::Direct => {
                let data = match action {
                    Action::RebalanceTick(tick) => abi::LongActions::rebalance_0Call { pool, receiver, tick, maxFxUSD: most, maxStable: nothing }.abi_encode(),
                    Action::Rebalance => abi::LongActions::rebalance_1Call { pool, receiver, maxFxUSD: most, maxStable: nothing }.abi_encode(),
                    Action::Liquidate => abi::LongActions::liquidateCall { pool, receiver, maxFxUSD: most, maxStable: nothing }.abi_encode(),
                };
                (self.setup.long_manager, data)
            }
            Payment::Short => {
                let Side::Short { manager, .. } = &own.side else { return Err(super::FxRevert::InvalidTokenIn.into()) };
                let raw = mul_div_down(most, manager.scaling_factor, PRECISION).map_err(super::FxRevert::from)?;
                let data = match action {
                    Action::RebalanceTick(tick) => abi::ShortActions::rebalance_0Call { pool, receiver, tick, maxRawDebts: raw }.abi_encode(),
                    Action::Rebalance => abi::ShortActions::rebalance_1Call { pool, receiver, maxRawDebts: raw }.abi_encode(),
                    Action::Liquidate => abi::ShortActions::liquidateCall { pool, receiver, maxRawDebts: raw }.abi_encode(),
                };
                (self.setup.short_manager, data)
            }
        })
    }
}
