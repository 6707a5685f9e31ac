//! Logging work: Jira first, and never twice.

use crate::support::{ANA, BEN, CLEO, World, by_forge, compare};
use hourbook_simulator::faults::Fault;
use hourbook_simulator::people::Work;
use serde_json::{Value, json};
use std::time::Duration;

fn work(extra: Value) -> Value {
    let mut body = json!({ "started": "2026-03-02T09:00:00+01:00", "timeSpentSeconds": 5400 });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Promise E4: Jira first, as the person, and our copy follows before the answer.
#[tokio::test]
async fn work_is_logged_in_jira_as_the_person_and_then_here() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let body = work(json!({ "comment": "canary first line\nsecond line", "tags": ["77"] }));
    let reply = ben.log_work(world.ids.issue, "key-of-ben-1", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let id: i64 = reply.json["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(reply.json["accountId"], BEN);
    assert_eq!(reply.json["issueId"], world.ids.issue.to_string());
    assert_eq!(reply.json["started"], "2026-03-02T08:00:00.000Z");
    assert_eq!(reply.json["timeSpentSeconds"], 5400);
    assert_eq!(reply.json["comment"], "canary first line\nsecond line");
    assert_eq!(reply.json["tags"], json!(["77"]));
    assert_eq!(reply.json["commentAdf"]["type"], "doc");
    {
        let state = world.site.state();
        let worklog = &state.worklogs[&id];
        assert_eq!((worklog.author.as_str(), worklog.seconds), (BEN, 5400));
        let property = &worklog.properties["hourbook"];
        assert_eq!((&property["v"], &property["tags"][0]["name"]), (&json!(1), &json!("canary tag of one")));
        assert!(!property.to_string().contains("key-of-ben-1"), "only the key's hash leaves the server");
    }
    let one = ben.get(&format!("/api/v1/issues/{}/worklogs/{id}", world.ids.issue)).await;
    assert_eq!(one.json, reply.json, "at once, without any event");
    world.end().await;
}

#[tokio::test]
async fn an_edit_changes_only_what_was_sent() {
    let world = World::installed().await;
    let rich = json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [
        { "type": "text", "text": "canary strong", "marks": [{ "type": "strong" }] }] }] });
    world.site.change_work(world.ids.by_ben, |worklog| {
        worklog.comment = Some(rich.clone());
        worklog.properties.insert("hourbook".into(), json!({ "v": 1, "tags": [], "other": "canary kept" }));
    });
    world.settle(&world.site).await;
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ben);
    let ben = world.as_user(BEN);
    let reply = ben.put(&path, &json!({ "duration": "2h 5m" })).await;
    assert_eq!((reply.status, reply.json["timeSpentSeconds"].as_i64()), (200, Some(7500)), "{}", reply.text);
    assert_eq!(world.site.state().worklogs[&world.ids.by_ben].comment, Some(rich.clone()), "not rewritten");
    let reply = ben.put(&path, &json!({ "tags": ["77"] })).await;
    assert_eq!(reply.json["tags"], json!(["77"]), "{}", reply.text);
    assert_eq!(world.site.state().worklogs[&world.ids.by_ben].properties["hourbook"]["other"], "canary kept");
    let reply =
        ben.put(&path, &json!({ "comment": "", "tags": [], "started": "2026-03-03T10:00:00Z" })).await;
    assert_eq!((&reply.json["comment"], &reply.json["tags"]), (&Value::Null, &json!([])), "{}", reply.text);
    assert_eq!(reply.json["started"], "2026-03-03T10:00:00.000Z");
    let nothing = ben.put(&path, &json!({})).await;
    assert_eq!((nothing.status, nothing.json["code"].as_str()), (400, Some("nothing_to_change")));
    world.end().await;
}

