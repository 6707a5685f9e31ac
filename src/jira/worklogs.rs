//! Worklogs in Jira's REST API v3: the feeds, bulk reads, and a person's own writes.

use super::call::{Answer, Call};
use super::client::SiteClient;
use super::error::JiraError;
use super::time;
use reqwest::Method;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::fmt;

/// Key of the worklog property that carries our tags and the idempotency key.
pub const PROPERTY: &str = "hourbook";
/// Ids that one bulk read takes.
pub const LIST_MAX: usize = 1000;
/// Worklogs of one issue in a page: what Jira gives at most.
const ISSUE_PAGE: usize = 5000;

/// A worklog as Jira returns it. Instants are milliseconds since 1970, UTC.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteWorklog {
    /// Jira's worklog id.
    #[serde(deserialize_with = "numeric_id")]
    pub id: i64,
    /// Jira's issue id.
    #[serde(deserialize_with = "numeric_id")]
    pub issue_id: i64,
    /// The author; absent for some deleted users.
    pub author: Option<Author>,
    /// ADF, as it came.
    pub comment: Option<Box<RawValue>>,
    /// When it was created.
    #[serde(deserialize_with = "instant")]
    pub created: i64,
    /// When it was last changed.
    #[serde(deserialize_with = "instant")]
    pub updated: i64,
    /// When the work was started.
    #[serde(deserialize_with = "instant")]
    pub started: i64,
    /// Time spent.
    pub time_spent_seconds: i64,
    /// Who else may see it; absent when everybody who sees the issue.
    pub visibility: Option<RemoteVisibility>,
    /// Properties, if the call asked for them.
    #[serde(default)]
    pub properties: Option<Vec<RemoteProperty>>,
}

/// The part of a user that is kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// Atlassian account id.
    pub account_id: Option<String>,
}

/// A restriction to a group or role.
#[derive(Debug, Deserialize)]
pub struct RemoteVisibility {
    /// `group` or `role`.
    pub r#type: Option<String>,
    /// Name of the group or role.
    pub value: Option<String>,
    /// Opaque id of the group or role.
    pub identifier: Option<String>,
}

/// A property of a worklog.
#[derive(Debug, Deserialize)]
pub struct RemoteProperty {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Value,
}

impl RemoteWorklog {
    /// Our own property, if it was asked for and is there.
    pub fn hourbook(&self) -> Option<&Value> {
        let properties = self.properties.as_ref()?;
        properties.iter().find(|property| property.key == PROPERTY).map(|property| &property.value)
    }
}

/// A page of a change feed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedWorklogs {
    /// Time of the last item.
    pub until: Option<i64>,
    /// Whether this is the last page.
    #[serde(default)]
    pub last_page: bool,
    /// Oldest first.
    #[serde(default)]
    pub values: Vec<Change>,
    /// Jira's clock when it answered, ms.
    #[serde(skip)]
    pub asked_at: Option<i64>,
}

/// One entry of a change feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Which worklog.
    pub worklog_id: i64,
    /// When it changed, ms.
    pub updated_time: i64,
}

/// The two feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Created and changed worklogs.
    Updated,
    /// Deleted worklogs.
    Deleted,
}

impl SiteClient {
    /// A page of a feed: changes since an instant (ms), at most 1000; the last minute is withheld by Jira.
    pub async fn changes(&self, feed: Feed, since: i64) -> Result<ChangedWorklogs, JiraError> {
        let path = match feed {
            Feed::Updated => "/rest/api/3/worklog/updated",
            Feed::Deleted => "/rest/api/3/worklog/deleted",
        };
        let answer = self.send(&Call::get(path).with("since", since.to_string())).await?;
        let mut page: ChangedWorklogs = answer.json()?;
        page.asked_at = answer.date_ms;
        Ok(page)
    }

    /// Worklogs by id with their properties, at most 1000; what Jira does not return is not thereby deleted.
    pub async fn worklogs_by_id(&self, ids: &[i64]) -> Result<Vec<RemoteWorklog>, JiraError> {
        let call =
            Call::query("/rest/api/3/worklog/list", &json!({ "ids": ids })).with("expand", "properties");
        let worklogs: Vec<RemoteWorklog> = self.send(&call).await?.json()?;
        self.charge_objects(worklogs.len());
        Ok(worklogs)
    }

    /// One worklog with its properties.
    pub async fn worklog(&self, issue_id: i64, id: i64) -> Result<RemoteWorklog, JiraError> {
        let path = format!("/rest/api/3/issue/{issue_id}/worklog/{id}");
        self.send(&Call::get(path).with("expand", "properties")).await?.json()
    }

    /// Worklogs of an issue that were started around an instant, with their properties: a look for a lost answer.
    pub async fn worklogs_started_at(
        &self,
        issue_id: i64,
        started: i64,
    ) -> Result<Vec<RemoteWorklog>, JiraError> {
        let call = of_issue(issue_id)
            .with("startedAfter", (started - 1000).to_string())
            .with("startedBefore", (started + 1000).to_string());
        Ok(self.page_of_issue(&call).await?.worklogs)
    }

