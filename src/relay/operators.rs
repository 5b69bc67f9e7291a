//! The pool of keys that send. A bundle in flight owns one operator until its target block is decided, so a missed bundle
//! leaves no gap in anybody's nonces.
//!
//! ```text
//!            sync(nonce, balance)          lease()
//! Unsynced ◀─────────────────────▶ Free ───────────▶ Leased
//!     ▲        unsync()              ▲                  │ release_unsent(): nothing left the house
//!     │                              └──────────────────┤
//!     └─────────────────────────────────────────────────┘ release_decided(), or the lease is dropped
//! ```

use super::{KeyError, OperatorKey, SealedTx, TransactionError};
use crate::{
    fork::SimTx,
    plan::{Skip, SkipReason},
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, U256},
};
use parking_lot::Mutex;
use std::{fmt, sync::Arc};

/// Where an operator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorState {
    /// Its nonce has to be read from the chain before it sends again.
    Unsynced,
    /// Nothing of it is in flight.
    Free,
    /// A bundle owns it.
    Leased,
}

/// What a [`Operators::sync`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The nonce that was known before. A missed bundle leaves it as it was; more than that and something of ours was
    /// included that should not have been; less and the chain was reorganised.
    pub previous_nonce: Option<u64>,
    /// Whether the operator can be leased now.
    pub free: bool,
}

/// An operator that could be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeOperator {
    /// The account.
    pub address: Address,
    /// Its next nonce.
    pub nonce: u64,
    /// Its wei.
    pub balance: U256,
}

/// An address that is no operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an operator")]
pub struct UnknownOperator(pub Address);

#[derive(Clone, Copy, Debug)]
struct Account {
    address: Address,
    nonce: Option<u64>,
    balance: U256,
    state: OperatorState,
}

impl Account {
    /// The account as one that can be leased, if it can and has `least` wei.
    fn free(&self, least: U256) -> Option<FreeOperator> {
        let nonce = self.nonce?;
        let free = self.state == OperatorState::Free && self.balance >= least;
        free.then_some(FreeOperator { address: self.address, nonce, balance: self.balance })
    }
}

#[derive(Debug, Default)]
struct Pool {
    accounts: Mutex<Vec<Account>>,
}

impl Pool {
    fn with<T>(&self, address: Address, change: impl FnOnce(&mut Account) -> T) -> Option<T> {
        self.accounts.lock().iter_mut().find(|account| account.address == address).map(change)
    }
}

/// The pool. Shared by reference; leases keep it alive.
#[derive(Debug)]
pub struct Operators {
    keys: Vec<OperatorKey>,
    pool: Arc<Pool>,
    floor: U256,
}

impl Operators {
    /// A pool of these keys, all unsynced. An operator with less than `floor` wei is never leased.
    pub fn new(keys: Vec<OperatorKey>, floor: U256) -> Result<Self, KeyError> {
        let mut accounts: Vec<Account> = Vec::with_capacity(keys.len());
        for key in &keys {
            let address = key.address();
            if accounts.iter().any(|account| account.address == address) {
                return Err(KeyError::Duplicate(address));
            }
            accounts.push(Account { address, nonce: None, balance: U256::ZERO, state: OperatorState::Unsynced });
        }
        Ok(Self { keys, pool: Arc::new(Pool { accounts: Mutex::new(accounts) }), floor })
    }