#[tokio::test]
async fn a_deletion_goes_to_jira_first() {
    let world = World::installed().await;
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ben);
    let refused = world.as_user(CLEO).delete(&path).await;
    assert_eq!((refused.status, refused.json["code"].as_str()), (422, Some("jira_refused")));
    assert!(refused.json["detail"].as_str().unwrap().contains("permission to edit this worklog"));
    compare::difference(&world, &world.site).await.unwrap();
    assert_eq!(world.as_user(BEN).delete(&path).await.status, 204);
    assert!(!world.site.state().worklogs.contains_key(&world.ids.by_ben));
    compare::difference(&world, &world.site).await.unwrap();
    // A 404 is no proof that it is gone.
    let elsewhere = format!("/api/v1/issues/{}/worklogs/{}", world.ids.secret_issue, world.ids.by_ana);
    assert_eq!(world.as_user(ANA).delete(&elsewhere).await.status, 404);
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// Promise E4: a refusal leaves the copy untouched, and the person reads Jira's reason.
#[tokio::test]
async fn a_refusal_of_jira_is_told_and_changes_nothing() {
    let world = World::installed().await;
    let before = compare::ours(&world, &world.site).await.unwrap();
    let ben = world.as_user(BEN);
    let log = |key: &'static str, issue: i64| {
        let ben = &ben;
        async move { ben.log_work(issue, key, &work(json!({}))).await }
    };
    let hidden = log("refused-1", world.ids.secret_issue).await;
    assert_eq!((hidden.status, hidden.json["code"].as_str()), (404, Some("issue_gone")));
    world.site.state().users.get_mut(BEN).unwrap().may_work = false;
    let forbidden = log("refused-2", world.ids.issue).await;
    assert_eq!((forbidden.status, forbidden.json["code"].as_str()), (403, Some("no_permission")));
    assert!(forbidden.json["detail"].as_str().unwrap().contains("\"Work on issues\""), "{}", forbidden.text);
    world.site.state().users.get_mut(BEN).unwrap().may_work = true;
    world.site.state().most_per_issue = 2;
    let full = log("refused-3", world.ids.issue).await;
    assert_eq!((full.status, full.json["code"].as_str()), (413, Some("issue_full")));
    world.site.state().most_per_issue = 100;
    world.site.state().locked.insert(world.ids.issue);
    let locked = log("refused-5", world.ids.issue).await;
    assert_eq!((locked.status, locked.json["code"].as_str()), (422, Some("issue_locked")));
    assert!(locked.json["detail"].as_str().unwrap().contains("workflow status"), "{}", locked.text);
    world.site.state().locked.clear();
    world.site.state().time_tracking = false;
    let off = log("refused-6", world.ids.issue).await;
    assert_eq!((off.status, off.json["code"].as_str()), (422, Some("time_tracking_off")));
    world.site.state().time_tracking = true;
    assert_eq!(log("refused-7", 999_999).await.json["code"], "issue_gone");
    world.site.fail("POST", "/worklog", Fault::Status(403), 1);
    assert_eq!(log("refused-4", world.ids.issue).await.json["code"], "jira_forbidden");
    assert_eq!(compare::ours(&world, &world.site).await.unwrap(), before);
    // A key whose request was refused may be used again.
    assert_eq!(log("refused-3", world.ids.issue).await.status, 201);
    world.end().await;
}

#[tokio::test]
async fn the_same_key_writes_once() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let body = work(json!({ "comment": "canary once" }));
    let first = ben.log_work(world.ids.issue, "once-and-only", &body).await;
    let again = ben.log_work(world.ids.issue, "once-and-only", &body).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json, again.json);
    let other_body =
        ben.log_work(world.ids.issue, "once-and-only", &work(json!({ "comment": "canary twice" }))).await;
    assert_eq!((other_body.status, other_body.json["code"].as_str()), (422, Some("idempotency_key_reused")));
    let somebody_else = world.as_user(CLEO).log_work(world.ids.issue, "once-and-only", &body).await;
    assert_eq!(somebody_else.status, 201, "keys are a person's own");
    let missing = ben.post(&format!("/api/v1/issues/{}/worklogs", world.ids.issue), &body).await;
    assert_eq!((missing.status, missing.json["field"].as_str()), (400, Some("Idempotency-Key")));
    assert_eq!(world.site.calls("POST /rest/api/3/issue/{id}/worklog"), 2);
    world.end().await;
}

