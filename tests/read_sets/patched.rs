//! Every known facet is changed by a patch, one at a time.

use crate::world::{HEARTBEAT, Read, World, is_absent};
use alloy::primitives::{Address, Bytes, U256};
use harrier::fork::{EnvWord, Facet, Layer, TargetBlock, View};
use std::{collections::BTreeMap, sync::Arc};

/// Layers that give one facet another value; none for a nonce and for the environment, which no patch can set.
fn patches(view: &View, facet: &Facet) -> Vec<Layer> {
    let old = view.facet(facet).unwrap().unwrap_or_default();
    let numbers = |values: [U256; 3]| values.into_iter().filter(move |value| *value != old);
    match *facet {
        Facet::Slot(address, slot) => {
            numbers([U256::ZERO, !old, old.wrapping_add(U256::ONE)]).map(|value| Layer::patch_slots(&[(address, slot, value)])).collect()
        }
        Facet::Balance(address) => {
            numbers([U256::ZERO, old + U256::from(77), old + U256::ONE]).map(|value| Layer::patch(address, None, Some(value), &[])).collect()
        }
        Facet::Code(address) => [Bytes::new(), Bytes::from_static(&[0x5f, 0x5f, 0xfd])]
            .into_iter()
            .filter(|code| view.code(address).unwrap() != *code)
            .map(|code| Layer::patch(address, Some(code), None, &[]))
            .collect(),
        Facet::Nonce(_) | Facet::Env(_) => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facet_of_the_set_makes_the_value_stale_and_no_other_matters() {
    let world = World::start().await;
    let (view, block) = (world.fork.view(), world.block());
    world.widen().await;
    tokio::task::block_in_place(|| {
        let values = world.values(&view);
        let read: Vec<Read> = values.iter().map(|value| value.read(&view, &block)).collect();
        assert!(is_absent(&view, world.absent));
        let all: Vec<Facet> = view.generation().known().facets().collect();
        assert!(all.len() > 400, "{} facets", all.len());
        let (mut outside, mut mattered) = (0_usize, 0_usize);
        let mut idle = BTreeMap::<&str, Vec<Facet>>::new();
        for facet in &all {
            let patched: Vec<_> = patches(&view, facet)
                .into_iter()
                .map(|layer| {
                    let diff = view.diff(&layer).unwrap();
                    assert_eq!(diff.iter().map(|change| change.facet).collect::<Vec<_>>(), vec![*facet]);
                    (diff, view.with_layer(Arc::new(layer)))
                })
                .collect();
            for (value, Read { outcome, reads }) in values.iter().zip(&read) {
                let mut matters = false;
                for (diff, changed) in &patched {
                    assert_eq!(reads.is_stale_after(diff), reads.contains(facet));
                    let after = value.outcome(changed, &block);
                    if reads.contains(facet) {
                        matters |= after != *outcome;
                    } else {
                        outside += 1;
                        // Gas is compared as well.
                        assert_eq!(after, *outcome, "{}: {facet:?} changes it unseen", value.name);
                    }
                }
                if reads.contains(facet) && !patched.is_empty() {
                    if matters {
                        mattered += 1;
                    } else {
                        idle.entry(value.name).or_default().push(*facet);
                    }
                }
            }
        }
        // Nothing is in a set for nothing.
        assert!(idle.is_empty(), "{idle:#?}");
        assert!(outside > 20_000 && mattered > 80, "{outside} outside, {mattered} inside");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sets_are_exact() {
    let world = World::start().await;
    let (view, block) = (world.fork.view(), world.block());
    tokio::task::block_in_place(|| {
        let values = world.values(&view);
        let set = |name: &str| values.iter().find(|value| value.name == name).unwrap().read(&view, &block);
        let facets = |name: &str| {
            let mut facets = set(name).reads.iter().copied().collect::<Vec<_>>();
            facets.sort();
            facets
        };
        let sorted = |mut facets: Vec<Facet>| {
            facets.sort();
            facets
        };
        let (inquirer, weth, absent, delegated) = (world.inquirer, world.weth, world.absent, world.delegated.address());
        let own = Facet::Code(inquirer);
        let everything = |address: Address| [Facet::Balance(address), Facet::Code(address), Facet::Nonce(address)];

        // No SLOAD: the supply of wrapped ether is a balance.
        assert_eq!(facets("supply"), sorted(vec![Facet::Code(weth), Facet::Balance(weth)]));
        let asked = sorted(vec![own, Facet::Code(weth), Facet::Balance(weth)]);
        // The same by a call in a call, by two of them in one journal, and when everything is reverted.
        for name in ["asked supply", "supply asked twice", "supply and revert"] {
            assert_eq!(facets(name), asked, "{name}");
        }
        assert!(!set("supply and revert").outcome.success);
        for name in ["code size", "code start", "code hash"] {
            assert_eq!(facets(name), sorted(vec![own, Facet::Code(weth)]), "{name}");
        }
        assert_eq!(facets("absent hash"), sorted([everything(absent).as_slice(), &[own]].concat()));
        assert_eq!(facets("absent balance"), sorted(vec![own, Facet::Balance(absent)]));
        assert_eq!(facets("delegated hash"), sorted(vec![own, Facet::Code(delegated)]));
        // The account's own slot, by the delegate's code.
        let note = Facet::Slot(delegated, U256::ZERO);
        assert_eq!(facets("delegated note"), sorted(vec![own, Facet::Code(delegated), note]));
        assert_eq!(facets("asked delegated note"), sorted(vec![own, Facet::Code(delegated), note]));
        let implementation = Facet::Slot(world.proxy, "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc".parse().unwrap());
        assert_eq!(facets("proxied note"), sorted(vec![own, Facet::Code(world.proxy), implementation, Facet::Slot(world.proxy, U256::ZERO)]));
        let by_proxy = [facets("price"), vec![own, Facet::Code(world.proxy), implementation]].concat();
        assert_eq!(facets("price by proxy"), sorted(by_proxy));
        // A precompile and transient storage are no facets.
        assert_eq!(facets("digest"), vec![own]);
        assert_eq!(facets("transient"), vec![own]);
        for name in ["parent", "older ancestor"] {
            assert_eq!(facets(name), sorted(vec![own, Facet::Env(EnvWord::Number), Facet::Env(EnvWord::BlockHash)]), "{name}");
        }
        let place = world.next_place(&view);
        assert_eq!(facets("creation"), sorted(vec![own, Facet::Nonce(inquirer), Facet::Code(place), Facet::Nonce(place)]));
        assert_eq!(facets("payment"), sorted([everything(absent).as_slice(), &[own, Facet::Balance(inquirer)]].concat()));
        // Which values have to be read again for every block.
        for value in &values {
            let dated = ["twap", "dated price", "parent", "older ancestor"].contains(&value.name);
            assert_eq!(value.read(&view, &block).reads.reads_environment(), dated, "{}", value.name);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_is_the_same_whether_the_oracle_believes_its_feed_or_not() {
    let world = World::start().await;
    let (view, block) = (world.fork.view(), world.block());
    tokio::task::block_in_place(|| {
        let values = world.values(&view);
        let value = values.iter().find(|value| value.name == "dated price").unwrap();
        let late = TargetBlock { timestamp: block.timestamp + HEARTBEAT, ..block.clone() };
        let (in_time, too_late) = (value.read(&view, &block), value.read(&view, &late));
        assert!(in_time.outcome.success && !too_late.outcome.success);
        assert_eq!(in_time.reads, too_late.reads);
        let stopped = values.iter().find(|value| value.name == "stopped price").unwrap().read(&view, &block);
        let flag = stopped.reads.iter().filter(|facet| facet.address() == Some(world.feed("STAKE/USD"))).count();
        assert!(!stopped.outcome.success && flag >= 2, "{:?}", stopped.reads);
    });
}
