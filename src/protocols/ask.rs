//! What an adapter asks of contracts: storage words, and questions that their own code answers in the local EVM.
//!
//! ```text
//! slot ─▶ words ┐                      ┌▶ value
//! call ─▶ ask ──┴─▶ reads recorded ─▶ settled ─▶ Read<T>: a value or a skip, and what it was read from
//! ```

use super::{ProtocolError, Read};
use crate::{
    fork::{Call, ForkError, ReadSet, TargetBlock, View},
    plan::Skip,
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use std::fmt;

/// Why a reading ended early.
pub(super) enum Stop {
    /// The market can't be acted on.
    Skip(Skip),
    /// The fork has no answer.
    Fork(ForkError),
}

impl From<ForkError> for Stop {
    fn from(error: ForkError) -> Self {
        Self::Fork(error)
    }
}

impl From<Skip> for Stop {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

/// Parts a skip, which is a result, from a fork that could not answer.
pub(super) fn settled<T>(outcome: Result<T, Stop>, reads: ReadSet) -> Result<Read<T>, ProtocolError> {
    Ok(Read { value: told(outcome)?, reads })
}

/// The same without what was read.
pub(super) fn told<T>(outcome: Result<T, Stop>) -> Result<Result<T, Skip>, ProtocolError> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Skip(skip)) => Ok(Err(skip)),
        Err(Stop::Fork(error)) => Err(error.into()),
    }
}

/// Storage words of one contract; their facets are added to `reads`.
pub(super) fn words<const N: usize>(view: &View, contract: Address, slots: [U256; N], reads: &mut ReadSet) -> Result<[U256; N], ForkError> {
    let mut words = [U256::ZERO; N];
    for (word, slot) in words.iter_mut().zip(slots) {
        *word = view.storage(contract, slot, reads)?;
    }
    Ok(words)
}

/// Why a contract gave no answer that its caller could use; the caller would revert. `R` is what a revert says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer<R> {
    /// It reverts.
    Reverted(R),
    /// There is no code, or it answers something else.
    Undecodable,
}

impl<R: fmt::Display> fmt::Display for NoAnswer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reverted(revert) => write!(f, "reverts: {revert}"),
            Self::Undecodable => f.write_str("has no code or answers something else"),
        }
    }
}

/// Asks `contract` as `caller`; what it read is added to `reads`, also when it reverts. What it changes is thrown away.
pub(super) fn ask<C: SolCall, R>(
    view: &View,
    block: &TargetBlock,
    (caller, contract): (Address, Address),
    question: &C,
    reads: &mut ReadSet,
    decode: impl FnOnce(&[u8]) -> R,
) -> Result<Result<C::Return, NoAnswer<R>>, ForkError> {
    let call = Call { from: caller, ..Call::new(contract, question.abi_encode().into()) };
    let outcome = view.call_recorded(block, &call, reads)?;
    if !outcome.success {
        return Ok(Err(NoAnswer::Reverted(decode(&outcome.output))));
    }
    Ok(C::abi_decode_returns_validate(&outcome.output).map_err(|_| NoAnswer::Undecodable))
}
