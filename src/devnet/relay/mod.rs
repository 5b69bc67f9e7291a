//! The devnet's private door: an honest relay in the manner of Flashbots', and faults on demand.
//!
//! ```text
//! body ─▶ auth (exact bytes) ─▶ fault? ─▶ methods ─▶ store ─▶ (builder takes from it at the block)
//! ```
//!
//! Accepting is never including: a bundle is executed when its block is built. Nothing that comes in here reaches the
//! public mempool or the node before that.

pub mod auth;
pub mod bundle;
mod call;
mod fault;
mod methods;
mod stats;
pub mod store;

use super::front::{
    Front,
    rpc::{self, Answer, RpcError},
};
use alloy::primitives::Bytes;
use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
pub use fault::Fault;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Counters of one relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Requests that came in.
    pub requests: u64,
    /// Requests without a valid signature.
    pub unauthenticated: u64,
    /// Requests that were answered with an error of the caller's making.
    pub refused: u64,
    /// Bundles taken.
    pub accepted: u64,
    /// Bundles that took the place of another.
    pub replaced: u64,
    /// Bundles ignored because a newer one of their name waits.
    pub outdated: u64,
    /// Bundles withdrawn.
    pub cancelled: u64,
    /// Requests that got a fault.
    pub faults: u64,
    /// Requests with fields that no document of a relay knows.
    pub unknown_fields: u64,
}

#[derive(Debug, Default)]
struct Tally {
    requests: AtomicU64,
    unauthenticated: AtomicU64,
    refused: AtomicU64,
    accepted: AtomicU64,
    replaced: AtomicU64,
    outdated: AtomicU64,
    cancelled: AtomicU64,
    faults: AtomicU64,
    unknown_fields: AtomicU64,
}

/// One relay: its own faults and counters, one store and one builder shared with the others.
#[derive(Debug)]
pub struct Relay {
    name: Arc<str>,
    fault: Mutex<Option<(Fault, Option<u64>)>>,
    by_method: Mutex<BTreeMap<&'static str, u64>>,
    tally: Tally,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Relay {
    /// A relay without faults.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), fault: Mutex::new(None), by_method: Mutex::default(), tally: Tally::default() }
    }

    /// Its name, also in its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on every authenticated request gets this fault; none makes it honest again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *self.fault.lock() = fault.map(|fault| (fault, None));
    }

    /// The next `requests` authenticated requests get this fault.
    pub fn set_fault_for(&self, fault: Fault, requests: u64) {
        *self.fault.lock() = Some((fault, Some(requests)));
    }

    fn next_fault(&self) -> Option<Fault> {
        let mut current = self.fault.lock();
        let (fault, left) = (*current)?;
        match left {
            None => {}
            Some(0) => {
                *current = None;
                return None;
            }
            Some(left) => *current = Some((fault, Some(left.saturating_sub(1)))),
        }
        count(&self.tally.faults);
        Some(fault)
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RelayCounters {
            requests: read(&self.tally.requests),
            unauthenticated: read(&self.tally.unauthenticated),
            refused: read(&self.tally.refused),
            accepted: read(&self.tally.accepted),
            replaced: read(&self.tally.replaced),
            outdated: read(&self.tally.outdated),
            cancelled: read(&self.tally.cancelled),
            faults: read(&self.tally.faults),
            unknown_fields: read(&self.tally.unknown_fields),
        }
    }

    /// Authenticated requests by method.
    #[must_use]
    pub fn requests_by_method(&self) -> BTreeMap<&'static str, u64> {
        self.by_method.lock().clone()
    }

    /// The counter of a method; names that are not served share one, so that a stranger can't grow the table.
    fn count_method(&self, method: &str) {
        let known = methods::SERVED.iter().find(|served| **served == method).copied().unwrap_or("unknown");
        let mut by_method = self.by_method.lock();
        let counter = by_method.entry(known).or_default();
        *counter = counter.saturating_add(1);
    }
}

fn respond(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Answers one body at a relay's door.
pub(super) async fn serve(front: Arc<Front>, relay: Arc<Relay>, signature: Option<String>, body: Bytes) -> Response {
    count(&relay.tally.requests);
    let signer = match auth::verify(signature.as_deref(), &body) {
        Ok(signer) => signer,
        Err(error) => {
            count(&relay.tally.unauthenticated);
            tracing::debug!(relay = relay.name(), %error, "a request was refused");
            return respond(StatusCode::UNAUTHORIZED, rpc::render(None, &Err(RpcError::new(-32600, error.to_string()))));
        }
    };
    let request = match rpc::parse(&body) {
        Ok(rpc::Parsed::Single(request)) => request,
        Ok(rpc::Parsed::Batch(_)) => {
            count(&relay.tally.refused);
            return respond(StatusCode::BAD_REQUEST, rpc::render(None, &Err(RpcError::new(-32600, "a relay takes no batches"))));
        }
        Err(error) => {
            count(&relay.tally.refused);
            return respond(StatusCode::BAD_REQUEST, rpc::render(None, &Err(error)));
        }
    };
    relay.count_method(&request.method);
    let fault = relay.next_fault();
    if let Some(response) = fault::before(fault).await {
        return response;
    }
    let withheld = fault == Some(Fault::AcceptNotInclude);
    let answer: Answer = front.at_relay(&relay, signer, &request, withheld).await;
    if answer.is_err() {
        count(&relay.tally.refused);
    }
    let id = request.id.as_deref();
    fault::after(fault, id, &answer).unwrap_or_else(|| respond(StatusCode::OK, rpc::render(id, &answer)))
}

/// A response whose body breaks off: the client sees a lost connection.
fn broken_off() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) });
    Response::new(Body::from_stream(futures::StreamExt::map(broken, |item| item.map(|bytes| bytes.0))))
}
