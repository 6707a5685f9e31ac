//! Sites that refuse us, and sites that another installation took over.

use crate::support::{ANA, APP_KEY, BEN, World, by_forge, eventually};
use hourbook::jobs::Kind;
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use hourbook_store::conn::Conn;
use hourbook_store::control::{installations, jobs};
use serde_json::{Value, json};
use std::time::Duration;

const FOR_EVER: u32 = 1_000_000;
const DAY: Duration = Duration::from_secs(86_400);

async fn suspended(world: &World) -> Value {
    eventually("the suspension is told", || async {
        let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
        if sync["state"] == "suspended" { Ok(sync) } else { Err(sync.to_string()) }
    })
    .await
}

async fn ops(world: &World, path: &str) -> String {
    let url = format!("http://{}{path}", world.running().ops);
    world.http.get(url).send().await.unwrap().text().await.unwrap()
}

/// 401, 403 and 404 from the site: at once, with an alarm, data out of reach; back by itself when the site lets us
/// in again.
#[tokio::test]
async fn a_refusing_site_suspends_its_installation_at_once() {
    for status in [401, 403, 404] {
        let world = settled_in().await;
        world.site.fail("", "/rest/", Fault::Status(status), FOR_EVER);
        world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "incremental" })).await;
        run_incremental(&world).await;
        let sync = suspended(&world).await;
        assert!(sync["reason"].as_str().unwrap().contains("After 30 days its copy is wiped"), "{sync}");
        assert_eq!(sync["worklogs"], 0, "nothing is told of the copy");
        let list = world.as_user(ANA).get("/api/v1/worklogs").await;
        let status_of_host = if by_forge() { 403 } else { 401 };
        assert_eq!((list.status, list.json["code"].as_str()), (status_of_host, Some("suspended")));
        assert!(ops(&world, "/metrics").await.contains("hourbook_alarms_total{alarm=\"refused\"} 1"));
        assert!(ops(&world, "/ops/tenants").await.contains(&format!("refused: {status}")));
        // Missed meanwhile, webhooks included.
        world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary while suspended"));
        world.site.state().faults.clear();
        world.advance(Duration::from_secs(3700));
        eventually("it goes on", || async {
            let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
            if sync["state"] == "idle" { Ok(()) } else { Err(sync.to_string()) }
        })
        .await;
        world.site.state().refused.clear();
        world.end().await;
    }
}

/// A world whose sites have known the app for a while: Forge refuses a fresh one now and then.
async fn settled_in() -> World {
    let world = World::installed().await;
    if by_forge() {
        world.advance(Duration::from_secs(16 * 60));
        world.settle(&world.site).await;
    }
    world
}

async fn run_incremental(world: &World) {
    let tenant = world.tenant_id(&world.site).await;
    let app = &world.running().app;
    hourbook::jobs::enqueue(app, &tenant, hourbook::jobs::Kind::SyncIncremental, "").await.unwrap();
}

/// The job that makes up for what was missed may begin before its node has heard that the site is back: it looks for
/// itself, instead of ending for a suspended tenant as if it were done.
#[tokio::test]
async fn a_job_believes_the_control_database_and_not_its_memory() {
    let world = settled_in().await;
    let tenant = world.tenant_id(&world.site).await;
    world.site.fail("", "/rest/", Fault::Status(403), FOR_EVER);
    run_incremental(&world).await;
    suspended(&world).await;
    world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary while suspended"));
    world.site.state().faults.clear();
    // Jira withholds the last minute of its feed.
    world.advance(Duration::from_secs(120));
    // What another node would do; this one remembers that the tenant is suspended.
    let app = &world.running().app;
    let now = app.clock.now_ms();
    let job = move |conn: &mut Conn| {
        assert!(installations::resume(conn, &tenant, now)?);
        jobs::enqueue(conn, &Kind::SyncReconcile.for_tenant(&tenant, "", now), now)
    };
    app.control.write(job).await.unwrap();
    world.equal(&world.site).await;
    world.site.state().refused.clear();
    world.end().await;
}

/// Kept on day 29, wiped on day 31; the other tenant is untouched.
#[tokio::test]
async fn a_suspended_installation_is_wiped_after_thirty_days() {
    let world = settled_in().await;
    let tenant = world.tenant_id(&world.site).await;
    world.site.fail("", "/rest/", Fault::Status(401), FOR_EVER);
    run_incremental(&world).await;
    suspended(&world).await;
    world.advance(DAY * 29);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.has_database(&tenant), "on day 29 it is there");
    world.advance(DAY * 2);
    eventually("it is wiped", || async {
        (!world.has_database(&tenant)).then_some(()).ok_or_else(|| "still there".to_owned())
    })
    .await;
    assert_eq!(world.as_user(ANA).get("/api/v1/sync").await.json["code"], "unknown_tenant");
    world.site.lose_app();
    world.end().await;
}

/// The thirty days are unbroken ones: whoever is let in or installed again in between starts anew.
#[tokio::test]
async fn the_thirty_days_are_unbroken() {
    let world = settled_in().await;
    let refuse = || async {
        world.site.fail("", "/rest/", Fault::Status(403), FOR_EVER);
        run_incremental(&world).await;
        suspended(&world).await;
    };
    refuse().await;
    world.advance(DAY * 20);
    world.site.state().faults.clear();
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204, "its clientKey is installed again");
    world.settle(&world.site).await;
    if by_forge() {
        world.advance(Duration::from_secs(16 * 60));
        world.settle(&world.site).await;
    }
    refuse().await;
    world.advance(DAY * 20);
    tokio::time::sleep(Duration::from_millis(500)).await;
    suspended(&world).await;
    world.site.state().faults.clear();
    world.advance(Duration::from_secs(3700));
    eventually("it goes on with its data", || async {
        let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
        if sync["worklogs"] == 4 { Ok(()) } else { Err(sync.to_string()) }
    })
    .await;
    world.end().await;
}

/// What only Connect has.
mod connect {
    use super::*;

    /// A refusal of the secret of before says nothing against the one that was just renewed.
    #[tokio::test]
    async fn a_late_refusal_of_an_old_secret_suspends_nobody() {
        let world = World::installed().await;
        let app = &world.running().app;
        let before = world.tenant(&world.site).await;
        assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204, "renewed");
        let reason = hourbook::lifecycle::suspend::UNAUTHORIZED;
        hourbook::lifecycle::suspend::refused(app, &before, reason).await.unwrap();
        drop(before);
        world.settle(&world.site).await;
        assert_eq!(world.as_user(ANA).get("/api/v1/sync").await.json["state"], "idle");
        world.end().await;
    }

    /// A site import: the same address under another clientKey. The former installation is suspended with an alarm and
    /// wiped after thirty days.
    #[tokio::test]
    async fn a_superseded_installation_is_suspended_and_wiped_later() {
        let world = World::installed().await;
        let before = world.tenant_id(&world.site).await;
        world.site.import_as("canary-client-new");
        assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
        world.settle(&world.site).await;
        assert!(ops(&world, "/metrics").await.contains("hourbook_alarms_total{alarm=\"superseded\"} 1"));
        assert!(ops(&world, "/ops/tenants").await.contains("\"reason\":\"superseded\""));
        world.advance(DAY * 29);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(world.has_database(&before));
        world.advance(DAY * 2);
        eventually("it is wiped", || async {
            (!world.has_database(&before)).then_some(()).ok_or_else(|| "still there".to_owned())
        })
        .await;
        world.settle(&world.site).await;
        world.end().await;
    }
}
