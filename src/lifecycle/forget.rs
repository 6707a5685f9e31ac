//! Thirty days after an installation was closed, what was known of the customer goes too: site, clientKey, dates.
//! What stays is the receipt, which names nobody.

use crate::app::App;
use crate::backup;
use crate::jobs::Kind;
use hourbook_store::control::{forge, installations, jobs, licences, notices, receipts};

/// How long account information stays, ms.
pub const ACCOUNT_KEPT_MS: i64 = 30 * 86_400_000;

/// Removes the account information that is due. Backups of the control database from before go with it, and a new one
/// is made.
///
/// # Errors
/// When a database or a file cannot be changed; the next turn goes on.
pub async fn run(app: &App) -> anyhow::Result<usize> {
    let now = app.clock.now_ms();
    let old = app.control.read(move |conn| installations::closed_before(conn, now - ACCOUNT_KEPT_MS)).await?;
    let mut forgotten = 0;
    for tenant_id in old {
        let id = tenant_id.clone();
        let removed = app
            .control
            .write(move |conn| {
                // An open wipe still needs to know what it wipes.
                if receipts::of_tenant(conn, &id)?.is_none() {
                    return Ok(false);
                }
                jobs::delete_all(conn, &id)?;
                notices::forget(conn, &id)?;
                forge::remove(conn, &id)?;
                licences::remove(conn, &id)?;
                installations::remove(conn, &id)?;
                Ok(true)
            })
            .await?;
        if removed {
            app.keyring.forget(&tenant_id).await?;
            forgotten += 1;
        }
    }
    if forgotten > 0 {
        app.control.scrub(&["installations", "jobs", "notices", "forge_installations", "licences"]).await?;
        backup::system::forget_control(&app.vault).await?;
        let again = Kind::SystemBackup.for_tenant("", "", now);
        app.control.write(move |conn| jobs::enqueue(conn, &again, now).map(drop)).await?;
        tracing::info!(forgotten, "account information is removed, 30 days after the end");
    }
    Ok(forgotten)
}
