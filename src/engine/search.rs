//! The best of a range in few evaluations.
//!
//! ```text
//! gain │      ╭─╮           kinks first, halving towards the best of them; then, one at a time, the place that promises most:
//!      │   ╭──╯  ╲   ╭──╮     a piece without a sample begins no steeper than the last rise before it ended
//!      │ ╭─╯      ╲ ╱    ╲    a piece with samples is the parabola through the three around its best
//!      └─┴────────┴┴─────┴──▶ size      then the kinks that were passed over, and halves of the gaps beside the best
//!       kink     kinks  kink
//! ```
//!
//! Between two kinks gain over size is concave: what is bought sells for less and less. Nothing is gained at size zero.

use alloy::primitives::U256;
use std::cmp::Reverse;

/// Quotes that a search may take beside those of the kinks.
const QUOTES: usize = 24;

/// A promise of less than this part more than the best one is not followed.
const WORTH_A_LOOK: i128 = 20_000;

/// Places within a piece are counted in this.
const WHOLE: i128 = 1 << 30;

/// Two samples nearer to each other than this, of [`WHOLE`], are one.
const NEAR: i128 = WHOLE >> 13;

/// A gap of this many bits less than the best size is small.
const SMALL_GAP_BITS: usize = 8;

/// A piece that ends this many times above its beginning, and there in a loss, is first looked at by magnitude.
const WIDE: U256 = U256::from_limbs([16, 0, 0, 0]);

/// Gains are compared with this many bits.
const GAIN_BITS: usize = 44;

/// A size that was evaluated; no gain stands for a loss or a refusal.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: U256,
    gain: Option<U256>,
}

/// A size worth evaluating, and the gain it promises in the search's scale.
#[derive(Clone, Copy, Debug)]
struct Promise {
    at: U256,
    gain: i128,
}

/// Where the best size was looked for.
#[derive(Debug)]
pub struct Search<T> {
    kinks: Vec<U256>,
    samples: Vec<Sample>,
    left: usize,
    best: Option<(U256, T)>,
}

impl<T> Search<T> {
    /// A search between the first and the last of `kinks`, the sizes where the slope of the gain may jump, with so many evaluations.
    #[must_use]
    pub fn new(kinks: &[U256], evaluations: usize) -> Self {
        let mut kinks = kinks.to_vec();
        kinks.sort_unstable();
        kinks.dedup();
        Self { kinks, samples: Vec::new(), left: evaluations, best: None }
    }

    /// A search by quotes, which cost far less than simulations.
    #[must_use]
    pub fn by_quotes(kinks: &[U256]) -> Self {
        Self::new(kinks, kinks.len().saturating_add(QUOTES))
    }

    /// Adds what is known already and costs no evaluation.
    #[must_use]
    pub fn knowing(mut self, at: U256, gain: U256) -> Self {
        self.samples.push(Sample { at, gain: Some(gain) });
        self
    }

    /// Searches and returns the best size's gain and what came with it; what was known before is not returned. `ask` gives nothing for a
    /// loss or a refusal.
    ///
    /// # Errors
    /// The first that `ask` returns.
    pub fn run<E>(mut self, mut ask: impl FnMut(U256) -> Result<Option<(U256, T)>, E>) -> Result<Option<(U256, T)>, E> {
        while self.left > 0 {
            let Some(next) = self.next_kink() else { break };
            self.evaluate(next, &mut ask)?;
        }
        while self.left > 0 {
            let Some(next) = self.next() else { break };
            self.evaluate(next, &mut ask)?;
        }
        Ok(self.best)
    }

    fn evaluate<E>(&mut self, at: U256, ask: &mut impl FnMut(U256) -> Result<Option<(U256, T)>, E>) -> Result<(), E> {
        self.left = self.left.saturating_sub(1);
        let found = ask(at)?;
        self.samples.push(Sample { at, gain: found.as_ref().map(|(gain, _)| *gain) });
        if let Some((gain, found)) = found
            && self.best.as_ref().is_none_or(|(known, _)| gain > *known)
        {
            self.best = Some((gain, found));
        }
        Ok(())
    }

    fn gain_at(&self, at: U256) -> Option<Option<U256>> {
        self.samples.iter().find(|sample| sample.at == at).map(|sample| sample.gain)
    }

