//! One situation: what a size gains, the engine's search for the best one, and brute force.

use alloy::primitives::U256;
use harrier::{
    engine::Search,
    protocols::fx::{
        FxMarket, Payment,
        maths::{fixed::PRECISION, long::Action, pool::Pool, short::ShortManager},
        redemption_calls,
    },
};
use std::convert::Infallible;

/// Evaluations that the search may take, those of ends and breakpoints too.
pub(crate) const EVALUATIONS: usize = 16;

/// A pool of two reserves whose product stays the same, 0.3 % fee.
#[derive(Clone, Debug)]
pub(crate) struct Venue {
    /// What is sold to it.
    pub(crate) colls: U256,
    /// What it pays with: the payment's token.
    pub(crate) debts: U256,
}

impl Venue {
    fn sell(&self, amount: U256) -> U256 {
        let amount = amount * U256::from(997) / U256::from(1_000);
        self.debts * amount / (self.colls + amount)
    }
}

/// Where credit notes are redeemed.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    pub(crate) manager: ShortManager,
    pub(crate) pool: Pool,
    pub(crate) price: U256,
    /// fxUSD for one unit of the payment's token.
    pub(crate) unit: U256,
}

/// An action that somebody wants to size.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    pub(crate) market: FxMarket,
    pub(crate) action: Action,
    pub(crate) payment: Payment,
    pub(crate) venue: Venue,
    pub(crate) notes: Option<Notes>,
}

/// How the search did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    /// By so few evaluations.
    pub(crate) searched: U256,
    /// By as many as the engine takes quotes.
    pub(crate) quoted: U256,
    pub(crate) brute: U256,
    pub(crate) evaluations: usize,
}

impl Comparison {
    /// Searched by few evaluations to best, in millionths.
    pub(crate) fn ratio(&self) -> u64 {
        self.ratio_of(self.searched)
    }

    /// Searched by quotes to best, in millionths.
    pub(crate) fn quoted_ratio(&self) -> u64 {
        self.ratio_of(self.quoted)
    }

    fn ratio_of(&self, gain: U256) -> u64 {
        if self.brute.is_zero() { 1_000_000 } else { u64::try_from(gain * U256::from(1_000_000) / self.brute).unwrap_or(u64::MAX) }
    }
}

impl Situation {
    /// What is received sells for and redeems to, less what is paid; none for a loss or a revert.
    pub(crate) fn gain(&self, size: U256) -> Option<U256> {
        let done = self.market.act(self.action, self.payment, size).ok()?;
        let redeemed = self.notes.as_ref().map_or(U256::ZERO, |notes| notes.redeemed(done.notes));
        (self.venue.sell(done.tokens) + redeemed).checked_sub(done.pays)
    }

    /// Budgets of the protocol; none where it offers nothing.
    fn kinks(&self) -> Option<Vec<U256>> {
        let budgets = |ends: &[U256]| self.market.budgets(self.action, self.payment, ends).unwrap_or_else(|revert| panic!("{revert}: {self:?}"));
        let mut found = budgets(&[])?;
        if let Some(notes) = self.notes.as_ref().filter(|_| !found.most_notes.is_zero()) {
            found = budgets(&[notes.whole(found.most_notes)])?;
        }
        assert!(found.breakpoints.is_sorted_by(|low, high| low < high) && found.breakpoints.last().is_none_or(|last| *last < found.max));
        for budget in found.breakpoints.iter().chain([&found.max]) {
            assert!(self.market.act(self.action, self.payment, *budget).is_ok(), "every budget is taken: {budget} of {self:?}");
        }
        Some(std::iter::once(found.min).chain(found.breakpoints).chain([found.max]).filter(|budget| *budget <= found.max).collect())
    }

    /// The search against so many sizes; `told` hears of each evaluation.
    pub(crate) fn compare(&self, points: u64, mut told: impl FnMut(U256, Option<U256>)) -> Comparison {
        let mut evaluations = 0;
        let kinks = self.kinks().unwrap_or_default();
        let quoted = Search::by_quotes(&kinks).run(|size| Ok::<_, Infallible>(self.gain(size).map(|gain| (gain, ()))));
        let found = Search::new(&kinks, EVALUATIONS).run(|size| {
            evaluations += 1;
            let gain = self.gain(size);
            told(size, gain);
            Ok::<_, Infallible>(gain.map(|gain| (gain, size)))
        });
        let searched = found.unwrap_or_else(|never| match never {}).map_or(U256::ZERO, |(gain, _)| gain);
        let quoted = quoted.unwrap_or_else(|never| match never {}).map_or(U256::ZERO, |(gain, ())| gain);
        Comparison { searched, quoted, brute: self.brute(&kinks, points), evaluations }
    }

    /// The best of sizes everywhere, and of those around each end.
    fn brute(&self, kinks: &[U256], points: u64) -> U256 {
        let total = self.market.model.total_raw().unwrap_or_default().debts;
        let most = total.max(kinks.last().copied().unwrap_or_default().min(total * U256::from(2)));
        // In whatever unit: beyond the limit it reverts or does no more.
        let most = kinks.last().map_or(most, |last| (*last * U256::from(3)).min(most));
        let mut sizes: Vec<U256> = (0..=points).map(|point| most * U256::from(point) / U256::from(points)).collect();
        // Small ones are where deep ticks meet shallow venues.
        sizes.extend((0..=points / 4).map(|point| most * U256::from(point) / U256::from(points) / U256::from(40)));
        for kink in kinks {
            for power in (0..22).step_by(2) {
                let by = U256::from(10).pow(U256::from(power));
                sizes.extend([kink.saturating_sub(by), *kink + by]);
            }
            sizes.push(*kink);
        }
        let (best, at) = sizes.iter().filter_map(|size| self.gain(*size).map(|gain| (gain, *size))).max().unwrap_or_default();
        let step = most / U256::from(points);
        let near = (0..=points / 8).map(|point| at.saturating_sub(step) + step * U256::from(2 * point) / U256::from(points / 8));
        near.filter_map(|size| self.gain(size)).max().unwrap_or_default().max(best)
    }
}

impl Notes {
    fn redeemed(&self, notes: U256) -> U256 {
        let calls = redemption_calls(&self.manager, self.pool.clone(), self.price, notes);
        calls.iter().map(|call| call.pays).sum::<U256>() / self.unit
    }

    fn whole(&self, notes: U256) -> U256 {
        redemption_calls(&self.manager, self.pool.clone(), self.price, notes).iter().map(|call| call.notes).sum()
    }
}

/// A venue as deep as `percent` of `colls`, at so many 1e-4 of a price: payment units for [`PRECISION`] of the collateral.
pub(crate) fn venue(colls: U256, percent: u64, price: U256, of_price: u64) -> Venue {
    let colls = colls * U256::from(percent) / U256::from(100) + U256::from(1_000);
    Venue { colls, debts: colls * price / PRECISION * U256::from(of_price) / U256::from(10_000) + U256::ONE }
}
