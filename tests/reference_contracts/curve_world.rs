//! Curve's reference pools, with their state put in place slot by slot.

use crate::evm::{ADMIN, Chain, mapped, number, numbers};
use alloy::{
    primitives::{Address, U256, hex},
    sol,
    sol_types::SolValue,
};
use serde_json::Value;

sol! {
    interface IPool {
        function exchange(int128 i, int128 j, uint256 dx, uint256 minDy) external payable returns (uint256);
        function exchange_received(int128 i, int128 j, uint256 dx, uint256 minDy) external returns (uint256);
        function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256);
        function get_dx(int128 i, int128 j, uint256 dy) external view returns (uint256);
        function dynamic_fee(int128 i, int128 j) external view returns (uint256);
        function get_balances() external view returns (uint256[] memory);
        function balances(uint256 k) external view returns (uint256);
        function admin_balances(uint256 k) external view returns (uint256);
        function stored_rates() external view returns (uint256[] memory);
        function get_virtual_price() external view returns (uint256);
        function A_precise() external view returns (uint256);
        function A() external view returns (uint256);
        function last_price(uint256 k) external view returns (uint256);
        function ema_price(uint256 k) external view returns (uint256);
        function price_oracle(uint256 k) external view returns (uint256);
        function D_oracle() external view returns (uint256);
        function get_p(uint256 k) external view returns (uint256);
        function add_liquidity(uint256[] amounts, uint256 minMint) external returns (uint256);
        function remove_liquidity(uint256 burned, uint256[] minAmounts) external returns (uint256[] memory);
        function remove_liquidity_one_coin(uint256 burned, int128 i, uint256 minReceived) external returns (uint256);
        function balanceOf(address owner) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
        function transferFrom(address from, address to, uint256 amount) external returns (bool);
        function mint(address to, uint256 amount) external;
        function donate() external;
        event TokenExchange(address indexed buyer, int128 sold_id, uint256 tokens_sold, int128 bought_id, uint256 tokens_bought);
    }
}

pub(crate) const CALLER: Address = Address::repeat_byte(0xca);
pub(crate) const NOW: u64 = 1_760_000_000;

/// One pool and its coins.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) pool: Address,
    pub(crate) coins: Vec<Address>,
}

/// 10 to the power of `exponent`.
pub(crate) fn ten(exponent: u64) -> U256 {
    U256::from(10).pow(U256::from(exponent))
}

/// The decimals of a coin by its rate: those of a plain coin exactly, of another to the nearest thousand.
pub(crate) fn decimals(rate: U256) -> u64 {
    let digits = u64::try_from(rate.to_string().len() - 1).unwrap();
    36 - [36, 34, 30, 28, 18].into_iter().find(|plain| digits.abs_diff(*plain) <= 1 && (digits == *plain || rate % ten(*plain) != U256::ZERO)).unwrap()
}

/// Code that answers every call with this word.
pub(crate) fn answering(word: U256) -> Vec<u8> {
    [&[0x7f][..], &word.to_be_bytes::<32>(), &hex!("5f5260205ff3")].concat()
}

/// A token with this many decimals, plenty of it with the caller, who allows the pool everything.
pub(crate) fn coin(chain: &mut Chain, decimals: u64) -> Address {
    let name = "coin".to_owned();
    chain.deploy("HostileToken", &(name.clone(), name, U256::from(decimals)).abi_encode_params())
}

