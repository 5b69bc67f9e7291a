//! Recorded blocks executed again, as a whole or as if their transactions were pending.
//!
//! ```text
//! RecordedBlock ─replay──▶ gas, receipts, changes, time
//!               └─pending─▶ one transaction after the other on the state with those before it: which facets it would change,
//!                           and which watched values that makes stale
//! ```

use super::recorded::RecordedBlock;
use crate::fork::{BlockExecution, Call, Facet, ForkError, Layer, ReadSet, StateDiff, View};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol,
    sol_types::SolCall,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

sol! {
    /// What is read of a price feed.
    interface Feed {
        /// The newest price.
        function latestAnswer() external view returns (int256);
    }
}

/// A block executed again, with the time that it took.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What came out.
    pub execution: BlockExecution,
    /// Time of the execution.
    pub took: Duration,
    /// Whether it is what the header claims.
    pub verdict: Result<(), String>,
}

/// Executes a recorded block again and compares it with its header.
pub fn replay(recorded: &RecordedBlock) -> Result<Replayed, ForkError> {
    let view = View::new(recorded.generation.clone());
    let begin = Instant::now();
    let execution = view.execute_block(&recorded.block)?;
    let took = begin.elapsed();
    let verdict = execution.check(&recorded.block).map_err(|error| error.to_string());
    Ok(Replayed { execution, took, verdict })
}

/// A price feed and the facets that its answer was read from.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The contract that was asked.
    pub aggregator: Address,
    /// What its answer depends on, as far as the recorded state let it be read.
    pub reads: ReadSet,
    /// Facets that the recorded state lacks; they are taken as zero so that the read goes on.
    pub unknown: usize,
}

/// Most unknown slots that are taken as zero in one read.
const MOST_UNKNOWN: usize = 16;

/// Reads a feed's answer before the block, and keeps the read set. The caller is the block's fee recipient, an account that is
/// known for sure. A slot that the recorded state lacks is taken as zero and the read begins again: the value is not to be
/// trusted then, and what was read is. Any other error ends it, and what was read until then holds.
#[must_use]
pub fn watch(recorded: &RecordedBlock, aggregator: Address) -> Watched {
    let mut view = View::new(recorded.generation.clone());
    let target = &recorded.block.target;
    let call = Call { from: target.fee_recipient, ..Call::new(aggregator, Bytes::from(Feed::latestAnswerCall {}.abi_encode())) };
    let mut unknown = 0;
    loop {
        let mut reads = ReadSet::default();
        let outcome = view.call_recorded(target, &call, &mut reads);
        let stored = view.generation().known();
        let lacking: Vec<_> = reads
            .iter()
            .filter_map(|facet| match facet {
                Facet::Slot(address, slot) if stored.value(facet).is_none() => Some((*address, *slot, U256::ZERO)),
                _ => None,
            })
            .collect();
        let more = lacking.len() > unknown;
        unknown = lacking.len();
        if outcome.is_ok() || !more || unknown > MOST_UNKNOWN {
            return Watched { aggregator, reads, unknown };
        }
        view = View::new(recorded.generation.clone()).with_layer(Arc::new(Layer::patch_slots(&lacking)));
    }
}

/// What a transaction would do if it were pending behind those before it.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The transaction's place in the block.
    pub index: usize,
    /// What it would change; an error if no block could contain it there.
    pub changes: Result<StateDiff, String>,
    /// The watched feeds whose answer it would make stale.
    pub updates: Vec<Address>,
}

/// Feeds a block's transactions one by one as pending ones; each is told with what it would change.
pub fn pending(recorded: &RecordedBlock, watched: &[Watched], mut told: impl FnMut(Pending)) -> Result<(), ForkError> {
    let parent = View::new(recorded.generation.clone());
    let mut before = Layer::default();
    before.absorb(&parent.execute_before(&recorded.block, 0)?.layer);
    let mut before = Arc::new(before);
    for (index, tx) in recorded.block.txs.iter().enumerate() {
        let view = parent.with_layer(before.clone());
        let run = view.execute(&recorded.block.target, std::slice::from_ref(tx)).and_then(|run| Ok((view.diff(&run.layer)?, run.layer)));
        drop(view);
        let changes = match run {
            Ok((diff, layer)) => {
                // Nobody else holds it any more, so nothing is copied.
                if let Some(before) = Arc::get_mut(&mut before) {
                    before.absorb(&layer);
                }
                Ok(diff)
            }
            Err(error) => Err(error.to_string()),
        };
        let stale = |feed: &&Watched| changes.as_ref().is_ok_and(|diff| feed.reads.is_stale_after(diff));
        let updates = watched.iter().filter(stale).map(|feed| feed.aggregator).collect();
        told(Pending { index, changes, updates });
    }
    Ok(())
}
