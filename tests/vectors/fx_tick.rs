//! Ticks, ratios and the bitmap of `fx.json`.

use crate::{
    fx_cases::Figure,
    harness::{Outcome, equal},
};
use harrier::protocols::fx::maths::{bitmap::TickBitmap, tick};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RatioCase {
    tick: i16,
    #[serde(rename = "ratioX96")]
    ratio: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TickCase {
    #[serde(rename = "ratioX96")]
    ratio: Figure,
    tick: i16,
    #[serde(rename = "perfectRatioX96")]
    perfect_ratio: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SharesCase {
    coll_shares: Figure,
    debt_shares: Figure,
    tick: i16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BitmapCase {
    flipped_ticks: Vec<i16>,
    next: Vec<Next>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Next {
    from: i16,
    next: i16,
    has_debt: bool,
}

pub(crate) fn ratio_at_tick(case: &RatioCase) -> Outcome {
    equal("ratio", &tick::ratio_at_tick(case.tick), &Ok(case.ratio.0))
}

pub(crate) fn tick_at_ratio(case: &TickCase) -> Outcome {
    equal("tick and its ratio", &tick::tick_at_ratio(case.ratio.0), &Ok((case.tick, case.perfect_ratio.0)))
}

pub(crate) fn tick_for_shares(case: &SharesCase) -> Outcome {
    equal("tick", &tick::tick_of_shares(case.coll_shares.0, case.debt_shares.0), &Ok(case.tick))
}

pub(crate) fn bitmap(case: &BitmapCase) -> Outcome {
    if case.next.is_empty() {
        return Err("nothing is asked".into());
    }
    let mut bitmap = TickBitmap::default();
    for tick in &case.flipped_ticks {
        bitmap.set(*tick, !bitmap.has(*tick));
    }
    case.next.iter().try_for_each(|next| equal(&format!("next from {}", next.from), &bitmap.next_within_word(next.from), &(next.next, next.has_debt)))
}
