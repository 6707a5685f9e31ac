//! What a test in a browser lets happen in Jira: one call, one deed. Anybody may, as it is all a play.

use crate::faults::Fault;
use crate::people::Work;
use crate::site::Site;
use crate::views;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// A deed.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Deed {
    /// A new issue in the first project.
    Issue { summary: String, estimate: Option<i64> },
    /// Somebody logs work in Jira itself; a comment is text or a document.
    Log { account: String, issue_id: i64, seconds: i64, started: Option<i64>, comment: Option<Value> },
    /// Somebody changes the time of a worklog in Jira itself.
    Change { id: i64, seconds: i64 },
    /// Calls that go wrong.
    Fail { method: String, path: String, times: u32, how: How },
    /// Whether somebody may work on issues.
    MayWork { account: String, may: bool },
    /// Whether time is tracked.
    TimeTracking { on: bool },
    /// What is on an issue.
    Worklogs { issue_id: i64 },
}

/// How a call goes wrong.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum How {
    /// A status before anything is done.
    Status(u16),
    /// It is done, but no answer comes.
    DoneAndSilent,
    /// It takes so many milliseconds.
    Slow(u64),
}

/// Does it.
pub(crate) async fn act(site: web::Data<Site>, deed: web::Json<Deed>) -> HttpResponse {
    let answer = match deed.into_inner() {
        Deed::Issue { summary, estimate } => {
            let project = site.state().projects.keys().next().copied().unwrap_or_default();
            let id = site.add_issue(project, &summary);
            let mut state = site.state();
            let Some(issue) = state.issues.get_mut(&id) else { return HttpResponse::NotFound().finish() };
            issue.original = estimate.unwrap_or(0);
            issue.remaining = issue.original;
            json!({ "id": id.to_string(), "key": issue.key })
        }
        Deed::Log { account, issue_id, seconds, started, comment } => {
            let comment = comment.map(|comment| match comment {
                Value::String(text) => views::document(&text),
                document => document,
            });
            let work = Work { seconds, started: started.unwrap_or(0), comment, ..Work::default() };
            json!({ "id": site.log_work(&account, issue_id, work).to_string() })
        }
        Deed::Change { id, seconds } => {
            site.change_work(id, |worklog| worklog.seconds = seconds);
            Value::Null
        }
        Deed::Fail { method, path, times, how } => {
            let fault = match how {
                How::Status(status) => Fault::Status(status),
                How::DoneAndSilent => Fault::HangUpAfter,
                How::Slow(ms) => Fault::Slow(Duration::from_millis(ms)),
            };
            let known = ["GET", "POST", "PUT", "DELETE"];
            let method = known.into_iter().find(|known| *known == method).unwrap_or_default();
            site.fail(method, &path, fault, times);
            Value::Null
        }
        Deed::MayWork { account, may } => {
            if let Some(user) = site.state().users.get_mut(&account) {
                user.may_work = may;
            }
            Value::Null
        }
        Deed::TimeTracking { on } => {
            site.state().time_tracking = on;
            Value::Null
        }
        Deed::Worklogs { issue_id } => {
            let state = site.state();
            let on_it = state.by_issue.get(&issue_id).into_iter().flatten();
            let worklogs = on_it.filter_map(|id| state.worklogs.get(id));
            worklogs.map(|worklog| views::worklog(&site.base_url, &state, worklog, true, false)).collect()
        }
    };
    HttpResponse::Ok().json(answer)
}
