//! Reading ahead: what a call or a pending transaction will probably touch, before a simulation needs it.
//!
//! | the node has | requests |
//! | --- | --- |
//! | `debug_traceCall` with `prestateTracer` | one: accounts, code and slots with their values |
//! | `eth_createAccessList` | one for the keys, then the reads of all of them together |
//! | neither | none: only who calls and who is called |
//!
//! All is pinned by the head's hash and goes into that head's generation and no other. It is a guess: what it leaves out is
//! missed later, what it brings too much is dropped at the next roll. The caller and the fee recipient are read, not taken from
//! the tracer, because nodes differ in whether they show them before or after the gas is bought.

use super::{
    Call, Facet, Fork, ForkError, Generation, ReadSet, SimTx,
    owner::account_of,
    reader::{AccountRead, NodeReader},
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, KECCAK256_EMPTY, U64, U256, keccak256},
    rpc::types::trace::geth::{AccountState, PreStateMode},
};
use serde_json::{Value, json};

/// What a call would touch, as the node says.
#[derive(Debug)]
pub(super) enum Touched {
    /// Accounts and slots with their values.
    State(PreStateMode),
    /// Accounts and slots.
    Keys(Vec<(Address, Vec<B256>)>),
}

/// What was read ahead.
#[derive(Debug, Default)]
pub(super) struct Found {
    accounts: Vec<(Address, AccountRead)>,
    slots: Vec<(Address, U256, U256)>,
}

/// A call as JSON-RPC writes it.
pub(super) fn request(call: &Call) -> Value {
    json!({ "from": call.from, "to": call.to, "input": call.input, "gas": U64::from(call.gas_limit) })
}

fn request_of(tx: &SimTx) -> Value {
    // No price and no nonce: whether it can pay is not the question here, and a node would refuse to answer it.
    let mut request = json!({ "from": tx.signer(), "input": tx.input(), "gas": U64::from(tx.gas_limit()), "value": tx.value() });
    if let (Some(to), Value::Object(fields)) = (tx.to(), &mut request) {
        fields.insert("to".to_owned(), json!(to));
    }
    request
}

/// Asks the node what a call would touch, and for the values if it did not bring them. Accounts in `but` are not taken from a tracer.
pub(super) async fn ask(reader: &NodeReader, at: B256, request: &Value, but: &[Address]) -> Result<Found, ForkError> {
    match reader.touched(at, request).await? {
        Touched::State(state) => Ok(values(state, but)),
        Touched::Keys(keys) => {
            let accounts: Vec<(Address, Option<B256>)> = keys.iter().map(|(address, _)| (*address, None)).collect();
            let slots: Vec<(Address, U256)> = keys.iter().flat_map(|(address, slots)| slots.iter().map(|slot| (*address, (*slot).into()))).collect();
            let (reads, words) = futures::future::try_join(reader.accounts(at, &accounts), reader.slots(at, &slots)).await?;
            Ok(Found {
                accounts: accounts.into_iter().map(|(address, _)| address).zip(reads).collect(),
                slots: slots.into_iter().zip(words).map(|((address, slot), word)| (address, slot, word)).collect(),
            })
        }
    }
}

/// The values in a prestate, without the accounts in `but`; their slots count.
fn values(state: PreStateMode, but: &[Address]) -> Found {
    let mut found = Found::default();
    for (address, account) in state.0 {
        let AccountState { balance, code, nonce, storage, .. } = account;
        found.slots.extend(storage.into_iter().map(|(slot, value)| (address, slot.into(), value.into())));
        // An account without a balance in the answer is one of which only slots are told.
        if let (Some(balance), false) = (balance, but.contains(&address)) {
            let code = code.filter(|code| !code.is_empty());
            let code_hash = code.as_ref().map_or(KECCAK256_EMPTY, keccak256);
            found.accounts.push((address, AccountRead { balance, nonce: nonce.unwrap_or_default(), code_hash, code }));
        }
    }
    found
}

/// Accounts and slots of one answer that are taken in; what is above is no guess worth its memory.
const MOST_AHEAD: usize = 20_000;

/// Takes in what is not known yet. Values that are known stay: they were read for themselves.
pub(super) fn learn(generation: &Generation, found: Found) {
    let count = found.accounts.len().saturating_add(found.slots.len());
    if count > MOST_AHEAD {
        tracing::debug!(count, "an answer is too large to be taken in ahead");
        return;
    }
    for (address, read) in found.accounts {
        if generation.known_account(&address).is_none() {
            generation.learn_account(address, account_of(read));
        }
    }
    for (address, slot, value) in found.slots {
        if generation.known_slot(address, slot).is_none() {
            generation.learn_slot(address, slot, value);
        }
    }
}

impl Fork {
    /// Reads what a call will probably touch into the current generation.
    ///
    /// # Errors
    /// When the node can't be asked. A node that knows no way to tell is no error: then only caller and callee are read.
    pub async fn prefetch_call(&self, call: &Call) -> Result<(), ForkError> {
        self.prefetch_request(&request(call), call.from, Some(call.to)).await
    }

    /// Reads what signed transactions will probably touch into the current generation, each as if it came first.
    ///
    /// # Errors
    /// As [`Fork::prefetch_call`].
    pub async fn prefetch_txs(&self, txs: &[SimTx]) -> Result<(), ForkError> {
        let one = |tx: &SimTx| {
            let (request, from, to) = (request_of(tx), tx.signer(), tx.to());
            async move { self.prefetch_request(&request, from, to).await }
        };
        futures::future::try_join_all(txs.iter().map(one)).await.map(drop)
    }

    async fn prefetch_request(&self, request: &Value, from: Address, to: Option<Address>) -> Result<(), ForkError> {
        let view = self.view();
        let generation = view.generation();
        if !generation.has_node() {
            return Ok(());
        }
        let head = generation.head();
        let mut own = ReadSet::default();
        own.insert(Facet::Balance(from));
        own.insert(Facet::Balance(head.fee_recipient));
        let (touched, ()) = futures::future::try_join(self.reader().touched(head.hash, request), self.prefetch_into(generation, &own)).await?;
        let mut rest = ReadSet::default();
        to.into_iter().for_each(|to| rest.insert(Facet::Code(to)));
        match touched {
            Touched::State(state) => learn(generation, values(state, &[from, head.fee_recipient])),
            Touched::Keys(keys) => {
                for (address, slots) in keys {
                    rest.insert(Facet::Code(address));
                    slots.into_iter().for_each(|slot| rest.insert(Facet::Slot(address, slot.into())));
                }
            }
        }
        self.prefetch_into(generation, &rest).await
    }
}