    /// All accounts, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.keys.iter().map(OperatorKey::address).collect()
    }

    /// The accounts whose nonce has to be read before they can be leased again.
    #[must_use]
    pub fn unsynced(&self) -> Vec<Address> {
        let accounts = self.pool.accounts.lock();
        accounts.iter().filter(|account| account.state == OperatorState::Unsynced).map(|account| account.address).collect()
    }

    /// How many stand in this state.
    #[must_use]
    pub fn count(&self, state: OperatorState) -> usize {
        self.pool.accounts.lock().iter().filter(|account| account.state == state).count()
    }

    /// Takes in what the chain says at the newest head. While the account is leased only its balance is taken in: its
    /// nonces belong to the bundle in flight.
    pub fn sync(&self, address: Address, nonce: u64, balance: U256) -> Result<Synced, UnknownOperator> {
        self.pool
            .with(address, |account| {
                let previous_nonce = account.nonce;
                account.balance = balance;
                match account.state {
                    OperatorState::Leased => Synced { previous_nonce, free: false },
                    OperatorState::Unsynced | OperatorState::Free => {
                        account.nonce = Some(nonce);
                        account.state = OperatorState::Free;
                        Synced { previous_nonce, free: true }
                    }
                }
            })
            .ok_or(UnknownOperator(address))
    }

    /// Takes in that the account could not be read at the newest head: nothing is signed with a nonce that may be old. While it is leased nothing changes; it
    /// is read before its next use in any case.
    pub fn unsync(&self, address: Address) -> Result<(), UnknownOperator> {
        self.pool
            .with(address, |account| {
                if account.state == OperatorState::Free {
                    account.state = OperatorState::Unsynced;
                }
            })
            .ok_or(UnknownOperator(address))
    }

    /// Leases the richest free operator that has `needed` wei and the floor; ties go to the
    /// first one configured. [`SkipReason::NoOperator`] when there is none, with the reason of each state.
    pub fn lease(&self, needed: U256) -> Result<Lease, Skip> {
        self.lease_among(needed, |_| true)
    }

    /// Leases this operator, if it is free and has the gas money; else as [`Operators::lease`].
    pub fn lease_of(&self, address: Address, needed: U256) -> Result<Lease, Skip> {
        self.lease_among(needed, |candidate| candidate == address)
    }

    /// The operators that could be leased now for a bundle that needs `needed` wei, the richest first.
    #[must_use]
    pub fn free(&self, needed: U256) -> Vec<FreeOperator> {
        let least = needed.max(self.floor);
        let mut free: Vec<FreeOperator> = self.pool.accounts.lock().iter().filter_map(|account| account.free(least)).collect();
        // Stable, so that ties stay in the order of the configuration.
        free.sort_by_key(|operator| std::cmp::Reverse(operator.balance));
        free
    }

    fn lease_among(&self, needed: U256, wanted: impl Fn(Address) -> bool) -> Result<Lease, Skip> {
        let least = needed.max(self.floor);
        let mut accounts = self.pool.accounts.lock();
        let mut best: Option<FreeOperator> = None;
        let (mut leased, mut unsynced, mut poor) = (0_usize, 0_usize, 0_usize);
        for account in accounts.iter().filter(|account| wanted(account.address)) {
            match (account.state, account.free(least)) {
                (OperatorState::Leased, _) => leased = leased.saturating_add(1),
                (OperatorState::Unsynced, _) => unsynced = unsynced.saturating_add(1),
                (OperatorState::Free, None) => poor = poor.saturating_add(1),
                (OperatorState::Free, Some(free)) => {
                    if best.is_none_or(|richest| free.balance > richest.balance) {
                        best = Some(free);
                    }
                }
            }
        }
        let Some(FreeOperator { address, nonce, balance }) = best else {
            return Err(Skip::new(SkipReason::NoOperator, format!("{leased} in flight, {unsynced} to be read again, {poor} with less than {least} wei")));
        };
        if let Some(account) = accounts.iter_mut().find(|account| account.address == address) {
            account.state = OperatorState::Leased;
        }
        drop(accounts);
        Ok(Lease { address, nonce, balance, pool: Arc::clone(&self.pool), ended: false })
    }

    /// Signs what was simulated for a leased operator, unchanged but for the signature. The simulation must have used the
    /// lease's account and nonces.
    pub async fn seal_simulated(&self, lease: &Lease, simulated: &SimTx) -> Result<SealedTx, TransactionError> {
        if simulated.nonce() < lease.nonce {
            return Err(TransactionError::NonceNotLeased { nonce: simulated.nonce(), leased: lease.nonce });
        }
        SealedTx::sign_simulated(simulated, self.key_of(lease)?).await
    }

    fn key_of(&self, lease: &Lease) -> Result<&OperatorKey, TransactionError> {
        let key = self.keys.iter().find(|key| key.address() == lease.address);
        key.ok_or_else(|| TransactionError::Signer(alloy::signers::Error::other(UnknownOperator(lease.address))))
    }
}

/// One operator, owned by one bundle. Dropping it is the same as [`Lease::release_decided`]: nothing is lost, the nonce is
/// only read again before the next use.
#[must_use = "a lease that is dropped at once owns nothing"]
pub struct Lease {
    address: Address,
    nonce: u64,
    balance: U256,
    pool: Arc<Pool>,
    ended: bool,
}

impl Lease {
    /// The account.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The nonce of the bundle's first transaction.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Wei that the account had when it was last read.
    #[must_use]
    pub const fn balance(&self) -> U256 {
        self.balance
    }

    /// Nonces for the transactions of one bundle, in order.
    pub fn nonces(&self) -> impl Iterator<Item = u64> + use<> {
        self.nonce..u64::MAX
    }

    /// Gives the operator back with its nonce still good: nothing signed by it has left this program.
    pub fn release_unsent(mut self) {
        self.end(OperatorState::Free);
    }

    /// Gives the operator back after the target block was decided, whatever came out; its nonce is read from the chain
    /// before it sends again.
    pub fn release_decided(self) {
        drop(self);
    }

    fn end(&mut self, state: OperatorState) {
        if !self.ended {
            self.ended = true;
            self.pool.with(self.address, |account| account.state = state);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end(OperatorState::Unsynced);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("address", &self.address).field("nonce", &self.nonce).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "operators_tests.rs"]
mod tests;
