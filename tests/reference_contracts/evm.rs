//! A chain in memory: contracts from our artifacts, transactions, single slots.

use alloy::{
    primitives::{Address, B256, Bytes, Log, U256, keccak256},
    sol_types::{SolCall, SolValue},
};
use revm::{
    Context, ExecuteCommitEvm, Journal, MainBuilder,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::{ExecutionResult, Output},
    database::{CacheDB, EmptyDB},
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};
use serde_json::Value;
use std::{fs, path::Path};

/// The deployer and administrator of everything.
pub(crate) const ADMIN: Address = Address::repeat_byte(0xad);

/// The state, and the time of the next transaction.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    state: CacheDB<EmptyDB>,
    pub(crate) now: u64,
}

/// A call that succeeded.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) output: Bytes,
    pub(crate) logs: Vec<Log>,
}

impl Chain {
    pub(crate) fn new(now: u64) -> Self {
        Self { state: CacheDB::new(EmptyDB::default()), now }
    }

    /// Deploys an artifact of ours with encoded constructor arguments.
    pub(crate) fn deploy(&mut self, name: &str, arguments: &[u8]) -> Address {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("solidity/artifacts/{name}.json"));
        let artifact: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut code: Vec<u8> = artifact["bytecode"].as_str().unwrap().parse::<Bytes>().unwrap().into();
        code.extend_from_slice(arguments);
        let size = (artifact["deployedBytecode"].as_str().unwrap().len() - 2) / 2;
        assert!(size <= 24_576, "{name} has {size} bytes, more than a contract may have");
        match self.run(ADMIN, TxKind::Create, code.into(), U256::ZERO) {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => address,
            other => panic!("{name} can't be deployed: {other:?}"),
        }
    }

    /// Deploys without constructor arguments and sets up.
    pub(crate) fn set_up<C: SolCall>(&mut self, name: &str, call: &C) -> Address {
        let address = self.deploy(name, &[]);
        self.must(ADMIN, address, call);
        address
    }

    /// A transaction; `Err` is its revert data.
    pub(crate) fn send(&mut self, from: Address, to: Address, data: Bytes, value: U256) -> Result<Done, Bytes> {
        match self.run(from, TxKind::Call(to), data, value) {
            ExecutionResult::Success { output, logs, .. } => Ok(Done { output: output.into_data(), logs }),
            ExecutionResult::Revert { output, .. } => Err(output),
            halt @ ExecutionResult::Halt { .. } => panic!("{to} halts: {halt:?}"),
        }
    }

    /// A typed call that may revert.
    pub(crate) fn call<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> Result<(C::Return, Vec<Log>), Bytes> {
        let done = self.send(from, to, call.abi_encode().into(), U256::ZERO)?;
        Ok((C::abi_decode_returns(&done.output).unwrap(), done.logs))
    }

    /// A typed call that must succeed.
    pub(crate) fn must<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> C::Return {
        self.call(from, to, call).unwrap_or_else(|data| panic!("{} on {to} reverts with {data}", C::SIGNATURE)).0
    }

    /// A typed call whose effects are forgotten.
    pub(crate) fn ask<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        self.clone().must(ADMIN, to, call)
    }

    pub(crate) fn slot(&self, contract: Address, slot: U256) -> U256 {
        let account = self.state.cache.accounts.get(&contract).unwrap();
        account.storage.get(&slot).copied().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, contract: Address, slot: U256, word: U256) {
        self.state.insert_account_storage(contract, slot, word).unwrap();
    }

    pub(crate) fn give(&mut self, account: Address, wei: U256) {
        let mut info = self.info(account);
        info.balance = wei;
        self.state.insert_account_info(account, info);
    }

    pub(crate) fn wei(&self, account: Address) -> U256 {
        self.info(account).balance
    }

    pub(crate) fn put_code(&mut self, account: Address, code: Vec<u8>) {
        self.state.insert_account_info(account, AccountInfo::from_bytecode(Bytecode::new_raw(code.into())));
    }

    fn info(&self, account: Address) -> AccountInfo {
        self.state.cache.accounts.get(&account).map(|account| account.info.clone()).unwrap_or_default()
    }

    fn run(&mut self, from: Address, kind: TxKind, data: Bytes, value: U256) -> ExecutionResult {
        let mut config = CfgEnv::new_with_spec(SpecId::CANCUN);
        config.disable_nonce_check = true;
        // A contract may call as if it were an account: the managers' own calls are asked this way.
        config.disable_eip3607 = true;
        let block = BlockEnv { number: U256::from(1_000), timestamp: U256::from(self.now), gas_limit: u64::MAX, basefee: 0, ..BlockEnv::default() };
        let nonce = self.info(from).nonce;
        let tx = TxEnv { caller: from, gas_limit: 200_000_000, gas_price: 0, kind, value, data, nonce, chain_id: None, ..TxEnv::default() };
        let context: Context<BlockEnv, TxEnv, CfgEnv, _, Journal<_>, ()> = Context::new(&mut self.state, SpecId::CANCUN);
        let mut evm = context.with_block(block).with_cfg(config).build_mainnet();
        evm.transact_commit(tx).unwrap()
    }
}

/// The slot of `map[key]`.
pub(crate) fn mapped<K: SolValue>(key: &K, slot: U256) -> U256 {
    let mut bytes = key.abi_encode();
    bytes.extend_from_slice(&slot.to_be_bytes::<32>());
    U256::from_be_bytes(keccak256(bytes).0)
}

/// A key that is a number below or above zero, as 32 bytes.
pub(crate) fn signed(key: i32) -> B256 {
    let fill = if key < 0 { 0xff } else { 0 };
    let mut bytes = [fill; 32];
    bytes[28..].copy_from_slice(&key.to_be_bytes());
    B256::from(bytes)
}

/// A decimal string, or a number, of the vectors.
pub(crate) fn number(value: &Value) -> U256 {
    match value {
        Value::String(text) => text.parse().unwrap_or_else(|error| panic!("{text}: {error}")),
        Value::Number(number) => U256::from(number.as_u64().unwrap()),
        other => panic!("no number: {other}"),
    }
}

/// The numbers of a list.
pub(crate) fn numbers(value: &Value) -> Vec<U256> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// A file of the vectors.
pub(crate) fn vectors(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
