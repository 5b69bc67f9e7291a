//! Operators leased, given back, and read again.

use super::*;
use crate::relay::{key_from_hex, transaction::fixtures::simulated};
use alloy::consensus::TxEip1559;

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
fn free_operators_are_listed_as_they_would_be_leased() {
    let (pool, addresses) = synced(3, 0);
    let listed = pool.free(U256::from(999));
    assert_eq!(listed.iter().map(|free| (free.address, free.nonce)).collect::<Vec<_>>(), [(addresses[0], 0), (addresses[1], 10)]);
    let lease = pool.lease_of(addresses[1], U256::ZERO).unwrap();
    assert_eq!((lease.address(), lease.nonce()), (addresses[1], 10));
    assert_eq!(pool.free(U256::ZERO).len(), 2);
    assert!(pool.lease_of(addresses[1], U256::ZERO).unwrap_err().detail.starts_with("1 in flight, 0 to be read"));
    assert_eq!(pool.lease_of(Address::ZERO, U256::ZERO).unwrap_err().reason, SkipReason::NoOperator);
}

#[tokio::test]
async fn nonces_before_the_lease_are_not_signed() {
    let (pool, addresses) = synced(2, 0);
    let lease = pool.lease_of(addresses[1], U256::ZERO).unwrap();
    let tx = |nonce| TxEip1559 { nonce, chain_id: 1, ..TxEip1559::default() };
    assert_eq!(pool.seal_simulated(&lease, &simulated(tx(10), addresses[1])).await.unwrap().sender(), addresses[1]);
    let stale = simulated(tx(9), addresses[1]);
    assert!(matches!(pool.seal_simulated(&lease, &stale).await, Err(TransactionError::NonceNotLeased { nonce: 9, leased: 10 })));
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
        let sealed = pool.seal_simulated(&lease, &simulated(TxEip1559 { nonce, chain_id: 1, ..TxEip1559::default() }, lease.address())).await.unwrap();
        assert_eq!(sealed.sender(), addresses[0]);
    }
}
