//! Every recorded call on the reference contracts: returns, balances, reserve, base pool, events, storage and revert data.

use crate::{
    evm::{Chain, mapped, number, numbers, vectors},
    fx_world::{CALLER, IBase, ILong, IPool, ISetUp, IShort, NOW, ONE, World, low},
};
use alloy::{
    primitives::{Address, Bytes, Log, U256},
    sol_types::{SolCall, SolEvent},
};
use serde_json::{Value, json};

/// One case on its way.
struct Case<'a> {
    case: &'a Value,
    world: World,
    pool: Address,
    note: Address,
    name: &'a str,
}

#[test]
fn every_case_is_the_contracts() {
    let (file, world) = (vectors("fx.json"), World::deploy());
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 56);
    let (mut successes, mut reverts) = (0, 0);
    for case in cases {
        if Case::new(case, world.clone()).run() { successes += 1 } else { reverts += 1 }
    }
    assert_eq!((successes, reverts), (41, 15));
}

/// The whole curve of one liquidation over its budget, with and without an under-water tick.
#[test]
fn the_sizing_scans_are_the_contracts() {
    let (file, world) = (vectors("fx.json"), World::deploy());
    let mut rows = 0;
    for scan in ["sizingScan", "sizingScanUnderwater"] {
        let scan = &file[scan];
        let mut env = scan["env"].clone();
        env["pool"] = json!("long wstETH");
        let mut placed = world.clone();
        placed.place(&env, &scan["before"]);
        for row in scan["rows"].as_array().unwrap() {
            let mut world = placed.clone();
            let amount = number(&row["maxAmount"]);
            let call = IBase::liquidateCall { pool: world.wst_eth.long, tokenIn: world.fx_usd, maxAmount: amount, minCollOut: U256::ZERO };
            let (caller, base, pool) = (CALLER, world.base, world.wst_eth.long);
            let done = world.chain.call(caller, base, &call);
            assert_eq!(done.is_ok(), row["ok"] == true, "{amount}");
            rows += 1;
            match done {
                Ok((back, _)) => {
                    assert_eq!((back.tokenUsed, back.colls), (number(&row["tokenUsed"]), number(&row["colls"])), "{amount}");
                    let top = i16::try_from(row["topTickAfter"].as_i64().unwrap()).unwrap();
                    assert_eq!(world.chain.ask(pool, &IPool::getTopTickCall {}), top, "{amount}");
                    assert_eq!(world.chain.ask(pool, &IPool::getDebtAndCollateralIndexCall {}).debt, number(&row["debtIndexAfter"]), "{amount}");
                }
                Err(data) => {
                    if let Some(theirs) = row.get("revertData") {
                        assert_eq!(data.to_string(), theirs.as_str().unwrap(), "{amount}");
                    }
                }
            }
        }
    }
    assert_eq!(rows, 27);
}

impl<'a> Case<'a> {
    fn new(case: &'a Value, mut world: World) -> Self {
        let name = case["name"].as_str().unwrap();
        let (side, pool, _) = world.side(&case["env"]);
        world.place(&case["env"], &case["before"]);
        let mut this = Self { case, world, pool, note: side.note, name };
        this.place_special();
        this
    }

