//! Jira's three limits, from our side: points an hour for all tenants together, calls a second per tenant and
//! endpoint, writes per issue (<https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>).
//!
//! Atlassian counts points per app and UTC hour, and tells what is left only once most is used. How worklogs are
//! counted is not published, so two sums are kept: the points that are certain, and the worst case. Work is held back
//! by what is certain and by what Jira itself reports; the worst case is shown. The other two limits are shared with
//! people and other apps, so we stay below them, and below ourselves for whom nobody waits.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;
/// A tenant that has used fewer points than this in an hour may use the part of the hour that is kept for
/// newcomers: the first pages of its full sync come however much others have to read.
const NEWCOMER: i64 = 100;
/// Calls that may come at once before they are spread over the second.
const BURST: i64 = 10;
/// Writes on one issue within a span, ms: four fifths of Jira's 20 in 2 s and 100 in 30 s.
const ISSUE_WRITES: [(usize, i64); 2] = [(16, 2_000), (80, 30_000)];
/// Issues with recent writes before old ones are forgotten.
const MOST_ISSUES: usize = 1_000;
/// When to look again whether a write on an issue was answered, ms.
const SOON_MS: i64 = 50;

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
    fn share(self, newcomer: bool) -> f64 {
        match self {
            Self::Write => 1.0,
            Self::Read => 0.97,
            Self::Event => 0.92,
            Self::Incremental => 0.87,
            Self::Full if newcomer => 0.80,
            Self::Full => 0.70,
        }
    }

    /// How many calls of an endpoint may come at once.
    fn burst(self) -> i64 {
        match self {
            Self::Write | Self::Read => BURST,
            Self::Event | Self::Incremental | Self::Full => BURST / 2,
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

/// A call that wants to be made.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Whose it is.
    pub tenant_id: &'a str,
    /// Who waits for it.
    pub class: Class,
    /// Method and path, ids replaced: what Jira counts together.
    pub endpoint: &'a str,
    /// The issue that it writes to.
    pub writes_to: Option<i64>,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Now; it is counted.
    Go,
    /// In a moment: its endpoint or issue has had enough.
    Wait(Duration),
    /// The points of the hour are used up, or kept for others.
    Held {
        /// Until when, ms.
        until_ms: i64,
    },
}

#[derive(Default)]
struct Endpoint {
    /// When the next call would come if all were evenly spread, in microseconds (generic cell rate algorithm).
    next_us: i64,
    hold_until: i64,
}

/// A write may arrive at any moment until it is answered, however long it was on its way: what counts is that the
/// spans hold where Jira counts, and not where we send.
#[derive(Default)]
struct IssueWrites {
    under_way: usize,
    /// When the latest writes were answered, ms.
    answered: VecDeque<i64>,
    hold_until: i64,
}

#[derive(Default)]
struct OfTenant {
    used: Usage,
    hold_until: i64,
    endpoints: HashMap<String, Endpoint>,
    issues: HashMap<i64, IssueWrites>,
}

#[derive(Default)]
struct State {
    hour: i64,
    all: Usage,
    tenants: HashMap<String, OfTenant>,
    /// Points left as Jira last reported them in this hour.
    reported_left: Option<i64>,
    /// No calls at all before this instant.
    hold_until: i64,
}

/// The meter of one server.
pub struct Meter {
    points_per_hour: i64,
    calls_per_second: i64,
    /// Nodes among which both are shared.
    nodes: AtomicI64,
    state: Mutex<State>,
}

impl Meter {
    /// A meter for an app with that many points an hour, and that many calls a second of a tenant to an endpoint;
    /// PUT and DELETE get half of it, as Jira does.
    pub fn new(points_per_hour: i64, calls_per_second: i64) -> Self {
        Self { points_per_hour, calls_per_second, nodes: AtomicI64::new(1), state: Mutex::default() }
    }

    /// Between two calls of an endpoint on average, in microseconds.
    fn interval_us(&self, endpoint: &str) -> i64 {
        let halved = endpoint.starts_with("PUT") || endpoint.starts_with("DELETE");
        1_000_000 * if halved { 2 } else { 1 } / self.share_of(self.calls_per_second)
    }

    /// So many nodes call Jira: each keeps to its part of what Jira takes from all of them.
    pub fn share_among(&self, nodes: usize) {
        self.nodes.store(i64::try_from(nodes).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn share_of(&self, whole: i64) -> i64 {
        (whole / self.nodes.load(Ordering::Relaxed).max(1)).max(1)
    }

    /// Points an hour of this node.
    pub fn points_per_hour(&self) -> i64 {
        self.share_of(self.points_per_hour)
    }

    /// Lets a call pass, or tells how long it has to wait.
    pub fn admit(&self, ask: &Ask<'_>, now_ms: i64) -> Admission {
        let mut state = self.state.lock();
        state.roll(now_ms);
        let (all, reported, hold_all) = (state.all, state.reported_left, state.hold_until);
        let tenant = state.tenants.entry(ask.tenant_id.to_owned()).or_default();
        let held = hold_all.max(tenant.hold_until);
        if held > now_ms {
            return Admission::Held { until_ms: held };
        }
        let left = self.points_per_hour() - all.certain;
        let left = reported.map_or(left, |reported| reported.min(left));
        let most = self.most(ask.class, tenant.used.certain < NEWCOMER);
        if left <= self.points_per_hour() - most {
            return Admission::Held { until_ms: next_hour(now_ms) };
        }
        let interval_us = self.interval_us(ask.endpoint);
        let wait_ms = tenant.wait_ms(ask, interval_us, now_ms);
        if wait_ms > 0 {
            return Admission::Wait(Duration::from_millis(wait_ms.unsigned_abs()));
        }
        tenant.count(ask, interval_us, now_ms);
        Admission::Go
    }

    /// Points of an hour that a class may use.
    fn most(&self, class: Class, newcomer: bool) -> i64 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a share of points")]
        let most = (self.points_per_hour() as f64 * class.share(newcomer)) as i64;
        most
    }

    /// When a class could have spent that many points more, ms: at once, or hours from now.
    pub fn spent_by(&self, tenant_id: &str, class: Class, points: i64, now_ms: i64) -> i64 {
        let (_, all) = self.usage(tenant_id, now_ms);
        let an_hour = self.most(class, false).max(1);
        let held = self.held_until(tenant_id, now_ms);
        let left = if held.is_some() { 0 } else { (an_hour - all.certain).max(0) };
        if points <= left {
            return now_ms;
        }
        let more = points - left;
        let whole_hours = (more - 1) / an_hour;
        held.unwrap_or(0).max(next_hour(now_ms)) + whole_hours * HOUR_MS
    }

    /// Charges a call.
    pub fn charge(&self, tenant_id: &str, certain: i64, worst_case: i64, now_ms: i64) {
        let mut state = self.state.lock();
        state.roll(now_ms);
        let mine = &mut state.tenants.entry(tenant_id.to_owned()).or_default().used;
        mine.certain += certain;
        mine.worst_case += worst_case;
        state.all.certain += certain;
        state.all.worst_case += worst_case;
        if let Some(left) = state.reported_left.as_mut() {
            *left -= certain;
        }
    }

    /// A write that was let pass is answered, or given up.
    pub fn answered(&self, tenant_id: &str, issue_id: i64, now_ms: i64) {
        let mut state = self.state.lock();
        let tenant = state.tenants.get_mut(tenant_id);
        let Some(issue) = tenant.and_then(|tenant| tenant.issues.get_mut(&issue_id)) else { return };
        issue.under_way = issue.under_way.saturating_sub(1);
        issue.answered.push_back(now_ms);
        if issue.answered.len() > ISSUE_WRITES[1].0 {
            issue.answered.pop_front();
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
        let held = &mut state.tenants.entry(tenant_id.to_owned()).or_default().hold_until;
        *held = until_ms.max(*held);
    }

    /// No call of this tenant to this endpoint before an instant: it was called too fast.
    pub fn hold_endpoint(&self, tenant_id: &str, endpoint: &str, until_ms: i64) {
        let mut state = self.state.lock();
        let tenant = state.tenants.entry(tenant_id.to_owned()).or_default();
        let held = &mut tenant.endpoints.entry(endpoint.to_owned()).or_default().hold_until;
        *held = until_ms.max(*held);
    }

    /// No write to this issue before an instant.
    pub fn hold_issue(&self, tenant_id: &str, issue_id: i64, until_ms: i64) {
        let mut state = self.state.lock();
        let tenant = state.tenants.entry(tenant_id.to_owned()).or_default();
        let held = &mut tenant.issues.entry(issue_id).or_default().hold_until;
        *held = until_ms.max(*held);
    }

    /// No call at all before an instant: the quota of the app is used up.
    pub fn hold_all(&self, until_ms: i64) {
        let mut state = self.state.lock();
        state.hold_until = until_ms.max(state.hold_until);
    }

    /// Until when calls of a tenant are held back because Jira said so, if they are.
    pub fn held_until(&self, tenant_id: &str, now_ms: i64) -> Option<i64> {
        let state = self.state.lock();
        let own = state.tenants.get(tenant_id).map_or(0, |tenant| tenant.hold_until);
        let held = state.hold_until.max(own);
        (held > now_ms).then_some(held)
    }

    /// What a tenant and all together have used this hour.
    pub fn usage(&self, tenant_id: &str, now_ms: i64) -> (Usage, Usage) {
        let mut state = self.state.lock();
        state.roll(now_ms);
        (state.tenants.get(tenant_id).map(|tenant| tenant.used).unwrap_or_default(), state.all)
    }

    /// Forgets a tenant; what it used of the hour is used all the same.
    pub fn forget(&self, tenant_id: &str) {
        self.state.lock().tenants.remove(tenant_id);
    }
}

impl State {
    fn roll(&mut self, now_ms: i64) {
        let hour = now_ms.div_euclid(HOUR_MS);
        if hour != self.hour {
            self.hour = hour;
            self.all = Usage::default();
            self.reported_left = None;
            self.tenants.retain(|_, tenant| {
                tenant.used = Usage::default();
                tenant.hold_until > now_ms || tenant.issues.values().any(|issue| issue.still_counts(now_ms))
            });
        }
    }
}

impl OfTenant {
    fn wait_ms(&self, ask: &Ask<'_>, interval_us: i64, now_ms: i64) -> i64 {
        let endpoint = self.endpoints.get(ask.endpoint).map_or(0, |endpoint| {
            // Further ahead than any call can have put it: our clock was set back.
            if endpoint.next_us - now_ms * 1000 > interval_us * (BURST + 1) {
                return (endpoint.hold_until - now_ms).max(0);
            }
            let early_us = endpoint.next_us - now_ms * 1000 - interval_us * (ask.class.burst() - 1);
            (endpoint.hold_until - now_ms).max(early_us.div_euclid(1000) + 1).max(0)
        });
        let issue = ask.writes_to.and_then(|issue| self.issues.get(&issue));
        endpoint.max(issue.map_or(0, |issue| issue.wait_ms(now_ms)))
    }

    fn count(&mut self, ask: &Ask<'_>, interval_us: i64, now_ms: i64) {
        let endpoint = match self.endpoints.get_mut(ask.endpoint) {
            Some(endpoint) => endpoint,
            None => self.endpoints.entry(ask.endpoint.to_owned()).or_default(),
        };
        let next_us = endpoint.next_us.min(now_ms * 1000 + interval_us * BURST).max(now_ms * 1000);
        endpoint.next_us = next_us + interval_us;
        let Some(issue) = ask.writes_to else { return };
        if self.issues.len() > MOST_ISSUES {
            self.issues.retain(|_, issue| issue.still_counts(now_ms));
        }
        self.issues.entry(issue).or_default().under_way += 1;
    }
}

impl IssueWrites {
    fn wait_ms(&self, now_ms: i64) -> i64 {
        let full = ISSUE_WRITES.iter().filter_map(|(most, span)| {
            let room = most.saturating_sub(self.under_way);
            if room == 0 {
                return Some(SOON_MS);
            }
            // The oldest of those that fill the span has to leave it first.
            let oldest = self.answered.get(self.answered.len().checked_sub(room)?)?;
            Some(oldest + span - now_ms).filter(|wait| wait <= span)
        });
        full.max().unwrap_or(0).max(self.hold_until - now_ms).max(0)
    }

    fn still_counts(&self, now_ms: i64) -> bool {
        let oldest = now_ms - ISSUE_WRITES[1].1;
        let lately = self.answered.back().is_some_and(|answered| *answered > oldest);
        self.under_way > 0 || self.hold_until > now_ms || lately
    }
}

/// The top of the next UTC hour, when the points are new.
pub fn next_hour(now_ms: i64) -> i64 {
    (now_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn ask(tenant_id: &str, class: Class) -> Ask<'_> {
        Ask { tenant_id, class, endpoint: "GET /x", writes_to: None }
    }

    fn held(meter: &Meter, tenant_id: &str, class: Class, now_ms: i64) -> Option<i64> {
        match meter.admit(&ask(tenant_id, class), now_ms) {
            Admission::Held { until_ms } => Some(until_ms),
            Admission::Go => None,
            Admission::Wait(_) => panic!("no burst here"),
        }
    }

    #[test]
    fn lower_classes_stop_first_and_writes_keep_a_share() {
        let meter = Meter::new(1000, 80);
        meter.charge("a", 850, 5000, 0);
        assert_eq!(held(&meter, "a", Class::Full, 0), Some(HOUR_MS));
        assert_eq!(held(&meter, "b", Class::Incremental, 0), None);
        meter.charge("a", 140, 0, 0);
        assert_eq!(held(&meter, "b", Class::Read, 0), Some(HOUR_MS));
        assert_eq!(held(&meter, "b", Class::Write, 0), None);
        assert_eq!(held(&meter, "b", Class::Full, HOUR_MS), None, "a new hour, new points");
    }

    /// One tenant's millions leave the others their first pages.
    #[test]
    fn newcomers_have_points_left_when_a_full_sync_has_used_its_share() {
        let meter = Meter::new(65_000, 80);
        let mut used = 0;
        while held(&meter, "large", Class::Full, used).is_none() {
            meter.charge("large", 1, 1, used);
            used += 50;
        }
        assert_eq!(held(&meter, "small", Class::Full, used), None);
        meter.charge("small", NEWCOMER, NEWCOMER, used);
        assert_eq!(held(&meter, "small", Class::Full, used), Some(HOUR_MS), "a newcomer no more");
        assert_eq!(held(&meter, "other", Class::Full, used), None);
    }

    #[test]
    fn what_jira_reports_counts_more_than_our_own_sum() {
        let meter = Meter::new(65_000, 80);
        meter.charge("a", 10, 10, 0);
        meter.report_left(9_000, 0);
        assert!(held(&meter, "a", Class::Full, 0).is_some());
        assert!(held(&meter, "a", Class::Incremental, 0).is_none());
    }

    #[test]
    fn each_hold_has_its_own_scope() {
        let meter = Meter::new(1000, 80);
        meter.hold_tenant("a", 5_000);
        assert_eq!(held(&meter, "a", Class::Write, 0), Some(5_000));
        assert_eq!(held(&meter, "b", Class::Write, 0), None);
        assert_eq!(held(&meter, "a", Class::Write, 5_000), None);
        let wait = |tenant_id, endpoint, issue| {
            meter.admit(&Ask { tenant_id, class: Class::Write, endpoint, writes_to: issue }, 10_000)
        };
        meter.hold_endpoint("a", "GET /slow", 12_000);
        assert_eq!(wait("a", "GET /slow", None), Admission::Wait(Duration::from_secs(2)));
        assert_eq!(wait("a", "GET /other", None), Admission::Go);
        assert_eq!(wait("b", "GET /slow", None), Admission::Go);
        meter.hold_issue("a", 7, 13_000);
        assert_eq!(wait("a", "POST /w", Some(7)), Admission::Wait(Duration::from_secs(3)));
        assert_eq!(wait("a", "POST /w", Some(8)), Admission::Go);
    }

    /// However fast somebody asks, fewer calls go out than Jira lets through; and people come before syncs.
    #[test]
    fn calls_of_an_endpoint_are_spread_over_the_second() {
        let count = |endpoint, class| {
            let meter = Meter::new(1_000_000, 80);
            let gone = |now| meter.admit(&Ask { tenant_id: "a", class, endpoint, writes_to: None }, now);
            (0..1000).filter(|now| gone(*now) == Admission::Go).count()
        };
        assert!((80..=90).contains(&count("GET /x", Class::Read)), "{}", count("GET /x", Class::Read));
        assert!((40..=50).contains(&count("PUT /x", Class::Write)));
        let meter = Meter::new(1_000_000, 80);
        while meter.admit(&ask("a", Class::Full), 0) == Admission::Go {}
        assert_eq!(meter.admit(&ask("a", Class::Write), 0), Admission::Go, "room that a sync leaves");
        let Admission::Wait(pause) = meter.admit(&ask("a", Class::Full), 0) else { panic!("no wait") };
        let later = i64::try_from(pause.as_millis()).expect("short");
        assert_eq!(meter.admit(&ask("a", Class::Full), later), Admission::Go, "what is told holds");
    }

    fn write(meter: &Meter, now: i64) -> bool {
        let ask = Ask { tenant_id: "a", class: Class::Write, endpoint: "POST /w", writes_to: Some(1) };
        meter.admit(&ask, now) == Admission::Go
    }

    /// However long writes are on their way, and wherever on it they count.
    #[test]
    fn writes_on_one_issue_stay_below_both_spans() {
        for longest in [1, 300, 5_000] {
            let meter = Meter::new(1_000_000, 80);
            let (mut under_way, mut arrived) = (Vec::new(), Vec::new());
            for now in 0..120_000 {
                under_way.retain(|answered| {
                    let still = *answered > now;
                    if !still {
                        meter.answered("a", 1, now);
                    }
                    still
                });
                if write(&meter, now) {
                    let answered = now + rand::rng().random_range(1..=longest);
                    arrived.push(rand::rng().random_range(now..answered));
                    under_way.push(answered);
                }
            }
            for (most, span) in ISSUE_WRITES {
                let fullest = arrived
                    .iter()
                    .map(|at| arrived.iter().filter(|one| (*at..at + span).contains(one)).count());
                let fullest = fullest.max().unwrap_or(0);
                assert!(fullest <= most, "{fullest} in {span} ms, answered within {longest} ms");
                assert!(
                    longest > 1 || fullest == most,
                    "{fullest} in {span} ms: no more is held back than has to be"
                );
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let meter = Meter::new(1_000_000, 80);
        let write = |now| {
            let went = write(&meter, now);
            if went {
                meter.answered("a", 1, now);
            }
            went
        };
        while write(600_000) {}
        assert!(write(0));
        let gone = (0..1000).filter(|now| write(*now)).count();
        assert!((10..=90).contains(&gone), "and the limits hold: {gone}");
    }

    #[test]
    fn the_expected_end_is_what_the_quota_allows() {
        let meter = Meter::new(1000, 80);
        assert_eq!(meter.spent_by("a", Class::Full, 700, 5), 5, "within this hour");
        assert_eq!(meter.spent_by("a", Class::Full, 701, 5), HOUR_MS);
        assert_eq!(meter.spent_by("a", Class::Full, 2101, 5), 3 * HOUR_MS);
        meter.charge("b", 700, 700, 5);
        assert_eq!(meter.spent_by("a", Class::Full, 1, 5), HOUR_MS);
        meter.hold_all(2 * HOUR_MS);
        assert_eq!(meter.spent_by("a", Class::Full, 1, 5), 2 * HOUR_MS);
    }
}
