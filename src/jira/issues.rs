//! Issues: only which project each belongs to.

use super::client::{Call, SiteClient};
use super::error::JiraError;
use super::worklogs::numeric_id;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

/// Issues that one call takes for certain; later documents allow more, earlier ones do not.
pub const BULK_MAX: usize = 100;

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

impl SiteClient {
    /// Project ids of up to [`BULK_MAX`] issues; those that Jira does not return are missing.
    pub async fn projects_of(&self, issue_ids: &[i64]) -> Result<HashMap<i64, i64>, JiraError> {
        let ids: Vec<String> = issue_ids.iter().map(i64::to_string).collect();
        let body = json!({ "issueIdsOrKeys": ids, "fields": ["project"] });
        let bulk: Bulk = self.send(&Call::query("/rest/api/3/issue/bulkfetch", &body)).await?.json()?;
        self.charge_objects(bulk.issues.len());
        Ok(bulk.issues.into_iter().filter_map(|issue| Some((issue.id, issue.fields?.project?.id))).collect())
    }
}
