//! The copy against Jira, both as an admin sees them through their APIs.

use super::{ANA, World};
use hourbook_simulator::site::Site;
use hourbook_simulator::state::Worklog;
use hourbook_simulator::views;
use serde_json::{Value, json};

/// All worklogs of the copy that an admin sees.
pub async fn ours(world: &World, site: &Site) -> Result<Vec<Value>, String> {
    let client = world.on(site, ANA);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/api/v1/worklogs?limit=1000{cursor}")).await;
        if page.status != 200 {
            return Err(format!("{} {}", page.status, page.text));
        }
        found.extend(page.json["items"].as_array().expect("items").iter().cloned());
        match page.json["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

/// The same of Jira, in our form.
pub fn theirs(site: &Site) -> Vec<Value> {
    let state = site.state();
    // One's own time is one's own, whoever may see the worklog otherwise.
    let seen = |worklog: &&Worklog| worklog.author == ANA || state.passes(ANA, worklog);
    let mut all: Vec<_> = state.worklogs.values().filter(seen).collect();
    all.sort_by_key(|worklog| (worklog.started, worklog.id));
    let time = hourbook::jira::time::rfc3339;
    all.into_iter()
        .map(|worklog| {
            let mut tags: Vec<i64> = worklog
                .properties
                .get("hourbook")
                .into_iter()
                .flat_map(|property| property["tags"].as_array().cloned().unwrap_or_default())
                .filter_map(|tag| tag["id"].as_str()?.parse().ok())
                .collect();
            tags.sort_unstable();
            json!({
                "id": worklog.id.to_string(),
                "issueId": worklog.issue_id.to_string(),
                "accountId": worklog.author,
                "started": time(worklog.started),
                "created": time(worklog.created),
                "updated": time(worklog.updated),
                "timeSpentSeconds": worklog.seconds,
                "comment": worklog.comment.as_ref().map(views::text),
                "tags": tags.iter().map(i64::to_string).collect::<Vec<_>>(),
                "restricted": worklog.restriction.is_some(),
            })
        })
        .collect()
}

/// Says where they differ.
pub async fn difference(world: &World, site: &Site) -> Result<(), String> {
    let (ours, theirs) = (ours(world, site).await?, theirs(site));
    if ours == theirs {
        return Ok(());
    }
    let only = |left: &[Value], right: &[Value]| {
        let missing: Vec<String> =
            left.iter().filter(|one| !right.contains(one)).take(3).map(Value::to_string).collect();
        missing.join("\n  ")
    };
    Err(format!(
        "{} here, {} in Jira\nonly here:\n  {}\nonly in Jira:\n  {}",
        ours.len(),
        theirs.len(),
        only(&ours, &theirs),
        only(&theirs, &ours)
    ))
}
