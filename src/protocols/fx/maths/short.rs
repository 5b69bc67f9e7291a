//! The short pools' manager: debt tokens in, fxUSD out, one credit note burned for each debt token repaid.

use super::{
    fixed::{FEE_PRECISION, PRECISION, add, mul_div_down, sub},
    long::Action,
    pool::{Pool, Taken},
    redemption::Redeemed,
};
use crate::protocols::{checked::Panic, fx::FxRevert};
use alloy::primitives::U256;

/// What `ShortPoolManager` depends on beside the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortManager {
    /// Raw amount of one debt token unit, 1e18.
    pub scaling_factor: U256,
    /// The reserve's balance of fxUSD.
    pub reserve_balance: U256,
    /// The treasury's share of a bonus, 1e9.
    pub expense_ratio: U256,
    /// The fee on redemptions, 1e9.
    pub redeem_fee_ratio: U256,
    /// The least raw debt of an action or redemption.
    pub min_raw_debt: U256,
    /// Credit notes that the long manager holds and a repayment burns, token units; `None` for enough.
    pub notes_of_manager: Option<U256>,
    /// Whether the manager is paused.
    pub paused: bool,
    /// Whether the pool has ended.
    pub killed: bool,
}

/// What a rebalance or liquidation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortOutcome {
    /// What happened in the pool.
    pub taken: Taken,
    /// fxUSD that the receiver gets.
    pub colls: U256,
    /// Debt tokens that the caller pays, token units.
    pub debts: U256,
    /// The treasury's part of the bonus, fxUSD.
    pub fee: U256,
    /// fxUSD that the reserve paid.
    pub reserve_spent: U256,
}

/// What a redemption of credit notes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteRedemption {
    /// What happened in the pool; notes for [`Redeemed::raw_left`] were burned without payment.
    pub redeemed: Redeemed,
    /// Raw debt that was asked for.
    pub raw_asked: U256,
    /// fxUSD that the caller gets.
    pub colls: U256,
    /// The fee, fxUSD.
    pub fee: U256,
    /// Notes burned, token units: all that were asked for.
    pub notes_burned: U256,
}

impl ShortManager {
    /// The largest budget, in raw debt, whose notes the long manager holds.
    pub fn most_repayable(&self) -> Result<Option<U256>, Panic> {
        self.notes_of_manager.map(|notes| mul_div_down(notes, self.scaling_factor, PRECISION)).transpose()
    }

    /// Carries an action out on a pool that is accrued to the block. `ShortPoolManager.rebalance`, `ShortPoolManager.liquidate`.
    pub fn act(&self, pool: &mut Pool, price: U256, action: Action, max_raw_debts: U256) -> Result<ShortOutcome, FxRevert> {
        self.check_open()?;
        if max_raw_debts < self.min_raw_debt {
            return Err(FxRevert::DebtsTooSmall);
        }
        if action == Action::Liquidate && pool.is_under_water(price)? {
            return Err(FxRevert::UnderCollateral);
        }
        let taken = action.run(pool, price, max_raw_debts, self.reserve_balance)?;
        let debts = mul_div_down(taken.raw_debts, PRECISION, self.scaling_factor)?;
        let fee = mul_div_down(taken.raw_bonus, self.expense_ratio, FEE_PRECISION)?;
        let colls = sub(add(taken.raw_colls, taken.raw_bonus)?, fee)?;
        let reserve_spent = taken.from_reserve.min(self.reserve_balance);
        burn(self.notes_of_manager, debts)?;
        Ok(ShortOutcome { taken, colls, debts, fee, reserve_spent })
    }

    /// Redeems `notes` (token units) at the redeem price for at least `min_colls` fxUSD; `held` is what the caller has, `None` for enough.
    /// All notes are burned, also those that nothing is paid for. `ShortPoolManager.redeemByCreditNote`.
    pub fn redeem(&self, pool: &mut Pool, price: U256, notes: U256, min_colls: U256, held: Option<U256>) -> Result<NoteRedemption, FxRevert> {
        self.check_open()?;
        burn(held, notes)?;
        let raw_asked = mul_div_down(notes, self.scaling_factor, PRECISION)?;
        if raw_asked > pool.total_raw()?.debts {
            return Err(FxRevert::RedeemExceedTotalDebt);
        }
        if raw_asked < self.min_raw_debt {
            return Err(FxRevert::DebtsTooSmall);
        }
        if pool.is_under_water(price)? {
            return Err(FxRevert::PoolUnderCollateral);
        }
        let redeemed = pool.redeem(price, raw_asked)?;
        let fee = mul_div_down(redeemed.raw_colls, self.redeem_fee_ratio, FEE_PRECISION)?;
        let colls = sub(redeemed.raw_colls, fee)?;
        if colls < min_colls {
            return Err(FxRevert::InsufficientRedeemedCollateral);
        }
        Ok(NoteRedemption { redeemed, raw_asked, colls, fee, notes_burned: notes })
    }

    const fn check_open(&self) -> Result<(), FxRevert> {
        if self.paused {
            Err(FxRevert::EnforcedPause)
        } else if self.killed {
            Err(FxRevert::PoolKilled)
        } else {
            Ok(())
        }
    }
}

fn burn(held: Option<U256>, needed: U256) -> Result<(), FxRevert> {
    match held {
        Some(balance) if balance < needed => Err(FxRevert::NotesInsufficient { balance, needed }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_in_third_hands_cap_what_can_be_repaid() {
        // Eight decimals, as WBTC has.
        let scaling_factor = PRECISION * U256::from(10_000_000_000_u64);
        let notes = U256::from(50_000_001);
        let manager = ShortManager {
            scaling_factor,
            reserve_balance: U256::ZERO,
            expense_ratio: U256::ZERO,
            redeem_fee_ratio: U256::ZERO,
            min_raw_debt: U256::ZERO,
            notes_of_manager: Some(notes),
            paused: false,
            killed: false,
        };
        let most = manager.most_repayable().unwrap().unwrap();
        let debts = mul_div_down(most, PRECISION, scaling_factor).unwrap();
        assert_eq!(burn(Some(notes), debts), Ok(()));
        assert_eq!(burn(Some(notes), debts + U256::ONE), Err(FxRevert::NotesInsufficient { balance: notes, needed: debts + U256::ONE }));
        assert_eq!(ShortManager { notes_of_manager: None, ..manager }.most_repayable(), Ok(None));
    }
}
