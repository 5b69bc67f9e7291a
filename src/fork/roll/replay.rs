//! Rolling by executing the block here.
//!
//! ```text
//! block + a few slots at the parent, one request ─▶ execute on a state of its own ─▶ gas, receipts root, bloom as the header says?
//!                                                     known ─┤                         └▶ samples read at the new head, one request
//!                                         beside (bounded) ──┘
//! ```
//!
//! A block touches contracts that nobody here asked for. What is missing of them is read into a state that only this way uses: the
//! fork's own store does not grow by it. It is carried from block to block *beside* the store, by the same changes, so that
//! the contracts that are in every block are read once, as long as this way rolls head after head: a trial after a pause begins cold.
//! A public chain's block may miss too much or for too long, then the way gives up early and keeps nothing.

use super::{
    Changes, NewValue, Roller, TxChanges, apply,
    check::{SYSTEM, samples, settle, system_slots},
    questions::Questions,
};
use crate::{
    chain::Head,
    fork::{
        BlockExecution, ChainRules, Facet, ForkError, Generation, MinedBlock, RequestLimits, Senders, View,
        node::{MissBackend, MissThread},
        owner::account_of,
        reader::NodeReader,
        store::Store,
    },
};
use alloy::{
    consensus::Transaction,
    eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS},
    network::AnyNetwork,
    primitives::{Address, B256, KECCAK256_EMPTY, U256, map::AddressSet},
    providers::RootProvider,
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const NAME: &str = "replay";
/// Accounts and slots that one execution may read one by one: each is a round trip that the head waits for.
const MOST_MISSES: u64 = 256;
/// Accounts and slots that are carried beside the store; above this they are dropped and begin anew.
const MOST_BESIDE: usize = 50_000;
/// Length of the ring buffers in the contracts of beacon roots and block hashes.
const RING: u64 = 8191;

/// Executes blocks on their parent's state.
#[derive(Debug)]
pub(in crate::fork) struct Replayed {
    questions: Questions,
    reader: NodeReader,
    provider: RootProvider<AnyNetwork>,
    thread: Arc<MissThread>,
    rules: ChainRules,
    /// The longest that an execution goes on asking for what is missing.
    patience: Duration,
    /// What the last block needed and the fork's store does not have, as it is at the head with this hash.
    beside: Mutex<Option<(B256, Store)>>,
}

impl Replayed {
    /// With a thread that serves misses and the rules of the chain.
    pub(in crate::fork) fn new(
        provider: RootProvider<AnyNetwork>,
        limits: RequestLimits,
        reader: NodeReader,
        thread: Arc<MissThread>,
        rules: ChainRules,
        patience: Duration,
    ) -> Self {
        let questions = Questions::new(provider.clone(), limits);
        Self { questions, reader, provider, thread, rules, patience, beside: Mutex::default() }
    }

    /// A state at the parent for one execution: what is known, what is carried beside it, and a bounded number of misses.
    fn state(&self, parent: &Head, known: &Store) -> Generation {
        let backend = MissBackend::spawn(&self.thread, &self.provider, parent.hash);
        let state = Generation::new(parent.clone(), known.clone(), Some(backend)).with_bounds(MOST_MISSES, Instant::now() + self.patience);
        if let Some((at, beside)) = self.beside.lock().take()
            && at == parent.hash
        {
            // The fork may know some of it by now, and its word counts.
            state.learn(&beside.without(known));
        }
        state
    }

