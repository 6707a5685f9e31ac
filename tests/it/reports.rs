//! Reports through the API: what is counted, for whom, and what is told about it.

mod agreement;
mod documented;
mod exports;
mod rights;
mod saved;

use crate::support::client::Reply;
use crate::support::{ANA, BEN, CLEO, Fixture, World};
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use hourbook_simulator::state::Restriction;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// March 2026, for worklogs of known days.
pub fn march(day: u32, hour: u32, minute: u32) -> i64 {
    let at = chrono::NaiveDate::from_ymd_opt(2026, 3, day).unwrap().and_hms_opt(hour, minute, 0).unwrap();
    at.and_utc().timestamp_millis()
}

pub fn work(started: i64, seconds: i64) -> Work {
    Work { started, ..Work::of(seconds, "canary in March") }
}

pub async fn ask(world: &World, account: &str, definition: &Value) -> Reply {
    world.as_user(account).post("/api/v1/reports/query", &json!({ "definition": definition })).await
}

/// The answer to a question about March 2026.
pub async fn about_march(world: &World, account: &str, mut definition: Value) -> Value {
    definition["range"] = json!({ "first": "2026-03-01", "last": "2026-03-31" });
    let reply = ask(world, account, &definition).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json
}

/// Rows as text: depth, name or state, values.
pub fn table(answer: &Value) -> Vec<String> {
    let row = |row: &Value| {
        let value = &row["value"];
        let name = ["key", "name", "id", "state"].into_iter().find_map(|field| value[field].as_str());
        format!("{} {} {}", row["depth"], name.unwrap_or("rest"), row["values"])
    };
    answer["items"].as_array().unwrap().iter().map(row).collect()
}

pub async fn everyone_may_report(world: &World) {
    let set = world.as_user(ANA).put("/api/v1/settings", &json!({ "reportRight": "everyone" })).await;
    assert_eq!(set.status, 200, "{}", set.text);
}

/// Ana and Ben on two issues of two projects.
async fn two_projects(world: &World) -> [i64; 4] {
    let Fixture { issue, other_project, .. } = world.ids;
    let second = world.site.add_issue(other_project, "canary second");
    world.site.change_issue(issue, |issue| {
        issue.components = vec!["canary api".into(), "canary web".into()];
        issue.labels = vec!["canary-urgent".into()];
    });
    let logged = [
        world.site.log_work(ANA, issue, work(march(2, 9, 0), 3600)),
        world.site.log_work(ANA, second, work(march(2, 9, 30), 3600)),
        world.site.log_work(BEN, issue, work(march(3, 23, 30), 1800)),
        world.site.log_work(BEN, second, work(march(31, 22, 30), 600)),
    ];
    let tag = json!({ "v": 1, "tags": [{ "id": "77", "name": "canary tag of one" }, { "id": "78", "name": "canary other" }] });
    world.site.change_work(logged[0], |worklog| {
        worklog.properties.insert("hourbook".into(), tag);
    });
    world.settle(&world.site).await;
    logged
}

#[tokio::test]
async fn sums_by_levels_columns_and_measures() {
    let world = World::installed().await;
    two_projects(&world).await;
    let by_user = about_march(
        &world,
        ANA,
        json!({ "rows": ["user", "project"], "zone": "UTC", "measures": ["seconds", "effective", "worklogs", "people", "days"] }),
    )
    .await;
    assert_eq!(
        table(&by_user),
        [
            "1 Canary Ana of one [7200,5400,2,1,1]",
            "2 CAN [3600,3600,1,1,1]",
            "2 OTH [3600,1800,1,1,1]",
            "1 Canary Ben of one [2400,2400,2,1,2]",
            "2 CAN [1800,1800,1,1,1]",
            "2 OTH [600,600,1,1,1]",
        ]
    );
    assert_eq!(by_user["total"]["values"], json!([9600, 7800, 4, 2, 3]));
    let additive = |of: &str| -> Vec<bool> {
        by_user[of].as_array().unwrap().iter().map(|one| one["additive"].as_bool().unwrap()).collect()
    };
    assert_eq!(additive("measures"), [true, true, true, false, false]);
    assert_eq!(additive("rows"), [true, true]);

    // Under each component, and once in the total; what has none is a row of its own.
    let by_component = about_march(&world, ANA, json!({ "rows": ["component"], "zone": "UTC" })).await;
    assert_eq!(table(&by_component), ["1 canary api [5400]", "1 canary web [5400]", "1 none [4200]"]);
    assert_eq!(by_component["total"]["values"], json!([9600]));
    assert_eq!(by_component["rows"][0]["additive"], false);

    let by_tag =
        about_march(&world, ANA, json!({ "rows": ["label"], "columns": "tag", "zone": "UTC" })).await;
    let names: Vec<_> =
        by_tag["columns"]["values"].as_array().unwrap().iter().map(|value| value["name"].as_str()).collect();
    assert_eq!(names, [Some("canary other"), Some("canary tag of one"), None]);
    assert_eq!(by_tag["total"]["cells"], json!([[0, [3600]], [1, [3600]], [2, [6000]]]));
    world.end().await;
}

