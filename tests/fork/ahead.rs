//! Reading ahead, and forgetting: what a pending transaction needs is there before it runs, and what nobody uses does not stay.

use crate::{
    chain::{Chain, FEE_RECIPIENT, blocking, connect},
    code,
    http_wire::HttpWire,
};
use alloy::primitives::{Address, TxKind, U256};
use eyre::Result;
use harrier::fork::{Call, Facet, Fork, ForkError, ForkOptions, ReadSet, SimTx, TargetBlock, Trail, TxStatus, View};
use std::sync::Arc;

/// Runs transactions on what is known and nothing else.
async fn offline(view: View, txs: Vec<SimTx>) -> Result<Result<TxStatus, ForkError>> {
    let run = move || {
        let block = TargetBlock::after(view.head(), &Chain::rules());
        view.offline().execute(&block, &txs).map(|execution| execution.txs.last().map(|tx| tx.status.clone()).unwrap_or(TxStatus::Success))
    };
    blocking(run).await
}

/// A contract that calls another with the rest of its input: a transaction to it touches more than its target.
fn forwarder(to: Address) -> Vec<u8> {
    let copy = [code::CALLDATASIZE, code::PUSH0, code::PUSH0, code::CALLDATACOPY];
    let call = [code::PUSH0, code::PUSH0, code::CALLDATASIZE, code::PUSH0, code::PUSH0];
    [copy.as_slice(), &call, &code::push(to), &[code::GAS, code::CALL, code::POP, code::STOP]].concat()
}

