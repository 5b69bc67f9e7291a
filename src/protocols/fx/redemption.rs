//! What credit notes are worth: redeemed for fxUSD, as far as none is burned for nothing.
//!
//! ```text
//! notes ─▶ the most that one call redeems in full ─▶ the rest again, after the ticks have moved ─▶ … ─▶ what is left is kept
//! ```
//!
//! A call burns all notes that it is given, also those that no tick could be redeemed for. So each call is given what the model says is
//! redeemed to the last note, and names what it must pay. Several calls may stand in one transaction.

use super::{
    FxRevert, abi,
    market::Counterparty,
    maths::{
        fixed::{PRECISION, mul_div_down},
        pool::Pool,
        short::ShortManager,
    },
    reading::Reader,
};
use crate::{
    plan::{Amount, Approval, Patch, Skip, Step},
    protocols::{Settlement, ask::Stop},
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};

/// Redemptions of one settlement.
const MOST_CALLS: usize = 4;
/// Ticks that one redemption may visit: each costs about a hundred thousand gas.
const MOST_VISITS: usize = 64;
/// Byte offset of `debts` behind the selector of `redeemByCreditNote`.
const DEBTS_AT: u32 = 32;

/// One call: notes burned, and fxUSD paid for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// Notes burned, token units.
    pub notes: U256,
    /// fxUSD paid.
    pub pays: U256,
}

/// The settlement of so many notes. Where nothing can be redeemed it has no steps and gives nothing: the notes are kept.
pub(super) fn settlement(reader: &mut Reader<'_>, lent_to: Counterparty, notes: U256) -> Result<Settlement, Stop> {
    let (fx_usd, manager) = (reader.setup.fx_usd, reader.setup.short_manager);
    let calls = planned(reader, lent_to, notes)?;
    let amount = calls.iter().fold(U256::ZERO, |sum, call| sum.saturating_add(call.pays));
    Ok(Settlement { steps: calls.iter().map(|call| step(manager, lent_to, call)).collect(), token: fx_usd, amount })
}

/// How many of so many notes are redeemed; the others are kept.
pub(super) fn redeemable(reader: &mut Reader<'_>, lent_to: Counterparty, notes: U256) -> Result<U256, Stop> {
    Ok(planned(reader, lent_to, notes)?.iter().fold(U256::ZERO, |sum, call| sum.saturating_add(call.notes)))
}

fn planned(reader: &mut Reader<'_>, lent_to: Counterparty, notes: U256) -> Result<Vec<Redemption>, Stop> {
    let raw_debts = |figures: &ShortManager| mul_div_down(notes, figures.scaling_factor, PRECISION).unwrap_or(U256::MAX);
    let (figures, model, price) = match reader.redeemable(lent_to.pool, raw_debts) {
        Ok(redeemable) => redeemable,
        // A pool that pays nothing now may pay later: the notes are kept.
        Err(Stop::Skip(skip)) => {
            tracing::debug!(pool = %lent_to.pool, %skip, "credit notes can't be redeemed");
            return Ok(Vec::new());
        }
        Err(stop @ Stop::Fork(_)) => return Err(stop),
    };
    Ok(calls(&figures, model, price, notes))
}

/// The calls that redeem notes to the last one, as many notes as can be.
#[must_use]
pub fn calls(manager: &ShortManager, mut pool: Pool, price: U256, notes: U256) -> Vec<Redemption> {
    let (mut left, mut calls) = (notes, Vec::new());
    while calls.len() < MOST_CALLS && !left.is_zero() {
        let Some((call, after)) = whole(manager, &pool, price, left) else { break };
        left = left.saturating_sub(call.notes);
        pool = after;
        calls.push(call);
    }
    calls
}

/// The most of `notes` that one call redeems in full, and the pool after it.
fn whole(manager: &ShortManager, pool: &Pool, price: U256, notes: U256) -> Option<(Redemption, Pool)> {
    let mut asked = notes;
    // What is left over shrinks the next try; rounding may leave a unit once or twice more.
    for _ in 0..16 {
        let (done, after) = redeem(manager, pool, price, asked).ok()?;
        if done.redeemed.raw_left.is_zero() && done.redeemed.visits.len() <= MOST_VISITS {
            return (!done.colls.is_zero()).then_some((Redemption { notes: asked, pays: done.colls }, after));
        }
        let visits = done.redeemed.visits.iter().take(MOST_VISITS);
        let redeemed = visits.fold(U256::ZERO, |sum, visit| sum.saturating_add(visit.raw_debts));
        let fits = mul_div_down(redeemed, PRECISION, manager.scaling_factor).ok()?;
        asked = fits.min(asked.checked_sub(U256::ONE)?);
    }
    None
}

fn redeem(manager: &ShortManager, pool: &Pool, price: U256, notes: U256) -> Result<(super::maths::short::NoteRedemption, Pool), FxRevert> {
    let mut after = pool.clone();
    let done = manager.redeem(&mut after, price, notes, U256::ZERO, None)?;
    Ok((done, after))
}

/// The notes are those that were gained, at most those that were planned; fewer pay less than is promised here, and the plan fails.
fn step(manager: Address, lent_to: Counterparty, call: &Redemption) -> Step {
    let data: Bytes = abi::ShortActions::redeemByCreditNoteCall { pool: lent_to.pool, debts: call.notes, minColls: call.pays }.abi_encode().into();
    Step::Call {
        target: manager,
        value: U256::ZERO,
        data,
        patches: vec![Patch { token: lent_to.note, cap: call.notes, offset: DEBTS_AT }],
        approvals: vec![Approval { token: lent_to.note, spender: manager, amount: Amount::Gained { cap: call.notes } }],
        callback: None,
    }
}

/// As a skip, for readers that have no settlement to fall back on.
impl From<FxRevert> for Stop {
    fn from(revert: FxRevert) -> Self {
        Self::Skip(Skip::from(revert))
    }
}
