//! The relay's methods.

use super::{
    Relay,
    bundle::{self, Bundle, Fields, Submission},
    count,
    store::Stored,
};
use crate::devnet::front::{
    Front,
    rpc::{Answer, Request, RpcError, answer},
    tx::SignedTx,
};
use alloy::primitives::{Address, B256, Bytes};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is served.
pub(super) const SERVED: [&str; 8] = [
    "eth_sendBundle",
    "eth_cancelBundle",
    "eth_callBundle",
    "eth_sendPrivateTransaction",
    "eth_sendPrivateRawTransaction",
    "eth_cancelPrivateTransaction",
    "flashbots_getBundleStatsV2",
    "flashbots_getUserStatsV2",
];

/// Blocks that a private transaction is tried for where its sender names no end.
const PRIVATE_BLOCKS: u64 = 25;

impl Front {
    /// Answers an authenticated request at a relay's door.
    pub(super) async fn at_relay(self: &Arc<Self>, relay: &Relay, signer: Address, request: &Request, withheld: bool) -> Answer {
        match request.method.as_str() {
            "eth_sendBundle" => self.take_bundle(relay, signer, request, withheld),
            "eth_cancelBundle" => {
                let mut fields = Fields::only(request.typed()?)?;
                let uuid = fields.text("replacementUuid")?.ok_or_else(|| RpcError::params("missing replacementUuid"))?;
                answer(&self.cancel(relay, signer, &uuid))
            }
            "eth_callBundle" => self.call_bundle(Fields::only(request.typed()?)?).await,
            "eth_sendPrivateTransaction" => {
                let mut fields = Fields::only(request.typed()?)?;
                let raw = fields.parsed::<Bytes>("tx")?.ok_or_else(|| RpcError::params("missing tx"))?;
                let last = fields.quantity("maxBlockNumber")?;
                self.take_private(relay, signer, raw, last, withheld)
            }
            "eth_sendPrivateRawTransaction" => {
                let params: Vec<Value> = request.typed()?;
                let raw = params.first().and_then(|value| serde_json::from_value(value.clone()).ok());
                self.take_private(relay, signer, raw.ok_or_else(|| RpcError::params("expected a raw transaction"))?, None, withheld)
            }
            "eth_cancelPrivateTransaction" => {
                let mut fields = Fields::only(request.typed()?)?;
                let hash = fields.parsed::<B256>("txHash")?.ok_or_else(|| RpcError::params("missing txHash"))?;
                answer(&self.with_store(|store| store.cancel_private(signer, hash)))
            }
            "flashbots_getBundleStatsV2" => {
                let mut fields = Fields::only(request.typed()?)?;
                let hash = fields.parsed::<B256>("bundleHash")?.ok_or_else(|| RpcError::params("missing bundleHash"))?;
                let block = fields.quantity("blockNumber")?.ok_or_else(|| RpcError::params("missing blockNumber"))?;
                answer(&self.bundle_stats(hash, block))
            }
            "flashbots_getUserStatsV2" => {
                let mut fields = Fields::only(request.typed()?)?;
                fields.quantity("blockNumber")?.ok_or_else(|| RpcError::params("missing blockNumber"))?;
                answer(&self.user_stats(signer))
            }
            method => Err(RpcError::no_method(method, "does not exist/is not available")),
        }
    }

    fn cancel(&self, relay: &Relay, signer: Address, uuid: &str) -> bool {
        let cancelled = self.with_store(|store| store.cancel(signer, uuid));
        if cancelled {
            count(&relay.tally.cancelled);
        }
        cancelled
    }

    fn take_bundle(&self, relay: &Relay, signer: Address, request: &Request, withheld: bool) -> Answer {
        let (submission, unknown) = bundle::parse_send(request.typed()?, signer, &relay.name, self.chain_id())?;
        if !unknown.is_empty() {
            count(&relay.tally.unknown_fields);
            tracing::warn!(relay = relay.name(), fields = ?unknown, "a bundle has fields that this relay does not know");
        }
        match submission {
            Submission::Cancel(uuid) => {
                self.cancel(relay, signer, &uuid);
                answer(&Value::Null)
            }
            Submission::Bundle(mut bundle) => {
                bundle.withheld = withheld;
                let hash = bundle.hash;
                self.keep(relay, *bundle)?;
                answer(&json!({"bundleHash": hash}))
            }
        }
    }

    fn take_private(&self, relay: &Relay, signer: Address, raw: Bytes, last: Option<u64>, withheld: bool) -> Answer {
        let tx = SignedTx::decode(raw, self.chain_id()).map_err(|error| RpcError::params(format!("unable to decode tx: {error}")))?;
        if tx.is_blob() {
            return Err(RpcError::params("the transaction carries blobs, which this relay does not take"));
        }
        let first_block = self.head().head.number.saturating_add(1);
        let hash = tx.hash();
        let bundle = Bundle {
            hash: bundle::bundle_hash(std::slice::from_ref(&tx)),
            signer,
            relay: relay.name.clone(),
            txs: vec![tx],
            first_block,
            last_block: last.unwrap_or_else(|| first_block.saturating_add(PRIVATE_BLOCKS - 1)),
            min_timestamp: None,
            max_timestamp: None,
            reverting: Default::default(),
            dropping: Default::default(),
            uuid: None,
            order: None,
            withheld,
        };
        if bundle.last_block < first_block {
            return Err(RpcError::params("maxBlockNumber has passed"));
        }
        self.keep(relay, bundle)?;
        answer(&hash)
    }

    fn keep(&self, relay: &Relay, bundle: Bundle) -> Result<(), RpcError> {
        let block = bundle.last_block;
        // Head and store are under one lock: a bundle for a block that is decided meanwhile is refused, not forgotten.
        let (head, stored) = self.with_head_and_store(|head, store| (head, (block > head).then(|| store.put(bundle))));
        match stored {
            None => Err(RpcError::params(format!("block {block} is not after the newest block {head}"))),
            Some(Stored::Full) => Err(RpcError::refused("too many bundles wait")),
            Some(stored) => {
                count(&relay.tally.accepted);
                match stored {
                    Stored::Replaced => count(&relay.tally.replaced),
                    Stored::Outdated => count(&relay.tally.outdated),
                    Stored::New | Stored::Full => {}
                }
                Ok(())
            }
        }
    }
}
