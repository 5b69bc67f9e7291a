//! All f(x) contracts on one chain, and how a case's state is put into their storage.

use crate::evm::{ADMIN, Chain, mapped, number, signed};
use alloy::{
    primitives::{Address, U256, address},
    sol,
    sol_types::SolValue,
};
use serde_json::Value;

sol! {
    #[derive(Debug, PartialEq)]
    struct Source { uint8 kind; uint256 word; }

    interface ISetUp {
        function initialize() external;
        function initialize(address) external;
        function initialize(address, address) external;
        function initialize(address, string, string, uint8) external;
        function initialize(address, uint256, uint256, uint256) external;
        function initialize(address, address, address, uint256) external;
        function initialize(address, address, address, address) external;
        function initialize(address, address, address, address, address, address) external;
        function initialize(address[5], address) external;
        function initialize(address[5], address, address, address) external;
        function initialize(address[2], address, address, address, address, uint256) external;
        function initialize(uint256, Source[], Source[][], Source[]) external;
        function registerPool(address, uint256, uint256, uint256) external;
        function updateTokenRate(address, address) external;
        function updateCounterparty(address) external;
        function updateFunding(address, uint128, uint128) external;
        function updateLiquidationExpenseRatio(uint256) external;
        function updateRedeemFeeRatio(uint256) external;
        function updateReservePool(address) external;
        function transmit(int256) external;
        function pause(bool) external;
        function mint(address, uint256) external;
        function approve(address, uint256) external returns (bool);
        function balanceOf(address) external view returns (uint256);
        function totalSupply() external view returns (uint256);
    }

    interface IBase {
        function rebalance(address pool, int16 tick, address tokenIn, uint256 maxAmount, uint256 minCollOut) external returns (uint256 tokenUsed, uint256 colls);
        function rebalance(address pool, address tokenIn, uint256 maxAmount, uint256 minCollOut) external returns (uint256 tokenUsed, uint256 colls);
        function liquidate(address pool, address tokenIn, uint256 maxAmount, uint256 minCollOut) external returns (uint256 tokenUsed, uint256 colls);
        function totalYieldToken() external view returns (uint256);
        function totalStableToken() external view returns (uint256);
        event Rebalance(address indexed caller, address indexed tokenIn, uint256 tokenUsed, uint256 colls, uint256 fxUSD, uint256 stable);
    }

    interface ILong {
        function rebalance(address pool, address receiver, int16 tick, uint256 maxFxUSD, uint256 maxStable) external returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed);
        function rebalance(address pool, address receiver, uint256 maxFxUSD, uint256 maxStable) external returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed);
        function liquidate(address pool, address receiver, uint256 maxFxUSD, uint256 maxStable) external returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed);
        function operate(address pool, uint256 id, int256 newColl, int256 newDebt) external returns (uint256);
        function getPoolInfo(address pool) external view returns (uint256 collCapacity, uint256 collBalance, uint256 rawColl, uint256 debtCapacity, uint256 debtBalance);
        function tokenRates(address token) external view returns (uint96 scalar, address provider);
        function permissionedLiquidationThreshold() external view returns (uint256);
        function getLiquidationExpenseRatio() external view returns (uint256);
        function getRedeemFeeRatio() external view returns (uint256);
        function getFlashLoanFeeRatio() external view returns (uint256);
    }

    interface IShort {
        function rebalance(address pool, address receiver, int16 tick, uint256 maxRawDebts) external returns (uint256 colls, uint256 debts);
        function rebalance(address pool, address receiver, uint256 maxRawDebts) external returns (uint256 colls, uint256 debts);
        function liquidate(address pool, address receiver, uint256 maxRawDebts) external returns (uint256 colls, uint256 debts);
        function redeemByCreditNote(address pool, uint256 debts, uint256 minColls) external returns (uint256 colls);
        function operate(address pool, uint256 id, int256 newColl, int256 newDebt) external returns (uint256);
        function getPoolInfo(address pool) external view returns (uint256 collCapacity, uint256 collBalance, uint256 rawDebtCapacity, uint256 rawDebtBalance);
        function getMinRawDebt(address pool) external view returns (uint256);
        function killPool(address pool) external;
    }

    #[derive(Debug, PartialEq)]
    struct Liquidated { uint256 rawColls; uint256 rawDebts; uint256 bonusRawColls; uint256 bonusFromReserve; }
    #[derive(Debug, PartialEq)]
    struct Rebalanced { uint256 rawColls; uint256 rawDebts; uint256 bonusRawColls; }

    interface IPool {
        function rebalance(int16 tick, uint256 maxRawDebts) external returns (Rebalanced memory);
        function rebalance(uint256 maxRawDebts) external returns (Rebalanced memory);
        function liquidate(uint256 maxRawDebts, uint256 reserved) external returns (Liquidated memory);
        function redeemByCreditNote(uint256 rawDebts) external returns (uint256 actualRawDebts, uint256 rawColls);
        function getTopTick() external view returns (int16);
        function getNextPositionId() external view returns (uint32);
        function getNextTreeNodeId() external view returns (uint48);
        function getDebtRatioRange() external view returns (uint256, uint256);
        function getMaxRedeemRatioPerTick() external view returns (uint256);
        function getRebalanceRatios() external view returns (uint256, uint256);
        function getLiquidateRatios() external view returns (uint256, uint256);
        function getDebtAndCollateralIndex() external view returns (uint256 debt, uint256 coll);
        function getDebtAndCollateralShares() external view returns (uint256 debt, uint256 coll);
        function getTotalRawDebts() external view returns (uint256);
        function isBorrowPaused() external view returns (bool);
        function isRedeemPaused() external view returns (bool);
        function positionData(uint256) external view returns (int16 tick, uint48 nodeId, uint96 colls, uint96 debts);
        function getPosition(uint256) external view returns (uint256 rawColls, uint256 rawDebts);
        function tickData(int256) external view returns (uint48);
        function tickTreeData(uint256) external view returns (bytes32 metadata, bytes32 value);
        function tickBitmap(int8) external view returns (uint256);
        function collateralToken() external view returns (address);
        function priceOracle() external view returns (address);
        function counterparty() external view returns (address);
        function debtToken() external view returns (address);
        function creditNote() external view returns (address);
        function lastFundingTimestamp() external view returns (uint256);
        function isKilled() external view returns (bool);
        function borrowRateSnapshot() external view returns (uint128, uint80, uint48);
        event TickMovement(int16 oldTick, int16 newTick, uint256 collShares, uint256 debtShares, uint256 price);
    }
}

