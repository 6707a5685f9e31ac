//! What Jira answered, by tenant and person: bounded, short-lived, and void as soon as an event says so.

use crate::auth::Caller;
use moka::sync::Cache;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Answers that are remembered altogether; some tens of bytes each.
const MOST: u64 = 4_000_000;
/// No answer holds for longer, ms.
pub(super) const LONGEST_MS: i64 = 300_000;
/// Changed issues that are told apart in a tenant; of more, all count as changed.
const MOST_CHANGED: usize = 10_000;

/// A thing that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Admin,
    Browse(i64),
    Restricted(i64),
}

/// What is known of a person, each with the instant at which it was asked.
#[derive(Default)]
struct Known {
    answers: FxHashMap<Question, (bool, i64)>,
    groups: Option<(Arc<HashSet<String>>, i64)>,
}

type Person = Arc<Mutex<Known>>;

/// Since when things are different, by our clock.
#[derive(Default)]
struct Changed {
    all: i64,
    issues: HashMap<i64, i64>,
}

impl Changed {
    fn after(&self, question: Question) -> i64 {
        match question {
            Question::Browse(issue) => self.issues.get(&issue).copied().unwrap_or(0).max(self.all),
            Question::Admin | Question::Restricted(_) => self.all,
        }
    }
}

/// Answers of Jira by tenant and person.
pub struct Permissions {
    people: Cache<(String, String), Person>,
    changed: Mutex<HashMap<String, Changed>>,
    /// Tenants whose Jira tells what people may do to nobody but them.
    in_person: Cache<String, ()>,
}

impl Default for Permissions {
    fn default() -> Self {
        let weigh = |_: &(String, String), person: &Person| {
            u32::try_from(person.lock().answers.len()).unwrap_or(u32::MAX).max(1)
        };
        let idle = Duration::from_millis(LONGEST_MS.unsigned_abs());
        Self {
            people: Cache::builder().weigher(weigh).max_capacity(MOST).time_to_idle(idle).build(),
            changed: Mutex::default(),
            in_person: Cache::builder().max_capacity(20_000).time_to_live(IN_PERSON_FOR).build(),
        }
    }
}

/// Ids that are allowed, and those that nobody has asked about.
pub(super) struct Sorted {
    pub(super) allowed: FxHashSet<i64>,
    pub(super) unknown: Vec<i64>,
}

/// How long it is believed that a site tells what people may do to nobody but them.
const IN_PERSON_FOR: Duration = Duration::from_secs(24 * 3600);

impl Permissions {
    pub(super) fn is_asked_in_person(&self, tenant_id: &str) -> bool {
        self.in_person.contains_key(tenant_id)
    }

    pub(super) fn ask_in_person(&self, tenant_id: &str) {
        self.in_person.insert(tenant_id.to_owned(), ());
    }

    /// Forgets everything about a tenant.
    pub fn forget(&self, tenant_id: &str) {
        let of_tenant: Vec<_> =
            self.people.iter().filter(|(key, _)| key.0 == tenant_id).map(|(key, _)| key).collect();
        of_tenant.iter().for_each(|key| self.people.invalidate(key.as_ref()));
        self.changed.lock().remove(tenant_id);
    }

    /// Forgets everything about all tenants.
    pub fn forget_all(&self) {
        self.people.invalidate_all();
        self.changed.lock().clear();
    }

    /// What was asked about a tenant up to now no longer holds, answers on their way included.
    pub fn all_changed(&self, tenant_id: &str, now: i64) {
        let changed = Changed { all: now, issues: HashMap::new() };
        self.changed.lock().insert(tenant_id.to_owned(), changed);
    }

    /// The same about one issue.
    pub fn issue_changed(&self, tenant_id: &str, issue_id: i64, now: i64) {
        let mut changed = self.changed.lock();
        let changed = changed.entry(tenant_id.to_owned()).or_default();
        // Answers from before do not hold any more by themselves.
        changed.issues.retain(|_, at| (now - *at).abs() < LONGEST_MS);
        if changed.issues.len() >= MOST_CHANGED {
            (changed.all, changed.issues) = (now, HashMap::new());
        }
        changed.issues.insert(issue_id, now);
    }

    fn of(&self, caller: &Caller) -> ((String, String), Person) {
        let key = (caller.tenant.id.clone(), caller.account_id.clone());
        let person = self.people.get_with(key.clone(), Person::default);
        (key, person)
    }

    /// Sorts ids by what is known of them from the last `holds` ms.
    pub(super) fn sort(
        &self,
        caller: &Caller,
        ids: impl Iterator<Item = i64>,
        question: fn(i64) -> Question,
        (now, holds): (i64, i64),
    ) -> Sorted {
        let (_, person) = self.of(caller);
        let (known, changed) = (person.lock(), self.changed.lock());
        let changed = changed.get(&caller.tenant.id);
        let mut sorted = Sorted { allowed: FxHashSet::default(), unknown: Vec::new() };
        for id in ids {
            let question = question(id);
            let since = changed.map_or(0, |changed| changed.after(question)).max(now - holds);
            match known.answers.get(&question).filter(|(_, asked)| *asked > since && *asked <= now) {
                Some((true, _)) => {
                    sorted.allowed.insert(id);
                }
                Some((false, _)) => {}
                None => sorted.unknown.push(id),
            }
        }
        sorted
    }

    /// Whether a thing is allowed, if it was asked in the last `holds` ms.
    pub(super) fn known(
        &self,
        caller: &Caller,
        question: Question,
        (now, holds): (i64, i64),
    ) -> Option<bool> {
        let (_, person) = self.of(caller);
        let (known, changed) = (person.lock(), self.changed.lock());
        let since = changed.get(&caller.tenant.id).map_or(0, |changed| changed.after(question));
        let answer = known.answers.get(&question);
        let holds = |asked: i64| asked > since.max(now - holds) && asked <= now;
        answer.filter(|(_, asked)| holds(*asked)).map(|(answer, _)| *answer)
    }

    /// Notes what Jira answered to a call that began at `asked`.
    pub(super) fn remember(
        &self,
        caller: &Caller,
        given: impl Iterator<Item = (Question, bool)>,
        asked: i64,
    ) {
        let (key, person) = self.of(caller);
        {
            let mut known = person.lock();
            known.answers.retain(|_, (_, at)| (asked - *at).abs() < LONGEST_MS);
            known.answers.extend(given.map(|(question, answer)| (question, (answer, asked))));
        }
        // Put in again, so that it is weighed again.
        self.people.insert(key, person);
    }

    /// The groups of a person, if they were asked for in the last `holds` ms.
    pub(super) fn groups(&self, caller: &Caller, (now, holds): (i64, i64)) -> Option<Arc<HashSet<String>>> {
        let (_, person) = self.of(caller);
        let known = person.lock();
        let fresh = known.groups.as_ref().filter(|(_, asked)| (now - *asked).abs() < holds);
        fresh.map(|(groups, _)| Arc::clone(groups))
    }

    /// Notes the groups of a person.
    pub(super) fn remember_groups(&self, caller: &Caller, groups: Arc<HashSet<String>>, asked: i64) {
        let (_, person) = self.of(caller);
        person.lock().groups = Some((groups, asked));
    }
}