    /// The kink in the middle of the larger gap beside the best one so far; the ends first.
    fn next_kink(&self) -> Option<U256> {
        let known: Vec<(usize, Option<U256>)> = self.kinks.iter().enumerate().filter_map(|(place, at)| Some((place, self.gain_at(*at)?))).collect();
        let ends = [self.kinks.first(), self.kinks.last()];
        if let Some(end) = ends.into_iter().flatten().find(|end| self.gain_at(**end).is_none()) {
            return Some(*end);
        }
        // The lowest where all lose.
        let best = known.iter().enumerate().max_by_key(|(order, (_, gain))| (*gain, Reverse(*order))).map(|(order, _)| order)?;
        let gaps = [best.checked_sub(1).map(|before| (before, best)), Some((best, best.saturating_add(1)))];
        let gaps = gaps.into_iter().flatten().filter_map(|(low, high)| {
            let (low, high) = (known.get(low)?.0, known.get(high)?.0);
            Some((high.checked_sub(low).filter(|gap| *gap > 1)?, low))
        });
        let (gap, low) = gaps.max()?;
        self.kinks.get(low.saturating_add(gap / 2)).copied()
    }

    /// The size that promises most; where none promises enough, a kink that was passed over, or half of a gap beside the best.
    fn next(&mut self) -> Option<U256> {
        self.samples.sort_unstable_by_key(|sample| sample.at);
        let best = self.samples.iter().filter_map(|sample| Some((sample.gain.filter(|gain| !gain.is_zero())?, sample.at))).max();
        let Some((most, best)) = best else { return self.below_all() };
        let shift = most.bit_len().saturating_sub(GAIN_BITS);
        let scaled = |gain: U256| i128::try_from(gain >> shift).unwrap_or(i128::MAX >> 2);
        let bar = scaled(most).saturating_add(scaled(most) / WORTH_A_LOOK);
        let known: Vec<usize> = self.kinks.iter().enumerate().filter(|(_, at)| self.gain_at(**at).is_some()).map(|(place, _)| place).collect();
        let promises = known.iter().zip(known.iter().skip(1)).filter_map(|(low, high)| {
            let is_piece = high.saturating_sub(*low) == 1;
            let (from, to) = (*self.kinks.get(*low)?, *self.kinks.get(*high)?);
            let promise = Piece::new(&self.samples, from, to, &scaled)?.promise()?;
            if !is_piece && [from, to].iter().all(|end| self.gain_at(*end).flatten().is_none()) {
                return None;
            }
            // A stretch with a kink that was passed over is no piece: the kink comes first.
            let at = if is_piece { promise.at } else { *self.kinks.get(low.midpoint(*high))? };
            Some(Promise { at, ..promise })
        });
        let promised = promises.max_by_key(|promise| promise.gain).filter(|promise| promise.gain > bar).map(|promise| promise.at);
        let passed_over = || self.kinks.iter().filter(|kink| self.gain_at(**kink).is_none()).min_by_key(|kink| kink.abs_diff(best)).copied();
        promised.or_else(passed_over).or_else(|| self.beside(best))
    }

    /// The middle of the larger gap beside the best sample, while it is not small.
    fn beside(&self, best: U256) -> Option<U256> {
        let below = self.samples.iter().map(|sample| sample.at).filter(|at| *at < best).max();
        let above = self.samples.iter().map(|sample| sample.at).filter(|at| *at > best).min();
        let gaps = [below.map(|below| (best.saturating_sub(below), below)), above.map(|above| (above.saturating_sub(best), best))];
        let (gap, low) = gaps.into_iter().flatten().max()?;
        let is_small = gap <= (best >> SMALL_GAP_BITS).max(U256::ONE);
        (!is_small).then(|| low.saturating_add(gap / U256::from(2)))
    }

    /// Where nothing gains: a gain may hide among small sizes.
    fn below_all(&self) -> Option<U256> {
        let low = *self.kinks.first()?;
        let high = self.samples.iter().map(|sample| sample.at).filter(|at| *at > low).min()?;
        let at = low.saturating_add(high.saturating_sub(low) / U256::from(4));
        (at > low && at < high).then_some(at)
    }
}