/// Who calls in the vectors; an error names it.
pub(crate) const CALLER: Address = address!("70997970c51812dc3a010c7d01b50e0d17dc79c8");
pub(crate) const NOW: u64 = 1_760_000_000;
const BASE_SHARES: U256 = U256::from_be_slice(&alloy::primitives::hex!("52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace02"));
/// 1e18.
pub(crate) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// One long pool with its short pool.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) token: Address,
    pub(crate) long: Address,
    pub(crate) short: Address,
    pub(crate) note: Address,
    /// Anchor, lowest and highest spot source.
    pub(crate) feeds: [Address; 3],
}

/// Everything, set up as on mainnet.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) fx_usd: Address,
    pub(crate) usdc: Address,
    pub(crate) st_eth: Address,
    pub(crate) base: Address,
    pub(crate) manager: Address,
    pub(crate) shorts: Address,
    pub(crate) configuration: Address,
    pub(crate) reserve: Address,
    pub(crate) peg_pool: Address,
    pub(crate) stable_feed: Address,
    pub(crate) wst_eth: Side,
    pub(crate) wbtc: Side,
}

fn feed(chain: &mut Chain, decimals: u8, answer: u64) -> Address {
    let price = U256::from(answer) * U256::from(10).pow(U256::from(decimals));
    chain.deploy("Aggregator", &(U256::from(decimals), "feed".to_owned(), ADMIN, price).abi_encode_params())
}

