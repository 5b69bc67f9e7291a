//! Reorgs, rollbacks, late answers, nodes that are slow, silent, or lack methods.

use crate::{
    chain::{Chain, blocking, connect, number},
    code,
    http_wire::{Held, HttpWire},
};
use alloy::primitives::{Address, TxKind, U256};
use eyre::Result;
use harrier::{
    config::Roll,
    fork::{Facet, Fork, ForkError, ForkOptions, ReadSet, Rolled},
};
use std::time::{Duration, Instant};

fn slots(address: Address, count: u64) -> ReadSet {
    let mut set = ReadSet::default();
    for slot in 0..count {
        set.insert(Facet::Slot(address, U256::from(slot)));
    }
    set.insert(Facet::Balance(address));
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn reorgs_of_some_depth() -> Result<()> {
    let chain = Chain::start().await?;
    let writer = chain.deploy(code::WRITER).await?;
    let fork = chain.fork().await?;
    fork.prefetch(&slots(writer, 4)).await?;
    for round in 1..5 {
        let write = chain.sign(1, TxKind::Call(writer), 0, code::words(&[round % 4, round]));
        chain.send_and_mine(&[write]).await?;
        fork.roll(&chain.head().await?).await?;
    }
    // A facet that only the newest head knows, so no ancestor can tell what it was there.
    let late = Facet::Slot(writer, U256::from(9));
    let mut only_now = ReadSet::default();
    only_now.insert(late);
    let write = chain.sign(1, TxKind::Call(writer), 0, code::words(&[9, 77]));
    chain.send_and_mine(&[write]).await?;
    fork.roll(&chain.head().await?).await?;
    fork.prefetch(&only_now).await?;
    let before = fork.view();
    let _: serde_json::Value = chain.request("anvil_reorg", (3, Vec::<u8>::new())).await?;
    let head = chain.head().await?;
    assert_ne!(head.hash, before.head().hash);
    let Rolled { view: after, diff, .. } = fork.roll(&head).await?;
    chain.assert_fresh(&after).await?;
    let (was, is) = (before.generation().known(), after.generation().known());
    for facet in was.facets() {
        let moved = was.value(&facet) != is.value(&facet);
        assert_eq!(diff.iter().any(|change| change.facet == facet), moved, "{facet:?}");
    }
    assert!(diff.iter().any(|change| change.facet == late && change.old == U256::from(77) && change.new.is_zero()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_another_branch_rolls_from_their_common_parent() -> Result<()> {
    let chain = Chain::start().await?;
    let writer = chain.deploy(code::WRITER).await?;
    let fork = chain.fork().await?;
    fork.prefetch(&slots(writer, 2)).await?;
    let snapshot: String = chain.request("evm_snapshot", ()).await?;
    let parent = chain.head().await?;
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[0, 1]))]).await?;
    fork.roll(&chain.head().await?).await?;
    fork.prefetch(&slots(writer, 4)).await?;
    // The other branch: the same height, another block.
    let _: bool = chain.request("evm_revert", (snapshot,)).await?;
    chain.forget_nonces().await?;
    chain.send_and_mine(&[chain.sign(2, TxKind::Call(writer), 0, code::words(&[3, 5]))]).await?;
    let head = chain.head().await?;
    assert_eq!(head.parent_hash, parent.hash);
    let Rolled { view, diff, .. } = fork.roll(&head).await?;
    assert_eq!(view.generation().known().slot_count(), 4);
    chain.assert_fresh(&view).await?;
    let changed = |slot: u64| {
        diff.iter().find(|change| change.facet == Facet::Slot(writer, U256::from(slot))).map(|change| (change.old.to::<u64>(), change.new.to::<u64>()))
    };
    assert_eq!((changed(0), changed(1), changed(3)), (Some((1, 0)), None, Some((0, 5))));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_rollback_goes_back_to_a_known_head() -> Result<()> {
    let chain = Chain::start().await?;
    let writer = chain.deploy(code::WRITER).await?;
    let fork = chain.fork().await?;
    fork.prefetch(&slots(writer, 2)).await?;
    let first = fork.view();
    for round in 1..3 {
        chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[round, 5]))]).await?;
        fork.roll(&chain.head().await?).await?;
    }
    fork.prefetch(&slots(writer, 4)).await?;
    let _: serde_json::Value = chain.request("anvil_rollback", (2,)).await?;
    let Rolled { view: back, diff, .. } = fork.roll(&chain.head().await?).await?;
    assert_eq!(back.head(), first.head());
    assert!(back.is_current() && first.is_current());
    assert!(diff.iter().any(|change| change.facet == Facet::Slot(writer, U256::from(2)) && change.new.is_zero()));
    chain.assert_fresh(&back).await?;
    chain.forget_nonces().await?;
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[1, 9]))]).await?;
    let Rolled { view, .. } = fork.roll(&chain.head().await?).await?;
    chain.assert_fresh(&view).await?;
    Ok(())
}

