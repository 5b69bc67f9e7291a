//! The contract's state, kept by its own events: exact totals and positions, without one call.
//!
//! Each change is worked out on copies and stored only when all of it fits, so a log that contradicts what is known changes nothing.

use super::event::{Change, Event, LiquidateEvent};
use crate::{
    plan::MarketId,
    protocols::morpho::{MarketParams, MarketState, Position},
};
use alloy::primitives::{Address, U256};
use std::collections::BTreeMap;

/// Which positions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    Everybody,
    /// Those with debt or collateral; what suppliers own is not followed.
    Borrowers,
}

/// A market as the events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedMarket {
    /// What it is.
    pub params: MarketParams,
    /// Its totals as stored: accrued to its last update.
    pub state: MarketState,
    /// Moolah: its broker.
    pub broker: Option<Address>,
    /// Positions that are not empty.
    pub positions: BTreeMap<Address, Position>,
}

/// Why a change can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The market was never created.
    #[error("market {0} was never created")]
    UnknownMarket(MarketId),
    /// The market exists already.
    #[error("market {0} exists already")]
    CreatedTwice(MarketId),
    /// The id is not the hash of the parameters.
    #[error("{0} is not the hash of the market's parameters")]
    WrongId(MarketId),
    /// More leaves than is there, or more comes than fits.
    #[error("{0} would be below zero or beyond 128 bits")]
    Amount(&'static str),
    /// There is no room for another position.
    #[error("more than {0} positions: raise the limit, or watch fewer markets")]
    Full(usize),
}

/// The contract's state by its events.
#[derive(Clone, Debug)]
pub struct Replay {
    keep: Keep,
    most_positions: usize,
    /// Positions in all markets.
    pub(super) positions: usize,
    /// Who gets fee shares, once an event said so.
    pub(super) fee_recipient: Option<Address>,
    /// Moolah: the fee that a new market begins with.
    pub(super) default_fee: u128,
    pub(super) markets: BTreeMap<MarketId, ReplayedMarket>,
}

impl Replay {
    /// Nothing yet. At most `most_positions` positions are kept.
    #[must_use]
    pub const fn new(keep: Keep, most_positions: usize) -> Self {
        Self { keep, most_positions, positions: 0, fee_recipient: None, default_fee: 0, markets: BTreeMap::new() }
    }

    /// Sets who gets fee shares where the events began too late to say so.
    #[must_use]
    pub const fn with_fee_recipient(mut self, account: Address) -> Self {
        self.fee_recipient = Some(account);
        self
    }

    /// Moolah: sets the fee that new markets begin with where the events began too late to say so.
    #[must_use]
    pub const fn with_default_fee(mut self, fee: u128) -> Self {
        self.default_fee = fee;
        self
    }

    /// All markets.
    #[must_use]
    pub const fn markets(&self) -> &BTreeMap<MarketId, ReplayedMarket> {
        &self.markets
    }

    /// Takes one event of a block with this timestamp in. Returns the account whose debt or collateral it touched, if any.
    pub fn apply(&mut self, event: &Event, timestamp: u64) -> Result<Option<Address>, ReplayError> {
        match event {
            Event::FeeRecipient(account) => {
                self.fee_recipient = Some(*account);
                Ok(None)
            }
            Event::DefaultFee(fee) => {
                self.default_fee = *fee;
                Ok(None)
            }
            Event::CreateMarket(id, params) => self.create(*id, *params, timestamp).map(|()| None),
            Event::InMarket(id, change) => self.change(*id, change, timestamp),
        }
    }

    fn create(&mut self, id: MarketId, params: MarketParams, timestamp: u64) -> Result<(), ReplayError> {
        if params.id() != id {
            return Err(ReplayError::WrongId(id));
        }
        if self.markets.contains_key(&id) {
            return Err(ReplayError::CreatedTwice(id));
        }
        let state = MarketState { last_update: u128::from(timestamp), fee: self.default_fee, ..MarketState::default() };
        self.markets.insert(id, ReplayedMarket { params, state, broker: None, positions: BTreeMap::new() });
        Ok(())
    }