/// A feed as one word, with the scale that makes 18 decimals of it.
fn encoded(feed: Address, decimals: u8) -> U256 {
    (U256::from_be_slice(feed.as_slice()) << 96) | (U256::from(10).pow(U256::from(18 - decimals)) << 32) | U256::from(u32::MAX)
}

impl World {
    pub(crate) fn deploy() -> Self {
        let mut chain = Chain::new(NOW);
        let empty = ["FxUSD", "FxUSDBasePool", "PoolManager", "ShortPoolManager", "PoolConfiguration", "ReservePool"].map(|name| chain.deploy(name, &[]));
        let [fx_usd, base, manager, shorts, configuration, reserve] = empty;
        let token = |chain: &mut Chain, name: &str, decimals: u8| {
            chain.deploy("TestToken", &(name.to_owned(), name.to_owned(), U256::from(decimals)).abi_encode_params())
        };
        let usdc = token(&mut chain, "USDC", 6);
        let wbtc = token(&mut chain, "WBTC", 8);
        let st_eth = chain.set_up("StEth", &ISetUp::initialize_0Call {});
        let wst_eth = chain.set_up("WstEth", &ISetUp::initialize_1Call(st_eth));
        let rate = chain.set_up("WstEthRateProvider", &ISetUp::initialize_1Call(wst_eth));
        let stable_feed = feed(&mut chain, 8, 1);
        let stable_word = encoded(stable_feed, 8);
        let lending = chain.set_up("LendingIndex", &ISetUp::initialize_0Call {});
        let million = U256::from(1_000_000);
        let peg = (
            vec![usdc, fx_usd],
            [U256::from(200), million, U256::from(20_000_000_000_u64), U256::from(866)],
            vec![U256::ZERO, U256::ZERO],
            vec![U256::ZERO, U256::ZERO],
        );
        let peg_pool = chain.deploy("StableSwapNg", &peg.abi_encode_params());
        let band = U256::from(2) * ONE / U256::from(1_000);
        let peg_oracle = chain.set_up("FxUSDPriceOracle", &ISetUp::initialize_4Call { _0: peg_pool, _1: stable_word, _2: band, _3: band });
        let call = ISetUp::initialize_10Call { _0: [manager, shorts], _1: base, _2: peg_oracle, _3: lending, _4: usdc, _5: stable_word };
        chain.must(ADMIN, configuration, &call);
        chain.must(ADMIN, fx_usd, &ISetUp::initialize_1Call(manager));
        chain.must(ADMIN, base, &ISetUp::initialize_5Call { _0: manager, _1: fx_usd, _2: usdc, _3: stable_word });
        chain.must(ADMIN, reserve, &ISetUp::initialize_2Call { _0: manager, _1: shorts });
        let common = [fx_usd, configuration, ADMIN, ADMIN, reserve];
        chain.must(ADMIN, manager, &ISetUp::initialize_9Call { _0: common, _1: base, _2: shorts, _3: usdc });
        chain.must(ADMIN, shorts, &ISetUp::initialize_8Call { _0: common, _1: manager });
        for (contract, token, provider) in
            [(manager, wst_eth, rate), (manager, wbtc, Address::ZERO), (shorts, wst_eth, Address::ZERO), (shorts, wbtc, Address::ZERO)]
        {
            chain.must(ADMIN, contract, &ISetUp::updateTokenRateCall { _0: token, _1: provider });
        }
        let mut side = |token: Address, name: &str, decimals: u8, price: u64, rate: Address, min: u64| {
            let feeds = [(); 3].map(|()| feed(&mut chain, 18, price));
            let [anchor, low, high] = feeds.map(|feed| vec![Source { kind: 0, word: encoded(feed, 18) }]);
            let deviation = ONE / U256::from(100);
            let oracle = chain.set_up("FxPriceOracle", &ISetUp::initialize_11Call { _0: deviation, _1: anchor, _2: vec![low, high], _3: vec![] });
            let inverse = chain.set_up("InverseOracle", &ISetUp::initialize_2Call { _0: oracle, _1: rate });
            let note = ISetUp::initialize_3Call { _0: manager, _1: name.to_owned(), _2: name.to_owned(), _3: decimals };
            let note = chain.set_up("CreditNote", &note);
            let long = chain.set_up("LongPool", &ISetUp::initialize_6Call { _0: manager, _1: configuration, _2: token, _3: oracle });
            let short = ISetUp::initialize_7Call { _0: shorts, _1: configuration, _2: fx_usd, _3: inverse, _4: token, _5: note };
            let short = chain.set_up("ShortPool", &short);
            chain.must(ADMIN, long, &ISetUp::updateCounterpartyCall(short));
            chain.must(ADMIN, short, &ISetUp::updateCounterpartyCall(long));
            let much = U256::from(10).pow(U256::from(24));
            let debts = much * U256::from(1_000);
            let half = U256::from(500_000_000);
            chain.must(ADMIN, manager, &ISetUp::registerPoolCall { _0: long, _1: much, _2: debts, _3: half });
            chain.must(ADMIN, shorts, &ISetUp::registerPoolCall { _0: short, _1: debts, _2: debts, _3: U256::from(min) });
            Side { token, long, short, note, feeds }
        };
        let wst_eth = side(wst_eth, "fxETH", 18, 2_600, rate, 100_000_000_000_000);
        let wbtc = side(wbtc, "fxBTC", 8, 100_000, Address::ZERO, 1_000_000_000_000);
        let mut world = Self { chain, fx_usd, usdc, st_eth, base, manager, shorts, configuration, reserve, peg_pool, stable_feed, wst_eth, wbtc };
        world.set_rate(ONE);
        world.chain.put(base, BASE_SHARES, ONE * million);
        world
    }

