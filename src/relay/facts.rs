//! What a prediction depends on, and where reality first differed from it.

use crate::fork::TargetBlock;
use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The inputs of a prediction, as assumed for a target block or as read from the block itself. Equal facts mean equal
/// results to the wei; a difference in results without one in facts is an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockFacts {
    /// Height.
    pub number: u64,
    /// The block's hash; `None` before the block exists.
    pub hash: Option<B256>,
    /// The parent's hash: the state that everything starts from.
    pub parent_hash: B256,
    /// Seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: u64,
    /// Who gets tips and payments. Assumed: funded, without code.
    pub fee_recipient: Address,
    /// Transactions in front of our first one, with their indexes in the block.
    pub in_front: Vec<(u64, B256)>,
}

/// The first input that differed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "input")]
pub enum Difference {
    /// Another parent.
    ParentHash {
        /// As assumed.
        predicted: B256,
        /// As it was.
        actual: B256,
    },
    /// Another time.
    Timestamp {
        /// As assumed.
        predicted: u64,
        /// As it was.
        actual: u64,
    },
    /// Another base fee.
    BaseFee {
        /// As assumed.
        predicted: u64,
        /// As it was.
        actual: u64,
    },
    /// Another fee recipient.
    FeeRecipient {
        /// As assumed.
        predicted: Address,
        /// As it was.
        actual: Address,
    },
    /// Other transactions in front of ours.
    InFront {
        /// The first index that differs.
        index: u64,
        /// What was assumed there.
        predicted: Option<B256>,
        /// What was there.
        actual: Option<B256>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_ours = |hash: &Option<B256>| hash.map_or_else(|| "our transaction".to_owned(), |hash| hash.to_string());
        match self {
            Self::ParentHash { predicted, actual } => write!(f, "parent {actual} instead of {predicted}"),
            Self::Timestamp { predicted, actual } => write!(f, "timestamp {actual} instead of {predicted}"),
            Self::BaseFee { predicted, actual } => write!(f, "base fee {actual} instead of {predicted}"),
            Self::FeeRecipient { predicted, actual } => write!(f, "fee recipient {actual} instead of {predicted}"),
            Self::InFront { index, predicted, actual } => {
                write!(f, "{} at index {index} instead of {}", or_ours(actual), or_ours(predicted))
            }
        }
    }
}

impl BlockFacts {
    /// The facts as a simulation assumed them: on `parent_hash`, in the target block's environment, with `front` at the top
    /// of the block and our first transaction right behind.
    #[must_use]
    pub fn assumed(block: &TargetBlock, parent_hash: B256, front: &[B256]) -> Self {
        Self {
            number: block.number,
            hash: None,
            parent_hash,
            timestamp: block.timestamp,
            base_fee: block.base_fee,
            fee_recipient: block.fee_recipient,
            in_front: (0..).zip(front.iter().copied()).collect(),
        }
    }

    /// The first input in which the block (`actual`) differs from these assumptions, in the order parent, timestamp, base
    /// fee, transactions in front, fee recipient: the last matters least, since any funded account without code is alike.
    #[must_use]
    pub fn first_difference(&self, actual: &Self) -> Option<Difference> {
        if self.parent_hash != actual.parent_hash {
            return Some(Difference::ParentHash { predicted: self.parent_hash, actual: actual.parent_hash });
        }
        if self.timestamp != actual.timestamp {
            return Some(Difference::Timestamp { predicted: self.timestamp, actual: actual.timestamp });
        }
        if self.base_fee != actual.base_fee {
            return Some(Difference::BaseFee { predicted: self.base_fee, actual: actual.base_fee });
        }
        if let Some(difference) = self.front_difference(actual) {
            return Some(difference);
        }
        (self.fee_recipient != actual.fee_recipient).then_some(Difference::FeeRecipient { predicted: self.fee_recipient, actual: actual.fee_recipient })
    }

    fn front_difference(&self, actual: &Self) -> Option<Difference> {
        let longest = self.in_front.len().max(actual.in_front.len());
        (0_u64..).zip(0..longest).find_map(|(index, place)| {
            let (predicted, actual) = (self.in_front.get(place), actual.in_front.get(place));
            let hash = |entry: Option<&(u64, B256)>| entry.map(|(_, hash)| *hash);
            (predicted != actual).then(|| Difference::InFront { index, predicted: hash(predicted), actual: hash(actual) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fork::Hardfork;

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn assumed(front: &[B256]) -> BlockFacts {
        let block = TargetBlock {
            head: hash(7),
            number: 8,
            timestamp: 96,
            base_fee: 1_000,
            gas_limit: 30_000_000,
            fee_recipient: Address::repeat_byte(0xfe),
            prev_randao: B256::ZERO,
            excess_blob_gas: 0,
            hardfork: Hardfork::Osaka,
            chain_id: 1,
        };
        BlockFacts::assumed(&block, hash(7), front)
    }

    #[test]
    fn equal_facts_have_no_difference_whatever_the_hash() {
        let actual = BlockFacts { hash: Some(hash(8)), ..assumed(&[hash(1)]) };
        assert_eq!(assumed(&[hash(1)]).first_difference(&actual), None);
    }

    #[test]
    fn the_first_of_several_is_named() {
        let mut actual = BlockFacts { fee_recipient: Address::ZERO, ..assumed(&[]) };
        let named = |actual: &BlockFacts| assumed(&[]).first_difference(actual).unwrap();
        assert!(matches!(named(&actual), Difference::FeeRecipient { .. }));
        actual.in_front = vec![(0, hash(5))];
        assert_eq!(named(&actual), Difference::InFront { index: 0, predicted: None, actual: Some(hash(5)) });
        actual.base_fee = 1_001;
        assert_eq!(named(&actual), Difference::BaseFee { predicted: 1_000, actual: 1_001 });
        actual.timestamp = 108;
        assert_eq!(named(&actual).to_string(), "timestamp 108 instead of 96");
        actual.parent_hash = hash(6);
        assert!(matches!(named(&actual), Difference::ParentHash { .. }));
    }

    #[test]
    fn transactions_in_front_are_compared_in_place() {
        let difference = assumed(&[hash(1), hash(2)]).first_difference(&assumed(&[hash(1), hash(3)])).unwrap();
        assert_eq!(difference, Difference::InFront { index: 1, predicted: Some(hash(2)), actual: Some(hash(3)) });
        let difference = assumed(&[hash(1)]).first_difference(&assumed(&[])).unwrap();
        assert_eq!(difference, Difference::InFront { index: 0, predicted: Some(hash(1)), actual: None });
    }
}
