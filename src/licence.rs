//! Whether a site's licence lets people write. What was logged stays readable in any case.

use crate::app::App;
use crate::auth::Caller;
use crate::error::{AppError, AppResult};
use crate::jira::meter::Class;
use moka::sync::Cache;
use std::time::Duration;

/// How long an answer holds: Atlassian's own hosts remember it for minutes.
const HOLDS: Duration = Duration::from_secs(900);

/// Which tenants' licences have expired, as Jira last said.
pub struct Licences(Cache<String, bool>);

impl Default for Licences {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(20_000).time_to_live(HOLDS).build())
    }
}

impl Licences {
    /// Forgets a tenant.
    pub fn forget(&self, tenant_id: &str) {
        self.0.invalidate(tenant_id);
    }

    /// Forgets all tenants.
    pub fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

/// Refuses a write where the licence has expired. Where that cannot be known, nobody is locked out.
///
/// # Errors
/// 402 `licence_expired`.
pub async fn require(app: &App, caller: &Caller) -> AppResult<()> {
    let tenant_id = &caller.tenant.id;
    let expired = match app.licences.0.get(tenant_id) {
        Some(expired) => expired,
        None => {
            let jira = app.jira.as_app(&caller.tenant.site, Class::Write);
            match jira.licence_expired(&app.config.app_key).await {
                Ok(expired) => {
                    app.licences.0.insert(tenant_id.clone(), expired);
                    expired
                }
                Err(error) => {
                    tracing::warn!(%error, tenant.id = tenant_id, "the licence could not be asked for");
                    false
                }
            }
        }
    };
    if !expired {
        return Ok(());
    }
    Err(AppError::payment_required(
        "licence_expired",
        "The Hourbook licence of this Jira has expired: time can be read but not logged. A Jira admin can renew it \
         under Apps, Manage apps.",
    ))
}
