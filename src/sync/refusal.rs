//! What follows when Jira does not let the app in: a pause that it explains, or a suspension.

use super::status::PAUSED;
use crate::app::App;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::lifecycle::suspend;
use crate::tenants::Tenant;
use hourbook_store::tenant::settings;

const TIME_TRACKING_OFF: &str = "Time tracking is switched off in Jira. A Jira admin can switch it on under Settings, \
                                 Issues, Time tracking; Hourbook then goes on by itself.";

const WITHOUT_LICENCE: &str = "The Hourbook licence of this Jira has expired, a month ago or longer: worklogs are no longer \
                               copied. Nothing is lost; once it is renewed, Hourbook catches up by itself.";

/// Says why a tenant without a licence is not synced any more.
///
/// # Errors
/// When the database fails.
pub async fn without_licence(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    pause(app, tenant, WITHOUT_LICENCE).await
}

/// Takes in why a job of a tenant failed; true if that settles the job, because trying again would not help.
///
/// # Errors
/// When a database fails.
pub async fn take(app: &App, tenant: &Tenant, error: &JiraError) -> anyhow::Result<bool> {
    match error {
        JiraError::Unauthorized => return suspend::refused(app, tenant, suspend::UNAUTHORIZED).await,
        JiraError::Forbidden(_) => return suspend::refused(app, tenant, suspend::FORBIDDEN).await,
        // Worklog calls answer 404 while time tracking is off, a site that is gone answers it to everything.
        JiraError::NotFound(_) => {
            match app.jira.as_app(&tenant.site, Class::Incremental).time_tracking().await {
                Ok(tracking) if !tracking.enabled => pause(app, tenant, TIME_TRACKING_OFF).await?,
                Err(JiraError::NotFound(_)) => {
                    return suspend::refused(app, tenant, suspend::NOT_FOUND).await;
                }
                Ok(_) | Err(_) => return Ok(false),
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The schedule looks again; a sync that ends well lifts the pause.
async fn pause(app: &App, tenant: &Tenant, why: &'static str) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    db.write(move |db| settings::put_or_clear(db, PAUSED, Some(why))).await?;
    Ok(())
}
