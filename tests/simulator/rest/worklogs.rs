//! Worklogs of an issue, with Jira's rules about who may write what.

use super::{Answer, Call, Caller};
use crate::state::{State, Worklog};
use crate::views;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LOCKED: &str = "You can not edit this issue due to its workflow status.";
const HIDDEN: &str = "Issue does not exist or you do not have permission to see it.";

/// The id of an issue given by id or key.
fn issue_id(state: &State, text: &str) -> Option<i64> {
    match text.parse() {
        Ok(id) => Some(id),
        Err(_) => state.issues.values().find(|issue| issue.key == text).map(|issue| issue.id),
    }
}

/// The issue, if time is tracked and the caller may see it.
fn open_issue(call: &Call<'_>, state: &State, text: &str) -> Result<i64, Answer> {
    if !state.time_tracking {
        return Err(Answer::error(404, "Time Tracking is currently disabled."));
    }
    issue_id(state, text).filter(|id| call.may_browse(state, *id)).ok_or_else(|| Answer::error(404, HIDDEN))
}

fn found(call: &Call<'_>, state: &State, issue: &str, id: &str) -> Result<Worklog, Answer> {
    let issue_id = open_issue(call, state, issue)?;
    let worklog = id.parse().ok().and_then(|id: i64| state.worklogs.get(&id));
    worklog
        .filter(|worklog| worklog.issue_id == issue_id && call.passes(state, worklog))
        .cloned()
        .ok_or_else(|| Answer::error(404, &format!("Cannot find worklog with id: '{id}'.")))
}

fn view(call: &Call<'_>, state: &State, worklog: &Worklog) -> Value {
    views::worklog(&call.site.base_url, state, worklog, call.expands_properties(), false)
}

pub(super) fn of_issue(call: &Call<'_>, issue: &str) -> Answer {
    let state = call.site.state();
    let issue_id = match open_issue(call, &state, issue) {
        Ok(id) => id,
        Err(answer) => return answer,
    };
    let after = call.number("startedAfter").unwrap_or(i64::MIN);
    let before = call.number("startedBefore").unwrap_or(i64::MAX);
    let mut on_issue: Vec<&Worklog> = state
        .by_issue
        .get(&issue_id)
        .into_iter()
        .flatten()
        .filter_map(|id| state.worklogs.get(id))
        .filter(|worklog| {
            worklog.started >= after && worklog.started < before && call.passes(&state, worklog)
        })
        .collect();
    on_issue.sort_by_key(|worklog| (worklog.created, worklog.id));
    let start = usize::try_from(call.number("startAt").unwrap_or(0)).unwrap_or(0);
    let most = usize::try_from(call.number("maxResults").unwrap_or(5000)).unwrap_or(5000);
    let page: Vec<Value> =
        on_issue.iter().skip(start).take(most).map(|worklog| view(call, &state, worklog)).collect();
    Answer::ok(json!({ "startAt": start, "maxResults": most, "total": on_issue.len(), "worklogs": page }))
}

pub(super) fn one(call: &Call<'_>, issue: &str, id: &str) -> Answer {
    let state = call.site.state();
    match found(call, &state, issue, id) {
        Ok(worklog) => Answer::ok(view(call, &state, &worklog)),
        Err(answer) => answer,
    }
}

/// Fields of a body, checked as Jira does.
fn fields(call: &Call<'_>, state: &State, worklog: &mut Worklog, creating: bool) -> Result<(), Answer> {
    let body = &call.body;
    if !body.is_object() {
        return Err(Answer::error(400, "Worklog must not be null."));
    }
    match (body.get("timeSpent"), body.get("timeSpentSeconds").and_then(Value::as_i64)) {
        (Some(_), Some(_)) => {
            return Err(Answer::error(400, "Only one of timeSpent and timeSpentSeconds can be set."));
        }
        (None, Some(seconds)) if seconds >= 60 => worklog.seconds = seconds,
        (None, None) if !creating => {}
        _ => return Err(Answer::field_error("timeLogged", "You must indicate the time spent working.")),
    }
    if let Some(started) = body.get("started") {
        let text = started.as_str().unwrap_or_default();
        worklog.started = views::read_instant(text).ok_or_else(|| {
            Answer::error(400, &format!("Invalid date format. Please enter the date in the format: {text}"))
        })?;
    }
    if let Some(comment) = body.get("comment") {
        if comment.get("type").and_then(Value::as_str) != Some("doc") {
            return Err(Answer::field_error("comment", "Comment body is not valid!"));
        }
        let is_empty = comment.get("content").and_then(Value::as_array).is_some_and(Vec::is_empty);
        worklog.comment = (!is_empty).then(|| comment.clone());
    }
    if state.takes_properties {
        for property in body.get("properties").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(key), Some(value)) =
                (property.get("key").and_then(Value::as_str), property.get("value"))
            {
                worklog.properties.insert(key.to_owned(), value.clone());
            }
        }
    }
    Ok(())
}