#[tokio::test]
async fn equal_requests_at_once_write_once() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let body = work(json!({}));
    world.site.fail("POST", "/worklog", Fault::Slow(Duration::from_millis(200)), 1);
    let all = tokio::join!(
        ben.log_work(world.ids.issue, "all-at-once", &body),
        ben.log_work(world.ids.issue, "all-at-once", &body),
        ben.log_work(world.ids.issue, "all-at-once", &body),
    );
    let mut statuses = [all.0.status, all.1.status, all.2.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 201]);
    assert_eq!(world.site.calls("POST /rest/api/3/issue/{id}/worklog"), 1);
    world.end().await;
}

/// Jira did it, but its answer was lost: the worklog is found, not written twice.
#[tokio::test]
async fn a_lost_answer_is_found_in_jira() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    for (at, fault) in [Fault::HangUpAfter, Fault::StatusAfter(502)].into_iter().enumerate() {
        world.site.fail("POST", "/worklog", fault, 1);
        let body = work(json!({ "tags": ["77"], "timeSpentSeconds": 600 + at }));
        let reply = ben.log_work(world.ids.issue, &format!("lost-answer-{at}"), &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(reply.json["tags"], json!(["77"]));
    }
    assert_eq!(world.site.calls("POST /rest/api/3/issue/{id}/worklog"), 2);
    world.end().await;
}

/// Neither the answer nor the look for it came through: the person is told, and a retry does not write twice.
#[tokio::test]
async fn an_unknown_outcome_is_said_and_a_retry_writes_once() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let body = work(json!({ "comment": "canary in doubt" }));
    world.site.fail("POST", "/worklog", Fault::HangUpAfter, 1);
    world.site.fail("GET", "/worklog", Fault::Status(503), 4);
    let unknown = ben.log_work(world.ids.issue, "in-doubt-1", &body).await;
    assert_eq!((unknown.status, unknown.json["code"].as_str()), (504, Some("outcome_unknown")));
    let retry = ben.log_work(world.ids.issue, "in-doubt-1", &body).await;
    assert_eq!(retry.status, 200, "{}", retry.text);

    // It never arrived: not sent again until it surely cannot arrive any more.
    world.site.fail("POST", "/worklog", Fault::HangUpBefore, 1);
    let unknown = ben.log_work(world.ids.issue, "in-doubt-2", &body).await;
    assert_eq!(unknown.status, 504, "{}", unknown.text);
    assert_eq!(ben.log_work(world.ids.issue, "in-doubt-2", &body).await.status, 504);
    world.advance(Duration::from_secs(91));
    assert_eq!(ben.log_work(world.ids.issue, "in-doubt-2", &body).await.status, 201);
    assert_eq!(world.site.state().worklogs.len(), 6);
    world.end().await;
}

/// A Jira that ignores properties in a create still gets tags and key.
#[tokio::test]
async fn the_property_is_set_even_if_a_create_does_not_take_it() {
    let world = World::installed().await;
    world.site.state().takes_properties = false;
    let reply =
        world.as_user(BEN).log_work(world.ids.issue, "no-properties", &work(json!({ "tags": ["77"] }))).await;
    assert_eq!((reply.status, &reply.json["tags"]), (201, &json!(["77"])), "{}", reply.text);
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, reply.json["id"].as_str().unwrap());
    let edited = world.as_user(BEN).put(&path, &json!({ "tags": [], "timeSpentSeconds": 60 })).await;
    assert_eq!((edited.status, &edited.json["tags"]), (200, &json!([])), "{}", edited.text);
    world.end().await;
}

