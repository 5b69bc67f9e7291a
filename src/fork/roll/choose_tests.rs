//! Choosing among ways that do as they are told.

use super::*;
use alloy::primitives::B256;

const ALL: [bool; 3] = [true; 3];

fn success(record: &mut Record, place: usize, micros: u64, requests: u64) {
    record.heads += 1;
    let head = record.heads;
    record.ways[place].succeeded(head, Duration::from_micros(micros), requests);
}

fn failure(record: &mut Record, place: usize, error: &ForkError) {
    let head = record.heads;
    record.ways[place].failed(head, error);
}

fn wrong() -> ForkError {
    ForkError::Roll { way: "trace", reason: "x".to_owned() }
}

fn measured() -> Record {
    let mut record = Record { heads: 0, ways: vec![Standing::default(); 3] };
    // Each way is measured once before any is preferred.
    for (place, micros) in [(0, 9_000), (1, 2_000), (2, 30_000)] {
        assert_eq!(record.order(&ALL, true)[0], place);
        success(&mut record, place, micros, 2);
    }
    record
}

#[test]
fn the_cheapest_is_taken_and_the_others_are_tried_now_and_then() {
    let mut record = measured();
    let mut used = [0_u64; 3];
    for _ in 0..1_600 {
        let place = record.order(&ALL, true)[0];
        used[place] += 1;
        success(&mut record, place, [9_000, 2_000, 30_000][place], 2);
    }
    // 4 ms against 11 and 32: every 32nd and every 128th head.
    assert!((45..=51).contains(&used[0]) && (10..=13).contains(&used[2]), "{used:?}");
    // When the cheapest becomes dear, the next one takes over within a few heads.
    let mut changed = 0;
    while record.order(&ALL, true)[0] == 1 {
        success(&mut record, 1, 50_000, 2);
        changed += 1;
        assert!(changed < 5);
    }
    let order = record.order(&ALL, true);
    assert!(order.iter().position(|place| *place == 0) < order.iter().position(|place| *place == 1), "{order:?}");
}

#[test]
fn equal_costs_leave_most_heads_to_one_way() {
    let mut record = Record { heads: 0, ways: vec![Standing::default(); 3] };
    let mut trials = 0_u64;
    for _ in 0..960 {
        let place = record.order(&ALL, true)[0];
        trials += u64::from(place != 0);
        success(&mut record, place, 2_000 + u64::try_from(place).unwrap(), 2);
    }
    assert!(trials <= 960 / 8 + 2, "{trials}");
}

#[test]
fn a_way_that_was_named_is_the_one() {
    let mut record = Record { heads: 0, ways: vec![Standing::default(); 2] };
    for _ in 0..100 {
        assert_eq!(record.order(&[true; 2], false), [0, 1]);
        success(&mut record, 0, 50_000, 9);
    }
    success(&mut record, 1, 1, 1);
    assert_eq!(record.order(&[true; 2], false), [0, 1]);
}

#[test]
fn requests_count_too() {
    let mut record = Record { heads: 0, ways: vec![Standing::default(); 2] };
    success(&mut record, 0, 3_000, 1);
    success(&mut record, 1, 2_000, 10);
    assert_eq!(record.order(&[true; 2], true), [0, 1]);
}

#[test]
fn what_fails_pauses_longer_each_time_and_what_is_refused_longest() {
    let mut record = measured();
    failure(&mut record, 1, &wrong());
    for _ in 0..PAUSE {
        assert_eq!(record.order(&ALL, true), [0, 2]);
        success(&mut record, 0, 9_000, 2);
    }
    assert_eq!(record.order(&ALL, true)[0], 1);
    failure(&mut record, 1, &wrong());
    let mut paused = 0;
    while !record.order(&ALL, true).contains(&1) {
        success(&mut record, 0, 9_000, 2);
        paused += 1;
    }
    assert_eq!(paused, 2 * PAUSE);
    for _ in 0..80 {
        failure(&mut record, 1, &wrong());
    }
    assert_eq!(record.ways[1].paused_until - record.heads, LONGEST_PAUSE);
    failure(&mut record, 0, &ForkError::Refused { method: "debug_traceBlockByHash", reason: "Method not found".to_owned() });
    let mut out = 0;
    while !record.order(&ALL, true).contains(&0) {
        success(&mut record, 2, 30_000, 3);
        out += 1;
    }
    assert_eq!(out, LONGEST_PAUSE);
    // Re-reading is there whatever happened to it, and where there is a gap.
    failure(&mut record, 2, &wrong());
    assert_eq!(record.order(&ALL, true).last(), Some(&2));
    assert_eq!(record.order(&[false, false, true], true), [2]);
}

