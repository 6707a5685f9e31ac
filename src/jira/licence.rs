//! The app's own licence on a site of Connect
//! (<https://developer.atlassian.com/cloud/jira/platform/license-api-for-cloud-apps/>). It does not say when it ends.

use super::call::Call;
use super::client::SiteClient;
use super::error::JiraError;
use serde::Deserialize;

/// What a host says of the app's licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Paid for, or on trial.
    pub active: bool,
    /// On trial.
    pub evaluation: bool,
    /// When the trial or the subscription ends, ms.
    pub ends_at: Option<i64>,
}

#[derive(Deserialize)]
struct Addon {
    license: Option<Licence>,
}

#[derive(Deserialize)]
struct Licence {
    active: Option<bool>,
    #[serde(default)]
    evaluation: bool,
}

impl SiteClient {
    /// The site's licence of the app. Only apps that are paid for through Atlassian have one.
    pub async fn licence(&self, app_key: &str) -> Result<Option<Told>, JiraError> {
        let addon: Addon =
            self.send(&Call::get(format!("/rest/atlassian-connect/1/addons/{app_key}"))).await?.json()?;
        Ok(addon.license.map(|licence| Told {
            // Where it does not say, nobody is locked out.
            active: licence.active.unwrap_or(true),
            evaluation: licence.evaluation,
            ends_at: None,
        }))
    }
}
