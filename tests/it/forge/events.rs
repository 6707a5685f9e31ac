//! Events of Forge: less in them than in Connect's, later, and gone after four tries.

use super::{install, installed, start};
use crate::support::{BEN, eventually};
use hourbook::sync::events::forge::parse;
use hourbook_simulator::forge::Shape;
use hourbook_simulator::people::Work;
use hourbook_simulator::state::Delivery;
use rand::Rng;
use serde_json::json;
use std::time::Duration;

/// Lost, late, doubled, out of order: the state at the end is Jira's.
#[tokio::test]
async fn whatever_happens_to_events_the_copy_ends_equal() {
    for (shape, full_worklogs, names) in
        [(Shape::Top, false, false), (Shape::Payload, true, true), (Shape::Event, false, false)]
    {
        let world = installed().await;
        {
            let habits = &mut world.site.state().habits;
            (habits.shape, habits.full_worklogs) = (shape, full_worklogs);
            (habits.names_endpoints, habits.names_people) = (names, names);
            (habits.skipped, habits.doubled) = (30, 30);
        }
        let luck =
            Delivery { lost: 15, doubled: 25, late: 40, spares_containers: true, ..Delivery::default() };
        world.site.deliver_webhooks(luck);
        let mut rng = rand::rng();
        let mut logged = Vec::new();
        for step in 0..60 {
            match rng.random_range(0..4) {
                0 if !logged.is_empty() => world.site.delete_work(logged.swap_remove(0)),
                1 if !logged.is_empty() => {
                    let id = logged[rng.random_range(0..logged.len())];
                    world.site.change_work(id, |worklog| worklog.seconds += 60);
                }
                _ => logged.push(world.site.log_work(
                    BEN,
                    world.ids.issue,
                    Work::of(60 + step, "canary under fire"),
                )),
            }
        }
        world.site.deliver_webhooks(Delivery::default());
        world.site.webhooks_delivered().await;
        // What events told of is read a moment later.
        tokio::time::sleep(Duration::from_secs(4)).await;
        // What was lost is in the feed, once it has withheld its minute.
        world.advance(Duration::from_secs(90));
        world.settle(&world.site).await;
        world.sync(&world.site, "incremental").await;
        world.equal(&world.site).await;
        world.end().await;
    }
}

/// Promise E5: a worklog of an event that does not say when it was created is there within seconds all the same.
#[tokio::test]
async fn a_new_worklog_is_there_before_any_sync() {
    let world = installed().await;
    let fed = world.site.calls("GET /rest/api/3/worklog/updated");
    let id = world.site.log_work(BEN, world.ids.issue, Work::of(660, "canary at once"));
    world.settle(&world.site).await;
    let listed = world.as_user(BEN).get("/api/v1/worklogs").await;
    assert!(listed.text.contains(&id.to_string()), "{}", listed.text);
    assert_eq!(world.site.calls("GET /rest/api/3/worklog/updated"), fed, "no feed was asked");
    world.end().await;
}

/// What is above 200 KB is never delivered; the feed has it.
#[tokio::test]
async fn an_event_that_is_too_big_is_made_up_for() {
    let world = installed().await;
    let sent = world.site.state().emitted;
    let long = "canary ".repeat(40_000);
    let id = world.site.log_work(BEN, world.ids.issue, Work::of(660, &long));
    assert_eq!(world.site.state().emitted, sent, "it was not sent");
    world.advance(Duration::from_secs(90));
    world.sync(&world.site, "incremental").await;
    assert!(world.as_user(BEN).get("/api/v1/worklogs").await.text.contains(&id.to_string()));
    world.end().await;
}

/// An event is on disk before it is answered, and applied after a restart.
#[tokio::test]
async fn what_was_answered_is_on_disk() {
    let mut world = installed().await;
    world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
    world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 7260);
    let event = world.site.state().outbox.pop_front().unwrap();
    assert_eq!(world.site.post(&event).await, 204);
    world.halt().await;
    world.boot().await;
    world.site.deliver_webhooks(Delivery::default());
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.end().await;
}

/// What could not be made durable is answered 5xx, and Forge tries again a minute later.
#[tokio::test]
async fn an_event_that_cannot_be_stored_is_sent_again() {
    let world = installed().await;
    world.change_service("inbox", "ALTER TABLE events RENAME TO away");
    world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 7260);
    eventually("it was refused", || async {
        let state = world.site.state();
        let waits = state.outbox.front().is_some_and(|event| event.tries == 1);
        waits.then_some(()).ok_or_else(|| format!("{:?}", state.outbox))
    })
    .await;
    world.change_service("inbox", "ALTER TABLE away RENAME TO events");
    world.advance(Duration::from_secs(61));
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(world.site.state().lost, 0);
    world.end().await;
}

/// Nothing names a delivery: an event that is sent again is known by its content, another one is another.
#[test]
fn an_event_that_is_sent_again_is_the_same() {
    let now = 1_800_000_000_000;
    let worklog = json!({ "id": "7", "issueId": "3" });
    let event = json!({ "eventType": "avi:jira:updated:worklog", "worklog": worklog, "timestamp": 5 });
    let id = |body: &serde_json::Value, now: i64| {
        let (read, identifier) = parse(body.to_string().as_bytes(), now);
        read.unwrap();
        identifier
    };
    let mut again = event.clone();
    again["retryContext"] = json!({ "retryCount": 2, "retryReason": "TIMEOUT_ERROR", "retryData": null });
    assert_eq!(id(&event, now), id(&again, now + 240_000));
    for nested in
        [json!({ "payload": again }), json!({ "event": again }), json!({ "payload": { "event": again } })]
    {
        assert_eq!(id(&event, now), id(&nested, now), "{nested}");
    }
    let mut later = event.clone();
    later["timestamp"] = json!(6);
    assert_ne!(id(&event, now), id(&later, now));
    // Without an instant equal events are one for ten minutes, and no longer.
    let mut timeless = event.clone();
    timeless.as_object_mut().unwrap().remove("timestamp");
    let slot = now - now % 600_000;
    assert_eq!(id(&timeless, slot), id(&timeless, slot + 240_000));
    assert_ne!(id(&timeless, slot), id(&timeless, slot + 600_000));
    for nonsense in ["", "[]", "{}", "{\"eventType\":7}", "{\"payload\":{\"event\":{}}}"] {
        assert!(parse(nonsense.as_bytes(), now).0.is_err(), "{nonsense}");
    }
}

/// Deleted, binned and restored projects, deleted issues.
#[tokio::test]
async fn containers_go_and_come_back() {
    let world = start().await;
    install(&world, &world.site).await;
    world.site.delete_project(world.ids.other_project);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.site.restore_project(world.ids.other_project);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.site.delete_issue(world.ids.secret_issue);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.end().await;
}