/// A place in a piece, in parts of [`WHOLE`], and its gain there; none for a loss.
type Point = (i128, Option<i128>);

/// The stretch between two kinks.
#[derive(Debug)]
struct Piece {
    low: U256,
    high: U256,
    points: Vec<Point>,
    /// The most gain that the piece can begin with over its whole length.
    rise: Option<i128>,
}

impl Piece {
    fn new(samples: &[Sample], low: U256, high: U256, scaled: &impl Fn(U256) -> i128) -> Option<Self> {
        let length = high.checked_sub(low).filter(|length| *length > U256::ONE)?;
        let inside = samples.iter().filter(|sample| sample.at >= low && sample.at <= high);
        let points = inside.filter_map(|sample| Some((parts(sample.at.checked_sub(low)?, length)?, sample.gain.map(scaled)))).collect();
        Some(Self { low, high, points, rise: rise_before(samples, low, length, scaled) })
    }

    /// The place in this piece that promises most.
    fn promise(&self) -> Option<Promise> {
        let valued = |place: usize| self.points.get(place).and_then(|(at, gain)| Some((*at, (*gain)?)));
        let best = self.points.iter().enumerate().filter(|(_, (_, gain))| gain.is_some()).max_by_key(|(_, (_, gain))| *gain).map(|(place, _)| place);
        let Some(best) = best else {
            // Losses at both ends, taken for zero: a gain may stand between them.
            let loss = self.points.iter().map(|(at, _)| *at).filter(|at| *at > 0).min().filter(|loss| *loss > WHOLE >> 6)?;
            return Some(Promise { at: self.at(loss / 2), gain: self.rise?.checked_mul(loss)? / WHOLE / 4 });
        };
        let peak = valued(best)?;
        let before = best.checked_sub(1).and_then(&valued);
        let after = valued(best.saturating_add(1));
        let loss_before = best.checked_sub(1).and_then(|place| self.points.get(place)).map(|(at, _)| *at);
        let loss_after = self.points.get(best.saturating_add(1)).map(|(at, _)| *at);
        // Between the best and a loss, when nothing better is known.
        let half_to = |loss: i128, bits: u32| (peak.0.midpoint(loss), peak.1.saturating_add(peak.1 >> bits));
        let found = match (before, after) {
            (Some(before), Some(after)) => vertex(before, peak, after),
            (None, Some(after)) => {
                let top = match valued(best.saturating_add(2)) {
                    Some(second) => vertex(peak, after, second),
                    None => self.begun(peak, after),
                };
                top.filter(|(at, _)| *at > peak.0 && *at < after.0).or_else(|| loss_before.map(|loss| half_to(loss, 6)))
            }
            (Some(before), None) => {
                let first = best.checked_sub(2).and_then(&valued);
                let top = first.map_or_else(|| self.begun(before, peak), |first| vertex(first, before, peak));
                match loss_after {
                    Some(loss) => top.filter(|(at, _)| *at < loss).or_else(|| Some(half_to(loss, 6))),
                    None => top.filter(|(at, _)| *at > before.0 && *at < peak.0),
                }
            }
            // A loss is taken for zero, which is the best that it can be.
            (None, None) => match (loss_before, loss_after) {
                (Some(0), Some(loss)) if self.rise.is_some() => {
                    self.begun((0, 0), peak).filter(|(at, _)| *at > 0 && *at < loss).or_else(|| Some(half_to(loss, 3)))
                }
                (_, Some(loss)) => {
                    self.magnitude(peak, loss).or_else(|| self.begun(peak, (loss, 0)).filter(|(at, _)| *at < loss)).or_else(|| Some(half_to(loss, 3)))
                }
                (Some(loss), None) => {
                    let begun = self.rise.filter(|_| loss == 0).and_then(|_| self.begun((0, 0), peak));
                    begun.filter(|(at, _)| *at > loss && *at < peak.0).or_else(|| Some(half_to(loss, 3)))
                }
                (None, None) => None,
            },
        };
        let (at, gain) = found?;
        // Small places lie nearer to each other.
        let near = |known: i128| NEAR.min(known.max(at) >> 8).max(1).unsigned_abs();
        let is_new = (0..=WHOLE).contains(&at) && self.points.iter().all(|(known, _)| known.abs_diff(at) >= near(*known));
        is_new.then(|| Promise { at: self.at(at), gain })
    }

