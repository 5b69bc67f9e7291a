//! The environment of the block that a simulation runs in, predicted from the head by the chain's rules.
//!
//! ```text
//! head ─after─▶ N+1 (exact) ─▶ with_missed_slot: same height, one slot later
//!      ─after_blocks(k)─▶ N+k, base fee at its worst
//! ```

use crate::chain::Head;
use alloy::{
    eips::{
        eip1559::{BaseFeeParams, calc_next_block_base_fee},
        eip7840::BlobParams,
    },
    primitives::{Address, B256},
};

/// Rules of the EVM and of the blob market, the oldest first. Forks that changed neither (the glaciers) are part of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hardfork {
    /// Constantinople without its faulty part.
    Petersburg,
    /// Istanbul.
    Istanbul,
    /// Berlin: access lists.
    Berlin,
    /// London: the base fee.
    London,
    /// The merge: no block reward, and PREVRANDAO in place of the difficulty.
    Paris,
    /// Shanghai: withdrawals.
    Shanghai,
    /// Cancun: blobs, and the beacon root by a system call.
    Cancun,
    /// Prague.
    Prague,
    /// Osaka, with its gas cap per transaction.
    Osaka,
    /// Osaka with the first change of blob parameters.
    Bpo1,
    /// Osaka with the second change of blob parameters.
    Bpo2,
}

impl Hardfork {
    /// Blob limits and prices in force; none before there were blobs.
    #[must_use]
    pub const fn blob_params(self) -> Option<BlobParams> {
        Some(match self {
            Self::Petersburg | Self::Istanbul | Self::Berlin | Self::London | Self::Paris | Self::Shanghai => return None,
            Self::Cancun => BlobParams::cancun(),
            Self::Prague => BlobParams::prague(),
            Self::Osaka => BlobParams::osaka(),
            Self::Bpo1 => BlobParams::bpo1(),
            Self::Bpo2 => BlobParams::bpo2(),
        })
    }

    /// Most blob gas of a block.
    const fn max_blob_gas(self) -> u64 {
        match self.blob_params() {
            Some(params) => params.max_blob_gas_per_block(),
            None => 0,
        }
    }

    /// Excess blob gas with a bound of e^50 wei per blob gas, far beyond any price ever paid, so that a header that
    /// lies can't overflow the price's arithmetic.
    pub(super) fn bounded_excess(self, excess_blob_gas: u64) -> u64 {
        let Some(params) = self.blob_params() else { return 0 };
        let bound = params.update_fraction.saturating_mul(50);
        u64::try_from(bound).map_or(excess_blob_gas, |bound| excess_blob_gas.min(bound))
    }

    /// Excess blob gas of the block after one with these figures, by the rules of this fork.
    fn next_excess(self, excess_blob_gas: u64, blob_gas_used: u64, base_fee: u64) -> u64 {
        let Some(params) = self.blob_params() else { return 0 };
        // A header can't use more than the limit of its own fork, and those only grow.
        let used = blob_gas_used.min(params.max_blob_gas_per_block());
        self.bounded_excess(params.next_block_excess_blob_gas_osaka(self.bounded_excess(excess_blob_gas), used, base_fee))
    }
}

/// When rules begin to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activation {
    /// From a height on, as before the merge.
    Height(u64),
    /// From a timestamp on, in seconds.
    Time(u64),
}

impl Activation {
    const fn holds(self, number: u64, timestamp: u64) -> bool {
        match self {
            Self::Height(from) => from <= number,
            Self::Time(from) => from <= timestamp,
        }
    }
}

/// Ethereum mainnet before Cancun: go-ethereum's `params/config.go`, and the constants of the crate `alloy-hardforks`.
const ETHEREUM_UP_TO_SHANGHAI: [(Activation, Hardfork); 5] = [
    (Activation::Height(9_069_000), Hardfork::Istanbul),
    (Activation::Height(12_244_000), Hardfork::Berlin),
    (Activation::Height(12_965_000), Hardfork::London),
    (Activation::Height(15_537_394), Hardfork::Paris),
    (Activation::Time(1_681_338_455), Hardfork::Shanghai),
];

