//! The adapter: [`Protocol`] for one deployment of Flux.
//!
//! ```text
//! market = vault, target = manager
//! verdict of the strategy ─▶ opportunity ─▶ terms of a fraction ─▶ liquidate [ settle, convert, prepare the payment ]
//!                                └ health 1 or above: a leap ahead, by time and by price
//! ```

use super::{
    discovery::{FluxDiscoverer, told_by},
    interface::{self, ACTIONS, POSITION_UPDATED},
    maths::health,
    position::{additional_of, position},
    reading::{self, Asker, FluxMarket, dollars, manager_of, refused},
    setup::{FluxSetup, market_of, vault_of},
};
use crate::{
    fork::{ReadSet, TargetBlock, View},
    plan::{Action, Leap, MarketId, Opportunity, ProtocolId, Resource, ResourceScope, Size, SizeUnit, Sizes, Skip, SkipReason, Step, Target, TargetKey},
    protocols::{
        ActionLog, Chore, Discoverer, Found, Funding, Keeper, LogSource, MarketReading, Protocol, ProtocolError, Read, Registration, Screen, TargetReading,
        Terms, Way,
        ask::{Stop, settled, told},
        checked::WAD,
    },
};
use alloy::primitives::{Address, B256, Bytes, Log, U256};
use std::sync::Arc;

/// The smallest fraction that is looked at is one over this.
const SMALLEST_PART: u64 = 1_000;

/// Flux.
#[derive(Debug)]
pub struct Flux {
    setup: FluxSetup,
}

fn own(market: &MarketReading) -> Result<&FluxMarket, Skip> {
    market.own.downcast_ref().ok_or_else(|| Skip::new(SkipReason::Trap, "the market was read by another protocol"))
}

impl Flux {
    /// An adapter for one deployment.
    #[must_use]
    pub const fn new(setup: FluxSetup) -> Self {
        Self { setup }
    }

    fn opportunity(&self, asker: &mut Asker<'_>, market: &FluxMarket, manager: Address) -> Result<Opportunity, Stop> {
        let verdict = asker.verdict(market.parts.strategy, market.vault, manager)?;
        if verdict.true_debt.is_zero() {
            return Err(Skip::new(SkipReason::Closed, "it owes nothing").into());
        }
        let debt_usd = market.base.debt_usd(verdict.true_debt).map_err(refused)?;
        if !verdict.can_liquidate {
            let health = health(verdict.value_usd, debt_usd).map_err(refused)?;
            return Err(Skip::new(SkipReason::Healthy, format!("health {health}, and the strategy does not let it be liquidated")).into());
        }
        if manager == self.setup.executor {
            return Err(Skip::new(SkipReason::Trap, "it is the executor's own position").into());
        }
        let position = position(asker, &self.setup, market, manager)?;
        let whole = Size { unit: SizeUnit::Fraction, amount: WAD };
        let sizes = if self.setup.partial && position.is_divisible() {
            Sizes::Range { unit: whole.unit, min: WAD / U256::from(SMALLEST_PART), max: WAD, breakpoints: Vec::new(), also: Vec::new() }
        } else {
            Sizes::Fixed(vec![whole])
        };
        // Without a margin nothing is gained below health 1, and what another rule gains there nobody knows.
        let gaining = market.figures.filter(|figures| verdict.value_usd >= debt_usd && !figures.margin.is_zero());
        let leap = match gaining {
            None => None,
            Some(figures) => {
                // A vault that does not tell its loans does not tell when one turns.
                let loan = reading::known(asker.loan(market.vault, manager))?;
                let second = loan.map(|loan| reading::outgrows(&loan, figures.yearly_rate, verdict.value_usd, &market.base)).transpose()?;
                Some(Leap { timestamp: second.flatten(), prices: position.prices_at_one(asker, market, &verdict, debt_usd)? })
            }
        };
        let collateral_token = position.main_token(asker, market)?;
        Ok(Opportunity {
            target: Target { protocol: self.setup.id.clone(), market: market_of(market.vault), key: TargetKey::Account(manager) },
            action: Action::Liquidate,
            sizes,
            debt_token: market.parts.asset,
            collateral_token,
            also_receives: position.tokens().filter(|token| *token != collateral_token).collect(),
            debt_hint: verdict.min_payment,
            locks: vec![self.liquidation(market, manager)],
            leap,
        })
    }

    /// One live liquidation a manager.
    fn liquidation(&self, market: &FluxMarket, manager: Address) -> Resource {
        self.in_flight(&[market.vault.as_slice(), manager.as_slice()])
    }

    fn in_flight(&self, id: &[&[u8]]) -> Resource {
        Resource { scope: ResourceScope::InFlight, protocol: self.setup.id.clone(), id: Bytes::from(id.concat()) }
    }

