//! Issues, permissions, people, settings, webhooks that failed.

use super::{Answer, Call, Caller, Door};
use crate::state::{Issue, State};
use crate::views;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Something of Jira's with an id made of its name.
fn named(base_url: &str, kind: &str, name: &str) -> Value {
    let id: u32 = name.bytes().fold(7, |id: u32, byte| id.wrapping_mul(31).wrapping_add(byte.into()));
    json!({ "self": format!("{base_url}/rest/api/3/{kind}/{id}"), "id": id.to_string(), "name": name })
}

fn fields(base_url: &str, state: &State, issue: &Issue, wanted: &[&str]) -> Value {
    let all = |kind: &str, names: &[String]| {
        names.iter().map(|name| named(base_url, kind, name)).collect::<Value>()
    };
    let mut fields = json!({});
    for field in wanted {
        fields[*field] = match *field {
            "summary" => json!(issue.summary),
            "project" => {
                let key = state.projects.get(&issue.project_id).map(|project| project.key.clone());
                let name = key.as_ref().map(|key| format!("Project {key}"));
                json!({ "id": issue.project_id.to_string(), "key": key, "name": name })
            }
            "parent" => {
                let Some(parent) = issue.parent.and_then(|id| state.issues.get(&id)) else { continue };
                json!({ "id": parent.id.to_string(), "key": parent.key, "fields": { "summary": parent.summary } })
            }
            "issuetype" => named(base_url, "issuetype", &issue.issue_type),
            "status" => named(base_url, "status", &issue.status),
            "components" => all("component", &issue.components),
            "fixVersions" => all("version", &issue.fix_versions),
            "labels" => json!(issue.labels),
            _ => continue,
        };
    }
    fields
}

pub(super) fn bulk_fetch(call: &Call<'_>) -> Answer {
    let asked: HashSet<&str> = list(&call.body, "issueIdsOrKeys").filter_map(Value::as_str).collect();
    let state = call.site.state();
    if asked.is_empty() || asked.len() > state.bulk_max {
        return Answer::error(400, &format!("There must be 1 to {} issues.", state.bulk_max));
    }
    let wanted: Vec<&str> = list(&call.body, "fields").filter_map(Value::as_str).collect();
    let ids = asked.iter().filter_map(|id| id.parse::<i64>().ok()).collect::<BTreeSet<i64>>();
    let issues: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.issues.get(id))
        .filter(|issue| call.may_browse(&state, issue.id))
        .map(|issue| {
            let base = &call.site.base_url;
            json!({ "id": issue.id.to_string(), "key": issue.key, "self": format!("{base}/rest/api/3/issue/{}", issue.id), "fields": fields(base, &state, issue, &wanted) })
        })
        .collect();
    Answer::ok(json!({ "issues": issues, "issueErrors": [] }))
}

/// One issue; of its fields only what its time is about.
pub(super) fn issue(call: &Call<'_>, id: &str) -> Answer {
    let state = call.site.state();
    let id = id.parse().unwrap_or(0);
    let Some(issue) = state.issues.get(&id).filter(|_| call.may_browse(&state, id)) else {
        return Answer::error(404, "Issue does not exist or you do not have permission to see it.");
    };
    let on_it = state.by_issue.get(&id).into_iter().flatten();
    let spent: i64 = on_it.filter_map(|id| state.worklogs.get(id)).map(|worklog| worklog.seconds).sum();
    let mut times = json!({ "timeSpentSeconds": spent });
    if issue.original > 0 {
        times["originalEstimateSeconds"] = json!(issue.original);
        times["remainingEstimateSeconds"] = json!(issue.remaining);
    }
    Answer::ok(json!({ "id": id.to_string(), "key": issue.key, "fields": { "timetracking": times } }))
}

/// Groups by a part of their name.
pub(super) fn group_picker(call: &Call<'_>) -> Answer {
    let state = call.site.state();
    let query = call.text("query").unwrap_or_default().to_lowercase();
    let all: BTreeSet<&String> = state.users.values().flat_map(|user| &user.groups).collect();
    let named = all.iter().map(|id| (id, format!("name of {id}")));
    let groups: Vec<Value> = named
        .filter(|(_, name)| name.contains(&query))
        .map(|(id, name)| json!({ "name": name, "groupId": id, "html": name, "labels": [] }))
        .collect();
    Answer::ok(json!({ "header": "Showing groups", "total": groups.len(), "groups": groups }))
}

