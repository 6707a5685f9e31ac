//! What reports show of Jira's issues and people: in bounded memory only, for an hour at most, and issues only until
//! an event says that they changed. Nothing of it is ever written down.

use crate::app::App;
use crate::auth::Caller;
use crate::auth::permission;
use crate::error::AppResult;
use crate::jira::error::JiraError;
use crate::jira::issues::{BULK_MAX, FACTS_MAX, IssueFacts};
use crate::jira::meter::Class;
use crate::jira::permissions::CHECK_MAX;
use crate::jira::users::{Person, USERS_MAX};
use futures_util::stream::{self, TryStreamExt};
use moka::sync::Cache;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use utoipa::ToSchema;

/// How long a fact is remembered without an event.
const HOLDS: Duration = Duration::from_secs(3600);
/// How long it is remembered who is in a group, for filters.
const GROUPS_HOLD: Duration = Duration::from_secs(300);
/// How long it is remembered what JQL found, and how many answers.
const JQL_HOLDS: Duration = Duration::from_secs(60);
const MOST_JQL: u64 = 200;
/// Bytes of issue facts at most.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// People at most.
const MOST_PEOPLE: u64 = 500_000;
/// Calls at once.
const AT_ONCE: usize = 4;

type Key = (Arc<str>, i64);
/// A tenant, a person, and what they asked.
type JqlKey = (String, String, String);
type PersonKey = (Arc<str>, Arc<str>);

/// Facts of all tenants.
pub struct Facts {
    /// `None`: Jira does not return the issue to the app.
    issues: Cache<Key, Option<Arc<IssueFacts>>>,
    /// `None`: Jira does not know the account any more.
    people: Cache<PersonKey, Option<Arc<Person>>>,
    groups: Cache<PersonKey, Arc<HashSet<String>>>,
    /// What JQL found: for a request of Forge that brings no token for asking again.
    jql: Cache<JqlKey, Arc<HashSet<i64>>>,
    /// Tenants whose Jira refuses more than a hundred issues in a call.
    small_calls: Mutex<HashSet<String>>,
    /// Which change of an issue was the last, so that an answer that was on its way then is not remembered.
    changed: Cache<Key, u64>,
    changes: AtomicU64,
}

/// Stands for all issues of a site among what changed.
const ALL: i64 = 0;

impl Default for Facts {
    fn default() -> Self {
        let weigh = |_: &Key, facts: &Option<Arc<IssueFacts>>| {
            u32::try_from(facts.as_ref().map_or(64, |facts| bytes(facts))).unwrap_or(u32::MAX)
        };
        Self {
            issues: Cache::builder()
                .weigher(weigh)
                .max_capacity(MOST_BYTES)
                .time_to_live(HOLDS)
                .support_invalidation_closures()
                .build(),
            people: Cache::builder()
                .max_capacity(MOST_PEOPLE)
                .time_to_live(HOLDS)
                .support_invalidation_closures()
                .build(),
            groups: Cache::builder()
                .max_capacity(MOST_PEOPLE)
                .time_to_live(GROUPS_HOLD)
                .support_invalidation_closures()
                .build(),
            jql: Cache::builder().max_capacity(MOST_JQL).time_to_live(JQL_HOLDS).build(),
            small_calls: Mutex::default(),
            changed: Cache::builder().max_capacity(100_000).time_to_live(HOLDS).build(),
            changes: AtomicU64::new(0),
        }
    }
}

fn key_of(caller: &Caller, jql: &str) -> JqlKey {
    (caller.tenant.id.clone(), caller.account_id.clone(), jql.to_owned())
}

fn bytes(facts: &IssueFacts) -> usize {
    let named = |named: &crate::jira::issues::Named| {
        72 + named.id.len() + named.name.len() + named.key.as_ref().map_or(0, String::len)
    };
    let singles = [&facts.project, &facts.parent, &facts.issue_type, &facts.status];
    200 + facts.key.len()
        + facts.summary.len()
        + singles.into_iter().flatten().map(named).sum::<usize>()
        + facts.components.iter().chain(&facts.fix_versions).map(named).sum::<usize>()
        + facts.labels.iter().map(|label| 24 + label.len()).sum::<usize>()
}

