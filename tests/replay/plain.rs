//! The independent run: raw JSON into plain revm, with an own database, own environment and one finished transaction after the
//! other. Nothing of the crate is used.

use alloy::primitives::{Address, B256, Bytes, TxKind, U256, address, map::AddressMap, map::B256Map};
use revm::{
    Context, Database, DatabaseCommit, ExecuteCommitEvm, MainBuilder, MainContext,
    context::{BlockEnv, CfgEnv, TxEnv, transaction::AccessList},
    context_interface::{block::BlobExcessGasAndPrice, either::Either},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode, EvmState},
};
use serde_json::Value;
use std::{collections::BTreeMap, convert::Infallible};

/// What is compared of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code_hash: B256,
    pub(crate) slots: BTreeMap<U256, U256>,
}

/// The state, and what stood there at first.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) first: AddressMap<Plain>,
    pub(crate) now: AddressMap<Plain>,
    code: B256Map<Bytes>,
    new_code: B256Map<Bytecode>,
    hashes: BTreeMap<u64, B256>,
}

fn empty() -> Plain {
    Plain { code_hash: alloy::primitives::KECCAK256_EMPTY, ..Plain::default() }
}

impl Database for World {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.now.get(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Infallible> {
        if let Some(code) = self.new_code.get(&hash) {
            return Ok(code.clone());
        }
        Ok(Bytecode::new_raw(self.code.get(&hash).unwrap_or_else(|| panic!("code {hash} is read and not there")).clone()))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.now.get(&address).and_then(|account| account.slots.get(&slot)).copied().unwrap_or_default())
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes[&number])
    }
}

impl DatabaseCommit for World {
    fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            if account.is_selfdestructed() {
                self.now.insert(address, empty());
                continue;
            }
            let entry = self.now.entry(address).or_insert_with(empty);
            if account.is_created() {
                entry.slots.clear();
            }
            (entry.balance, entry.nonce, entry.code_hash) = (account.info.balance, account.info.nonce, account.info.code_hash);
            if let Some(code) = account.info.code {
                self.new_code.insert(account.info.code_hash, code);
            }
            entry.slots.extend(account.storage.into_iter().map(|(slot, value)| (slot, value.present_value)));
        }
    }
}

fn word(value: &Value) -> U256 {
    value.as_str().map_or(U256::ZERO, |text| text.parse().unwrap())
}

fn number(value: &Value) -> u64 {
    word(value).to()
}

fn wide(value: &Value) -> u128 {
    word(value).to()
}

const fn spec(number: u64, timestamp: u64) -> SpecId {
    match (number, timestamp) {
        (_, 1_746_612_311..) => SpecId::PRAGUE,
        (_, 1_710_338_135..) => SpecId::CANCUN,
        (_, 1_681_338_455..) => SpecId::SHANGHAI,
        (15_537_394.., _) => SpecId::MERGE,
        (12_965_000.., _) => SpecId::LONDON,
        (12_244_000.., _) => SpecId::BERLIN,
        (9_069_000.., _) => SpecId::ISTANBUL,
        _ => SpecId::PETERSBURG,
    }
}

fn transaction(tx: &Value) -> TxEnv {
    let kind = number(&tx["type"]);
    let access: AccessList = tx.get("accessList").filter(|list| !list.is_null()).map(|list| serde_json::from_value(list.clone()).unwrap()).unwrap_or_default();
    TxEnv {
        tx_type: u8::try_from(kind).unwrap(),
        caller: tx["from"].as_str().unwrap().parse().unwrap(),
        gas_limit: number(&tx["gas"]),
        gas_price: if kind >= 2 { wide(&tx["maxFeePerGas"]) } else { wide(&tx["gasPrice"]) },
        kind: tx["to"].as_str().map_or(TxKind::Create, |to| TxKind::Call(to.parse().unwrap())),
        value: word(&tx["value"]),
        data: tx["input"].as_str().unwrap().parse().unwrap(),
        nonce: number(&tx["nonce"]),
        chain_id: tx["chainId"].as_str().map(|_| number(&tx["chainId"])),
        access_list: access,
        gas_priority_fee: (kind >= 2).then(|| wide(&tx["maxPriorityFeePerGas"])),
        blob_hashes: tx.get("blobVersionedHashes").map(|list| serde_json::from_value(list.clone()).unwrap()).unwrap_or_default(),
        max_fee_per_blob_gas: wide(&tx["maxFeePerBlobGas"]),
        authorization_list: Vec::<Either<_, _>>::new(),
    }
}