/// A person's groups.
pub(super) fn groups(call: &Call<'_>) -> Answer {
    let state = call.site.state();
    let Some(user) = call.text("accountId").and_then(|account| state.users.get(account)) else {
        return Answer::error(404, "The user does not exist or you do not have permission to view it.");
    };
    let mut groups: Vec<&String> = user.groups.iter().collect();
    groups.sort();
    Answer::ok(groups.iter().map(|id| json!({ "name": format!("name of {id}"), "groupId": id })).collect())
}

/// Understands `project = KEY`, `labels = x`, `issuetype = x` and `timespent > 0`, joined by AND, and an order.
pub(super) fn search(call: &Call<'_>) -> Answer {
    let jql = call.body.get("jql").and_then(Value::as_str).unwrap_or_default();
    let conditions = jql.split("ORDER BY").next().unwrap_or_default().trim();
    if conditions.is_empty() {
        return Answer::error(
            400,
            "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.",
        );
    }
    let conditions: Vec<Vec<&str>> =
        conditions.split(" AND ").map(|condition| condition.split_whitespace().collect()).collect();
    let state = call.site.state();
    let holds = |issue: &Issue, condition: &[&str]| match condition {
        ["project", "=", key] => Some(issue.key.starts_with(&format!("{key}-"))),
        ["labels", "=", label] => Some(issue.labels.iter().any(|known| known == label)),
        ["issuetype", "=", name] => Some(issue.issue_type == *name),
        ["timespent", ">", "0"] => Some(state.by_issue.get(&issue.id).is_some_and(|all| !all.is_empty())),
        _ => None,
    };
    if conditions.iter().any(|condition| holds(&Issue::default(), condition).is_none()) {
        return Answer::error(400, "Error in the JQL Query: a field is not known.");
    }
    let most = usize::try_from(call.body.get("maxResults").and_then(Value::as_i64).unwrap_or(50))
        .unwrap_or(50)
        .min(5000);
    let from: i64 = call
        .body
        .get("nextPageToken")
        .and_then(Value::as_str)
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    let mut hits = state.issues.values().filter(|issue| {
        let meets = |condition: &Vec<&str>| holds(issue, condition) == Some(true);
        issue.id > from && conditions.iter().all(meets) && call.may_browse(&state, issue.id)
    });
    let page: Vec<_> = hits.by_ref().take(most).collect();
    let more = hits.next().is_some();
    let mut body = json!({ "isLast": !more, "issues": page.iter().map(|issue| json!({ "id": issue.id.to_string() })).collect::<Vec<_>>() });
    if more && let Some(last) = page.last() {
        body["nextPageToken"] = json!(last.id.to_string());
    }
    Answer::ok(body)
}

pub(super) fn check_permissions(call: &Call<'_>) -> Answer {
    let state = call.site.state();
    if call.is_app_of_forge() && !state.habits.app_may_check {
        return Answer::error(403, "The app may not ask what other people may do.");
    }
    let own = match &call.caller {
        Caller::App => "",
        Caller::Person(account) => account,
    };
    let account = call.body.get("accountId").and_then(Value::as_str).unwrap_or(own);
    let admin = state.users.get(account).is_some_and(|user| user.active && user.admin);
    let global: Vec<&str> = list(&call.body, "globalPermissions")
        .filter_map(Value::as_str)
        .filter(|permission| admin && *permission == "ADMINISTER")
        .collect();
    let mut grants = Vec::new();
    for asked in list(&call.body, "projectPermissions") {
        if list(asked, "issues").count() > 1000 {
            return Answer::error(400, "At most 1000 issues can be checked.");
        }
        for permission in list(asked, "permissions").filter_map(Value::as_str) {
            let may_work = state.users.get(account).is_some_and(|user| user.may_work);
            let issues: Vec<i64> = list(asked, "issues")
                .filter_map(Value::as_i64)
                .filter(|id| state.may_browse(account, *id))
                .filter(|_| match permission {
                    "BROWSE_PROJECTS" => true,
                    "EDIT_ALL_WORKLOGS" | "DELETE_ALL_WORKLOGS" => admin,
                    _ => may_work,
                })
                .collect();
            grants.push(json!({ "permission": permission, "issues": issues, "projects": [] }));
        }
    }
    Answer::ok(json!({ "globalPermissions": global, "projectPermissions": grants }))
}

