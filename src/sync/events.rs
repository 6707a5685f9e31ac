//! What a webhook proves, in a small form of our own: the rest of its body (issue fields, names) is dropped before
//! anything is stored.

use super::apply;
use crate::jira::time;
use hourbook_store::error::Result;
use hourbook_store::plain::Plain;
use hourbook_store::tenant::worklogs::{self, Visibility, Worklog};
use hourbook_store::tenant::{TenantConn, cursors, issues, tombstones};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Cursor that tells when the last webhook was applied, by our clock.
pub const LAST_WEBHOOK: &str = "webhook";

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
    /// What the app or people may see has changed.
    AccessChanged,
}

/// What an event tells of a worklog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    id: i64,
    issue_id: i64,
    account_id: String,
    /// JSON text: ADF, or a string.
    comment: Option<String>,
    created: i64,
    updated: i64,
    started: i64,
    seconds: i64,
}

/// Reads the body of a webhook; `None` for events that change nothing here.
///
/// # Errors
/// When the body is not of a known shape: then nothing is proved, and a sync has to look.
pub fn parse(body: &[u8]) -> std::result::Result<Option<Event>, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
    let event = body.get("webhookEvent").and_then(Value::as_str).ok_or("no webhookEvent")?;
    let id_of = |entity: &str| {
        body.get(entity).and_then(|entity| number(entity.get("id"))).ok_or("an entity without id")
    };
    Ok(match event {
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
        event if event.starts_with("app_access_to_objects") => Some(Event::AccessChanged),
        // A deleted user's worklogs stay: nothing is erased, the account is shown as a former user.
        _ => None,
    })
}

fn worklog(body: &Value) -> std::result::Result<Event, &'static str> {
    let worklog = body.get("worklog").ok_or("no worklog")?;
    let id = number(worklog.get("id")).ok_or("a worklog without id")?;
    Ok(seen(worklog, id).map_or(Event::WorklogTouched { id }, Event::Worklog))
}

fn seen(worklog: &Value, id: i64) -> Option<Seen> {
    let instant = |name: &str| time::parse(worklog.get(name)?.as_str()?);
    let author = worklog.get("author").and_then(|author| author.get("accountId"));
    Some(Seen {
        id,
        issue_id: number(worklog.get("issueId"))?,
        account_id: apply::account(author.and_then(Value::as_str).map(str::to_owned)),
        comment: worklog.get("comment").filter(|comment| !comment.is_null()).map(Value::to_string),
        created: instant("created")?,
        updated: instant("updated")?,
        started: instant("started")?,
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

/// Ids come as numbers and as strings.
fn number(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// What has to follow an event outside the tenant's transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FollowUps {
    /// Worklogs wait for a complete read.
    pub complete: bool,
    /// Projects that went.
    pub projects_gone: Vec<i64>,
    /// Projects that are back.
    pub projects_restored: Vec<i64>,
    /// The copy may lack something: look soon.
    pub sync: bool,
    /// The site's time tracking settings are to be read again.
    pub time_tracking: bool,
    /// Remembered permissions no longer hold.
    pub permissions: bool,
}

/// Applies events in their order of arrival; the state at the end does not depend on it.
///
/// # Errors
/// When the database fails; nothing is applied then.
pub fn apply(db: &mut TenantConn<'_>, events: &[Event], now: i64) -> Result<FollowUps> {
    let mut follow = FollowUps::default();
    for event in events {
        match event {
            Event::Worklog(seen) => follow.complete |= write(db, seen, now)?,
            Event::WorklogTouched { id } => {
                worklogs::mark_unread(db, &[*id], now)?;
                (follow.complete, follow.sync) = (true, true);
            }
            Event::WorklogDeleted { id } => {
                apply::deleted(db, &[*id], now)?;
            }
            Event::IssueMoved { issue_id, project_id } => {
                issues::moved(db, *issue_id, *project_id)?;
                follow.permissions = true;
            }
            Event::IssueDeleted { issue_id } => {
                apply::container_gone(db, *issue_id, &[*issue_id], now)?;
            }
            Event::ProjectGone { project_id } => {
                follow.projects_gone.push(*project_id);
                follow.permissions = true;
            }
            Event::ProjectRestored { project_id } => {
                follow.projects_restored.push(*project_id);
                follow.permissions = true;
            }
            Event::TimeTrackingChanged => follow.time_tracking = true,
            Event::AccessChanged => (follow.permissions, follow.sync) = (true, true),
        }
    }
    cursors::set(db, LAST_WEBHOOK, now)?;
    Ok(follow)
}

/// Writes what the event carries; tags stay as they are, and who may see it is unknown until it was read. Returns
/// whether a complete read has to follow.
fn write(db: &mut TenantConn<'_>, seen: &Seen, now: i64) -> Result<bool> {
    if tombstones::of(db, &[seen.id])?.contains_key(&seen.id) {
        return Ok(false);
    }
    let have = worklogs::by_ids(db, &[seen.id])?.pop();
    match &have {
        Some(have) if have.updated > seen.updated => return Ok(false),
        Some(have) if have.updated == seen.updated => {
            let same = have.issue_id == seen.issue_id
                && have.started == seen.started
                && have.seconds == seen.seconds;
            if !same {
                worklogs::mark_unread(db, &[seen.id], now)?;
            }
            return Ok(!same || have.read_after.is_some());
        }
        _ => {}
    }
    let row = Worklog {
        id: seen.id,
        issue_id: seen.issue_id,
        account_id: seen.account_id.clone(),
        comment: seen.comment.as_deref().map(Plain::new),
        created: seen.created,
        updated: seen.updated,
        started: seen.started,
        seconds: seen.seconds,
        visibility: Visibility::Unknown,
        tags: have.map(|have| have.tags).unwrap_or_default(),
        read_after: Some(now),
    };
    worklogs::put(db, &[row])?;
    Ok(true)
}
