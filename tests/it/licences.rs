//! Licences: what a host says of them, what people may do, what admins are told.

use crate::auth::target;
use crate::support::client::send;
use crate::support::{ANA, APP_KEY, BEN, World, eventually};
use hourbook::auth::TokenKind;
use hourbook::web::routes;
use hourbook_simulator::people::Work;
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

async fn world(by_forge: bool) -> World {
    let world = World::start().await;
    world.site.state().by_forge = by_forge;
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    world.settle(&world.site).await;
    world
}

async fn licence_of(world: &World, account: &str) -> Value {
    world.as_user(account).get("/api/v1/me").await.json["licence"].clone()
}

/// Connect's answer is remembered for a quarter of an hour, which is no time of the tests' clock.
fn as_later(world: &World) {
    world.running().app.licences.forget_all();
}

/// Inactive: everybody reads, nobody writes, everybody is told; syncs go on for a month; renewed, everything is caught up.
#[tokio::test]
async fn an_inactive_licence_is_read_only_and_loses_nothing() {
    for by_forge in [false, true] {
        let world = world(by_forge).await;
        world.site.state().licence = Some(false);
        as_later(&world);
        assert_eq!(licence_of(&world, BEN).await, json!({ "active": false, "evaluation": false }));
        let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
        let refused = world.as_user(BEN).log_work(world.ids.issue, "unpaid", &body).await;
        assert_eq!((refused.status, refused.json["code"].as_str()), (402, Some("licence_expired")));
        for route in routes::all().iter().filter(|route| route.token == TokenKind::Context) {
            // A body that no handler takes: whoever is let in gets 400 or so.
            let body = (route.method != "GET").then(|| json!({ "nothing": true }));
            let reply =
                world.as_user(ANA).send(route.method, &target(&world, route), body.as_ref(), &[]).await;
            assert_eq!(
                reply.status == 402,
                route.licensed,
                "{} {}: {}",
                route.method,
                route.path,
                reply.text
            );
        }
        assert_eq!(world.as_user(ANA).get("/api/v1/worklogs").await.status, 200);
        world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary in the month of grace"));
        world.advance(DAY * 29);
        world.settle(&world.site).await;
        world.equal(&world.site).await;
        world.advance(DAY * 2);
        as_later(&world);
        world.on(&world.site, ANA).post("/api/v1/sync", &json!({ "kind": "incremental" })).await;
        let sync = eventually("it pauses", || async {
            let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
            if sync["state"] == "paused" { Ok(sync) } else { Err(sync.to_string()) }
        })
        .await;
        assert!(sync["reason"].as_str().unwrap().contains("licence"), "{sync}");
        world.site.log_work(BEN, world.ids.issue, Work::of(720, "canary unsynced"));
        world.advance(Duration::from_secs(120));
        world.site.state().licence = Some(true);
        as_later(&world);
        assert_eq!(licence_of(&world, ANA).await, Value::Null, "nothing to tell");
        world.settle(&world.site).await;
        world.equal(&world.site).await;
        assert_eq!(world.as_user(BEN).log_work(world.ids.issue, "paid", &body).await.status, 201);
        world.end().await;
    }
}

/// A trial is told to admins, with its end where the host knows it.
#[tokio::test]
async fn a_trial_is_shown_to_admins() {
    let world = world(true).await;
    let trial = json!({ "active": true, "isEvaluation": true, "trialEndDate": "2026-12-24T00:00:00.000Z",
        "subscriptionEndDate": "2027-12-24T00:00:00.000Z", "type": "COMMERCIAL" });
    world.site.state().forge.as_mut().unwrap().licence = Some(trial);
    assert_eq!(licence_of(&world, BEN).await, Value::Null, "others need not know");
    let told = licence_of(&world, ANA).await;
    assert_eq!(told, json!({ "active": true, "evaluation": true, "endsAt": "2026-12-24T00:00:00.000Z" }));
    // The older name of the same, and no dates.
    world.site.state().forge.as_mut().unwrap().licence = Some(json!({ "isActive": false }));
    assert_eq!(licence_of(&world, BEN).await["active"], false);
    // None: an app that costs nothing. What was said before holds, until something else is.
    world.site.state().forge.as_mut().unwrap().licence = Some(json!({ "active": true }));
    assert_eq!(licence_of(&world, ANA).await, Value::Null);
    world.end().await;
}

/// Connect says with every page whether there is a licence: what it says first asks anew at once.
#[tokio::test]
async fn a_page_of_connect_tells_that_the_licence_changed() {
    let world = world(false).await;
    world.site.state().licence = Some(true);
    assert_eq!(licence_of(&world, BEN).await, Value::Null);
    world.site.state().licence = Some(false);
    assert_eq!(licence_of(&world, BEN).await, Value::Null, "remembered");
    let panel = format!("/connect/panel?issueId={}", world.ids.issue);
    let page = world.site.page_url(&panel, BEN);
    assert_eq!(send(&world, "GET", &page, None, &[]).await.status, 200);
    assert_eq!(licence_of(&world, BEN).await["active"], false);
    world.end().await;
}

/// It is account information: kept over a restart, and gone with the rest of it.
#[tokio::test]
async fn a_licence_goes_with_the_account_information() {
    let mut world = world(true).await;
    world.site.state().licence = Some(false);
    assert_eq!(licence_of(&world, BEN).await["active"], false);
    let tenant = world.tenant_id(&world.site).await;
    world.halt().await;
    world.boot().await;
    let known = |id: String| {
        let app = world.running().app.clone();
        async move {
            app.control.read(move |conn| hourbook_store::control::licences::find(conn, &id)).await.unwrap()
        }
    };
    assert!(known(tenant.clone()).await.is_some());
    assert_eq!(world.site.uninstall_by_forge().await, 204);
    eventually("it is closed", || async { world.open_tenant(&world.site).await.map_or(Ok(()), Err) }).await;
    assert!(known(tenant.clone()).await.is_some(), "for a month");
    eventually("the wipe has ended", || async {
        let (app, id) = (world.running().app.clone(), tenant.clone());
        let found =
            app.control.read(move |conn| hourbook_store::control::receipts::of_tenant(conn, &id)).await;
        found.unwrap().ok_or_else(|| "no receipt".to_owned())
    })
    .await;
    world.advance(DAY * 31);
    hourbook::jobs::schedule::tidy(&world.running().app).await;
    assert!(known(tenant).await.is_none());
    world.end().await;
}
