//! Where a tenant's sync stands: what runs now, what ran, how far behind the copy is.

use crate::app::App;
use crate::error::AppResult;
use crate::jira::error::JiraError;
use crate::jira::meter::{Class, Meter};
use crate::jira::time;
use crate::lifecycle::suspend;
use crate::tenants::Tenant;
use hourbook_store::control::jobs::{self, Job};
use hourbook_store::tenant::runs::{self, Counts, Run};
use hourbook_store::tenant::{TenantConn, cursors, settings, worklogs};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Cursor: Jira's time up to which both feeds are consumed.
pub const IN_STEP: &str = "in_step";
/// Cursors: when Jira and the copy were last counted, by our clock, and the two counts.
pub const COMPARED_AT: &str = "compared.at";
/// See [`COMPARED_AT`].
pub const COMPARED_JIRA: &str = "compared.jira";
/// See [`COMPARED_AT`].
pub const COMPARED_COPY: &str = "compared.copy";
/// Setting: why syncing pauses, if it does.
pub const PAUSED: &str = "sync.paused";

/// A page of the feed and the read of its worklogs.
const POINTS_A_PAGE: i64 = 2;

/// A sync that runs now, or waits for its turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Which run it is.
    pub run_id: i64,
    /// `full`, `incremental` or `reconcile`.
    pub kind: &'static str,
    /// When it began, by our clock.
    pub started_at: i64,
    /// What it has done.
    pub counts: Counts,
    /// Part of the feed that is consumed, 0 to 1, by time.
    pub fraction: f64,
    /// Time of the feed's first change.
    pub first_change: Option<i64>,
    /// Until when it waits for Jira's quota, by our clock.
    pub waits_until: Option<i64>,
}

impl Progress {
    /// When it will have ended if it goes on like this and the quota allows it, by our clock.
    pub fn expected_end(&self, meter: &Meter, tenant_id: &str, now: i64) -> Option<i64> {
        if self.fraction < 0.01 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "an estimate")]
        let rest_of = |done: i64| (done as f64 * (1.0 - self.fraction) / self.fraction) as i64;
        let by_speed = now + rest_of(now - self.started_at).max(0);
        let class = if self.kind == "full" { Class::Full } else { Class::Incremental };
        let points = rest_of(self.counts.pages).saturating_mul(POINTS_A_PAGE);
        Some(by_speed.max(meter.spent_by(tenant_id, class, points, now)))
    }
}

/// Counting a table of this many rows takes a moment, so the count is remembered.
const MANY: i64 = 100_000;
/// How long it is, ms.
const COUNT_HOLDS_MS: i64 = 10_000;

/// Syncs that run now, by tenant; and how many worklogs large tenants had when they were last counted.
#[derive(Default)]
pub struct Progresses(Mutex<HashMap<String, Progress>>, Mutex<HashMap<String, (i64, i64)>>);

impl Progresses {
    /// Notes how far a tenant's sync is.
    pub fn set(&self, tenant_id: &str, progress: Progress) {
        self.0.lock().insert(tenant_id.to_owned(), progress);
    }

    /// How far a tenant's sync is, if one runs.
    pub fn get(&self, tenant_id: &str) -> Option<Progress> {
        self.0.lock().get(tenant_id).copied()
    }

    /// A tenant's sync has ended: it is counted anew.
    pub fn clear(&self, tenant_id: &str) {
        self.0.lock().remove(tenant_id);
        self.1.lock().remove(tenant_id);
    }

    fn counted(&self, tenant_id: &str, now: i64) -> Option<i64> {
        let counts = self.1.lock();
        counts.get(tenant_id).filter(|(_, at)| (now - at).abs() < COUNT_HOLDS_MS).map(|(count, _)| *count)
    }

    fn note_count(&self, tenant_id: &str, count: i64, now: i64) {
        let mut counts = self.1.lock();
        counts.retain(|_, (_, at)| (now - *at).abs() < COUNT_HOLDS_MS);
        if count >= MANY {
            counts.insert(tenant_id.to_owned(), (count, now));
        }
    }
}

/// What Jira and the copy had when they were last counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// When, by our clock.
    pub at: i64,
    /// Worklogs that Jira's feed named.
    pub jira: i64,
    /// Worklogs in the copy, without those that Jira did not return.
    pub copy: i64,
}

/// Everything that is told about a tenant's sync.
pub struct Status {
    /// `installing`, `full`, `incremental`, `reconcile`, `idle`, `paused`, `suspended` or `failed`.
    pub state: &'static str,
    /// Why it is paused or failed, in words.
    pub reason: Option<String>,
    /// Worklogs in the copy.
    pub worklogs: i64,
    /// Of these, hidden from everybody because Jira does not return them at present.
    pub unreadable: i64,
    /// Of these, restricted to a group or role.
    pub restricted: i64,
    /// Webhooks and worklogs that are still to be taken in.
    pub pending: i64,
    /// What the last reconciliation counted.
    pub compared: Option<Compared>,
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
    fn suspended(reason: Option<&str>) -> Self {
        Self {
            state: "suspended",
            reason: Some(suspend::in_words(reason).into()),
            worklogs: 0,
            unreadable: 0,
            restricted: 0,
            pending: 0,
            compared: None,
            last_success: None,
            in_step_as_of: None,
            progress: None,
            runs: Vec::new(),
            held_until: None,
        }
    }
}

