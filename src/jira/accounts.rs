//! The weekly report of the accounts that are held, so that Atlassian can say which were closed
//! (<https://developer.atlassian.com/platform/forge/user-privacy-guidelines/>).
//!
//! It goes to Atlassian's gateway, whichever host a tenant is on; how a Connect app proves itself there is not
//! documented any more, so it signs as it does for a site.

use super::call::Call;
use super::client::SiteClient;
use super::error::JiraError;
use super::time;
use serde::Deserialize;
use serde_json::json;

/// Accounts that one report takes.
pub const REPORT_MAX: usize = 90;
/// The cycle where Atlassian does not name another, days.
const CYCLE_DAYS: i64 = 7;
const DAY_MS: i64 = 86_400_000;

/// What Atlassian says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Its owner closed it.
    Closed,
    /// Something of it changed since it was held.
    Updated,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// Accounts about which something is to be done.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// Whose.
    pub account_id: String,
    /// What.
    pub status: Status,
}

/// Answer to a report.
#[derive(Debug)]
pub struct Answer {
    /// Accounts about which something is to be done.
    pub accounts: Vec<Reported>,
    /// When the same accounts are to be reported again, ms from now.
    pub cycle_ms: i64,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    accounts: Vec<Reported>,
}

impl SiteClient {
    /// Reports up to [`REPORT_MAX`] accounts, each with the instant (ms) since which it is held.
    pub async fn report_accounts(&self, accounts: &[(String, i64)]) -> Result<Answer, JiraError> {
        let list = accounts
            .iter()
            .map(|(id, since)| json!({ "accountId": id, "updatedAt": time::rfc3339(*since) }))
            .collect::<Vec<_>>();
        let call = Call::query("/app/report-accounts/", &json!({ "accounts": list })).of_cloud();
        let answer = self.send(&call).await?;
        let accounts = if answer.body.is_empty() { Vec::new() } else { answer.json::<Body>()?.accounts };
        let cycle = answer.headers.get("cycle-period").and_then(|value| value.to_str().ok());
        Ok(Answer { accounts, cycle_ms: cycle.and_then(days).unwrap_or(CYCLE_DAYS) * DAY_MS })
    }
}

/// Days as a number, or as ISO 8601 has them (`P7D`).
fn days(text: &str) -> Option<i64> {
    let text = text.trim();
    let number = text.strip_prefix('P').and_then(|rest| rest.strip_suffix('D')).unwrap_or(text);
    number.parse().ok().filter(|days| (1..=366).contains(days))
}
