//! API points: what every tenant and all together have used this hour, and who may still call.
//!
//! Atlassian counts points per app and UTC hour for all tenants together, and tells what is left only once most is
//! used. How worklogs are counted is not published, so two sums are kept: the points that are certain, and the
//! worst case. Work is held back by what is certain and by what Jira itself reports; the worst case is shown.

use parking_lot::Mutex;
use std::collections::HashMap;

const HOUR_MS: i64 = 3_600_000;

/// Who waits for the call; the order is the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person's write.
    Write,
    /// A person's read.
    Read,
    /// Completing what a webhook told.
    Event,
    /// An incremental sync or reconciliation.
    Incremental,
    /// A full sync.
    Full,
}

impl Class {
    /// The part of the hour's points up to which this class may use them; the rest is kept for those before it.
    fn share(self) -> f64 {
        match self {
            Self::Write => 1.0,
            Self::Read => 0.97,
            Self::Event => 0.92,
            Self::Incremental => 0.87,
            Self::Full => 0.80,
        }
    }

    /// Name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Event => "event",
            Self::Incremental => "incremental",
            Self::Full => "full",
        }
    }
}

/// What was used in the present hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Points that were certainly charged.
    pub certain: i64,
    /// Points if every returned worklog and permission was charged too.
    pub worst_case: i64,
}

#[derive(Default)]
struct State {
    hour: i64,
    all: Usage,
    by_tenant: HashMap<String, Usage>,
    /// Points left as Jira last reported them in this hour.
    reported_left: Option<i64>,
    /// No calls at all before this instant.
    hold_all_until: i64,
    hold_until: HashMap<String, i64>,
}

/// The meter of one server.
pub struct Meter {
    points_per_hour: i64,
    state: Mutex<State>,
}

impl Meter {
    /// A meter for an app with that many points an hour.
    pub fn new(points_per_hour: i64) -> Self {
        Self { points_per_hour, state: Mutex::new(State::default()) }
    }

    /// Points an hour.
    pub fn points_per_hour(&self) -> i64 {
        self.points_per_hour
    }

    /// Lets a call pass, or tells until when (ms) it has to wait.
    ///
    /// # Errors
    /// The instant from which on another try is worth it.
    pub fn admit(&self, tenant_id: &str, class: Class, now_ms: i64) -> Result<(), i64> {
        let mut state = self.state.lock();
        state.roll(now_ms);
        let held = state.hold_all_until.max(state.hold_until.get(tenant_id).copied().unwrap_or(0));
        if held > now_ms {
            return Err(held);
        }
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share of points")]
        let kept = (self.points_per_hour as f64 * (1.0 - class.share())) as i64;
        let left = self.points_per_hour - state.all.certain;
        let left = state.reported_left.map_or(left, |reported| reported.min(left));
        if left <= kept { Err(next_hour(now_ms)) } else { Ok(()) }
    }

    /// Charges a call.
    pub fn charge(&self, tenant_id: &str, certain: i64, worst_case: i64, now_ms: i64) {
        let mut state = self.state.lock();
        state.roll(now_ms);
        let mine = state.by_tenant.entry(tenant_id.to_owned()).or_default();
        mine.certain += certain;
        mine.worst_case += worst_case;
        state.all.certain += certain;
        state.all.worst_case += worst_case;
        if let Some(left) = state.reported_left.as_mut() {
            *left -= certain;
        }
    }

    /// Takes what Jira reports in its `RateLimit` header.
    pub fn report_left(&self, left: i64, now_ms: i64) {
        let mut state = self.state.lock();
        state.roll(now_ms);
        state.reported_left = Some(left);
    }

    /// No call of this tenant before an instant.
    pub fn hold_tenant(&self, tenant_id: &str, until_ms: i64) {
        let mut state = self.state.lock();
        let held = state.hold_until.entry(tenant_id.to_owned()).or_default();
        *held = until_ms.max(*held);
    }

    /// No call at all before an instant: the quota of the app is used up.
    pub fn hold_all(&self, until_ms: i64) {
        let mut state = self.state.lock();
        state.hold_all_until = until_ms.max(state.hold_all_until);
    }

    /// Until when calls of a tenant are held back, if they are.
    pub fn held_until(&self, tenant_id: &str, now_ms: i64) -> Option<i64> {
        let state = self.state.lock();
        let held = state.hold_all_until.max(state.hold_until.get(tenant_id).copied().unwrap_or(0));
        (held > now_ms).then_some(held)
    }

    /// What a tenant and all together have used this hour.
    pub fn usage(&self, tenant_id: &str, now_ms: i64) -> (Usage, Usage) {
        let mut state = self.state.lock();
        state.roll(now_ms);
        (state.by_tenant.get(tenant_id).copied().unwrap_or_default(), state.all)
    }

    /// Forgets a tenant.
    pub fn forget(&self, tenant_id: &str) {
        let mut state = self.state.lock();
        state.by_tenant.remove(tenant_id);
        state.hold_until.remove(tenant_id);
    }
}

impl State {
    fn roll(&mut self, now_ms: i64) {
        let hour = now_ms.div_euclid(HOUR_MS);
        if hour != self.hour {
            self.hour = hour;
            self.all = Usage::default();
            self.by_tenant.clear();
            self.reported_left = None;
            self.hold_until.retain(|_, until| *until > now_ms);
        }
    }
}

/// The top of the next UTC hour, when the points are new.
pub fn next_hour(now_ms: i64) -> i64 {
    (now_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_classes_stop_first_and_writes_keep_a_share() {
        let meter = Meter::new(1000);
        meter.charge("a", 850, 5000, 0);
        assert_eq!(meter.admit("a", Class::Full, 0), Err(HOUR_MS));
        assert_eq!(meter.admit("b", Class::Incremental, 0), Ok(()));
        meter.charge("a", 140, 0, 0);
        assert_eq!(meter.admit("b", Class::Read, 0), Err(HOUR_MS));
        assert_eq!(meter.admit("b", Class::Write, 0), Ok(()));
        assert_eq!(meter.admit("b", Class::Full, HOUR_MS), Ok(()), "a new hour, new points");
    }

    #[test]
    fn what_jira_reports_counts_more_than_our_own_sum() {
        let meter = Meter::new(65_000);
        meter.charge("a", 10, 10, 0);
        meter.report_left(9_000, 0);
        assert!(meter.admit("a", Class::Full, 0).is_err());
        assert!(meter.admit("a", Class::Incremental, 0).is_ok());
    }

    #[test]
    fn a_hold_on_one_tenant_leaves_the_others_alone() {
        let meter = Meter::new(1000);
        meter.hold_tenant("a", 5_000);
        assert_eq!(meter.admit("a", Class::Write, 0), Err(5_000));
        assert_eq!(meter.admit("b", Class::Write, 0), Ok(()));
        assert_eq!(meter.admit("a", Class::Write, 5_000), Ok(()));
    }
}