    fn change(&mut self, id: MarketId, change: &Change, timestamp: u64) -> Result<Option<Address>, ReplayError> {
        let market = self.markets.get_mut(&id).ok_or(ReplayError::UnknownMarket(id))?;
        let mut state = market.state;
        if accrues(change) {
            state.last_update = u128::from(timestamp);
        }
        let account = account_of(change, self.fee_recipient);
        let before = account.and_then(|account| market.positions.get(&account)).copied();
        let mut position = before.unwrap_or_default();
        match change {
            Change::Supply(_, assets, shares) => {
                state.total_supply_assets = plus(state.total_supply_assets, *assets, "supplied assets")?;
                state.total_supply_shares = plus(state.total_supply_shares, *shares, "supply shares")?;
                position.supply_shares = position.supply_shares.checked_add(U256::from(*shares)).ok_or(ReplayError::Amount("an account's supply shares"))?;
            }
            Change::Withdraw(_, assets, shares) => {
                state.total_supply_assets = minus(state.total_supply_assets, *assets, "supplied assets")?;
                state.total_supply_shares = minus(state.total_supply_shares, *shares, "supply shares")?;
                if self.keep == Keep::Everybody {
                    position.supply_shares =
                        position.supply_shares.checked_sub(U256::from(*shares)).ok_or(ReplayError::Amount("an account's supply shares"))?;
                }
            }
            Change::Borrow(_, assets, shares) => {
                state.total_borrow_assets = plus(state.total_borrow_assets, *assets, "borrowed assets")?;
                state.total_borrow_shares = plus(state.total_borrow_shares, *shares, "borrow shares")?;
                position.borrow_shares = plus(position.borrow_shares, *shares, "an account's borrow shares")?;
            }
            Change::Repay(_, assets, shares) => {
                // The payment is rounded up and may exceed the total by one.
                state.total_borrow_assets = state.total_borrow_assets.saturating_sub(*assets);
                state.total_borrow_shares = minus(state.total_borrow_shares, *shares, "borrow shares")?;
                position.borrow_shares = minus(position.borrow_shares, *shares, "an account's borrow shares")?;
            }
            Change::SupplyCollateral(_, assets) => position.collateral = plus(position.collateral, *assets, "collateral")?,
            Change::WithdrawCollateral(_, assets) => position.collateral = minus(position.collateral, *assets, "collateral")?,
            Change::Liquidate(event) => liquidate(&mut state, &mut position, event, market.broker)?,
            Change::AccrueInterest(interest, fee_shares) => {
                state.total_borrow_assets = plus(state.total_borrow_assets, *interest, "borrowed assets")?;
                state.total_supply_assets = plus(state.total_supply_assets, *interest, "supplied assets")?;
                state.total_supply_shares = plus(state.total_supply_shares, *fee_shares, "supply shares")?;
                position.supply_shares =
                    position.supply_shares.checked_add(U256::from(*fee_shares)).ok_or(ReplayError::Amount("the fee recipient's supply shares"))?;
            }
            Change::SetFee(fee) => state.fee = *fee,
            Change::Broker(_) => {}
        }
        if self.keep == Keep::Borrowers {
            position.supply_shares = U256::ZERO;
        }
        if let Some(account) = account {
            match (before.is_some(), position.is_empty()) {
                (false, true) => {}
                (true, true) => {
                    market.positions.remove(&account);
                    self.positions = self.positions.saturating_sub(1);
                }
                (true, false) => {
                    market.positions.insert(account, position);
                }
                (false, false) => {
                    if self.positions >= self.most_positions {
                        return Err(ReplayError::Full(self.most_positions));
                    }
                    market.positions.insert(account, position);
                    self.positions = self.positions.saturating_add(1);
                }
            }
        }
        if let Change::Broker(broker) = change {
            market.broker = *broker;
        }
        market.state = state;
        Ok(change.borrower())
    }
}

/// Whether the call behind the event adds interest first, which moves the market's clock even without a rate model.
const fn accrues(change: &Change) -> bool {
    !matches!(change, Change::SupplyCollateral(..) | Change::Broker(_))
}

const fn account_of(change: &Change, fee_recipient: Option<Address>) -> Option<Address> {
    match change {
        Change::Supply(account, ..)
        | Change::Withdraw(account, ..)
        | Change::Borrow(account, ..)
        | Change::Repay(account, ..)
        | Change::SupplyCollateral(account, _)
        | Change::WithdrawCollateral(account, _) => Some(*account),
        Change::Liquidate(event) => Some(event.borrower),
        Change::AccrueInterest(_, fee_shares) => {
            if *fee_shares == 0 {
                None
            } else {
                fee_recipient
            }
        }
        Change::SetFee(_) | Change::Broker(_) => None,
    }
}

fn liquidate(state: &mut MarketState, position: &mut Position, event: &LiquidateEvent, broker: Option<Address>) -> Result<(), ReplayError> {
    // A credit broker's write-off says the same amounts twice: as repaid and as bad debt.
    let write_off = event.seized_assets == 0
        && event.repaid_shares == event.bad_debt_shares
        && event.repaid_shares > 0
        && broker.is_some_and(|broker| broker == event.caller);
    if !write_off {
        state.total_borrow_assets = state.total_borrow_assets.saturating_sub(event.repaid_assets);
        state.total_borrow_shares = minus(state.total_borrow_shares, event.repaid_shares, "borrow shares")?;
        position.borrow_shares = minus(position.borrow_shares, event.repaid_shares, "an account's borrow shares")?;
        position.collateral = minus(position.collateral, event.seized_assets, "collateral")?;
    }
    state.total_borrow_assets = minus(state.total_borrow_assets, event.bad_debt_assets, "borrowed assets")?;
    state.total_supply_assets = minus(state.total_supply_assets, event.bad_debt_assets, "supplied assets")?;
    state.total_borrow_shares = minus(state.total_borrow_shares, event.bad_debt_shares, "borrow shares")?;
    position.borrow_shares = minus(position.borrow_shares, event.bad_debt_shares, "an account's borrow shares")?;
    Ok(())
}

fn plus(x: u128, y: u128, what: &'static str) -> Result<u128, ReplayError> {
    x.checked_add(y).ok_or(ReplayError::Amount(what))
}

fn minus(x: u128, y: u128, what: &'static str) -> Result<u128, ReplayError> {
    x.checked_sub(y).ok_or(ReplayError::Amount(what))
}