#[tokio::test]
async fn a_worklog_belongs_to_the_day_of_its_start_in_the_zone_that_is_asked() {
    let world = World::installed().await;
    two_projects(&world).await;
    world.site.state().users.get_mut(BEN).unwrap().time_zone = Some("Pacific/Kiritimati".into());
    world.site.state().users.get_mut(ANA).unwrap().time_zone = None;
    let days = async |zone: &str| {
        let answer = about_march(&world, ANA, json!({ "kind": "timesheet", "zone": zone })).await;
        assert_eq!(answer["columns"]["values"].as_array().unwrap().len(), 31, "days without work too");
        let cells = answer["total"]["cells"].as_array().unwrap().clone();
        let day = |cell: &Value| cell[0].as_u64().unwrap() + 1;
        (
            cells.iter().map(|cell| (day(cell), cell[1][0].as_u64().unwrap())).collect::<Vec<_>>(),
            answer["stamp"]["zone"].clone(),
        )
    };
    let (cells, told) = days("UTC").await;
    assert_eq!(cells, [(2, 7200), (3, 1800), (31, 600)]);
    assert_eq!(told, json!({ "rule": "fixed", "name": "UTC", "unknownAuthors": 0 }));
    let (cells, _) = days("Europe/Berlin").await;
    assert_eq!(cells, [(2, 7200), (4, 1800)], "half past twelve on the first of April is not in March");
    let (cells, told) = days("author").await;
    assert_eq!(cells, [(2, 7200), (4, 1800)]);
    assert_eq!(
        told,
        json!({ "rule": "author", "name": "UTC", "unknownAuthors": 1 }),
        "Ana does not tell hers"
    );
    let (_, told) = days("viewer").await;
    assert_eq!(told["name"], "UTC", "the viewer is Ana");
    world.end().await;
}

#[tokio::test]
async fn filters_include_and_exclude() {
    let world = World::installed().await;
    two_projects(&world).await;
    let Fixture { project, issue, .. } = world.ids;
    world.site.state().users.get_mut(BEN).unwrap().groups = HashSet::from(["canary-group".to_owned()]);
    let total = async |filters: Value| {
        let answer = about_march(&world, ANA, json!({ "rows": [], "zone": "UTC", "filters": filters })).await;
        answer["total"]["values"][0].as_u64().unwrap()
    };
    for (filters, seconds) in [
        (json!({}), 9600),
        (json!({ "people": { "include": [BEN] } }), 2400),
        (json!({ "people": { "exclude": [BEN] } }), 7200),
        (json!({ "people": { "include": ["somebody-else"] } }), 0),
        (json!({ "groups": { "include": ["canary-group"] } }), 2400),
        (json!({ "groups": { "exclude": ["canary-group"] } }), 7200),
        (json!({ "projects": { "include": [project.to_string()] } }), 5400),
        (json!({ "projects": { "exclude": [project.to_string()] } }), 4200),
        (json!({ "issues": { "include": [issue.to_string()] } }), 5400),
        (json!({ "issues": { "exclude": [issue.to_string()] } }), 4200),
        (json!({ "jql": { "include": "labels = canary-urgent" } }), 5400),
        (json!({ "jql": { "exclude": "labels = canary-urgent" } }), 4200),
        (json!({ "tags": { "any": ["77", "79"] } }), 3600),
        (json!({ "tags": { "all": ["77", "78"] } }), 3600),
        (json!({ "tags": { "all": ["77", "79"] } }), 0),
        (json!({ "tags": { "none": ["78"] } }), 6000),
        (json!({ "people": { "include": [ANA] }, "projects": { "exclude": [project.to_string()] } }), 3600),
    ] {
        assert_eq!(total(filters.clone()).await, seconds, "{filters}");
    }
    let refused = ask(
        &world,
        ANA,
        &json!({ "range": { "relative": "today" }, "filters": { "jql": { "include": "colour = red" } } }),
    )
    .await;
    assert_eq!(
        (refused.status, refused.json["field"].as_str()),
        (400, Some("filters.jql")),
        "{}",
        refused.text
    );
    assert!(refused.json["detail"].as_str().unwrap().contains("Error in the JQL Query"));
    world.end().await;
}

