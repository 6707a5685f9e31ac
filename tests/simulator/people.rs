//! What people and other apps do in Jira itself, with the events that follow.

use crate::site::Site;
use crate::state::{Issue, Project, Restriction, State, User, Worklog};
use crate::views;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// A worklog to log.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// When it was started, ms; now if zero.
    pub started: i64,
    /// Time spent.
    pub seconds: i64,
    /// The comment.
    pub comment: Option<Value>,
    /// Who else may see it.
    pub restriction: Option<Restriction>,
    /// Properties.
    pub properties: BTreeMap<String, Value>,
}

impl Work {
    /// Some time with a comment.
    pub fn of(seconds: i64, comment: &str) -> Self {
        Self { seconds, comment: Some(views::document(comment)), ..Self::default() }
    }
}

impl Site {
    /// Adds a person.
    pub fn add_user(&self, account_id: &str, display_name: &str, admin: bool) {
        let user = User {
            account_id: account_id.to_owned(),
            display_name: display_name.to_owned(),
            active: true,
            admin,
            may_work: true,
            groups: HashSet::new(),
            time_zone: Some("Europe/Berlin".into()),
        };
        self.state().users.insert(account_id.to_owned(), user);
    }

    /// Adds a project; returns its id.
    pub fn add_project(&self, key: &str) -> i64 {
        let mut state = self.state();
        let id = state.next_id();
        state.projects.insert(id, Project { id, key: key.to_owned(), deleted: false });
        id
    }

    /// Adds an issue; returns its id.
    pub fn add_issue(&self, project_id: i64, summary: &str) -> i64 {
        let mut state = self.state();
        let id = state.next_id();
        let key = state.projects.get(&project_id).map(|project| project.key.clone()).unwrap_or_default();
        let number = state.issues.values().filter(|issue| issue.project_id == project_id).count() + 1;
        let issue = Issue {
            id,
            key: format!("{key}-{number}"),
            project_id,
            summary: summary.to_owned(),
            issue_type: "Task".into(),
            status: "To Do".into(),
            ..Issue::default()
        };
        state.issues.insert(id, issue);
        id
    }

    /// Hides an issue from a person.
    pub fn hide_issue(&self, issue_id: i64, account_id: &str) {
        if let Some(issue) = self.state().issues.get_mut(&issue_id) {
            issue.hidden_from.insert(account_id.to_owned());
        }
    }

    /// Somebody logs work in Jira; returns the worklog's id.
    pub fn log_work(&self, account_id: &str, issue_id: i64, work: Work) -> i64 {
        let now = self.clock.now_ms();
        let mut state = self.state();
        let id = state.next_id();
        let worklog = Worklog {
            id,
            issue_id,
            author: account_id.to_owned(),
            comment: work.comment,
            created: now,
            updated: now,
            started: if work.started == 0 { now } else { work.started },
            seconds: work.seconds,
            restriction: work.restriction,
            properties: work.properties,
        };
        self.save(&mut state, worklog, "worklog_created");
        id
    }

    /// Saves a worklog and tells the app.
    pub(crate) fn save(&self, state: &mut State, worklog: Worklog, event: &str) {
        let id = worklog.id;
        state.put(worklog);
        if let Some(worklog) = state.worklogs.get(&id) {
            let body = json!({ "worklog": views::worklog(&self.base_url, state, worklog, false, true) });
            self.emit(state, event, body);
        }
    }

    /// Somebody changes a worklog in Jira.
    pub fn change_work(&self, id: i64, change: impl FnOnce(&mut Worklog)) {
        let now = self.clock.now_ms();
        let mut state = self.state();
        let Some(mut worklog) = state.worklogs.get(&id).cloned() else { return };
        change(&mut worklog);
        worklog.updated = now.max(worklog.updated + 1);
        self.save(&mut state, worklog, "worklog_updated");
    }

    /// Somebody deletes a worklog in Jira.
    pub fn delete_work(&self, id: i64) {
        let now = self.clock.now_ms();
        let mut state = self.state();
        self.remove(&mut state, id, now);
    }

    pub(crate) fn remove(&self, state: &mut State, id: i64, now: i64) {
        if let Some(worklog) = state.take(id, now, true) {
            let body = json!({ "worklog": views::worklog(&self.base_url, state, &worklog, false, true) });
            self.emit(state, "worklog_deleted", body);
        }
    }

    /// Somebody moves worklogs to another issue in bulk: no event, and `updated` stays unless `touched`.
    pub fn move_work(&self, ids: &[i64], issue_id: i64, touched: bool) {
        let now = self.clock.now_ms();
        let mut state = self.state();
        for id in ids {
            let Some(mut worklog) = state.worklogs.get(id).cloned() else { continue };
            worklog.issue_id = issue_id;
            if touched {
                worklog.updated = now.max(worklog.updated + 1);
            }
            state.put(worklog);
        }
    }

    /// An org admin deletes an account: its worklogs stay, and name nobody from then on.
    pub fn delete_user(&self, account_id: &str) {
        let mut state = self.state();
        state.users.remove(account_id);
        self.emit(&mut state, "user_deleted", json!({ "user": { "accountId": account_id } }));
    }

