//! `uninstalled`: destroying the keys closes an installation; a job removes what is left.
//!
//! Jira does not send it again, so it is answered only once that is on disk.

use crate::app::App;
use crate::error::AppResult;
use crate::jobs::Kind;
use hourbook_store::control::installations::{self, CLOSED, Suspended};
use hourbook_store::control::notices::{self, What};
use hourbook_store::control::{forge, jobs};
use std::collections::{HashMap, HashSet};

/// A key without an installation for so long, ms, was left behind by a crash in the middle of an installation.
const ORPHAN_MS: i64 = 24 * 3_600_000;

/// Closes the open installation of a clientKey, if there is one. Where the app has moved to Forge, the tenant goes on
/// with that.
///
/// # Errors
/// When a database fails.
pub async fn uninstalled(app: &App, client_key: &str) -> AppResult<()> {
    let (key, now) = (client_key.to_owned(), app.clock.now_ms());
    let found = app.control.write(move |conn| {
        let Some(found) = installations::open_by_client_key(conn, &key)? else { return Ok(None) };
        let goes_on = forge::current_of(conn, &found.tenant_id)?.is_some();
        if goes_on {
            installations::leave_connect(conn, &found.tenant_id)?;
            notices::post(conn, What::Changed, &found.tenant_id, &key, now)?;
        }
        Ok(Some((found.tenant_id, goes_on)))
    });
    match found.await? {
        Some((tenant_id, false)) => close(app, &tenant_id, client_key).await,
        Some((tenant_id, true)) => {
            app.forget_memory(&tenant_id, client_key);
            app.control.scrub(&["installations"]).await?;
            tracing::info!(tenant.id = tenant_id, "Connect is uninstalled, Forge goes on");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Closes an installation that was suspended, unless something has brought it back.
///
/// # Errors
/// When a database fails.
pub async fn close_suspended(app: &App, (tenant_id, client_key, reason): &Suspended) -> AppResult<()> {
    let (id, why) = (tenant_id.clone(), reason.clone().unwrap_or_default());
    if app.control.write(move |conn| installations::begin_closing(conn, &id, &why)).await? {
        tracing::warn!(tenant.id = tenant_id, reason, "suspended for as long as that may be: closing");
        close(app, tenant_id, client_key).await?;
    }
    Ok(())
}

/// Destroys all versions of an installation's key in one transaction: from then on it is closed and all its data is
/// noise. Then notes it and plans the removal; what is cut off in between is finished by [`finish`].
///
/// # Errors
/// When a database fails.
pub async fn close(app: &App, tenant_id: &str, client_key: &str) -> AppResult<()> {
    let step = app.config.tuning.at_step;
    let now = app.clock.now_ms();
    step("keys");
    let destroyed_at = app.keyring.destroy(tenant_id, now).await?;
    app.forget(tenant_id, client_key);
    step("closed");
    let (id, key) = (tenant_id.to_owned(), client_key.to_owned());
    app.control
        .write(move |conn| {
            notices::post(conn, What::Gone, &id, &key, now)?;
            forge::end_all(conn, &id, destroyed_at)?;
            if installations::close(conn, &id, destroyed_at)? {
                jobs::drop_waiting(conn, &id, Kind::Wipe.lane())?;
                jobs::enqueue(conn, &Kind::Wipe.for_tenant(&id, "", now), now)?;
            }
            Ok(())
        })
        .await?;
    app.forget(tenant_id, client_key);
    // The old pages with the sealed secrets must not live on in the log.
    app.control.scrub(&["installations", "forge_installations"]).await?;
    tracing::info!(tenant.id = tenant_id, "closed, its keys are destroyed");
    app.wake.now();
    Ok(())
}

/// Finishes closings that were cut off, destroys keys again that a restored keyring brought back, and keys that no
/// installation has. At start and by the hour.
///
/// # Errors
/// When a database fails.
pub async fn finish(app: &App) -> AppResult<()> {
    let now = app.clock.now_ms();
    let (destroyed, keys) = app.keyring.tenants().await?;
    let all = app.control.read(installations::all).await?;
    let known: HashMap<String, (String, String)> =
        all.into_iter().map(|found| (found.tenant_id, (found.state, found.client_key))).collect();
    for tenant_id in &destroyed {
        if let Some((state, client_key)) = known.get(tenant_id)
            && state != CLOSED
        {
            tracing::warn!(tenant.id = tenant_id, "its keys are destroyed: closing");
            close(app, tenant_id, client_key).await?;
        }
    }
    let destroyed: HashSet<String> = destroyed.into_iter().collect();
    for (tenant_id, made_at) in keys {
        let closed = known.get(&tenant_id).is_some_and(|(state, _)| state == CLOSED);
        let orphan = !known.contains_key(&tenant_id) && made_at.is_none_or(|at| at < now - ORPHAN_MS);
        if closed || orphan || destroyed.contains(&tenant_id) {
            tracing::warn!(tenant.id = tenant_id, closed, "a key that nobody may have is destroyed");
            app.keyring.destroy(&tenant_id, now).await?;
        }
    }
    Ok(())
}