    /// The geometric mean of the piece's beginning and a loss far above it: what a small size gains tells how fast the gain bends.
    fn magnitude(&self, peak: (i128, i128), loss: i128) -> Option<(i128, i128)> {
        let (low, high) = (self.at(peak.0), self.at(loss));
        if peak.0 != 0 || low.is_zero() || high <= low.saturating_mul(WIDE) {
            return None;
        }
        let middle = low.checked_mul(high)?.root(2);
        let most = self.begun(peak, (loss, 0)).map_or(0, |(_, gain)| gain).max(peak.1.saturating_add(peak.1 >> 3));
        Some((parts(middle.checked_sub(self.low)?, self.high.saturating_sub(self.low))?, most))
    }

    /// Between two points that nothing lies between: it begins no steeper than the last rise ended, so what it lacks at its end is curvature.
    fn begun(&self, low: (i128, i128), high: (i128, i128)) -> Option<(i128, i128)> {
        let length = high.0.checked_sub(low.0)?;
        let Some(rise) = self.rise.filter(|_| low.0 == 0) else {
            // Nothing tells how it begins.
            return Some((low.0.midpoint(high.0), low.1.max(high.1).saturating_add(low.1.max(high.1) >> 3)));
        };
        let rise = rise.checked_mul(length)? / WHOLE;
        let lacks = low.1.checked_add(rise)?.checked_sub(high.1)?;
        if rise <= 0 || lacks <= 0 {
            return None;
        }
        let quarter = rise / 4;
        let more = rise.checked_mul(quarter).map_or_else(|| (rise / lacks).saturating_mul(quarter), |product| product / lacks);
        Some((low.0.checked_add(length.checked_mul(rise)? / lacks.checked_mul(2)?)?, low.1.saturating_add(more)))
    }

    fn at(&self, parts: i128) -> U256 {
        let length = self.high.saturating_sub(self.low);
        let parts = U256::from(parts.unsigned_abs());
        // The quotient first where the product would not fit.
        let whole = U256::from(WHOLE.unsigned_abs());
        let offset = length.checked_mul(parts).map_or_else(|| (length / whole).saturating_mul(parts), |product| product / whole);
        self.low.saturating_add(offset).min(self.high)
    }
}

/// `amount` of `length` in parts of [`WHOLE`].
fn parts(amount: U256, length: U256) -> Option<i128> {
    let shift = length.bit_len().saturating_sub(200);
    let (amount, length): (U256, U256) = (amount >> shift, length >> shift);
    i128::try_from(amount.checked_mul(U256::from(WHOLE.unsigned_abs()))?.checked_div(length)?).ok()
}

/// What the last rise that ended at or before `low` would gain over `length`.
fn rise_before(samples: &[Sample], low: U256, length: U256, scaled: &impl Fn(U256) -> i128) -> Option<i128> {
    let zero = Sample { at: U256::ZERO, gain: Some(U256::ZERO) };
    let known: Vec<(U256, U256)> =
        [zero].iter().chain(samples.iter().filter(|sample| sample.at <= low)).filter_map(|sample| Some((sample.at, sample.gain?))).collect();
    known.windows(2).rev().find_map(|pair| {
        let [(from, less), (to, more)] = pair else { return None };
        let (step, gain) = (to.checked_sub(*from)?, more.checked_sub(*less)?);
        if step.is_zero() || gain.is_zero() {
            return None;
        }
        let over = gain.checked_mul(length).map_or_else(|| (gain / step).saturating_mul(length), |product| product / step);
        Some(scaled(over))
    })
}