    /// What a case has besides its environment: notes in other hands, pauses, thresholds, funding, positions.
    fn place_special(&mut self) {
        let (args, result, post) = (&self.case["args"], &self.case["result"], &self.case["post"]);
        let held = |data: &Value| data.as_str().filter(|data| data.starts_with("0xe450d38c")).map(|data| data.parse::<Bytes>().unwrap());
        let said = held(&result["revertData"]).map(|data| U256::from_be_slice(&data[36..68]));
        let note = self.note;
        if self.case["op"] == "ShortPoolManager.redeemByCreditNote" {
            let notes = said.unwrap_or_else(|| number(&args["debts"]));
            let managers = self.world.balance(note, self.world.manager);
            self.put_notes(CALLER, notes);
            let rest = managers.saturating_sub(notes);
            self.put_notes(self.world.manager, rest);
            self.world.chain.put(note, U256::from(2), managers);
        } else if self.is_short() {
            let before = said.or_else(|| post.get("creditNoteHeldByManager").map(|left| number(left) + number(&result["returns"]["debts"])));
            if let Some(before) = before {
                self.put_notes(self.world.manager, before);
            }
        } else if let Some(total) = post.get("creditNoteTotalSupply") {
            self.put_notes(self.world.manager, number(total));
            self.world.chain.put(note, U256::from(2), number(total));
        }
        if self.name == "long-paused" {
            let manager = self.world.manager;
            self.world.chain.must(crate::evm::ADMIN, manager, &ISetUp::pauseCall(true));
        }
        if self.name.starts_with("manager-direct") && self.name != "manager-direct-liquidate-not-permitted" {
            self.world.chain.put(self.world.manager, U256::from(155), U256::MAX);
        }
        if let Some(funding) = self.case.get("funding") {
            let ratio = number(&funding["fundingRatio"]).to::<u128>();
            let call = ISetUp::updateFundingCall { _0: self.pool, _1: ratio, _2: 0 };
            let configuration = self.world.configuration;
            self.world.chain.must(crate::evm::ADMIN, configuration, &call);
            let since = U256::from(NOW) - number(&funding["secondsSinceLastUpdate"]);
            self.world.chain.put(self.pool, U256::from(202), since << 208);
        }
        if let Some(position) = post.get("positionDataA") {
            let [tick, node, colls, debts] = numbers(position)[..] else { panic!("four fields") };
            self.world.chain.put(self.pool, mapped(&U256::ONE, U256::from(6)), (debts << 160) | (colls << 64) | (node << 16) | tick);
            let other = self.case["before"]["ticks"].as_array().unwrap().iter().find(|tick| tick["tick"] == post["otherTick"]).unwrap();
            let word = (number(&other["debtShares"]) << 160) | (number(&other["collShares"]) << 64) | (number(&other["node"]) << 16) | number(&other["tick"]);
            self.world.chain.put(self.pool, mapped(&U256::from(2), U256::from(6)), word);
        }
    }

    fn put_notes(&mut self, owner: Address, amount: U256) {
        self.world.chain.put(self.note, mapped(&owner, U256::ZERO), amount);
    }

    fn is_short(&self) -> bool {
        self.case["env"]["pool"].as_str().unwrap().starts_with("short")
    }

    /// Runs and compares; whether the call succeeds.
    fn run(mut self) -> bool {
        let result = &self.case["result"];
        let tokens = [("fxUSD", self.world.fx_usd), ("USDC", self.world.usdc), ("wstETH", self.world.wst_eth.token), ("WBTC", self.world.wbtc.token)];
        let notes = [("creditNote(wstETH)", self.world.wst_eth.note), ("creditNote(WBTC)", self.world.wbtc.note)];
        let tokens: Vec<_> = tokens.into_iter().chain(notes).collect();
        let before: Vec<_> = tokens.iter().map(|(_, token)| self.world.balance(*token, CALLER)).collect();
        let reserved = if self.is_short() { self.world.fx_usd } else { self.world.side(&self.case["env"]).0.token };
        let reserve = self.world.balance(reserved, self.world.reserve);
        self.check_pool_call();
        let (returns, logs) = match self.call() {
            Ok(done) => done,
            Err(data) => {
                assert_eq!(result["ok"], false, "{}: reverts with {data}", self.name);
                assert_eq!(data, self.expected_revert(), "{}", self.name);
                return false;
            }
        };
        assert_eq!(result["ok"], true, "{}: succeeds", self.name);
        assert_eq!(returns, numbers_in_order(&result["returns"]), "{}: returns {}", self.name, result["returns"]);
        for ((name, token), before) in tokens.iter().zip(before) {
            let expected = result["callerBalanceDelta"].get(name).map_or("0", |value| value.as_str().unwrap());
            let now = self.world.balance(*token, CALLER);
            let delta = if now >= before { (now - before).to_string() } else { format!("-{}", before - now) };
            assert_eq!(delta, expected, "{}: {name}", self.name);
        }
        assert_eq!(reserve - self.world.balance(reserved, self.world.reserve), number(&result["reserveSpent"]), "{}: reserve", self.name);
        if let Some(total) = result.get("baseTotalYieldToken") {
            assert_eq!(self.world.chain.ask(self.world.base, &IBase::totalYieldTokenCall {}), number(total), "{}", self.name);
            // A direct call of the manager does not refresh the base pool's figure.
            if self.case["op"].as_str().unwrap().starts_with("FxUSDBasePool") {
                assert_eq!(self.world.chain.ask(self.world.base, &IBase::totalStableTokenCall {}), number(&result["baseStableBalance"]), "{}", self.name);
            }
        }
        self.check_movements(&logs);
        self.check_after(&result["after"]);
        self.check_derived(&logs);
        self.check_post();
        true
    }

