//! A full sync by the real binary in a process of its own, against the transfer of the same pages alone.

use crate::canned::{Canned, PAGE};
use crate::process::{APP_KEY, Server};
use futures_util::{StreamExt, stream};
use hourbook::clock::Clock;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::{qsh, tokens};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const SECRET: &str = "bench-secret-0123456789abcdef";
pub const CLIENT: &str = "bench-client";

pub async fn install(http: &reqwest::Client, server: &Server, cloud: &Cloud, site: &str) {
    let key = cloud.install_key();
    let now = Clock::system().now_secs();
    let claims = json!({ "iss": CLIENT, "iat": now, "exp": now + 60, "aud": [server.url], "qsh": qsh::hash("POST", "/connect/installed") });
    let token = tokens::rs256(&claims, Some(&key.kid), &key.private_pem);
    let body = json!({ "key": APP_KEY, "clientKey": CLIENT, "sharedSecret": SECRET, "baseUrl": site, "eventType": "installed" });
    let request = http
        .post(format!("{}/connect/installed", server.url))
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

pub async fn run() -> String {
    let mut page = String::from(
        "## Full sync\n\nThe binary in a process of its own against a Jira that answers from memory, pages of 1,000 worklogs of about 2,100 bytes. \
         *Transfer alone*: the same calls, bodies dropped.\n\n\
         | worklogs | transfer alone s | full sync s | worklogs/s | transfer to sync | memory before MiB | highest MiB |\n|---|---|---|---|---|---|---|\n",
    );
    let http = hourbook::jira::client::http_client(Duration::from_secs(60)).unwrap();
    let cloud = Cloud::start();
    for worklogs in [100_000, 1_000_000] {
        let site = Canned::start(worklogs);
        let alone = transfer(&http, &site).await;
        let dir = TempDir::new().unwrap();
        let server = Server::start(&cloud, dir.path());
        server.ready(&http).await;
        let before = server.memory("VmRSS");
        let begun = Instant::now();
        install(&http, &server, &cloud, &site.url).await;
        synced(&http, &server, worklogs).await;
        let full = begun.elapsed().as_secs_f64();
        let alone = alone.as_secs_f64();
        let _ = writeln!(
            page,
            "| {worklogs} | {alone:.2} | {full:.2} | {:.0} | {:.2} | {before:.0} | {:.0} |",
            worklogs as f64 / full,
            alone / full,
            server.memory("VmHWM")
        );
    }
    page + "\n"
}