    pub(crate) fn set_rate(&mut self, rate: U256) {
        self.chain.put(self.st_eth, U256::from(2), ONE);
        self.chain.put(self.st_eth, U256::from(3), rate);
    }

    /// Sets a balance; of our plain tokens the map is slot 4, of the others slot 0.
    pub(crate) fn set_balance(&mut self, token: Address, owner: Address, amount: U256) {
        let slot = if token == self.usdc || token == self.wbtc.token { 4 } else { 0 };
        self.chain.put(token, mapped(&owner, U256::from(slot)), amount);
        // Burning takes from the total: it is never too small.
        let supply = if slot == 4 { 3 } else { 2 };
        let total = self.chain.slot(token, U256::from(supply));
        self.chain.put(token, U256::from(supply), total + amount);
    }

    pub(crate) fn balance(&self, token: Address, owner: Address) -> U256 {
        self.chain.ask(token, &ISetUp::balanceOfCall(owner))
    }

    /// Long price: anchor, lowest, highest, 1e18.
    pub(crate) fn set_prices(&mut self, side: &Side, prices: [U256; 3]) {
        for (feed, price) in side.feeds.iter().zip(prices) {
            self.chain.must(ADMIN, *feed, &ISetUp::transmitCall(price.try_into().unwrap()));
        }
    }

    /// fxUSD's moving average, 1e18.
    pub(crate) fn set_peg(&mut self, average: U256) {
        let now = U256::from(self.chain.now);
        self.chain.put(self.peg_pool, U256::from(26), (average << 128) | average);
        self.chain.put(self.peg_pool, U256::from(37), (now << 128) | now);
    }

