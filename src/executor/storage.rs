//! The executor's configuration as storage slots, so that it can be simulated where it is not deployed, and as
//! constructor arguments, so that it can be deployed. Both give the same contract.
//!
//! ```text
//! slot 0 owner | 1 pending owner | 2 receiver | 3 operators: address -> bool | 4 targets: address -> bool
//! ```

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::{SolConstructor, SolValue};

use super::abi::Executor;
use super::artifact::executor_artifact;

/// Slot of the owner.
pub const OWNER_SLOT: U256 = U256::ZERO;
/// Slot of the owner-to-be, zero when none is offered.
pub const PENDING_OWNER_SLOT: U256 = U256::from_limbs([1, 0, 0, 0]);
/// Slot of the profit receiver.
pub const RECEIVER_SLOT: U256 = U256::from_limbs([2, 0, 0, 0]);
/// Slot of the mapping of operators.
pub const OPERATORS_SLOT: U256 = U256::from_limbs([3, 0, 0, 0]);
/// Slot of the mapping of listed targets.
pub const TARGETS_SLOT: U256 = U256::from_limbs([4, 0, 0, 0]);

/// Who owns and operates an executor, who receives its profit, what its generic calls may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// May change all of this; not zero.
    pub owner: Address,
    /// Receives what plans gain; neither zero nor the executor.
    pub receiver: Address,
    /// May send plans.
    pub operators: Vec<Address>,
    /// Contracts that generic call steps may reach.
    pub targets: Vec<Address>,
}

/// The storage of an executor with this configuration: slots with values, wherever the executor lives. Slots that
/// are zero are left out.
pub fn storage(config: &ExecutorConfig) -> Vec<(U256, U256)> {
    let mut slots = vec![(OWNER_SLOT, word(config.owner)), (RECEIVER_SLOT, word(config.receiver))];
    slots.extend(config.operators.iter().map(|who| (entry(OPERATORS_SLOT, *who), U256::ONE)));
    slots.extend(config.targets.iter().map(|what| (entry(TARGETS_SLOT, *what), U256::ONE)));
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// The data of a transaction without recipient that deploys an executor with this configuration.
pub fn deployment(config: &ExecutorConfig) -> Bytes {
    let arguments =
        Executor::constructorCall { owner_: config.owner, receiver_: config.receiver, operators_: config.operators.clone(), targets_: config.targets.clone() };
    let mut data = executor_artifact().creation_code.to_vec();
    data.extend(arguments.abi_encode());
    data.into()
}

/// The slot of a mapping's entry for an address.
fn entry(mapping: U256, key: Address) -> U256 {
    keccak256((key, mapping).abi_encode()).into()
}

fn word(address: Address) -> U256 {
    B256::left_padding_from(address.as_slice()).into()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, uint};

    use super::*;

    #[test]
    fn slots_are_where_solidity_puts_them() {
        let config = ExecutorConfig {
            owner: address!("00000000000000000000000000000000000000a1"),
            receiver: address!("00000000000000000000000000000000000000b2"),
            operators: vec![address!("00000000000000000000000000000000000000c3"); 2],
            targets: vec![],
        };
        let slots = storage(&config);
        assert_eq!(slots.len(), 3, "an operator named twice is one operator");
        assert!(slots.contains(&(uint!(0_U256), uint!(0xa1_U256))));
        assert!(slots.contains(&(uint!(2_U256), uint!(0xb2_U256))));
        let mut key = [0_u8; 64];
        key[31] = 0xc3;
        key[63] = 3;
        assert!(slots.contains(&(keccak256(key).into(), U256::ONE)));
    }

    #[test]
    fn deployment_is_creation_code_and_arguments() {
        let config = ExecutorConfig { owner: Address::with_last_byte(1), receiver: Address::with_last_byte(2), operators: vec![], targets: vec![] };
        let data = deployment(&config);
        let code = &executor_artifact().creation_code;
        assert!(data.starts_with(code));
        assert_eq!(data.len(), code.len() + 6 * 32);
    }
}
