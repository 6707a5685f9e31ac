//! What a site holds. Instants are milliseconds since 1970, UTC.

use crate::faults::Rule;
use crate::forge::{Bearer, ForgeApp, Habits};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// A person, or the app's own user.
#[derive(Debug, Clone)]
pub struct User {
    /// Atlassian account id.
    pub account_id: String,
    /// Shown name.
    pub display_name: String,
    /// Not deactivated.
    pub active: bool,
    /// Administers Jira.
    pub admin: bool,
    /// Has the permission to work on issues.
    pub may_work: bool,
    /// Ids of their groups.
    pub groups: HashSet<String>,
    /// Zone of their profile, if they show it.
    pub time_zone: Option<String>,
}

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// Numeric id.
    pub id: i64,
    /// Key.
    pub key: String,
    /// In the bin.
    pub deleted: bool,
}

/// An issue.
#[derive(Debug, Clone, Default)]
pub struct Issue {
    /// Numeric id.
    pub id: i64,
    /// Key.
    pub key: String,
    /// Its project.
    pub project_id: i64,
    /// Summary.
    pub summary: String,
    /// Accounts that may not see it.
    pub hidden_from: HashSet<String>,
    /// Original estimate, seconds; none if zero.
    pub original: i64,
    /// Remaining estimate, seconds.
    pub remaining: i64,
    /// Its parent.
    pub parent: Option<i64>,
    /// Name of its type.
    pub issue_type: String,
    /// Name of its status.
    pub status: String,
    /// Names of its components.
    pub components: Vec<String>,
    /// Names of the versions that it is fixed in.
    pub fix_versions: Vec<String>,
    /// Its labels.
    pub labels: Vec<String>,
}

/// A restriction of a worklog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// `group` or `role`.
    pub kind: String,
    /// Name.
    pub value: String,
    /// Opaque id.
    pub identifier: String,
}

/// A worklog.
#[derive(Debug, Clone, PartialEq)]
pub struct Worklog {
    /// Numeric id.
    pub id: i64,
    /// Its issue.
    pub issue_id: i64,
    /// Its author.
    pub author: String,
    /// ADF.
    pub comment: Option<Value>,
    /// When it was created.
    pub created: i64,
    /// When it was last changed.
    pub updated: i64,
    /// When the work was started.
    pub started: i64,
    /// Time spent.
    pub seconds: i64,
    /// Who else may see it.
    pub restriction: Option<Restriction>,
    /// Properties by key.
    pub properties: BTreeMap<String, Value>,
}

/// The app's installation.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Where the app is.
    pub app_url: String,
    /// The app's key.
    pub app_key: String,
    /// The shared secret.
    pub secret: String,
    /// Client id for acting as people.
    pub oauth_client_id: String,
}

/// How webhooks are delivered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delivery {
    /// Percent that are lost.
    pub lost: u32,
    /// Percent that come twice.
    pub doubled: u32,
    /// Percent that come late, and so out of order.
    pub late: u32,
    /// Kept back until released.
    pub held: bool,
    /// Whether events of issues and projects are never lost, of which no feed tells.
    pub spares_containers: bool,
}

/// Whose way an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// A webhook of Connect.
    Connect,
    /// An event of Forge.
    Forge,
}

/// A webhook on its way.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Whose way it goes.
    pub host: Host,
    /// Same on every try.
    pub identifier: String,
    /// The event.
    pub event: String,
    /// The body.
    pub body: Value,
    /// Not before this instant.
    pub due: i64,
    /// Tries so far.
    pub tries: u32,
}

/// A webhook that was given up.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Its identifier.
    pub id: String,
    /// Its body.
    pub body: String,
    /// Where it should have gone.
    pub url: String,
    /// When it was given up.
    pub failure_time: i64,
}

/// A call and its answer, for checks against Jira's OpenAPI document.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query as sent.
    pub query: String,
    /// Body as sent.
    pub request: Option<Value>,
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer.
    pub response: Option<Value>,
}

