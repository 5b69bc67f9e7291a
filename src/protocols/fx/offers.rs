//! What can be done with a target, and the budgets worth trying.

use super::{
    FxRevert, FxSetup,
    market::{FxMarket, Payment, Side},
    maths::{base_pool::TokenIn, long::Action},
    redemption,
    setup::market_of,
    sizing::Budgets,
};
use crate::plan::{self, Opportunity, Resource, ResourceScope, SizeUnit, Sizes, Skip, SkipReason, Target, TargetKey};
use alloy::primitives::{Address, Bytes, U256};

/// One way to pay for an action.
pub(super) struct Offer {
    pub(super) action: Action,
    pub(super) payment: Payment,
    pub(super) sizes: Sizes,
    most: U256,
}

impl FxMarket {
    /// The actions that a target is open for, and why there is none.
    pub(super) fn actions(&self, key: TargetKey) -> Result<Vec<Action>, Skip> {
        match key {
            TargetKey::Tick { tick, node } => {
                let number = i16::try_from(tick).map_err(|_| Skip::new(SkipReason::Closed, format!("there is no tick {tick}")))?;
                match self.model.tree.current_id(number) {
                    0 => Err(Skip::new(SkipReason::Healthy, self.far(number)?)),
                    current if current != node => Err(Skip::new(SkipReason::Closed, format!("tick {tick} is filled by node {current} now"))),
                    _ => self.check_tick(number).map(|()| vec![Action::RebalanceTick(number)]),
                }
            }
            TargetKey::Pool => {
                let liquidate = self.is_liquidatable()?.then_some(Action::Liquidate);
                // One tick alone is rebalanced as a tick, which takes no lock.
                let rebalance = (self.eligible()?.len() > 1).then_some(Action::Rebalance);
                let actions: Vec<Action> = liquidate.into_iter().chain(rebalance).collect();
                if actions.is_empty() { Err(Skip::new(SkipReason::Healthy, self.top()?)) } else { Ok(actions) }
            }
            TargetKey::Account(account) => Err(Skip::new(SkipReason::Closed, format!("{account} is no target here: positions lie in ticks"))),
        }
    }

    fn check_tick(&self, tick: i16) -> Result<(), Skip> {
        let raw = self.model.tick_raw(tick)?;
        let ratio = self.debt_ratio(&raw).map_or_else(|| "no collateral".to_owned(), |ratio| format!("debt ratio {ratio}"));
        if raw.is_at_least(self.prices.min, self.model.liquidate.debt_ratio)? {
            return Err(Skip::new(SkipReason::Healthy, format!("{ratio}: to be liquidated with its pool, not rebalanced")));
        }
        if !raw.is_at_least(self.prices.min, self.model.rebalance.debt_ratio)? {
            return Err(Skip::new(SkipReason::Healthy, format!("{ratio}, rebalanced from {}", self.model.rebalance.debt_ratio)));
        }
        Ok(())
    }

    fn far(&self, tick: i16) -> Result<String, FxRevert> {
        Ok(format!("tick {tick} has no debt or lies far below; {}", self.top()?))
    }

    /// For people: how risky the riskiest tick is.
    fn top(&self) -> Result<String, FxRevert> {
        let tick = self.model.top_tick();
        let ratio = self.debt_ratio(&self.model.tick_raw(tick)?);
        Ok(ratio.map_or_else(|| "no tick has debt".to_owned(), |ratio| format!("the top tick {tick} has debt ratio {ratio}")))
    }

    fn payments(&self) -> Vec<Payment> {
        match &self.side {
            Side::Short { .. } => vec![Payment::Short],
            Side::Long { is_open, .. } => {
                let fx_usd = if *is_open { Payment::Direct } else { Payment::Base(TokenIn::FxUsd) };
                vec![fx_usd, Payment::Base(TokenIn::Usdc)]
            }
        }
    }

    /// Sizes of an action paid in one way.
    pub(super) fn offer(&self, action: Action, payment: Payment) -> Result<Offer, Skip> {
        let mut found = self.budgets(action, payment, &[])?.ok_or_else(|| self.too_little(payment))?;
        if let Side::Long { lent_to: Some(lent_to), .. } = &self.side
            && !found.most_notes.is_zero()
        {
            let ends = [redemption::redeemable(lent_to, found.most_notes)];
            found = self.budgets(action, payment, &ends)?.ok_or_else(|| self.too_little(payment))?;
        }
        let Budgets { min, max, breakpoints, most_to_pay, .. } = found;
        let sizes = Sizes::Range { unit: SizeUnit::Budget, min, max, breakpoints, also: Vec::new() };
        Ok(Offer { action, payment, sizes, most: most_to_pay })
    }

