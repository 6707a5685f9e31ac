//! Promises E10 to E12: what is planted in clear is found in no file and no log.

use crate::support::{ANA, BEN, World, eventually, logs};
use hourbook_simulator::people::Work;
use serde_json::json;

/// The search itself works: what is written in clear is found.
#[test]
fn the_search_for_planted_words_finds_them() {
    let dir = tempfile::TempDir::new().unwrap();
    logs::assert_no_canary_in(dir.path());
    std::fs::create_dir(dir.path().join("below")).unwrap();
    std::fs::write(dir.path().join("below/file"), [b"\0\0", "xCaNaRy".as_bytes()].concat()).unwrap();
    assert!(std::panic::catch_unwind(|| logs::assert_no_canary_in(dir.path())).is_err());
}

/// Everything is used while the server runs; its open files, write-ahead logs and queues are searched too.
#[tokio::test]
async fn planted_words_are_in_no_file_and_no_log_while_the_server_works() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let body = json!({ "started": "2026-03-02T09:00:00Z", "duration": "1h", "comment": "canary comment", "tags": ["77"] });
    let made = ben.log_work(world.ids.issue, "idempotency-canary-1", &body).await;
    assert_eq!(made.status, 201);
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, made.json["id"].as_str().unwrap());
    assert_eq!(ben.put(&path, &json!({ "comment": "canary edited" })).await.status, 200);
    assert_eq!(ben.post("/api/v1/tags", &json!({ "name": "canary tag" })).await.status, 201);
    assert_eq!(ben.get("/api/v1/worklogs?account=canary-account").await.status, 200);
    assert_eq!(ben.get("/api/v1/worklogs?colour=canary").await.status, 400);
    assert_eq!(
        ben.log_work(world.ids.issue, "idempotency-canary-2", &json!({ "duration": "canary" })).await.status,
        400
    );
    world.site.rename_issue(world.ids.issue, "canary new summary");
    world.site.log_work(ANA, world.ids.issue, Work::of(600, "canary by event"));
    world.site.fail("POST", "/worklog", hourbook_simulator::faults::Fault::Status(400), 1);
    ben.log_work(world.ids.issue, "idempotency-canary-3", &body).await;
    world.settle(&world.site).await;
    logs::assert_no_canary_in(&world.data_dir());
    logs::assert_clean();
    assert!(logs::text().contains("/api/v1/issues/{issueId}/worklogs"), "the route's template is logged");
    world.end().await;
}

/// One tenant's data is out of reach of another's tokens, ids being equal.
#[tokio::test]
async fn tenants_do_not_meet() {
    let world = World::installed().await;
    for site in [&world.site, &world.other] {
        let name = if site.base_url == world.site.base_url { "one" } else { "two" };
        let list = world.on(site, ANA).get("/api/v1/worklogs").await.text;
        let other = if name == "one" { "of two" } else { "of one" };
        assert!(list.contains(&format!("of {name}")) && !list.contains(other), "{list}");
    }
    let folders = eventually("there is a database for each", || async {
        let count = std::fs::read_dir(world.data_dir().join("tenants")).unwrap().count();
        (count == 2).then_some(count).ok_or_else(|| count.to_string())
    })
    .await;
    assert_eq!(folders, 2, "promise E9");
    world.end().await;
}
