//! The configured gates, bid and promise, as the engine asks for them.

use crate::{
    engine::{Measure, Policy},
    plan::{Opportunity, Skip},
    relay::Bidding,
    risk::{Bps, Cost, Gates, PriceReading, Promise, Proposal},
};
use alloy::primitives::{I256, U256};

/// Risk gates, bidding and the promise of one run.
#[derive(Clone, Debug)]
pub struct ConfiguredPolicy {
    /// The gates.
    pub gates: Gates,
    /// What the builder gets.
    pub bidding: Bidding,
    /// How far a gain may fall below the prediction.
    pub tolerance: Bps,
    /// What has to earn the least profit.
    pub measure: Measure,
}

impl ConfiguredPolicy {
    fn proposal(opportunity: &Opportunity, price: Option<U256>, gas_price: u128, profit_wei: Option<U256>) -> Proposal {
        Proposal {
            target: opportunity.target.clone(),
            tokens: [opportunity.debt_token, opportunity.collateral_token].into_iter().chain(opportunity.also_receives.iter().copied()).collect(),
            price: price.map_or(PriceReading::NotUsed, PriceReading::Value),
            gas_price,
            size_wei: None,
            profit_wei: profit_wei.map(|profit| I256::try_from(profit).unwrap_or(I256::MAX)),
        }
    }
}

impl Policy for ConfiguredPolicy {
    fn admits(&self, opportunity: &Opportunity, price: Option<U256>, gas_price: u128) -> Result<(), Skip> {
        self.gates.screen(&Self::proposal(opportunity, price, gas_price, None))
    }

    fn worthwhile(&self, opportunity: &Opportunity, price: Option<U256>, gas_price: u128, profit_wei: U256) -> Result<(), Skip> {
        self.gates.admit(&Self::proposal(opportunity, price, gas_price, Some(profit_wei)))
    }

    fn allows_chore(&self, opportunity: &Opportunity, price: Option<U256>, gas_price: u128) -> Result<(), Skip> {
        self.gates.admit_unpaid(&Self::proposal(opportunity, price, gas_price, None))
    }

    fn measure(&self) -> Measure {
        self.measure
    }

    fn builder_payment(&self, profit_wei: U256) -> U256 {
        self.bidding.payment(profit_wei, self.gates.limits().min_profit_wei)
    }

    fn min_gain(&self, predicted_gain: U256, gas_wei: U256) -> Result<U256, Skip> {
        // The payment leaves the executor before the gain is measured, so the gain has to cover the gas alone.
        let cost = Cost { gas_wei, payment_wei: U256::ZERO };
        Ok(Promise::new(predicted_gain, predicted_gain, self.tolerance, cost)?.min_gain)
    }
}