    fn expected_revert(&self) -> Bytes {
        let mut data: Vec<u8> = self.case["result"]["revertData"].as_str().unwrap().parse::<Bytes>().unwrap().into();
        // The only other address in an error is that of the recorded PoolManager.
        if data.len() > 36 && data[16..36] != CALLER[..] {
            data[16..36].copy_from_slice(self.world.manager.as_slice());
        }
        data.into()
    }

    fn call(&mut self) -> Result<(Vec<U256>, Vec<Log>), Bytes> {
        let args = &self.case["args"];
        let amount = |name: &str| number(&args[name]);
        let tick = args.get("tick").map_or(0, |tick| i16::try_from(tick.as_i64().unwrap()).unwrap());
        let token = if args.get("tokenIn").is_some_and(|token| token == "USDC") { self.world.usdc } else { self.world.fx_usd };
        let World { base, manager, shorts, .. } = self.world;
        let (pool, receiver) = (self.pool, CALLER);
        let chain = &mut self.world.chain;
        match self.case["op"].as_str().unwrap() {
            "FxUSDBasePool.rebalance(tick)" => {
                let call = IBase::rebalance_0Call { pool, tick, tokenIn: token, maxAmount: amount("maxAmount"), minCollOut: amount("minCollOut") };
                send(chain, base, &call)
            }
            "FxUSDBasePool.rebalance(pool)" => {
                send(chain, base, &IBase::rebalance_1Call { pool, tokenIn: token, maxAmount: amount("maxAmount"), minCollOut: amount("minCollOut") })
            }
            "FxUSDBasePool.liquidate" => {
                send(chain, base, &IBase::liquidateCall { pool, tokenIn: token, maxAmount: amount("maxAmount"), minCollOut: amount("minCollOut") })
            }
            "PoolManager.liquidate" => {
                send(chain, manager, &ILong::liquidateCall { pool, receiver, maxFxUSD: amount("maxFxUSD"), maxStable: amount("maxStable") })
            }
            "PoolManager.rebalance(tick)" => {
                send(chain, manager, &ILong::rebalance_0Call { pool, receiver, tick, maxFxUSD: amount("maxFxUSD"), maxStable: amount("maxStable") })
            }
            "ShortPoolManager.rebalance(tick)" => send(chain, shorts, &IShort::rebalance_0Call { pool, receiver, tick, maxRawDebts: amount("maxRawDebts") }),
            "ShortPoolManager.rebalance(pool)" => send(chain, shorts, &IShort::rebalance_1Call { pool, receiver, maxRawDebts: amount("maxRawDebts") }),
            "ShortPoolManager.liquidate" => send(chain, shorts, &IShort::liquidateCall { pool, receiver, maxRawDebts: amount("maxRawDebts") }),
            "ShortPoolManager.redeemByCreditNote" => {
                send(chain, shorts, &IShort::redeemByCreditNoteCall { pool, debts: amount("debts"), minColls: amount("minColls") })
            }
            other => panic!("unknown call {other}"),
        }
    }

