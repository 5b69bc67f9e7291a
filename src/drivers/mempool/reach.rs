//! Whether a transaction can stand in the next block, and behind what.

use crate::{
    drivers::dropped::Dropped,
    fork::{AccountState, SimTx},
};
use alloy::{consensus::Transaction, primitives::U256};

/// The block that transactions are to stand in, as far as that decides whether they can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Its base fee, in wei per gas.
    pub base_fee: u64,
    /// Most gas, by the limits of the transactions, of one with what stands in front of it.
    pub max_gas: u64,
}

impl Reach {
    /// A transaction with its sender's `earlier` ones in front, as they could stand in the block. `account` is its sender at the head.
    ///
    /// # Errors
    /// Why it could not stand there.
    pub fn front(self, tx: &SimTx, earlier: &[SimTx], account: AccountState) -> Result<Vec<SimTx>, Dropped> {
        if tx.nonce() < account.nonce {
            return Err(Dropped::NonceUsed);
        }
        let mut front: Vec<SimTx> = earlier.iter().filter(|before| before.nonce() >= account.nonce).cloned().collect();
        let complete = (account.nonce..tx.nonce()).eq(front.iter().map(|before| before.nonce()));
        if !complete {
            return Err(Dropped::NonceGap);
        }
        front.push(tx.clone());
        let (mut funds, mut gas) = (account.balance, 0_u64);
        for tx in &front {
            if !self.is_paid_by(tx) {
                return Err(Dropped::FeeTooLow);
            }
            funds = most_cost(tx).and_then(|cost| funds.checked_sub(cost)).ok_or(Dropped::Broke)?;
            gas = gas.saturating_add(tx.gas_limit());
        }
        // One that is alone in front was measured when it came.
        if gas > self.max_gas && front.len() > 1 {
            return Err(Dropped::FrontTooHeavy);
        }
        Ok(front)
    }

    /// Whether a transaction's fee cap does for the block's base fee.
    #[must_use]
    pub fn is_paid_by(self, tx: &SimTx) -> bool {
        tx.max_fee_per_gas() >= u128::from(self.base_fee)
    }
}

/// The most wei that a transaction can cost: gas at its cap, blobs at theirs, value.
fn most_cost(tx: &SimTx) -> Option<U256> {
    let gas = U256::from(tx.max_fee_per_gas()).checked_mul(U256::from(tx.gas_limit()))?;
    let blobs = U256::from(tx.max_fee_per_blob_gas().unwrap_or_default()).checked_mul(U256::from(tx.blob_gas_used().unwrap_or_default()))?;
    gas.checked_add(blobs)?.checked_add(tx.value())
}
