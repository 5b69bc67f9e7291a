//! Rolling by the node's diff tracer.
//!
//! ```text
//! traces + body, one request ─▶ changes of all transactions, one after the other ─▶ + withdrawals ─▶ what no trace tells, and
//!                                                                                     samples, one request ─▶ Changes
//! ```
//!
//! | a trace says | and it means |
//! | --- | --- |
//! | a slot in `pre` and not in `post` | it is zero now |
//! | an account in `pre` and not in `post` | perhaps it was deleted, perhaps it ran SELFDESTRUCT and survived, which some nodes tell alike: all that
//! |  | is known of it is read again |
//! | a field of `post` that is missing | it did not change, but for code: see below |
//! | no code in `post`, a delegation in `pre` | perhaps a cleared delegation, which some nodes leave out: read again |
//! | nothing | withdrawals: taken from the body; what the chain itself writes into system contracts: read again |
//!
//! A trace that begins with another value than the one that is known shows that the known one is wrong, or the trace: either way
//! this way can't go on and the next one heals it.

use super::{
    Changes, NewValue, Roller, TxChanges,
    check::{SYSTEM, samples, settle, system_slots},
    questions::{Body, Frame, Questions, TracedAccount, TxTrace, hash_of},
};
use crate::{
    chain::Head,
    fork::{Facet, ForkError, Generation, store::Store},
};
use alloy::primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressSet, B256Map, HashMap},
};
use futures::future::BoxFuture;
use std::sync::Arc;

const NAME: &str = "trace";
/// How code begins that delegates to another account (EIP-7702).
const DELEGATION: &[u8] = &[0xef, 0x01, 0x00];
/// Wei in the unit of withdrawals.
const GWEI: U256 = U256::from_limbs([1_000_000_000, 0, 0, 0]);

/// Asks the node's diff tracer.
#[derive(Debug)]
pub(in crate::fork) struct Traced {
    questions: Questions,
}

impl Traced {
    pub(in crate::fork) const fn new(questions: Questions) -> Self {
        Self { questions }
    }
}

impl Roller for Traced {
    fn name(&self) -> &'static str {
        NAME
    }

    fn probe<'a>(&'a self, head: &'a Head) -> BoxFuture<'a, Result<(), ForkError>> {
        Box::pin(async move {
            let (body, traces) = self.questions.traced(head).await?;
            read(&Store::default(), &body, &traces, head).map(drop)
        })
    }

    fn changes<'a>(&'a self, _parent: &'a Arc<Generation>, known: &'a Store, head: &'a Head) -> BoxFuture<'a, Result<Changes, ForkError>> {
        Box::pin(async move {
            let (body, traces) = self.questions.traced(head).await?;
            let reading = read(known, &body, &traces, head)?;
            let unknowable = reading.unknowable(known);
            let Reading { mut changes, doubts, .. } = reading;
            let samples = samples(known, &changes, head);
            settle(NAME, &self.questions, known, &mut changes, (&unknowable, &samples), head).await?;
            // The last transaction that may have cleared a delegation did if it is not what it was.
            for Doubt { tx, address, before } in &doubts {
                let facet = Facet::Code(*address);
                let now = changes.values.iter().find(|value| value.facet == facet).map(|value| value.new);
                if let (Some(now), Some(tx)) = (now, changes.txs.get_mut(*tx))
                    && now != U256::from_be_bytes(before.0)
                {
                    tx.facets.push(facet);
                }
            }
            Ok(changes)
        })
    }
}

/// What a trace of a block says.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) changes: Changes,
    /// Accounts whose code may not be what the trace says.
    pub(super) doubts: Vec<Doubt>,
    /// Accounts of which a transaction may have left nothing.
    pub(super) vanished: AddressSet,
}

impl Reading {
    /// Known facets of which the traces can't tell what they are now, each once.
    pub(super) fn unknowable(&self, known: &Store) -> Vec<Facet> {
        let doubted = self.doubts.iter().map(|doubt| doubt.address).filter(|address| known.account(address).is_some()).map(Facet::Code);
        let accounts = self.vanished.iter().filter(|address| known.account(address).is_some()).flat_map(|address| Facet::of_account(*address));
        let slots = self.vanished.iter().flat_map(|address| known.slots_of(address).map(|(slot, _)| Facet::Slot(*address, slot)));
        let mut facets = doubted.chain(accounts).chain(slots).chain(system_slots(known)).collect::<Vec<_>>();
        facets.sort_unstable();
        facets.dedup();
        facets
    }
}

