//! Events of Forge (<https://developer.atlassian.com/platform/forge/events-reference/jira/>).
//!
//! The documents show the event at different depths of a call, so it is looked for. Nothing names a delivery: an event
//! that is sent again is known by its content.

use super::{Event, Read, Stale, id_of, moved_issue, worklog};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is said about the delivery and not about the event.
const OF_DELIVERY: [&str; 3] = ["retryContext", "contextToken", "context"];
/// Equal events that do not say when they happened are taken for one within so long, ms: Forge tries for four minutes.
const SAME_WITHIN_MS: i64 = 10 * 60_000;

/// Reads the body of a call; with it an identifier that is the same when the event is sent again.
///
/// # Errors
/// When the body is not of a known shape: then nothing is proved, and a sync has to look.
pub fn parse(body: &[u8], now: i64) -> (Result<Read, &'static str>, String) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return (Err("not JSON"), String::new());
    };
    let Some((event, name)) = find(&body) else { return (Err("no eventType"), String::new()) };
    (read(event, name), identifier(event, now))
}

/// The event and its name: at the top, or in `payload` or `event`.
fn find(body: &Value) -> Option<(&Value, &str)> {
    let named = |value: &Value| value.get("eventType").and_then(Value::as_str).is_some();
    let inner = || ["payload", "event"].into_iter().filter_map(|name| body.get(name));
    let event = std::iter::once(body)
        .chain(inner())
        .chain(inner().filter_map(|outer| outer.get("event").or_else(|| outer.get("payload"))))
        .find(|value| named(value))?;
    Some((event, event.get("eventType")?.as_str()?))
}

fn identifier(event: &Value, now: i64) -> String {
    let mut content = event.clone();
    if let Some(fields) = content.as_object_mut() {
        fields.retain(|name, _| !OF_DELIVERY.contains(&name.as_str()));
    }
    let told = event.get("timestamp").is_some();
    let when = if told { String::new() } else { format!(":{}", now.div_euclid(SAME_WITHIN_MS)) };
    format!("forge:{}{when}", hex::encode(Sha256::digest(content.to_string().as_bytes())))
}

fn read(body: &Value, name: &str) -> Result<Read, &'static str> {
    let stale = match name {
        "avi:jira:updated:issue" | "avi:jira:deleted:issue" => Some(Stale::Issue(id_of(body, "issue")?)),
        name if name.ends_with(":project") => Some(Stale::Site),
        // A name may be another one.
        name if name.ends_with(":user") => Some(Stale::Site),
        _ => None,
    };
    let event = match name {
        "avi:jira:created:worklog" | "avi:jira:updated:worklog" => Some(worklog(body)?),
        "avi:jira:deleted:worklog" => Some(Event::WorklogDeleted { id: id_of(body, "worklog")? }),
        "avi:jira:updated:issue" => moved_issue(body),
        "avi:jira:deleted:issue" => Some(Event::IssueDeleted { issue_id: id_of(body, "issue")? }),
        "avi:jira:deleted:project" | "avi:jira:softdeleted:project" => {
            Some(Event::ProjectGone { project_id: id_of(body, "project")? })
        }
        "avi:jira:restored:project" => Some(Event::ProjectRestored { project_id: id_of(body, "project")? }),
        _ => None,
    };
    Ok(Read { event, stale })
}
