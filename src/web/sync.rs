//! Where the sync stands, and starting one by hand.

use super::extract::{ContextCaller, Shared};
use crate::app::App;
use crate::auth::permission;
use crate::error::{AppError, AppResult, Problem};
use crate::jira::meter::Meter;
use crate::jira::time;
use crate::jira::worklogs::LIST_MAX;
use crate::jobs::{self, Kind};
use crate::lifecycle::suspend;
use crate::reports::facts::Cost;
use crate::sync::run::VERIFIED;
use crate::sync::status::{self, Progress};
use actix_web::{HttpResponse, web};
use hourbook_store::control::installations;
use hourbook_store::tenant::runs::Run;
use hourbook_store::tenant::{audit, worklogs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the sync stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncView {
    /// `installing`, `full`, `incremental`, `reconcile`, `idle`, `paused`, `suspended` or `failed`.
    state: String,
    /// Why it is paused or failed, and what to do.
    reason: Option<String>,
    /// Worklogs in the copy.
    worklogs: i64,
    /// Of these, hidden from everybody because Jira does not return them at present; null for others than Jira
    /// admins.
    unreadable: Option<i64>,
    /// Of these, restricted to a group or role; null for others than Jira admins.
    restricted: Option<i64>,
    /// Events and worklogs that are still to be taken in.
    pending: i64,
    /// What Jira and the copy had when they were last counted, by a reconciliation.
    compared: Option<ComparedView>,
    /// When a sync last ended well.
    last_success: Option<String>,
    /// Jira's time up to which the copy is in step.
    in_step_as_of: Option<String>,
    /// Seconds between that instant and now; Jira withholds the last minute of its feeds.
    lag_seconds: Option<i64>,
    /// The sync that runs now.
    progress: Option<ProgressView>,
    /// API points of this hour.
    quota: QuotaView,
    /// The newest runs first.
    runs: Vec<RunView>,
    /// For Jira admins: what starting a sync by hand would cost.
    costs: Option<CostsView>,
    /// For Jira admins: when the last backup was made.
    last_backup: Option<String>,
    /// For Jira admins: when a backup was last restored into scratch space and compared, as a proof that it can be.
    last_drill: Option<String>,
}

/// What Jira and the copy had when they were last counted.
#[derive(Serialize, ToSchema)]
pub struct ComparedView {
    at: String,
    /// Worklogs that Jira's feed named.
    jira: i64,
    /// Worklogs in the copy, without those that Jira did not return.
    copy: i64,
}

/// What syncs cost at Jira.
#[derive(Serialize, ToSchema)]
pub struct CostsView {
    full: Cost,
    /// At least: whatever has changed comes on top.
    incremental: Cost,
    reconcile: Cost,
}

impl CostsView {
    /// Of a copy of so many worklogs, all of which Jira still has.
    fn of(worklogs: i64) -> Self {
        let worklogs = usize::try_from(worklogs).unwrap_or(0);
        // Each page of the updated feed, the deleted feed, and whether there are webhooks that Jira gave up.
        let feeds = worklogs.div_ceil(LIST_MAX) + 2;
        let cost = |calls: usize, objects: usize| Cost {
            calls,
            points_certain: calls,
            points_worst: calls + objects,
        };
        let again = worklogs.min(usize::try_from(VERIFIED).unwrap_or(usize::MAX));
        Self {
            full: cost(feeds + worklogs.div_ceil(LIST_MAX), worklogs),
            incremental: cost(3, 0),
            reconcile: cost(feeds + again.div_ceil(LIST_MAX), again),
        }
    }
}

/// An issue with worklogs that Jira does not return.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedIssueView {
    issue_id: String,
    /// How many there are. They are kept and shown to nobody.
    worklogs: i64,
    /// Since when.
    since: Option<String>,
}

/// What could not be read.
#[derive(Serialize, ToSchema)]
pub struct FailuresView {
    /// Those with the most worklogs first; a hundred at most.
    issues: Vec<FailedIssueView>,
}

/// A sync that runs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressView {
    kind: String,
    started_at: String,
    pages: i64,
    written: i64,
    deleted: i64,
    unreadable: i64,
    /// 0 to 1, by the time that the feed has covered.
    fraction: f64,
    /// When it will have ended if it goes on like this and Jira's quota allows it.
    expected_end: Option<String>,
    /// Until when it waits for Jira's quota.
    waits_until: Option<String>,
}

/// API points: Atlassian shares them between all tenants and renews them every hour.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaView {
    points_per_hour: i64,
    /// Surely used by this tenant.
    used: i64,
    /// Used by this tenant if Jira counts every worklog and permission it returned.
    used_at_most: i64,
    /// Surely used by all tenants.
    used_by_all: i64,
    /// Until when calls are held back.
    held_until: Option<String>,
}

/// A run of a sync.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    kind: String,
    state: String,
    started_at: String,
    finished_at: Option<String>,
    pages: i64,
    written: i64,
    deleted: i64,
    unreadable: i64,
    error: Option<String>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            kind: run.kind,
            state: run.state,
            started_at: time::rfc3339(run.started_at),
            finished_at: run.finished_at.map(time::rfc3339),
            pages: run.pages,
            written: run.written,
            deleted: run.deleted,
            unreadable: run.unreadable,
            error: run.error,
        }
    }
}