impl Facts {
    /// Remembers for a minute what JQL found for a person.
    pub fn found(&self, caller: &Caller, jql: &str, issues: &Arc<HashSet<i64>>) {
        self.jql.insert(key_of(caller, jql), Arc::clone(issues));
    }

    /// What JQL found for a person within the last minute.
    pub fn found_before(&self, caller: &Caller, jql: &str) -> Option<Arc<HashSet<i64>>> {
        self.jql.get(&key_of(caller, jql))
    }

    /// An issue changed: what is known of it no longer holds.
    pub fn issue_changed(&self, tenant_id: &str, issue_id: i64) {
        let key = (Arc::from(tenant_id), issue_id);
        self.note_change(key.clone());
        self.issues.invalidate(&key);
    }

    /// Any issue of a site may have changed.
    pub fn all_changed(&self, tenant_id: &str) {
        self.note_change((Arc::from(tenant_id), ALL));
        self.forget(tenant_id);
    }

    fn note_change(&self, key: Key) {
        let change = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        self.changed.insert(key, change);
    }

    /// Whether an issue changed after a change.
    fn changed_since(&self, key: &Key, change: u64) -> bool {
        let all = (Arc::clone(&key.0), ALL);
        [key, &all].into_iter().any(|key| self.changed.get(key).is_some_and(|last| last > change))
    }

    /// Forgets a tenant.
    pub fn forget(&self, tenant_id: &str) {
        let id: Arc<str> = tenant_id.into();
        // Fails only without the support that is switched on above.
        let of = Arc::clone(&id);
        let _ = self.issues.invalidate_entries_if(move |key, _| key.0 == of);
        let of = Arc::clone(&id);
        let _ = self.people.invalidate_entries_if(move |key, _| key.0 == of);
        let _ = self.groups.invalidate_entries_if(move |key, _| key.0 == id);
        self.issues.run_pending_tasks();
        self.people.run_pending_tasks();
        self.groups.run_pending_tasks();
        self.small_calls.lock().remove(tenant_id);
        let of_tenant: Vec<_> =
            self.jql.iter().map(|(key, _)| key).filter(|key| key.0 == tenant_id).collect();
        of_tenant.iter().for_each(|key| self.jql.invalidate(key.as_ref()));
    }

    /// Forgets all tenants.
    pub fn forget_all(&self) {
        self.issues.invalidate_all();
        self.people.invalidate_all();
        self.jql.invalidate_all();
        self.groups.invalidate_all();
        self.small_calls.lock().clear();
    }

    /// Whether anything is remembered of a tenant.
    pub fn holds(&self, tenant_id: &str) -> bool {
        self.issues.iter().any(|(key, _)| &*key.0 == tenant_id)
            || self.people.iter().any(|(key, _)| &*key.0 == tenant_id)
            || self.groups.iter().any(|(key, _)| &*key.0 == tenant_id)
    }
}

/// What has to be known before a question can be answered.
#[derive(Debug, Default, Clone)]
pub struct Needs {
    /// Issues: whether the viewer may browse them.
    pub issues: Vec<i64>,
    /// Whether the facts of those that they may browse are needed.
    pub facts: bool,
    /// Accounts whose names or zones are needed.
    pub people: Vec<Arc<str>>,
    /// Accounts whose groups are needed.
    pub members: Vec<Arc<str>>,
}

/// What that costs at Jira.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Calls.
    pub calls: usize,
    /// API points that it costs for certain.
    pub points_certain: usize,
    /// API points that it costs at worst, with each call as large as it can be: how Jira counts some objects is not
    /// published.
    pub points_worst: usize,
}

impl Cost {
    /// Calls that return so many objects each, at most.
    pub(super) fn add(&mut self, calls: usize, objects: usize) {
        self.calls += calls;
        self.points_certain += calls;
        self.points_worst += calls * (1 + objects);
    }
}

