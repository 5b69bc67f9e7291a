use super::*;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEnvelope, transaction::Recovered},
    eips::eip2930::{AccessList, AccessListItem},
    primitives::{B256, Bytes, Signature, TxKind, U256},
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

/// The base fee where a test does not care.
const BASE_FEE: u64 = 5_000_000_000;

/// What is known at a head: which account is read, and nobody's nonce.
fn choose(pool: &mut Mempool, tx: &SimTx, since_head: Duration, reads_account: impl Fn(&Address) -> bool) -> Result<Interest, Dropped> {
    pool.choose(tx, since_head, &Here { base_fee: BASE_FEE, reads_account, nonce: |_: &Address| None })
}

/// The next head: what is tried again at it.
fn head(pool: &mut Mempool, senders: &HashMap<Address, AccountState>) -> Vec<SimTx> {
    pool.head();
    pool.again(BASE_FEE, senders)
}

fn hashes(txs: &[SimTx]) -> Vec<B256> {
    txs.iter().map(|tx| *tx.tx_hash()).collect()
}

fn counted(pool: &Mempool, why: Dropped) -> u64 {
    pool.dropped().get(&why).copied().unwrap_or_default()
}

#[test]
fn what_is_known_is_known_by_sender_target_access_list_or_kind() {
    let mut pool = Mempool::new(Bounds { per_sender: 16, ..bounds() });
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
        assert_eq!(choose(&mut pool, &tx, LATE, feed_only), Ok(interest), "{tx:?}");
    }
    pool.teach([(ROUTER, Selector::from(*b"swap"))]);
    assert_eq!(choose(&mut pool, &swap, LATE, feed_only), Ok(Interest::Known));
    // Another function of the same contract, and the same bytes as init code, are other kinds.
    assert_eq!(choose(&mut pool, &from(person(1), draft(0, ROUTER, b"quote")), LATE, feed_only), Ok(Interest::Sample));
    assert_eq!(choose(&mut pool, &from(person(1), created), LATE, feed_only), Err(Dropped::NotSampled));
}

#[test]
fn a_kind_that_never_hits_again_is_a_stranger_again() {
    let mut pool = Mempool::new(bounds());
    let swap = from(person(1), draft(0, ROUTER, b"swap"));
    pool.insert(&swap).unwrap();
    assert_eq!(choose(&mut pool, &swap, LATE, feed_only), Ok(Interest::Sample));
    pool.learn(&swap);
    assert_eq!(choose(&mut pool, &swap, LATE, feed_only), Ok(Interest::Known), "a sample that writes teaches the table");
    for _ in 0..6 {
        pool.head();
    }
    assert_eq!(choose(&mut pool, &swap, LATE, feed_only), Ok(Interest::Sample));
}

#[test]
fn a_block_has_a_budget_and_samples_a_smaller_one() {
    let mut pool = Mempool::new(bounds());
    for n in 0..3 {
        assert_eq!(choose(&mut pool, &from(person(n), draft(0, ROUTER, b"")), LATE, feed_only), Ok(Interest::Sample));
    }
    assert_eq!(choose(&mut pool, &from(person(9), draft(0, ROUTER, b"")), LATE, feed_only), Err(Dropped::NotSampled));
    for n in 0..47 {
        assert_eq!(choose(&mut pool, &from(person(n), draft(1, FEED, b"")), LATE, feed_only), Ok(Interest::Known));
    }
    // A known one that finds no place is tried at the next head.
    let late = from(person(99), draft(0, FEED, b""));
    pool.insert(&late).unwrap();
    assert_eq!(choose(&mut pool, &late, LATE, feed_only), Err(Dropped::BlockBudget));
    assert_eq!((counted(&pool, Dropped::NotSampled), counted(&pool, Dropped::BlockBudget)), (1, 1));
    assert_eq!(head(&mut pool, &HashMap::default()), [late]);
}