#[tokio::test]
async fn definitions_that_make_no_sense_are_refused_with_what_would() {
    let world = World::installed().await;
    let range = json!({ "relative": "thisWeek" });
    for (definition, field) in [
        (json!({ "range": {} }), "range"),
        (json!({ "range": { "relative": "today", "lastDays": 3 } }), "range"),
        (json!({ "range": { "lastDays": 0 } }), "range.lastDays"),
        (json!({ "range": { "first": "2026-03-02", "last": "2026-03-01" } }), "range.last"),
        (json!({ "range": { "first": "2026-02-30", "last": "2026-03-01" } }), "range.first"),
        (json!({ "range": { "first": "1026-01-01", "last": "2026-03-01" } }), "range.last"),
        (json!({ "range": range, "zone": "Middle/Earth" }), "zone"),
        (json!({ "range": range, "rows": ["user", "project", "issue", "day", "tag"] }), "rows"),
        (json!({ "range": range, "rows": ["day"], "columns": "day" }), "rows"),
        (json!({ "range": range, "columns": "user" }), "columns"),
        (json!({ "range": range, "kind": "details", "rows": ["user"] }), "rows"),
        (json!({ "range": range, "measures": ["seconds", "seconds"] }), "measures"),
        (json!({ "range": range, "sort": { "by": "days" } }), "sort.by"),
        (json!({ "range": range, "top": 0 }), "top"),
        (
            json!({ "range": range, "filters": { "issues": { "include": ["CAN-1"] } } }),
            "filters.issues.include",
        ),
        (json!({ "range": { "first": "2020-01-01", "last": "2026-03-01" }, "columns": "day" }), "columns"),
        (json!({ "range": range, "colour": "red" }), ""),
    ] {
        let reply = ask(&world, ANA, &definition).await;
        assert_eq!(
            (reply.status, reply.json["field"].as_str()),
            (400, Some(field)),
            "{definition} {}",
            reply.text
        );
    }
    world.end().await;
}

