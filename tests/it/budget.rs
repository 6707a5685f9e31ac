//! Jira's limits: what we do when it says 429, and that it seldom has to.

use crate::support::{ANA, APP_KEY, BEN, CLEO, World, compare, eventually};
use hourbook_simulator::faults::Fault;
use hourbook_simulator::limits::Allowed;
use hourbook_simulator::state::Worklog;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn work() -> serde_json::Value {
    json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 })
}

/// The four reasons of a 429, each with its own scope.
#[tokio::test]
async fn each_reason_of_a_429_stops_what_it_names_and_nothing_else() {
    let world = World::installed().await;
    let issue = world.ids.issue;
    let other_issue = world.site.add_issue(world.ids.project, "canary other");
    let too_many = |reason, retry_after| Fault::TooMany { reason, retry_after };
    let ben = world.as_user(BEN);

    // Too many changes of one issue: its next write waits, another issue's does not.
    world.site.fail(
        "POST",
        &format!("/issue/{issue}/worklog"),
        too_many("jira-per-issue-on-write", Some(2)),
        1,
    );
    let begun = Instant::now();
    let slow = async {
        let reply = ben.log_work(issue, "reason-issue", &work()).await;
        (reply.status, begun.elapsed())
    };
    let quick = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let reply = world.as_user(CLEO).log_work(other_issue, "reason-other", &work()).await;
        (reply.status, begun.elapsed())
    };
    let ((slow_status, slow), (quick_status, quick)) = tokio::join!(slow, quick);
    assert_eq!((slow_status, quick_status), (201, 201));
    assert!(slow >= Duration::from_secs(2) && quick < slow, "{slow:?} {quick:?}");

    // Too fast for one endpoint: others of the same site go on.
    world.site.fail("GET", "/configuration", too_many("jira-burst-based", Some(2)), 1);
    let begun = Instant::now();
    let panel = format!("/api/v1/issues/{issue}/panel");
    let slow = async { (ben.get(&panel).await.status, begun.elapsed()) };
    let quick = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        (world.as_user(ANA).get("/api/v1/me").await.status, begun.elapsed())
    };
    let ((slow_status, slow), (quick_status, quick)) = tokio::join!(slow, quick);
    assert_eq!((slow_status, quick_status), (200, 200));
    assert!(slow >= Duration::from_secs(2) && quick < slow, "{slow:?} {quick:?}");

    // The tenant's points: its calls wait for the next hour, the other tenant's do not.
    world.site.fail("", "/permissions/check", too_many("jira-quota-tenant-based", None), 1);
    let held = world.as_user(CLEO).get("/api/v1/me").await;
    assert_eq!((held.status, held.json["code"].as_str()), (503, Some("jira_rate_limited")));
    assert_eq!(world.on(&world.other, CLEO).get("/api/v1/me").await.status, 200);
    world.advance(Duration::from_secs(3600));
    assert_eq!(world.as_user(CLEO).get("/api/v1/me").await.status, 200);

    // The app's points: everybody waits.
    world.site.fail("", "/permissions/check", too_many("jira-quota-global-based", Some(5)), 1);
    world.advance(Duration::from_secs(61));
    assert_eq!(world.as_user(CLEO).get("/api/v1/me").await.status, 503);
    let held = world.on(&world.other, CLEO).get("/api/v1/me").await;
    assert_eq!(held.status, 503);
    let wait: i64 = held.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3601).contains(&wait), "{wait}");
    world.advance(Duration::from_secs(3600));
    world.end().await;
}

/// Under Jira's own limiters, a person who writes fast is slowed down and refused nothing.
#[tokio::test]
async fn fast_writes_on_one_issue_stay_within_jiras_limit() {
    let world = World::installed().await;
    world.cloud.limit(Allowed::default());
    let world = Arc::new(world);
    let writes = (0..30).map(|at| {
        let world = Arc::clone(&world);
        async move {
            let key = format!("fast-{at}");
            world.as_user(BEN).log_work(world.ids.issue, &key, &work()).await.status
        }
    });
    let statuses = futures_util::future::join_all(writes).await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    let used = world.cloud.limits().unwrap().used();
    // Thirty at once would meet ten refusals and more.
    assert!(used.issue_refusals == 0 && used.burst_refusals == 0, "we keep to it ourselves: {used:?}");
    let Some(world) = Arc::into_inner(world) else { panic!("all writes have ended") };
    world.end().await;
}

