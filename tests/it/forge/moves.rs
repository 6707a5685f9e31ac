//! A site that moves from Connect to Forge: one tenant, one copy, nothing lost.

use super::{history, install, start};
use crate::support::{ANA, APP_KEY, BEN, World, eventually};
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use hourbook_store::control::installations;
use hourbook_store::tenant::changes;
use serde_json::{Value, json};
use std::time::Duration;

/// Installed by Connect, with things that are nowhere in Jira.
async fn lived_in() -> World {
    let world = start().await;
    world.site.state().by_forge = false;
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    world.settle(&world.site).await;
    let ana = world.as_user(ANA);
    assert_eq!(ana.put("/api/v1/settings", &json!({ "reportRight": "everyone" })).await.status, 200);
    assert_eq!(ana.post("/api/v1/tags", &json!({ "name": "canary of my own" })).await.status, 201);
    let report = json!({ "title": "canary report", "sharing": { "with": "everyone" },
        "definition": { "range": { "relative": "today" }, "rows": ["user"] } });
    let saved = ana.post("/api/v1/reports", &report).await;
    assert_eq!(saved.status, 201, "{}", saved.text);
    world
}

async fn kept(world: &World) -> (Value, Value, Value) {
    let ben = world.as_user(BEN);
    (
        ben.get("/api/v1/tags").await.json,
        ben.get("/api/v1/settings").await.json["reportRight"].clone(),
        ben.get("/api/v1/reports").await.json[0]["title"].clone(),
    )
}

async fn everything(world: &World) -> usize {
    world.running().app.control.read(installations::all).await.unwrap().len()
}

#[tokio::test]
async fn a_site_that_moves_to_forge_stays_the_same_tenant() {
    let world = lived_in().await;
    let tenant = world.tenant_id(&world.site).await;
    let before = kept(&world).await;
    let reads = world.site.calls("POST /rest/api/3/worklog/list");
    install(&world, &world.site).await;
    assert_eq!(world.tenant_id(&world.site).await, tenant);
    assert_eq!(everything(&world).await, 1, "no second copy");
    assert_eq!(kept(&world).await, before, "asked through Forge now");
    assert_eq!(world.site.calls("POST /rest/api/3/worklog/list"), reads, "nothing is read a second time");
    // Connect goes; the tenant does not.
    world.site.state().by_forge = false;
    assert_eq!(world.site.uninstall().await, 204);
    world.settle(&world.site).await;
    assert_eq!(kept(&world).await, before);
    world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary after the move"));
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
    assert_eq!(world.as_user(BEN).log_work(world.ids.issue, "moved", &body).await.status, 201);
    world.end().await;
}

/// While both are installed every event comes twice, and counts once.
#[tokio::test]
async fn events_of_both_hosts_count_once() {
    let world = lived_in().await;
    install(&world, &world.site).await;
    let tenant = world.tenant(&world.site).await;
    let db = world.running().app.db(&tenant).await.unwrap();
    let id = world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary told twice"));
    world.settle(&world.site).await;
    world.site.change_work(id, |worklog| worklog.seconds = 720);
    world.settle(&world.site).await;
    let listed = world.as_user(BEN).get("/api/v1/worklogs").await;
    let times: Vec<i64> = listed.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["id"].as_str() == Some(id.to_string().as_str()))
        .map(|item| item["timeSpentSeconds"].as_i64().unwrap())
        .collect();
    assert_eq!(times, [720]);
    world.site.delete_work(id);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    // What is told again changes nothing any more.
    let settled = db.read(changes::newest).await.unwrap();
    let gone = json!({ "worklog": { "id": id.to_string() } });
    assert_eq!(world.site.post_event("avi:jira:deleted:worklog", gone, 0).await, 204);
    world.settle(&world.site).await;
    assert_eq!(db.read(changes::newest).await.unwrap(), settled);
    drop(db);
    world.end().await;
}

/// Forge goes first: Connect's tenant stays.
#[tokio::test]
async fn a_move_that_is_taken_back_loses_nothing() {
    let world = lived_in().await;
    let tenant = world.tenant_id(&world.site).await;
    let before = kept(&world).await;
    install(&world, &world.site).await;
    assert_eq!(world.site.uninstall_by_forge().await, 204);
    world.advance(Duration::from_secs(3600));
    world.settle(&world.site).await;
    assert_eq!(world.tenant_id(&world.site).await, tenant);
    assert_eq!(kept(&world).await, before);
    let states: Vec<String> = history(&world, &tenant).await.into_iter().map(|one| one.state).collect();
    assert_eq!(states, ["uninstalled"]);
    world.end().await;
}

/// Where it cannot be known whether the site had Hourbook, nothing is made that would have to be merged.
#[tokio::test]
async fn a_site_whose_address_is_not_known_waits() {
    let world = lived_in().await;
    let tenant = world.tenant_id(&world.site).await;
    world.site.fail("GET", "/rest/api/3/serverInfo", Fault::Status(403), 1);
    assert_eq!(world.site.install_by_forge(&world.url()).await, 503, "to be sent again");
    assert_eq!(everything(&world).await, 1);
    assert_eq!(world.site.trigger("hourbook-minutes").await, 204, "the next call tells");
    world.settle(&world.site).await;
    assert_eq!((world.tenant_id(&world.site).await, everything(&world).await), (tenant, 1));
    world.end().await;
}

/// Connect on a site that has Forge would be a second copy.
#[tokio::test]
async fn connect_beside_forge_is_refused() {
    let world = start().await;
    install(&world, &world.site).await;
    world.site.state().by_forge = false;
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 409);
    assert_eq!(everything(&world).await, 1);
    world.end().await;
}

/// A site of Connect that nobody proved takes nothing over: the body of its call is not signed.
#[tokio::test]
async fn an_unproved_installation_is_not_taken_over() {
    let world = start().await;
    world.other.state().by_forge = false;
    let claimed = json!({ "baseUrl": world.site.base_url });
    let twist = hourbook_simulator::lifecycle::Twist { claims: None, body: Some(claimed) };
    let (url, secret) = (world.url(), Some("canarysecret-of-another"));
    assert_eq!(world.other.call("installed", &url, APP_KEY, secret, &twist).await, 204);
    install(&world, &world.site).await;
    assert_eq!(everything(&world).await, 2, "a tenant of its own");
    let of_site = world.tenant(&world.site).await;
    assert!(of_site.client_key.starts_with("forge/PRODUCTION/"), "{}", of_site.client_key);
    eventually("the copy is whole", || async {
        let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
        if sync["worklogs"] == 4 { Ok(()) } else { Err(sync.to_string()) }
    })
    .await;
    world.site.state().unauthorised.clear();
    world.end().await;
}
