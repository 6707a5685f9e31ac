//! Claims due jobs and runs them, a few at once.

use super::Kind;
use crate::app::App;
use crate::jira::error::JiraError;
use crate::sync::feed::jira_cause;
use crate::task;
use crate::tenants::Tenant;
use crate::{accounts, backup, config, licence, lifecycle, sync};
use anyhow::Context;
use hourbook_store::control::jobs::{self, Job};
use hourbook_store::error::Error as StoreError;
use hourbook_store::tenant::fences::Fence;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

/// Jobs that run at once.
const AT_ONCE: usize = 8;
/// Of these, long ones: the rest is free for what people and webhooks wait for.
const LONG_AT_ONCE: usize = 5;
/// Tries before a job is given up; the schedule brings syncs back anyway.
const TRIES: i32 = 12;
/// Longest pause between two tries, ms.
const LONGEST_PAUSE_MS: i64 = 15 * 60_000;
/// Pause before the end of a job is noted again that could not be.
const NOTE_AGAIN: Duration = Duration::from_secs(1);
/// Pause of a job that waits for Forge to bring a token, ms.
const TOKEN_PAUSE_MS: i64 = 5 * 60_000;

/// Runs jobs until `stop` is done; what still runs then waits again, for another node or the next start.
pub async fn run(app: Arc<App>, mut stop: tokio::sync::watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let long_slots = Arc::new(Semaphore::new(LONG_AT_ONCE));
    let mut running = JoinSet::new();
    loop {
        // A job is claimed only once there is a slot for it, so that what waits stays free for others.
        while let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            let long_slot = Arc::clone(&long_slots).try_acquire_owned().ok();
            let Some(job) = claim(&app, long_slot.is_some()).await else { break };
            let is_long = Kind::from_name(&job.kind).is_some_and(|kind| Kind::LONG.contains(&kind));
            let long_slot = long_slot.filter(|_| is_long);
            let app = Arc::clone(&app);
            running.spawn(async move {
                run_one(&app, job).await;
                drop((slot, long_slot));
                app.wake.now();
            });
        }
        while running.try_join_next().is_some() {}
        tokio::select! {
            () = app.wake.wait() => {}
            () = tokio::time::sleep(app.config.tuning.tick) => {}
            _ = stop.changed() => break,
        }
    }
    running.shutdown().await;
}

async fn claim(app: &App, also_long: bool) -> Option<Job> {
    let now = app.clock.now_ms();
    let but: Vec<&str> = Kind::LONG.iter().filter(|_| !also_long).map(|kind| kind.name()).collect();
    let node = app.nodes.id().to_owned();
    match app.control.write(move |conn| jobs::claim(conn, &node, now, &but)).await {
        Ok(job) => job,
        Err(error) => {
            tracing::error!(%error, "no job could be claimed");
            None
        }
    }
}

async fn run_one(app: &Arc<App>, job: Job) {
    let span = tracing::info_span!("job", job.kind, job.id, tenant.id = job.tenant_id);
    let (this, work) = (Arc::clone(app), job.clone());
    // A task of its own: a panic ends this job and not the runner.
    let task = task::join(async move { dispatch(&this, &work).await }).instrument(span.clone());
    let result = match task.await {
        Ok(result) => result,
        Err(join) if join.is_cancelled() => return,
        Err(_) => Err(anyhow::anyhow!("the job panicked")),
    };
    settle(app, &job, result).instrument(span).await;
}

async fn dispatch(app: &Arc<App>, job: &Job) -> anyhow::Result<()> {
    let kind = Kind::from_name(&job.kind).with_context(|| format!("unknown kind of job {}", job.kind))?;
    if kind == Kind::Wipe {
        return lifecycle::wipe::run(app, job).await;
    }
    if kind.is_of_the_system() {
        return of_the_system(app, kind).await;
    }
    let Some(tenant) = app.tenants.by_id(&job.tenant_id).await? else { return Ok(()) };
    let tenant = Arc::new(tenant.with_fence(Some(Fence { lane: job.lane.clone(), token: job.fence })));
    if kind == Kind::Probe {
        return lifecycle::suspend::probe(app, &tenant).await;
    }
    if !tenant.active {
        return Ok(());
    }
    if kind.is_sync() && licence::has_lapsed(app, &tenant).await? {
        return sync::refusal::without_licence(app, &tenant).await;
    }
    let Err(error) = for_tenant(app, &tenant, kind, &job.subject).await else { return Ok(()) };
    match error.downcast_ref() {
        // Another node has taken over.
        Some(StoreError::Fenced) => return Ok(()),
        // Closed in the middle: the wipe takes over. If it is open again by now, the work is still to be done.
        Some(StoreError::Closed) => {
            let now = app.tenants.by_id(&job.tenant_id).await?;
            return if now.is_some_and(|tenant| tenant.active) { Err(error) } else { Ok(()) };
        }
        _ => {}
    }
    if let Some(refusal) = jira_cause(&error)
        && sync::refusal::take(app, &tenant, refusal).await?
    {
        return Ok(());
    }
    Err(error)
}