/// A read that was on its way while tags were changed ends up overruled: the property has no time of its own.
#[tokio::test]
async fn a_read_from_before_does_not_bring_old_tags_back() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ben);
    let before: hourbook::jira::worklogs::RemoteWorklog = {
        let state = world.site.state();
        let worklog = &state.worklogs[&world.ids.by_ben];
        let view = hourbook_simulator::views::worklog(&world.site.base_url, &state, worklog, true, false);
        serde_json::from_str(&view.to_string()).unwrap()
    };
    world.site.fail("POST", "/worklog/list", Fault::Slow(Duration::from_millis(300)), 1);
    assert_eq!(ben.put(&path, &json!({ "tags": ["77"] })).await.json["tags"], json!(["77"]));
    let app = &world.running().app;
    let tenant = world.tenant(&world.site).await;
    let db = app.db(&tenant).await.unwrap();
    db.write(|db| hourbook::sync::apply::read(db, vec![before], 1).map(drop)).await.unwrap();
    drop((db, tenant));
    // The same `updated`, older tags: until the later read has come.
    world.end().await;
}

/// An idempotency key is known for a week.
#[tokio::test]
async fn old_keys_are_forgotten() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    assert_eq!(ben.log_work(world.ids.issue, "k", &work(json!({}))).await.status, 201);
    world.advance(Duration::from_secs(2 * 86_400));
    world.settle(&world.site).await;
    assert_eq!(ben.log_work(world.ids.issue, "k", &work(json!({}))).await.status, 200);
    world.advance(Duration::from_secs(8 * 86_400));
    let forgotten = || async {
        let app = &world.running().app;
        let tenant = world.tenant(&world.site).await;
        let db = app.db(&tenant).await.unwrap();
        let hash = hourbook::worklogs::property::key_hash(BEN, "k");
        let found = db.read(move |db| hourbook_store::tenant::intents::find(db, BEN, &hash)).await.unwrap();
        found.is_none().then_some(()).ok_or_else(|| "still known".to_owned())
    };
    crate::support::eventually("the key is forgotten", forgotten).await;
    world.end().await;
}

/// Site settings decide what a day is.
#[tokio::test]
async fn durations_follow_the_site_and_its_changes() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let body = |duration: &str| json!({ "started": "2026-03-02T09:00:00Z", "duration": duration });
    let log = |key: &'static str, body: Value| {
        let ben = &ben;
        async move { ben.log_work(world.ids.issue, key, &body).await.json }
    };
    assert_eq!(log("durations-1", body("1d")).await["timeSpentSeconds"], 28_800);
    world.site.set_time_tracking(true, 7.6, 5.5);
    if by_forge() {
        // No event tells of it.
        world.advance(Duration::from_secs(301));
    }
    world.settle(&world.site).await;
    assert_eq!(log("durations-2", body("1d")).await["timeSpentSeconds"], 27_360);
    assert_eq!(log("durations-3", body("1w")).await["timeSpentSeconds"], 150_480);
    let german = [("Idempotency-Key", "durations-4"), ("Accept-Language", "de-DE,de;q=0.9")];
    let path = format!("/api/v1/issues/{}/worklogs", world.ids.issue);
    let reply = ben.send("POST", &path, Some(&body("1 Std 30 Min")), &german).await;
    assert_eq!(reply.json["timeSpentSeconds"], 5400);
    let panel = ben.get(&format!("/api/v1/issues/{}/panel", world.ids.issue)).await.json;
    assert_eq!(panel["settings"]["workingHoursPerDay"], 7.6);
    world.end().await;
}

/// Estimates pass through to Jira as they are.
#[tokio::test]
async fn estimates_pass_through() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let log = |key: &'static str, extra: Value| {
        let ben = &ben;
        async move { ben.log_work(world.ids.issue, key, &work(extra)).await }
    };
    assert_eq!(log("estimate-1", json!({ "adjustEstimate": "new", "newEstimate": "2d" })).await.status, 201);
    assert_eq!(log("estimate-2", json!({ "adjustEstimate": "manual", "reduceBy": "30m" })).await.status, 201);
    let reply = log("estimate-3", json!({ "adjustEstimate": "new", "newEstimate": "soon" })).await;
    assert_eq!((reply.status, reply.json["field"].as_str()), (422, Some("newEstimate")));
    assert!(reply.json["detail"].as_str().unwrap().contains("valid new estimate"));
    let id =
        log("estimate-4", json!({ "adjustEstimate": "leave" })).await.json["id"].as_str().unwrap().to_owned();
    let path =
        format!("/api/v1/issues/{}/worklogs/{id}?adjustEstimate=manual&increaseBy=1h", world.ids.issue);
    assert_eq!(ben.delete(&path).await.status, 204);
    world.end().await;
}

