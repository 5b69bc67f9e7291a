//! Raw revm, with everything prepared: memory filled, environment, configuration and transaction built beforehand. What is left is a new EVM a run.

use alloy::{
    consensus::{Transaction, Typed2718},
    primitives::{Bytes, U256},
};
use eyre::eyre;
use harrier::fork::{SimTx, TargetBlock, View};
use revm::{
    Context, ExecuteEvm, Journal, MainBuilder,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::block::BlobExcessGasAndPrice,
    database::{CacheDB, EmptyDB},
    database_interface::{DatabaseRef, WrapDatabaseRef},
    primitives::hardfork::SpecId,
};

/// A transaction that only has to be run.
#[derive(Debug)]
pub(crate) struct Prepared {
    memory: CacheDB<EmptyDB>,
    config: CfgEnv,
    environment: BlockEnv,
    tx: TxEnv,
}

impl Prepared {
    /// Fills memory with all that the transaction reads on `view`, and nothing else.
    pub(crate) fn new(view: &View, block: &TargetBlock, tx: &SimTx) -> eyre::Result<Self> {
        let params = block.hardfork.blob_params().ok_or_else(|| eyre::eyre!("a block without blobs"))?;
        let mut config = CfgEnv::new_with_spec(SpecId::OSAKA).with_chain_id(block.chain_id).with_max_blobs_per_tx(params.max_blobs_per_tx);
        config.blob_base_fee_update_fraction = Some(u64::try_from(params.update_fraction)?);
        let environment = BlockEnv {
            number: U256::from(block.number),
            beneficiary: block.fee_recipient,
            timestamp: U256::from(block.timestamp),
            gas_limit: block.gas_limit,
            basefee: block.base_fee,
            difficulty: U256::ZERO,
            prevrandao: Some(block.prev_randao),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(block.excess_blob_gas, config.blob_base_fee_update_fraction())),
            slot_num: 0,
        };
        let tx = TxEnv {
            tx_type: tx.ty(),
            caller: tx.signer(),
            gas_limit: tx.gas_limit(),
            gas_price: tx.max_fee_per_gas(),
            kind: tx.kind(),
            value: tx.value(),
            data: tx.input().clone(),
            nonce: tx.nonce(),
            chain_id: tx.chain_id(),
            gas_priority_fee: tx.max_priority_fee_per_gas(),
            ..TxEnv::default()
        };
        let mut filling = CacheDB::new(view);
        let mut recipient = view.basic_ref(block.fee_recipient)?.unwrap_or_default();
        recipient.nonce = recipient.nonce.max(1);
        filling.insert_account_info(block.fee_recipient, recipient);
        let context: Context<BlockEnv, TxEnv, CfgEnv, _, Journal<_>, ()> = Context::new(&mut filling, *config.spec());
        let mut evm = context.with_block(environment.clone()).with_cfg(config.clone()).build_mainnet();
        evm.transact_one(tx.clone()).map_err(|error| eyre!("raw revm: {error}"))?;
        drop(evm);
        let mut memory = CacheDB::new(EmptyDB::default());
        memory.cache = filling.cache;
        Ok(Self { memory, config, environment, tx })
    }

    /// One run in a new EVM: output, gas used, and how many accounts it touched.
    pub(crate) fn run(&self) -> eyre::Result<(Bytes, u64, usize)> {
        let context: Context<BlockEnv, TxEnv, CfgEnv, _, Journal<_>, ()> = Context::new(WrapDatabaseRef(&self.memory), *self.config.spec());
        let mut evm = context.with_block(self.environment.clone()).with_cfg(self.config.clone()).build_mainnet();
        let result = evm.transact_one(self.tx.clone()).map_err(|error| eyre!("raw revm: {error}"))?;
        let gas = result.tx_gas_used();
        if !result.is_success() {
            return Err(eyre!("raw revm: the bundle fails: {result:?}"));
        }
        let touched = evm.finalize().len();
        Ok((result.into_output().unwrap_or_default(), gas, touched))
    }
}
