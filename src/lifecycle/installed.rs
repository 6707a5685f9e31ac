//! `installed` is an upsert: it comes at install, upgrade, rotation of the secret, rename, reinstall and site import.
//!
//! A known clientKey keeps its data and takes the new secret and addresses. An unknown one is a fresh tenant, also
//! after an uninstall. Another installation on the same site is not touched here, because the body of the call is
//! not signed: only once the site has accepted our signature does the new one take its place (`sync::run`).

use super::create::{self, Fresh};
use super::{forge, suspend};
use crate::app::App;
use crate::error::{AppError, AppResult};
use crate::tenants::{self, Tenant};
use hourbook_store::control::installations::{self, ACTIVE, Renewal};
use hourbook_store::error::Error;
use secrecy::{ExposeSecret, SecretString};

/// How long requests signed with the secret before a rotation are still taken, ms.
const GRACE_MS: i64 = 5 * 60_000;
/// Atlassian's secrets have up to 128 characters; some room beyond.
const LONGEST_SECRET: usize = 512;

/// What Jira tells at install.
pub struct Installed {
    /// Atlassian's name of the Jira instance, proved to be the issuer.
    pub client_key: String,
    /// The secret to share.
    pub shared_secret: SecretString,
    /// The site's address.
    pub base_url: String,
    /// Where people see the site.
    pub display_url: Option<String>,
    /// Client id for acting as people.
    pub oauth_client_id: Option<String>,
}

/// Takes an installation in; the first sync follows by itself.
///
/// # Errors
/// When the site is not allowed or the secret is none; when the control database fails.
pub async fn installed(app: &App, call: Installed) -> AppResult<()> {
    let base_url = app
        .config
        .allowed_sites
        .check(&call.base_url)
        .map_err(|refused| AppError::invalid("baseUrl", "site_refused", refused.to_string()))?;
    if !(1..=LONGEST_SECRET).contains(&call.shared_secret.expose_secret().len()) {
        return Err(AppError::invalid(
            "sharedSecret",
            "secret_invalid",
            "A shared secret has 1 to 512 characters.",
        ));
    }
    if app.tenants.by_client_key(&call.client_key).await?.is_none() && forge::has_site(app, &base_url).await?
    {
        return Err(AppError::conflict(
            "forge_installed",
            "This site has Hourbook already, from Forge. Nothing is gained by a second copy: keep that one.",
        ));
    }
    // Two first calls at once: the second finds the first's installation.
    for _ in 0..2 {
        let known = app.tenants.by_client_key(&call.client_key).await?;
        let result = match known {
            Some(tenant) => renew(app, &tenant, &call, &base_url).await,
            None => create(app, &call, &base_url).await,
        };
        match result {
            Err(Error::Conflict) => app.tenants.forget(&call.client_key),
            other => return Ok(other?),
        }
    }
    Err(AppError::unavailable("busy", "The installation is being changed. Try again.").after(5))
}

async fn create(app: &App, call: &Installed, base_url: &str) -> Result<(), Error> {
    let fresh = Fresh {
        client_key: &call.client_key,
        base_url,
        display_url: &display_url(call, base_url),
        secret: Some(&call.shared_secret),
        oauth_client_id: call.oauth_client_id.as_deref(),
    };
    create::create(app, &fresh, |_, _, _| Ok(())).await.map(drop)
}

async fn renew(app: &App, tenant: &Tenant, call: &Installed, base_url: &str) -> Result<(), Error> {
    let now = app.clock.now_ms();
    let secret = tenants::seal_secret(&tenant.cipher, call.shared_secret.expose_secret());
    let seal = |secret: &SecretString| tenants::seal_secret(&tenant.cipher, secret.expose_secret());
    let shared = tenant.site.connect.as_ref();
    let replaced = shared.filter(|old| old.secret.expose_secret() != call.shared_secret.expose_secret());
    let rotated = replaced.is_some();
    let previous = match (&tenant.previous_secret, replaced) {
        (_, Some(old)) => Some((seal(&old.secret), now + GRACE_MS)),
        (Some((secret, until)), None) => Some((seal(secret), *until)),
        (None, None) => None,
    };
    let (previous_secret, previous_secret_until) = previous.unzip();
    let renewal = Renewal {
        base_url: base_url.to_owned(),
        display_url: display_url(call, base_url),
        oauth_client_id: call
            .oauth_client_id
            .clone()
            .or_else(|| shared.and_then(|shared| shared.oauth_client_id.clone())),
        shared_secret: Some(secret),
        previous_secret,
        previous_secret_until,
        state: ACTIVE.into(),
        state_reason: None,
        state_since: now,
    };
    let was_away = !tenant.active;
    let (id, client_key) = (tenant.id.clone(), tenant.client_key.clone());
    app.control
        .write(move |conn| {
            installations::renew(conn, &id, &renewal)?;
            suspend::in_use(conn, &id, &client_key, was_away, now)
        })
        .await?;
    // Cached secrets, addresses and tokens are of before.
    app.forget_memory(&tenant.id, &tenant.client_key);
    tracing::info!(tenant.id = tenant.id, rotated, "installation renewed");
    app.wake.now();
    Ok(())
}

/// A missing or strange displayUrl counts as equal to the baseUrl.
fn display_url(call: &Installed, base_url: &str) -> String {
    let given = call.display_url.as_deref().and_then(|text| url::Url::parse(text).ok());
    given
        .filter(|url| url.scheme() == "https" && url.username().is_empty())
        .map_or_else(|| base_url.to_owned(), |url| url.origin().ascii_serialization())
}
