//! A full sync by the real binary in a process of its own, against the transfer of the same pages alone.

use crate::canned::{Canned, PAGE};
use crate::cluster::Cluster;
use crate::process::{APP_KEY, Server};
use futures_util::{StreamExt, stream};
use hourbook::clock::Clock;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::{qsh, tokens};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const SECRET: &str = "bench-secret-0123456789abcdef";
pub const CLIENT: &str = "bench-client";

pub async fn install(http: &reqwest::Client, server: &Server, cloud: &Cloud, site: &str) {
    lifecycle(http, server, cloud, "installed", &json!({ "sharedSecret": SECRET, "baseUrl": site })).await;
}

async fn lifecycle(http: &reqwest::Client, server: &Server, cloud: &Cloud, event: &str, more: &Value) {
    let key = cloud.install_key();
    let now = Clock::system().now_secs();
    let claims = json!({ "iss": CLIENT, "iat": now, "exp": now + 60, "aud": [server.url], "qsh": qsh::hash("POST", &format!("/connect/{event}")) });
    let token = tokens::rs256(&claims, Some(&key.kid), &key.private_pem);
    let mut body = json!({ "key": APP_KEY, "clientKey": CLIENT, "eventType": event });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = http
        .post(format!("{}/connect/{event}", server.url))
        .header("Authorization", format!("JWT {token}"))
        .json(&body);
    assert_eq!(request.send().await.unwrap().status(), 204);
}

pub async fn sync_state(http: &reqwest::Client, server: &Server) -> Value {
    let now = Clock::system().now_secs();
    let token = tokens::hs256(
        &json!({ "iss": CLIENT, "iat": now, "exp": now + 60, "sub": "somebody", "qsh": "context-qsh" }),
        SECRET,
    );
    let request =
        http.get(format!("{}/api/v1/sync", server.url)).header("Authorization", format!("JWT {token}"));
    request.send().await.unwrap().json().await.unwrap()
}

/// Waits for the end of the first sync.
pub async fn synced(http: &reqwest::Client, server: &Server, worklogs: usize) {
    let begun = Instant::now();
    loop {
        let state = sync_state(http, server).await;
        if state["runs"][0]["state"] == "done" {
            assert_eq!(state["worklogs"], worklogs, "{state}");
            return;
        }
        assert_ne!(state["state"], "failed", "{state}");
        assert!(begun.elapsed() < Duration::from_secs(600), "{state}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same calls, four in flight, bodies dropped.
async fn transfer(http: &reqwest::Client, site: &Arc<Canned>) -> Duration {
    let begun = Instant::now();
    let pages = site.worklogs / PAGE;
    stream::iter(0..pages)
        .map(|page| {
            let (http, url) = (http.clone(), site.url.clone());
            async move {
                let since = if page == 0 {
                    0
                } else {
                    1_700_000_000_000 + i64::try_from(page * PAGE).unwrap() * 1000 - 1001
                };
                let feed = http
                    .get(format!("{url}/rest/api/3/worklog/updated?since={since}"))
                    .send()
                    .await
                    .unwrap()
                    .bytes()
                    .await
                    .unwrap();
                let ids: Vec<usize> = (page * PAGE + 1..=(page + 1) * PAGE).collect();
                let list = http
                    .post(format!("{url}/rest/api/3/worklog/list"))
                    .json(&json!({ "ids": ids }))
                    .send()
                    .await
                    .unwrap()
                    .bytes()
                    .await
                    .unwrap();
                feed.len() + list.len()
            }
        })
        .buffered(4)
        .for_each(|_| async {})
        .await;
    begun.elapsed()
}

/// Uninstalls, and waits for the receipt; seconds.
async fn wiped(http: &reqwest::Client, server: &Server, cloud: &Cloud, dir: &Path) -> f64 {
    let begun = Instant::now();
    lifecycle(http, server, cloud, "uninstalled", &json!({})).await;
    let done = || server.metric("hourbook_jobs_total{kind=\"wipe\",outcome=\"done\"}");
    while done().await < 1.0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the wipe does not end: {}", dir.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed().as_secs_f64()
}

pub async fn run() -> String {
    let mut page = String::from(
        "## Full sync, and wiping\n\nThe binary in a process of its own against a Jira that answers from memory, pages of 1,000 worklogs of about 2,100 bytes. \
         *Transfer alone*: the same calls, bodies dropped. *Wipe*: from the uninstallation to the signed receipt.\n\n\
         | worklogs | on | transfer alone s | full sync s | worklogs/s | transfer to sync | memory before MiB | highest MiB | wipe s |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let http = hourbook::jira::client::http_client(Duration::from_secs(60)).unwrap();
    let cloud = Cloud::start();
    for (worklogs, on) in
        [(100_000, "SQLite"), (1_000_000, "SQLite"), (100_000, "PostgreSQL"), (1_000_000, "PostgreSQL")]
    {
        let site = Canned::start(worklogs);
        let alone = transfer(&http, &site).await;
        let dir = TempDir::new().unwrap();
        let cluster = (on == "PostgreSQL").then(Cluster::start_durable);
        let server = match &cluster {
            Some(cluster) => Server::start_on(&cloud, dir.path(), cluster),
            None => Server::start(&cloud, dir.path()),
        };
        server.ready(&http).await;
        let before = server.memory("VmRSS");
        let begun = Instant::now();
        install(&http, &server, &cloud, &site.url).await;
        synced(&http, &server, worklogs).await;
        let full = begun.elapsed().as_secs_f64();
        let alone = alone.as_secs_f64();
        let highest = server.memory("VmHWM");
        let wipe = wiped(&http, &server, &cloud, dir.path()).await;
        let _ = writeln!(
            page,
            "| {worklogs} | {on} | {alone:.2} | {full:.2} | {:.0} | {:.2} | {before:.0} | {highest:.0} | {wipe:.2} |",
            worklogs as f64 / full,
            alone / full,
        );
    }
    page + "\n"
}
