//! Installations that their site refuses, or whose place another one took: the data is out of reach at once, and
//! gone after 30 unbroken days unless the clientKey is installed again or the site lets us in again.

use super::uninstalled;
use crate::alarm::{self, Alarm};
use crate::app::App;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jobs::Kind;
use crate::tenants::Tenant;
use hourbook_store::conn::Conn;
use hourbook_store::control::installations::{self, CLOSING, LEAVING, SILENT};
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::{forge, jobs};
use hourbook_store::error::Error;

/// Days that a suspended installation is kept.
const KEPT_MS: i64 = 30 * 86_400_000;
/// How often a site that refused us is asked, ms.
const PROBE_MS: i64 = 3_600_000;
/// How soon it is asked when somebody looks, ms.
const LOOKED_AT_MS: i64 = 30_000;
/// A fresh installation of Forge is refused by Jira for a while, ms.
const SETTLES_MS: i64 = 15 * 60_000;
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
        Some(SILENT) => {
            "Jira has not called Hourbook for days, as if the app had been removed. As soon as it does, Hourbook goes on \
             by itself. After 30 days its copy is wiped."
        }
        Some(LEAVING | CLOSING) => {
            "Hourbook is being removed from this site, and its copy is wiped. Whoever installs it again begins with a \
             new copy of Jira's worklogs; nothing is lost there."
        }
        _ => {
            "Another installation took over this site. Install Hourbook again to go on. After 30 days its copy is \
             wiped."
        }
    }
}

/// Takes in that an installation's site refused it, with the secret, token and address that it had then: if they were
/// renewed meanwhile, the refusal says nothing. False if another try may help: Jira does not know a fresh installation
/// of Forge for some minutes, and where the app moves from Connect to Forge there is another way.
///
/// # Errors
/// When the control database fails.
pub async fn refused(app: &App, tenant: &Tenant, reason: &'static str) -> anyhow::Result<bool> {
    if tenant.site.connect.is_some() && tenant.site.gateway.is_some() {
        return Ok(false);
    }
    let (id, key, now) = (tenant.id.clone(), tenant.client_key.clone(), app.clock.now_ms());
    let (secret, token) = (tenant.sealed_secret.clone(), app.jira.system_tokens.until(&tenant.id));
    let suspended = app
        .control
        .write(move |conn| {
            let Some(found) = installations::find(conn, &id)? else { return Ok(Some(false)) };
            let forge = forge::current_of(conn, &id)?;
            if forge.as_ref().is_some_and(|forge| forge.first_heard_at > now - SETTLES_MS) {
                return Ok(None);
            }
            let is_same =
                found.shared_secret == secret && forge.is_none_or(|forge| forge.system_token_until == token);
            let suspended = is_same && installations::suspend(conn, &id, reason, now)?;
            if suspended {
                notices::post(conn, What::Gone, &id, &key, now)?;
                installations::schedule_probe(conn, &id, now + PROBE_MS)?;
            }
            Ok(Some(suspended))
        })
        .await?;
    if suspended == Some(true) {
        app.forget(&tenant.id, &tenant.client_key);
        tell(app, &tenant.id, reason);
    }
    Ok(suspended.is_some())
}

/// An operator may want to know.
pub(super) fn tell(app: &App, tenant_id: &str, reason: &str) {
    alarm::raise(app, Alarm::Refused, tenant_id, reason);
}

/// Somebody looks at an installation that is suspended: perhaps its site lets us in again. Nothing follows if it is in
/// use by now.
///
/// # Errors
/// When the control database fails.
pub async fn looked_at(app: &App, tenant: &Tenant) -> Result<(), Error> {
    let (id, now) = (tenant.id.clone(), app.clock.now_ms());
    app.control
        .write(move |conn| {
            if installations::may_be_probed(conn, &id)? {
                jobs::enqueue(conn, &Kind::Probe.for_tenant(&id, "", now + LOOKED_AT_MS), now)?;
            }
            Ok(())
        })
        .await
}

/// An installation is in use, after it was away (suspended for whatever reason) or without having been: other nodes
/// hear of it, no probe waits any more, and a sync makes up. Whoever was away may have missed anything.
pub(super) fn in_use(
    conn: &mut Conn,
    tenant_id: &str,
    key: &str,
    was_away: bool,
    now: i64,
) -> Result<(), Error> {
    jobs::drop_waiting_of(conn, tenant_id, Kind::Probe.name())?;
    notices::post(conn, What::Changed, tenant_id, key, now)?;
    let kind = if was_away { Kind::SyncReconcile } else { Kind::SyncIncremental };
    jobs::enqueue(conn, &kind.for_tenant(tenant_id, "", now), now)?;
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

/// The site lets us in again: everything is compared.
async fn resume(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let (id, key, now) = (tenant.id.clone(), tenant.client_key.clone(), app.clock.now_ms());
    let resumed = app
        .control
        .write(move |conn| {
            let resumed = installations::resume(conn, &id, now)?;
            if resumed {
                in_use(conn, &id, &key, true, now)?;
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
    for suspended in overdue {
        uninstalled::close_suspended(app, &suspended).await?;
    }
    for tenant_id in probes {
        crate::jobs::enqueue(app, &tenant_id, Kind::Probe, "").await?;
    }
    Ok(())
}
