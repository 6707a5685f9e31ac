//! Lists, the panel, and who may see what.

use crate::support::{ANA, BEN, CLEO, Fixture, World};
use hourbook_simulator::people::Work;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn ids(list: &Value) -> BTreeSet<i64> {
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn nobody_reads_a_worklog_of_an_issue_that_they_may_not_browse() {
    let world = World::installed().await;
    let Fixture { issue, secret_issue, by_ana, by_ben, by_cleo, by_ben_hidden, .. } = world.ids;
    let on = |issue: i64| format!("/api/v1/issues/{issue}/worklogs");
    assert_eq!(ids(&world.as_user(BEN).get(&on(issue)).await.json), BTreeSet::from([by_ana, by_ben]));
    assert_eq!(
        ids(&world.as_user(CLEO).get(&on(secret_issue)).await.json),
        BTreeSet::from([by_cleo, by_ben_hidden])
    );
    for path in [
        on(secret_issue),
        format!("{}/{by_cleo}", on(secret_issue)),
        format!("/api/v1/issues/{secret_issue}/panel"),
    ] {
        let hidden = world.as_user(BEN).get(&path).await;
        assert_eq!((hidden.status, hidden.json["code"].as_str()), (404, Some("issue_not_found")), "{path}");
        let absent = world.as_user(BEN).get(&path.replace(&secret_issue.to_string(), "424242")).await;
        assert_eq!(absent.text, hidden.text, "hidden and absent look the same");
    }
    world.end().await;
}

/// Without the report right a list narrows to one's own; own work on a hidden issue comes without the issue.
#[tokio::test]
async fn lists_narrow_to_ones_own_without_the_report_right() {
    let world = World::installed().await;
    let Fixture { by_ana, by_ben, by_cleo, by_ben_hidden, secret_issue, .. } = world.ids;
    let ben = world.as_user(BEN);
    let own = ben.get("/api/v1/worklogs").await.json;
    assert_eq!(ids(&own), BTreeSet::from([by_ben, by_ben_hidden]));
    let hidden = own["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["id"].as_str() == Some(&by_ben_hidden.to_string()))
        .unwrap();
    assert_eq!((&hidden["issueId"], hidden["timeSpentSeconds"].as_i64()), (&Value::Null, Some(900)));
    assert_eq!(ids(&ben.get(&format!("/api/v1/worklogs?account={CLEO}")).await.json), BTreeSet::new());
    assert_eq!(ids(&ben.get(&format!("/api/v1/worklogs?issue={secret_issue}")).await.json), BTreeSet::new());
    assert_eq!(
        ids(&world.as_user(ANA).get("/api/v1/worklogs").await.json),
        BTreeSet::from([by_ana, by_ben, by_cleo, by_ben_hidden])
    );

    let refused = ben.put("/api/v1/settings", &json!({ "reportRight": "everyone" })).await;
    assert_eq!(refused.json["code"], "admin_only");
    assert_eq!(
        world.as_user(ANA).put("/api/v1/settings", &json!({ "reportRight": "nobody" })).await.status,
        400
    );
    assert_eq!(
        world.as_user(ANA).put("/api/v1/settings", &json!({ "reportRight": "everyone" })).await.status,
        200
    );
    let all = ben.get("/api/v1/worklogs").await.json;
    assert_eq!(
        ids(&all),
        BTreeSet::from([by_ana, by_ben, by_ben_hidden]),
        "still not Cleo's on the hidden issue"
    );
    assert_eq!(
        ben.get("/api/v1/me").await.json,
        json!({ "accountId": BEN, "jiraAdmin": false, "mayReport": true, "asksFor": [] })
    );
    assert_eq!(
        world.on(&world.other, BEN).get("/api/v1/me").await.json["mayReport"],
        false,
        "the other tenant's setting is its own"
    );
    world.end().await;
}

/// Answers of Jira hold for 60 seconds at most.
#[tokio::test]
async fn permissions_are_asked_of_jira_and_remembered_for_a_minute() {
    let world = World::installed().await;
    let path = format!("/api/v1/issues/{}/worklogs", world.ids.issue);
    assert_eq!(world.as_user(BEN).get(&path).await.status, 200);
    let asked = world.site.calls("/permissions/check");
    assert_eq!(world.as_user(BEN).get(&path).await.status, 200);
    assert_eq!(world.site.calls("/permissions/check"), asked, "remembered");
    world.site.hide_issue(world.ids.issue, BEN);
    world.advance(Duration::from_secs(61));
    assert_eq!(world.as_user(BEN).get(&path).await.status, 404, "asked again");
    world.site.fail("", "/permissions/check", hourbook_simulator::faults::Fault::Status(503), 4);
    let unknown = world.as_user(CLEO).get(&path).await;
    assert_eq!(
        (unknown.status, unknown.json["code"].as_str()),
        (503, Some("jira_unavailable")),
        "denied when unknown"
    );
    world.end().await;
}

#[tokio::test]
async fn filters_and_cursors() {
    let world = World::installed().await;
    let day = |day: u32, hour: u32| {
        chrono::NaiveDate::from_ymd_opt(2026, 3, day)
            .unwrap()
            .and_hms_opt(hour, 30, 0)
            .unwrap()
            .and_utc()
            .timestamp_millis()
    };
    let mut logged = Vec::new();
    for at in 1..=9 {
        let work = Work { started: day(at, 23), ..Work::of(600, "canary in March") };
        logged.push(world.site.log_work(if at % 2 == 0 { BEN } else { CLEO }, world.ids.issue, work));
    }
    world.settle(&world.site).await;
    let ana = world.as_user(ANA);
    let list = |query: String| {
        let ana = &ana;
        async move { ana.get(&format!("/api/v1/worklogs?{query}")).await.json }
    };
    let some = |range: std::ops::Range<usize>| logged[range].iter().copied().collect::<BTreeSet<i64>>();
    assert_eq!(ids(&list("from=2026-03-02&to=2026-03-04".into()).await), some(1..3));
    // 23:30 UTC is the next day in Berlin.
    assert_eq!(ids(&list("from=2026-03-02&to=2026-03-04&zone=Europe/Berlin".into()).await), some(0..2));
    assert_eq!(ids(&list("from=2026-03-02T23:30:00Z&to=2026-03-03T23:30:00Z".into()).await), some(1..2));
    assert_eq!(ids(&list(format!("from=2026-03-01&to=2026-03-06&account={BEN}")).await).len(), 2);
    assert_eq!(ids(&list("tag=77".into()).await), BTreeSet::from([world.ids.by_ana]));
    assert_eq!(ids(&list(format!("issue={}&to=2026-03-31", world.ids.issue)).await), some(0..9));

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(format!("to=2026-03-31&limit=2{cursor}")).await;
        assert!(page["items"].as_array().unwrap().len() <= 2);
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().parse::<i64>().unwrap()),
        );
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, logged, "each once, in order");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("cursor=xx", "cursor"),
        ("from=03/02/2026", "from"),
        ("zone=Middle/Earth", "zone"),
        ("issue=CAN-1", "issue"),
        ("tag=x", "tag"),
        ("colour=red", ""),
    ] {
        let reply = ana.get(&format!("/api/v1/worklogs?{query}")).await;
        assert_eq!((reply.status, reply.json["field"].as_str()), (400, Some(field)), "{query}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_panel_is_one_answer() {
    let world = World::installed().await;
    let panel = world.as_user(BEN).get(&format!("/api/v1/issues/{}/panel", world.ids.issue)).await.json;
    assert_eq!(panel["worklogs"]["items"].as_array().unwrap().len(), 2);
    assert_eq!(panel["tags"], json!([{ "id": "77", "name": "canary tag of one", "archived": false }]));
    assert_eq!(panel["settings"]["workingDaysPerWeek"], 5.0);
    world.end().await;
}
