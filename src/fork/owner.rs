//! The fork: the current generation, those before it, and the node that they are read from.
//!
//! ```text
//! Fork::roll(head) ── known ancestor? ──▶ from it, what only the present one knew read again
//!                  └─ otherwise ────────▶ from the present one
//! ```
//!
//! A roll answers with the diff against the generation that was current: values computed on that one stay right unless the
//! diff names a facet that they read. A value that is finished when [`View::is_current`] is no longer true is read again.

use super::{
    ChainRules, Change, Facet, ForkError, Generation, ReadSet, RequestLimits, Snapshot, StateDiff, View, WayReport,
    node::{MissBackend, MissThread, no_node, timed},
    reader::{AccountRead, NodeReader},
    roll::{Chooser, Questions, Replayed, Reread, Rolled, Roller, Traced, TxChanges, read_again, stored},
    store::Store,
};
use crate::{chain::Head, config::Roll};
use alloy::{
    network::AnyNetwork,
    primitives::{
        Address, B256, KECCAK256_EMPTY, U256,
        map::{AddressSet, B256Map, B256Set},
    },
    providers::{DynProvider, RootProvider},
};
use parking_lot::RwLock;
use revm::state::{AccountInfo, Bytecode};
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::sync::Mutex;

/// Bounds of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkOptions {
    /// Longest wait for one request.
    pub timeout: Duration,
    /// How many blocks back generations are kept to undo reorgs, and how many of dropped branches.
    pub history: usize,
    /// Bounds of single requests.
    pub limits: RequestLimits,
}

impl Default for ForkOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), history: 64, limits: RequestLimits::default() }
    }
}

/// Facets above an eighth more than expected that a store may hold before it is swept.
const SPARE_FACETS: usize = 1_024;
/// Hashes of past blocks that `BLOCKHASH` reaches.
const BLOCK_HASHES: u64 = 256;

/// The owner of all generations.
#[derive(Debug)]
pub struct Fork {
    provider: RootProvider<AnyNetwork>,
    thread: Arc<MissThread>,
    reader: Arc<NodeReader>,
    chooser: Chooser,
    options: ForkOptions,
    current: RwLock<Arc<Generation>>,
    /// Earlier generations, the oldest first; held while rolling, so that rolls are one after the other.
    history: Mutex<VecDeque<Arc<Generation>>>,
}

impl Fork {
    /// An empty fork at a head: everything is a miss at first. Misses are served by a thread of its own.
    pub fn start(provider: &DynProvider<AnyNetwork>, head: Head, options: ForkOptions) -> Result<Self, ForkError> {
        let (provider, _) = timed(provider, options.timeout);
        let reader = Arc::new(NodeReader::new(provider.clone(), options.limits));
        let thread = MissThread::start(Arc::clone(&reader)).map_err(ForkError::Thread)?;
        let backend = MissBackend::spawn(&thread, &provider, head.hash);
        let first = Generation::new(head, Store::default(), Some(backend));
        Ok(Self {
            chooser: Chooser::new(vec![reread(&provider, &reader, options)], true, options.timeout),
            reader,
            provider,
            thread,
            options,
            current: RwLock::new(Arc::new(first)),
            history: Mutex::default(),
        })
    }

    /// A fork at a snapshot's block, without a node: it stays there, and what the snapshot lacks is [`ForkError::NotStored`].
    pub fn from_snapshot(snapshot: &Snapshot, options: ForkOptions) -> Result<Self, ForkError> {
        let nobody = RootProvider::<AnyNetwork>::new(no_node());
        let fork = Self::start(&DynProvider::new(nobody), snapshot.head().clone(), options)?;
        *fork.current.write() = Arc::new(Generation::new(snapshot.head().clone(), snapshot.state().clone(), None));
        Ok(fork)
    }

    /// How to go from head to head; without this it is re-reading. A way that fails is made up for by re-reading. The rules are
    /// for executing blocks.
    #[must_use]
    pub fn with_rolling(mut self, roll: Roll, rules: &ChainRules) -> Self {
        let mut ways = Vec::new();
        if matches!(roll, Roll::Auto | Roll::Trace) {
            let (provider, requests) = timed(&self.provider, self.options.timeout);
            ways.push((Arc::new(Traced::new(Questions::new(provider, self.options.limits))) as Arc<dyn Roller>, requests));
        }
        if matches!(roll, Roll::Auto | Roll::Replay) {
            let (provider, requests) = timed(&self.provider, self.options.timeout);
            let replayed =
                Replayed::new(provider.clone(), self.options.limits, self.reader.over(provider), Arc::clone(&self.thread), rules.clone(), self.options.timeout);
            ways.push((Arc::new(replayed) as Arc<dyn Roller>, requests));
        }
        ways.push(reread(&self.provider, &self.reader, self.options));
        self.chooser = Chooser::new(ways, roll == Roll::Auto, self.options.timeout);
        self
    }

