//! The pool of keys that send. A bundle in flight owns one operator until its target block is decided, so a missed bundle
//! leaves no gap in anybody's nonces.
//!
//! ```text
//!            sync(nonce, balance)          lease()
//! Unsynced ──────────────────────▶ Free ───────────▶ Leased
//!     ▲                              ▲                  │ release_unsent(): nothing left the house
//!     │                              └──────────────────┤
//!     └─────────────────────────────────────────────────┘ release_decided(), or the lease is dropped
//! ```

use super::{KeyError, OperatorKey, SealedTx, TransactionError};
use crate::plan::{Skip, SkipReason};
use alloy::{
    consensus::TxEip1559,
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

    /// Leases the richest free operator that has `needed` wei (see `TxTemplate::max_cost`) and the floor; ties go to the
    /// first one configured. [`SkipReason::NoOperator`] when there is none, with the reason of each state.
    pub fn lease(&self, needed: U256) -> Result<Lease, Skip> {
        let least = needed.max(self.floor);
        let mut accounts = self.pool.accounts.lock();
        let mut best: Option<(&mut Account, u64)> = None;
        let (mut leased, mut unsynced, mut poor) = (0_usize, 0_usize, 0_usize);
        for account in accounts.iter_mut() {
            match (account.state, account.nonce) {
                (OperatorState::Leased, _) => leased = leased.saturating_add(1),
                (OperatorState::Unsynced, _) | (OperatorState::Free, None) => unsynced = unsynced.saturating_add(1),
                (OperatorState::Free, Some(_)) if account.balance < least => poor = poor.saturating_add(1),
                (OperatorState::Free, Some(nonce)) => {
                    if best.as_ref().is_none_or(|(richest, _)| account.balance > richest.balance) {
                        best = Some((account, nonce));
                    }
                }
            }
        }
        let Some((account, nonce)) = best else {
            return Err(Skip::new(
                SkipReason::NoOperator,
                format!("{leased} in flight, {unsynced} to be read again, {poor} with less than {least} wei"),
            ));
        };
        account.state = OperatorState::Leased;
        Ok(Lease { address: account.address, nonce, balance: account.balance, pool: Arc::clone(&self.pool), ended: false })
    }

    /// Signs a transaction of a leased operator.
    pub async fn seal(&self, lease: &Lease, tx: TxEip1559) -> Result<SealedTx, TransactionError> {
        let key = self.keys.iter().find(|key| key.address() == lease.address).ok_or_else(|| {
            TransactionError::Signer(alloy::signers::Error::other(UnknownOperator(lease.address)))
        })?;
        SealedTx::sign(tx, key).await
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
mod tests {
    use super::*;
    use crate::relay::key_from_hex;

    fn pool(count: u8, floor: u64) -> Operators {
        let keys = (1..=count).map(|n| OperatorKey::from(key_from_hex(&format!("{n:064x}")).unwrap())).collect();
        Operators::new(keys, U256::from(floor)).unwrap()
    }

    fn synced(count: u8, floor: u64) -> (Operators, Vec<Address>) {
        let pool = pool(count, floor);
        let addresses = pool.addresses();
        for (index, address) in (0_u64..).zip(&addresses) {
            pool.sync(*address, index * 10, U256::from(1_000 - index)).unwrap();
        }
        (pool, addresses)
    }

    #[test]
    fn nobody_sends_before_its_nonce_was_read() {
        let pool = pool(2, 0);
        assert_eq!(pool.lease(U256::ZERO).unwrap_err().reason, SkipReason::NoOperator);
        assert_eq!(pool.unsynced(), pool.addresses());
        let who = pool.addresses()[1];
        assert_eq!(pool.sync(who, 4, U256::ONE).unwrap(), Synced { previous_nonce: None, free: true });
        let lease = pool.lease(U256::ZERO).unwrap();
        assert_eq!((lease.address(), lease.nonce()), (who, 4));
        assert_eq!(lease.nonces().take(3).collect::<Vec<_>>(), [4, 5, 6]);
    }

    #[test]
    fn an_operator_has_one_owner_and_the_pool_runs_dry_with_a_reason() {
        let (pool, addresses) = synced(3, 0);
        let leases: Vec<Lease> = (0..3).map(|_| pool.lease(U256::ZERO).unwrap()).collect();
        assert_eq!(leases.iter().map(Lease::address).collect::<Vec<_>>(), addresses, "the richest first");
        let skip = pool.lease(U256::ZERO).unwrap_err();
        assert_eq!(skip.reason, SkipReason::NoOperator);
        assert!(skip.detail.starts_with("3 in flight"), "{skip}");
        assert_eq!(pool.count(OperatorState::Leased), 3);
    }

    #[test]
    fn unsent_gives_the_same_nonce_back() {
        let (pool, addresses) = synced(1, 0);
        pool.lease(U256::ZERO).unwrap().release_unsent();
        let again = pool.lease(U256::ZERO).unwrap();
        assert_eq!((again.address(), again.nonce()), (addresses[0], 0));
    }

    #[test]
    fn decided_and_dropped_leases_need_the_chains_word() {
        let (pool, addresses) = synced(1, 0);
        pool.lease(U256::ZERO).unwrap().release_decided();
        assert_eq!(pool.count(OperatorState::Unsynced), 1);
        assert!(pool.lease(U256::ZERO).is_err());
        assert_eq!(pool.sync(addresses[0], 1, U256::from(900)).unwrap(), Synced { previous_nonce: Some(0), free: true });
        let lease = pool.lease(U256::ZERO).unwrap();
        assert_eq!(lease.nonce(), 1);
        drop(lease);
        assert!(pool.lease(U256::ZERO).is_err());
    }

    #[test]
    fn a_sync_does_not_move_the_nonce_under_a_bundle() {
        let (pool, addresses) = synced(1, 0);
        let lease = pool.lease(U256::ZERO).unwrap();
        assert_eq!(pool.sync(addresses[0], 9, U256::from(1)).unwrap(), Synced { previous_nonce: Some(0), free: false });
        assert!(pool.lease(U256::ZERO).is_err());
        lease.release_unsent();
        assert_eq!(pool.lease(U256::ZERO).unwrap().nonce(), 0);
    }

    #[test]
    fn a_reorg_may_take_nonces_back() {
        let (pool, addresses) = synced(1, 0);
        pool.sync(addresses[0], 7, U256::ONE).unwrap();
        assert_eq!(pool.sync(addresses[0], 6, U256::ONE).unwrap().previous_nonce, Some(7));
        assert_eq!(pool.lease(U256::ZERO).unwrap().nonce(), 6);
    }

    #[test]
    fn floor_and_need_are_both_kept() {
        let (pool, addresses) = synced(2, 1_000);
        assert_eq!(pool.lease(U256::from(1)).unwrap().address(), addresses[0], "999 is below the floor, 1000 is not");
        pool.sync(addresses[0], 0, U256::from(5_000)).unwrap();
        assert!(pool.lease(U256::from(5_001)).unwrap_err().detail.contains("2 with less than 5001 wei"));
        assert!(pool.lease(U256::from(5_000)).is_ok());
    }

    #[test]
    fn strangers_and_doubles_are_refused() {
        let (pool, addresses) = synced(1, 0);
        assert_eq!(pool.sync(Address::ZERO, 0, U256::ZERO), Err(UnknownOperator(Address::ZERO)));
        let key = OperatorKey::from(key_from_hex(&format!("{:064x}", 1)).unwrap());
        assert!(matches!(Operators::new(vec![key.clone(), key], U256::ZERO), Err(KeyError::Duplicate(who)) if who == addresses[0]));
    }

    #[tokio::test]
    async fn several_transactions_of_one_operator_in_one_bundle() {
        let (pool, addresses) = synced(1, 0);
        let lease = pool.lease(U256::ZERO).unwrap();
        for nonce in lease.nonces().take(2) {
            let sealed = pool.seal(&lease, TxEip1559 { nonce, chain_id: 1, ..TxEip1559::default() }).await.unwrap();
            assert_eq!(sealed.sender(), addresses[0]);
        }
    }
}