/// Bad input is refused with a code, the field and what would work, before Jira hears of it.
#[tokio::test]
async fn bad_input_is_refused_before_jira_hears_of_it() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let many: Vec<String> = (1..=21).map(|id| id.to_string()).collect();
    for (body, status, field, code) in [
        (json!({ "timeSpentSeconds": 600 }), 400, "started", "field_missing"),
        (json!({ "started": "2026-03-02T09:00:00Z" }), 400, "timeSpentSeconds", "field_missing"),
        (work(json!({ "duration": "1h" })), 400, "duration", "duration_twice"),
        (
            json!({ "started": "2026-03-02T09:00:00Z", "duration": "1:75" }),
            400,
            "duration",
            "duration_clock_minutes",
        ),
        (work(json!({ "started": "yesterday" })), 400, "started", "started_invalid"),
        (work(json!({ "started": "2026-03-02T09:00:00" })), 400, "started", "started_invalid"),
        (work(json!({ "started": "1890-03-02T09:00:00Z" })), 400, "started", "started_out_of_range"),
        (work(json!({ "timeSpentSeconds": 59 })), 400, "timeSpentSeconds", "seconds_out_of_range"),
        (work(json!({ "timeSpentSeconds": -60 })), 400, "timeSpentSeconds", "seconds_out_of_range"),
        (work(json!({ "comment": "a", "commentAdf": {} })), 400, "commentAdf", "comment_twice"),
        (work(json!({ "commentAdf": { "type": "paragraph" } })), 400, "commentAdf", "comment_not_adf"),
        (work(json!({ "comment": "x".repeat(40_000) })), 413, "comment", "comment_too_long"),
        (work(json!({ "tags": many })), 400, "tags", "too_many_tags"),
        (work(json!({ "tags": ["billable"] })), 400, "tags", "tag_invalid"),
        (work(json!({ "tags": ["4711"] })), 400, "tags", "tag_unknown"),
        (work(json!({ "adjustEstimate": "sometimes" })), 400, "adjustEstimate", "adjust_estimate_invalid"),
        (work(json!({ "adjustEstimate": "new" })), 400, "newEstimate", "estimate_missing"),
        (work(json!({ "newEstimate": "1d" })), 400, "adjustEstimate", "estimate_without_adjust"),
    ] {
        let reply = ben.log_work(world.ids.issue, "bad-input-key", &body).await;
        let found = (reply.status, reply.json["field"].as_str(), reply.json["code"].as_str());
        assert_eq!(found, (status, Some(field), Some(code)), "{body}");
    }
    for body in [json!([]), json!({ "colour": "red" }), json!({ "timeSpentSeconds": "1h" })] {
        assert_eq!(
            ben.log_work(world.ids.issue, "bad-input-key", &body).await.json["code"],
            "body_invalid",
            "{body}"
        );
    }
    let huge = json!({ "comment": "x".repeat(200_000) });
    assert_eq!(ben.log_work(world.ids.issue, "bad-input-key", &huge).await.status, 413);
    let by_key = ben
        .send(
            "POST",
            "/api/v1/issues/CAN-1/worklogs",
            Some(&work(json!({}))),
            &[("Idempotency-Key", "by-issue-key")],
        )
        .await;
    assert_eq!((by_key.status, by_key.json["field"].as_str()), (400, Some("issueId")));
    assert_eq!(world.site.calls("POST /rest/api/3/issue/{id}/worklog"), 0);
    world.end().await;
}

