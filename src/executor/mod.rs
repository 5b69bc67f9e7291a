//! A plan as calldata for `solidity/src/Executor.sol`.
