//! The shapes of `moolah.json`. What is expected is read strictly: a field that is not known would be an expectation that is not checked.

use alloy::primitives::{Address, B256, Bytes, U256};
use harrier::{
    plan::MarketId,
    protocols::morpho::{
        Flavor, MarketParams, MarketState, MorphoRevert, Position,
        maths::{liquidation::LiquidationSize, price},
    },
};
use serde::{Deserialize, Deserializer, de::Error};
use std::collections::BTreeMap;

/// A figure: a decimal string, or a JSON number where the file has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure(pub U256);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text.parse().map(Self).map_err(|error| D::Error::custom(format!("{text}: {error}"))),
            serde_json::Value::Number(number) => {
                number.as_u64().map(|number| Self(U256::from(number))).ok_or_else(|| D::Error::custom(format!("{number} is no whole number")))
            }
            other => Err(D::Error::custom(format!("{other} is no figure"))),
        }
    }
}

impl Figure {
    pub fn narrow(self) -> Result<u128, String> {
        u128::try_from(self.0).map_err(|_| format!("{} is wider than the contract's storage", self.0))
    }

    pub fn seconds(self) -> Result<u64, String> {
        u64::try_from(self.0).map_err(|_| format!("{} is no time", self.0))
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    MorphoBlue,
    Moolah,
}

impl From<System> for Flavor {
    fn from(system: System) -> Self {
        match system {
            System::MorphoBlue => Self::MorphoBlue,
            System::Moolah => Self::Moolah,
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Params {
    loan_token: Address,
    collateral_token: Address,
    oracle: Address,
    irm: Address,
    lltv: Figure,
}

impl From<&Params> for MarketParams {
    fn from(params: &Params) -> Self {
        Self {
            loan_token: params.loan_token,
            collateral_token: params.collateral_token,
            oracle: params.oracle,
            irm: params.irm,
            lltv: params.lltv.0,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    total_supply_assets: Figure,
    total_supply_shares: Figure,
    total_borrow_assets: Figure,
    total_borrow_shares: Figure,
    last_update: Figure,
    fee: Figure,
}

impl Market {
    pub fn state(&self) -> Result<MarketState, String> {
        Ok(MarketState {
            total_supply_assets: self.total_supply_assets.narrow()?,
            total_supply_shares: self.total_supply_shares.narrow()?,
            total_borrow_assets: self.total_borrow_assets.narrow()?,
            total_borrow_shares: self.total_borrow_shares.narrow()?,
            last_update: self.last_update.narrow()?,
            fee: self.fee.narrow()?,
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    #[serde(default)]
    supply_shares: Figure,
    borrow_shares: Figure,
    collateral: Figure,
}

impl Holding {
    pub fn position(&self) -> Result<Position, String> {
        Ok(Position { supply_shares: self.supply_shares.0, borrow_shares: self.borrow_shares.narrow()?, collateral: self.collateral.narrow()? })
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct CallSize {
    #[serde(default)]
    seized_assets: Figure,
    #[serde(default)]
    repaid_shares: Figure,
}

impl From<CallSize> for LiquidationSize {
    fn from(call: CallSize) -> Self {
        Self { seized_assets: call.seized_assets.0, repaid_shares: call.repaid_shares.0 }
    }
}

/// How a call reverts, as the file words it.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Revert {
    Error { message: String },
    Panic { code: String },
    #[serde(rename = "custom")]
    Custom { selector: Bytes, data: Bytes },
    #[serde(rename = "empty")]
    Empty {},
}

impl Revert {
    /// Compares the revert data byte for byte, and asks that it has a name here.
    pub fn check(&self, ours: &MorphoRevert) -> Result<(), String> {
        let data = match self {
            Self::Error { message } => {
                use alloy::sol_types::SolError;
                Bytes::from(alloy::sol_types::Revert::from(message.clone()).abi_encode())
            }
            Self::Panic { code } => {
                use alloy::sol_types::SolError;
                let code = code.parse().map_err(|error| format!("panic code {code}: {error}"))?;
                Bytes::from(alloy::sol_types::Panic { code }.abi_encode())
            }
            Self::Custom { selector, data } => {
                if !data.starts_with(selector) {
                    return Err(format!("the revert data {data} does not begin with its selector {selector}"));
                }
                data.clone()
            }
            Self::Empty {} => Bytes::new(),
        };
        if ours.encode() != data {
            return Err(format!("ours reverts with '{ours}', the contract's with {data}"));
        }
        let named = MorphoRevert::decode(&data);
        if named == *ours { Ok(()) } else { Err(format!("the revert data of '{ours}' decodes to '{named}'")) }
    }
}

/// What a call that may revert is expected to give.
pub fn compare<T, E>(what: &str, ours: &Result<T, MorphoRevert>, ok: bool, revert: Option<&Revert>, matches: E) -> Result<(), String>
where
    E: FnOnce(&T) -> Result<(), String>,
{
    match (ours, ok, revert) {
        (Ok(ours), true, None) => matches(ours),
        (Err(ours), false, Some(theirs)) => theirs.check(ours).map_err(|why| format!("{what}: {why}")),
        (Ok(_), false, Some(theirs)) => Err(format!("{what}: ours succeeds, the contract's reverts with {theirs:?}")),
        (Err(ours), true, None) => Err(format!("{what}: ours reverts with '{ours}', the contract's succeeds")),
        (_, true, Some(_)) | (_, false, None) => Err(format!("{what}: the case contradicts itself")),
    }
}

#[derive(Debug, Deserialize)]
pub struct MarketIdCase {
    pub market_params: Params,
    pub market_id: B256,
}

impl MarketIdCase {
    pub const fn id(&self) -> MarketId {
        MarketId(self.market_id)
    }
}

/// The oracle's answers: one price, or two of eight digits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum Price {
    Single { price: Figure },
    Pair { base_price: Figure, quote_price: Figure, collateral_decimals: u8, loan_decimals: u8 },
}

impl Price {
    pub fn price(&self) -> Result<U256, MorphoRevert> {
        match self {
            Self::Single { price } => Ok(price.0),
            Self::Pair { base_price, quote_price, collateral_decimals, loan_decimals } => {
                price::moolah_price(base_price.0, quote_price.0, *collateral_decimals, *loan_decimals)
            }
        }
    }

    pub fn min_loan(&self, min_loan_value: U256) -> Result<U256, MorphoRevert> {
        match self {
            Self::Single { .. } => Ok(U256::ZERO),
            Self::Pair { quote_price, loan_decimals, .. } => price::moolah_min_loan(min_loan_value, quote_price.0, *loan_decimals),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whitelist {
    #[serde(rename = "self")]
    Caller,
    Other,
}

#[derive(Debug, Deserialize)]
pub struct LiquidationCase {
    pub protocol: System,
    pub now: Figure,
    pub borrow_rate_per_second: Figure,
    pub lltv: Figure,
    pub market: Market,
    pub position: Holding,
    pub price: Price,
    pub call: CallSize,
    #[serde(default)]
    pub callback: bool,
    #[serde(default)]
    pub min_loan_value: Figure,
    #[serde(default)]
    pub irm_zero: bool,
    pub liquidator_loan_balance: Option<Figure>,
    pub liquidation_whitelist: Option<Whitelist>,
    #[serde(default)]
    pub paused: bool,
    pub expect: LiquidationExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiquidationExpected {
    pub accrue: AccrueExpected,
    pub health: Option<HealthExpected>,
    pub liquidate: LiquidateExpected,
    pub after: After,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccrueExpected {
    pub ok: bool,
    pub market: Option<Market>,
    pub event: Option<AccrueEvent>,
    pub revert: Option<Revert>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccrueEvent {
    pub prev_borrow_rate: Figure,
    pub interest: Figure,
    pub fee_shares: Figure,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthExpected {
    pub ok: Option<bool>,
    pub revert: Option<Revert>,
    pub collateral_price: Option<Figure>,
    pub borrow_assets_up: Option<Figure>,
    pub max_borrow: Option<Figure>,
    pub is_healthy: Option<bool>,
    pub liquidation_incentive_factor: Option<Figure>,
    pub min_loan: Option<Figure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiquidateExpected {
    pub ok: bool,
    pub revert: Option<Revert>,
    pub seized_assets: Option<Figure>,
    pub repaid_assets: Option<Figure>,
    pub repaid_shares: Option<Figure>,
    pub bad_debt_assets: Option<Figure>,
    pub bad_debt_shares: Option<Figure>,
    pub callback_repaid_assets: Option<Figure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    pub market: Market,
    pub position: Holding,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum RateCase {
    AdaptiveCurveIrm(CurveCase),
    MoolahInterestRateModel(CurveCase),
    MoolahFixedRateIrm(FixedCase),
}

#[derive(Debug, Deserialize)]
pub struct CurveCase {
    pub total_supply_assets: Figure,
    pub total_borrow_assets: Figure,
    pub start_rate_at_target: Figure,
    pub elapsed: Figure,
    #[serde(default)]
    pub rate_cap: Figure,
    #[serde(default)]
    pub min_cap: Figure,
    #[serde(default)]
    pub rate_floor: Figure,
    pub expect: RateExpected,
}

#[derive(Debug, Deserialize)]
pub struct FixedCase {
    pub stored_rate: Figure,
    pub rate_cap: Figure,
    pub min_cap: Figure,
    pub rate_floor: Figure,
    pub expect: RateExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateExpected {
    pub ok: bool,
    pub revert: Option<Revert>,
    pub avg_borrow_rate: Option<Figure>,
    pub end_rate_at_target: Option<Figure>,
}

#[derive(Debug, Deserialize)]
pub struct PreLiquidationCase {
    pub lltv: Figure,
    pub pre_lltv: Figure,
    pub pre_lcf1: Figure,
    pub pre_lcf2: Figure,
    pub pre_lif1: Figure,
    pub pre_lif2: Figure,
    pub price: Figure,
    pub now: Figure,
    pub authorized: bool,
    pub borrow_rate_per_second: Figure,
    pub market: Market,
    pub position: Holding,
    pub call: CallSize,
    pub expect: PreLiquidationExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreLiquidationExpected {
    pub ok: bool,
    pub revert: Option<Revert>,
    pub repaid_assets: Option<Figure>,
    pub repaid_shares: Option<Figure>,
    pub seized_assets: Option<Figure>,
    pub position_after: Option<Holding>,
}

#[derive(Debug, Deserialize)]
pub struct CreateCase {
    /// pre_lltv, lcf1, lcf2, lif1, lif2.
    pub params: [Figure; 5],
    pub lltv: Figure,
    pub expect: CreateExpected,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateExpected {
    pub ok: bool,
    pub revert: Option<Revert>,
}

#[derive(Debug, Deserialize)]
pub struct ReplayCase {
    pub protocol: System,
    pub market_params: Params,
    pub market_id: B256,
    pub fee_recipient: Address,
    /// Moolah: the fee that the market begins with, where no log says so.
    #[serde(default)]
    pub default_market_fee: Figure,
    pub steps: Vec<ReplayStep>,
    pub storage: ReplayStorage,
}

#[derive(Debug, Deserialize)]
pub struct ReplayStep {
    pub label: String,
    pub block_timestamp: Figure,
    pub logs: Vec<ReplayLog>,
    pub market_after: Market,
    pub positions_after: BTreeMap<Address, Holding>,
}

#[derive(Debug, Deserialize)]
pub struct ReplayLog {
    pub topics: Vec<B256>,
    pub data: Bytes,
}

#[derive(Debug, Deserialize)]
pub struct ReplayStorage {
    pub user: Address,
    pub slots: Vec<ReplaySlot>,
}

#[derive(Debug, Deserialize)]
pub struct ReplaySlot {
    pub field: String,
    pub slot: B256,
    pub value: B256,
}