/// An expired licence: reading goes on, writing is refused with its own message; a licence that cannot be asked for
/// locks nobody out.
#[tokio::test]
async fn an_expired_licence_stops_writing_only() {
    let world = World::installed().await;
    world.site.state().licence = Some(false);
    let ben = world.as_user(BEN);
    let refused = ben.log_work(world.ids.issue, "licence-1", &work(json!({}))).await;
    assert_eq!((refused.status, refused.json["code"].as_str()), (402, Some("licence_expired")));
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ben);
    assert_eq!(ben.put(&path, &json!({ "timeSpentSeconds": 60 })).await.status, 402);
    assert_eq!(ben.delete(&path).await.status, 402);
    assert_eq!(ben.get(&path).await.status, 200);
    let other = world.on(&world.other, BEN);
    world.other.fail("GET", "/rest/atlassian-connect/", Fault::Status(404), 1);
    assert_eq!(other.log_work(world.ids.issue, "licence-2", &work(json!({}))).await.status, 201);
    world.end().await;
}

/// An edit of what somebody else changed meanwhile: nothing is overwritten, both versions are told.
#[tokio::test]
async fn an_edit_of_an_older_version_is_a_conflict() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ben);
    let seen = ben.get(&path).await.json["updated"].clone();
    world.site.change_work(world.ids.by_ben, |worklog| worklog.seconds = 7200);
    let conflict = ben.put(&path, &json!({ "timeSpentSeconds": 60, "ifUpdated": seen })).await;
    assert_eq!((conflict.status, conflict.json["code"].as_str()), (409, Some("newer_in_jira")));
    assert_eq!(conflict.json["yours"]["timeSpentSeconds"], 60);
    assert_eq!(conflict.json["current"]["timeSpentSeconds"], 7200, "{}", conflict.text);
    assert_eq!(world.site.state().worklogs[&world.ids.by_ben].seconds, 7200);
    let newer = conflict.json["current"]["updated"].clone();
    let done = ben.put(&path, &json!({ "timeSpentSeconds": 60, "ifUpdated": newer })).await;
    assert_eq!((done.status, &done.json["timeSpentSeconds"]), (200, &json!(60)), "{}", done.text);
    let bad = ben.put(&path, &json!({ "timeSpentSeconds": 60, "ifUpdated": "yesterday" })).await;
    assert_eq!((bad.status, bad.json["field"].as_str()), (400, Some("ifUpdated")));
    world.end().await;
}

/// A deletion that was not answered is sent again, and a 404 then means that the first one did it. Without such a
/// first try, a 404 stays a 404.
#[tokio::test]
async fn a_deletion_is_done_when_its_second_try_finds_nothing() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ben);
    world.site.fail("DELETE", "/worklog/", Fault::HangUpAfter, 1);
    assert_eq!(ben.delete(&path).await.status, 204, "within one request");
    assert_eq!(ben.delete(&path).await.status, 404, "nobody tried before");
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ana);
    world.site.fail("DELETE", "/worklog/", Fault::HangUpAfter, 1);
    world.site.fail("DELETE", "/worklog/", Fault::Status(503), 1);
    let unknown = world.as_user(ANA).delete(&path).await;
    assert_eq!((unknown.status, unknown.json["code"].as_str()), (504, Some("outcome_unknown")));
    assert_eq!(world.as_user(ANA).delete(&path).await.status, 204, "the second request finds nothing");
    // Not answered, not done, and moved meanwhile: it lives.
    let (id, issue) = (world.ids.by_cleo, world.ids.secret_issue);
    let path = format!("/api/v1/issues/{issue}/worklogs/{id}");
    world.site.fail("DELETE", "/worklog/", Fault::HangUpBefore, 2);
    assert_eq!(world.as_user(CLEO).delete(&path).await.status, 504);
    world.site.move_work(&[id], world.ids.issue, false);
    assert_eq!(world.as_user(CLEO).delete(&path).await.status, 404);
    world.settle(&world.site).await;
    compare::difference(&world, &world.site).await.unwrap();
    world.end().await;
}

