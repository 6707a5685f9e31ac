//! Who sees what: every combination of viewer, author, issue, visibility and setting, against a rule of two lines.

use super::{march, table, work};
use crate::support::{ANA, BEN, CLEO, World};
use hourbook_simulator::people::Work;
use hourbook_simulator::state::Restriction;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

const LEADS: &str = "group-of-leads";
const AUDIT: &str = "group-of-auditors";

/// A worklog of the table.
#[derive(Debug, Clone, Copy)]
struct Case {
    author: &'static str,
    issue_hidden_from_ben: bool,
    restricted_to: Option<&'static str>,
    seconds: u64,
}

fn in_group(viewer: &str, group: &str) -> bool {
    matches!((viewer, group), (BEN, LEADS) | (CLEO, AUDIT))
}

/// Whether a viewer sees the issue; and whether they see a worklog.
fn browses(viewer: &str, case: Case) -> bool {
    viewer != BEN || !case.issue_hidden_from_ben
}

fn sees(viewer: &str, may_report: bool, case: Case) -> bool {
    let own = case.author == viewer;
    let restricted = case.restricted_to.is_some_and(|group| !in_group(viewer, group));
    own || (may_report && browses(viewer, case) && !restricted)
}

/// A world with a worklog for each case, by id.
async fn world_of_cases() -> (World, BTreeMap<String, Case>) {
    let world = World::installed().await;
    for (account, group) in [(BEN, LEADS), (CLEO, AUDIT)] {
        world.site.state().users.get_mut(account).unwrap().groups = HashSet::from([group.to_owned()]);
    }
    let mut cases = BTreeMap::new();
    let mut seconds: u32 = 1;
    for author in [ANA, BEN, CLEO] {
        for issue_hidden_from_ben in [false, true] {
            for restricted_to in [None, Some(LEADS), Some(AUDIT)] {
                let issue = if issue_hidden_from_ben { world.ids.secret_issue } else { world.ids.issue };
                let restriction = restricted_to.map(|group: &str| Restriction {
                    kind: "group".into(),
                    value: format!("canary {group}"),
                    identifier: group.to_owned(),
                });
                let work = Work {
                    restriction,
                    ..work(march(10, 9, 0) + i64::from(seconds.ilog2()) * 3_600_000 * 48, i64::from(seconds))
                };
                let id = world.site.log_work(author, issue, work);
                // Each sum names its parts.
                let case = Case { author, issue_hidden_from_ben, restricted_to, seconds: seconds.into() };
                cases.insert(id.to_string(), case);
                seconds *= 2;
            }
        }
    }
    world.settle(&world.site).await;
    (world, cases)
}

fn definition(of: Value) -> Value {
    let mut definition = of;
    definition["range"] = json!({ "first": "2026-03-01", "last": "2026-09-30" });
    definition["zone"] = json!("UTC");
    definition
}

