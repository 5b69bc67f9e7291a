//! What a bundle may still hold: relays, the block and the operator's purse set limits.

use super::{EngineError, Sender, Simulated, Work};
use crate::{
    fork::{SimTx, View},
    plan::{Skip, SkipReason},
};
use alloy::{consensus::Transaction, primitives::U256};

/// What one bundle may still hold: relays, the block and the operator's purse set limits.
pub(super) struct Room {
    txs: usize,
    bytes: usize,
    gas: u64,
    funds: U256,
}

impl Room {
    /// Room behind the transactions in front. The front counts with its gas limits, which is more than it uses.
    pub(super) fn behind(work: &Work<'_>, view: &View, sender: Sender) -> Result<Self, EngineError> {
        let front_gas = work.front.iter().fold(0_u64, |sum, tx| sum.saturating_add(tx.gas_limit()));
        let front_bytes = work.front.iter().fold(0_usize, |sum, tx| sum.saturating_add(size(tx)));
        Ok(Self {
            txs: MOST_TXS.saturating_sub(work.front.len()),
            bytes: MOST_BYTES.saturating_sub(front_bytes),
            gas: work.block.gas_limit.saturating_sub(front_gas),
            funds: view.account(sender.address)?.balance,
        })
    }

    /// Takes a transaction in; the limit that it breaks, if it does.
    pub(super) fn take(&mut self, tx: &Simulated) -> Result<(), Skip> {
        let cost = U256::from(tx.tx.gas_limit()).saturating_mul(U256::from(tx.tx.max_fee_per_gas()));
        let left = (|| {
            Some(Self {
                txs: self.txs.checked_sub(1)?,
                bytes: self.bytes.checked_sub(size(&tx.tx))?,
                gas: self.gas.checked_sub(tx.tx.gas_limit())?,
                funds: self.funds.checked_sub(cost)?,
            })
        })();
        *self = left.ok_or_else(|| Skip::new(SkipReason::LimitReached, "the bundle has no room for it: transactions, bytes, gas or the operator's ether"))?;
        Ok(())
    }
}

/// Most transactions and bytes of one bundle that relays take.
const MOST_TXS: usize = 100;
const MOST_BYTES: usize = 300_000;

/// Bytes of a transaction in a bundle, its signature and envelope included.
fn size(tx: &SimTx) -> usize {
    tx.input().len().saturating_add(300)
}
