//! Lists of worklogs, as far as the caller may see them.

use crate::app::App;
use crate::auth::Caller;
use crate::auth::permission::{self, Visible};
use crate::error::{AppError, AppResult};
use hourbook_store::tenant::worklogs::{self, Filter};
use std::collections::HashSet;

/// Steps through the copy that one answer makes at most; a page may be short, its cursor goes on.
const STEPS: usize = 20;

/// A page and the position behind it.
pub struct Page {
    /// Worklogs by start and id.
    pub items: Vec<Visible>,
    /// Start and id of the last one looked at, if there is more.
    pub next: Option<(i64, i64)>,
}

/// Worklogs across issues. Without the report right the list narrows to the caller's own.
///
/// # Errors
/// When Jira cannot be asked: never a smaller answer.
pub async fn across_issues(app: &App, caller: &Caller, mut filter: Filter, limit: usize) -> AppResult<Page> {
    if !permission::may_report(app, caller).await? {
        if filter.account_id.as_ref().is_some_and(|account| *account != caller.account_id) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        filter.account_id = Some(caller.account_id.clone());
    }
    if let Some(issue_id) = filter.issue_id {
        let allowed = permission::browsable(app, caller, &HashSet::from([issue_id])).await?;
        if allowed.is_empty() {
            // Asking for a hidden issue tells nothing, not even of one's own work there.
            return Ok(Page { items: Vec::new(), next: None });
        }
    }
    visible_page(app, caller, filter, limit).await
}

/// The worklogs of one issue, for everybody who may browse it.
///
/// # Errors
/// 404 for an issue that the caller may not browse.
pub async fn of_issue(
    app: &App,
    caller: &Caller,
    issue_id: i64,
    after: Option<(i64, i64)>,
    newest_first: bool,
    limit: usize,
) -> AppResult<Page> {
    require_browsable(app, caller, issue_id).await?;
    let filter = Filter { issue_id: Some(issue_id), after, newest_first, ..Filter::default() };
    visible_page(app, caller, filter, limit).await
}

/// A step through the whole copy.
pub struct Step {
    /// What the caller may see of it.
    pub items: Vec<Visible>,
    /// How much of it they may not.
    pub withheld: usize,
    /// Start and id of the last one looked at, if there is more.
    pub next: Option<(i64, i64)>,
}

/// Everything there is, step by step, as far as the caller may see it.
///
/// # Errors
/// When Jira cannot be asked: never a smaller answer.
pub async fn everything(
    app: &App,
    caller: &Caller,
    after: Option<(i64, i64)>,
    limit: usize,
) -> AppResult<Step> {
    let filter = Filter { after, ..Filter::default() };
    let db = app.db(&caller.tenant).await?;
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = db.read(move |db| worklogs::page(db, &filter, rows)).await?;
    let looked_at = found.len();
    let next = found.last().map(|row| (row.started, row.id)).filter(|_| looked_at == limit);
    let items = permission::visible(app, caller, found).await?;
    Ok(Step { withheld: looked_at - items.len(), items, next })
}

/// How far back somebody's last work is looked for.
const LAST_WORK_MS: i64 = 36 * 3_600_000;

/// When the caller's own last work ended, if that was not long ago. Milliseconds since 1970, UTC.
///
/// # Errors
/// When the database fails.
pub async fn last_end(app: &App, caller: &Caller) -> AppResult<Option<i64>> {
    let filter = Filter {
        from: Some(app.clock.now_ms() - LAST_WORK_MS),
        account_id: Some(caller.account_id.clone()),
        ..Filter::default()
    };
    let db = app.db(&caller.tenant).await?;
    let own = db.read(move |db| worklogs::page(db, &filter, 1000)).await?;
    Ok(own.iter().map(|worklog| worklog.started + worklog.seconds * 1000).max())
}

/// One worklog of an issue.
///
/// # Errors
/// 404 if it is not there or not to be seen.
pub async fn one(app: &App, caller: &Caller, issue_id: i64, id: i64) -> AppResult<Visible> {
    require_browsable(app, caller, issue_id).await?;
    let db = app.db(&caller.tenant).await?;
    let found = db.read(move |db| worklogs::by_ids(db, &[id])).await?;
    let on_issue = found.into_iter().filter(|worklog| worklog.issue_id == issue_id).collect();
    let visible = permission::visible(app, caller, on_issue).await?;
    visible.into_iter().next().ok_or_else(|| {
        AppError::not_found(
            "worklog_not_found",
            "There is no such worklog on this issue, or you may not see it.",
        )
    })
}

async fn require_browsable(app: &App, caller: &Caller, issue_id: i64) -> AppResult<()> {
    let allowed = permission::browsable(app, caller, &HashSet::from([issue_id])).await?;
    if allowed.contains(&issue_id) {
        return Ok(());
    }
    Err(AppError::not_found("issue_not_found", "There is no such issue, or you may not see it."))
}

async fn visible_page(app: &App, caller: &Caller, mut filter: Filter, limit: usize) -> AppResult<Page> {
    let db = app.db(&caller.tenant).await?;
    let mut items: Vec<Visible> = Vec::new();
    // More than asked for, so that a few hidden ones do not cost another step.
    let step = limit.saturating_mul(2).clamp(100, 2000);
    for _ in 0..STEPS {
        let wanted = filter.clone();
        let limit_rows = i64::try_from(step).unwrap_or(2000);
        let rows = db.read(move |db| worklogs::page(db, &wanted, limit_rows)).await?;
        let ended = rows.len() < step;
        let last = rows.last().map(|row| (row.started, row.id));
        items.extend(permission::visible(app, caller, rows).await?);
        if items.len() > limit {
            items.truncate(limit);
            let next = items.last().map(|item| (item.worklog.started, item.worklog.id));
            return Ok(Page { items, next });
        }
        if ended {
            return Ok(Page { items, next: None });
        }
        filter.after = last;
    }
    Ok(Page { items, next: filter.after })
}
