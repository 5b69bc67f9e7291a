//! The newest block: for the front its head, for clients the header as the node wrote it.

use super::FrontError;
use crate::chain::{Head, head_of};
use alloy::network::AnyRpcHeader;
use serde_json::Value;

/// The newest block.
#[derive(Clone, Debug)]
pub struct HeadNow {
    /// Its header.
    pub head: Head,
    /// The same as clients see it.
    pub(super) header: Value,
}

impl HeadNow {
    pub(super) fn read(mut block: Value) -> Result<Self, FrontError> {
        let header: AnyRpcHeader = serde_json::from_value(block.clone())?;
        let head = head_of(&header)?;
        if let Value::Object(fields) = &mut block {
            for body in ["transactions", "uncles", "withdrawals"] {
                fields.remove(body);
            }
        }
        Ok(Self { head, header: block })
    }
}
