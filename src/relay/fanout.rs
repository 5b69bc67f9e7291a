//! One bundle to all relays at once. None waits for another.

use super::{Accepted, Answered, Bundle, Relay, RelayError};
use futures::future::join_all;
use std::{sync::Arc, time::Duration};

/// What one relay said to one request.
#[derive(Debug)]
pub struct Sent<T = Accepted> {
    /// The relay's name.
    pub relay: String,
    /// Its answer.
    pub result: Result<T, RelayError>,
}

impl<T> Sent<T> {
    /// Whether the relay has the request or may have it. While one of the relays may, the bundle is in flight.
    #[must_use]
    pub fn may_be_included(&self) -> bool {
        match &self.result {
            Ok(_) => true,
            Err(error) => error.maybe_accepted(),
        }
    }
}

/// The configured relays.
#[derive(Clone, Debug)]
pub struct Relays {
    relays: Vec<Arc<dyn Relay>>,
    deadline: Duration,
}

impl Relays {
    /// These relays; none gets more than `deadline` for a request, whatever its own limit.
    #[must_use]
    pub const fn new(relays: Vec<Arc<dyn Relay>>, deadline: Duration) -> Self {
        Self { relays, deadline }
    }

    /// The names, in the order of the configuration.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.relays.iter().map(|relay| relay.name()).collect()
    }

    /// Sends to all; one entry a relay, in the order of the configuration.
    pub async fn send(&self, bundle: &Bundle) -> Vec<Sent> {
        join_all(self.relays.iter().map(|relay| async move { self.within(relay.as_ref(), relay.send_bundle(bundle)).await })).await
    }

    /// Withdraws at all.
    pub async fn cancel(&self, uuid: &str, target_block: u64) -> Vec<Sent<Answered>> {
        join_all(self.relays.iter().map(|relay| async move { self.within(relay.as_ref(), relay.cancel_bundle(uuid, target_block)).await })).await
    }

    async fn within<T>(&self, relay: &dyn Relay, request: impl Future<Output = Result<T, RelayError>>) -> Sent<T> {
        let result = tokio::time::timeout(self.deadline, request).await.unwrap_or(Err(RelayError::Deadline(self.deadline)));
        Sent { relay: relay.name().to_owned(), result }
    }
}
