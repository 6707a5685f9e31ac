//! The app's own licence on a site
//! (<https://developer.atlassian.com/cloud/jira/platform/license-api-for-cloud-apps/>).

use super::client::{Call, SiteClient};
use super::error::JiraError;
use serde::Deserialize;

#[derive(Deserialize)]
struct Addon {
    license: Option<Licence>,
}

#[derive(Deserialize)]
struct Licence {
    active: Option<bool>,
}

impl SiteClient {
    /// Whether the site's licence of the app has expired. Only apps that are paid for through Atlassian have one.
    pub async fn licence_expired(&self, app_key: &str) -> Result<bool, JiraError> {
        let addon: Addon =
            self.send(&Call::get(format!("/rest/atlassian-connect/1/addons/{app_key}"))).await?.json()?;
        Ok(addon.license.and_then(|licence| licence.active) == Some(false))
    }
}
