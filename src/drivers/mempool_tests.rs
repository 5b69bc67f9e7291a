use super::*;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEnvelope, transaction::Recovered},
    eips::eip2930::{AccessList, AccessListItem},
    primitives::{B256, Bytes, Signature, TxKind},
};
use std::{cell::Cell, sync::Arc};

const FEED: Address = Address::repeat_byte(0xfe);
const ROUTER: Address = Address::repeat_byte(0x70);
const GWEI: u128 = 1_000_000_000;
/// So long after a head that all samples may be taken.
const LATE: Duration = Duration::from_secs(60);

const fn bounds() -> Bounds {
    Bounds {
        total: 100,
        per_sender: 4,
        per_block: 50,
        samples: 3,
        spread: Duration::from_secs(12),
        max_gas: 1_000_000,
        max_bytes: 1_000,
        writers: WriterBounds { most: 10, idle_heads: 5 },
    }
}

const fn person(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn draft(nonce: u64, to: Address, input: &[u8]) -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(to),
        input: Bytes::copy_from_slice(input),
        ..TxEip1559::default()
    }
}

/// The pool takes the sender as it is said; nothing here checks a signature.
fn from(sender: Address, tx: TxEip1559) -> SimTx {
    let signed = tx.into_signed(Signature::new(U256::from(1), U256::from(sender.0[0]), false));
    Arc::new(Recovered::new_unchecked(TxEnvelope::from(signed), sender))
}

fn rich(nonce: u64) -> AccountState {
    AccountState { balance: U256::from(1_000_000 * GWEI * GWEI), nonce, ..AccountState::default() }
}

fn feed_only(address: &Address) -> bool {
    *address == FEED
}

fn counted(pool: &Mempool, why: Dropped) -> u64 {
    pool.dropped().get(&why).copied().unwrap_or_default()
}

#[test]
fn what_is_known_is_known_by_sender_target_access_list_or_kind() {
    let mut pool = Mempool::new(bounds());
    let swap = from(person(1), draft(0, ROUTER, b"swap and more"));
    let listed = TxEip1559 { access_list: AccessList(vec![AccessListItem { address: FEED, storage_keys: Vec::new() }]), ..draft(0, ROUTER, b"") };
    let created = TxEip1559 { to: TxKind::Create, ..draft(0, ROUTER, b"swap") };
    for (tx, interest) in [
        (from(person(1), draft(0, FEED, b"transmit")), Interest::Known),
        // A payment has no selector; its target counts.
        (from(person(1), draft(0, FEED, b"")), Interest::Known),
        (from(FEED, draft(0, ROUTER, b"swap")), Interest::Known),
        (from(person(1), listed), Interest::Known),
        (swap.clone(), Interest::Sample),
        (from(person(1), created.clone()), Interest::Sample),
    ] {
        assert_eq!(pool.choose(&tx, LATE, feed_only), Ok(interest), "{tx:?}");
    }
    pool.teach([(ROUTER, Selector::from(*b"swap"))]);
    assert_eq!(pool.choose(&swap, LATE, feed_only), Ok(Interest::Known));
    // Another function of the same contract, and the same bytes as init code, are other kinds.
    assert_eq!(pool.choose(&from(person(1), draft(0, ROUTER, b"quote")), LATE, feed_only), Ok(Interest::Sample));
    assert_eq!(pool.choose(&from(person(1), created), LATE, feed_only), Err(Dropped::NotSampled));
}

#[test]
fn a_kind_that_never_hits_again_is_a_stranger_again() {
    let mut pool = Mempool::new(bounds());
    let swap = from(person(1), draft(0, ROUTER, b"swap"));
    pool.insert(&swap).unwrap();
    assert_eq!(pool.choose(&swap, LATE, feed_only), Ok(Interest::Sample));
    pool.learn(&swap);
    assert_eq!(pool.choose(&swap, LATE, feed_only), Ok(Interest::Known), "a sample that writes teaches the table");
    for _ in 0..6 {
        pool.head(&HashMap::default());
    }
    assert_eq!(pool.choose(&swap, LATE, feed_only), Ok(Interest::Sample));
}

#[test]
fn a_block_has_a_budget_and_samples_a_smaller_one() {
    let mut pool = Mempool::new(bounds());
    for n in 0..3 {
        assert_eq!(pool.choose(&from(person(n), draft(0, ROUTER, b"")), LATE, feed_only), Ok(Interest::Sample));
    }
    assert_eq!(pool.choose(&from(person(9), draft(0, ROUTER, b"")), LATE, feed_only), Err(Dropped::NotSampled));
    for n in 0..47 {
        assert_eq!(pool.choose(&from(person(n), draft(1, FEED, b"")), LATE, feed_only), Ok(Interest::Known));
    }
    // A known one that finds no place is tried at the next head.
    let late = from(person(99), draft(0, FEED, b""));
    pool.insert(&late).unwrap();
    assert_eq!(pool.choose(&late, LATE, feed_only), Err(Dropped::BlockBudget));
    assert_eq!((counted(&pool, Dropped::NotSampled), counted(&pool, Dropped::BlockBudget)), (1, 1));
    let again = pool.head(&HashMap::default());
    assert_eq!(again.iter().map(|(tx, interest)| (*tx.tx_hash(), *interest)).collect::<Vec<_>>(), [(*late.tx_hash(), Interest::Known)]);
}

