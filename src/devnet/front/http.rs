//! HTTP: JSON-RPC at `/` (a WebSocket on GET), the relays at `/relay` and `/relay/<name>`.

use super::{
    CLIENT_LIMIT, Front,
    rpc::{self, Parsed, Request},
    ws,
};
use crate::devnet::relay::{self, Relay};
use alloy::primitives::Bytes;
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::StreamExt;
use std::sync::Arc;
use tokio::sync::watch;

/// Requests of one batch that are worked on at once.
const BATCH_AT_ONCE: usize = 16;

#[derive(Clone, Debug)]
struct Door {
    front: Arc<Front>,
    stopped: watch::Receiver<bool>,
}

/// The routes of a front.
pub(super) fn router(front: Arc<Front>, stopped: watch::Receiver<bool>) -> Router {
    let limit = front.config.max_body;
    Router::new()
        .route("/", get(open_ws).post(rpc_over_http))
        .route("/relay", post(default_relay))
        .route("/relay/{name}", post(named_relay))
        .layer(DefaultBodyLimit::max(limit))
        .with_state(Door { front, stopped })
}

/// A JSON body with status 200.
fn json_body(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

async fn rpc_over_http(State(door): State<Door>, body: Body) -> Response {
    match read_body(body, door.front.config.max_body).await {
        Ok(body) => json_body(door.front.respond(&body).await),
        Err(status) => status.into_response(),
    }
}

/// The whole body, within size and time.
async fn read_body(body: Body, limit: usize) -> Result<Bytes, StatusCode> {
    match tokio::time::timeout(CLIENT_LIMIT, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

async fn open_ws(State(door): State<Door>, upgrade: WebSocketUpgrade) -> Response {
    let limit = door.front.config.max_body;
    upgrade.max_message_size(limit).on_upgrade(move |socket| ws::serve(door.front, socket, door.stopped))
}

async fn default_relay(State(door): State<Door>, headers: HeaderMap, body: Body) -> Response {
    match door.front.default_relay().cloned() {
        Some(relay) => at_relay(door.front, relay, headers, body).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn named_relay(State(door): State<Door>, Path(name): Path<String>, headers: HeaderMap, body: Body) -> Response {
    match door.front.relay(&name).cloned() {
        Some(relay) => at_relay(door.front, relay, headers, body).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn at_relay(front: Arc<Front>, relay: Arc<Relay>, headers: HeaderMap, body: Body) -> Response {
    // The signature is over these very bytes, so they are read before anything is parsed.
    match read_body(body, front.config.max_body).await {
        Ok(body) => {
            let signature = headers.get(relay::auth::HEADER).map(|value| value.to_str().unwrap_or("not text").to_owned());
            relay::serve(front, relay, signature, body).await
        }
        Err(status) => status.into_response(),
    }
}

impl Front {
    /// Answers a body, single or batch, as text. A batch's answers stand in its order.
    pub(super) async fn respond(self: &Arc<Self>, body: &[u8]) -> String {
        match rpc::parse(body) {
            Err(error) => rpc::render(None, &Err(error)),
            Ok(Parsed::Single(request)) => self.respond_to(request).await,
            Ok(Parsed::Batch(requests)) => {
                let answers: Vec<String> = futures::stream::iter(requests)
                    .map(|request| async move {
                        match request {
                            Ok(request) => self.respond_to(request).await,
                            Err(error) => rpc::render(None, &Err(error)),
                        }
                    })
                    .buffered(BATCH_AT_ONCE)
                    .collect()
                    .await;
                format!("[{}]", answers.join(","))
            }
        }
    }

    /// Answers one request as text.
    pub(super) async fn respond_to(self: &Arc<Self>, request: Request) -> String {
        if matches!(request.method.as_str(), "eth_subscribe" | "eth_unsubscribe") {
            let error = rpc::RpcError::no_method(&request.method, "needs a WebSocket: notifications not supported");
            return rpc::render(request.id.as_deref(), &Err(error));
        }
        let answer = self.dispatch(&request).await;
        rpc::render(request.id.as_deref(), &answer)
    }
}