/// What has to be known of a chain to predict its next block, or to execute one again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRules {
    /// The chain.
    pub chain_id: u64,
    /// Seconds between blocks.
    pub slot_time: u64,
    /// Rules before any activation of the schedule.
    first: Hardfork,
    /// Activations, the oldest rules first.
    schedule: Vec<(Activation, Hardfork)>,
}

impl ChainRules {
    /// A chain with one set of rules for ever, as devnets have.
    #[must_use]
    pub const fn fixed(chain_id: u64, slot_time: u64, hardfork: Hardfork) -> Self {
        Self { chain_id, slot_time, first: hardfork, schedule: Vec::new() }
    }

    /// A chain whose rules change at timestamps; where several hold, the newest rules count.
    #[must_use]
    pub fn scheduled(chain_id: u64, slot_time: u64, first: Hardfork, schedule: Vec<(u64, Hardfork)>) -> Self {
        let mut schedule: Vec<_> = schedule.into_iter().map(|(from, hardfork)| (Activation::Time(from), hardfork)).collect();
        schedule.sort_by_key(|(_, hardfork)| *hardfork);
        Self { chain_id, slot_time, first, schedule }
    }

    /// The same with Ethereum mainnet's rules from Petersburg (block 7,280,000, February 2019) to Shanghai in front. Earlier blocks
    /// are not known.
    #[must_use]
    pub fn with_past_of_ethereum(mut self) -> Self {
        self.first = Hardfork::Petersburg;
        self.schedule.extend(ETHEREUM_UP_TO_SHANGHAI);
        self.schedule.sort_by_key(|(_, hardfork)| *hardfork);
        self
    }

    /// The rules in force in a block.
    #[must_use]
    pub fn hardfork_at(&self, number: u64, timestamp: u64) -> Hardfork {
        self.schedule.iter().rev().find(|(from, _)| from.holds(number, timestamp)).map_or(self.first, |(_, hardfork)| *hardfork)
    }
}

/// The block that a bundle targets, as far as it is known before it exists; or the environment of one that was mined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetBlock {
    /// The head that it was predicted from, or the parent of one that was mined: two heads of one height, time and base fee have different blocks
    /// after them.
    pub head: B256,
    /// Height.
    pub number: u64,
    /// Seconds.
    pub timestamp: u64,
    /// Wei per gas; zero before London.
    pub base_fee: u64,
    /// Most gas of the block.
    pub gas_limit: u64,
    /// Assumed: funded, without code.
    pub fee_recipient: Address,
    /// Unknown before the block exists; a plan that reads it is skipped. Before the merge the difficulty, which the same
    /// opcode gives.
    pub prev_randao: B256,
    /// Excess blob gas; zero before Cancun.
    pub excess_blob_gas: u64,
    /// The rules in force.
    pub hardfork: Hardfork,
    /// The chain.
    pub chain_id: u64,
}

impl TargetBlock {
    /// The block right after `head`, one slot later: base fee and excess blob gas are exact, the fee recipient is the
    /// head's, and PREVRANDAO is the head's too because the real one is unknown.
    #[must_use]
    pub fn after(head: &Head, rules: &ChainRules) -> Self {
        let timestamp = head.timestamp.saturating_add(rules.slot_time);
        let number = head.number.saturating_add(1);
        let hardfork = rules.hardfork_at(number, timestamp);
        Self {
            head: head.hash,
            number,
            timestamp,
            base_fee: next_base_fee(head.gas_used, head.gas_limit, head.base_fee),
            gas_limit: head.gas_limit,
            fee_recipient: head.fee_recipient,
            prev_randao: head.prev_randao,
            excess_blob_gas: hardfork.next_excess(head.excess_blob_gas, head.blob_gas_used, head.base_fee),
            hardfork,
            chain_id: rules.chain_id,
        }
    }

