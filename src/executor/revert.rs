//! Revert data of a plan, in words.

use alloy::primitives::{Address, Bytes, FixedBytes, U256};
use alloy::sol_types::{Panic, Revert as ErrorString, SolError, SolInterface};

use super::abi::Executor::ExecutorErrors as E;

/// Why a plan reverted. The executor's own checks come first; what a protocol, pool or token said is passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Revert {
    /// A configuration call came from somebody else.
    #[error("only the executor's owner may do this")]
    NotOwner,
    /// Ownership was accepted by somebody whom it was not offered.
    #[error("ownership was not offered to the caller")]
    NotPendingOwner,
    /// The sender is not one of the executor's operators.
    #[error("the sender is not an operator of the executor")]
    NotOperator,
    /// Zero, or the executor itself, where neither makes sense.
    #[error("the address is zero or the executor itself")]
    BadAddress,
    /// `execute` was called inside a plan.
    #[error("the executor was entered a second time")]
    Reentered,
    /// The plan's first and last block do not include this one.
    #[error("block {block} is outside the plan's blocks")]
    OutsideWindow {
        /// The block that the plan met.
        block: U256,
    },
    /// The steps are not encoded as the executor reads them.
    #[error("the plan's bytes are malformed")]
    Malformed,
    /// A step that this executor does not know.
    #[error("unknown step {opcode}")]
    UnknownStep {
        /// Its number.
        opcode: U256,
    },
    /// A lender or pool that this executor does not know.
    #[error("unknown kind of lender or pool {kind}")]
    UnknownKind {
        /// Its number.
        kind: U256,
    },
    /// A generic call to a contract that the owner did not list.
    #[error("{target} is not a listed target")]
    TargetNotListed {
        /// Where the call would have gone.
        target: Address,
    },
    /// A patch that does not lie inside the call's arguments.
    #[error("a patch at offset {offset} is outside the call's data")]
    PatchOutOfBounds {
        /// Bytes behind the selector.
        offset: U256,
    },
    /// A callback that nobody announced, or that differs from what was announced.
    #[error("{caller} made an unexpected callback {selector}")]
    UnexpectedCallback {
        /// Who called.
        caller: Address,
        /// Which callback.
        selector: FixedBytes<4>,
    },
    /// A callback that was announced and never came.
    #[error("a promised callback never came")]
    CallbackMissing,
    /// A loan that somebody else took in the executor's name.
    #[error("the loan was initiated by {initiator}")]
    WrongInitiator {
        /// Who took it.
        initiator: Address,
    },
    /// A loan of another token or amount than asked for.
    #[error("the lender lent {amount} of {token} instead of what was asked for")]
    WrongLoan {
        /// The token that came.
        token: Address,
        /// How much came.
        amount: U256,
    },
    /// A payment above what the plan allows.
    #[error("a payment of {cost} is above the most to pay, {most}")]
    CostTooHigh {
        /// What was asked.
        cost: U256,
        /// The most that the plan allows.
        most: U256,
    },
    /// A swap that gave too little.
    #[error("a swap gave {received}, at least {least} was needed")]
    OutputTooLow {
        /// What came.
        received: U256,
        /// What had to come.
        least: U256,
    },
    /// The plan gained too little.
    #[error("{gained} of {token} was gained, at least {least} was promised")]
    GainTooLow {
        /// Of which token.
        token: Address,
        /// What was gained.
        gained: U256,
        /// What was promised.
        least: U256,
    },
    /// A step speaks of the gain of a token that the plan does not list.
    #[error("the gain of {token} is not tracked by the plan")]
    TokenNotTracked {
        /// The token.
        token: Address,
    },
    /// A token or the receiver refused a transfer.
    #[error("a transfer of {token} failed")]
    TransferFailed {
        /// The token; zero is ether.
        token: Address,
    },
    /// A token refused an approval.
    #[error("an approval of {token} failed")]
    ApprovalFailed {
        /// The token.
        token: Address,
    },
    /// What a plan calls WETH did not wrap or unwrap one to one.
    #[error("wrapping or unwrapping ether did not give the same amount")]
    WrongWrap,
    /// The steps gained less ether than the builder is promised.
    #[error("{available} wei were gained, the builder's payment is {payment}")]
    PaymentNotCovered {
        /// Wei that the steps gained.
        available: U256,
        /// Wei promised.
        payment: U256,
    },
    /// The block's fee recipient refused its payment.
    #[error("the block's fee recipient did not take its payment")]
    PaymentFailed,
    /// Ether came while no plan ran.
    #[error("ether was sent while no plan ran")]
    UnexpectedEther,
    /// A contract's own text.
    #[error("a contract said: {0}")]
    Text(String),
    /// Solidity's panic, for example arithmetic (0x11) or division by zero (0x12).
    #[error("a contract panicked with code {0:#x}")]
    Panic(U256),
    /// Nothing was said: out of gas, an invalid instruction or a bare revert.
    #[error("reverted without data")]
    Silent,
    /// Another contract's own error.
    #[error("a contract reverted with {0}")]
    Other(Bytes),
}

