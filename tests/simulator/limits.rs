//! Jira's three rate limits: points an hour for all sites of the app together, calls a second for each site and
//! endpoint, writes for each issue.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

const HOUR_MS: i64 = 3_600_000;
/// Calls that an endpoint takes at once; Atlassian does not publish it.
const BURST: f64 = 20.0;

/// What is let through.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Points an hour, for all sites.
    pub points: i64,
    /// Calls a second to an endpoint of a site; half of it for PUT and DELETE.
    pub calls: f64,
    /// Whether a returned worklog costs a point, which Atlassian does not publish.
    pub worklogs_cost: bool,
}

impl Default for Allowed {
    /// Tier 1 of Atlassian's documents.
    fn default() -> Self {
        Self { points: 65_000, calls: 100.0, worklogs_cost: false }
    }
}

/// What has been used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Points of the present hour.
    pub points: i64,
    /// Points of all hours.
    pub points_ever: i64,
    /// Refusals for want of points.
    pub quota_refusals: u64,
    /// Refusals of calls that came too fast.
    pub burst_refusals: u64,
    /// Refusals of writes to an issue.
    pub issue_refusals: u64,
}

/// A refusal: 429 with these headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany {
    /// `RateLimit-Reason`.
    pub reason: &'static str,
    /// `Retry-After`, seconds.
    pub retry_after: i64,
}

#[derive(Default)]
struct State {
    hour: i64,
    used: Used,
    /// Tokens left and when, by site and endpoint.
    buckets: HashMap<(String, String), (f64, i64)>,
    issues: HashMap<(String, i64), VecDeque<i64>>,
}

/// The limiters, once they are switched on.
pub struct Limits {
    allowed: Allowed,
    state: Mutex<State>,
}

impl Limits {
    /// Limiters that nobody has used.
    pub fn new(allowed: Allowed) -> Self {
        Self { allowed, state: Mutex::default() }
    }

    /// What was used.
    pub fn used(&self) -> Used {
        self.state.lock().used
    }

    /// Lets a call through or refuses it.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(&self, site: &str, endpoint: &str, writes_to: Option<i64>, now: i64) -> Result<(), TooMany> {
        let mut state = self.state.lock();
        if state.hour != now / HOUR_MS {
            state.hour = now / HOUR_MS;
            state.used.points = 0;
        }
        if state.used.points >= self.allowed.points {
            state.used.quota_refusals += 1;
            let retry_after = (HOUR_MS - now % HOUR_MS) / 1000 + 1;
            return Err(TooMany { reason: "jira-quota-global-based", retry_after });
        }
        let halved = endpoint.starts_with("PUT") || endpoint.starts_with("DELETE");
        let a_second = if halved { self.allowed.calls / 2.0 } else { self.allowed.calls };
        let bucket =
            state.buckets.entry((site.to_owned(), endpoint.to_owned())).or_insert((BURST.min(a_second), now));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds between two calls")]
        let since = (now - bucket.1).max(0) as f64 / 1000.0;
        *bucket = ((bucket.0 + since * a_second).min(BURST.min(a_second)), now);
        if bucket.0 < 1.0 {
            state.used.burst_refusals += 1;
            return Err(TooMany { reason: "jira-burst-based", retry_after: 1 });
        }
        bucket.0 -= 1.0;
        if let Some(issue) = writes_to {
            let made = state.issues.entry((site.to_owned(), issue)).or_default();
            made.retain(|at| now - at < 30_000);
            let lately = made.iter().filter(|at| now - **at < 2_000).count();
            if lately >= 20 || made.len() >= 100 {
                state.used.issue_refusals += 1;
                return Err(TooMany { reason: "jira-per-issue-on-write", retry_after: 2 });
            }
            made.push_back(now);
        }
        state.charge(1);
        Ok(())
    }

    /// Charges the objects of an answer; returns the points left.
    pub fn charge_worklogs(&self, worklogs: i64) -> i64 {
        let mut state = self.state.lock();
        if self.allowed.worklogs_cost {
            state.charge(worklogs);
        }
        self.allowed.points - state.used.points
    }

    /// Points an hour.
    pub fn points(&self) -> i64 {
        self.allowed.points
    }
}

impl State {
    fn charge(&mut self, points: i64) {
        self.used.points += points;
        self.used.points_ever += points;
    }
}
