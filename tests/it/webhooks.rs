//! Webhooks: proved, durable, applied once, in any order.

use crate::support::client::send;
use crate::support::{ANA, BEN, CLEO, World, canary, compare, eventually};
use hourbook_simulator::people::Work;
use hourbook_simulator::state::{Delivery, Host, Outgoing, Restriction};
use serde_json::json;
use std::time::Duration;

/// Promise E5: an event is visible within moments.
#[tokio::test]
async fn events_are_applied_as_they_come() {
    let world = World::installed().await;
    let id = world.site.log_work(BEN, world.ids.issue, Work::of(1200, "canary by event"));
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.site.change_work(id, |worklog| worklog.seconds = 2400);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.site.delete_work(id);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(world.site.calls("/worklog/updated"), 1, "no feed was asked since the install");
    world.end().await;
}

#[tokio::test]
async fn doubled_late_and_reordered_events_end_in_the_same_state() {
    let world = World::installed().await;
    world.site.deliver_webhooks(Delivery {
        lost: 0,
        doubled: 40,
        late: 60,
        held: false,
        spares_containers: false,
    });
    let mut ids = Vec::new();
    for at in 0..40 {
        ids.push(world.site.log_work(BEN, world.ids.issue, Work::of(600 + at, "canary out of order")));
        if at % 2 == 0 {
            world.site.change_work(ids[ids.len() - 1], |worklog| worklog.comment = Some(canary("edited")));
        }
        if at % 5 == 0 {
            world.site.delete_work(ids[ids.len() - 1]);
        }
    }
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(world.site.calls("/worklog/updated"), 1, "by events alone");
    world.end().await;
}

