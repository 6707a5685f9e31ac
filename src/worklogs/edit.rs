//! Changing a worklog: only what was sent is changed in Jira, and our copy follows Jira's answer.

use super::input::Fields;
use super::property;
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
use hourbook_store::tenant::worklogs::{self, Worklog};
use serde_json::{Map, Value, json};

/// Changes a worklog in Jira as the caller, then in our copy.
///
/// # Errors
/// Jira's refusal in its own words; the copy is untouched then.
pub async fn edit(app: &App, caller: &Caller, issue_id: i64, id: i64, fields: Fields) -> AppResult<Worklog> {
    let db = app.db(&caller.tenant).await?;
    let jira = app.jira.as_user(&caller.tenant.site, Class::Write, &caller.account_id, Scopes::Write);
    let mut body = Map::new();
    if let Some(started) = fields.started {
        body.insert("started".into(), json!(time::format(started)));
    }
    if let Some(seconds) = fields.seconds {
        body.insert("timeSpentSeconds".into(), json!(seconds));
    }
    if let Some(comment) = fields.comment {
        body.insert("comment".into(), comment);
    }
    let property = match &fields.tags {
        Some(tags) => {
            let carried = tags::carried(&db, tags).await?;
            let before = jira.worklog(issue_id, id).await?;
            Some(property::with_tags(before.hourbook(), &carried, None))
        }
        None => None,
    };
    if body.is_empty() && property.is_none() {
        return Err(AppError::invalid(
            "",
            "nothing_to_change",
            "Send at least one of started, timeSpentSeconds, duration, comment, commentAdf, tags.",
        ));
    }
    let (remote, property_apart) = match &property {
        // Tags alone are no change of the worklog in Jira's eyes: its `updated` stays.
        Some(value) if body.is_empty() => (put_property(&jira, issue_id, id, value).await?, true),
        _ => {
            if let Some(value) = &property {
                body.insert("properties".into(), json!([{ "key": PROPERTY, "value": value }]));
            }
            let answer = jira.update_worklog(issue_id, id, &body.into(), &fields.estimate).await?;
            match &property {
                Some(value) if answer.hourbook() != Some(value) => {
                    (put_property(&jira, issue_id, id, value).await?, true)
                }
                None if answer.properties.is_none() => (jira.worklog(issue_id, id).await?, false),
                _ => (answer, false),
            }
        }
    };
    let now = app.clock.now_ms();
    let found = db
        .write(move |db| {
            apply::read(db, vec![remote], now)?;
            worklogs::by_ids(db, &[id])
        })
        .await?;
    if property_apart {
        complete::again(app, &caller.tenant, id).await?;
    }
    found
        .into_iter()
        .next()
        .ok_or_else(|| AppError::not_found("worklog_deleted", "The worklog has been deleted meanwhile."))
}

/// Sets our property and reads the worklog as it is then.
async fn put_property(
    jira: &SiteClient,
    issue_id: i64,
    id: i64,
    value: &Value,
) -> Result<RemoteWorklog, JiraError> {
    jira.put_property(issue_id, id, value).await?;
    jira.worklog(issue_id, id).await
}
