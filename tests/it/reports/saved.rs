//! Saved reports.

use super::{everyone_may_report, table};
use crate::support::client::Reply;
use crate::support::{ANA, BEN, CLEO, World};
use serde_json::{Value, json};
use std::collections::HashSet;

fn content(title: &str, sharing: Value) -> Value {
    json!({
        "title": title,
        "sharing": sharing,
        "definition": { "range": { "relative": "today" }, "rows": ["issue"], "filters": { "jql": { "exclude": "labels = canary-none" } } },
    })
}

fn titles(list: &Reply) -> Vec<&str> {
    list.json.as_array().unwrap().iter().map(|saved| saved["title"].as_str().unwrap()).collect()
}

async fn save(world: &World, account: &str, content: &Value) -> String {
    let saved = world.as_user(account).post("/api/v1/reports", content).await;
    assert_eq!(saved.status, 201, "{}", saved.text);
    saved.json["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn reports_are_saved_shared_changed_and_deleted() {
    let world = World::installed().await;
    world.site.state().users.get_mut(BEN).unwrap().groups = HashSet::from(["group-of-leads".to_owned()]);
    let groups = json!({ "with": "groups", "groups": ["group-of-leads"] });
    let private = save(&world, ANA, &content("canary private", json!({ "with": "private" }))).await;
    let for_leads = save(&world, ANA, &content("canary for leads", groups)).await;
    let for_all = save(&world, ANA, &content("canary for all", json!({ "with": "everyone" }))).await;
    let list = async |account: &str| world.as_user(account).get("/api/v1/reports").await;
    assert_eq!(titles(&list(ANA).await), ["canary for all", "canary for leads", "canary private"]);
    assert_eq!(titles(&list(BEN).await), ["canary for all", "canary for leads"]);
    assert_eq!(titles(&list(CLEO).await), ["canary for all"]);
    assert_eq!(
        world.on(&world.other, ANA).get("/api/v1/reports").await.json,
        json!([]),
        "of the other site none"
    );
    let of = |id: &str| format!("/api/v1/reports/{id}");
    assert_eq!(world.as_user(CLEO).get(&of(&for_leads)).await.status, 404);
    assert_eq!(world.as_user(BEN).get(&of(&private)).await.json["code"], "report_not_found");

    // Only the owner changes it; who has not seen the newest version changes nothing.
    let mut change = content("canary renamed", json!({ "with": "everyone" }));
    change["version"] = json!(1);
    assert_eq!(world.as_user(BEN).put(&of(&for_all), &change).await.json["code"], "not_yours");
    let changed = world.as_user(ANA).put(&of(&for_all), &change).await;
    assert_eq!((changed.status, changed.json["version"].as_i64()), (200, Some(2)), "{}", changed.text);
    let late = world.as_user(ANA).put(&of(&for_all), &change).await;
    assert_eq!((late.status, late.json["code"].as_str()), (409, Some("report_changed")));
    assert_eq!(late.json["current"]["title"], "canary renamed");

    let copy = world.as_user(BEN).post(&format!("{}/duplicate", of(&for_all)), &json!({})).await;
    assert_eq!((copy.status, copy.json["title"].as_str()), (201, Some("canary renamed (copy)")));
    assert_eq!(
        (copy.json["owner"].as_str(), &copy.json["sharing"]),
        (Some(BEN), &json!({ "with": "private" }))
    );
    assert_eq!(world.as_user(BEN).delete(&of(&for_all)).await.json["code"], "not_yours");
    let own = of(copy.json["id"].as_str().unwrap());
    assert_eq!(world.as_user(ANA).delete(&own).await.status, 404, "an admin does not see a private one");
    assert_eq!(world.as_user(BEN).delete(&own).await.status, 204);
    assert_eq!(world.as_user(BEN).get(&own).await.status, 404);

    for (body, field) in [
        (content(" ", json!({})), "title"),
        (content("canary", json!({ "with": "groups" })), "sharing"),
        (json!({ "title": "canary", "definition": { "range": {} } }), "range"),
    ] {
        let refused = world.as_user(ANA).post("/api/v1/reports", &body).await;
        assert_eq!((refused.status, refused.json["field"].as_str()), (400, Some(field)), "{body}");
    }
    world.end().await;
}

/// The question is shared, not the answer.
#[tokio::test]
async fn a_shared_report_shows_each_viewer_what_they_may_see() {
    let mut world = World::installed().await;
    everyone_may_report(&world).await;
    let id = save(&world, CLEO, &content("canary shared", json!({ "with": "everyone" }))).await;
    let run = async |world: &World, account: &str| {
        let reply = world.as_user(account).post(&format!("/api/v1/reports/{id}/query"), &json!({})).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        table(&reply.json)
    };
    assert_eq!(run(&world, CLEO).await, ["1 CAN-1 [5400]", "1 OTH-1 [6300]"]);
    assert_eq!(run(&world, BEN).await, ["1 CAN-1 [5400]", "1 hidden [900]"]);
    // It outlives the server, and a new version of the key.
    world.halt().await;
    world.boot().await;
    world.run_job(&world.site, hourbook::jobs::Kind::Reseal, "").await;
    assert_eq!(run(&world, CLEO).await, ["1 CAN-1 [5400]", "1 OTH-1 [6300]"]);
    world.end().await;
}
