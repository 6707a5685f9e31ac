//! Webhooks that Jira could not deliver
//! (<https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-webhooks/#api-rest-api-3-webhook-failed-get>).

use super::call::Call;
use super::client::SiteClient;
use super::error::JiraError;
use serde::Deserialize;

/// Failures in one answer.
const PAGE: u32 = 100;

/// A webhook that Jira gave up.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedWebhook {
    /// The identifier of its delivery, as in the header.
    pub id: String,
    /// The body as it was sent.
    pub body: Option<String>,
    /// When it was given up, ms.
    pub failure_time: i64,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    values: Vec<FailedWebhook>,
}

impl SiteClient {
    /// The oldest failures after an instant (ms), at most a hundred; Jira forgets them after 72 hours.
    pub async fn failed_webhooks(&self, after: i64) -> Result<Vec<FailedWebhook>, JiraError> {
        let call = Call::get("/rest/api/3/webhook/failed")
            .with("after", after.to_string())
            .with("maxResults", PAGE.to_string());
        let page: Page = self.send(&call).await?.json()?;
        Ok(page.values)
    }
}
