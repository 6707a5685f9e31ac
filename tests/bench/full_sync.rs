//! A full sync by the real binary in a process of its own, against the transfer of the same pages alone.

use crate::canned::{Canned, PAGE};
use futures_util::{StreamExt, stream};
use hourbook::clock::Clock;
use hourbook_simulator::cloud::Cloud;
use hourbook_simulator::{qsh, tokens};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const APP_KEY: &str = "app.hourbook.bench";
const SECRET: &str = "bench-secret-0123456789abcdef";
const CLIENT: &str = "bench-client";

struct Server {
    child: Child,
    url: String,
    _dir: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(cloud: &Cloud) -> Self {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (listen, dir) = (port(), TempDir::new().unwrap());
        let url = format!("http://{listen}");
        let child = Command::new(env!("CARGO_BIN_EXE_hourbook"))
            .arg("serve")
            .env_clear()
            .envs([
                ("HOURBOOK_LISTEN", listen.as_str()),
                ("HOURBOOK_OPS_LISTEN", &port()),
                ("HOURBOOK_BASE_URL", &url),
                ("HOURBOOK_APP_KEY", APP_KEY),
                ("HOURBOOK_MASTER_KEYS", "bench:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
                ("HOURBOOK_CONNECT_KEYS_URL", &cloud.url),
                ("HOURBOOK_OAUTH_URL", &cloud.url),
                ("HOURBOOK_ALLOWED_SITES", "http://127.0.0.1:*"),
                ("HOURBOOK_LOG", "warn"),
                // Jira's limits are not what is measured here.
                ("HOURBOOK_CALLS_PER_SECOND", "1000000"),
                ("HOURBOOK_POINTS_PER_HOUR", "1000000"),
                ("HOURBOOK_DATA_DIR", dir.path().to_str().unwrap()),
            ])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self { child, url, _dir: dir }
    }

    /// Resident memory in MiB, now or at its highest.
    fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

async fn install(http: &reqwest::Client, server: &Server, cloud: &Cloud, site: &str) {
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

async fn sync_state(http: &reqwest::Client, server: &Server) -> Value {
    let now = Clock::system().now_secs();
    let token = tokens::hs256(
        &json!({ "iss": CLIENT, "iat": now, "exp": now + 60, "sub": "somebody", "qsh": "context-qsh" }),
        SECRET,
    );
    let request =
        http.get(format!("{}/api/v1/sync", server.url)).header("Authorization", format!("JWT {token}"));
    request.send().await.unwrap().json().await.unwrap()
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
        "## Full sync\n\nThe binary in a process of its own against a Jira that answers from memory, pages of 1,000 worklogs of about 1,200 bytes. \
         *Transfer alone*: the same calls, bodies dropped.\n\n\
         | worklogs | transfer alone s | full sync s | worklogs/s | transfer to sync | memory before MiB | highest MiB |\n|---|---|---|---|---|---|---|\n",
    );
    let http = hourbook::jira::client::http_client(Duration::from_secs(60)).unwrap();
    let cloud = Cloud::start();
    for worklogs in [100_000, 1_000_000] {
        let site = Canned::start(worklogs);
        let alone = transfer(&http, &site).await;
        let server = Server::start(&cloud);
        let begun = Instant::now();
        while http.get(format!("{}/readyz", server.url)).send().await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let before = server.memory("VmRSS");
        let begun = Instant::now();
        install(&http, &server, &cloud, &site.url).await;
        loop {
            let state = sync_state(&http, &server).await;
            if state["runs"][0]["state"] == "done" {
                assert_eq!(state["worklogs"], worklogs, "{state}");
                break;
            }
            assert_ne!(state["state"], "failed", "{state}");
            assert!(begun.elapsed() < Duration::from_secs(600), "{state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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
