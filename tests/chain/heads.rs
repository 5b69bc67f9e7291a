//! Continuity: whatever the node does, the events build exactly its chain.

use crate::support::{Chain, Front, Wire, node_at, node_config, soon, until};
use harrier::{
    chain::{HeadEvent, HeadStream, Node},
    config::Environment,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// A chain built from events only; every event must fit what was there.
#[derive(Default)]
struct Model {
    blocks: Vec<(u64, String)>,
    reorgs: usize,
    resets: usize,
    filled: usize,
}

impl Model {
    fn apply(&mut self, event: &HeadEvent) {
        let entry = |head: &harrier::chain::Head| (head.number, format!("{:#x}", head.hash));
        match event {
            HeadEvent::Reset { head } => {
                self.resets += 1;
                self.blocks = vec![entry(head)];
            }
            HeadEvent::New { head, gap_filled } => {
                let (number, hash) = self.blocks.last().unwrap();
                assert_eq!((head.number, format!("{:#x}", head.parent_hash)), (number + 1, hash.clone()), "a hole");
                self.filled += usize::from(*gap_filled);
                self.blocks.push(entry(head));
            }
            HeadEvent::Reorg { common_ancestor, dropped, added } => {
                self.reorgs += 1;
                for head in dropped {
                    assert_eq!(self.blocks.pop(), Some(entry(head)));
                }
                assert_eq!(self.blocks.last(), Some(&entry(common_ancestor)));
                let mut parent = common_ancestor.hash;
                for head in added {
                    assert_eq!(head.parent_hash, parent);
                    parent = head.hash;
                    self.blocks.push(entry(head));
                }
            }
        }
    }

    /// Takes events until the model ends where the node does.
    async fn follow(&mut self, heads: &mut HeadStream, chain: &Chain) {
        let target = chain.last_blocks(1).await.remove(0);
        while self.blocks.last() != Some(&target) {
            let event = soon("the next head event", heads.next()).await.unwrap().unwrap();
            self.apply(&event);
        }
        let length = u64::try_from(self.blocks.len()).unwrap();
        assert_eq!(self.blocks, chain.last_blocks(length).await, "the model is not the node's chain");
    }
}

#[tokio::test]
async fn heads_are_pushed_one_by_one() {
    let chain = Chain::manual();
    let node = node_at(chain.address(), 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    let mut model = Model::default();
    model.follow(&mut heads, &chain).await;
    for blocks in [1, 1, 40, 1] {
        chain.mine(blocks).await;
        model.follow(&mut heads, &chain).await;
    }
    assert_eq!((model.resets, model.reorgs, model.blocks.len()), (1, 0, 44));
    let counts = node.counters().counts();
    assert_eq!((counts.heads, counts.reorgs, counts.reconnects), (44, 0, 0));
}

#[tokio::test]
async fn heads_are_polled_where_there_is_no_websocket() {
    let chain = Chain::manual();
    let config = node_config(Some(chain.anvil.endpoint()), None);
    let node = Arc::new(Node::connect(&config, 31_337, &Environment::default()).await.unwrap());
    let mut heads = HeadStream::start(node);
    let mut model = Model::default();
    model.follow(&mut heads, &chain).await;
    chain.mine(9).await;
    model.follow(&mut heads, &chain).await;
    chain.ask("anvil_reorg", serde_json::json!([3, []])).await;
    model.follow(&mut heads, &chain).await;
    assert_eq!((model.resets, model.reorgs), (1, 1));
}

#[tokio::test]
async fn a_gap_after_a_cut_connection_is_filled() {
    let chain = Chain::manual();
    let wire = Wire::before(chain.address()).await;
    let node = node_at(wire.address(), 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    let mut model = Model::default();
    model.follow(&mut heads, &chain).await;
    chain.mine(3).await;
    model.follow(&mut heads, &chain).await;

    wire.close().await;
    chain.mine(20).await;
    wire.set_open(true);
    model.follow(&mut heads, &chain).await;
    assert!(model.filled >= 20, "{} filled", model.filled);
    assert_eq!((model.resets, model.reorgs), (1, 0));
    assert!(node.counters().counts().reconnects >= 1);

    // Longer than what is remembered: nothing is pretended.
    wire.close().await;
    chain.mine(100).await;
    wire.set_open(true);
    model.follow(&mut heads, &chain).await;
    assert_eq!(model.resets, 2);
    assert_eq!(node.counters().counts().resets, 1);
}

#[tokio::test]
async fn a_gap_after_a_killed_and_restarted_node_is_filled() {
    // The node that is killed is a fork of another chain, so that it comes back with blocks that were made while it was dead.
    let behind = Chain::manual();
    behind.mine(5).await;
    let fork = |port: Option<u16>| {
        let url = behind.anvil.endpoint();
        Chain::start(|anvil| {
            let anvil = anvil.fork(url).arg("--no-mining").arg("--no-storage-caching");
            if let Some(port) = port { anvil.port(port) } else { anvil }
        })
    };
    let mut killed = fork(None);
    let port = killed.anvil.port();
    let node = node_at(killed.address(), 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    let mut model = Model::default();
    model.follow(&mut heads, &killed).await;

    killed.anvil.child_mut().kill().unwrap();
    killed.anvil.child_mut().wait().unwrap();
    drop(killed);
    behind.mine(7).await;
    let restarted = fork(Some(port));
    model.follow(&mut heads, &restarted).await;
    restarted.mine(2).await;
    model.follow(&mut heads, &restarted).await;
    assert_eq!((model.resets, model.reorgs), (1, 0));
    assert!(model.filled >= 7);
}

#[tokio::test]
async fn a_reorg_names_what_was_dropped_and_what_came() {
    let chain = Chain::manual();
    let node = node_at(chain.address(), 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    let mut model = Model::default();
    chain.mine(10).await;
    model.follow(&mut heads, &chain).await;
    chain.ask("anvil_mine", serde_json::json!([5])).await;
    model.follow(&mut heads, &chain).await;
    let before = model.blocks.clone();
    chain.ask("anvil_reorg", serde_json::json!([4, []])).await;
    model.follow(&mut heads, &chain).await;
    assert!(model.reorgs >= 1);
    assert_eq!(model.resets, 1);
    assert_eq!(model.blocks.len(), before.len());
    let kept = model.blocks.iter().zip(&before).take_while(|(now, then)| now == then).count();
    assert_eq!(kept, before.len() - 4);
}

#[tokio::test]
async fn a_silent_rollback_is_noticed() {
    let chain = Chain::manual();
    let node = node_at(chain.address(), 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    let mut model = Model::default();
    // A first block, so that the window reaches below the rollback.
    model.follow(&mut heads, &chain).await;
    chain.mine(6).await;
    model.follow(&mut heads, &chain).await;
    // The node announces nothing; asking for the newest head is what tells.
    chain.ask("anvil_rollback", serde_json::json!([3])).await;
    model.follow(&mut heads, &chain).await;
    assert_eq!((model.reorgs, model.resets), (1, 1));
    // A rollback with a block on top of it: the next head has a lower number and another parent.
    chain.mine(3).await;
    model.follow(&mut heads, &chain).await;
    chain.ask("anvil_rollback", serde_json::json!([2])).await;
    chain.ask("evm_increaseTime", serde_json::json!([1_000])).await;
    chain.mine(1).await;
    model.follow(&mut heads, &chain).await;
    assert!(model.reorgs >= 2);
    assert_eq!(model.resets, 1);
}

#[tokio::test]
async fn a_node_that_lags_behind_resets_no_young_window() {
    let chain = Chain::manual();
    chain.mine(10).await;
    let lagging = Arc::new(AtomicBool::new(false));
    let (lags, late) = (Arc::clone(&lagging), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&late);
    let behind = chain.ask("eth_getBlockByNumber", serde_json::json!(["0x7", false])).await;
    let front = Front::before(
        &chain,
        move |method, params| {
            if method != "eth_getBlockByNumber" || params[0] != "latest" || !lags.load(Ordering::SeqCst) {
                return None;
            }
            count.fetch_add(1, Ordering::SeqCst);
            Some(serde_json::json!({ "result": behind }))
        },
        |_| Vec::new(),
    )
    .await;
    let node = node_at(front.address, 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    let first = soon("the first head", heads.next()).await.unwrap().unwrap();
    assert!(matches!(&first, HeadEvent::Reset { head } if head.number == 10), "{first:?}");
    // Behind a balancer one node lags: it is asked for the newest head time and again, and its own tip is still there.
    lagging.store(true, Ordering::SeqCst);
    until("late answers", || late.load(Ordering::SeqCst) >= 4).await;
    lagging.store(false, Ordering::SeqCst);
    chain.mine(1).await;
    let next = soon("the next head", heads.next()).await.unwrap().unwrap();
    assert!(matches!(&next, HeadEvent::New { head, .. } if head.number == 11), "{next:?}");
    assert_eq!(node.counters().counts().resets, 0);
}
