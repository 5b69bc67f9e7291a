//! Our re-execution of real blocks against plain revm on the same state, senders given in both.
//!
//! ```text
//! 19 recorded blocks ─┬─▶ ours:  View::execute_block: system calls, outcomes, changes of each transaction, layer
//!                     └─▶ plain: one EVM on borrowed memory, prepared transactions one after the other, finalize
//! ```

use alloy::consensus::{Transaction, Typed2718};
use eyre::eyre;
use harrier::{
    drivers::recorded::{Recorded, RecordedBlock},
    fork::{Hardfork, MinedBlock, SimTx, View},
};
use revm::{
    Context, ExecuteEvm, Journal, MainBuilder, SystemCallEvm,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{block::BlobExcessGasAndPrice, either::Either},
    database::{CacheDB, EmptyDB},
    database_interface::WrapDatabaseRef,
    primitives::{Address, B256, U256, address, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Rounds over all blocks; in each, ours and plain run once a block.
const ROUNDS: u32 = 41;
const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");

/// What was measured, for all blocks together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RollReplay {
    /// Speed of ours against plain revm.
    pub(crate) ratio: f64,
    /// Sum over the blocks of our median times.
    pub(crate) ours: Duration,
    /// The same with the comparison with the header: receipts root and bloom.
    pub(crate) checked: Duration,
    /// Sum over the blocks of plain revm's median times.
    pub(crate) plain: Duration,
    /// Gas of all blocks.
    pub(crate) gas: u64,
}

/// Measures `roll_replay_real` on the recorded blocks in a folder.
pub(crate) fn roll_replay_real(folder: &Path) -> eyre::Result<RollReplay> {
    let recorded = Recorded::open(folder)?;
    let (mut ours, mut checked, mut plain, mut gas) = (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0_u64);
    for height in recorded.heights()? {
        let block = recorded.read(&recorded.file_of(height))?;
        let view = View::new(block.generation.clone());
        let raw = Plain::new(&block, &recorded)?;
        let expected = view.execute_block(&block.block)?;
        expected.check(&block.block)?;
        let (found, touched) = raw.run()?;
        if found != expected.gas_used || touched < expected.layer.addresses().count() {
            return Err(eyre!("block {height}: plain revm used {found} gas, ours {}", expected.gas_used));
        }
        gas = gas.saturating_add(found);
        let (mut our_times, mut checked_times, mut plain_times) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let mut run_ours = || -> eyre::Result<()> {
                let begin = Instant::now();
                let execution = view.execute_block(&block.block)?;
                our_times.push(begin.elapsed());
                execution.check(&block.block)?;
                checked_times.push(begin.elapsed());
                Ok(())
            };
            let mut run_plain = || -> eyre::Result<()> {
                let begin = Instant::now();
                raw.run()?;
                plain_times.push(begin.elapsed());
                Ok(())
            };
            if round % 2 == 0 {
                run_ours()?;
                run_plain()?;
            } else {
                run_plain()?;
                run_ours()?;
            }
        }
        ours = ours.saturating_add(middle(our_times));
        checked = checked.saturating_add(middle(checked_times));
        plain = plain.saturating_add(middle(plain_times));
    }
    Ok(RollReplay { ratio: plain.as_secs_f64() / ours.as_secs_f64(), ours, checked, plain, gas })
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A block prepared for plain revm.
struct Plain {
    memory: CacheDB<EmptyDB>,
    config: CfgEnv,
    environment: BlockEnv,
    txs: Vec<TxEnv>,
    beacon_root: Option<B256>,
}

impl Plain {
    fn new(recorded: &RecordedBlock, all: &Recorded) -> eyre::Result<Self> {
        let mut memory = CacheDB::new(EmptyDB::default());
        for (number, hash) in &recorded.state.block_hashes {
            memory.cache.block_hashes.insert(U256::from(*number), *hash);
        }
        for (address, account) in &recorded.state.accounts {
            let mut info = AccountInfo { balance: account.balance, nonce: account.nonce, ..AccountInfo::default() };
            if let Some(hash) = account.code_hash {
                info.code_hash = hash;
                info.code = all.code().get(&hash).map(|code| Bytecode::new_raw(code.clone()));
            }
            memory.insert_account_info(*address, info);
            for (slot, value) in &account.slots {
                memory.insert_account_storage(*address, *slot, *value)?;
            }
        }
        let MinedBlock { target, txs, parent_beacon_root, .. } = &recorded.block;
        let (spec, fraction) = match target.hardfork {
            Hardfork::Petersburg => (SpecId::PETERSBURG, None),
            Hardfork::Istanbul => (SpecId::ISTANBUL, None),
            Hardfork::Berlin => (SpecId::BERLIN, None),
            Hardfork::London => (SpecId::LONDON, None),
            Hardfork::Paris => (SpecId::MERGE, None),
            Hardfork::Shanghai => (SpecId::SHANGHAI, None),
            Hardfork::Cancun => (SpecId::CANCUN, Some(3_338_477)),
            later => return Err(eyre!("no recorded block runs {later:?}")),
        };
        let mut config = CfgEnv::new_with_spec(spec).with_chain_id(target.chain_id);
        config.blob_base_fee_update_fraction = fraction;
        let merged = spec >= SpecId::MERGE;
        let environment = BlockEnv {
            number: U256::from(target.number),
            beneficiary: target.fee_recipient,
            timestamp: U256::from(target.timestamp),
            gas_limit: target.gas_limit,
            basefee: target.base_fee,
            difficulty: if merged { U256::ZERO } else { target.prev_randao.into() },
            prevrandao: merged.then_some(target.prev_randao),
            blob_excess_gas_and_price: fraction.map(|fraction| BlobExcessGasAndPrice::new(target.excess_blob_gas, fraction)),
            slot_num: 0,
        };
        let deployed = recorded.state.accounts.contains_key(&BEACON_ROOTS);
        let beacon_root = parent_beacon_root.filter(|_| deployed && spec >= SpecId::CANCUN);
        Ok(Self { memory, config, environment, txs: txs.iter().map(prepared).collect(), beacon_root })
    }

    /// One run in a new EVM: gas used, and how many accounts it has loaded.
    fn run(&self) -> eyre::Result<(u64, usize)> {
        let context: Context<BlockEnv, TxEnv, CfgEnv, _, Journal<_>, ()> = Context::new(WrapDatabaseRef(&self.memory), *self.config.spec());
        let mut evm = context.with_block(self.environment.clone()).with_cfg(self.config.clone()).build_mainnet();
        if let Some(root) = self.beacon_root {
            evm.system_call_one(BEACON_ROOTS, root.0.into()).map_err(|error| eyre!("plain revm: {error}"))?;
        }
        let mut gas = 0_u64;
        for tx in &self.txs {
            gas = gas.saturating_add(evm.transact_one(tx.clone()).map_err(|error| eyre!("plain revm: {error}"))?.tx_gas_used());
        }
        // Withdrawals and rewards are not executed, so at most so many accounts are missing.
        Ok((gas, evm.finalize().len().saturating_add(17)))
    }
}

fn prepared(tx: &SimTx) -> TxEnv {
    TxEnv {
        tx_type: tx.ty(),
        caller: tx.signer(),
        gas_limit: tx.gas_limit(),
        gas_price: tx.gas_price().unwrap_or_else(|| tx.max_fee_per_gas()),
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: tx.max_priority_fee_per_gas(),
        blob_hashes: tx.blob_versioned_hashes().map(<[_]>::to_vec).unwrap_or_default(),
        max_fee_per_blob_gas: tx.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: tx.authorization_list().unwrap_or_default().iter().cloned().map(Either::Left).collect(),
    }
}
