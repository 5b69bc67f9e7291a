//! What a landed transaction really earned and cost, by its receipt.

use super::IncludedTx;
use alloy::{
    primitives::{Address, I256, Log, U256},
    sol,
    sol_types::SolEvent,
};

sol! {
    event Transfer(address indexed from, address indexed to, uint256 value);
}

/// Gain and gas of one landed transaction. The builder payment moves as plain ether and leaves no log: for a transaction
/// that succeeded it is what the plan said, because the executor pays it or reverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realised {
    /// Tokens at the profit receiver: received minus sent, in token units.
    pub token_gain: I256,
    /// Gas in wei, at the price really paid (base fee and priority fee). Zero is never right here.
    pub gas_cost_wei: U256,
}

impl Realised {
    /// Reads it from a receipt; `None` when the logs claim more than 255 bits can hold, as only a lying token's can.
    #[must_use]
    pub fn of(tx: &IncludedTx, token: Address, receiver: Address) -> Option<Self> {
        // 64 bits times 128 bits always fit.
        let gas_cost_wei = U256::from(tx.gas_used).saturating_mul(U256::from(tx.effective_gas_price));
        Some(Self { token_gain: token_gain(&tx.logs, token, receiver)?, gas_cost_wei })
    }
}

/// The sum of a token's `Transfer` logs to `account` minus those from it. Logs of other contracts, and logs that only look
/// alike (another number of topics, other data), do not count. `None` when the sum leaves 255 bits.
#[must_use]
pub fn token_gain(logs: &[Log], token: Address, account: Address) -> Option<I256> {
    let mut gain = I256::ZERO;
    for log in logs.iter().filter(|log| log.address == token) {
        let Ok(transfer) = Transfer::decode_log_data_validate(&log.data) else {
            continue;
        };
        let value = I256::try_from(transfer.value).ok()?;
        if transfer.to == account {
            gain = gain.checked_add(value)?;
        }
        if transfer.from == account {
            gain = gain.checked_sub(value)?;
        }
    }
    Some(gain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{B256, Bytes, LogData};

    const TOKEN: Address = Address::repeat_byte(0x70);
    const SAFE: Address = Address::repeat_byte(0x5a);
    const BOB: Address = Address::repeat_byte(0xb0);

    fn transfer(token: Address, from: Address, to: Address, value: U256) -> Log {
        Log { address: token, data: Transfer { from, to, value }.encode_log_data() }
    }

    fn small(from: Address, to: Address, value: u64) -> Log {
        transfer(TOKEN, from, to, U256::from(value))
    }

    #[test]
    fn received_minus_sent() {
        let logs = [small(BOB, SAFE, 100), small(SAFE, BOB, 30), small(BOB, Address::ZERO, 7), small(SAFE, SAFE, 50)];
        assert_eq!(token_gain(&logs, TOKEN, SAFE), Some(I256::try_from(70).unwrap()));
        assert_eq!(token_gain(&logs, TOKEN, BOB), Some(I256::try_from(-77).unwrap()));
        assert_eq!(token_gain(&[], TOKEN, SAFE), Some(I256::ZERO));
    }

    #[test]
    fn other_tokens_and_look_alikes_do_not_count() {
        let other = transfer(BOB, BOB, SAFE, U256::from(9));
        let signature = Transfer::SIGNATURE_HASH;
        // An NFT's transfer has the value as a fourth topic.
        let nft =
            Log { address: TOKEN, data: LogData::new_unchecked(vec![signature, BOB.into_word(), SAFE.into_word(), B256::with_last_byte(1)], Bytes::new()) };
        let short = Log { address: TOKEN, data: LogData::new_unchecked(vec![signature, BOB.into_word(), SAFE.into_word()], Bytes::new()) };
        let nothing = Log { address: TOKEN, data: LogData::new_unchecked(vec![], Bytes::new()) };
        assert_eq!(token_gain(&[other, nft, short, nothing], TOKEN, SAFE), Some(I256::ZERO));
    }

    #[test]
    fn a_lying_token_is_none_not_a_wrap_around() {
        assert_eq!(token_gain(&[transfer(TOKEN, BOB, SAFE, U256::MAX)], TOKEN, SAFE), None);
        let half = U256::MAX >> 1;
        assert_eq!(token_gain(&[transfer(TOKEN, BOB, SAFE, half), transfer(TOKEN, BOB, SAFE, half)], TOKEN, SAFE), None);
    }

    #[test]
    fn gas_is_paid_at_the_effective_price() {
        let tx = IncludedTx {
            hash: B256::ZERO,
            index: 0,
            from: BOB,
            to: None,
            success: true,
            gas_used: u64::MAX,
            effective_gas_price: u128::MAX,
            logs: vec![small(BOB, SAFE, 5)],
        };
        let realised = Realised::of(&tx, TOKEN, SAFE).unwrap();
        assert_eq!(realised.token_gain, I256::try_from(5).unwrap());
        assert_eq!(realised.gas_cost_wei, U256::from(u64::MAX) * U256::from(u128::MAX));
    }
}
