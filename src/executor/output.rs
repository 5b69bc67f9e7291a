//! What a plan that ran says it gained.

use alloy::primitives::{Address, Log, U256};
use alloy::sol_types::{SolCall, SolEvent};

use super::abi::Executor;

/// Output that is not the executor's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{length} bytes of output are not what execute returns: {source}")]
pub struct GainError {
    /// How many bytes there were.
    pub length: usize,
    /// What decoding said.
    pub source: alloy::sol_types::Error,
}

/// What reached the receiver of the profit token, from the output of `execute`; without what lay at the executor
/// before the plan.
pub fn decode_gain(output: &[u8]) -> Result<U256, GainError> {
    Executor::executeCall::abi_decode_returns(output).map_err(|source| GainError { length: output.len(), source })
}

/// A realised gain, as the executor logs it at the end of each plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GainedLog {
    /// The profit token; zero is ether (or a plan without a profit token).
    pub token: Address,
    /// What reached the receiver.
    pub amount: U256,
}

/// Reads the executor's `Gained` log; `None` when it is another log or another contract's.
pub fn decode_gained_log(executor: Address, log: &Log) -> Option<GainedLog> {
    if log.address != executor {
        return None;
    }
    let event = Executor::Gained::decode_log(log).ok()?;
    Some(GainedLog { token: event.token, amount: event.amount })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{LogData, address, b256, uint};
    use alloy::sol_types::SolValue;

    use super::*;

    #[test]
    fn a_gain_is_one_word_and_nothing_else_is() {
        assert_eq!(decode_gain(&uint!(7_U256).abi_encode()), Ok(uint!(7_U256)));
        assert_eq!(decode_gain(&[]).unwrap_err().length, 0);
        assert!(decode_gain(&[1, 2, 3]).is_err());
    }

    #[test]
    fn only_the_executors_own_log_counts() {
        let executor = address!("00000000000000000000000000000000000000e1");
        let token = address!("00000000000000000000000000000000000000a1");
        let topics = vec![Executor::Gained::SIGNATURE_HASH, token.into_word()];
        let log = Log { address: executor, data: LogData::new_unchecked(topics, uint!(9_U256).abi_encode().into()) };
        assert_eq!(decode_gained_log(executor, &log), Some(GainedLog { token, amount: uint!(9_U256) }));
        assert_eq!(decode_gained_log(token, &log), None);
        let other = Log {
            address: executor,
            data: LogData::new_unchecked(vec![b256!("0000000000000000000000000000000000000000000000000000000000000001")], log.data.data),
        };
        assert_eq!(decode_gained_log(executor, &other), None);
    }
}
