//! The recorded mempool: every known price update is recognised by the read set of its aggregator, and nothing else is.

use crate::{blocks, recorded};
use harrier::drivers::replay::{pending, watch};

#[test]
fn every_price_update_is_recognised_and_nothing_else() {
    let Some(recorded) = recorded() else { return };
    let updates = recorded.oracle_updates().unwrap();
    assert_eq!(updates.len(), 10);
    let mut found = 0;
    for block in blocks() {
        let number = block.block.target.number;
        let mut expected: Vec<_> = updates.iter().filter(|update| update.block == number).map(|update| (update.tx_index, update.aggregator)).collect();
        let mut feeds: Vec<_> = expected.iter().map(|(_, feed)| *feed).collect();
        feeds.sort_unstable();
        feeds.dedup();
        let watched: Vec<_> = feeds.iter().map(|feed| watch(&block, *feed)).collect();
        let whole = harrier::fork::View::new(block.generation.clone()).execute_block(&block.block).unwrap();
        let mut recognised = Vec::new();
        let recipient = block.block.target.fee_recipient;
        pending(&block, &watched, |pending| {
            let diff = pending.changes.unwrap_or_else(|reason| panic!("block {number}, transaction {}: {reason}", pending.index));
            recognised.extend(pending.updates.iter().map(|feed| (pending.index, *feed)));
            // As pending it would change what it changed; only the fee recipient is assumed.
            let ours: Vec<_> = diff.iter().filter(|change| change.facet.address() != Some(recipient)).map(|change| change.facet).collect();
            let mined: Vec<_> = whole.txs[pending.index].changes.iter().filter(|change| change.facet.address() != Some(recipient)).collect();
            assert!(mined.iter().all(|change| ours.contains(&change.facet)) && mined.len() == ours.len(), "block {number}, transaction {}", pending.index);
        })
        .unwrap();
        expected.sort_unstable();
        recognised.sort_unstable();
        assert_eq!(recognised, expected, "block {number}");
        found += expected.len();
    }
    assert_eq!(found, 10);
}
