//! A mined block executed again on its parent's state, with nothing assumed.
//!
//! ```text
//! system calls (4788, 2935) ─▶ transactions ─▶ withdrawals, requests (7002, 7251), block reward
//!        └───────────────────────── one journal ─────────────────────────┘ ─▶ changes of each step, Layer
//! ```

use super::{
    Change, ForkError, Hardfork, Layer, MinedBlock, StateDiff, TxOutcome, TxStatus, View,
    runner::{EvmContext, check_room, config, context, gain, outcome, plain_error},
    tx,
    watch::Watch,
};
use alloy::{
    consensus::{Receipt, ReceiptEnvelope, TxType, proofs::calculate_receipt_root},
    eips::{
        eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS, eip4895::GWEI_TO_WEI, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
        eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    },
    primitives::{Address, B256, Bloom, Bytes, KECCAK256_EMPTY, U256},
};
use revm::{
    ExecuteEvm, MainBuilder, MainnetEvm,
    context::{ContextSetters, TxEnv},
    context_interface::JournalTr,
    handler::{Handler, SystemCallTx},
};
use std::sync::Arc;

/// What a miner was paid for a block from Petersburg to the merge, in wei.
const BLOCK_REWARD: u64 = 2_000_000_000_000_000_000;
/// The part of it for each ommer that the block names.
const PER_OMMER: u64 = BLOCK_REWARD / 32;

/// One transaction of a block executed again.
#[derive(Clone, Debug)]
pub struct TxExecution {
    /// How it ended.
    pub outcome: TxOutcome,
    /// Each facet that it changed, against the state right before it.
    pub changes: Vec<Change>,
}

/// A block executed again.
#[derive(Clone, Debug)]
pub struct BlockExecution {
    /// What the system calls before the first transaction changed.
    pub before: Vec<Change>,
    /// The transactions, in order.
    pub txs: Vec<TxExecution>,
    /// What changed after the last transaction: withdrawals, requests, the block reward.
    pub after: Vec<Change>,
    /// All changes, to be put on top of the view that it ran on.
    pub layer: Arc<Layer>,
    /// Gas of all transactions.
    pub gas_used: u64,
    kinds: Vec<TxType>,
}

impl BlockExecution {
    /// What the whole block changed.
    #[must_use]
    pub fn diff(&self) -> StateDiff {
        let mut diff = StateDiff::default();
        for change in self.before.iter().chain(self.txs.iter().flat_map(|tx| &tx.changes)).chain(&self.after) {
            diff.record(*change);
        }
        diff
    }

    /// Root over the receipts, and the bloom filter over all logs.
    #[must_use]
    pub fn receipts(&self) -> (B256, Bloom) {
        let mut cumulative_gas_used = 0_u64;
        let mut bloom = Bloom::ZERO;
        let receipts: Vec<ReceiptEnvelope<alloy::primitives::Log>> = self
            .txs
            .iter()
            .zip(&self.kinds)
            .map(|(tx, kind)| {
                cumulative_gas_used = cumulative_gas_used.saturating_add(tx.outcome.gas_used);
                let status = matches!(tx.outcome.status, TxStatus::Success).into();
                let receipt = Receipt { status, cumulative_gas_used, logs: tx.outcome.logs.clone() };
                let receipt = receipt.with_bloom();
                bloom.accrue_bloom(&receipt.logs_bloom);
                ReceiptEnvelope::from_typed(*kind, receipt)
            })
            .collect();
        (calculate_receipt_root(&receipts), bloom)
    }

    /// Compares with the block's header, and names the first claim that differs.
    pub fn check(&self, block: &MinedBlock) -> Result<(), ForkError> {
        let number = block.target.number;
        let differs = |what, ours: String, header: String| Err(ForkError::ClaimDiffers { number, what, ours, header });
        if self.gas_used != block.claims.gas_used {
            return differs("gas used", self.gas_used.to_string(), block.claims.gas_used.to_string());
        }
        let (root, bloom) = self.receipts();
        if root != block.claims.receipts_root {
            return differs("receipts root", root.to_string(), block.claims.receipts_root.to_string());
        }
        if bloom != block.claims.logs_bloom {
            return differs("logs bloom", bloom.to_string(), block.claims.logs_bloom.to_string());
        }
        Ok(())
    }
}

/// How much of a block is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// The beginning, up to and without the transaction at this place.
    Before(usize),
}

