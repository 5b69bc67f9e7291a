//! The mempool: floods are bounded and counted, rubbish is refused with its reason, and nothing ends the stream.

use crate::support::{Chain, Front, Wire, node_at, notification, soon, transfer, until};
use alloy::{
    consensus::{SignableTransaction, Transaction as _, TxEip4844, TxEnvelope, transaction::Recovered},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Bytes, Signature, U256},
    rpc::types::Transaction,
    signers::{SignerSync, local::PrivateKeySigner},
};
use harrier::chain::{PendingEvent, PendingLimits, PendingStream, PendingTx, Refusal};
use serde_json::{Value, json};
use std::sync::Arc;

async fn waiting(stream: &mut PendingStream) -> PendingTx {
    match soon("a pending event", stream.next()).await.unwrap().unwrap() {
        PendingEvent::Waiting(tx) => tx,
        refused @ PendingEvent::Refused { .. } => panic!("{refused:?}"),
    }
}

#[tokio::test]
async fn a_flood_is_bounded_and_its_drops_are_counted() {
    const SENT: u64 = 300;
    let chain = Chain::manual();
    let node = node_at(chain.address(), 31_337).await;
    let mut stream = PendingStream::start(Arc::clone(&node), PendingLimits { queue: 64, bytes: 128 * 1024 });
    soon("the subscription", stream.listening()).await;
    assert!(stream.is_listening());
    let mut hashes = Vec::new();
    for nonce in 0..SENT {
        let tx = transfer(nonce, Bytes::new()).await;
        hashes.push(*tx.tx_hash());
        assert_eq!(node.send_raw_transaction(tx.encoded_2718().into()).await.unwrap(), *tx.tx_hash());
    }
    until("all are announced", || node.counters().counts().pending == SENT).await;
    let counts = node.counters().counts();
    assert_eq!((counts.pending_dropped, counts.pending_lagged, counts.pending_undecodable, counts.pending_forged), (SENT - 64, 0, 0, 0));
    let kept: Vec<B256> = stream
        .take_waiting(1_000)
        .into_iter()
        .map(|event| match event {
            PendingEvent::Waiting(tx) => tx.hash(),
            PendingEvent::Refused { .. } => panic!(),
        })
        .collect();
    assert_eq!(kept, hashes[236..], "the newest are kept, in order");

    let tx = transfer(SENT, Bytes::new()).await;
    node.send_raw_transaction(tx.encoded_2718().into()).await.unwrap();
    assert_eq!(waiting(&mut stream).await.hash(), *tx.tx_hash());
}

#[tokio::test]
async fn the_stream_outlives_its_connection() {
    let chain = Chain::manual();
    let wire = Wire::before(chain.address()).await;
    let node = node_at(wire.address(), 31_337).await;
    let mut stream = PendingStream::start(Arc::clone(&node), PendingLimits::default());
    soon("the subscription", stream.listening()).await;
    wire.close().await;
    until("the loss is seen", || !stream.is_listening()).await;
    wire.set_open(true);
    soon("the subscription", stream.listening()).await;
    let tx = transfer(0, Bytes::new()).await;
    node.send_raw_transaction(tx.encoded_2718().into()).await.unwrap();
    assert_eq!(waiting(&mut stream).await.tx.tx_hash(), tx.tx_hash());
    assert!(node.counters().counts().reconnects >= 1);
}

fn announced(tx: TxEnvelope, from: Address) -> Value {
    let body: Transaction = Transaction {
        inner: Recovered::new_unchecked(tx, from),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    };
    serde_json::to_value(body).unwrap()
}

#[tokio::test]
async fn rubbish_is_refused_with_its_reason() {
    let signer: PrivateKeySigner = crate::support::ALICE.parse().unwrap();
    let alice = signer.address();
    let blob = TxEip4844 {
        chain_id: 31_337,
        gas_limit: 21_000,
        max_fee_per_gas: 10,
        max_fee_per_blob_gas: 10,
        to: Address::repeat_byte(1),
        blob_versioned_hashes: vec![B256::with_last_byte(1)],
        ..Default::default()
    };
    let signature: Signature = signer.sign_hash_sync(&blob.signature_hash()).unwrap();
    let blob = TxEnvelope::from(blob.into_signed(signature));
    let good = transfer(0, Bytes::new()).await;
    let other = transfer(1, Bytes::new()).await;
    let late = transfer(2, Bytes::new()).await;
    let giant = transfer(3, vec![7; 200_000].into()).await;
    let blob_hash = *blob.tx_hash();
    let (good_hash, late_hash, giant_hash) = (*good.tx_hash(), *late.tx_hash(), *giant.tx_hash());

    let mut wrong_hash = announced(other, alice);
    wrong_hash["hash"] = json!(B256::repeat_byte(9));
    let frames = vec![
        notification(&json!("no transaction at all")),
        notification(&json!({"hash": B256::repeat_byte(8), "type": "0x7e", "from": alice})),
        notification(&json!(null)),
        notification(&wrong_hash),
        notification(&announced(giant, alice)),
        notification(&json!({"padding": "00".repeat(1_000_000)})),
        notification(&announced(blob, alice)),
        notification(&announced(good, alice)),
        // Not even JSON: alloy gives the connection up.
        "{oops".to_owned(),
    ];
    let after = vec![notification(&announced(late, alice))];
    let chain = Chain::manual();
    let front = Front::before(&chain, |_, _| None, move |subscription| if subscription == 0 { frames.clone() } else { after.clone() }).await;
    let node = node_at(front.address, 31_337).await;
    let mut stream = PendingStream::start(Arc::clone(&node), PendingLimits::default());

    let mut refused = Vec::new();
    let mut taken = Vec::new();
    while taken.len() < 3 {
        match soon("a pending event", stream.next()).await.unwrap().unwrap() {
            PendingEvent::Waiting(tx) => taken.push((tx.hash(), tx.is_blob(), tx.tx.value())),
            PendingEvent::Refused { hash, reason } => refused.push((hash, reason)),
        }
    }
    let limit = PendingLimits::default().bytes;
    assert_eq!(
        refused,
        [
            (None, Refusal::Undecodable),
            (Some(B256::repeat_byte(8)), Refusal::Undecodable),
            (None, Refusal::Undecodable),
            (Some(B256::repeat_byte(9)), Refusal::Forged),
            (Some(giant_hash), Refusal::Giant { limit }),
            (None, Refusal::Giant { limit }),
        ]
    );
    assert_eq!(taken, [(blob_hash, true, U256::ZERO), (good_hash, false, U256::from(1)), (late_hash, false, U256::from(1))]);
    let counts = node.counters().counts();
    assert_eq!((counts.pending_undecodable, counts.pending_forged, counts.pending_giant, counts.pending_blob), (3, 1, 2, 1));
    assert_eq!(counts.reconnects, 1);
}
