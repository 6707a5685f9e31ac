//! A new version of a tenant's data key: what was sealed under older ones is sealed anew, while everything goes on.
//! Older versions stay in the keyring until the installation is closed: backups are sealed under them.

use crate::app::App;
use crate::nodes;
use crate::tenants::{self, Tenant};
use hourbook_store::control::installations;
use hourbook_store::control::notices::{self, What};
use hourbook_store::tenant::{saved, tags, worklogs};
use secrecy::ExposeSecret;
use std::sync::Arc;

/// Rows of one step.
const STEP: i64 = 1000;

/// The job.
///
/// # Errors
/// When a database fails; what is done stays, and it can be run again.
pub async fn run(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let now = app.clock.now_ms();
    let version = app.keyring.renew(&tenant.id, now).await?;
    // Nobody seals under a version that another node cannot open.
    tell(app, tenant).await?;
    let Some(fresh) = app.tenants.by_id(&tenant.id).await? else { return Ok(()) };
    let fresh = fresh.with_fence(tenant.fence.clone());
    app.tenants.refresh(&tenant.id).await?;
    let db = app.db(&fresh).await?;
    reseal_secrets(app, &fresh).await?;
    db.write(|db| tags::all(db)?.iter().try_for_each(|tag| tags::put(db, tag))).await?;
    db.write(|db| saved::all(db)?.iter().try_for_each(|report| saved::put(db, report))).await?;
    let mut after = i64::MIN;
    while let Some(last) = db.write(move |db| worklogs::reseal(db, after, STEP)).await? {
        after = last;
    }
    tracing::info!(tenant.id = tenant.id, version, "sealed under a new version of its key");
    Ok(())
}

/// Forgets what memory holds of a tenant, on all nodes.
async fn tell(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let (id, key, now) = (tenant.id.clone(), tenant.client_key.clone(), app.clock.now_ms());
    let notice = app.control.write(move |conn| notices::post(conn, What::Changed, &id, &key, now)).await?;
    app.forget_memory(&tenant.id, &tenant.client_key);
    nodes::heard_by_all(app, notice).await
}

async fn reseal_secrets(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let seal = |secret: &secrecy::SecretString| tenants::seal_secret(&tenant.cipher, secret.expose_secret());
    let secret = tenant.site.connect.as_ref().map(|shared| seal(&shared.secret));
    let previous = tenant.previous_secret.as_ref().map(|(secret, _)| seal(secret));
    let (id, before, cipher) = (tenant.id.clone(), tenant.sealed_secret.clone(), Arc::clone(&tenant.cipher));
    app.control
        .write(move |conn| {
            if let (Some(before), Some(secret)) = (&before, &secret) {
                installations::reseal(conn, &id, before, secret, previous.as_deref())?;
            }
            tenants::reseal_token(conn, &cipher, &id)?;
            tenants::reseal_password(conn, &cipher, &id)
        })
        .await?;
    tell(app, tenant).await
}
