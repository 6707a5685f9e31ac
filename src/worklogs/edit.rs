//! Changing a worklog: only what was sent is changed in Jira, and our copy follows Jira's answer.

use super::input::Fields;
use super::property;
use super::refusal::{self, Act};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{AppError, AppResult};
use crate::jira::client::SiteClient;
use crate::jira::error::JiraError;
use crate::jira::meter::Class;
use crate::jira::sign::Scopes;
use crate::jira::time;
use crate::jira::worklogs::{PROPERTY, RemoteWorklog};
use crate::sync::{apply, complete};
use crate::tags;
use hourbook_store::error::Error as StoreError;
use hourbook_store::tenant::TenantDb;
use hourbook_store::tenant::worklogs::{self, Worklog};
use serde_json::{Map, Value, json};

/// What came of a change.
pub enum Edited {
    /// The worklog as it is now.
    Done(Worklog),
    /// Nothing was changed: Jira has a newer version than the caller had seen.
    Newer(Worklog),
}

/// A change of a worklog.
pub struct Change {
    /// Jira's issue id.
    pub issue_id: i64,
    /// Jira's worklog id.
    pub id: i64,
    /// What is to change.
    pub fields: Fields,
    /// Only if Jira's version is not newer than this instant, ms. Between the look and the change there remains a
    /// moment: Jira's API has no conditional write.
    pub if_updated: Option<i64>,
}

/// Changes a worklog in Jira as the caller, then in our copy.
///
/// # Errors
/// Jira's refusal, explained; the copy is untouched then.
pub async fn edit(app: &App, caller: &Caller, change: Change) -> AppResult<Edited> {
    let db = app.db(&caller.tenant).await?;
    let (issue_id, id) = (change.issue_id, change.id);
    let editor = Editor { jira: caller.in_person(&app.jira, Class::Write, Scopes::Write), app, caller, db };
    match editor.edit(change).await {
        Err(Failure::Jira(refused)) => {
            // Perhaps it was moved or deleted: a read finds out.
            if matches!(refused, JiraError::NotFound(_)) {
                complete::again(app, &caller.tenant, id).await?;
            }
            Err(refusal::explain(app, caller, issue_id, Act::Edit, refused).await)
        }
        Err(Failure::Told(error)) => Err(error),
        Ok(edited) => Ok(edited),
    }
}

/// Jira's refusals are explained in one place; everything else is told as it is.
enum Failure {
    Jira(JiraError),
    Told(AppError),
}

impl From<JiraError> for Failure {
    fn from(error: JiraError) -> Self {
        Self::Jira(error)
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::Told(error)
    }
}

impl From<hourbook_store::error::Error> for Failure {
    fn from(error: hourbook_store::error::Error) -> Self {
        Self::Told(error.into())
    }
}

struct Editor<'a> {
    app: &'a App,
    caller: &'a Caller,
    db: TenantDb,
    jira: SiteClient,
}

