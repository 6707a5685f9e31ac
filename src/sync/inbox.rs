//! Moves webhooks from the inbox into the tenant databases, in batches.
//!
//! Applying is idempotent: a crash between the tenant's transaction and the note in the inbox repeats it.

use super::events::Event;
use super::told::{self, FollowUps};
use crate::app::App;
use crate::jobs::{self, Kind};
use crate::tenants::Tenant;
use crate::worklogs::site_time;
use hourbook_crypto::tenant::Place;
use hourbook_store::inbox;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Events that one transaction applies.
const BATCH: i64 = 500;
/// Worklogs that events told of are gathered for so long before they are read together, ms.
const GATHER_MS: i64 = 300;
/// Pause behind a round that had something to apply.
const ROUND: Duration = Duration::from_millis(80);
/// Tenants that are served at once.
const AT_ONCE: usize = 4;

/// Where an event's body is bound to.
pub fn place(identifier: &str) -> Place<'_> {
    Place { table: "events", column: "body", row: identifier.as_bytes() }
}

/// Applies what arrives until `stop` is done.
pub async fn run(app: Arc<App>, mut stop: tokio::sync::watch::Receiver<bool>) {
    loop {
        if apply_waiting(&app).await {
            // Under load, what comes in during this moment shares the next round's commits.
            tokio::time::sleep(ROUND).await;
        }
        tokio::select! {
            () = app.inbox.arrived() => {}
            () = tokio::time::sleep(app.config.tuning.tick) => {}
            _ = stop.changed() => return,
        }
    }
}

/// One round over all tenants with waiting events; whether there were any.
async fn apply_waiting(app: &Arc<App>) -> bool {
    let tenants = match app.inbox.waiting_tenants().await {
        Ok(tenants) => tenants,
        Err(error) => {
            tracing::error!(%error, "the inbox could not be read");
            return false;
        }
    };
    let any = !tenants.is_empty();
    let mut serving = JoinSet::new();
    for tenant_id in tenants {
        if serving.len() >= AT_ONCE {
            serving.join_next().await;
        }
        let app = Arc::clone(app);
        serving.spawn(async move {
            if let Err(error) = apply_of(&app, &tenant_id).await {
                tracing::error!(error = format!("{error:#}"), tenant.id = tenant_id, "webhooks wait");
            }
        });
    }
    serving.join_all().await;
    any
}

async fn apply_of(app: &Arc<App>, tenant_id: &str) -> anyhow::Result<()> {
    // A closed tenant's events go with the wipe, a suspended one's wait.
    let Some(tenant) = app.tenants.by_id(tenant_id).await?.filter(|tenant| tenant.active) else {
        return Ok(());
    };
    let db = app.db(&tenant).await?;
    loop {
        let waiting = app.inbox.waiting(tenant_id, BATCH).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let seqs: Vec<i64> = waiting.iter().map(|event| event.seq).collect();
        let opened: Vec<Event> = waiting.iter().filter_map(|event| open(&tenant, event)).collect();
        let now = app.clock.now_ms();
        let follow = db.write(move |db| told::apply(db, &opened, now)).await?;
        follow_up(app, &tenant, follow).await?;
        app.metrics.webhooks.with_label_values(&["applied"]).inc_by(seqs.len().try_into()?);
        app.inbox.applied(seqs).await?;
    }
}

/// An event that does not open is lost to us; the incremental sync finds what it told.
fn open(tenant: &Tenant, event: &inbox::Event) -> Option<Event> {
    let body = event.body.as_ref()?;
    let opened = tenant
        .cipher
        .open(place(&event.identifier), body)
        .map_err(|error| error.to_string())
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    opened.inspect_err(|error| tracing::error!(error, event.seq, "an event in the inbox does not open")).ok()
}

async fn follow_up(app: &Arc<App>, tenant: &Arc<Tenant>, follow: FollowUps) -> anyhow::Result<()> {
    if follow.permissions {
        app.permissions.forget(&tenant.id);
    }
    if follow.time_tracking {
        site_time::forget(app, tenant).await?;
    }
    if follow.complete {
        jobs::enqueue_after(app, &tenant.id, Kind::Complete, "", GATHER_MS).await?;
    }
    if follow.sync {
        jobs::enqueue(app, &tenant.id, Kind::SyncIncremental, "").await?;
    }
    if follow.recheck {
        jobs::enqueue(app, &tenant.id, Kind::Recheck, "").await?;
    }
    for issue in follow.issues_gone {
        jobs::enqueue(app, &tenant.id, Kind::IssueGone, &issue.to_string()).await?;
    }
    for project in follow.projects_gone {
        jobs::enqueue(app, &tenant.id, Kind::ProjectGone, &project.to_string()).await?;
    }
    for project in follow.projects_restored {
        jobs::enqueue(app, &tenant.id, Kind::ProjectRestored, &project.to_string()).await?;
    }
    Ok(())
}
