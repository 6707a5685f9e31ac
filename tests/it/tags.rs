//! The catalogue of tags.

use crate::support::{ANA, BEN, World};
use serde_json::{Value, json};

#[tokio::test]
async fn tags_are_created_renamed_archived_and_deleted_if_unused() {
    let world = World::installed().await;
    let (ana, ben) = (world.as_user(ANA), world.as_user(BEN));
    let made = ben.post("/api/v1/tags", &json!({ "name": "  canary billable " })).await;
    assert_eq!((made.status, made.json["name"].as_str()), (201, Some("canary billable")), "{}", made.text);
    let path = format!("/api/v1/tags/{}", made.json["id"].as_str().unwrap());
    let taken = ben.post("/api/v1/tags", &json!({ "name": "CANARY billable" })).await;
    assert_eq!((taken.status, taken.json["code"].as_str()), (409, Some("tag_name_taken")));
    for bad in ["", "   ", "two\nlines", &"x".repeat(101)] {
        assert_eq!(
            ben.post("/api/v1/tags", &json!({ "name": bad })).await.json["code"],
            "tag_name_invalid",
            "{bad}"
        );
    }
    assert_eq!(ben.put(&path, &json!({ "name": "canary x" })).await.json["code"], "admin_only");
    assert_eq!(ben.delete(&path).await.json["code"], "admin_only");
    let renamed = ana.put(&path, &json!({ "name": "canary paid", "archived": true })).await;
    assert_eq!((&renamed.json["name"], &renamed.json["archived"]), (&json!("canary paid"), &json!(true)));
    assert_eq!(ana.delete(&path).await.status, 204);
    assert_eq!(ana.delete(&path).await.json["code"], "tag_not_found");
    let used = ana.delete("/api/v1/tags/77").await;
    assert_eq!((used.status, used.json["code"].as_str()), (409, Some("tag_in_use")));
    assert!(used.json["detail"].as_str().unwrap().starts_with("1 worklogs"));
    assert_eq!(
        world.on(&world.other, BEN).get("/api/v1/tags").await.json["items"][0]["name"],
        "canary tag of two"
    );
    world.end().await;
}

/// A rename changes the catalogue; worklogs that still carry the old name do not undo it.
#[tokio::test]
async fn a_rename_holds_against_old_names_on_worklogs() {
    let world = World::installed().await;
    assert_eq!(
        world.as_user(ANA).put("/api/v1/tags/77", &json!({ "name": "canary renamed" })).await.status,
        200
    );
    world.site.change_work(world.ids.by_ana, |worklog| worklog.seconds = 60);
    world.settle(&world.site).await;
    world.sync(&world.site, "full").await;
    let name = |list: Value| list["items"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(name(world.as_user(BEN).get("/api/v1/tags").await.json), "canary renamed");
    // A new worklog carries the new name, so that a rebuilt copy has it too.
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600, "tags": ["77"] });
    world.advance(std::time::Duration::from_secs(2));
    assert_eq!(world.as_user(BEN).log_work(world.ids.issue, "with-new-name", &body).await.status, 201);
    assert_eq!(world.uninstall(&world.site).await, 204);
    world.advance(std::time::Duration::from_secs(90));
    assert_eq!(world.site.install(&world.url(), crate::support::APP_KEY).await, 204);
    world.settle(&world.site).await;
    assert_eq!(name(world.as_user(BEN).get("/api/v1/tags").await.json), "canary renamed");
    world.end().await;
}
