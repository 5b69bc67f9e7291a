//! What the cases of `moolah.json` are made of: figures, markets, positions, reverts.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolError,
};
use harrier::protocols::morpho::{Flavor, MarketParams, MarketState, MorphoRevert, Position, maths::liquidation::LiquidationSize};
use serde::{Deserialize, Deserializer, de::Error};

/// A figure: a decimal string, or a JSON number where the file has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figure(pub(crate) U256);

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
    pub(crate) fn narrow(self) -> Result<u128, String> {
        u128::try_from(self.0).map_err(|_| format!("{} is wider than the contract's storage", self.0))
    }

    pub(crate) fn seconds(self) -> Result<u64, String> {
        u64::try_from(self.0).map_err(|_| format!("{} is no time", self.0))
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum System {
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
pub(crate) struct Params {
    loan_token: Address,
    collateral_token: Address,
    oracle: Address,
    irm: Address,
    lltv: Figure,
}

impl From<&Params> for MarketParams {
    fn from(params: &Params) -> Self {
        Self { loan_token: params.loan_token, collateral_token: params.collateral_token, oracle: params.oracle, irm: params.irm, lltv: params.lltv.0 }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Market {
    total_supply_assets: Figure,
    total_supply_shares: Figure,
    total_borrow_assets: Figure,
    total_borrow_shares: Figure,
    last_update: Figure,
    fee: Figure,
}

impl Market {
    pub(crate) fn state(&self) -> Result<MarketState, String> {
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
pub(crate) struct Holding {
    #[serde(default)]
    supply_shares: Figure,
    borrow_shares: Figure,
    collateral: Figure,
}

impl Holding {
    pub(crate) fn position(&self) -> Result<Position, String> {
        Ok(Position { supply_shares: self.supply_shares.0, borrow_shares: self.borrow_shares.narrow()?, collateral: self.collateral.narrow()? })
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct CallSize {
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
pub(crate) enum Revert {
    Error {
        message: String,
    },
    Panic {
        code: String,
    },
    #[serde(rename = "custom")]
    Custom {
        selector: Bytes,
        data: Bytes,
    },
    #[serde(rename = "empty")]
    Empty {},
}

impl Revert {
    /// Compares the revert data byte for byte, and asks that it has a name here.
    pub(crate) fn check(&self, ours: &MorphoRevert) -> Result<(), String> {
        let data = match self {
            Self::Error { message } => Bytes::from(alloy::sol_types::Revert::from(message.clone()).abi_encode()),
            Self::Panic { code } => {
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
pub(crate) fn compare<T, E>(what: &str, ours: &Result<T, MorphoRevert>, ok: bool, revert: Option<&Revert>, matches: E) -> Result<(), String>
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
