//! A replay as bytes, to go on from later: JSON with a version, and with what it belongs to.

use super::replay::{Replay, ReplayedMarket};
use crate::{
    plan::MarketId,
    protocols::{
        DiscoveryError,
        morpho::{Flavor, MarketParams, MarketState, Position},
    },
};
use alloy::primitives::{Address, U128, U256};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The form below; another form is another number.
const VERSION: u32 = 1;

/// What a checkpoint belongs to; one of another deployment or another list is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The flavour.
    pub(super) flavor: Flavor,
    /// The contract.
    pub(super) contract: Address,
    /// The markets that are followed; all of them without a list.
    pub(super) watched: Option<BTreeSet<MarketId>>,
}

#[derive(Serialize, Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u32,
    origin: Origin,
    fee_recipient: Option<Address>,
    default_fee: U128,
    markets: Vec<MarketRecord>,
}

#[derive(Serialize, Deserialize)]
struct MarketRecord {
    params: MarketParams,
    /// Supply assets and shares, borrow assets and shares, last update, fee.
    state: [U128; 6],
    broker: Option<Address>,
    /// Account, borrow shares, collateral.
    positions: Vec<(Address, U128, U128)>,
}

pub(super) fn write(replay: &Replay, origin: &Origin) -> Result<Vec<u8>, DiscoveryError> {
    let checkpoint = Checkpoint {
        version: VERSION,
        origin: origin.clone(),
        fee_recipient: replay.fee_recipient,
        default_fee: U128::from(replay.default_fee),
        markets: replay.markets.values().map(record).collect(),
    };
    serde_json::to_vec(&checkpoint).map_err(|error| DiscoveryError::Checkpoint(error.to_string()))
}

pub(super) fn read(bytes: &[u8], origin: &Origin, replay: &mut Replay) -> Result<(), DiscoveryError> {
    let unusable = |error: serde_json::Error| DiscoveryError::Checkpoint(error.to_string());
    let Version { version } = serde_json::from_slice(bytes).map_err(unusable)?;
    if version != VERSION {
        return Err(DiscoveryError::Checkpoint(format!("it has version {version}, this program writes {VERSION}")));
    }
    let checkpoint: Checkpoint = serde_json::from_slice(bytes).map_err(unusable)?;
    if checkpoint.origin != *origin {
        return Err(DiscoveryError::Checkpoint("it belongs to another contract or another list of markets".into()));
    }
    let mut markets = BTreeMap::new();
    let mut positions = 0usize;
    for record in checkpoint.markets {
        let id = record.params.id();
        let market = restored(record)?;
        positions = positions.saturating_add(market.positions.len());
        if markets.insert(id, market).is_some() {
            return Err(DiscoveryError::Checkpoint(format!("market {id} is there twice")));
        }
    }
    replay.fee_recipient = checkpoint.fee_recipient;
    replay.default_fee = checkpoint.default_fee.to();
    replay.positions = positions;
    replay.markets = markets;
    Ok(())
}

fn record(market: &ReplayedMarket) -> MarketRecord {
    let state = &market.state;
    MarketRecord {
        params: market.params,
        state: [state.total_supply_assets, state.total_supply_shares, state.total_borrow_assets, state.total_borrow_shares, state.last_update, state.fee]
            .map(U128::from),
        broker: market.broker,
        positions: market.positions.iter().map(|(account, position)| (*account, U128::from(position.borrow_shares), U128::from(position.collateral))).collect(),
    }
}

fn restored(record: MarketRecord) -> Result<ReplayedMarket, DiscoveryError> {
    let [total_supply_assets, total_supply_shares, total_borrow_assets, total_borrow_shares, last_update, fee] = record.state.map(|word| word.to::<u128>());
    let mut positions = BTreeMap::new();
    for (account, borrow_shares, collateral) in record.positions {
        let position = Position { supply_shares: U256::ZERO, borrow_shares: borrow_shares.to(), collateral: collateral.to() };
        if position.is_empty() || positions.insert(account, position).is_some() {
            return Err(DiscoveryError::Checkpoint(format!("the position of {account} is empty or there twice")));
        }
    }
    Ok(ReplayedMarket {
        params: record.params,
        state: MarketState { total_supply_assets, total_supply_shares, total_borrow_assets, total_borrow_shares, last_update, fee },
        broker: record.broker,
        positions,
    })
}