    /// The block `blocks` after `head`, at least one. Those beyond the first are not known yet: their base fee is the
    /// highest that the rules allow (a full block before each, at least +12.5 % rounded up), and so is their excess blob gas.
    #[must_use]
    pub fn after_blocks(head: &Head, rules: &ChainRules, blocks: u64) -> Self {
        let mut block = Self::after(head, rules);
        for _ in 1..blocks {
            let full = block.hardfork.max_blob_gas();
            let base_fee = block.base_fee;
            block.number = block.number.saturating_add(1);
            block.timestamp = block.timestamp.saturating_add(rules.slot_time);
            block.hardfork = rules.hardfork_at(block.number, block.timestamp);
            block.excess_blob_gas = block.hardfork.next_excess(block.excess_blob_gas, full, base_fee);
            block.base_fee = worst_base_fee(block.gas_limit, base_fee);
        }
        block
    }

    /// The same height when one slot is missed before it.
    #[must_use]
    pub fn with_missed_slot(&self, rules: &ChainRules) -> Self {
        let timestamp = self.timestamp.saturating_add(rules.slot_time);
        Self { timestamp, hardfork: rules.hardfork_at(self.number, timestamp), ..self.clone() }
    }
}

/// Base fee after a block, by EIP-1559. A header with more gas used than its limit counts as a full one.
fn next_base_fee(gas_used: u64, gas_limit: u64, base_fee: u64) -> u64 {
    calc_next_block_base_fee(gas_used.min(gas_limit), gas_limit, base_fee, BaseFeeParams::ethereum())
}