    /// Finds out which ways to roll the node supports, so that the first heads need not. It asks for a trace of the head.
    pub async fn probe(&self) {
        if self.current.read().has_node() {
            self.chooser.probe(&self.head()).await;
        }
    }

    /// What is known of each way to roll, the last one being re-reading.
    #[must_use]
    pub fn ways(&self) -> Vec<WayReport> {
        self.chooser.report()
    }

    /// The current state.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(self.current.read().clone())
    }

    /// The current head.
    #[must_use]
    pub fn head(&self) -> Head {
        self.current.read().head().clone()
    }

    /// Moves to a head: the next one, a later one, one of another branch, or one that is already behind. The diff is against
    /// the state that was current. On an error the fork stays where it was.
    pub async fn roll(&self, head: &Head) -> Result<Rolled, ForkError> {
        let mut history = self.history.lock().await;
        let current = self.current.read().clone();
        if current.head().hash == head.hash {
            return Ok(Rolled { view: View::new(current), diff: StateDiff::default(), txs: Vec::new() });
        }
        if !current.has_node() {
            return Err(ForkError::NoNode);
        }
        let rolled = self.next(&current, &history, head).await;
        let (next, diff, txs) = rolled.inspect_err(|_| current.supersede(false))?;
        next.supersede(false);
        *self.current.write() = next.clone();
        history.retain(|generation| generation.head().hash != head.hash);
        history.push_back(current);
        keep(&mut history, next.head(), self.options.history);
        Ok(Rolled { view: View::new(next), diff, txs })
    }

    /// The generation of a head, and what is different from the current one. The current one is superseded before it is
    /// compared for the last time: what is read on it later is in no diff, and [`View::is_current`] says so.
    async fn next(
        &self,
        current: &Arc<Generation>,
        history: &VecDeque<Arc<Generation>>,
        head: &Head,
    ) -> Result<(Arc<Generation>, StateDiff, Vec<TxChanges>), ForkError> {
        let find = |hash: B256| history.iter().rev().find(|generation| generation.head().hash == hash).cloned();
        if let Some(earlier) = find(head.hash) {
            // Back to a head that is known: its values are right, what only the present one knew is read there.
            current.supersede(true);
            earlier.learn(&self.read_at(&current.known().without(&earlier.known()), head.hash).await?);
            let diff = difference(&current.known(), &earlier.known());
            return Ok((earlier, diff, Vec::new()));
        }
        let ancestor = if current.head().hash == head.parent_hash { None } else { find(head.parent_hash) };
        let parent = ancestor.as_ref().unwrap_or(current);
        let (mut store, mut diff, txs) = self.chooser.roll(parent, &parent.known(), head).await?;
        if ancestor.is_some() {
            store.extend(&self.read_at(&current.known().without(&store), head.hash).await?);
            diff = difference(&current.known(), &store);
        }
        current.supersede(true);
        let late = current.missed_without(&store);
        let caught_up = self.read_at(&late, head.hash).await?;
        for change in difference(&late, &caught_up).iter() {
            diff.record(change);
        }
        store.extend(&caught_up);
        if parent.head().hash != head.parent_hash {
            store.forget_block_hashes();
        }
        let backend = MissBackend::spawn(&self.thread, &self.provider, head.hash);
        Ok((Arc::new(Generation::new(head.clone(), store, Some(backend))), diff, txs))
    }

    /// Reads the missing facets of a set into the current generation, in few requests. Environment words are skipped.
    /// Without a node nothing is read: each that is missing is an error where it is needed.
    pub async fn prefetch(&self, wanted: &ReadSet) -> Result<(), ForkError> {
        let generation = self.current.read().clone();
        self.prefetch_into(&generation, wanted).await
    }

    /// The same into a generation that may not be the current one any more.
    pub(super) async fn prefetch_into(&self, generation: &Generation, wanted: &ReadSet) -> Result<(), ForkError> {
        let mut accounts = AddressSet::default();
        let mut slots = Vec::new();
        for facet in wanted.iter() {
            match facet {
                Facet::Slot(address, slot) if generation.known_slot(*address, *slot).is_none() => slots.push((*address, *slot)),
                Facet::Balance(address) | Facet::Nonce(address) | Facet::Code(address) if generation.known_account(address).is_none() => {
                    accounts.insert(*address);
                }
                Facet::Slot(..) | Facet::Balance(_) | Facet::Nonce(_) | Facet::Code(_) | Facet::Env(_) => {}
            }
        }
        self.fetch(generation, slots, accounts.into_iter().collect()).await
    }

    /// Keeps of the current generation what `keep` says yes to, and forgets the rest: what came from the node since the head at
    /// once, what the store has gathered when it holds clearly more than the `expected` count of facets. So the cost follows what
    /// is new and what is kept, not what was ever known. What is dropped is read again when it is needed.
    pub async fn retain(&self, expected: usize, keep: impl Fn(&Facet) -> bool + Send + Sync) {
        let _rolling = self.history.lock().await;
        let current = self.current.read().clone();
        if !current.has_node() {
            // What is dropped could not be read again.
            return;
        }
        // What its views miss from now on would be in no diff.
        current.supersede(true);
        let (mut store, mut left_out) = current.kept(&keep);
        let count = store.account_count().saturating_add(store.slot_count());
        if count > expected.saturating_add(expected / 8).saturating_add(SPARE_FACETS) {
            store = store.retain(&keep);
            left_out = left_out.saturating_add(count.saturating_sub(store.account_count().saturating_add(store.slot_count())));
        }
        if left_out == 0 {
            current.supersede(false);
            return;
        }
        store.forget_block_hashes_before(current.head().number.saturating_sub(BLOCK_HASHES));
        let backend = MissBackend::spawn(&self.thread, &self.provider, current.head().hash);
        *self.current.write() = Arc::new(Generation::new(current.head().clone(), store, Some(backend)));
    }

    /// The values at a block of all that a store knows.
    async fn read_at(&self, known: &Store, at: B256) -> Result<Store, ForkError> {
        if known.is_empty() {
            return Ok(Store::default());
        }
        Ok(stored(known, &read_again(&self.reader, known, at).await?))
    }

    pub(super) const fn reader(&self) -> &Arc<NodeReader> {
        &self.reader
    }

    async fn fetch(&self, generation: &Generation, slots: Vec<(Address, U256)>, accounts: Vec<Address>) -> Result<(), ForkError> {
        if !generation.has_node() {
            return Ok(());
        }
        let at = generation.head().hash;
        let wanted = accounts.iter().map(|address| (*address, None)).collect::<Vec<_>>();
        let (values, reads) = futures::future::try_join(self.reader.slots(at, &slots), self.reader.accounts(at, &wanted)).await?;
        for ((address, slot), value) in slots.into_iter().zip(values) {
            generation.learn_slot(address, slot, value);
        }
        for (address, read) in accounts.into_iter().zip(reads) {
            generation.learn_account(address, account_of(read));
        }
        Ok(())
    }
}

