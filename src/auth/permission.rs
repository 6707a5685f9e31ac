//! What a proved caller may see and do. Jira decides; its answers are remembered for 60 seconds at most, and what
//! Jira does not say is denied.

use super::Caller;
use crate::app::App;
use crate::error::{AppError, AppResult};
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jira::permissions::CHECK_MAX;
use crate::jira::sign::Scopes;
use crate::jira::worklogs::LIST_MAX;
use hourbook_store::tenant::settings;
use hourbook_store::tenant::worklogs::{Visibility, Worklog};
use moka::sync::Cache;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How long an answer of Jira holds, ms.
const HOLDS_MS: i64 = 60_000;
/// Answers remembered of one person before all of theirs are dropped.
const MOST: usize = 100_000;

/// Name of the setting that says who may see other people's worklogs across issues.
pub const REPORT_RIGHT: &str = "reportRight";

/// A thing that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    Admin,
    Browse(i64),
    Restricted(i64),
}

type Answers = Arc<Mutex<HashMap<Question, (bool, i64)>>>;

/// Answers of Jira by tenant and person.
pub struct Permissions {
    answers: Cache<(String, String), Answers>,
}

impl Permissions {
    /// Room for ten thousand people.
    pub fn new() -> Self {
        Self { answers: Cache::new(10_000) }
    }

    /// Forgets everything about a tenant.
    pub fn forget(&self, tenant_id: &str) {
        let of_tenant: Vec<_> =
            self.answers.iter().filter(|(key, _)| key.0 == tenant_id).map(|(key, _)| key).collect();
        of_tenant.iter().for_each(|key| self.answers.invalidate(key.as_ref()));
    }

    fn of(&self, caller: &Caller) -> Answers {
        let key = (caller.tenant.id.clone(), caller.account_id.clone());
        self.answers.get_with(key, Answers::default)
    }
}

impl Default for Permissions {
    fn default() -> Self {
        Self::new()
    }
}

fn known(answers: &Answers, question: Question, now: i64) -> Option<bool> {
    let answers = answers.lock();
    answers.get(&question).filter(|(_, until)| *until > now).map(|(answer, _)| *answer)
}

fn remember(answers: &Answers, given: impl Iterator<Item = (Question, bool)>, now: i64) {
    let mut answers = answers.lock();
    if answers.len() > MOST {
        answers.clear();
    }
    answers.extend(given.map(|(question, answer)| (question, (answer, now + HOLDS_MS))));
}

/// Whether the caller administers the site.
///
/// # Errors
/// When Jira cannot be asked.
pub async fn is_admin(app: &App, caller: &Caller) -> AppResult<bool> {
    let answers = app.permissions.of(caller);
    let now = app.clock.now_ms();
    if let Some(answer) = known(&answers, Question::Admin, now) {
        return Ok(answer);
    }
    let jira = app.jira.as_app(&caller.tenant.site, Class::Read);
    let answer = jira.is_admin(&caller.account_id).await?;
    remember(&answers, std::iter::once((Question::Admin, answer)), now);
    Ok(answer)
}

/// Refuses everybody but the site's admins.
///
/// # Errors
/// 403, or when Jira cannot be asked.
pub async fn require_admin(app: &App, caller: &Caller) -> AppResult<()> {
    if is_admin(app, caller).await? {
        return Ok(());
    }
    Err(AppError::forbidden("admin_only", "Only Jira admins may do this. Ask one of yours."))
}

/// Whether the caller may see other people's worklogs beyond one issue's own list.
///
/// # Errors
/// When the setting cannot be read or Jira cannot be asked.
pub async fn may_report(app: &App, caller: &Caller) -> AppResult<bool> {
    let db = app.db(&caller.tenant).await?;
    let setting = db.read(|db| settings::get(db, REPORT_RIGHT)).await?;
    match setting.as_deref() {
        Some("everyone") => Ok(true),
        _ => is_admin(app, caller).await,
    }
}