/// An edit that was not answered is looked for.
#[tokio::test]
async fn an_unanswered_edit_is_looked_for() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, world.ids.by_ben);
    world.site.fail("PUT", "/worklog/", Fault::HangUpAfter, 1);
    let done = ben.put(&path, &json!({ "timeSpentSeconds": 60, "comment": "canary late answer" })).await;
    assert_eq!((done.status, &done.json["timeSpentSeconds"]), (200, &json!(60)), "{}", done.text);
    world.site.fail("PUT", "/worklog/", Fault::HangUpBefore, 1);
    let unknown = ben.put(&path, &json!({ "timeSpentSeconds": 120 })).await;
    assert_eq!((unknown.status, unknown.json["code"].as_str()), (504, Some("outcome_unknown")));
    world.end().await;
}

/// A lost answer, and the worklog was changed before anybody looked: it is found on the whole issue, not written
/// again. And nothing is sent while the first may still arrive.
#[tokio::test]
async fn a_lost_worklog_is_found_even_if_its_start_was_changed() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    world.site.fail("POST", "/worklog", Fault::HangUpAfter, 1);
    world.site.fail("GET", "/worklog", Fault::Status(503), 4);
    let unknown = ben.log_work(world.ids.issue, "moved-start", &work(json!({}))).await;
    assert_eq!(unknown.status, 504);
    let id = *world.site.state().worklogs.keys().max().unwrap();
    world.site.change_work(id, |worklog| worklog.started += 7_200_000);
    let still = ben.log_work(world.ids.issue, "moved-start", &work(json!({}))).await;
    assert_eq!(still.status, 504, "it may still arrive");
    world.advance(Duration::from_secs(66));
    let found = ben.log_work(world.ids.issue, "moved-start", &work(json!({}))).await;
    assert_eq!(
        (found.status, found.json["id"].as_str()),
        (200, Some(id.to_string().as_str())),
        "{}",
        found.text
    );
    world.end().await;
}

/// What others put into the property gains them nothing: the marker of a request on another's worklog, or on
/// another one of the same author, is not taken for the result of the request.
#[tokio::test]
async fn a_copied_marker_is_not_a_match() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let first = ben.log_work(world.ids.issue, "genuine", &work(json!({}))).await.json["id"].clone();
    let id: i64 = first.as_str().unwrap().parse().unwrap();
    let stolen = world.site.state().worklogs[&id].properties["hourbook"].clone();
    let started = world.site.state().worklogs[&id].started;
    // A worklog of Ana's with Ben's marker, at the same start; then the genuine one is gone from Jira and from us.
    let fake = Work {
        started,
        properties: std::collections::BTreeMap::from([("hourbook".to_owned(), stolen)]),
        ..Work::of(60, "canary fake")
    };
    world.site.log_work(ANA, world.ids.issue, fake);
    world.settle(&world.site).await;
    world.site.fail("POST", "/worklog", Fault::HangUpBefore, 1);
    let other = ben.log_work(world.ids.issue, "another", &work(json!({}))).await;
    assert_eq!(other.status, 504, "nothing of this request is in Jira: {}", other.text);
    world.end().await;
}

/// Junk in the property is ignored and counted, and so is a property that names nobody's format.
#[tokio::test]
async fn junk_in_the_property_is_counted() {
    let world = World::installed().await;
    world.site.change_work(world.ids.by_ana, |worklog| {
        let junk = json!({ "v": 1, "tags": [{ "id": "77", "name": "canary tag of one" }, { "id": "x" }, 7] });
        worklog.properties.insert("hourbook".into(), junk);
    });
    world.settle(&world.site).await;
    let url = format!("http://{}/metrics", world.running().ops);
    let metrics = world.http.get(url).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("hourbook_ignored_total{what=\"worklog_property\"} 2"), "{metrics}");
    world.site.change_work(world.ids.by_ana, |worklog| {
        worklog.properties.remove("hourbook");
    });
    world.end().await;
}