    /// The amounts inside, by asking the pool as its manager would.
    fn check_pool_call(&self) {
        let derived = &self.case["derived"];
        let mut chain = self.world.chain.clone();
        let manager = if self.is_short() { self.world.shorts } else { self.world.manager };
        if let Some(asked) = derived.get("rawDebtsAsked") {
            let back = chain.must(manager, self.pool, &IPool::redeemByCreditNoteCall { rawDebts: number(asked) });
            assert_eq!(back.actualRawDebts, number(&derived["actualRawDebtsRedeemed"]), "{}", self.name);
            assert_eq!(back.rawColls, number(&derived["collsGross"]), "{}", self.name);
        }
        let Some(expected) = derived.get("pool") else { return };
        let args = &self.case["args"];
        let budget = number(derived.get("maxRawDebts").unwrap_or(&args["maxRawDebts"]));
        let op = self.case["op"].as_str().unwrap();
        let mut theirs = ["rawColls", "rawDebts", "bonusRawColls", "bonusFromReserve"].map(|name| number(&expected[name])).to_vec();
        let ours = if op.ends_with("liquidate") {
            let reserve = number(&self.case["env"]["reserveBalance"]);
            let scale = if self.is_short() { ONE } else { number(&self.case["env"]["scalingFactor"]) };
            let call = IPool::liquidateCall { maxRawDebts: budget, reserved: reserve * scale / ONE };
            let back = chain.must(manager, self.pool, &call);
            vec![back.rawColls, back.rawDebts, back.bonusRawColls, back.bonusFromReserve]
        } else {
            assert_eq!(theirs.pop(), Some(U256::ZERO));
            let back = match args.get("tick") {
                Some(tick) => {
                    let tick = i16::try_from(tick.as_i64().unwrap()).unwrap();
                    chain.must(manager, self.pool, &IPool::rebalance_0Call { tick, maxRawDebts: budget })
                }
                None => chain.must(manager, self.pool, &IPool::rebalance_1Call { maxRawDebts: budget }),
            };
            vec![back.rawColls, back.rawDebts, back.bonusRawColls]
        };
        assert_eq!(ours, theirs, "{}: the pool's amounts", self.name);
    }

    fn check_movements(&self, logs: &[Log]) {
        let ours = logs.iter().filter(|log| log.address == self.pool).filter_map(|log| IPool::TickMovement::decode_log(log).ok());
        let ours: Vec<Value> = ours
            .map(|log| {
                json!({ "oldTick": log.oldTick, "newTick": log.newTick, "collShares": log.collShares.to_string(),
                        "debtShares": log.debtShares.to_string(), "price": log.price.to_string() })
            })
            .collect();
        assert_eq!(&Value::Array(ours), &self.case["result"]["tickMovements"], "{}", self.name);
    }

    fn check_after(&self, after: &Value) {
        let chain = &self.world.chain;
        let indices = chain.ask(self.pool, &IPool::getDebtAndCollateralIndexCall {});
        assert_eq!((indices.debt, indices.coll), (number(&after["debtIndex"]), number(&after["collIndex"])), "{}: indices", self.name);
        let shares = chain.ask(self.pool, &IPool::getDebtAndCollateralSharesCall {});
        let totals = (number(&after["totalDebtShares"]), number(&after["totalCollShares"]));
        assert_eq!((shares.debt, shares.coll), totals, "{}: totals", self.name);
        assert_eq!(chain.ask(self.pool, &IPool::getTopTickCall {}).to_string(), after["topTick"].as_str().unwrap(), "{}: top tick", self.name);
        assert_eq!(chain.ask(self.pool, &IPool::getNextTreeNodeIdCall {}).to_string(), after["nextNode"].as_str().unwrap(), "{}: nodes", self.name);
        let ours: Vec<Value> = self
            .world
            .ticks(self.pool)
            .into_iter()
            .map(|(tick, node, colls, debts)| {
                json!({ "tick": tick, "collShares": colls.to_string(), "debtShares": debts.to_string(), "node": node.to::<u64>() })
            })
            .collect();
        assert_eq!(&Value::Array(ours), &after["ticks"], "{}: ticks", self.name);
    }

