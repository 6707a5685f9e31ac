//! A fresh installation, whichever host it comes from: its key first, then its row, its place and its first sync.

use crate::app::App;
use crate::backup;
use crate::jobs::Kind;
use crate::tenants;
use hourbook_crypto::nonce;
use hourbook_crypto::tenant::TenantCipher;
use hourbook_store::conn::Conn;
use hourbook_store::control::installations::{self, ACTIVE, Installation};
use hourbook_store::control::jobs;
use hourbook_store::error::Error;
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;
/// New keys are backed up this soon, ms: many installations at once share a backup.
const SOON_MS: i64 = 60_000;

/// What is known of an installation when it begins.
pub struct Fresh<'a> {
    /// Our key for the Jira instance: Connect's clientKey, or one of [`super::forge`].
    pub client_key: &'a str,
    /// The site's address.
    pub base_url: &'a str,
    /// Where people see it.
    pub display_url: &'a str,
    /// Connect's secret.
    pub secret: Option<&'a SecretString>,
    /// Connect's client id for acting as people.
    pub oauth_client_id: Option<&'a str>,
}

/// Makes an installation; the first sync follows by itself. What `also` does belongs to the same transaction.
///
/// # Errors
/// [`Error::Conflict`] if there is one of this clientKey by now; when a database fails.
pub async fn create(
    app: &App,
    fresh: &Fresh<'_>,
    also: impl FnOnce(&mut Conn, &str, &TenantCipher) -> Result<(), Error> + Send + 'static,
) -> Result<String, Error> {
    let tenant_id = hex::encode(nonce::random::<16>());
    let now = app.clock.now_ms();
    // The key first: an installation without one would count as closed.
    let cipher = app.keyring.create(&tenant_id, now).await?;
    let installation = Installation {
        client_key: fresh.client_key.to_owned(),
        base_url: fresh.base_url.to_owned(),
        display_url: fresh.display_url.to_owned(),
        oauth_client_id: fresh.oauth_client_id.map(str::to_owned),
        region: app.config.region.clone(),
        state: ACTIVE.into(),
        state_reason: None,
        state_since: now,
        shared_secret: fresh.secret.map(|secret| tenants::seal_secret(&cipher, secret.expose_secret())),
        previous_secret: None,
        previous_secret_until: None,
        installed_at: now,
        proven_at: None,
        incremental_secs: app.config.incremental_secs,
        next_incremental_at: now + app.config.incremental_secs * 1000,
        // Spread over the day, so that not all tenants reconcile at once.
        next_reconcile_at: now + rand::rng().random_range(6 * HOUR_MS..30 * HOUR_MS),
        receipt_id: hex::encode(nonce::random::<16>()),
        wipe: None,
        next_backup_at: backup::tenant::next_night(&app.config.backups, &tenant_id, now),
        backup_at: None,
        backup_bytes: None,
        backup_checked_at: None,
        next_accounts_at: now + rand::rng().random_range(HOUR_MS..25 * HOUR_MS),
        tenant_id: tenant_id.clone(),
    };
    let servers = Arc::clone(&app.servers);
    let added = app.control.write(move |conn| {
        installations::insert(conn, &installation)?;
        servers.place(conn, &installation.tenant_id)?;
        also(conn, &installation.tenant_id, &cipher)?;
        jobs::enqueue(conn, &Kind::SyncFull.for_tenant(&installation.tenant_id, "", now), now)?;
        jobs::enqueue(conn, &Kind::SystemBackup.for_tenant("", "", now + SOON_MS), now)?;
        Ok(())
    });
    if let Err(error) = added.await {
        // Whose key it was does not exist.
        app.keyring.destroy(&tenant_id, now).await?;
        return Err(error);
    }
    tracing::info!(tenant.id = tenant_id, "installed");
    app.wake.now();
    Ok(tenant_id)
}
