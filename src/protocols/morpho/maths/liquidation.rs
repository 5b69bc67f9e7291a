//! A liquidation as the contract carries it out, on a market whose interest is already added.
//!
//! ```text
//! guards ─▶ solvent? ─▶ seize mode: collateral -> shares (rounded up, against the liquidator)
//!                       share mode: shares -> collateral (rounded down, against the liquidator)
//!        ─▶ repaid assets (up) ─▶ write-off when no collateral is left ─▶ payment ─▶ minimum loan (Moolah)
//! ```

use super::{
    accrual::accrue,
    fixed::{PRICE_SCALE, mul_div_down, mul_div_up, sub128, to_uint128, w_div_up, w_mul_down},
    health::{incentive_factor, is_healthy},
    shares::Pool,
};
use crate::protocols::{
    checked::Panic,
    morpho::{MarketState, MorphoRevert, Position},
};
use alloy::primitives::U256;

/// How much to liquidate: exactly one of the two is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiquidationSize {
    /// Collateral to take, in token units.
    pub seized_assets: U256,
    /// Debt shares to repay.
    pub repaid_shares: U256,
}

impl LiquidationSize {
    /// Seize mode.
    #[must_use]
    pub const fn seize(assets: U256) -> Self {
        Self { seized_assets: assets, repaid_shares: U256::ZERO }
    }

    /// Share mode.
    #[must_use]
    pub const fn repay(shares: U256) -> Self {
        Self { seized_assets: U256::ZERO, repaid_shares: shares }
    }

    /// The contract's test of the input.
    pub fn check(&self) -> Result<(), MorphoRevert> {
        if self.seized_assets.is_zero() == self.repaid_shares.is_zero() { Err(MorphoRevert::InconsistentInput) } else { Ok(()) }
    }
}

/// What the contract asks beside the market and the position. Morpho Blue has none of it but the payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// Moolah: the contract is paused.
    pub paused: bool,
    /// Moolah: the market's list of liquidators is not empty and does not hold the caller.
    pub caller_excluded: bool,
    /// Moolah: the least debt that may remain beside collateral in an insolvent position, in loan-token units.
    pub min_loan: U256,
    /// What the caller can pay, in loan-token units; `None` for enough.
    pub payer_balance: Option<U256>,
}

impl Guards {
    /// The tests before anything else is looked at.
    pub const fn check_entry(&self) -> Result<(), MorphoRevert> {
        if self.paused {
            Err(MorphoRevert::EnforcedPause)
        } else if self.caller_excluded {
            Err(MorphoRevert::NotLiquidationWhitelist)
        } else {
            Ok(())
        }
    }
}

/// What a liquidation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liquidation {
    /// Collateral that the liquidator gets.
    pub seized_assets: U256,
    /// Loan tokens that the liquidator pays.
    pub repaid_assets: U256,
    /// Debt shares that this repays.
    pub repaid_shares: U256,
    /// Loan tokens written off at the suppliers' cost.
    pub bad_debt_assets: U256,
    /// Debt shares written off.
    pub bad_debt_shares: U256,
    /// The market afterwards.
    pub market: MarketState,
    /// The position afterwards.
    pub position: Position,
}

/// A whole call of the contract's `liquidate`, from the totals as they are stored.
#[derive(Clone, Debug)]
pub struct LiquidateCall<'a> {
    /// The market as stored.
    pub market: &'a MarketState,
    /// The position as stored.
    pub position: &'a Position,
    /// The market's loan-to-value, 1e18 fixed point.
    pub lltv: U256,
    /// The block's timestamp in seconds.
    pub now: u64,
    /// What the rate model answers, `None` without a model.
    pub rate_per_second: Option<U256>,
    /// What the oracle answers, 1e36 fixed point, or how it reverts.
    pub price: Result<U256, MorphoRevert>,
    /// How much.
    pub size: LiquidationSize,
    /// What else the contract asks.
    pub guards: Guards,
}