impl World {
    /// A StableSwap-NG pool: fee, multiplier, amplification and balances of the row, oracles where a rate is not plain.
    pub(crate) fn ng(row: &Value) -> Self {
        let mut chain = Chain::new(NOW);
        let rates = numbers(&row["rates"]);
        let (mut coins, mut types, mut oracles) = (vec![], vec![], vec![]);
        for (index, rate) in rates.iter().enumerate() {
            let decimals = decimals(*rate);
            coins.push(coin(&mut chain, decimals));
            let plain = ten(36 - decimals);
            if *rate == plain {
                types.push(U256::ZERO);
                oracles.push(U256::ZERO);
            } else {
                let oracle = Address::with_last_byte(0xf0 + u8::try_from(index).unwrap());
                chain.put_code(oracle, answering(*rate * ten(18) / plain));
                types.push(U256::ONE);
                oracles.push((U256::from(0x679a_efce_u64) << 224) | U256::from_be_slice(oracle.as_slice()));
            }
        }
        let multiplier = row.get("offpeg_fee_multiplier").map_or(U256::ZERO, number);
        Self::ng_of(chain, coins, types, oracles, [U256::from(200), number(&row["fee"]), multiplier, U256::from(866)]).filled(row)
    }

    pub(crate) fn ng_of(mut chain: Chain, coins: Vec<Address>, types: Vec<U256>, oracles: Vec<U256>, terms: [U256; 4]) -> Self {
        let pool = chain.deploy("StableSwapNg", &(coins.clone(), terms, types, oracles).abi_encode_params());
        let mut world = Self { chain, pool, coins };
        world.equip();
        world
    }

    /// Balances, amplification and supply of a row.
    fn filled(mut self, row: &Value) -> Self {
        let amp = number(row.get("a_precise").unwrap_or(&row["amplification"]));
        self.put(12, amp);
        self.put(13, amp);
        self.fill(&numbers(&row["balances"]));
        self.put(40, row.get("total_supply").map_or_else(|| ten(18), number));
        self
    }

    pub(crate) fn equip(&mut self) {
        for coin in self.coins.clone() {
            self.chain.must(ADMIN, coin, &IPool::mintCall { to: CALLER, amount: ten(40) });
            self.chain.must(CALLER, coin, &IPool::approveCall { spender: self.pool, amount: U256::MAX });
        }
    }

    pub(crate) fn put(&mut self, slot: u64, word: U256) {
        self.chain.put(self.pool, U256::from(slot), word);
    }

    pub(crate) fn slot(&self, slot: u64) -> U256 {
        self.chain.slot(self.pool, U256::from(slot))
    }

    /// What the pool holds and books of each coin.
    pub(crate) fn fill(&mut self, balances: &[U256]) {
        for (index, balance) in (0_u64..).zip(balances) {
            self.put(2 + index, *balance);
            self.hold(usize::try_from(index).unwrap(), *balance);
        }
    }

    /// What the pool holds of a coin.
    pub(crate) fn hold(&mut self, index: usize, amount: U256) {
        self.chain.put(self.coins[index], mapped(&self.pool, U256::from(4)), amount);
    }

    pub(crate) fn balances(&self) -> Vec<U256> {
        self.chain.ask(self.pool, &IPool::get_balancesCall {})
    }

    pub(crate) fn balance(&self, index: usize, owner: Address) -> U256 {
        self.chain.ask(self.coins[index], &IPool::balanceOfCall { owner })
    }

    pub(crate) fn quote(&self, i: i128, j: i128, dx: U256) -> U256 {
        self.chain.ask(self.pool, &IPool::get_dyCall { i, j, dx })
    }

    pub(crate) fn swap(&mut self, i: i128, j: i128, dx: U256) -> U256 {
        self.chain.must(CALLER, self.pool, &IPool::exchangeCall { i, j, dx, minDy: U256::ZERO })
    }

    /// What `count` getters of one index answer.
    pub(crate) fn each<C: alloy::sol_types::SolCall<Return = U256>>(&self, count: usize, call: impl Fn(U256) -> C) -> Vec<U256> {
        (0..count).map(|index| self.chain.ask(self.pool, &call(U256::from(index)))).collect()
    }
}

/// The two coins of a row.
pub(crate) fn direction(row: &Value) -> (i128, i128) {
    (row["i"].as_i64().unwrap().into(), row["j"].as_i64().unwrap().into())
}
