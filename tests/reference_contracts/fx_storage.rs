//! Recorded storage words, put into the reference contracts: their getters say what was decoded.

use crate::{
    evm::{number, vectors},
    fx_world::{IBase, ILong, IPool, IShort, World},
};
use alloy::primitives::{Address, U256};
use serde_json::Value;

/// Puts every word of a list into `contract`.
fn put(world: &mut World, contract: Address, slots: &[Value]) {
    for entry in slots {
        let word = |name: &str| entry[name].as_str().unwrap().parse::<U256>().unwrap();
        world.chain.put(contract, word("slot"), word("word"));
    }
}

/// The key in `name[key]`.
fn key(label: &str) -> i32 {
    label.split(['[', ']']).nth(1).unwrap().parse().unwrap()
}

fn address(value: &Value) -> Address {
    value["address"].as_str().unwrap().parse().unwrap()
}

#[test]
fn recorded_words_of_a_long_pool_read_as_recorded() {
    let (file, mut world) = (vectors("fx.json"), World::deploy());
    let pool = world.wst_eth.long;
    let slots = file["storage"]["slots"].as_array().unwrap();
    put(&mut world, pool, slots);
    let chain = &world.chain;
    for entry in slots {
        let (label, decoded) = (entry["label"].as_str().unwrap(), &entry["decoded"]);
        let field = |name: &str| number(&decoded[name]);
        match label.split('[').next().unwrap() {
            "collateralToken" => assert_eq!(chain.ask(pool, &IPool::collateralTokenCall {}), address(decoded)),
            "priceOracle" => assert_eq!(chain.ask(pool, &IPool::priceOracleCall {}), address(decoded)),
            "counterparty" => assert_eq!(chain.ask(pool, &IPool::counterpartyCall {}), address(decoded)),
            "miscData" => {
                assert_eq!(chain.ask(pool, &IPool::isBorrowPausedCall {}), decoded["borrowPaused"] == true);
                assert_eq!(chain.ask(pool, &IPool::isRedeemPausedCall {}), decoded["redeemPaused"] == true);
                assert_eq!(U256::try_from(chain.ask(pool, &IPool::getTopTickCall {})).unwrap(), field("topTick"));
                assert_eq!(U256::from(chain.ask(pool, &IPool::getNextPositionIdCall {})), field("nextPositionId"));
                assert_eq!(U256::from(chain.ask(pool, &IPool::getNextTreeNodeIdCall {})), field("nextTreeNodeId"));
                let range = chain.ask(pool, &IPool::getDebtRatioRangeCall {});
                assert_eq!((range._0, range._1), (field("minDebtRatio"), field("maxDebtRatio")));
                assert_eq!(chain.ask(pool, &IPool::getMaxRedeemRatioPerTickCall {}), field("maxRedeemRatioPerTick"));
            }
            "rebalanceRatioData" => {
                let (ours, theirs) = (chain.ask(pool, &IPool::getRebalanceRatiosCall {}), chain.ask(pool, &IPool::getLiquidateRatiosCall {}));
                assert_eq!((ours._0, ours._1), (field("rebalanceDebtRatio"), field("rebalanceBonusRatio")));
                assert_eq!((theirs._0, theirs._1), (field("liquidateDebtRatio"), field("liquidateBonusRatio")));
            }
            "indexData" => {
                let ours = chain.ask(pool, &IPool::getDebtAndCollateralIndexCall {});
                assert_eq!((ours.debt, ours.coll), (field("debtIndex"), field("collIndex")));
            }
            "sharesData" => {
                let ours = chain.ask(pool, &IPool::getDebtAndCollateralSharesCall {});
                assert_eq!((ours.debt, ours.coll), (field("debtShares"), field("collShares")));
            }
            "positionData" => {
                let id = U256::from(key(label));
                let ours = chain.ask(pool, &IPool::positionDataCall(id));
                let theirs = (field("tick"), field("nodeId"), field("colls"), field("debts"));
                assert_eq!((U256::try_from(ours.tick).unwrap(), U256::from(ours.nodeId), U256::from(ours.colls), U256::from(ours.debts)), theirs);
                let worth = chain.ask(pool, &IPool::getPositionCall(id));
                let theirs = &decoded["getPosition"];
                assert_eq!((worth.rawColls, worth.rawDebts), (number(&theirs["rawColls"]), number(&theirs["rawDebts"])), "{label}");
            }
            "tickTreeData" => {
                let node = chain.ask(pool, &IPool::tickTreeDataCall(U256::from(key(label))));
                let word = if label.ends_with("metadata") { node.metadata } else { node.value };
                assert_eq!(word.to_string(), entry["word"].as_str().unwrap());
            }
            "tickData" => assert_eq!(U256::from(chain.ask(pool, &IPool::tickDataCall(key(label).try_into().unwrap()))), field("node")),
            "tickBitmap" => assert_eq!(chain.ask(pool, &IPool::tickBitmapCall(key(label).try_into().unwrap())), field("word")),
            other => panic!("{other} is not compared"),
        }
    }
}

