//! The order of a market's positions: by borrow shares a unit of collateral, which neither prices nor interest move.
//!
//! ```text
//! key(position)    = floor(shares * 2^128 / collateral)
//! boundary(market) = the key at which debt equals max borrow, less what two roundings can hide at the minimum size
//!
//!        healthy, never asked   |  spare  |   liquidatable
//!   ────────────────────────────┴─────────┴───────────────────▶ key
//!                           boundary    exact
//! ```
//!
//! Why the spare is enough. With `A`, `S` the virtual totals of the debt, `p = price / 1e36`, `l = lltv <= 1` and `d = shares * A / S`
//! unrounded, the contract calls a position unhealthy when `ceil(d) > floor(floor(collateral * p) * l)`, which says
//! `d > floor(floor(collateral * p) * l) > collateral * p * l - 2`. So `d + 2 > collateral * p * l`, and with `d >= m`
//! `d / collateral > p * l * m / (m + 2)`. The smallest ordered position has `k` shares, so `m = k * A / S`, and the key lies above
//! `2^128 * p * l * (S / A) * m / (m + 2) = 2^128 * p * l * S * k / (k * A + 2 * S)`. The other way round, a key above
//! `2^128 * p * l * S / A` means `d > collateral * p * l`, which is unhealthy whatever the rounding.

use super::{
    fixed::{PRICE_SCALE, WAD},
    shares::Pool,
};
use crate::protocols::morpho::MorphoRevert;
use alloy::primitives::{U256, Uint};

type U1024 = Uint<1024, 16>;

const KEY_BITS: usize = 128;

/// Two roundings down hide less than two units of debt.
const TWO: U1024 = U1024::from_limbs([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// A position's place in its market: borrow shares times 2^128 a unit of collateral, rounded down. `None` without collateral.
#[must_use]
pub fn key(borrow_shares: u128, collateral: u128) -> Option<U256> {
    (U256::from(borrow_shares) << KEY_BITS).checked_div(U256::from(collateral))
}

/// The key that every liquidatable position of at least `min_shares` borrow shares lies strictly above.
/// `pool` is the debt accrued to the block's timestamp, `price` has 1e36 and `lltv` (at most one) 1e18 fixed point.
pub fn boundary(pool: &Pool, price: U256, lltv: U256, min_shares: u128) -> Result<U256, MorphoRevert> {
    let (assets, shares, least) = (U1024::from(pool.virtual_assets()), U1024::from(pool.virtual_shares()), U1024::from(min_shares));
    // The widest product has 128 + 256 + 256 + 256 + 128 bits, so none is cut off.
    let numerator = product([U1024::ONE << KEY_BITS, U1024::from(price), U1024::from(lltv), shares, least])?;
    let spared = product([least, assets])?.checked_add(product([shares, TWO])?).ok_or(MorphoRevert::Overflow)?;
    let denominator = product([U1024::from(PRICE_SCALE), U1024::from(WAD), spared])?;
    let quotient = numerator.checked_div(denominator).ok_or(MorphoRevert::DivisionByZero)?;
    // A key is rounded down, so one that lies above the exact boundary may equal its whole part.
    Ok(U256::saturating_from(quotient.saturating_sub(U1024::ONE)))
}

fn product<const N: usize>(factors: [U1024; N]) -> Result<U1024, MorphoRevert> {
    factors.into_iter().try_fold(U1024::ONE, |product, factor| product.checked_mul(factor).ok_or(MorphoRevert::Overflow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debt_without_collateral_has_no_key() {
        assert_eq!(key(5, 0), None);
        assert_eq!(key(5, 1), Some(U256::from(5) << 128));
        assert!(key(u128::MAX, 1).is_some());
    }

    #[test]
    fn without_a_least_size_everything_is_asked() {
        let pool = Pool::new(U256::from(10), U256::from(10_000_000)).unwrap();
        assert_eq!(boundary(&pool, PRICE_SCALE, WAD, 0).unwrap(), U256::ZERO);
        assert!(boundary(&pool, PRICE_SCALE, WAD, 1_000).unwrap() > U256::ZERO);
    }
}
