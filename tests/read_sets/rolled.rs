//! Real transactions change the chain, the fork rolls, and the diff says which values are stale.

use crate::world::{Feed, HEARTBEAT, Inquirer, Proxy, Read, Value, Weth, World};
use alloy::primitives::{I256, U256};
use harrier::fork::{TargetBlock, View};
use std::collections::BTreeSet;

/// Values as they are before something happens, with a block that stays the same, so that only state can change them.
struct Before {
    values: Vec<Value>,
    read: Vec<Read>,
    block: TargetBlock,
}

impl Before {
    fn new(world: &World) -> Self {
        Self::at(world, world.block())
    }

    fn at(world: &World, block: TargetBlock) -> Self {
        let view = world.fork.view();
        tokio::task::block_in_place(|| {
            let values = world.values(&view);
            let read = values.iter().map(|value| value.read(&view, &block)).collect();
            Self { values, read, block }
        })
    }

    /// Follows the chain; exactly the named values are stale, all others are as before. Gives which of the stale ones are different.
    async fn expect(self, world: &World, what: &str, stale: &[&'static str]) -> BTreeSet<&'static str> {
        let diff = world.follow().await;
        let view: View = world.fork.view();
        let stale: BTreeSet<&str> = stale.iter().copied().collect();
        tokio::task::block_in_place(|| {
            let mut different = BTreeSet::new();
            for (value, Read { outcome, reads }) in self.values.iter().zip(&self.read) {
                assert_eq!(reads.is_stale_after(&diff), stale.contains(value.name), "{what}: {}", value.name);
                let after = value.read(&view, &self.block);
                if stale.contains(value.name) {
                    if after.outcome != *outcome {
                        different.insert(value.name);
                    }
                } else {
                    assert_eq!(after.outcome, *outcome, "{what}: {} changed unseen", value.name);
                    assert_eq!(after.reads, *reads, "{what}: {}", value.name);
                }
            }
            different
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_makes_stale_what_it_touches() {
    let world = World::start().await;
    world.widen().await;
    let supplies = ["supply", "asked supply", "supply asked twice", "supply and revert"];

    // Ether is wrapped: the contract's balance grows, and a balance of somebody else.
    let before = Before::new(&world);
    world.act(world.weth, Weth::depositCall {}, 1_000).await;
    assert_eq!(before.expect(&world, "deposit", &supplies).await, supplies.into());

    // A transfer to the pool behind its back moves no price and no supply.
    let before = Before::new(&world);
    world.act(world.weth, Weth::transferCall { to: world.pool, amount: U256::from(5) }, 0).await;
    assert_eq!(before.expect(&world, "transfer", &["weth of the pool"]).await, ["weth of the pool"].into());

    // A swap moves spot and average.
    let before = Before::new(&world);
    world.act(world.swapper, world.swap(2_000_000_000_000_000_000), 0).await;
    let moved = ["weth of the pool", "spot", "twap"];
    assert_eq!(before.expect(&world, "swap", &moved).await, moved.into());

    // A round of the feed.
    let before = Before::new(&world);
    let round = ["round", "price", "dated price", "price by proxy"];
    world.act(world.feed("ETH/USD"), Feed::transmitCall { answer: I256::try_from(240_000_000_000_i64).unwrap() }, 0).await;
    assert_eq!(before.expect(&world, "round", &round).await, round.into());

    // The same answer in a new round: stale, and at the same price. Who shows the round is different, and so is the block's.
    let before = Before::new(&world);
    world.act(world.feed("ETH/USD"), Feed::transmitCall { answer: I256::try_from(240_000_000_000_i64).unwrap() }, 0).await;
    assert_eq!(before.expect(&world, "same answer", &round).await, ["round"].into());

    // One feed of two that three oracles read.
    let before = Before::new(&world);
    world.act(world.feed("USDC/USD"), Feed::transmitCall { answer: I256::try_from(99_000_000).unwrap() }, 0).await;
    let both = before.expect(&world, "dollar", &["price", "other price", "price by proxy"]).await;
    assert_eq!(both, ["price", "other price", "price by proxy"].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reverting_oracle_comes_back() {
    let world = World::start().await;
    let stopped = ["stopped price", "asked stopped price"];
    let before = Before::new(&world);
    assert!(before.values.iter().zip(&before.read).any(|(value, read)| value.name == "stopped price" && !read.outcome.success));
    world.act(world.feed("STAKE/USD"), Feed::setStoppedCall { stopped: false }, 0).await;
    assert_eq!(before.expect(&world, "going on", &stopped).await, stopped.into());
    // It answers now.
    let now = Before::new(&world);
    assert!(now.values.iter().zip(&now.read).any(|(value, read)| value.name == "stopped price" && read.outcome.success));
    world.act(world.feed("STAKE/USD"), Feed::setStoppedCall { stopped: true }, 0).await;
    assert_eq!(now.expect(&world, "stopping", &stopped).await, stopped.into());

    // An oracle that waits for a fresh answer: asked for a late block it reverts, and a round brings it back.
    let block = world.block();
    let late = Before::at(&world, TargetBlock { timestamp: block.timestamp + HEARTBEAT, ..block });
    let dated = |before: &Before| before.values.iter().zip(&before.read).find(|(value, _)| value.name == "dated price").map(|(_, read)| read.outcome.success);
    assert_eq!(dated(&late), Some(false));
    let at = late.block.clone();
    world.act(world.feed("ETH/USD"), Feed::transmitCall { answer: I256::try_from(250_000_000_000_i64).unwrap() }, 0).await;
    let round = ["round", "price", "dated price", "price by proxy"];
    assert!(late.expect(&world, "a round at last", &round).await.contains("dated price"));
    assert_eq!(dated(&Before::at(&world, at)), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_appear_and_code_that_changes() {
    let world = World::start().await;
    world.widen().await;

    // A wei for an account that was absent: its hash is another, and paying it costs less.
    let before = Before::new(&world);
    world.pay(world.absent, 1).await;
    let paid = ["absent hash", "absent balance", "payment"];
    assert_eq!(before.expect(&world, "a wei", &paid).await, paid.into());

    // A creation: the creator's nonce, and the code at a place that had none.
    let before = Before::new(&world);
    world.act(world.inquirer, Inquirer::createCall {}, 0).await;
    let created = ["creation", "size of a place"];
    assert_eq!(before.expect(&world, "a creation", &created).await, created.into());

    // A slot of the implementation is not one of the proxy, nor of the account that delegates.
    let before = Before::new(&world);
    world.act(world.inquirer, Inquirer::setNoteCall { note: U256::from(6) }, 0).await;
    assert_eq!(before.expect(&world, "a note", &["note"]).await, ["note"].into());
    let before = Before::new(&world);
    world.act(world.proxy, Inquirer::setNoteCall { note: U256::from(7) }, 0).await;
    assert_eq!(before.expect(&world, "a note by proxy", &["proxied note"]).await, ["proxied note"].into());
    let before = Before::new(&world);
    world.act(world.delegated.address(), Inquirer::setNoteCall { note: U256::from(8) }, 0).await;
    let delegated = ["delegated note", "asked delegated note"];
    assert_eq!(before.expect(&world, "a delegated note", &delegated).await, delegated.into());

    // Other code behind the proxy.
    let before = Before::new(&world);
    world.act(world.proxy, Proxy::upgradeToCall { implementation: world.other_inquirer }, 0).await;
    let behind = ["proxied note", "price by proxy"];
    // The same code at another address: stale, and the same answer.
    assert_eq!(before.expect(&world, "an upgrade", &behind).await, BTreeSet::new());

    // Other code behind the account, then none.
    let with_hash = ["delegated hash", "delegated note", "asked delegated note"];
    let before = Before::new(&world);
    world.delegate(world.weth).await;
    assert_eq!(before.expect(&world, "another delegation", &with_hash).await, with_hash.into());
    let before = Before::new(&world);
    world.delegate(alloy::primitives::Address::ZERO).await;
    assert_eq!(before.expect(&world, "no delegation", &with_hash).await, with_hash.into());
}
