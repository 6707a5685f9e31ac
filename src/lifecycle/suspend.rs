//! Installations that their site refuses, or whose place another one took: the data is out of reach at once, and
//! gone after 30 unbroken days unless the clientKey is installed again or the site lets us in again.

use super::uninstalled;
use crate::alarm::{self, Alarm};
use crate::app::App;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jobs::Kind;
use crate::tenants::Tenant;
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::{installations, jobs};

/// Days that a suspended installation is kept.
const KEPT_MS: i64 = 30 * 86_400_000;
/// How often a site that refused us is asked, ms.
const PROBE_MS: i64 = 3_600_000;

/// Another installation on the same site.
pub const SUPERSEDED: &str = installations::SUPERSEDED;
/// The site answered 401.
pub const UNAUTHORIZED: &str = "refused: 401";
/// The site answered 403.
pub const FORBIDDEN: &str = "refused: 403";
/// The site answered 404 to everything.
pub const NOT_FOUND: &str = "refused: 404";

/// Why an installation is suspended and what to do.
pub fn in_words(reason: Option<&str>) -> &'static str {
    match reason {
        Some(UNAUTHORIZED | FORBIDDEN) => {
            "Jira does not let Hourbook in: the app is disabled there, or was removed. A Jira admin can enable it \
             under Apps; Hourbook then goes on by itself within the hour. After 30 days its copy is wiped."
        }
        Some(NOT_FOUND) => {
            "The Jira site does not answer any more. If it comes back, Hourbook goes on by itself within the hour. \
             After 30 days its copy is wiped."
        }
        _ => {
            "Another installation took over this site. Install Hourbook again to go on. After 30 days its copy is \
             wiped."
        }
    }
}

/// Suspends an installation that its site refused with the secret and address that it had then. If they were
/// renewed meanwhile, the refusal says nothing.
///
/// # Errors
/// When the control database fails.
pub async fn refused(app: &App, tenant: &Tenant, reason: &'static str) -> anyhow::Result<()> {
    let (id, proof, now) = (tenant.id.clone(), tenant.sealed_secret.clone(), app.clock.now_ms());
    let key = tenant.client_key.clone();
    let suspended = app
        .control
        .write(move |conn| {
            let suspended = installations::suspend_refused(conn, &id, &proof, reason, now)?;
            if suspended {
                notices::post(conn, What::Gone, &id, &key, now)?;
                installations::schedule_probe(conn, &id, now + PROBE_MS)?;
            }
            Ok(suspended)
        })
        .await?;
    if suspended {
        app.forget(&tenant.id, &tenant.client_key);
        alarm::raise(app, Alarm::Refused, &tenant.id, reason);
    }
    Ok(())
}

/// The job: asks a site that refused us whether it lets us in again.
///
/// # Errors
/// When the control database fails, or Jira cannot be asked.
pub async fn probe(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let (id, now) = (tenant.id.clone(), app.clock.now_ms());
    let asked = app.control.write(move |conn| {
        installations::schedule_probe(conn, &id, now + PROBE_MS)?;
        installations::may_be_probed(conn, &id)
    });
    if !asked.await? {
        return Ok(());
    }
    let jira = app.jira.as_app(&tenant.site, Class::Incremental);
    match jira.changes(crate::jira::worklogs::Feed::Updated, now).await {
        Ok(_) => resume(app, tenant).await,
        Err(JiraError::NotFound(_)) if jira.time_tracking().await.is_ok_and(|tracking| !tracking.enabled) => {
            resume(app, tenant).await
        }
        Err(JiraError::Unauthorized | JiraError::Forbidden(_) | JiraError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whoever was away may have missed anything, so everything is compared.
async fn resume(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let (id, key, now) = (tenant.id.clone(), tenant.client_key.clone(), app.clock.now_ms());
    let resumed = app
        .control
        .write(move |conn| {
            let resumed = installations::resume(conn, &id, now)?;
            if resumed {
                notices::post(conn, What::Changed, &id, &key, now)?;
                jobs::enqueue(conn, &Kind::SyncReconcile.for_tenant(&id, "", now), now)?;
            }
            Ok(resumed)
        })
        .await?;
    if resumed {
        app.forget_memory(&tenant.id, &tenant.client_key);
        tracing::info!(tenant.id = tenant.id, "the site lets us in again");
        app.wake.now();
    }
    Ok(())
}

/// Enqueues the probes that are due, and closes what was suspended for too long.
///
/// # Errors
/// When the control database fails.
pub async fn enqueue_due(app: &App) -> anyhow::Result<()> {
    let now = app.clock.now_ms();
    let (probes, overdue) = app
        .control
        .read(move |conn| {
            let probes = installations::probes_due(conn, now)?;
            Ok((probes, installations::suspended_before(conn, now - KEPT_MS)?))
        })
        .await?;
    for (tenant_id, client_key) in overdue {
        tracing::warn!(tenant.id = tenant_id, "suspended for 30 days: closing");
        uninstalled::close(app, &tenant_id, &client_key).await?;
    }
    for tenant_id in probes {
        crate::jobs::enqueue(app, &tenant_id, Kind::Probe, "").await?;
    }
    Ok(())
}
