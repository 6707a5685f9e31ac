//! The site's own hours per day and days per week, remembered in the tenant's settings.

use crate::app::App;
use crate::error::AppResult;
use crate::jira::configuration::TimeTracking;
use crate::jira::meter::Class;
use crate::tenants::Tenant;
use hourbook_store::tenant::settings;
use serde::{Deserialize, Serialize};

const SETTING: &str = "site.timeTracking";
/// How long the settings hold unless an event says that they changed, ms.
const HOLDS_MS: i64 = 3_600_000;
/// The same on a site of Forge, which has no such event for an app that may not manage Jira.
const HOLDS_UNHEARD_MS: i64 = 5 * 60_000;

#[derive(Serialize, Deserialize)]
struct Remembered {
    until: i64,
    settings: TimeTracking,
}

/// The site's time tracking settings.
///
/// # Errors
/// When they are not remembered and Jira cannot be asked.
pub async fn get(app: &App, tenant: &Tenant) -> AppResult<TimeTracking> {
    let db = app.db(tenant).await?;
    let now = app.clock.now_ms();
    let text = db.read(|db| settings::get(db, SETTING)).await?;
    let remembered = text.and_then(|text| serde_json::from_str::<Remembered>(&text).ok());
    if let Some(remembered) = remembered.filter(|remembered| remembered.until > now) {
        return Ok(remembered.settings);
    }
    let settings = app.jira.as_app(&tenant.site, Class::Read).time_tracking().await?;
    let holds = if tenant.site.connect.is_some() { HOLDS_MS } else { HOLDS_UNHEARD_MS };
    let fresh = Remembered { until: now + holds, settings };
    let text = serde_json::to_string(&fresh).map_err(|error| crate::error::AppError::internal(&error))?;
    db.write(move |db| settings::set(db, SETTING, &text)).await?;
    Ok(fresh.settings)
}

/// Asks Jira again the next time.
///
/// # Errors
/// When the database fails.
pub async fn forget(app: &App, tenant: &Tenant) -> anyhow::Result<()> {
    let db = app.db(tenant).await?;
    db.write(|db| settings::put_or_clear(db, SETTING, None)).await?;
    Ok(())
}