fn progress_view(progress: Progress, meter: &Meter, tenant_id: &str, now: i64) -> ProgressView {
    ProgressView {
        kind: progress.kind.into(),
        started_at: time::rfc3339(progress.started_at),
        pages: progress.counts.pages,
        written: progress.counts.written,
        deleted: progress.counts.deleted,
        unreadable: progress.counts.unreadable,
        fraction: progress.fraction,
        expected_end: progress.expected_end(meter, tenant_id, now).map(time::rfc3339),
        waits_until: progress.waits_until.map(time::rfc3339),
    }
}

/// Where the sync stands.
///
/// # Errors
/// When a database fails.
#[utoipa::path(get, path = "/api/v1/sync", responses((status = 200, body = SyncView)))]
pub async fn status(app: Shared, caller: ContextCaller) -> AppResult<web::Json<SyncView>> {
    let tenant = &caller.0.tenant;
    let status = status::of(&app, tenant).await?;
    let admin = tenant.active && permission::is_admin(&app, &caller.0).await.unwrap_or(false);
    if !tenant.active {
        suspend::looked_at(&app, tenant).await?;
    }
    let now = app.clock.now_ms();
    let (mine, all) = app.jira.meter.usage(&tenant.id, now);
    let (backup, drill) = if admin { backups(&app, &tenant.id).await? } else { (None, None) };
    Ok(web::Json(SyncView {
        state: status.state.into(),
        reason: status.reason,
        worklogs: status.worklogs,
        unreadable: admin.then_some(status.unreadable),
        restricted: admin.then_some(status.restricted),
        pending: status.pending,
        compared: status.compared.map(|counted| ComparedView {
            at: time::rfc3339(counted.at),
            jira: counted.jira,
            copy: counted.copy,
        }),
        last_success: status.last_success.map(time::rfc3339),
        in_step_as_of: status.in_step_as_of.map(time::rfc3339),
        lag_seconds: status.in_step_as_of.map(|at| (now - at).max(0).div_euclid(1000)),
        progress: status.progress.map(|progress| progress_view(progress, &app.jira.meter, &tenant.id, now)),
        quota: QuotaView {
            points_per_hour: app.jira.meter.points_per_hour(),
            used: mine.certain,
            used_at_most: mine.worst_case,
            used_by_all: all.certain,
            held_until: status.held_until.map(time::rfc3339),
        },
        runs: status.runs.into_iter().map(RunView::from).collect(),
        costs: admin.then(|| CostsView::of(status.worklogs)),
        last_backup: backup.map(time::rfc3339),
        last_drill: drill.map(time::rfc3339),
    }))
}

/// When the last backup was made, and when one was last restored as a drill, ms.
async fn backups(app: &App, tenant_id: &str) -> AppResult<(Option<i64>, Option<i64>)> {
    let id = tenant_id.to_owned();
    let found = app.control.read(move |conn| installations::find(conn, &id)).await?;
    Ok(found.map_or((None, None), |found| (found.backup_at, found.backup_checked_at)))
}

/// Which sync to start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartSync {
    /// `full`, `incremental`, `reconcile` (count and compare), or `recheck` (ask again for what Jira did not return).
    kind: String,
}

/// That it will run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartedSync {
    /// The kind that will run.
    kind: String,
    /// The job; the same if it waited already.
    job_id: String,
}

/// Starts a sync by hand.
///
/// # Errors
/// 403 for others than Jira admins; 400 for an unknown kind.
#[utoipa::path(post, path = "/api/v1/sync", request_body = StartSync, responses((status = 202, body = StartedSync), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub async fn start(
    app: Shared,
    caller: ContextCaller,
    body: web::Json<StartSync>,
) -> AppResult<HttpResponse> {
    let kind = match body.kind.as_str() {
        "full" => Kind::SyncFull,
        "incremental" => Kind::SyncIncremental,
        "reconcile" => Kind::SyncReconcile,
        "recheck" => Kind::Recheck,
        _ => {
            let detail = "kind is full, incremental, reconcile or recheck.";
            return Err(AppError::invalid("kind", "kind_unknown", detail));
        }
    };
    let db = app.db(&caller.0.tenant).await?;
    let (account, now) = (caller.0.account_id.clone(), app.clock.now_ms());
    db.write(move |db| audit::record(db, Some(&account), kind.name(), None, now)).await?;
    let job_id = jobs::enqueue(&app, &caller.0.tenant.id, kind, "").await?;
    Ok(HttpResponse::Accepted()
        .json(StartedSync { kind: body.into_inner().kind, job_id: job_id.to_string() }))
}

/// Issues listed at most.
const MOST_FAILED: i64 = 100;

/// What could not be read, by issue.
///
/// # Errors
/// 403 for others than Jira admins.
#[utoipa::path(get, path = "/api/v1/sync/failures", responses((status = 200, body = FailuresView), (status = 403, body = Problem)))]
pub async fn failures(app: Shared, caller: ContextCaller) -> AppResult<web::Json<FailuresView>> {
    let db = app.db(&caller.0.tenant).await?;
    let found = db.read(|db| worklogs::unreadable_by_issue(db, MOST_FAILED)).await?;
    let view = |failed: worklogs::Unreadable| FailedIssueView {
        issue_id: failed.issue_id.to_string(),
        worklogs: failed.worklogs,
        since: failed.since.map(time::rfc3339),
    };
    Ok(web::Json(FailuresView { issues: found.into_iter().map(view).collect() }))
}
