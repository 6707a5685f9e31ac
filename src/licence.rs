//! Whether a site's licence lets people write. What was logged stays readable in any case, and goes on to be synced for
//! a while.
//!
//! Forge says it with each call, Connect when it is asked. Apps that cost nothing have no licence, and nobody is locked
//! out of them, nor where it cannot be known.

use crate::app::App;
use crate::error::{AppError, AppResult};
use crate::jira::licence::Told;
use crate::jira::meter::Class;
use crate::jobs::Kind;
use crate::tenants::Tenant;
use hourbook_store::control::jobs;
use hourbook_store::control::licences::{self, ACTIVE, INACTIVE, Licence};
use hourbook_store::control::notices::{self, What};
use moka::sync::Cache;
use std::time::Duration;

/// How long an answer holds: Atlassian's own hosts remember it for minutes.
const HOLDS: Duration = Duration::from_secs(900);
/// How long syncs go on without a licence, ms.
const GRACE_MS: i64 = 30 * 86_400_000;

fn is_same(told: Told, known: &Licence) -> bool {
    told.active == is_active(known) && told.evaluation == known.evaluation && told.ends_at == known.ends_at
}

/// Licences of tenants as their hosts last said; `None` for a tenant whose host never said anything.
pub struct Licences(Cache<String, Option<Licence>>);

impl Default for Licences {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(20_000).time_to_live(HOLDS).build())
    }
}

impl Licences {
    /// Forgets a tenant.
    pub fn forget(&self, tenant_id: &str) {
        self.0.invalidate(tenant_id);
    }

    /// Forgets all tenants.
    pub fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

/// Whether a licence lets people write.
pub fn is_active(licence: &Licence) -> bool {
    licence.state == ACTIVE
}

/// Takes in what a host says.
///
/// # Errors
/// When the control database fails.
pub async fn told(app: &App, tenant_id: &str, told: Told) -> AppResult<()> {
    if app.licences.0.get(tenant_id).flatten().is_some_and(|known| is_same(told, &known)) {
        return Ok(());
    }
    let (id, now) = (tenant_id.to_owned(), app.clock.now_ms());
    let kept = app.control.write(move |conn| {
        let before = licences::find(conn, &id)?;
        if let Some(known) = before.as_ref().filter(|known| is_same(told, known)) {
            return Ok(known.clone());
        }
        let state = if told.active { ACTIVE } else { INACTIVE };
        let same = before.as_ref().filter(|before| before.state == state);
        let licence = Licence {
            tenant_id: id.clone(),
            state: state.into(),
            state_since: same.map_or(now, |same| same.state_since),
            evaluation: told.evaluation,
            ends_at: told.ends_at,
        };
        licences::put(conn, &licence)?;
        notices::post(conn, What::Licence, &id, "", now)?;
        if told.active && before.is_some_and(|before| is_lapsed(&before, now)) {
            // Whoever was away may have missed anything.
            jobs::enqueue(conn, &Kind::SyncReconcile.for_tenant(&id, "", now), now)?;
        }
        Ok(licence)
    });
    app.licences.0.insert(tenant_id.to_owned(), Some(kept.await?));
    Ok(())
}

/// A page of Connect says whether there is a licence, though not which: where that is not what is remembered, Jira is
/// asked anew.
pub fn hinted(app: &App, tenant: &Tenant, active: bool) {
    let known = app.licences.0.get(&tenant.id).flatten();
    if known.is_some_and(|known| is_active(&known) != active) {
        app.licences.forget(&tenant.id);
    }
}

/// The licence of a tenant, as its host last said; Connect is asked anew every quarter of an hour.
///
/// # Errors
/// When the control database fails.
pub async fn of(app: &App, tenant: &Tenant) -> AppResult<Option<Licence>> {
    if let Some(known) = app.licences.0.get(&tenant.id) {
        return Ok(known);
    }
    if tenant.site.gateway.is_none() {
        let jira = app.jira.as_app(&tenant.site, Class::Write);
        match jira.licence(&app.config.app_key).await {
            Ok(Some(answer)) => told(app, &tenant.id, answer).await?,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, tenant.id = tenant.id, "the licence could not be asked for"),
        }
    }
    let id = tenant.id.clone();
    let known = app.control.read(move |conn| licences::find(conn, &id)).await?;
    app.licences.0.insert(tenant.id.clone(), known.clone());
    Ok(known)
}

/// Whether a tenant has had no licence for so long that it is not synced any more.
///
/// # Errors
/// When the control database fails.
pub async fn has_lapsed(app: &App, tenant: &Tenant) -> AppResult<bool> {
    let (id, now) = (tenant.id.clone(), app.clock.now_ms());
    let lapsed = |known: Option<Licence>| known.is_some_and(|licence| is_lapsed(&licence, now));
    if !lapsed(app.control.read(move |conn| licences::find(conn, &id)).await?) {
        return Ok(false);
    }
    // It may have been renewed since.
    Ok(lapsed(of(app, tenant).await?))
}

fn is_lapsed(licence: &Licence, now: i64) -> bool {
    !is_active(licence) && licence.state_since < now - GRACE_MS
}

/// Refuses what a route declares to need a licence where it has expired.
///
/// # Errors
/// 402 `licence_expired`.
pub async fn require(app: &App, tenant: &Tenant) -> AppResult<()> {
    if of(app, tenant).await?.is_none_or(|licence| is_active(&licence)) {
        return Ok(());
    }
    Err(AppError::payment_required(
        "licence_expired",
        "The Hourbook licence of this Jira has expired: everything can be read, but no time logged and nothing saved. A \
         Jira admin can renew it under Apps, Manage apps.",
    ))
}