    /// Tokens and allowances of whoever calls.
    pub(crate) fn equip(&mut self, caller: Address) {
        let much = U256::from(10).pow(U256::from(27));
        let tokens = [self.fx_usd, self.usdc, self.wst_eth.token, self.wbtc.token, self.wst_eth.note, self.wbtc.note];
        for (index, token) in tokens.into_iter().enumerate() {
            if index < 4 {
                self.set_balance(token, caller, much);
            }
            for spender in [self.base, self.manager, self.shorts] {
                self.chain.must(caller, token, &ISetUp::approveCall { _0: spender, _1: U256::MAX });
            }
        }
    }

    /// The side and the pool that a case's environment names, and whether it is a short one.
    pub(crate) fn side(&self, env: &Value) -> (Side, Address, bool) {
        let name = env["pool"].as_str().unwrap();
        let side = if name.ends_with("WBTC") { self.wbtc.clone() } else { self.wst_eth.clone() };
        let is_short = name.starts_with("short");
        let pool = if is_short { side.short } else { side.long };
        (side, pool, is_short)
    }

    /// Puts a case's environment and pool storage in place; the caller has plenty of everything but notes.
    pub(crate) fn place(&mut self, env: &Value, before: &Value) {
        let (side, pool, is_short) = self.side(env);
        self.equip(CALLER);
        self.place_prices(env, &side, is_short);
        let manager = if is_short { self.shorts } else { self.manager };
        self.chain.must(ADMIN, manager, &ISetUp::updateLiquidationExpenseRatioCall(number(&env["liquidationExpenseRatio"])));
        if let Some(fee) = env.get("redeemFeeRatio") {
            self.chain.must(ADMIN, manager, &ISetUp::updateRedeemFeeRatioCall(number(fee)));
        }
        if let Some(min) = env.get("minRawDebt") {
            assert_eq!(self.chain.ask(self.shorts, &IShort::getMinRawDebtCall { pool }), number(min));
        }
        self.set_balance(side.token, self.manager, number(&env["managerCollateralBalance"]));
        let reserved = if is_short { self.fx_usd } else { side.token };
        self.set_balance(reserved, self.reserve, number(&env["reserveBalance"]));
        let (yields, stable) = (number(&env["baseTotalYieldToken"]), number(&env["baseStableBalance"]));
        self.chain.put(self.base, U256::from(50), yields);
        self.set_balance(self.fx_usd, self.base, yields);
        self.set_balance(self.usdc, self.base, stable);
        let plenty = U256::from(10).pow(U256::from(26));
        self.set_balance(self.fx_usd, self.shorts, plenty);
        self.place_books(&side, plenty);
        self.place_pool(pool, before);
        // Notes for everything that is lent out, in the token's units.
        let lent = self.chain.ask(side.short, &IPool::getTotalRawDebtsCall {});
        let unit = if side.token == self.wbtc.token { U256::from(10_000_000_000_u64) } else { U256::ONE };
        self.set_balance(side.note, self.manager, lent / unit);
    }

    fn place_prices(&mut self, env: &Value, side: &Side, is_short: bool) {
        let prices = ["anchorPrice", "minPrice", "maxPrice"].map(|name| number(&env[name]));
        let [anchor, min, max] = prices;
        let scale = number(&env["scalingFactor"]);
        if is_short {
            self.set_prices(side, [inverse(anchor), inverse(max), inverse(min)]);
        } else {
            self.set_prices(side, prices);
            self.set_rate(scale);
        }
        let stable = number(&env["stablePriceWithScale"]) / U256::from(10).pow(U256::from(22));
        self.chain.must(ADMIN, self.stable_feed, &ISetUp::transmitCall(stable.try_into().unwrap()));
        let peg = if env["stableRepayAllowed"] == true { ONE + ONE / U256::from(100) } else { ONE };
        self.set_peg(peg);
    }

