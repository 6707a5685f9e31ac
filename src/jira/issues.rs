//! Issues: which project each belongs to, what reports group by, and what a search finds. Of all this only the
//! project's id is ever stored.

use super::call::Call;
use super::client::SiteClient;
use super::error::JiraError;
use super::worklogs::numeric_id;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;

/// Issues that one call takes for certain; later documents allow more, earlier ones do not.
pub const BULK_MAX: usize = 100;

/// Issues that one call takes where only named fields are asked for, as documented since October 2026. A site that
/// refuses so many takes [`BULK_MAX`].
pub const FACTS_MAX: usize = 1000;

/// What reports group by.
const FACTS: [&str; 8] =
    ["summary", "project", "parent", "issuetype", "status", "components", "fixVersions", "labels"];

/// Ids in a page of a search.
const SEARCH_MAX: usize = 5000;

#[derive(Deserialize)]
struct Bulk<T> {
    #[serde(default = "Vec::new")]
    issues: Vec<T>,
}

/// What reports group an issue by. Lives in memory only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueFacts {
    /// Jira's issue id.
    pub id: i64,
    /// Its key, which changes when it moves.
    pub key: String,
    /// Its summary.
    pub summary: String,
    /// Its project.
    pub project: Option<Named>,
    /// Its parent: an epic, or the issue of a subtask.
    pub parent: Option<Named>,
    /// Its type.
    pub issue_type: Option<Named>,
    /// Its status.
    pub status: Option<Named>,
    /// Its components.
    pub components: Vec<Named>,
    /// Versions that it is fixed in.
    pub fix_versions: Vec<Named>,
    /// Its labels.
    pub labels: Vec<String>,
}

/// Something of Jira's that has an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    /// Jira's id.
    pub id: String,
    /// Its key, where it has one.
    pub key: Option<String>,
    /// Its name.
    pub name: String,
}

#[derive(Deserialize)]
struct Factual {
    #[serde(deserialize_with = "numeric_id")]
    id: i64,
    key: String,
    #[serde(default)]
    fields: FactFields,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct FactFields {
    summary: Option<String>,
    project: Option<WireNamed>,
    parent: Option<WireNamed>,
    issuetype: Option<WireNamed>,
    status: Option<WireNamed>,
    components: Option<Vec<WireNamed>>,
    fix_versions: Option<Vec<WireNamed>>,
    labels: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireNamed {
    id: String,
    key: Option<String>,
    name: Option<String>,
    fields: Option<ParentFields>,
}

#[derive(Deserialize)]
struct ParentFields {
    summary: Option<String>,
}

impl From<WireNamed> for Named {
    fn from(wire: WireNamed) -> Self {
        let summary = wire.fields.and_then(|fields| fields.summary);
        Self { id: wire.id, key: wire.key, name: wire.name.or(summary).unwrap_or_default() }
    }
}

impl From<Factual> for IssueFacts {
    fn from(wire: Factual) -> Self {
        let all = |list: Option<Vec<WireNamed>>| list.into_iter().flatten().map(Named::from).collect();
        Self {
            id: wire.id,
            key: wire.key,
            summary: wire.fields.summary.unwrap_or_default(),
            project: wire.fields.project.map(Named::from),
            parent: wire.fields.parent.map(Named::from),
            issue_type: wire.fields.issuetype.map(Named::from),
            status: wire.fields.status.map(Named::from),
            components: all(wire.fields.components),
            fix_versions: all(wire.fields.fix_versions),
            labels: wire.fields.labels.unwrap_or_default(),
        }
    }
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
        self.search("timespent > 0 ORDER BY id", page_token).await
    }

    /// A page of the issues that a JQL query finds for the caller, and the token of the next page.
    pub async fn search(
        &self,
        jql: &str,
        page_token: Option<&str>,
    ) -> Result<(Vec<i64>, Option<String>), JiraError> {
        let mut body = json!({ "jql": jql, "fields": ["id"], "maxResults": SEARCH_MAX });
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
        let bulk: Bulk<Issue> =
            self.send(&Call::query("/rest/api/3/issue/bulkfetch", &body)).await?.json()?;
        self.charge_objects(bulk.issues.len());
        Ok(bulk.issues.into_iter().filter_map(|issue| Some((issue.id, issue.fields?.project?.id))).collect())
    }

    /// What reports group by, of up to [`FACTS_MAX`] issues; those that Jira does not return are missing.
    pub async fn facts_of(&self, issue_ids: &[i64]) -> Result<Vec<IssueFacts>, JiraError> {
        let ids: Vec<String> = issue_ids.iter().map(i64::to_string).collect();
        let body = json!({ "issueIdsOrKeys": ids, "fields": FACTS });
        let bulk: Bulk<Factual> =
            self.send(&Call::query("/rest/api/3/issue/bulkfetch", &body)).await?.json()?;
        self.charge_objects(bulk.issues.len());
        Ok(bulk.issues.into_iter().map(IssueFacts::from).collect())
    }
}
