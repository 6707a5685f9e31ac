//! Pages in Jira's iframes, the files that they load, and what the API has for the panel and for admins.

use crate::support::client::{Reply, send};
use crate::support::{ANA, BEN, World};
use hourbook_simulator::people::Work;
use serde_json::{Value, json};
use std::time::Duration;

async fn load(world: &World, path: &str, account: &str) -> Reply {
    send(world, "GET", &world.site.page_url(path, account), None, &[]).await
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// What stands between two texts, each time.
fn between<'a>(text: &'a str, before: &str, behind: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(behind).next()).collect()
}

#[tokio::test]
async fn pages_load_the_front_end_and_run_nothing_else() {
    let world = World::installed().await;
    let panel = format!("/connect/panel?issueId={}", world.ids.issue);
    for (path, account) in [(panel.as_str(), BEN), ("/connect/reports", BEN), ("/connect/admin", ANA)] {
        let page = load(&world, path, account).await;
        assert_eq!(page.status, 200, "{path}: is the front end built? {}", page.text);
        let policy = header(&page, "content-security-policy");
        let ours = world.url();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            policy.contains(&format!("script-src {ours} https://connect-cdn.atl-paas.net; ")),
            "{policy}"
        );
        assert!(policy.contains(&format!("style-src {ours}; connect-src {ours}; ")), "{policy}");
        assert!(policy.ends_with(&format!("frame-ancestors {}", world.site.base_url)), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        // No script and no style in the page itself, which the policy would not run.
        assert!(between(&page.text, "<script", ">").iter().all(|tag| tag.contains(" src=")), "{}", page.text);
        assert!(!page.text.contains("<style") && !page.text.contains(" style="), "{}", page.text);
        let files: Vec<&str> = between(&page.text, &format!("{ours}/static/"), "\"");
        assert!(files.len() > 3, "{files:?}");
        for file in files {
            let reply = send(&world, "GET", &format!("/static/{file}"), None, &[]).await;
            assert_eq!(reply.status, 200, "{file}");
            assert_eq!(header(&reply, "cache-control"), "public, max-age=31536000, immutable", "{file}");
        }
        assert!(page.text.contains(&format!("data-account=\"{account}\"")), "{}", page.text);
        assert!(!page.text.contains("canary"), "nothing of the tenant's data: {}", page.text);
    }
    world.end().await;
}

