//! The shapes of `fx.json`. Inputs may hold more than is used; what is expected may not, or it would not be checked.

use alloy::primitives::{B256, Bytes, U256};
use harrier::protocols::fx::{
    FxRevert,
    maths::{
        base_pool::BasePool,
        bitmap::TickBitmap,
        long::LongManager,
        pool::{Pool, Threshold},
        short::ShortManager,
        tree::{Node, TickTree},
    },
};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use std::{collections::BTreeMap, str::FromStr};

/// A decimal figure, as text or number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figure(pub(crate) U256);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            other => return Err(D::Error::custom(format!("no figure: {other}"))),
        };
        U256::from_str_radix(&text, 10).map(Self).map_err(|error| D::Error::custom(format!("{text}: {error}")))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallCase {
    pub(crate) op: String,
    pub(crate) args: Args,
    pub(crate) env: Env,
    pub(crate) before: State,
    pub(crate) funding: Option<Funding>,
    pub(crate) result: Expected,
    pub(crate) derived: Option<Derived>,
    #[serde(default)]
    pub(crate) post: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Args {
    pub(crate) tick: Option<i16>,
    pub(crate) token_in: Option<String>,
    #[serde(default)]
    pub(crate) max_amount: Figure,
    #[serde(default)]
    pub(crate) min_coll_out: Figure,
    #[serde(default, rename = "maxFxUSD")]
    pub(crate) max_fx_usd: Figure,
    #[serde(default)]
    pub(crate) max_stable: Figure,
    #[serde(default)]
    pub(crate) max_raw_debts: Figure,
    #[serde(default)]
    pub(crate) debts: Figure,
    #[serde(default)]
    pub(crate) min_colls: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Funding {
    pub(crate) funding_ratio: Figure,
    pub(crate) seconds_since_last_update: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Env {
    #[serde(default)]
    pub(crate) pool: String,
    pub(crate) min_price: Figure,
    pub(crate) max_price: Figure,
    scaling_factor: Figure,
    reserve_balance: Figure,
    liquidation_expense_ratio: Figure,
    pub(crate) manager_collateral_balance: Figure,
    base_total_yield_token: Figure,
    base_stable_balance: Figure,
    stable_price_with_scale: Figure,
    stable_repay_allowed: bool,
    #[serde(default)]
    min_raw_debt: Figure,
    #[serde(default)]
    redeem_fee_ratio: Figure,
}

impl Env {
    pub(crate) const fn base_pool(&self) -> BasePool {
        BasePool { fx_usd: self.base_total_yield_token.0, stable: self.base_stable_balance.0 }
    }

    pub(crate) const fn long_manager(&self) -> LongManager {
        LongManager {
            scaling_factor: self.scaling_factor.0,
            reserve_balance: self.reserve_balance.0,
            expense_ratio: self.liquidation_expense_ratio.0,
            token_balance: self.manager_collateral_balance.0,
            pays_in_notes: true,
            stable_price: self.stable_price_with_scale.0,
            stable_repay_allowed: self.stable_repay_allowed,
            paused: false,
            caller_permitted: true,
        }
    }

    pub(crate) const fn short_manager(&self) -> ShortManager {
        ShortManager {
            scaling_factor: self.scaling_factor.0,
            reserve_balance: self.reserve_balance.0,
            expense_ratio: self.liquidation_expense_ratio.0,
            redeem_fee_ratio: self.redeem_fee_ratio.0,
            min_raw_debt: self.min_raw_debt.0,
            notes_of_manager: None,
            paused: false,
            killed: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    debt_index: Figure,
    coll_index: Figure,
    total_debt_shares: Figure,
    total_coll_shares: Figure,
    top_tick: String,
    next_node: Figure,
    max_redeem_ratio_per_tick: Figure,
    rebalance_debt_ratio: Figure,
    rebalance_bonus_ratio: Figure,
    liquidate_debt_ratio: Figure,
    liquidate_bonus_ratio: Figure,
    pub(crate) ticks: Vec<Tick>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Tick {
    pub(crate) tick: i16,
    pub(crate) coll_shares: Figure,
    pub(crate) debt_shares: Figure,
    pub(crate) node: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct After {
    pub(crate) debt_index: Figure,
    pub(crate) coll_index: Figure,
    pub(crate) total_debt_shares: Figure,
    pub(crate) total_coll_shares: Figure,
    pub(crate) top_tick: String,
    pub(crate) next_node: Figure,
    pub(crate) ticks: Vec<Tick>,
}

impl State {
    /// The pool. The file names no empty nodes: where a tick stands afterwards on a node that is older than the call and held no debt
    /// before it, that node was there, empty.
    pub(crate) fn pool(&self, after: Option<&After>) -> Result<Pool, String> {
        let next = u64::try_from(self.next_node.0).map_err(|error| format!("next node: {error}"))?;
        let mut bitmap = TickBitmap::default();
        let (mut nodes, mut current) = (BTreeMap::new(), BTreeMap::new());
        for tick in &self.ticks {
            bitmap.set(tick.tick, true);
            current.insert(tick.tick, tick.node);
            nodes.insert(tick.node, Node { coll_shares: tick.coll_shares.0, debt_shares: tick.debt_shares.0, ..Node::fresh(tick.tick) });
        }
        for tick in after.into_iter().flat_map(|after| &after.ticks).filter(|tick| tick.node < next) {
            current.entry(tick.tick).or_insert(tick.node);
            nodes.entry(tick.node).or_insert_with(|| Node::fresh(tick.tick));
        }
        let pool = Pool {
            debt_index: self.debt_index.0,
            coll_index: self.coll_index.0,
            total_debt_shares: self.total_debt_shares.0,
            total_coll_shares: self.total_coll_shares.0,
            rebalance: Threshold { debt_ratio: self.rebalance_debt_ratio.0, bonus_ratio: self.rebalance_bonus_ratio.0 },
            liquidate: Threshold { debt_ratio: self.liquidate_debt_ratio.0, bonus_ratio: self.liquidate_bonus_ratio.0 },
            max_redeem_ratio_per_tick: self.max_redeem_ratio_per_tick.0,
            bitmap,
            tree: TickTree::new(nodes, current, next),
        };
        if pool.top_tick().to_string() == self.top_tick { Ok(pool) } else { Err(format!("top tick {} before, ours {}", self.top_tick, pool.top_tick())) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Expected {
    pub(crate) ok: bool,
    pub(crate) returns: Option<Returns>,
    #[serde(default)]
    pub(crate) caller_balance_delta: BTreeMap<String, String>,
    pub(crate) reserve_spent: Option<Figure>,
    pub(crate) base_total_yield_token: Option<Figure>,
    pub(crate) base_stable_balance: Option<Figure>,
    pub(crate) tick_movements: Option<Vec<Moved>>,
    pub(crate) after: Option<After>,
    pub(crate) revert_data: Option<Bytes>,
    #[serde(rename = "gasUsed")]
    _gas_used: Option<u64>,
    /// The first bytes of the revert data.
    #[serde(rename = "revertSelector")]
    _revert_selector: Option<String>,
    #[serde(rename = "error")]
    _error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Returns {
    pub(crate) token_used: Option<Figure>,
    pub(crate) colls: Figure,
    pub(crate) debts: Option<Figure>,
    #[serde(rename = "fxUSDUsed")]
    pub(crate) fx_usd_used: Option<Figure>,
    pub(crate) stable_used: Option<Figure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Moved {
    pub(crate) old_tick: i16,
    pub(crate) new_tick: i16,
    pub(crate) coll_shares: Figure,
    pub(crate) debt_shares: Figure,
    pub(crate) price: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Derived {
    #[serde(rename = "maxFxUSD")]
    pub(crate) max_fx_usd: Option<Figure>,
    pub(crate) max_stable: Option<Figure>,
    pub(crate) max_raw_debts: Option<Figure>,
    pub(crate) pool: Option<DerivedPool>,
    pub(crate) colls: Figure,
    pub(crate) protocol_fee: Figure,
    #[serde(rename = "fxUSDUsed")]
    pub(crate) fx_usd_used: Option<Figure>,
    pub(crate) stable_used: Option<Figure>,
    pub(crate) collateral_token_out: Option<Figure>,
    pub(crate) credit_note_out: Option<Figure>,
    pub(crate) token_used: Option<Figure>,
    pub(crate) debts: Option<Figure>,
    pub(crate) raw_debts_asked: Option<Figure>,
    pub(crate) actual_raw_debts_redeemed: Option<Figure>,
    pub(crate) credit_note_burned: Option<Figure>,
    pub(crate) colls_gross: Option<Figure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DerivedPool {
    pub(crate) raw_debts: Figure,
    pub(crate) raw_colls: Figure,
    pub(crate) bonus_raw_colls: Figure,
    pub(crate) bonus_from_reserve: Figure,
}

/// The selector of revert data.
pub(crate) fn selector(data: &[u8]) -> Option<u32> {
    data.first_chunk::<4>().map(|first| u32::from_be_bytes(*first))
}

/// The argument words of revert data.
pub(crate) fn words(data: &[u8]) -> Vec<U256> {
    data.get(4..).unwrap_or_default().chunks_exact(32).map(|word| U256::from_be_slice(word)).collect()
}

/// Whether our revert is the one whose data the contract gave; the address in it is not ours to know.
pub(crate) fn same_revert(ours: &FxRevert, data: &[u8]) -> bool {
    let words = words(data);
    let arguments = match ours {
        FxRevert::NotesInsufficient { balance, needed } => words.get(1..) == Some([*balance, *needed].as_slice()),
        _ => ours.panic_code().map(U256::from) == words.first().copied(),
    };
    ours.selector() == selector(data) && arguments
}

/// A figure or word of `post`.
pub(crate) fn figure(value: &Value) -> Result<U256, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    U256::from_str(&text).map_err(|error| format!("{text}: {error}"))
}

/// A list of figures of `post`.
pub(crate) fn figures(value: &Value) -> Result<Vec<U256>, String> {
    value.as_array().ok_or_else(|| format!("no list: {value}"))?.iter().map(figure).collect()
}

/// A word of `post`.
pub(crate) fn word(value: &Value) -> Result<U256, String> {
    B256::from_str(value.as_str().unwrap_or_default()).map(Into::into).map_err(|error| format!("{value}: {error}"))
}