/// The deepest reorg that is undone, twice in a row, and one that is a block deeper.
#[tokio::test(flavor = "multi_thread")]
async fn reorgs_of_64_blocks_are_undone() -> Result<()> {
    let chain = Chain::start().await?;
    let writer = chain.deploy(code::WRITER).await?;
    chain.mine(12).await?;
    let fork = Fork::start(&chain.provider, chain.head().await?, ForkOptions::default())?.with_rolling(Roll::Trace, &Chain::rules());
    fork.prefetch(&slots(writer, 8)).await?;
    let mut traced = 0;
    for round in 0..70 {
        chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[round % 8, 1 + round]))]).await?;
        fork.roll(&chain.head().await?).await?;
        traced += 1;
        if round == 30 {
            // What is dropped from the present generation is no hole in those before it.
            let live = slots(writer, 4);
            fork.retain(0, |facet| live.contains(facet)).await;
            fork.prefetch(&slots(writer, 8)).await?;
        }
    }
    let rolls = || fork.ways().iter().map(|way| (way.rolls, way.failures)).collect::<Vec<_>>();
    assert_eq!(rolls(), [(traced, 0), (0, 0)]);
    for (turn, depth) in [64, 64, 65].into_iter().enumerate() {
        let tip = chain.head().await?.number;
        let _: serde_json::Value = chain.request("anvil_reorg", (depth, Vec::<u8>::new())).await?;
        chain.forget_nonces().await?;
        let first = chain.head_at(number(tip + 1 - depth)).await?;
        let Rolled { view, diff, .. } = fork.roll(&first).await?;
        chain.assert_fresh(&view).await?;
        // What it drops the first time are blocks that wrote.
        assert!(turn > 0 || diff.iter().any(|change| change.facet.address() == Some(writer)));
        // From its parent, which is remembered, the tracer can tell; over a gap only reading again can.
        traced += u64::from(depth <= 64);
        assert_eq!(rolls()[0], (traced, 0), "{depth}");
        for height in tip + 2 - depth..=tip {
            fork.roll(&chain.head_at(number(height)).await?).await?;
            traced += 1;
        }
        chain.assert_fresh(&fork.view()).await?;
        assert_eq!(rolls()[0], (traced, 0));
    }
    Ok(())
}

/// The node ends and comes back from its state file, without a past. The fork is the same one.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_without_its_history() -> Result<()> {
    for roll in [Roll::Trace, Roll::Replay, Roll::Auto] {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("state.json");
        let arguments = ["--state", file.to_str().expect("a plain path")];
        let chain = Chain::start_with(&arguments).await?;
        let writer = chain.deploy(code::WRITER).await?;
        let wire = HttpWire::to(chain.anvil.endpoint()).await?;
        let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, ForkOptions::default())?.with_rolling(roll, &Chain::rules());
        fork.prefetch(&slots(writer, 8)).await?;
        for round in 0..5 {
            chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[round, 7]))]).await?;
            fork.roll(&chain.head().await?).await?;
        }
        let tip = chain.head().await?;
        // Dropping it asks it to end, and waits: it writes its state.
        tokio::task::spawn_blocking(move || drop(chain)).await?;
        // Nobody is there: an error, and the fork stays where it was.
        assert!(fork.roll(&harrier::chain::Head { hash: alloy::primitives::B256::repeat_byte(1), parent_hash: tip.hash, ..tip.clone() }).await.is_err());
        assert_eq!(fork.head(), tip);
        let chain = Chain::start_with(&arguments).await?;
        wire.set_node(chain.anvil.endpoint());
        chain.forget_nonces().await?;
        assert_eq!(chain.head().await?.hash, tip.hash);
        for round in 0..5 {
            chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[round, round]))]).await?;
            let head = chain.head().await?;
            // Connections of the old node break first; each failure leaves the fork where it was.
            for _ in 0..10 {
                match fork.roll(&head).await {
                    Ok(_) => break,
                    Err(error) => assert!(matches!(error, ForkError::Node { .. }), "{error}"),
                }
            }
            assert_eq!(fork.head(), head, "{roll}");
            assert_eq!(chain.assert_fresh(&fork.view()).await?, 11, "{roll}");
        }
        // A branch from before the restart: the fork's past is not the node's.
        let _: serde_json::Value = chain.request("anvil_reorg", (3, Vec::<u8>::new())).await?;
        fork.roll(&chain.head().await?).await?;
        chain.assert_fresh(&fork.view()).await?;
        println!("{roll}: {:?}", fork.ways());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_lands_in_the_old_generation() -> Result<()> {
    let chain = Chain::start().await?;
    let writer = chain.deploy(code::WRITER).await?;
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[0, 5]))]).await?;
    let wire = HttpWire::to(chain.anvil.endpoint()).await?;
    let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, ForkOptions::default())?;
    let old = fork.view();
    wire.hold(Held::Everything);
    let asked = wire.requests();
    let reading = {
        let view = old.clone();
        tokio::task::spawn_blocking(move || view.storage(writer, U256::ZERO, &mut ReadSet::default()))
    };
    wire.more_than(asked).await?;
    // The read is on its way while the chain goes on and the fork with it; nothing is known yet, so no request is needed.
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[0, 9]))]).await?;
    let Rolled { view: new, diff, .. } = fork.roll(&chain.head().await?).await?;
    assert!(diff.is_empty() && !old.is_current());
    wire.hold(Held::Nothing);
    assert_eq!(reading.await??, U256::from(5));
    assert_eq!(old.generation().known().slot_count(), 1);
    assert_eq!(new.generation().known().slot_count(), 0);
    let view = new.clone();
    assert_eq!(blocking(move || view.storage(writer, U256::ZERO, &mut ReadSet::default())).await??, U256::from(9));
    assert!(!old.is_current() && new.is_current());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_answers_is_an_error_in_time() -> Result<()> {
    let chain = Chain::start().await?;
    let writer = chain.deploy(code::WRITER).await?;
    let wire = HttpWire::to(chain.anvil.endpoint()).await?;
    let options = ForkOptions { timeout: Duration::from_secs(2), ..ForkOptions::default() };
    let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, options)?;
    fork.prefetch(&slots(writer, 1)).await?;
    wire.hold(Held::Everything);
    let begin = Instant::now();
    let view = fork.view();
    let answer = blocking(move || view.storage(writer, U256::from(5), &mut ReadSet::default())).await?;
    assert!(matches!(&answer, Err(error @ ForkError::Node { reason, .. }) if error.is_transient() && reason.contains("2000 ms")), "{answer:?}");
    chain.mine(12).await?;
    let head = chain.head().await?;
    let stuck = fork.roll(&head).await;
    assert!(matches!(stuck, Err(ForkError::Node { .. })));
    assert!(begin.elapsed() < Duration::from_secs(30));
    // It stayed where it was, and goes on when the node does.
    assert_eq!(fork.head().number + 1, head.number);
    assert!(fork.view().is_current());
    wire.hold(Held::Nothing);
    fork.roll(&head).await?;
    chain.assert_fresh(&fork.view()).await?;
    Ok(())
}

