//! Rolling by reading everything again.

use super::{Changes, NewValue, Roller};
use crate::{
    chain::Head,
    fork::{Facet, ForkError, Generation, reader::NodeReader, store::Store},
};
use alloy::primitives::{B256, U256};
use futures::future::BoxFuture;
use std::sync::Arc;

/// Reads everything known again. Always right, for any two heads, on any node: nothing is believed to have stayed.
#[derive(Debug)]
pub(in crate::fork) struct Reread {
    reader: Arc<NodeReader>,
}

impl Reread {
    pub(in crate::fork) const fn new(reader: Arc<NodeReader>) -> Self {
        Self { reader }
    }
}

impl Roller for Reread {
    fn name(&self) -> &'static str {
        "re-read"
    }

    fn bridges(&self) -> bool {
        true
    }

    fn changes<'a>(&'a self, _parent: &'a Arc<Generation>, known: &'a Store, head: &'a Head) -> BoxFuture<'a, Result<Changes, ForkError>> {
        Box::pin(async move { read_again(&self.reader, known, head.hash).await })
    }
}

/// The values at a block of every facet in a store.
pub(in crate::fork) async fn read_again(reader: &NodeReader, known: &Store, at: B256) -> Result<Changes, ForkError> {
    let slots = known.slots().map(|(address, slot, _)| (address, slot)).collect::<Vec<_>>();
    // A code hash is only "known" if its bytes are: else they are fetched.
    let accounts = known.accounts().map(|(address, account)| (*address, account.code.is_some().then_some(account.code_hash))).collect::<Vec<_>>();
    let (values, reads) = futures::future::try_join(reader.slots(at, &slots), reader.accounts(at, &accounts)).await?;
    let mut changes = Changes::default();
    changes.values.reserve(slots.len().saturating_add(reads.len().saturating_mul(3)));
    for ((address, slot), new) in slots.into_iter().zip(values) {
        changes.values.push(NewValue { facet: Facet::Slot(address, slot), old: None, new });
    }
    for ((address, _), read) in accounts.into_iter().zip(reads) {
        if let Some(code) = read.code {
            changes.code.insert(read.code_hash, code);
        }
        let mut push = |facet, new| changes.values.push(NewValue { facet, old: None, new });
        push(Facet::Balance(address), read.balance);
        push(Facet::Nonce(address), U256::from(read.nonce));
        push(Facet::Code(address), read.code_hash.into());
    }
    Ok(changes)
}