#[tokio::test]
async fn lists_overlaps_order_top_and_pages() {
    let world = World::installed().await;
    let logged = two_projects(&world).await;
    let details = about_march(
        &world,
        ANA,
        json!({ "kind": "details", "zone": "Europe/Berlin", "measures": ["seconds", "effective"] }),
    )
    .await;
    let lines = details["worklogs"].as_array().unwrap();
    let ids: Vec<_> =
        lines.iter().map(|line| line["worklogId"].as_str().unwrap().parse::<i64>().unwrap()).collect();
    assert_eq!(ids, logged[..3], "the last one is in April there");
    assert_eq!(lines[0]["comment"], "canary in March");
    assert_eq!(
        (&lines[0]["started"], &lines[2]["day"]),
        (&json!("2026-03-02T10:00:00+01:00"), &json!("2026-03-04"))
    );
    assert_eq!((&lines[1]["seconds"], &lines[1]["effective"]), (&json!(3600), &json!(1800)));
    assert_eq!(lines[0]["issue"]["key"], "CAN-1");
    assert_eq!(lines[0]["tags"][0]["name"], "canary tag of one");
    let longest = about_march(
        &world,
        ANA,
        json!({ "kind": "details", "zone": "UTC", "sort": { "by": "seconds", "descending": true } }),
    )
    .await;
    let seconds: Vec<_> = longest["worklogs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["seconds"].as_u64().unwrap())
        .collect();
    assert_eq!(seconds, [3600, 3600, 1800, 600]);
    assert_eq!(longest["worklogs"][0]["worklogId"], logged[0].to_string(), "ties by start");

    let overlaps = about_march(&world, ANA, json!({ "kind": "overlaps", "zone": "UTC" })).await;
    let one = &overlaps["worklogs"][0];
    assert_eq!(overlaps["page"]["count"], 1);
    assert_eq!(
        (&one["worklogId"], &one["overlap"], &one["with"]),
        (&json!(logged[1].to_string()), &json!(1800), &json!(logged[0].to_string()))
    );

    let top = about_march(&world, ANA, json!({ "rows": ["day"], "zone": "UTC", "columns": "tag", "measures": ["seconds", "people"], "top": 1 })).await;
    assert_eq!(table(&top), ["1 2026-03-02 [7200,1]", "1 rest [2400,null]"]);
    assert_eq!(top["items"][1]["restOf"], 2);
    let descending = about_march(
        &world,
        ANA,
        json!({ "rows": ["user"], "zone": "UTC", "sort": { "by": "name", "descending": true } }),
    )
    .await;
    assert_eq!(table(&descending)[0], "1 Canary Ben of one [2400]");

    let page = world
        .as_user(ANA)
        .post("/api/v1/reports/query", &json!({ "definition": { "range": { "first": "2026-03-01", "last": "2026-03-31" }, "zone": "UTC", "rows": ["day"] }, "offset": 1, "limit": 1 }))
        .await
        .json;
    assert_eq!((table(&page), &page["page"]["count"]), (vec!["1 2026-03-03 [1800]".to_owned()], &json!(3)));
    let whole = about_march(&world, ANA, json!({ "rows": ["day"], "zone": "UTC" })).await;
    assert_eq!(
        page["stamp"]["checksum"], whole["stamp"]["checksum"],
        "a page tells the checksum of the whole"
    );
    world.end().await;
}

/// What Jira tells is in the next report, without anything being read again.
#[tokio::test]
async fn a_change_is_in_the_next_report() {
    let world = World::installed().await;
    let logged = two_projects(&world).await;
    let total = async || about_march(&world, ANA, json!({ "rows": ["issue"], "zone": "UTC" })).await;
    let before = total().await;
    assert_eq!(before["total"]["values"], json!([9600]));
    world.site.change_work(logged[0], |worklog| worklog.seconds = 60);
    world.site.delete_work(logged[2]);
    let new = world.site.log_work(CLEO, world.ids.issue, work(march(9, 9, 0), 30));
    world.settle(&world.site).await;
    let after = total().await;
    assert_eq!(after["total"]["values"], json!([60 + 3600 + 600 + 30]));
    assert_ne!(after["stamp"]["checksum"], before["stamp"]["checksum"]);
    world.site.delete_work(new);
    world.site.change_work(logged[0], |worklog| worklog.seconds = 3600);
    let again = world.site.log_work(BEN, world.ids.issue, work(march(3, 23, 30), 1800));
    world.settle(&world.site).await;
    assert_eq!(total().await["total"]["values"], json!([9600]));
    // An issue's new name is there with the event.
    world.site.rename_issue(world.ids.issue, "canary renamed");
    world.settle(&world.site).await;
    assert_eq!(total().await["items"][0]["value"]["name"], "canary renamed");
    world.site.delete_work(again);
    world.end().await;
}

#[tokio::test]
async fn the_stamp_says_what_an_answer_is_worth() {
    let world = World::installed().await;
    let today = json!({ "range": { "relative": "today" }, "rows": ["user"] });
    let stamp = async |account: &str| ask(&world, account, &today).await.json["stamp"].clone();
    let fresh = stamp(ANA).await;
    assert_eq!(
        (&fresh["state"], &fresh["warnings"], &fresh["pending"]),
        (&json!("inStep"), &json!([]), &json!(0))
    );
    assert_eq!(fresh["worklogs"], 4);
    assert!(fresh["inStepAsOf"].is_string() && fresh["checksum"].as_str().unwrap().len() == 64);
    assert_eq!(fresh["visibility"], "Only worklogs that you may see in Jira are counted.");
    assert_eq!((&fresh["hidden"], &fresh["narrowed"]), (&Value::Null, &Value::Null));
    assert!(stamp(BEN).await["narrowed"].as_str().unwrap().contains("a right that a Jira admin gives"));

    // While a full sync runs, it says so.
    world.site.fail("", "/worklog/updated", Fault::Slow(Duration::from_secs(3)), 1);
    assert_eq!(world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "full" })).await.status, 202);
    crate::support::eventually("the stamp tells of the sync", || async {
        let stamp = stamp(ANA).await;
        if stamp["state"] == "fullSync" { Ok(()) } else { Err(stamp.to_string()) }
    })
    .await;
    world.settle(&world.site).await;
    assert_eq!(stamp(ANA).await["state"], "inStep");

    world.site.fail("", "/worklog/", Fault::Status(503), 1000);
    world.advance(Duration::from_secs(3 * 3600));
    let old = stamp(ANA).await;
    let codes: Vec<_> =
        old["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"behind"), "{old}");
    world.site.state().faults.clear();
    world.advance(Duration::from_secs(3600));
    world.sync(&world.site, "incremental").await;
    let again = stamp(ANA).await;
    assert_eq!(again["state"], "inStep", "{again}");
    world.end().await;
}

