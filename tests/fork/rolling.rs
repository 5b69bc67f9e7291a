//! Rolling by re-reading: after every block all that is known equals a fresh read, and the diff says what moved.

use crate::{
    chain::{Chain, FEE_RECIPIENT, blocking, connect},
    code,
    world::Random,
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, TxKind, U256, keccak256},
    providers::Provider,
    signers::local::PrivateKeySigner,
};
use eyre::Result;
use harrier::fork::{Call, Facet, Fork, ForkOptions, ReadSet, RequestLimits, Rolled, SimTx, StateDiff, TargetBlock, View};

/// Everything that a random block plays with.
struct Actors {
    writer: Address,
    worker: Address,
    failing: Address,
    factory: Address,
    authority: PrivateKeySigner,
    watched: ReadSet,
}

async fn actors(chain: &Chain) -> Result<Actors> {
    let mut actors = Actors {
        writer: chain.deploy(code::WRITER).await?,
        worker: chain.deploy(&code::worker()).await?,
        failing: chain.deploy(code::FAILING).await?,
        factory: chain.deploy(code::FACTORY).await?,
        authority: PrivateKeySigner::random(),
        watched: ReadSet::default(),
    };
    let heir = Address::repeat_byte(0x77);
    let ephemeral = actors.factory.create2(U256::ZERO.to_be_bytes::<32>(), keccak256(code::short_lived(heir)));
    let lasting = actors.factory.create2(U256::ZERO.to_be_bytes::<32>(), keccak256(code::init_code(code::READER)));
    let accounts = [
        actors.writer,
        actors.worker,
        actors.failing,
        actors.factory,
        actors.authority.address(),
        heir,
        ephemeral,
        lasting,
        FEE_RECIPIENT,
        Address::repeat_byte(0x42),
    ];
    for account in accounts.into_iter().chain((0..4).map(|who| chain.person(who).address())) {
        actors.watched.insert(Facet::Balance(account));
    }
    for slot in 0..6 {
        for account in [actors.writer, actors.worker, actors.failing, ephemeral, lasting, actors.authority.address()] {
            actors.watched.insert(Facet::Slot(account, U256::from(slot)));
        }
    }
    Ok(actors)
}

impl Actors {
    fn random_tx(&self, chain: &Chain, random: &mut Random) -> SimTx {
        let who = usize::try_from(random.below(4)).unwrap();
        let to = TxKind::Call;
        match random.below(11) {
            0 => chain.sign(who, to(Address::repeat_byte(0x42)), random.below(100), vec![]),
            1 | 2 => chain.sign(who, to(self.writer), 0, code::words(&[random.below(6), random.below(3)])),
            3 | 4 => chain.sign(who, to(self.worker), random.below(50), code::words(&[random.below(6), random.below(3)])),
            5 => chain.sign(who, to(self.failing), 0, code::words(&[random.below(2)])),
            6 => chain.sign(who, to(self.factory), random.below(9), code::short_lived(Address::repeat_byte(0x77))),
            7 => chain.sign(who, to(self.factory), random.below(9), code::init_code(code::READER)),
            8 => chain.delegate(who, &self.authority, self.writer),
            9 => chain.delegate(who, &self.authority, Address::ZERO),
            _ => chain.sign(who, to(self.authority.address()), 1, code::words(&[random.below(6), random.below(3)])),
        }
    }
}

/// The diff names exactly what is different between two views, of all that the first knew.
fn assert_diff(before: &View, after: &View, diff: &StateDiff) {
    let (known_before, known_after) = (before.generation().known(), after.generation().known());
    let mut different = 0;
    for facet in known_before.facets() {
        let (old, new) = (known_before.value(&facet).unwrap(), known_after.value(&facet).expect("what was known is known"));
        let named = diff.iter().find(|change| change.facet == facet).map(|change| (change.old, change.new));
        assert_eq!(named, (old != new).then_some((old, new)), "{facet:?}");
        different += usize::from(old != new);
    }
    assert_eq!(diff.len(), different);
}

