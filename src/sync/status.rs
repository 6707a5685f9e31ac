//! Where a tenant's sync stands: what runs now, what ran, how far behind the copy is.

use crate::app::App;
use crate::error::AppResult;
use crate::tenants::Tenant;
use hourbook_store::control::jobs::{self, Job};
use hourbook_store::tenant::runs::{self, Counts, Run};
use hourbook_store::tenant::{cursors, settings, worklogs};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Cursor: Jira's time up to which both feeds are consumed.
pub const IN_STEP: &str = "in_step";
/// Setting: why syncing pauses, if it does.
pub const PAUSED: &str = "sync.paused";

/// A sync that runs now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// `full`, `incremental` or `reconcile`.
    pub kind: &'static str,
    /// When it began, by our clock.
    pub started_at: i64,
    /// What it has done.
    pub counts: Counts,
    /// Part of the feed that is consumed, 0 to 1, by time.
    pub fraction: f64,
}

impl Progress {
    /// When it will have ended if it goes on like this, by our clock.
    pub fn expected_end(&self, now: i64) -> Option<i64> {
        if self.fraction < 0.01 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "an estimate")]
        let left = ((now - self.started_at) as f64 * (1.0 - self.fraction) / self.fraction) as i64;
        Some(now + left.max(0))
    }
}

/// Syncs that run now, by tenant.
#[derive(Default)]
pub struct Progresses(Mutex<HashMap<String, Progress>>);

impl Progresses {
    /// Notes how far a tenant's sync is.
    pub fn set(&self, tenant_id: &str, progress: Progress) {
        self.0.lock().insert(tenant_id.to_owned(), progress);
    }

    /// How far a tenant's sync is, if one runs.
    pub fn get(&self, tenant_id: &str) -> Option<Progress> {
        self.0.lock().get(tenant_id).copied()
    }

    /// A tenant's sync has ended.
    pub fn clear(&self, tenant_id: &str) {
        self.0.lock().remove(tenant_id);
    }
}

/// Everything that is told about a tenant's sync.
pub struct Status {
    /// `installing`, `full`, `incremental`, `reconcile`, `idle`, `paused`, `suspended` or `failed`.
    pub state: &'static str,
    /// Why it is paused or failed, in words.
    pub reason: Option<String>,
    /// Worklogs in the copy.
    pub worklogs: i64,
    /// Webhooks and worklogs that are still to be taken in.
    pub pending: i64,
    /// When a sync last ended well, by our clock.
    pub last_success: Option<i64>,
    /// Jira's time up to which the copy is in step.
    pub in_step_as_of: Option<i64>,
    /// What runs now.
    pub progress: Option<Progress>,
    /// The newest runs first.
    pub runs: Vec<Run>,
    /// Until when calls to Jira are held back.
    pub held_until: Option<i64>,
}

impl Status {
    /// Nothing is told of a suspended tenant but that it is one.
    fn suspended() -> Self {
        Self {
            state: "suspended",
            reason: Some("Another installation took over this site. Install Hourbook again to go on.".into()),
            worklogs: 0,
            pending: 0,
            last_success: None,
            in_step_as_of: None,
            progress: None,
            runs: Vec::new(),
            held_until: None,
        }
    }
}

/// What the tenant's own database says.
struct Own {
    worklogs: i64,
    unread: i64,
    in_step: Option<i64>,
    paused: Option<String>,
    runs: Vec<Run>,
}

/// Reads where a tenant's sync stands.
///
/// # Errors
/// When a database fails.
pub async fn of(app: &App, tenant: &Tenant) -> AppResult<Status> {
    if !tenant.active {
        return Ok(Status::suspended());
    }
    let db = app.db(tenant).await?;
    let own = db
        .read(|db| {
            Ok(Own {
                worklogs: worklogs::count(db)?,
                unread: worklogs::count_unread(db)?,
                in_step: cursors::get(db, IN_STEP)?,
                paused: settings::get(db, PAUSED)?,
                runs: runs::latest(db, 20)?,
            })
        })
        .await?;
    let backlog = app.inbox.backlog(&tenant.id).await?;
    let id = tenant.id.clone();
    let open_jobs = app.control.read(move |conn| jobs::open_of_tenant(conn, &id)).await?;
    let progress = app.progresses.get(&tenant.id);
    let held_until = app.jira.meter.held_until(&tenant.id, app.clock.now_ms());
    let (state, reason) = state(&own, &open_jobs, progress.as_ref(), held_until);
    Ok(Status {
        state,
        reason,
        worklogs: own.worklogs,
        pending: backlog + own.unread,
        last_success: own.runs.iter().filter(|run| run.state == "done").find_map(|run| run.finished_at),
        in_step_as_of: own.in_step,
        progress,
        held_until,
        runs: own.runs,
    })
}

fn state(
    own: &Own,
    open_jobs: &[Job],
    progress: Option<&Progress>,
    held_until: Option<i64>,
) -> (&'static str, Option<String>) {
    if let Some(reason) = &own.paused {
        return ("paused", Some(reason.clone()));
    }
    if held_until.is_some() {
        return (
            "paused",
            Some("Jira takes no more requests from Hourbook until its quota is renewed.".into()),
        );
    }
    let never_finished = own.in_step.is_none();
    let failed = own.runs.first().filter(|run| run.state == "failed");
    if let Some(run) = failed.filter(|_| progress.is_none()) {
        return ("failed", run.error.clone());
    }
    match progress {
        // The first full sync is a part of installing, and called by its own name once it moves.
        Some(progress) if never_finished && progress.counts.pages == 0 => ("installing", None),
        Some(progress) => (progress.kind, None),
        None if never_finished => ("installing", None),
        None => {
            let waits = open_jobs.iter().any(|job| job.lane == "sync" && job.state == "running");
            (if waits { "incremental" } else { "idle" }, None)
        }
    }
}

/// Removes the progress of a run however the run ends.
pub struct Shown {
    app: Arc<App>,
    tenant_id: String,
}

impl Shown {
    /// Shows a run until this is dropped.
    pub fn begin(app: &Arc<App>, tenant_id: &str, progress: Progress) -> Self {
        app.progresses.set(tenant_id, progress);
        Self { app: Arc::clone(app), tenant_id: tenant_id.to_owned() }
    }

    /// Updates what is shown.
    pub fn update(&self, progress: Progress) {
        self.app.progresses.set(&self.tenant_id, progress);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.app.progresses.clear(&self.tenant_id);
    }
}
