//! What is due by the clock: incremental syncs, reconciliation, housekeeping.

use super::{Kind, enqueue};
use crate::alarm::{self, Alarm};
use crate::app::App;
use crate::backup;
use crate::lifecycle::{forget, suspend, uninstalled};
use crate::reports::export::stored;
use anyhow::Context;
use hourbook_store::control::{installations, jobs};
use std::sync::Arc;
use tokio_cron_scheduler::{Job, JobScheduler};

const DAY_MS: i64 = 86_400_000;
/// Identifiers of webhooks are remembered for longer than Jira keeps trying.
const IDENTIFIERS_KEPT_MS: i64 = 4 * DAY_MS;
/// Ended jobs are remembered for the operator.
const JOBS_KEPT_MS: i64 = 7 * DAY_MS;

/// Looks for what is due until `stop` is done. A loop of its own: the scheduler below counts in whole seconds, by the
/// system's clock, and leaves out a turn now and then.
pub async fn run(app: Arc<App>, mut stop: tokio::sync::watch::Receiver<bool>) {
    loop {
        enqueue_due(&app).await;
        tokio::select! {
            () = tokio::time::sleep(app.config.tuning.tick) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Starts the housekeeping.
///
/// # Errors
/// When the scheduler cannot be set up.
pub async fn start(app: &Arc<App>) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await.context("setting up the scheduler")?;
    // Weak: the scheduler may outlive the server by a moment and must not keep its data folder.
    let house = Arc::downgrade(app);
    // Some minutes past the hour, when nobody else's work starts.
    scheduler
        .add(Job::new_async("0 17 * * * *", move |_, _| {
            let app = house.upgrade();
            Box::pin(async move {
                if let Some(app) = app {
                    tidy(&app).await;
                }
            })
        })?)
        .await?;
    scheduler.start().await.context("starting the scheduler")?;
    Ok(scheduler)
}

/// Enqueues the syncs that are due. A sync plans its successor when it ends; until then the same waits only once.
async fn enqueue_due(app: &Arc<App>) {
    if let Err(error) = suspend::enqueue_due(app).await {
        tracing::error!(error = format!("{error:#}"), "suspended installations could not be looked at");
    }
    let now = app.clock.now_ms();
    if let Err(error) = enqueue_backups(app, now).await {
        tracing::error!(error = format!("{error:#}"), "due backups could not be enqueued");
    }
    let due = match app.control.read(move |conn| installations::due(conn, now)).await {
        Ok(due) => due,
        Err(error) => return tracing::error!(%error, "due syncs could not be found"),
    };
    for turn in due {
        let kind = if turn.reconcile { Kind::SyncReconcile } else { Kind::SyncIncremental };
        if let Err(error) = plan_and_enqueue(app, &turn.tenant_id, kind, now).await {
            tracing::error!(%error, tenant.id = turn.tenant_id, "a due sync could not be enqueued");
        }
    }
}

/// Enqueues the backups that are due.
async fn enqueue_backups(app: &Arc<App>, now: i64) -> anyhow::Result<()> {
    for tenant_id in app.control.read(move |conn| installations::backups_due(conn, now)).await? {
        let next = backup::tenant::next_night(&app.config.backups, &tenant_id, now);
        app.control
            .write(move |conn| {
                installations::schedule_backup(conn, &tenant_id, next)?;
                jobs::enqueue(conn, &Kind::Backup.for_tenant(&tenant_id, "", now), now)
            })
            .await?;
        app.wake.now();
    }
    Ok(())
}

async fn plan_and_enqueue(app: &App, tenant_id: &str, kind: Kind, now: i64) -> anyhow::Result<()> {
    let (id, secs) = (tenant_id.to_owned(), app.config.incremental_secs);
    app.control
        .write(move |conn| {
            let rhythm = installations::find(conn, &id)?.map_or(secs, |found| found.incremental_secs);
            installations::schedule_incremental(conn, &id, now + rhythm * 1000, rhythm)?;
            if kind == Kind::SyncReconcile {
                installations::schedule_reconcile(conn, &id, now + DAY_MS)?;
            }
            Ok(())
        })
        .await?;
    enqueue(app, tenant_id, kind, "").await?;
    Ok(())
}

/// Housekeeping. One thing that fails does not keep the others from their turn.
pub async fn tidy(app: &Arc<App>) {
    let now = app.clock.now_ms();
    let told = |what: &str, result: anyhow::Result<()>| {
        if let Err(error) = result {
            tracing::error!(error = format!("{error:#}"), "housekeeping: {what}");
        }
    };
    told(
        "identifiers",
        app.inbox.forget_before(now - IDENTIFIERS_KEPT_MS).await.map(drop).map_err(Into::into),
    );
    let pruned = app.control.write(move |conn| jobs::prune(conn, now - JOBS_KEPT_MS)).await;
    told("jobs", pruned.map(drop).map_err(Into::into));
    told("closings", uninstalled::finish(app).await.map_err(Into::into));
    told("account information", forget::run(app).await.map(drop));
    told("system backups", system_backups(app, now).await);
    let folder = app.config.storage.data_dir.clone();
    let exports = tokio::task::spawn_blocking(move || stored::tidy(&folder, now)).await;
    told("exports", exports.map_err(Into::into).and_then(|removed| removed).map(drop));
    told("alarms", backup_alarms(app, now).await);
}

/// A new backup of the keyring and the control database a quarter of the day, and none older than two days.
async fn system_backups(app: &Arc<App>, now: i64) -> anyhow::Result<()> {
    let backups = app.config.backups.clone();
    let newest = tokio::task::spawn_blocking(move || -> anyhow::Result<Option<i64>> {
        backup::system::prune(&backups, now)?;
        let newest = backup::list(&backups.of_system("keyring"))?.pop();
        Ok(newest.map(|found| found.header.created_at))
    });
    if newest.await??.is_none_or(|at| at < now - DAY_MS / 4) {
        enqueue(app, "", Kind::SystemBackup, "").await?;
    }
    Ok(())
}

/// Tells of tenants whose last backup is older than a day and the hour that its making may take.
async fn backup_alarms(app: &Arc<App>, now: i64) -> anyhow::Result<()> {
    let since = now - DAY_MS - 3_600_000;
    let late = app.control.read(move |conn| installations::without_backup_since(conn, since)).await?;
    app.metrics.waiting.with_label_values(&["backups.late"]).set(i64::try_from(late.len())?);
    for (tenant_id, _) in late {
        alarm::raise(app, Alarm::BackupOld, &tenant_id, "no backup of the last 24 hours");
    }
    Ok(())
}
