//! Why the fork could not answer.

use alloy::primitives::B256;
use revm::database_interface::DBErrorMarker;

/// Why the fork could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The node did not give a value that was missing.
    #[error("the node did not answer for {what} at block {block}: {reason}")]
    Node {
        /// What was asked.
        what: String,
        /// The block it was pinned to.
        block: B256,
        /// The node's words, or a timeout.
        reason: String,
    },
    /// A transaction that no block could contain here: nonce, funds, fee cap, size.
    #[error("transaction {index} is invalid here: {reason}")]
    InvalidTransaction {
        /// Its place in the list.
        index: usize,
        /// The EVM's reason.
        reason: String,
    },
    /// A generation without a node was asked for something it does not hold.
    #[error("{what} is not in the snapshot of block {block}, and there is no node to ask")]
    NotStored {
        /// What was asked.
        what: String,
        /// The block of the generation.
        block: B256,
    },
    /// A fork that was made of a snapshot was told to leave its block.
    #[error("a snapshot holds one block: without a node there is no other")]
    NoNode,
    /// Code is needed whose hash is known but whose bytes are not.
    #[error("the code with hash {0} is needed but not known")]
    MissingCode(B256),
    /// Given code with this hash starts like a delegation (EIP-7702) but is none, which no chain allows.
    #[error("the code with hash {0} is malformed")]
    MalformedCode(B256),
    /// One way to roll can't tell what changed between two heads; another may.
    #[error("rolling by {way}: {reason}")]
    Roll {
        /// The way.
        way: &'static str,
        /// What is wrong with what it learnt.
        reason: String,
    },
    /// The node refuses a method: it has none of that name, or not for us.
    #[error("the node refuses {method}: {reason}")]
    Refused {
        /// The method.
        method: &'static str,
        /// The node's words.
        reason: String,
    },
    /// A run on a bounded generation missed more than it may, or for longer.
    #[error("after {0} accounts and slots from the node there is no time or number left for more")]
    TooManyMisses(u64),
    /// A mined block lacks what its rules ask for.
    #[error("block {number} has no {missing}")]
    IncompleteBlock {
        /// Its height.
        number: u64,
        /// The missing part, by its name in JSON-RPC.
        missing: &'static str,
    },
    /// A transaction of a kind that Ethereum does not have.
    #[error("transaction {index} of block {number} is of type {kind:#x}, which is not Ethereum's")]
    ForeignTransaction {
        /// The block's height.
        number: u64,
        /// Its place in the block.
        index: usize,
        /// Its type.
        kind: u8,
    },
    /// A transaction's signature belongs to nobody.
    #[error("transaction {index} of block {number} has no signer: {reason}")]
    NoSigner {
        /// The block's height.
        number: u64,
        /// Its place in the block.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// A block was to be executed on a state that is not its parent's.
    #[error("block {number} follows {parent}, and the state is that of {state}")]
    NotItsParent {
        /// The block's height.
        number: u64,
        /// The hash of its parent.
        parent: B256,
        /// The hash of the block whose state was given.
        state: B256,
    },
    /// Executing a mined block gave something else than its header claims.
    #[error("block {number}: {what} is {ours} here, and {header} in the header")]
    ClaimDiffers {
        /// The block's height.
        number: u64,
        /// The first claim that differs: `gas used`, `receipts root` or `logs bloom`.
        what: &'static str,
        /// What came out.
        ours: String,
        /// What the header says.
        header: String,
    },
    /// The thread that serves misses could not be started.
    #[error("no thread for the fork's reads: {0}")]
    Thread(#[source] std::io::Error),
    /// The EVM refused the block environment, or failed for a reason that is not the transaction's.
    #[error("the EVM failed: {0}")]
    Evm(String),
}

impl ForkError {
    /// Whether asking again may help: true for everything that depends on a node.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Node { .. } => true,
            Self::InvalidTransaction { .. }
            | Self::NotStored { .. }
            | Self::MissingCode(_)
            | Self::MalformedCode(_)
            | Self::Roll { .. }
            | Self::Refused { .. }
            | Self::TooManyMisses(_)
            | Self::IncompleteBlock { .. }
            | Self::ForeignTransaction { .. }
            | Self::NoSigner { .. }
            | Self::NotItsParent { .. }
            | Self::ClaimDiffers { .. }
            | Self::Thread(_)
            | Self::NoNode
            | Self::Evm(_) => false,
        }
    }
}

impl DBErrorMarker for ForkError {}
