//! Real nodes, and a front that misbehaves on purpose.

pub(crate) use crate::wire::{Wire, soon};

use alloy::{
    network::{AnyNetwork, EthereumWallet, NetworkTransactionBuilder, TransactionBuilder},
    node_bindings::{Anvil, AnvilInstance},
    primitives::{Address, Bytes, U256},
    providers::{Provider, RootProvider},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use axum::{
    Json, Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::get,
};
use harrier::{
    chain::Node,
    config::{Environment, NodeConfig, Roll, UrlRef},
    devnet::find_anvil,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// The private key of anvil's first account.
pub(crate) const ALICE: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A running anvil.
pub(crate) struct Chain {
    pub(crate) anvil: AnvilInstance,
    pub(crate) direct: RootProvider<AnyNetwork>,
}

impl Chain {
    pub(crate) fn start(with: impl FnOnce(Anvil) -> Anvil) -> Self {
        let anvil = with(Anvil::at(find_anvil().unwrap())).try_spawn().expect("anvil starts (HARRIER_ANVIL names another binary)");
        let direct = RootProvider::new_http(anvil.endpoint_url());
        Self { anvil, direct }
    }

    pub(crate) fn manual() -> Self {
        Self::start(|anvil| anvil.arg("--no-mining"))
    }

    pub(crate) async fn ask(&self, method: &'static str, params: Value) -> Value {
        soon(method, self.direct.raw_request::<_, Value>(method.into(), params)).await.unwrap()
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([blocks])).await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.anvil.port()))
    }

    /// Numbers and hashes of the last blocks, as the node has them now.
    pub(crate) async fn last_blocks(&self, count: u64) -> Vec<(u64, String)> {
        let number = u64::from_str_radix(self.ask("eth_blockNumber", json!([])).await.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        let mut blocks = Vec::new();
        for number in number.saturating_sub(count - 1)..=number {
            let block = self.ask("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await;
            blocks.push((number, block["hash"].as_str().unwrap().to_owned()));
        }
        blocks
    }
}

pub(crate) fn node_config(http: Option<String>, ws: Option<String>) -> NodeConfig {
    let url = |url: String| UrlRef::plain(url.parse().unwrap());
    NodeConfig { http: http.map(url), ws: ws.map(url), timeout_ms: 2_000, max_batch: 7, max_log_range: 100, poll_ms: 100, roll: Roll::Auto }
}

/// A node over HTTP and WebSocket at one address.
pub(crate) async fn node_at(address: SocketAddr, chain_id: u64) -> Arc<Node> {
    let config = node_config(Some(format!("http://{address}")), Some(format!("ws://{address}")));
    Arc::new(Node::connect(&config, chain_id, &Environment::default()).await.unwrap())
}

type Answer = dyn Fn(&str, &Value) -> Option<Value> + Send + Sync;
type Frames = dyn Fn(usize) -> Vec<String> + Send + Sync;

/// A server of HTTP and WebSocket JSON-RPC in front of a real node. It answers some calls itself, and after a subscription it sends the frames it was
/// told to; the frame `CLOSE` drops the connection.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
}

#[derive(Clone)]
struct FrontState {
    direct: RootProvider<AnyNetwork>,
    answer: Arc<Answer>,
    frames: Arc<Frames>,
    subscriptions: Arc<AtomicUsize>,
}

impl Front {
    pub(crate) async fn before(
        chain: &Chain,
        answer: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static,
        frames: impl Fn(usize) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        let state = FrontState { direct: chain.direct.clone(), answer: Arc::new(answer), frames: Arc::new(frames), subscriptions: Arc::default() };
        let app = Router::new().route("/", get(websocket).post(post)).with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address }
    }
}

impl FrontState {
    async fn reply(&self, request: &Value) -> Value {
        let method = request["method"].as_str().unwrap().to_owned();
        let mut reply = match (self.answer)(&method, &request["params"]) {
            Some(reply) => reply,
            None => match self.direct.raw_request::<_, Value>(method.into(), request["params"].clone()).await {
                Ok(result) => json!({ "result": result }),
                Err(error) => json!({"error": {"code": -32000, "message": error.to_string()}}),
            },
        };
        reply["jsonrpc"] = "2.0".into();
        reply["id"] = request["id"].clone();
        reply
    }
}

async fn post(State(state): State<FrontState>, Json(request): Json<Value>) -> Json<Value> {
    Json(state.reply(&request).await)
}

async fn websocket(State(state): State<FrontState>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| serve(state, socket))
}

async fn serve(state: FrontState, mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let request: Value = serde_json::from_str(&text).unwrap();
        let subscribes = request["method"] == "eth_subscribe";
        let reply = if subscribes { json!({"jsonrpc": "2.0", "id": request["id"], "result": "0x1"}) } else { state.reply(&request).await };
        if socket.send(Message::text(reply.to_string())).await.is_err() {
            return;
        }
        if subscribes {
            for frame in (state.frames)(state.subscriptions.fetch_add(1, Ordering::SeqCst)) {
                if frame == "CLOSE" || socket.send(Message::text(frame)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A notification of the front's subscription.
pub(crate) fn notification(result: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x1", "result": result}}).to_string()
}

/// A signed transfer of Alice.
pub(crate) async fn transfer(nonce: u64, input: Bytes) -> alloy::consensus::TxEnvelope {
    let signer: PrivateKeySigner = ALICE.parse().unwrap();
    let gas = 21_000 + 16 * 40 * u64::try_from(input.len()).unwrap();
    TransactionRequest::default()
        .with_to(Address::repeat_byte(0xb0))
        .with_value(U256::from(1))
        .with_input(input)
        .with_nonce(nonce)
        .with_chain_id(31_337)
        .with_gas_limit(gas)
        .with_max_fee_per_gas(20_000_000_000)
        .with_max_priority_fee_per_gas(1_000_000_000)
        .build(&EthereumWallet::from(signer))
        .await
        .unwrap()
}
