//! Going to a head: what it opens, what waited for it, and another try where it could not be followed.
//!
//! ```text
//! head ─▶ session moves ─▶ the one before is told ─▶ bundles decided ─▶ head trigger, then chores ─▶ accounts of those who wait ─▶ tried again ─▶ told
//!           └─ fails: tried again after a pause, or the next head                                    └─ beside the loop, asked for before chores
//! ```

use super::{Ran, SearchError, Searcher, Sink, event::Settling};
use crate::{
    chain::{HeadEvent, HeadStream},
    drivers::{
        dropped::Dropped,
        mempool::{Hope, Interest},
        session::HeadReport,
    },
    fork::AccountState,
};
use alloy::primitives::{Address, B256, map::HashMap};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

/// The pause before a head that could not be followed is tried again.
const RETRY_HEAD: Duration = Duration::from_millis(250);

/// A head that could not be followed.
#[derive(Debug)]
pub(super) struct Retry {
    event: HeadEvent,
    /// When it is tried again.
    at: Instant,
}

impl<S: Sink> Searcher<S> {
    /// Goes to a head and runs what it opens.
    pub(super) async fn head(&mut self, event: HeadEvent, heads: &mut HeadStream) -> Result<(), SearchError> {
        self.retry = None;
        let head = Arc::clone(event.head());
        let moved = match &event {
            HeadEvent::New { .. } if head.parent_hash == self.session.head().hash => self.session.advance(&head).await,
            _ if head.hash == self.session.head().hash && !self.session.is_behind() => Ok(HeadReport::default()),
            _ => self.session.jump(&head).await,
        };
        let report = match moved {
            Ok(report) => report,
            Err(error) if error.is_passing() => {
                // The next head is another chance; nothing is believed in the meantime.
                tracing::error!(%error, head = head.number, "a head could not be followed yet");
                self.retry = Some(Retry { event, at: Instant::now() + RETRY_HEAD });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.head_at = std::time::Instant::now();
        if let Some(overtaken) = self.settling.take() {
            self.tell_head(overtaken);
        }
        self.mempool.teach(report.writers.iter().copied());
        self.carry_over();
        self.sink.head(&self.session).await?;
        self.settling = Some(Settling::new(head.number, head.hash, report));
        let ran = self.run(self.head_trigger(), Arc::default(), None, heads).await?;
        if !matches!(ran, Ran::Cancelled) {
            // Only now, and beside the loop: nobody who waits in the mempool holds up what the head itself opens.
            let waiting = self.mempool.waiting_senders(self.session.target_block().base_fee);
            self.accounts.spawn(self.session.accounts(waiting));
        }
        match ran {
            Ran::Done(outcome) => self.keep(outcome, heads).await,
            Ran::Cancelled | Ran::Failed => Ok(()),
        }
    }

    /// What was queued or made ready at the head before waits for its place in the new head's budget; of samples others will come.
    fn carry_over(&mut self) {
        self.accounts = JoinSet::new();
        for trigger in self.triggers.head() {
            self.mempool.wait(&trigger.tx, if trigger.writes { Hope::Writes } else { Hope::MayWrite });
        }
        for (tx, interest) in self.readying.take_back() {
            match interest {
                Interest::Known => self.mempool.wait(&tx, Hope::MayWrite),
                Interest::Sample => self.ignore(*tx.tx_hash(), Dropped::Overtaken),
            }
        }
        self.mempool.head();
    }

    /// The accounts of those who wait are there: what can stand in the target block is looked at again.
    pub(super) fn again(&mut self, accounts: &HashMap<Address, AccountState>) {
        let again = self.mempool.again(self.session.target_block().base_fee, accounts);
        if let Some(settling) = &mut self.settling {
            settling.waits_for(again.iter().map(|tx| *tx.tx_hash()));
        }
        again.into_iter().for_each(|tx| self.readying.push(tx, Interest::Known));
        self.settle();
    }

    /// Tells that a head is done once nothing is left that waited for it.
    fn settle(&mut self) {
        if let Some(settled) = self.settling.take_if(|settling| settling.is_done()) {
            self.tell_head(settled);
        }
    }

    fn tell_head(&mut self, head: Settling) {
        let pending = self.tally.report(&self.mempool);
        self.tell(head.event(pending));
    }

    /// One of the transactions that a head waits for is done.
    pub(super) fn done_with(&mut self, hash: &B256) {
        if self.settling.as_mut().is_some_and(|settling| settling.done_with(hash)) {
            self.settle();
        }
    }
}

/// The head that is tried again, as soon as it is its time: whatever else happens until then changes nothing of that. Cancel-safe.
pub(super) async fn due(retry: &mut Option<Retry>) -> HeadEvent {
    let Some(Retry { at, .. }) = retry else { return std::future::pending().await };
    // It may be awaited anew at any time, so its time is a point and no duration.
    tokio::time::sleep_until(*at).await;
    match retry.take() {
        Some(Retry { event, .. }) => event,
        None => std::future::pending().await,
    }
}

/// The accounts that were asked for; none of them if that failed. Waits for ever while none are. Cancel-safe.
pub(super) async fn arrived(accounts: &mut JoinSet<HashMap<Address, AccountState>>) -> HashMap<Address, AccountState> {
    match accounts.join_next().await {
        Some(read) => read.unwrap_or_else(|error| {
            tracing::error!(%error, "the accounts of those who wait could not be read");
            HashMap::default()
        }),
        None => std::future::pending().await,
    }
}
