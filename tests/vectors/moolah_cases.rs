//! The cases of `moolah.json`, one type a category. Inputs may hold more than is used; what is expected may not, or it would not be checked.

use crate::moolah_shapes::{CallSize, Figure, Holding, Market, Params, Revert, System};
use alloy::primitives::{Address, B256, Bytes, U256};
use harrier::{
    plan::MarketId,
    protocols::morpho::{MorphoRevert, maths::price},
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(crate) struct MarketIdCase {
    pub(crate) market_params: Params,
    pub(crate) market_id: B256,
}

impl MarketIdCase {
    pub(crate) const fn id(&self) -> MarketId {
        MarketId(self.market_id)
    }
}

/// The oracle's answers: one price, or two of eight digits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Price {
    Single { price: Figure },
    Pair { base_price: Figure, quote_price: Figure, collateral_decimals: u8, loan_decimals: u8 },
}

impl Price {
    pub(crate) fn price(&self) -> Result<U256, MorphoRevert> {
        match self {
            Self::Single { price } => Ok(price.0),
            Self::Pair { base_price, quote_price, collateral_decimals, loan_decimals } => {
                price::moolah_price(base_price.0, quote_price.0, *collateral_decimals, *loan_decimals)
            }
        }
    }

    pub(crate) fn min_loan(&self, min_loan_value: U256) -> Result<U256, MorphoRevert> {
        match self {
            Self::Single { .. } => Ok(U256::ZERO),
            Self::Pair { quote_price, loan_decimals, .. } => price::moolah_min_loan(min_loan_value, quote_price.0, *loan_decimals),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whitelist {
    #[serde(rename = "self")]
    Caller,
    Other,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LiquidationCase {
    pub(crate) protocol: System,
    pub(crate) now: Figure,
    pub(crate) borrow_rate_per_second: Figure,
    pub(crate) lltv: Figure,
    pub(crate) market: Market,
    pub(crate) position: Holding,
    pub(crate) price: Price,
    pub(crate) call: CallSize,
    #[serde(default)]
    pub(crate) callback: bool,
    #[serde(default)]
    pub(crate) min_loan_value: Figure,
    #[serde(default)]
    pub(crate) irm_zero: bool,
    pub(crate) liquidator_loan_balance: Option<Figure>,
    pub(crate) liquidation_whitelist: Option<Whitelist>,
    #[serde(default)]
    pub(crate) paused: bool,
    pub(crate) expect: LiquidationExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiquidationExpected {
    pub(crate) accrue: AccrueExpected,
    pub(crate) health: Option<HealthExpected>,
    pub(crate) liquidate: LiquidateExpected,
    pub(crate) after: After,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccrueExpected {
    pub(crate) ok: bool,
    pub(crate) market: Option<Market>,
    pub(crate) event: Option<AccrueEvent>,
    pub(crate) revert: Option<Revert>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccrueEvent {
    pub(crate) prev_borrow_rate: Figure,
    pub(crate) interest: Figure,
    pub(crate) fee_shares: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthExpected {
    pub(crate) ok: Option<bool>,
    pub(crate) revert: Option<Revert>,
    pub(crate) collateral_price: Option<Figure>,
    pub(crate) borrow_assets_up: Option<Figure>,
    pub(crate) max_borrow: Option<Figure>,
    pub(crate) is_healthy: Option<bool>,
    pub(crate) liquidation_incentive_factor: Option<Figure>,
    pub(crate) min_loan: Option<Figure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiquidateExpected {
    pub(crate) ok: bool,
    pub(crate) revert: Option<Revert>,
    pub(crate) seized_assets: Option<Figure>,
    pub(crate) repaid_assets: Option<Figure>,
    pub(crate) repaid_shares: Option<Figure>,
    pub(crate) bad_debt_assets: Option<Figure>,
    pub(crate) bad_debt_shares: Option<Figure>,
    pub(crate) callback_repaid_assets: Option<Figure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct After {
    pub(crate) market: Market,
    pub(crate) position: Holding,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub(crate) enum RateCase {
    AdaptiveCurveIrm(CurveCase),
    MoolahInterestRateModel(CurveCase),
    MoolahFixedRateIrm(FixedCase),
}

#[derive(Debug, Deserialize)]
pub(crate) struct CurveCase {
    pub(crate) total_supply_assets: Figure,
    pub(crate) total_borrow_assets: Figure,
    pub(crate) start_rate_at_target: Figure,
    pub(crate) elapsed: Figure,
    #[serde(default)]
    pub(crate) rate_cap: Figure,
    #[serde(default)]
    pub(crate) min_cap: Figure,
    #[serde(default)]
    pub(crate) rate_floor: Figure,
    pub(crate) expect: RateExpected,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FixedCase {
    pub(crate) stored_rate: Figure,
    pub(crate) rate_cap: Figure,
    pub(crate) min_cap: Figure,
    pub(crate) rate_floor: Figure,
    pub(crate) expect: RateExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateExpected {
    pub(crate) ok: bool,
    pub(crate) revert: Option<Revert>,
    pub(crate) avg_borrow_rate: Option<Figure>,
    pub(crate) end_rate_at_target: Option<Figure>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PreLiquidationCase {
    pub(crate) lltv: Figure,
    pub(crate) pre_lltv: Figure,
    pub(crate) pre_lcf1: Figure,
    pub(crate) pre_lcf2: Figure,
    pub(crate) pre_lif1: Figure,
    pub(crate) pre_lif2: Figure,
    pub(crate) price: Figure,
    pub(crate) now: Figure,
    pub(crate) authorized: bool,
    pub(crate) borrow_rate_per_second: Figure,
    pub(crate) market: Market,
    pub(crate) position: Holding,
    pub(crate) call: CallSize,
    pub(crate) expect: PreLiquidationExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreLiquidationExpected {
    pub(crate) ok: bool,
    pub(crate) revert: Option<Revert>,
    pub(crate) repaid_assets: Option<Figure>,
    pub(crate) repaid_shares: Option<Figure>,
    pub(crate) seized_assets: Option<Figure>,
    pub(crate) position_after: Option<Holding>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CreateCase {
    /// Loan-to-value, close factors, incentives.
    pub(crate) params: [Figure; 5],
    pub(crate) lltv: Figure,
    pub(crate) expect: CreateExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateExpected {
    pub(crate) ok: bool,
    pub(crate) revert: Option<Revert>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReplayCase {
    pub(crate) protocol: System,
    pub(crate) market_params: Params,
    pub(crate) market_id: B256,
    pub(crate) fee_recipient: Address,
    /// Moolah: the fee that the market begins with.
    pub(crate) default_market_fee: Option<Figure>,
    pub(crate) steps: Vec<ReplayStep>,
    pub(crate) storage: ReplayStorage,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReplayStep {
    pub(crate) label: String,
    pub(crate) block_timestamp: Figure,
    pub(crate) logs: Vec<ReplayLog>,
    pub(crate) market_after: Market,
    pub(crate) positions_after: BTreeMap<Address, Holding>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReplayLog {
    pub(crate) topics: Vec<B256>,
    pub(crate) data: Bytes,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReplayStorage {
    pub(crate) user: Address,
    pub(crate) slots: Vec<ReplaySlot>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReplaySlot {
    pub(crate) field: String,
    pub(crate) slot: B256,
    pub(crate) value: B256,
}