#[test]
fn samples_are_spread_over_the_time_of_a_block() {
    let mut pool = Mempool::new(bounds());
    let mut sample = |nonce, seconds| choose(&mut pool, &from(person(1), draft(nonce, ROUTER, b"")), Duration::from_secs(seconds), feed_only);
    assert_eq!(sample(0, 0), Ok(Interest::Sample), "the first needs no patience");
    assert_eq!(sample(1, 3), Err(Dropped::NotSampled));
    assert_eq!(sample(2, 4), Ok(Interest::Sample));
    assert_eq!(sample(3, 7), Err(Dropped::NotSampled));
    assert_eq!(sample(4, 11), Ok(Interest::Sample));
    assert_eq!(sample(5, 60), Err(Dropped::NotSampled));
}

#[test]
fn what_waits_takes_half_of_a_head_s_budget_at_most_and_takes_turns() {
    let mut pool = Mempool::new(Bounds { per_block: 4, ..bounds() });
    let waiting: Vec<SimTx> = (0..5).map(|n| from(person(n), draft(0, FEED, b""))).collect();
    for tx in &waiting {
        pool.insert(tx).unwrap();
        pool.learn(tx);
    }
    assert_eq!(hashes(&head(&mut pool, &HashMap::default())), hashes(&waiting[..2]));
    assert_eq!(counted(&pool, Dropped::BlockBudget), 3, "the others have their turn later");
    let mut new = |n| choose(&mut pool, &from(person(n), draft(0, FEED, b"")), LATE, feed_only);
    assert_eq!((new(10), new(11), new(12)), (Ok(Interest::Known), Ok(Interest::Known), Err(Dropped::BlockBudget)), "the rest is for what is new");
    assert_eq!(hashes(&head(&mut pool, &HashMap::default())), hashes(&waiting[2..4]));
    // Whoever was mined makes place, and nobody is lost.
    let senders = [(person(4), rich(1)), (person(0), rich(1))].into_iter().collect();
    assert_eq!(hashes(&head(&mut pool, &senders)), hashes(&waiting[1..3]));
    assert_eq!((pool.waiting.len(), pool.by_hash.len()), (3, 3));
}

#[test]
fn until_it_is_known_what_waits_its_half_is_kept() {
    let mut pool = Mempool::new(Bounds { per_block: 4, ..bounds() });
    let waiting = from(person(1), draft(0, FEED, b""));
    pool.insert(&waiting).unwrap();
    pool.learn(&waiting);
    pool.head();
    let new = |pool: &mut Mempool, n| choose(pool, &from(person(n), draft(0, FEED, b"")), LATE, feed_only);
    assert!((10..13).all(|n| new(&mut pool, n).is_ok()));
    assert_eq!(new(&mut pool, 13), Err(Dropped::BlockBudget), "one waits, one place is kept");
    assert_eq!(pool.again(BASE_FEE, &HashMap::default()), [waiting]);
}

#[test]
fn what_writes_is_tried_before_what_may_and_that_takes_a_quarter() {
    let mut pool = Mempool::new(Bounds { per_block: 8, ..bounds() });
    let failing: Vec<SimTx> = (0..6).map(|n| from(person(n), draft(0, FEED, b""))).collect();
    let writing: Vec<SimTx> = (10..12).map(|n| from(person(n), draft(0, FEED, b""))).collect();
    for tx in failing.iter().chain(&writing) {
        pool.insert(tx).unwrap();
    }
    failing.iter().for_each(|tx| pool.wait(tx, Hope::MayWrite));
    writing.iter().for_each(|tx| pool.learn(tx));
    let expected = |from: usize| [hashes(&writing), hashes(&failing[from..from + 2])].concat();
    assert_eq!(hashes(&head(&mut pool, &HashMap::default())), expected(0));
    assert_eq!(hashes(&head(&mut pool, &HashMap::default())), expected(2), "those that fail take turns");
    // Without any that writes they get no more.
    writing.iter().for_each(|tx| pool.forget(tx));
    assert_eq!(hashes(&head(&mut pool, &HashMap::default())), hashes(&failing[4..]));
    // One that wrote once and fails since is one of them, until it writes again.
    let once = &writing[0];
    pool.insert(once).unwrap();
    pool.learn(once);
    pool.doubt(once);
    pool.wait(once, Hope::MayWrite);
    assert_eq!(hashes(&head(&mut pool, &HashMap::default())), hashes(&failing[..2]));
    pool.learn(once);
    assert_eq!(head(&mut pool, &HashMap::default()).first(), Some(once));
}