/// Why a sync waits for Forge.
pub const WAITS_FOR_TOKEN: &str = "Hourbook waits for Jira to let it in again, which Jira does by itself every few \
                                   minutes. If this stays, a Jira admin may have disabled the app.";

/// Why a sync waits, and until when.
pub fn waits_for_quota(until: i64) -> String {
    let until = time::rfc3339(until);
    format!("Jira takes no more requests from Hourbook for the moment. It goes on by itself at {until}.")
}

/// What the tenant's own database says.
struct Own {
    worklogs: i64,
    unread: i64,
    unreadable: i64,
    restricted: i64,
    in_step: Option<i64>,
    paused: Option<String>,
    compared: Option<Compared>,
    runs: Vec<Run>,
}

fn compared(db: &mut TenantConn<'_>) -> hourbook_store::error::Result<Option<Compared>> {
    let Some(at) = cursors::get(db, COMPARED_AT)? else { return Ok(None) };
    let jira = cursors::get(db, COMPARED_JIRA)?.unwrap_or(0);
    let copy = cursors::get(db, COMPARED_COPY)?.unwrap_or(0);
    Ok(Some(Compared { at, jira, copy }))
}

/// Reads where a tenant's sync stands.
///
/// # Errors
/// When a database fails.
pub async fn of(app: &App, tenant: &Tenant) -> AppResult<Status> {
    if !tenant.active {
        return Ok(Status::suspended(tenant.state_reason.as_deref()));
    }
    let db = app.db(tenant).await?;
    let now = app.clock.now_ms();
    let counted = app.progresses.counted(&tenant.id, now);
    let own = db
        .read(move |db| {
            Ok(Own {
                worklogs: counted.map_or_else(|| worklogs::count(db), Ok)?,
                unread: worklogs::count_unread(db)?,
                unreadable: worklogs::count_unreadable(db)?,
                restricted: worklogs::count_restricted(db)?,
                in_step: cursors::get(db, IN_STEP)?,
                paused: settings::get(db, PAUSED)?,
                compared: compared(db)?,
                runs: runs::latest(db, 20)?,
            })
        })
        .await?;
    if counted.is_none() {
        app.progresses.note_count(&tenant.id, own.worklogs, now);
    }
    let backlog = app.inbox.backlog(&tenant.id).await?;
    let id = tenant.id.clone();
    let open_jobs = app.control.read(move |conn| jobs::open_of_tenant(conn, &id)).await?;
    let progress = app.progresses.get(&tenant.id);
    let held_until = app.jira.meter.held_until(&tenant.id, now);
    let (state, reason) = state(&own, &open_jobs, progress.as_ref(), held_until, now);
    Ok(Status {
        state,
        reason,
        worklogs: own.worklogs,
        unreadable: own.unreadable,
        restricted: own.restricted,
        pending: backlog + own.unread,
        compared: own.compared,
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
    now: i64,
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
    let waits = JiraError::NoSystemToken.to_string();
    // One that gave way to its twin has failed, and waits for nothing.
    let waits =
        |job: &Job| job.state == "queued" && job.error.as_ref().is_some_and(|error| error.contains(&waits));
    if open_jobs.iter().any(waits) {
        return ("paused", Some(WAITS_FOR_TOKEN.into()));
    }
    let newest = own.runs.first();
    if let Some(until) = progress.and_then(|progress| progress.waits_until).filter(|until| *until > now) {
        return ("paused", Some(waits_for_quota(until)));
    }
    let never_finished = own.in_step.is_none();
    let failed = newest.filter(|run| run.state == "failed");
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
    kept: bool,
}

impl Shown {
    /// Shows a run until this is dropped.
    pub fn begin(app: &Arc<App>, tenant_id: &str, progress: Progress) -> Self {
        app.progresses.set(tenant_id, progress);
        Self { app: Arc::clone(app), tenant_id: tenant_id.to_owned(), kept: false }
    }

    /// Updates what is shown.
    pub fn update(&self, progress: Progress) {
        self.app.progresses.set(&self.tenant_id, progress);
    }
}

impl Shown {
    /// Goes on showing a run that waits and will go on.
    pub fn keep(&mut self, progress: Progress) {
        self.update(progress);
        self.kept = true;
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if !self.kept {
            self.app.progresses.clear(&self.tenant_id);
        }
    }
}