impl LiquidateCall<'_> {
    /// Carries the call out, with its tests in the contract's order.
    pub fn run(&self) -> Result<Liquidation, MorphoRevert> {
        self.guards.check_entry()?;
        if self.market.last_update == 0 {
            return Err(MorphoRevert::MarketNotCreated);
        }
        self.size.check()?;
        let mut market = *self.market;
        accrue(&mut market, self.now, self.rate_per_second)?;
        liquidate(&market, self.position, self.lltv, self.price.clone()?, self.size, &self.guards)
    }
}

/// Liquidates a position of a market that is accrued to the block's timestamp, at `price` (1e36 fixed point).
pub fn liquidate(
    market: &MarketState,
    position: &Position,
    lltv: U256,
    price: U256,
    size: LiquidationSize,
    guards: &Guards,
) -> Result<Liquidation, MorphoRevert> {
    guards.check_entry()?;
    if market.last_update == 0 {
        return Err(MorphoRevert::MarketNotCreated);
    }
    size.check()?;
    if is_healthy(market, position, price, lltv)? {
        return Err(MorphoRevert::HealthyPosition);
    }
    let incentive = incentive_factor(lltv)?;
    let pool = market.borrow_pool()?;
    let (seized_assets, repaid_shares) = if size.seized_assets.is_zero() {
        (seizable(&pool, size.repaid_shares, price, incentive)?, size.repaid_shares)
    } else {
        (size.seized_assets, shares_to_repay(&pool, size.seized_assets, price, incentive)?)
    };
    let repaid_assets = pool.to_assets_up(repaid_shares)?;
    let done = settle(market, position, seized_assets, repaid_shares, repaid_assets)?;
    if guards.payer_balance.is_some_and(|balance| balance < repaid_assets) {
        return Err(MorphoRevert::TransferFromReverted);
    }
    check_remaining_loan(&done, lltv, price, guards.min_loan)?;
    Ok(done)
}

/// Shares that must be repaid for this much collateral: rounded up at each step.
pub fn shares_to_repay(pool: &Pool, seized_assets: U256, price: U256, incentive: U256) -> Result<U256, Panic> {
    let quoted = mul_div_up(seized_assets, price, PRICE_SCALE)?;
    pool.to_shares_up(w_div_up(quoted, incentive)?)
}

/// Collateral that these shares buy: rounded down at each step. Also the most collateral whose price in shares is no more.
pub fn seizable(pool: &Pool, repaid_shares: U256, price: U256, incentive: U256) -> Result<U256, Panic> {
    mul_div_down(w_mul_down(pool.to_assets_down(repaid_shares)?, incentive)?, PRICE_SCALE, price)
}

fn settle(market: &MarketState, position: &Position, seized_assets: U256, repaid_shares: U256, repaid_assets: U256) -> Result<Liquidation, MorphoRevert> {
    let (mut market, mut position) = (*market, *position);
    let shares = to_uint128(repaid_shares)?;
    position.borrow_shares = sub128(position.borrow_shares, shares)?;
    market.total_borrow_shares = sub128(market.total_borrow_shares, shares)?;
    market.total_borrow_assets = to_uint128(U256::from(market.total_borrow_assets).saturating_sub(repaid_assets))?;
    position.collateral = sub128(position.collateral, to_uint128(seized_assets)?)?;

    let (mut bad_debt_assets, mut bad_debt_shares) = (0, 0);
    if position.collateral == 0 {
        bad_debt_shares = position.borrow_shares;
        let owed = market.borrow_pool()?.to_assets_up(U256::from(bad_debt_shares))?;
        bad_debt_assets = to_uint128(owed.min(U256::from(market.total_borrow_assets)))?;
        market.total_borrow_assets = sub128(market.total_borrow_assets, bad_debt_assets)?;
        market.total_supply_assets = sub128(market.total_supply_assets, bad_debt_assets)?;
        market.total_borrow_shares = sub128(market.total_borrow_shares, bad_debt_shares)?;
        position.borrow_shares = 0;
    }
    Ok(Liquidation {
        seized_assets,
        repaid_assets,
        repaid_shares,
        bad_debt_assets: U256::from(bad_debt_assets),
        bad_debt_shares: U256::from(bad_debt_shares),
        market,
        position,
    })
}