#[test]
fn one_sender_can_t_use_up_a_head() {
    let mut pool = Mempool::new(bounds());
    let mut bump = |sender: u8, fee: u128| {
        let tx = from(person(sender), TxEip1559 { max_fee_per_gas: 10 * GWEI + fee, ..draft(0, FEED, b"") });
        pool.insert(&tx).unwrap();
        choose(&mut pool, &tx, LATE, feed_only)
    };
    // Replacing one's own costs a simulation each time.
    assert!((0..4).all(|fee| bump(1, fee).is_ok()));
    assert_eq!(bump(1, 4), Err(Dropped::SenderBlockBudget));
    assert_eq!(bump(2, 0), Ok(Interest::Known), "others are not held up");
    assert_eq!(counted(&pool, Dropped::SenderBlockBudget), 1);
    assert_eq!(head(&mut pool, &HashMap::default()).len(), 1, "the newest waits for the next head");
}

#[test]
fn what_can_t_stand_in_the_block_costs_nothing() {
    let mut pool = Mempool::new(Bounds { per_block: 1, samples: 1, ..bounds() });
    let choose = |pool: &mut Mempool, tx: &SimTx| pool.choose(tx, LATE, &Here { base_fee: BASE_FEE, reads_account: feed_only, nonce: |_: &Address| Some(3) });
    let cheap = TxEip1559 { max_fee_per_gas: u128::from(BASE_FEE) - 1, max_priority_fee_per_gas: 0, ..draft(3, FEED, b"") };
    let strangers = [
        (TxEip1559 { to: TxKind::Call(ROUTER), ..cheap.clone() }, Dropped::FeeTooLow),
        (draft(2, ROUTER, b""), Dropped::NonceUsed),
        (draft(5, ROUTER, b""), Dropped::NonceGap),
    ];
    let known = [(cheap, Dropped::FeeTooLow), (draft(2, FEED, b""), Dropped::NonceUsed), (draft(5, FEED, b""), Dropped::NonceGap)];
    for (sender, txs) in [(1, &strangers), (2, &known)] {
        for (tx, why) in txs {
            let tx = from(person(sender), tx.clone());
            pool.insert(&tx).unwrap();
            assert_eq!(choose(&mut pool, &tx), Err(*why));
        }
    }
    assert_eq!(pool.waiting.len(), 3, "those that are known to matter wait for the next head, strangers don't");
    // All of the budget is still there: for one with what is known in front of it.
    for nonce in [3, 4] {
        pool.insert(&from(person(3), draft(nonce, ROUTER, b""))).unwrap();
    }
    let behind = from(person(3), draft(5, ROUTER, b""));
    pool.insert(&behind).unwrap();
    assert_eq!(choose(&mut pool, &behind), Ok(Interest::Sample));
    // At the next head the one that is too cheap is not even asked about, the one that was used is gone, and the gap is still one.
    assert_eq!(pool.waiting_senders(BASE_FEE), [person(2)]);
    let senders = [(person(2), rich(3))].into_iter().collect();
    assert!(head(&mut pool, &senders).is_empty());
    assert_eq!((pool.waiting.len(), counted(&pool, Dropped::FeeTooLow), counted(&pool, Dropped::NonceGap)), (2, 3, 3));
    assert_eq!(pool.again(BASE_FEE - 1, &senders).len(), 1, "it is paid for at a lower base fee");
}