    /// A page of an issue's worklogs in the order of their creation, with their properties, and where the next one
    /// starts.
    pub async fn worklogs_of_issue(
        &self,
        issue_id: i64,
        start_at: usize,
    ) -> Result<(Vec<RemoteWorklog>, Option<usize>), JiraError> {
        let call = of_issue(issue_id)
            .with("startAt", start_at.to_string())
            .with("maxResults", ISSUE_PAGE.to_string());
        let page = self.page_of_issue(&call).await?;
        let next = start_at + page.worklogs.len();
        let more = !page.worklogs.is_empty() && next < page.total;
        Ok((page.worklogs, more.then_some(next)))
    }

    async fn page_of_issue(&self, call: &Call) -> Result<IssuePage, JiraError> {
        let page: IssuePage = self.send(call).await?.json()?;
        self.charge_objects(page.worklogs.len());
        Ok(page)
    }

    /// Creates a worklog. Not idempotent: never repeated by itself.
    pub async fn create_worklog(
        &self,
        issue_id: i64,
        body: &Value,
        estimate: &Estimate,
    ) -> Result<RemoteWorklog, JiraError> {
        let path = format!("/rest/api/3/issue/{issue_id}/worklog");
        let call = estimate.on(Call::write(Method::POST, path, Some(body)).with("expand", "properties"));
        written(self.send(&call).await?)
    }

    /// Changes the given fields of a worklog.
    pub async fn update_worklog(
        &self,
        issue_id: i64,
        id: i64,
        body: &Value,
        estimate: &Estimate,
    ) -> Result<RemoteWorklog, JiraError> {
        let path = format!("/rest/api/3/issue/{issue_id}/worklog/{id}");
        let call = estimate.on(Call::write(Method::PUT, path, Some(body)).with("expand", "properties"));
        written(self.send(&call).await?)
    }

    /// Deletes a worklog.
    pub async fn delete_worklog(&self, issue_id: i64, id: i64, estimate: &Estimate) -> Result<(), JiraError> {
        let path = format!("/rest/api/3/issue/{issue_id}/worklog/{id}");
        self.send(&estimate.on(Call::write(Method::DELETE, path, None))).await?;
        Ok(())
    }

    /// Sets our property of a worklog. Idempotent.
    pub async fn put_property(&self, issue_id: i64, id: i64, value: &Value) -> Result<(), JiraError> {
        let path = format!("/rest/api/3/issue/{issue_id}/worklog/{id}/properties/{PROPERTY}");
        self.send(&Call::write(Method::PUT, path, Some(value))).await?;
        Ok(())
    }
}

#[derive(Deserialize)]
struct IssuePage {
    #[serde(default)]
    total: usize,
    #[serde(default)]
    worklogs: Vec<RemoteWorklog>,
}

fn of_issue(issue_id: i64) -> Call {
    Call::get(format!("/rest/api/3/issue/{issue_id}/worklog")).with("expand", "properties")
}

/// Jira did what was asked; if its answer cannot be read, that is no refusal.
fn written(answer: Answer) -> Result<RemoteWorklog, JiraError> {
    answer.json().map_err(|error| JiraError::OutcomeUnknown(error.to_string()))
}

/// What is to happen to the issue's remaining estimate; passed through as given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Estimate {
    /// `auto`, `new`, `leave` or `manual`.
    pub adjust: Option<String>,
    /// The new remaining estimate, with `new`.
    pub new_estimate: Option<String>,
    /// By how much to reduce (on create) or increase (on delete) it, with `manual`.
    pub by: Option<(&'static str, String)>,
}

impl Estimate {
    fn on(&self, mut call: Call) -> Call {
        if let Some(adjust) = &self.adjust {
            call = call.with("adjustEstimate", adjust);
        }
        if let Some(estimate) = &self.new_estimate {
            call = call.with("newEstimate", estimate);
        }
        if let Some((name, value)) = &self.by {
            call = call.with(name, value);
        }
        call
    }
}

/// An id that comes as a string or as a number. Read by hand: an untagged enum would copy and fail first, for each of
/// millions.
pub(crate) fn numeric_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Id;
    impl Visitor<'_> for Id {
        type Value = i64;
        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an id, as a number or as text")
        }
        fn visit_i64<E: serde::de::Error>(self, id: i64) -> Result<i64, E> {
            Ok(id)
        }
        fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<i64, E> {
            i64::try_from(id).map_err(E::custom)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<i64, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Id)
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Instant;
    impl Visitor<'_> for Instant {
        type Value = i64;
        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an instant")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<i64, E> {
            time::parse(text).ok_or_else(|| E::custom("not an instant"))
        }
    }
    deserializer.deserialize_str(Instant)
}
