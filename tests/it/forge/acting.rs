//! The app's own tokens and people's: who acts as whom, with what, and for how long.

use super::{installed, sync_is, sync_of};
use crate::support::client::send;
use crate::support::{ANA, BEN, CLEO, eventually};
use hourbook_simulator::people::Work;
use hourbook_simulator::state::Restriction;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A write is the person's own, by the token of that very request.
#[tokio::test]
async fn a_write_uses_the_token_of_its_request() {
    let world = installed().await;
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
    let path = format!("/forge/api/v1/issues/{}/worklogs", world.ids.issue);
    let token = world.site.invocation_token("hourbook-panel", Some(BEN));
    let mut headers =
        vec![("Authorization", format!("Bearer {token}")), ("Idempotency-Key", "by-forge".to_owned())];
    let without = send(&world, "POST", &path, Some(&body), &headers).await;
    assert_eq!((without.status, without.json["code"].as_str()), (403, Some("user_token_missing")));
    assert_eq!(world.site.calls("POST /rest/api/3/issue/{id}/worklog"), 0, "nothing was sent");
    headers.push(("x-forge-oauth-user", world.site.user_token(BEN)));
    let with = send(&world, "POST", &path, Some(&body), &headers).await;
    assert_eq!((with.status, with.json["accountId"].as_str()), (201, Some(BEN)), "{}", with.text);
    world.settle(&world.site).await;
    world.end().await;
}

/// A page's token can be read from a browser, and with it anything be sent: what calls itself the app's own token there
/// is not believed, and one that would hold for ever is believed from nobody.
#[tokio::test]
async fn a_page_brings_no_token_of_the_app() {
    use base64::Engine;
    let world = installed().await;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"exp":99999999999}"#);
    let made_up = format!("canarytoken-made-up.{payload}.x");
    let page = world.site.invocation_token("hourbook-panel", Some(BEN));
    let headers = [("Authorization", format!("Bearer {page}")), ("x-forge-oauth-system", made_up)];
    assert_eq!(send(&world, "GET", "/forge/api/v1/me", None, &headers).await.status, 200);
    world.sync(&world.site, "incremental").await;
    assert_eq!(world.site.state().unauthorised, Vec::<String>::new(), "nothing was called with it");
    let tenant = world.tenant_id(&world.site).await;
    let until = world.running().app.jira.system_tokens.until(&tenant).unwrap();
    assert!(until < world.clock.now_ms() + 5 * 3_600_000, "{until}");
    let long = hourbook::jira::system_tokens::SystemToken::read(&headers[1].1, 1_000).unwrap();
    assert_eq!(long.until, 1_000 + 5 * 3_600_000);
    world.end().await;
}

/// A person's token is nobody's afterwards: it is neither stored nor used by what goes on behind requests.
#[tokio::test]
async fn nobody_acts_as_a_person_later_on() {
    let world = installed().await;
    let body = json!({ "started": "2026-03-02T09:00:00Z", "timeSpentSeconds": 600 });
    assert_eq!(world.as_user(BEN).log_work(world.ids.issue, "own-token", &body).await.status, 201);
    // From now on any call with a person's token would be refused, and told at the end.
    world.site.state().bearers.retain(|_, bearer| bearer.account.is_none());
    world.sync(&world.site, "reconcile").await;
    world.site.log_work(CLEO, world.ids.issue, Work::of(60, "canary later"));
    world.settle(&world.site).await;
    world.equal(&world.site).await;
    world.end().await;
}

/// Without a token that holds, work waits and says so, as long as it takes; the next trigger lets it go on.
#[tokio::test]
async fn work_without_a_token_waits_and_says_so() {
    let mut world = installed().await;
    world.site.state().habits.stopped = true;
    world.advance(HOUR * 5);
    let tenant = world.tenant_id(&world.site).await;
    let app = world.running().app.clone();
    let job = hourbook::jobs::enqueue(&app, &tenant, hourbook::jobs::Kind::SyncReconcile, "").await.unwrap();
    // Asked without bringing a token, as a page does that calls us straight.
    let state = || async {
        let token = world.site.invocation_token("hourbook-admin", Some(ANA));
        super::with_token(&world, "/forge/api/v1/sync", &token).await.json
    };
    let told = eventually("it waits", || async {
        let sync = state().await;
        if sync["state"] == "paused" { Ok(sync) } else { Err(sync.to_string()) }
    })
    .await;
    assert!(told["reason"].as_str().unwrap().contains("waits for Jira to let it in"), "{told}");
    // Not counted as tries: it would be given up after twelve.
    for _ in 0..14 {
        world.advance(Duration::from_secs(301));
        eventually("it was tried, and waits again", || async {
            let found = app.control.read(move |conn| hourbook_store::control::jobs::find(conn, job)).await;
            let found = found.unwrap().unwrap();
            let waits = found.state == "queued" && found.run_after > app.clock.now_ms();
            waits.then_some(()).ok_or_else(|| format!("{found:?}"))
        })
        .await;
    }
    drop(app);
    assert_eq!(world.site.trigger("hourbook-minutes").await, 204);
    sync_is(&world, &world.site, "idle").await;
    world.equal(&world.site).await;
    // The token is kept, sealed: a restart needs no other.
    world.halt().await;
    world.boot().await;
    let token = world.site.invocation_token("hourbook-admin", Some(ANA));
    assert_eq!(super::with_token(&world, "/forge/api/v1/me", &token).await.status, 200);
    world.site.state().habits.stopped = false;
    world.end().await;
}