/// A Jira that cannot be asked makes an answer impossible, not smaller.
#[tokio::test]
async fn without_jira_there_is_no_answer() {
    let world = World::installed().await;
    let today = json!({ "range": { "relative": "today" }, "rows": ["project"] });
    everyone_may_report(&world).await;
    for path in ["/permissions/check", "/issue/bulkfetch", "/user/bulk"] {
        world.advance(Duration::from_secs(301));
        world.site.rename_issue(world.ids.issue, "canary again");
        world.settle(&world.site).await;
        let tenant = world.tenant(&world.site).await;
        world.running().app.forget_memory(&tenant.id, &tenant.client_key);
        world.site.fail("", path, Fault::Status(503), 4);
        let reply = ask(&world, CLEO, &today).await;
        assert_eq!(
            (reply.status, reply.json["code"].as_str()),
            (503, Some("jira_unavailable")),
            "{path} {}",
            reply.text
        );
        world.site.state().faults.clear();
        assert_eq!(ask(&world, CLEO, &today).await.status, 200, "{path}");
    }
    world.end().await;
}

/// An older Jira takes a hundred issues in a call.
#[tokio::test]
async fn sites_that_take_fewer_issues_in_a_call_are_asked_in_smaller_ones() {
    let world = World::installed().await;
    for at in 0..150 {
        let issue = world.site.add_issue(world.ids.project, "canary many");
        world.site.log_work(ANA, issue, work(march(5, 8, at % 60), 60));
    }
    world.settle(&world.site).await;
    world.site.state().bulk_max = 100;
    let answer = about_march(&world, ANA, json!({ "rows": ["issueType"] })).await;
    assert_eq!(table(&answer), ["1 Task [9000]"]);
    assert_eq!(answer["page"]["count"], 1);
    world.end().await;
}

