//! What a person may do, asked of Jira.

use super::call::Call;
use super::client::SiteClient;
use super::error::JiraError;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashSet;

/// Issues that one call takes.
pub const CHECK_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grants {
    #[serde(default)]
    global_permissions: Vec<String>,
    #[serde(default)]
    project_permissions: Vec<ProjectGrant>,
}

#[derive(Deserialize)]
struct ProjectGrant {
    permission: String,
    #[serde(default)]
    issues: Vec<i64>,
}

impl SiteClient {
    /// Which of up to [`CHECK_MAX`] issues a person may browse. An issue that Jira does not name is not among them.
    pub async fn browsable(&self, account_id: &str, issue_ids: &[i64]) -> Result<HashSet<i64>, JiraError> {
        let body = json!({
            "accountId": account_id,
            "globalPermissions": [],
            "projectPermissions": [
                { "permissions": ["BROWSE_PROJECTS"], "issues": issue_ids, "projects": [] }
            ],
        });
        let grants = self.check(&body).await?;
        self.charge_objects(2 * issue_ids.len());
        Ok(grants
            .project_permissions
            .into_iter()
            .filter(|grant| grant.permission == "BROWSE_PROJECTS")
            .flat_map(|grant| grant.issues)
            .collect())
    }

    /// Whether a person administers the site.
    pub async fn is_admin(&self, account_id: &str) -> Result<bool, JiraError> {
        let body = json!({
            "accountId": account_id,
            "globalPermissions": ["ADMINISTER"],
            "projectPermissions": [],
        });
        let grants = self.check(&body).await?;
        self.charge_objects(2);
        Ok(grants.global_permissions.iter().any(|permission| permission == "ADMINISTER"))
    }

    /// Which of the given project permissions a person has on an issue.
    pub async fn granted(
        &self,
        account_id: &str,
        issue_id: i64,
        permissions: &[&str],
    ) -> Result<HashSet<String>, JiraError> {
        let body = json!({
            "accountId": account_id,
            "globalPermissions": [],
            "projectPermissions": [
                { "permissions": permissions, "issues": [issue_id], "projects": [] }
            ],
        });
        let grants = self.check(&body).await?;
        self.charge_objects(2 * permissions.len());
        let on_it = grants.project_permissions.into_iter().filter(|grant| grant.issues.contains(&issue_id));
        Ok(on_it.map(|grant| grant.permission).collect())
    }

    async fn check(&self, body: &serde_json::Value) -> Result<Grants, JiraError> {
        self.send(&Call::query("/rest/api/3/permissions/check", body)).await?.json()
    }
}
