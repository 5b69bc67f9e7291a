//! A wire to a node that carries whole HTTP requests: it counts them, and answers late, when it is told to, or not as the node would.
//!
//! ```text
//! client ──request──▶ count ─▶ refused? ─no─▶ node
//!        ◀──answer─── held back? ◀─ late by so much ◀─┘
//! ```
//!
//! A batch is one request. For WebSockets, and for connections that break, there is `wire`.
#![allow(dead_code, reason = "each user takes a part of it")]

use alloy::transports::http::reqwest;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// The longest that the node may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Which answers are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Nothing,
    Everything,
    /// Those to requests that name this method, or whatever else stands in them.
    Method(&'static str),
}

impl Held {
    fn holds(self, request: &[u8]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Method(method) => String::from_utf8_lossy(request).contains(method),
        }
    }
}

#[derive(Debug)]
struct Shared {
    client: reqwest::Client,
    node: Mutex<String>,
    refused: Mutex<&'static [&'static str]>,
    late: Mutex<RangeInclusive<Duration>>,
    held: watch::Sender<Held>,
    /// Answers that were held back so far.
    caught: watch::Sender<u64>,
    requests: watch::Sender<u64>,
    /// What the next random delay is made from.
    turn: AtomicU64,
}

/// The wire; it ends with its handle.
#[derive(Debug)]
pub(crate) struct HttpWire {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for HttpWire {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl HttpWire {
    /// A wire to the node at this address.
    pub(crate) async fn to(node: String) -> eyre::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
        let shared = Arc::new(Shared {
            client,
            node: Mutex::new(node),
            refused: Mutex::default(),
            late: Mutex::new(Duration::ZERO..=Duration::ZERO),
            held: watch::Sender::new(Held::Nothing),
            caught: watch::Sender::new(0),
            requests: watch::Sender::new(0),
            turn: AtomicU64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/", post(pass)).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the wire is cut");
            }
        });
        Ok(Self { address, shared, serving })
    }

    /// Where clients go.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far, refused ones too.
    pub(crate) fn requests(&self) -> u64 {
        *self.shared.requests.borrow()
    }

    /// Waits until there were more requests than this.
    pub(crate) async fn more_than(&self, requests: u64) -> eyre::Result<()> {
        self.shared.requests.subscribe().wait_for(|all| *all > requests).await?;
        Ok(())
    }

    /// From now on the node is at another address.
    pub(crate) fn set_node(&self, node: String) {
        *self.shared.node.lock() = node;
    }

    /// Answers single requests of these methods itself: there is no such method.
    pub(crate) fn refuse(&self, methods: &'static [&'static str]) {
        *self.shared.refused.lock() = methods;
    }

    /// Answers come so much later than the node gives them, each by another time of the range.
    pub(crate) fn set_late(&self, by: RangeInclusive<Duration>) {
        *self.shared.late.lock() = by;
    }

    /// Which answers wait; those that wait and need not any more go on their way.
    pub(crate) fn hold(&self, held: Held) {
        self.shared.held.send_replace(held);
    }

    /// Waits until so many answers in all were held back.
    pub(crate) async fn caught(&self, count: u64) -> eyre::Result<()> {
        self.shared.caught.subscribe().wait_for(|caught| *caught >= count).await?;
        Ok(())
    }

    /// How many were.
    pub(crate) fn caught_so_far(&self) -> u64 {
        *self.shared.caught.borrow()
    }
}

impl Shared {
    /// The answer to a method that is refused.
    fn refusal(&self, request: &[u8]) -> Option<Bytes> {
        let refused = *self.refused.lock();
        if refused.is_empty() {
            return None;
        }
        let request: Value = serde_json::from_slice(request).ok()?;
        refused.contains(&request.get("method")?.as_str()?).then(|| {
            let error = json!({ "code": -32601, "message": "Method not found" });
            json!({ "jsonrpc": "2.0", "id": request.get("id"), "error": error }).to_string().into()
        })
    }

    async fn ask(&self, request: Bytes) -> reqwest::Result<Bytes> {
        let node = self.node.lock().clone();
        self.client.post(node).header("content-type", "application/json").body(request).send().await?.bytes().await
    }

    /// The next delay.
    fn delay(&self) -> Duration {
        let (least, most) = self.late.lock().clone().into_inner();
        let millis = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        // SplitMix64: the same delays in each run.
        let turn = self.turn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (turn ^ (turn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        least.saturating_add(Duration::from_millis((mixed ^ (mixed >> 31)) % millis.saturating_add(1)))
    }
}

async fn pass(State(wire): State<Arc<Shared>>, request: Bytes) -> Response {
    wire.requests.send_modify(|count| *count = count.saturating_add(1));
    let answer = match wire.refusal(&request) {
        Some(refusal) => Ok(refusal),
        None => wire.ask(request.clone()).await,
    };
    let delay = wire.delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if wire.held.borrow().holds(&request) {
        wire.caught.send_modify(|count| *count = count.saturating_add(1));
    }
    // What ends the waiting is a change; the sender is in our own hands.
    let _held = wire.held.subscribe().wait_for(|held| !held.holds(&request)).await.map(drop);
    match answer {
        Ok(answer) => ([("content-type", "application/json")], answer).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
