//! A plan as calldata for `solidity/src/Executor.sol`.
use crate::plan::TxPlan; use alloy::primitives::{Bytes,U256};
pub fn encode(_: &TxPlan) -> Result<Bytes, String> { todo!() }
pub fn decode_gain(_: &Bytes) -> Result<U256, String> { todo!() }
pub fn explain_revert(_: &Bytes) -> String { todo!() }