/// The highest base fee after a block with this one: what a full block gives, which for an odd gas limit is a little
/// more than an eighth, and never less than an eighth rounded up.
fn worst_base_fee(gas_limit: u64, base_fee: u64) -> u64 {
    next_base_fee(gas_limit, gas_limit, base_fee).max(base_fee.saturating_add(base_fee.div_ceil(8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(gas_used: u64) -> Head {
        Head {
            number: 100,
            hash: B256::repeat_byte(1),
            parent_hash: B256::repeat_byte(2),
            timestamp: 1_800_000_000,
            base_fee: 1_000_000_001,
            gas_limit: 30_000_000,
            gas_used,
            fee_recipient: Address::repeat_byte(3),
            prev_randao: B256::repeat_byte(4),
            excess_blob_gas: 0,
            blob_gas_used: 0,
            receipts_root: B256::ZERO,
        }
    }

    /// Some forks of Ethereum's.
    fn ethereum() -> ChainRules {
        ChainRules::scheduled(1, 12, Hardfork::Cancun, vec![(1_764_798_551, Hardfork::Osaka), (1_767_747_671, Hardfork::Bpo2)])
    }

    #[test]
    fn the_next_block_follows_eip_1559() {
        let rules = ethereum();
        let full = TargetBlock::after(&head(30_000_000), &rules);
        assert_eq!((full.number, full.timestamp, full.hardfork), (101, 1_800_000_012, Hardfork::Bpo2));
        assert_eq!(full.base_fee, 1_125_000_001);
        assert_eq!(TargetBlock::after(&head(15_000_000), &rules).base_fee, 1_000_000_001);
        assert_eq!(TargetBlock::after(&head(0), &rules).base_fee, 875_000_001);
    }

    #[test]
    fn later_blocks_have_the_worst_base_fee_rounded_up() {
        let rules = ethereum();
        let third = TargetBlock::after_blocks(&head(15_000_000), &rules, 3);
        assert_eq!((third.number, third.timestamp), (103, 1_800_000_036));
        assert_eq!(third.base_fee, 1_265_625_003); // 1_000_000_001 -> 1_125_000_002 -> 1_265_625_003
        let odd = worst_base_fee(30_000_001, 100_000_000_000);
        assert!(odd >= next_base_fee(30_000_001, 30_000_001, 100_000_000_000) && odd > 112_500_000_000);
        assert_eq!(TargetBlock::after_blocks(&head(0), &rules, 1), TargetBlock::after(&head(0), &rules));
    }

    #[test]
    fn a_missed_slot_moves_time_only() {
        let rules = ChainRules::scheduled(5, 12, Hardfork::Prague, vec![(1_800_000_013, Hardfork::Osaka)]);
        let block = TargetBlock::after(&head(0), &rules);
        let later = block.with_missed_slot(&rules);
        assert_eq!((block.hardfork, later.hardfork), (Hardfork::Prague, Hardfork::Osaka));
        assert_eq!((later.number, later.timestamp, later.base_fee), (block.number, block.timestamp + 12, block.base_fee));
    }

    #[test]
    fn excess_blob_gas_follows_the_rules_in_force() {
        const BLOB: u64 = 131_072;
        let next = |hardfork, excess, used, base_fee| {
            let head = Head { excess_blob_gas: excess * BLOB, blob_gas_used: used * BLOB, base_fee, ..head(0) };
            TargetBlock::after(&head, &ChainRules::fixed(1, 12, hardfork)).excess_blob_gas
        };
        // Cancun: target 3. Prague: target 6 of 9.
        assert_eq!([next(Hardfork::Cancun, 0, 6, 7), next(Hardfork::Cancun, 10, 0, 7), next(Hardfork::Cancun, 2, 0, 7)], [3 * BLOB, 7 * BLOB, 0]);
        assert_eq!([next(Hardfork::Prague, 0, 9, 7), next(Hardfork::Prague, 10, 0, 7), next(Hardfork::Prague, 4, 1, 7)], [3 * BLOB, 4 * BLOB, 0]);
        // Osaka: the same while gas is cheap beside blobs. Where a blob costs less than 8,192 gas, the excess never falls but below
        // the target: it grows by used x 3 / 9 (EIP-7918).
        assert_eq!([next(Hardfork::Osaka, 10, 9, 1), next(Hardfork::Osaka, 10, 0, 1)], [13 * BLOB, 4 * BLOB]);
        let dear = 10_000_000_000;
        assert_eq!(
            [next(Hardfork::Osaka, 10, 9, dear), next(Hardfork::Osaka, 10, 6, dear), next(Hardfork::Osaka, 10, 0, dear)],
            [13 * BLOB, 12 * BLOB, 10 * BLOB]
        );
        assert_eq!(next(Hardfork::Osaka, 0, 5, dear), 0);
        // Later targets: 10 of 15, 14 of 21.
        assert_eq!([next(Hardfork::Bpo1, 10, 15, dear), next(Hardfork::Bpo2, 10, 21, dear)], [15 * BLOB, 17 * BLOB]);
        assert_eq!([next(Hardfork::Bpo1, 12, 0, 1), next(Hardfork::Bpo2, 13, 0, dear)], [2 * BLOB, 0]);
    }

    #[test]
    fn the_past_goes_by_height_and_then_by_time() {
        let rules = ethereum().with_past_of_ethereum();
        let at = |number, timestamp| rules.hardfork_at(number, timestamp);
        assert_eq!((at(9_068_999, 1_575_764_000), at(9_069_000, 1_575_764_709)), (Hardfork::Petersburg, Hardfork::Istanbul));
        assert_eq!((at(12_243_999, 1), at(12_244_000, 1), at(12_965_000, 1)), (Hardfork::Istanbul, Hardfork::Berlin, Hardfork::London));
        assert_eq!((at(15_537_393, 1_663_224_162), at(15_537_394, 1_663_224_179)), (Hardfork::London, Hardfork::Paris));
        assert_eq!((at(17_034_869, 1_681_338_443), at(17_034_870, 1_681_338_455)), (Hardfork::Paris, Hardfork::Shanghai));
        assert_eq!(at(24_000_000, 1_767_747_671), Hardfork::Bpo2);
        // A chain of Ethereum's id that runs the newest rules from its beginning keeps them.
        let anvil = ChainRules::scheduled(1, 12, Hardfork::Osaka, vec![(0, Hardfork::Osaka)]).with_past_of_ethereum();
        assert_eq!(anvil.hardfork_at(9_069_000, 1_575_764_709), Hardfork::Osaka);
    }

    #[test]
    fn a_lying_header_does_not_overflow() {
        let liar = Head { excess_blob_gas: u64::MAX, blob_gas_used: u64::MAX, gas_used: u64::MAX, timestamp: u64::MAX, number: u64::MAX, ..head(0) };
        let block = TargetBlock::after_blocks(&liar, &ethereum(), 4);
        assert!(block.hardfork.blob_params().unwrap().calc_blob_fee(block.excess_blob_gas) > 0);
        let rules = ChainRules::fixed(1, 12, Hardfork::Cancun);
        let _ = TargetBlock::after(&Head { base_fee: u64::MAX / 2, ..liar }, &rules);
    }
}