    /// What the keeper may do to a manager, if the strategy says that it may be done. One that does not tell never says so.
    fn deleveraging(&self, asker: &mut Asker<'_>, market: &FluxMarket, manager: Address) -> Result<Option<Chore>, Stop> {
        let repay = reading::known(asker.deleveraging(market.parts.strategy, market.vault, manager))?.unwrap_or_default();
        if repay.is_zero() {
            return Ok(None);
        }
        let (worth, least) = (dollars(repay, market.base.price, market.base.decimals)?, self.setup.keeper_min_repay_usd);
        if worth < least {
            return Err(Skip::new(SkipReason::Dust, format!("{repay} would be repaid, worth {worth} dollars of 18 digits, and the least is {least}")).into());
        }
        let opportunity = Opportunity {
            target: Target { protocol: self.setup.id.clone(), market: market_of(market.vault), key: TargetKey::Account(manager) },
            action: Action::Deleverage,
            sizes: Sizes::Fixed(vec![Size { unit: SizeUnit::Budget, amount: repay }]),
            debt_token: market.parts.asset,
            collateral_token: market.parts.asset,
            also_receives: Vec::new(),
            debt_hint: repay,
            locks: vec![self.in_flight(&[b"adl", market.vault.as_slice(), manager.as_slice()])],
            leap: None,
        };
        let behind = vec![self.liquidation(market, manager)];
        Ok(Some(Chore { opportunity, behind, steps: vec![interface::deleverage(market.vault, manager)] }))
    }

    fn terms_of(&self, asker: &mut Asker<'_>, market: &FluxMarket, opportunity: &Opportunity, size: Size) -> Result<Terms, Stop> {
        if size.unit != SizeUnit::Fraction {
            return Err(Skip::new(SkipReason::BelowMinSize, "a position here is taken by fractions").into());
        }
        let manager = manager_of(opportunity.target.key)?;
        let verdict = asker.verdict(market.parts.strategy, market.vault, manager)?;
        let position = position(asker, &self.setup, market, manager)?;
        position.terms(&self.setup, market, &verdict, size.amount).map_err(refused)
    }
}

impl Protocol for Flux {
    fn id(&self) -> &ProtocolId {
        &self.setup.id
    }

    fn log_sources(&self) -> Vec<LogSource> {
        let addresses = self.setup.vaults.iter().copied().collect();
        vec![LogSource { addresses, topics: vec![POSITION_UPDATED], from_block: self.setup.from_block }]
    }

    fn discoverer(&self) -> Box<dyn Discoverer> {
        Box::new(FluxDiscoverer::new(&self.setup))
    }

    fn found_in(&self, log: &Log) -> Vec<Found> {
        let told = told_by(&self.setup.vaults, log).ok().flatten();
        told.map(|(vault, manager, _)| Found::Target(market_of(vault), TargetKey::Account(manager))).into_iter().collect()
    }

