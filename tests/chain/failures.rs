//! A node that lies, is late, drops the connection or talks nonsense: each gives an error that says what to do.

use crate::support::{Chain, Front, Wire, node_at, node_config, soon};
use harrier::{
    chain::{Advice, ChainError, HeadStream, Node, PendingLimits, PendingStream},
    config::Environment,
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::{io::AsyncReadExt, net::TcpListener};

async fn connect(http: Option<String>, ws: Option<String>) -> Result<Node, ChainError> {
    let mut config = node_config(http, ws);
    config.timeout_ms = 200;
    soon("an answer or an error", Node::connect(&config, 31_337, &Environment::default())).await
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused() {
    let chain = Chain::manual();
    let config = node_config(Some(chain.anvil.endpoint()), None);
    let error = Node::connect(&config, 1, &Environment::default()).await.unwrap_err();
    assert!(matches!(error, ChainError::ChainId { expected: 1, found: 31_337 }));
    assert_eq!(error.advice(), Advice::Stop);
    assert_eq!(error.to_string(), "the node is of chain 31337, configured is chain 1");
}

#[tokio::test]
async fn a_node_that_changes_its_chain_stops_the_streams() {
    let chain = Chain::manual();
    let lies = Arc::new(AtomicBool::new(false));
    let lie = Arc::clone(&lies);
    let front =
        Front::before(&chain, move |method, _| (method == "eth_chainId" && lie.load(Ordering::SeqCst)).then(|| json!({"result": "0x5"})), |_| Vec::new()).await;
    let wire = Wire::before(front.address).await;
    let node = node_at(wire.address(), 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    let mut pending = PendingStream::start(node, PendingLimits::default());
    soon("the first head", heads.next()).await.unwrap().unwrap();
    soon("the subscription", pending.listening()).await;
    lies.store(true, Ordering::SeqCst);
    wire.close().await;
    wire.set_open(true);
    assert!(matches!(soon("the end of heads", heads.next()).await, Some(Err(ChainError::ChainId { found: 5, .. }))));
    assert!(soon("nothing after it", heads.next()).await.is_none());
    assert!(matches!(soon("the end of pending", pending.next()).await, Some(Err(ChainError::ChainId { found: 5, .. }))));
    assert!(soon("nothing after it", pending.next()).await.is_none());
}

#[tokio::test]
async fn a_late_node_is_late_over_both_transports() {
    // Takes connections and never answers; the listener's backlog is enough.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (http, ws, call) in [(Some(format!("http://{address}")), None, "eth_chainId"), (None, Some(format!("ws://{address}")), "connect")] {
        let begin = Instant::now();
        let error = connect(http, ws).await.unwrap_err();
        assert!(matches!(&error, ChainError::Late { call: late, .. } if *late == call), "{error:?}");
        assert_eq!(error.advice(), Advice::Retry);
        assert!(begin.elapsed().as_millis() >= 200);
    }
}

#[tokio::test]
async fn a_dropped_connection_is_worth_another_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // Reads the request, so that the client has sent it, and goes away.
            let _ = socket.read(&mut [0; 16]).await;
        }
    });
    for (http, ws) in [(Some(format!("http://{address}")), None), (None, Some(format!("ws://{address}")))] {
        // With time to spare: a box under load must not turn the cut into a late answer.
        let config = node_config(http, ws);
        let error = soon("an error", Node::connect(&config, 31_337, &Environment::default())).await.unwrap_err();
        assert!(matches!(error, ChainError::Connection { .. }), "{error:?}");
        assert_eq!(error.advice(), Advice::Retry);
    }
}

#[tokio::test]
async fn a_lost_websocket_for_calls_is_built_anew() {
    let chain = Chain::manual();
    let wire = Wire::before(chain.address()).await;
    let config = node_config(None, Some(format!("ws://{}", wire.address())));
    let node = Node::connect(&config, 31_337, &Environment::default()).await.unwrap();
    assert_eq!(node.latest().await.unwrap().number, 0);
    wire.close().await;
    // Whether this call is caught in the cut or comes after it, it fails in time and says that another try is worth it.
    assert_eq!(soon("an error", node.latest()).await.unwrap_err().advice(), Advice::Retry);
    wire.set_open(true);
    soon("calls work again", async {
        while node.latest().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn nonsense_and_contradictions_are_told_apart() {
    let chain = Chain::manual();
    chain.mine(3).await;
    let one = chain.ask("eth_getBlockByNumber", json!(["0x1", false])).await;
    let front = Front::before(
        &chain,
        move |method, params| match (method, params[0].as_str()) {
            // Always the same block, whatever is asked for.
            ("eth_getBlockByNumber", Some("0x2")) | ("eth_getBlockByHash", _) => Some(json!({ "result": one.clone() })),
            ("eth_getBlockByNumber", Some("0x3")) => Some(json!({"result": {"number": "three"}})),
            ("eth_getTransactionReceipt", _) => Some(json!({"error": {"code": -32000, "message": "no receipts here"}})),
            _ => None,
        },
        |_| Vec::new(),
    )
    .await;
    let node = node_at(front.address, 31_337).await;
    assert!(matches!(node.head_by_number(2).await, Err(ChainError::Inconsistent { .. })));
    assert!(matches!(node.head_by_hash(alloy::primitives::B256::repeat_byte(3)).await, Err(ChainError::Inconsistent { .. })));
    let malformed = node.head_by_number(3).await.unwrap_err();
    assert!(matches!(malformed, ChainError::Malformed { .. }), "{malformed:?}");
    assert_eq!(malformed.advice(), Advice::Skip);
    let refused = node.receipt(alloy::primitives::B256::ZERO).await.unwrap_err();
    assert!(matches!(&refused, ChainError::Refused { code: -32000, message, .. } if message == "no receipts here"), "{refused:?}");
}

#[tokio::test]
async fn heads_that_are_no_headers_are_counted_and_survived() {
    let chain = Chain::manual();
    let frames = vec![crate::support::notification(&json!("no header")), crate::support::notification(&json!({"number": "0x1"}))];
    let front = Front::before(&chain, |_, _| None, move |_| frames.clone()).await;
    let node = node_at(front.address, 31_337).await;
    let mut heads = HeadStream::start(Arc::clone(&node));
    soon("the first head", heads.next()).await.unwrap().unwrap();
    crate::support::until("both are counted", || node.counters().counts().heads_undecodable == 2).await;
    // Nothing is announced here any more; the poll brings the next head.
    chain.mine(1).await;
    assert_eq!(soon("the next head", heads.next()).await.unwrap().unwrap().head().number, 1);
}
