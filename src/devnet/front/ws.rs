//! WebSocket: the same methods, and subscriptions.
//!
//! Answers and announcements share one bounded queue a connection. An answer waits for its place; an announcement that finds no place is dropped and counted.

use super::{
    CLIENT_LIMIT, Front,
    announce::{Topic, quantity},
    rpc::{self, Parsed, Request, RpcError, answer},
};
use alloy::rpc::types::Filter;
use axum::extract::ws::{Message, WebSocket};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use std::sync::Arc;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

/// Serves one connection until either side ends it.
pub(super) async fn serve(front: Arc<Front>, socket: WebSocket, mut stopped: watch::Receiver<bool>) {
    let connection = front.announcer.fresh_id();
    let (mut sink, mut source) = socket.split();
    let (out, mut queue) = mpsc::channel::<String>(front.config.ws_queue);
    let permits = Arc::new(Semaphore::new(front.config.ws_at_once));
    let mut work = JoinSet::new();

    let writer = tokio::spawn(async move {
        while let Some(text) = queue.recv().await {
            match tokio::time::timeout(CLIENT_LIMIT, sink.send(Message::Text(text.into()))).await {
                Ok(Ok(())) => {}
                _ => break,
            }
        }
    });
    loop {
        let message = tokio::select! {
            _ = stopped.changed() => break,
            message = source.next() => message,
        };
        let body = match message {
            Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
        };
        // Subscriptions are handled in order, so that an id is told before its first announcement.
        match front.subscription(&body, connection, &out).await {
            Handled::Answered => continue,
            Handled::Closed => break,
            Handled::No => {}
        }
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        while work.try_join_next().is_some() {}
        let (front, out) = (front.clone(), out.clone());
        work.spawn(async move {
            let text = front.respond(&body).await;
            // The connection may have ended meanwhile; then there is nobody to tell.
            let _ = out.send(text).await;
            drop(permit);
        });
    }
    front.announcer.close(connection);
    work.shutdown().await;
    drop(out);
    writer.abort();
}

/// What became of a message that may be about a subscription.
enum Handled {
    /// It was, and the answer is queued.
    Answered,
    /// It was, and there is nobody to answer.
    Closed,
    /// It was not.
    No,
}

impl Front {
    /// Handles `eth_subscribe` and `eth_unsubscribe`. A subscription is active only after its answer is queued.
    async fn subscription(self: &Arc<Self>, body: &[u8], connection: u64, out: &mpsc::Sender<String>) -> Handled {
        let Ok(Parsed::Single(request)) = rpc::parse(body) else { return Handled::No };
        let mut begins = None;
        let result = match request.method.as_str() {
            "eth_subscribe" => topic(&request).and_then(|topic| {
                let subscription = self.announcer.fresh_id();
                begins = Some((subscription, topic));
                answer(&quantity(subscription))
            }),
            "eth_unsubscribe" => self.unsubscribe(&request, connection),
            _ => return Handled::No,
        };
        if out.send(rpc::render(request.id.as_deref(), &result)).await.is_err() {
            return Handled::Closed;
        }
        if let Some((subscription, topic)) = begins {
            self.announcer.subscribe(subscription, connection, topic, out.clone());
        }
        Handled::Answered
    }

    fn unsubscribe(&self, request: &Request, connection: u64) -> rpc::Answer {
        let (text,): (String,) = request.typed()?;
        let subscription = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let subscription = subscription.ok_or_else(|| RpcError::params("not a subscription id"))?;
        if self.announcer.unsubscribe(subscription, connection) { answer(&true) } else { Err(RpcError::refused("subscription not found")) }
    }
}

/// What an `eth_subscribe` asks for.
fn topic(request: &Request) -> Result<Topic, RpcError> {
    let params: Vec<Value> = request.typed()?;
    match params.first().and_then(Value::as_str) {
        Some("newHeads") => Ok(Topic::Heads),
        Some("newPendingTransactions") => match params.get(1) {
            None | Some(Value::Null) => Ok(Topic::Pending { full: false }),
            Some(Value::Bool(full)) => Ok(Topic::Pending { full: *full }),
            Some(_) => Err(RpcError::params("expected true or false")),
        },
        Some("logs") => {
            let filter = match params.get(1) {
                None | Some(Value::Null) => Filter::new(),
                Some(filter) => serde_json::from_value(filter.clone()).map_err(RpcError::params)?,
            };
            Ok(Topic::Logs(Box::new(filter)))
        }
        Some(other) => Err(RpcError::params(format!("there is no subscription {other:?} here"))),
        None => Err(RpcError::params("expected the name of a subscription")),
    }
}
