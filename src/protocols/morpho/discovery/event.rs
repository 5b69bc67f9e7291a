//! One log as one change, with amounts in the widths that the contract stores.

use crate::{
    plan::MarketId,
    protocols::{
        DiscoveryError,
        morpho::{Flavor, MarketParams, abi},
    },
};
use alloy::{
    primitives::{Address, B256, Log, U256},
    sol_types::SolEvent,
};

/// What a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A market begins.
    CreateMarket(MarketId, MarketParams),
    /// Something happened in a market.
    InMarket(MarketId, Change),
    /// Fee shares go to this account from now on.
    FeeRecipient(Address),
    /// Moolah: markets begin with this fee from now on.
    DefaultFee(u128),
}

/// A change of one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Assets and shares are added to the supply of an account.
    Supply(Address, u128, u128),
    /// Assets and shares leave the supply of an account.
    Withdraw(Address, u128, u128),
    /// Assets and shares are added to the debt of an account.
    Borrow(Address, u128, u128),
    /// Assets and shares are taken from the debt of an account.
    Repay(Address, u128, u128),
    /// Collateral is added.
    SupplyCollateral(Address, u128),
    /// Collateral leaves.
    WithdrawCollateral(Address, u128),
    /// A liquidation.
    Liquidate(LiquidateEvent),
    /// Interest, and shares of it for the fee recipient.
    AccrueInterest(u128, u128),
    /// The fee, 1e18 is all of the interest.
    SetFee(u128),
    /// Moolah: the market's broker, none when it was taken away.
    Broker(Option<Address>),
}

impl Change {
    /// The account whose debt or collateral changes.
    #[must_use]
    pub const fn borrower(&self) -> Option<Address> {
        match self {
            Self::Borrow(account, ..) | Self::Repay(account, ..) | Self::SupplyCollateral(account, _) | Self::WithdrawCollateral(account, _) => Some(*account),
            Self::Liquidate(event) => Some(event.borrower),
            Self::Supply(..) | Self::Withdraw(..) | Self::AccrueInterest(..) | Self::SetFee(_) | Self::Broker(_) => None,
        }
    }
}

/// The amounts of a liquidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidateEvent {
    /// Who liquidated.
    pub caller: Address,
    /// Who was.
    pub borrower: Address,
    /// Loan tokens paid.
    pub repaid_assets: u128,
    /// Shares repaid.
    pub repaid_shares: u128,
    /// Collateral taken.
    pub seized_assets: u128,
    /// Loan tokens written off.
    pub bad_debt_assets: u128,
    /// Shares written off.
    pub bad_debt_shares: u128,
}

/// First topics that a flavour's replay needs.
#[must_use]
pub fn topics(flavor: Flavor) -> Vec<B256> {
    let mut topics = vec![
        abi::CreateMarket::SIGNATURE_HASH,
        abi::Supply::SIGNATURE_HASH,
        abi::Withdraw::SIGNATURE_HASH,
        abi::Borrow::SIGNATURE_HASH,
        abi::Repay::SIGNATURE_HASH,
        abi::SupplyCollateral::SIGNATURE_HASH,
        abi::WithdrawCollateral::SIGNATURE_HASH,
        abi::Liquidate::SIGNATURE_HASH,
        abi::AccrueInterest::SIGNATURE_HASH,
        abi::SetFee::SIGNATURE_HASH,
        abi::SetFeeRecipient::SIGNATURE_HASH,
    ];
    if flavor == Flavor::Moolah {
        topics.extend([abi::SetMarketBroker::SIGNATURE_HASH, abi::SetDefaultMarketFee::SIGNATURE_HASH]);
    }
    topics
}

/// Reads a log; `None` for an event that the replay does not need.
pub fn decode(log: &Log) -> Result<Option<Event>, DiscoveryError> {
    let Some(topic) = log.topics().first().copied() else { return Ok(None) };
    Decoder { log, topic }.event()
}

struct Decoder<'a> {
    log: &'a Log,
    topic: B256,
}

