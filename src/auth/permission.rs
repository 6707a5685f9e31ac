//! What a proved caller may see and do. Jira decides; its answers are remembered for 60 seconds at most, by reports
//! for five minutes, and what Jira does not say is denied.

mod answers;

pub use answers::Permissions;

use super::Caller;
use crate::app::App;
use crate::error::{AppError, AppResult};
use crate::jira::client::SiteClient;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jira::permissions::CHECK_MAX;
use crate::jira::sign::Scopes;
use crate::jira::site::Acting;
use crate::jira::worklogs::LIST_MAX;
use answers::{LONGEST_MS, Question};
use hourbook_store::tenant::settings;
use hourbook_store::tenant::worklogs::{Visibility, Worklog};
use rustc_hash::FxHashSet;
use std::collections::HashSet;
use std::sync::Arc;

/// How old an answer of Jira may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// For single reads and lists: 60 seconds.
    Reads,
    /// For reports, which ask about thousands of issues: five minutes.
    Reports,
}

impl Freshness {
    fn ms(self) -> i64 {
        match self {
            Self::Reads => 60_000,
            Self::Reports => LONGEST_MS,
        }
    }
}

/// Name of the setting that says who may see other people's worklogs across issues.
pub const REPORT_RIGHT: &str = "reportRight";

/// Who may see other people's worklogs beyond one issue's own list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ReportRight {
    /// Everybody, as far as Jira shows it to them.
    Everyone,
    /// Members of these groups, and Jira admins.
    Groups(Vec<String>),
    /// Jira admins.
    #[default]
    Admins,
}

impl ReportRight {
    /// As it is stored.
    pub fn to_setting(&self) -> String {
        match self {
            Self::Everyone => "everyone".into(),
            Self::Groups(groups) => format!("groups:{}", groups.join(",")),
            Self::Admins => "admins".into(),
        }
    }

    /// Reads the setting; whatever it does not understand is the strictest.
    pub fn from_setting(text: Option<&str>) -> Self {
        match text {
            Some("everyone") => Self::Everyone,
            Some(text) => match text.strip_prefix("groups:") {
                Some(groups) => Self::Groups(groups.split(',').map(str::to_owned).collect()),
                None => Self::Admins,
            },
            None => Self::Admins,
        }
    }
}

/// Whether a tenant's Jira answers the app what people may do. Where it does not, they are asked themselves.
fn is_told_to_app(app: &App, caller: &Caller) -> bool {
    !app.permissions.is_asked_in_person(&caller.tenant.id)
}

/// Asks Jira about the caller: as the app, or as the caller where Jira tells only them. That depends on the site's host,
/// and Forge's documents leave it open.
async fn ask<T, Answer>(
    app: &App,
    caller: &Caller,
    question: impl Fn(SiteClient, String) -> Answer,
) -> Result<T, JiraError>
where
    Answer: Future<Output = Result<T, JiraError>>,
{
    let of_whom = || caller.account_id.clone();
    if is_told_to_app(app, caller) {
        let jira = app.jira.as_app(&caller.tenant.site, Class::Read);
        let by_forge = jira.is_by_forge();
        match question(jira, of_whom()).await {
            Err(JiraError::Forbidden(_)) if by_forge => {
                tracing::info!(tenant.id = caller.tenant.id, "people are asked themselves what they may do");
                app.permissions.ask_in_person(&caller.tenant.id);
            }
            answer => return answer,
        }
    }
    question(caller.in_person(&app.jira, Class::Read, Scopes::Read), of_whom()).await
}

/// Asks about issues that only the caller can be asked about, inside their request; what is learnt is remembered.
///
/// # Errors
/// When Jira cannot be asked.
pub async fn ask_in_request(app: &App, caller: &Caller, issues: impl Iterator<Item = i64>) -> AppResult<()> {
    if is_told_to_app(app, caller) {
        return Ok(());
    }
    let (_, unknown) = known_browsable(app, caller, issues, Freshness::Reports);
    for some in unknown.chunks(CHECK_MAX) {
        ask_browsable(app, caller, some).await?;
    }
    Ok(())
}

/// Whether the caller administers the site.
///
/// # Errors
/// When Jira cannot be asked.
pub async fn is_admin(app: &App, caller: &Caller) -> AppResult<bool> {
    let now = app.clock.now_ms();
    if let Some(answer) = app.permissions.known(caller, Question::Admin, (now, Freshness::Reads.ms())) {
        return Ok(answer);
    }
    let answer = ask(app, caller, async |jira, whom| jira.is_admin(&whom).await).await?;
    app.permissions.remember(caller, std::iter::once((Question::Admin, answer)), now);
    Ok(answer)
}