    fn funding(&self) -> &'static [Funding] {
        &[Funding::Inside, Funding::InsideLoan, Funding::Outside]
    }

    fn acted_on(&self, market: MarketId, key: TargetKey) -> Vec<ActionLog> {
        let TargetKey::Account(manager) = key else { return Vec::new() };
        let log = |topic: B256| ActionLog { address: vault_of(market), topics: vec![Some(topic), Some(manager.into_word())] };
        ACTIONS.map(log).to_vec()
    }

    fn contracts(&self) -> Vec<Address> {
        self.setup.vaults.iter().copied().collect()
    }

    fn call_targets(&self) -> Vec<Address> {
        self.setup.vaults.iter().chain(&self.setup.position_managers).copied().chain([self.setup.factory]).collect()
    }

    fn reverted(&self, output: &[u8]) -> Option<Skip> {
        interface::refusal(output)
    }

    fn registrations(&self, executor: Address) -> Vec<Registration> {
        vec![interface::registration(self.setup.factory, executor)]
    }

    fn keeper(&self) -> Option<Keeper> {
        self.setup.keeper
    }

    fn keeps(&self, market: &MarketReading, caller: Address) -> Result<(), Skip> {
        match own(market)?.keeper {
            Some(keeper) if keeper.is_zero() || keeper == caller => Ok(()),
            Some(keeper) => Err(Skip::new(SkipReason::RoleMissing, format!("{keeper} alone may deleverage here"))),
            None => Err(Skip::new(SkipReason::RoleMissing, "the vault does not tell who may deleverage")),
        }
    }

    fn chore(&self, view: &View, block: &TargetBlock, market: &MarketReading, (_, key): (MarketId, TargetKey)) -> Result<Read<Option<Chore>>, ProtocolError> {
        let mut asker = Asker::new(view, block);
        let asked = own(market).and_then(|own| Ok((own, manager_of(key)?)));
        let chore = asked.map_err(Stop::from).and_then(|(own, manager)| self.deleveraging(&mut asker, own, manager));
        settled(chore, asker.reads)
    }

    fn read_market(&self, view: &View, block: &TargetBlock, market: MarketId) -> Result<Read<MarketReading>, ProtocolError> {
        let mut asker = Asker::new(view, block);
        let reading = reading::market(&mut asker, &self.setup, market).map(|own| MarketReading {
            screen: Screen::Timed,
            debt_token: own.parts.asset,
            collateral_token: own.tokens.first().copied().unwrap_or(own.parts.asset),
            further_tokens: own.tokens.iter().skip(1).copied().collect(),
            members: own.members.iter().map(|manager| TargetKey::Account(*manager)).collect(),
            price: Some(own.base.price),
            own: Arc::new(own),
        });
        settled(reading, asker.reads)
    }

    fn parameters(&self, market: &MarketReading) -> Vec<(&'static str, String)> {
        let Ok(own) = own(market) else { return Vec::new() };
        let mut all = vec![
            ("strategy", own.parts.strategy.to_string()),
            ("rule", if own.is_standard { "documented" } else { "the strategy's own" }.to_owned()),
            ("registry", own.registry.to_string()),
            ("base_wrapper", own.parts.base_wrapper.to_string()),
            ("cash", own.cash.to_string()),
            ("managers", own.members.len().to_string()),
            ("executor_registered", own.is_registered.to_string()),
            ("partial_liquidations", self.setup.partial.to_string()),
        ];
        if let Some(figures) = &own.figures {
            all.push(("liquidation_threshold", figures.threshold.to_string()));
            all.push(("profit_margin", figures.margin.to_string()));
            all.push(("yearly_rate", figures.yearly_rate.to_string()));
        }
        all
    }

    fn read_target(&self, view: &View, block: &TargetBlock, market: MarketId, key: TargetKey) -> Result<Read<TargetReading>, ProtocolError> {
        let mut asker = Asker::new(view, block);
        let reading = manager_of(key).map_err(Stop::from).and_then(|manager| reading::target(&mut asker, &self.setup, vault_of(market), manager));
        settled(reading, asker.reads)
    }

    fn target_facets(&self, _market: MarketId, _key: TargetKey) -> ReadSet {
        // Where the contracts keep what they answer is not public.
        ReadSet::default()
    }

    fn confirm(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        (id, key): (MarketId, TargetKey),
        caller: Address,
    ) -> Result<Read<Vec<Opportunity>>, ProtocolError> {
        let mut asker = Asker::new(view, block);
        let asked = own(market).and_then(|own| {
            if market_of(own.vault) != id || caller != self.setup.executor {
                return Err(Skip::new(SkipReason::Trap, format!("{id} was asked with the reading of {} for {caller}", own.vault)));
            }
            Ok((own, manager_of(key)?))
        });
        let outcome = asked.map_err(Stop::from).and_then(|(own, manager)| self.opportunity(&mut asker, own, manager));
        settled(outcome.map(|opportunity| vec![opportunity]), asker.reads)
    }

    fn terms(
        &self,
        view: &View,
        block: &TargetBlock,
        market: &MarketReading,
        opportunity: &Opportunity,
        size: Size,
    ) -> Result<Result<Terms, Skip>, ProtocolError> {
        told(own(market).map_err(Stop::from).and_then(|own| self.terms_of(&mut Asker::new(view, block), own, opportunity, size)))
    }

    fn steps(&self, market: &MarketReading, opportunity: &Opportunity, size: Size, terms: &Terms, way: Way, convert: Vec<Step>) -> Result<Vec<Step>, Skip> {
        let own = own(market)?;
        let manager = manager_of(opportunity.target.key)?;
        let (vault, asset, to_bring) = (own.vault, own.parts.asset, terms.to_bring());
        let (convert_inside, after) = match way.funding {
            Funding::Inside | Funding::InsideLoan => (convert, Vec::new()),
            Funding::Outside => (Vec::new(), convert),
        };
        let borrows = way.funding == Funding::InsideLoan && !to_bring.is_zero();
        let mut inside = Vec::new();
        if borrows {
            inside.push(interface::borrow(vault, to_bring));
        }
        inside.extend(terms.settlements());
        inside.extend(convert_inside);
        if !to_bring.is_zero() {
            inside.push(interface::deposit(vault, own.parts.base_wrapper, asset, to_bring));
        }
        if borrows {
            inside.push(interface::repay(vault, to_bring));
        }
        let fraction = (size.amount != WAD).then_some(size.amount);
        let act = interface::liquidate(vault, manager, fraction, additional_of(terms)?, (asset, terms.pays), inside);
        // Once is enough; a later plan of the same bundle repeats it at little cost.
        let register = (!own.is_registered).then(|| interface::register(self.setup.factory, way.executor));
        Ok(register.into_iter().chain([act]).chain(after).collect())
    }
}
