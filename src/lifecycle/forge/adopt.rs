//! An installation id that was never heard of: a new site, a reinstallation, or a site that moves from Connect.

use super::super::create::{self, Fresh};
use super::{PRODUCTION, back, client_key};
use crate::app::App;
use crate::auth::forge::invocation::Invocation;
use crate::error::{AppError, AppResult};
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use crate::jira::site::{Acting, Site};
use crate::jira::system_tokens::SystemToken;
use crate::tenants::Tenant;
use hourbook_store::control::forge::{self, CURRENT, ForgeInstallation};
use hourbook_store::control::installations::{self, Installation};
use hourbook_store::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// How long the site is asked for its address: Forge waits five seconds for our answer.
const ASKED_FOR: Duration = Duration::from_secs(2);

/// Finds or makes the tenant of an unknown installation id; `None` if it has ended by now.
///
/// # Errors
/// When a database fails, or where it cannot be known yet whether the site had Hourbook by Connect.
pub(super) async fn adopt(
    app: &App,
    call: &Invocation,
    token: Option<&SystemToken>,
) -> AppResult<Option<String>> {
    let _one_at_a_time = app.turns.take(format!("forge/{}", call.cloud_id)).await;
    // Another node may do the same: the second finds the first's.
    for _ in 0..2 {
        let id = call.installation_id.clone();
        if let Some(known) = app.control.read(move |conn| forge::find(conn, &id)).await? {
            return Ok(Some(known.tenant_id).filter(|_| known.state == CURRENT));
        }
        let (cloud, environment) = (call.cloud_id.clone(), call.environment_id.clone());
        let known = app.control.read(move |conn| forge::tenant_of(conn, &cloud, &environment)).await?;
        let result = match known {
            Some(tenant) => link(app, call, tenant).await,
            None => {
                let site = site_of(app, call, token).await;
                match of_connect(app, call, site.as_deref()).await? {
                    Some(tenant) => link(app, call, tenant).await,
                    None => begin(app, call, site.as_deref()).await,
                }
            }
        };
        match result {
            Err(Error::Conflict) => {}
            other => return Ok(Some(other?)),
        }
    }
    Err(AppError::unavailable("busy", "The installation is being changed. Try again.").after(5))
}

fn row(call: &Invocation, tenant_id: &str, now: i64) -> ForgeInstallation {
    ForgeInstallation {
        installation_id: call.installation_id.clone(),
        tenant_id: tenant_id.to_owned(),
        cloud_id: call.cloud_id.clone(),
        environment_id: call.environment_id.clone(),
        environment: call.environment.clone(),
        app_version: call.app_version.clone(),
        state: CURRENT.into(),
        state_since: now,
        first_heard_at: now,
        heard_at: now,
        system_token: None,
        system_token_until: None,
    }
}

/// The installation is another one of a tenant that there is: an announced removal is withdrawn.
async fn link(app: &App, call: &Invocation, tenant: Installation) -> Result<String, Error> {
    let now = app.clock.now_ms();
    let row = row(call, &tenant.tenant_id, now);
    let (id, key) = (tenant.tenant_id.clone(), tenant.client_key.clone());
    app.control
        .write(move |conn| {
            forge::take_over(conn, &row)?;
            // A conflict if it is being closed: its key is gone, whatever comes now begins anew.
            back(conn, &id, &key, now)
        })
        .await?;
    app.forget_memory(&tenant.tenant_id, &tenant.client_key);
    tracing::info!(tenant.id = tenant.tenant_id, "another installation of Forge for a known site");
    app.wake.now();
    Ok(tenant.tenant_id)
}

async fn begin(app: &App, call: &Invocation, site: Option<&str>) -> Result<String, Error> {
    // Until a page tells where the site is, its address below the gateway stands for it.
    let base_url = site.unwrap_or(&call.api_base_url);
    let client_key = client_key(call);
    let fresh = Fresh {
        client_key: &client_key,
        base_url,
        display_url: base_url,
        secret: None,
        oauth_client_id: None,
    };
    let row = row(call, "", app.clock.now_ms());
    create::create(app, &fresh, move |conn, tenant_id, _| {
        forge::take_over(conn, &ForgeInstallation { tenant_id: tenant_id.to_owned(), ..row })
    })
    .await
}

/// The tenant that the site has by Connect, if the app moves to Forge there.
async fn of_connect(app: &App, call: &Invocation, site: Option<&str>) -> AppResult<Option<Installation>> {
    // Other environments are the vendor's own.
    if call.environment != PRODUCTION || !app.control.read(installations::any_of_connect).await? {
        return Ok(None);
    }
    let Some(site) = site.map(str::to_owned) else {
        tracing::warn!(
            "an installation of Forge waits: it is not known whether its site has Hourbook by Connect"
        );
        return Err(AppError::unavailable(
            "site_unknown",
            "Hourbook is being set up for this site. Try again in a minute.",
        )
        .after(60));
    };
    let cloud_id = call.cloud_id.clone();
    let found = app.control.read(move |conn| {
        let Some(tenant) = installations::proven_on(conn, &site)? else { return Ok(None) };
        // The address may be that of a site that is no more.
        let before = forge::of_tenant(conn, &tenant.tenant_id)?;
        Ok(Some(tenant).filter(|_| before.iter().all(|installation| installation.cloud_id == cloud_id)))
    });
    Ok(found.await?)
}

/// The site's address, if it was not known when the tenant began and a page tells it now.
pub(super) fn newly_told(app: &App, call: &Invocation, tenant: &Tenant) -> Option<String> {
    let url = call.site_url.as_ref().filter(|_| tenant.site.base_url == call.api_base_url)?;
    app.config.allowed_sites.check(url).ok()
}

/// The site's own address: as Jira says it, else as the page around ours does.
async fn site_of(app: &App, call: &Invocation, token: Option<&SystemToken>) -> Option<String> {
    let asked = match token {
        Some(token) => ask_site(app, call, token).await,
        None => None,
    };
    let url = asked.or_else(|| call.site_url.clone())?;
    app.config.allowed_sites.check(&url).inspect_err(|error| tracing::warn!(%error, "a site's address")).ok()
}

async fn ask_site(app: &App, call: &Invocation, token: &SystemToken) -> Option<String> {
    let site = Arc::new(Site {
        tenant_id: client_key(call),
        base_url: String::new(),
        connect: None,
        gateway: Some(call.api_base_url.clone()),
    });
    let acting = Acting::Token(token.token.clone());
    let jira = app.jira.as_user(&site, Class::Event, "", &acting, Scopes::Read);
    match tokio::time::timeout(ASKED_FOR, jira.address()).await {
        Ok(Ok(address)) => Some(address),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a new site could not be asked for its address");
            None
        }
        Err(_) => None,
    }
}
