//! What the relay tells about bundles and searchers afterwards.

use super::super::front::Front;
use alloy::primitives::{Address, B256};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

impl Front {
    /// `flashbots_getBundleStatsV2`.
    pub(super) fn bundle_stats(&self, hash: B256, block: u64) -> Value {
        self.with_store(|store| {
            let Some(history) = store.history(hash, block) else { return json!({"isSimulated": false}) };
            let builder = |when: &SystemTime| json!([{"pubkey": format!("0x{}", "00".repeat(48)), "timestamp": timestamp(*when)}]);
            match history.simulated {
                None => json!({"isHighPriority": true, "isSimulated": false, "receivedAt": timestamp(history.received)}),
                Some(simulated) => json!({
                    "isHighPriority": true,
                    "isSimulated": true,
                    "simulatedAt": timestamp(simulated),
                    "receivedAt": timestamp(history.received),
                    "consideredByBuildersAt": history.considered.as_ref().map_or_else(|| json!([]), builder),
                    "sealedByBuildersAt": history.sealed.as_ref().map_or_else(|| json!([]), builder),
                }),
            }
        })
    }

    /// `flashbots_getUserStatsV2`.
    pub(super) fn user_stats(&self, signer: Address) -> Value {
        let account = self.with_store(|store| store.account(signer));
        let now = SystemTime::now();
        let since = |days: u64| account.since(now.checked_sub(Duration::from_secs(days.saturating_mul(DAY))));
        let (all, week, day) = (account.since(None), since(7), since(1));
        json!({
            "isHighPriority": true,
            "allTimeValidatorPayments": all.0.to_string(),
            "allTimeGasSimulated": all.1.to_string(),
            "last7dValidatorPayments": week.0.to_string(),
            "last7dGasSimulated": week.1.to_string(),
            "last1dValidatorPayments": day.0.to_string(),
            "last1dGasSimulated": day.1.to_string(),
        })
    }
}

/// A moment as `2022-10-06T21:36:06.322Z`, by the civil calendar.
fn timestamp(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / DAY, since.as_secs() % DAY);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // Days since 0000-03-01, in eras of 400 years; March is month 0, so that the leap day ends the year.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let leaps = (day_of_era / 1_460).saturating_add(day_of_era / 146_096).saturating_sub(day_of_era / 36_524);
    let year_of_era = day_of_era.saturating_sub(leaps) / 365;
    let before = year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let day_of_year = day_of_era.saturating_sub(before);
    let shifted_month = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = day_of_year.saturating_sub(shifted_month.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let month = if shifted_month < 10 { shifted_month.saturating_add(3) } else { shifted_month.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(u64::from(month <= 2));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_by_the_civil_calendar() {
        let at = |seconds: u64, millis: u64| timestamp(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400, 1), "2000-02-29T00:00:00.001Z");
        assert_eq!(at(1_665_092_166, 322), "2022-10-06T21:36:06.322Z");
        assert_eq!(at(4_107_542_399, 999), "2100-02-28T23:59:59.999Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
    }
}