#[tokio::test]
async fn long_finding_out_goes_on_beside_the_request() {
    let world = World::start_with(|_, tuning| tuning.calls_inline = 0).await;
    world.install_both().await;
    let definition = json!({ "range": { "relative": "today" }, "zone": "UTC", "rows": ["project"], "measures": ["worklogs"] });
    let cost =
        world.as_user(ANA).post("/api/v1/reports/cost", &json!({ "definition": definition })).await.json;
    assert_eq!(cost["prepared"], true);
    assert_eq!(
        cost["cost"],
        json!({ "calls": 2, "pointsCertain": 2, "pointsWorst": (1 + 2 * 1000) + (1 + 1000) }),
        "two issues: who may see them, and what they are"
    );
    let begun = ask(&world, ANA, &definition).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    assert_eq!(begun.json["cost"], cost["cost"], "what was told beforehand");
    let path = begun.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(world.as_user(BEN).get(&path).await.status, 404, "it is Ana's");
    assert_eq!(world.on(&world.other, ANA).get(&path).await.status, 404, "and of her site");
    crate::support::eventually("it is done", || async {
        let now = world.as_user(ANA).get(&path).await.json;
        if now["state"] == "done" && now["done"] == 2 { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    let asked = ask(&world, ANA, &definition).await;
    assert_eq!((asked.status, &asked.json["total"]["values"]), (200, &json!([4])));
    // What cannot be found out is told, and nothing else.
    world.advance(Duration::from_secs(301));
    world.site.fail("", "/permissions/check", Fault::Status(503), 100);
    world.as_user(ANA).get("/api/v1/me").await;
    world.site.state().faults.clear();
    assert_eq!(ask(&world, ANA, &definition).await.status, 202);
    world.end().await;
}

/// A worklog that only its author and some group may see is counted for those, by Jira's own word.
#[tokio::test]
async fn restricted_worklogs_count_for_those_who_may_see_them() {
    let world = World::installed().await;
    everyone_may_report(&world).await;
    let restriction = Restriction {
        kind: "group".into(),
        value: "canary leads".into(),
        identifier: "group-of-leads".into(),
    };
    world.site.state().users.get_mut(CLEO).unwrap().groups = HashSet::from(["group-of-leads".to_owned()]);
    let restricted = Work { restriction: Some(restriction), ..work(march(2, 9, 0), 500) };
    world.site.log_work(BEN, world.ids.issue, restricted);
    world.site.log_work(BEN, world.ids.issue, work(march(2, 9, 5), 600));
    world.settle(&world.site).await;
    for (account, seconds, effective) in [(ANA, 600, 600), (BEN, 1100, 900), (CLEO, 1100, 900)] {
        let answer =
            about_march(&world, account, json!({ "rows": ["user"], "measures": ["seconds", "effective"] }))
                .await;
        assert_eq!(answer["total"]["values"], json!([seconds, effective]), "{account}");
    }
    let counted = world
        .as_user(ANA)
        .post("/api/v1/reports/query", &json!({ "definition": { "range": { "first": "2026-03-01", "last": "2026-03-31" } }, "countHidden": true }))
        .await
        .json;
    assert_eq!(counted["stamp"]["hidden"], json!({ "byPermission": 0, "byVisibility": 1, "unreadable": 0 }));
    let refused = world
        .as_user(CLEO)
        .post(
            "/api/v1/reports/query",
            &json!({ "definition": { "range": { "relative": "today" } }, "countHidden": true }),
        )
        .await;
    assert_eq!(refused.json["code"], "admin_only", "a number would tell what is hidden");
    world.end().await;
}

/// An answer that was on its way when an issue changed is not taken for what the issue is now.
#[tokio::test]
async fn facts_from_before_a_change_are_not_remembered() {
    let world = World::installed().await;
    let today = json!({ "range": { "relative": "today" }, "rows": ["issue"] });
    let names = async || {
        let answer = ask(&world, ANA, &today).await.json;
        answer["items"].as_array().unwrap().iter().map(|row| row["value"]["name"].clone()).collect::<Vec<_>>()
    };
    let asked = world.site.calls("/issue/bulkfetch");
    world.site.fail("", "/issue/bulkfetch", Fault::SlowAfter(Duration::from_millis(1500)), 1);
    let (_, ()) = tokio::join!(names(), async {
        crate::support::eventually("it is asked", || async {
            if world.site.calls("/issue/bulkfetch") > asked { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        world.site.rename_issue(world.ids.issue, "canary renamed");
        world.site.webhooks_delivered().await;
    });
    assert!(names().await.contains(&json!("canary renamed")));
    world.end().await;
}