/// What is remembered of a question's needs, and what is not.
pub struct Gathered {
    /// Issues that the viewer may browse.
    pub allowed: FxHashSet<i64>,
    /// Facts of these, where they are needed; of those that Jira does not return to the app none.
    pub facts: FxHashMap<i64, Arc<IssueFacts>>,
    browse: Vec<i64>,
    lacking: Vec<i64>,
    people: Vec<Arc<str>>,
    members: Vec<Arc<str>>,
    batch: usize,
}

impl Gathered {
    /// Looks what of the needs is remembered.
    pub fn of(app: &App, caller: &Caller, needs: &Needs) -> Self {
        let known = Known::of(app, caller);
        let issues = needs.issues.iter().copied();
        let (allowed, browse) =
            permission::known_browsable(app, caller, issues, permission::Freshness::Reports);
        let (mut facts, mut lacking) = (FxHashMap::default(), Vec::new());
        if needs.facts {
            for id in &allowed {
                match known.remembered(*id) {
                    Some(Some(found)) => {
                        facts.insert(*id, found);
                    }
                    Some(None) => {}
                    None => lacking.push(*id),
                }
            }
            // Of those that have to be asked about, at worst all may be browsed.
            lacking.extend(browse.iter().filter(|id| known.remembered(**id).is_none()));
        }
        let unknown = |accounts: &[Arc<str>], known: &dyn Fn(&PersonKey) -> bool| {
            let named = accounts.iter().filter(|account| !account.is_empty());
            let key = |account: &Arc<str>| (Arc::from(caller.tenant.id.as_str()), Arc::clone(account));
            named.filter(|account| !known(&key(account))).cloned().collect()
        };
        let is_small = app.facts.small_calls.lock().contains(&caller.tenant.id);
        Self {
            allowed,
            facts,
            browse,
            lacking,
            people: unknown(&needs.people, &|key| app.facts.people.contains_key(key)),
            members: unknown(&needs.members, &|key| app.facts.groups.contains_key(key)),
            batch: if is_small { BULK_MAX } else { FACTS_MAX },
        }
    }

    /// Whether nothing has to be asked.
    pub fn is_complete(&self) -> bool {
        self.browse.is_empty() && self.lacking.is_empty() && self.people.is_empty() && self.members.is_empty()
    }

    /// What it costs to find out the rest.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost::default();
        cost.add(self.browse.len().div_ceil(CHECK_MAX), 2 * CHECK_MAX);
        cost.add(self.lacking.len().div_ceil(self.batch), self.batch);
        cost.add(self.people.len().div_ceil(USERS_MAX), 2 * USERS_MAX);
        // Eight groups a person are many.
        cost.add(self.members.len(), 16);
        cost
    }
}

/// How far finding out has come, in calls.
#[derive(Debug, Default)]
pub struct Progress {
    /// Calls that were answered.
    pub done: AtomicUsize,
}