/// An account that delegated before a transaction, and of whose code afterwards the trace says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// The transaction's place in the block.
    pub(super) tx: usize,
    /// The account.
    pub(super) address: Address,
    /// The hash of the code before.
    pub(super) before: B256,
}

/// Puts the traces of a block's transactions together.
pub(super) fn read(known: &Store, body: &Body, traces: &[TxTrace], head: &Head) -> Result<Reading, ForkError> {
    let wrong = |reason: String| ForkError::Roll { way: NAME, reason };
    if body.hash != head.hash {
        return Err(wrong(format!("asked for block {}, got {}", head.hash, body.hash)));
    }
    if body.transactions.len() != traces.len() {
        return Err(wrong(format!("{} traces of {} transactions", traces.len(), body.transactions.len())));
    }
    let mut block =
        TracedBlock { known, values: HashMap::default(), code: B256Map::default(), vanished: AddressSet::default(), doubts: Vec::new(), cleared: Vec::new() };
    let mut txs = Vec::with_capacity(traces.len());
    for (index, (tx, trace)) in body.transactions.iter().zip(traces).enumerate() {
        if trace.tx_hash.is_some_and(|hash| hash != tx.hash) {
            return Err(wrong(format!("the trace at {index} is not of transaction {}", tx.hash)));
        }
        let frame = match (&trace.result, &trace.error) {
            (Some(frame), None) => frame,
            (_, error) => return Err(wrong(format!("no trace of transaction {}: {}", tx.hash, error.as_deref().unwrap_or("no reason given")))),
        };
        let mut changed = TxChanges::of(tx.to, &tx.input);
        block.transaction(index, frame, &mut changed.facets)?;
        txs.push(changed);
    }
    for withdrawal in body.withdrawals.iter().flatten() {
        block.withdrawal(withdrawal.address, U256::from(withdrawal.amount).saturating_mul(GWEI));
    }
    Ok(block.finish(txs))
}

/// A block's changes while its transactions are read.
struct TracedBlock<'a> {
    known: &'a Store,
    /// The first old value and the last new one.
    values: HashMap<Facet, (U256, U256)>,
    code: B256Map<Bytes>,
    vanished: AddressSet,
    doubts: Vec<Doubt>,
    /// Transactions that changed code without saying so.
    cleared: Vec<(usize, Facet)>,
}

