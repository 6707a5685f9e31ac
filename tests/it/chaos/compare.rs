//! The rows of the copy against the worklogs of the site, field by field.

use hourbook::app::App;
use hourbook::worklogs::adf;
use hourbook_simulator::site::Site;
use hourbook_simulator::views;
use hourbook_store::tenant::worklogs::{self, Visibility};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What both sides say of a worklog.
type Said = (i64, String, i64, i64, i64, Option<String>, Vec<i64>, Option<String>);

/// What people would be shown.
pub async fn ours(app: &App, site: &Site) -> Result<BTreeMap<i64, Said>, String> {
    let tenant = app.tenants.by_client_key(&site.client_key()).await.map_err(|error| error.to_string())?;
    let tenant = tenant.ok_or("not installed")?;
    let db = app.db(&tenant).await.map_err(|error| error.to_string())?;
    let rows = db.read(|db| {
        let ids = worklogs::walk(db, 0, 1_000_000)?;
        worklogs::by_ids(db, &ids)
    });
    let rows = rows.await.map_err(|error| error.to_string())?;
    let waiting = rows.iter().filter(|row| row.read_after.is_some()).count();
    if waiting > 0 {
        return Err(format!("{waiting} wait to be read"));
    }
    let said = |row: worklogs::Worklog| {
        let comment = row
            .comment
            .as_ref()
            .map(|text| adf::to_text(&serde_json::from_str(text.expose()).expect("a comment is JSON")));
        let visibility = match row.visibility {
            Visibility::Everyone => None,
            Visibility::Group(id) => Some(format!("group {id}")),
            Visibility::Role(id) => Some(format!("role {id}")),
            Visibility::Unknown => Some("unknown".into()),
        };
        (row.issue_id, row.account_id, row.seconds, row.started, row.updated, comment, row.tags, visibility)
    };
    Ok(rows.into_iter().filter(|row| row.unreadable_since.is_none()).map(|row| (row.id, said(row))).collect())
}

/// What Jira has.
pub fn theirs(site: &Site) -> BTreeMap<i64, Said> {
    let state = site.state();
    let said = |worklog: &hourbook_simulator::state::Worklog| {
        let property = worklog.properties.get("hourbook");
        let listed = property.and_then(|property| property["tags"].as_array()).cloned().unwrap_or_default();
        let mut tags: Vec<i64> = listed.iter().filter_map(|tag| tag["id"].as_str()?.parse().ok()).collect();
        tags.sort_unstable();
        let restriction = worklog.restriction.as_ref();
        (
            worklog.issue_id,
            worklog.author.clone(),
            worklog.seconds,
            worklog.started,
            worklog.updated,
            worklog.comment.as_ref().map(views::text),
            tags,
            restriction.map(|restriction| format!("{} {}", restriction.kind, restriction.identifier)),
        )
    };
    state.worklogs.values().map(|worklog| (worklog.id, said(worklog))).collect()
}

/// Says where they differ.
pub async fn difference(app: &Arc<App>, site: &Site) -> Result<(), String> {
    let (ours, theirs) = (ours(app, site).await?, theirs(site));
    let mut differing = Vec::new();
    for id in ours.keys().chain(theirs.keys()) {
        if ours.get(id) != theirs.get(id) {
            differing.push(format!("{id}\n  here {:?}\n  Jira {:?}", ours.get(id), theirs.get(id)));
        }
    }
    differing.dedup();
    if differing.is_empty() {
        return Ok(());
    }
    differing.truncate(4);
    Err(format!("{} here, {} in Jira\n{}", ours.len(), theirs.len(), differing.join("\n")))
}
