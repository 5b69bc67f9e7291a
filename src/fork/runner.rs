//! The EVM at a target block: message calls, and signed transactions one after the other.
//!
//! ```text
//! View ◀─ Chainstate (assumes the fee recipient) ◀─ journal of one EVM ─▶ outcomes, Layer
//! ```

use super::{
    Call, CallOutcome, EnvWord, Execution, Facet, ForkError, Hardfork, Layer, ReadSet, SimTx, TargetBlock, TxOutcome, TxStatus, View, recorder::Recorder, tx,
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, KECCAK256_EMPTY, U256},
};
use revm::{
    Context, ExecuteEvm, InspectEvm, Inspector, Journal, MainBuilder, MainnetEvm,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{
        block::BlobExcessGasAndPrice,
        result::{EVMError, ExecutionResult, Output},
    },
    database_interface::{DatabaseRef, WrapDatabaseRef},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};
use std::sync::Arc;

/// What the EVM reads: the view, with the fee recipient funded and without code.
#[derive(Debug)]
pub(super) struct Chainstate<'a> {
    view: &'a View,
    assumed: Option<Address>,
}

impl DatabaseRef for Chainstate<'_> {
    type Error = ForkError;

    #[inline]
    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ForkError> {
        let info = self.view.basic_ref(address)?;
        if self.assumed == Some(address) { Ok(info.map(assumed_fee_recipient)) } else { Ok(info) }
    }

    #[inline]
    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ForkError> {
        self.view.code_by_hash_ref(hash)
    }

    #[inline]
    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, ForkError> {
        self.view.storage_ref(address, slot)
    }

    #[inline]
    fn block_hash_ref(&self, number: u64) -> Result<B256, ForkError> {
        self.view.block_hash_ref(number)
    }
}

/// Whoever proposes the block has money and no code. An account with a nonce is not empty, so paying it creates nothing; its
/// balance stays true, and no wei appears from nowhere.
fn assumed_fee_recipient(mut info: AccountInfo) -> AccountInfo {
    info.code_hash = KECCAK256_EMPTY;
    info.code = Some(Bytecode::default());
    info.nonce = info.nonce.max(1);
    info
}

pub(super) type EvmContext<'a> = Context<BlockEnv, TxEnv, CfgEnv, WrapDatabaseRef<Chainstate<'a>>, Journal<WrapDatabaseRef<Chainstate<'a>>>, ()>;
type Stepped = Result<ExecutionResult, EVMError<ForkError>>;

const fn spec_of(hardfork: Hardfork) -> SpecId {
    match hardfork {
        Hardfork::Petersburg => SpecId::PETERSBURG,
        Hardfork::Istanbul => SpecId::ISTANBUL,
        Hardfork::Berlin => SpecId::BERLIN,
        Hardfork::London => SpecId::LONDON,
        Hardfork::Paris => SpecId::MERGE,
        Hardfork::Shanghai => SpecId::SHANGHAI,
        Hardfork::Cancun => SpecId::CANCUN,
        Hardfork::Prague => SpecId::PRAGUE,
        Hardfork::Osaka | Hardfork::Bpo1 | Hardfork::Bpo2 => SpecId::OSAKA,
    }
}

/// All checks on, limits and prices of the block's rules.
pub(super) fn config(block: &TargetBlock) -> CfgEnv {
    let mut config = CfgEnv::new_with_spec(spec_of(block.hardfork)).with_chain_id(block.chain_id);
    if let Some(params) = block.hardfork.blob_params() {
        config.set_max_blobs_per_tx(params.max_blobs_per_tx);
        config.blob_base_fee_update_fraction = u64::try_from(params.update_fraction).ok();
    }
    config
}

/// A message call pays nothing and comes from nobody in particular.
fn call_config(block: &TargetBlock) -> CfgEnv {
    let mut config = config(block);
    config.disable_nonce_check = true;
    config.disable_balance_check = true;
    config.disable_block_gas_limit = true;
    config.disable_base_fee = true;
    config.disable_eip3607 = true;
    config.tx_gas_limit_cap = Some(u64::MAX);
    config
}

fn environment(block: &TargetBlock, config: &CfgEnv) -> BlockEnv {
    let excess = block.hardfork.bounded_excess(block.excess_blob_gas);
    let blobs = block.hardfork.blob_params().map(|_| BlobExcessGasAndPrice::new(excess, config.blob_base_fee_update_fraction()));
    let merged = block.hardfork >= Hardfork::Paris;
    BlockEnv {
        number: U256::from(block.number),
        beneficiary: block.fee_recipient,
        timestamp: U256::from(block.timestamp),
        gas_limit: block.gas_limit,
        basefee: block.base_fee,
        difficulty: if merged { U256::ZERO } else { block.prev_randao.into() },
        prevrandao: merged.then_some(block.prev_randao),
        blob_excess_gas_and_price: blobs,
        slot_num: 0,
    }
}

