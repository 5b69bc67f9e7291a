//! What credit notes are worth: redeemed for fxUSD, as far as none is burned for nothing.
//!
//! ```text
//! notes ─▶ the most that one call redeems in full ─▶ the rest again, after the ticks have moved ─▶ … ─▶ what is left is kept
//! ```
//!
//! A call burns all notes that it is given, also those that no tick could be redeemed for. So each call is given what the model says is
//! redeemed to the last note, and names what it must pay. Several calls may stand in one transaction.

use super::{
    FxRevert, FxSetup, abi,
    market::Counterparty,
    maths::{
        fixed::{PRECISION, mul_div_down},
        pool::Pool,
        short::{NoteRedemption, ShortManager},
    },
};
use crate::{
    plan::{Amount, Approval, Patch, Step},
    protocols::Yield,
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};

/// Redemptions of one settlement.
const MOST_CALLS: usize = 4;
/// Ticks that all of them may visit: each costs about a hundred thousand gas, and a transaction has sixteen million.
const MOST_VISITS: usize = 80;
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

/// So many notes, settled. Where nothing can be redeemed it has no steps and gives nothing: the notes are kept.
pub(super) fn settled(setup: &FxSetup, lent_to: &Counterparty, notes: U256) -> Yield {
    let calls = planned(lent_to, notes);
    let amount = calls.iter().fold(U256::ZERO, |sum, call| sum.saturating_add(call.pays));
    let settlement = calls.iter().map(|call| step(setup.short_manager, lent_to, call)).collect();
    Yield { claim: Some(lent_to.note), settlement, gives: vec![(setup.fx_usd, amount)] }
}

/// How many of so many notes are redeemed; the others are kept.
pub(super) fn redeemable(lent_to: &Counterparty, notes: U256) -> U256 {
    planned(lent_to, notes).iter().fold(U256::ZERO, |sum, call| sum.saturating_add(call.notes))
}

/// A pool that pays nothing now may pay later: then there is nothing to call, and the notes are kept.
fn planned(lent_to: &Counterparty, notes: U256) -> Vec<Redemption> {
    match &lent_to.redemption {
        Some(Ok(from)) => calls(&from.manager, from.model.clone(), from.price, notes),
        Some(Err(_)) | None => Vec::new(),
    }
}

/// The calls that redeem notes to the last one, as many notes as can be.
#[must_use]
pub fn calls(manager: &ShortManager, mut pool: Pool, price: U256, notes: U256) -> Vec<Redemption> {
    let (mut left, mut visits, mut calls) = (notes, MOST_VISITS, Vec::new());
    while calls.len() < MOST_CALLS && !left.is_zero() {
        let Some((call, after, visited)) = whole(manager, &pool, price, left, visits) else { break };
        left = left.saturating_sub(call.notes);
        visits = visits.saturating_sub(visited);
        pool = after;
        calls.push(call);
    }
    calls
}

/// The most of `notes` that one call redeems in full with so many visits, the pool after it, and the visits that it made.
fn whole(manager: &ShortManager, pool: &Pool, price: U256, notes: U256, most_visits: usize) -> Option<(Redemption, Pool, usize)> {
    // More than the pool's debt is refused as a whole.
    let all = mul_div_down(pool.total_raw().ok()?.debts, PRECISION, manager.scaling_factor).ok()?;
    let mut asked = notes.min(all);
    // What is left over shrinks the next try; rounding may leave a unit once or twice more.
    for _ in 0..16 {
        let (done, after) = redeem(manager, pool, price, asked).ok()?;
        let visited = done.redeemed.visits.len();
        if done.redeemed.raw_left.is_zero() && visited <= most_visits {
            return (!done.colls.is_zero()).then_some((Redemption { notes: asked, pays: done.colls }, after, visited));
        }
        let redeemed = done.redeemed.visits.iter().take(most_visits).fold(U256::ZERO, |sum, visit| sum.saturating_add(visit.raw_debts));
        let fits = mul_div_down(redeemed, PRECISION, manager.scaling_factor).ok()?;
        asked = fits.min(asked.checked_sub(U256::ONE)?);
    }
    None
}

fn redeem(manager: &ShortManager, pool: &Pool, price: U256, notes: U256) -> Result<(NoteRedemption, Pool), FxRevert> {
    let mut after = pool.clone();
    let done = manager.redeem(&mut after, price, notes, U256::ZERO, None)?;
    Ok((done, after))
}

/// The notes are those that were gained, at most those that were planned; fewer pay less than is promised here, and the plan fails.
fn step(manager: Address, lent_to: &Counterparty, call: &Redemption) -> Step {
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