impl Decoder<'_> {
    fn event(&self) -> Result<Option<Event>, DiscoveryError> {
        let in_market = |id: B256, change: Change| Ok(Some(Event::InMarket(MarketId(id), change)));
        match self.topic {
            abi::CreateMarket::SIGNATURE_HASH => {
                let event = self.read::<abi::CreateMarket>()?;
                Ok(Some(Event::CreateMarket(MarketId(event.id), event.marketParams.into())))
            }
            abi::Supply::SIGNATURE_HASH => {
                let event = self.read::<abi::Supply>()?;
                in_market(event.id, Change::Supply(event.onBehalf, self.narrow(event.assets)?, self.narrow(event.shares)?))
            }
            abi::Withdraw::SIGNATURE_HASH => {
                let event = self.read::<abi::Withdraw>()?;
                in_market(event.id, Change::Withdraw(event.onBehalf, self.narrow(event.assets)?, self.narrow(event.shares)?))
            }
            abi::Borrow::SIGNATURE_HASH => {
                let event = self.read::<abi::Borrow>()?;
                in_market(event.id, Change::Borrow(event.onBehalf, self.narrow(event.assets)?, self.narrow(event.shares)?))
            }
            abi::Repay::SIGNATURE_HASH => {
                let event = self.read::<abi::Repay>()?;
                in_market(event.id, Change::Repay(event.onBehalf, self.narrow(event.assets)?, self.narrow(event.shares)?))
            }
            abi::SupplyCollateral::SIGNATURE_HASH => {
                let event = self.read::<abi::SupplyCollateral>()?;
                in_market(event.id, Change::SupplyCollateral(event.onBehalf, self.narrow(event.assets)?))
            }
            abi::WithdrawCollateral::SIGNATURE_HASH => {
                let event = self.read::<abi::WithdrawCollateral>()?;
                in_market(event.id, Change::WithdrawCollateral(event.onBehalf, self.narrow(event.assets)?))
            }
            abi::Liquidate::SIGNATURE_HASH => {
                let event = self.read::<abi::Liquidate>()?;
                in_market(event.id, Change::Liquidate(self.liquidation(&event)?))
            }
            abi::AccrueInterest::SIGNATURE_HASH => {
                let event = self.read::<abi::AccrueInterest>()?;
                in_market(event.id, Change::AccrueInterest(self.narrow(event.interest)?, self.narrow(event.feeShares)?))
            }
            abi::SetFee::SIGNATURE_HASH => {
                let event = self.read::<abi::SetFee>()?;
                in_market(event.id, Change::SetFee(self.narrow(event.newFee)?))
            }
            abi::SetMarketBroker::SIGNATURE_HASH => {
                let event = self.read::<abi::SetMarketBroker>()?;
                in_market(event.id, Change::Broker(event.isAddition.then_some(event.broker)))
            }
            abi::SetFeeRecipient::SIGNATURE_HASH => Ok(Some(Event::FeeRecipient(self.read::<abi::SetFeeRecipient>()?.newFeeRecipient))),
            abi::SetDefaultMarketFee::SIGNATURE_HASH => Ok(Some(Event::DefaultFee(self.narrow(self.read::<abi::SetDefaultMarketFee>()?.fee)?))),
            _ => Ok(None),
        }
    }

    fn liquidation(&self, event: &abi::Liquidate) -> Result<LiquidateEvent, DiscoveryError> {
        Ok(LiquidateEvent {
            caller: event.caller,
            borrower: event.borrower,
            repaid_assets: self.narrow(event.repaidAssets)?,
            repaid_shares: self.narrow(event.repaidShares)?,
            seized_assets: self.narrow(event.seizedAssets)?,
            bad_debt_assets: self.narrow(event.badDebtAssets)?,
            bad_debt_shares: self.narrow(event.badDebtShares)?,
        })
    }

    fn read<E: SolEvent>(&self) -> Result<E, DiscoveryError> {
        E::decode_raw_log_validate(self.log.topics().iter().copied(), &self.log.data.data).map_err(|error| self.error(error.to_string()))
    }

    fn narrow(&self, amount: U256) -> Result<u128, DiscoveryError> {
        u128::try_from(amount).map_err(|_| self.error(format!("{amount} does not fit the contract's storage")))
    }

    const fn error(&self, reason: String) -> DiscoveryError {
        DiscoveryError::Log { topic: self.topic, address: self.log.address, reason }
    }
}