/// What happens to the remaining estimate.
fn estimate(call: &Call<'_>, manual: &str) -> Result<(), Answer> {
    let valid =
        |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(['w', 'd', 'h', 'm']);
    match call.text("adjustEstimate").unwrap_or("auto") {
        "auto" | "leave" => Ok(()),
        "new" if call.text("newEstimate").is_some_and(valid) => Ok(()),
        "new" => Err(Answer::field_error("newEstimate", "You must supply a valid new estimate.")),
        "manual" if call.text(manual).is_some_and(valid) => Ok(()),
        "manual" => Err(Answer::field_error(
            "adjustmentAmount",
            "You must supply a valid amount of time to adjust by.",
        )),
        _ => Err(Answer::error(400, "Invalid adjustEstimate.")),
    }
}

fn person<'a>(call: &'a Call<'_>) -> &'a str {
    match &call.caller {
        Caller::App => "app",
        Caller::Person(account) => account,
    }
}

pub(super) fn create(call: &Call<'_>, issue: &str) -> Answer {
    let mut state = call.site.state();
    match try_create(call, &mut state, issue) {
        Ok(worklog) => {
            let body = view(call, &state, &worklog);
            call.site.save(&mut state, worklog, "worklog_created");
            Answer { status: 201, body: Some(body) }
        }
        Err(answer) => answer,
    }
}

fn try_create(call: &Call<'_>, state: &mut State, issue: &str) -> Result<Worklog, Answer> {
    let issue_id = open_issue(call, state, issue)?;
    let author = person(call).to_owned();
    if !state.users.get(&author).is_some_and(|user| user.may_work) {
        return Err(Answer::error(
            400,
            "You do not have the permission to associate a worklog to this issue.",
        ));
    }
    if state.locked.contains(&issue_id) {
        return Err(Answer::error(400, LOCKED));
    }
    if state.by_issue.get(&issue_id).is_some_and(|on_issue| on_issue.len() >= state.most_per_issue) {
        return Err(Answer::error(413, "The per-issue limit for worklogs has been reached."));
    }
    let now = call.site.clock.now_ms();
    let mut worklog = Worklog {
        id: 0,
        issue_id,
        author,
        comment: None,
        created: now,
        updated: now,
        started: now,
        seconds: 0,
        restriction: None,
        properties: BTreeMap::new(),
    };
    fields(call, state, &mut worklog, true)?;
    estimate(call, "reduceBy")?;
    worklog.id = state.next_id();
    Ok(worklog)
}

fn may_change(call: &Call<'_>, state: &State, worklog: &Worklog) -> Result<(), Answer> {
    let account = person(call);
    if state.locked.contains(&worklog.issue_id) {
        return Err(Answer::error(400, LOCKED));
    }
    let all = state.users.get(account).is_some_and(|user| user.admin);
    if worklog.author == account || all {
        Ok(())
    } else {
        Err(Answer::error(400, "You do not have permission to edit this worklog."))
    }
}

pub(super) fn edit(call: &Call<'_>, issue: &str, id: &str) -> Answer {
    let mut state = call.site.state();
    let result = found(call, &state, issue, id).and_then(|mut worklog| {
        may_change(call, &state, &worklog)?;
        fields(call, &state, &mut worklog, false)?;
        estimate(call, "")?;
        worklog.updated = call.site.clock.now_ms().max(worklog.updated + 1);
        Ok(worklog)
    });
    match result {
        Ok(worklog) => {
            let body = view(call, &state, &worklog);
            call.site.save(&mut state, worklog, "worklog_updated");
            Answer::ok(body)
        }
        Err(answer) => answer,
    }
}

pub(super) fn delete(call: &Call<'_>, issue: &str, id: &str) -> Answer {
    let mut state = call.site.state();
    let result = found(call, &state, issue, id).and_then(|worklog| {
        may_change(call, &state, &worklog)?;
        estimate(call, "increaseBy")?;
        Ok(worklog.id)
    });
    match result {
        Ok(id) => {
            let now = call.site.clock.now_ms();
            call.site.remove(&mut state, id, now);
            Answer::empty(204)
        }
        Err(answer) => answer,
    }
}

pub(super) fn put_property(call: &Call<'_>, issue: &str, id: &str, key: &str) -> Answer {
    let mut state = call.site.state();
    if call.body.is_null() || call.body.to_string().len() > 32_768 {
        return Answer::error(400, "The property value is not valid JSON or too long.");
    }
    let mut worklog = match found(call, &state, issue, id) {
        Ok(worklog) => worklog,
        Err(answer) => return answer,
    };
    if may_change(call, &state, &worklog).is_err() {
        return Answer::error(403, "You do not have permission to edit this worklog.");
    }
    let before = worklog.properties.insert(key.to_owned(), call.body.clone());
    state.put(worklog);
    Answer { status: if before.is_some() { 200 } else { 201 }, body: Some(json!({})) }
}
