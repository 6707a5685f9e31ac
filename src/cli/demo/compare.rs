//! The copy against Jira, worklog by worklog.

use anyhow::ensure;
use hourbook_simulator::seed;
use hourbook_simulator::site::Site;
use hourbook_simulator::views;
use serde_json::Value;
use std::collections::BTreeMap;

/// What has to be equal: issue, author, start, seconds, comment, tags.
type Facts = (String, String, String, i64, Option<String>, Vec<String>);

/// How many worklogs there are, and how many differ.
pub struct Difference {
    /// Worklogs in Jira.
    pub jira: usize,
    /// Worklogs in the copy.
    pub copy: usize,
    /// Worklogs that are in one only, or not equal.
    pub differing: usize,
}

/// Compares everything, read through the API as the site's admin.
pub async fn compare(site: &Site) -> anyhow::Result<Difference> {
    let copy = read_copy(site).await?;
    let jira = read_jira(site);
    let missing = jira.iter().filter(|(id, facts)| copy.get(*id) != Some(*facts)).count();
    let extra = copy.keys().filter(|id| !jira.contains_key(*id)).count();
    Ok(Difference { jira: jira.len(), copy: copy.len(), differing: missing + extra })
}

async fn read_copy(site: &Site) -> anyhow::Result<BTreeMap<String, Facts>> {
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let path = format!("/api/v1/worklogs?limit=1000{cursor}");
        let (status, page) = site.page_calls(&seed::account(0), "GET", &path, None, None).await;
        ensure!(status == 200, "the list was answered {status}: {page}");
        for item in page["items"].as_array().into_iter().flatten() {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            let tags = item["tags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let seconds = item["timeSpentSeconds"].as_i64().unwrap_or_default();
            let comment = item["comment"].as_str().map(str::to_owned);
            all.insert(
                text("id"),
                (text("issueId"), text("accountId"), text("started"), seconds, comment, tags),
            );
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

fn read_jira(site: &Site) -> BTreeMap<String, Facts> {
    let state = site.state();
    state
        .worklogs
        .values()
        .map(|worklog| {
            let carried =
                worklog.properties.get("hourbook").and_then(|property| property["tags"].as_array().cloned());
            let tags = carried
                .into_iter()
                .flatten()
                .filter_map(|tag| tag["id"].as_str().map(str::to_owned))
                .collect();
            let facts = (
                worklog.issue_id.to_string(),
                worklog.author.clone(),
                crate::jira::time::rfc3339(worklog.started),
                worklog.seconds,
                worklog.comment.as_ref().map(views::text),
                tags,
            );
            (worklog.id.to_string(), facts)
        })
        .collect()
}
