//! JSON-RPC 2.0 on the wire: requests, single or in a batch, and answers that keep the node's result bytes.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

/// The most requests in one batch.
pub const MAX_BATCH: usize = 1_000;

/// One request.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// Echoed in the answer; none for a notification.
    #[serde(default)]
    pub id: Option<Box<RawValue>>,
    /// What is asked.
    pub method: String,
    /// Its parameters, raw.
    #[serde(default)]
    pub params: Option<Box<RawValue>>,
}

impl Request {
    /// The parameters, an empty list where there are none.
    pub fn raw_params(&self) -> Box<RawValue> {
        self.params.clone().unwrap_or_else(|| RawValue::NULL.to_owned())
    }

    /// The parameters as a typed tuple or list.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, RpcError> {
        let text = self.params.as_ref().map_or("[]", |params| params.get());
        serde_json::from_str(text).map_err(|error| RpcError::params(error.to_string()))
    }
}

/// A JSON-RPC error.
#[derive(Clone, Debug, Serialize)]
pub struct RpcError {
    /// The JSON-RPC code.
    pub code: i64,
    /// For people.
    pub message: String,
    /// More, raw JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Wrong parameters.
    pub fn params(message: impl std::fmt::Display) -> Self {
        Self::new(-32602, format!("invalid params: {message}"))
    }

    /// The transaction or bundle is refused.
    pub fn refused(message: impl std::fmt::Display) -> Self {
        Self::new(-32000, message.to_string())
    }

    /// Something that is not the caller's fault.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(-32603, format!("internal error: {message}"))
    }

    /// There is no such method, or it may not be called here.
    pub fn no_method(method: &str, why: &str) -> Self {
        Self::new(-32601, format!("the method {method} {why}"))
    }
}

impl From<super::super::node::NodeError> for RpcError {
    fn from(error: super::super::node::NodeError) -> Self {
        use super::super::node::NodeError;
        match error {
            NodeError::Refused { code, message, data, .. } => Self { code, message, data },
            other => Self::internal(other),
        }
    }
}

/// What a method gives back.
pub type Answer = Result<Box<RawValue>, RpcError>;

/// A value as a result.
pub fn answer<T: Serialize>(value: &T) -> Answer {
    to_raw_value(value).map_err(RpcError::internal)
}

/// One answer as text.
pub fn render(id: Option<&RawValue>, answer: &Answer) -> String {
    let id = id.map_or("null", RawValue::get);
    match answer {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, result.get()),
        Err(error) => {
            let error = serde_json::to_string(error).unwrap_or_else(|_| r#"{"code":-32603,"message":"internal error"}"#.to_owned());
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
        }
    }
}

/// What a body asks for.
#[derive(Debug)]
pub enum Parsed {
    /// One request.
    Single(Request),
    /// Several; each element that is no request is kept as its error.
    Batch(Vec<Result<Request, RpcError>>),
}

/// Reads a body.
pub fn parse(body: &[u8]) -> Result<Parsed, RpcError> {
    let bad = |error: serde_json::Error| RpcError::new(-32700, format!("parse error: {error}"));
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        let items: Vec<Box<RawValue>> = serde_json::from_slice(body).map_err(bad)?;
        if items.is_empty() || items.len() > MAX_BATCH {
            return Err(RpcError::new(-32600, format!("a batch has 1 to {MAX_BATCH} requests")));
        }
        return Ok(Parsed::Batch(items.iter().map(|item| single(item.get())).collect()));
    }
    let text = std::str::from_utf8(body).map_err(|error| RpcError::new(-32700, format!("parse error: {error}")))?;
    serde_json::from_str::<&RawValue>(text).map_err(bad)?;
    Ok(Parsed::Single(single(text)?))
}

fn single(text: &str) -> Result<Request, RpcError> {
    serde_json::from_str(text).map_err(|error| RpcError::new(-32600, format!("invalid request: {error}")))
}
