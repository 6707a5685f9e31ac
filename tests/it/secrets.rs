//! Promises E10 to E12: what is planted in clear is found in no file and no log.

use crate::chaos::process::{self, Process};
use crate::support::{ANA, APP_KEY, BEN, World, eventually, logs};
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::people::Work;
use hourbook_simulator::site::Site;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The search itself works: what is written in clear is found.
#[test]
fn the_search_for_planted_words_finds_them() {
    let dir = tempfile::TempDir::new().unwrap();
    logs::assert_no_canary_in(dir.path());
    std::fs::create_dir(dir.path().join("below")).unwrap();
    std::fs::write(dir.path().join("below/file"), [b"\0\0", "xCaNaRy".as_bytes()].concat()).unwrap();
    assert!(std::panic::catch_unwind(|| logs::assert_no_canary_in(dir.path())).is_err());
}

/// Everything is used while the server runs; its open files, write-ahead logs and queues are searched too.
#[tokio::test]
async fn planted_words_are_in_no_file_and_no_log_while_the_server_works() {
    let world = World::installed().await;
    let ben = world.as_user(BEN);
    let body = json!({ "started": "2026-03-02T09:00:00Z", "duration": "1h", "comment": "canary comment", "tags": ["77"] });
    let made = ben.log_work(world.ids.issue, "idempotency-canary-1", &body).await;
    assert_eq!(made.status, 201);
    let path = format!("/api/v1/issues/{}/worklogs/{}", world.ids.issue, made.json["id"].as_str().unwrap());
    assert_eq!(ben.put(&path, &json!({ "comment": "canary edited" })).await.status, 200);
    assert_eq!(ben.post("/api/v1/tags", &json!({ "name": "canary tag" })).await.status, 201);
    assert_eq!(ben.get("/api/v1/worklogs?account=canary-account").await.status, 200);
    assert_eq!(ben.get("/api/v1/worklogs?colour=canary").await.status, 400);
    assert_eq!(
        ben.log_work(world.ids.issue, "idempotency-canary-2", &json!({ "duration": "canary" })).await.status,
        400
    );
    world.site.rename_issue(world.ids.issue, "canary new summary");
    world.site.log_work(ANA, world.ids.issue, Work::of(600, "canary by event"));
    world.site.fail("POST", "/worklog", hourbook_simulator::faults::Fault::Status(400), 1);
    ben.log_work(world.ids.issue, "idempotency-canary-3", &body).await;
    world.settle(&world.site).await;
    logs::assert_no_canary_in(&world.data_dir());
    logs::assert_clean();
    assert!(logs::text().contains("/api/v1/issues/{issueId}/worklogs"), "the route's template is logged");
    world.end().await;
}

