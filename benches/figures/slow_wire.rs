//! A node that is far away: every HTTP request waits before it is passed on. A batch is one request.

use alloy::transports::http::reqwest;
use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// The longest that a request may take behind the wire.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Shared {
    client: reqwest::Client,
    upstream: String,
    delay: Duration,
    requests: AtomicU64,
}

/// The wire; it ends with its handle.
#[derive(Debug)]
pub(crate) struct SlowWire {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for SlowWire {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl SlowWire {
    /// A wire to the node at `upstream`.
    pub(crate) async fn to(upstream: String, delay: Duration) -> eyre::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
        let shared = Arc::new(Shared { client, upstream, delay, requests: AtomicU64::new(0) });
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

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

async fn pass(State(wire): State<Arc<Shared>>, body: Bytes) -> axum::response::Response {
    wire.requests.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(wire.delay).await;
    let sent = wire.client.post(&wire.upstream).header("content-type", "application/json").body(body).send().await;
    let answer = match sent {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => ([("content-type", "application/json")], answer).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