/// The EVM's configuration and environment at a block, for measurements against raw revm.
#[cfg(test)]
pub(super) fn prepared(block: &TargetBlock) -> (CfgEnv, BlockEnv) {
    let config = config(block);
    let environment = environment(block, &config);
    (config, environment)
}

pub(super) fn context<'a>(view: &'a View, assumed: Option<Address>, block: &TargetBlock, config: CfgEnv) -> EvmContext<'a> {
    let environment = environment(block, &config);
    let database = WrapDatabaseRef(Chainstate { view, assumed });
    let context: EvmContext<'a> = Context::new(database, *config.spec());
    context.with_block(environment).with_cfg(config)
}

/// The fee recipient if the assumption about it applies: it does not when the recipient itself signs something, because then
/// its own nonce and code count.
fn assumed(block: &TargetBlock, txs: &[SimTx]) -> Option<Address> {
    let recipient = block.fee_recipient;
    let authorizes = |tx: &SimTx| tx.authorization_list().unwrap_or_default().iter().any(|signed| signed.recover_authority().ok() == Some(recipient));
    let signs = txs.iter().any(|tx| tx.signer() == recipient || authorizes(tx));
    (!signs).then_some(recipient)
}

pub(super) fn plain_error(error: EVMError<ForkError>, index: usize) -> ForkError {
    match error {
        EVMError::Database(error) => error,
        EVMError::Transaction(invalid) => ForkError::InvalidTransaction { index, reason: invalid.to_string() },
        other @ (EVMError::Header(_) | EVMError::Custom(_) | EVMError::CustomAny(_)) => ForkError::Evm(other.to_string()),
    }
}

fn call_outcome(result: ExecutionResult) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    let success = result.is_success();
    CallOutcome { success, output: result.into_output().unwrap_or_default(), gas_used }
}

pub(super) fn call(view: &View, block: &TargetBlock, call: &Call) -> Result<CallOutcome, ForkError> {
    view.warm(call);
    let mut evm = context(view, Some(block.fee_recipient), block, call_config(block)).build_mainnet();
    let result = evm.transact_one(tx::message(call));
    view.note_loaded(&evm.ctx.journaled_state.inner.state);
    result.map(call_outcome).map_err(|error| plain_error(error, 0))
}

pub(super) fn call_recorded(view: &View, block: &TargetBlock, call: &Call, reads: &mut ReadSet) -> Result<CallOutcome, ForkError> {
    recorded(view, block, call, reads, |_| ()).map(|(outcome, ())| outcome)
}

pub(super) fn effect(view: &View, block: &TargetBlock, call: &Call, reads: &mut ReadSet) -> Result<(CallOutcome, Arc<Layer>), ForkError> {
    recorded(view, block, call, reads, |evm| Arc::new(Layer::from_evm(evm.finalize(), Some(block.fee_recipient))))
}

fn recorded<'a, T>(
    view: &'a View,
    block: &TargetBlock,
    call: &Call,
    reads: &mut ReadSet,
    end: impl FnOnce(&mut MainnetEvm<EvmContext<'a>, Recorder>) -> T,
) -> Result<(CallOutcome, T), ForkError> {
    view.warm(call);
    let mut recorder = Recorder::default();
    recorder.note_callee(call.to);
    let assumed = Some(block.fee_recipient);
    let mut evm = context(view, assumed, block, call_config(block)).build_mainnet_with_inspector(recorder);
    let result = evm.inspect_one_tx(tx::message(call));
    view.note_loaded(&evm.ctx.journaled_state.inner.state);
    std::mem::take(&mut evm.inspector).finish(view, assumed, reads);
    let outcome = result.map(call_outcome).map_err(|error| plain_error(error, 0))?;
    Ok((outcome, end(&mut evm)))
}

pub(super) fn execute(view: &View, block: &TargetBlock, txs: &[SimTx]) -> Result<Execution, ForkError> {
    let assumed = assumed(block, txs);
    let mut evm = context(view, assumed, block, config(block)).build_mainnet();
    run(view, block, txs, assumed, &mut evm, |evm, tx| evm.transact_one(tx))
}

pub(super) fn execute_recorded(view: &View, block: &TargetBlock, txs: &[SimTx], reads: &mut ReadSet) -> Result<(Execution, Vec<Address>), ForkError> {
    let assumed = assumed(block, txs);
    let mut recorder = Recorder::default();
    for tx in txs {
        note_transaction(&mut recorder, tx);
    }
    let mut evm = context(view, assumed, block, config(block)).build_mainnet_with_inspector(recorder);
    let result = run(view, block, txs, assumed, &mut evm, |evm, tx| evm.inspect_one_tx(tx));
    let proposer_readers = evm.inspector.finish(view, assumed, reads);
    Ok((result?, proposer_readers))
}