#[test]
fn recorded_words_of_a_short_pool_read_as_recorded() {
    let (file, mut world) = (vectors("fx.json"), World::deploy());
    let pool = world.wst_eth.short;
    let slots = file["storageShort"]["slots"].as_array().unwrap();
    put(&mut world, pool, slots);
    let chain = &world.chain;
    for entry in slots {
        let (label, decoded) = (entry["label"].as_str().unwrap(), &entry["decoded"]);
        match label.split('[').next().unwrap() {
            "miscData" => assert_eq!(chain.ask(pool, &IPool::getTopTickCall {}).to_string(), decoded["topTick"].as_str().unwrap()),
            "tickData" => {
                let node = chain.ask(pool, &IPool::tickDataCall(key(label).try_into().unwrap()));
                assert_eq!(U256::from(node), number(&decoded["node"]));
            }
            "tickBitmap" => {
                let word = chain.ask(pool, &IPool::tickBitmapCall(key(label).try_into().unwrap()));
                assert_eq!(word, number(&decoded["word"]));
            }
            "debtToken" => assert_eq!(chain.ask(pool, &IPool::debtTokenCall {}), address(decoded)),
            "creditNote" => assert_eq!(chain.ask(pool, &IPool::creditNoteCall {}), address(decoded)),
            "lastFundingTimestamp" => assert_eq!(chain.ask(pool, &IPool::lastFundingTimestampCall {}), number(&decoded["value"])),
            "isKilled" => assert_eq!(chain.ask(pool, &IPool::isKilledCall {}), decoded["value"] == true),
            other => panic!("{other} is not compared"),
        }
    }
}

#[test]
fn recorded_words_of_the_managers_read_as_recorded() {
    let (file, mut world) = (vectors("fx.json"), World::deploy());
    for entry in file["storageManagers"].as_array().unwrap() {
        let contract = match entry["contract"].as_str().unwrap() {
            "PoolManager" => world.manager,
            "ShortPoolManager" => world.shorts,
            "FxUSDBasePool" => world.base,
            other => panic!("{other}"),
        };
        put(&mut world, contract, std::slice::from_ref(entry));
        let chain = &world.chain;
        let decoded = &entry["decoded"];
        let field = |name: &str| number(&decoded[name]);
        let key = || entry["mappingKey"].as_str().unwrap().parse::<Address>().unwrap();
        let long = || chain.ask(contract, &ILong::getPoolInfoCall { pool: key() });
        match entry["label"].as_str().unwrap() {
            "_miscData" => {
                assert_eq!(chain.ask(contract, &ILong::getRedeemFeeRatioCall {}), field("redeemFeeRatio"));
                assert_eq!(chain.ask(contract, &ILong::getFlashLoanFeeRatioCall {}), field("flashLoanFeeRatio"));
                assert_eq!(chain.ask(contract, &ILong::getLiquidationExpenseRatioCall {}), field("liquidationExpenseRatio"));
            }
            "poolInfo[pool].collateralData" => {
                assert_eq!((long().collCapacity, long().collBalance, long().rawColl), (field("capacity"), field("balance"), field("raw")));
            }
            "poolInfo[pool].debtData" => assert_eq!((long().debtCapacity, long().debtBalance), (field("capacity"), field("balance"))),
            "poolInfo[short].debtData" => {
                let short = chain.ask(contract, &IShort::getPoolInfoCall { pool: key() });
                assert_eq!((short.rawDebtCapacity, short.rawDebtBalance), (field("capacity"), field("balance")));
                assert_eq!(chain.ask(contract, &IShort::getMinRawDebtCall { pool: key() }), field("minRawDebt"));
            }
            "tokenRates[wstETH]" => {
                let rate = chain.ask(contract, &ILong::tokenRatesCall { token: key() });
                assert_eq!(U256::from(rate.scalar), field("scalar"));
                assert_eq!(rate.provider, decoded["rateProvider"].as_str().unwrap().parse::<Address>().unwrap());
            }
            "permissionedLiquidationThreshold" => {
                assert_eq!(chain.ask(contract, &ILong::permissionedLiquidationThresholdCall {}), field("v"));
            }
            "totalYieldToken" => assert_eq!(chain.ask(contract, &IBase::totalYieldTokenCall {}), field("v")),
            "totalStableToken" => assert_eq!(chain.ask(contract, &IBase::totalStableTokenCall {}), field("v")),
            other => panic!("{other} is not compared"),
        }
    }
}