/// A way that answers as it was told.
#[derive(Debug)]
struct Scripted(&'static str, fn() -> Result<super::super::Changes, ForkError>);

impl Roller for Scripted {
    fn name(&self) -> &'static str {
        self.0
    }

    fn bridges(&self) -> bool {
        self.0 == "last"
    }

    fn probe<'a>(&'a self, _head: &'a Head) -> futures::future::BoxFuture<'a, Result<(), ForkError>> {
        Box::pin(async { (self.1)().map(drop) })
    }

    fn changes<'a>(
        &'a self,
        _parent: &'a Arc<Generation>,
        _known: &'a Store,
        _head: &'a Head,
    ) -> futures::future::BoxFuture<'a, Result<super::super::Changes, ForkError>> {
        Box::pin(async { (self.1)() })
    }
}

/// A way that never answers.
#[derive(Debug)]
struct Silent;

impl Roller for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn changes<'a>(
        &'a self,
        _parent: &'a Arc<Generation>,
        _known: &'a Store,
        _head: &'a Head,
    ) -> futures::future::BoxFuture<'a, Result<super::super::Changes, ForkError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn heads_wait_for_no_way_but_the_last() {
    let parent = crate::fork::tests::World::default().unpadded_view().generation().clone();
    let head = Head { parent_hash: parent.head().hash, hash: B256::repeat_byte(1), ..parent.head().clone() };
    let last = Scripted("last", || Ok(super::super::Changes::default()));
    let ways: [Arc<dyn Roller>; 2] = [Arc::new(Silent), Arc::new(last)];
    let ways = Chooser::new(ways.into_iter().map(|way| (way, Arc::default())).collect(), true, Duration::from_millis(20));
    ways.roll(&parent, &Store::default(), &head).await.unwrap();
    let report = ways.report();
    assert_eq!((report[0].failures, report[1].rolls), (1, 1));
}

fn chooser(ways: &[Scripted]) -> Chooser {
    Chooser::new(
        ways.iter().map(|Scripted(name, answer)| (Arc::new(Scripted(name, *answer)) as Arc<dyn Roller>, Arc::default())).collect(),
        true,
        Duration::from_millis(100),
    )
}

#[tokio::test]
async fn a_failure_counts_only_if_another_way_could() {
    let good = || Ok(super::super::Changes::default());
    let bad = || Err(wrong());
    let parent = crate::fork::tests::World::default().unpadded_view().generation().clone();
    let head = Head { parent_hash: parent.head().hash, hash: B256::repeat_byte(1), ..parent.head().clone() };
    let ways = chooser(&[Scripted("first", bad), Scripted("last", good)]);
    ways.roll(&parent, &Store::default(), &head).await.unwrap();
    let report = ways.report();
    assert_eq!((report[0].failures, report[0].rolls, report[1].failures, report[1].rolls), (1, 0, 0, 1));
    let ways = chooser(&[Scripted("first", bad), Scripted("last", bad)]);
    assert!(ways.roll(&parent, &Store::default(), &head).await.is_err());
    assert!(ways.report().iter().all(|way| way.failures == 0 && way.usable));
    // Between heads that are not parent and child only the last one is asked.
    let gap = Head { parent_hash: B256::repeat_byte(9), ..head };
    let ways = chooser(&[Scripted("first", bad), Scripted("last", good)]);
    ways.roll(&parent, &Store::default(), &gap).await.unwrap();
    assert_eq!(ways.report()[0].failures, 0);
}

#[tokio::test]
async fn a_probe_puts_out_only_what_is_refused() {
    let refused = || Err(ForkError::Refused { method: "debug_traceBlockByHash", reason: "Method not found".to_owned() });
    let ways = chooser(&[Scripted("first", refused), Scripted("second", || Err(wrong())), Scripted("last", || Ok(super::super::Changes::default()))]);
    ways.probe(&crate::fork::tests::head()).await;
    assert_eq!(ways.report().iter().map(|way| way.usable).collect::<Vec<_>>(), [false, true, true]);
}