/// As [`execute`] with an inspector that sees every transaction; `before_each` is told before one begins.
pub(super) fn execute_inspected<'a, I: Inspector<EvmContext<'a>>>(
    view: &'a View,
    block: &TargetBlock,
    txs: &[SimTx],
    inspector: I,
    before_each: fn(&mut I),
) -> Result<(Execution, I), ForkError> {
    let assumed = assumed(block, txs);
    let mut evm = context(view, assumed, block, config(block)).build_mainnet_with_inspector(inspector);
    let execution = run(view, block, txs, assumed, &mut evm, |evm, tx| {
        before_each(&mut evm.inspector);
        evm.inspect_one_tx(tx)
    })?;
    Ok((execution, evm.inspector))
}

/// What a transaction reads before its first opcode: who pays, and what is called.
fn note_transaction(recorder: &mut Recorder, tx: &SimTx) {
    let sender = tx.signer();
    for facet in [Facet::Balance(sender), Facet::Nonce(sender), Facet::Code(sender), Facet::Env(EnvWord::BaseFee)] {
        recorder.note(facet);
    }
    if tx.blob_versioned_hashes().is_some_and(|hashes| !hashes.is_empty()) {
        recorder.note(Facet::Env(EnvWord::BlobBaseFee));
    }
    if let Some(to) = tx.to() {
        recorder.note_callee(to);
    }
    for signed in tx.authorization_list().unwrap_or_default() {
        recorder.note(Facet::Code(*signed.address()));
        if let Ok(authority) = signed.recover_authority() {
            recorder.note(Facet::Nonce(authority));
            // The refund of an authorization depends on whether the authority's account exists.
            recorder.note_emptiness(authority);
        }
    }
}

/// Whether the block has enough gas left for all that the transaction may use.
pub(super) fn check_room(tx: &SimTx, index: usize, gas_left: u64) -> Result<(), ForkError> {
    if tx.gas_limit() <= gas_left {
        return Ok(());
    }
    let reason = format!("gas limit {} exceeds the {gas_left} that the block has left", tx.gas_limit());
    Err(ForkError::InvalidTransaction { index, reason })
}

/// What the fee recipient has gained since it had `balance`, which becomes what it has now.
pub(super) fn gain<I>(evm: &MainnetEvm<EvmContext<'_>, I>, block: &TargetBlock, balance: &mut U256) -> U256 {
    let now = evm.ctx.journaled_state.inner.state.get(&block.fee_recipient).map_or(*balance, |account| account.info.balance);
    now.saturating_sub(std::mem::replace(balance, now))
}

fn run<'a, I>(
    view: &View,
    block: &TargetBlock,
    txs: &[SimTx],
    assumed: Option<Address>,
    evm: &mut MainnetEvm<EvmContext<'a>, I>,
    step: impl Fn(&mut MainnetEvm<EvmContext<'a>, I>, TxEnv) -> Stepped,
) -> Result<Execution, ForkError> {
    let mut outcomes = Vec::with_capacity(txs.len());
    let mut gas_left = block.gas_limit;
    let mut recipient_balance = view.account(block.fee_recipient)?.balance;
    for (index, tx) in txs.iter().enumerate() {
        check_room(tx, index, gas_left)?;
        let result = step(evm, tx::signed(tx)).map_err(|error| plain_error(error, index))?;
        let outcome = outcome(result, gain(evm, block, &mut recipient_balance));
        gas_left = gas_left.saturating_sub(outcome.gas_used);
        outcomes.push(outcome);
    }
    view.note_loaded(&evm.ctx.journaled_state.inner.state);
    Ok(Execution { txs: outcomes, layer: Arc::new(Layer::from_evm(evm.finalize(), assumed)) })
}

pub(super) fn outcome(result: ExecutionResult, fee_recipient_gain: U256) -> TxOutcome {
    let gas_used = result.tx_gas_used();
    let gas_spent = result.gas().total_gas_spent();
    let (status, output, logs) = match result {
        ExecutionResult::Success { output: Output::Call(output) | Output::Create(output, _), logs, .. } => (TxStatus::Success, output, logs),
        ExecutionResult::Revert { output, .. } => (TxStatus::Reverted, output, Vec::new()),
        ExecutionResult::Halt { reason, .. } => (TxStatus::Halted(reason.to_string()), Default::default(), Vec::new()),
    };
    TxOutcome { status, gas_used, gas_spent, output, logs, fee_recipient_gain }
}