#[tokio::test]
async fn files_come_packed_as_the_browser_takes_them() {
    let world = World::start().await;
    let manifest = std::fs::read_to_string("frontend/dist/manifest.json").expect("the front end is built");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let entry = format!("/static/{}", manifest["index.html"]["file"].as_str().unwrap());
    let fetch = async |accepted: &str| {
        send(&world, "GET", &entry, None, &[("Accept-Encoding", accepted.to_owned())]).await
    };
    let plain = fetch("identity").await;
    assert_eq!(header(&plain, "content-type"), "text/javascript; charset=utf-8");
    for (accepted, encoding) in
        [("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("deflate", ""), ("", "")]
    {
        let reply = fetch(accepted).await;
        assert_eq!(header(&reply, "vary"), "Accept-Encoding");
        // The client takes off what the server says that it put on.
        if encoding == "br" {
            assert_eq!(header(&reply, "content-encoding"), "br");
            assert!(
                reply.bytes.len() * 2 < plain.bytes.len(),
                "{} of {}",
                reply.bytes.len(),
                plain.bytes.len()
            );
        } else {
            assert_eq!(reply.text, plain.text, "{accepted}");
        }
    }
    for path in
        ["/static/assets/none.js", "/static/assets/manifest.json", "/static/assets/..%2fmanifest.json"]
    {
        assert_eq!(send(&world, "GET", path, None, &[]).await.status, 404, "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_page_that_is_refused_says_so_in_words() {
    let world = World::installed().await;
    let refused = load(&world, "/connect/admin", BEN).await;
    assert_eq!(refused.status, 403);
    assert!(header(&refused, "content-type").starts_with("text/html"));
    assert!(
        refused.text.contains("Ask a Jira admin") && !refused.text.contains("<script"),
        "{}",
        refused.text
    );
    let page = world.site.page_url("/connect/reports", ANA);
    world.advance(Duration::from_secs(600));
    let late = send(&world, "GET", &page, None, &[]).await;
    assert_eq!(late.status, 401);
    assert!(late.text.contains("reload the page in Jira"), "{}", late.text);
    world.end().await;
}

#[tokio::test]
async fn the_panel_has_the_newest_first_and_formatting_only_where_there_is_some() {
    let world = World::start().await;
    let issue = world.ids.issue;
    let day = 86_400_000;
    let begun = world.clock.now_ms() - 90 * day;
    for at in 0..60 {
        let work = Work { started: begun + at * day, ..Work::of(900, "plain") };
        world.site.log_work(BEN, issue, work);
    }
    let bold = json!({ "type": "doc", "version": 1, "content": [{ "type": "paragraph", "content": [
        { "type": "text", "text": "bold", "marks": [{ "type": "strong" }] }] }] });
    let just_now = world.clock.now_ms() - 3_600_000;
    let work = Work { started: just_now, seconds: 1200, comment: Some(bold.clone()), ..Work::default() };
    let rich = world.site.log_work(ANA, issue, work);
    world.advance(Duration::from_secs(120));
    world.install_both().await;
    let panel = world.as_user(ANA).get(&format!("/api/v1/issues/{issue}/panel")).await.json;
    let items = panel["worklogs"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 50);
    let starts: Vec<&str> = items.iter().map(|item| item["started"].as_str().unwrap()).collect();
    assert!(starts.is_sorted_by(|one, other| one >= other), "{starts:?}");
    let own = items.iter().find(|item| item["id"] == json!(rich.to_string())).expect("the newest ones");
    assert_eq!(own["commentAdf"], bold);
    let with_form: Vec<&Value> = items.iter().filter(|item| !item["commentAdf"].is_null()).collect();
    assert_eq!(with_form.len(), 1, "{with_form:?}");
    // The older ones follow, none twice and none left out.
    let cursor = panel["worklogs"]["nextCursor"].as_str().unwrap();
    let older = format!("/api/v1/issues/{issue}/worklogs?order=newest&limit=1000&cursor={cursor}");
    let older = world.as_user(ANA).get(&older).await.json;
    let mut ids: Vec<&str> = items
        .iter()
        .chain(older["items"].as_array().unwrap())
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    let in_jira = world.site.state().by_issue[&issue].len();
    assert_eq!((all, ids.len()), (in_jira, in_jira));
    let own =
        world.site.state().worklogs.values().filter(|one| one.author == ANA).cloned().collect::<Vec<_>>();
    let last = own.iter().map(|one| one.started + one.seconds * 1000).max().unwrap();
    assert_eq!(panel["lastEnd"], hourbook::jira::time::rfc3339(last));
    let nobody = format!("/api/v1/issues/{issue}/worklogs?order=sideways");
    assert_eq!(world.as_user(ANA).get(&nobody).await.json["field"], "order");
    world.end().await;
}

#[tokio::test]
async fn settings_hold_for_the_site_and_stay_where_they_are_not_named() {
    let world = World::installed().await;
    let put = async |body: Value| world.as_user(ANA).put("/api/v1/settings", &body).await;
    assert_eq!(
        put(json!({ "zone": "Europe/Berlin", "weekStart": "saturday", "tagRight": "admins" })).await.status,
        200
    );
    let changed = put(json!({ "reportRight": "everyone" })).await.json;
    assert_eq!(changed["zone"], "Europe/Berlin");
    assert_eq!(changed["weekStart"], "saturday");
    assert_eq!(world.as_user(BEN).get("/api/v1/settings").await.json, changed);
    assert_eq!(put(json!({ "weekStart": "locale" })).await.json["weekStart"], Value::Null);
    for (bad, field) in [
        (json!({ "zone": "Middle/Earth" }), "zone"),
        (json!({ "weekStart": "someday" }), "weekStart"),
        (json!({ "reportRight": "groups" }), "reportGroups"),
    ] {
        let refused = put(bad.clone()).await;
        assert_eq!((refused.status, refused.json["field"].as_str()), (400, Some(field)), "{bad}");
    }
    // Who adds tags.
    let panel = format!("/api/v1/issues/{}/panel", world.ids.issue);
    for (account, may) in [(ANA, true), (BEN, false)] {
        assert_eq!(world.as_user(account).get(&panel).await.json["mayCreateTags"], may, "{account}");
        let made =
            world.as_user(account).post("/api/v1/tags", &json!({ "name": format!("of {account}") })).await;
        let expected = if may { (201, None) } else { (403, Some("tags_for_admins")) };
        assert_eq!((made.status, made.json["code"].as_str()), expected);
    }
    let acts = world.as_user(ANA).get("/api/v1/audit").await.json;
    let told: Vec<&str> =
        acts["items"].as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    for name in ["settings.zone", "settings.weekStart", "settings.tagRight", "settings.reportRight"] {
        assert!(told.contains(&name), "{name}: {told:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn an_admin_sees_jiras_count_what_could_not_be_read_and_what_a_sync_costs() {
    let world = World::installed().await;
    let sync = async |account: &str| world.as_user(account).get("/api/v1/sync").await.json;
    assert_eq!(sync(ANA).await["compared"], Value::Null);
    assert_eq!(sync(ANA).await["costs"]["full"]["calls"], 4);
    assert_eq!(sync(BEN).await["costs"], Value::Null);
    // Jira keeps a worklog to itself: it is named by the feed, and not returned.
    world.site.state().app_blocked.insert(world.ids.secret_issue);
    world.advance(Duration::from_secs(120));
    let started = world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "reconcile" })).await;
    assert_eq!(started.status, 202);
    world.settle(&world.site).await;
    let compared = sync(ANA).await["compared"].clone();
    assert_eq!(
        (&compared["jira"], &compared["copy"]),
        (&json!(2), &json!(2)),
        "what Jira names, and what is shown"
    );
    let failures = world.as_user(ANA).get("/api/v1/sync/failures").await.json;
    assert_eq!(failures["issues"][0]["issueId"], world.ids.secret_issue.to_string());
    assert_eq!(failures["issues"][0]["worklogs"], 2);
    // Once the app may see them again, asking again is enough.
    world.site.state().app_blocked.clear();
    assert_eq!(world.as_user(ANA).post("/api/v1/sync", &json!({ "kind": "recheck" })).await.status, 202);
    world.settle(&world.site).await;
    assert_eq!(world.as_user(ANA).get("/api/v1/sync/failures").await.json["issues"], json!([]));
    world.end().await;
}

#[tokio::test]
async fn everything_that_is_kept_can_be_taken_out_as_far_as_jira_shows_it() {
    let world = World::installed().await;
    world.site.hide_issue(world.ids.secret_issue, ANA);
    world.advance(Duration::from_secs(61));
    let tag = world.as_user(ANA).post("/api/v1/tags", &json!({ "name": "canarytag" })).await;
    assert_eq!(tag.status, 201);
    let file = world.as_user(ANA).get("/api/v1/privacy/export").await;
    assert_eq!(file.status, 200, "{}", file.text);
    let lines: Vec<Value> = file.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of("site")[0]["url"], world.site.base_url);
    assert_eq!(of("settings").len(), 1);
    assert!(of("tag").iter().any(|tag| tag["name"] == "canarytag"), "{}", file.text);
    assert!(of("act").iter().any(|act| act["action"] == "privacy.export"), "{}", file.text);
    let ids: Vec<&str> = of("worklog").iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [world.ids.by_ana.to_string(), world.ids.by_ben.to_string()]);
    assert!(
        !file.text.contains(&world.ids.secret_issue.to_string()),
        "nothing of what the admin may not see"
    );
    assert_eq!(lines.last().unwrap(), &json!({ "kind": "end", "worklogs": 2, "withheld": 2 }));
    assert_eq!(world.as_user(BEN).get("/api/v1/privacy/export").await.status, 403);
    // The comparison at the end is made as her.
    world.site.change_issue(world.ids.secret_issue, |issue| issue.hidden_from.clear());
    world.advance(Duration::from_secs(61));
    world.end().await;
}