fn fill(world: &World, site: &hourbook_simulator::site::Site, worklogs: i64) {
    let now = world.cloud.clock.now_ms();
    let mut state = site.state();
    let template = state.worklogs[&world.ids.by_ana].clone();
    for at in 0..worklogs {
        let id = state.next_id();
        let updated = now - 100_000_000 + at * (99_000_000 / worklogs);
        state.put(Worklog {
            id,
            updated,
            created: updated,
            properties: Default::default(),
            ..template.clone()
        });
    }
}

/// One tenant's full sync uses up its part of the hour; another one is installed and has its first pages all the
/// same, and people write. The end that is told is what the quota allows.
#[tokio::test]
async fn a_large_full_sync_leaves_room_for_others_and_tells_its_end() {
    let world = World::start_with(|env, _| {
        env.insert("HOURBOOK_POINTS_PER_HOUR".into(), "100".into());
    })
    .await;
    fill(&world, &world.site, 60_000);
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    let sync = eventually("it waits for the quota", || async {
        let sync = world.as_user(BEN).get("/api/v1/sync").await.json;
        let waits = sync["state"] == "paused" && sync["runs"][0]["state"] == "waiting";
        if waits { Ok(sync) } else { Err(sync.to_string()) }
    })
    .await;
    assert!(sync["reason"].as_str().unwrap().contains("goes on by itself at"), "{sync}");
    let instant = |name: &str| hourbook::jira::time::parse(sync["progress"][name].as_str().unwrap()).unwrap();
    let next_hour = hourbook::jira::meter::next_hour(world.clock.now_ms());
    // Not before, and soon after: the wait is told in whole seconds from when it was found out.
    assert!((next_hour..next_hour + 60_000).contains(&instant("waitsUntil")), "{sync}");
    assert!(instant("expectedEnd") >= next_hour, "{sync}");
    let pages = sync["progress"]["pages"].as_i64().unwrap();
    // A person writes meanwhile.
    let write = world.as_user(CLEO).log_work(world.ids.secret_issue, "meanwhile", &work()).await;
    assert_eq!(write.status, 201, "{}", write.text);
    // The next hour: it goes on where it was, as the same run.
    world.advance(Duration::from_secs(3600));
    world.settle(&world.site).await;
    let sync = world.as_user(BEN).get("/api/v1/sync").await.json;
    let full: Vec<_> = sync["runs"].as_array().unwrap().iter().filter(|run| run["kind"] == "full").collect();
    assert_eq!(full.len(), 1, "{sync}");
    assert!(full[0]["pages"].as_i64().unwrap() > pages && full[0]["state"] == "done", "{sync}");
    world.advance(Duration::from_secs(3600));
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// Long syncs never take all the slots, and give their slot up for a while to whoever waits.
#[tokio::test]
async fn many_full_syncs_take_turns() {
    let world = World::start().await;
    let mut sites = vec![Arc::clone(&world.site), Arc::clone(&world.other)];
    for number in 0..6 {
        let site = hourbook_simulator::site::Site::start(&world.cloud, &format!("client-{number}"));
        site.add_user(ANA, "Canary Ana", true);
        let project = site.add_project("CAN");
        let issue = site.add_issue(project, "canary");
        let id = site.log_work(ANA, issue, hourbook_simulator::people::Work::of(60, "canary"));
        {
            let mut state = site.state();
            let template = state.worklogs[&id].clone();
            for at in 0..25_000 {
                let id = state.next_id();
                let updated = template.updated - 100_000_000 + at;
                state.put(Worklog { id, updated, ..template.clone() });
            }
        }
        site.fail("POST", "/worklog/list", Fault::Slow(Duration::from_millis(120)), 1_000_000);
        assert_eq!(site.install(&world.url(), APP_KEY).await, 204);
        sites.push(site);
    }
    // Six long ones are at work; two small ones come in behind them.
    for site in &sites[..2] {
        assert_eq!(site.install(&world.url(), APP_KEY).await, 204);
    }
    for site in &sites[..2] {
        world.settle(site).await;
    }
    let busy = |site: &Arc<hourbook_simulator::site::Site>| {
        let (world, site) = (&world, Arc::clone(site));
        async move { world.on(&site, ANA).get("/api/v1/sync").await.json["state"] != "idle" }
    };
    let mut still = 0;
    for site in &sites[2..] {
        still += usize::from(busy(site).await);
    }
    assert!(still >= 3, "{still} of 6 long syncs are still at work when the small ones have ended");
    for site in &sites[2..] {
        site.state().faults.clear();
        world.settle(site).await;
    }
    world.end_unchecked().await;
}
