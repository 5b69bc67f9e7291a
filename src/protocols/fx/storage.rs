//! Where the f(x) contracts keep their state: slots and the fields of their words.
//!
//! ```text
//! pool      0 collateral  1 oracle  2 misc  3 ratios  4 indices  5 shares  6 positions  8 bitmap  9 tick ─▶ node  10 nodes  11 counterparty
//!           long 202 funding time    short 201 debt token  202 note  203 funding time  204 killed
//! managers  0 fees  3 reserve  152 pools  154 token rates    long 155 threshold
//! base pool 50 fxUSD  51 stable
//! ```
//!
//! Fields are counted from the least significant bit. Debt is the low half of the words of a pool's totals, and the high half of a node's.

use alloy::primitives::{Address, B256, U256, keccak256};

/// `paused()` of both managers.
pub const PAUSED: U256 = U256::from_be_slice(&alloy::primitives::hex!("cd5ed15c6e187e77e9aee88184c21f4f2182ab5827cb3b7e07fbedcd63f03300"));
/// Supply of the base pool's shares: the third word of its token's namespace.
pub const BASE_SUPPLY: U256 = U256::from_be_slice(&alloy::primitives::hex!("52c63247e1f47db19d5ce0460030c497f067ca4cebf71ba98eeadabe20bace02"));
/// fxUSD that the base pool holds for use.
pub const BASE_YIELD: U256 = U256::from_limbs([50, 0, 0, 0]);
/// USDC of the base pool as it was at its last operation.
pub const BASE_STABLE: U256 = U256::from_limbs([51, 0, 0, 0]);
/// Fee ratios of a manager.
pub const FEES: U256 = U256::ZERO;
/// The reserve pool of a manager.
pub const RESERVE: U256 = U256::from_limbs([3, 0, 0, 0]);
/// Shares of the base pool below which anybody may liquidate through the long manager.
pub const THRESHOLD: U256 = U256::from_limbs([155, 0, 0, 0]);
/// The implementation behind an EIP-1967 proxy.
pub const IMPLEMENTATION: U256 = U256::from_be_slice(&alloy::primitives::hex!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"));

/// The mapping of a base pool from a token to what works with it.
pub const BASE_ALLOCATIONS: u64 = 0;
/// The same mapping of a manager.
pub const MANAGER_ALLOCATIONS: u64 = 100;

/// What works with a token: a strategy in the low 160 bits, none where it is zero. `mapping` is where the contract has it.
#[must_use]
pub fn allocation(token: Address, mapping: u64) -> U256 {
    by_key(U256::from_be_bytes(token.into_word().0), mapping)
}

/// Slots of a pool.
pub mod pool {
    use super::{U256, by_key, signed_key};

    /// The collateral token.
    pub const COLLATERAL: U256 = U256::ZERO;
    /// The price oracle.
    pub const ORACLE: U256 = U256::from_limbs([1, 0, 0, 0]);
    /// Pauses, top tick, counters, bounds.
    pub const MISC: U256 = U256::from_limbs([2, 0, 0, 0]);
    /// Rebalance and liquidation ratios.
    pub const RATIOS: U256 = U256::from_limbs([3, 0, 0, 0]);
    /// Both indices.
    pub const INDICES: U256 = U256::from_limbs([4, 0, 0, 0]);
    /// Total shares.
    pub const SHARES: U256 = U256::from_limbs([5, 0, 0, 0]);
    /// The pool on the other side.
    pub const COUNTERPARTY: U256 = U256::from_limbs([11, 0, 0, 0]);
    /// A long pool's time of the last funding.
    pub const LONG_FUNDING: U256 = U256::from_limbs([202, 0, 0, 0]);
    /// A short pool's debt token.
    pub const DEBT_TOKEN: U256 = U256::from_limbs([201, 0, 0, 0]);
    /// A short pool's credit note.
    pub const CREDIT_NOTE: U256 = U256::from_limbs([202, 0, 0, 0]);
    /// A short pool's time of the last funding.
    pub const SHORT_FUNDING: U256 = U256::from_limbs([203, 0, 0, 0]);
    /// Whether a short pool was ended.
    pub const KILLED: U256 = U256::from_limbs([204, 0, 0, 0]);

    /// A position.
    #[must_use]
    pub fn position(id: u64) -> U256 {
        by_key(U256::from(id), 6)
    }

    /// A word of the bitmap; ticks `256 * word` and on.
    #[must_use]
    pub fn bitmap(word: i16) -> U256 {
        by_key(signed_key(word), 8)
    }

    /// The node that a tick is filled by.
    #[must_use]
    pub fn tick(tick: i16) -> U256 {
        by_key(signed_key(tick), 9)
    }

    /// A node's metadata and, in the next slot, its value.
    #[must_use]
    pub fn node(node: u64) -> [U256; 2] {
        let first = by_key(U256::from(node), 10);
        [first, first.wrapping_add(U256::ONE)]
    }
}

/// Capacity and balance of a pool in its manager: two words.
#[must_use]
pub fn pool_info(pool: Address) -> [U256; 2] {
    let first = by_key(U256::from_be_bytes(pool.into_word().0), 152);
    [first, first.wrapping_add(U256::ONE)]
}

/// A token's scale in a manager.
#[must_use]
pub fn token_rate(token: Address) -> U256 {
    by_key(U256::from_be_bytes(token.into_word().0), 154)
}

fn by_key(key: U256, slot: u64) -> U256 {
    let mut bytes = [0_u8; 64];
    let (head, tail) = bytes.split_at_mut(32);
    head.copy_from_slice(&key.to_be_bytes::<32>());
    tail.copy_from_slice(&U256::from(slot).to_be_bytes::<32>());
    U256::from_be_bytes(keccak256(bytes).0)
}

/// A signed key is extended by its sign to the whole word.
fn signed_key(key: i16) -> U256 {
    if key < 0 { U256::MAX - U256::from(key.unsigned_abs() - 1) } else { U256::from(key.unsigned_abs()) }
}

/// `width` bits of a word from bit `from` on.
fn field(word: U256, from: usize, width: usize) -> U256 {
    (word >> from) & ((U256::ONE << width) - U256::ONE)
}

fn small(word: U256, from: usize, width: usize) -> u64 {
    field(word, from, width).saturating_to()
}

/// A field of 16 bits as a signed number.
fn tick_field(word: U256, from: usize) -> i16 {
    let [low, high] = [small(word, from, 8), small(word, from + 8, 8)];
    i16::from_le_bytes([u8::try_from(low).unwrap_or_default(), u8::try_from(high).unwrap_or_default()])
}

/// An address in a word's low bits.
#[must_use]
pub fn address(word: U256) -> Address {
    Address::from_word(B256::from(word))
}

/// A pool's second word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misc {
    /// Borrowing is paused.
    pub borrow_paused: bool,
    /// Redeeming is paused, which does not bind redemption by credit notes.
    pub redeem_paused: bool,
    /// The tick with the highest debt ratio; -32768 for an empty pool.
    pub top_tick: i16,
    /// The id that the next position gets.
    pub next_position: u64,
    /// The node that is filled next.
    pub next_node: u64,
    /// Least debt ratio of a changed position, 1e18.
    pub min_debt_ratio: U256,
    /// Largest, 1e18.
    pub max_debt_ratio: U256,
    /// How much of a tick one redemption may take, 1e9.
    pub max_redeem_ratio: U256,
}