async fn query(world: &World, viewer: &str, of: Value) -> Value {
    let reply =
        world.as_user(viewer).post("/api/v1/reports/query", &json!({ "definition": definition(of) })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json
}

/// What one sees of issues: all of one's worklogs, but of hidden issues not which.
fn expected(
    cases: &BTreeMap<String, Case>,
    viewer: &str,
    may_report: bool,
) -> BTreeMap<String, Option<bool>> {
    let seen = cases.iter().filter(|(_, case)| sees(viewer, may_report, **case));
    seen.map(|(id, case)| (id.clone(), Some(browses(viewer, *case)))).collect()
}

fn shown(details: &Value) -> BTreeMap<String, Option<bool>> {
    let lines = details["worklogs"].as_array().unwrap().iter();
    lines
        .map(|line| (line["worklogId"].as_str().unwrap().to_owned(), Some(line["issue"]["id"].is_string())))
        .collect()
}

fn sum(cases: &BTreeMap<String, Case>, ids: impl Iterator<Item = String>) -> u64 {
    ids.map(|id| cases[&id].seconds).sum()
}

#[tokio::test]
async fn everybody_counts_what_they_may_see_and_nothing_else() {
    let (world, cases) = world_of_cases().await;
    let settings = [
        (json!({ "reportRight": "admins" }), vec![ANA]),
        (json!({ "reportRight": "groups", "reportGroups": [LEADS] }), vec![ANA, BEN]),
        (json!({ "reportRight": "groups", "reportGroups": ["nobody", AUDIT] }), vec![ANA, CLEO]),
        (json!({ "reportRight": "everyone" }), vec![ANA, BEN, CLEO]),
    ];
    for (setting, reporters) in settings {
        let set = world.as_user(ANA).put("/api/v1/settings", &setting).await;
        assert_eq!(set.status, 200, "{}", set.text);
        world.advance(Duration::from_secs(61));
        for viewer in [ANA, BEN, CLEO] {
            let may_report = reporters.contains(&viewer);
            let told = format!("{setting} {viewer}");
            let expected = expected(&cases, viewer, may_report);
            let total = sum(&cases, expected.keys().cloned());

            let details = query(&world, viewer, json!({ "kind": "details" })).await;
            assert_eq!(shown(&details), expected, "{told}");
            assert_eq!(details["total"]["values"], json!([total]), "{told}");
            assert_eq!(details["stamp"]["narrowed"].is_string(), !may_report, "{told}");
            assert_eq!(details["stamp"]["worklogs"], expected.len(), "{told}");

            let rows = query(&world, viewer, json!({ "rows": ["issue", "user"], "columns": "month" })).await;
            assert_eq!(rows["total"]["values"], json!([total]), "{told}");
            let hidden = sum(
                &cases,
                expected.iter().filter(|(_, issue)| **issue == Some(false)).map(|(id, _)| id.clone()),
            );
            let hidden_rows: Vec<_> =
                table(&rows).into_iter().filter(|row| row.starts_with("1 hidden")).collect();
            let wanted = if hidden == 0 { vec![] } else { vec![format!("1 hidden [{hidden}]")] };
            assert_eq!(hidden_rows, wanted, "{told}");

            // What is picked from, exported and listed is the same.
            let picked = world
                .as_user(viewer)
                .post(
                    "/api/v1/reports/values",
                    &json!({ "range": { "first": "2026-03-01", "last": "2026-09-30" }, "dimension": "user" }),
                )
                .await
                .json;
            let people: BTreeSet<&str> = picked["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|value| value["id"].as_str().unwrap())
                .collect();
            assert_eq!(people, expected.keys().map(|id| cases[id].author).collect(), "{told}");
            let exported = world
                .as_user(viewer)
                .post(
                    "/api/v1/reports/export",
                    &json!({ "definition": definition(json!({ "kind": "details" })), "format": "jsonl" }),
                )
                .await;
            let ids: BTreeSet<String> = exported
                .text
                .lines()
                .filter_map(|line| {
                    serde_json::from_str::<Value>(line).unwrap()["row"]["worklog id"]
                        .as_str()
                        .map(str::to_owned)
                })
                .collect();
            assert_eq!(ids, expected.keys().cloned().collect(), "{told}");
            let listed = world
                .as_user(viewer)
                .get("/api/v1/worklogs?from=2026-03-01&to=2026-10-01&limit=1000")
                .await
                .json;
            let ids: BTreeSet<String> = listed["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(ids, expected.keys().cloned().collect(), "{told}");
        }
    }
    world.end().await;
}

/// Of a hidden issue one's own time is shown, and nothing by which it could be told which issue it is.
#[tokio::test]
async fn ones_own_work_on_a_hidden_issue_tells_nothing_of_the_issue() {
    let (world, cases) = world_of_cases().await;
    super::everyone_may_report(&world).await;
    let own = |case: &&Case| case.author == BEN && case.issue_hidden_from_ben;
    let hidden: u64 = cases.values().filter(own).map(|case| case.seconds).sum();
    let all = sum(&cases, expected(&cases, BEN, true).into_keys());
    let secret = world.ids.secret_issue.to_string();
    let total = async |filters: Value| {
        query(&world, BEN, json!({ "filters": filters })).await["total"]["values"][0].as_u64().unwrap()
    };
    assert_eq!(total(json!({})).await, all);
    // Neither asked for nor left out: both would tell.
    assert_eq!(total(json!({ "issues": { "include": [secret] } })).await, 0);
    assert_eq!(total(json!({ "issues": { "exclude": [secret] } })).await, all);
    let project = world.ids.other_project.to_string();
    assert_eq!(total(json!({ "projects": { "include": [project] } })).await, 0);
    assert_eq!(total(json!({ "projects": { "exclude": [project] } })).await, all);
    assert_eq!(total(json!({ "jql": { "include": "project = OTH" } })).await, 0);
    for dimension in ["project", "parent", "issue", "issueType", "status", "component", "label", "fixVersion"]
    {
        let answer = query(&world, BEN, json!({ "rows": [dimension] })).await;
        let row = table(&answer).into_iter().find(|row| row.starts_with("1 hidden"));
        assert_eq!(row, Some(format!("1 hidden [{hidden}]")), "{dimension}");
        assert!(
            !answer.to_string().contains(&secret) && !answer.to_string().contains("hidden summary"),
            "{dimension}"
        );
    }
    world.end().await;
}

/// What was remembered of an issue no longer holds when an event says that it changed.
#[tokio::test]
async fn a_change_of_who_may_see_an_issue_is_in_the_next_report() {
    let world = World::installed().await;
    super::everyone_may_report(&world).await;
    let today = json!({ "definition": { "range": { "relative": "today" } } });
    let total = async |account: &str| {
        let answer = world.as_user(account).post("/api/v1/reports/query", &today).await;
        answer.json["total"]["values"][0].as_u64().unwrap()
    };
    assert_eq!((total(BEN).await, total(CLEO).await), (3600 + 1800 + 900, 3600 + 1800 + 5400 + 900));
    let asked = world.site.calls("/permissions/check");
    assert_eq!(total(CLEO).await, 3600 + 1800 + 5400 + 900);
    assert_eq!(world.site.calls("/permissions/check"), asked, "remembered");
    world.site.change_issue(world.ids.issue, |issue| {
        issue.hidden_from.insert(CLEO.to_owned());
    });
    world.settle(&world.site).await;
    assert_eq!(total(CLEO).await, 5400 + 900, "dropped with the event");
    // Without an event it takes five minutes.
    world.site.hide_issue(world.ids.secret_issue, CLEO);
    assert_eq!(total(CLEO).await, 5400 + 900);
    world.advance(Duration::from_secs(301));
    assert_eq!(total(CLEO).await, 5400, "her own");
    world.end().await;
}

#[tokio::test]
async fn an_admin_is_asked_for_the_setting_once() {
    let world = World::installed().await;
    let asks = async |account: &str| world.as_user(account).get("/api/v1/me").await.json["asksFor"].clone();
    assert_eq!((asks(ANA).await, asks(BEN).await), (json!(["reportRight"]), json!([])));
    assert_eq!(
        world.as_user(BEN).get("/api/v1/settings").await.json,
        json!({ "reportRight": "admins", "reportGroups": [], "chosen": false, "tagRight": "everyone", "zone": "viewer",
            "weekStart": null })
    );
    for (body, field) in [
        (json!({ "reportRight": "groups" }), "reportGroups"),
        (json!({ "reportRight": "groups", "reportGroups": ["a,b"] }), "reportGroups"),
        (json!({ "reportRight": "admins", "reportGroups": [LEADS] }), "reportRight"),
    ] {
        let refused = world.as_user(ANA).put("/api/v1/settings", &body).await;
        assert_eq!((refused.status, refused.json["field"].as_str()), (400, Some(field)), "{body}");
    }
    let set = world
        .as_user(ANA)
        .put("/api/v1/settings", &json!({ "reportRight": "groups", "reportGroups": [LEADS] }))
        .await;
    assert_eq!(set.json["reportGroups"], json!([LEADS]));
    assert_eq!((&set.json["reportRight"], &set.json["chosen"]), (&json!("groups"), &json!(true)));
    assert_eq!(asks(ANA).await, json!([]));
    world.end().await;
}

/// People who have left stay in totals, lists and pickers.
#[tokio::test]
async fn former_users_stay() {
    let world = World::installed().await;
    world.site.state().users.get_mut(BEN).unwrap().active = false;
    world.site.delete_user(CLEO);
    let day = json!({ "relative": "today" });
    let picked = world
        .as_user(ANA)
        .post("/api/v1/reports/values", &json!({ "range": day, "dimension": "user", "search": "CANARY" }))
        .await
        .json;
    let states: Vec<_> =
        picked["items"].as_array().unwrap().iter().map(|value| value["state"].as_str()).collect();
    assert_eq!(states, [None, Some("former")], "{picked}");
    let all = world
        .as_user(ANA)
        .post("/api/v1/reports/values", &json!({ "range": day, "dimension": "user" }))
        .await
        .json;
    assert_eq!(all["count"], 3, "{all}");
    let of_cleo = world
        .as_user(ANA)
        .post(
            "/api/v1/reports/query",
            &json!({ "definition": { "range": day, "filters": { "people": { "include": [CLEO] } } } }),
        )
        .await
        .json;
    assert_eq!(of_cleo["total"]["values"], json!([5400]));
    world.end_unchecked().await;
}
