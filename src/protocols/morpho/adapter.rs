//! The adapter: [`Protocol`] for one deployment of either flavour.

use super::{
    Flavor, MorphoMarket, Position, abi,
    discovery::{MorphoDiscoverer, found_in, topics},
    maths::{
        health::{Trigger, debt, trigger_price},
        order,
        shares::VIRTUAL_SHARES,
    },
    reading::Reader,
    sizing::liquidation_size,
    storage::{Slots, address, decode_position},
};
use crate::{
    fork::{Facet, ForkError, ReadSet, TargetBlock, View},
    plan::{Action, IsolatedLiquidation, MarketId, Opportunity, ProtocolId, Resource, ResourceScope, Size, Sizes, Skip, SkipReason, Step, Target, TargetKey},
    protocols::{
        ActionLog, Discoverer, Found, Funding, LogSource, MarketReading, OrderKey, Protocol, ProtocolError, Read, Screen, TargetReading, Terms, Way,
        ask::{Stop, settled, words},
    },
};
use alloy::{
    primitives::{Address, Bytes, Log, U256},
    sol_types::SolEvent,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Debt below this many loan-token units is dust, unless a loan token has a limit of its own: a tenth of a cent of a six-digit dollar.
/// It costs the order 0.2 % of spare at the smallest size, which is asked and found healthy.
pub const DEFAULT_MIN_DEBT: u64 = 1_000;

/// One deployment.
#[derive(Clone, Debug)]
pub struct MorphoSetup {
    /// The configured name.
    pub id: ProtocolId,
    /// Which system it is.
    pub flavor: Flavor,
    /// The contract that holds all markets.
    pub contract: Address,
    /// The block before which there is nothing.
    pub from_block: u64,
    /// The markets to follow; all of them without a list.
    pub markets: Option<BTreeSet<MarketId>>,
    /// Debt below it is dust, in loan-token units at the first price of a share.
    pub min_debt: U256,
    /// The same for single loan tokens.
    pub min_debt_of: BTreeMap<Address, U256>,
}

impl MorphoSetup {
    /// A deployment with all its markets and the default dust limit.
    pub fn new(id: impl Into<ProtocolId>, flavor: Flavor, contract: Address, from_block: u64) -> Self {
        Self { id: id.into(), flavor, contract, from_block, markets: None, min_debt: U256::from(DEFAULT_MIN_DEBT), min_debt_of: BTreeMap::new() }
    }
}

/// Morpho Blue or Moolah.
#[derive(Clone, Debug)]
pub struct Morpho {
    setup: MorphoSetup,
    slots: Slots,
}

impl Morpho {
    /// An adapter for one deployment.
    #[must_use]
    pub const fn new(setup: MorphoSetup) -> Self {
        let slots = Slots::new(setup.flavor);
        Self { setup, slots }
    }

    /// Borrow shares below which a position is dust. A share was worth a millionth of an asset when its market began and is worth more
    /// since; a count of shares makes the limit independent of time, and the boundary uses what the shares are worth now.
    fn min_shares(&self, loan_token: Address) -> u128 {
        let min_debt = self.setup.min_debt_of.get(&loan_token).copied().unwrap_or(self.setup.min_debt);
        min_debt.saturating_mul(VIRTUAL_SHARES).saturating_to()
    }

    /// The slot of a market's loan token, where the dust limit depends on it.
    fn loan_token_slot(&self, market: MarketId) -> Option<U256> {
        let [loan_token, ..] = self.slots.params(market);
        (!self.setup.min_debt_of.is_empty()).then_some(loan_token)
    }

    /// The dust limit of a market's positions, as [`Morpho::min_shares`] has it for the market's reading.
    fn min_shares_in(&self, view: &View, market: MarketId, reads: &mut ReadSet) -> Result<u128, ForkError> {
        let Some(slot) = self.loan_token_slot(market) else { return Ok(self.min_shares(Address::ZERO)) };
        let [loan_token] = words(view, self.setup.contract, [slot], reads)?;
        Ok(self.min_shares(address(loan_token)))
    }

    fn position(&self, view: &View, market: MarketId, account: Address, reads: &mut ReadSet) -> Result<Position, ForkError> {
        let [_, slot] = self.slots.position(market, account);
        let [word] = words(view, self.setup.contract, [slot], reads)?;
        // What the account supplies plays no part in a liquidation.
        Ok(decode_position([U256::ZERO, word]))
    }

    /// Moolah: whether the market's list of liquidators, where there is one, holds the caller.
    fn check_caller(&self, view: &View, market: MarketId, caller: Address, reads: &mut ReadSet) -> Result<(), Stop> {
        let (Some(length), Some(place)) = (self.slots.whitelist_length(market), self.slots.whitelist_place(market, caller)) else { return Ok(()) };
        let [length] = words(view, self.setup.contract, [length], reads)?;
        if length.is_zero() {
            return Ok(());
        }
        let [place] = words(view, self.setup.contract, [place], reads)?;
        if place.is_zero() {
            return Err(Skip::new(SkipReason::NotWhitelisted, format!("the market's list of {length} liquidators does not hold {caller}")).into());
        }
        Ok(())
    }

    fn opportunities(&self, view: &View, market: &MorphoMarket, account: Address, caller: Address, reads: &mut ReadSet) -> Result<Vec<Opportunity>, Stop> {
        let position = self.position(view, market.id, account, reads)?;
        if position.borrow_shares == 0 {
            return Err(Skip::new(SkipReason::Closed, "no debt").into());
        }
        if market.is_healthy(&position)? {
            return Err(Skip::new(SkipReason::Healthy, health_detail(market, &position)).into());
        }
        self.check_caller(view, market.id, caller, reads)?;
        let offers = market.offers(&position)?;
        if offers.sizes.is_empty() {
            return Err(Skip::new(SkipReason::BelowMinSize, "all of its debt buys no unit of collateral").into());
        }
        Ok(offers.sizes.into_iter().map(|sizes| self.opportunity(market, account, sizes, offers.most_to_pay)).collect())
    }

    fn opportunity(&self, market: &MorphoMarket, account: Address, sizes: Sizes, most_to_pay: U256) -> Opportunity {
        Opportunity {
            target: Target { protocol: self.setup.id.clone(), market: market.id, key: TargetKey::Account(account) },
            action: Action::Liquidate,
            sizes,
            debt_token: market.params.loan_token,
            collateral_token: market.params.collateral_token,
            also_receives: Vec::new(),
            debt_hint: most_to_pay,
            locks: vec![Resource {
                scope: ResourceScope::InFlight,
                protocol: self.setup.id.clone(),
                id: Bytes::from([market.id.0.as_slice(), account.as_slice()].concat()),
            }],
            leap: None,
        }
    }
}

fn account_of(key: TargetKey) -> Result<Address, Skip> {
    match key {
        TargetKey::Account(account) => Ok(account),
        TargetKey::Tick { .. } | TargetKey::Pool => Err(Skip::new(SkipReason::Closed, format!("{key} is no target here: positions belong to accounts"))),
    }
}

fn own(market: &MarketReading) -> Result<&MorphoMarket, Skip> {
    market.own.downcast_ref().ok_or_else(|| Skip::new(SkipReason::Trap, "the market was read by another protocol"))
}

/// For people: how far the price is from where the position turns.
fn health_detail(market: &MorphoMarket, position: &Position) -> String {
    let trigger = debt(&market.state, position).and_then(|owed| trigger_price(owed, position.collateral, market.params.lltv));
    match trigger {
        Ok(Trigger::Below(smallest)) => format!("price {}, liquidatable below {smallest}", market.price),
        _ => format!("price {}", market.price),
    }
}

impl Protocol for Morpho {
    fn id(&self) -> &ProtocolId {
        &self.setup.id
    }

    fn log_sources(&self) -> Vec<LogSource> {
        vec![LogSource { addresses: vec![self.setup.contract], topics: topics(self.setup.flavor), from_block: self.setup.from_block }]
    }

    fn discoverer(&self) -> Box<dyn Discoverer> {
        Box::new(MorphoDiscoverer::new(self.setup.flavor, self.setup.contract, self.setup.markets.clone()))
    }

    fn found_in(&self, log: &Log) -> Vec<Found> {
        found_in(log, self.setup.contract, self.setup.markets.as_ref())
    }

    fn acted_on(&self, market: MarketId, key: TargetKey) -> Vec<ActionLog> {
        let TargetKey::Account(borrower) = key else { return Vec::new() };
        // Liquidate(id, caller, borrower, ..): whoever the caller was.
        let topics = vec![Some(abi::Liquidate::SIGNATURE_HASH), Some(market.0), None, Some(borrower.into_word())];
        vec![ActionLog { address: self.setup.contract, topics }]
    }

    fn contracts(&self) -> Vec<Address> {
        vec![self.setup.contract]
    }

    fn funding(&self) -> &'static [Funding] {
        &[Funding::Inside, Funding::Outside]
    }

    fn read_market(&self, view: &View, block: &TargetBlock, market: MarketId) -> Result<Read<MarketReading>, ProtocolError> {
        let mut reader = Reader { flavor: self.setup.flavor, contract: self.setup.contract, view, block, reads: ReadSet::default() };
        let reading = reader.market(market).and_then(|own| {
            Ok(MarketReading {
                screen: Screen::Ordered { boundary: own.boundary(self.min_shares(own.params.loan_token))? },
                debt_token: own.params.loan_token,
                collateral_token: own.params.collateral_token,
                further_tokens: Vec::new(),
                members: Vec::new(),
                price: Some(own.price),
                own: Arc::new(own),
            })
        });
        settled(reading, reader.reads)
    }

    fn parameters(&self, market: &MarketReading) -> Vec<(&'static str, String)> {
        let Ok(own) = own(market) else { return Vec::new() };
        vec![
            ("lltv", own.params.lltv.to_string()),
            ("incentive", own.incentive.to_string()),
            ("oracle", own.params.oracle.to_string()),
            ("irm", own.params.irm.to_string()),
            ("total_borrow_assets", own.state.total_borrow_assets.to_string()),
            ("total_supply_assets", own.state.total_supply_assets.to_string()),
            ("min_loan", own.min_loan.to_string()),
        ]
    }

    fn read_target(&self, view: &View, _block: &TargetBlock, market: MarketId, key: TargetKey) -> Result<Read<TargetReading>, ProtocolError> {
        let mut reads = ReadSet::default();
        let account = match account_of(key) {
            Ok(account) => account,
            Err(skip) => return settled(Err(skip.into()), reads),
        };
        let position = self.position(view, market, account, &mut reads)?;
        let min_shares = self.min_shares_in(view, market, &mut reads)?;
        let reading =
            TargetReading { key: order_key(&position, min_shares), debt: U256::from(position.borrow_shares), collateral: U256::from(position.collateral) };
        settled(Ok(reading), reads)
    }

    fn target_facets(&self, market: MarketId, key: TargetKey) -> ReadSet {
        let mut facets = ReadSet::default();
        if let Ok(account) = account_of(key) {
            let [_, slot] = self.slots.position(market, account);
            let slots = std::iter::once(slot).chain(self.loan_token_slot(market));
            slots.for_each(|slot| facets.insert(Facet::Slot(self.setup.contract, slot)));
        }
        facets
    }

    fn confirm(
        &self,
        view: &View,
        _block: &TargetBlock,
        market: &MarketReading,
        (id, key): (MarketId, TargetKey),
        caller: Address,
    ) -> Result<Read<Vec<Opportunity>>, ProtocolError> {
        let mut reads = ReadSet::default();
        let outcome = own(market).and_then(|own| Ok((own, account_of(key)?))).map_err(Stop::from).and_then(|(own, account)| {
            if own.id != id {
                return Err(Skip::new(SkipReason::Trap, format!("{id} was asked with the reading of {}", own.id)).into());
            }
            self.opportunities(view, own, account, caller, &mut reads)
        });
        settled(outcome, reads)
    }

    fn terms(
        &self,
        view: &View,
        _block: &TargetBlock,
        market: &MarketReading,
        opportunity: &Opportunity,
        size: Size,
    ) -> Result<Result<Terms, Skip>, ProtocolError> {
        let asked = own(market).and_then(|own| Ok((own, account_of(opportunity.target.key)?, liquidation_size(size)?)));
        let (own, account, size) = match asked {
            Ok(asked) => asked,
            Err(skip) => return Ok(Err(skip)),
        };
        let position = self.position(view, own.id, account, &mut ReadSet::default())?;
        Ok(own.liquidate(&position, size).map(|done| Terms::plain(done.repaid_assets, own.params.collateral_token, done.seized_assets)).map_err(Skip::from))
    }

    fn steps(&self, market: &MarketReading, opportunity: &Opportunity, size: Size, terms: &Terms, way: Way, convert: Vec<Step>) -> Result<Vec<Step>, Skip> {
        let own = own(market)?;
        let borrower = account_of(opportunity.target.key)?;
        let size = liquidation_size(size)?;
        let (inside, after) = match way.funding {
            Funding::Inside | Funding::InsideLoan => (convert, Vec::new()),
            Funding::Outside => (Vec::new(), convert),
        };
        let liquidation = IsolatedLiquidation {
            lender: self.setup.contract,
            callback: self.setup.flavor.liquidate_callback(),
            loan_token: own.params.loan_token,
            collateral_token: own.params.collateral_token,
            oracle: own.params.oracle,
            irm: own.params.irm,
            lltv: own.params.lltv,
            borrower,
            seized_assets: size.seized_assets,
            repaid_shares: size.repaid_shares,
            most_to_pay: terms.pays,
            inside,
        };
        let mut steps = vec![Step::Liquidate(liquidation)];
        steps.extend(after);
        Ok(steps)
    }
}

/// A position's place in its market's order.
fn order_key(position: &Position, min_shares: u128) -> OrderKey {
    if position.borrow_shares == 0 {
        return OrderKey::Closed;
    }
    match order::key(position.borrow_shares, position.collateral) {
        None => OrderKey::NoCollateral,
        Some(_) if position.borrow_shares < min_shares => OrderKey::Dust,
        Some(key) => OrderKey::Ratio(key),
    }
}

#[cfg(test)]
mod tests;