/// Executes a raw block; the balances of `withdrawers` alone are credited. Gives gas per transaction and the state.
pub(crate) fn run(raw: &Value, code: &B256Map<Bytes>) -> (Vec<u64>, World) {
    let block = &raw["block"];
    let mut world = World { code: code.clone(), ..World::default() };
    for (address, account) in raw["preState"].as_object().unwrap() {
        let slots = account["storage"].as_object().unwrap().iter().map(|(slot, value)| (slot.parse().unwrap(), word(value))).collect();
        let code_hash = account.get("codeHash").map_or(alloy::primitives::KECCAK256_EMPTY, |hash| hash.as_str().unwrap().parse().unwrap());
        world.now.insert(address.parse().unwrap(), Plain { balance: word(&account["balance"]), nonce: number(&account["nonce"]), code_hash, slots });
    }
    world.first = world.now.clone();
    world.hashes =
        raw["blockHashes"].as_object().unwrap().iter().map(|(height, hash)| (height.parse().unwrap(), hash.as_str().unwrap().parse().unwrap())).collect();
    let (height, timestamp) = (number(&block["number"]), number(&block["timestamp"]));
    let spec = spec(height, timestamp);
    assert!(spec < SpecId::PRAGUE, "no recorded block is that young");
    let roots = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
    if spec >= SpecId::CANCUN && world.now.contains_key(&roots) {
        let slots = &mut world.now.get_mut(&roots).unwrap().slots;
        let place = timestamp % 8191;
        slots.insert(U256::from(place), U256::from(timestamp));
        slots.insert(U256::from(place + 8191), word(&block["parentBeaconBlockRoot"]));
    }
    let mut config = CfgEnv::new_with_spec(spec).with_chain_id(1);
    config.blob_base_fee_update_fraction = Some(3_338_477);
    let environment = BlockEnv {
        number: U256::from(height),
        beneficiary: block["miner"].as_str().unwrap().parse().unwrap(),
        timestamp: U256::from(timestamp),
        gas_limit: number(&block["gasLimit"]),
        basefee: number(&block["baseFeePerGas"]),
        difficulty: word(&block["difficulty"]),
        prevrandao: (spec >= SpecId::MERGE).then(|| block["mixHash"].as_str().unwrap().parse().unwrap()),
        blob_excess_gas_and_price: (spec >= SpecId::CANCUN).then(|| BlobExcessGasAndPrice::new(number(&block["excessBlobGas"]), 3_338_477)),
        slot_num: 0,
    };
    let beneficiary = environment.beneficiary;
    let mut evm = Context::mainnet().with_db(world).with_block(environment).with_cfg(config).build_mainnet();
    let txs = block["transactions"].as_array().unwrap();
    let gas = txs.iter().map(|tx| evm.transact_commit(transaction(tx)).unwrap().tx_gas_used()).collect();
    let mut world = evm.ctx.journaled_state.database;
    for withdrawal in block["withdrawals"].as_array().into_iter().flatten() {
        if let Some(account) = world.now.get_mut(&withdrawal["address"].as_str().unwrap().parse::<Address>().unwrap())
            && world.first.contains_key(&withdrawal["address"].as_str().unwrap().parse::<Address>().unwrap())
        {
            account.balance += word(&withdrawal["amount"]) * U256::from(1_000_000_000);
        }
    }
    if spec < SpecId::MERGE {
        world.now.get_mut(&beneficiary).unwrap().balance += U256::from(2_000_000_000_000_000_000_u64);
    }
    (gas, world)
}
