//! The base pool that stands between callers and the long manager: it pays with its own fxUSD first, with USDC for the rest, and is paid
//! in either.

use super::{
    fixed::{PRECISION, add, mul_div_down, mul_div_up, sub},
    long::{Action, Budget, LongManager, LongOutcome},
    pool::Pool,
};
use crate::protocols::{checked::Panic, fx::FxRevert};
use alloy::primitives::U256;

/// What the caller pays in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenIn {
    /// fxUSD, 18 decimals.
    FxUsd,
    /// USDC, 6 decimals.
    Usdc,
}

/// What `FxUSDBasePool` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasePool {
    /// fxUSD for use, 18 decimals. `totalYieldToken`.
    pub fx_usd: U256,
    /// USDC, with what is in its strategy, token units.
    pub stable: U256,
}

/// A call of the base pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseCall {
    /// What is done.
    pub action: Action,
    /// What is paid in.
    pub token_in: TokenIn,
    /// The most to pay, in units of `token_in`.
    pub max_amount: U256,
    /// The least collateral, token units, notes counted as tokens.
    pub min_colls: U256,
}

/// What a call of the base pool does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseOutcome {
    /// What the manager did.
    pub manager: LongOutcome,
    /// What the caller pays, in units of the token it pays in.
    pub token_used: U256,
    /// The base pool afterwards.
    pub after: BasePool,
}

impl BasePool {
    /// What the manager may use for a caller's amount: fxUSD first, USDC for the rest, as far as there is any. `stable_price` as in
    /// [`LongManager`].
    pub fn budget(&self, token_in: TokenIn, max_amount: U256, stable_price: U256) -> Result<Budget, FxRevert> {
        let usd = match token_in {
            TokenIn::FxUsd => max_amount,
            TokenIn::Usdc => mul_div_down(max_amount, stable_price, PRECISION)?,
        };
        if usd < self.fx_usd {
            return Ok(Budget { fx_usd: usd, stable: U256::ZERO });
        }
        let stable = mul_div_down(sub(usd, self.fx_usd)?, PRECISION, stable_price)?;
        Ok(Budget { fx_usd: self.fx_usd, stable: stable.min(self.stable) })
    }

    /// The largest amount to pay whose budget needs no USDC, rounded down to units of `token_in`.
    pub fn most_without_stable(&self, token_in: TokenIn, stable_price: U256) -> Result<U256, Panic> {
        match token_in {
            TokenIn::FxUsd => Ok(self.fx_usd),
            TokenIn::Usdc => mul_div_down(self.fx_usd, PRECISION, stable_price),
        }
    }

    /// Carries a call out on a pool that is accrued to the block. `FxUSDBasePool.rebalance`, `FxUSDBasePool.liquidate`.
    pub fn call(&self, manager: &LongManager, pool: &mut Pool, price: U256, call: &BaseCall) -> Result<BaseOutcome, FxRevert> {
        let budget = self.budget(call.token_in, call.max_amount, manager.stable_price)?;
        let outcome = manager.act(pool, price, call.action, &budget)?;
        if outcome.colls < call.min_colls {
            return Err(FxRevert::InsufficientOutput);
        }
        let usd = add(outcome.fx_usd_used, mul_div_down(outcome.stable_used, manager.stable_price, PRECISION)?)?;
        let (fx_usd, stable) = (sub(self.fx_usd, outcome.fx_usd_used)?, sub(self.stable, outcome.stable_used)?);
        let (token_used, after) = match call.token_in {
            TokenIn::FxUsd => (usd, Self { fx_usd: add(fx_usd, usd)?, stable }),
            TokenIn::Usdc => {
                let paid = mul_div_up(usd, PRECISION, manager.stable_price)?;
                (paid, Self { fx_usd, stable: add(stable, paid)? })
            }
        };
        Ok(BaseOutcome { manager: outcome, token_used, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::uint;

    #[test]
    fn fx_usd_goes_first_and_the_most_without_stable_needs_none() {
        let base = BasePool { fx_usd: uint!(1_000_000_000_000_000_000_777_U256), stable: U256::from(50_000_000) };
        // 0.9998 USD for one USDC.
        let price = uint!(999_800_000_000_000_000_000_000_000_000_U256);
        for token_in in [TokenIn::FxUsd, TokenIn::Usdc] {
            let most = base.most_without_stable(token_in, price).unwrap();
            assert!(base.budget(token_in, most, price).unwrap().stable.is_zero());
            let plenty = base.budget(token_in, most * U256::from(2), price).unwrap();
            assert_eq!(plenty, Budget { fx_usd: base.fx_usd, stable: base.stable });
        }
        let unit = uint!(1_000_000_000_000_U256);
        let above = base.most_without_stable(TokenIn::FxUsd, price).unwrap() + unit;
        assert_eq!(base.budget(TokenIn::FxUsd, above, price).unwrap().stable, U256::ONE, "one unit more is paid in USDC");
    }
}
