//! Issues: only which project each belongs to.

use super::client::{Call, SiteClient};
use super::error::JiraError;
use super::worklogs::numeric_id;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

/// Issues that one call takes for certain; later documents allow more, earlier ones do not.
pub const BULK_MAX: usize = 100;

/// Ids in a page of a search.
const SEARCH_MAX: usize = 5000;

#[derive(Deserialize)]
struct Bulk {
    #[serde(default)]
    issues: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(deserialize_with = "numeric_id")]
    id: i64,
    fields: Option<Fields>,
}

#[derive(Deserialize)]
struct Fields {
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(deserialize_with = "numeric_id")]
    id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    issues: Vec<Issue>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct EditMeta {
    #[serde(default)]
    fields: HashMap<String, serde::de::IgnoredAny>,
}

impl SiteClient {
    /// Whether the issue's status lets the caller change anything of it.
    pub async fn is_editable(&self, issue_id: i64) -> Result<bool, JiraError> {
        let meta: EditMeta =
            self.send(&Call::get(format!("/rest/api/3/issue/{issue_id}/editmeta"))).await?.json()?;
        Ok(!meta.fields.is_empty())
    }

    /// A page of the issues on which time was spent, by id, and the token of the next page. The search index lags
    /// behind by a moment.
    pub async fn issues_with_time(
        &self,
        page_token: Option<&str>,
    ) -> Result<(Vec<i64>, Option<String>), JiraError> {
        let mut body =
            json!({ "jql": "timespent > 0 ORDER BY id", "fields": ["id"], "maxResults": SEARCH_MAX });
        if let Some(token) = page_token {
            body["nextPageToken"] = json!(token);
        }
        let found: Found = self.send(&Call::query("/rest/api/3/search/jql", &body)).await?.json()?;
        self.charge_objects(found.issues.len());
        Ok((found.issues.into_iter().map(|issue| issue.id).collect(), found.next_page_token))
    }

    /// Project ids of up to [`BULK_MAX`] issues; those that Jira does not return are missing.
    pub async fn projects_of(&self, issue_ids: &[i64]) -> Result<HashMap<i64, i64>, JiraError> {
        let ids: Vec<String> = issue_ids.iter().map(i64::to_string).collect();
        let body = json!({ "issueIdsOrKeys": ids, "fields": ["project"] });
        let bulk: Bulk = self.send(&Call::query("/rest/api/3/issue/bulkfetch", &body)).await?.json()?;
        self.charge_objects(bulk.issues.len());
        Ok(bulk.issues.into_iter().filter_map(|issue| Some((issue.id, issue.fields?.project?.id))).collect())
    }
}
