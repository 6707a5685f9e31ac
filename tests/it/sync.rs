//! Full, incremental and reconciling syncs.

use crate::support::{ANA, BEN, World, by_forge, canary, compare, eventually};
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use hourbook_simulator::state::Delivery;
use serde_json::json;
use std::time::Duration;

/// No webhook arrives.
const DEAF: Delivery = Delivery { lost: 100, doubled: 0, late: 0, held: false, spares_containers: false };

/// Promise E2: what webhooks did not tell is found by the next incremental sync.
#[tokio::test]
async fn an_incremental_sync_finds_what_webhooks_lost() {
    let world = World::installed().await;
    world.site.deliver_webhooks(DEAF);
    world.site.log_work(BEN, world.ids.issue, Work::of(1200, "canary unheard"));
    world.site.change_work(world.ids.by_ana, |worklog| {
        (worklog.seconds, worklog.comment) = (60, Some(canary("changed")));
    });
    world.site.delete_work(world.ids.by_ben);
    assert!(compare::difference(&world, &world.site).await.is_err());
    world.advance(Duration::from_secs(90));
    world.sync(&world.site, "incremental").await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// The schedule brings it without anybody's doing.
#[tokio::test]
async fn incremental_syncs_come_by_the_clock() {
    let world = World::installed().await;
    world.site.deliver_webhooks(DEAF);
    world.site.log_work(BEN, world.ids.issue, Work::of(1200, "canary unheard"));
    world.advance(Duration::from_secs(3700));
    world.equal(&world.site).await;
    world.end().await;
}

/// Promise E3: whatever is wrong here becomes as in Jira, never the other way.
#[tokio::test]
async fn a_reconciliation_makes_the_copy_equal_to_jira() {
    let world = World::installed().await;
    let app = &world.running().app;
    let tenant = world.tenant(&world.site).await;
    let db = app.db(&tenant).await.unwrap();
    let (changed, gone) = (world.ids.by_ana, world.ids.by_cleo);
    db.write(move |db| {
        use hourbook_store::tenant::worklogs;
        let mut wrong = worklogs::by_ids(db, &[changed])?.pop().unwrap();
        (wrong.seconds, wrong.updated) = (1, wrong.updated - 1);
        worklogs::put(db, &[wrong])?;
        worklogs::delete(db, &[gone]).map(drop)
    })
    .await
    .unwrap();
    let theirs = compare::theirs(&world.site);
    assert!(compare::difference(&world, &world.site).await.is_err());
    hourbook::jobs::enqueue(app, &tenant.id, hourbook::jobs::Kind::SyncReconcile, "").await.unwrap();
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    assert_eq!(compare::theirs(&world.site), theirs, "Jira is as it was");
    drop((db, tenant));
    world.end().await;
}

/// More than a page, all reads resumable: a full sync that is killed goes on where it was.
#[tokio::test]
async fn a_full_sync_resumes_at_the_page_it_had_reached() {
    let mut world = World::start().await;
    {
        let now = world.cloud.clock.now_ms();
        let mut state = world.site.state();
        let template = state.worklogs.get(&world.ids.by_ana).unwrap().clone();
        for at in 0..7500 {
            let id = state.next_id();
            let updated = now - 10_000_000 + at;
            state.put(hourbook_simulator::state::Worklog {
                id,
                updated,
                created: updated,
                properties: Default::default(),
                ..template.clone()
            });
        }
    }
    world.site.fail("POST", "/worklog/list", Fault::Slow(Duration::from_millis(150)), 100);
    assert_eq!(world.site.install(&world.url(), crate::support::APP_KEY).await, 204);
    let count = || async { world.as_user(ANA).get("/api/v1/sync").await.json["worklogs"].as_i64().unwrap() };
    eventually("half of the pages are written", || async {
        let count = count().await;
        if count >= 4000 { Ok(()) } else { Err(count.to_string()) }
    })
    .await;
    let shown = world.as_user(ANA).get("/api/v1/sync").await.json;
    assert_eq!(shown["state"], "full", "{shown}");
    assert_eq!(shown["progress"]["kind"], "full");
    world.halt().await;
    let before = world.site.calls("/worklog/list");
    world.site.state().faults.clear();
    world.boot().await;
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    let after = world.site.calls("/worklog/list") - before;
    assert!(after <= 5, "{after} reads, for at most four of eight pages and one of overlap");
    world.end().await;
}

/// 429 and 5xx slow a sync down and lose nothing.
#[tokio::test]
async fn faults_of_jira_delay_a_sync_and_lose_nothing() {
    let world = World::installed().await;
    world.site.deliver_webhooks(DEAF);
    for at in 0..30 {
        world.site.log_work(BEN, world.ids.issue, Work::of(60 + at, "canary in bad weather"));
    }
    world.advance(Duration::from_secs(90));
    let burst = Fault::TooMany { reason: "jira-burst-based", retry_after: Some(0) };
    world.site.fail("", "/worklog/updated", burst, 2);
    world.site.fail("", "/worklog/updated", Fault::Status(503), 1);
    world.site.fail("", "/worklog/list", Fault::HangUpBefore, 1);
    world.site.fail("", "/worklog/list", Fault::HangUpAfter, 1);
    world.site.fail("", "/worklog/deleted", Fault::Status(500), 6);
    world.sync(&world.site, "incremental").await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// The hour's points are used up: everything waits for the next hour, and says so.
#[tokio::test]
async fn a_used_up_quota_pauses_until_the_next_hour() {
    let world = World::installed().await;
    let quota = Fault::TooMany { reason: "jira-quota-tenant-based", retry_after: Some(1) };
    world.site.fail("", "/worklog/updated", quota, 1);
    let started = world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "incremental" })).await;
    assert_eq!(started.status, 202);
    let sync = eventually("the pause is told", || async {
        let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
        if sync["state"] == "paused" { Ok(sync) } else { Err(sync.to_string()) }
    })
    .await;
    assert!(sync["quota"]["heldUntil"].is_string(), "{sync}");
    let calls = world.site.calls("/rest/");
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
    let write = world.as_user(BEN).log_work(world.ids.issue, "held-write-1", &body).await;
    assert_eq!((write.status, write.json["code"].as_str()), (503, Some("jira_rate_limited")));
    assert!(write.headers.contains_key("retry-after"));
    assert_eq!(world.site.calls("/rest/"), calls, "nothing is asked meanwhile");
    assert_eq!(
        world.on(&world.other, ANA).get("/api/v1/me").await.status,
        200,
        "the other tenant is not held"
    );
    world.advance(Duration::from_secs(3700));
    world.end().await;
}

