//! `[chain]`: which rules the chain follows. A chain that is not known by its id must be described in full.

use super::{mistake::Problem, reader::Section, value::words};
use serde::Serialize;

words! {
    /// Rules of the EVM, in the order of their activation.
    Hardfork {
        /// Cancun.
        Cancun = "cancun",
        /// Prague.
        Prague = "prague",
        /// Osaka, with its gas cap per transaction.
        Osaka = "osaka",
        /// Osaka with the first change of blob parameters (EIP-7892).
        Bpo1 = "bpo1",
        /// Osaka with the second change of blob parameters.
        Bpo2 = "bpo2",
    }
}

words! {
    /// How the next block's base fee follows from its parent.
    BaseFeeRule {
        /// EIP-1559 with Ethereum's parameters.
        Ethereum = "ethereum",
    }
}

words! {
    /// What a transaction pays for.
    GasFeeRule {
        /// Gas used, at base fee and tip, and nothing else.
        Ethereum = "ethereum",
    }
}

words! {
    /// How transactions reach a block.
    Submission {
        /// Atomic bundles to relays that speak `eth_sendBundle`.
        Bundles = "bundles",
    }
}

words! {
    /// How the fork follows the chain from one head to the next.
    Roll {
        /// Whichever of the others the node has and serves fastest.
        Auto = "auto",
        /// The node's diff tracer says what changed.
        Trace = "trace",
        /// The block is executed here, on its parent's state, and checked against its own claims.
        Replay = "replay",
        /// What is known is read again at the new head, pinned by its hash.
        Reread = "reread",
    }
}

/// From when a hardfork's rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// Which rules.
    pub name: Hardfork,
    /// Seconds; the first block at or after it follows them.
    pub timestamp: u64,
}

/// The chain and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainConfig {
    /// Chain id, compared with the node's at start.
    pub id: u64,
    /// A name for people.
    pub name: String,
    /// Seconds between blocks.
    pub slot_seconds: u64,
    /// The rule for base fees.
    pub base_fee: BaseFeeRule,
    /// The rule for what gas costs.
    pub gas_fee: GasFeeRule,
    /// The way into a block.
    pub submission: Submission,
    /// The way from head to head.
    pub roll: Roll,
    /// Hardforks by activation time, rising.
    pub hardforks: Vec<Activation>,
}

const fn at(name: Hardfork, timestamp: u64) -> Activation {
    Activation { name, timestamp }
}

/// Chains whose rules are known: id, name, seconds a slot, hardforks.
///
/// The times are those of go-ethereum's `params/config.go` (`CancunTime` to `BPO2Time`); up to Prague they are also constants of the crate
/// `alloy-hardforks`, which has no later ones yet.
const KNOWN: &[(u64, &str, u64, &[Activation])] = &[
    (
        1,
        "ethereum",
        12,
        &[
            at(Hardfork::Cancun, 1_710_338_135),
            at(Hardfork::Prague, 1_746_612_311),
            at(Hardfork::Osaka, 1_764_798_551),
            at(Hardfork::Bpo1, 1_765_290_071),
            at(Hardfork::Bpo2, 1_767_747_671),
        ],
    ),
    (
        11_155_111,
        "sepolia",
        12,
        &[
            at(Hardfork::Cancun, 1_706_655_072),
            at(Hardfork::Prague, 1_741_159_776),
            at(Hardfork::Osaka, 1_760_427_360),
            at(Hardfork::Bpo1, 1_761_017_184),
            at(Hardfork::Bpo2, 1_761_607_008),
        ],
    ),
    (
        560_048,
        "hoodi",
        12,
        &[
            at(Hardfork::Cancun, 0),
            at(Hardfork::Prague, 1_742_999_832),
            at(Hardfork::Osaka, 1_761_677_592),
            at(Hardfork::Bpo1, 1_762_365_720),
            at(Hardfork::Bpo2, 1_762_955_544),
        ],
    ),
    (31_337, "devnet", 12, &[at(Hardfork::Osaka, 0)]),
];

/// Chains of the OP stack: a data fee beside the gas fee, a private sequencer.
const OP_STACK: &[u64] = &[
    10,
    130,
    252,
    255,
    288,
    291,
    360,
    480,
    690,
    957,
    1135,
    1750,
    1868,
    5000,
    7560,
    8453,
    34_443,
    57_073,
    60_808,
    81_457,
    7_777_777,
    84_532,
    11_155_420,
    1301,
    4801,
    999_999_999,
];

/// Arbitrum and chains of its kind.
const ARBITRUM: &[u64] = &[42_161, 42_170, 421_614, 660_279, 33_139];

/// BNB Chain and its testnet.
const BNB: &[u64] = &[56, 97];