    /// An admin takes the app's access to issues away.
    pub fn block_app(&self, issue_ids: &[i64]) {
        let mut state = self.state();
        state.app_blocked.extend(issue_ids);
        let issues: Vec<Value> = issue_ids.iter().map(|id| json!({ "id": id.to_string() })).collect();
        self.emit(&mut state, "app_access_to_objects_blocked", json!({ "issues": issues }));
    }

    /// Somebody deletes an issue; its worklogs go without events of their own.
    pub fn delete_issue(&self, issue_id: i64) {
        let now = self.clock.now_ms();
        let mut state = self.state();
        let Some(issue) = state.issues.remove(&issue_id) else { return };
        let fed = state.feed_names_cascades;
        for id in state.by_issue.remove(&issue_id).unwrap_or_default() {
            state.take(id, now, fed);
        }
        let body = json!({ "issue": issue_view(&issue) });
        self.emit(&mut state, "jira:issue_deleted", body);
    }

    /// Somebody moves an issue to another project: its id stays, its key changes.
    pub fn move_issue(&self, issue_id: i64, project_id: i64) {
        let mut state = self.state();
        let key = state.projects.get(&project_id).map(|project| project.key.clone()).unwrap_or_default();
        let Some(issue) = state.issues.get_mut(&issue_id) else { return };
        issue.project_id = project_id;
        issue.key = format!("{key}-{issue_id}");
        let body = json!({
            "issue": issue_view(issue),
            "changelog": { "id": "1", "items": [{ "field": "project" }, { "field": "Key" }] },
        });
        self.emit(&mut state, "jira:issue_updated", body);
    }

    /// Somebody changes a field of an issue that the copy does not have.
    pub fn rename_issue(&self, issue_id: i64, summary: &str) {
        self.change_issue(issue_id, |issue| issue.summary = summary.to_owned());
    }

    /// Somebody changes fields of an issue, or who may see it.
    pub fn change_issue(&self, issue_id: i64, change: impl FnOnce(&mut Issue)) {
        let mut state = self.state();
        let Some(issue) = state.issues.get_mut(&issue_id) else { return };
        change(issue);
        let body = json!({ "issue": issue_view(issue), "changelog": { "id": "1", "items": [{ "field": "summary" }] } });
        self.emit(&mut state, "jira:issue_updated", body);
    }

    /// Somebody puts a project in the bin: issues and worklogs go without events of their own.
    pub fn delete_project(&self, project_id: i64) {
        let now = self.clock.now_ms();
        let mut state = self.state();
        let issues: Vec<i64> = state
            .issues
            .values()
            .filter(|issue| issue.project_id == project_id)
            .map(|issue| issue.id)
            .collect();
        for issue_id in issues {
            if let Some(issue) = state.issues.remove(&issue_id) {
                state.binned_issues.insert(issue_id, issue);
            }
            for id in state.by_issue.remove(&issue_id).unwrap_or_default() {
                if let Some(worklog) = state.take(id, now, false) {
                    state.binned.insert(id, worklog);
                }
            }
        }
        if let Some(project) = state.projects.get_mut(&project_id) {
            project.deleted = true;
        }
        self.emit(&mut state, "project_soft_deleted", json!({ "project": { "id": project_id } }));
    }

    /// Somebody takes a project out of the bin.
    pub fn restore_project(&self, project_id: i64) {
        let mut state = self.state();
        if let Some(project) = state.projects.get_mut(&project_id) {
            project.deleted = false;
        }
        let issues: Vec<i64> = state
            .binned_issues
            .values()
            .filter(|issue| issue.project_id == project_id)
            .map(|issue| issue.id)
            .collect();
        for issue_id in &issues {
            if let Some(issue) = state.binned_issues.remove(issue_id) {
                state.issues.insert(*issue_id, issue);
            }
        }
        let back: Vec<i64> = state
            .binned
            .values()
            .filter(|worklog| issues.contains(&worklog.issue_id))
            .map(|worklog| worklog.id)
            .collect();
        for id in back {
            if let Some(worklog) = state.binned.remove(&id) {
                state.put(worklog);
            }
        }
        self.emit(&mut state, "project_restored_deleted", json!({ "project": { "id": project_id } }));
    }

    /// An admin changes how time is counted.
    pub fn set_time_tracking(&self, enabled: bool, hours_per_day: f64, days_per_week: f64) {
        let mut state = self.state();
        (state.time_tracking, state.hours_per_day, state.days_per_week) =
            (enabled, hours_per_day, days_per_week);
        self.emit(&mut state, "option_timetracking_changed", json!({ "property": {} }));
    }

    /// An event that has no other way in.
    pub fn emit_event(&self, event: &str, body: Value) {
        let mut state = self.state();
        self.emit(&mut state, event, body);
    }
}

fn issue_view(issue: &Issue) -> Value {
    json!({ "id": issue.id.to_string(), "key": issue.key,
        "fields": { "summary": issue.summary, "project": { "id": issue.project_id.to_string() } } })
}
