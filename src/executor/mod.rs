//! A plan as calldata for `solidity/src/Executor.sol`, and everything else about that contract that Rust has to know.
//!
//! ```text
//! TxPlan ──encode──▶ calldata ──▶ [ Executor.sol ] ──▶ output ──decode_gain──▶ what reached the receiver
//!                                        │     └─────▶ revert data ──Revert::decode──▶ which check refused, in words
//!                                        └───────────▶ log ──decode_gained_log──▶ the realised gain
//! executor_artifact() + storage(config): the same contract as an overlay, where none is deployed yet
//! ```
//!
//! ```
//! use harrier::executor;
//! use harrier::plan::TxPlan;
//! # use alloy::primitives::{Address, U256};
//! let empty = TxPlan { steps: vec![], sweep: vec![], profit_token: Address::ZERO, min_gain: U256::ZERO,
//!                      builder_payment: U256::ZERO, blocks: (1, 2) };
//! let calldata = executor::encode(&empty).expect("an empty plan is a plan");
//! assert_eq!(&calldata[..4], executor::EXECUTE_SELECTOR.as_slice());
//! ```

mod abi;
mod artifact;
mod encode;
mod opcodes;
mod output;
mod revert;
mod storage;
mod writer;

pub use artifact::{Artifact, executor_artifact, probe_artifact};
pub use encode::{EXECUTE_SELECTOR, EncodeError, encode, encode_steps, tokens};
pub use output::{GainError, GainedLog, decode_gain, decode_gained_log};
pub use revert::{Revert, explain_revert};
pub use storage::{ExecutorConfig, OPERATORS_SLOT, OWNER_SLOT, PENDING_OWNER_SLOT, RECEIVER_SLOT, TARGETS_SLOT, deployment, storage};