#[test]
fn nobody_waits_who_is_not_remembered() {
    let mut pool = Mempool::new(bounds());
    let waits = |pool: &mut Mempool, sender: u8, nonce: u64, fee: u128| {
        let tx = from(person(sender), TxEip1559 { max_fee_per_gas: fee * GWEI, ..draft(nonce, FEED, b"") });
        pool.insert(&tx).unwrap();
        pool.wait(&tx, Hope::MayWrite);
        tx
    };
    // Replaced, pushed out by its sender's own, aged, forgotten.
    for fee in 10..20 {
        waits(&mut pool, 1, 0, fee);
    }
    assert_eq!(pool.waiting.len(), 1);
    for nonce in 0..10 {
        waits(&mut pool, 2, nonce, 10);
    }
    assert_eq!(pool.waiting.len(), 5);
    let last = waits(&mut pool, 3, 0, 10);
    pool.forget(&last);
    assert_eq!(pool.waiting.len(), 5);
    for n in 4..=255 {
        waits(&mut pool, n, 0, 10);
    }
    assert_eq!((pool.waiting.len(), pool.by_hash.len()), (100, 100));
    let waiting: Vec<&B256> = pool.waiting.values().collect();
    assert!(waiting.iter().all(|hash| pool.by_hash.contains_key(*hash)));
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
    pool.wait(&first, Hope::MayWrite);
    assert_eq!(pool.insert(&from(person(1), draft(0, FEED, b"two"))), Err(Dropped::Underpriced));
    let better = from(person(1), TxEip1559 { max_fee_per_gas: 20 * GWEI, ..draft(0, FEED, b"two") });
    assert_eq!(pool.insert(&better), Ok(()));
    assert!(head(&mut pool, &HashMap::default()).is_empty(), "the one that waited is gone");
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
        if choose(&mut pool, &tx, LATE, feed_only).is_ok() || n % 3 == 0 {
            pool.wait(&tx, Hope::MayWrite);
        }
        assert!(pool.waiting.len() <= pool.by_hash.len());
        if n % 150 == 0 {
            head(&mut pool, &HashMap::default());
        }
    }
    assert!(pool.by_hash.len() <= 100 && pool.order.len() <= 200, "{} {}", pool.by_hash.len(), pool.order.len());
    assert_eq!(pool.senders.values().map(BTreeMap::len).sum::<usize>(), pool.by_hash.len());
    assert!(counted(&pool, Dropped::Aged) > 1_000);
}

#[test]
fn asking_whether_an_account_is_read_is_all_that_choosing_does() {
    let mut pool = Mempool::new(bounds());
    let asked = Cell::new(0);
    let tx = from(person(1), draft(0, ROUTER, b"swap"));
    choose(&mut pool, &tx, LATE, |_| {
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
    let reach = |base_fee| Reach { base_fee, max_gas: 1_000_000 };
    let front = |account, earlier: &[SimTx]| reach(BASE_FEE).front(&tx, earlier, account).map(|front| front.iter().map(|tx| tx.nonce()).collect::<Vec<_>>());
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
    assert_eq!(reach(10_000_000_001).front(&tx, &[], rich(6)).unwrap_err(), Dropped::FeeTooLow);
    assert!(reach(10_000_000_000).front(&tx, &[], rich(6)).is_ok());
}

#[test]
fn all_that_is_run_for_one_has_a_bound_of_gas() {
    let earlier: Vec<SimTx> = (0..3).map(|nonce| from(person(1), draft(nonce, ROUTER, b""))).collect();
    let tx = from(person(1), draft(3, FEED, b""));
    let reach = |max_gas| Reach { base_fee: BASE_FEE, max_gas };
    assert_eq!(reach(400_000).front(&tx, &earlier, rich(0)).map(|front| front.len()), Ok(4));
    assert_eq!(reach(399_999).front(&tx, &earlier, rich(0)), Err(Dropped::FrontTooHeavy));
    // As those in front are mined, it comes within the bound.
    assert_eq!(reach(399_999).front(&tx, &earlier, rich(1)).map(|front| front.len()), Ok(3));
    assert!(Dropped::FrontTooHeavy.may_pass());
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
    let reach = Reach { base_fee: 1, max_gas: 1_000_000 };
    assert!(reach.front(&tx, &[], with(cost)).is_ok());
    assert_eq!(reach.front(&tx, &[], with(cost - U256::ONE)), Err(Dropped::Broke));
}