    /// Why no budget is open: what pays is short, or there is less to do than the least that is taken.
    fn too_little(&self, payment: Payment) -> Skip {
        match (self.least(payment), self.limit(payment)) {
            (Ok(least), Ok(limit)) if limit < least => {
                Skip::new(SkipReason::LimitReached, format!("at most {limit} can be paid: what the base pool has, or the notes that the long manager holds"))
            }
            _ => Skip::new(SkipReason::BelowMinSize, "less can be done than the least that is taken"),
        }
    }

    /// The token that is paid, and the one that is received.
    pub(super) const fn tokens(&self, setup: &FxSetup, payment: Payment) -> (Address, Address) {
        let debt = match (payment, &self.side) {
            (Payment::Base(TokenIn::Usdc), _) => setup.stable,
            (_, Side::Short { debt_token, .. }) => *debt_token,
            (Payment::Base(TokenIn::FxUsd) | Payment::Direct | Payment::Short, Side::Long { .. }) => setup.fx_usd,
        };
        (debt, self.collateral)
    }

    /// The payment that an opportunity's debt token stands for.
    pub(super) fn payment(&self, setup: &FxSetup, debt_token: Address) -> Option<Payment> {
        self.payments().into_iter().find(|payment| self.tokens(setup, *payment).0 == debt_token)
    }

    /// All that is open for a target.
    pub(super) fn opportunities(&self, setup: &FxSetup, key: TargetKey) -> Result<Vec<Opportunity>, Skip> {
        let mut found = Vec::new();
        let mut refused = None;
        for action in self.actions(key)? {
            for payment in self.payments() {
                match self.check_open(action).and_then(|()| self.offer(action, payment)) {
                    Ok(offer) => found.push(self.opportunity(setup, key, &offer)?),
                    Err(skip) => refused = Some(skip),
                }
            }
        }
        match refused {
            Some(skip) if found.is_empty() => Err(skip),
            _ => Ok(found),
        }
    }

    fn check_open(&self, action: Action) -> Result<(), Skip> {
        let Side::Short { .. } = &self.side else { return Ok(()) };
        if action == Action::Liquidate && self.model.is_under_water(self.prices.liquidate)? {
            return Err(FxRevert::UnderCollateral.into());
        }
        Ok(())
    }

    fn opportunity(&self, setup: &FxSetup, key: TargetKey, offer: &Offer) -> Result<Opportunity, Skip> {
        let (debt_token, collateral_token) = self.tokens(setup, offer.payment);
        Ok(Opportunity {
            target: Target { protocol: setup.id.clone(), market: market_of(self.pool), key },
            action: named(offer.action),
            sizes: offer.sizes.clone(),
            debt_token,
            collateral_token,
            also_receives: Vec::new(),
            debt_hint: offer.most,
            locks: self.locks(setup, offer.action)?,
            leap: None,
        })
    }

    /// The ticks that an action takes, which nobody else may take meanwhile, and the lock of both managers for a transaction.
    fn locks(&self, setup: &FxSetup, action: Action) -> Result<Vec<Resource>, FxRevert> {
        let resource = |scope, id: Vec<u8>| Resource { scope, protocol: setup.id.clone(), id: Bytes::from(id) };
        let tick = |tick: i16| {
            let node = self.model.tree.current_id(tick);
            resource(ResourceScope::InFlight, [self.pool.as_slice(), b"tick", &tick.to_be_bytes(), &node.to_be_bytes()].concat())
        };
        let mut locks = match action {
            Action::RebalanceTick(number) => vec![tick(number)],
            Action::Rebalance => self.eligible()?.into_iter().map(tick).collect(),
            Action::Liquidate => vec![resource(ResourceScope::InFlight, [self.pool.as_slice(), b"liquidate"].concat())],
        };
        if action.is_locked() {
            locks.push(resource(ResourceScope::Tx, b"managers".to_vec()));
        }
        Ok(locks)
    }
}

/// The action in the vocabulary of plans.
const fn named(action: Action) -> plan::Action {
    match action {
        Action::RebalanceTick(_) | Action::Rebalance => plan::Action::Rebalance,
        Action::Liquidate => plan::Action::Liquidate,
    }
}

/// The action that an opportunity is about.
pub(super) fn action_of(opportunity: &Opportunity) -> Result<Action, Skip> {
    match (opportunity.target.key, opportunity.action) {
        (TargetKey::Tick { tick, .. }, plan::Action::Rebalance) => {
            i16::try_from(tick).map(Action::RebalanceTick).map_err(|_| Skip::new(SkipReason::Closed, format!("there is no tick {tick}")))
        }
        (TargetKey::Pool, plan::Action::Rebalance) => Ok(Action::Rebalance),
        (TargetKey::Pool, plan::Action::Liquidate) => Ok(Action::Liquidate),
        _ => Err(Skip::new(SkipReason::Closed, format!("{} can't be asked for {}", opportunity.target.key, opportunity.action))),
    }
}