/// Whether the app may ask what others may do is not documented: where it may not, people are asked themselves.
#[tokio::test]
async fn people_are_asked_themselves_where_the_app_may_not() {
    let world = installed().await;
    world.site.state().habits.app_may_check = false;
    assert_eq!(world.as_user(BEN).get("/api/v1/me").await.json["jiraAdmin"], false);
    assert_eq!(world.as_user(ANA).get("/api/v1/me").await.json["jiraAdmin"], true);
    let list = "/api/v1/worklogs";
    let seen = |text: &str, id: i64| text.contains(&format!("\"{id}\""));
    let ben = world.as_user(BEN).get(list).await.text;
    assert!(!seen(&ben, world.ids.by_cleo), "hidden from him");
    let ana = world.as_user(ANA).get(list).await.text;
    assert!(seen(&ana, world.ids.by_cleo) && seen(&ana, world.ids.by_ben));
    // A page that calls straight brings no token: it is told to ask in another way, not given less.
    world.advance(Duration::from_secs(400));
    let token = world.site.invocation_token("hourbook-reports", Some(ANA));
    let straight = super::with_token(&world, "/forge/api/v1/worklogs", &token).await;
    assert_eq!((straight.status, straight.json["code"].as_str()), (403, Some("user_token_missing")));
    world.end().await;
}

/// What is restricted is asked for as the person; without their token there is an error, and no smaller list.
#[tokio::test]
async fn restricted_worklogs_are_asked_for_in_person() {
    let world = installed().await;
    let restriction =
        Restriction { kind: "group".into(), value: "canary staff".into(), identifier: "g-1".into() };
    world.site.state().users.get_mut(ANA).unwrap().groups.insert("g-1".into());
    let work = Work { restriction: Some(restriction), ..Work::of(660, "canary for staff") };
    let id = world.site.log_work(CLEO, world.ids.issue, work).to_string();
    world.settle(&world.site).await;
    let list = format!("/api/v1/issues/{}/worklogs", world.ids.issue);
    let token = world.site.invocation_token("hourbook-panel", Some(ANA));
    let straight = super::with_token(&world, &format!("/forge{list}"), &token).await;
    assert_eq!((straight.status, straight.json["code"].as_str()), (403, Some("user_token_missing")));
    // A file is made of what can be had without; that it was left out says nothing about her.
    let admin = world.site.invocation_token("hourbook-admin", Some(ANA));
    let file = super::with_token(&world, "/forge/api/v1/privacy/export", &admin).await;
    assert!(
        file.status == 200 && !file.text.contains(&id) && file.text.contains("\"withheld\":1"),
        "{}",
        file.text
    );
    assert!(world.as_user(ANA).get(&list).await.text.contains(&id));
    // A token that Jira does not take is an error, too.
    world.advance(Duration::from_secs(400));
    let headers = [
        ("Authorization", format!("Bearer {}", world.site.invocation_token("hourbook-panel", Some(ANA)))),
        ("x-forge-oauth-user", "canarytoken-user-of-yesterday".to_owned()),
    ];
    let outdated = send(&world, "GET", &format!("/forge{list}"), None, &headers).await;
    assert_eq!((outdated.status, outdated.json["code"].as_str()), (403, Some("user_token_missing")));
    world.site.state().unauthorised.clear();
    assert!(!world.as_user(BEN).get(&list).await.text.contains(&id));
    assert!(sync_of(&world, &world.site).await["restricted"].as_i64().unwrap() >= 1);
    world.end().await;
}
