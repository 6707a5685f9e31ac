//! Events in Forge's words: other names, less in them, none above 200 KB, and nothing that names a delivery.

use super::Shape;
use crate::site::Site;
use serde_json::{Value, json};

/// Longer events are never delivered.
const LONGEST: usize = 200 * 1024;
/// Tries after the first.
pub(crate) const RETRIES: u32 = 4;

/// The event in Forge's words; `None` for one that the app's triggers do not ask for, or that is too big.
pub(crate) fn in_words_of_forge(site_full: bool, event: &str, body: &Value) -> Option<(String, Value)> {
    let (act, entity) = match event {
        "worklog_created" => ("created", "worklog"),
        "worklog_updated" => ("updated", "worklog"),
        "worklog_deleted" => ("deleted", "worklog"),
        "jira:issue_updated" => ("updated", "issue"),
        "jira:issue_deleted" => ("deleted", "issue"),
        "project_updated" => ("updated", "project"),
        "project_deleted" => ("deleted", "project"),
        "project_soft_deleted" => ("softdeleted", "project"),
        "project_restored_deleted" => ("restored", "project"),
        "user_deleted" => ("deleted", "user"),
        _ => return None,
    };
    let name = format!("avi:jira:{act}:{entity}");
    let mut told = json!({ "eventType": name, "selfGenerated": false, "timestamp": body["timestamp"] });
    told[entity] = if entity == "worklog" { worklog(&body[entity], site_full) } else { body[entity].clone() };
    if let Some(changelog) = body.get("changelog") {
        told["changelog"] = changelog.clone();
    }
    (told.to_string().len() <= LONGEST).then_some((name, told))
}

fn worklog(worklog: &Value, full: bool) -> Value {
    let mut told = worklog.clone();
    if let Some(fields) = told.as_object_mut().filter(|_| !full) {
        let kept = ["id", "issueId", "author", "started", "timeSpentSeconds", "comment"];
        fields.retain(|name, _| kept.contains(&name.as_str()));
    }
    told
}

/// The trigger of the app's manifest that an event is for.
fn module(event: &str) -> &'static str {
    match event.rsplit(':').next() {
        Some("worklog") => "hourbook-worklogs",
        Some("issue") => "hourbook-issues",
        Some("project") => "hourbook-projects",
        Some("user") => "hourbook-users",
        _ => "hourbook-lifecycle",
    }
}

impl Site {
    /// Posts one event; the status of the answer, 0 if there was none.
    pub async fn post_event(&self, name: &str, mut event: Value, tries: u32) -> u16 {
        if self.state().forge.is_none() {
            return 204;
        }
        event["eventType"] = json!(name);
        let shape = self.state().habits.shape;
        let mut body = match shape {
            Shape::Top => event,
            Shape::Payload => json!({ "payload": event }),
            Shape::Event => json!({ "event": event }),
        };
        if tries > 0 {
            let retry = json!({ "retryCount": tries, "retryReason": "INVALID_REMOTE_INVOCATION_ERROR",
                "retryData": null });
            let inner = if shape == Shape::Payload { &mut body["payload"] } else { &mut body };
            inner["retryContext"] = retry;
        }
        self.call_remote("/forge/events", module(name), &body).await
    }
}
