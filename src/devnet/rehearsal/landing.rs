//! What of the searcher's landed in a block, by its receipts and by its ledger.

use super::{RehearsalError, set::Act};
use crate::{
    devnet::{BlockReport, Receipt},
    drivers::{Decided, searcher::Event},
    engine::Outcome as Found,
    ledger::{InputName, Outcome},
    plan::{SkipReason, Trigger},
};
use alloy::{
    primitives::{Address, B256, I256, U256},
    sol_types::SolEvent,
};

/// The searcher's part of a block.
#[derive(Debug)]
pub(super) struct Landing {
    /// The block.
    pub(super) block: u64,
    /// Receipts of its transactions, in order.
    pub(super) receipts: Vec<Receipt>,
    /// Realised profit in wei.
    pub(super) profit: I256,
    /// Bundles.
    pub(super) bundles: usize,
    /// Whether each bundle brought what was predicted, to the wei.
    pub(super) exact: bool,
    /// Whether something else than was simulated stood in front of each bundle, which its profit may differ for.
    pub(super) explained: bool,
    /// Whether the first transaction stands right behind the bundle's trigger, which a head has not.
    pub(super) right_behind: bool,
}

impl Act {
    /// Builds the next block and looks at what landed in it.
    pub(super) async fn block(&mut self) -> Result<(BlockReport, Landing), RehearsalError> {
        let report = self.troupe.block(&self.stage.devnet).await?;
        let receipts = self.stage.devnet.node().newest_receipts().await.map_err(crate::devnet::DevnetError::from)?;
        let ours: Vec<Receipt> = receipts.into_iter().filter(|receipt| receipt.to == Some(self.stage.executor)).collect();
        let in_block = |end: &&Decided| matches!(&end.outcome, Outcome::Landed(realised) if realised.block == report.head.number);
        let ends: Vec<&Decided> = self.troupe.decided.iter().filter(in_block).collect();
        let realised = |end: &Decided| match &end.outcome {
            Outcome::Landed(realised) => realised.profit_wei,
            _ => I256::ZERO,
        };
        let landing = Landing {
            block: report.head.number,
            profit: ends.iter().fold(I256::ZERO, |sum, end| sum.saturating_add(realised(end))),
            bundles: ends.len(),
            exact: !ends.is_empty() && ends.iter().all(|end| realised(end) == end.predicted_wei),
            explained: !ends.is_empty() && ends.iter().all(|end| end.explanation.and_then(|why| why.differing_input) == Some(InputName::TransactionsInFront)),
            right_behind: !ends.is_empty() && ends.iter().all(|end| is_right_behind(&report, &ours, end)),
            receipts: ours,
        };
        Ok((report, landing))
    }

    /// What our bundles that landed in this block paid to its builder, in wei, without tips.
    pub(super) fn builder_payments(&self, landing: &Landing) -> U256 {
        let in_block = |end: &&Decided| matches!(&end.outcome, Outcome::Landed(realised) if realised.block == landing.block);
        let txs = self.troupe.decided.iter().filter(in_block).filter_map(|end| end.batch.as_ref()).flat_map(|batch| &batch.txs);
        txs.fold(U256::ZERO, |sum, tx| sum.saturating_add(tx.plan.builder_payment))
    }

    /// Waits until a pending transaction was run.
    pub(super) async fn run(&mut self, hash: B256) -> Result<std::sync::Arc<Found>, RehearsalError> {
        self.troupe.pending(hash).await?.map_err(|why| RehearsalError::Scene(format!("{hash} was ignored: {}", why.name())))
    }

    /// The newest reason that was given for a market as a whole or for something in it.
    pub(super) fn reason(&self, market: Address) -> Option<SkipReason> {
        self.troupe.happened.iter().rev().find_map(|event| match event {
            Event::Trigger { outcome, .. } => {
                let refusal = outcome.refusals.iter().find(|refusal| refusal.market.1.0 == market.into_word())?;
                Some(refusal.skip.reason)
            }
            _ => None,
        })
    }

    /// All that was refused at the last trigger, for a person who reads a failure.
    pub(super) fn refusals(&self) -> String {
        let last = self.troupe.happened.iter().rev().find_map(|event| match event {
            Event::Trigger { outcome, .. } if !outcome.refusals.is_empty() => Some(outcome),
            _ => None,
        });
        let refusals = last.into_iter().flat_map(|outcome| &outcome.refusals);
        let told: Vec<String> =
            refusals.map(|refusal| format!("{}: {}", refusal.target.as_ref().map_or_else(|| "market".to_owned(), ToString::to_string), refusal.skip)).collect();
        if told.is_empty() { "nothing was refused".to_owned() } else { told.join("; ") }
    }
}

/// Whether our first transaction of a bundle follows its trigger.
fn is_right_behind(report: &BlockReport, ours: &[Receipt], end: &Decided) -> bool {
    let Some(Trigger::Pending { hash }) = end.trigger else { return true };
    let place = report.txs.iter().position(|tx| *tx == hash);
    let next = place.and_then(|place| report.txs.get(place.saturating_add(1)));
    next.is_some_and(|next| ours.iter().any(|receipt| receipt.transaction_hash == *next))
}

impl Landing {
    /// The events of one kind in our transactions, in order.
    pub(super) fn told<E: SolEvent>(&self) -> Vec<E> {
        self.receipts.iter().flat_map(|receipt| events(receipt)).collect()
    }

    /// What landed, in words.
    pub(super) fn words(&self) -> String {
        if self.bundles == 0 {
            return format!("nothing landed in block {}", self.block);
        }
        let exact = match (self.exact, self.explained) {
            (true, _) => "as predicted",
            (false, true) => "with others in front than were simulated",
            (false, false) => "not as predicted",
        };
        let counted = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let (txs, bundles) = (counted(self.receipts.len(), "transaction"), counted(self.bundles, "bundle"));
        format!("{txs} in {bundles} in block {}, profit {} wei {exact}", self.block, self.profit)
    }
}

/// The events of one kind in a receipt.
pub(super) fn events<E: SolEvent>(receipt: &Receipt) -> Vec<E> {
    receipt.logs.iter().filter_map(|log| E::decode_log(&log.inner).ok()).map(|log| log.data).collect()
}