/// A read in an async task is wrong, and still no hang: not even on a runtime with one thread, which it blocks.
#[tokio::test]
async fn a_read_in_the_wrong_place_does_not_hang() -> Result<()> {
    let chain = Chain::start().await?;
    let options = ForkOptions { timeout: Duration::from_millis(300), ..ForkOptions::default() };
    let fork = Fork::start(&chain.provider, chain.head().await?, options)?;
    let begin = Instant::now();
    let _either = fork.view().account(chain.person(1).address());
    assert!(begin.elapsed() < Duration::from_secs(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_lack_methods() -> Result<()> {
    let chain = Chain::start().await?;
    let worker = chain.deploy(&code::worker()).await?;
    let wire = HttpWire::to(chain.anvil.endpoint()).await?;
    wire.refuse(&["eth_getStorageValues", "eth_call", "debug_traceCall", "eth_createAccessList"]);
    let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, ForkOptions::default())?;
    fork.prefetch(&slots(worker, 6)).await?;
    fork.prefetch_call(&harrier::fork::Call::new(worker, Default::default())).await?;
    for round in 0..3 {
        chain.send_and_mine(&[chain.sign(1, TxKind::Call(worker), round, code::words(&[round, 4]))]).await?;
        fork.roll(&chain.head().await?).await?;
        chain.assert_fresh(&fork.view()).await?;
    }
    Ok(())
}

/// With everything known: of an execution, that begins with its second block.
#[tokio::test(flavor = "multi_thread")]
async fn a_roll_takes_few_requests() -> Result<()> {
    for (roll, expected) in [(Roll::Trace, 2), (Roll::Replay, 2), (Roll::Reread, 3)] {
        let chain = Chain::start().await?;
        let worker = chain.deploy(&code::worker()).await?;
        let wire = HttpWire::to(chain.anvil.endpoint()).await?;
        let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, ForkOptions::default())?.with_rolling(roll, &Chain::rules());
        fork.prefetch(&slots(worker, 200)).await?;
        for round in 0..6 {
            chain.send_and_mine(&[chain.sign(1, TxKind::Call(worker), round, code::words(&[round, 4]))]).await?;
            let before = wire.requests();
            fork.roll(&chain.head().await?).await?;
            let requests = wire.requests() - before;
            assert!(requests == expected || round == 0 && roll == Roll::Replay, "{roll}: {requests}");
            assert_eq!(fork.ways()[0].requests, requests);
        }
    }
    Ok(())
}