    /// What the managers book: more than enough everywhere.
    pub(crate) fn place_books(&mut self, side: &Side, plenty: U256) {
        let slot = mapped(&side.long, U256::from(152));
        let colls = U256::from(10).pow(U256::from(23));
        self.chain.put(self.manager, slot, (colls << 170) | (colls << 85) | (colls << 1));
        self.chain.put(self.manager, slot + U256::ONE, (plenty << 96) | (plenty << 1));
        let slot = mapped(&side.short, U256::from(152));
        self.chain.put(self.shorts, slot, (plenty << 96) | (plenty << 1));
        let min = self.chain.slot(self.shorts, slot + U256::ONE) >> 192;
        self.chain.put(self.shorts, slot + U256::ONE, (min << 192) | (colls << 96) | (colls << 1));
    }

    /// The pool's own slots.
    pub(crate) fn place_pool(&mut self, pool: Address, before: &Value) {
        let field = |name: &str| number(&before[name]);
        let old = self.chain.slot(pool, U256::from(2));
        let range = old & (((U256::ONE << 120) - U256::ONE) << 98);
        let top: i32 = before["topTick"].as_str().unwrap().parse().unwrap();
        let misc = (field("maxRedeemRatioPerTick") << 218) | range | (field("nextNode") << 50) | (field("nextPosition") << 18) | (tick_bits(top) << 2);
        self.chain.put(pool, U256::from(2), misc);
        let ratios = [("rebalanceDebtRatio", 0), ("rebalanceBonusRatio", 60), ("liquidateDebtRatio", 90), ("liquidateBonusRatio", 150)];
        let ratios = ratios.iter().fold(U256::ZERO, |word, (name, at)| word | (field(name) << *at));
        self.chain.put(pool, U256::from(3), ratios);
        self.chain.put(pool, U256::from(4), field("debtIndex") | (field("collIndex") << 128));
        self.chain.put(pool, U256::from(5), field("totalDebtShares") | (field("totalCollShares") << 128));
        for entry in before["ticks"].as_array().unwrap() {
            let tick = i32::try_from(entry["tick"].as_i64().unwrap()).unwrap();
            let node = number(&entry["node"]);
            self.chain.put(pool, mapped(&signed(tick), U256::from(9)), node);
            let word = mapped(&signed(tick >> 8), U256::from(8));
            let bits = self.chain.slot(pool, word) | (U256::ONE << usize::try_from(tick & 255).unwrap());
            self.chain.put(pool, word, bits);
            let slot = mapped(&node, U256::from(10));
            let one = U256::ONE << 60;
            self.chain.put(pool, slot, (one << 128) | (one << 64) | (tick_bits(tick) << 48));
            self.chain.put(pool, slot + U256::ONE, number(&entry["collShares"]) | (number(&entry["debtShares"]) << 128));
        }
    }

    /// All ticks with a bit, highest first: tick, node, collateral shares, debt shares.
    pub(crate) fn ticks(&self, pool: Address) -> Vec<(i32, U256, U256, U256)> {
        let mut ticks = Vec::new();
        for high in (-128_i32..128).rev() {
            let word = self.chain.slot(pool, mapped(&signed(high), U256::from(8)));
            for bit in (0..256_usize).rev().filter(|bit| word.bit(*bit)) {
                let tick = high * 256 + i32::try_from(bit).unwrap();
                let node = self.chain.slot(pool, mapped(&signed(tick), U256::from(9)));
                let value = self.chain.slot(pool, mapped(&node, U256::from(10)) + U256::ONE);
                ticks.push((tick, node, low(value), value >> 128));
            }
        }
        ticks
    }
}

/// The low half of a word.
pub(crate) fn low(word: U256) -> U256 {
    word & U256::from(u128::MAX)
}

/// A tick as 16 bits.
fn tick_bits(tick: i32) -> U256 {
    U256::from(i16::try_from(tick).unwrap().cast_unsigned())
}

/// The long price whose inverse, rounded down, is this one.
fn inverse(price: U256) -> U256 {
    let all = U256::from(10).pow(U256::from(36));
    let about = all / price;
    [about, about + U256::ONE, about - U256::ONE].into_iter().find(|long| all / *long == price).unwrap()
}