/// Sorts ids into those that are known to be allowed and those that have to be asked about.
fn sort_out(
    answers: &Answers,
    ids: impl Iterator<Item = i64>,
    question: fn(i64) -> Question,
    now: i64,
) -> (HashSet<i64>, Vec<i64>) {
    let (mut allowed, mut unknown) = (HashSet::new(), Vec::new());
    for id in ids {
        match known(answers, question(id), now) {
            Some(true) => {
                allowed.insert(id);
            }
            Some(false) => {}
            None => unknown.push(id),
        }
    }
    (allowed, unknown)
}

/// Which of the issues the caller may browse.
///
/// # Errors
/// When Jira cannot be asked: never a smaller answer.
pub async fn browsable(app: &App, caller: &Caller, issues: &HashSet<i64>) -> AppResult<HashSet<i64>> {
    let answers = app.permissions.of(caller);
    let now = app.clock.now_ms();
    let (mut allowed, unknown) = sort_out(&answers, issues.iter().copied(), Question::Browse, now);
    let jira = app.jira.as_app(&caller.tenant.site, Class::Read);
    for some in unknown.chunks(CHECK_MAX) {
        let granted = jira.browsable(&caller.account_id, some).await?;
        remember(&answers, some.iter().map(|id| (Question::Browse(*id), granted.contains(id))), now);
        allowed.extend(some.iter().filter(|id| granted.contains(id)));
    }
    Ok(allowed)
}

/// Which of the restricted worklogs Jira returns to the caller; asked as the caller. Where the app may not act as
/// this person, none.
async fn restricted_visible(app: &App, caller: &Caller, ids: &[i64]) -> AppResult<HashSet<i64>> {
    let answers = app.permissions.of(caller);
    let now = app.clock.now_ms();
    let (mut visible, unknown) = sort_out(&answers, ids.iter().copied(), Question::Restricted, now);
    let jira = app.jira.as_user(&caller.tenant.site, Class::Read, &caller.account_id, Scopes::Read);
    for some in unknown.chunks(LIST_MAX) {
        let returned: HashSet<i64> = match jira.worklogs_by_id(some).await {
            Ok(worklogs) => worklogs.into_iter().map(|worklog| worklog.id).collect(),
            Err(JiraError::Forbidden(_) | JiraError::Unauthorized) => HashSet::new(),
            Err(error) => return Err(error.into()),
        };
        remember(&answers, some.iter().map(|id| (Question::Restricted(*id), returned.contains(id))), now);
        visible.extend(returned);
    }
    Ok(visible)
}

/// A worklog that the caller may see, and whether they may know its issue.
pub struct Visible {
    /// The worklog.
    pub worklog: Worklog,
    /// Whether the caller may browse its issue.
    pub issue_visible: bool,
}

/// Leaves of the worklogs those that the caller may see, in their order: on issues that they may browse and not
/// restricted against them, and their own anywhere. What Jira does not return
/// at present is shown to nobody.
///
/// # Errors
/// When Jira cannot be asked.
pub async fn visible(app: &App, caller: &Caller, mut worklogs: Vec<Worklog>) -> AppResult<Vec<Visible>> {
    worklogs.retain(|worklog| worklog.unreadable_since.is_none());
    let issues: HashSet<i64> = worklogs.iter().map(|worklog| worklog.issue_id).collect();
    let allowed = browsable(app, caller, &issues).await?;
    let is_own = |worklog: &Worklog| worklog.account_id == caller.account_id;
    let restricted: Vec<i64> = worklogs
        .iter()
        .filter(|worklog| worklog.visibility != Visibility::Everyone)
        .filter(|worklog| allowed.contains(&worklog.issue_id) && !is_own(worklog))
        .map(|worklog| worklog.id)
        .collect();
    let shown = if restricted.is_empty() {
        HashSet::new()
    } else {
        restricted_visible(app, caller, &restricted).await?
    };
    Ok(worklogs
        .into_iter()
        .filter_map(|worklog| {
            let issue_visible = allowed.contains(&worklog.issue_id);
            let open = worklog.visibility == Visibility::Everyone || shown.contains(&worklog.id);
            let seen = is_own(&worklog) || (issue_visible && open);
            seen.then_some(Visible { worklog, issue_visible })
        })
        .collect())
}