/// Moolah's last test: beside collateral, debt below the minimum loan must be solvent.
fn check_remaining_loan(done: &Liquidation, lltv: U256, price: U256, min_loan: U256) -> Result<(), MorphoRevert> {
    if done.position.borrow_shares == 0 || done.position.collateral == 0 {
        return Ok(());
    }
    let remaining = done.market.borrow_pool()?.to_assets_down(U256::from(done.position.borrow_shares))?;
    if remaining < min_loan && !is_healthy(&done.market, &done.position, price, lltv)? {
        return Err(MorphoRevert::UnhealthyPosition);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::morpho::maths::fixed::WAD;
    use alloy::primitives::uint;

    const LLTV: U256 = uint!(860_000_000_000_000_000_U256);

    fn market() -> MarketState {
        MarketState {
            total_supply_assets: 1_000_000_000,
            total_supply_shares: 1_000_000_000_000_000,
            total_borrow_assets: 500_000_000,
            total_borrow_shares: 500_000_000_000_000,
            last_update: 7,
            fee: 0,
        }
    }

    fn alice(collateral: u128) -> Position {
        Position { supply_shares: U256::ZERO, borrow_shares: 90_000_000_000_000, collateral }
    }

    #[test]
    fn alice_is_closed_in_full_when_her_collateral_covers_the_incentive() {
        let pool = market().borrow_pool().unwrap();
        let incentive = incentive_factor(LLTV).unwrap();
        let all = U256::from(alice(0).borrow_shares);
        assert!(seizable(&pool, all, PRICE_SCALE, incentive).unwrap() <= U256::from(100_000_000));
        let done = liquidate(&market(), &alice(100_000_000), LLTV, PRICE_SCALE, LiquidationSize::repay(all), &Guards::default()).unwrap();
        assert_eq!(done.position.borrow_shares, 0);
        assert!(done.position.collateral > 0 && done.bad_debt_assets.is_zero());
        assert!(done.repaid_assets < done.seized_assets, "the incentive is the gain");
    }

    #[test]
    fn under_water_the_last_collateral_writes_the_rest_off_and_one_wei_left_behind_does_not() {
        let position = alice(80_000_000);
        let all = liquidate(&market(), &position, LLTV, PRICE_SCALE, LiquidationSize::seize(U256::from(80_000_000)), &Guards::default()).unwrap();
        assert_eq!((all.position.borrow_shares, all.position.collateral), (0, 0));
        assert!(all.bad_debt_assets > U256::ZERO);
        let most = liquidate(&market(), &position, LLTV, PRICE_SCALE, LiquidationSize::seize(U256::from(79_999_999)), &Guards::default()).unwrap();
        assert!(most.position.borrow_shares > 0 && most.bad_debt_assets.is_zero());
        let too_many = LiquidationSize::repay(U256::from(position.borrow_shares));
        assert_eq!(liquidate(&market(), &position, LLTV, PRICE_SCALE, too_many, &Guards::default()), Err(MorphoRevert::Overflow));
    }

    #[test]
    fn guards_are_asked_before_the_position() {
        let paused = Guards { paused: true, caller_excluded: true, ..Guards::default() };
        let nothing = LiquidationSize::default();
        assert_eq!(liquidate(&market(), &alice(1), LLTV, WAD, nothing, &paused), Err(MorphoRevert::EnforcedPause));
        let excluded = Guards { paused: false, ..paused };
        assert_eq!(liquidate(&market(), &alice(1), LLTV, WAD, nothing, &excluded), Err(MorphoRevert::NotLiquidationWhitelist));
        assert_eq!(liquidate(&market(), &alice(1), LLTV, WAD, nothing, &Guards::default()), Err(MorphoRevert::InconsistentInput));
    }
}