/// The top of the parabola through three points, none where it has none: its place and gain.
fn vertex(first: (i128, i128), middle: (i128, i128), last: (i128, i128)) -> Option<(i128, i128)> {
    let (left, right) = (middle.0.checked_sub(first.0)?, last.0.checked_sub(middle.0)?);
    let (up, down) = (middle.1.checked_sub(first.1)?, middle.1.checked_sub(last.1)?);
    if left <= 0 || right <= 0 {
        return None;
    }
    // Twice the curvature times both distances and their sum; positive where it bends down.
    let bend = up.checked_mul(right)?.checked_add(down.checked_mul(left)?)?;
    if bend <= 0 {
        return None;
    }
    // How far right of the middle the top lies: (up right² - down left²) / (2 bend), in that order so that it fits.
    let pull = up.checked_mul(right)?.checked_mul(right)?.checked_sub(down.checked_mul(left)?.checked_mul(left)?)?;
    let offset = pull.checked_div(bend.checked_mul(2)?)?;
    let curvature = bend.checked_div(left.checked_add(right)?)?;
    let more = curvature.saturating_mul(offset).checked_div(left)?.saturating_mul(offset).checked_div(right)?;
    Some((middle.0.checked_add(offset)?, middle.1.saturating_add(more)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn best_of(kinks: &[u64], evaluations: usize, gain: impl Fn(u64) -> Option<u64>) -> (u64, usize) {
        let kinks: Vec<U256> = kinks.iter().map(|kink| U256::from(*kink)).collect();
        let mut asked = 0;
        let found = Search::new(&kinks, evaluations).run(|at| {
            asked += 1;
            let at = at.to::<u64>();
            Ok::<_, Infallible>(gain(at).map(|gain| (U256::from(gain), at)))
        });
        (found.unwrap().map_or(0, |(gain, _)| gain.to::<u64>()), asked)
    }

    #[test]
    fn the_top_of_a_hill_is_found() {
        let hill = |x: u64| 1_000_000_u64.checked_sub(x.abs_diff(700_000));
        assert!(best_of(&[1, 10_000_000], 24, hill).0 > 990_000);
    }

    #[test]
    fn a_hill_hidden_in_losses_is_found_at_the_small_end() {
        let hill = |x: u64| (x < 40_000).then(|| 20_000 - x.abs_diff(20_000));
        assert!(best_of(&[1, 10_000_000], 40, hill).0 > 19_800);
    }

    #[test]
    fn nothing_but_losses_is_nothing() {
        assert_eq!(best_of(&[1, 1_000_000], 24, |_| None).0, 0);
    }

    #[test]
    fn a_line_ends_at_its_end_and_what_is_known_is_not_asked() {
        assert_eq!(best_of(&[1_000, 1_000_000], 24, Some).0, 1_000_000);
        let kinks = [U256::from(10), U256::from(1_000)];
        let search = Search::new(&kinks, 8).knowing(U256::from(10), U256::from(5)).knowing(U256::from(1_000), U256::from(7));
        assert!(search.run(|at| Ok::<_, Infallible>(Some((U256::from(6), at)))).unwrap().is_some_and(|(gain, _)| gain == U256::from(6)));
    }

    proptest! {
        /// Bought at a discount, sold to a pool: in one piece, and in three with a fall between.
        #[test]
        fn a_sale_with_impact_is_sized_to_a_thousandth(size in 1_000_000u64..1_000_000_000, depth in 20u64..20_000, bonus in 1u64..120, fall in 1u64..400) {
            let (size, depth) = (u128::from(size) * 1_000, u128::from(size) * u128::from(depth) * 100);
            let sold = |colls: u128| depth * colls / (depth + colls);
            let colls = |paid: u128| {
                // The middle third is paid for nothing but a part.
                let third = size / 3;
                let full = paid.min(third) + paid.saturating_sub(2 * third);
                full * (1_000 + u128::from(bonus)) / 1_000 + (paid.min(2 * third).saturating_sub(third)) * (1_000 - u128::from(fall)) / 1_000
            };
            let gain = |paid: u64| u64::try_from(sold(colls(paid.into())).saturating_sub(paid.into())).ok().filter(|gain| *gain > 0);
            let whole = u64::try_from(size).unwrap();
            let kinks = [1_000, whole / 3, whole / 3 * 2, whole];
            let (found, asked) = best_of(&kinks, 16, gain);
            let best = (0..=4_000).filter_map(|step| gain(whole / 4_000 * step)).max().unwrap_or_default();
            prop_assert!(asked <= 16);
            prop_assert!(found >= best - best / 1_000, "{found} of {best}");
        }
    }
}
