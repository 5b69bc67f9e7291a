//! Ticks and their ratios, 1.0015 to the power of the tick in 2^96 fixed point, and the tick of a debt.
//!
//! Ticks are computed on *shares*, not on raw amounts. `TickMath` and `TickLogic` of the contracts.

use super::fixed::{Q96, add, div_down, mul, mul_div_down};
use crate::protocols::fx::FxRevert;
use alloy::primitives::{U256, uint};

/// What an empty pool has for its top tick, and a tick movement for "no debt left".
pub const NO_TICK: i16 = i16::MIN;

/// The smallest ratio that has a tick.
pub const MIN_RATIO: U256 = uint!(37_075_071_U256);

/// The largest ratio that has a tick.
pub const MAX_RATIO: U256 = uint!(169_307_877_264_527_972_847_801_929_085_841_449_095_838_922_544_595_U256);

/// One in the scale of [`THRESHOLDS`].
const SCALE: U256 = uint!(100_000_000_000_000_000_000_000_000_U256);

/// 2^128 / 1.0015^(2^i) as the contract has them, from bit 0.
const FACTORS: [u128; 15] = [
    0xff9d_d7de_4234_66c2_0352_b124_6ce4_856f,
    0xff3b_d55f_4488_ad27_7531_fa1c_725a_66d0,
    0xfe78_410f_d649_8b73_cb96_a691_7f85_3259,
    0xfcf2_d998_7c9b_e178_ad5b_feff_aa12_3273,
    0xf9ef_02c4_5292_58b0_5776_9680_fc66_01b3,
    0xf402_d288_133a_85a1_7784_a411_f7ab_a082,
    0xe895_615b_5beb_6386_5537_57b0_352b_da90,
    0xd34f_17a0_0ffa_00a8_3099_40a1_5930_391a,
    0xae6b_7961_714e_2054_8d88_ea51_23f9_a0ff,
    0x76d6_461f_2708_2d74_e0fe_ed3b_388c_0ca1,
    0x372a_3bfe_0745_d8b6_b19d_985d_9a8b_85bb,
    0x0be3_2cbe_e489_7976_3cf7_247d_d7bb_539d,
    0x008d_4f70_c9ff_4924_dac3_7612_d1e2_921e,
    0x0000_4e00_9ae5_5193_8080_9a02_ca7a_ec77,
    0x0000_0000_17c4_5e64_1b6e_95de_e056_ff10,
];

/// 1.0015^(2^i) times [`SCALE`] with the bit it stands for, from bit 14.
const THRESHOLDS: [(u16, u128); 15] = [
    (1 << 14, 4_626_198_540_796_508_716_348_404_308_351_034_442),
    (1 << 13, 21_508_599_537_851_153_911_767_490_449_162),
    (1 << 12, 46_377_364_670_549_310_883_002_866_648),
    (1 << 11, 2_153_540_449_365_864_845_468_344_760),
    (1 << 10, 464_062_544_207_767_844_008_185_024),
    (1 << 9, 215_421_109_505_955_298_802_281_577),
    (1 << 8, 146_772_309_890_508_740_607_270_614),
    (1 << 7, 121_149_622_323_187_099_817_270_416),
    (1 << 6, 110_067_989_135_437_147_685_980_801),
    (1 << 5, 104_913_292_358_707_887_270_979_599),
    (1 << 4, 102_427_189_924_701_091_191_840_927),
    (1 << 3, 101_206_318_935_480_056_907_421_312),
    (1 << 2, 100_601_351_350_506_250_000_000_000),
    (1 << 1, 100_300_225_000_000_000_000_000_000),
    (1, 100_150_000_000_000_000_000_000_000),
];

/// The last of [`THRESHOLDS`]: the step from one tick to the next.
const STEP: U256 = uint!(100_150_000_000_000_000_000_000_000_U256);