async fn random_blocks(seed: u64, blocks: u64, limits: RequestLimits) -> Result<()> {
    let chain = Chain::start().await?;
    let mut random = Random(seed);
    let actors = actors(&chain).await?;
    let fork = Fork::start(&chain.provider, chain.head().await?, ForkOptions { limits, ..ForkOptions::default() })?;
    fork.prefetch(&actors.watched).await?;
    let mut moved = 0;
    for _ in 0..blocks {
        let before = fork.view();
        // Some heads are skipped, as a busy searcher may do.
        for _ in 0..=random.below(2) {
            let txs = (0..random.below(6)).map(|_| actors.random_tx(&chain, &mut random)).collect::<Vec<_>>();
            chain.send_and_mine(&txs).await?;
        }
        let Rolled { view: after, diff, .. } = fork.roll(&chain.head().await?).await?;
        assert_diff(&before, &after, &diff);
        assert!(!before.is_current() && after.is_current());
        assert!(chain.assert_fresh(&after).await? >= 70, "seed {seed}");
        // Old views keep their state.
        chain.assert_fresh(&before).await?;
        moved += diff.len();
    }
    assert!(moved > 0);
    assert_eq!(fork.view().generation().misses(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn random_blocks_read_again() -> Result<()> {
    random_blocks(1, 12, RequestLimits::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn random_blocks_in_tiny_requests() -> Result<()> {
    random_blocks(2, 6, RequestLimits { batch: 3, slots: 2, accounts: 2, in_flight: 3 }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_stale_when_its_facets_moved_and_only_then() -> Result<()> {
    let chain = Chain::start().await?;
    let writer = chain.deploy(code::WRITER).await?;
    let reader = chain.deploy(code::READER).await?;
    let fork = chain.fork().await?;
    let read = |view: View| {
        blocking(move || {
            let mut reads = ReadSet::default();
            let block = TargetBlock::after(view.head(), &Chain::rules());
            view.call_recorded(&block, &Call::new(reader, Default::default()), &mut reads).map(|outcome| (outcome, reads))
        })
    };
    let (before, reads) = read(fork.view()).await??;
    assert!(reads.contains(&Facet::Balance(reader)) && reads.contains(&Facet::Slot(reader, U256::ZERO)) && reads.contains(&Facet::Code(reader)));
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(writer), 0, code::words(&[0, 5]))]).await?;
    let Rolled { view, diff, .. } = fork.roll(&chain.head().await?).await?;
    assert!(!reads.is_stale_after(&diff));
    assert_eq!(read(view).await??.0, before);
    // A payment is all it takes: its value is a balance.
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(reader), 5, vec![])]).await?;
    let Rolled { view, diff, .. } = fork.roll(&chain.head().await?).await?;
    assert!(reads.is_stale_after(&diff));
    assert_ne!(read(view).await??.0, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn prefetching_leaves_nothing_to_miss() -> Result<()> {
    let chain = Chain::start().await?;
    let worker = chain.deploy(&code::worker()).await?;
    let fork = chain.fork().await?;
    let call = Call { from: Address::ZERO, to: worker, input: code::words(&[4, 1]).into(), gas_limit: 200_000 };
    fork.prefetch_call(&call).await?;
    let mut rest = ReadSet::default();
    rest.insert(Facet::Balance(FEE_RECIPIENT));
    fork.prefetch(&rest).await?;
    let view = fork.view();
    let outcome = blocking(move || view.call(&TargetBlock::after(view.head(), &Chain::rules()), &call)).await??;
    assert!(outcome.success);
    assert_eq!(fork.view().generation().misses(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn retaining_only_makes_misses() -> Result<()> {
    let chain = Chain::start().await?;
    let actors = actors(&chain).await?;
    let fork = chain.fork().await?;
    fork.prefetch(&actors.watched).await?;
    let mut live = ReadSet::default();
    live.insert(Facet::Slot(actors.writer, U256::ONE));
    // What came from the node since the head goes at once.
    fork.retain(live.len(), |facet| live.contains(facet)).await;
    assert_eq!(fork.view().generation().known().slot_count(), 1);
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(actors.writer), 0, code::words(&[2, 6]))]).await?;
    fork.roll(&chain.head().await?).await?;
    let (view, writer) = (fork.view(), actors.writer);
    assert_eq!(blocking(move || view.storage(writer, U256::from(2), &mut ReadSet::default())).await??, U256::from(6));
    chain.assert_fresh(&fork.view()).await?;
    Ok(())
}

/// The same fork, unchanged, on a forked node, which answers proofs only of what it happens to hold.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_forked_node() -> Result<()> {
    let origin = Chain::start().await?;
    let actors = actors(&origin).await?;
    let endpoint = origin.anvil.endpoint();
    let forked = Chain::start_with(&["--fork-url", endpoint.as_str(), "--no-storage-caching"]).await?;
    forked.forget_nonces().await?;
    let fork = forked.fork().await?;
    fork.prefetch(&actors.watched).await?;
    let txs =
        [forked.sign(1, TxKind::Call(actors.worker), 3, code::words(&[4, 1])), forked.sign(2, TxKind::Call(actors.factory), 3, code::init_code(code::READER))];
    forked.send_and_mine(&txs).await?;
    let before = fork.view();
    let Rolled { view: after, diff, .. } = fork.roll(&forked.head().await?).await?;
    assert_diff(&before, &after, &diff);
    forked.assert_fresh(&after).await?;
    assert!(forked.receipt(&txs[1]).await?.success && txs[1].value() == U256::from(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_websocket_shared_with_others() -> Result<()> {
    let chain = Chain::start().await?;
    let actors = actors(&chain).await?;
    let socket = alloy::providers::ProviderBuilder::new()
        .disable_recommended_fillers()
        .network::<alloy::network::AnyNetwork>()
        .connect_ws(alloy::providers::WsConnect::new(chain.anvil.ws_endpoint()))
        .await?
        .erased();
    let fork = Fork::start(&socket, chain.head().await?, ForkOptions::default())?;
    // Both clients of the connection ask at the same time, and each gets its own answers.
    let others = async {
        for _ in 0..50 {
            assert_eq!(socket.get_chain_id().await?, crate::chain::CHAIN_ID);
        }
        eyre::Ok(())
    };
    let (_, prefetched) = tokio::try_join!(others, async { Ok(fork.prefetch(&actors.watched).await?) }).map(|pair| ((), pair.1))?;
    let () = prefetched;
    chain.send_and_mine(&[chain.sign(1, TxKind::Call(actors.worker), 3, code::words(&[4, 1]))]).await?;
    fork.roll(&chain.head().await?).await?;
    chain.assert_fresh(&fork.view()).await?;
    assert!(connect(&chain.anvil.endpoint())?.get_block_number().await? > 0);
    Ok(())
}
