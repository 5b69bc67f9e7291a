//! What the searcher's owner allows and pays: asked by the engine, answered by the rooms that come after it.

use crate::plan::{Opportunity, Skip};
use alloy::primitives::U256;
use std::fmt;

/// What a least profit is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Of each transaction of a bundle.
    Transaction,
    /// Of the bundle as a whole; a transaction of it must only earn more than it costs.
    Bundle,
}

/// Gates and terms of a run. Pure: the same question has the same answer within a head.
pub trait Policy: Send + Sync + fmt::Debug {
    /// Whether an opportunity may be worked on at all, before any simulation. `price` is the protocol's own figure,
    /// `gas_price` in wei.
    ///
    /// # Errors
    /// The reason why not.
    fn admits(&self, opportunity: &Opportunity, price: Option<U256>, gas_price: u128) -> Result<(), Skip>;

    /// Whether a profit in wei, after gas and builder payment, is enough to go on.
    ///
    /// # Errors
    /// The reason why not.
    fn worthwhile(&self, opportunity: &Opportunity, price: Option<U256>, gas_price: u128, profit_wei: U256) -> Result<(), Skip>;

    /// Whether a keeper's work, which has no profit, may be sent at this price of gas.
    ///
    /// # Errors
    /// The reason why not.
    fn allows_chore(&self, opportunity: &Opportunity, price: Option<U256>, gas_price: u128) -> Result<(), Skip>;

    /// What has to be worthwhile.
    fn measure(&self) -> Measure;

    /// Wei for the fee recipient out of a profit after gas.
    fn builder_payment(&self, profit_wei: U256) -> U256;

    /// The least gain in wei at the receiver that the executor must see, given the predicted one and the gas that it has to cover.
    ///
    /// # Errors
    /// When the prediction itself does not cover the cost.
    fn min_gain(&self, predicted_gain: U256, gas_wei: U256) -> Result<U256, Skip>;
}
