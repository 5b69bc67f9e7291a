//! Who takes bundles, and what each of them knows.

use super::{
    mistake::Problem,
    reader::Section,
    secret::{KeyRef, UrlRef},
    sections::url,
    value::words,
};
use serde::Serialize;
use std::time::Duration;

words! {
    /// What a relay takes as `replacementUuid`.
    UuidStyle {
        /// A UUID of version 4.
        V4 = "v4",
        /// Any string.
        Free = "free",
        /// Nothing: replacement is not supported.
        None = "none",
    }
}

words! {
    /// How a bundle is taken back.
    CancelStyle {
        /// `eth_cancelBundle`.
        Endpoint = "endpoint",
        /// An empty bundle with the same id.
        EmptyBundle = "empty_bundle",
        /// Not at all.
        None = "none",
    }
}

words! {
    /// Fields of `eth_sendBundle` that not every relay knows.
    OptionalField {
        /// `minTimestamp` and `maxTimestamp`.
        Timestamps = "timestamps",
        /// `revertingTxHashes`.
        RevertingTxHashes = "reverting_tx_hashes",
        /// `droppingTxHashes`.
        DroppingTxHashes = "dropping_tx_hashes",
        /// `replacementUuid`.
        ReplacementUuid = "replacement_uuid",
        /// `replacementNonce`.
        ReplacementNonce = "replacement_nonce",
        /// `replacementSeqNumber`.
        ReplacementSeqNumber = "replacement_seq_number",
        /// `refundPercent`, `refundRecipient` and `refundTxHashes`.
        Refund = "refund",
        /// `builders`.
        Builders = "builders",
    }
}

/// One relay or builder that takes bundles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RelayConfig {
    /// A name for people, the ledger and metrics.
    pub name: String,
    /// Where bundles go.
    pub url: UrlRef,
    /// Whether requests carry `X-Flashbots-Signature`.
    pub sign: bool,
    /// The identity key behind that signature; never a key that holds funds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<KeyRef>,
    /// The optional fields that it knows.
    pub optional_fields: Vec<OptionalField>,
    /// What it takes as replacement id.
    pub uuid_style: UuidStyle,
    /// How a bundle is taken back.
    pub cancel_style: CancelStyle,
    /// The longest that one request may take, in milliseconds.
    pub timeout_ms: u64,
    /// Most requests a minute; the client waits, it is not refused.
    pub requests_per_minute: u32,
}

impl RelayConfig {
    /// The longest that one request may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let name = section.required::<String>("name");
        let url = url(&mut section, "url", &["http", "https"], "must be a URL that begins with http:// or https://, or a reference");
        if section.value("url").is_none() {
            section.mistake("url", Problem::Missing);
        }
        let sign = section.or("sign", true);
        let identity = section.optional("identity");
        if sign && section.value("identity").is_none() {
            section.mistake("identity", Problem::Invalid("is missing; a relay with sign = true needs the reference to an identity key"));
        }
        let optional_fields: Vec<OptionalField> = section.list("optional_fields");
        let uuid_style = section.or("uuid_style", UuidStyle::V4);
        let cancel_style = section.or("cancel_style", CancelStyle::Endpoint);
        let timeout_ms = section.number("timeout_ms", 2_000, 10..=60_000);
        let requests_per_minute = section.number("requests_per_minute", 600, 1..=1_000_000);
        section.finish();
        Some(Self { name: name?, url: url?, sign, identity, optional_fields, uuid_style, cancel_style, timeout_ms, requests_per_minute })
    }
}
