//! A relay that speaks Flashbots' JSON-RPC over HTTP.
//!
//! ```text
//! Bundle ─▶ EthSendBundle ─serialised once─▶ bytes ─┬─ Identity::header(bytes)
//!                                                   └─ the same bytes as body ─▶ POST ─▶ response::classify
//! ```
//!
//! Nothing touches the bytes between signature and socket. Redirects are not followed and proxies from the environment are
//! not used: a bundle is private.

use super::{Accepted, Answered, Bundle, CancelStyle, Capabilities, Identity, RateLimit, Relay, RelayError, SIGNATURE_HEADER, TokenBucket, response::classify};
use alloy::{
    rpc::types::mev::{EthCancelBundle, EthSendBundle},
    transports::http::reqwest::{
        self, Client, Response, Url,
        header::{CONTENT_TYPE, RETRY_AFTER},
        redirect,
    },
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    fmt,
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The most bytes of an answer that are read; what is kept for the ledger is less.
const READ_LIMIT: usize = 65_536;

/// A relay as configured.
#[derive(Clone)]
pub struct RelayConfig {
    /// Its name in the ledger and metrics.
    pub name: String,
    /// Where it listens: `https`, or plain `http` on the own machine.
    pub url: Url,
    /// Whether requests carry the signature header.
    pub sign: bool,
    /// What it knows.
    pub capabilities: Capabilities,
    /// The limit of `eth_sendBundle`.
    pub send_limit: RateLimit,
    /// The limit of `eth_cancelBundle`.
    pub cancel_limit: RateLimit,
    /// The most time for a connection.
    pub connect_timeout: Duration,
    /// The most time for one request from start to answer, connection and signature included.
    pub timeout: Duration,
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path and query of a relay's address may hold an access token.
        f.debug_struct("RelayConfig").field("name", &self.name).field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// Why a relay can't be used as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayConfigError {
    /// Bundles would travel in the clear.
    #[error("relay {0} needs https: plain http is for the own machine only")]
    Insecure(String),
    /// The HTTP client could not be built.
    #[error("no HTTP client for relay {name}")]
    Client {
        /// The relay.
        name: String,
        /// Why.
        source: reqwest::Error,
    },
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: [&'a P; 1],
}

/// The client of one relay.
pub struct FlashbotsRelay {
    config: RelayConfig,
    identity: Identity,
    client: Client,
    next_id: AtomicU64,
    send_bucket: Mutex<TokenBucket>,
    cancel_bucket: Mutex<TokenBucket>,
}

impl FlashbotsRelay {
    /// A client. Nothing is sent yet.
    pub fn new(config: RelayConfig, identity: Identity) -> Result<Self, RelayConfigError> {
        if config.url.scheme() != "https" && !is_loopback(&config.url) {
            return Err(RelayConfigError::Insecure(config.name));
        }
        let client = Client::builder()
            .connect_timeout(config.connect_timeout)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|source| RelayConfigError::Client { name: config.name.clone(), source })?;
        let now = Instant::now();
        Ok(Self {
            send_bucket: Mutex::new(TokenBucket::new(config.send_limit, now)),
            cancel_bucket: Mutex::new(TokenBucket::new(config.cancel_limit, now)),
            next_id: AtomicU64::new(1),
            config,
            identity,
            client,
        })
    }

    /// One request: token, bytes, signature, answer, all within the configured time.
    async fn post<P: Serialize + Sync>(&self, method: &'static str, param: &P, bucket: &Mutex<TokenBucket>) -> Result<Answered, RelayError> {
        bucket.lock().take(Instant::now()).map_err(|wait| RelayError::RateLimited { wait, by_relay: false, raw: String::new() })?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let body = serde_json::to_vec(&Request { jsonrpc: "2.0", id, method, params: [param] }).map_err(RelayError::Serialise)?;
        let answer = tokio::time::timeout(self.config.timeout, self.exchange(body)).await.unwrap_or(Err(RelayError::Deadline(self.config.timeout)));
        match answer {
            Err(RelayError::RateLimited { wait, by_relay, raw }) => {
                let wait = bucket.lock().refused(wait, Instant::now());
                Err(RelayError::RateLimited { wait, by_relay, raw })
            }
            other => {
                bucket.lock().answered();
                other
            }
        }
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<Answered, RelayError> {
        let mut request = self.client.post(self.config.url.clone()).header(CONTENT_TYPE, "application/json");
        if self.config.sign {
            request = request.header(SIGNATURE_HEADER, self.identity.header(&body).await.map_err(RelayError::Signing)?);
        }
        let mut response = request.body(body).send().await.map_err(transport)?;
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > READ_LIMIT {
                break;
            }
        }
        classify(status, retry_after, &answer)
    }

    async fn send(&self, bundle: &Bundle) -> Result<Accepted, RelayError> {
        let request = bundle.request(&self.config.capabilities);
        let answer = self.post("eth_sendBundle", &request, &self.send_bucket).await?;
        Ok(Accepted { bundle_hash: bundle.hash(), answer })
    }

    async fn cancel(&self, uuid: &str, target_block: u64) -> Result<Answered, RelayError> {
        match self.config.capabilities.cancel {
            CancelStyle::Endpoint => {
                let request = EthCancelBundle { replacement_uuid: uuid.to_owned() };
                self.post("eth_cancelBundle", &request, &self.cancel_bucket).await
            }
            CancelStyle::EmptyBundle => {
                let replacement_uuid = Some(uuid.to_owned());
                let request = EthSendBundle { block_number: target_block, replacement_uuid, ..EthSendBundle::default() };
                self.post("eth_sendBundle", &request, &self.send_bucket).await
            }
            CancelStyle::None => Err(RelayError::Unsupported("cancel bundles")),
        }
    }
}

impl Relay for FlashbotsRelay {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.config.capabilities
    }

    fn send_bundle<'a>(&'a self, bundle: &'a Bundle) -> BoxFuture<'a, Result<Accepted, RelayError>> {
        Box::pin(self.send(bundle))
    }

    fn cancel_bundle<'a>(&'a self, uuid: &'a str, target_block: u64) -> BoxFuture<'a, Result<Answered, RelayError>> {
        Box::pin(self.cancel(uuid, target_block))
    }
}

impl fmt::Debug for FlashbotsRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlashbotsRelay").field("config", &self.config).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Errors of the HTTP client without the address, which may hold an access token.
fn transport(error: reqwest::Error) -> RelayError {
    RelayError::Transport(error.without_url())
}

/// The header in its form as seconds; a date is not understood and left to the default.
fn retry_after(response: &Response) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|host| host == "localhost" || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
#[path = "flashbots_tests.rs"]
mod tests;