/// The whole life of a customer in a process of its own, so that its temporary folder and its log are its alone. What
/// was planted in clear is nowhere at any time; what was sealed is nowhere after the wipe either, byte by byte: not in
/// free pages, logs of databases, backups, or the folder for temporary files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_planted_and_what_it_was_sealed_to_is_nowhere_after_the_wipe() {
    let place = TempDir::new().unwrap();
    let (data, temporary, log) =
        (place.path().join("data"), place.path().join("tmp"), place.path().join("log"));
    std::fs::create_dir_all(&temporary).unwrap();
    let cloud = Cloud::start();
    let site = Site::start(&cloud, "canary-client-one");
    site.state().withheld_ms = 0;
    for (account, admin) in [(ANA, true), (BEN, false)] {
        site.add_user(account, "Canary Display Name", admin);
    }
    let project = site.add_project("CANARY");
    let issue = site.add_issue(project, "canary summary");
    for at in 0..300 {
        site.log_work(BEN, issue, Work::of(600 + at, &format!("canary comment {at}")));
    }
    let (mut env, url) = process::env(&cloud, &data);
    env.insert("TMPDIR".into(), temporary.to_str().unwrap().into());
    env.insert(
        "CHAOS_LOG".into(),
        "info,hourbook=trace,hourbook_store=trace,diesel=debug,actix_web=debug".into(),
    );
    let mut server = Process::new(env.clone()).logging_to(&log);
    server.start();
    let http = hourbook::jira::client::http_client(Duration::from_secs(30)).unwrap();
    eventually("the server answers", || async {
        http.get(format!("{url}/healthz")).send().await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(site.install_with(&url, APP_KEY, "canarysecret-of-this-site").await, 204);
    let call = |method: &'static str, path: String, account: &'static str, body: Option<Value>| {
        let (http, url, token) = (http.clone(), url.clone(), site.context_token(account));
        async move {
            let key = format!("canary-key-{}", rand::random::<u64>());
            let request = http.request(method.parse().unwrap(), format!("{url}{path}"));
            let request =
                request.header("Authorization", format!("JWT {token}")).header("Idempotency-Key", key);
            let request = match body {
                Some(body) => request.json(&body),
                None => request,
            };
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
        }
    };
    let idle = || async {
        let (_, sync) = call("GET", "/api/v1/sync".into(), ANA, None).await;
        (sync["state"] == "idle" && sync["worklogs"].as_i64() >= Some(300))
            .then_some(())
            .ok_or_else(|| sync.to_string())
    };
    eventually("the first sync is done", idle).await;
    // Everything is used.
    let (status, tag) = call("POST", "/api/v1/tags".into(), BEN, Some(json!({ "name": "canary tag" }))).await;
    assert_eq!(status, 201);
    let tag = tag["id"].as_str().unwrap().to_owned();
    let work = json!({ "started": "2026-03-02T09:00:00Z", "duration": "1h", "comment": "canary by hand", "tags": [tag] });
    let (status, made) = call("POST", format!("/api/v1/issues/{issue}/worklogs"), BEN, Some(work)).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/api/v1/issues/{issue}/worklogs/{}", made["id"].as_str().unwrap());
    assert_eq!(call("PUT", path.clone(), BEN, Some(json!({ "comment": "canary edited" }))).await.0, 200);
    let rename = Some(json!({ "name": "canary renamed" }));
    assert_eq!(call("PUT", format!("/api/v1/tags/{tag}"), ANA, rename).await.0, 200);
    site.rename_issue(issue, "canary other summary");
    site.log_work(ANA, issue, Work::of(60, "canary by event"));
    for (path, account) in [("/api/v1/worklogs", ANA), ("/api/v1/audit", ANA), ("/api/v1/tags", BEN)] {
        assert_eq!(call("GET", path.into(), account, None).await.0, 200);
    }
    site.webhooks_delivered().await;
    let hourbook = |args: &'static str| {
        let env = env.clone();
        tokio::task::spawn_blocking(move || {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hourbook"));
            let output = command.args(args.split(' ')).env_clear().envs(env).output().unwrap();
            assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        })
    };
    hourbook("backup run").await.unwrap();
    let listed = hourbook("tenant list").await.unwrap();
    let tenant = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    hourbook("backup verify").await.unwrap();
    eventually("the syncs are done", idle).await;
    call("DELETE", path, BEN, None).await;
    let everywhere = || {
        logs::assert_no_canary_in(&data);
        logs::assert_no_canary_in(&temporary);
        let bytes = std::fs::read(&log).unwrap();
        assert!(memchr::memmem::find(&bytes, b"/api/v1/issues/{issueId}/worklogs").is_some(), "it logs");
        assert_eq!(logs::planted_in(&bytes), None, "in the log");
    };
    everywhere();
    let sealed = sealed(&data, &tenant);
    assert!(sealed.len() > 300, "comments, tags, secrets, keys, a backup");
    for record in &sealed {
        assert!(is_below(&data, record), "what is looked for afterwards is there before");
    }

    let promised = call("GET", "/api/v1/privacy".into(), ANA, None).await.1["receipt"]["url"].clone();
    assert_eq!(site.uninstall().await, 204);
    eventually("the receipt is there", || async {
        let answer = http.get(promised.as_str().unwrap()).send().await.map_err(|error| error.to_string())?;
        (answer.status() == 200).then_some(()).ok_or_else(|| answer.status().to_string())
    })
    .await;
    everywhere();
    for record in &sealed {
        assert!(!is_below(place.path(), record), "sealed bytes are left: {}", hex::encode(record));
    }
    server.kill();
    for record in &sealed {
        assert!(
            !is_below(place.path(), record),
            "sealed bytes are left after the end: {}",
            hex::encode(record)
        );
    }
    everywhere();
}

/// Sealed comments and names, the sealed secret, the wrapped key, and pieces of a backup.
fn sealed(data: &Path, tenant: &str) -> Vec<Vec<u8>> {
    let column = |file: &Path, sql: &str| -> Vec<Vec<u8>> {
        let conn = rusqlite::Connection::open(file).unwrap();
        let mut query = conn.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let database = data.join("tenants").join(tenant).join("worklogs.db");
    let mut found = column(&database, "SELECT comment FROM worklogs WHERE comment IS NOT NULL");
    found.extend(column(&database, "SELECT name FROM tags"));
    found.extend(column(&data.join("control.db"), "SELECT shared_secret FROM installations"));
    found.extend(column(&data.join("keyring.db"), "SELECT wrapped FROM data_keys"));
    let backups = std::fs::read_dir(data.join("backups").join("tenants").join(tenant)).unwrap();
    let bytes = std::fs::read(backups.map(|entry| entry.unwrap().path()).max().unwrap()).unwrap();
    found.push(bytes[bytes.len() / 2..bytes.len() / 2 + 64].to_vec());
    found
}

/// Whether bytes stand in any file below a folder.
fn is_below(folder: &Path, wanted: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_below(&path, wanted);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        memchr::memmem::find(&bytes, wanted).is_some()
    })
}

/// One tenant's data is out of reach of another's tokens, ids being equal.
#[tokio::test]
async fn tenants_do_not_meet() {
    let world = World::installed().await;
    for site in [&world.site, &world.other] {
        let name = if site.base_url == world.site.base_url { "one" } else { "two" };
        let list = world.on(site, ANA).get("/api/v1/worklogs").await.text;
        let other = if name == "one" { "of two" } else { "of one" };
        assert!(list.contains(&format!("of {name}")) && !list.contains(other), "{list}");
    }
    for site in [&world.site, &world.other] {
        let tenant = world.tenant_id(site).await;
        assert!(world.has_database(&tenant), "promise E9");
        assert_eq!(world.in_tenant(&tenant, "SELECT CAST(count(*) AS TEXT) FROM worklogs").await, ["4"]);
    }
    world.end().await;
}