async fn for_tenant(app: &Arc<App>, tenant: &Arc<Tenant>, kind: Kind, subject: &str) -> anyhow::Result<()> {
    match kind {
        Kind::SyncFull => sync::run::run(app, tenant, sync::run::Mode::Full).await,
        Kind::SyncIncremental => sync::run::run(app, tenant, sync::run::Mode::Incremental).await,
        Kind::SyncReconcile => sync::run::run(app, tenant, sync::run::Mode::Reconcile).await,
        Kind::Complete => sync::complete::run(app, tenant).await,
        Kind::Fetch => sync::complete::fetch(app, tenant, subject).await,
        Kind::Accounts => accounts::run(app, tenant).await,
        Kind::Recheck => sync::complete::recheck(app, tenant).await,
        Kind::IssueGone => sync::container::issue_gone(app, tenant, subject.parse()?).await,
        Kind::ProjectGone => sync::container::project_gone(app, tenant, subject.parse()?).await,
        Kind::ProjectRestored => sync::container::project_restored(app, tenant, subject.parse()?).await,
        Kind::Backup => backup::tenant::run(app, tenant).await,
        Kind::Restore => backup::tenant::restore(app, tenant, subject).await,
        Kind::Reseal => lifecycle::reseal::run(app, tenant).await,
        Kind::Export => backup::tenant::export(app, tenant, subject).await,
        Kind::Move => lifecycle::moving::run(app, tenant, subject).await,
        Kind::Drill => backup::tenant::drill(app, tenant).await,
        Kind::Probe | Kind::SystemBackup | Kind::Rewrap | Kind::Wipe => Ok(()),
    }
}

async fn of_the_system(app: &Arc<App>, kind: Kind) -> anyhow::Result<()> {
    if kind == Kind::Rewrap {
        if let Some(file) = &app.config.master_keys_file {
            let keys = config::read_master_keys(file).map_err(anyhow::Error::msg)?;
            app.keyring.replace_master(keys).await?;
        }
        let rewrapped = app.keyring.rewrap().await?;
        tracing::info!(rewrapped, "keys are wrapped by the current master key");
    }
    // Of the keys as they are wrapped now.
    backup::system::run(app).await
}

/// How a try of a job ended.
enum Ended {
    Done,
    GivenUp { error: String },
    Again { after: i64, error: String },
}

/// Notes how a job ended and whether it is tried again.
async fn settle(app: &App, job: &Job, result: anyhow::Result<()>) {
    let waits_for_token =
        result.as_ref().is_err_and(|error| matches!(jira_cause(error), Some(JiraError::NoSystemToken)));
    let ended = judge(app, job, result);
    // What is not noted would be taken for running, and hold up its lane until this node ends.
    while let Err(error) = note(app, job, &ended).await {
        tracing::error!(%error, "the end of a job could not be noted yet");
        tokio::time::sleep(NOTE_AGAIN).await;
    }
    // A token that came while the job was failing found nothing that waited for it.
    if waits_for_token && let Err(error) = lifecycle::forge::hurry(app, &job.tenant_id).await {
        tracing::error!(%error, "a job that waits for a token could not be looked at");
    }
}

fn judge(app: &App, job: &Job, result: anyhow::Result<()>) -> Ended {
    let counted = |how: &str| app.metrics.jobs.with_label_values(&[&job.kind, how]).inc();
    let Err(cause) = result else {
        counted("done");
        return Ended::Done;
    };
    let error = format!("{cause:#}");
    // A wipe is never given up, nor what only waits for its quota or database; everything else comes back by schedule.
    let waits = matches!(jira_cause(&cause), Some(JiraError::RateLimited { .. } | JiraError::NoSystemToken))
        || matches!(cause.downcast_ref(), Some(StoreError::Held | StoreError::Unavailable(_)));
    if job.attempts >= TRIES && job.kind != Kind::Wipe.name() && !waits {
        tracing::error!(error, "job given up");
        counted("failed");
        return Ended::GivenUp { error };
    }
    tracing::warn!(error, attempts = job.attempts, "job will be tried again");
    counted("retried");
    Ended::Again { after: app.clock.now_ms() + pause_ms(app, job.attempts, &cause), error }
}

async fn note(app: &App, job: &Job, ended: &Ended) -> Result<(), StoreError> {
    let (job, now) = (job.clone(), app.clock.now_ms());
    match ended {
        Ended::Done => app.control.write(move |conn| jobs::finish(conn, &job, now).map(drop)).await,
        Ended::GivenUp { error } => {
            let error = error.clone();
            app.control.write(move |conn| jobs::fail(conn, &job, now, &error)).await
        }
        Ended::Again { after, error } => {
            let (after, error) = (*after, error.clone());
            app.control.write(move |conn| jobs::retry(conn, &job, after, &error)).await
        }
    }
}

fn pause_ms(app: &App, attempts: i32, error: &anyhow::Error) -> i64 {
    if let Some(JiraError::RateLimited { wait_secs }) = jira_cause(error) {
        return wait_secs.saturating_mul(1000);
    }
    // The next token lets it go on at once.
    if matches!(jira_cause(error), Some(JiraError::NoSystemToken)) {
        return TOKEN_PAUSE_MS;
    }
    let base = i64::try_from(app.config.tuning.retry_base.as_millis()).unwrap_or(2000);
    let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or(0);
    base.saturating_mul(1_i64 << doublings).min(LONGEST_PAUSE_MS)
}
