//! When a call is tried again, and what Jira's limits ask of us.

use super::meter::{Class, next_hour};
use rand::Rng;
use reqwest::header::HeaderMap;
use std::time::Duration;

/// Tries of one call at most.
pub const TRIES: u32 = 4;
/// Longest pause between two tries within one call.
const LONGEST: Duration = Duration::from_secs(30);

/// Pause before the next try: doubling, with jitter of 0.7 to 1.3, at least what Jira asks for.
pub fn pause(base: Duration, tried: u32, asked: Option<Duration>) -> Duration {
    let doubled = base.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1))).min(LONGEST);
    let jittered = doubled.mul_f64(rand::rng().random_range(0.7..1.3));
    asked.map_or(jittered, |asked| asked.max(jittered))
}

/// How long a caller of this class waits within one call, for another try or for its turn; beyond that it is told
/// when to come back.
pub fn patience(class: Class) -> Duration {
    match class {
        Class::Write | Class::Read => Duration::from_secs(8),
        Class::Event | Class::Incremental | Class::Full => LONGEST,
    }
}

/// What a 429 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// The hour's points are used up for the app: all calls wait.
    Everyone {
        /// Until when, ms.
        until_ms: i64,
    },
    /// The hour's points are used up for the tenant: its calls wait.
    Tenant {
        /// Until when, ms.
        until_ms: i64,
    },
    /// Too many changes of one issue: its writes wait.
    Issue {
        /// How long Jira asks for, if it says.
        after: Option<Duration>,
    },
    /// Too fast for this endpoint: its calls wait.
    Endpoint {
        /// How long Jira asks for, if it says.
        after: Option<Duration>,
    },
}

/// Reads a 429 by its `RateLimit-Reason`; an unknown reason slows the endpoint down. The hour ends by Jira's clock:
/// `jira_ms` is the time there, `now_ms` ours.
pub fn throttle(headers: &HeaderMap, now_ms: i64, jira_ms: i64) -> Throttle {
    let after = retry_after(headers);
    let reason = headers.get("ratelimit-reason").and_then(|value| value.to_str().ok());
    let asked = after.map_or(0, |after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
    let rest_of_hour = next_hour(jira_ms) - jira_ms;
    let until_ms = now_ms.saturating_add(rest_of_hour.max(asked));
    match reason.map(|reason| reason.trim_start_matches("Beta-")) {
        Some("jira-quota-global-based") => Throttle::Everyone { until_ms },
        Some("jira-quota-tenant-based") => Throttle::Tenant { until_ms },
        Some("jira-per-issue-on-write") => Throttle::Issue { after },
        _ => Throttle::Endpoint { after },
    }
}

/// `Retry-After` in seconds.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let secs = headers.get("retry-after")?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(secs.min(86_400)))
}

/// Points left of the app's quota, from the structured `RateLimit` header (any order, `Beta-` or not).
pub fn points_left(headers: &HeaderMap) -> Option<i64> {
    let values = headers.get_all("ratelimit").iter().chain(headers.get_all("beta-ratelimit").iter());
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|policy| policy.contains("app-quota"))
        .filter_map(|policy| policy.split(';').find_map(|part| part.trim().strip_prefix("r=")))
        .filter_map(|left| left.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().expect("name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn each_reason_of_a_429_has_its_scope() {
        let global = headers(&[("ratelimit-reason", "jira-quota-global-based"), ("retry-after", "7200")]);
        assert_eq!(throttle(&global, 1000, 1000), Throttle::Everyone { until_ms: 7_201_000 });
        let tenant = headers(&[("ratelimit-reason", "Beta-jira-quota-tenant-based")]);
        assert_eq!(throttle(&tenant, 1000, 1000), Throttle::Tenant { until_ms: 3_600_000 });
        assert_eq!(
            throttle(&tenant, 1000, 3_599_000),
            Throttle::Tenant { until_ms: 2000 },
            "by Jira's clock it is a second to the full hour"
        );
        let issue = headers(&[("ratelimit-reason", "jira-per-issue-on-write"), ("retry-after", "2")]);
        assert_eq!(throttle(&issue, 0, 0), Throttle::Issue { after: Some(Duration::from_secs(2)) });
        let burst = headers(&[("ratelimit-reason", "jira-burst-based"), ("retry-after", "3")]);
        assert_eq!(throttle(&burst, 0, 0), Throttle::Endpoint { after: Some(Duration::from_secs(3)) });
        assert_eq!(throttle(&headers(&[]), 0, 0), Throttle::Endpoint { after: None });
    }

    #[test]
    fn points_left_are_read_wherever_they_stand() {
        let both =
            headers(&[("ratelimit", "\"jira-burst-based\";r=5;t=1, \"global-app-quota\";r=11000;t=600")]);
        assert_eq!(points_left(&both), Some(11_000));
        assert_eq!(points_left(&headers(&[("beta-ratelimit", "\"tenant-app-quota\";r=7;t=6")])), Some(7));
        assert_eq!(points_left(&headers(&[("ratelimit", "\"global-app-quota\";t=600")])), None);
    }

    #[test]
    fn pauses_double_and_obey() {
        let base = Duration::from_secs(2);
        assert!(pause(base, 1, None) <= Duration::from_millis(2600));
        assert!(pause(base, 3, None) >= Duration::from_millis(5600));
        assert!(pause(base, 9, None) <= LONGEST.mul_f64(1.3));
        assert!(pause(base, 1, Some(Duration::from_secs(20))) >= Duration::from_secs(20));
    }
}