/// Time tracking switched off: a pause with a plain message, and on again by itself.
#[tokio::test]
async fn time_tracking_switched_off_pauses_with_a_plain_message() {
    let world = World::installed().await;
    world.site.set_time_tracking(false, 8.0, 5.0);
    world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "incremental" })).await;
    let sync = eventually("the pause is told", || async {
        let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
        if sync["state"] == "paused" { Ok(sync) } else { Err(sync.to_string()) }
    })
    .await;
    assert!(sync["reason"].as_str().unwrap().contains("Time tracking is switched off"), "{sync}");
    assert_eq!(sync["worklogs"], 4, "nothing is deleted");
    world.site.set_time_tracking(true, 8.0, 5.0);
    world.sync(&world.site, "incremental").await;
    world.end().await;
}

/// Every tenant is compared with its Jira once a day, without anybody's doing.
#[tokio::test]
async fn a_reconciliation_comes_every_day() {
    let world = World::installed().await;
    world.advance(Duration::from_secs(31 * 3600));
    for site in [&world.site, &world.other] {
        eventually("it was reconciled", || async {
            let sync = world.on(site, ANA).get("/api/v1/sync").await.json;
            let runs = sync["runs"].as_array().unwrap();
            let done = runs.iter().any(|run| run["kind"] == "reconcile" && run["state"] == "done");
            done.then_some(()).ok_or_else(|| sync.to_string())
        })
        .await;
    }
    world.end().await;
}

/// No more databases are open than configured; the others are opened again as they are needed.
#[tokio::test]
async fn the_number_of_open_tenants_is_bounded() {
    let world = World::start_with(|_, tuning| tuning.open_tenants = 1).await;
    world.install_both().await;
    for _ in 0..3 {
        for site in [&world.site, &world.other] {
            assert_eq!(world.on(site, ANA).get("/api/v1/tags").await.status, 200);
        }
    }
    assert_eq!(world.running().app.tenants.open_count(), 1);
    world.end().await;
}

/// Promise E6: admins may start a sync, others may not.
#[tokio::test]
async fn only_admins_start_a_sync() {
    let world = World::installed().await;
    let reply = world.as_user(BEN).post("/api/v1/sync", &json!({ "kind": "full" })).await;
    assert_eq!((reply.status, reply.json["code"].as_str()), (403, Some("admin_only")));
    let reply = world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "sideways" })).await;
    assert_eq!((reply.status, reply.json["field"].as_str()), (400, Some("kind")));
    world.sync(&world.site, "full").await;
    let acts = world.as_user(ANA).get("/api/v1/audit").await.json;
    assert_eq!(acts["items"][0]["action"], "sync.full");
    assert_eq!(acts["items"][0]["accountId"], ANA);
    world.end().await;
}

/// While webhooks arrive and miss nothing, incremental syncs grow rarer, up to an hour.
#[tokio::test]
async fn the_rhythm_adapts_to_webhooks() {
    let world = World::start_with(|env, _| {
        env.insert("HOURBOOK_INCREMENTAL_SECS".into(), "900".into());
    })
    .await;
    world.install_both().await;
    let tenant = world.tenant_id(&world.site).await;
    let rhythm = || async {
        let (app, id) = (&world.running().app, tenant.clone());
        let found =
            app.control.read(move |conn| hourbook_store::control::installations::find(conn, &id)).await;
        found.unwrap().unwrap().incremental_secs
    };
    for expected in [1800, 3600, 3600] {
        world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary heard"));
        world.settle(&world.site).await;
        world.sync(&world.site, "incremental").await;
        assert_eq!(rhythm().await, expected);
    }
    world.site.deliver_webhooks(DEAF);
    world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary unheard"));
    world.advance(Duration::from_secs(90));
    world.sync(&world.site, "incremental").await;
    assert_eq!(rhythm().await, 900, "one was missed");
    world.end().await;
}

/// A tenant of another region is not opened (promise E14).
#[tokio::test]
async fn the_region_is_recorded_and_another_one_refused() {
    let mut world = World::installed().await;
    world.halt().await;
    world.env.insert("HOURBOOK_REGION".into(), "us-east-1".into());
    world.boot().await;
    let refused = world.as_user(ANA).get("/api/v1/tags").await;
    // On Forge 401 says that a token is bad, and nothing else.
    assert_eq!(refused.status, if by_forge() { 403 } else { 401 }, "{}", refused.text);
    world.halt().await;
    world.env.insert("HOURBOOK_REGION".into(), "eu-central-1".into());
    world.boot().await;
    assert_eq!(world.as_user(ANA).get("/api/v1/tags").await.status, 200);
    world.end().await;
}