impl Editor<'_> {
    async fn edit(&self, change: Change) -> Result<Edited, Failure> {
        let Change { issue_id, id, fields, if_updated } = change;
        let mut body = plain_fields(&fields);
        if body.is_empty() && fields.tags.is_none() {
            return Err(Failure::Told(AppError::invalid(
                "",
                "nothing_to_change",
                "Send at least one of started, timeSpentSeconds, duration, comment, commentAdf, tags.",
            )));
        }
        let before = match (&fields.tags, if_updated) {
            (None, None) => None,
            _ => Some(self.jira.worklog(issue_id, id).await?),
        };
        let newer = |before: &RemoteWorklog| if_updated.is_some_and(|seen| before.updated > seen);
        let before = match before {
            Some(before) if newer(&before) => {
                return Ok(Edited::Newer(self.take(before, AppError::from).await?));
            }
            before => before,
        };
        let property = match &fields.tags {
            Some(tags) => Some(self.property(tags, before.as_ref()).await?),
            None => None,
        };
        let (remote, property_apart) = match &property {
            // Tags alone are no change of the worklog in Jira's eyes: its `updated` stays.
            Some(value) if body.is_empty() => (self.put_property(issue_id, id, value).await?, true),
            _ => {
                if let Some(value) = &property {
                    body.insert("properties".into(), json!([{ "key": PROPERTY, "value": value }]));
                }
                let answer = self.put(issue_id, id, body, &fields).await?;
                match &property {
                    Some(value) if answer.hourbook() != Some(value) => {
                        (self.put_property(issue_id, id, value).await?, true)
                    }
                    None if answer.properties.is_none() => (self.jira.worklog(issue_id, id).await?, false),
                    _ => (answer, false),
                }
            }
        };
        let worklog = self.take(remote, refusal::not_copied).await?;
        if property_apart {
            complete::again(self.app, &self.caller.tenant, id).await?;
        }
        Ok(Edited::Done(worklog))
    }

    async fn property(&self, tags: &[i64], before: Option<&RemoteWorklog>) -> Result<Value, Failure> {
        let carried = tags::carried(&self.db, tags).await?;
        let value = property::with_tags(before.and_then(RemoteWorklog::hourbook), &carried, None);
        if property::fits(&value) {
            return Ok(value);
        }
        let full = "Other apps have filled the property of this worklog: its tags do not fit in any more.";
        Err(Failure::Told(AppError::too_large("tags_do_not_fit", full).on("tags")))
    }

    /// Sends the change. If it is not answered, a look tells whether it was made.
    async fn put(
        &self,
        issue_id: i64,
        id: i64,
        body: Map<String, Value>,
        fields: &Fields,
    ) -> Result<RemoteWorklog, JiraError> {
        let sent = self.jira.update_worklog(issue_id, id, &body.into(), &fields.estimate).await;
        let Err(JiraError::OutcomeUnknown(cause)) = sent else { return sent };
        match self.jira.worklog(issue_id, id).await {
            Ok(remote) if carries(&remote, fields) => Ok(remote),
            _ => Err(JiraError::OutcomeUnknown(cause)),
        }
    }

    /// Sets our property and reads the worklog as it is then.
    async fn put_property(&self, issue_id: i64, id: i64, value: &Value) -> Result<RemoteWorklog, JiraError> {
        self.jira.put_property(issue_id, id, value).await?;
        self.jira.worklog(issue_id, id).await
    }

    /// Takes Jira's answer into the copy.
    async fn take(&self, remote: RemoteWorklog, failed: fn(StoreError) -> AppError) -> AppResult<Worklog> {
        let (id, now) = (remote.id, self.app.clock.now_ms());
        let found = self.db.write(move |db| {
            apply::read(db, vec![remote], now)?;
            worklogs::by_ids(db, &[id])
        });
        let deleted = || AppError::not_found("worklog_deleted", "The worklog has been deleted meanwhile.");
        found.await.map_err(failed)?.into_iter().next().ok_or_else(deleted)
    }
}

/// What goes into the body of the change itself.
fn plain_fields(fields: &Fields) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(started) = fields.started {
        body.insert("started".into(), json!(time::format(started)));
    }
    if let Some(seconds) = fields.seconds {
        body.insert("timeSpentSeconds".into(), json!(seconds));
    }
    if let Some(comment) = &fields.comment {
        body.insert("comment".into(), comment.clone());
    }
    body
}

/// Whether Jira has what was sent, as far as it can be compared: a comment may come back in another form.
fn carries(remote: &RemoteWorklog, fields: &Fields) -> bool {
    let comment = remote.comment.as_ref().and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    fields.started.is_none_or(|started| remote.started == started)
        && fields.seconds.is_none_or(|seconds| remote.time_spent_seconds == seconds)
        && fields.comment.as_ref().is_none_or(|sent| comment.as_ref() == Some(sent))
}