#[test]
fn samples_are_spread_over_the_time_of_a_block() {
    let mut pool = Mempool::new(bounds());
    let mut sample = |nonce, seconds| pool.choose(&from(person(1), draft(nonce, ROUTER, b"")), Duration::from_secs(seconds), feed_only);
    assert_eq!(sample(0, 0), Ok(Interest::Sample), "the first needs no patience");
    assert_eq!(sample(1, 3), Err(Dropped::NotSampled));
    assert_eq!(sample(2, 4), Ok(Interest::Sample));
    assert_eq!(sample(3, 7), Err(Dropped::NotSampled));
    assert_eq!(sample(4, 11), Ok(Interest::Sample));
    assert_eq!(sample(5, 60), Err(Dropped::NotSampled));
}

#[test]
fn what_waits_is_charged_to_the_budget_of_each_head() {
    let mut pool = Mempool::new(Bounds { per_block: 2, samples: 1, per_sender: 8, ..bounds() });
    let known: Vec<SimTx> = (0..3).map(|nonce| from(person(1), draft(nonce, FEED, b""))).collect();
    let samples: Vec<SimTx> = (0..2).map(|nonce| from(person(2), draft(nonce, ROUTER, b""))).collect();
    for tx in samples.iter().chain(&known) {
        pool.insert(tx).unwrap();
    }
    samples.iter().for_each(|tx| pool.wait(tx, Interest::Sample));
    known.iter().for_each(|tx| pool.wait(tx, Interest::Known));
    let hashes = |again: Vec<(SimTx, Interest)>| again.iter().map(|(tx, _)| *tx.tx_hash()).collect::<Vec<_>>();
    assert_eq!(hashes(pool.head(&HashMap::default())), [*samples[0].tx_hash(), *known[0].tx_hash()]);
    assert_eq!((counted(&pool, Dropped::NotSampled), counted(&pool, Dropped::BlockBudget)), (1, 2));
    // Whoever was mined makes place, and nobody is lost.
    let senders = [(person(1), rich(2)), (person(2), rich(2))].into_iter().collect();
    assert_eq!(hashes(pool.head(&senders)), [*known[2].tx_hash()]);
}

#[test]
fn a_transaction_that_is_announced_again_costs_nothing() {
    let mut pool = Mempool::new(bounds());
    let tx = from(person(1), draft(0, FEED, b""));
    assert_eq!(pool.insert(&tx), Ok(()));
    assert_eq!(pool.insert(&tx), Err(Dropped::Known));
    assert_eq!(counted(&pool, Dropped::Known), 1);
}

#[test]
fn a_replacement_pays_more_and_takes_the_place() {
    let mut pool = Mempool::new(bounds());
    let first = from(person(1), draft(0, FEED, b"one"));
    pool.insert(&first).unwrap();
    pool.wait(&first, Interest::Known);
    assert_eq!(pool.insert(&from(person(1), draft(0, FEED, b"two"))), Err(Dropped::Underpriced));
    let better = from(person(1), TxEip1559 { max_fee_per_gas: 20 * GWEI, ..draft(0, FEED, b"two") });
    assert_eq!(pool.insert(&better), Ok(()));
    assert!(pool.head(&HashMap::default()).is_empty(), "the one that waited is gone");
    let behind = from(person(1), draft(1, FEED, b""));
    assert_eq!(pool.earlier(&behind), [better]);
}

#[test]
fn one_sender_has_a_budget_and_the_lowest_nonce_makes_place() {
    let mut pool = Mempool::new(bounds());
    for nonce in 0..6 {
        pool.insert(&from(person(1), draft(nonce, FEED, b""))).unwrap();
    }
    assert_eq!(counted(&pool, Dropped::SenderBudget), 2);
    let nonces: Vec<u64> = pool.earlier(&from(person(1), draft(9, FEED, b""))).iter().map(|tx| tx.nonce()).collect();
    assert_eq!(nonces, [2, 3, 4, 5]);
}