impl TracedBlock<'_> {
    fn transaction(&mut self, index: usize, frame: &Frame, changed: &mut Vec<Facet>) -> Result<(), ForkError> {
        for (address, pre) in &frame.pre {
            self.settle_doubt(*address, pre);
        }
        let absent = TracedAccount::default();
        for (address, post) in &frame.post {
            let pre = frame.pre.get(address).unwrap_or(&absent);
            if let Some(balance) = post.balance {
                self.change(Facet::Balance(*address), pre.balance.unwrap_or_default(), balance, changed)?;
            }
            if let Some(nonce) = post.nonce {
                self.change(Facet::Nonce(*address), pre.nonce.unwrap_or_default().to(), nonce.to(), changed)?;
            }
            let code_before = pre.code.as_ref().map_or(&[][..], |code| code.as_ref());
            match &post.code {
                Some(code) if **code != *code_before => {
                    let hash = hash_of(code);
                    self.code.insert(hash, code.clone());
                    self.change(Facet::Code(*address), hash_of(code_before).into(), hash.into(), changed)?;
                }
                None if code_before.starts_with(DELEGATION) => {
                    self.doubts.push(Doubt { tx: index, address: *address, before: hash_of(code_before) });
                }
                Some(_) | None => {}
            }
            for (slot, value) in &post.storage {
                self.change(Facet::Slot(*address, *slot), pre.storage.get(slot).copied().unwrap_or_default(), *value, changed)?;
            }
            for (slot, before) in pre.storage.iter().filter(|(slot, _)| !post.storage.contains_key(*slot)) {
                self.change(Facet::Slot(*address, *slot), *before, U256::ZERO, changed)?;
            }
        }
        for (address, pre) in frame.pre.iter().filter(|(address, _)| !frame.post.contains_key(*address)) {
            self.vanish(*address, pre, changed)?;
        }
        Ok(())
    }

    /// What an account was before a transaction settles what one before it did to its code.
    fn settle_doubt(&mut self, address: Address, pre: &TracedAccount) {
        let Some(place) = self.doubts.iter().position(|doubt| doubt.address == address) else { return };
        let Doubt { tx, before, .. } = self.doubts.swap_remove(place);
        let code = pre.code.clone().unwrap_or_default();
        let now = hash_of(&code);
        if now != before {
            let facet = Facet::Code(address);
            self.values.entry(facet).or_insert((before.into(), now.into())).1 = now.into();
            self.code.insert(now, code);
            self.cleared.push((tx, facet));
        }
    }

    /// An account that the transaction may have deleted; what is known of it is read again after the block.
    fn vanish(&mut self, address: Address, pre: &TracedAccount, changed: &mut Vec<Facet>) -> Result<(), ForkError> {
        self.change(Facet::Balance(address), pre.balance.unwrap_or_default(), U256::ZERO, changed)?;
        self.change(Facet::Nonce(address), pre.nonce.unwrap_or_default().to(), U256::ZERO, changed)?;
        let code_before = hash_of(pre.code.as_ref().map_or(&[][..], |code| code.as_ref()));
        self.change(Facet::Code(address), code_before.into(), KECCAK256_EMPTY.into(), changed)?;
        for (slot, before) in &pre.storage {
            self.change(Facet::Slot(address, *slot), *before, U256::ZERO, changed)?;
        }
        self.doubts.retain(|doubt| doubt.address != address);
        self.vanished.insert(address);
        Ok(())
    }

    /// Takes a change in. Its beginning must be what the block or the known state says.
    fn change(&mut self, facet: Facet, old: U256, new: U256, changed: &mut Vec<Facet>) -> Result<(), ForkError> {
        if old != new {
            changed.push(facet);
        }
        let system = matches!(facet, Facet::Slot(address, _) if SYSTEM.contains(&address));
        let uncertain = facet.address().is_some_and(|address| self.vanished.contains(&address));
        let believed = self.values.get(&facet).map(|(_, new)| *new).or_else(|| self.known.value(&facet));
        if let Some(believed) = believed.filter(|believed| *believed != old && !system && !uncertain) {
            let reason = format!("the trace begins with {old} for {facet:?}, which is {believed}");
            return Err(ForkError::Roll { way: NAME, reason });
        }
        self.values.entry(facet).or_insert((old, new)).1 = new;
        Ok(())
    }

    /// After the last transaction. Of an account that is neither known nor in a trace there is nothing to keep right.
    fn withdrawal(&mut self, address: Address, amount: U256) {
        let facet = Facet::Balance(address);
        if let Some((_, new)) = self.values.get_mut(&facet) {
            *new = new.saturating_add(amount);
        } else if let Some(old) = self.known.value(&facet) {
            self.values.insert(facet, (old, old.saturating_add(amount)));
        }
    }

    fn finish(self, mut txs: Vec<TxChanges>) -> Reading {
        for (tx, facet) in self.cleared {
            if let Some(tx) = txs.get_mut(tx) {
                tx.facets.push(facet);
            }
        }
        // What the chain wrote into its own contracts comes on top of the transactions: known slots are read again, of others
        // nothing is certain.
        let certain = |facet: &Facet| !matches!(facet, Facet::Slot(address, _) if SYSTEM.contains(address)) || self.known.value(facet).is_some();
        let values = self.values.iter().filter(|(facet, _)| certain(facet)).map(|(facet, (old, new))| NewValue { facet: *facet, old: Some(*old), new: *new });
        let values = values.collect();
        Reading { changes: Changes { values, code: self.code, txs }, doubts: self.doubts, vanished: self.vanished }
    }
}
