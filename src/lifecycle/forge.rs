//! The life of an installation of Forge. Nothing tells for sure that it begins or ends: any proved call of an unknown
//! installation id begins it, and it ends when its removal is announced, when Jira refuses us, or in silence.
//!
//! A tenant is known by the site's cloud id and the app's environment, because the installation id changes with each
//! reinstallation. Where the site had Hourbook by Connect, its tenant goes on.

mod adopt;
mod tokens;

pub use tokens::hurry;

use super::suspend;
use super::uninstalled;
use crate::app::App;
use crate::auth::forge::invocation::Invocation;
use crate::error::AppResult;
use crate::jira::system_tokens::SystemToken;
use crate::licence;
use crate::tenants::Tenant;
use hourbook_store::conn::Conn;
use hourbook_store::control::forge::{self, CURRENT, ForgeInstallation, LEAVING, SILENT, UNINSTALLED};
use hourbook_store::control::installations;
use hourbook_store::control::notices::{self, What};
use hourbook_store::error::Error;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// The environment in which customers are.
const PRODUCTION: &str = "PRODUCTION";
/// How exactly it is known when an installation last spoke, ms.
const HEARD_MS: i64 = 60_000;
/// An installation of which nothing is heard for so long, ms, is taken to be gone: triggers come by the five minutes,
/// gaps of hours have been seen.
const SILENT_MS: i64 = 3 * 86_400_000;
/// How long a server has to listen, ms, before it takes anybody for silent: while it was down it heard nobody.
const LISTENED_MS: i64 = 6 * 3_600_000;
/// What an announced removal waits for where Forge is not configured any more, ms.
const GRACE_MS: i64 = 10 * 60_000;

/// Installations in use, by id: the tenant's clientKey, and when it was noted that it spoke.
#[derive(Clone)]
pub struct Links(Cache<String, (String, i64)>);

impl Default for Links {
    fn default() -> Self {
        let noted_for = Duration::from_millis(HEARD_MS.unsigned_abs());
        Self(Cache::builder().max_capacity(20_000).time_to_live(noted_for).build())
    }
}

/// Whose call it is.
pub enum Heard {
    /// An installation that is in use, or suspended.
    Tenant(Arc<Tenant>),
    /// One that has ended, or that another took the place of: its late calls are nothing to us.
    Ended,
}

/// Our key for a site of Forge, where Connect has its clientKey.
fn client_key(call: &Invocation) -> String {
    format!("forge/{}/{}/{}", call.environment, call.environment_id, call.cloud_id)
}

/// Whether two installations on one site take the same place: those of other environments stand beside them.
pub fn are_rivals(one: &str, other: &str) -> bool {
    let place = |key: &str| match key.strip_prefix("forge/") {
        Some(rest) if !rest.starts_with("PRODUCTION/") => {
            rest.rsplit_once('/').map(|(env, _)| env.to_owned())
        }
        _ => None,
    };
    place(one) == place(other)
}

/// Whether a site has Hourbook from Forge, for its customers.
///
/// # Errors
/// When the control database fails.
pub async fn has_site(app: &App, base_url: &str) -> AppResult<bool> {
    let url = base_url.to_owned();
    let keys = app.control.read(move |conn| installations::open_on_site(conn, &url)).await?;
    Ok(keys.iter().any(|key| key.starts_with("forge/PRODUCTION/")))
}

/// Takes in that an installation spoke, with the token that it brought: who it is, what its licence is. An unknown one
/// is adopted.
///
/// # Errors
/// When a database fails, or where it cannot be known yet which tenant it is: then the call is worth another try.
pub async fn heard(app: &App, call: &Invocation, token: Option<SystemToken>) -> AppResult<Heard> {
    let Some(mut tenant) = find(app, call, token.as_ref()).await? else { return Ok(Heard::Ended) };
    if let Some(url) = adopt::newly_told(app, call, &tenant) {
        let (id, key, now) = (tenant.id.clone(), tenant.client_key.clone(), app.clock.now_ms());
        app.control
            .write(move |conn| {
                installations::moved_to(conn, &id, &url)?;
                notices::post(conn, What::Changed, &id, &key, now)
            })
            .await?;
        app.tenants.forget(&tenant.client_key);
        tenant = app.tenants.by_id(&tenant.id).await?.unwrap_or(tenant);
    }
    if let Some(token) = token {
        tokens::take(app, &tenant, call, token).await?;
    }
    if let Some(told) = call.licence {
        licence::told(app, &tenant.id, told).await?;
    }
    Ok(Heard::Tenant(tenant))
}

async fn find(app: &App, call: &Invocation, token: Option<&SystemToken>) -> AppResult<Option<Arc<Tenant>>> {
    let now = app.clock.now_ms();
    let is_current = |tenant: &Arc<Tenant>| {
        tenant.active && tenant.forge_installation.as_ref() == Some(&call.installation_id)
    };
    if let Some((client_key, noted_at)) = app.forge_links.0.get(&call.installation_id)
        && (0..HEARD_MS).contains(&(now - noted_at))
        && let Some(tenant) = app.tenants.by_client_key(&client_key).await?.filter(is_current)
    {
        return Ok(Some(tenant));
    }
    let id = call.installation_id.clone();
    let known = app.control.read(move |conn| forge::find(conn, &id)).await?;
    let tenant_id = match known {
        None => adopt::adopt(app, call, token).await?,
        Some(known) if known.state == CURRENT => {
            let (id, version) = (call.installation_id.clone(), call.app_version.clone());
            app.control.write(move |conn| forge::heard(conn, &id, &version, now)).await?;
            Some(known.tenant_id)
        }
        Some(known) if known.state == SILENT => match speaks_again(app, &known, call).await? {
            Again::Same => Some(known.tenant_id),
            Again::Anew => adopt::adopt(app, call, token).await?,
            Again::Replaced => None,
        },
        Some(_) => None,
    };
    let Some(tenant_id) = tenant_id else { return Ok(None) };
    let tenant = app.tenants.by_id(&tenant_id).await?;
    if let Some(tenant) = &tenant {
        app.forge_links.0.insert(call.installation_id.clone(), (tenant.client_key.clone(), now));
    }
    Ok(tenant)
}

