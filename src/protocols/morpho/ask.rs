//! Questions to contracts of others (oracles, rate models, tokens), answered by their own code in the local EVM.

use super::MorphoRevert;
use crate::fork::{Call, ForkError, ReadSet, TargetBlock, View};
use alloy::{primitives::Address, sol_types::SolCall};
use std::fmt;

/// Why a contract gave no answer that the market contract could use; it would revert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It reverts.
    Reverted(MorphoRevert),
    /// There is no code, or it answers something else.
    Undecodable,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reverted(revert) => write!(f, "reverts: {revert}"),
            Self::Undecodable => f.write_str("has no code or answers something else"),
        }
    }
}

/// Asks `contract` as `caller`; what it read is added to `reads`, also when it reverts. What it changes is thrown away.
pub(super) fn ask<C: SolCall>(
    view: &View,
    block: &TargetBlock,
    caller: Address,
    contract: Address,
    question: &C,
    reads: &mut ReadSet,
) -> Result<Result<C::Return, NoAnswer>, ForkError> {
    let call = Call { from: caller, ..Call::new(contract, question.abi_encode().into()) };
    let outcome = view.call_recorded(block, &call, reads)?;
    if !outcome.success {
        return Ok(Err(NoAnswer::Reverted(MorphoRevert::decode(&outcome.output))));
    }
    Ok(C::abi_decode_returns_validate(&outcome.output).map_err(|_| NoAnswer::Undecodable))
}