/// The caller's groups.
///
/// # Errors
/// When Jira cannot be asked.
pub async fn groups(app: &App, caller: &Caller) -> AppResult<Arc<HashSet<String>>> {
    let now = app.clock.now_ms();
    if let Some(groups) = app.permissions.groups(caller, (now, Freshness::Reads.ms())) {
        return Ok(groups);
    }
    let groups = ask(app, caller, async |jira, whom| jira.groups_of(&whom).await).await?;
    let groups: Arc<HashSet<String>> = Arc::new(groups.into_iter().collect());
    app.permissions.remember_groups(caller, Arc::clone(&groups), now);
    Ok(groups)
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
    match ReportRight::from_setting(setting.as_deref()) {
        ReportRight::Everyone => Ok(true),
        ReportRight::Admins => is_admin(app, caller).await,
        ReportRight::Groups(allowed) => {
            let groups = groups(app, caller).await?;
            Ok(allowed.iter().any(|group| groups.contains(group)) || is_admin(app, caller).await?)
        }
    }
}

/// What is known of issues without asking: those that the caller may browse, and those that have to be asked about.
pub fn known_browsable(
    app: &App,
    caller: &Caller,
    issues: impl Iterator<Item = i64>,
    freshness: Freshness,
) -> (FxHashSet<i64>, Vec<i64>) {
    let when = (app.clock.now_ms(), freshness.ms());
    let sorted = app.permissions.sort(caller, issues, Question::Browse, when);
    (sorted.allowed, sorted.unknown)
}

/// Asks Jira about up to [`CHECK_MAX`] issues, and remembers what it says.
///
/// # Errors
/// When Jira cannot be asked.
pub async fn ask_browsable(app: &App, caller: &Caller, issues: &[i64]) -> Result<HashSet<i64>, JiraError> {
    let now = app.clock.now_ms();
    let granted = ask(app, caller, async |jira, whom| jira.browsable(&whom, issues).await).await?;
    let answers = issues.iter().map(|id| (Question::Browse(*id), granted.contains(id)));
    app.permissions.remember(caller, answers, now);
    Ok(granted)
}

/// Which of the issues the caller may browse.
///
/// # Errors
/// When Jira cannot be asked: never a smaller answer.
pub async fn browsable(app: &App, caller: &Caller, issues: &HashSet<i64>) -> AppResult<FxHashSet<i64>> {
    let (mut allowed, unknown) = known_browsable(app, caller, issues.iter().copied(), Freshness::Reads);
    for some in unknown.chunks(CHECK_MAX) {
        let granted = ask_browsable(app, caller, some).await?;
        allowed.extend(some.iter().filter(|id| granted.contains(id)));
    }
    Ok(allowed)
}

/// How many calls it takes to know which of the restricted worklogs the caller may see.
pub fn restricted_calls(app: &App, caller: &Caller, ids: &[i64]) -> usize {
    let when = (app.clock.now_ms(), Freshness::Reports.ms());
    let sorted = app.permissions.sort(caller, ids.iter().copied(), Question::Restricted, when);
    sorted.unknown.len().div_ceil(LIST_MAX)
}

/// Which of the restricted worklogs Jira returns to the caller; asked as the caller. Where the app may not act as
/// this person, none.
///
/// # Errors
/// When Jira cannot be asked, or does not take the token that the request brought: never a smaller answer.
pub async fn restricted_visible(
    app: &App,
    caller: &Caller,
    ids: &[i64],
    freshness: Freshness,
) -> AppResult<FxHashSet<i64>> {
    let now = app.clock.now_ms();
    let when = (now, freshness.ms());
    let sorted = app.permissions.sort(caller, ids.iter().copied(), Question::Restricted, when);
    let mut visible = sorted.allowed;
    let jira = caller.in_person(&app.jira, Class::Read, Scopes::Read);
    for some in sorted.unknown.chunks(LIST_MAX) {
        let returned: HashSet<i64> = match (jira.worklogs_by_id(some).await, &caller.acting) {
            (Ok(worklogs), _) => worklogs.into_iter().map(|worklog| worklog.id).collect(),
            // Nobody was asked, so that nothing was learnt.
            (Err(JiraError::Forbidden(_)), Acting::Withheld) => continue,
            (Err(JiraError::Forbidden(_)), _) => HashSet::new(),
            (Err(JiraError::Unauthorized), Acting::Granted) => HashSet::new(),
            (Err(JiraError::Unauthorized), _) => return Err(JiraError::NoUserToken.into()),
            (Err(error), _) => return Err(error.into()),
        };
        let answers = some.iter().map(|id| (Question::Restricted(*id), returned.contains(id)));
        app.permissions.remember(caller, answers, now);
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
        FxHashSet::default()
    } else {
        restricted_visible(app, caller, &restricted, Freshness::Reads).await?
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
