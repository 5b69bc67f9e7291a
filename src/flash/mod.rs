//! Where capital is borrowed within one transaction.
//!
//! ```text
//! Lender.. ─offer(token) on the overlay─▶ cheapest that has enough and is not locked by the plan ─▶ Step::FlashLoan
//! ```

mod morpho;

pub use morpho::{MorphoFlavour, MorphoLender};

use crate::{
    fork::{Call, ForkError, ReadSet, TargetBlock, View},
    plan::{Skip, SkipReason, Step},
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall,
};
use std::{fmt, sync::Arc};

mod abi {
    #![allow(missing_docs, reason = "the interfaces' own names")]
    alloy::sol! {
        interface IERC20 {
            function balanceOf(address account) external view returns (uint256);
        }
        interface IMoolahLender {
            function paused() external view returns (bool);
            function flashLoanTokenBlacklist(address token) external view returns (bool);
        }
    }
}

/// A lender's "no": part of the state, so the same overlay gives it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It has less than is wanted.
    #[error("{lender} has {available}")]
    TooLittle {
        /// Its name.
        lender: Arc<str>,
        /// All it could lend.
        available: U256,
    },
    /// It does not lend this token, or nothing at all now.
    #[error("{lender} does not lend: {reason}")]
    Closed {
        /// Its name.
        lender: Arc<str>,
        /// Paused, blacklisted.
        reason: &'static str,
    },
    /// A contract that the plan calls while it holds the loan is locked by the loan.
    #[error("{lender} locks {contract}, which the plan uses")]
    Locked {
        /// Its name.
        lender: Arc<str>,
        /// What would be locked.
        contract: Address,
    },
    /// The lender's or the token's code reverted or answered nonsense.
    #[error("{lender} can't be asked: {contract} answered {output}")]
    Unreadable {
        /// Its name.
        lender: Arc<str>,
        /// Who was asked.
        contract: Address,
        /// What came back.
        output: Bytes,
    },
}

/// Why there is no loan.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// No answer; worth another try.
    #[error(transparent)]
    Fork(#[from] ForkError),
    /// One lender's no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Every lender's no.
    #[error("nobody lends {amount} of {token}{}", .refusals.iter().map(|refusal| format!("; {refusal}")).collect::<String>())]
    NoFunding {
        /// The token.
        token: Address,
        /// How much of it.
        amount: U256,
        /// One a lender.
        refusals: Vec<Refusal>,
    },
}

impl FlashError {
    /// The skip that it means; none when it is worth another try.
    #[must_use]
    pub fn skip(&self) -> Option<Skip> {
        match self {
            Self::Fork(_) => None,
            Self::Refused(_) | Self::NoFunding { .. } => Some(Skip::new(SkipReason::NoFunding, self.to_string())),
        }
    }
}

/// What a lender would do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The most it can lend, in token units.
    pub available: U256,
    /// The fee for the amount asked, in token units, rounded as the lender rounds.
    pub fee: U256,
}

/// Who lends within a transaction.
pub trait Lender: Send + Sync + fmt::Debug {
    /// A name for people and logs.
    fn name(&self) -> &Arc<str>;

    /// What it would do for `amount` of `token` on this overlay. An amount above what is available is no error here.
    fn offer(&self, view: &View, block: &TargetBlock, token: Address, amount: U256, reads: &mut ReadSet) -> Result<Offer, FlashError>;

    /// Contracts that can't be called while its loan of `token` is out: a vault with one lock, a pool that lends its own
    /// token. None for a lender without a guard.
    fn locks(&self, _token: Address) -> Vec<Address> {
        Vec::new()
    }

    /// The loan as a step, `inside` run with the tokens in hand.
    fn step(&self, token: Address, amount: U256, max_fee: U256, inside: Vec<Step>) -> Step;
}

/// A loan that a lender would give.
#[derive(Clone, Debug)]
pub struct Loan {
    /// From whom.
    pub lender: Arc<dyn Lender>,
    /// The token.
    pub token: Address,
    /// How much of it.
    pub amount: U256,
    /// To pay on top.
    pub fee: U256,
}

impl Loan {
    /// The loan as a step that pays no more than the fee that was offered.
    #[must_use]
    pub fn step(&self, inside: Vec<Step>) -> Step {
        self.lender.step(self.token, self.amount, self.fee, inside)
    }
}

/// The loan with the smallest fee, of equal ones the first lender's. `calls` are the contracts that the plan calls while the loan is
/// out. A lender that can't be read does not stop the others.
pub fn cheapest(
    lenders: &[Arc<dyn Lender>],
    view: &View,
    block: &TargetBlock,
    token: Address,
    amount: U256,
    calls: &[Address],
    reads: &mut ReadSet,
) -> Result<Loan, FlashError> {
    let mut best: Option<Loan> = None;
    let mut refusals = Vec::new();
    let mut fork_error = None;
    for lender in lenders {
        match consider(lender, view, block, token, amount, calls, reads) {
            Ok(loan) if best.as_ref().is_none_or(|best| loan.fee < best.fee) => best = Some(loan),
            Ok(_) => {}
            Err(FlashError::Refused(refusal)) => refusals.push(refusal),
            Err(error) => fork_error = Some(error),
        }
    }
    match (best, fork_error) {
        (Some(loan), _) => Ok(loan),
        (None, Some(error)) => Err(error),
        (None, None) => Err(FlashError::NoFunding { token, amount, refusals }),
    }
}

fn consider(
    lender: &Arc<dyn Lender>,
    view: &View,
    block: &TargetBlock,
    token: Address,
    amount: U256,
    calls: &[Address],
    reads: &mut ReadSet,
) -> Result<Loan, FlashError> {
    if let Some(contract) = lender.locks(token).into_iter().find(|contract| calls.contains(contract)) {
        return Err(Refusal::Locked { lender: Arc::clone(lender.name()), contract }.into());
    }
    let offer = lender.offer(view, block, token, amount, reads)?;
    if offer.available < amount {
        return Err(Refusal::TooLittle { lender: Arc::clone(lender.name()), available: offer.available }.into());
    }
    Ok(Loan { lender: Arc::clone(lender), token, amount, fee: offer.fee })
}

/// One call whose answer must decode.
fn ask<C: SolCall>(view: &View, block: &TargetBlock, lender: &Arc<str>, to: Address, call: &C, reads: &mut ReadSet) -> Result<C::Return, FlashError> {
    let outcome = view.call_recorded(block, &Call::new(to, call.abi_encode().into()), reads)?;
    let decoded = if outcome.success { C::abi_decode_returns_validate(&outcome.output).ok() } else { None };
    decoded.ok_or_else(|| Refusal::Unreadable { lender: Arc::clone(lender), contract: to, output: outcome.output }.into())
}
