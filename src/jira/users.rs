//! People and their groups. Names and zones live in memory only.

use super::call::Call;
use super::client::SiteClient;
use super::error::JiraError;
use hourbook_crypto::tenant::PSEUDONYM;
use serde::Deserialize;

/// People that one call takes.
pub const USERS_MAX: usize = 100;

/// A person as Jira shows them to the app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Atlassian account id.
    pub account_id: String,
    /// The name that they show.
    pub display_name: Option<String>,
    /// Whether the account is in use.
    #[serde(default)]
    pub active: bool,
    /// IANA zone of their profile; absent where they hide it.
    pub time_zone: Option<String>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Opaque id, which stays when it is renamed.
    pub group_id: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    values: Vec<Person>,
}

impl SiteClient {
    /// Up to [`USERS_MAX`] people; accounts that Jira does not know any more are missing.
    pub async fn people(&self, account_ids: &[String]) -> Result<Vec<Person>, JiraError> {
        // Closed accounts have no name any more, and Jira does not know what stands for them.
        let open: Vec<&String> = account_ids.iter().filter(|id| !id.starts_with(PSEUDONYM)).collect();
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let call = Call::get("/rest/api/3/user/bulk").with("maxResults", USERS_MAX.to_string());
        let call = open.into_iter().fold(call, |call, id| call.with("accountId", id));
        let page: Page = self.send(&call).await?.json()?;
        self.charge_objects(2 * page.values.len());
        Ok(page.values)
    }

    /// Ids of a person's groups; none of an account that Jira does not know any more.
    pub async fn groups_of(&self, account_id: &str) -> Result<Vec<String>, JiraError> {
        if account_id.starts_with(PSEUDONYM) {
            return Ok(Vec::new());
        }
        let call = Call::get("/rest/api/3/user/groups").with("accountId", account_id);
        let groups: Vec<Group> = match self.send(&call).await {
            Ok(answer) => answer.json()?,
            Err(JiraError::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        self.charge_objects(2 * groups.len());
        Ok(groups.into_iter().filter_map(|group| group.group_id).collect())
    }
}