impl Misc {
    /// From the word at [`pool::MISC`].
    #[must_use]
    pub fn decode(word: U256) -> Self {
        Self {
            borrow_paused: word.bit(0),
            redeem_paused: word.bit(1),
            top_tick: tick_field(word, 2),
            next_position: small(word, 18, 32),
            next_node: small(word, 50, 48),
            min_debt_ratio: field(word, 98, 60),
            max_debt_ratio: field(word, 158, 60),
            max_redeem_ratio: field(word, 218, 30),
        }
    }
}

/// When a tick may be rebalanced and liquidated, and for what bonus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratios {
    /// Debt ratio from which on a tick may be rebalanced, 1e18.
    pub rebalance_debt: U256,
    /// Bonus of a rebalance, 1e9.
    pub rebalance_bonus: U256,
    /// Debt ratio from which on it is liquidated, 1e18.
    pub liquidate_debt: U256,
    /// Bonus of a liquidation, 1e9.
    pub liquidate_bonus: U256,
}

impl Ratios {
    /// From the word at [`pool::RATIOS`].
    #[must_use]
    pub fn decode(word: U256) -> Self {
        Self {
            rebalance_debt: field(word, 0, 60),
            rebalance_bonus: field(word, 60, 30),
            liquidate_debt: field(word, 90, 60),
            liquidate_bonus: field(word, 150, 30),
        }
    }
}

