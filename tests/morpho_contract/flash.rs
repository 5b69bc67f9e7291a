//! Morpho's flash loan as the funding of a plan, from the engine's search to the executor's own code.

use crate::{
    alone::{self, On},
    funded::{Free, Funded},
    world::World,
};
use alloy::primitives::{Address, I256, U256};
use harrier::{
    book::Book,
    devnet::SearcherFacts,
    drivers::assemble,
    engine::Outcome,
    executor,
    fork::TxStatus,
    plan::{FlashKind, Step},
    protocols::{Funding, Protocol},
};
use std::{path::Path, sync::Arc};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_on_morphos_flash_loan_gains_what_its_own_callback_gains() {
    let world = World::start(0).await;
    world.devnet.story().borrower("alice").health(1_030_000_000_000_000_000).open().await.unwrap();
    world.devnet.story().borrower("bob").market("stake-weth").health(1_030_000_000_000_000_000).open().await.unwrap();
    let first = |feed: &str| i128::try_from(world.devnet.contracts().feed(feed).unwrap().first_answer).unwrap();
    for feed in ["ETH/USD", "STAKE/ETH"] {
        world.devnet.price_mined(feed, I256::try_from(first(feed) / 100 * 96).unwrap()).await.unwrap();
    }
    let world = World::on(world.devnet);
    let receiver = Address::repeat_byte(0x77);
    let (config, _) = world.devnet.searcher(&SearcherFacts { executor: None, receiver, ledger: Path::new("unused.sqlite") }, &[]).unwrap();
    assert_eq!(config.flash.morpho_blue, Some(world.contract()), "the devnet's searcher may borrow there");

    let mut outcomes: Vec<Outcome> = Vec::new();
    const WAYS: [&[Funding]; 2] = [&[Funding::Inside], &[Funding::Outside]];
    for funding in WAYS {
        let protocol: Arc<dyn Protocol> = Arc::new(Funded(Arc::clone(&world.morpho) as Arc<dyn Protocol>, funding));
        let mut book = Book::new(vec![Arc::clone(&protocol)]);
        let mut discoverer = protocol.discoverer();
        for (log, timestamp) in world.logs().await {
            discoverer.apply(&log, timestamp).unwrap();
        }
        discoverer.found().into_iter().for_each(|found| book.found(0, found));
        outcomes.push(tokio::task::block_in_place(|| {
            let injected = assemble::injected(&config, &[Arc::clone(&protocol)]);
            let view = injected.layers.iter().fold(world.view(), |view, layer| view.with_layer(Arc::clone(layer)));
            let block = world.block();
            assert!(book.refresh(&view, &block).failed.is_empty());
            let on = On::new(&view, &block, &book, &injected.operators);
            let outcome = alone::engine(&config, (injected.executor, injected.receiver), Arc::new(Free), &on).run(&on.work()).unwrap();
            // Once more, alone: the transaction as it stands, by the executor's code on the view.
            for batch in &outcome.batches {
                let txs: Vec<_> = batch.txs.iter().map(|simulated| simulated.tx.clone()).collect();
                let executed = view.execute(&block, &txs).unwrap();
                for (done, simulated) in executed.txs.iter().zip(&batch.txs) {
                    assert_eq!((&done.status, done.gas_used), (&TxStatus::Success, simulated.gas_used));
                    assert_eq!(executor::decode_gain(&done.output).unwrap(), simulated.gain);
                }
            }
            outcome
        }));
    }

    let [inside, outside] = outcomes.as_slice() else { panic!("two runs") };
    let taken = |outcome: &Outcome| {
        let mut taken: Vec<_> = outcome
            .batches
            .iter()
            .flat_map(|batch| &batch.candidates)
            .map(|candidate| (candidate.opportunity.target.key, candidate.size, candidate.repay))
            .collect();
        taken.sort_by_key(|(key, ..)| *key);
        taken
    };
    assert_eq!(taken(inside).len(), 2, "{:?}", inside.refusals);
    assert_eq!(taken(inside), taken(outside), "{:?}", outside.refusals);
    let sum = |outcome: &Outcome| -> (U256, u64) {
        let txs = || outcome.batches.iter().flat_map(|batch| &batch.txs);
        (txs().map(|tx| tx.gain).sum(), txs().map(|tx| tx.gas_used).sum())
    };
    let ((inside_gain, inside_gas), (outside_gain, outside_gas)) = (sum(inside), sum(outside));
    assert_eq!(inside_gain, outside_gain, "the loan is free");
    assert!(inside_gas < outside_gas && outside_gas < inside_gas + 2 * 100_000, "{inside_gas} {outside_gas}");
    let steps: Vec<&Step> = outside.batches.iter().flat_map(|batch| &batch.txs).flat_map(|tx| &tx.plan.steps).collect();
    let loans: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::FlashLoan { kind: FlashKind::Morpho, lender, inside, .. } => Some((*lender, inside)),
            _ => None,
        })
        .collect();
    assert_eq!(loans.len(), 2);
    for (lender, inside) in loans {
        assert_eq!(lender, world.contract());
        assert!(inside.iter().any(|step| matches!(step, Step::Liquidate(one) if one.inside.is_empty())), "the action stands inside the loan");
    }
}