/// A deletion wins over an update that comes after it.
#[tokio::test]
async fn a_deleted_worklog_does_not_come_back_with_a_late_event() {
    let world = World::installed().await;
    world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
    let id = world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary short-lived"));
    world.site.change_work(id, |worklog| worklog.seconds = 660);
    world.site.delete_work(id);
    let mut events: Vec<Outgoing> = world.site.state().outbox.drain(..).collect();
    events.reverse();
    for event in &events {
        assert_eq!(world.site.post(event).await, 204);
        world.settle(&world.site).await;
    }
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// An event tells neither tags nor visibility: they are neither cleared nor guessed.
#[tokio::test]
async fn what_an_event_does_not_carry_is_kept_and_read() {
    let world = World::installed().await;
    let staff =
        Restriction { kind: "group".into(), value: "canary staff".into(), identifier: "group-id-1".into() };
    world.site.state().users.get_mut(CLEO).unwrap().groups.insert("group-id-1".into());
    world.site.change_work(world.ids.by_ana, |worklog| worklog.seconds = 7200);
    let id = world.site.log_work(
        CLEO,
        world.ids.issue,
        Work { restriction: Some(staff), ..Work::of(600, "canary restricted") },
    );
    world.settle(&world.site).await;
    let list = format!("/api/v1/issues/{}/worklogs", world.ids.issue);
    let seen = |json: serde_json::Value| {
        let items = json["items"].as_array().unwrap().clone();
        items.into_iter().find(|item| item["id"].as_str() == Some(&id.to_string()))
    };
    assert!(seen(world.as_user(CLEO).get(&list).await.json).unwrap()["restricted"].as_bool().unwrap());
    // Where the app may not act as the person, what is restricted stays hidden and the rest is shown.
    world.site.fail("POST", "/worklog/list", hourbook_simulator::faults::Fault::Status(403), 1);
    let without = world.as_user(ANA).get(&list).await;
    assert_eq!((without.status, seen(without.json)), (200, None));
    assert!(seen(world.as_user(BEN).get(&list).await.json).is_none(), "not his to see");
    let ana = world.as_user(ANA).get(&list).await.json;
    let tagged = ana["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["id"].as_str() == Some(&world.ids.by_ana.to_string()))
        .unwrap();
    assert_eq!((tagged["timeSpentSeconds"].as_i64(), tagged["tags"][0].as_str()), (Some(7200), Some("77")));
    world.end().await;
}

#[tokio::test]
async fn a_deleted_issue_takes_its_worklogs_along() {
    let world = World::installed().await;
    world.site.delete_issue(world.ids.secret_issue);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(compare::ours(&world, &world.site).await.unwrap().len(), 2);
    world.end().await;
}

/// A project in the bin takes its worklogs along, and brings them back; what moved away before stays.
#[tokio::test]
async fn a_deleted_project_takes_its_worklogs_along_and_a_restored_one_brings_them_back() {
    let world = World::installed().await;
    let moved = world.site.add_issue(world.ids.other_project, "canary moving");
    world.site.log_work(BEN, moved, Work::of(600, "canary on the move"));
    world.settle(&world.site).await;
    // The move is not told.
    world.site.deliver_webhooks(Delivery { lost: 100, ..Delivery::default() });
    world.site.move_issue(moved, world.ids.project);
    world.site.deliver_webhooks(Delivery::default());
    world.site.delete_project(world.ids.other_project);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(compare::ours(&world, &world.site).await.unwrap().len(), 3, "the one that moved away stays");
    world.advance(Duration::from_secs(1));
    world.site.restore_project(world.ids.other_project);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(compare::ours(&world, &world.site).await.unwrap().len(), 5);
    world.end().await;
}

/// A worklog moves with its issue: ids stay, whatever the key.
#[tokio::test]
async fn a_moved_issue_keeps_its_worklogs() {
    let world = World::installed().await;
    world.site.move_issue(world.ids.issue, world.ids.other_project);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.site.delete_project(world.ids.other_project);
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    assert_eq!(compare::ours(&world, &world.site).await.unwrap().len(), 0);
    world.end().await;
}

/// Nothing of a deleted user is erased.
#[tokio::test]
async fn a_deleted_user_keeps_their_worklogs() {
    let world = World::installed().await;
    world.site.emit_event("user_deleted", json!({ "user": { "accountId": BEN } }));
    world.settle(&world.site).await;
    world.end().await;
}

/// An event of a shape that nobody knows is not refused (it would be lost) but looked after.
#[tokio::test]
async fn an_unreadable_event_starts_a_look() {
    let world = World::installed().await;
    let feeds = world.site.calls("/worklog/updated");
    world.site.emit_event("worklog_created", json!({ "worklog": "canary of another shape" }));
    world.settle(&world.site).await;
    assert!(world.site.calls("/worklog/updated") > feeds);
    let id = world.ids.by_ben;
    world.site.emit_event("worklog_updated", json!({ "worklog": { "id": id.to_string() } }));
    world.site.emit_event("worklog_deleted", json!({ "worklog": { "id": 999_999 } }));
    world.site.emit_event("app_access_to_objects_blocked", json!({ "objects": [] }));
    world.settle(&world.site).await;
    world.end().await;
}

/// What is our own fault is answered 5xx, and Jira sends again.
#[tokio::test]
async fn an_event_that_cannot_be_stored_is_sent_again() {
    let mut world = World::installed().await;
    world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
    world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary before the outage"));
    world.halt().await;
    world.site.deliver_webhooks(Delivery::default());
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.boot().await;
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.end().await;
}

/// Webhooks as they are posted; `forge::events` has the same of Forge.
mod connect {
    use super::*;

    /// The same identifier twice is one event, also long after it was applied.
    #[tokio::test]
    async fn an_identifier_counts_once() {
        let world = World::installed().await;
        world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
        world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 660);
        let event = world.site.state().outbox.pop_front().unwrap();
        assert_eq!(world.site.post(&event).await, 204);
        world.settle(&world.site).await;
        let tenant = world.tenant_id(&world.site).await;
        let before = world.running().app.inbox.count(&tenant).await.unwrap();
        for tries in 1..4 {
            assert_eq!(world.site.post(&Outgoing { tries, ..event.clone() }).await, 204);
        }
        assert_eq!(world.running().app.inbox.count(&tenant).await.unwrap(), before);
        // The other tenant has the same identifier for an event of its own.
        world.other.change_work(world.ids.by_ben, |worklog| worklog.seconds = 1);
        let other = Outgoing {
            host: Host::Connect,
            identifier: event.identifier.clone(),
            ..world.other.state().outbox.pop_front().unwrap()
        };
        assert_eq!(world.other.post(&other).await, 204);
        world.end().await;
    }

    /// The inbox is broken: 503, so that Jira sends again, and nothing is lost.
    #[tokio::test]
    async fn an_event_that_could_not_be_made_durable_is_answered_5xx() {
        let world = World::installed().await;
        world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
        world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary during an outage"));
        let event = world.site.state().outbox.pop_front().unwrap();
        world.change_service("inbox", "ALTER TABLE events RENAME TO away");
        assert_eq!(world.site.post(&event).await, 503);
        world.change_service("inbox", "ALTER TABLE away RENAME TO events");
        assert_eq!(world.site.post(&Outgoing { tries: 1, ..event }).await, 204);
        world.settle(&world.site).await;
        compare::difference(&world, &world.site).await.unwrap();
        world.end().await;
    }

    /// What was answered 2xx survives a crash: the events wait in the inbox, sealed.
    #[tokio::test]
    async fn what_was_answered_is_on_disk() {
        let mut world = World::installed().await;
        let app = world.running().app.clone();
        let tenant = world.tenant(&world.site).await;
        world.halt().await;
        // Straight into the inbox, as the handler does, with nobody there to apply it.
        let id = world.site.log_work(BEN, world.ids.issue, Work::of(600, "canary in the inbox"));
        let event = world.site.state().outbox.pop_front().unwrap();
        let parsed = hourbook::sync::events::parse(event.body.to_string().as_bytes()).unwrap().event.unwrap();
        let place = hourbook::sync::inbox::place(&event.identifier);
        let sealed = tenant.cipher.seal(place, &serde_json::to_vec(&parsed).unwrap());
        let new = hourbook_store::inbox::NewEvent {
            tenant_id: tenant.id.clone(),
            identifier: event.identifier,
            received_at: 1,
            body: Some(sealed),
        };
        app.inbox.append(new).await.unwrap();
        drop((app, tenant));
        world.boot().await;
        world.settle(&world.site).await;
        assert!(
            compare::ours(&world, &world.site)
                .await
                .unwrap()
                .iter()
                .any(|item| item["id"].as_str() == Some(&id.to_string()))
        );
        world.end().await;
    }

    #[tokio::test]
    async fn a_bad_signature_is_401_and_changes_nothing() {
        let world = World::installed().await;
        let body =
            json!({ "webhookEvent": "worklog_deleted", "worklog": { "id": world.ids.by_ben.to_string() } });
        let now = world.cloud.clock.now_ms() / 1000;
        let claims =
            |qsh: &str| json!({ "iss": world.site.client_key(), "iat": now, "exp": now + 60, "qsh": qsh });
        let right = hourbook_simulator::qsh::hash("POST", "/connect/webhooks");
        let secret = world.site.state().installation.clone().unwrap().secret;
        let signed =
            |claims: serde_json::Value, secret: &str| hourbook_simulator::tokens::hs256(&claims, secret);
        for (why, token) in [
            ("another secret", signed(claims(&right), "canarysecret-of-nobody")),
            ("another request", signed(claims("00"), &secret)),
            ("a context token", world.site.context_token(ANA)),
            (
                "an unsigned token",
                format!("{}.", signed(claims(&right), &secret).rsplit_once('.').unwrap().0),
            ),
            ("no token", String::new()),
        ] {
            let headers =
                if token.is_empty() { vec![] } else { vec![("Authorization", format!("JWT {token}"))] };
            assert_eq!(
                send(&world, "POST", "/connect/webhooks", Some(&body), &headers).await.status,
                401,
                "{why}"
            );
        }
        world.end().await;
    }

    /// An older event does not undo a newer one.
    #[tokio::test]
    async fn an_older_event_changes_nothing() {
        let world = World::installed().await;
        world.site.deliver_webhooks(Delivery { held: true, ..Delivery::default() });
        world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 660);
        let old: Vec<Outgoing> = world.site.state().outbox.drain(..).collect();
        world.site.deliver_webhooks(Delivery::default());
        world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 720);
        world.settle(&world.site).await;
        let reads = world.site.calls("/worklog/list");
        assert_eq!(world.site.post(&old[0]).await, 204);
        world.settle(&world.site).await;
        compare::difference(&world, &world.site).await.unwrap();
        assert_eq!(world.site.calls("/worklog/list"), reads, "and nothing was asked");
        world.end().await;
    }

    /// While nobody knows who may see a worklog, only its author does.
    #[tokio::test]
    async fn unknown_visibility_is_restricted_until_it_was_read() {
        let world = World::installed().await;
        // The completing read does not get through.
        world.site.fail("POST", "/worklog/list", hourbook_simulator::faults::Fault::Status(500), 1000);
        let id = world.site.log_work(CLEO, world.ids.issue, Work::of(600, "canary of unknown visibility"));
        let list = format!("/api/v1/issues/{}/worklogs", world.ids.issue);
        eventually("the event is applied", || async {
            let items = world.as_user(CLEO).get(&list).await;
            if items.text.contains(&id.to_string()) { Ok(()) } else { Err(items.text) }
        })
        .await;
        // The tags of another worklog that changes meanwhile are kept.
        world.site.change_work(world.ids.by_ana, |worklog| worklog.seconds = 7260);
        let path = format!("/api/v1/worklogs?account={ANA}&tag=77");
        eventually("the change is applied and the tag still there", || async {
            let listed = world.as_user(ANA).get(&path).await;
            if listed.json["items"][0]["timeSpentSeconds"] == 7260 { Ok(()) } else { Err(listed.text) }
        })
        .await;
        let others = world.as_user(BEN).get(&list).await;
        assert_ne!(others.status, 200, "Jira cannot be asked, so there is no smaller list: {}", others.text);
        world.site.state().faults.clear();
        world.settle(&world.site).await;
        assert!(world.as_user(BEN).get(&list).await.text.contains(&id.to_string()));
        world.end().await;
    }
}
