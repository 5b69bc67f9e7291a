//! Faults on demand: what relays do to their clients, one kind at a time.

use super::{broken_off, respond};
use crate::devnet::front::rpc::{self, Answer};
use axum::{http::StatusCode, response::Response};
use serde_json::{json, value::RawValue};
use std::time::Duration;

/// One way in which a relay misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers, but only after this long. The bundle counts from then on.
    Delay(Duration),
    /// HTTP 429, not taken.
    TooManyRequests,
    /// HTTP 500, not taken.
    ServerError,
    /// Status 200 with a page instead of JSON, not taken.
    NotJson,
    /// Status 200 with `error` as a string, not taken.
    ErrorString,
    /// Taken, and the result is a hash without an object around it.
    BareHash,
    /// Taken, and the result is null.
    NullResult,
    /// The connection breaks before anything is taken.
    DropConnection,
    /// Taken, and then the connection breaks.
    DropAfterAccept,
    /// Taken and acknowledged, never included.
    AcceptNotInclude,
}

/// What a fault does before the request is looked at.
pub(super) async fn before(fault: Option<Fault>) -> Option<Response> {
    match fault? {
        Fault::Delay(delay) => {
            tokio::time::sleep(delay).await;
            None
        }
        Fault::TooManyRequests => Some(respond(StatusCode::TOO_MANY_REQUESTS, json!({"error": "rate limit exceeded"}).to_string())),
        Fault::ServerError => Some(respond(StatusCode::INTERNAL_SERVER_ERROR, "internal server error".to_owned())),
        Fault::NotJson => Some(respond(StatusCode::OK, "<html><body>welcome</body></html>".to_owned())),
        Fault::ErrorString => Some(respond(StatusCode::OK, json!({"jsonrpc": "2.0", "id": 1, "error": "bundle could not be taken"}).to_string())),
        Fault::DropConnection => Some(broken_off()),
        Fault::BareHash | Fault::NullResult | Fault::DropAfterAccept | Fault::AcceptNotInclude => None,
    }
}

/// What a fault does to an answer; none leaves it as it is. Errors of the caller's making are told as they are.
pub(super) fn after(fault: Option<Fault>, id: Option<&RawValue>, answer: &Answer) -> Option<Response> {
    let result = answer.as_ref().ok()?;
    let reshaped = match fault? {
        Fault::BareHash => {
            let value: serde_json::Value = serde_json::from_str(result.get()).ok()?;
            rpc::answer(value.get("bundleHash")?)
        }
        Fault::NullResult => rpc::answer(&()),
        Fault::DropAfterAccept => return Some(broken_off()),
        _ => return None,
    };
    Some(respond(StatusCode::OK, rpc::render(id, &reshaped)))
}