/// The ratio at a tick, 2^96 fixed point; rounded up for zero and positive ticks. `TickMath.getRatioAtTick`.
///
/// # Errors
/// [`FxRevert::Empty`] for [`NO_TICK`].
pub fn ratio_at_tick(tick: i16) -> Result<U256, FxRevert> {
    if tick == NO_TICK {
        return Err(FxRevert::Empty);
    }
    let size = tick.unsigned_abs();
    let mut value = U256::ONE << 128;
    for (bit, factor) in FACTORS.iter().enumerate() {
        if (size >> bit) & 1 == 1 {
            value = mul(value, U256::from(*factor))? >> 128;
        }
    }
    if tick < 0 {
        return Ok(value >> 32);
    }
    let inverse = div_down(U256::MAX, value)?;
    let whole = inverse >> 32;
    if whole << 32 == inverse { Ok(whole) } else { Ok(add(whole, U256::ONE)?) }
}

/// The tick at or below a ratio, roughly, and the ratio that the contract takes for that tick's. `TickMath.getTickAtRatio`.
///
/// # Errors
/// [`FxRevert::Empty`] outside of [`MIN_RATIO`] to [`MAX_RATIO`].
pub fn tick_at_ratio(ratio: U256) -> Result<(i16, U256), FxRevert> {
    if ratio < MIN_RATIO || ratio > MAX_RATIO {
        return Err(FxRevert::Empty);
    }
    let is_below_one = ratio < Q96;
    let mut value = if is_below_one { mul_div_down(Q96, SCALE, ratio)? } else { mul_div_down(ratio, SCALE, Q96)? };
    let mut bits = 0u16;
    for (bit, threshold) in THRESHOLDS {
        let threshold = U256::from(threshold);
        if value >= threshold {
            bits |= bit;
            value = mul_div_down(value, SCALE, threshold)?;
        }
    }
    let tick = i16::try_from(bits).map_err(|_| FxRevert::Overflow)?;
    if is_below_one { Ok((!tick, mul_div_down(ratio, value, STEP)?)) } else { Ok((tick, mul_div_down(ratio, SCALE, value)?)) }
}

/// The tick that a debt belongs to: the first whose ratio is at least that of debt to collateral shares. `TickLogic._getTick`.
///
/// # Errors
/// [`FxRevert::DivisionByZero`] without collateral, [`FxRevert::Empty`] when no tick is high or low enough.
pub fn tick_of_shares(coll_shares: U256, debt_shares: U256) -> Result<i16, FxRevert> {
    let ratio = mul_div_down(debt_shares, Q96, coll_shares)?;
    let (found, _) = tick_at_ratio(ratio)?;
    // The number that stands for no tick has no ratio: the search may end there, and goes on from the tick above.
    let tick = found.max(NO_TICK.saturating_add(1));
    if ratio_at_tick(tick)? < ratio { tick.checked_add(1).ok_or(FxRevert::Empty) } else { Ok(tick) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_have_a_tick_and_one_beyond_has_none() {
        assert_eq!(ratio_at_tick(i16::MIN + 1).unwrap(), MIN_RATIO);
        assert_eq!(ratio_at_tick(i16::MAX).unwrap(), MAX_RATIO);
        assert_eq!(ratio_at_tick(NO_TICK), Err(FxRevert::Empty));
        assert_eq!(tick_at_ratio(MIN_RATIO - U256::ONE), Err(FxRevert::Empty));
        assert_eq!(tick_at_ratio(MAX_RATIO + U256::ONE), Err(FxRevert::Empty));
        assert_eq!(tick_of_shares(Q96, MIN_RATIO).unwrap(), i16::MIN + 1);
        assert_eq!(tick_at_ratio(MAX_RATIO).unwrap().0, i16::MAX);
        assert_eq!(tick_of_shares(U256::ONE, MAX_RATIO >> 96).unwrap(), i16::MAX);
        assert_eq!(tick_of_shares(U256::ONE, (MAX_RATIO >> 96) + U256::ONE), Err(FxRevert::Empty));
        assert_eq!(tick_of_shares(Q96, MIN_RATIO + U256::ONE).unwrap(), i16::MIN + 2);
        assert_eq!(tick_of_shares(U256::ZERO, U256::ONE), Err(FxRevert::DivisionByZero));
    }

    #[test]
    fn ratios_grow_with_ticks() {
        for tick in (i16::MIN + 1..i16::MAX - 97).step_by(97) {
            assert!(ratio_at_tick(tick).unwrap() < ratio_at_tick(tick + 1).unwrap(), "{tick}");
        }
    }
}