    fn check_derived(&self, logs: &[Log]) {
        let derived = &self.case["derived"];
        let manager = if self.is_short() { self.world.shorts } else { self.world.manager };
        let fees = self.world.chain.slot(manager, mapped(&self.pool, U256::from(8)));
        assert_eq!(fees, number(&derived["protocolFee"]), "{}: fee", self.name);
        if let Some(burned) = derived.get("creditNoteBurned") {
            assert_eq!(*burned, self.case["args"]["debts"]);
        }
        if let Some(event) = logs.iter().filter(|log| log.address == self.world.base).find_map(|log| IBase::Rebalance::decode_log(log).ok()) {
            let theirs = ["tokenUsed", "colls", "fxUSDUsed", "stableUsed"].map(|name| number(&derived[name]));
            assert_eq!([event.tokenUsed, event.colls, event.fxUSD, event.stable], theirs, "{}: event", self.name);
        }
    }

    fn check_post(&self) {
        let Some(post) = self.case.get("post") else { return };
        let (world, name) = (&self.world, self.name);
        let manager = world.manager;
        let read = |key: &str| match key {
            "creditNoteTotalSupply" => world.chain.ask(self.note, &ISetUp::totalSupplyCall {}),
            "creditNoteHeldByManager" => world.balance(self.note, manager),
            "managerWstETH" => world.balance(world.wst_eth.token, manager),
            "poolTotalRawDebts" => world.chain.ask(self.pool, &IPool::getTotalRawDebtsCall {}),
            other => panic!("{other}"),
        };
        for (key, value) in post.as_object().unwrap() {
            match key.as_str() {
                // Booked by what was asked, not by what was redeemed.
                "managerRawDebtBalance" => {
                    let start = U256::from(10).pow(U256::from(23));
                    let now = world.chain.ask(world.shorts, &IShort::getPoolInfoCall { pool: self.pool }).rawDebtBalance;
                    assert_eq!(start - now, number(&self.case["before"]["totalDebtShares"]) - number(value), "{name}");
                }
                "positionA" | "positionB" => {
                    let id = U256::from(if key == "positionA" { 1 } else { 2 });
                    let ours = world.chain.ask(self.pool, &IPool::getPositionCall(id));
                    assert_eq!(vec![ours.rawColls, ours.rawDebts], numbers(value), "{name}: {key}");
                }
                "nodeA_metadata" => {
                    let ours = world.chain.ask(self.pool, &IPool::tickTreeDataCall(U256::ONE)).metadata;
                    assert_eq!(ours.to_string(), value.as_str().unwrap(), "{name}");
                }
                "positionDataA" => {
                    let ours = world.chain.slot(self.pool, mapped(&U256::ONE, U256::from(6)));
                    assert_eq!(low(ours >> 64) & ((U256::ONE << 96) - U256::ONE), numbers(value)[2], "{name}: a position is not rewritten");
                }
                "otherTick" | "landed" => assert!(world.ticks(self.pool).iter().any(|(tick, ..)| i64::from(*tick) == value.as_i64().unwrap())),
                key => assert_eq!(read(key), number(value), "{name}: {key}"),
            }
        }
    }
}

/// The call's words, and its events.
fn send<C: SolCall>(chain: &mut Chain, to: Address, call: &C) -> Result<(Vec<U256>, Vec<Log>), Bytes> {
    let done = chain.send(CALLER, to, call.abi_encode().into(), U256::ZERO)?;
    Ok((done.output.chunks(32).map(U256::from_be_slice).collect(), done.logs))
}

/// Return values in the order of the call's tuple.
fn numbers_in_order(returns: &Value) -> Vec<U256> {
    let order = ["tokenUsed", "colls", "fxUSDUsed", "stableUsed", "debts"];
    let names: Vec<_> = order.iter().filter_map(|name| returns.get(name)).collect();
    assert_eq!(names.len(), returns.as_object().unwrap().len());
    names.into_iter().map(number).collect()
}