/// Revert data of a plan as one line for people.
pub fn explain_revert(data: &[u8]) -> String {
    Revert::decode(data).to_string()
}

impl Revert {
    /// Reads revert data.
    pub fn decode(data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::Silent;
        }
        if let Ok(error) = E::abi_decode(data) {
            return Self::own(error);
        }
        if let Ok(text) = ErrorString::abi_decode(data) {
            return Self::Text(text.reason);
        }
        if let Ok(panic) = Panic::abi_decode(data) {
            return Self::Panic(panic.code);
        }
        Self::Other(Bytes::copy_from_slice(data))
    }

    /// Whether one of the executor's own checks refused, not a contract that it called.
    pub const fn is_own(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Panic(_) | Self::Silent | Self::Other(_))
    }

    /// Whether the plan ran to its end and only brought too little.
    pub const fn is_unprofitable(&self) -> bool {
        matches!(self, Self::GainTooLow { .. } | Self::PaymentNotCovered { .. })
    }

    const fn own(error: E) -> Self {
        match error {
            E::NotOwner(_) => Self::NotOwner,
            E::NotPendingOwner(_) => Self::NotPendingOwner,
            E::NotOperator(_) => Self::NotOperator,
            E::BadAddress(_) => Self::BadAddress,
            E::Reentered(_) => Self::Reentered,
            E::OutsideWindow(e) => Self::OutsideWindow { block: e.blockNumber },
            E::Malformed(_) => Self::Malformed,
            E::UnknownStep(e) => Self::UnknownStep { opcode: e.opcode },
            E::UnknownKind(e) => Self::UnknownKind { kind: e.kind },
            E::TargetNotListed(e) => Self::TargetNotListed { target: e.target },
            E::PatchOutOfBounds(e) => Self::PatchOutOfBounds { offset: e.offset },
            E::UnexpectedCallback(e) => Self::UnexpectedCallback { caller: e.caller, selector: e.selector },
            E::CallbackMissing(_) => Self::CallbackMissing,
            E::WrongInitiator(e) => Self::WrongInitiator { initiator: e.initiator },
            E::WrongLoan(e) => Self::WrongLoan { token: e.token, amount: e.amount },
            E::CostTooHigh(e) => Self::CostTooHigh { cost: e.cost, most: e.most },
            E::OutputTooLow(e) => Self::OutputTooLow { received: e.received, least: e.least },
            E::GainTooLow(e) => Self::GainTooLow { token: e.token, gained: e.gained, least: e.least },
            E::TokenNotTracked(e) => Self::TokenNotTracked { token: e.token },
            E::TransferFailed(e) => Self::TransferFailed { token: e.token },
            E::ApprovalFailed(e) => Self::ApprovalFailed { token: e.token },
            E::WrongWrap(_) => Self::WrongWrap,
            E::PaymentNotCovered(e) => Self::PaymentNotCovered { available: e.available, payment: e.payment },
            E::PaymentFailed(_) => Self::PaymentFailed,
            E::UnexpectedEther(_) => Self::UnexpectedEther,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, uint};
    use alloy::sol_types::{Panic, Revert as ErrorString, SolError};

    use super::Revert;
    use crate::executor::abi::Executor;

    #[test]
    fn own_errors_are_typed_and_readable() {
        let token = address!("00000000000000000000000000000000000000a1");
        let data = Executor::GainTooLow { token, gained: uint!(3_U256), least: uint!(5_U256) }.abi_encode();
        let revert = Revert::decode(&data);
        assert_eq!(revert, Revert::GainTooLow { token, gained: uint!(3_U256), least: uint!(5_U256) });
        assert!(revert.is_own() && revert.is_unprofitable());
        assert_eq!(revert.to_string(), "3 of 0x00000000000000000000000000000000000000A1 was gained, at least 5 was promised");
        assert_eq!(Revert::decode(&Executor::NotOperator {}.abi_encode()), Revert::NotOperator);
    }

    #[test]
    fn what_others_say_is_passed_on() {
        let text = ErrorString { reason: "position is healthy".into() };
        assert_eq!(Revert::decode(&text.abi_encode()), Revert::Text("position is healthy".into()));
        assert_eq!(Revert::decode(&Panic { code: uint!(0x11_U256) }.abi_encode()).to_string(), "a contract panicked with code 0x11");
        assert_eq!(Revert::decode(&[]), Revert::Silent);
        let strange = [1, 2, 3, 4, 5];
        assert_eq!(Revert::decode(&strange), Revert::Other(strange.into()));
        assert!(!Revert::decode(&strange).is_own());
    }

    #[test]
    fn cut_data_never_panics() {
        let data = Executor::CostTooHigh { cost: uint!(1_U256), most: uint!(2_U256) }.abi_encode();
        for length in 0..data.len() {
            assert!(!Revert::decode(&data[..length]).is_own());
        }
    }
}
