//! Relays answer in many shapes. Here each becomes one of four: HTTP status, JSON-RPC error, success, nonsense.

use super::{Answered, RelayError};
use alloy::primitives::B256;
use serde_json::{Map, Value};
use std::time::Duration;

/// The most bytes of an answer that are read and kept.
pub const MAX_RAW_BYTES: usize = 4_096;

/// The back-off after an HTTP 429 that names no time.
const DEFAULT_BACK_OFF: Duration = Duration::from_secs(1);

/// The form of a result that is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultShape {
    /// `{"bundleHash": "0x.."}`, perhaps with more.
    Object(B256),
    /// The hash alone.
    BareHash(B256),
    /// `null`.
    Null,
    /// `true`.
    True,
    /// A number, usually 200.
    Number,
    /// Anything else that is no error.
    Other,
}

impl ResultShape {
    /// The bundle hash that the relay named.
    #[must_use]
    pub const fn hash(self) -> Option<B256> {
        match self {
            Self::Object(hash) | Self::BareHash(hash) => Some(hash),
            Self::Null | Self::True | Self::Number | Self::Other => None,
        }
    }

    fn of(result: &Value) -> Self {
        let as_hash = |value: &Value| value.as_str().and_then(|text| text.parse::<B256>().ok());
        match result {
            Value::Null => Self::Null,
            Value::Bool(true) => Self::True,
            Value::Number(_) => Self::Number,
            Value::String(_) => as_hash(result).map_or(Self::Other, Self::BareHash),
            Value::Object(fields) => fields.get("bundleHash").and_then(as_hash).map_or(Self::Other, Self::Object),
            Value::Bool(false) | Value::Array(_) => Self::Other,
        }
    }
}

/// Sorts an answer. `retry_after` is the header of that name.
pub(super) fn classify(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Result<Answered, RelayError> {
    let raw = bounded(body);
    if status == 429 {
        return Err(RelayError::RateLimited { wait: retry_after.unwrap_or(DEFAULT_BACK_OFF), by_relay: true, raw });
    }
    if !(200..300).contains(&status) {
        return Err(RelayError::Http { status, raw });
    }
    let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(body) else {
        return Err(RelayError::Nonsense { raw });
    };
    if let Some((code, message)) = error_of(&answer) {
        return Err(RelayError::Rpc { code, message, raw });
    }
    match answer.get("result") {
        Some(result) => Ok(Answered { shape: ResultShape::of(result), raw }),
        None => Err(RelayError::Nonsense { raw }),
    }
}

/// `error` (or `jsonerror`, as one builder writes) as an object or a text; `null` is no error.
fn error_of(answer: &Map<String, Value>) -> Option<(Option<i64>, String)> {
    let error = ["error", "jsonerror"].into_iter().find_map(|key| answer.get(key).filter(|error| !error.is_null()))?;
    let code = error.get("code").and_then(Value::as_i64);
    let message = error.as_str().or_else(|| error.get("message").and_then(Value::as_str));
    Some((code, message.map_or_else(|| bounded(error.to_string().as_bytes()), |text| bounded(text.as_bytes()))))
}

/// At most [`MAX_RAW_BYTES`] of text; what is no UTF-8 is replaced.
fn bounded(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..MAX_RAW_BYTES).unwrap_or(body)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Retry;

    const HASH: &str = "0x5a2e5ab6b96c4f6cf1306b29d5c7a28fb38a1e4270592750dbcf822a3cdb57bc";

    fn ok(body: &str) -> ResultShape {
        classify(200, None, body.as_bytes()).unwrap().shape
    }

    fn err(status: u16, body: &str) -> RelayError {
        classify(status, None, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn every_shape_of_success() {
        let hash: B256 = HASH.parse().unwrap();
        let with = |result: &str| ok(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
        assert_eq!(with(&format!(r#"{{"bundleHash":"{HASH}","smart":true}}"#)), ResultShape::Object(hash));
        assert_eq!(with(&format!(r#""{HASH}""#)), ResultShape::BareHash(hash));
        assert_eq!(with("null"), ResultShape::Null);
        assert_eq!(with("200"), ResultShape::Number);
        assert_eq!(with("true"), ResultShape::True);
        assert_eq!(with("{}"), ResultShape::Other);
        assert_eq!(with(r#""nil""#), ResultShape::Other);
        assert_eq!(ok(r#"{"id":1,"error":null,"result":null}"#), ResultShape::Null, "a null error is none");
    }

    #[test]
    fn every_shape_of_refusal() {
        let rpc = |body: &str| match err(200, body) {
            RelayError::Rpc { code, message, .. } => (code, message),
            other => panic!("{other:?}"),
        };
        assert_eq!(rpc(r#"{"id":1,"error":{"code":-32000,"message":"nonce too low"}}"#), (Some(-32_000), "nonce too low".into()));
        assert_eq!(rpc(r#"{"id":1,"error":"unable to decode txs"}"#), (None, "unable to decode txs".into()));
        assert_eq!(rpc(r#"{"jsonerror":{"code":-38000,"message":"no"},"result":null}"#), (Some(-38_000), "no".into()));
        assert_eq!(rpc(r#"{"error":{"reason":7}}"#), (None, r#"{"reason":7}"#.into()));
        assert_eq!(rpc(r#"{"error":null,"jsonerror":"x"}"#), (None, "x".into()));
    }

    #[test]
    fn statuses_come_before_bodies() {
        assert!(matches!(err(401, r#"{"error":"missing or invalid signature"}"#), RelayError::Http { status: 401, raw } if raw.contains("signature")));
        assert!(matches!(err(500, r#"{"result":null}"#), RelayError::Http { status: 500, .. }));
        assert!(matches!(err(302, ""), RelayError::Http { status: 302, .. }));
        assert_eq!(err(400, "bad").retry(), Retry::Never);
        assert!(matches!(err(503, "later").retry(), Retry::After(_)));
        assert!(err(502, "bad gateway").maybe_accepted() && !err(401, "no").maybe_accepted());
    }

    #[test]
    fn too_many_requests_is_a_back_off() {
        let error = classify(429, Some(Duration::from_secs(7)), b"slow down").unwrap_err();
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
        assert!(!error.maybe_accepted());
        assert_eq!(err(429, "").retry(), Retry::After(DEFAULT_BACK_OFF));
    }

    #[test]
    fn nonsense_is_kept_bounded_and_may_be_an_acceptance() {
        for body in ["<html>ok</html>", "", "[]", r#"{"jsonrpc":"2.0","id":1}"#, "\u{0}\u{1}", r#"{"result":"#] {
            let error = err(200, body);
            assert!(matches!(error, RelayError::Nonsense { .. }), "{body}");
            assert!(error.maybe_accepted());
        }
        let long = "x".repeat(3 * MAX_RAW_BYTES);
        assert!(matches!(err(200, &long), RelayError::Nonsense { raw } if raw.len() == MAX_RAW_BYTES));
        assert!(matches!(classify(200, None, &[0xff; 10]), Err(RelayError::Nonsense { .. })));
    }
}