/// What an installation is that was taken to be gone and speaks again.
enum Again {
    /// What it was: everything is compared.
    Same,
    /// A fresh one: its tenant was wiped meanwhile.
    Anew,
    /// A former one.
    Replaced,
}

async fn speaks_again(app: &App, known: &ForgeInstallation, call: &Invocation) -> AppResult<Again> {
    let version = call.app_version.clone();
    let (id, tenant_id, now) = (known.installation_id.clone(), known.tenant_id.clone(), app.clock.now_ms());
    let found = app.control.write(move |conn| {
        let tenant = installations::find(conn, &tenant_id)?;
        let Some(tenant) = tenant.filter(|tenant| tenant.state != installations::CLOSED) else {
            forge::forget(conn, &id)?;
            return Ok(Err(Again::Anew));
        };
        if forge::current_of(conn, &tenant_id)?.is_some() {
            return Ok(Err(Again::Replaced));
        }
        forge::change(conn, &id, SILENT, CURRENT, now)?;
        forge::heard(conn, &id, &version, now)?;
        back(conn, &tenant_id, &tenant.client_key, now)?;
        Ok(Ok((tenant_id, tenant.client_key)))
    });
    match found.await? {
        Ok((tenant_id, client_key)) => {
            app.forget_memory(&tenant_id, &client_key);
            tracing::info!(tenant.id = tenant_id, "an installation that was silent speaks again");
            app.wake.now();
            Ok(Again::Same)
        }
        Err(otherwise) => Ok(otherwise),
    }
}

/// A tenant is in use again, whatever kept it.
fn back(conn: &mut Conn, tenant_id: &str, client_key: &str, now: i64) -> Result<(), Error> {
    let was_away = installations::reopen(conn, tenant_id, now)?;
    suspend::in_use(conn, tenant_id, client_key, was_away, now)
}

/// The removal of an installation is announced. Its data is out of reach at once; after a while in which another
/// installation may still take its place, its key is destroyed. A site that has Hourbook by Connect too goes on with
/// that.
///
/// # Errors
/// When the control database fails.
pub async fn leaving(app: &App, tenant: &Tenant, call: &Invocation) -> AppResult<()> {
    let (id, tenant_id, now) = (call.installation_id.clone(), tenant.id.clone(), app.clock.now_ms());
    let client_key = tenant.client_key.clone();
    let changed = app.control.write(move |conn| {
        // Asked for here: Connect may be leaving too.
        let found = installations::find(conn, &tenant_id)?;
        let goes_on = found.is_some_and(|found| found.shared_secret.is_some());
        let to = if goes_on { UNINSTALLED } else { LEAVING };
        if !forge::change(conn, &id, CURRENT, to, now)? {
            return Ok(None);
        }
        if goes_on {
            notices::post(conn, What::Changed, &tenant_id, &client_key, now)?;
        } else {
            installations::leave(conn, &tenant_id, now)?;
            notices::post(conn, What::Gone, &tenant_id, &client_key, now)?;
        }
        Ok(Some(goes_on))
    });
    if let Some(goes_on) = changed.await? {
        app.forge_links.0.invalidate(&call.installation_id);
        app.forget(&tenant.id, &tenant.client_key);
        app.control.scrub(&["forge_installations"]).await?;
        tracing::info!(tenant.id = tenant.id, goes_on, "the removal of an installation is announced");
        app.wake.now();
    }
    Ok(())
}

/// Closes what was announced to be removed and was not installed again.
///
/// # Errors
/// When a database fails.
pub async fn close_leaving(app: &App) -> anyhow::Result<()> {
    let grace = app.config.forge.as_ref().map_or(GRACE_MS, |forge| forge.uninstall_grace_ms);
    let before = app.clock.now_ms() - grace;
    for gone in app.control.read(move |conn| installations::to_be_closed(conn, before)).await? {
        uninstalled::close_suspended(app, &gone).await?;
    }
    Ok(())
}

/// Suspends installations of which nothing was heard for days, though this server listened.
///
/// # Errors
/// When the control database fails.
pub async fn suspend_silent(app: &App) -> anyhow::Result<()> {
    let now = app.clock.now_ms();
    if app.config.forge.is_none() || now - app.opened_at < LISTENED_MS {
        return Ok(());
    }
    let silent = app.control.read(move |conn| forge::silent_since(conn, now - SILENT_MS)).await?;
    for installation in silent {
        let tenant_id = installation.tenant_id.clone();
        let found = app.control.write(move |conn| {
            let Some(tenant) = installations::find(conn, &tenant_id)? else { return Ok(None) };
            forge::change(conn, &installation.installation_id, CURRENT, SILENT, now)?;
            // Connect may still be there.
            let suspended = tenant.shared_secret.is_none()
                && installations::suspend(conn, &tenant_id, installations::SILENT, now)?;
            let what = if suspended { What::Gone } else { What::Changed };
            notices::post(conn, what, &tenant_id, &tenant.client_key, now)?;
            Ok(Some((tenant.client_key, suspended)))
        });
        if let Some((client_key, suspended)) = found.await? {
            app.forget(&installation.tenant_id, &client_key);
            if suspended {
                suspend::tell(app, &installation.tenant_id, installations::SILENT);
            }
        }
    }
    Ok(())
}
