//! Days on which Jira does not behave as one would think: worklogs that are missing, moved, hidden; people and
//! projects that go; clocks that are wrong. Each rule with the test that breaks when it is broken.

use crate::support::{ANA, APP_KEY, BEN, CLEO, World, canary, compare, eventually};
use hourbook::jobs::{self, Kind};
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use hourbook_simulator::state::{Delivery, Restriction, Worklog};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// No webhook arrives, and Jira does not know that it does not.
const DEAF: Delivery = Delivery { lost: 100, doubled: 0, late: 0, held: false, spares_containers: false };

async fn run(world: &World, kind: Kind) {
    let app = &world.running().app;
    let tenant = world.tenant_id(&world.site).await;
    jobs::enqueue(app, &tenant, kind, "").await.unwrap();
    world.settle(&world.site).await;
}

async fn sync_of(world: &World, account: &str) -> Value {
    world.as_user(account).get("/api/v1/sync").await.json
}

async fn shown(world: &World) -> HashSet<i64> {
    let ours = compare::ours(world, &world.site).await.unwrap();
    ours.iter().map(|worklog| worklog["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// Kept, hidden, counted; and shown again once Jira returns it.
#[tokio::test]
async fn a_worklog_that_jira_does_not_return_is_hidden_and_kept() {
    let world = World::installed().await;
    let id = world.ids.by_cleo;
    // Gone from every answer of Jira, but no feed says that it was deleted.
    let missing = world.site.state().take(id, 0, false).unwrap();
    run(&world, Kind::SyncReconcile).await;
    let sync = sync_of(&world, ANA).await;
    assert_eq!((&sync["worklogs"], &sync["unreadable"]), (&json!(4), &json!(1)), "{sync}");
    assert_eq!(sync["runs"][0]["unreadable"], 1, "{sync}");
    assert!(!shown(&world).await.contains(&id), "hidden from an admin");
    let path = format!("/api/v1/issues/{}/worklogs/{id}", world.ids.secret_issue);
    assert_eq!(world.as_user(CLEO).get(&path).await.status, 404, "and from its author");
    assert_eq!(sync_of(&world, BEN).await["unreadable"], Value::Null, "its number is for admins");
    world.site.state().put(missing);
    run(&world, Kind::SyncIncremental).await;
    assert_eq!(sync_of(&world, ANA).await["unreadable"], 0);
    world.end().await;
}

/// An event of it shows that it lives.
#[tokio::test]
async fn a_hidden_worklog_comes_back_with_an_event() {
    let world = World::installed().await;
    let missing = world.site.state().take(world.ids.by_cleo, 0, false).unwrap();
    run(&world, Kind::SyncReconcile).await;
    assert!(!shown(&world).await.contains(&world.ids.by_cleo));
    world.site.state().put(missing);
    world.site.change_work(world.ids.by_cleo, |worklog| worklog.seconds = 120);
    world.settle(&world.site).await;
    world.end().await;
}

/// Moved in bulk: no event, and `updated` stays as it was. Only reading it again tells.
#[tokio::test]
async fn worklogs_moved_in_bulk_are_found() {
    let world = World::installed().await;
    world.site.move_work(&[world.ids.by_ana], world.ids.secret_issue, false);
    run(&world, Kind::SyncReconcile).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.site.move_work(&[world.ids.by_ben], world.ids.secret_issue, true);
    world.advance(Duration::from_secs(90));
    run(&world, Kind::SyncIncremental).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// Whoever meets the 404 of a moved worklog has it looked for.
#[tokio::test]
async fn a_404_finds_out_where_the_worklog_went() {
    let world = World::installed().await;
    let id = world.ids.by_ana;
    world.site.move_work(&[id], world.ids.secret_issue, false);
    let path = format!("/api/v1/issues/{}/worklogs/{id}", world.ids.issue);
    let reply = world.as_user(ANA).put(&path, &json!({ "timeSpentSeconds": 60 })).await;
    assert_eq!(reply.status, 404, "{}", reply.text);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.site.move_work(&[id], world.ids.issue, false);
    let path = format!("/api/v1/issues/{}/worklogs/{id}", world.ids.secret_issue);
    assert_eq!(world.as_user(ANA).delete(&path).await.status, 404);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// Issue and project take their worklogs along, except those that were moved out of them without a word.
#[tokio::test]
async fn what_was_moved_away_survives_its_issue_and_its_project() {
    let world = World::installed().await;
    let (id, other) = (world.ids.by_ana, world.ids.by_cleo);
    let elsewhere = world.site.add_issue(world.ids.project, "canary elsewhere");
    world.site.move_work(&[id, other], elsewhere, false);
    world.site.delete_issue(world.ids.issue);
    world.settle(&world.site).await;
    assert_eq!(shown(&world).await, HashSet::from([id, other, world.ids.by_ben_hidden]));
    world.site.delete_project(world.ids.other_project);
    world.settle(&world.site).await;
    assert_eq!(shown(&world).await, HashSet::from([id, other]));
    world.end().await;
}

/// A user is deleted: nothing is erased, and whose work it was stays known by the opaque id.
#[tokio::test]
async fn the_work_of_a_deleted_user_stays() {
    let world = World::installed().await;
    world.site.delete_user(BEN);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    // Read again: Jira names nobody any more.
    world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 120);
    world.settle(&world.site).await;
    run(&world, Kind::SyncReconcile).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// An issue changes its key and its project: ids stay, and so do its worklogs when the old project goes.
#[tokio::test]
async fn a_moved_issue_keeps_its_worklogs() {
    let world = World::installed().await;
    world.site.deliver_webhooks(DEAF);
    world.site.move_issue(world.ids.issue, world.ids.other_project);
    world.site.deliver_webhooks(Delivery::default());
    world.site.delete_project(world.ids.project);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// A project comes back from the bin with its worklogs, also if the event of its deletion comes last.
#[tokio::test]
async fn a_restored_project_brings_its_worklogs_back() {
    let world = World::installed().await;
    world.site.delete_project(world.ids.project);
    world.settle(&world.site).await;
    assert_eq!(shown(&world).await.len(), 2);
    world.site.restore_project(world.ids.project);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
    world.site.delete_project(world.ids.project);
    world.site.restore_project(world.ids.project);
    let mut events: Vec<_> = world.site.state().outbox.drain(..).collect();
    events.reverse();
    for event in &events {
        assert_eq!(world.site.post(event).await, 204);
        world.settle(&world.site).await;
    }
    world.site.deliver_webhooks(Delivery::default());
    world.end().await;
}

/// A project that was in the bin when the copy was made: once it is back, the feeds name its worklogs at times that
/// were consumed long ago, or not at all where more of them share an instant than a page holds.
#[tokio::test]
async fn a_project_that_was_away_at_the_first_sync_is_read_once_it_is_back() {
    let world = World::start().await;
    world.site.delete_project(world.ids.project);
    let updated = world.cloud.clock.now_ms() - 70_000;
    let here = world.site.add_issue(world.ids.other_project, "canary here");
    {
        let mut state = world.site.state();
        state.feed_page = 3;
        let template = state.worklogs.values().next().unwrap().clone();
        for issue_id in [here, world.ids.issue].repeat(4) {
            let id = state.next_id();
            let worklog = Worklog { id, updated, issue_id, ..template.clone() };
            if issue_id == here {
                state.put(worklog)
            } else {
                state.binned.insert(id, worklog);
            }
        }
    }
    world.install_both().await;
    assert_eq!(shown(&world).await.len(), 6, "two that were there before and four");
    world.site.restore_project(world.ids.project);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    assert_eq!(shown(&world).await.len(), 12);
    world.end().await;
}

/// An import writes without webhooks, and all at one instant: more than a page of the feed holds.
#[tokio::test]
async fn an_import_with_more_ties_than_a_page_is_read_issue_by_issue() {
    for include_since in [false, true] {
        let world = World::installed().await;
        let updated = world.cloud.clock.now_ms() - 70_000;
        let new_issue = world.site.add_issue(world.ids.project, "canary imported");
        {
            let mut state = world.site.state();
            state.feeds_include_since = include_since;
            let template = state.worklogs.get(&world.ids.by_ana).unwrap().clone();
            for at in 0..2500 {
                let id = state.next_id();
                let issue_id = if at % 2 == 0 { new_issue } else { world.ids.issue };
                state.put(Worklog { id, updated, issue_id, ..template.clone() });
            }
            for at in 1..20 {
                let id = state.next_id();
                state.put(Worklog { id, updated: updated + at, ..template.clone() });
            }
        }
        world.sync(&world.site, "incremental").await;
        compare::difference(&world, &world.site).await.unwrap();
        // And the next one has nothing to do with it any more.
        let reads = world.site.calls("GET /rest/api/3/issue/{id}/worklog");
        world.advance(Duration::from_secs(600));
        world.sync(&world.site, "incremental").await;
        assert_eq!(world.site.calls("GET /rest/api/3/issue/{id}/worklog"), reads);
        world.end().await;
    }
}

/// Thousands are deleted at one instant: the feed cannot name them all, so everything is asked for.
#[tokio::test]
async fn more_deletions_at_one_instant_than_a_page_are_hidden() {
    let world = World::installed().await;
    world.site.deliver_webhooks(DEAF);
    let gone: Vec<i64> = (0..2100)
        .map(|at| world.site.log_work(BEN, world.ids.issue, Work::of(60 + at, "canary mass")))
        .collect();
    world.advance(Duration::from_secs(90));
    world.sync(&world.site, "incremental").await;
    {
        let now = world.cloud.clock.now_ms();
        let mut state = world.site.state();
        gone.iter().for_each(|id| drop(state.take(*id, now, true)));
    }
    world.advance(Duration::from_secs(90));
    world.sync(&world.site, "incremental").await;
    assert_eq!(shown(&world).await.len(), 4);
    world.end().await;
}

/// A clock that is wrong by minutes, ours or Jira's: tokens are made and checked by the site's time.
#[tokio::test]
async fn clocks_that_differ_by_minutes_lock_nobody_out() {
    for ours_ahead_ms in [7 * 60_000, -7 * 60_000] {
        let world = World::start().await;
        world.clock.advance_ms(ours_ahead_ms);
        assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
        world.settle(&world.site).await;
        world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary by another clock"));
        world.settle(&world.site).await;
        let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
        let reply = world.as_user(BEN).log_work(world.ids.issue, "skew", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        // Corrected while the server runs.
        world.clock.advance_ms(-ours_ahead_ms);
        world.advance(Duration::from_secs(120));
        world.site.deliver_webhooks(DEAF);
        world.site.log_work(BEN, world.ids.issue, Work::of(900, "canary corrected"));
        world.advance(Duration::from_secs(90));
        world.sync(&world.site, "incremental").await;
        let sync = sync_of(&world, ANA).await;
        let in_step = hourbook::jira::time::parse(sync["inStepAsOf"].as_str().unwrap()).unwrap();
        assert!(in_step <= world.cloud.clock.now_ms() - 60_000, "by Jira's clock, the last minute withheld");
        world.end().await;
    }
}

/// What a clock that was days ahead has planned does not wait for those days once it is set right.
#[tokio::test]
async fn a_clock_that_is_set_back_delays_nothing() {
    let world = World::installed().await;
    let ahead = 10 * 86_400_000;
    world.clock.advance_ms(ahead);
    let app = &world.running().app;
    let tenant = world.tenant_id(&world.site).await;
    eventually("syncs were planned by that clock", || async {
        let id = tenant.clone();
        let found =
            app.control.read(move |conn| hourbook_store::control::installations::find(conn, &id)).await;
        let next = found.unwrap().unwrap().next_incremental_at;
        (next > app.clock.now_ms()).then_some(()).ok_or_else(|| next.to_string())
    })
    .await;
    jobs::enqueue_after(app, &tenant, Kind::Complete, "", 60_000).await.unwrap();
    world.clock.advance_ms(-ahead);
    let asked = world.site.calls("/worklog/updated");
    world.site.deliver_webhooks(DEAF);
    world.site.log_work(BEN, world.ids.issue, Work::of(900, "canary found by schedule"));
    world.advance(Duration::from_secs(90));
    eventually("a sync comes by schedule", || async {
        (world.site.calls("/worklog/updated") > asked).then_some(()).ok_or_else(String::new)
    })
    .await;
    world.end().await;
}

/// "In step as of" claims nothing of the minute that Jira withholds, and nothing while a feed is not consumed.
#[tokio::test]
async fn in_step_is_claimed_only_for_what_was_consumed() {
    let world = World::installed().await;
    let in_step = |sync: &Value| hourbook::jira::time::parse(sync["inStepAsOf"].as_str().unwrap()).unwrap();
    let before = in_step(&sync_of(&world, ANA).await);
    assert!(before <= world.cloud.clock.now_ms() - 60_000);
    world.advance(Duration::from_secs(1200));
    world.site.fail("", "/worklog/deleted", Fault::Status(500), 8);
    world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "incremental" })).await;
    eventually("one run has failed", || async {
        let sync = sync_of(&world, ANA).await;
        let failed = sync["runs"].as_array().unwrap().iter().any(|run| run["state"] == "failed");
        if !failed {
            return Err(sync.to_string());
        }
        assert_eq!(in_step(&sync), before, "the deleted feed is not consumed: {sync}");
        Ok(())
    })
    .await;
    world.settle(&world.site).await;
    assert!(in_step(&sync_of(&world, ANA).await) > before);
    world.end().await;
}

/// Restricted to a group: shown only to those to whom Jira returns it; how many there are is for admins to know.
#[tokio::test]
async fn restricted_worklogs_are_shown_as_jira_shows_them() {
    let world = World::installed().await;
    let restriction =
        Restriction { kind: "group".into(), value: "canary group".into(), identifier: "g-77".into() };
    let work = Work { restriction: Some(restriction), ..Work::of(300, "canary restricted") };
    world.site.state().users.get_mut(ANA).unwrap().groups.insert("g-77".into());
    let id = world.site.log_work(BEN, world.ids.issue, work);
    world.settle(&world.site).await;
    let id_text = id.to_string();
    let sees = |account: &'static str| {
        let (world, id_text) = (&world, &id_text);
        async move {
            let list =
                world.as_user(account).get(&format!("/api/v1/issues/{}/worklogs", world.ids.issue)).await;
            list.json["items"].as_array().unwrap().iter().any(|item| item["id"].as_str() == Some(id_text))
        }
    };
    assert!(sees(ANA).await, "in the group");
    assert!(sees(BEN).await, "the author");
    assert!(!sees(CLEO).await, "neither");
    assert_eq!(sync_of(&world, ANA).await["restricted"], 1);
    assert_eq!(sync_of(&world, CLEO).await["restricted"], Value::Null);
    world.end().await;
}

/// A site that was restored from a backup has older versions than we: they are believed once they are confirmed.
#[tokio::test]
async fn a_restored_backup_of_jira_is_followed() {
    let world = World::installed().await;
    let id = world.ids.by_ana;
    let before = world.site.state().worklogs[&id].clone();
    world.site.change_work(id, |worklog| (worklog.seconds, worklog.comment) = (60, Some(canary("undone"))));
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.site.state().put(before);
    let app = &world.running().app;
    jobs::enqueue(app, &world.tenant_id(&world.site).await, Kind::SyncReconcile, "").await.unwrap();
    eventually("the older version is seen", || async {
        let sync = sync_of(&world, ANA).await;
        let seen = sync["runs"][0]["kind"] == "reconcile" && sync["state"] == "idle" && sync["pending"] == 1;
        seen.then_some(()).ok_or_else(|| sync.to_string())
    })
    .await;
    assert!(compare::difference(&world, &world.site).await.is_err(), "Jira may only lag behind");
    world.advance(Duration::from_secs(301));
    run(&world, Kind::SyncIncremental).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// An issue moves into a project that goes, and the move is told last: its worklogs go all the same.
#[tokio::test]
async fn a_move_that_is_told_after_its_project_went_is_looked_into() {
    let world = World::installed().await;
    world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
    world.site.move_issue(world.ids.issue, world.ids.other_project);
    world.site.delete_project(world.ids.other_project);
    let mut events: Vec<_> = world.site.state().outbox.drain(..).collect();
    events.reverse();
    for event in &events {
        assert_eq!(world.site.post(event).await, 204);
        world.settle(&world.site).await;
    }
    assert_eq!(shown(&world).await, HashSet::new());
    world.site.deliver_webhooks(Delivery::default());
    world.end().await;
}

/// What was read before an issue or project went, and is written after, is read again.
#[tokio::test]
async fn a_page_that_was_read_before_a_project_went_does_not_bring_it_back() {
    let world = World::start().await;
    // The answer with the worklogs takes its time; the project goes meanwhile.
    world.site.fail("POST", "/worklog/list", Fault::SlowAfter(Duration::from_millis(600)), 1);
    assert_eq!(world.site.install(&world.url(), APP_KEY).await, 204);
    eventually("the worklogs are on their way", || async {
        (world.site.calls("/worklog/list") > 0).then_some(()).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.site.delete_project(world.ids.project);
    world.settle(&world.site).await;
    assert_eq!(shown(&world).await, HashSet::from([world.ids.by_cleo, world.ids.by_ben_hidden]));
    world.end().await;
}

/// What only Connect has.
mod connect {
    use super::*;

    /// The app's access to an issue is blocked: hidden at once, before anybody looks.
    #[tokio::test]
    async fn blocked_access_hides_at_once() {
        let world = World::installed().await;
        // Jira does not answer meanwhile: hiding does not wait for it.
        let quota = Fault::TooMany { reason: "jira-quota-tenant-based", retry_after: None };
        world.site.fail("POST", "/worklog/list", quota, 1);
        world.site.block_app(&[world.ids.issue]);
        world.site.webhooks_delivered().await;
        let db = {
            let app = &world.running().app;
            let tenant = world.tenant(&world.site).await;
            app.db(&tenant).await.unwrap()
        };
        eventually("both on the issue are hidden", || async {
            let hidden = db.read(hourbook_store::tenant::worklogs::count_unreadable).await.unwrap();
            (hidden == 2).then_some(()).ok_or_else(|| hidden.to_string())
        })
        .await;
        // The clock moves only once the refusal was heard; one that is heard later holds for another hour.
        eventually("Jira has been asked in vain", || async {
            let sync = world.as_user(ANA).get("/api/v1/sync").await.json;
            sync["quota"]["heldUntil"].as_str().map(drop).ok_or_else(|| sync.to_string())
        })
        .await;
        world.site.state().app_blocked.clear();
        world.advance(Duration::from_secs(3700));
        world.sync(&world.site, "incremental").await;
        drop(db);
        world.end().await;
    }

    /// An event that does not say what is blocked hides everything; what Jira still returns is back in a moment.
    #[tokio::test]
    async fn blocked_access_to_anything_is_looked_into() {
        let world = World::installed().await;
        world.site.state().app_blocked.insert(world.ids.issue);
        world
            .site
            .emit_event("app_access_to_objects_in_container_blocked", json!({ "container": { "id": 1 } }));
        world.settle(&world.site).await;
        eventually("what is still readable is shown", || async {
            let shown = shown(&world).await;
            let expected = HashSet::from([world.ids.by_cleo, world.ids.by_ben_hidden]);
            (shown == expected).then_some(()).ok_or_else(|| format!("{shown:?}"))
        })
        .await;
        world.site.state().app_blocked.clear();
        run(&world, Kind::SyncReconcile).await;
        world.end().await;
    }

    /// Hours in which nobody heard Jira: what it gave up to deliver is taken from its list, deletions of projects among
    /// it, of which no feed tells.
    #[tokio::test]
    async fn webhooks_that_jira_gave_up_are_drained() {
        let mut world = World::installed().await;
        world.halt().await;
        world.site.delete_project(world.ids.other_project);
        world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary meanwhile"));
        eventually("Jira has given up", || async {
            let failed = world.site.state().failed.len();
            (failed == 2).then_some(()).ok_or_else(|| failed.to_string())
        })
        .await;
        world.boot().await;
        world.sync(&world.site, "incremental").await;
        compare::difference(&world, &world.site).await.unwrap();
        let asked = world.site.calls("/webhook/failed");
        world.sync(&world.site, "incremental").await;
        assert!(world.site.calls("/webhook/failed") <= asked + 2, "from where it stopped");
        world.end().await;
    }

    /// What a source does not carry stays: an event without comment and author clears neither, nor the tags.
    #[tokio::test]
    async fn what_an_event_does_not_carry_is_not_cleared() {
        let world = World::installed().await;
        let id = world.ids.by_ana;
        let (issue, now) = (world.ids.issue, world.cloud.clock.now_ms());
        let instant = hourbook_simulator::views::instant;
        // Jira does not answer meanwhile, so that nothing but the event speaks.
        world.site.fail("POST", "/worklog/list", Fault::Status(503), 4);
        {
            let mut state = world.site.state();
            let changed = Worklog { updated: now, seconds: 7200, ..state.worklogs[&id].clone() };
            state.put(changed);
        }
        world.site.emit_event(
        "worklog_updated",
        json!({ "worklog": { "id": id.to_string(), "issueId": issue.to_string(), "created": instant(now - 5000),
            "updated": instant(now), "started": instant(now - 5000), "timeSpentSeconds": 7200 } }),
    );
        world.site.webhooks_delivered().await;
        let path = format!("/api/v1/issues/{issue}/worklogs/{id}");
        let seen = eventually("the event is applied", || async {
            let seen = world.as_user(ANA).get(&path).await.json;
            if seen["timeSpentSeconds"] == 7200 { Ok(seen) } else { Err(seen.to_string()) }
        })
        .await;
        assert_eq!(seen["comment"], "canary review of one");
        assert_eq!((&seen["accountId"], &seen["tags"]), (&json!(ANA), &json!(["77"])));
        assert_eq!(seen["restricted"], true, "who may see it is not known yet");
        world
            .site
            .change_work(id, |worklog| (worklog.seconds, worklog.comment) = (60, Some(canary("after"))));
        world.settle(&world.site).await;
        world.end().await;
    }

    /// Equal `updated`, other content: neither is believed, Jira is asked.
    #[tokio::test]
    async fn an_event_that_contradicts_an_equal_version_makes_us_read_again() {
        let world = World::installed().await;
        let id = world.ids.by_ana;
        let reads = world.site.calls("/worklog/list");
        let same = {
            let state = world.site.state();
            hourbook_simulator::views::worklog("", &state, &state.worklogs[&id], false, true)
        };
        world.site.emit_event("worklog_updated", json!({ "worklog": same }));
        world.settle(&world.site).await;
        assert_eq!(world.site.calls("/worklog/list"), reads, "what is known already is not read");
        let mut wrong = same;
        wrong["comment"] = json!("canary something else");
        world.site.emit_event("worklog_updated", json!({ "worklog": wrong }));
        world.settle(&world.site).await;
        assert_eq!(world.site.calls("/worklog/list"), reads + 1);
        compare::difference(&world, &world.site).await.unwrap();
        world.end().await;
    }

    /// A call that was signed by the wrong time is refused after another one has learnt the right time: that is no
    /// refusal by the site.
    #[tokio::test]
    async fn a_call_on_its_way_while_the_clock_changes_is_made_again() {
        let world = World::installed().await;
        let asked = world.site.calls("/worklog/updated");
        world.site.fail("", "/worklog/updated", Fault::Slow(Duration::from_secs(1)), 1);
        world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "incremental" })).await;
        eventually("the call is on its way", || async {
            (world.site.calls("/worklog/updated") > asked).then_some(()).ok_or_else(String::new)
        })
        .await;
        world.cloud.clock.advance_ms(7 * 60_000);
        // The page's token is of Jira's new time, which the server has to ask for.
        assert_eq!(sync_of(&world, ANA).await["state"], "incremental");
        world.end().await;
    }
}
