//! Our own side of a relay's rate limit, one bucket an endpoint.

use std::time::{Duration, Instant};

/// The longest back-off after repeated refusals.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// How often an endpoint may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a minute in the long run. Zero allows none.
    pub per_minute: u32,
    /// Requests at once after a pause. Zero counts as one.
    pub burst: u32,
}

/// A token bucket that stores one moment instead of a count: when the bucket will be full again.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Time between two tokens; `None` when there are none.
    interval: Option<Duration>,
    /// How far [`Self::full_at`] may lie ahead before a request has to wait.
    tolerance: Duration,
    full_at: Instant,
    closed_until: Instant,
    refusals: u32,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(limit: RateLimit, now: Instant) -> Self {
        let interval = Duration::from_secs(60).checked_div(limit.per_minute);
        let tolerance = interval.unwrap_or_default().saturating_mul(limit.burst.saturating_sub(1));
        Self { interval, tolerance, full_at: now, closed_until: now, refusals: 0 }
    }

    /// Takes a token, or tells how long until there is one.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let Some(interval) = self.interval else {
            return Err(MAX_BACK_OFF);
        };
        let closed = self.closed_until.saturating_duration_since(now);
        let behind = self.full_at.saturating_duration_since(now);
        let wait = closed.max(behind.saturating_sub(self.tolerance));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full_at = self.full_at.max(now).checked_add(interval).unwrap_or(self.full_at);
        Ok(())
    }

    /// The relay said too many: nothing goes out for `wait`, doubled for each refusal in a row, at most a minute.
    /// Returns the time it is closed.
    pub fn refused(&mut self, wait: Duration, now: Instant) -> Duration {
        let factor = 1_u32.checked_shl(self.refusals.min(16)).unwrap_or(u32::MAX);
        let wait = wait.saturating_mul(factor).min(MAX_BACK_OFF.max(wait));
        self.refusals = self.refusals.saturating_add(1);
        self.closed_until = self.closed_until.max(now.checked_add(wait).unwrap_or(now));
        wait
    }

    /// The relay answered something else than too many.
    pub const fn answered(&mut self) {
        self.refusals = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bucket(per_minute: u32, burst: u32) -> (TokenBucket, Instant) {
        let now = Instant::now();
        (TokenBucket::new(RateLimit { per_minute, burst }, now), now)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (mut bucket, now) = bucket(60, 3);
        for _ in 0..3 {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert_eq!(bucket.take(now), Err(SECOND));
        assert_eq!(bucket.take(now + SECOND), Ok(()));
        assert_eq!(bucket.take(now + SECOND), Err(SECOND));
        let later = now + 100 * SECOND;
        for _ in 0..3 {
            assert_eq!(bucket.take(later), Ok(()));
        }
        assert!(bucket.take(later).is_err(), "a pause fills the bucket, not more");
    }

    #[test]
    fn a_minute_holds_rate_and_burst_only() {
        let (mut bucket, start) = bucket(120, 10);
        let taken = (0..60_000).filter(|ms| bucket.take(start + Duration::from_millis(*ms)).is_ok()).count();
        assert_eq!(taken, 120 + 10 - 1);
    }

    #[test]
    fn refusals_close_longer_each_time() {
        let (mut bucket, now) = bucket(6_000, 100);
        assert_eq!(bucket.refused(SECOND, now), SECOND);
        assert_eq!(bucket.take(now), Err(SECOND));
        assert_eq!(bucket.refused(SECOND, now), 2 * SECOND);
        assert_eq!(bucket.take(now + SECOND), Err(SECOND));
        for _ in 0..40 {
            bucket.refused(SECOND, now);
        }
        assert_eq!(bucket.take(now), Err(MAX_BACK_OFF));
        bucket.answered();
        assert_eq!(bucket.refused(90 * SECOND, now), 90 * SECOND, "the relay's own figure is kept");
    }

    #[test]
    fn a_limit_of_nothing_allows_nothing() {
        let (mut bucket, now) = bucket(0, 5);
        assert!(bucket.take(now).is_err());
    }
}
