//! What a webhook proves, in a small form of our own: the rest of its body (issue fields, names) is dropped before
//! anything is stored.

pub mod forge;

use super::apply;
use crate::jira::time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event as it waits in the inbox, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "v1", rename_all = "snake_case")]
pub enum Event {
    /// A worklog was created or changed.
    Worklog(Seen),
    /// A worklog was created or changed, but the event does not carry enough of it.
    WorklogTouched {
        /// Its id.
        id: i64,
        /// What it tells, without saying when it changed.
        #[serde(default)]
        told: Option<Told>,
    },
    /// A worklog was deleted.
    WorklogDeleted {
        /// Its id.
        id: i64,
    },
    /// An issue is in another project now.
    IssueMoved {
        /// Jira's issue id.
        issue_id: i64,
        /// Jira's project id.
        project_id: i64,
    },
    /// An issue was deleted, with its worklogs.
    IssueDeleted {
        /// Jira's issue id.
        issue_id: i64,
    },
    /// A project was deleted or put in the bin.
    ProjectGone {
        /// Jira's project id.
        project_id: i64,
    },
    /// A project came back from the bin.
    ProjectRestored {
        /// Jira's project id.
        project_id: i64,
    },
    /// How the site counts time has changed.
    TimeTrackingChanged,
    /// The app may no longer read some objects of the site.
    AccessBlocked {
        /// The issues, where the event names them; else it may be any.
        issue_ids: Vec<i64>,
    },
}

/// What is in a worklog, as far as an event tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub(super) issue_id: i64,
    /// Empty where the event names nobody.
    pub(super) account_id: String,
    /// JSON text: ADF, or a string. None where the event does not carry it.
    pub(super) comment: Option<String>,
    pub(super) started: i64,
    pub(super) seconds: i64,
}

/// What an event tells of a version of a worklog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub(super) id: i64,
    pub(super) created: i64,
    pub(super) updated: i64,
    #[serde(flatten)]
    pub(super) told: Told,
}

impl Seen {
    /// Whether it tells everything of the worklog that an event can.
    pub(super) fn carries_all(&self) -> bool {
        self.told.comment.is_some() && !self.told.account_id.is_empty()
    }
}

/// What is remembered in memory and no longer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Facts of an issue and who may see it.
    Issue(i64),
    /// The same of all issues of the site.
    Site,
}

/// A webhook, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What it tells the copy; `None` for events that change nothing there.
    pub event: Option<Event>,
    /// What no longer holds in memory.
    pub stale: Option<Stale>,
}

/// Reads the body of a webhook.
///
/// # Errors
/// When the body is not of a known shape: then nothing is proved, and a sync has to look.
pub fn parse(body: &[u8]) -> std::result::Result<Read, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
    let event = body.get("webhookEvent").and_then(Value::as_str).ok_or("no webhookEvent")?;
    let id_of = |entity: &str| id_of(&body, entity);
    let stale = match event {
        "jira:issue_updated" | "jira:issue_deleted" => Some(Stale::Issue(id_of("issue")?)),
        event if event.starts_with("project_") => Some(Stale::Site),
        _ => None,
    };
    let event = match event {
        "worklog_created" | "worklog_updated" => Some(worklog(&body)?),
        "worklog_deleted" => Some(Event::WorklogDeleted { id: id_of("worklog")? }),
        "jira:issue_updated" => moved_issue(&body),
        "jira:issue_deleted" => Some(Event::IssueDeleted { issue_id: id_of("issue")? }),
        "project_deleted" | "project_soft_deleted" => {
            Some(Event::ProjectGone { project_id: id_of("project")? })
        }
        "project_restored_deleted" => Some(Event::ProjectRestored { project_id: id_of("project")? }),
        "option_timetracking_changed" | "option_timetracking_provider_changed" => {
            Some(Event::TimeTrackingChanged)
        }
        event if event.starts_with("app_access_to_objects") => {
            Some(Event::AccessBlocked { issue_ids: named_issues(&body) })
        }
        // A deleted user's worklogs stay: nothing is erased, the account is shown as a former user.
        _ => None,
    };
    Ok(Read { event, stale })
}

fn id_of(body: &Value, entity: &str) -> std::result::Result<i64, &'static str> {
    body.get(entity).and_then(|entity| number(entity.get("id"))).ok_or("an entity without id")
}

fn worklog(body: &Value) -> std::result::Result<Event, &'static str> {
    let worklog = body.get("worklog").ok_or("no worklog")?;
    let id = number(worklog.get("id")).ok_or("a worklog without id")?;
    let told = told(worklog);
    let version = instant(worklog, "created").zip(instant(worklog, "updated"));
    Ok(match (told, version) {
        (Some(told), Some((created, updated))) => Event::Worklog(Seen { id, created, updated, told }),
        (told, _) => Event::WorklogTouched { id, told },
    })
}

fn instant(worklog: &Value, name: &str) -> Option<i64> {
    time::parse(worklog.get(name)?.as_str()?)
}

fn told(worklog: &Value) -> Option<Told> {
    let author = worklog.get("author").and_then(|author| author.get("accountId"));
    Some(Told {
        issue_id: number(worklog.get("issueId"))?,
        account_id: apply::account(author.and_then(Value::as_str).map(str::to_owned)),
        comment: worklog.get("comment").filter(|comment| !comment.is_null()).map(Value::to_string),
        started: instant(worklog, "started")?,
        seconds: worklog.get("timeSpentSeconds")?.as_i64()?,
    })
}

/// An issue that changed its project; other changes of issues are nothing to us.
fn moved_issue(body: &Value) -> Option<Event> {
    let items = body.get("changelog")?.get("items")?.as_array()?;
    let is_move = items.iter().any(|item| {
        let field = item.get("field").and_then(Value::as_str).unwrap_or_default();
        field.eq_ignore_ascii_case("key") || field.eq_ignore_ascii_case("project")
    });
    let issue = body.get("issue").filter(|_| is_move)?;
    let project = issue.get("fields")?.get("project")?;
    Some(Event::IssueMoved { issue_id: number(issue.get("id"))?, project_id: number(project.get("id"))? })
}

/// Issues that an event names. Where it names something else too, or nothing, any issue may be meant.
fn named_issues(body: &Value) -> Vec<i64> {
    let listed = body.get("issues").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = body.get("issue").into_iter().chain(listed);
    let ids: Option<Vec<i64>> = one.map(|issue| number(issue.get("id").or(Some(issue)))).collect();
    let others = ["project", "projects", "container", "containers"];
    ids.filter(|_| others.iter().all(|other| body.get(other).is_none())).unwrap_or_default()
}

/// Ids come as numbers and as strings.
fn number(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