#[test]
fn gas_and_size_have_limits() {
    let mut pool = Mempool::new(bounds());
    let hungry = from(person(1), TxEip1559 { gas_limit: 1_000_001, ..draft(0, FEED, b"") });
    assert_eq!(pool.insert(&hungry), Err(Dropped::GasTooHigh));
    assert_eq!(pool.insert(&from(person(1), draft(0, FEED, &[1; 1_000]))), Err(Dropped::TooLarge));
    // The size is what is sent: an access list counts.
    let list = AccessList(vec![AccessListItem { address: ROUTER, storage_keys: vec![B256::repeat_byte(1); 40] }]);
    assert_eq!(pool.insert(&from(person(1), TxEip1559 { access_list: list, ..draft(0, FEED, b"") })), Err(Dropped::TooLarge));
    assert!(pool.by_hash.is_empty() && pool.senders.is_empty());
}

#[test]
fn a_flood_stays_within_bounds() {
    let mut pool = Mempool::new(bounds());
    for n in 0..2_000_u64 {
        let sender = Address::from_word(B256::from(U256::from(n % 700)));
        let tx = from(sender, TxEip1559 { max_fee_per_gas: 10 * GWEI + u128::from(n), ..draft(n / 700, ROUTER, b"") });
        pool.insert(&tx).unwrap();
        if pool.choose(&tx, LATE, feed_only).is_ok() || n % 3 == 0 {
            pool.wait(&tx, Interest::Sample);
        }
        if n % 150 == 0 {
            pool.head(&HashMap::default());
        }
    }
    assert!(pool.by_hash.len() <= 100 && pool.order.len() <= 200, "{} {}", pool.by_hash.len(), pool.order.len());
    assert_eq!(pool.senders.values().map(BTreeMap::len).sum::<usize>(), pool.by_hash.len());
    pool.head(&HashMap::default());
    assert!(pool.waiting.len() <= pool.by_hash.len());
    assert!(counted(&pool, Dropped::Aged) > 1_000);
}

#[test]
fn asking_whether_an_account_is_read_is_all_that_choosing_does() {
    let mut pool = Mempool::new(bounds());
    let asked = Cell::new(0);
    let tx = from(person(1), draft(0, ROUTER, b"swap"));
    pool.choose(&tx, LATE, |_| {
        asked.set(asked.get() + 1);
        false
    })
    .unwrap();
    assert_eq!(asked.get(), 2, "its target and its sender");
}

#[test]
fn a_front_is_complete_paid_for_and_within_the_fee() {
    let earlier: Vec<SimTx> = (3..6).map(|nonce| from(person(1), draft(nonce, ROUTER, b""))).collect();
    let tx = from(person(1), draft(6, FEED, b""));
    let base_fee = 5_000_000_000;
    let front = |account, earlier: &[SimTx]| reachable(&tx, earlier, account, base_fee).map(|front| front.iter().map(|tx| tx.nonce()).collect::<Vec<_>>());
    assert_eq!(front(rich(3), &earlier), Ok(vec![3, 4, 5, 6]));
    assert_eq!(front(rich(5), &earlier), Ok(vec![5, 6]), "what was mined is not repeated");
    assert_eq!(front(rich(6), &earlier), Ok(vec![6]));
    assert_eq!(front(rich(7), &earlier), Err(Dropped::NonceUsed));
    assert_eq!(front(rich(2), &earlier), Err(Dropped::NonceGap));
    assert_eq!(front(rich(3), &earlier[1..]), Err(Dropped::NonceGap));
    assert_eq!(front(rich(3), &[earlier[0].clone(), earlier[2].clone()]), Err(Dropped::NonceGap));
    // The money must do for all of them at their caps.
    let each = U256::from(10 * GWEI * 100_000);
    let with = |balance| AccountState { balance, nonce: 3, ..AccountState::default() };
    assert!(front(with(each * U256::from(4)), &earlier).is_ok());
    assert_eq!(front(with(each * U256::from(4) - U256::ONE), &earlier), Err(Dropped::Broke));
    assert_eq!(reachable(&tx, &[], rich(6), 10_000_000_001).unwrap_err(), Dropped::FeeTooLow);
    assert!(reachable(&tx, &[], rich(6), 10_000_000_000).is_ok());
}

#[test]
fn blobs_are_paid_for_too() {
    let blob = TxEip4844 {
        chain_id: 1,
        gas_limit: 21_000,
        max_fee_per_gas: 10,
        max_fee_per_blob_gas: 7,
        to: FEED,
        blob_versioned_hashes: vec![B256::with_last_byte(1); 2],
        ..TxEip4844::default()
    };
    let signed = blob.into_signed(Signature::new(U256::ONE, U256::ONE, false));
    let tx: SimTx = Arc::new(Recovered::new_unchecked(TxEnvelope::from(signed), person(1)));
    let cost = U256::from(21_000 * 10 + 2 * 131_072 * 7);
    let with = |balance| AccountState { balance, ..AccountState::default() };
    assert!(reachable(&tx, &[], with(cost), 1).is_ok());
    assert_eq!(reachable(&tx, &[], with(cost - U256::ONE), 1), Err(Dropped::Broke));
}