/// Keeps the generations at most so many blocks below a head, and of those that are not its ancestors only as many, the newest
/// ones: dropped branches, which may come back. They take no ancestor's place, so that reorgs right after each other are undone
/// as deep as single ones.
fn keep(history: &mut VecDeque<Arc<Generation>>, head: &Head, most: usize) {
    let depth = u64::try_from(most).unwrap_or(u64::MAX);
    history.retain(|generation| generation.head().number.saturating_add(depth) >= head.number);
    let parents = history.iter().map(|generation| (generation.head().hash, generation.head().parent_hash)).collect::<B256Map<_>>();
    let ancestors = std::iter::successors(parents.get_key_value(&head.parent_hash), |(_, parent)| parents.get_key_value(*parent));
    let ancestors = ancestors.map(|(hash, _)| *hash).collect::<B256Set>();
    let mut surplus = history.len().saturating_sub(ancestors.len()).saturating_sub(most);
    history.retain(|generation| {
        let goes = surplus > 0 && !ancestors.contains(&generation.head().hash);
        surplus = surplus.saturating_sub(usize::from(goes));
        !goes
    });
}

/// Re-reading, with a counter of its requests.
fn reread(provider: &RootProvider<AnyNetwork>, reader: &NodeReader, options: ForkOptions) -> (Arc<dyn Roller>, Arc<AtomicU64>) {
    let (provider, requests) = timed(provider, options.timeout);
    (Arc::new(Reread::new(Arc::new(reader.over(provider)))), requests)
}

/// An account as it was read. Malformed bytes are no code: whoever runs it misses it, and nobody else is held up.
pub(super) fn account_of(read: AccountRead) -> AccountInfo {
    let code = match read.code {
        Some(bytes) => Bytecode::new_raw_checked(bytes).ok(),
        None if read.code_hash == KECCAK256_EMPTY => Some(Bytecode::default()),
        None => None,
    };
    AccountInfo { balance: read.balance, nonce: read.nonce, code_hash: read.code_hash, account_id: None, code }
}

/// Every facet that the first store knows and whose value is another in the second.
fn difference(before: &Store, after: &Store) -> StateDiff {
    let mut diff = StateDiff::default();
    for facet in before.facets() {
        if let (Some(old), Some(new)) = (before.value(&facet), after.value(&facet)) {
            diff.record(Change { facet, old, new });
        }
    }
    diff
}
