//! Connections to a node: every loss of one is seen by whoever uses it.

use super::error::ChainError;
use alloy::{
    network::AnyNetwork,
    providers::{RootProvider, WsConnect},
    pubsub::{ConnectionHandle, PubSubConnect},
    rpc::client::RpcClient,
    transports::{
        TransportErrorKind, TransportResult,
        http::reqwest::{Client, Url},
    },
};
use std::time::Duration;

/// A WebSocket without pings is taken for dead after this long.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Connects once. alloy would reconnect and subscribe again without telling anybody; the notifications of the gap would be lost unseen.
/// So the connection ends instead, and its user builds a new one and reads what it missed.
#[derive(Clone, Debug)]
struct ConnectOnce(WsConnect);

impl PubSubConnect for ConnectOnce {
    fn is_local(&self) -> bool {
        self.0.is_local()
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        self.0.connect().await
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Err(TransportErrorKind::non_retryable_str("the connection was lost"))
    }
}

/// A provider over a new WebSocket.
pub(super) async fn websocket(url: &Url, within: Duration) -> Result<RootProvider<AnyNetwork>, ChainError> {
    let connector = ConnectOnce(WsConnect::new(url.as_str()).with_keepalive_interval(KEEPALIVE));
    match tokio::time::timeout(within, RpcClient::connect_pubsub(connector)).await {
        Ok(Ok(client)) => Ok(RootProvider::new(client)),
        Ok(Err(source)) => Err(ChainError::of("connect", source)),
        Err(_) => Err(ChainError::Late { call: "connect", within }),
    }
}

/// A provider over HTTP; the client itself gives up, too.
pub(super) fn http(url: &Url, within: Duration) -> Result<RootProvider<AnyNetwork>, ChainError> {
    // Twice: the caller's own timeout comes first and says which call was late; this one ends what nobody waits for any more.
    let builder = Client::builder().timeout(within.saturating_mul(2)).connect_timeout(within);
    // A proxy of the environment does not reach our own machine.
    let local = url.host_str().is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "[::1]");
    let client = if local { builder.no_proxy() } else { builder }.build().map_err(ChainError::Client)?;
    Ok(RootProvider::new(RpcClient::new_http_with_client(client, url.clone())))
}