impl ChainConfig {
    /// The rules of a chain that is known by its id.
    #[must_use]
    pub fn known(id: u64) -> Option<Self> {
        let (id, name, slot_seconds, hardforks) = KNOWN.iter().find(|(known, ..)| *known == id)?;
        Some(Self {
            id: *id,
            name: (*name).to_owned(),
            slot_seconds: *slot_seconds,
            base_fee: BaseFeeRule::Ethereum,
            gas_fee: GasFeeRule::Ethereum,
            submission: Submission::Bundles,
            roll: Roll::Auto,
            hardforks: hardforks.to_vec(),
        })
    }

    /// The rules at a time; none before the first hardfork that Harrier knows.
    #[must_use]
    pub fn hardfork_at(&self, timestamp: u64) -> Option<Hardfork> {
        self.hardforks.iter().rev().find(|activation| activation.timestamp <= timestamp).map(|activation| activation.name)
    }

    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let id = section.required::<u64>("id");
        let refusal = id.and_then(refused);
        let known = id.filter(|_| refusal.is_none()).and_then(Self::known);
        let described = known.is_some() || id.is_none();
        if let (Some(id), Some(reason)) = (id, refusal) {
            section.mistake("id", Problem::ChainRefused(format!("chain {id} is refused: {reason}")));
        }

        let name = section.optional::<String>("name");
        let slot_seconds = section.optional::<u64>("slot_seconds");
        let base_fee = section.optional::<BaseFeeRule>("base_fee");
        let gas_fee = section.optional::<GasFeeRule>("gas_fee");
        let submission = section.optional::<Submission>("submission");
        let roll = section.optional::<Roll>("roll");
        let listed = section.value("hardforks").is_some();
        let hardforks = listed.then(|| read_hardforks(&mut section));
        if slot_seconds.is_some_and(|seconds| !(1..=600).contains(&seconds)) {
            section.mistake("slot_seconds", Problem::OutOfRange { min: 1, max: 600 });
        }

        // A chain that nobody here knows is described by whoever configures it, in every point that money depends on.
        if !described && refusal.is_none() {
            let missing = [
                ("slot_seconds", slot_seconds.is_none()),
                ("base_fee", base_fee.is_none()),
                ("gas_fee", gas_fee.is_none()),
                ("submission", submission.is_none()),
                ("roll", roll.is_none()),
                ("hardforks", hardforks.is_none()),
            ];
            for (key, _) in missing.iter().filter(|(_, missing)| *missing) {
                section.mistake(key, Problem::Invalid("is missing; a chain that Harrier does not know must be described in full"));
            }
        }
        section.finish();

        let id = id?;
        let known = known.as_ref();
        Some(Self {
            id,
            name: name.or_else(|| known.map(|known| known.name.clone())).unwrap_or_else(|| format!("chain-{id}")),
            slot_seconds: slot_seconds.or_else(|| known.map(|known| known.slot_seconds))?,
            base_fee: base_fee.or_else(|| known.map(|known| known.base_fee))?,
            gas_fee: gas_fee.or_else(|| known.map(|known| known.gas_fee))?,
            submission: submission.or_else(|| known.map(|known| known.submission))?,
            roll: roll.or_else(|| known.map(|known| known.roll))?,
            hardforks: hardforks.or_else(|| known.map(|known| known.hardforks.clone()))?,
        })
    }
}

fn read_hardforks(section: &mut Section<'_>) -> Vec<Activation> {
    let mut hardforks: Vec<Activation> = Vec::new();
    for mut entry in section.listed_sections("hardforks") {
        let name = entry.required::<Hardfork>("name");
        let timestamp = entry.required::<u64>("timestamp");
        if let (Some(name), Some(timestamp)) = (name, timestamp) {
            let rising = hardforks.last().is_none_or(|last| last.name < name && last.timestamp <= timestamp);
            if !rising {
                entry.mistake("name", Problem::Invalid("hardforks must rise in order and time"));
            }
            hardforks.push(Activation { name, timestamp });
        }
        entry.finish();
    }
    if hardforks.is_empty() {
        section.mistake("hardforks", Problem::Invalid("must list at least one hardfork"));
    }
    hardforks
}

/// Why a chain can't be used, described or not.
fn refused(id: u64) -> Option<&'static str> {
    if OP_STACK.contains(&id) {
        return Some("it is of the OP stack; its data fee is not modelled, and it has no public mempool and no bundles");
    }
    if ARBITRUM.contains(&id) {
        return Some("it is of the Arbitrum kind; its data fee and its ordering by arrival are not modelled");
    }
    BNB.contains(&id).then_some("BNB Chain's base-fee and payment rules come with Moolah and are not modelled yet")
}