pub(super) fn my_permissions(call: &Call<'_>) -> Answer {
    const KNOWN: [&str; 7] = [
        "ADMINISTER",
        "BROWSE_PROJECTS",
        "WORK_ON_ISSUES",
        "EDIT_OWN_WORKLOGS",
        "EDIT_ALL_WORKLOGS",
        "DELETE_OWN_WORKLOGS",
        "DELETE_ALL_WORKLOGS",
    ];
    let Some(asked) = call.text("permissions") else {
        return Answer::error(400, "The 'permissions' query parameter is required.");
    };
    let state = call.site.state();
    let user = match &call.caller {
        Caller::App => None,
        Caller::Person(account) => state.users.get(account),
    };
    let mut permissions = json!({});
    for key in asked.split(',') {
        if !KNOWN.contains(&key) {
            return Answer::error(400, "Unrecognized permission keys.");
        }
        let have = match key {
            "ADMINISTER" | "EDIT_ALL_WORKLOGS" | "DELETE_ALL_WORKLOGS" => user.is_some_and(|user| user.admin),
            "WORK_ON_ISSUES" | "EDIT_OWN_WORKLOGS" | "DELETE_OWN_WORKLOGS" => {
                user.is_some_and(|user| user.may_work)
            }
            _ => user.is_some(),
        };
        permissions[key] = json!({ "key": key, "name": key, "havePermission": have });
    }
    Answer::ok(json!({ "permissions": permissions }))
}

pub(super) fn users(call: &Call<'_>) -> Answer {
    let state = call.site.state();
    let most = usize::try_from(call.number("maxResults").unwrap_or(10)).unwrap_or(10);
    let values: Vec<Value> = call
        .all("accountId")
        .filter_map(|account| state.users.get(account))
        .take(most)
        .map(|user| views::user(&call.site.base_url, user))
        .collect();
    Answer::ok(
        json!({ "self": format!("{}/rest/api/3/user/bulk", call.site.base_url), "startAt": 0, "maxResults": most, "total": values.len(), "isLast": true, "values": values }),
    )
}

/// The fields that the caller may edit: none where the status of the issue does not allow it.
pub(super) fn edit_meta(call: &Call<'_>, issue: &str) -> Answer {
    let state = call.site.state();
    let id = issue.parse().unwrap_or(0);
    if !call.may_browse(&state, id) {
        return Answer::error(404, "Issue does not exist or you do not have permission to see it.");
    }
    let fields = if state.locked.contains(&id) {
        json!({})
    } else {
        json!({ "summary": { "required": true,
        "schema": { "type": "string", "system": "summary" }, "name": "Summary", "key": "summary", "operations": ["set"] } })
    };
    Answer::ok(json!({ "fields": fields }))
}

pub(super) fn server_info(call: &Call<'_>) -> Answer {
    Answer::ok(
        json!({ "baseUrl": call.site.base_url, "serverTime": views::instant(call.site.clock.now_ms()) }),
    )
}

/// What Connect knows of the app itself.
pub(super) fn addon(call: &Call<'_>) -> Answer {
    if call.door == Door::Gateway {
        return Answer::error(403, "Only Connect apps have this.");
    }
    let state = call.site.state();
    let mut body = json!({ "state": "ENABLED", "version": "1" });
    if let Some(active) = state.licence {
        body["license"] = json!({ "active": active, "type": "COMMERCIAL", "evaluation": false });
    }
    Answer::ok(body)
}

pub(super) fn configuration(call: &Call<'_>) -> Answer {
    let state = call.site.state();
    Answer::ok(json!({
        "votingEnabled": true, "watchingEnabled": true, "unassignedIssuesAllowed": true, "subTasksEnabled": true,
        "issueLinkingEnabled": true, "attachmentsEnabled": true, "timeTrackingEnabled": state.time_tracking,
        "timeTrackingConfiguration": {
            "workingHoursPerDay": state.hours_per_day, "workingDaysPerWeek": state.days_per_week,
            "timeFormat": "pretty", "defaultUnit": state.default_unit,
        },
    }))
}

pub(super) fn failed_webhooks(call: &Call<'_>) -> Answer {
    if call.door == Door::Gateway {
        return Answer::error(403, "Only Connect apps have this list.");
    }
    if call.caller != Caller::App {
        return Answer::error(403, "Only for apps.");
    }
    let state = call.site.state();
    let after = call.number("after").unwrap_or(0);
    let most = usize::try_from(call.number("maxResults").unwrap_or(100)).unwrap_or(100);
    let values: Vec<Value> = state
        .failed
        .iter()
        .filter(|failed| failed.failure_time > after)
        .take(most)
        .map(|failed| json!({ "id": failed.id, "body": failed.body, "url": failed.url, "failureTime": failed.failure_time }))
        .collect();
    Answer::ok(json!({ "values": values, "maxResults": most }))
}
