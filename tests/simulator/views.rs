//! What Jira shows of its things.

use crate::state::{State, User, Worklog};
use chrono::{TimeZone, Utc};
use serde_json::{Value, json};

/// Jira's form of an instant.
pub fn instant(ms: i64) -> String {
    let at = Utc.timestamp_millis_opt(ms).single().unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// Reads the one form that Jira takes.
pub fn read_instant(text: &str) -> Option<i64> {
    let shape = text.len() == 28
        && text.as_bytes().get(19) == Some(&b'.')
        && !text.ends_with('Z')
        && text.matches(':').count() == 2;
    if !shape {
        return None;
    }
    chrono::DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.3f%z").ok().map(|at| at.timestamp_millis())
}

/// A user as other objects embed it.
pub fn user(base_url: &str, user: &User) -> Value {
    json!({
        "self": format!("{base_url}/rest/api/3/user?accountId={}", user.account_id),
        "accountId": user.account_id,
        "accountType": "atlassian",
        "active": user.active,
        "displayName": user.display_name,
        "timeZone": user.time_zone,
        "avatarUrls": {},
    })
}

/// A worklog. `plain` is the older form of events: the comment as text.
pub fn worklog(base_url: &str, state: &State, worklog: &Worklog, properties: bool, plain: bool) -> Value {
    let author = state.users.get(&worklog.author).map(|found| user(base_url, found));
    let mut out = json!({
        "self": format!("{base_url}/rest/api/3/issue/{}/worklog/{}", worklog.issue_id, worklog.id),
        "id": worklog.id.to_string(),
        "issueId": worklog.issue_id.to_string(),
        "created": instant(worklog.created),
        "updated": instant(worklog.updated),
        "started": instant(worklog.started),
        "timeSpent": format!("{}m", worklog.seconds / 60),
        "timeSpentSeconds": worklog.seconds,
    });
    if let Some(author) = author {
        out["updateAuthor"] = author.clone();
        out["author"] = author;
    }
    if let Some(comment) = &worklog.comment {
        out["comment"] = if plain { Value::String(text(comment)) } else { comment.clone() };
    }
    if let Some(restriction) = &worklog.restriction
        && !plain
    {
        out["visibility"] = json!({
            "type": restriction.kind, "value": restriction.value, "identifier": restriction.identifier,
        });
    }
    if properties {
        out["properties"] =
            worklog.properties.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    }
    out
}

/// All text of a document.
pub fn text(document: &Value) -> String {
    match document {
        Value::Object(fields) => {
            let is_break = fields.get("type").and_then(Value::as_str) == Some("hardBreak");
            let own =
                if is_break { "\n" } else { fields.get("text").and_then(Value::as_str).unwrap_or_default() };
            let own = own.to_owned();
            own + &fields.get("content").map(text).unwrap_or_default()
        }
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(""),
        _ => String::new(),
    }
}

/// A document with one paragraph.
pub fn document(text: &str) -> Value {
    json!({ "type": "doc", "version": 1, "content": [
        { "type": "paragraph", "content": [{ "type": "text", "text": text }] }
    ] })
}

/// Jira's form of an error.
pub fn error(messages: &[&str], errors: &[(&str, &str)]) -> Value {
    let errors: serde_json::Map<String, Value> =
        errors.iter().map(|(field, message)| ((*field).to_owned(), json!(message))).collect();
    json!({ "errorMessages": messages, "errors": errors })
}
