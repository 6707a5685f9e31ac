//! Moves webhooks from the inbox into the tenant databases, in batches.
//!
//! Applying is idempotent: a crash between the tenant's transaction and the note in the inbox repeats it.

use super::events::Event;
use super::told::{self, FollowUps};
use crate::app::App;
use crate::jobs::Kind;
use crate::tenants::Tenant;
use crate::worklogs::site_time;
use hourbook_crypto::tenant::{Field, Place};
use hourbook_store::control::jobs;
use hourbook_store::control::notices::{self, What};
use hourbook_store::error::Error as StoreError;
use hourbook_store::inbox;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Events of a tenant that one transaction applies.
const BATCH: i64 = 1000;
/// Worklogs that events told of are gathered for so long before they are read together, ms.
const GATHER_MS: i64 = 300;
/// And longer by so much for each event that came at once: where many come, more follow. Ms.
const GATHER_MORE_MS: i64 = 20;
/// But never longer, ms.
const GATHER_MOST_MS: i64 = 3000;
/// Worklogs that one job reads whose events did not carry enough.
const FETCH: usize = 100;
/// Pause behind a round that applied all that waited.
const ROUND: Duration = Duration::from_millis(80);
/// How often what other nodes took is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// Tenants that are served at once.
const AT_ONCE: usize = 4;

/// Where an event's body is bound to.
pub fn place(identifier: &str) -> Place<'_> {
    Place { field: Field::Event, row: identifier.as_bytes() }
}

/// What a round did for one tenant, to be noted together with what it did for others.
struct Applied {
    tenant: Arc<Tenant>,
    seqs: Vec<i64>,
    follow: FollowUps,
}

/// How a round ended.
enum Round {
    /// Nothing waited.
    Idle,
    /// All that waited is applied, or could not be.
    Done,
    /// More waits.
    More,
}

/// Applies what arrives until `stop` is done.
pub async fn run(app: Arc<App>, mut stop: tokio::sync::watch::Receiver<bool>) {
    loop {
        match round(&app).await {
            Ok(Round::Idle) => {}
            Ok(Round::More) if !*stop.borrow() => continue,
            // Under load, what comes in during this moment shares the next round's commits.
            Ok(Round::Done | Round::More) => tokio::time::sleep(ROUND).await,
            Err(error) => tracing::error!(error = format!("{error:#}"), "a round of the inbox failed"),
        }
        tokio::select! {
            () = app.inbox.arrived() => {}
            () = tokio::time::sleep(app.config.tuning.tick.min(LOOK)) => {}
            _ = stop.changed() => return,
        }
    }
}

/// One batch of each tenant with waiting events.
async fn round(app: &Arc<App>) -> anyhow::Result<Round> {
    let mut tenants = app.inbox.waiting_tenants().await?;
    tenants.retain(|tenant_id| app.nodes.is_mine(tenant_id));
    if tenants.is_empty() {
        return Ok(Round::Idle);
    }
    let mut serving = JoinSet::new();
    let mut applied = Vec::new();
    for tenant_id in tenants {
        if serving.len() >= AT_ONCE
            && let Some(done) = serving.join_next().await
        {
            applied.extend(done?);
        }
        let app = Arc::clone(app);
        serving.spawn(async move {
            let applied = apply_of(&app, &tenant_id).await;
            let failed = |error: &anyhow::Error| {
                if matches!(error.downcast_ref(), Some(StoreError::Held)) {
                    return;
                }
                tracing::error!(error = format!("{error:#}"), tenant.id = tenant_id, "webhooks wait");
            };
            applied.inspect_err(failed).ok().flatten()
        });
    }
    while let Some(done) = serving.join_next().await {
        applied.extend(done?);
    }
    let full = usize::try_from(BATCH)?;
    let more = applied.iter().any(|of_tenant| of_tenant.seqs.len() >= full);
    note(app, applied).await?;
    Ok(if more { Round::More } else { Round::Done })
}

async fn apply_of(app: &Arc<App>, tenant_id: &str) -> anyhow::Result<Option<Applied>> {
    // A closed tenant's events go with the wipe, a suspended one's wait.
    let Some(tenant) = app.tenants.by_id(tenant_id).await?.filter(|tenant| tenant.active) else {
        return Ok(None);
    };
    let db = app.db(&tenant).await?;
    let waiting = app.inbox.waiting(tenant_id, BATCH).await?;
    let seqs: Vec<i64> = waiting.iter().map(|event| event.seq).collect();
    let opened: Vec<Event> = waiting.iter().filter_map(|event| open(&tenant, event)).collect();
    let now = app.clock.now_ms();
    let follow = db.write(move |db| told::apply(db, &opened, now)).await?;
    if follow.permissions {
        app.permissions.all_changed(&tenant.id, now);
    }
    if follow.time_tracking {
        site_time::forget(app, &tenant).await?;
    }
    Ok(Some(Applied { tenant, seqs, follow }))
}

/// Enqueues what follows, and only then forgets the bodies: a commit each for all tenants of a round.
async fn note(app: &Arc<App>, applied: Vec<Applied>) -> anyhow::Result<()> {
    let seqs: Vec<i64> = applied.iter().flat_map(|of_tenant| of_tenant.seqs.iter().copied()).collect();
    let now = app.clock.now_ms();
    let enqueued = app.control.write(move |conn| {
        let mut any = false;
        for Applied { tenant, seqs, follow } in &applied {
            if follow.permissions {
                notices::post(conn, What::Permissions, &tenant.id, "", now)?;
            }
            for (kind, subject, due) in followers(follow, seqs.len(), now) {
                jobs::enqueue(conn, &kind.for_tenant(&tenant.id, &subject, due), now)?;
                any = true;
            }
        }
        Ok(any)
    });
    if enqueued.await? {
        app.wake.now();
    }
    app.metrics.webhooks.with_label_values(&["applied"]).inc_by(seqs.len().try_into()?);
    app.inbox.applied(seqs).await?;
    Ok(())
}

fn join(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

/// The jobs that follow from a batch of so many events: kind, subject, and when they are due.
fn followers(follow: &FollowUps, events: usize, now: i64) -> Vec<(Kind, String, i64)> {
    let at_once = |kind: Kind, id: i64| (kind, id.to_string(), now);
    let simple = |wanted: bool, kind: Kind, due: i64| wanted.then(|| (kind, String::new(), due));
    let more = GATHER_MORE_MS.saturating_mul(i64::try_from(events).unwrap_or(i64::MAX));
    let gathered = now + GATHER_MS.saturating_add(more).min(GATHER_MOST_MS);
    let mut jobs: Vec<_> = [
        simple(follow.complete, Kind::Complete, gathered),
        simple(follow.sync, Kind::SyncIncremental, now),
        simple(follow.recheck, Kind::Recheck, now),
    ]
    .into_iter()
    .flatten()
    .collect();
    let fetched: Vec<i64> = follow.fetch.iter().copied().collect();
    jobs.extend(fetched.chunks(FETCH).map(|some| (Kind::Fetch, join(some), gathered)));
    jobs.extend(follow.issues_gone.iter().map(|id| at_once(Kind::IssueGone, *id)));
    jobs.extend(follow.projects_gone.iter().map(|id| at_once(Kind::ProjectGone, *id)));
    jobs.extend(follow.projects_restored.iter().map(|id| at_once(Kind::ProjectRestored, *id)));
    jobs
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
