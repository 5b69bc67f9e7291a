//! What is kept: one type a table. Amounts are in wei or the token's smallest unit.

use crate::plan::{Action, Resource, Skip, SkipReason, Target, Trigger};
use alloy::primitives::{Address, B256, Bytes, I256, U256};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// A row's identity, given before it is written and never used twice in one ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RecordId(pub i64);

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What made us look, and on which head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerRow {
    /// What it was.
    pub trigger: Trigger,
    /// The head at that time: its number.
    pub head_number: u64,
    /// And its hash.
    pub head_hash: B256,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: u64,
}

/// An action that the protocol would have accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpportunityRow {
    /// What made us look.
    pub trigger: RecordId,
    /// Who.
    pub target: Target,
    /// What.
    pub action: Action,
    /// The token to pay.
    pub debt_token: Address,
    /// The token to receive.
    pub collateral_token: Address,
    /// The most debt that it could move.
    pub debt_hint: U256,
}

/// Something that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipRow {
    /// What made us look, where something did.
    pub trigger: Option<RecordId>,
    /// Who, where it is about somebody.
    pub target: Option<Target>,
    /// What, where it is about an action.
    pub action: Option<Action>,
    /// The block that it was meant for.
    pub block: u64,
    /// Why not.
    pub skip: Skip,
}

/// What a simulated result depends on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inputs {
    /// The parent's hash: the state that it starts from.
    pub parent_hash: B256,
    /// The block's timestamp in seconds.
    pub timestamp: u64,
    /// The block's base fee in wei a gas.
    pub base_fee: u64,
    /// Who gets the tips.
    pub fee_recipient: Address,
    /// The transactions before ours in the block, in order.
    pub in_front: Vec<B256>,
}

/// A plan with its size chosen and its profit simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateRow {
    /// What it takes.
    pub opportunity: RecordId,
    /// The block that it is meant for.
    pub target_block: u64,
    /// What the figures depend on.
    pub inputs: Inputs,
    /// Debt that is repaid.
    pub repay: U256,
    /// Collateral that is seized.
    pub seized: U256,
    /// The token that profit arrives in.
    pub profit_token: Address,
    /// Profit in that token.
    pub profit: I256,
    /// Profit in wei after gas and payment.
    pub profit_wei: I256,
    /// Gas of all of its transactions.
    pub gas_used: u64,
    /// Paid to the builder, beside the tips.
    pub builder_payment_wei: U256,
}

/// One transaction of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleTxRow {
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Whether it is ours, and not the trigger or what stands before that.
    pub ours: bool,
}

/// One planned attempt in a bundle: what tells how it ended, kept so that another process decides it as this one would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// Who.
    pub target: Target,
    /// What.
    pub action: Action,
    /// The transactions of ours that it stands or falls with, in order.
    pub txs: Vec<B256>,
    /// What no other live plan may use.
    pub locks: Vec<Resource>,
}

/// A block by height and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// Its height.
    pub number: u64,
    /// Which of those at this height.
    pub hash: B256,
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} ({})", self.number, self.hash)
    }
}

/// What is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRow {
    /// The candidates in it; several when they were merged.
    pub candidates: Vec<RecordId>,
    /// Who signs, and is busy until the target block is decided.
    pub operator: Address,
    /// The only block that it can land in.
    pub target_block: u64,
    /// keccak256 over its transactions' hashes.
    pub bundle_hash: B256,
    /// Its replacement id, where it has one.
    pub replacement_uuid: Option<String>,
    /// Its transactions in order.
    pub txs: Vec<BundleTxRow>,
    /// What it tries. Empty in a journal of the first version.
    pub jobs: Vec<JobRow>,
    /// What the prediction depends on.
    pub inputs: Inputs,
    /// Predicted profit in wei, after gas and payment.
    pub profit_wei: I256,
    /// Predicted gas of our transactions.
    pub gas_used: u64,
    /// Payment to the builder, beside the tips.
    pub builder_payment_wei: U256,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: u64,
}

/// What a relay answered to a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionRow {
    /// The relay's name.
    pub relay: String,
    /// Whether it took the bundle. That is not inclusion.
    pub accepted: bool,
    /// Its answer, or the error's text.
    pub response: String,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: u64,
}

/// What a landed bundle brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realised {
    /// The block.
    pub block: u64,
    /// And its hash: after a reorg it may land again elsewhere.
    pub block_hash: B256,
    /// What the figures depend on, as they were.
    pub inputs: Inputs,
    /// Profit in wei at the receiver, after gas and payment.
    pub profit_wei: I256,
    /// Gas of our transactions.
    pub gas_used: u64,
    /// What the builder got beside the tips.
    pub builder_payment_wei: U256,
}