impl Progress {
    fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks Jira for everything that is not known: as the app, so that it may go on without the viewer.
///
/// # Errors
/// When Jira cannot be asked. What was answered until then is remembered.
pub async fn find_out(app: &App, caller: &Caller, needs: &Needs, progress: &Progress) -> AppResult<()> {
    let unknown = Gathered::of(app, caller, needs);
    let jira = app.jira.as_app(&caller.tenant.site, Class::Read);
    stream::iter(unknown.browse.chunks(CHECK_MAX).map(Ok::<_, JiraError>))
        .try_for_each_concurrent(AT_ONCE, async |some| {
            permission::ask_browsable(app, caller, some).await?;
            progress.step();
            Ok(())
        })
        .await?;
    if needs.facts {
        let issues = needs.issues.iter().copied();
        let (allowed, _) = permission::known_browsable(app, caller, issues, permission::Freshness::Reports);
        let mut lacking: Vec<i64> = unknown.lacking.into_iter().filter(|id| allowed.contains(id)).collect();
        lacking.sort_unstable();
        ask_facts(app, caller, &lacking, unknown.batch, progress).await?;
    }
    let tenant: Arc<str> = caller.tenant.id.as_str().into();
    let key = |account: &Arc<str>| (Arc::clone(&tenant), Arc::clone(account));
    stream::iter(unknown.people.chunks(USERS_MAX).map(Ok::<_, JiraError>))
        .try_for_each_concurrent(AT_ONCE, async |some| {
            let accounts: Vec<String> = some.iter().map(|account| account.to_string()).collect();
            let found = jira.people(&accounts).await?;
            let mut found: HashMap<String, Arc<Person>> =
                found.into_iter().map(|person| (person.account_id.clone(), Arc::new(person))).collect();
            for account in some {
                app.facts.people.insert(key(account), found.remove(&**account));
            }
            progress.step();
            Ok(())
        })
        .await?;
    stream::iter(unknown.members.iter().map(Ok::<_, JiraError>))
        .try_for_each_concurrent(AT_ONCE, async |account| {
            let groups = jira.groups_of(account).await?.into_iter().collect();
            app.facts.groups.insert(key(account), Arc::new(groups));
            progress.step();
            Ok(())
        })
        .await?;
    // A tenant that was closed meanwhile leaves nothing behind.
    if app.tenants.by_id(&caller.tenant.id).await?.is_none() {
        app.facts.forget(&caller.tenant.id);
    }
    Ok(())
}

async fn ask_facts(
    app: &App,
    caller: &Caller,
    issues: &[i64],
    batch: usize,
    progress: &Progress,
) -> Result<(), JiraError> {
    let jira = app.jira.as_app(&caller.tenant.site, Class::Read);
    let tenant: Arc<str> = caller.tenant.id.as_str().into();
    let asked = stream::iter(issues.chunks(batch).map(Ok::<_, JiraError>))
        .try_for_each_concurrent(AT_ONCE, async |some| {
            let change = app.facts.changes.load(Ordering::SeqCst);
            let found = jira.facts_of(some).await?;
            let mut found: HashMap<i64, Arc<IssueFacts>> =
                found.into_iter().map(|facts| (facts.id, Arc::new(facts))).collect();
            for id in some {
                let key = (Arc::clone(&tenant), *id);
                app.facts.issues.insert(key.clone(), found.remove(id));
                // Changed while the answer was on its way: it may be from before.
                if app.facts.changed_since(&key, change) {
                    app.facts.issues.invalidate(&key);
                }
            }
            progress.step();
            Ok(())
        })
        .await;
    match asked {
        Err(JiraError::BadRequest(_)) if batch > BULK_MAX => {
            tracing::info!("this site takes {BULK_MAX} issues in a call");
            app.facts.small_calls.lock().insert(caller.tenant.id.clone());
            Box::pin(ask_facts(app, caller, issues, BULK_MAX, progress)).await
        }
        asked => asked,
    }
}

/// What is remembered of a tenant's issues and people, for one question.
pub struct Known<'a> {
    facts: &'a Facts,
    tenant: Arc<str>,
}

impl<'a> Known<'a> {
    /// Of a caller's tenant.
    pub fn of(app: &'a App, caller: &Caller) -> Self {
        Self { facts: &app.facts, tenant: caller.tenant.id.as_str().into() }
    }

    /// The facts of an issue: `Some(None)` for one that Jira does not return to the app, `None` for one that was not
    /// asked for.
    fn remembered(&self, id: i64) -> Option<Option<Arc<IssueFacts>>> {
        self.facts.issues.get(&(Arc::clone(&self.tenant), id))
    }

    /// A person; `None` for one that Jira does not know any more, or that was not asked for.
    pub fn person(&self, account: &Arc<str>) -> Option<Arc<Person>> {
        self.facts.people.get(&(Arc::clone(&self.tenant), Arc::clone(account))).flatten()
    }

    /// The groups of a person.
    pub fn groups(&self, account: &Arc<str>) -> Option<Arc<HashSet<String>>> {
        self.facts.groups.get(&(Arc::clone(&self.tenant), Arc::clone(account)))
    }
}