    /// Reads what the transactions name and the state lacks in few requests, before they would be read one by one.
    async fn prefetch(&self, state: &Generation, block: &MinedBlock) -> Result<(), ForkError> {
        let mut accounts = AddressSet::from_iter([block.target.fee_recipient]);
        accounts.extend(SYSTEM);
        accounts.extend(block.withdrawals.iter().map(|withdrawal| withdrawal.address));
        let mut slots = Vec::new();
        for tx in &block.txs {
            accounts.insert(tx.signer());
            accounts.extend(tx.to());
            for item in tx.access_list().into_iter().flat_map(|list| list.iter()) {
                accounts.insert(item.address);
                slots.extend(item.storage_keys.iter().map(|slot| (item.address, U256::from_be_bytes(slot.0))));
            }
        }
        accounts.retain(|address| state.known_account(address).is_none());
        slots.retain(|(address, slot)| state.known_slot(*address, *slot).is_none());
        slots.sort_unstable();
        slots.dedup();
        let accounts = accounts.into_iter().map(|address| (address, None)).collect::<Vec<_>>();
        let (reads, values) =
            futures::future::try_join(self.reader.accounts(block.parent_hash, &accounts), self.reader.slots(block.parent_hash, &slots)).await?;
        for ((address, _), read) in accounts.into_iter().zip(reads) {
            state.learn_account(address, account_of(read));
        }
        for ((address, slot), value) in slots.into_iter().zip(values) {
            state.learn_slot(address, slot, value);
        }
        Ok(())
    }
}

impl Roller for Replayed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn changes<'a>(&'a self, parent: &'a Arc<Generation>, known: &'a Store, head: &'a Head) -> BoxFuture<'a, Result<Changes, ForkError>> {
        Box::pin(async move {
            let state = Arc::new(self.state(parent.head(), known));
            let rings = rings(head).into_iter().filter(|(contract, slot)| {
                let empty = state.known_account(contract).is_some_and(|account| account.code_hash == KECCAK256_EMPTY);
                !empty && state.known_slot(*contract, *slot).is_none()
            });
            let rings = rings.collect::<Vec<_>>();
            let (block, values) = self.questions.block(head, &rings).await?;
            let block = MinedBlock::from_rpc(block, &self.rules, Senders::Given)?;
            if block.hash != head.hash {
                return Err(ForkError::Roll { way: NAME, reason: format!("asked for block {}, got {}", head.hash, block.hash) });
            }
            for ((contract, slot), value) in rings.into_iter().zip(values) {
                state.learn_slot(contract, slot, value);
            }
            self.prefetch(&state, &block).await?;
            let (mut changes, state) = tokio::task::spawn_blocking(move || {
                let execution = View::new(Arc::clone(&state)).execute_block(&block)?;
                execution.check(&block)?;
                Ok::<_, ForkError>((changes(&block, &execution), state))
            })
            .await
            .map_err(|error| ForkError::Evm(error.to_string()))??;
            let checked = samples(known, &changes, head).into_iter().chain(system_slots(known)).collect::<Vec<_>>();
            settle(NAME, &self.questions, known, &mut changes, (&[], &checked), head).await?;
            let beside = state.missed_without(known);
            if beside.account_count().saturating_add(beside.slot_count()) <= MOST_BESIDE {
                *self.beside.lock() = Some((head.hash, apply(&beside, &changes).0));
            }
            Ok(changes)
        })
    }
}

/// The slots of the ring buffers that the system calls of a block write: new ones with each block, so nobody knows them.
fn rings(head: &Head) -> [(Address, U256); 3] {
    let place = |number: u64| number.checked_rem(RING).unwrap_or_default();
    let time = place(head.timestamp);
    [
        (BEACON_ROOTS_ADDRESS, U256::from(time)),
        (BEACON_ROOTS_ADDRESS, U256::from(time.saturating_add(RING))),
        (HISTORY_STORAGE_ADDRESS, U256::from(place(head.number.saturating_sub(1)))),
    ]
}

/// What an execution changed, as a roll wants it.
fn changes(block: &MinedBlock, execution: &BlockExecution) -> Changes {
    let values = execution.diff().iter().map(|change| NewValue { facet: change.facet, old: Some(change.old), new: change.new }).collect::<Vec<_>>();
    let new_code = values.iter().filter(|value| matches!(value.facet, Facet::Code(_))).map(|value| B256::from(value.new));
    let code = new_code.filter_map(|hash| Some((hash, execution.layer.code.get(&hash)?.original_bytes()))).collect();
    let pairs = block.txs.iter().zip(&execution.txs);
    let txs =
        pairs.map(|(tx, execution)| TxChanges { facets: execution.changes.iter().map(|change| change.facet).collect(), ..TxChanges::of(tx.to(), tx.input()) });
    Changes { values, code, txs: txs.collect() }
}
