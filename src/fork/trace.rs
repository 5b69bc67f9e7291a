//! What a transaction calls, as a tree for people.
//!
//! ```text
//! [gas] callee::selector(arguments)
//!   ├─ [gas] callee::selector(arguments) [staticcall]
//!   │   └─ ← [Return] output
//!   ├─ emit topic 0: ..
//!   └─ ← [Stop]
//! ```

use super::{ForkError, SimTx, TargetBlock, TxOutcome, View, runner};
use colorchoice::ColorChoice;
use revm_inspectors::tracing::{CallTraceArena, TraceWriter, TracingInspector, TracingInspectorConfig};

/// Calls and logs; the single opcodes would be a book.
const RECORDED: TracingInspectorConfig = TracingInspectorConfig::none().record_logs();

/// Runs `txs` one after the other and writes down the calls of the last one. Without any there is nothing to write.
pub(super) fn trace(view: &View, block: &TargetBlock, txs: &[SimTx]) -> Result<String, ForkError> {
    let (execution, mut inspector) = runner::execute_inspected(view, block, txs, TracingInspector::new(RECORDED), |inspector| {
        inspector.fuse();
    })?;
    let Some(last) = execution.txs.last() else { return Ok(String::new()) };
    // The root of the tree is the transaction: with what it paid before its first opcode, and after refunds.
    inspector.set_transaction_gas_used(last.gas_used);
    Ok(written(inspector.traces(), last))
}

fn written(calls: &CallTraceArena, outcome: &TxOutcome) -> String {
    let mut writer = TraceWriter::new(Vec::new()).use_colors(ColorChoice::Never);
    match writer.write_arena(calls) {
        Ok(()) => String::from_utf8_lossy(writer.writer()).into_owned(),
        // Memory takes whatever is written to it; so this is about the writer's own checks.
        Err(error) => format!("{:?}, {} gas, its calls can't be written: {error}", outcome.status, outcome.gas_used),
    }
}
