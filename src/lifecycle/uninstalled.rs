//! `uninstalled`: one transaction closes the tenant and destroys its key; a job removes what is left.
//!
//! Jira does not send it again, so it is answered only once that transaction is on disk.

use crate::app::App;
use crate::error::AppResult;
use crate::jobs::Kind;
use hourbook_store::control::{installations, jobs};

/// Closes the open installation of a clientKey, if there is one.
///
/// # Errors
/// When the control database fails.
pub async fn uninstalled(app: &App, client_key: &str) -> AppResult<()> {
    let key = client_key.to_owned();
    let found = app.control.read(move |conn| installations::open_by_client_key(conn, &key)).await?;
    match found {
        Some(installation) => close(app, &installation.tenant_id, client_key).await,
        None => Ok(()),
    }
}

/// Destroys the key of an installation, so that all its data is noise, and plans its removal.
///
/// # Errors
/// When the control database fails; then nothing was changed.
pub async fn close(app: &App, tenant_id: &str, client_key: &str) -> AppResult<()> {
    let (id, now) = (tenant_id.to_owned(), app.clock.now_ms());
    app.control
        .write(move |conn| {
            if installations::close(conn, &id, now)? {
                jobs::drop_waiting(conn, &id, Kind::Wipe.lane())?;
                jobs::enqueue(conn, &Kind::Wipe.for_tenant(&id, "", now), now)?;
            }
            Ok(())
        })
        .await?;
    app.forget(tenant_id, client_key);
    // The old pages with the wrapped key must not live on in the log.
    app.control.truncate_wal().await?;
    tracing::info!(tenant.id = tenant_id, "closed, its key is destroyed");
    app.wake.now();
    Ok(())
}
