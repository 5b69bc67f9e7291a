use super::*;
use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope, transaction::Recovered},
    primitives::{Address, Signature, U256},
};
use futures::FutureExt;
use std::sync::{
    atomic::{AtomicBool, Ordering},
    mpsc,
};

const HEAD: B256 = B256::repeat_byte(7);

fn readying(at_once: usize) -> Readying {
    Readying::new(ReadyBounds { at_once, within: Duration::from_secs(60) })
}

fn tx(nonce: u64) -> SimTx {
    let signed = TxEip1559 { nonce, ..TxEip1559::default() }.into_signed(Signature::new(U256::ONE, U256::ONE, false));
    Arc::new(Recovered::new_unchecked(TxEnvelope::from(signed), Address::ZERO))
}

/// Begins the next one, with other work than looking at it.
fn start(readying: &mut Readying, work: impl Future<Output = Ready> + Send + 'static) {
    let (tx, interest) = readying.pop().unwrap();
    readying.start((tx, interest, HEAD), work);
}

#[tokio::test]
async fn a_task_that_ends_early_gives_back_all_that_it_had() {
    let mut readying = readying(2);
    for _ in 0..3 {
        readying.push(tx(0), Interest::Sample);
        start(&mut readying, async { panic!("a fault of ours") });
        assert_eq!((readying.samples_at_work, readying.hashes.len()), (1, 1));
        let ready = readying.next().await;
        assert_eq!((*ready.tx.tx_hash(), ready.head, ready.interest), (*tx(0).tx_hash(), HEAD, Interest::Sample));
        assert!(matches!(ready.verdict, Verdict::Dropped(Dropped::Broken)), "{ready:?}");
        assert!(!Dropped::Broken.may_pass(), "it would do so again at each head");
        assert_eq!((readying.samples_at_work, readying.hashes.len(), readying.tasks.len()), (0, 0, 0), "its place is free, and it may come again");
    }
}

#[tokio::test]
async fn a_head_takes_back_what_is_not_begun() {
    let mut readying = readying(2);
    for nonce in 0..1_000 {
        readying.push(tx(nonce), if nonce % 2 == 0 { Interest::Known } else { Interest::Sample });
        readying.push(tx(nonce), Interest::Known);
    }
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let ready = Ready { tx: tx(0), interest: Interest::Known, verdict: Verdict::Moved, head: HEAD, fetched: false };
    start(&mut readying, async move {
        let _told = released.await;
        ready
    });
    let back = readying.take_back();
    let known = back.iter().filter(|(_, interest)| *interest == Interest::Known).count();
    assert_eq!((known, back.len()), (499, 999));
    assert_eq!((readying.known.len(), readying.samples.len(), readying.hashes.len()), (0, 0, 1), "what is at work answers by itself");
    readying.push(tx(0), Interest::Known);
    assert!(readying.known.is_empty(), "and is not begun twice");
    release.send(()).unwrap();
    assert!(matches!(readying.next().await.verdict, Verdict::Moved));
    readying.push(tx(2), Interest::Known);
    assert_eq!(readying.pop().map(|(tx, _)| *tx.tx_hash()), Some(*tx(2).tx_hash()), "what was given back may come again");
}

#[tokio::test]
async fn a_thread_keeps_its_place_when_nobody_waits_for_it_any_more() {
    let places = Places::new(1).offline;
    let (end, ended) = mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    {
        let given_up = in_place(&places, move || {
            let _waited_for = begin.send(());
            let _told = ended.recv();
        });
        tokio::pin!(given_up);
        tokio::select! {
            biased;
            _ = begun => {}
            _ = &mut given_up => panic!("it is not told to end"),
        }
    }
    let ran = Arc::new(AtomicBool::new(false));
    let (place, does) = (Arc::clone(&places), Arc::clone(&ran));
    let mut next = Box::pin(async move { in_place(&place, move || does.store(true, Ordering::SeqCst)).await });
    assert!((&mut next).now_or_never().is_none());
    assert_eq!(places.available_permits(), 0);
    end.send(()).unwrap();
    next.await.unwrap();
    assert!(ran.load(Ordering::SeqCst));
}