/// Debt and collateral: indices, or shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Of debt.
    pub debt: U256,
    /// Of collateral.
    pub coll: U256,
}

impl Sides {
    /// From a word of totals ([`pool::INDICES`], [`pool::SHARES`]): debt in the low half.
    #[must_use]
    pub fn totals(word: U256) -> Self {
        Self { debt: field(word, 0, 128), coll: field(word, 128, 128) }
    }

    /// From a node's value: collateral in the low half.
    #[must_use]
    pub fn of_node(word: U256) -> Self {
        Self { coll: field(word, 0, 128), debt: field(word, 128, 128) }
    }
}

/// A node's first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLink {
    /// The node that this one was merged into; zero for a root.
    pub parent: u64,
    /// The tick that it filled.
    pub tick: i16,
    /// What is left of its shares in its parent, 2^60 is all.
    pub ratios: Sides,
}

impl NodeLink {
    /// From the first word of [`pool::node`].
    #[must_use]
    pub fn decode(word: U256) -> Self {
        Self { parent: small(word, 0, 48), tick: tick_field(word, 48), ratios: Sides { coll: field(word, 64, 64), debt: field(word, 128, 64) } }
    }
}

/// A position as it was last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionWord {
    /// The tick that it was put into; it may have moved since.
    pub tick: i16,
    /// The node that it was put into.
    pub node: u64,
    /// Its shares then.
    pub shares: Sides,
}

impl PositionWord {
    /// From the word at [`pool::position`].
    #[must_use]
    pub fn decode(word: U256) -> Self {
        Self { tick: tick_field(word, 0), node: small(word, 16, 48), shares: Sides { coll: field(word, 64, 96), debt: field(word, 160, 96) } }
    }
}

/// Fee ratios of a manager, 1e9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Of what is redeemed.
    pub redeem: U256,
    /// Of a liquidator's or rebalancer's bonus.
    pub liquidation_expense: U256,
}

impl Fees {
    /// From the word at [`FEES`].
    #[must_use]
    pub fn decode(word: U256) -> Self {
        Self { redeem: field(word, 90, 30), liquidation_expense: field(word, 150, 30) }
    }
}

/// What a manager books of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// Collateral: token units in the long manager, fxUSD in the short one.
    pub coll_balance: U256,
    /// Debt: fxUSD in the long manager, raw debt in the short one.
    pub debt_balance: U256,
    /// The least raw debt that a call may name; of the short manager only.
    pub min_raw_debt: U256,
}

impl Books {
    /// From the long manager's two words.
    #[must_use]
    pub fn long([first, second]: [U256; 2]) -> Self {
        Self { coll_balance: field(first, 85, 85), debt_balance: field(second, 96, 96), min_raw_debt: U256::ZERO }
    }

    /// From the short manager's two words.
    #[must_use]
    pub fn short([first, second]: [U256; 2]) -> Self {
        Self { coll_balance: field(first, 96, 96), debt_balance: field(second, 96, 96), min_raw_debt: field(second, 192, 64) }
    }
}

/// A token's scale: a number, and who multiplies it by a rate, if anybody.
#[must_use]
pub fn decode_rate(word: U256) -> (U256, Option<Address>) {
    let provider = address(word >> 96_usize);
    (field(word, 0, 96), (!provider.is_zero()).then_some(provider))
}

/// The time of a long pool's last funding, from the word at [`pool::LONG_FUNDING`].
#[must_use]
pub fn long_funding_time(word: U256) -> u64 {
    small(word, 208, 48)
}