/// Everything that a site holds.
#[derive(Debug, Default)]
pub struct State {
    /// Users by account id.
    pub users: BTreeMap<String, User>,
    /// Projects by id.
    pub projects: BTreeMap<i64, Project>,
    /// Issues by id.
    pub issues: BTreeMap<i64, Issue>,
    /// Worklogs by id.
    pub worklogs: BTreeMap<i64, Worklog>,
    /// When the last lifecycle call says that it was made, seconds.
    pub lifecycle_at: i64,
    /// Worklogs of projects in the bin.
    pub binned: BTreeMap<i64, Worklog>,
    /// Issues of projects in the bin.
    pub binned_issues: BTreeMap<i64, Issue>,
    /// The updated feed: time and id.
    pub updated: BTreeSet<(i64, i64)>,
    /// The deleted feed: time and id.
    pub deleted: BTreeSet<(i64, i64)>,
    /// Worklogs by issue.
    pub by_issue: HashMap<i64, BTreeSet<i64>>,
    /// The installation by Connect.
    pub installation: Option<Installation>,
    /// The site's id in Forge.
    pub cloud_id: String,
    /// The installation by Forge.
    pub forge: Option<ForgeApp>,
    /// How Forge behaves.
    pub habits: Habits,
    /// Forge's tokens for the REST API.
    pub bearers: HashMap<String, Bearer>,
    /// Which host [`crate::site::Site::install`] installs by.
    pub by_forge: bool,
    /// Tokens of people: account, scopes, expiry.
    pub tokens: HashMap<String, (String, String, i64)>,
    /// Faults that wait.
    pub faults: Vec<Rule>,
    /// How webhooks are delivered.
    pub delivery: Delivery,
    /// Webhooks on their way.
    pub outbox: VecDeque<Outgoing>,
    /// Webhooks in flight.
    pub in_flight: usize,
    /// Webhooks given up.
    pub failed: Vec<Failed>,
    /// Webhooks that the app refused for good (4xx).
    pub refused: Vec<(String, u16)>,
    /// Webhooks lost on purpose.
    pub lost: u64,
    /// Webhooks delivered.
    pub delivered: u64,
    /// Calls that no endpoint answered.
    pub unanswered: Vec<String>,
    /// Calls that were refused as unauthorised, with the reason.
    pub unauthorised: Vec<String>,
    /// Calls by path, numbers replaced.
    pub calls: BTreeMap<String, u64>,
    /// Exchanges, if they are recorded.
    pub exchanges: Option<Vec<Exchange>>,
    /// Whether time is tracked.
    pub time_tracking: bool,
    /// Hours of a day.
    pub hours_per_day: f64,
    /// Days of a week.
    pub days_per_week: f64,
    /// Unit of a bare number.
    pub default_unit: String,
    /// Whether `properties` in a create are taken; Jira's documents say so.
    pub takes_properties: bool,
    /// Worklogs on one issue at most.
    pub most_per_issue: usize,
    /// Issues that a call for facts takes: older documents say 100.
    pub bulk_max: usize,
    /// Issues that the app may not read: an admin blocked its access to them.
    pub app_blocked: HashSet<i64>,
    /// Issues whose status lets nobody change anything.
    pub locked: HashSet<i64>,
    /// The app's licence: active or not, if it is a paid app.
    pub licence: Option<bool>,
    /// How long changes are withheld from the feeds, ms.
    pub withheld_ms: i64,
    /// Changes in a page of a feed.
    pub feed_page: usize,
    /// Events that went out, lost ones included.
    pub emitted: u64,
    /// Whether a feed includes the instant that it is asked from, which is not documented.
    pub feeds_include_since: bool,
    /// Whether the deleted feed names worklogs that went with their issue.
    pub feed_names_cascades: bool,
    /// Last id given out.
    pub last_id: i64,
}

impl State {
    /// An empty site with Jira's defaults.
    pub fn new() -> Self {
        Self {
            time_tracking: true,
            hours_per_day: 8.0,
            days_per_week: 5.0,
            default_unit: "minute".into(),
            takes_properties: true,
            most_per_issue: 10_000,
            bulk_max: 1000,
            withheld_ms: 60_000,
            feed_page: 1000,
            last_id: 10_000,
            cloud_id: format!("{:032x}", rand::random::<u128>()),
            ..Self::default()
        }
    }

    /// The next id.
    pub fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// Puts a worklog in, replacing the one with its id.
    pub fn put(&mut self, worklog: Worklog) {
        if let Some(before) = self.worklogs.get(&worklog.id) {
            self.updated.remove(&(before.updated, before.id));
            if let Some(on_issue) = self.by_issue.get_mut(&before.issue_id) {
                on_issue.remove(&before.id);
            }
        }
        self.updated.insert((worklog.updated, worklog.id));
        self.by_issue.entry(worklog.issue_id).or_default().insert(worklog.id);
        self.worklogs.insert(worklog.id, worklog);
    }

    /// Takes a worklog out; `fed` says whether the deleted feed names it.
    pub fn take(&mut self, id: i64, now: i64, fed: bool) -> Option<Worklog> {
        let worklog = self.worklogs.remove(&id)?;
        self.updated.remove(&(worklog.updated, id));
        if let Some(on_issue) = self.by_issue.get_mut(&worklog.issue_id) {
            on_issue.remove(&id);
        }
        if fed {
            self.deleted.insert((now, id));
        }
        Some(worklog)
    }

    /// Whether an account may see an issue.
    pub fn may_browse(&self, account_id: &str, issue_id: i64) -> bool {
        let known = self.users.get(account_id).is_some_and(|user| user.active);
        known && self.issues.get(&issue_id).is_some_and(|issue| !issue.hidden_from.contains(account_id))
    }

    /// Whether an account passes a worklog's restriction.
    pub fn passes(&self, account_id: &str, worklog: &Worklog) -> bool {
        worklog.restriction.as_ref().is_none_or(|restriction| {
            self.users.get(account_id).is_some_and(|user| user.groups.contains(&restriction.identifier))
        })
    }
}