async fn scene(chain: &Chain) -> Result<(Address, Address)> {
    let worker = chain.deploy(&code::worker()).await?;
    let front = chain.deploy(&forwarder(worker)).await?;
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(worker), 3, code::words(&[7, 9]))]).await?;
    Ok((worker, front))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_brings_all_that_a_transaction_needs() -> Result<()> {
    let chain = Chain::start().await?;
    let (_, front) = scene(&chain).await?;
    let wire = HttpWire::to(chain.anvil.endpoint()).await?;
    wire.refuse(&["eth_createAccessList"]);
    let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, ForkOptions::default())?;
    let tx = chain.sign(2, TxKind::Call(front), 5, code::words(&[7, 1]));
    let missing = offline(fork.view(), vec![tx.clone()]).await?;
    assert!(matches!(missing, Err(ForkError::NotStored { .. })), "{missing:?}");
    assert_eq!(fork.view().generation().misses(), 0, "looking without the node asks nothing");
    fork.prefetch_txs(std::slice::from_ref(&tx)).await?;
    assert_eq!(offline(fork.view(), vec![tx.clone()]).await??, TxStatus::Success);
    // Whatever the tracer said is what the node says when it is asked for each value.
    assert!(chain.assert_fresh(&fork.view()).await? > 10);
    // Known once, it costs the tracer's request and no other.
    let before = wire.requests();
    fork.prefetch_txs(std::slice::from_ref(&tx)).await?;
    assert_eq!(wire.requests() - before, 1);
    // The values belong to that head: at the next one they are what they are there.
    chain.send_and_mine(&[tx]).await?;
    fork.roll(&chain.head().await?).await?;
    chain.assert_fresh(&fork.view()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_tracer_makes_an_access_list() -> Result<()> {
    let chain = Chain::start().await?;
    let (_, front) = scene(&chain).await?;
    let wire = HttpWire::to(chain.anvil.endpoint()).await?;
    wire.refuse(&["debug_traceCall"]);
    let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, ForkOptions::default())?;
    let tx = chain.sign(2, TxKind::Call(front), 0, code::words(&[7, 1]));
    fork.prefetch_txs(std::slice::from_ref(&tx)).await?;
    assert_eq!(offline(fork.view(), vec![tx]).await??, TxStatus::Success);
    chain.assert_fresh(&fork.view()).await?;
    // It is not asked for a tracer again: the list, and nothing new to read.
    let before = wire.requests();
    let other = chain.sign(3, TxKind::Call(front), 0, code::words(&[7, 2]));
    fork.prefetch(&{
        let mut sender = ReadSet::default();
        sender.insert(Facet::Balance(other.signer()));
        sender
    })
    .await?;
    let between = wire.requests();
    fork.prefetch_txs(&[other]).await?;
    assert!(between > before);
    assert_eq!(wire.requests() - between, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_can_tell_nothing_is_asked_once_and_the_run_reads_for_itself() -> Result<()> {
    let chain = Chain::start().await?;
    let (_, front) = scene(&chain).await?;
    let wire = HttpWire::to(chain.anvil.endpoint()).await?;
    wire.refuse(&["debug_traceCall", "eth_createAccessList"]);
    let fork = Fork::start(&connect(&wire.url())?, chain.head().await?, ForkOptions::default())?;
    let tx = chain.sign(2, TxKind::Call(front), 0, code::words(&[7, 1]));
    fork.prefetch_txs(std::slice::from_ref(&tx)).await?;
    let before = wire.requests();
    fork.prefetch_txs(std::slice::from_ref(&tx)).await?;
    assert_eq!(wire.requests(), before, "neither is tried again, and sender and target are known");
    let view = fork.view();
    let run = tx.clone();
    blocking(move || view.execute(&TargetBlock::after(view.head(), &Chain::rules()), &[run])).await??;
    assert_eq!(offline(fork.view(), vec![tx]).await??, TxStatus::Success);
    chain.assert_fresh(&fork.view()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_an_unknown_contract_reads_ahead_by_itself() -> Result<()> {
    let chain = Chain::start().await?;
    let (_, front) = scene(&chain).await?;
    let fork = chain.fork().await?;
    let mut known = ReadSet::default();
    [Address::ZERO, FEE_RECIPIENT].into_iter().for_each(|address| known.insert(Facet::Balance(address)));
    fork.prefetch(&known).await?;
    let view = fork.view();
    let call = Call { gas_limit: 300_000, ..Call::new(front, code::words(&[7, 1]).into()) };
    let (outcome, misses) = blocking(move || {
        let block = TargetBlock::after(view.head(), &Chain::rules());
        (view.call_recorded(&block, &call, &mut ReadSet::default()), view.generation().misses())
    })
    .await?;
    assert!(outcome?.success);
    assert_eq!(misses, 0, "the call's contracts and slots came in one request, before it ran");
    chain.assert_fresh(&fork.view()).await?;
    Ok(())
}

/// Facets as a book or a plan would name them.
fn facets(contract: Address, slots: std::ops::Range<u64>) -> ReadSet {
    let mut set = ReadSet::default();
    set.insert(Facet::Code(contract));
    slots.for_each(|slot| set.insert(Facet::Slot(contract, U256::from(slot))));
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_blocks_of_unrelated_reads_leave_nothing_behind_and_take_nothing_away() -> Result<()> {
    const BLOCKS: u64 = 50;
    const UNRELATED: u64 = 1_000;
    const LIVE: u64 = 40;
    let chain = Chain::start().await?;
    let live_contract = chain.deploy(code::WRITER).await?;
    let noise = chain.deploy(code::WRITER).await?;
    let fork = chain.fork().await?;
    let live = facets(live_contract, 0..LIVE);
    fork.prefetch(&live).await?;
    for block in 0..BLOCKS {
        // What samples of the mempool would read: each block other slots, of a contract that nobody values.
        fork.prefetch(&facets(noise, block * UNRELATED..(block + 1) * UNRELATED)).await?;
        let slot = block % LIVE;
        chain.send_and_mine(&[chain.sign(1, TxKind::Call(live_contract), 0, code::words(&[slot, block + 1]))]).await?;
        fork.retain(live.len(), |facet| live.contains(facet)).await;
        let rolled = fork.roll(&chain.head().await?).await?;
        assert!(rolled.diff.iter().any(|change| change.facet == Facet::Slot(live_contract, U256::from(slot))), "a live facet is in every diff");
        let known = rolled.view.generation().known();
        assert!(known.account_count() + known.slot_count() <= live.len() + live.len() / 8 + 1_024, "block {block}: {}", known.slot_count());
        // All that is live is still there without the node.
        let (view, wanted) = (rolled.view, live.clone());
        blocking(move || wanted.iter().try_for_each(|facet| view.offline().facet(facet).map(drop))).await??;
    }
    let view = fork.view();
    assert_eq!(view.generation().misses(), 0);
    assert_eq!(view.generation().known().slot_count(), usize::try_from(LIVE)?, "nothing unrelated was kept");
    chain.assert_fresh(&view).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_names_what_a_run_touched_so_that_the_next_head_has_it() -> Result<()> {
    let chain = Chain::start().await?;
    let (worker, front) = scene(&chain).await?;
    let fork = chain.fork().await?;
    let tx = chain.sign(2, TxKind::Call(front), 0, code::words(&[7, 1]));
    let trail = Arc::new(Trail::default());
    let (view, run) = (fork.view().with_trail(Arc::clone(&trail)), tx.clone());
    blocking(move || view.execute(&TargetBlock::after(view.head(), &Chain::rules()), &[run])).await??;
    let touched = trail.take();
    assert!(
        [Facet::Slot(worker, U256::from(7)), Facet::Balance(worker), Facet::Balance(front), Facet::Balance(tx.signer())]
            .iter()
            .all(|facet| touched.contains(facet))
    );
    assert_eq!((trail.runs(), trail.take().len()), (1, 0));
    fork.prefetch(&facets(worker, 100..2_000)).await?;
    chain.mine(12).await?;
    fork.retain(touched.len(), |facet| touched.contains(facet)).await;
    fork.roll(&chain.head().await?).await?;
    assert_eq!(offline(fork.view(), vec![tx]).await??, TxStatus::Success, "what it needs is still there");
    assert!(fork.view().generation().known().slot_count() < 10);
    Ok(())
}
