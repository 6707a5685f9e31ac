//! What is due by the clock: incremental syncs, reconciliation, housekeeping.

use super::{Kind, enqueue};
use crate::accounts;
use crate::alarm::{self, Alarm};
use crate::app::App;
use crate::backup;
use crate::lifecycle::{forge, forget, suspend, uninstalled};
use crate::reports::export::stored;
use anyhow::Context;
use hourbook_store::conn::Conn;
use hourbook_store::control::installations::{self, Due};
use hourbook_store::control::{jobs, nodes, notices, taken};
use hourbook_store::error::Result;
use std::sync::Arc;
use tokio_cron_scheduler::{Job, JobScheduler};

const DAY_MS: i64 = 86_400_000;
/// Identifiers of webhooks are remembered for longer than Jira keeps trying.
const IDENTIFIERS_KEPT_MS: i64 = 4 * DAY_MS;
/// Housekeeping by the hour, with some minutes for clocks that differ.
const TIDY_MS: i64 = 55 * 60_000;
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
                    tidy_in_turn(&app).await;
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
    if let Err(error) = forge::close_leaving(app).await {
        tracing::error!(error = format!("{error:#}"), "removed installations could not be closed");
    }
    let now = app.clock.now_ms();
    let (secs, backups) = (app.config.incremental_secs, app.config.backups.clone());
    // Found, planned anew and enqueued in one transaction: whatever nodes there are, a turn comes once.
    let enqueued = app.control.write(move |conn| {
        let mut enqueued = 0;
        for tenant_id in installations::backups_due(conn, now)? {
            let next = backup::tenant::next_night(&backups, &tenant_id, now);
            installations::schedule_backup(conn, &tenant_id, next)?;
            jobs::enqueue(conn, &Kind::Backup.for_tenant(&tenant_id, "", now), now)?;
            enqueued += 1;
        }
        for tenant_id in installations::accounts_due(conn, now)? {
            installations::schedule_accounts(conn, &tenant_id, now + DAY_MS)?;
            jobs::enqueue(conn, &Kind::Accounts.for_tenant(&tenant_id, "", now), now)?;
            enqueued += 1;
        }
        for turn in installations::due(conn, now)? {
            plan_and_enqueue(conn, &turn, secs, now)?;
            enqueued += 1;
        }
        Ok(enqueued)
    });
    match enqueued.await {
        Ok(0) => {}
        Ok(_) => app.wake.now(),
        Err(error) => tracing::error!(%error, "what is due could not be enqueued"),
    }
}

fn plan_and_enqueue(conn: &mut Conn, turn: &Due, secs: i64, now: i64) -> Result<()> {
    let id = &turn.tenant_id;
    let rhythm = installations::find(conn, id)?.map_or(secs, |found| found.incremental_secs);
    installations::schedule_incremental(conn, id, now + rhythm * 1000, rhythm)?;
    if turn.reconcile {
        installations::schedule_reconcile(conn, id, now + DAY_MS)?;
    }
    let kind = if turn.reconcile { Kind::SyncReconcile } else { Kind::SyncIncremental };
    jobs::enqueue(conn, &kind.for_tenant(id, "", now), now)?;
    Ok(())
}

/// Housekeeping, by one node for all.
async fn tidy_in_turn(app: &Arc<App>) {
    let now = app.clock.now_ms();
    match app.control.write(move |conn| nodes::take_duty(conn, "tidy", TIDY_MS, now)).await {
        Ok(true) => tidy(app).await,
        Ok(false) => {}
        Err(error) => tracing::error!(%error, "housekeeping could not begin"),
    }
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
    let pruned = app.control.write(move |conn| {
        jobs::prune(conn, now - JOBS_KEPT_MS)?;
        notices::prune(conn, now - DAY_MS)?;
        taken::prune(conn, now)
    });
    told("jobs", pruned.await.map(drop).map_err(Into::into));
    told("closings", uninstalled::finish(app).await.map_err(Into::into));
    told("silent installations", forge::suspend_silent(app).await);
    told("account information", forget::run(app).await.map(drop));
    told("accounts", accounts::tidy(app).await);
    told("system backups", system_backups(app, now).await);
    told("exports", stored::tidy(app, now).await.map(drop));
    told("alarms", backup_alarms(app, now).await);
}

/// A new backup of the keyring and the control database a quarter of the day, and none older than two days.
async fn system_backups(app: &Arc<App>, now: i64) -> anyhow::Result<()> {
    backup::system::prune(&app.vault, now).await?;
    let newest = backup::list(&app.vault, &backup::of_system("keyring")).await?.pop();
    if newest.is_none_or(|found| found.created_at < now - DAY_MS / 4) {
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