type Evm<'a> = MainnetEvm<EvmContext<'a>>;

pub(super) fn execute(view: &View, block: &MinedBlock, extent: Extent) -> Result<BlockExecution, ForkError> {
    if view.head().hash != block.parent_hash {
        return Err(ForkError::NotItsParent { number: block.target.number, parent: block.parent_hash, state: view.head().hash });
    }
    let mut evm: Evm<'_> = context(view, None, &block.target, config(&block.target)).build_mainnet();
    let mut watch = Watch::new(view);
    begin(view, block, &mut evm, &mut watch)?;
    let before = watch.take();
    let count = match extent {
        Extent::Whole => block.txs.len(),
        Extent::Before(count) => count,
    };
    let mut txs = Vec::with_capacity(count);
    let mut kinds = Vec::with_capacity(count);
    let mut gas_used = 0_u64;
    let mut recipient_balance = view.account(block.target.fee_recipient)?.balance;
    for (index, tx) in block.txs.iter().take(count).enumerate() {
        check_room(tx, index, block.target.gas_limit.saturating_sub(gas_used))?;
        evm.ctx.set_tx(tx::signed(tx));
        let result = watch.run(&mut evm).map_err(|error| plain_error(error, index))?;
        let outcome = outcome(result, gain(&evm, &block.target, &mut recipient_balance));
        gas_used = gas_used.saturating_add(outcome.gas_used);
        txs.push(TxExecution { outcome, changes: watch.take() });
        kinds.push(tx.tx_type());
    }
    if extent == Extent::Whole {
        end(view, block, &mut evm, &mut watch)?;
    }
    let after = watch.take();
    Ok(BlockExecution { before, txs, after, layer: Arc::new(Layer::from_evm(evm.finalize(), None)), gas_used, kinds })
}

/// The system calls before the first transaction.
fn begin<'a>(view: &'a View, block: &MinedBlock, evm: &mut Evm<'a>, watch: &mut Watch<'a>) -> Result<(), ForkError> {
    if block.target.hardfork >= Hardfork::Cancun
        && let Some(root) = block.parent_beacon_root
    {
        system_call(view, evm, watch, BEACON_ROOTS_ADDRESS, root.0.into())?;
    }
    if block.target.hardfork >= Hardfork::Prague {
        system_call(view, evm, watch, HISTORY_STORAGE_ADDRESS, block.parent_hash.0.into())?;
    }
    Ok(())
}

/// What happens after the last transaction.
fn end<'a>(view: &'a View, block: &MinedBlock, evm: &mut Evm<'a>, watch: &mut Watch<'a>) -> Result<(), ForkError> {
    for withdrawal in &block.withdrawals {
        let wei = U256::from(withdrawal.amount).saturating_mul(U256::from(GWEI_TO_WEI));
        evm.ctx.journaled_state.balance_incr(withdrawal.address, wei)?;
    }
    if block.target.hardfork < Hardfork::Paris {
        let for_ommers = U256::from(PER_OMMER).saturating_mul(U256::from(block.ommers));
        evm.ctx.journaled_state.balance_incr(block.target.fee_recipient, U256::from(BLOCK_REWARD).saturating_add(for_ommers))?;
    }
    watch.commit(evm);
    if block.target.hardfork >= Hardfork::Prague {
        system_call(view, evm, watch, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, Bytes::new())?;
        system_call(view, evm, watch, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, Bytes::new())?;
    }
    Ok(())
}

/// A call of a system contract. Where it has no code (a chain without it) nothing happens.
fn system_call<'a>(view: &'a View, evm: &mut Evm<'a>, watch: &mut Watch<'a>, contract: Address, input: Bytes) -> Result<(), ForkError> {
    // A transaction of the block may have deployed it.
    let loaded = evm.ctx.journaled_state.inner.state.get(&contract).map(|account| account.info.code_hash);
    let code_hash = loaded.map_or_else(|| view.account(contract).map(|account| account.code_hash), Ok)?;
    if code_hash == KECCAK256_EMPTY || code_hash.is_zero() {
        return Ok(());
    }
    evm.ctx.set_tx(TxEnv::new_system_tx(contract, input));
    let result = watch.run_system_call(evm).map_err(|error| plain_error(error, 0))?;
    if result.is_success() { Ok(()) } else { Err(ForkError::Evm(format!("the system contract {contract} failed: {result:?}"))) }
}