/// How a bundle ended. "Sent" is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the target block and did what it promised.
    Landed(Realised),
    /// Somebody else took the target first.
    Lost {
        /// Who.
        to: Address,
        /// With which transaction.
        tx: B256,
    },
    /// The target block came without it, and nobody else took the target.
    Missed,
    /// It is in the block, and reverted: gas was paid for nothing.
    Reverted {
        /// The transaction that reverted.
        tx: B256,
        /// Gas money that it cost.
        cost_wei: U256,
    },
    /// It was never a bundle that could land: no relay took it, or it was taken back.
    Dropped {
        /// Why.
        reason: SkipReason,
    },
    /// The block that decided it is no longer in the chain: what was said before does not count, and nothing is decided yet.
    Undone {
        /// The block that is gone.
        block: BlockRef,
    },
}

impl Outcome {
    /// The outcome's name in the ledger and in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Landed(_) => "landed",
            Self::Lost { .. } => "lost",
            Self::Missed => "missed",
            Self::Reverted { .. } => "reverted",
            Self::Dropped { .. } => "dropped",
            Self::Undone { .. } => "undone",
        }
    }
}

/// A decision about a bundle with its proofs, kept in one commit. It supersedes the bundle's earlier one, which stays readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRow {
    /// How it ended.
    pub outcome: Outcome,
    /// The block that decided; none where no block did.
    pub on: Option<BlockRef>,
    /// How its jobs ended.
    pub proofs: Vec<ProofRow>,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: u64,
}

/// How a job ended, or why a target at its boundary was left alone: the durable record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofRow {
    /// Who.
    pub target: Target,
    /// What was or would have been done.
    pub action: Action,
    /// The block that decided.
    pub block: u64,
    /// How it ended.
    pub end: ProofEnd,
    /// The figure, address or text that decided.
    pub detail: String,
    /// The bundle, where there was one.
    pub bundle: Option<RecordId>,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: u64,
}

/// The end that a proof records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProofEnd {
    /// We took it.
    Landed,
    /// Somebody else took it.
    Lost,
    /// Our bundle was not included, and nobody else's.
    Missed,
    /// Our transaction reverted.
    Reverted,
    /// It was not tried.
    Skipped(SkipReason),
    /// The block that decided is no longer in the chain: it is open again.
    Undone,
}

impl ProofEnd {
    /// The end's name in the ledger and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Landed => "landed",
            Self::Lost => "lost",
            Self::Missed => "missed",
            Self::Reverted => "reverted",
            Self::Skipped(_) => "skipped",
            Self::Undone => "undone",
        }
    }
}

/// A bundle as the journal holds it: all that it takes to decide it, whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournaledBundle {
    /// Which.
    pub id: RecordId,
    /// What was about to be sent.
    pub bundle: BundleRow,
    /// Whether a relay's acceptance is recorded. Without it the bundle may still have been sent: the journal comes first.
    pub submitted: bool,
    /// Whether it was decided once, on a block that is gone.
    pub undone: bool,
    /// The block that its present outcome was read from; none while it is undecided.
    pub decided_on: Option<BlockRef>,
}

/// How far a discovery has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last block that was read.
    pub number: u64,
    /// Its hash; when the chain has another there now, the discovery steps back.
    pub hash: B256,
}

/// One thing that a discovery found, as its protocol writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Its identity within the discovery.
    pub key: Bytes,
    /// What is known of it; replaced when it is found again.
    pub value: Bytes,
}

/// The totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Bundles that landed.
    pub landed: u64,
    /// Bundles that somebody else beat.
    pub lost: u64,
    /// Bundles that were not included.
    pub missed: u64,
    /// Bundles that reverted on chain.
    pub reverted: u64,
    /// Bundles that could not land.
    pub dropped: u64,
    /// Bundles whose end is not recorded yet.
    pub unfinished: u64,
    /// Skips by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Predicted profit of what landed, in wei.
    #[serde(serialize_with = "display")]
    pub predicted_profit_wei: I256,
    /// Realised profit of what landed, in wei.
    #[serde(serialize_with = "display")]
    pub realised_profit_wei: I256,
    /// The largest difference between the two for one bundle, in wei.
    #[serde(serialize_with = "display")]
    pub max_error_wei: U256,
    /// Gas money spent on reverted bundles, in wei.
    #[serde(serialize_with = "display")]
    pub reverted_cost_wei: U256,
    /// Landed bundles whose profit differs although no input does.
    pub alarms: u64,
}

fn display<T: fmt::Display, S: serde::Serializer>(amount: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}
