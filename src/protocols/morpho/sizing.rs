//! Which sizes of a liquidation the contract would accept.
//!
//! ```text
//! Morpho Blue   [1 .............................. most]  + all shares, when the collateral covers them
//! Moolah        [1 .. keeps the minimum loan]   [heals .. most]  + all shares
//! ```
//!
//! `most` is all collateral where the debt is worth more (the rest of the debt is then written off), else what all shares buy.

use super::{
    MorphoMarket, MorphoRevert, Position,
    maths::{
        health::is_healthy,
        liquidation::{Guards, Liquidation, LiquidationSize, liquidate, seizable, shares_to_repay},
    },
};
use crate::plan::{Size, SizeUnit, Sizes, Skip, SkipReason};
use alloy::primitives::U256;

/// All ways to liquidate a position that is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offers {
    /// One for each unbroken range of sizes; none when nothing can be gained.
    pub sizes: Vec<Sizes>,
    /// The most loan tokens that any of them costs.
    pub most_to_pay: U256,
}

/// The size in the contract's two arguments.
pub(super) fn liquidation_size(size: Size) -> Result<LiquidationSize, Skip> {
    match size.unit {
        SizeUnit::Seized => Ok(LiquidationSize::seize(size.amount)),
        SizeUnit::RepaidShares => Ok(LiquidationSize::repay(size.amount)),
        SizeUnit::Budget | SizeUnit::Fraction => {
            Err(Skip::new(SkipReason::BelowMinSize, "a liquidation here is sized by collateral seized or by shares repaid"))
        }
    }
}

impl MorphoMarket {
    /// Carries a liquidation out by the native maths, with the contract's own refusals.
    pub fn liquidate(&self, position: &Position, size: LiquidationSize) -> Result<Liquidation, MorphoRevert> {
        let guards = Guards { min_loan: self.min_loan, ..Guards::default() };
        liquidate(&self.state, position, self.params.lltv, self.price, size, &guards)
    }

    /// Whether the contract would refuse to liquidate.
    pub fn is_healthy(&self, position: &Position) -> Result<bool, MorphoRevert> {
        is_healthy(&self.state, position, self.price, self.params.lltv)
    }

    /// The sizes that the contract would accept for a position that is not healthy.
    pub fn offers(&self, position: &Position) -> Result<Offers, MorphoRevert> {
        let pool = self.state.borrow_pool()?;
        let all_shares = U256::from(position.borrow_shares);
        let affordable = seizable(&pool, all_shares, self.price, self.incentive)?;
        let collateral = U256::from(position.collateral);
        let most = affordable.min(collateral);
        if most.is_zero() {
            return Ok(Offers { sizes: Vec::new(), most_to_pay: U256::ZERO });
        }
        let (also, dearest) = if affordable <= collateral {
            (vec![Size { unit: SizeUnit::RepaidShares, amount: all_shares }], all_shares)
        } else {
            (Vec::new(), shares_to_repay(&pool, most, self.price, self.incentive)?)
        };
        Ok(Offers { sizes: self.ranges(position, most, also), most_to_pay: pool.to_assets_up(dearest)? })
    }

    fn ranges(&self, position: &Position, most: U256, also: Vec<Size>) -> Vec<Sizes> {
        let keeps = largest(most, |seized| self.leaves_the_minimum(position, seized));
        let heals = smallest(most, |seized| self.liquidate(position, LiquidationSize::seize(seized)).is_ok() && !self.leaves_the_minimum(position, seized));
        match (keeps, heals) {
            // No gap between the two ways to be accepted, or only one of them.
            (Some(keeps), Some(heals)) if heals <= keeps.saturating_add(U256::ONE) => vec![range(U256::ONE, most, also)],
            (Some(keeps), None) if keeps == most => vec![range(U256::ONE, most, also)],
            (Some(keeps), Some(heals)) => vec![range(U256::ONE, keeps, Vec::new()), range(heals, most, also)],
            (None, Some(heals)) => vec![range(heals, most, also)],
            (Some(keeps), None) => [Some(range(U256::ONE, keeps, Vec::new())), fixed(also)].into_iter().flatten().collect(),
            (None, None) => fixed(also).into_iter().collect(),
        }
    }

    /// Whether the debt that remains is at least the minimum loan; always, where there is no minimum and debt remains.
    fn leaves_the_minimum(&self, position: &Position, seized: U256) -> bool {
        let remaining = || {
            let done = liquidate(&self.state, position, self.params.lltv, self.price, LiquidationSize::seize(seized), &Guards::default())?;
            let pool = done.market.borrow_pool()?;
            Ok::<_, MorphoRevert>(pool.to_assets_down(U256::from(done.position.borrow_shares))?)
        };
        remaining().is_ok_and(|assets| assets >= self.min_loan)
    }
}

const fn range(min: U256, max: U256, also: Vec<Size>) -> Sizes {
    Sizes::Range { unit: SizeUnit::Seized, min, max, breakpoints: Vec::new(), also }
}

fn fixed(also: Vec<Size>) -> Option<Sizes> {
    (!also.is_empty()).then_some(Sizes::Fixed(also))
}

/// The largest amount up to `most` that holds, where small ones hold and large ones may not. What is returned was tried.
fn largest(most: U256, holds: impl Fn(U256) -> bool) -> Option<U256> {
    if holds(most) {
        return Some(most);
    }
    if !holds(U256::ONE) {
        return None;
    }
    let (mut good, mut bad) = (U256::ONE, most);
    while let Some(middle) = between(good, bad) {
        if holds(middle) { good = middle } else { bad = middle }
    }
    Some(good)
}

/// The smallest amount up to `most` that holds, where large ones hold and small ones may not. What is returned was tried.
fn smallest(most: U256, holds: impl Fn(U256) -> bool) -> Option<U256> {
    if !holds(most) {
        return None;
    }
    if holds(U256::ONE) {
        return Some(U256::ONE);
    }
    let (mut bad, mut good) = (U256::ONE, most);
    while let Some(middle) = between(bad, good) {
        if holds(middle) { good = middle } else { bad = middle }
    }
    Some(good)
}

/// The middle of two amounts, `None` when nothing lies between them.
fn between(low: U256, high: U256) -> Option<U256> {
    let distance = high.checked_sub(low)?;
    (distance > U256::ONE).then(|| low.saturating_add(distance >> 1))
}

#[cfg(test)]
mod tests;
